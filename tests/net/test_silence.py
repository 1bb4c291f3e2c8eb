# SPDX-License-Identifier: GPL-3.0-or-later
"""A master that is dead or hung falls silent by itself, and nobody is ever
told that a shared address is at a real MAC."""

import signal
import time

import pytest

from lab import SHARED, wait_for
from node import VIRTUAL_MAC
from pair import SKEW, Traffic
from tap import Tap, from_virtual, is_advert, is_arp, is_leak, of_a_master
from tiers import full

HOSTS = (("client", "lan"), ("server", "wan"))


def fill_caches(lab):
    """Neighbours learn the address from traffic that is translated."""
    for host, cable in HOSTS:
        lab.ip(host, "neigh", "flush", "dev", "eth0")
    lab.run("client", "ping", "-c3", "-i0.05", "-W1", "10.2.0.100")
    for host, cable in HOSTS:
        assert lab.neighbour(host, SHARED[cable]) == VIRTUAL_MAC[cable]


def ask(lab, tries=20, every_ms=5):
    """Every way of asking, by both neighbours: the answers together."""
    return sum(lab.tools.neighbour(h, SHARED[c], mode, tries,
                                   every_ms, VIRTUAL_MAC[c])["answered"]
               for h, c in HOSTS for mode in ("arp", "unicast", "echo"))


@pytest.mark.parametrize("turn", [1, full(2), full(3)])
def test_killed_daemon_is_silent_at_once(lab, pair, turn):
    """20 ms after SIGKILL no neighbour gets an answer: 20 tries of 20. The
    peer's master-down of 4 s is far away."""
    pair.start(advbase=1, advskew=(0, 100), timeout=20)
    fill_caches(lab)
    assert ask(lab, 3, 100) == 18
    pair.one.kill()
    time.sleep(0.02)
    assert ask(lab) == 0
    pair.wait_master(pair.two)
    assert ask(lab, 3, 100) == 18


@pytest.mark.full
def test_killed_daemon_forwards_nothing(lab, pair):
    """With traffic at a thousand packets a second the last one leaves within
    20 ms after SIGKILL (median of 3: the machine may be busy)."""
    pair.start()
    traffic = Traffic(lab, rate=300000)
    last = []
    for _ in range(3):
        node = pair.master()
        with Tap(lab, node.host, "wan", of_a_master) as wan:
            time.sleep(0.05)
            start = time.monotonic()
            node.signal(signal.SIGKILL)
            time.sleep(0.3)
            last.append(1000 * max((t - start for t, _ in wan.frames),
                                   default=0))
        node.reap()
        pair.wait_master(pair.other(node))
        node.launch().wait_up()
        pair.wait_sync()
    print("silent after", last)
    assert sorted(last)[1] <= 20, last
    traffic.goes_on()
    traffic.finish()


def test_hung_daemon_is_silent_after_the_lease(lab, pair):
    """SIGSTOP: no answer, no accepted frame once the lease has run out, and
    when it wakes up it says nothing of a right that it no longer has."""
    pair.start()
    fill_caches(lab)
    with Tap(lab, "gw1", "lan") as lan, Tap(lab, "gw1", "wan") as wan:
        pair.one.hang()
        wait_for("fw2 is master", lambda: pair.two.is_all("MASTER"))
        time.sleep(0.5)
        asleep = time.monotonic()
        for host, cable in HOSTS:
            lab.tools.neighbour(host, SHARED[cable], "arp", 20, 5)
        assert not [f for f in lan.since(asleep) + wan.since(asleep)
                    if from_virtual(f) or is_advert(f)]
        awake = time.monotonic()
        pair.one.wake()
        for host, cable in HOSTS:
            lab.tools.neighbour(host, SHARED[cable], "arp", 20, 5)
        pair.wait_master(pair.two)
        said = [f for f in lan.since(awake) + wan.since(awake)
                if from_virtual(f) or is_arp(f) and is_leak(f)]
        assert not said, said[:3]
    history = pair.one.status()["history"]
    assert any("lease" in h["cause"] for h in history), history


@pytest.mark.full
def test_hung_lone_daemon(lab, pair):
    """Without a peer at work nobody else can answer: so all is silence."""
    pair.configure()
    pair.one.launch().wait_up()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"))
    fill_caches(lab)
    pair.one.hang()
    time.sleep(3 * SKEW["gw1"] / 256)  # longer than the lease
    assert ask(lab) == 0
    pair.one.wake()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"))
    assert ask(lab, 3, 100) == 18


def watch_for_leaks(lab, pair, seconds):
    taps = [Tap(lab, g, c, is_arp) for g in ("gw1", "gw2")
            for c in ("lan", "wan")]
    end = time.monotonic() + seconds
    moved = False
    while time.monotonic() < end:
        for host in ("gw1", "gw2"):
            lab.ip(host, "neigh", "flush", "all")
        for host, _ in HOSTS:
            lab.ip(host, "neigh", "flush", "all")
        lab.run("client", "ping", "-c2", "-i0.02", "-W1", "10.2.0.100",
                check=False)
        if not moved and time.monotonic() > end - seconds / 2:
            pair.master().tool("handover")
            moved = True
    frames = [f for t in taps for f in t.close()]
    assert frames, "no ARP at all was heard"
    leaks = [f for f in frames if is_leak(f)]
    assert not leaks, leaks[0].hex()


@pytest.mark.full
def test_no_packet_leaks_a_real_mac(lab, pair):
    """SNATed traffic with caches flushed again and again: rules 6."""
    pair.start()
    watch_for_leaks(lab, pair, 6)


@pytest.mark.full
def test_no_packet_leaks_a_real_mac_for_long(lab, pair):
    pair.start()
    watch_for_leaks(lab, pair, 30)


@pytest.mark.full
def test_backup_says_nothing(lab, pair):
    """A BACKUP answers for no shared address and sends no advert."""
    pair.start()
    with Tap(lab, "gw2", "lan") as lan, Tap(lab, "gw2", "wan") as wan:
        assert ask(lab, 5, 50) == 30
        time.sleep(1)
        assert not [f for _, f in lan.frames + wan.frames
                    if is_advert(f) or from_virtual(f)]


def test_gratuitous_arp_at_takeover(lab, pair):
    """On becoming master, and again after two adverts, for each address."""
    pair.start()
    with Tap(lab, "gw2", "lan", is_arp) as tap:
        pair.one.stop()
        pair.wait_master(pair.two)
        time.sleep(3 * SKEW["gw2"] / 256)
        own = [f for _, f in tap.frames if f[28:32] == f[38:42]
               and f[28:32] == bytes((10, 1, 0, 1))]
    assert len(own) >= 2, own
    assert all(f[0:6] == b"\xff" * 6 for f in own)
    assert all(f[22:28].hex(":") == VIRTUAL_MAC["lan"] for f in own)
