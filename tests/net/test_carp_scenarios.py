# SPDX-License-Identifier: GPL-3.0-or-later
"""Elections as other CARPs test theirs: two and three nodes without state
sync, IPv4 and IPv6, multicast and unicast, and what others make of our
adverts."""

import hashlib
import hmac
import re
import shutil
import socket
import struct
import subprocess
import time

import pytest

import carp
from lab import wait_for
from node import die_with_parent
from tap import Tap, is_advert, mac_text
from tiers import full
from vhosts import (SHARED_V6, add_v6, configure, link_local, masters, start,
                    third, vhost, wait_one)

# Of 36 bytes each, password "secret", vhid 1, counter 0x0102030405060708.
VECTORS = {
    "one address": "2101000700017311010203040506070887221aab07f5a13e3032e0e2"
                   "233d3519b55af209",
    "two addresses": "21010007000108b70102030405060708ddfa4f347568423f19ee94"
                     "68f1763469f83a14e3",
    "both families": "210100070001667d01020304050607086336698316e82183258259"
                     "1b41956cd1dba05a9b",
    "with link-local": "210100070001e0160102030405060708d7e53fc8bcf4e919d157"
                       "a2463b2a13455ef2100f",
    "demoted": "210164072001ef10010203040506070887221aab07f5a13e3032e0e2233d"
               "3519b55af209",
    "bow-out": "2101ff0700ff7312010203040506070887221aab07f5a13e3032e0e2233d"
               "3519b55af209",
    "no password": "2101000700010adb010203040506070862042797a83fc1e5efbd7d5a"
                   "08bdf108632b063d",
    "of ucarp": "2101000700012b7285d3bd9fef6505c6eb9784e02b8bacc752a8499712bf"
                "062b7d4bffa4",
}


def pings(lab, addr, count=3):
    """Every one of them is answered, once the switch has seen the new master:
    it may take one interval where the old one spoke last."""
    wait_for("an answer from " + addr, lambda: " 1 received" in lab.run(
        "client", "ping", "-n", "-c", "1", "-W", "0.3", addr, check=False), 2)
    lab.run("client", "ping", "-n", "-c", str(count), "-i", "0.1", "-W", "1",
            addr)


def answered_by(lab, addr="10.1.0.1"):
    got = lab.tools.neighbour("client", addr, "arp", 5, 50)
    assert got["answered"] == 5, got
    return got["macs"]


# -- two nodes

@pytest.mark.full
@pytest.mark.parametrize("mac", ["virtual", full("interface")])
def test_basic_v4(lab, pair, mac):
    """The first one up is master and stays it; the source MAC of its adverts;
    it goes, and the other one answers."""
    one, two = pair.both()
    start(one, vhost(advskew=80, mac=mac))
    wait_one([one], one)
    start(two, vhost(advskew=90, mac=mac))
    with Tap(lab, "gw1", "lan", is_advert) as first, \
            Tap(lab, "gw2", "lan", is_advert) as second:
        wait_for("adverts", lambda: len(first.frames) > 2)
        assert not second.frames
        macs = {mac_text(f[6:12]) for _, f in first.frames}
    assert macs == {"00:00:5e:00:01:01" if mac == "virtual"
                    else lab.mac("gw1", "lan")}
    assert masters([one, two]) == [one]
    pings(lab, "10.1.0.1")
    one.stop()
    wait_one([two], two)
    pings(lab, "10.1.0.1")
    assert answered_by(lab) == ["00:00:5e:00:01:01" if mac == "virtual"
                                else lab.mac("gw2", "lan")]


@pytest.mark.full
def test_preempt_switches_to_and_fro(lab, pair):
    """The better one takes over each time that it comes, without a moment in
    which nobody or both advertise for long."""
    one, two = pair.both()
    start(two, vhost(advskew=90), preempt=True)
    wait_one([two], two)
    for _ in range(2):
        start(one, vhost(advskew=80), preempt=True)
        wait_one([one, two], one)
        pings(lab, "10.1.0.1")
        one.stop()
        wait_one([two], two)
        pings(lab, "10.1.0.1")


