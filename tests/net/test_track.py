# SPDX-License-Identifier: GPL-3.0-or-later
"""What a vhost tracks, and the routes and rules that follow its master."""

import contextlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import time
from datetime import datetime

import pytest

from lab import sh, wait_for
from node import die_with_parent

SWAP_S = 0.1  # after the demotion


def start(pair, more, other=None):
    """As pair.start(), with `more` in the lan block of the first node, and
    `other` (or the same) in that of the second."""
    pair.configure()
    for node, text in ((pair.one, more),
                       (pair.two, more if other is None else other)):
        conf = node.conf.read_text()
        node.conf.write_text(conf.replace(
            'carp "lan" {', 'carp "lan" {\n' + text))
    pair.one.launch().wait_up()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"), 15)
    pair.two.launch().wait_up()
    pair.wait_sync()
    return pair


def tracked(node):
    return node.carp("lan")["track"]


def state(node, i=0):
    return tracked(node)[i]["state"]


def demotion(node):
    return node.status()["demotion"]["track"]


def when_master(node):
    """Wall-clock time at which the node became master of all, for good."""
    entries = [e for e in node.status()["history"] if e["to"] == "MASTER"]
    newest = max(e["at"] for e in entries[:2])
    return datetime.fromisoformat(newest.replace("Z", "+00:00")).timestamp()


def swaps(pair, act, to=None):
    """After act() the other node is master; seconds that it took."""
    act()
    start_s = time.time()
    pair.wait_master(to or pair.two)
    return when_master(to or pair.two) - start_s


def spare(lab, host):
    """An interface without any vhost on it."""
    lab.batch(host, "link add ext type veth peer name ext2",
              "link set ext2 up", "link set ext up")


def test_interface(lab, pair):
    """Carrier lost, set down, renamed and gone are down."""
    for host in ("gw1", "gw2"):
        spare(lab, host)
    start(pair, 'track { interface "ext" { weight = 5 } }')
    assert state(pair.one) == "up" and demotion(pair.one) == 0
    took = swaps(pair, lambda: lab.ip("gw1", "link", "set", "ext2", "down"))
    assert took < SWAP_S
    assert state(pair.one) == "down" and demotion(pair.one) == 5
    assert 'interface "ext" is down' in pair.one.log.read_text()
    assert 'interface "ext" is down' in pair.one.tool()[1]
    lab.ip("gw1", "link", "set", "ext2", "up")
    wait_for("up again", lambda: state(pair.one) == "up")
    assert demotion(pair.one) == 0
    took = swaps(pair, lambda: lab.ip("gw2", "link", "set", "ext", "down"),
                 pair.one)
    assert took < SWAP_S
    lab.ip("gw2", "link", "set", "ext", "name", "moved")
    lab.ip("gw2", "link", "set", "moved", "up")
    time.sleep(0.1)
    assert state(pair.two) == "down"
    lab.ip("gw2", "link", "set", "moved", "down")
    lab.ip("gw2", "link", "set", "moved", "name", "ext")
    lab.ip("gw2", "link", "set", "ext", "up")
    wait_for("up again", lambda: state(pair.two) == "up")
    assert swaps(pair, lambda: lab.ip("gw1", "link", "del", "ext")) < SWAP_S
    assert tracked(pair.one)[0]["why"] == "there is none"


@pytest.mark.full
def test_interface_that_is_not_there(lab, pair):
    """Down from the start, up when it comes."""
    pair.configure(link=False)
    pair.one.conf.write_text(pair.one.conf.read_text().replace(
        'carp "lan" {', 'carp "lan" { track { interface "ext" { } }'))
    pair.one.launch().wait_up()
    assert state(pair.one) == "down" and demotion(pair.one) == 1
    spare(lab, "gw1")
    wait_for("it came", lambda: state(pair.one) == "up")


def script(command, weight=10, **more):
    keys = {"interval": '"100ms"', **more}
    return 'track { script "isp" { command = "%s" weight = %d %s } }' % (
        command, weight, " ".join("%s = %s" % kv for kv in keys.items()))


def test_script(lab, pair):
    """fall failures make it fail, rise successes make it well."""
    flag = {n: n.dir / "flag" for n in pair.both()}
    for path in flag.values():
        path.touch()
    command = "echo looked; test -e %s"
    start(pair, *(script(command % flag[n], rise=3, fall=2)
                  for n in pair.both()))
    wait_for("it ran", lambda: state(pair.one) == "up")
    flag[pair.one].unlink()
    pair.wait_master(pair.two)
    item = tracked(pair.one)[0]
    assert item["state"] == "down" and item["exit_status"] == 1
    assert item["why"] == "exit status 1, looked"
    assert demotion(pair.one) == 10
    said = pair.one.log.read_text()
    assert 'script "isp": looked' in said
    assert 'script "isp" is down: exit status 1, looked; demotion +10' in said
    flag[pair.one].touch()
    wait_for("well", lambda: state(pair.one) == "up")
    flag[pair.two].unlink()
    pair.wait_master(pair.one)


