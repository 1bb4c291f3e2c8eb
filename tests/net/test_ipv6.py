# SPDX-License-Identifier: GPL-3.0-or-later
"""What a shared IPv6 address says on the LAN, and what real kernels make of
it: neighbour discovery, failover, duplicates, router advertisements."""

import re
import time

import pytest

import nd
from lab import SHARED, SHARED6, wait_for
from node import VIRTUAL_MAC
from pair import Ping
from tap import Tap
from tiers import full

LINK_LOCAL = "fe80::200:5eff:fe00:101"
SHARED_V6 = {SHARED6["lan"]: VIRTUAL_MAC["lan"],
             SHARED6["wan"]: VIRTUAL_MAC["wan"],
             LINK_LOCAL: VIRTUAL_MAC["lan"],
             "fe80::200:5eff:fe00:102": VIRTUAL_MAC["wan"]}
BOTH = {cable: '%s/24", "%s/64' % (SHARED[cable], SHARED6[cable])
        for cable in SHARED}
ADVERTISE = "router-advertisement = true"


def is_nd(frame):
    return nd.parse(frame) is not None


def tap(lab, host, cable="lan"):
    return Tap(lab, host, cable, is_nd)


def heard(one, kind, since=0):
    """Messages of that kind that a gateway sent."""
    return [m for m in map(nd.parse, one.since(since)) if m["type"] == kind]


def leaks(*taps):
    """Messages by which a neighbour learns a shared address at another MAC
    than the virtual one."""
    found = []
    for one in taps:
        for m in map(nd.parse, one.since(0)):
            said = nd.said_mac(m)
            if said and SHARED_V6.get(said[0], said[1]) != said[1]:
                found.append(m)
    return found


@pytest.fixture
def pair6(lab, pair):
    lab.ipv6()
    return pair.start(address=BOTH)


def forget(lab):
    lab.ip("client", "neigh", "flush", "dev", "eth0")


def ping(lab, addr=SHARED6["lan"], *argv):
    return lab.run("client", "ping", "-n", "-q", "-c", "1", "-W", "1", *argv,
                   addr)


def slaac(lab):
    """The client as a host that nobody configures; its state begins anew."""
    lab.ip("client", "-6", "route", "flush", "default")
    lab.ip("client", "-6", "addr", "flush", "dev", "eth0", "scope", "global")
    lab.sysctl("client", **{"net.ipv6.conf.eth0.accept_ra": 1,
                            "net.ipv6.conf.eth0.autoconf": 1})


def router(lab):
    """The client's default routers, and how long they last at least."""
    out = lab.ip("client", "-6", "route", "show", "default")
    return (set(re.findall(r"via (\S+)", out)),
            min(map(int, re.findall(r"expires (\d+)sec", out)), default=0))


def test_a_client_finds_the_virtual_mac(lab, pair6):
    """The master answers, the backup says nothing at all about it."""
    with tap(lab, "gw1") as one, tap(lab, "gw2") as two:
        for addr in (SHARED6["lan"], LINK_LOCAL + "%eth0"):
            for _ in range(10):
                forget(lab)
                ping(lab, addr)
            bare = addr.split("%")[0]
            assert lab.neighbour("client", bare) == VIRTUAL_MAC["lan"]
        answers = [m for m in heard(one, nd.NA) if m["target"] in SHARED_V6]
        assert len(answers) >= 20
        for m in answers:
            assert m["src_mac"] == m["options"][2] == VIRTUAL_MAC["lan"]
            assert m["router"] and m["override"]
            assert m["solicited"] == (m["dst"] != nd.ALL_NODES)
        assert not [m for m in heard(two, nd.NA) if m["target"] in SHARED_V6]
        assert not leaks(one, two)
    counters = {c["name"]: c["neighbors6"] for c in
                pair6.two.status()["carp"]}
    assert counters["lan"]["answered"] == 0
    assert counters["lan"]["not_master"] >= 20
    # its own address is the kernel's
    ping(lab, "2001:db8:1::12")


@pytest.mark.full
def test_a_switch_that_snoops(lab, pair):
    """It knows both nodes as members before the takeover, and after it sends
    questions to the new master."""
    lab.ipv6()
    lab.ip("switch", "link", "set", "br-lan", "type", "bridge",
           "mcast_snooping", "1", "mcast_querier", "1",
           "mcast_startup_query_interval", "100")
    pair.start(address=BOTH)

    def members(addr):
        out = lab.run("switch", "bridge", "mdb", "show", "dev", "br-lan")
        return set(re.findall(r"port lan-(\S+) grp %s " % nd.group_of(addr),
                              out))
    for addr in (SHARED6["lan"], LINK_LOCAL):
        assert nd.group_of(addr) in lab.ip("gw2", "-6", "maddr", "show", "dev",
                                           "lan").split()
        wait_for("both are members", lambda: members(addr) == {"gw1", "gw2"})
    pair.one.kill()
    pair.wait_master(pair.two)
    forget(lab)
    ping(lab)


