# SPDX-License-Identifier: GPL-3.0-or-later
"""Both daemons of a laboratory, the traffic through them, and what a test
asks of the two together."""

import contextlib
import os
import select
import subprocess
import time

import pytest

from lab import wait_for
from node import die_with_parent

# Intervals of 312 and 351 ms: quick enough to test, and slow enough for a
# machine with two cores that fills a table meanwhile (the lease of a master
# is 2.5 times the smaller one).
SKEW = {"gw1": 80, "gw2": 90}
PREEMPTING = (90, 80)  # as advskew: the second node is the better one


class Pair:
    """gw1 is started first and is master unless a test moves it."""

    def __init__(self, lab):
        self.lab = lab
        self.one = lab.nodes["gw1"]
        self.two = lab.nodes["gw2"]
        self.conf = {}

    def configure(self, **conf):
        """One configuration for both; a value that is a pair is split."""
        self.conf = conf
        for i, node in enumerate((self.one, self.two)):
            mine = {k: v[i] if isinstance(v, tuple) and k != "carps" else v
                    for k, v in conf.items()}
            mine.setdefault("advskew", SKEW[node.host])
            node.configure(**mine)
        return self

    def start(self, timeout=15, **conf):
        """One master, one backup, in sync."""
        self.configure(**conf)
        self.one.launch().wait_up()
        wait_for("fw1 is master", lambda: self.one.is_all("MASTER"), timeout)
        self.two.launch().wait_up()
        self.wait_sync(timeout)
        assert self.two.is_all("BACKUP"), self.two.states()
        return self

    def both(self):
        return (self.one, self.two)

    def other(self, node):
        return self.two if node is self.one else self.one

    def master(self):
        """The node that is master of everything, None without one."""
        found = [n for n in self.both() if n.running()
                 and n.is_all("MASTER")]
        return found[0] if len(found) == 1 else None

    def wait_master(self, node, timeout=10):
        """node has everything and, where it runs, the other one nothing."""
        other = self.other(node)
        wait_for("%s is master: %s" % (node.name, self), lambda: (
            node.is_all("MASTER") and "MASTER" not in
            other.states().values()), timeout)

    def wait_sync(self, timeout=30):
        """A node with an interface down is in sync, but not ready."""
        wait_for("in sync: %s" % self, lambda: all(
            n.in_sync() and (n.status()["ready"]
                             or "INIT" in n.states().values())
            for n in self.both()), timeout)

    def wait_equal(self, timeout=15):
        """Both kernels hold the same connections."""
        last = {}

        def equal():
            last.update(self.lab.tools.compare())
            return not (last["missing"] or last["extra"] or last["differing"])
        try:
            wait_for("equal tables", equal, timeout, 0.2)
        except AssertionError:
            raise AssertionError("tables differ: %s" % last) from None
        assert last["equal"] == last["compared"][0]
        return last

    def transitions(self):
        """Changes of state so far, of all vhosts of both nodes."""
        return sum(c["transitions"] for n in self.both()
                   for c in (n.status(quiet=True) or {"carp": []})["carp"])

    def __str__(self):
        return "; ".join("%s %s" % (n.name, n.states()) for n in self.both())


class Ping:
    """One ICMP flow: an echo request every 50 ms with the same identifier."""

    def __init__(self, lab, addr="10.2.0.100"):
        self.proc = subprocess.Popen(
            ["ip", "netns", "exec", lab.ns("client"), "ping", "-n", "-i",
             "0.05", addr], stdout=subprocess.PIPE, text=True, bufsize=1,
            preexec_fn=die_with_parent)
        self.proc.stdout.readline()

    def answers_again(self, timeout=5):
        """Waits for an answer to a request that is sent from now on."""
        end = time.monotonic() + timeout
        while select.select([self.proc.stdout], [], [], 0)[0]:
            os.read(self.proc.stdout.fileno(), 65536)
        while time.monotonic() < end:
            if select.select([self.proc.stdout], [], [], 0.1)[0]:
                if b"bytes from" in os.read(self.proc.stdout.fileno(), 65536):
                    return True
        return False

    def close(self):
        self.proc.kill()
        self.proc.wait()


class Traffic:
    """Connections of every kind that must survive, and their proof."""

    def __init__(self, lab, bulk=2, pingpong=2, rate=1000000):
        tools = lab.tools
        self.streams = {
            "snat": tools.streams(bulk, pingpong, rate=rate),
            "dnat": tools.streams(1, 1, "10.2.0.1:8080", "8080", "server",
                                  "client", rate),
            "plain": tools.streams(1, 1, "10.2.0.100:9301", "9301", rate=rate),
            "marked": tools.streams(1, 1, "10.2.0.100:7007", "7007",
                                    rate=rate),
        }
        self.probes = {
            "udp": tools.probe(),
            "udp dnat": tools.probe("10.2.0.1:8080", "8080", "server",
                                    "client"),
        }
        self.ping = Ping(lab)
        assert self.ping.answers_again()
        self.worst = {}

    def conns(self):
        """TCP connections under way."""
        return sum(s.conns for s in self.streams.values())

    def begin(self, name="event"):
        """From here on silences and stalls count."""
        for tool in (*self.streams.values(), *self.probes.values()):
            tool.mark(name)
        self.worst = {}

    def _look(self, name, tool, key):
        report = tool.mark("on")
        self.worst[name] = max(self.worst.get(name, 0), report[key])
        return report

    def goes_on(self, timeout=15):
        """Every connection carries bytes both ways again, none was broken,
        and datagrams and pings are answered. Returns the longest silence of
        UDP and stall of TCP since begin(), in ms."""
        left = set(self.streams)
        end = time.monotonic() + timeout
        self._look_all()
        while left:
            time.sleep(0.45)
            for name, report in self._look_all().items():
                assert not report["broken"], (name, report)
                if report["progressed"] == report["conns"]:
                    left.discard(name)
            assert time.monotonic() < end, "stand still: %s" % left
        for name, probe in self.probes.items():
            report = self._look(name, probe, "silence_ms")
            assert report["answered"] and not report["remapped"], (name,
                                                                   report)
        assert self.ping.answers_again(), "no answer to pings"
        return {"silence_ms": max(self.worst[k] for k in self.probes),
                "stall_ms": max(self.worst[k] for k in self.streams)}

    def _look_all(self):
        return {k: self._look(k, s, "stall_ms")
                for k, s in self.streams.items()}

    def finish(self):
        """Ends all; every connection is whole. The reports."""
        reports = {k: s.finish() for k, s in self.streams.items()}
        for name, r in reports.items():
            assert r["lost"] == 0 and r["mismatched"] == 0, (name, r)
        reports.update((k, p.finish()) for k, p in self.probes.items())
        self.close()
        return reports

    def close(self):
        with contextlib.suppress(Exception):
            self.ping.close()
