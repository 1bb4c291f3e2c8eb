# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark's work done by statesyncd. Each function measures one thing
in a laboratory that it is given, and returns a dictionary of numbers."""

import contextlib
import statistics
import time

from lab import LabError, wait_for
from measure import Cost, link_bytes, load, memory_mb

FAST = {"advbase": 0, "advskew": 20}
CALM = {"advbase": 1, "advskew": 0}  # a benchmark is no reason to fail over
INTERVAL_MS = 20 / 256 * 1000
JOIN_S = 300


class Ours:
    def __init__(self, lab):
        self.lab = lab
        self.one = lab.nodes["gw1"]
        self.two = lab.nodes["gw2"]
        self.filled = 0

    def both(self):
        return (self.one, self.two)

    def stop(self):
        for node in (self.two, self.one):
            if node.running():
                node.stop()

    def master(self):
        return self.one if self.one.is_all("MASTER") else self.two

    def other(self, node):
        return self.two if node is self.one else self.one

    def wait_sync(self, timeout):
        wait_for("in sync", lambda: all(
            n.in_sync() and n.status()["ready"] for n in self.both()),
            timeout, 0.05)

    # -- a table of n flows

    def lone(self, conf):
        """fw1 alone, master of both sides."""
        self.stop()
        for node in self.both():
            node.configure(**conf)
        self.one.launch().wait_up()
        wait_for("fw1 is master", lambda: self.one.is_all("MASTER"), 20)

    def fill(self, n):
        """n flows in the first gateway, made by packets through it."""
        if n > self.filled:
            self.lab.tools.call("flowfill", *self.lab.tools._ends(), "-n",
                                n - self.filled, "-f", self.filled,
                                timeout=600)
            self.filled = n
        return self.lab.flows("gw1")

    def empty_second(self):
        self.lab.flush("gw2")
        wait_for("empty table", lambda: self.lab.flows("gw2") < 100, 60)

    def raw(self):
        """The kernel's own time for the same flows; the table is empty
        again afterwards."""
        self.empty_second()
        got = self.lab.tools.call("../bench/rawinsert", "-f",
                                  self.lab.ns("gw1"), "-t",
                                  self.lab.ns("gw2"), timeout=600)
        if got["refused"]:
            raise LabError("the raw insert was refused: %s" % got)
        self.empty_second()
        return got

    # -- bulk

    def join(self):
        """The second node starts and gets all."""
        active = Cost(self.one.proc.pid)
        wire = link_bytes(self.lab, "gw1")
        before = load()
        self.two.launch().wait_up()
        standby = Cost(self.two.proc.pid)
        self.wait_sync(JOIN_S)
        bulk = self.two.peer()["bulk"]
        n = bulk["entries"]
        return {"flows": n, "seconds": bulk["seconds"],
                "until_in_sync_s": standby.seconds(),
                "cpu_us_active": active.us_per(n)[0],
                "cpu_us_standby": standby.us_per(n)[0],
                "wire_bytes_per_flow":
                    (link_bytes(self.lab, "gw1") - wire) / max(n, 1),
                "in_kernel": self.lab.flows("gw2"), "load": before}

    def bulk(self, rounds):
        """Raw insert and join in turn, so that both meet the same machine."""
        pairs = []
        for i in range(rounds):
            raw = self.raw()
            join = self.join()
            join["ratio"] = join["seconds"] / raw["seconds"]
            join["cpu_ratio"] = (join["cpu_us_standby"]
                                 / raw["cpu_us_per_flow"])
            pairs.append({"raw": raw, "join": join})
            if i + 1 < rounds:
                self.two.stop()
        compared = self.lab.tools.compare()
        best = sorted(pairs, key=lambda p: p["join"]["ratio"])[rounds // 2]
        return {"raw": best["raw"], "join": best["join"],
                "ratios": [p["join"]["ratio"] for p in pairs],
                "missing": compared["missing"], "equal": compared["equal"],
                "memory_active": memory_mb(self.one.proc.pid),
                "memory_standby": memory_mb(self.two.proc.pid)}

    # -- stream

    def stream(self, rate, seconds):
        return stream(self.lab, rate, seconds, self.one.proc.pid,
                      self.two.proc.pid)

    # -- failover

    def failover(self, n, rounds):
        """Handovers and cable cuts with n flows in the tables."""
        self.lone(FAST)
        flows = self.fill(n)
        self.empty_second()
        self.two.launch().wait_up()
        self.wait_sync(JOIN_S)
        got = {"flows": flows, "handover": [], "cut": [], "broken": 0}
        with contextlib.ExitStack() as stack:
            tools = self.lab.tools
            streams = tools.streams(2, 2, rate=500000)
            stack.callback(streams.close)
            probe = tools.probe()
            stack.callback(probe.close)
            time.sleep(1)
            for _ in range(rounds):
                got["handover"].append(self._event(streams, probe,
                                                   self._handover))
            for _ in range(rounds):
                got["cut"].append(self._event(streams, probe, self._cut))
            got["broken"] = streams.finish()["lost"]
        for kind in ("handover", "cut"):
            got[kind + "_udp_ms"] = statistics.median(
                e["udp_ms"] for e in got[kind])
            got[kind + "_tcp_ms"] = statistics.median(
                e["tcp_ms"] for e in got[kind])
        return got

    def _event(self, streams, probe, event):
        self.wait_sync(60)
        master = self.master()
        time.sleep(0.3)
        streams.mark("event")
        probe.mark("event")
        undo = event(master)
        wait_for("the other one is master",
                 lambda: self.other(master).is_all("MASTER"), 15)
        # Longest silences are read once all goes on; a stall may still run.
        time.sleep(1.5)
        seen = {"udp_ms": probe.mark("on")["silence_ms"],
                "tcp_ms": streams.mark("on")["stall_ms"]}
        undo()
        return seen

    @staticmethod
    def _handover(master):
        code, _, err = master.tool("handover")
        if code:
            raise LabError("handover: " + err)
        return lambda: None

    def _cut(self, master):
        self.lab.cut(master.host, "lan")

        def undo():
            self.lab.restore(master.host, "lan")
            wait_for("backup again",
                     lambda: master.is_all("BACKUP"), 15)
        return undo


def stream(lab, rate, seconds, active, standby):
    """What a new flow costs both, and how late it stands on the standby.

    The first part counts flows while none of them ends; the second the
    whole life of a flow, from its first packet to its end. Both through the
    gateway that is master, whoever syncs.
    """
    for host in ("gw1", "gw2"):
        lab.sysctl(host, **{"net.netfilter.nf_conntrack_timestamp": 1})
    got = {"rate": rate, "seconds": seconds}
    tool = lab.tools.churn(rate, seconds + 4, "-l", 60000, "-k")
    time.sleep(1.5)
    wire, begin = link_bytes(lab, "gw1"), time.time_ns()
    cost = Cost(active, standby)
    time.sleep(seconds)
    end, wall = time.time_ns(), cost.seconds()
    us = cost.us_per(1)
    wire = link_bytes(lab, "gw1") - wire
    tool.close()
    time.sleep(1)
    got["latency"] = lab.tools.call(
        "../bench/ctlatency", "-f", lab.ns("gw1"), "-t", lab.ns("gw2"), "-a",
        begin, "-b", end)
    new = max(got["latency"]["began"], 1)
    got["new_us_active"], got["new_us_standby"] = (x / new for x in us)
    got["new_per_s"] = new / wall
    got["new_wire_bytes"] = wire / new
    cost = Cost(active, standby)
    done = lab.tools.churn(rate, seconds, "-f", 11000000).result()
    time.sleep(0.5)
    got["life_us_active"], got["life_us_standby"] = cost.us_per(
        done["started"])
    got["life_answered"] = done["answered"] / max(done["started"], 1)
    for host in ("gw1", "gw2"):
        lab.sysctl(host, **{"net.netfilter.nf_conntrack_timestamp": 0})
    return got
