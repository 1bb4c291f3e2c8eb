# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody else uses the number of a vhost: the daemon names who."""

import struct
import time

import pytest

import carp
from lab import wait_for
from tiers import full
from vhosts import masters, third, wait_one

VRRP = {"VRRP 2": struct.pack("!BBBBBBH", 0x21, 1, 100, 1, 0, 1, 0)
        + bytes((10, 1, 0, 99)) + bytes(8),
        "VRRP 3": struct.pack("!BBBBHH", 0x31, 1, 100, 1, 100, 0)
        + bytes((10, 1, 0, 99))}


@pytest.mark.parametrize("payload, words", [
    (carp.advert(password="guess"), "do not match our password"),
    full(carp.advert(addresses=("10.1.0.99",)), "do not match our password"),
    *(full(p, "VRRP with number 1 comes from") for p in VRRP.values())],
    ids=["password", "addresses", *VRRP])
def test_it_is_named(lab, pair, payload, words):
    node = pair.one
    node.start(link=False)
    wait_for("master", lambda: node.is_all("MASTER"), 10)
    with lab.raw("client") as wire:
        for _ in range(3):
            wire.send(carp.frame(payload, src="10.1.0.77"))
    wait_for("the log has it", lambda: "10.1.0.77" in node.log.read_text(), 5)
    line = next(x for x in node.log.read_text().splitlines()
                if "10.1.0.77" in x)
    assert words in line and 'carp "lan"' in line, line
    assert "INCORRECT HASH" in line and "choose another vhid" in line
    assert node.log.read_text().count("10.1.0.77") == 1
    code, out, _ = node.tool("check")
    assert code == 1 and words in out and "10.1.0.77" in out, out
    assert node.is_all("MASTER")


def one_master(nodes, seconds):
    """Of each vhost at any time, whoever it is."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for name in ("lan", "wan"):
            assert len(masters(nodes, name)) == 1, [n.states() for n in nodes]


@pytest.mark.full
@pytest.mark.parametrize("advskew, preempt", [(100, False), (40, False),
                                              (40, True)])
def test_a_third_box_without_the_link(lab, pair, advskew, preempt):
    """It has the password and knows no state. One master of each vhost, and
    where it is that one both of the pair say what it lacks; the pair alone is
    as before."""
    pair.start()
    with third(lab) as box:
        nodes = [*pair.both(), box]
        box.start(link=False, carps=("lan",), advskew=advskew,
                  preempt=preempt)
        if preempt:
            wait_one(nodes, box)
            for node in pair.both():
                wait_for("it is said", lambda n=node: (
                    "10.1.0.13 is a peer without state sync"
                    in n.tool("status")[1]), 3)
                assert "10.1.0.13" in node.tool("check")[1]
        else:
            time.sleep(1)
            assert pair.master() is pair.one
        one_master(nodes, 4)
        if not preempt:
            pair.one.kill()
            time.sleep(2)
            one_master(nodes[1:], 2)
            pair.one.launch().wait_up()
        box.kill()
        wait_for("one master of all: %s" % pair, pair.master, 10)
        pair.wait_sync()
        one_master(pair.both(), 2)
