# SPDX-License-Identifier: GPL-3.0-or-later
"""One address that several nodes serve (issue 3 part 9): each lets in its
share of the flows, and a failing node's share goes on at the other."""

import contextlib
import select
import socket
import struct
import threading
import time

import pytest

from lab import SHARED, SHARED6, wait_for
from test_priv import may_drill, needs_systemd
from vhosts import vhost

FLOWS = 8
SOURCES = ["10.1.0.%d" % (101 + i) for i in range(FLOWS)]
SOURCES6 = ["2001:db8:1::%x" % (0x101 + i) for i in range(FLOWS)]
SERVER = {socket.AF_INET: "10.2.0.100", socket.AF_INET6: "2001:db8:2::100"}
ODD = "10.2.0.101"  # from 10.1.0.100: the other share
GOOD, WORSE = 80, 100  # advskews: 312 and 391 ms
DOWN = 3 * WORSE / 256  # master-down of the better node's backup, seconds
BOUND = 0.6
EVERY = 0.005
NO_NAT = "flush chain ip nat postrouting"


class Flows:
    """A datagram each 5 ms in each of eight flows, answered by the server;
    who counts them tells what was lost, and what came twice."""

    def __init__(self, lab, family=socket.AF_INET):
        self.family = family
        self.clients = []
        with lab.inside("client"):
            for addr in SOURCES if family == socket.AF_INET else SOURCES6:
                s = socket.socket(family, socket.SOCK_DGRAM)
                s.bind((addr, 5000))
                s.connect((SERVER[family], 9100))
                s.setblocking(False)
                self.clients.append(s)
        with lab.inside("server"):
            self.server = socket.socket(family, socket.SOCK_DGRAM)
            self.server.bind((SERVER[family], 9100))
        self.server.setblocking(False)
        self.sent = [0] * FLOWS
        self.asked = [{} for _ in range(FLOWS)]     # number: how often
        self.answered = [{} for _ in range(FLOWS)]  # number: when last
        self.silence = [0.0] * FLOWS
        self.last = [0.0] * FLOWS
        self.doubled = 0
        self.ends = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _send(self):
        for i, s in enumerate(self.clients):
            with contextlib.suppress(OSError):
                s.send(struct.pack("!II", i, self.sent[i]))
            self.sent[i] += 1

    def _receive(self, s, now):
        with contextlib.suppress(OSError):
            while True:
                data, peer = s.recvfrom(64)
                i, n = struct.unpack("!II", data)
                if s is self.server:
                    self.doubled += n in self.asked[i]
                    self.asked[i][n] = 1
                    s.sendto(data, peer)
                    continue
                self.doubled += n in self.answered[i]
                self.answered[i][n] = 1
                if self.last[i]:
                    self.silence[i] = max(self.silence[i], now - self.last[i])
                self.last[i] = now

    def _run(self):
        due = time.monotonic()
        while not self.ends:
            now = time.monotonic()
            if now >= due:
                self._send()
                due = now + EVERY
            ready = select.select(self.clients + [self.server], [], [],
                                  max(0, due - now))[0]
            for s in ready:
                self._receive(s, time.monotonic())

    def begin(self):
        """From here on what is lost counts, and silences."""
        now = time.monotonic()
        self.first = list(self.sent)
        self.silence = [0.0] * FLOWS
        self.last = [now] * FLOWS

    def lost(self):
        """Questions since begin() that had no answer, by flow; those of the
        last moment are under way."""
        upto = list(self.sent)
        time.sleep(0.3)
        return [sum(n not in self.answered[i]
                    for n in range(self.first[i], upto[i]))
                for i in range(FLOWS)]

    def silences(self):
        now = time.monotonic()
        return [max(self.silence[i], now - self.last[i])
                for i in range(FLOWS)]

    def close(self):
        self.ends = True
        self.thread.join()
        for s in self.clients + [self.server]:
            s.close()


def share_blocks(mode, better, families, more=""):
    """lan and wan, each in two shares; better: of which this node is; more:
    what else is in the block lan."""
    skews = [WORSE, WORSE]
    skews[better] = GOOD
    blocks = []
    for name, first in (("lan", 1), ("wan", 3)):
        addresses = ()
        if socket.AF_INET in families:
            addresses += (SHARED[name] + "/24",)
        if socket.AF_INET6 in families:
            addresses += (SHARED6[name] + "/64",)
        text = vhost(name, 0, addresses, interface=name, balancing=mode,
                     nodes=tuple("%d:%d" % (first + k, s)
                                 for k, s in enumerate(skews)))
        blocks.append("\n".join(line for line in text.splitlines()
                                if "vhid =" not in line
                                and "advskew =" not in line))
        if name == "lan":
            blocks[-1] = blocks[-1][:-1] + more + "\n}"
    return "\n".join(blocks)