@pytest.mark.full
def test_negative_demotion(lab, pair):
    """Less than nothing is nothing: on the wire, and for the election."""
    one, two = pair.both()
    start(one, vhost(advskew=80), preempt=True)
    wait_one([one], one)
    start(two, vhost(advskew=90), preempt=True)
    assert two.tool("demote", "--", "-5")[0] == 0
    assert two.status()["demotion"]["total"] == 0
    assert one.tool("demote", "--", "-255")[0] == 0
    with Tap(lab, "gw1", "lan", is_advert) as tap:
        wait_for("adverts", lambda: len(tap.frames) > 2)
        assert {carp.parse(f)["demote"] for _, f in tap.frames} == {0}
    assert masters([one, two]) == [one]
    assert one.tool("demote", 3)[0] == 0
    wait_one([one, two], two)
    assert one.tool("demote", "--", "-4")[0] == 0
    assert one.status()["demotion"]["total"] == 0
    wait_one([one, two], one)


def crossed(skews):
    """Two vhids on one network, the second better where the first is not."""
    return (vhost("a", 1, ("10.1.0.1/24",), advskew=skews[0]),
            vhost("b", 3, ("10.1.0.3/24",), advskew=skews[1]))


@pytest.mark.full
@pytest.mark.parametrize("link", [False, True])
def test_two_vhids_crossed(lab, pair, link):
    """Each gateway is master of one, has both when it is alone, and gets its
    own back."""
    one, two = pair.both()
    kw = {"preempt": True, "link": link,
          "top": "independent = true" if link else ""}

    def each_has_its_own():
        return ((one.states(), two.states()) ==
                ({"a": "MASTER", "b": "BACKUP"},
                 {"a": "BACKUP", "b": "MASTER"}))
    start(one, *crossed((80, 100)), **kw)
    start(two, *crossed((100, 80)), **kw)
    wait_for("one each", each_has_its_own, 15)
    assert answered_by(lab, "10.1.0.1") == ["00:00:5e:00:01:01"]
    assert answered_by(lab, "10.1.0.3") == ["00:00:5e:00:01:03"]
    time.sleep(1)
    assert each_has_its_own()
    one.kill()
    wait_for("fw2 has both", lambda: two.is_all("MASTER"), 8)
    pings(lab, "10.1.0.1")
    pings(lab, "10.1.0.3")
    start(one, *crossed((80, 100)), **kw)
    wait_for("one each again: %s" % pair, each_has_its_own, 15)
    pings(lab, "10.1.0.1")


@pytest.mark.full
def test_crossed_vhids_of_a_pair_stay_together(lab, pair):
    """With a link, and without `independent`: one master for all, for good."""
    start(pair.one, *crossed((80, 100)), preempt=True, link=True)
    start(pair.two, *crossed((100, 80)), preempt=True, link=True)
    pair.wait_sync()
    wait_for("one for all", pair.master, 10)
    master, before = pair.master(), pair.transitions()
    time.sleep(3)
    assert pair.master() is master and pair.transitions() == before
    pings(lab, "10.1.0.1")
    pings(lab, "10.1.0.3")


@pytest.mark.full
def test_the_last_word_of_the_old_master(lab, pair):
    """It was late with an announcement when the better one took over: the
    switch sends all to the old one, until the new one speaks again. That must
    not be at its next advert only."""
    start(pair.one, vhost(advbase=1, advskew=0))
    wait_one([pair.one], pair.one)
    ip, mac = bytes((10, 1, 0, 1)), bytes.fromhex("00005e000101")
    late = (b"\xff" * 6 + mac + b"\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01"
            + mac + ip + bytes(6) + ip).ljust(60, b"\0")
    time.sleep(4)
    with Tap(lab, "gw1", "lan", lambda f: f[6:12] == mac) as tap:
        wait_for("an advert", lambda: tap.frames, 3)
        with lab.raw("gw2", "lan") as wire:
            said = time.monotonic()
            wire.send(late)
        wait_for("it speaks", lambda: tap.since(said), 3, 0.005)
        when = min(t for t, _ in tap.frames if t >= said) - said
    assert when < 0.3, when


# -- three nodes

