# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator's tool and the socket behind it."""

import os
import re
import socket
import stat
import subprocess
import time

import pytest

from lab import wait_for
from node import Node


def test_exit_statuses(lab, pair):
    assert pair.one.tool("status")[0] == 3, "no daemon behind the socket"
    assert pair.one.tool("no-such-command")[0] == 2
    assert pair.one.tool("demote")[0] == 2
    pair.start()
    assert pair.one.tool("status")[0] == 0
    assert pair.one.tool()[0] == 0, "without a command it is status"
    assert pair.two.tool("handover")[0] == 1, "master of nothing"
    code, _, err = pair.one.tool("no-such-command")
    assert code == 2 and err
    pair.two.kill()
    wait_for("the link's end is seen", lambda: not pair.one.in_sync())
    assert pair.one.tool("status")[0] == 1
    code, _, err = pair.one.tool("handover")
    assert code == 1 and len(err.strip().splitlines()) == 1


def test_a_peer_s_name_is_no_option():
    """An option that a command does not have is not asked of the daemon."""
    for words in (("verify", "--json"), ("bulk", "--x"), ("carp", "--x"),
                  ("--bulk", "-x"), ("role", "master", "--x")):
        p = subprocess.run([Node.program("statesync"), "-s", "/nonexistent",
                            *words], capture_output=True, text=True)
        assert p.returncode == 2 and p.stderr.startswith("usage: "), (words, p)


def test_help_names_the_manual():
    p = subprocess.run([Node.program("statesync"), "help", "handover"],
                       capture_output=True, text=True)
    assert p.returncode == 0 and "man 8 statesync" in p.stdout, p


def test_handover_and_history(pair):
    """The steps with their milliseconds; after it no preempting back."""
    pair.start(preempt=True)
    code, out, err = pair.one.tool("handover")
    assert code == 0, (out, err)
    pair.wait_master(pair.two)
    time.sleep(1.5)
    assert pair.master() is pair.two, "preempted back after a handover"
    entry = next(h for h in pair.two.status()["history"]
                 if h["to"] == "MASTER")
    assert entry["steps"], entry
    code, out, _ = pair.two.tool("history")
    assert code == 0 and "MASTER" in out
    assert pair.two.tool("handover")[0] == 0
    pair.wait_master(pair.one)


def row(node, block, name):
    """The words of that row of that block of the screen."""
    lines = node.tool("status")[1].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(block))
    return next(line for line in lines[start:]
                if line.startswith(name + " ")).split()


def rates(node):
    """Changes of flows each second, as the screen has them."""
    out, into = re.search(r"^FLOWS .*  ([\d.?]+)/s out   ([\d.?]+)/s in   "
                          r"\d+ refused$", node.tool("status")[1],
                          re.M).groups()
    return out, into


def test_the_screen_tells_of_the_peer(lab, pair):
    """How long it runs while it is heard, when it was heard last afterwards,
    and how much goes over."""
    pair.configure()
    pair.one.launch().wait_up()
    assert row(pair.one, "NODE", "fw2")[1:5] == ["-"] * 4
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"))
    pair.two.launch().wait_up()
    pair.wait_sync()
    up = row(pair.two, "NODE", "fw1")
    assert int(up[4]) >= 1 and up[5] == "s" and up[6] == "10.9.0.1", up
    assert pair.two.peer()["uptime_s"] > pair.one.peer()["uptime_s"]
    wait_for("rates", lambda: "?" not in str([rates(n) for n in pair.both()]))
    lab.tools.fill(2000)
    wait_for("2000 are told", lambda: float(rates(pair.one)[0]) > 50
             and float(rates(pair.two)[1]) > 50, 10, 0.1)
    assert pair.one.status()["flows"]["sent_per_s"] > 0
    pair.two.kill()
    wait_for("the link's end is seen", lambda: not pair.one.in_sync())
    gone = row(pair.one, "NODE", "fw2")
    assert gone[1:3] + gone[4:8] == ["?", "?", "?", "10.9.0.2,", "last",
                                     "heard"], gone
    at = time.strptime(gone[8], "%H:%M:%S")
    late = (time.time() - time.mktime(time.localtime()[:3] + at[3:6]
                                      + (0, 0, -1))) % 86400
    assert late < 10, gone
    assert " none since " in " ".join(row(pair.one, "SYNC", "fw2"))
    assert pair.one.peer()["uptime_s"] is None
    assert pair.one.peer()["last_heard"].endswith("Z")


def test_the_verdict_names_the_interface(lab, pair):
    """That is down, or that is not there."""
    pair.start()

    def verdict():
        return pair.two.tool("status")[1].split("\n\n")[0].splitlines()
    lab.cut("gw2", "lan")
    wait_for("it is named", lambda: verdict() == [
        "fw2 is BACKUP of wan, INIT on lan. It may not take over: an "
        "interface is down.",
        "  lan: lan is down, or has no carrier",
        "  try: ip link; statesync check"])
    lab.ip("gw2", "link", "set", "dev", "lan", "down")
    lab.ip("gw2", "link", "set", "dev", "lan", "name", "other")
    wait_for("it is gone", lambda: "  lan: lan is not here" in verdict())


