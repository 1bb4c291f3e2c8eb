# SPDX-License-Identifier: GPL-3.0-or-later
"""A neighbour that means harm: adverts of others said again or edited, floods,
our own words thrown back. It has no password; all it sends is what it heard."""

import contextlib
import threading
import time

import pytest

import carp
from lab import wait_for
from tap import Tap, is_advert
from tiers import full
from vhosts import start, vhost, wait_one


def counters(node, name="lan"):
    return node.carp(name)["counters"]


def refused(node, name="lan"):
    """All that was refused, by whatever name."""
    return sum(v for k, v in counters(node, name).items() if k != "accepted")


def overheard(lab, host, seconds=3):
    """One advert of a gateway on the lan, whole frame."""
    with Tap(lab, host, "lan", is_advert) as tap:
        wait_for("an advert of " + host, lambda: tap.frames, seconds)
        return tap.frames[-1][1]


def edited(frame, advskew=None, advbase=None, demote=None):
    """What the HMAC does not cover, with the checksum set right."""
    body = bytearray(frame[34:70])
    for at, value in ((2, advskew), (5, advbase), (4, demote)):
        if value is not None:
            body[at] = value
    body[6:8] = b"\0\0"
    body[6:8] = carp.checksum(bytes(body)).to_bytes(2, "big")
    return frame[:34] + bytes(body) + frame[70:]


@contextlib.contextmanager
def repeating(lab, *frames, every=0.02, host="client"):
    """Sends the frames in turn until the block ends."""
    stop = threading.Event()
    wire = lab.raw(host)

    def run():
        i = 0
        while not stop.wait(every):
            wire.send(frames[i % len(frames)])
            i += 1
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        wire.close()


class Quiet:
    """That nothing happens to a pair, and little is said of it."""

    def __init__(self, pair):
        self.pair = pair
        self.before = pair.transitions()
        self.lines = self._lines()
        self.kb = [n.memory_kb() for n in pair.both()]

    def _lines(self):
        return [len(n.log.read_text(errors="replace").splitlines())
                for n in self.pair.both()]

    def check(self, lines=10, kb=512):
        assert self.pair.transitions() == self.before, str(self.pair)
        for n, was in zip(self.pair.both(), self.lines):
            new = n.log.read_text(errors="replace").splitlines()[was:]
            assert len(new) <= lines, new[-20:]
        for n, was in zip(self.pair.both(), self.kb):
            assert n.memory_kb() - was <= kb, (n.name, was, n.memory_kb())


# -- what others said, said again

@pytest.mark.full
def test_a_dead_master_said_again(lab, pair):
    """Its adverts, again and again after it died: without more than CARP they
    would keep the backup from taking over for ever."""
    pair.start()
    frame = overheard(lab, "gw1")
    with repeating(lab, frame):
        pair.one.kill()
        lab.cut("gw1")
        wait_for("fw2 takes over", lambda: pair.two.is_all("MASTER"), 6)
        before = counters(pair.two)["replay"]
        time.sleep(1)
        assert pair.two.is_all("MASTER")
        assert counters(pair.two)["replay"] >= before + 10


@pytest.mark.parametrize("edit", [
    {"advbase": 255, "advskew": 255}, full({"demote": 255}),
    full({"advbase": 1, "advskew": 240}), full({"demote": 1})])
def test_the_masters_adverts_edited(lab, pair, edit):
    """It bows out, is demoted, is slow: says somebody. The backup asks the
    link."""
    pair.start()
    frame = overheard(lab, "gw1")
    quiet = Quiet(pair)
    with repeating(lab, edited(frame, **edit)):
        time.sleep(3)
        assert pair.master() is pair.one, str(pair)
    quiet.check()
    assert refused(pair.two) >= 50


@pytest.mark.parametrize("edit", [{"advbase": 0, "advskew": 0},
                                  {"advskew": 0, "demote": 0}])
@pytest.mark.full
def test_the_backups_adverts_of_before(lab, pair, edit):
    """What it said while it was master, edited to be better than anybody: the
    master would yield to a ghost, and nobody would answer."""
    pair.start()
    assert pair.one.tool("handover")[0] == 0
    pair.wait_master(pair.two)
    frame = overheard(lab, "gw2")
    pair.wait_sync()
    wait_for("handed back", lambda: pair.two.tool("handover")[0] == 0, 10)
    pair.wait_master(pair.one)
    quiet = Quiet(pair)
    with repeating(lab, edited(frame, **edit)):
        time.sleep(2)
        assert pair.master() is pair.one, str(pair)
    quiet.check()
    assert counters(pair.one)["replay"] >= 20


@pytest.mark.full
def test_peers_without_a_link_are_not_broken(lab, pair):
    """An OpenBSD node says the same counter for ever: nothing to vouch for it,
    and nothing to refuse."""
    start(pair.one, vhost(advbase=1, advskew=100))
    frame = carp.frame(carp.advert(advbase=0, advskew=128))
    with repeating(lab, frame, every=0.2):
        time.sleep(5)
        assert pair.one.states()["lan"] == "BACKUP"
        assert refused(pair.one) == 0
        assert counters(pair.one)["accepted"] > 10
    wait_for("master without it", lambda: pair.one.is_all("MASTER"), 8)


# -- our own words

def test_our_own_adverts_come_back(lab, pair):
    """A switch that sends each frame back to where it came from: the kernel
    takes nothing with our own source. From another one, and edited, it is
    known by its counter; no master yields to itself."""
    pair.start()
    quiet = Quiet(pair)
    lab.run("switch", "bridge", "link", "set", "dev", "lan-gw1", "hairpin",
            "on")
    time.sleep(1.5)
    quiet.check()
    lab.run("switch", "bridge", "link", "set", "dev", "lan-gw1", "hairpin",
            "off")
    frame = overheard(lab, "gw1")
    before = counters(pair.one)["loop"]
    with lab.raw("switch", "lan-gw1") as wire:
        for skew in (0, 79, 255) * 10:
            wire.send(carp.frame(edited(frame, advskew=skew)[34:70]))
    wait_for("each was a loop", lambda: counters(pair.one)["loop"]
             >= before + 30, 3)
    assert pair.master() is pair.one
    quiet.check()


