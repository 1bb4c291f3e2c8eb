# SPDX-License-Identifier: GPL-3.0-or-later
"""Interfaces that are absent, renamed, readdressed or without an address."""

import time

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


def test_addresses_flushed_and_set_anew(lab, pair):
    """As a DHCP client does it: the kernel forgets all routes of the device,
    the shared address with them."""
    pair.start()
    lab.ip("gw1", "addr", "flush", "dev", "wan")
    lab.ip("gw1", "addr", "add", "10.2.0.11/24", "dev", "wan")
    assert pair.one.is_all("MASTER")
    lab.run("server", "ping", "-c2", "-i0.2", "-W1", "10.2.0.1")


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
    lab.ip("gw1", "addr", "del", "10.2.0.1/24", "dev", "wan")
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"), 10)
    assert pair.one.status()["demotion"]["total"] == 0