@pytest.mark.parametrize("how", ["kill", full("handover")])
def test_failover(lab, pair6, how):
    """A flow through the pair goes on; the neighbours' caches stay right."""
    flow = Ping(lab, "2001:db8:2::100")
    try:
        assert flow.answers_again()
        pair6.wait_equal()
        lab.freeze()
        with tap(lab, "gw1") as one, tap(lab, "gw2") as two:
            start = time.monotonic()
            if how == "kill":
                pair6.one.kill()
            else:
                code, _, err = pair6.one.tool("handover")
                assert code == 0, err
            pair6.wait_master(pair6.two)
            assert flow.answers_again(3)
            wait_for("announced", lambda: {
                m["target"] for m in heard(two, nd.NA, start)
                if not m["solicited"]} >= {SHARED6["lan"], LINK_LOCAL})
            for m in heard(two, nd.NA, start):
                if m["target"] in SHARED_V6 and not m["solicited"]:
                    assert m["dst"] == nd.ALL_NODES
                    assert m["dst_mac"] == "33:33:00:00:00:01"
                    assert m["override"] and m["router"]
                    assert m["src_mac"] == VIRTUAL_MAC["lan"]
            assert not leaks(one, two)
        assert (lab.neighbour("client", SHARED6["lan"])
                == VIRTUAL_MAC["lan"])
        for node in pair6.both():
            assert "address-conflict" not in node.tail(100)
    finally:
        flow.close()


@pytest.mark.full
def test_interface_mode(lab, pair):
    """Without a virtual MAC the announcement moves the neighbours' caches;
    the router stays the same address."""
    lab.ipv6()
    slaac(lab)
    pair.start(address=BOTH, mac="interface", top=ADVERTISE)
    forget(lab)
    for node in pair.both():
        mac = lab.mac(node.host, "lan")
        pair.wait_master(node)
        for addr in (SHARED6["lan"], LINK_LOCAL):
            if node is pair.two:
                wait_for("announced", lambda: lab.neighbour(
                    "client", addr) == mac, 2)
            ping(lab, addr + ("%eth0" if addr == LINK_LOCAL else ""))
            assert lab.neighbour("client", addr) == mac
        assert router(lab)[0] == {LINK_LOCAL}
        if node is pair.one:
            node.kill()


@pytest.mark.full
def test_a_duplicate_is_found(lab, pair6):
    """A host that wants the shared address does not get it."""
    time.sleep(1)  # no announcement is still to come, which ends it, too
    lab.ip("client", "addr", "add", SHARED6["lan"] + "/64", "dev", "eth0")
    wait_for("duplicate found", lambda: "dadfailed" in lab.ip(
        "client", "-6", "addr", "show", "dev", "eth0"), 5)
    wait_for("told", lambda: re.search(
        "lan: address-conflict: .* " + SHARED6["lan"], pair6.one.tail(100)))
    assert "address-conflict" not in pair6.two.tail(100)
    lab.ip("client", "addr", "del", SHARED6["lan"] + "/64", "dev", "eth0")


@pytest.mark.full
def test_a_claim_is_put_right(lab, pair6):
    """Somebody else says that it is at his MAC: the master says it again."""
    ping(lab)
    claim = nd.frame(nd.NA, SHARED6["lan"], nd.ALL_NODES, SHARED6["lan"],
                     "02:00:00:00:00:66", "02:00:00:00:00:66", 0x20)
    port = "lan-server"
    lab.batch("switch", "link add %s type veth peer name thief" % port,
              "link set %s master br-lan" % port, "link set %s up" % port,
              "link set thief up")
    with lab.raw("switch", "thief") as thief:
        wait_for("the client believes it or was told better", lambda: (
            thief.send(claim), time.sleep(0.05),
            lab.neighbour("client", SHARED6["lan"]) == "02:00:00:00:00:66"))
    wait_for("put right", lambda: lab.neighbour(
        "client", SHARED6["lan"]) == VIRTUAL_MAC["lan"], 3)


# --- router advertisements ---------------------------------------------------

