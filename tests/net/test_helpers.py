# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections that are announced in another one (FTP, TFTP, SIP, PPTP): after
a failover the announced one is let in by a policy that drops all but what is
established or related, and the first one's changed lengths stay right."""

import ipaddress
import re
import socket

import pytest

import helpers
from helpers import (Datagrams, Ftp, bound, connected, entry, expects, gre,
                     pptp, register, sip)
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
def test_ftp_there_and_back(lab, pair):
    """The first line after the return is the first PORT: the old master has to
    read on where it never was."""
    pair.start()
    ftp = Ftp(lab)
    move(lab, pair)
    ftp.banter()
    back(pair)
    ftp.transfer(ftp.announce("PORT"))
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
@pytest.mark.parametrize("how, nat", [("EPRT", False), ("EPSV", False),
                                      ("EPRT", True)])
def test_ftp_over_ipv6(lab, pair, how, nat):
    lab.ipv6()
    for host in ("gw1", "gw2") if nat else ():
        lab.nft(host, helpers.NAT66)
    pair.start(address=BOTH)
    ftp = Ftp(lab, addr="2001:db8:2::100", listen="::",
              own={"client": "2001:db8:1::100", "server": "2001:db8:2::100"})
    announced = ftp.announce(how)
    assert (ipaddress.ip_address(announced[2])
            == ipaddress.ip_address(SHARED6["wan"])) == nat
    expected(lab)
    move(lab, pair)
    assert ftp.refused(announced)
    ftp.banter()
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


@pytest.mark.full
def test_a_registered_phone_is_called(lab, pair):
    """SIP: the number was given to the far end before the failover. That it is
    active since the answer is in no event."""
    pair.start()
    phone = Datagrams(lab, 5060, 5060)
    assert b"10.2.0.1:5060" in phone.ask(register(5060, 3000))
    phone.answer(register(5060, 3000, answer=True))
    wait_for("active on both, for as long", lambda: all(
        re.match(r"2\d\d\d .*PERMANENT", "".join(expects(lab, host)))
        and "INACTIVE" not in "".join(expects(lab, host))
        for host in ("gw1", "gw2")))
    move(lab, pair)
    with bound(lab, "server", socket.SOCK_DGRAM, 7000, "10.2.0.100") as far:
        far.sendto(sip("INVITE sip:a@10.2.0.1 SIP/2.0", "10.2.0.100", 7000, 0,
                       "3", server=True), ("10.2.0.1", 5060))
        assert phone.client.recv(4096).startswith(b"INVITE")
    phone.close()


class Pptp:
    """A control connection with one call."""

    def __init__(self, lab):
        with bound(lab, "server", port=1723) as listener:
            listener.listen()
            self.client = connected(lab, "client", "10.2.0.100", 1723)
            self.server, _ = listener.accept()
        self.server.settimeout(5)
        self.say(self.client, self.server, pptp(1, b"\1\0", 144))
        self.say(self.server, self.client, pptp(2, b"\1\0\1\0", 144))
        call = self.say(self.client, self.server,
                        pptp(7, b"\0\x11\0\1", 156))[12:14]
        self.say(self.server, self.client,
                 pptp(8, b"\0\x22" + call + b"\1\0", 20))

    @staticmethod
    def say(one, other, message):
        one.sendall(message)
        got = other.recv(4096)
        assert len(got) == len(message)
        return got

    def echo(self):
        self.say(self.client, self.server, pptp(5, b"\0\0\0\1", 4))
        self.say(self.server, self.client, pptp(6, b"\0\0\0\1\1", 8))

    def close(self):
        self.client.close()
        self.server.close()


@pytest.mark.full
def test_pptp(lab, pair):
    """As far as the kernel lets it. The keys of a call's GRE are known to the
    kernel that read the control connection alone (nf_ct_gre_keymap_add): the
    control connection goes on, and the call is made anew."""
    pair.start()
    session = Pptp(lab)
    assert len(expects(lab, "gw1")) == 2
    with gre(lab, "server", "10.2.0.100") as far, \
            gre(lab, "client", "10.1.0.100") as near:
        near.sendto(helpers.call(0x22), ("10.2.0.100", 0))
        assert far.recv(100)
        wait_for("the call is on both", lambda: all(
            entry(lab, host, "gre", "dstkey=0x22") for host in ("gw1", "gw2")))
        assert not expects(lab, "gw2")
        move(lab, pair)
        session.echo()
        lab.thaw()
        again = Pptp(lab)
        lab.freeze()
        near.sendto(helpers.call(0x22), ("10.2.0.100", 0))
        assert far.recv(100)
    session.close()
    again.close()


def test_what_is_said_of_them(lab, pair):
    """An operator sees that expectations went and arrived, and why not."""
    pair.start()
    ftp = Ftp(lab)
    ftp.announce("PASV")
    expected(lab)
    told = pair.one.status()["flows"]["expectations"]
    taken = pair.two.status()["flows"]["expectations"]
    assert told["sent"] >= 1 and taken["applied"] == told["sent"], (told, taken)
    assert not any(taken["failed"].values()), taken
    assert "expectations told" in pair.one.tool("counters")[1]
    assert "expectations: %d sent" % told["sent"] in pair.one.tool("status")[1]
    assert "helpers" in pair.two.tool("check")[1]
    ftp.close()