@pytest.mark.full
def test_three_nodes(lab, pair):
    """One master; it is killed, and the next best takes over; the best comes
    back and has it again. Never more than one that advertises."""
    with third(lab) as three:
        all3 = (pair.one, pair.two, three)
        for node, skew in zip(all3, (60, 80, 100)):
            configure(node, vhost(advskew=skew), preempt=True).launch()
        for node in all3:
            node.wait_up()
        wait_one(all3, pair.one)
        for gone, best in ((0, 1), (1, 2)):
            all3[gone].kill()
            start_at = time.monotonic()
            wait_one(all3, all3[best])
            # its own master-down time, and the machine
            assert time.monotonic() - start_at < 3 * 100 / 256 + 2
            pings(lab, "10.1.0.1")
        start(pair.two, vhost(advskew=80), preempt=True)
        wait_one(all3, pair.two)
        start(pair.one, vhost(advskew=60), preempt=True)
        wait_one(all3, pair.one)
        time.sleep(1)
        with Tap(lab, "gw1", "lan", is_advert) as tap, \
                Tap(lab, "gw2", "lan", is_advert) as two, \
                Tap(lab, "gw3", "lan", is_advert) as last:
            wait_for("adverts", lambda: len(tap.frames) > 3)
            assert not two.frames and not last.frames


@pytest.mark.full
def test_three_nodes_bow_out(lab, pair):
    """A master that goes by itself says so; both others hear it at once, and
    the better one has it in the end."""
    with third(lab) as three:
        all3 = (pair.one, pair.two, three)
        for node, skew in zip(all3, (60, 80, 100)):
            configure(node, vhost(advbase=1, advskew=skew),
                      preempt=True).launch()
        for node in all3:
            node.wait_up()
        wait_one(all3, pair.one, timeout=12)
        pair.one.stop()
        wait_for("somebody at once", lambda: masters(all3[1:]), 1.5)
        wait_one(all3, pair.two, timeout=8)
        time.sleep(2)
        assert masters(all3) == [pair.two]


# -- adverts that were computed elsewhere

def in_ipv6(payload, src="fe80::200:5eff:fe00:101"):
    """The frame around it, to ff02::12."""
    return (bytes.fromhex("33330000001200005e00010186dd")
            + struct.pack("!IHBB", 6 << 28, len(payload), 112, 255)
            + socket.inet_pton(socket.AF_INET6, src)
            + socket.inet_pton(socket.AF_INET6, "ff02::12") + payload)


def listen(lab, pair, *addresses):
    """A backup of vhid 1, advbase 1, that hears what feed() sends."""
    start(pair.one, vhost(addresses=addresses, advbase=1, advskew=100))
    return pair.one


def accepted(node):
    return node.carp("lan")["counters"]["accepted"]


def refused(node, why):
    return node.carp("lan")["counters"][why]


@pytest.mark.parametrize("which, addresses", [
    ("one address", ("10.0.0.12/24",)),
    ("of ucarp", ("10.0.0.12/24",)),
    ("two addresses", ("10.0.0.12/24", "10.0.0.2/24")),
    ("both families", ("10.0.0.12/24", "2001:db8::12/64")),
    ("with link-local", ("10.0.0.12/24", "2001:db8::12/64"))])
@pytest.mark.full
def test_vectors_are_obeyed(lab, pair, which, addresses):
    """As the description prints them, byte for byte, with a counter that never
    moves, each 0.7 s: a node of advbase 1 stays BACKUP."""
    node = listen(lab, pair, *addresses)
    payload = bytes.fromhex(VECTORS[which])
    frames = [carp.frame(payload)]
    if any(":" in a for a in addresses):
        frames.append(in_ipv6(payload))
    with lab.raw("client") as wire:
        for i in range(7):
            for frame in frames:
                wire.send(frame)
            time.sleep(0.7)
            assert node.states()["lan"] == "BACKUP"
            assert accepted(node) == (i + 1) * len(frames)
    assert refused(node, "auth") == 0


@pytest.mark.full
def test_a_vector_that_bows_out(lab, pair):
    """Advbase and advskew of 255: the backup takes over at once."""
    node = listen(lab, pair, "10.0.0.12/24")
    with lab.raw("client") as wire:
        wire.send(carp.frame(bytes.fromhex(VECTORS["one address"])))
        wait_for("heard", lambda: accepted(node) == 1)
        assert node.states()["lan"] == "BACKUP"
        wire.send(carp.frame(bytes.fromhex(VECTORS["bow-out"])))
        wait_for("master at once", lambda: node.is_all("MASTER"), 1.5)


