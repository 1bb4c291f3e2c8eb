# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody who can reach a listener of the daemon does to it: too many,
too slow, too much. It is counted, it costs little, and the pair does not
notice; whoever has a right to be heard is heard again soon."""

import contextlib
import resource
import socket
import time

import pytest

from lab import wait_for
from test_faults import processor_s
from test_monitor import ADDRESS, LISTEN, get, metrics
from tiers import full

MANY = 1000
HTTP = ("127.0.0.1", 9788)
FAILED = 'statesync_link_handshake_failures_total{reason="%s"}'


@pytest.fixture(autouse=True)
def descriptors():
    """Room for all of them on our side."""
    was = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, max(4096, was[1])))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, was)


class Undisturbed:
    """That all is as it was: who is what, and how much of the machine it
    takes."""

    def __init__(self, *nodes, share=0.5):
        self.nodes, self.share = nodes, share
        self.roles = self._roles()
        self.kb = [n.memory_kb() for n in nodes]
        self.used = [processor_s(n) for n in nodes]
        self.since = time.monotonic()

    def _roles(self):
        """With how often they changed."""
        return [(c["name"], c["state"], c["transitions"])
                for n in self.nodes for c in n.status()["carp"]]

    def check(self, kb=2048):
        """kb: how much more memory each may take."""
        took = time.monotonic() - self.since
        used = [processor_s(n) - u for n, u in zip(self.nodes, self.used)]
        more = [n.memory_kb() - k for n, k in zip(self.nodes, self.kb)]
        print("%.1f s, processor %s s, memory %s kB" % (took, used, more))
        assert max(more) <= kb, more
        assert max(used) <= self.share * took + 0.3, used
        for node in self.nodes:
            wait_for("the status", lambda n=node: n.status(quiet=True), 15)
        assert self._roles() == self.roles


@contextlib.contextmanager
def callers(lab, host, to, number, source=None):
    """So many connections from a host, those that came to be."""
    made = []
    with lab.inside(host):
        for _ in range(number):
            s = socket.socket()
            s.setblocking(False)
            if source:
                s.bind((source, 0))
            s.connect_ex(to)
            made.append(s)
            time.sleep(0.001)
    try:
        yield made
    finally:
        for s in made:
            s.close()


# -- the link's port

@pytest.mark.parametrize("source", ["10.9.0.77", full("10.9.0.1")])
def test_a_thousand_at_the_link(lab, pair, source):
    """From a stranger's address and from the peer's own: eight may begin, the
    rest is refused and counted; the link that stands goes on, and one that is
    made anew comes in as soon as those eight are out of time."""
    pair.start()
    lab.ip("gw1", "addr", "add", "10.9.0.77/24", "dev", "link")
    before = metrics(pair.two)[FAILED % "limit"]
    calm = Undisturbed(*pair.both())
    with callers(lab, "gw1", ("10.9.0.2", 3790), MANY, source):
        lab.tools.fill(1000)
        pair.wait_equal()
        counted = metrics(pair.two)[FAILED % "limit"] - before
        calm.check()
        assert pair.two.in_sync()
    assert counted >= 500, counted
    lab.cut("gw1", "link")
    wait_for("the link is down", lambda: not pair.two.in_sync(), 10)
    lab.restore("gw1", "link")
    pair.wait_sync(20)
    assert pair.master() is pair.one


@pytest.mark.full
def test_eight_that_keep_the_link_down(lab, pair):
    """From the peer's own address, again and again while it is down: it may
    stay so, and nobody changes; it comes when they go."""
    pair.start()
    calm = Undisturbed(*pair.both())
    before = metrics(pair.two)[FAILED % "limit"]
    with callers(lab, "gw1", ("10.9.0.2", 3790), 8, "10.9.0.1"):
        lab.cut("gw1", "link")
        wait_for("the link is down", lambda: not pair.two.in_sync(), 10)
        lab.restore("gw1", "link")
        for _ in range(5):
            with callers(lab, "gw1", ("10.9.0.2", 3790), 32, "10.9.0.1"):
                time.sleep(2)
                assert pair.master() is pair.one, str(pair)
    calm.check()
    assert metrics(pair.two)[FAILED % "limit"] - before >= 8
    pair.wait_sync(20)


@pytest.mark.full
def test_slow_ones_at_the_link(lab, pair):
    """A byte now and then: out after five seconds like the silent ones."""
    pair.start()
    calm = Undisturbed(*pair.both())
    before = metrics(pair.two)[FAILED % "timeout"]
    with callers(lab, "gw1", ("10.9.0.2", 3790), 6) as strangers:
        for i in range(12):
            for s in strangers:
                with contextlib.suppress(OSError):
                    s.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\0"[
                        i:i + 1])
            time.sleep(0.5)
        assert metrics(pair.two)[FAILED % "timeout"] - before == 6
        calm.check()


# -- the stats socket

def dial(node, timeout=1):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(timeout)
    s.connect(str(node.sock))
    return s


def test_a_thousand_at_the_socket(lab, pair):
    """34 at once even for root; everybody else is told so, and all are heard
    again when those are out of time."""
    pair.start()
    calm = Undisturbed(*pair.both())
    made, told = [], 0
    for i in range(MANY):
        with contextlib.suppress(OSError):
            made.append(dial(pair.one))
            told += i > 40 and b"32 clients" in made[-1].recv(200)
    assert told >= 500, told
    for s in made:
        s.close()
    calm.check()


@pytest.mark.full
def test_nobody_reads_at_the_socket(lab, pair):
    """Each asks for much and reads none of it: dropped after ten seconds."""
    pair.start()
    lab.tools.fill(5000)
    calm = Undisturbed(*pair.both())
    made = [dial(pair.one) for _ in range(30)]
    for s in made:
        s.sendall(b"status json;" * 80 + b"flows json\n")
    time.sleep(17)
    counted = pair.one.status()["socket"]["stuck"]
    for s in made:
        s.close()
    calm.check(kb=30 * 300 + 2048)
    assert counted >= 25, counted


def test_megabytes_at_the_socket(lab, pair):
    """A line without an end is refused at its first 1024 bytes."""
    pair.start()
    calm = Undisturbed(*pair.both())
    for _ in range(20):
        with dial(pair.one) as s:
            with contextlib.suppress(OSError):
                for _ in range(64):
                    s.sendall(b"x" * 65536)
            with contextlib.suppress(OSError):
                assert b"longer than 1024 bytes" in s.recv(4096)
    calm.check()


# -- HTTP

def test_a_thousand_at_the_page(lab, pair):
    """Sixteen at a time, for ten seconds each; the others wait in the
    kernel, and the page is there again when they go."""
    pair.start(stats=LISTEN)
    calm = Undisturbed(*pair.both())
    with callers(lab, "gw1", HTTP, MANY) as made:
        for s in made[:16]:
            with contextlib.suppress(OSError):
                s.send(b"GET / HTTP/1.1\r\n")
        time.sleep(3)
        calm.check()
    wait_for("the page", lambda: "200" in lab.run(
        "gw1", "curl", "-si", "-m", "5", "http://%s/" % ADDRESS,
        check=False), 30)


REQUESTS = {
    "megabytes": b"POST / HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n"
                 + b"x" * (8 << 20),
    "headers": b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * (1 << 20),
    "one header": b"GET / HTTP/1.1\r\nA: " + b"b" * (8 << 20),
    "path": b"GET /" + b"a" * (8 << 20),
}


@pytest.mark.parametrize("what", ["headers", full("megabytes"),
                                  full("one header"), full("path")])
def test_much_at_the_page(lab, pair, what):
    """Answered when it is too much, and cut off when it goes on."""
    pair.start(stats=LISTEN)
    calm = Undisturbed(*pair.both())
    for _ in range(10):
        with callers(lab, "gw1", HTTP, 1) as (s,):
            s.settimeout(5)
            begun = time.monotonic()
            with pytest.raises(OSError):
                s.sendall(REQUESTS[what])
                s.sendall(REQUESTS[what])
            assert time.monotonic() - begun < 5, "it was listened to"
    calm.check()
    status, _, _ = get(lab, "gw1")
    assert status == 200


@pytest.mark.full
def test_nobody_reads_the_page(lab, pair):
    """Ten seconds, whatever is left of it."""
    pair.start(stats=LISTEN)
    calm = Undisturbed(*pair.both())
    with callers(lab, "gw1", HTTP, 16) as made:
        for s in made:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            s.send(b"GET / HTTP/1.1\r\n\r\n")
        time.sleep(12)
        calm.check()
    assert get(lab, "gw1")[0] == 200
