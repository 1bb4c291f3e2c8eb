# SPDX-License-Identifier: GPL-3.0-or-later
"""Protocols that announce another connection in their first: rules for the
kernel's helpers, and as much of each protocol as these read and change."""

import re
import socket
import struct

RULES = """
table inet helpers {
	ct helper ftp { type "ftp" protocol tcp; }
	ct helper tftp { type "tftp" protocol udp; }
	ct helper sip { type "sip" protocol udp; }
	ct helper pptp { type "pptp" protocol tcp; }
	chain prerouting {
		type filter hook prerouting priority filter
		tcp dport 21 ct helper set "ftp"
		udp dport 69 ct helper set "tftp"
		udp dport 5060 ct helper set "sip"
		tcp dport 1723 ct helper set "pptp"
	}
}
"""
# Data of FTP passes only where the kernel knows whose it is.
GUARD = """
add chain inet helpers guard { type filter hook forward priority 10; }
add rule inet helpers guard tcp dport { 21, 1723 } accept
add rule inet helpers guard tcp sport { 21, 1723 } accept
add rule inet helpers guard meta l4proto tcp ct helper "ftp" accept
add rule inet helpers guard meta l4proto tcp drop
"""
NAT66 = """
table ip6 nat66 {
	chain postrouting {
		type nat hook postrouting priority srcnat
		oifname "wan" ip6 saddr 2001:db8:1::/64 snat to 2001:db8:2::1
	}
	chain prerouting { type nat hook prerouting priority dstnat; }
}
"""
# A server of the client's side, at the shared address.
DNAT = "insert rule ip nat prerouting iifname wan tcp dport 21" \
       " dnat to 10.1.0.100"
TIMEOUT = 5


def bound(lab, host, kind=socket.SOCK_STREAM, port=0, addr=""):
    """A socket of that host, which fails rather than waits for ever."""
    family = socket.AF_INET6 if ":" in addr else socket.AF_INET
    with lab.inside(host):
        s = socket.socket(family, kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.settimeout(TIMEOUT)
    s.bind((addr, port))
    return s


def connected(lab, host, addr, port, timeout=TIMEOUT):
    """A TCP connection from that host."""
    s = bound(lab, host, addr="::" if ":" in addr else "")
    s.settimeout(timeout)
    try:
        s.connect((addr, port))
    except OSError:
        s.close()
        raise
    s.settimeout(TIMEOUT)
    return s


class Ftp:
    """A control connection; data goes whichever way it was announced."""

    def __init__(self, lab, client="client", server="server",
                 addr="10.2.0.100", listen="", own=None):
        self.lab = lab
        self.hosts = {"client": client, "server": server}
        self.own = own or {"client": "10.1.0.100", "server": "10.2.0.100"}
        listener = bound(lab, server, port=21, addr=listen)
        listener.listen()
        self.client = connected(lab, client, addr, 21)
        self.server, _ = listener.accept()
        self.server.settimeout(TIMEOUT)
        listener.close()
        self.served = addr
        self.banter()

    def say(self, who, line):
        """A line to the other end; what arrives there, maybe changed."""
        ends = {"client": self.client, "server": self.server}
        ends.pop(who).sendall(line.encode() + b"\r\n")
        (other,) = ends.values()
        got = b""
        while not got.endswith(b"\r\n"):
            more = other.recv(4096)
            assert more, "the control connection ended"
            got += more
        return got.decode()[:-2]

    def banter(self):
        """Lines both ways that nobody may change or lose."""
        for who, line in (("client", "NOOP"), ("server", "200 ok"),
                          ("client", "SYST"), ("server", "215 UNIX")):
            assert self.say(who, line) == line

    def announce(self, how):
        """Says where data is awaited; (listener, who, addr, port) of it."""
        waits = "client" if how in ("PORT", "EPRT") else "server"
        addr = self.own[waits]
        listener = bound(self.lab, self.hosts[waits],
                         addr=addr if ":" in addr else "")
        listener.listen()
        port = listener.getsockname()[1]
        number = "%s,%d,%d" % (addr.replace(".", ","), port >> 8, port & 255)
        line = {"PORT": "PORT " + number,
                "PASV": "227 Entering Passive Mode (%s)." % number,
                "EPRT": "EPRT |2|%s|%d|" % (addr, port),
                "EPSV": "229 Entering Extended Passive Mode (|||%d|)" % port
                }[how]
        told = self.say(waits, line)
        if how in ("PORT", "PASV"):
            n = [int(x) for x in re.search(r"(\d+,){5}\d+",
                                           told).group().split(",")]
            at = ".".join(map(str, n[:4])), n[4] << 8 | n[5]
        elif how == "EPRT":
            at = told.split("|")[2], int(told.split("|")[3])
        else:
            at = self.served, int(told.split("|")[3])
        return (listener, "server" if waits == "client" else "client") + at

    def transfer(self, announced, size=200000):
        """Opens the data connection and carries bytes over it, both ways."""
        listener, who, addr, port = announced
        data = connected(self.lab, self.hosts[who], addr, port)
        other, _ = listener.accept()
        listener.close()
        return Data(data, other).carry(size)

    def refused(self, announced, timeout=0.6):
        """Nobody said that a connection to the next port would come."""
        _, who, addr, port = announced
        try:
            connected(self.lab, self.hosts[who], addr, port + 1, timeout)
        except OSError:
            return True
        return False

    def close(self):
        self.client.close()
        self.server.close()


class Data:
    """A data connection under way."""

    def __init__(self, one, two):
        self.ends = (one, two)
        two.settimeout(TIMEOUT)

    def carry(self, size=200000):
        block = bytes(range(250)) * 40
        for a, b in (self.ends, self.ends[::-1]):
            left = size
            while left > 0:
                a.sendall(block)
                got = b""
                while len(got) < len(block):
                    more = b.recv(65536)
                    assert more, "the data connection ended"
                    got += more
                assert got == block
                left -= len(block)
        return self


class Datagrams:
    """Sockets of both ends, and who they are to each other."""

    def __init__(self, lab, port, client_port):
        self.lab = lab
        self.client = bound(lab, "client", socket.SOCK_DGRAM, client_port,
                            "10.1.0.100")
        self.server = bound(lab, "server", socket.SOCK_DGRAM, port,
                            "10.2.0.100")
        self.to = ("10.2.0.100", port)

    def ask(self, data):
        """To the server; what arrives there."""
        self.client.sendto(data, self.to)
        got, self.back = self.server.recvfrom(4096)
        return got

    def answer(self, data):
        self.server.sendto(data, self.back)
        return self.client.recv(4096)

    def close(self):
        self.client.close()
        self.server.close()


def pptp(kind, body, length):
    """A control message of PPTP (RFC 2637, 2)."""
    return struct.pack("!HHIHH", 12 + length, 1, 0x1A2B3C4D, kind, 0) \
        + body.ljust(length, b"\0")


def gre(lab, host, addr):
    """A socket for what is in the calls."""
    with lab.inside(host):
        s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 47)
    s.settimeout(TIMEOUT)
    s.bind((addr, 0))
    return s


