# SPDX-License-Identifier: GPL-3.0-or-later
"""Interfaces that are absent, renamed, readdressed or without an address."""

import re
import time

import pytest

from lab import wait_for
from node import VIRTUAL_MAC
from tap import Tap, from_virtual, is_arp


def answered(lab, host="server", addr="10.2.0.1", cable="wan"):
    return lab.tools.neighbour(host, addr, "arp", 5, 50,
                               VIRTUAL_MAC[cable])["answered"]


def rename(lab, host, old, new):
    lab.ip(host, "link", "set", "dev", old, "name", new)


def test_an_interface_that_appears_later(lab, pair):
    """A VLAN or bond that is made after the daemon started serves as well."""
    rename(lab, "gw1", "wan", "later")
    pair.configure()
    pair.one.launch().wait_up()
    wait_for("fw1 has lan", lambda: pair.one.states()["lan"] == "MASTER")
    assert pair.one.states()["wan"] == "INIT"
    there = re.search("no interface wan here; .*present: (.*)",
                      pair.one.log.read_text()).group(1).split()
    assert {"lo", "lan", "later"} <= set(there), there
    assert pair.one.status()["demotion"]["total"] == 1
    with Tap(lab, "gw1", "wan", is_arp) as tap:
        rename(lab, "gw1", "later", "wan")
        wait_for("fw1 has wan", lambda: pair.one.is_all("MASTER"))
        time.sleep(0.2)
        assert any(from_virtual(f) for _, f in tap.frames), "not announced"
    assert answered(lab) == 5
    assert pair.one.status()["demotion"]["total"] == 0


def test_an_interface_that_is_renamed(lab, pair):
    """The rules went with its name: another node has to serve."""
    pair.start()
    rename(lab, "gw1", "wan", "other")
    pair.wait_master(pair.two)
    assert answered(lab) == 5
    assert VIRTUAL_MAC["wan"] not in lab.run("gw1", "bridge", "fdb", "show")
    assert "10.2.0.1 " not in lab.ip("gw1", "route", "show", "table", "local")
    rename(lab, "gw1", "other", "wan")
    lab.routes("gw1")
    pair.wait_sync()
    assert pair.one.tool("status")[0] in (0, 1)
    assert pair.two.tool("handover")[0] == 0
    pair.wait_master(pair.one)
    assert answered(lab) == 5


@pytest.mark.full
def test_addresses_flushed_and_set_anew(lab, pair):
    """As a DHCP client does it: the kernel forgets all routes of the device,
    the shared address with them."""
    pair.start()
    lab.ip("gw1", "addr", "flush", "dev", "wan")
    lab.ip("gw1", "addr", "add", "10.2.0.11/24", "dev", "wan")
    assert pair.one.is_all("MASTER")
    lab.run("server", "ping", "-c2", "-i0.2", "-W1", "10.2.0.1")


@pytest.mark.full
def test_no_address_of_its_own(lab, pair):
    """One public address, and it is the shared one: both advertise from it,
    and each hears the other all the same."""
    for host in ("gw1", "gw2"):
        lab.ip(host, "addr", "flush", "dev", "wan")
        lab.sysctl(host, **{"net.ipv4.conf.wan.rp_filter": 1})
    pair.start()
    before = pair.transitions()
    assert answered(lab) == 5
    lab.run("server", "ping", "-c2", "-i0.2", "-W1", "10.2.0.1")
    time.sleep(3)
    assert pair.master() is pair.one and pair.transitions() == before
    pair.one.kill()
    pair.wait_master(pair.two)
    assert answered(lab) == 5


def test_a_shared_address_set_by_hand(lab, pair):
    """A node whose interface bears it cannot be master, says so and why, and
    keeps nobody else from it."""
    pair.configure()
    lab.ip("gw1", "addr", "add", "10.2.0.1/24", "dev", "wan")
    pair.one.launch().wait_up()
    wait_for("it says why", lambda: "bears a shared address"
             in pair.one.log.read_text(), 10)
    assert pair.one.status()["demotion"]["total"] == 1
    assert not pair.one.status()["ready"]
    said = pair.one.tool("status")[1].split("\n\n")[0]
    assert "an interface is down" not in said, said
    assert "\n  wan: this node cannot be master of it\n  try: journalctl -u " \
        "statesyncd" in said
    lab.ip("gw1", "addr", "del", "10.2.0.1/24", "dev", "wan")
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"), 10)
    assert pair.one.status()["demotion"]["total"] == 0


def is_echo_from(src):
    want = bytes(int(x) for x in src.split("."))
    return lambda f: (f[12:14] == b"\x08\x00" and f[26:30] == want
                      and f[23] == 1)


def sources(tap):
    time.sleep(0.1)
    return {f[6:12].hex(":") for _, f in tap.frames}


def test_forwarded_frames_from_the_virtual_mac(lab, pair):
    """source-mac = virtual: what the master forwards, not what it says."""
    def forwarded(host):
        with Tap(lab, host, "wan", is_echo_from("10.2.0.1")) as tap:
            lab.run("client", "ping", "-c3", "-i0.1", "-W1", "10.2.0.100")
            return sources(tap)  # translated
    pair.start(carp='source-mac = "virtual"')
    assert forwarded("gw1") == {VIRTUAL_MAC["wan"]}
    with Tap(lab, "gw1", "wan", is_echo_from("10.2.0.11")) as tap:
        lab.run("gw1", "ping", "-c3", "-i0.1", "-W1", "10.2.0.100")
        assert sources(tap) == {lab.mac("gw1", "wan")}
    pair.one.kill()
    pair.wait_master(pair.two)
    assert forwarded("gw2") == {VIRTUAL_MAC["wan"]}


@pytest.mark.full
def test_shared_address_on_lo(lab, pair):
    """For programs that look for it; a killed daemon's goes at the next
    start."""
    pair.start(carp='shared-address = "lo"')
    assert "10.2.0.1/32 scope host" in lab.ip("gw1", "addr", "show", "dev",
                                              "lo")
    assert "10.2.0.1/32" not in lab.ip("gw2", "addr")
    assert answered(lab) == 5
    lab.run("server", "ping", "-c2", "-i0.2", "-W1", "10.2.0.1")
    pair.one.kill()
    pair.wait_master(pair.two)
    assert answered(lab) == 5
    pair.one.launch().wait_up()
    wait_for("fw1 is a backup", lambda: pair.one.is_all("BACKUP"), 10)
    assert "10.2.0.1/32" not in lab.ip("gw1", "addr")
    assert answered(lab) == 5
