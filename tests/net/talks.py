# SPDX-License-Identifier: GPL-3.0-or-later
"""Conversations between a client and a server in every protocol that a
gateway tracks: numbered questions and their answers. Raw sockets speak what
the kernel has no sockets for."""

import contextlib
import selectors
import socket
import struct
import threading
import time

EVERY_S = 0.1
PORT = 7000
BLOCK = 128 * 1024  # of a TCP question: more than a window without scaling
SPAN = struct.Struct("!Q")
UDPLITE = 136


class Talk:
    """One conversation. The sockets are opened inside the hosts by open();
    ask(), client() and server() are called by the loop only."""

    def __init__(self, where, number, client, to, at):
        self.where = where  # what the test calls it
        self.number = number
        self.client_addr, self.to, self.at = client, to, at
        self.family = socket.AF_INET6 if ":" in to else socket.AF_INET
        self.asked = self.heard = self.since = 0
        self.sources = set()  # as whom the server sees the client
        self.a = self.b = None

    def open(self, lab):
        with lab.inside("server"):
            self.b = self.make_server()
        with lab.inside("client"):
            self.a = self.make_client()
        for s in (self.a, self.b):
            s.setblocking(False)

    def mark(self):
        """Only questions asked from now on count."""
        self.since = self.asked

    def goes_on(self):
        return self.heard > self.since and len(self.sources) <= 1

    def close(self):
        for s in (self.a, self.b):
            if s is not None:
                s.close()

    def sockets(self):
        return ((self.a, self.client), (self.b, self.server))


class Datagrams(Talk):
    """UDP and whatever else the kernel has sockets for."""

    def __init__(self, *args, proto=socket.IPPROTO_UDP):
        super().__init__(*args)
        self.proto = proto

    def make_server(self):
        s = socket.socket(self.family, socket.SOCK_DGRAM, self.proto)
        s.bind((self.at, PORT))
        return s

    def make_client(self):
        s = socket.socket(self.family, socket.SOCK_DGRAM, self.proto)
        s.bind((self.client_addr, 0))
        s.connect((self.to, PORT))
        return s

    def ask(self):
        self.asked += 1
        self.a.send(SPAN.pack(self.asked))

    def client(self):
        self.heard = max(self.heard, *SPAN.unpack(self.a.recv(64)))

    def server(self):
        data, source = self.b.recvfrom(64)
        self.sources.add(source[:2])
        self.b.sendto(data, source)


class Raw(Talk):
    """A protocol without ports, or one of which we write the bytes."""

    head = b""

    def __init__(self, *args, proto):
        super().__init__(*args)
        self.proto = proto

    def _socket(self):
        return socket.socket(self.family, socket.SOCK_RAW, self.proto)

    def make_server(self):
        s = self._socket()
        s.bind((self.at, 0))
        return s

    def make_client(self):
        s = self._socket()
        s.bind((self.client_addr, 0))
        s.connect((self.to, 0))
        return s

    def _payload(self, data):
        """Without the IPv4 header, which raw sockets give, too."""
        if self.family == socket.AF_INET:
            data = data[(data[0] & 15) * 4:]
        return data

    def ask(self):
        self.asked += 1
        self.a.send(self.head + SPAN.pack(self.asked))

    def client(self):
        data = self._payload(self.a.recv(2048))
        self.heard = max(self.heard, *SPAN.unpack(data[len(self.head):]))

    def server(self):
        data, source = self.b.recvfrom(2048)
        self.sources.add(source[0])
        self.b.sendto(self._payload(data), (source[0], 0))


class Gre(Raw):
    """Version 0 without a key, which conntrack tracks by its addresses."""

    head = b"\0\0\x08\0"


