# SPDX-License-Identifier: GPL-3.0-or-later
"""What must not be told, and who is told the rest."""

import re
import select
import subprocess
import time
from pathlib import Path

from lab import ROOT, wait_for
from talk import Talk
from test_monitor import LISTEN, get
from test_priv import with_script
from upgrades import processes

PASSWORD = "Wanderdune-1909"
NOBODY = 65534
ASK = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(30)
try:
    s.connect(sys.argv[1])
except PermissionError:
    print("may not connect")
    sys.exit()
s.sendall(sys.argv[2].encode() + b"\\n")
s.shutdown(socket.SHUT_WR)
while part := s.recv(65536):
    sys.stdout.write(part.decode())
"""


def secrets(*nodes):
    """The password, and pieces of the keys' bytes in hexadecimal."""
    found = {PASSWORD}
    for node in nodes:
        key = re.search(r"ss1:([0-9a-f]{64})", node.key.read_text()).group(1)
        found |= {key[i:i + 16] for i in range(0, 64, 8)}
    return found


def all_that_is_said(lab, node):
    """By every command that looks, and over HTTP."""
    for argv in (["status"], ["status", "--json"], ["check"], ["history"],
                 ["history", "--json"], ["counters", "-a"], ["metrics"],
                 ["flows", "--json"], ["schema"], ["verify"],
                 ["wait", "in-sync", "--timeout", "1"]):
        yield "\n".join(map(str, node.tool(*argv)[1:]))
    for path in ("/", "/status.json", "/metrics", "/-/healthy"):
        yield "\n".join(map(str, get(lab, node.host, path)))


def all_that_is_written(node, *more):
    for path in (node.log, *node.dir.glob("state/*"), *more):
        if path.is_file():
            yield path.read_text(errors="replace")
    for pid in processes(node):
        for name in ("cmdline", "environ"):
            yield Path("/proc/%d/%s" % (pid, name)).read_text(
                errors="replace")


def test_no_secret_is_said(lab, pair):
    """Not in a log with all there is, an answer, the page, a state file, the
    environment of a command, or a complaint about what they stand in."""
    pair.configure(password=PASSWORD, stats=LISTEN)
    seen = lab.dir / "environment"
    with_script(pair.one, "env >%s" % seen)
    for node in pair.both():
        node.options = ("-v", "-v")
        node.launch().wait_up()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"), 15)
    pair.wait_sync()
    hidden = secrets(*pair.both())
    said = [*all_that_is_said(lab, pair.one)]
    assert pair.one.tool("maintenance", "on")[0] == 0
    pair.two.new_key()  # and both complain
    hidden |= secrets(pair.two)
    assert pair.two.tool("reload")[0] == 0
    lab.cut("gw1", "link")
    wait_for("the link is down", lambda: not pair.two.in_sync(), 10)
    lab.restore("gw1", "link")
    wait_for("a complaint", lambda: "another link key"
             in pair.two.log.read_text(), 20)
    good = pair.one.conf.read_text()
    for bad in (good.replace(PASSWORD, PASSWORD + "-and-more-than-19"),
                good.replace("pass =", "pas ="),
                good.replace('"%s"' % PASSWORD, '"%s' % PASSWORD)):
        pair.one.conf.write_text(bad)
        said += map(str, pair.one.tool("reload"))
        p = subprocess.run([pair.one.program("statesyncd"), "-n", "-f",
                            str(pair.one.conf)], text=True,
                           capture_output=True)
        assert p.returncode == 1
        said.append(p.stdout + p.stderr)
    for node in pair.both():
        said += [*all_that_is_said(lab, node),
                 *all_that_is_written(node, seen)]
    assert seen.exists() and len("".join(said)) > 50000
    for text in said:
        told = [s for s in hidden if s in text]
        assert not told, (told, text[:2000])


def asked(node, line, group):
    """What nobody in particular, of that group, is told."""
    return subprocess.run(
        ["/usr/bin/python3", "-c", ASK, str(node.sock), line], text=True,
        capture_output=True, user=NOBODY, group=group, extra_groups=[],
        timeout=40).stdout


def commands():
    """Name and whether it changes something, as the daemon has them."""
    found = re.findall(r'\{ "([\w-]+)", (true|false), ',
                       (ROOT / "syncd/commands.c").read_text())
    assert len(found) > 15
    return [(name, what == "true") for name, what in found]


def test_who_may_do_what(lab, pair):
    """Another user cannot connect; one of the socket's group may look, and is
    refused whatever changes anything."""
    pair.start()
    lab.dir.chmod(0o711)
    node = pair.one
    before = pair.transitions(), node.status()["demotion"]["total"]
    group = node.sock.stat().st_gid
    assert node.sock.stat().st_mode & 0o777 == 0o660
    assert asked(node, "status", NOBODY) == "may not connect\n"
    for name, changes in commands():
        said = asked(node, name, group) if name != "events" else "ok"
        if changes:
            assert said.startswith('no: "%s" changes things' % name), said
        else:
            assert said and "changes things" not in said, (name, said)
    assert (pair.transitions(), node.status()["demotion"]["total"]) == before


def test_a_member_of_the_group_sees_all(lab, pair):
    """Each connection with its addresses, and what happens as it does."""
    pair.start()
    lab.dir.chmod(0o711)
    node = pair.one
    group = node.sock.stat().st_gid
    talk = Talk(lab, 9001)
    said = asked(node, "flows", group)
    talk.close()
    assert "10.1.0.100" in said and "10.2.0.100" in said, said
    with subprocess.Popen(
            ["/usr/bin/python3", "-u", "-c", ASK, str(node.sock), "events"],
            text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            user=NOBODY, group=group, extra_groups=[]) as follower:
        time.sleep(2)  # it follows by then
        assert node.tool("handover")[0] == 0
        ready = select.select([follower.stdout], [], [], 10)[0]
        line = follower.stdout.readline() if ready else ""
        follower.kill()
    assert "lan" in line or "wan" in line, line


def test_a_key_that_others_read(pair):
    """It does not start with one."""
    pair.configure()
    pair.one.key.chmod(0o640)
    assert pair.one.launch().reap() == 1
    assert "mode 0640 lets others read the link key; not started" in \
        pair.one.log.read_text()
