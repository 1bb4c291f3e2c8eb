# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody works on a node: maintenance, who did it, and the history as it
happens."""

import json
import os
import pwd
import select
import subprocess
import time

import pytest

from lab import wait_for
from node import die_with_parent


class Follow:
    """statesync history --follow, and how long its lines take."""

    def __init__(self, node, *more):
        self.proc = subprocess.Popen(
            [node.program("statesync"), "-s", str(node.sock), "history",
             "--follow", *more], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, preexec_fn=die_with_parent)
        self.text = b""

    def line(self, wanted, timeout=5):
        """The first line from now on with that word, and the seconds."""
        start = time.monotonic()
        while True:
            while b"\n" in self.text:
                one, self.text = self.text.split(b"\n", 1)
                if wanted in one.decode():
                    return one.decode(), time.monotonic() - start
            left = start + timeout - time.monotonic()
            assert left > 0 and select.select([self.proc.stdout], [], [],
                                              left)[0], (
                "no line with %s within %g s" % (wanted, timeout))
            more = os.read(self.proc.stdout.fileno(), 65536)
            assert more, "the stream ended: %s" % self.proc.stderr.read()
            self.text += more

    def close(self):
        self.proc.kill()
        self.proc.wait()


def author():
    return "%s (uid %d" % (pwd.getpwuid(os.getuid()).pw_name, os.getuid())


def causes(node):
    return [h["cause"] for h in node.status()["history"]]


@pytest.mark.quick
def test_maintenance_outlasts_a_restart(pair):
    """The peer goes on with everything; the node stays demoted until off."""
    pair.start(preempt=True)
    follow = Follow(pair.one, "-n", "64")
    code, out, err = pair.one.tool("maintenance", "on")
    assert code == 0 and "fw2 is MASTER now" in out, (out, err)
    pair.wait_master(pair.two)
    follow.line("maintenance on, by " + author(), 2)
    line, _ = follow.line("from=MASTER", 2)
    assert "to=BACKUP" in line and "maintenance, by " in line, line
    follow.close()
    assert any("maintenance, by " + author() in c for c in causes(pair.two)), (
        "the peer's history does not tell who took the node out")
    demotion = pair.one.status()["demotion"]
    assert demotion["maintenance"] == demotion["total"] == 64
    assert "in maintenance" in pair.one.tool()[1]
    assert pair.two.tool("handover")[0] == 1, "to one that is worked on"
    assert pair.one.stop() == 0
    pair.one.launch().wait_up()
    pair.wait_sync()
    time.sleep(1.5)
    assert pair.two.is_all("MASTER"), "preempted while in maintenance"
    assert pair.one.status()["demotion"]["maintenance"] == 64
    code, out, _ = pair.one.tool("maintenance", "off")
    assert code == 0 and "out of maintenance" in out
    assert pair.one.status()["demotion"]["total"] == 0
    assert not (pair.one.dir / "state" / "maintenance").exists()
    pair.wait_master(pair.one)


@pytest.mark.full
def test_maintenance_waits_for_a_peer_that_is_not_in_sync(lab, pair):
    """It is on, and says that this node is still master; the handover
    follows by itself once the peer can take over."""
    pair.start()
    lab.cut("gw1", "link")
    wait_for("not in sync", lambda: not pair.one.in_sync())
    code, _, err = pair.one.tool("maintenance", "on")
    assert code == 1 and "still MASTER of lan and wan" in err, err
    assert "fw2" in err and len(err.strip().splitlines()) == 1
    time.sleep(2)
    assert pair.one.is_all("MASTER"), "given to one without the state"
    wait_for("demoted", lambda: pair.one.status()["demotion"]["total"] == 64,
             10)
    time.sleep(1)
    assert pair.one.is_all("MASTER"), "given to one without the state"
    lab.restore("gw1", "link")
    pair.wait_master(pair.two, 40)
    assert any("handover to fw2: maintenance" in c for c in causes(pair.one))
    assert pair.one.tool("maintenance", "off")[0] == 0


@pytest.mark.full
def test_maintenance_says_why_it_cannot_be_kept(pair):
    """Without a directory to remember it in there is none."""
    pair.start()
    state = pair.one.dir / "state"
    state.rmdir()
    state.write_text("")
    code, _, err = pair.one.tool("maintenance", "on")
    assert code == 1 and str(state) in err and "not in maintenance" in err
    assert pair.one.is_all("MASTER")
    assert pair.one.status()["demotion"]["total"] == 0


@pytest.mark.full
def test_follow_shows_a_failover_within_a_second(pair):
    """One line a transition, in words and as JSON, also while nothing else
    is asked; notes say who did what."""
    pair.start()
    words, objects = Follow(pair.two), Follow(pair.two, "--json")
    time.sleep(0.5)
    pair.one.kill()
    seen = wait_for("fw2 is master", lambda: pair.two.is_all("MASTER"), 10)
    assert seen
    line, after = words.line("to=MASTER", 1)
    assert after < 1 and "vhid=" in line and "node=fw2" in line, line
    assert 'cause="no adverts' in line and "lease_ms=" in line, line
    number, when, kind = line.split()[:3]
    assert number.isdigit() and when.endswith("Z") and kind == "transition"
    one = json.loads(objects.line('"MASTER"', 1)[0])
    assert one["node"] == "fw2" and one["n"] > 0 and one["steps"]
    assert pair.two.tool("demote", "1")[0] == 0
    line, after = words.line("demote 1", 1)
    assert "note" in line and author() in line, line
    assert json.loads(objects.line("demote 1", 1)[0])["kind"] == "note"
    pair.two.kill()
    assert words.proc.wait(5) == 3, "the daemon's end is not seen"
    words.close()
    objects.close()


@pytest.mark.full
def test_followers_have_a_limit_and_harm_nobody(pair):
    pair.start()
    crowd = [Follow(pair.one, "-n", "1") for _ in range(16)]
    for f in crowd:
        f.line("MASTER", 10)
    code, _, err = pair.one.tool("history", "--follow", timeout=10)
    assert code == 1 and "16" in err, err
    assert pair.one.status()["ready"]
    for f in crowd[:8]:
        f.close()
    late = Follow(pair.one, "-n", "1")
    late.line("MASTER", 3)
    for f in (*crowd[8:], late):
        f.close()


@pytest.mark.full
def test_quiet_and_colored_status(pair):
    pair.start()
    assert pair.one.tool("status", "-q") == (0, "", "")
    assert "\033[" not in pair.one.tool("status")[1]
    colored = pair.one.tool("--color=always", "status")[1]
    assert "\033[" in colored
    assert "\033[" not in pair.one.tool("status", "--color=never")[1]
    assert pair.one.tool("--color=perhaps")[0] == 2
    pair.two.kill()
    wait_for("its end is seen", lambda: not pair.one.in_sync())
    assert pair.one.tool("status", "-q") == (1, "", "")
    pair.one.kill()
    assert pair.one.tool("status", "-q") == (3, "", "")