class Echo(Raw):
    """ICMP and ICMPv6; the server's kernel answers."""

    def make_server(self):
        return self._socket()  # hears what it needs not

    def server(self):
        self.b.recv(2048)

    def ask(self):
        self.asked += 1
        kind = 8 if self.family == socket.AF_INET else 128
        body = struct.pack("!HH", self.number, 0) + SPAN.pack(self.asked)
        packet = struct.pack("!BBH", kind, 0, 0) + body
        if kind == 8:  # of ICMPv6 the kernel makes the sum
            total = sum(struct.unpack("!%dH" % (len(packet) // 2), packet))
            total = (total & 0xffff) + (total >> 16)
            total += total >> 16
            packet = struct.pack("!BBH", kind, 0, ~total & 0xffff) + body
        self.a.send(packet)

    def client(self):
        data = self._payload(self.a.recv(2048))
        if data[0] in (0, 129) and data[4:6] == struct.pack("!H", self.number):
            self.heard = max(self.heard, *SPAN.unpack(data[8:16]))


def _crc32c_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82f63b78 if n & 1 else 0)
        table.append(n)
    return table


CRC32C = _crc32c_table()


def sctp_packet(sport, dport, tag, chunk):
    """RFC 9260, 3.1 and appendix A."""
    head = struct.pack("!HHI", sport, dport, tag)
    crc = 0xffffffff
    for byte in head + bytes(4) + chunk:
        crc = crc >> 8 ^ CRC32C[(crc ^ byte) & 0xff]
    return head + struct.pack("<I", crc ^ 0xffffffff) + chunk


def sctp_chunk(kind, body=b""):
    return struct.pack("!BBH", kind, 0, 4 + len(body)) + body


class Sctp(Raw):
    """An association: four-way handshake, then data both ways."""

    DATA, INIT, INIT_ACK, HEARTBEAT, HEARTBEAT_ACK = 0, 1, 2, 4, 5
    COOKIE_ECHO, COOKIE_ACK = 10, 11
    OURS, THEIRS = 0x11111111, 0x22222222  # what each wants to be called

    def __init__(self, *args):
        super().__init__(*args, proto=socket.IPPROTO_SCTP)
        self.state = self.INIT
        self.ports = (5000 + self.number, 6000 + self.number)

    def _say(self, tag, kind, body=b""):
        self.a.send(sctp_packet(*self.ports, tag, sctp_chunk(kind, body)))

    def _init(self, tag):
        return struct.pack("!IIHHI", tag, 65536, 1, 1, 1)

    def _data(self, body):
        return struct.pack("!IHHI", self.asked, 0, 0, 0) + body

    def ask(self):
        if self.state == self.INIT:
            self._say(0, self.INIT, self._init(self.OURS))
        elif self.state == self.COOKIE_ECHO:
            self._say(self.THEIRS, self.COOKIE_ECHO, b"cook")
        else:
            self.asked += 1
            self._say(self.THEIRS, self.DATA,
                      self._data(SPAN.pack(self.asked)))

    def client(self):
        data = self._payload(self.a.recv(2048))
        ports, kind = struct.unpack_from("!HH", data), data[12]
        if ports != self.ports[::-1]:
            return
        if kind == self.INIT_ACK and self.state == self.INIT:
            self.state = self.COOKIE_ECHO
        elif kind == self.COOKIE_ACK:
            self.state = self.DATA
        elif kind == self.DATA:
            self.heard = max(self.heard, *SPAN.unpack(data[28:36]))

    def server(self):
        data, source = self.b.recvfrom(2048)
        data = self._payload(data)
        sport, dport = struct.unpack_from("!HH", data)
        kind = data[12]
        if dport != self.ports[1]:
            return
        self.sources.add((source[0], sport))
        answer = {
            self.INIT: (self.INIT_ACK, self._init(self.THEIRS)),
            self.COOKIE_ECHO: (self.COOKIE_ACK, b""),
            self.DATA: (self.DATA, data[16:]),
            self.HEARTBEAT: (self.HEARTBEAT_ACK, data[16:]),
        }[kind]
        self.b.sendto(sctp_packet(dport, sport, self.OURS,
                                  sctp_chunk(*answer)), (source[0], 0))


class SctpPath(Sctp):
    """Another path of an association that was made elsewhere: the gateway
    sees heartbeats only."""

    def ask(self):
        self.asked += 1
        self._say(self.THEIRS, self.HEARTBEAT, SPAN.pack(self.asked))

    def client(self):
        data = self._payload(self.a.recv(2048))
        if (struct.unpack_from("!HH", data) == self.ports[::-1]
                and data[12] == self.HEARTBEAT_ACK):
            self.heard = max(self.heard, *SPAN.unpack(data[16:24]))


class Tcp(Talk):
    """Blocks that need a scaled window, echoed; the next one when the last
    is back."""

    def __init__(self, *args):
        super().__init__(*args)
        self.to_send = {"a": b"", "b": b""}
        self.got = 0
        self.first = b""

    def open(self, lab):
        with lab.inside("server"), contextlib.closing(
                socket.socket(self.family)) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self.at, PORT))
            listener.listen()
            with lab.inside("client"):
                self.a = socket.socket(self.family)
                self.a.bind((self.client_addr, 0))
                self.a.settimeout(5)
                self.a.connect((self.to, PORT))
            listener.settimeout(5)
            self.b = listener.accept()[0]
        self.sources.add(self.b.getpeername()[:2])
        for s in (self.a, self.b):
            s.setblocking(False)

    def _flush(self, end):
        s = self.a if end == "a" else self.b
        with contextlib.suppress(BlockingIOError):
            while self.to_send[end]:
                sent = s.send(self.to_send[end])
                self.to_send[end] = self.to_send[end][sent:]

    def ask(self):
        if self.heard == self.asked:
            self.asked += 1
            self.to_send["a"] = SPAN.pack(self.asked).ljust(BLOCK, b".")
        self._flush("a")
        self._flush("b")

    def client(self):
        data = self.a.recv(65536)
        if not data:
            raise AssertionError("closed")
        self.first = (self.first + data)[:SPAN.size]
        self.got += len(data)
        if self.got == BLOCK:
            self.heard, = SPAN.unpack(self.first)
            self.got, self.first = 0, b""
        self._flush("a")

    def server(self):
        self.to_send["b"] += self.b.recv(65536)
        self._flush("b")