@pytest.mark.full
def test_script_that_hangs(lab, pair):
    """Unknown counts as up; the time limit is a failure, and nothing of it
    stays behind."""
    start(pair, script("sleep 7777", interval='"2s"', timeout='"2s"'),
          script("true"))
    assert state(pair.one) == "unknown" and pair.master() is pair.one
    pair.wait_master(pair.two)
    assert tracked(pair.one)[0]["why"] == "timed out"
    pair.one.stop()
    wait_for("nothing is left", lambda: not lab.run(
        "gw1", "sh", "-c", "pgrep -x -f 'sleep 7777' --ns $$ --nslist net",
        check=False), 3)


@pytest.mark.full
def test_file(lab, pair):
    """touch and rm, or a number that is not 0."""
    path = pair.one.dir / "maintenance"
    start(pair, 'track { file "%s" { weight = 3 } }' % path, "")
    assert state(pair.one) == "up"
    assert swaps(pair, path.touch) < SWAP_S
    assert demotion(pair.one) == 3
    path.unlink()
    wait_for("well", lambda: demotion(pair.one) == 0)
    pair.wait_sync()
    assert pair.two.tool("handover")[0] == 0
    pair.wait_master(pair.one)
    path.write_text("0\n")
    time.sleep(1.2)
    assert pair.master() is pair.one and state(pair.one) == "up"
    assert swaps(pair, lambda: path.write_text("10\n")) < SWAP_S


@pytest.mark.full
def test_process(lab, pair):
    """Its end is known at once, not at the next look."""
    program = pair.one.dir / "ss-tracked"
    shutil.copy("/bin/sleep", program)

    def run():
        return subprocess.Popen([program, "1000"], preexec_fn=die_with_parent)
    with contextlib.ExitStack() as stack:
        proc = run()
        stack.callback(lambda: proc.kill())
        start(pair, 'track { process "ss-tracked" { } }', "")
        wait_for("found", lambda: state(pair.one) == "up")
        assert swaps(pair, proc.kill) < SWAP_S
        proc.wait()
        proc = run()
        wait_for("found again", lambda: state(pair.one) == "up", 3)
        assert demotion(pair.one) == 0


@pytest.mark.full
@pytest.mark.parametrize("network,via", [
    ("10.1.128.0/17", "10.1.0.100"), ("2001:db8::/32", "2001:db8:1::9")])
def test_route(lab, pair, network, via):
    """Removed, replaced by a blackhole, or gone with its device."""
    family = "-6" if ":" in network else "-4"

    def ip(*argv):
        lab.ip("gw1", family, "route", *argv)
    spare(lab, "gw1")
    if family == "-6":
        lab.ip("gw1", "addr", "add", "2001:db8:1::1/64", "dev", "ext",
               "nodad")
        ip("add", network, "via", via)
    start(pair, 'track { route "%s" { } }' % network, "")
    assert state(pair.one) == "up"
    assert swaps(pair, lambda: ip("del", network)) < SWAP_S
    ip("add", network, "dev", "ext")
    wait_for("well", lambda: state(pair.one) == "up")
    lab.ip("gw1", "link", "set", "ext2", "down")  # stands, but is dead
    wait_for("dead", lambda: state(pair.one) == "down")
    lab.ip("gw1", "link", "set", "ext2", "up")
    wait_for("well", lambda: state(pair.one) == "up")
    lab.ip("gw1", "link", "set", "ext", "down")  # IPv4: nobody is told
    wait_for("gone", lambda: state(pair.one) == "down")
    ip("add", "blackhole", network)
    time.sleep(0.2)
    assert state(pair.one) == "down"


# --- the helper

def tables(sock):
    """The nftables tables of the namespace, by one netlink dump."""
    sock.send(struct.pack("=IHHIIBBH", 20, 10 << 8 | 1, 0x301, 1, 0, 0, 0, 0))
    text = b""
    while True:
        part = sock.recv(65536)
        text += part
        if struct.unpack_from("=H", part, len(part) - 16)[0] == 3 or (
                b"\x03\x00\x02\x00" in part):
            return text


def table_outlives(lab, node):
    """Kills the daemon; for how many seconds its table is there then."""
    with lab.inside(node.host):
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
    with sock:
        assert b"statesync" in tables(sock)
        node.signal(signal.SIGKILL)
        begin = time.monotonic()
        while b"statesync" in tables(sock):
            assert time.monotonic() - begin < 1
        took = time.monotonic() - begin
    node.reap()
    return took


@pytest.mark.full
def test_killed_while_a_script_sleeps(lab, pair):
    """No child of the daemon keeps its table alive: gone within 20 ms (median
    of 3: the machine may be busy)."""
    pair.configure(link=False)
    files = pair.one.dir / "files"
    pair.one.conf.write_text(pair.one.conf.read_text().replace(
        'carp "lan" {', 'carp "lan" {\n' + script(
            "ls -l /proc/$PPID/fd /proc/self/fd >%s; sleep 60" % files,
            interval='"60s"', timeout='"60s"')))
    took = []
    for _ in range(3):
        files.unlink(missing_ok=True)
        pair.one.launch().wait_up()
        wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"))
        wait_for("the script sleeps", files.exists)
        took.append(table_outlives(lab, pair.one))
    assert sorted(took)[1] < 0.02, took
    text = files.read_text()
    assert "netlink" not in text and text.count("socket:") == 2, text
    # a check has no worth without who asked
    wait_for("helper and script are gone", lambda: not sh(
        "ip", "netns", "pids", lab.ns("gw1")).split())


