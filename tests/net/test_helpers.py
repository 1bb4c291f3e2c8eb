# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections that are announced in another one (FTP, TFTP, SIP, PPTP): after
a failover the announced one is let in by a policy that drops all but what is
established or related, and the first one's changed lengths stay right."""

import re
import socket

import pytest

import helpers
from helpers import Datagrams, Ftp, bound, expects, sip
from lab import SHARED, SHARED6, wait_for
from tiers import full

WAYS = {
    "handover": lambda lab, n: n.tool("handover"),
    "lan cut": lambda lab, n: lab.cut(n.host, "lan"),
}
BOTH = {cable: '%s/24", "%s/64' % (SHARED[cable], SHARED6[cable])
        for cable in SHARED}


@pytest.fixture
def pair(lab, pair):
    for host in ("gw1", "gw2"):
        lab.nft(host, helpers.RULES)
        lab.nft(host, helpers.GUARD)
    return pair


def expected(lab, n=1):
    """Waits until both gateways expect as many connections."""
    wait_for("both expect %d" % n, lambda: len(expects(lab, "gw1")) == n
             and len(expects(lab, "gw2")) == n)


def move(lab, pair, way="handover"):
    """Everything to the other node; from now on nothing new may pass."""
    pair.wait_sync()
    lab.freeze()
    WAYS[way](lab, pair.one)
    pair.wait_master(pair.two)


def back(pair):
    pair.wait_sync()
    assert pair.two.tool("handover")[0] == 0
    pair.wait_master(pair.one)


@pytest.mark.parametrize("way", ["handover", full("lan cut")])
@pytest.mark.parametrize("how", ["PORT", full("PASV")])
def test_ftp(lab, pair, how, way):
    """The shared address is two characters shorter than the client's: what
    comes after PORT has other sequence numbers on each side."""
    pair.start()
    ftp = Ftp(lab)
    announced = ftp.announce(how)
    expected(lab)
    move(lab, pair, way)
    assert ftp.refused(announced)
    ftp.banter()
    ftp.transfer(announced)
    ftp.banter()
    ftp.transfer(ftp.announce(how))
    ftp.banter()
    if way == "handover":
        back(pair)
        ftp.banter()
        ftp.transfer(ftp.announce(how))
        ftp.banter()
    ftp.close()


@pytest.mark.full
def test_ftp_server_behind_the_shared_address(lab, pair):
    """DNAT: the address in the answer to PASV is the shared one, and shorter
    than the server's."""
    for host in ("gw1", "gw2"):
        lab.nft(host, helpers.DNAT)
    pair.start()
    ftp = Ftp(lab, "server", "client", "10.2.0.1",
              own={"client": "10.2.0.100", "server": "10.1.0.100"})
    for _ in range(2):
        announced = ftp.announce("PASV")
        assert announced[2] == "10.2.0.1"
    expected(lab)
    move(lab, pair)
    ftp.transfer(announced)
    ftp.transfer(ftp.announce("PORT"))
    ftp.transfer(ftp.announce("PASV"))
    ftp.banter()
    ftp.close()


@pytest.mark.full
@pytest.mark.parametrize("way", WAYS)
def test_ftp_data_under_way(lab, pair, way):
    """A data connection that is open already: it is known whose it is."""
    pair.start()
    ftp = Ftp(lab)
    data = ftp.transfer(ftp.announce("PORT"))
    pair.wait_equal()
    move(lab, pair, way)
    data.carry()
    ftp.transfer(ftp.announce("PORT"))
    ftp.close()


@pytest.mark.full
def test_a_node_that_comes_back_empty(lab, pair):
    """All of it from a bulk: control, data, and what is only announced."""
    pair.start()
    ftps = [Ftp(lab) for _ in range(4)]
    pair.two.stop()
    lab.flush("gw2")
    data = [f.transfer(f.announce("PORT")) for f in ftps]
    announced = [f.announce("PORT") for f in ftps]
    pair.two.launch().wait_up()
    pair.wait_sync()
    expected(lab, len(ftps))
    pair.wait_equal()
    move(lab, pair)
    for i, ftp in enumerate(ftps):
        data[i].carry()
        ftp.banter()
        ftp.transfer(announced[i])
        ftp.close()


@pytest.mark.full
@pytest.mark.parametrize("how", ["EPRT", "EPSV"])
def test_ftp_over_ipv6(lab, pair, how):
    lab.ipv6()
    pair.start(address=BOTH)
    ftp = Ftp(lab, addr="2001:db8:2::100", listen="::",
              own={"client": "2001:db8:1::100", "server": "2001:db8:2::100"})
    announced = ftp.announce(how)
    expected(lab)
    move(lab, pair)
    assert ftp.refused(announced)
    ftp.transfer(announced)
    ftp.transfer(ftp.announce(how))
    ftp.banter()
    ftp.close()


@pytest.mark.parametrize("way", ["handover", full("lan cut")])
def test_tftp(lab, pair, way):
    """The answer comes from a port that nobody wrote to."""
    pair.start()
    tftp = Datagrams(lab, 69, 30000)
    assert tftp.ask(b"\0\1file\0octet\0") == b"\0\1file\0octet\0"
    expected(lab)
    move(lab, pair, way)
    with bound(lab, "server", socket.SOCK_DGRAM) as data:
        data.sendto(b"\0\3\0\1hello", tftp.back)
        got, source = tftp.client.recvfrom(4096)
        assert got == b"\0\3\0\1hello"
        tftp.client.sendto(b"\0\4\0\1", source)
        assert data.recv(4096) == b"\0\4\0\1"
    tftp.close()


@pytest.mark.parametrize("way", ["handover", full("lan cut")])
def test_sip(lab, pair, way):
    """A call is set up; its audio begins after the failover."""
    pair.start()
    call = Datagrams(lab, 5060, 5060)
    got = call.ask(sip("INVITE sip:b@example.org SIP/2.0", "10.1.0.100", 5060,
                       40000, "1")).decode()
    assert "c=IN IP4 10.2.0.1" in got, got
    audio = int(re.search(r"m=audio (\d+)", got).group(1))
    answer = call.answer(sip("SIP/2.0 200 OK", "10.2.0.100", 5060, 50000, "1",
                             server=True)).decode()
    assert "c=IN IP4 10.2.0.100" in answer, answer
    wait_for("audio is expected", lambda: len(expects(lab, "gw1")) >= 2)
    expected(lab, len(expects(lab, "gw1")))
    move(lab, pair, way)
    phone = bound(lab, "client", socket.SOCK_DGRAM, 40000, "10.1.0.100")
    far = bound(lab, "server", socket.SOCK_DGRAM, 50000, "10.2.0.100")
    far.sendto(b"audio", ("10.2.0.1", audio))
    assert phone.recv(100) == b"audio"
    phone.sendto(b"voice", ("10.2.0.100", 50000))
    assert far.recv(100) == b"voice"
    assert call.ask(sip("BYE sip:b@example.org SIP/2.0", "10.1.0.100", 5060,
                        0, "2"))
    for s in (phone, far, call):
        s.close()