@pytest.mark.full
def test_a_slaac_host_keeps_its_router(lab, pair):
    """Address and default route come from the master; at a failover neither
    changes, and nothing is taken back."""
    lab.ipv6()
    slaac(lab)
    with tap(lab, "gw1") as one, tap(lab, "gw2") as two:
        pair.start(address=BOTH, top=ADVERTISE)
        wait_for("a default router", lambda: router(lab)[0], 5)
        assert router(lab)[0] == {LINK_LOCAL}
        wait_for("an address", lambda: "2001:db8:1:" in lab.ip(
            "client", "-6", "addr", "show", "dev", "eth0", "scope", "global",
            "-tentative"), 5)
        address = lab.ip("client", "-6", "-br", "addr", "show", "dev", "eth0",
                         "scope", "global").split()[2]
        assert lab.neighbour("client", LINK_LOCAL) == VIRTUAL_MAC["lan"]
        assert not heard(two, nd.RA)
        flow = Ping(lab, "2001:db8:2::100")
        try:
            assert flow.answers_again()
            when = time.monotonic()
            pair.one.kill()
            pair.wait_master(pair.two)
            wait_for("advertised at once", lambda: heard(two, nd.RA, when), 1)
            assert flow.answers_again(3)
        finally:
            flow.close()
        found, left = router(lab)
        assert found == {LINK_LOCAL} and left > 1700
        assert address in lab.ip("client", "-6", "-br", "addr", "show", "dev",
                                 "eth0", "scope", "global").split()
        for m in heard(one, nd.RA) + heard(two, nd.RA):
            assert m["src"] == LINK_LOCAL and m["dst"] == nd.ALL_NODES
            assert m["src_mac"] == m["options"][1] == VIRTUAL_MAC["lan"]
            assert m["lifetime"] == 1800 and m["flags"] == 0
            assert m["prefixes"] == [("2001:db8:1::", 64, 0xc0, 2592000,
                                      604800)]
        assert not leaks(one, two)


@pytest.mark.full
def test_a_handover_takes_no_route_back(lab, pair):
    """No advertisement with lifetime 0, whoever stops."""
    lab.ipv6()
    slaac(lab)
    with tap(lab, "gw1") as one, tap(lab, "gw2") as two:
        pair.start(address=BOTH, top=ADVERTISE)
        wait_for("a default router", lambda: router(lab)[0], 5)
        assert pair.one.stop() == 0
        pair.wait_master(pair.two)
        pair.two.stop()
        said = heard(one, nd.RA) + heard(two, nd.RA)
        assert heard(one, nd.RA) and heard(two, nd.RA)
        assert {m["lifetime"] for m in said} == {1800}
        assert router(lab)[0] == {LINK_LOCAL}


@pytest.mark.full
def test_router_solicitations(lab, pair):
    """Answered by the master alone, half a second after, and not within three
    seconds of the last one."""
    lab.ipv6()
    pair.start(address=BOTH, top=ADVERTISE)
    ask = nd.frame(nd.RS, "fe80::77", nd.ALL_ROUTERS, None,
                   "02:00:00:00:00:77")
    with tap(lab, "gw1") as one, tap(lab, "gw2") as two, \
            lab.raw("client") as wire:
        for _ in range(90):
            wire.send(ask)
            time.sleep(0.1)
        assert not heard(two, nd.RA)
        times = [t for t, f in one.frames if nd.parse(f)["type"] == nd.RA]
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert 2 <= len(times) <= 4, times
    assert all(3 <= gap < 3.7 for gap in gaps), gaps


@pytest.mark.full
def test_no_router_where_nothing_is_forwarded(lab, pair):
    lab.ipv6()
    for host in ("gw1", "gw2"):
        lab.sysctl(host, **{"net.ipv6.conf.lan.forwarding": 0})
    with tap(lab, "gw1") as one:
        pair.start(address=BOTH, top=ADVERTISE)
        wait_for("a warning", lambda: "no router advertisements"
                 in pair.one.tail(100))
        ping(lab)
        assert not heard(one, nd.RA)
        answers = [m for m in heard(one, nd.NA)
                   if m["target"] == SHARED6["lan"]]
        assert answers and not any(m["router"] for m in answers)


@pytest.mark.full
def test_silent_without_the_option(lab, pair):
    lab.ipv6()
    with tap(lab, "gw1") as one, lab.raw("client") as wire:
        pair.start(address=BOTH)
        wire.send(nd.frame(nd.RS, "fe80::77", nd.ALL_ROUTERS, None,
                           "02:00:00:00:00:77"))
        time.sleep(0.8)
        assert heard(one, nd.NA) and not heard(one, nd.RA)