@pytest.mark.full
def test_the_helper_is_killed(lab, pair):
    """Said, and what cannot be checked counts as down."""
    start(pair, script("true"), "")
    wait_for("it ran", lambda: state(pair.one) == "up")
    for pid in sh("ip", "netns", "pids", lab.ns("gw1")).split():
        with open("/proc/%s/comm" % pid) as f:
            if f.read() == "statesync-exec\n":
                os.kill(int(pid), signal.SIGKILL)
    pair.wait_master(pair.two)
    assert "the helper that runs commands" in pair.one.log.read_text()
    assert pair.one.tool()[0] in (0, 1)


# --- routes and rules

FOLLOW = """
routes {
	route "10.3.0.0/16" { via = "10.1.0.100" }
	route "default" { via = "10.2.0.100" table = 77 metric = 5 }
	route "2001:db8:3::/48" { interface = "wan" }
}
rules {
	rule "guests" { from = "10.1.2.0/24" table = 77 priority = 500 }
	rule "six" { from = "2001:db8:2::/48" table = 77 priority = 501 }
}
"""


def ours(lab, host):
    """What of FOLLOW a node has."""
    text = "".join(
        lab.ip(host, family, "route", "show", "table", "all", "proto", "112")
        for family in ("-4", "-6"))
    text += lab.ip(host, "rule") + lab.ip(host, "-6", "rule")
    return [word in text for word in (
        "10.3.0.0/16 via 10.1.0.100 dev lan",
        "default via 10.2.0.100 dev wan table 77",
        "2001:db8:3::/48 dev wan",
        "500:\tfrom 10.1.2.0/24 lookup 77 proto 112",
        "501:\tfrom 2001:db8:2::/48 lookup 77 proto 112")]


def test_follow_the_master(lab, pair):
    start(pair, FOLLOW)
    assert all(ours(lab, "gw1")), ours(lab, "gw1")
    assert not any(ours(lab, "gw2"))
    assert pair.one.tool("handover")[0] == 0
    pair.wait_master(pair.two)
    assert all(ours(lab, "gw2")) and not any(ours(lab, "gw1"))
    pair.two.kill()
    pair.wait_master(pair.one)
    assert all(ours(lab, "gw1"))
    pair.two.launch().wait_up()  # as a backup
    assert not any(ours(lab, "gw2"))
    assert pair.two.stop() is not None
    assert pair.one.stop() is not None
    assert not any(ours(lab, "gw1"))


@pytest.mark.full
def test_put_back(lab, pair):
    """Whoever removes them, and whatever takes them along."""
    start(pair, FOLLOW)
    lab.ip("gw1", "route", "del", "10.3.0.0/16")
    lab.ip("gw1", "rule", "del", "pref", "500")
    lab.ip("gw1", "-6", "rule", "del", "pref", "501")
    lab.ip("gw1", "-6", "route", "del", "2001:db8:3::/48")
    wait_for("put back", lambda: all(ours(lab, "gw1")), 1)
    assert lab.ip("gw1", "rule").count("10.1.2.0/24") == 1
    lab.ip("gw1", "addr", "flush", "dev", "lan")
    lab.ip("gw1", "addr", "add", "10.1.0.11/24", "dev", "lan")
    wait_for("put back", lambda: all(ours(lab, "gw1")), 1)
    assert pair.master() is pair.one


@pytest.mark.full
def test_what_cannot_be_set(lab, pair):
    """It is said, stops nothing, and is set once it can be; nobody else's
    route is replaced."""
    spare(lab, "gw1")
    lab.ip("gw1", "route", "add", "10.5.0.0/16", "via", "10.1.0.100")
    start(pair, 'routes { route "10.4.0.0/16" { via = "10.77.0.1" } '
          'route "10.5.0.0/16" { via = "10.2.0.100" } }', "")
    text = pair.one.log.read_text()
    assert ("route 10.4.0.0/16 cannot be set: via 10.77.0.1 is in no network"
            in text), text
    assert "route 10.5.0.0/16 cannot be set: another one" in text
    errors = [r["error"] for r in pair.one.carp("lan")["routes"]]
    assert errors == ["network unreachable", "taken"]
    lab.ip("gw1", "addr", "add", "10.77.0.2/24", "dev", "ext")
    wait_for("set", lambda: "via 10.77.0.1" in lab.ip(
        "gw1", "route", "show", "10.4.0.0/16"))
    assert pair.one.carp("lan")["routes"][0]["error"] is None
    assert pair.one.log.read_text().count("10.4.0.0/16 cannot be set") == 1
    assert pair.one.stop() is not None
    assert "via 10.1.0.100" in lab.ip("gw1", "route", "show", "10.5.0.0/16")
