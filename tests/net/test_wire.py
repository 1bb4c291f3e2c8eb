# SPDX-License-Identifier: GPL-3.0-or-later
"""Adverts as others see them: decoded by tshark, in both families, and by
unicast."""

import json
import shutil
import struct
import subprocess
import sys
import time

import pytest

import carp
from lab import wait_for
from node import die_with_parent
from tap import Tap
from tiers import full
from vhosts import SHARED_V6, V6, add_v6, start, vhost

TSHARK = shutil.which("tshark")
BOTH = ("10.1.0.1/24", SHARED_V6 + "/64")


FLOOD = """
import socket, sys, time
frames = [bytes.fromhex(a) for a in sys.argv[1:]]
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
s.setsockopt(263, 20, 1)  # PACKET_QDISC_BYPASS
sent, end = 0, time.monotonic() + 6
while time.monotonic() < end:
    for i in range(250):
        for f in frames:
            s.send(f)
    sent += 1000
print(sent)
"""


def is_carp(frame):
    return carp.family(frame) is not None


def pcap(path, frames):
    """A file of Ethernet frames."""
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for i, frame in enumerate(frames):
            f.write(struct.pack("<IIII", i, 0, len(frame), len(frame)) + frame)


def decoded(path):
    """The layers of each frame, as tshark understands them. Protocol 112 is
    VRRP to it unless told."""
    out = subprocess.run(
        [TSHARK, "-r", str(path), "-T", "json", "-o", "ip.check_checksum:TRUE",
         "--disable-protocol", "vrrp"], capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    return [p["_source"]["layers"] for p in json.loads(out.stdout)]


def adverts(lab, host, count):
    with Tap(lab, host, "lan", is_carp) as tap:
        wait_for("adverts of both families", lambda: all(
            sum(carp.family(f) == v for _, f in tap.frames) >= count
            for v in (4, 6)), 10)
        return [f for _, f in tap.frames]


@pytest.mark.skipif(not TSHARK, reason="tshark is not installed")
def test_tshark_decodes_ours(lab, tmp_path):
    """As CARP, without complaint, the checksums right."""
    add_v6(lab)
    one = lab.nodes["gw1"]
    start(one, vhost(addresses=BOTH))
    wait_for("fw1 is master", lambda: one.is_all("MASTER"), 10)
    frames = adverts(lab, "gw1", 3)
    pcap(tmp_path / "ours", frames)
    layers = decoded(tmp_path / "ours")
    assert len(layers) == len(frames)
    for frame in layers:
        text = json.dumps(frame)
        assert "_ws.expert" not in text and "_ws.malformed" not in text, text
        assert frame["carp"]["carp.typever"] == "33", text
        assert frame["carp"]["carp.vhid"] == "1"
        assert frame["carp"]["carp.checksum.status"] == "1", text
        if "ip" in frame:
            assert frame["ip"]["ip.checksum.status"] == "1"
    assert {6 if "ipv6" in f else 4 for f in layers} == {4, 6}


@pytest.mark.full
def test_ours_are_byte_exact_in_ipv6(lab):
    """One advert is the same 36 bytes in both families; the source is the
    interface's own link-local address."""
    add_v6(lab)
    one = lab.nodes["gw1"]
    start(one, vhost(addresses=BOTH))
    wait_for("fw1 is master", lambda: one.is_all("MASTER"), 10)
    own = [line.split()[3].split("/")[0] for line in lab.ip(
        "gw1", "-6", "-o", "addr", "show", "dev", "lan", "scope",
        "link").splitlines()]
    for frame in adverts(lab, "gw1", 3):
        a = carp.parse(frame)
        assert a["src_mac"].hex(":") == "00:00:5e:00:01:01"
        assert a["ttl"] == 255 and carp.checksum(a["payload"]) == 0
        assert a["payload"] == carp.advert(
            advbase=0, advskew=80, addresses=("10.1.0.1", SHARED_V6),
            counter=a["counter"])
        if carp.family(frame) == 6:
            assert frame[:6] == carp.GROUP_MAC6 and a["src"] in own
            assert frame[14:22] == bytes.fromhex("60000000002470ff")


def peers(lab, *addresses, **more):
    """Both gateways, each with the addresses of the other in peer."""
    for host, other in (("gw1", "gw2"), ("gw2", "gw1")):
        start(lab.nodes[host], vhost(
            advskew=80 if host == "gw1" else 90,
            peer=tuple(addresses[0 if other == "gw1" else 1]), **more))


def settled(lab):
    one, two = lab.nodes["gw1"], lab.nodes["gw2"]
    wait_for("fw1 is master, fw2 is not: %s %s" % (one.states(), two.states()),
             lambda: one.is_all("MASTER") and two.is_all("BACKUP"), 15)


@pytest.mark.parametrize("mac", ["virtual", full("interface")])
def test_unicast(lab, mac):
    """Both families: one master, no multicast, takeover when it dies, and a
    master whose peer is dead stays master."""
    add_v6(lab)
    with Tap(lab, "gw1", "lan", is_carp) as tap:
        peers(lab, ("10.1.0.11", V6["gw1"]), ("10.1.0.12", V6["gw2"]),
              addresses=BOTH, mac=mac)
        settled(lab)
        time.sleep(2)
        frames = [f for _, f in tap.frames]
    own = bytes.fromhex(lab.mac("gw1", "lan").replace(":", ""))
    assert {carp.family(f) for f in frames} == {4, 6}
    assert not any(f[0] & 1 for f in frames)
    # but for those that renew the lease, which no switch passes on
    assert all(f[6:12] == own for f in frames if f[:6] != own)
    one, two = lab.nodes["gw1"], lab.nodes["gw2"]
    assert two.carp("lan")["counters"]["accepted"] > 4
    lab.lose("gw1")
    wait_for("fw2 is master", lambda: two.is_all("MASTER"), 10)
    before = two.transitions("lan")
    lab.ip("gw2", "neigh", "flush", "dev", "lan")
    time.sleep(4)
    assert two.is_all("MASTER") and two.transitions("lan") == before
    got = lab.tools.neighbour("client", "10.1.0.1", "arp", 5, 100)
    assert got["answered"] == 5


@pytest.mark.full
def test_unicast_to_link_local(lab):
    """The scope of such a peer is the interface."""
    add_v6(lab)
    local = [lab.ip(h, "-6", "-o", "addr", "show", "dev", "lan", "scope",
                    "link").split()[3].split("/")[0] for h in ("gw1", "gw2")]
    peers(lab, (local[0],), (local[1],), addresses=(SHARED_V6 + "/64",))
    settled(lab)
    time.sleep(1)
    assert lab.nodes["gw2"].carp("lan")["counters"]["accepted"] > 2


def test_who_may_send_unicast(lab):
    """Not by multicast, not from elsewhere, not across a router."""
    one = lab.nodes["gw1"]
    start(one, vhost(peer=("10.1.0.12",)))
    wait_for("fw1 is master", lambda: one.is_all("MASTER"), 10)
    good = carp.advert(advbase=0, advskew=1)
    to = {"dst": "10.1.0.11", "eth_dst": lab.mac("gw1", "lan")}
    cases = {
        "vhid": carp.frame(good, src="10.1.0.12"),
        "source": carp.frame(good, src="10.1.0.50", **to),
        "ttl": carp.frame(good, src="10.1.0.12", ttl=254, **to),
    }
    with lab.raw("client") as wire:
        for name, frame in cases.items():
            before = one.carp("lan")["counters"].get(name, 0)
            for _ in range(20):
                wire.send(frame)
            wait_for("counted as " + name, lambda: one.carp("lan")[
                "counters"].get(name, 0) >= before + 20, 3)
        assert one.is_all("MASTER")
        for _ in range(20):
            wire.send(carp.frame(good, src="10.1.0.12", **to))
            time.sleep(0.01)
        assert one.states()["lan"] == "BACKUP"


@pytest.mark.full
def test_unicast_across_a_router(lab):
    """The client routes between two networks; each hop takes one of the TTL,
    and what comes with less than the configured one is refused."""
    one, two = lab.nodes["gw1"], lab.nodes["gw2"]
    lab.ip("gw2", "addr", "flush", "dev", "lan")
    lab.ip("gw2", "addr", "add", "10.7.0.12/24", "dev", "lan")
    lab.ip("client", "addr", "add", "10.7.0.100/24", "dev", "eth0")
    lab.sysctl("client", **{"net.ipv4.ip_forward": 1,
                            "net.ipv4.conf.all.send_redirects": 0,
                            "net.ipv4.conf.eth0.send_redirects": 0})
    lab.ip("gw1", "route", "add", "10.7.0.0/24", "via", "10.1.0.100")
    lab.ip("gw2", "route", "add", "10.1.0.0/24", "via", "10.7.0.100")
    start(one, vhost(peer=("10.7.0.12",), ttl=254))
    start(two, vhost(peer=("10.1.0.11",), ttl=254, advskew=90))
    settled(lab)
    time.sleep(1)
    assert two.carp("lan")["counters"]["accepted"] > 2
    two.stop()
    start(two, vhost(peer=("10.1.0.11",), advskew=90))
    wait_for("it came through a router", lambda: two.carp("lan")[
        "counters"]["ttl"] > 2, 5)


@pytest.mark.full
def test_a_flood_of_bad_ones(lab):
    """Of every kind, as fast as one process sends: neither the election nor
    the operator's socket notices."""
    one, two = lab.nodes["gw1"], lab.nodes["gw2"]
    for node, skew in ((one, 80), (two, 90)):
        start(node, vhost(advskew=skew))
    settled(lab)
    before = one.transitions("lan"), two.transitions("lan")
    flood = subprocess.Popen(
        ["ip", "netns", "exec", lab.ns("client"), sys.executable, "-c", FLOOD,
         *(f.hex() for f in (carp.frame(carp.advert(bad_sum=True)),
                             carp.frame(carp.advert(vhid=77)),
                             carp.frame(carp.advert(password="guess")),
                             carp.frame(carp.advert(), ttl=254)))],
        stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
    slowest = 0
    while flood.poll() is None:
        start_at = time.monotonic()
        assert one.status() and two.status()
        slowest = max(slowest, time.monotonic() - start_at)
        time.sleep(0.2)
    sent = int(flood.stdout.read())
    print("%d packets/s, slowest status %.0f ms" % (sent / 6, 1000 * slowest))
    assert one.is_all("MASTER") and two.is_all("BACKUP")
    assert (one.transitions("lan"), two.transitions("lan")) == before
    assert slowest < 2
    assert len(one.log.read_text().splitlines()) < 200