@pytest.mark.full
def test_our_own_adverts_come_back_without_an_address(lab, pair):
    """Where adverts come in by a packet socket the kernel drops none."""
    for host in ("gw1", "gw2"):
        lab.ip(host, "addr", "flush", "dev", "wan")
    pair.start()
    quiet = Quiet(pair)
    lab.run("switch", "bridge", "link", "set", "dev", "wan-gw1", "hairpin",
            "on")
    wait_for("loops are counted",
             lambda: counters(pair.one, "wan")["loop"] >= 5, 6)
    assert pair.master() is pair.one
    quiet.check()


# -- floods

FLOODS = {
    "ttl": lambda: carp.frame(carp.advert(), ttl=254),
    "checksum": lambda: carp.frame(carp.advert(bad_sum=True)),
    "vhid": lambda: carp.frame(carp.advert(vhid=77)),
    "auth": lambda: carp.frame(carp.advert(password="guess", advskew=0,
                                           advbase=0)),
    "version": lambda: carp.frame(carp.advert(version=3)),
}


def flood(lab, host, seconds, *frames):
    """100 000 frames a second into a gateway's lan; what was sent at last. At
    the switch's port, so that the machine has no more work than needed."""
    return lab.tools.start("flood", "-n", lab.ns("switch"), "-i",
                           "lan-" + host, "-r", 100000, "-t", seconds,
                           *(f.hex() for f in frames))


@pytest.mark.parametrize("host, why", [("gw2", "auth"), full("gw1", "auth")]
                         + [full("gw2", k) for k in FLOODS if k != "auth"])
def test_flood(lab, pair, host, why):
    """Bad packets to the master, which must go on advertising, or the backup,
    which must hear the good ones: the election stands, the log stays short
    and memory as it was."""
    pair.start()
    quiet = Quiet(pair)
    node = lab.nodes[host]
    old = counters(node)[why]
    report = flood(lab, host, 3 if host == "gw2" else 6,
                   FLOODS[why]()).result()
    counted = counters(node)[why] - old
    print(report, counted)
    # a machine with others on it may not make so many
    assert report["sent"] / report["seconds"] > 20000, report
    assert pair.master() is pair.one, str(pair)
    quiet.check()
    assert counted >= 10000
    got = lab.tools.neighbour("client", "10.1.0.1", "arp", 5, 100)
    assert got["answered"] == 5, got


@pytest.mark.full
def test_failover_in_a_flood(lab, pair):
    """The good adverts are heard among the bad ones, and a dead master is
    missed in time."""
    pair.start()
    attack = flood(lab, "gw2", 8, *(build() for build in FLOODS.values()))
    time.sleep(2)
    assert pair.two.is_all("BACKUP"), str(pair)
    pair.one.kill()
    start_at = time.monotonic()
    pair.wait_master(pair.two, 5)
    print("taken over after", time.monotonic() - start_at)
    time.sleep(1)
    assert pair.two.is_all("MASTER")
    attack.result()


@pytest.mark.full
def test_flood_of_requests(lab, pair):
    """ARP for shared addresses, faster than it is answered: limited, counted,
    and the election does not suffer."""
    pair.start()
    quiet = Quiet(pair)
    mac = bytes.fromhex(lab.mac("client", "eth0").replace(":", ""))
    ask = (b"\xff" * 6 + mac + b"\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01"
           + mac + bytes((10, 1, 0, 100)) + bytes(6)
           + bytes((10, 1, 0, 1))).ljust(60, b"\0")
    report = flood(lab, "gw1", 4, ask).result()
    assert report["sent"] > 40000, report
    assert pair.one.carp("lan")["neighbors"]["limited"] > 1000
    assert pair.one.carp("lan")["neighbors"]["answered"] < 6 * 1000
    assert pair.master() is pair.one, str(pair)
    quiet.check()


# -- strict-peers

@pytest.mark.parametrize("what, src, skew, good", [
    ("unknown sender", "10.1.0.51", 60, False),
    ("another skew", "10.1.0.50", 50, False),
    ("as it should", "10.1.0.50", 60, True)])
@pytest.mark.full
def test_strict_peers(lab, pair, what, src, skew, good):
    """With the right password from the wrong sender, or with intervals that it
    does not have: refused as `source`, and a master stays what it is."""
    start(pair.one, vhost(advbase=1, advskew=100).replace(
        "\n}", '\n\tallow "10.1.0.50" {\n\t\tadvbase = 0\n\t\tadvskew = 60\n'
        "\t}\n}"), top="strict-peers = true")
    wait_one([pair.one], pair.one, timeout=8)
    frame = carp.frame(carp.advert(advbase=0, advskew=skew), src=src)
    with repeating(lab, frame, every=0.1):
        time.sleep(2)
        assert pair.one.is_all("BACKUP" if good else "MASTER")
    assert (counters(pair.one)["source"] > 10) != good


@pytest.mark.full
def test_strict_peers_with_many_addresses(lab, pair):
    """More than one message holds, and those that count are the last."""
    lab.batch("gw1", *("addr add 10.98.%d.%d/32 dev lo" % divmod(i, 256)
                       for i in range(600)))
    pair.start(top="strict-peers = true")
    time.sleep(2)
    assert pair.master() is pair.one, str(pair)
    assert counters(pair.two)["source"] == 0
