# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody takes a shared address from a running node, or gives it one: it is
put back, or stays where it cannot harm; the log says so, and the address is
served all the time."""

import contextlib

import pytest

from lab import SHARED, wait_for
from node import VIRTUAL_MAC
from tap import Tap, is_arp, is_leak

ASKERS = {"lan": "client", "wan": "server"}
GIVEN = "somebody gave a shared address to an interface"


def answers(lab, cable, tries=10):
    """Pings of the shared address at the virtual MAC that were answered."""
    return lab.tools.neighbour(ASKERS[cable], SHARED[cable], "echo", tries, 50,
                               VIRTUAL_MAC[cable])["answered"]


@contextlib.contextmanager
def no_leak(lab):
    """Nobody tells a neighbour that it is at a real MAC (rules 6)."""
    with Tap(lab, "gw1", "lan", is_arp) as one, \
            Tap(lab, "gw2", "lan", is_arp) as two:
        yield
        said = [f for t in (one, two) for _, f in t.frames if is_leak(f)]
        assert not said, said[:3]


@pytest.mark.parametrize("argv, carp", [
    (("route", "del", "local", SHARED["wan"], "table", "local"), ""),
    pytest.param(("addr", "del", SHARED["wan"] + "/32", "dev", "lo"),
                 'shared-address = "lo"', marks=pytest.mark.full)],
    ids=["route", "lo"])
def test_taken_from_the_master(lab, pair, argv, carp):
    """Back within a second, without a change of mastership, and said."""
    pair.start(carp=carp)
    before = pair.transitions()
    assert answers(lab, "wan") == 10
    lab.ip("gw1", *argv)
    wait_for("it is served", lambda: answers(lab, "wan", 1), 1)
    assert answers(lab, "wan") == 10
    assert pair.transitions() == before
    assert 'carp "wan": somebody took a shared address' in \
        pair.one.log.read_text(), pair.one.tail()


@pytest.mark.full
@pytest.mark.parametrize("host", ["gw1", "gw2"])
def test_given_to(lab, pair, host):
    """To the master or the backup: said by that node, told to nobody else,
    and when it is taken away again all is as it was."""
    pair.start()
    node = lab.nodes[host]
    before = pair.transitions()
    with no_leak(lab):
        lab.ip(host, "addr", "add", SHARED["lan"] + "/24", "dev", "lan")
        wait_for("it is said", lambda: GIVEN in node.log.read_text(), 2)
        lab.ip("client", "neigh", "flush", "dev", "eth0")
        lab.run("client", "ping", "-c3", "-i0.1", "-W1", SHARED["lan"])
        assert answers(lab, "lan") == 10
        lab.ip(host, "addr", "del", SHARED["lan"] + "/24", "dev", "lan")
        wait_for("it is served", lambda: answers(lab, "lan", 1), 1)
        assert answers(lab, "lan") == 10
    assert pair.transitions() == before
    pair.wait_sync()
    assert pair.one.tool("handover")[0] == 0
    pair.wait_master(pair.two)
    assert answers(lab, "lan") == 10


@pytest.mark.full
def test_who_has_it_by_hand_does_not_take_over(lab, pair):
    """It could not give it back. The other one goes on, asked to hand over or
    not."""
    pair.start()
    lab.ip("gw2", "addr", "add", SHARED["lan"] + "/24", "dev", "lan")
    with no_leak(lab):
        pair.one.tool("handover")
        wait_for("fw1 is master: %s" % pair,
                 lambda: pair.one.states().get("lan") == "MASTER", 5)
        assert answers(lab, "lan") == 10
        lab.ip("gw2", "addr", "del", SHARED["lan"] + "/24", "dev", "lan")
    pair.one.kill()
    pair.wait_master(pair.two)
    assert answers(lab, "lan") == 10