class Balanced:
    def __init__(self, lab, mode, families=(socket.AF_INET,), more=""):
        self.lab = lab
        self.nodes = [lab.nodes["gw1"], lab.nodes["gw2"]]
        for better, node in enumerate(self.nodes):
            node.configure(preempt=True, carps=(),
                           top=share_blocks(mode, better, families, more))
            lab.nft(node.host, NO_NAT)
        lab.batch("client", *("addr add %s/24 dev eth0" % a
                              for a in SOURCES))
        lab.batch("server", "addr add %s/24 dev eth0" % ODD)
        if socket.AF_INET6 in families:
            lab.batch("client", *("addr add %s/64 dev eth0 nodad" % a
                                  for a in SOURCES6))
            for node in self.nodes:
                lab.nft(node.host, "insert rule inet fw fresh meta nfproto "
                        "ipv6 iifname lan oifname wan accept")

    def start(self):
        for node in self.nodes:
            node.launch().wait_up()
        self.wait_each()
        return self

    def wait_each(self, timeout=20):
        """Each node has its share of both addresses, and is in sync."""
        def each():
            one, two = (n.states() for n in self.nodes)
            return (one == {"lan/1": "MASTER", "lan/2": "BACKUP",
                            "wan/3": "MASTER", "wan/4": "BACKUP"}
                    and two == {"lan/1": "BACKUP", "lan/2": "MASTER",
                                "wan/3": "BACKUP", "wan/4": "MASTER"}
                    and all(n.in_sync() for n in self.nodes))
        wait_for("each has its share: %s" % [n.tail(5) for n in self.nodes],
                 each, timeout)

    def passed(self, node):
        """Packets that the node let in, by share."""
        return {c["name"]: c["balancing"]["packets"]
                for c in node.status()["carp"]}


def source_macs(lab, host, seconds=1.5):
    """Ethernet sources seen on that host's port of the lan bridge."""
    with lab.raw("switch", "lan-" + host) as s:
        s.settimeout(0.2)
        end, seen = time.monotonic() + seconds, set()
        while time.monotonic() < end:
            with contextlib.suppress(TimeoutError):
                frame = s.recv(2048)
                if frame[12:14] != b"\x81\x00":
                    seen.add(frame[6:12].hex(":"))
    return seen


@pytest.mark.full
@pytest.mark.parametrize("mode,mac", [("ip", "01:00:5e:00:01:01"),
                                      ("ip-stealth", "00:00:5e:00:01:01")])