@pytest.mark.full
def test_a_vector_that_is_demoted(lab, pair):
    """A more demoted master is replaced, without preempt."""
    node = listen(lab, pair, "10.0.0.12/24")
    with lab.raw("client") as wire:
        wire.send(carp.frame(bytes.fromhex(VECTORS["demoted"])))
        wait_for("master at once", lambda: node.is_all("MASTER"), 1.5)


@pytest.mark.full
def test_vectors_that_are_refused(lab, pair):
    node = listen(lab, pair, "10.0.0.12/24")
    with lab.raw("client") as wire:
        for which in ("no password", "two addresses", "both families"):
            wire.send(carp.frame(bytes.fromhex(VECTORS[which])))
    wait_for("counted", lambda: refused(node, "auth") == 3, 2)
    assert accepted(node) == 0


# -- what others make of ours

def run_tool(lab, *argv):
    p = subprocess.run(["ip", "netns", "exec", lab.ns("switch"), *argv],
                       capture_output=True, text=True, timeout=20,
                       preexec_fn=die_with_parent)
    return p.stdout + p.stderr


@pytest.mark.skipif(not shutil.which("tcpdump"),
                    reason="tcpdump is not installed")
@pytest.mark.full
def test_tcpdump_understands_ours(lab, pair):
    start(pair.one, vhost(advskew=80))
    wait_one([pair.one], pair.one)
    text = run_tool(lab, "tcpdump", "-n", "-vvv", "-e", "-c", "3", "-i",
                    "lan-gw1", "-T", "carp", "proto", "112")
    said = re.findall(r"CARPv2-advertise 36: vhid=1 advbase=0 advskew=80 "
                      r"authlen=7 counter=\d+", text)
    assert len(said) == 3, text
    assert "bad" not in text and "00:00:5e:00:01:01 > 01:00:5e:00:00:12" in text
    assert "ttl 255" in text and "tos 0x10" in text


@pytest.mark.skipif(not shutil.which("tshark"),
                    reason="tshark is not installed")
@pytest.mark.full
def test_tshark_understands_ours(lab, pair):
    start(pair.one, vhost(advskew=80))
    wait_one([pair.one], pair.one)
    text = run_tool(lab, "tshark", "-l", "-Q", "-V", "-c", "2", "-i",
                    "lan-gw1", "-f", "proto 112", "-d", "ip.proto==112,carp",
                    "-o", "ip.check_checksum:TRUE")
    assert text.count("Common Address Redundancy Protocol") == 2, text
    assert text.count("Virtual Host ID: 1\n") == 2
    assert len(re.findall(r"Adver(?:tisement )?[Ss]kew[^\n]*80", text)) == 2, \
        text
    assert not re.search(r"(?i)malformed|incorrect|\[bad|expert info", text)
    assert text.count("[correct]") + text.count("Status: Good") >= 2, text


# -- IPv6 and unicast

def hmac_of(addresses, counter, vhid=1, password="secret"):
    """Over both families, each ascending, link-local ones left out."""
    v4 = sorted(socket.inet_pton(socket.AF_INET, a) for a in addresses
                if ":" not in a)
    v6 = sorted(socket.inet_pton(socket.AF_INET6, a) for a in addresses
                if ":" in a and not a.startswith("fe80"))
    return hmac.new(password.encode(), bytes((2, 1, vhid)) + b"".join(v4 + v6)
                    + counter, hashlib.sha1).digest()


def is_advert_v6(frame):
    return frame[12:14] == b"\x86\xdd" and frame[20] == 112


def check_v6(frame, addresses, dst="ff02::12"):
    """An advert in IPv6, byte by byte."""
    advert = frame[54:90]
    assert frame[21] == 255, "hop limit"
    assert socket.inet_ntop(socket.AF_INET6, frame[38:54]) == dst
    assert socket.inet_ntop(socket.AF_INET6, frame[22:38]).startswith("fe80")
    assert len(advert) == 36 and carp.checksum(advert) == 0
    assert advert[0] == 0x21 and advert[3] == 7
    assert advert[16:] == hmac_of(addresses, advert[8:16])
    if dst == "ff02::12":
        assert mac_text(frame[0:6]) == "33:33:00:00:00:12"
        # not VRRP's 00:00:5e:00:02
        assert mac_text(frame[6:12]) == "00:00:5e:00:01:01"