def call(key):
    """A packet of the call with that number (RFC 2637, 4.1)."""
    return struct.pack("!HHHHI", 0x3001, 0x880B, 2, key, 0) + b"hi"


def register(port, expires, answer=False):
    """SIP: where the client can be called from now on."""
    head = ["SIP/2.0 200 OK" if answer else "REGISTER sip:example.org SIP/2.0",
            "Via: SIP/2.0/UDP %s:%d;branch=z9hG4bKr" % (
                "10.2.0.1" if answer else "10.1.0.100", port),
            "From: <sip:a@example.org>;tag=1", "To: <sip:a@example.org>",
            "Call-ID: 78@example.org", "CSeq: 1 REGISTER",
            "Contact: <sip:a@%s:%d>" % (
                "10.2.0.1" if answer else "10.1.0.100", port),
            "Expires: %d" % expires, "Content-Length: 0"]
    return ("\r\n".join(head) + "\r\n\r\n").encode()


def sip(method, addr, port, media, branch, server=False):
    """A SIP message with the address where audio is awaited."""
    sdp = ("v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\n"
           "m=audio %d RTP/AVP 0\r\n" % (addr, addr, media)
           if media else "")
    head = [method,
            "Via: SIP/2.0/UDP %s:5060;branch=z9hG4bK%s" % (
                "10.1.0.100" if not server else "10.2.0.1", branch),
            "From: <sip:a@example.org>;tag=1", "To: <sip:b@example.org>",
            "Call-ID: 77@example.org", "CSeq: 1 INVITE",
            "Contact: <sip:a@%s:%d>" % (addr, port),
            "Content-Type: application/sdp",
            "Content-Length: %d" % len(sdp)]
    return ("\r\n".join(head) + "\r\n\r\n" + sdp).encode()


def expects(lab, host):
    """The expectations of a gateway, as the kernel prints them."""
    return lab.run(host, "cat", "/proc/net/nf_conntrack_expect").splitlines()


def entry(lab, host, proto, word):
    """The line of conntrack(8) that has this word; None without one."""
    out = lab.run(host, "conntrack", "-L", "-p", proto, check=False)
    found = [line for line in out.splitlines() if word in line]
    return found[0] if len(found) == 1 else None
