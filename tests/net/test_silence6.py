# SPDX-License-Identifier: GPL-3.0-or-later
"""A dead or hung master says nothing: IPv6, bridges, and what is left of that
with mac = "interface". All that the gateway says is counted at its ports."""

import signal
import struct
import time

import pytest

import nd
from carp import checksum
from lab import SHARED, SHARED6, wait_for
from node import VIRTUAL_MAC
from pair import SKEW
from tap import Tap, from_virtual, is_advert, is_arp
from test_ipv6 import BOTH
from test_lease import LEASE, bridge_in_place_of_lan, guests, is_echo_reply

SERVER6 = "2001:db8:2::100"
HOST = "2001:db8:1::100"
OWN_MAC = bytes.fromhex("020000000077")


def packet6(mac, dst, proto, body):
    """An IPv6 frame of the client's."""
    s, d = nd.packed(HOST), nd.packed(dst)
    pseudo = s + d + struct.pack("!II", len(body), proto)
    at = 2 if proto == 58 else 6
    total = checksum(pseudo + body)
    body = body[:at] + struct.pack("!H", total) + body[at + 2:]
    return (bytes.fromhex(mac.replace(":", "")) + OWN_MAC + b"\x86\xdd"
            + struct.pack("!IHBB", 6 << 28, len(body), proto, 64) + s + d
            + body)


def questions6(mac):
    """Who is it, both ways, are you there, and take this along."""
    addr = SHARED6["lan"]
    group = nd.group_of(addr)
    solicit = nd.frame(nd.NS, HOST, group, addr, option="02:00:00:00:00:77")
    return {
        "solicitation": solicit,
        "unicast": bytes.fromhex(mac.replace(":", "")) + nd.frame(
            nd.NS, HOST, addr, addr, option="02:00:00:00:00:77")[6:],
        "echo": packet6(mac, addr, 58, struct.pack("!BBHHH", 128, 0, 0, 7, 1)
                        + bytes(8)),
        "udp": packet6(mac, SERVER6, 17, struct.pack("!HHHH", 4000, 4000, 16,
                                                     0) + bytes(8)),
    }


def answers(lab, frames, tries=20, every=0.005, host="gw1"):
    """What the gateway says meanwhile that answers one of the frames, or
    carries one on: by its virtual MACs, or by what is in it."""
    def mine(frame):
        m = nd.parse(frame) if frame[12:14] == b"\x86\xdd" else None
        if m and m["type"] == nd.NA:
            return m["target"] == SHARED6["lan"]
        return (from_virtual(frame) or is_echo_reply(frame)
                or frame[12:14] == b"\x86\xdd" and (
                    frame[20] == 17 or frame[20] == 58 and frame[54] == 129))
    with Tap(lab, host, "lan", mine) as lan, \
            Tap(lab, host, "wan", mine) as wan, lab.raw("client") as wire:
        for _ in range(tries):
            for frame in frames.values():
                wire.send(frame)
            time.sleep(every)
        time.sleep(0.05)
        return len(lan.frames) + len(wan.frames)


def learn(lab):
    """The gateways know the server, so that they have nothing to ask."""
    lab.run("client", "ping", "-n", "-c", "3", "-i", "0.1", "-W", "1",
            SERVER6)


@pytest.mark.full
def test_killed_is_silent_at_once(lab, pair):
    """20 ms after SIGKILL: ND, ICMPv6 and forwarded UDP, 20 tries of each."""
    lab.ipv6()
    pair.start(advbase=1, advskew=(0, 100), timeout=20, address=BOTH)
    learn(lab)
    frames = questions6(VIRTUAL_MAC["lan"])
    for name, frame in frames.items():
        assert answers(lab, {name: frame}, 5, 0.05), name
    pair.one.signal(signal.SIGKILL)
    time.sleep(0.02)
    assert answers(lab, frames) == 0
    pair.one.reap()
    pair.wait_master(pair.two)
    for name, frame in frames.items():
        assert answers(lab, {name: frame}, 5, 0.05, "gw2"), name


@pytest.mark.full
def test_hung_is_silent_after_the_lease(lab, pair):
    """SIGSTOP: what it says ends with the lease, before the peer is master;
    the peer then answers; awake, the old one says nothing."""
    lab.ipv6()
    pair.start(address=BOTH)
    learn(lab)
    frames = questions6(VIRTUAL_MAC["lan"])
    down = 3 * SKEW["gw2"] / 256
    assert LEASE < down
    start = time.monotonic()
    pair.one.hang()
    time.sleep(max(0, start + LEASE - time.monotonic()))
    assert answers(lab, frames, 10) == 0
    wait_for("fw2 is master", lambda: pair.two.is_all("MASTER"))
    assert answers(lab, frames, 5, 0.05, "gw2")
    pair.one.wake()
    assert answers(lab, frames, 10) == 0
    pair.wait_master(pair.two)


@pytest.mark.full
@pytest.mark.parametrize("way", ["killed", "hung"])
def test_a_bridge(lab, pair, way):
    """The interface is a bridge: the same, and so for a guest on it."""
    lab.ipv6()
    with guests(lab, "guest"):
        bridge_in_place_of_lan(lab)
        lab.batch("gw1", "addr add 2001:db8:1::11/64 dev lan nodad")
        lab.ip("guest", "addr", "add", "2001:db8:1::77/64", "dev", "eth0",
               "nodad")
        wait_for("link-local address", lambda: "fe80" in lab.ip(
            "gw1", "-6", "addr", "show", "dev", "lan", "-tentative"))
        pair.start(address=BOTH)
        learn(lab)
        frames = questions6(VIRTUAL_MAC["lan"])
        for name, frame in frames.items():
            assert answers(lab, {name: frame}, 5, 0.05), name
        if way == "killed":
            pair.one.signal(signal.SIGKILL)
            time.sleep(0.02)
        else:
            pair.one.hang()
            time.sleep(LEASE)
        with Tap(lab, "gw1", "lan", lambda f: is_advert(f)
                 or is_echo_reply(f)) as tap:
            assert answers(lab, frames, 20) == 0
            lab.tools.neighbour("client", SHARED["lan"], "echo", 10, 10,
                                VIRTUAL_MAC["lan"])
            assert not tap.frames


@pytest.mark.full
@pytest.mark.parametrize("way", ["killed", "hung"])
def test_interface_mode(lab, pair, way):
    """mac = "interface" promises no more than this: nobody is told where the
    address is any more. What is sent to the MAC is still forwarded."""
    lab.ipv6()
    pair.start(advbase=1, advskew=(0, 100), timeout=20, address=BOTH,
               mac="interface")
    learn(lab)
    mac = lab.mac("gw1", "lan")
    frames = questions6(mac)
    asks = {k: frames[k] for k in ("solicitation", "unicast")}
    assert answers(lab, asks, 5, 0.05)
    if way == "killed":
        pair.one.signal(signal.SIGKILL)
        time.sleep(0.02)
    else:
        pair.one.hang()
    assert answers(lab, asks, 20) == 0
    with Tap(lab, "gw1", "lan", is_arp) as tap:
        lab.tools.neighbour("client", SHARED["lan"], "arp", 20, 5)
        assert not tap.frames
    assert answers(lab, {"udp": frames["udp"]}, 5) == 5, "the manual says so"
