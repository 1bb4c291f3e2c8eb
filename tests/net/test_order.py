# SPDX-License-Identifier: GPL-3.0-or-later
"""What ends on the master ends on the standby, what was torn away there does
not, and what comes later stays (rules 3 to 5)."""

import re
import socket
import time

import pytest

from lab import OWN, OWN6, SHARED, SHARED6, wait_for
from talk import Talk
from tiers import full

BOTH = {cable: '%s/24", "%s/64' % (SHARED[cable], SHARED6[cable])
        for cable in SHARED}
SERVER6 = "2001:db8:2::100"
NAT6 = """
table ip6 nat {
	chain postrouting {
		type nat hook postrouting priority srcnat
		oifname "wan" tcp dport 9400-9499 masquerade
		oifname "wan" tcp dport 9500-9599 snat to 2001:db8:2::1
	}
}
"""
# by the lab's rules: plain, translated to the shared address, masqueraded
CONNECTIONS = (("10.2.0.100", 9301), ("10.2.0.100", 9001),
               ("10.2.0.100", 9401), (SERVER6, 9302), (SERVER6, 9501),
               (SERVER6, 9402))


def link_down(lab):
    lab.ip("gw1", "link", "set", "dev", "wan", "down")


def address_removed(lab):
    lab.ip("gw1", "addr", "del", OWN["gw1"]["wan"] + "/24", "dev", "wan")
    lab.ip("gw1", "addr", "del", OWN6["gw1"]["wan"] + "/64", "dev", "wan")


def flush(lab):
    for family in ("ipv4", "ipv6"):
        lab.run("gw1", "conntrack", "-f", family, "-F")


def standing(lab, host):
    """Server ports to which the host knows established connections."""
    tables = [lab.run(host, "conntrack", "-f", family, "-L", "-p", "tcp",
                      "--state", "ESTABLISHED") for family in ("ipv4", "ipv6")]
    return {int(m) for m in re.findall(r"dport=(9[345]?\d+)", "".join(tables))
            if int(m) in {port for _, port in CONNECTIONS}}


@pytest.mark.parametrize("how", [link_down, full(address_removed),
                                 full(flush)])
def test_torn_away_on_the_master(lab, pair, how):
    """It costs the other node no connection: each is in its kernel, and goes
    on there. A masqueraded one is there, but its address is the other's."""
    lab.ipv6()
    for host in ("gw1", "gw2"):
        lab.nft(host, NAT6)
    pair.start(address=BOTH)
    talks = []
    try:
        for server, port in CONNECTIONS:
            talks.append(Talk(lab, port, server))
        lab.tools.fill(200)
        pair.wait_equal()
        ports = {port for _, port in CONNECTIONS}
        assert standing(lab, "gw1") == standing(lab, "gw2") == ports
        lab.freeze()
        how(lab)
        # who loses an interface may have stopped listening before
        wait_for("the master has seen it", lambda: how is link_down or sum(
            pair.one.status()["flows"]["destroys"][k]
            for k in ("forced", "flush")) >= 2)
        time.sleep(0.5)  # five times what a delete waits
        assert standing(lab, "gw2") == ports
        if how is not link_down:
            pair.one.kill()
        pair.wait_master(pair.two)
        for talk in talks:
            if talk.port not in (9401, 9402):
                talk.goes_on()
        assert standing(lab, "gw2") == ports
    finally:
        for talk in talks:
            talk.close()


def datagrams(lab, n, first=20000):
    """So many flows of the client's own address, each seen both ways."""
    with lab.inside("server"):
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("10.2.0.100", 9100))
    server.settimeout(2)
    for port in range(first, first + n):
        with lab.inside("client"):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(("10.1.0.100", port))
        s.settimeout(2)
        s.sendto(b"?", ("10.2.0.100", 9100))
        server.sendto(b"!", server.recvfrom(16)[1])
        s.recv(16)
        s.close()
    server.close()


def of_client(lab, host):
    return lab.run(host, "conntrack", "-L", "-p", "udp", "-s",
                   "10.1.0.100").count("src=10.1.0.100 ")


def delete(lab, host="gw1", *more):
    lab.run(host, "conntrack", "-D", "-p", "udp", "-s", "10.1.0.100", *more)


def test_flows_of_one_host_are_deleted(lab, pair):
    """`conntrack -D -s HOST`, more than 16, but no quarter of the table."""
    pair.start()
    lab.tools.fill(400)
    datagrams(lab, 40)
    pair.wait_equal()
    assert of_client(lab, "gw1") == of_client(lab, "gw2") == 40
    delete(lab)
    assert of_client(lab, "gw1") == 0
    pair.wait_equal()
    assert of_client(lab, "gw2") == 0
    assert pair.one.status()["flows"]["destroys"]["flushes"] == 0


@pytest.mark.full
def test_who_gave_up_tells_nothing(lab, pair):
    """Deletes on an old master, just before and after, are its own affair, or
    are told in time: never does one end what goes on at the new master."""
    pair.start()
    lab.tools.fill(400)
    datagrams(lab, 20)
    pair.wait_equal()
    delete(lab, "gw1", "--orig-port-src", "20000")
    assert pair.one.tool("handover")[0] == 0
    pair.wait_master(pair.two)
    assert of_client(lab, "gw2") == 19  # told with the handover
    delete(lab, "gw1")
    flush(lab)
    time.sleep(0.5)
    assert of_client(lab, "gw2") == 19
    assert lab.flows("gw2") >= 419


@pytest.mark.full
def test_a_tuple_used_again_and_again(lab, pair):
    """Each connection of one client port follows the one before it at once;
    the last one lives on the other node."""
    pair.start()
    source = ("10.1.0.100", 23456)
    for _ in range(100):
        Talk(lab, 9001, source=source).reset()
    talk = Talk(lab, 9001, source=source)
    try:
        talk.goes_on()
        pair.wait_equal()
        lab.freeze()
        pair.one.kill()
        pair.wait_master(pair.two)
        talk.goes_on()
    finally:
        talk.close()


def test_a_stale_entry_is_not_in_the_way(lab, pair):
    """Something on the standby has the translated port of a new flow."""
    pair.start()
    lab.run("gw2", "conntrack", "-I", "-p", "udp", "-s", "10.1.0.77", "-d",
            "10.2.0.100", "--sport", "1", "--dport", "9100", "--reply-src",
            "10.2.0.100", "--reply-dst", "10.2.0.1", "--reply-port-src", "9100",
            "--reply-port-dst", "20000", "-t", "600")
    datagrams(lab, 1)
    pair.wait_equal()
    table = lab.run("gw2", "conntrack", "-L", "-p", "udp")
    assert "src=10.1.0.100 " in table and "10.1.0.77" not in table