class HalfClosed(Tcp):
    """The client has ended its direction; the server goes on to speak."""

    def open(self, lab):
        super().open(lab)
        self.a.shutdown(socket.SHUT_WR)

    def ask(self):
        self.asked += 1
        self.b.send(SPAN.pack(self.asked))

    def client(self):
        data = self.first + self.a.recv(65536)
        while len(data) >= SPAN.size:
            self.heard, = SPAN.unpack(data[:SPAN.size])
            data = data[SPAN.size:]
        self.first = data

    def server(self):
        self.b.recv(64)

    def sockets(self):
        return ((self.a, self.client),)


def raw(kind, proto):
    return lambda *args: kind(*args, proto=proto)


PROTOCOLS = {
    "tcp": Tcp,
    "tcp half closed": HalfClosed,
    "udp": Datagrams,
    "udplite": raw(Datagrams, UDPLITE),
    "icmp": lambda *args: Echo(*args, proto=58 if ":" in args[3] else 1),
    "sctp": Sctp,
    "sctp path": SctpPath,
    "gre": raw(Gre, socket.IPPROTO_GRE),
    "esp": raw(Raw, socket.IPPROTO_ESP),
    "protocol 253": raw(Raw, 253),
}


class Talks:
    """All of them, in one thread, until close()."""

    def __init__(self, lab):
        self.lab = lab
        self.all = []
        self.failures = {}
        self.ready = selectors.DefaultSelector()
        self.end = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def add(self, where, proto, client, to, at):
        """where: the talk's name; to: what the client calls the server; at:
        where the server is."""
        talk = PROTOCOLS[proto](where, 1 + len(self.all), client, to, at)
        self.all.append(talk)
        talk.open(self.lab)
        for s, do in talk.sockets():
            self.ready.register(s, selectors.EVENT_READ, (talk, do))

    def start(self):
        self.thread.start()

    def _try(self, talk, do):
        """Nobody there for a moment is no failure; a broken one is."""
        try:
            do()
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as e:
            if talk.where not in self.failures and isinstance(
                    talk, Tcp):
                self.failures[talk.where] = str(e)
        except AssertionError as e:
            self.failures.setdefault(talk.where, str(e))

    def _run(self):
        due = time.monotonic()
        while not self.end.is_set():
            now = time.monotonic()
            if now >= due:
                due = now + EVERY_S
                for talk in self.all:
                    self._try(talk, talk.ask)
            for key, _ in self.ready.select(max(0, due - time.monotonic())):
                self._try(*key.data)

    def mark(self):
        for talk in self.all:
            talk.mark()

    def silent(self):
        """Those that do not go on."""
        return [t for t in self.all
                if not t.goes_on() or t.where in self.failures]

    def close(self):
        self.end.set()
        if self.thread.is_alive():
            self.thread.join()
        for talk in self.all:
            talk.close()
        self.ready.close()