def test_the_screen_and_the_json_say_the_same_of_a_peer(lab, pair):
    """Also while it is not there; and of what waits in its socket."""
    def told():
        peer = pair.one.peer()
        return peer["state"], peer["queue"]

    def shown():
        """Between two equal answers."""
        before, line = told(), row(pair.one, "SYNC", "fw2")
        if told() == before:
            assert (line[1], int(line[5])) == before
            return before
        return None
    # so that what the link does not take waits in the daemon
    lab.sysctl("gw1", **{"net.ipv4.tcp_wmem": "4096 16384 16384"})
    pair.configure()
    pair.one.launch().wait_up()
    wait_for("down", lambda: shown() == ("down", 0))
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"), 15)
    pair.two.launch().wait_up()
    pair.wait_sync()
    wait_for("live", lambda: shown() == ("live", 0))
    lab.slow("link", "100kbit")
    lab.tools.fill(10000)
    wait_for("bytes wait", lambda: (shown() or ("", 0))[1] > 0)


def test_long_names_stretch_the_columns(lab, pair):
    """Whatever stands below a heading begins where it does."""
    pair.one.name, pair.two.name = "gateway-one", "the-other-gateway"
    names = {"lan": "office-and-guests", "wan": "wan"}
    pair.configure()
    for node in pair.both():
        node.conf.write_text(re.sub('carp "(...)"', lambda m: 'carp "%s"'
                                    % names[m.group(1)],
                                    node.conf.read_text()))
    for node in pair.both():
        node.launch().wait_up()
    wait_for("master", lambda: pair.one.is_all("MASTER"), 15)
    wait_for("ready", lambda: all(n.status()["ready"] for n in pair.both()), 15)
    screen = pair.one.tool("status")[1]
    lines = screen.splitlines()
    headings = {line.split()[0]: line for line in lines if re.match(
        "NODE|CARP|SYNC|WHEN", line)}

    def under(block, heading, row, word):
        at = headings[block].index(heading)
        found = [line for line in lines if line.startswith(row)
                 and line[at:].startswith(word)]
        assert found and all(line[at - 1] == " " for line in found), screen
    for node in pair.both():
        under("NODE", "READY", node.name, "yes")
    under("SYNC", "STATE", "the-other-gateway", "live")
    for name in names.values():
        under("CARP", "gateway-one", name + " ", "MASTER")
        under("CARP", "the-other-gateway", name + " ", "backup")
        under("CARP", "ADDRESSES", name + " ", "10.")
        under("WHEN", "TO", "2", "MASTER")
    history = pair.one.tool("history")[1].splitlines()
    at = history[0].index("CAUSE")
    assert all(line[at - 1] == " " and line[at] != " " for line in history
               if line.startswith("2")), history


def test_forced_handover(lab, pair):
    """Refused while the peer is not in sync, unless forced."""
    pair.start()
    lab.cut("gw1", "link")
    wait_for("not in sync", lambda: not pair.one.in_sync())
    assert pair.one.tool("handover")[0] == 1
    assert pair.one.is_all("MASTER")
    assert pair.one.tool("handover", "--force")[0] == 0
    pair.wait_master(pair.two)


def test_genkey(lab, pair, tmp_path):
    tool = pair.one.program("statesync")
    out = [subprocess.run([tool, "genkey"], capture_output=True, text=True,
                          check=True) for _ in range(2)]
    assert out[0].stdout != out[1].stdout
    path = tmp_path / "key"
    done = subprocess.run([tool, "genkey", "-o", str(path)], text=True,
                          capture_output=True, check=True)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert re.search(r"\S{8,}", done.stdout + done.stderr), "a fingerprint"
    again = subprocess.run([tool, "genkey", "-o", str(path)], text=True,
                           capture_output=True)
    assert again.returncode != 0, "a key was overwritten"


def test_configuration_check(lab, pair):
    pair.configure()
    daemon = pair.one.program("statesyncd")
    ok = subprocess.run([daemon, "-n", "-f", str(pair.one.conf)],
                        capture_output=True, text=True)
    assert ok.returncode == 0, ok.stderr
    pair.one.key.chmod(0o644)
    bad = subprocess.run([daemon, "-n", "-f", str(pair.one.conf)],
                         capture_output=True, text=True)
    assert bad.returncode == 1 and "600" in bad.stderr + bad.stdout


def connect(node):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.settimeout(5)
    s.connect(str(node.sock))
    return s


def test_bad_requests_get_an_answer(pair):
    pair.start()
    for request in (b"nonsense\n", b"{\n", b"\0\xff\xfe\n",
                    b'{"command": "nonsense"}\n', b"x" * 4000 + b"\n"):
        with connect(pair.one) as s:
            s.sendall(request)
            assert s.recv(4096), request[:20]
    assert pair.one.is_all("MASTER")


@pytest.mark.full
def test_stuck_readers_harm_nobody(pair):
    """Many that connect and say nothing, or ask and never read."""
    pair.start()
    stuck = []
    for i in range(40):
        try:
            s = connect(pair.one)
            if i % 2:
                s.sendall(b'{"command": "status"}\n' * 50)
            stuck.append(s)
        except OSError:
            break
    start = time.monotonic()
    before = pair.transitions()
    time.sleep(2)
    assert pair.two.is_all("BACKUP") and pair.transitions() >= before
    for s in stuck:
        s.close()
    wait_for("status answers", lambda: pair.one.status(quiet=True), 10)
    assert pair.one.is_all("MASTER")
    assert time.monotonic() - start < 12


def test_two_masters_of_one_socket(pair):
    """A second daemon on the same configuration refuses to start."""
    pair.start()
    second = subprocess.run(
        ["ip", "netns", "exec", pair.lab.ns("gw1"),
         pair.one.program("statesyncd"), "-d", "-f", str(pair.one.conf)],
        capture_output=True, text=True, timeout=10)
    assert second.returncode == 1 and second.stderr
    assert pair.one.is_all("MASTER")
