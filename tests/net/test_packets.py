# SPDX-License-Identifier: GPL-3.0-or-later
"""Adverts that are wrong in one thing each: dropped, and counted for it."""

import time

import pytest

import carp
from lab import wait_for
from pair import SKEW
from tap import Tap, is_advert

REPEAT = 20
LAN = ("10.1.0.1",)


def bad(payload, **kw):
    return lambda: carp.frame(payload(), **kw)


CASES = {
    "wrong TTL": ("ttl", bad(carp.advert, ttl=254)),
    "truncated": ("short", bad(lambda: carp.advert()[:35])),
    "header only": ("short", bad(lambda: b"")),
    "wrong version": ("version", bad(lambda: carp.advert(version=3))),
    "bad checksum": ("checksum", bad(lambda: carp.advert(bad_sum=True))),
    "unknown vhid": ("vhid", bad(lambda: carp.advert(vhid=77))),
    "wrong password": ("auth", bad(lambda: carp.advert(password="guess"))),
    "wrong addresses": ("auth", bad(
        lambda: carp.advert(addresses=("10.1.0.2",)))),
    "more addresses": ("auth", bad(
        lambda: carp.advert(addresses=("10.1.0.1", "10.1.0.2")))),
    "forged digest": ("auth", bad(lambda: carp.advert(forged=b"\x5a" * 20))),
}


def counted(node, name):
    return sum(c["counters"].get(name, 0) for c in node.status()["carp"]
               if c["interface"] == "lan")


@pytest.fixture
def master(lab, pair):
    pair.configure(link=False)
    pair.one.launch().wait_up()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"))
    return pair.one


def test_refused_and_counted(lab, master):
    """Each kind under its own name, as often as it came, mastership kept."""
    before = master.transitions("lan")
    with lab.raw("client") as wire:
        for case, (name, build) in CASES.items():
            old = counted(master, name)
            frame = build()
            if name == "short":
                frame = frame[:34 + (frame[16] << 8 | frame[17]) - 20]
            for _ in range(REPEAT):
                wire.send(frame)
            wait_for("%s counted as %s: %s" % (case, name, [
                c["counters"] for c in master.status()["carp"]]),
                     lambda: counted(master, name) == old + REPEAT, 2)
    assert master.is_all("MASTER")
    assert master.transitions("lan") == before


def test_a_good_advert_is_obeyed(lab, master):
    """The positive control: the same frame with everything right."""
    with lab.raw("client") as wire:
        end = time.monotonic() + 1
        while time.monotonic() < end:
            wire.send(carp.frame(carp.advert(advbase=0, advskew=1)))
            time.sleep(0.01)
        assert master.states()["lan"] == "BACKUP"
    wait_for("master again", lambda: master.is_all("MASTER"))


def test_a_worse_advert_is_not(lab, master):
    before = master.transitions("lan")
    with lab.raw("client") as wire:
        for _ in range(50):
            wire.send(carp.frame(carp.advert(advbase=1, advskew=100)))
            time.sleep(0.01)
    assert master.is_all("MASTER") and master.transitions("lan") == before


def test_ours_are_byte_exact(lab, master):
    """What leaves: checked by the description, not by our own code."""
    with Tap(lab, "gw1", "lan", is_advert) as tap:
        wait_for("adverts", lambda: len(tap.frames) >= 5)
        frames = [f for _, f in tap.frames]
    for f in frames:
        a = carp.parse(f)
        assert f[0:6] == carp.GROUP_MAC
        assert a["src_mac"].hex(":") == "00:00:5e:00:01:01"
        assert a["ttl"] == 255 and f[14] == 0x45
        assert f[26:30] == bytes((10, 1, 0, 11))
        assert carp.checksum(f[14:34]) == 0 and carp.checksum(f[34:70]) == 0
        assert f[34:70] == carp.advert(vhid=1, advbase=0, advskew=SKEW["gw1"],
                                       addresses=LAN, counter=a["counter"])


def test_a_burst_of_replayed_adverts(lab, pair):
    """Neither advbase nor advskew nor demotion is under the HMAC: one that was
    heard makes a bow-out and a better master. A burst of both, in turn, moves
    mastership to and fro, and ends no daemon."""
    pair.start()
    heard = []
    with Tap(lab, "gw1", "lan", is_advert) as tap:
        wait_for("an advert", lambda: tap.frames)
        heard = carp.parse(tap.frames[0][1])
    pids = [n.proc.pid for n in pair.both()]
    with lab.raw("client") as wire:
        for _ in range(20):
            for advbase, advskew in ((255, 255), (0, 0)):
                wire.send(carp.frame(carp.advert(
                    advbase=advbase, advskew=advskew,
                    counter=heard["counter"])))
    time.sleep(1)
    assert [n.proc.pid for n in pair.both() if n.running()] == pids
    wait_for("one master", pair.master, 10)


def test_garbage_harms_nobody(lab, master):
    """Random bytes, as protocol 112 and as ARP."""
    import random
    rnd = random.Random(1)
    with lab.raw("client") as wire:
        for _ in range(2000):
            n = rnd.randrange(0, 80)
            wire.send(carp.frame(rnd.randbytes(n)))
            wire.send((b"\xff" * 6 + rnd.randbytes(6) + b"\x08\x06"
                       + rnd.randbytes(n)).ljust(60, b"\0"))
    assert master.is_all("MASTER")
    got = lab.tools.neighbour("client", "10.1.0.1", "arp", 5, 100)
    assert got["answered"] == 5