def test_basic_v6(lab, pair):
    """IPv6 alone: adverts to ff02::12, neighbours find the virtual MAC."""
    add_v6(lab)
    one, two = pair.both()
    mine = (SHARED_V6 + "/64",)
    start(one, vhost(addresses=mine, advskew=80))
    wait_one([one], one)
    start(two, vhost(addresses=mine, advskew=90))
    with Tap(lab, "gw1", "lan", is_advert) as four, \
            Tap(lab, "gw1", "lan", is_advert_v6) as six:
        wait_for("adverts", lambda: len(six.frames) > 2)
        assert not four.frames, "there is no IPv4 address to tell of"
        check_v6(six.frames[0][1], (SHARED_V6,))
    assert masters([one, two]) == [one]
    pings(lab, SHARED_V6)
    assert lab.neighbour("client", SHARED_V6) == "00:00:5e:00:01:01"
    one.stop()
    wait_one([two], two)
    pings(lab, SHARED_V6)


@pytest.mark.full
def test_both_families(lab, pair):
    """One advert in each, one HMAC; where one family is not heard any more the
    backup takes over."""
    add_v6(lab)
    one, two = pair.both()
    mine = ("10.1.0.1/24", SHARED_V6 + "/64")
    start(one, vhost(addresses=mine, advskew=80))
    wait_one([one], one)
    start(two, vhost(addresses=mine, advskew=90))
    with Tap(lab, "gw1", "lan", is_advert) as four, \
            Tap(lab, "gw1", "lan", is_advert_v6) as six:
        wait_for("adverts", lambda: len(four.frames) > 2
                 and len(six.frames) > 2)
        check_v6(six.frames[0][1], ("10.1.0.1", SHARED_V6))
        a = carp.parse(four.frames[0][1])["payload"]
        assert a[16:] == hmac_of(("10.1.0.1", SHARED_V6), a[8:16])
    assert masters([one, two]) == [one]
    pings(lab, "10.1.0.1")
    pings(lab, SHARED_V6)
    lab.nft("gw2", "table inet deaf {\nchain in {\ntype filter hook input "
            "priority -300\nip6 daddr ff02::12 drop\n}\n}")
    wait_for("fw2 hears half", lambda: two.states()["lan"] == "MASTER", 6)


@pytest.mark.full
def test_unicast_v4(lab, pair):
    """To one peer only; its MAC and no group's on the frames."""
    one, two = pair.both()
    start(one, vhost(advskew=80, peer=("10.1.0.12",)))
    wait_one([one], one)
    start(two, vhost(advskew=90, peer=("10.1.0.11",)))
    with Tap(lab, "gw1", "lan", is_advert) as tap:
        wait_for("adverts", lambda: len(tap.frames) > 2)
        frame = tap.frames[-1][1]
    assert frame[30:34] == bytes((10, 1, 0, 12)) and frame[22] == 255
    assert mac_text(frame[0:6]) == lab.mac("gw2", "lan")
    time.sleep(1)
    assert masters([one, two]) == [one]
    pings(lab, "10.1.0.1")
    one.stop()
    wait_one([two], two)
    pings(lab, "10.1.0.1")


@pytest.mark.full
@pytest.mark.parametrize("scope", [full("global"), full("link-local")])
def test_unicast_v6(lab, pair, scope):
    add_v6(lab)
    one, two = pair.both()
    peers = ((link_local(lab, "gw2"), link_local(lab, "gw1"))
             if scope == "link-local" else ("2001:db8:1::12",
                                            "2001:db8:1::11"))
    mine = (SHARED_V6 + "/64",)
    start(one, vhost(addresses=mine, advskew=80, peer=peers[:1]))
    wait_one([one], one)
    start(two, vhost(addresses=mine, advskew=90, peer=peers[1:]))
    with Tap(lab, "gw1", "lan", is_advert_v6) as tap:
        wait_for("adverts", lambda: len(tap.frames) > 2)
        frame = tap.frames[-1][1]
    assert socket.inet_ntop(socket.AF_INET6, frame[38:54]) == peers[0]
    time.sleep(1)
    assert masters([one, two]) == [one]
    pings(lab, SHARED_V6)
    one.stop()
    wait_one([two], two)
    pings(lab, SHARED_V6)
