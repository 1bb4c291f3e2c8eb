# SPDX-License-Identifier: GPL-3.0-or-later
"""What the process before knew, and the new one cannot find out at once."""

import signal
import time

import pytest

from lab import wait_for
from test_track import demotion, script, state
from test_upgrade import orphans  # noqa: F401, a fixture
from upgrades import Successor, daemons, upgrade


@pytest.mark.full
def test_a_script_that_takes_its_time_to_fail(lab, pair):
    """The better node does not take over until it has, nor does it after a
    plain start."""
    flag = pair.one.dir / "flag"
    flag.touch()
    pair.configure(preempt=True)
    slow = script("sleep 2; test -e %s" % flag, interval='"4s"',
                  timeout='"4s"')
    text = pair.one.conf.read_text()
    pair.one.conf.write_text(text.replace('carp "lan" {',
                                          'carp "lan" {\n' + slow))
    pair.one.launch().wait_up()
    pair.two.launch().wait_up()
    pair.wait_master(pair.one)
    pair.wait_sync()
    flag.unlink()
    pair.wait_master(pair.two)
    before = pair.two.transitions("lan")
    upgrade(pair.one)
    assert state(pair.one) == "unknown" and demotion(pair.one) == 10
    wait_for("it failed", lambda: state(pair.one) == "down", 10)
    pair.wait_sync()
    pair.one.kill()
    pair.one.launch().wait_up()
    pair.wait_sync()
    time.sleep(1)
    assert state(pair.one) == "unknown" and demotion(pair.one) == 0
    wait_for("it failed", lambda: state(pair.one) == "down", 10)
    assert pair.two.transitions("lan") == before, pair.two.tail()
    flag.touch()
    pair.wait_master(pair.one)


@pytest.mark.full
def test_adverts_that_wait_count_once(lab, pair):
    """Both processes have a socket: what the old one has heard when it commits
    waits in the new one's, too. One advert a second."""
    pair.start(advbase=1, advskew=(0, 20))
    node, old = pair.two, pair.two.proc
    start_s = time.monotonic()
    before = node.carp("lan")["counters"]
    node.signal(signal.SIGUSR2)
    wait_for("a new process", lambda: len(daemons(node)) == 2, 5, 0.001)
    node.signal(signal.SIGSTOP)
    time.sleep(2.6)  # master-down is 3.2 s
    assert len(daemons(node)) == 2, node.tail()
    node.signal(signal.SIGCONT)
    assert old.wait(10) == 0, node.tail()
    wait_for("one new process", lambda: len(daemons(node)) == 1, 5)
    node.proc = Successor(daemons(node)[0])
    node.wait_up()
    time.sleep(0.2)
    after = node.carp("lan")["counters"]
    most = int(time.monotonic() - start_s) + 1
    assert after["accepted"] - before["accepted"] <= most, node.tail()
    assert after["replay"] == before["replay"], node.tail()
    assert node.is_all("BACKUP")
