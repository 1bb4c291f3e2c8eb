# SPDX-License-Identifier: GPL-3.0-or-later
"""Gateways that all work: a share of the hosts for each, with an address on
each side, and connections of every share."""

import time

from lab import wait_for
from vhosts import configure, vhost

SKEW = 80  # 312 ms; 78 more for each node that is a worse one
SHARES = [("lan-a", "wan-a"), ("lan-b", "wan-b"), ("lan-c", "wan-c")]
HOSTS = ("10.1.0.0/25", "10.1.0.192/26", "10.1.0.128/26")
CLIENTS = (None, "10.1.0.200", "10.1.0.150")


class Active:
    """Node n is the best for share n; when it is lost the next one is."""

    def __init__(self, lab):
        self.lab = lab
        self.nodes = [lab.nodes[host] for host in lab.gateways]
        self.one, self.two = self.nodes[:2]
        self.shares = SHARES[:len(self.nodes)]
        nat = ["flush chain ip nat postrouting", "add rule ip nat postrouting "
               'oifname "wan" tcp dport 9300-9399 accept']
        for i in range(len(self.nodes)):
            nat.append('add rule ip nat postrouting oifname "wan" ip saddr '
                       "%s snat to 10.2.0.%d" % (HOSTS[i], i + 1))
        for n, node in enumerate(self.nodes):
            blocks = [self._block(name, share, (n - share) % len(self.nodes))
                      for share, names in enumerate(self.shares)
                      for name in names]
            configure(node, *blocks, top="independent = true", preempt=True,
                      link=True)
            lab.nft(node.host, "\n".join(nat))
        for i in range(1, len(self.nodes)):
            lab.batch("client", "addr add %s/24 dev eth0" % CLIENTS[i],
                      "route add 10.2.0.%d via 10.1.0.%d src %s"
                      % (100 + i, i + 1, CLIENTS[i]))
            lab.batch("server", "addr add 10.2.0.%d/24 dev eth0" % (100 + i),
                      "route add %s via 10.2.0.%d" % (HOSTS[i], i + 1))

    @staticmethod
    def _block(name, share, worse):
        side, other = ("lan", "wan") if name.startswith("lan") else (
            "wan", "lan")
        address = "10.%d.0.%d/24" % (1 if side == "lan" else 2, share + 1)
        text = vhost(name, share + 1, (address,), advskew=SKEW + 20 * worse,
                     interface=side)
        return text[:-1] + '\ttrack { interface "%s" { } }\n}' % other

    def start(self):
        for node in self.nodes:
            node.launch().wait_up()
        self.wait_each()
        return self

    @staticmethod
    def has(node, *names):
        """The node is master of these and of no others."""
        states = node.states()
        return {k for k, v in states.items() if v == "MASTER"} == set(names)

    @staticmethod
    def is_synced(node):
        return all(p["in_sync"] for p in node.status()["peers"])

    def wait_each(self, timeout=20):
        wait_for("each has its own: %s" % [n.tail(4) for n in self.nodes],
                 lambda: all(self.has(node, *names) and self.is_synced(node)
                             for node, names in zip(self.nodes, self.shares)),
                 timeout)

    def wait_all(self, node):
        self.wait_has(node, *(n for names in self.shares for n in names))

    def wait_has(self, node, *names):
        wait_for("%s has %s" % (node.name, names),
                 lambda: self.has(node, *names), 10)


class Streams:
    """Connections of each share, translated and not."""

    def __init__(self, lab, shares=2):
        self.all = [lab.tools.streams(1, 1, "10.2.0.%d:%d" % (100 + i, port),
                                      str(port), rate=200000)
                    for i in range(shares) for port in (9301 + i, 9001 + i)]

    def go_on(self, timeout=10):
        """All carry bytes both ways again."""
        end = time.monotonic() + timeout
        for s in self.all:
            s.mark("on")
        while True:
            time.sleep(0.5)
            reports = [s.mark("on") for s in self.all]
            assert not any(r["broken"] for r in reports), reports
            if all(r["progressed"] == r["conns"] for r in reports):
                return
            assert time.monotonic() < end, reports

    def stall(self):
        """The longest stall since the last look, ms."""
        return max(s.mark("on")["stall_ms"] for s in self.all)

    def finish(self):
        for s in self.all:
            report = s.finish()
            assert report["lost"] == 0 and report["mismatched"] == 0, report