def test_both_carry_and_one_goes_on(lab, mode, mac):
    balanced = Balanced(lab, mode).start()
    one, two = balanced.nodes
    flows = Flows(lab)
    streams = [lab.tools.streams(1, 1, "%s:%d" % (addr, port), str(port),
                                 rate=200000)
               for addr, port in ((SERVER[socket.AF_INET], 9301),
                                  (ODD, 9302))]
    try:
        # the address is at a MAC that no frame comes from
        time.sleep(1)
        assert lab.neighbour("client", SHARED["lan"]) == mac
        for host in ("gw1", "gw2"):
            seen = source_macs(lab, host)
            assert lab.mac(host, "lan") in seen
            assert not any(m.startswith(("00:00:5e", "01:00:5e"))
                           for m in seen), seen
        flows.begin()
        time.sleep(2)
        assert flows.lost() == [0] * FLOWS
        assert not flows.doubled
        # each has half of them, and says so
        before = [balanced.passed(n) for n in balanced.nodes]
        assert all(before[0][k] and not before[0][o] and before[1][o]
                   and not before[1][k]
                   for k, o in (("lan/1", "lan/2"), ("wan/3", "wan/4"))), \
            before
        code, text, _ = one.tool("status")
        assert code == 0 and "balancing %s by src xor dst mod 2" % mode in text
        assert one.carp("lan/1")["balancing"]["hash"] == "xor"

        # nothing unknown passes: what goes on was told
        lab.freeze()
        for s in streams:
            s.mark("killed")
        flows.begin()
        one.kill()
        wait_for("fw2 has all", lambda: two.is_all("MASTER"), 10)
        time.sleep(1)
        silences = flows.silences()
        assert max(silences) < DOWN + BOUND, silences
        assert sorted(silences)[FLOWS // 2 - 1] < 0.3, silences
        flows.begin()
        time.sleep(1)
        assert flows.lost() == [0] * FLOWS
        assert not flows.doubled

        # and it comes back, for what it is the better one of
        others = two.transitions("lan/2")
        flows.begin()
        one.launch().wait_up()
        balanced.wait_each()
        time.sleep(1)
        assert max(flows.silences()) < 0.5, flows.silences()
        assert two.transitions("lan/2") == others
        assert not flows.doubled
        # it has what passed elsewhere meanwhile, and the other way round
        flows.begin()
        two.kill()
        wait_for("fw1 has all", lambda: one.is_all("MASTER"), 10)
        time.sleep(1)
        assert max(flows.silences()) < DOWN + BOUND, flows.silences()
        for s in streams:
            report = s.finish()
            assert report["lost"] == 0 and report["mismatched"] == 0, report
    finally:
        flows.close()


@needs_systemd
@pytest.mark.full
def test_each_drills(lab):
    assert all(may_drill(n) for n in Balanced(lab, "ip").start().nodes)


@pytest.mark.full
def test_ipv6(lab):
    """The same over IPv6, and a node that loses one cable gives up what it
    has on the other one, too."""
    lab.ipv6()
    families = (socket.AF_INET, socket.AF_INET6)
    balanced = Balanced(lab, "ip", families).start()
    one, two = balanced.nodes
    flows = Flows(lab, socket.AF_INET6)
    try:
        time.sleep(1)
        assert lab.neighbour("client", SHARED6["lan"]) == "01:00:5e:00:01:01"
        flows.begin()
        time.sleep(2)
        assert flows.lost() == [0] * FLOWS
        assert not flows.doubled
        before = [balanced.passed(n) for n in balanced.nodes]
        assert before[0]["lan/1"] and before[1]["lan/2"], before
        lab.freeze()
        flows.begin()
        lab.cut("gw1", "lan")
        wait_for("fw2 has all", lambda: two.is_all("MASTER"), 10)
        assert "MASTER" not in one.states().values()
        time.sleep(1)
        silences = flows.silences()
        assert max(silences) < 0.5 + BOUND, silences
        flows.begin()
        lab.restore("gw1", "lan")
        balanced.wait_each()
        time.sleep(1)
        assert max(flows.silences()) < 0.5, flows.silences()
        assert not flows.doubled
    finally:
        flows.close()


@pytest.mark.full
def test_a_block_is_one(lab):
    """Its address, routes and tracks are there once, while it has a share; a
    node that serves badly gives up all, and by a handover."""
    bad = lab.dir / "bad"
    balanced = Balanced(
        lab, "ip", more='track { file "%s" { weight = 3 } }\n'
        'routes { route "10.3.0.0/16" { via = "10.1.0.100" } }' % bad).start()
    one, two = balanced.nodes

    def there(host):
        routes = lab.ip(host, "route", "show", "table", "all")
        fdb = lab.run(host, "bridge", "fdb", "show", "dev", "lan")
        return ("local 10.1.0.1 " in routes, "10.3.0.0/16" in routes,
                "01:00:5e:00:01:01" in fdb)

    for host in ("gw1", "gw2"):
        assert there(host) == (True, True, True)
    # a share that goes leaves the other one what they have together
    code, out, err = one.tool("handover", "lan/1", "wan/3")
    assert code == 0, out + err
    wait_for("fw2 has all", lambda: two.is_all("MASTER"), 5)
    assert there("gw1") == (False, False, False)
    assert there("gw2") == (True, True, True)
    wait_for("handed back",
             lambda: two.tool("handover", "lan/1", "wan/3")[0] == 0, 10)
    balanced.wait_each()
    for host in ("gw1", "gw2"):
        assert there(host) == (True, True, True)
    flows = Flows(lab)
    try:
        time.sleep(1)
        lab.freeze()
        flows.begin()
        assert two.tool("demote", "2")[0] == 0
        wait_for("fw1 has all", lambda: one.is_all("MASTER"), 5)
        time.sleep(1)
        assert max(flows.silences()) < 0.5, flows.silences()
        bad.touch()
        wait_for("it counts once",
                 lambda: two.status()["demotion"]["total"] == 5, 5)
        assert one.status()["demotion"]["total"] == 3
        bad.unlink()
        assert two.tool("demote", "--", "-2")[0] == 0
        balanced.wait_each()
    finally:
        flows.close()
