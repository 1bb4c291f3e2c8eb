# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark's work done by statesyncd. Each function measures one thing
in a laboratory that it is given, and returns a dictionary of numbers."""

import re
import statistics
import sys
import time

from lab import LabError, wait_for
from measure import Cost, link_bytes, load, memory_mb
from pair import Traffic

FAST = {"advbase": 0, "advskew": 20}
CALM = {"advbase": 1, "advskew": 0}  # a benchmark is no reason to fail over
JOIN_S = 180


def say(text):
    """What a long run has found so far."""
    print("        " + text, file=sys.stderr, flush=True)


class Ours:
    def __init__(self, lab):
        self.lab = lab
        self.one = lab.nodes["gw1"]
        self.two = lab.nodes["gw2"]
        # As the shipped sysctl file sets it on a real pair.
        for host in ("gw1", "gw2"):
            lab.sysctl(host, **{
                "net.netfilter.nf_conntrack_tcp_be_liberal": 1})

    def both(self):
        return (self.one, self.two)

    def stop(self):
        for node in (self.two, self.one):
            if node.running():
                node.stop()

    def master(self):
        """The node that has all while the other one has nothing; else None."""
        for node in self.both():
            if (node.is_all("MASTER")
                    and self.other(node).is_all("BACKUP")):
                return node
        return None

    def other(self, node):
        return self.two if node is self.one else self.one

    def wait_sync(self, timeout):
        wait_for("in sync", lambda: all(
            n.in_sync() and n.status()["ready"] for n in self.both()),
            timeout, 0.05)

    def wait_steady(self):
        """One master, in sync, and so a second later: on a machine that
        does other things too, a pair as fast as this may change by itself."""
        def steady():
            self.wait_sync(60)
            first = self.master()
            time.sleep(0.5)
            return first if first and first is self.master() else None
        return wait_for("steady", steady, 60)

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
        if n and self.lab.flows("gw1") < n:
            self.lab.tools.call("flowfill", "-c", self.lab.ns("client"),
                                "-s", self.lab.ns("server"), "-n", n,
                                timeout=600)
        return self.lab.flows("gw1")

    def lone_with(self, conf, n):
        self.lone(conf)
        self.lab.flush("gw1")  # what an earlier part left ends meanwhile
        return {"entries": self.fill(n)}

    def situation(self):
        """Where a measurement stood when it failed."""
        lines = []
        for node in self.both():
            status = node.status(quiet=True) if node.running() else None
            if status:
                lines.append("%s: %s hold %s peers %s" % (
                    node.name, node.states(), status["hold"],
                    status["peers"]))
            lines.append(node.tail(12))
        return "\n".join(lines)

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
        log = self.two.log.stat().st_size if self.two.log.exists() else 0
        self.two.launch().wait_up()
        standby = Cost(self.two.proc.pid)
        self.wait_sync(JOIN_S)
        bulk = self.two.peer()["bulk"]
        n = bulk["entries"]
        # The daemon tells of the last bulk; who waits, waits for them all.
        with open(self.two.log, errors="replace") as f:
            f.seek(log)
            broken = len(re.findall(r"bulk from \S+ failed", f.read()))
        until = standby.seconds()
        return {"flows": n, "seconds": until if broken else bulk["seconds"],
                "until_in_sync_s": until, "broken_off": broken,
                "cpu_us_active": active.us_per(n)[0],
                "cpu_us_standby": standby.us_per(n)[0],
                "wire_bytes_per_flow":
                    (link_bytes(self.lab, "gw1") - wire) / max(n, 1),
                "in_kernel": self.lab.flows("gw2"), "load": before}

    def bulk(self, rounds):
        """Raw insert and join in turn, so that both meet the same machine."""
        if self.two.running():
            self.two.stop()
        pairs = []
        for i in range(rounds):
            raw = self.raw()
            join = self.join()
            join["ratio"] = join["seconds"] / raw["seconds"]
            join["cpu_ratio"] = (join["cpu_us_standby"]
                                 / raw["cpu_us_per_flow"])
            pairs.append({"raw": raw, "join": join})
            say("join %.2f s, raw %.2f s, ratio %.2f; CPU of the standby "
                "%.2f, of raw %.2f us" % (
                    join["seconds"], raw["seconds"], join["ratio"],
                    join["cpu_us_standby"], raw["cpu_us_per_flow"]))
            if i + 1 < rounds:
                self.two.stop()
        compared = self.lab.tools.compare()
        best = sorted(pairs, key=lambda p: p["join"]["ratio"])[rounds // 2]
        return {"raw": best["raw"], "join": best["join"],
                "ratios": [p["join"]["ratio"] for p in pairs],
                "broken_off": sum(p["join"]["broken_off"] for p in pairs),
                "missing": compared["missing"], "equal": compared["equal"],
                "memory_active": memory_mb(self.one.proc.pid),
                "memory_standby": memory_mb(self.two.proc.pid)}

    # -- stream

    def pipe(self, rate, seconds, first):
        """What a bare listener and a bare injector need for such flows. fw2
        does not run; its table is empty again afterwards."""
        self.two.stop()
        self.empty_second()
        tool = self.lab.tools.churn(rate, seconds + 4, "-l", 60000, "-k",
                                    "-f", first)
        time.sleep(1.5)
        raw = self.lab.tools.call(
            "../bench/rawpipe", "-f", self.lab.ns("gw1"), "-t",
            self.lab.ns("gw2"), "-s", seconds, timeout=seconds + 60)
        tool.close()
        self.empty_second()
        return raw

    def stream(self, rate, seconds):
        raw = self.pipe(rate, seconds, 2000000)
        self.two.launch().wait_up()
        self.wait_sync(JOIN_S)
        got = stream(self.lab, rate, seconds, self.one.proc.pid,
                     self.two.proc.pid, 4000000)
        got["raw"] = raw
        got["in_sync"] = self.one.in_sync() and self.two.in_sync()
        got["overruns"] = self.one.status()["flows"]["overruns"]
        return got

    # -- new flows

    def newflows(self, n, rounds):
        """Seconds that n new flows take while the daemon listens, and while
        nothing but a bare listener does."""
        got = {"flows": n, "ours": [], "bare": []}
        self.stop()
        for _ in range(rounds):
            tool = self.lab.tools.start("../bench/rawpipe", "-f",
                                        self.lab.ns("gw1"), "-s", 600)
            time.sleep(0.3)
            got["bare"].append(self._timed_fill(n, "-g", "10.1.0.11", "-G",
                                                "10.2.0.11"))
            tool.close()
            self.lone(CALM)
            got["ours"].append(self._timed_fill(n))
            self.stop()
        got["ratio"] = (statistics.median(got["bare"])
                        / statistics.median(got["ours"]))
        say("%d new flows: bare listener %s, ours %s s" % (n, got["bare"],
                                                          got["ours"]))
        return got

    def _timed_fill(self, n, *more):
        self.lab.flush("gw1")
        start = time.monotonic()
        self.lab.tools.call("flowfill", "-c", self.lab.ns("client"), "-s",
                            self.lab.ns("server"), "-n", n, *more)
        took = time.monotonic() - start
        self.lab.flush("gw1")
        return took

    # -- the highest rate

    def sustained(self, seconds):
        """New flows a second that the pair follows, and that a bare listener
        and a bare injector together do. Half UDP, half TCP that is reset."""
        got = {"seconds": seconds}
        self.stop()
        self.lone(CALM)
        got["raw"] = self._highest(seconds, self._raw_empty,
                                   self._raw_follows)
        self._raw_empty()
        self.empty_second()
        self.two.launch().wait_up()
        self.wait_sync(JOIN_S)
        got["ours"] = self._highest(seconds, self._pair_empty,
                                    self._pair_follows)
        got["ratio"] = got["ours"] / max(got["raw"], 1)
        say("sustained: %d a second, bare %d" % (got["ours"], got["raw"]))
        return got

    def _highest(self, seconds, empty, follows):
        good, rate = 0, 10000
        while rate < 300000:
            empty()
            tool = self.lab.tools.churn(rate, seconds, "-u")
            seen = follows(seconds)
            done = tool.result()
            real = done["started"] / done["seconds"]
            if not seen() or real < 0.9 * rate * seconds / done["seconds"]:
                break
            good, rate = rate, int(rate * 1.2)
        return good

    def _raw_empty(self):
        self.lab.flush("gw1")

    def _pair_empty(self):
        """A flush is not told, so on both; and the end of so many at once is
        no part of the rate."""
        self.lab.flush("gw1")
        self.empty_second()
        self.wait_sync(JOIN_S)
        code, out, err = self.one.tool("verify", timeout=120)
        assert code == 0, out + err

    def _raw_follows(self, seconds):
        raw = self.lab.tools.call(
            "../bench/rawpipe", "-f", self.lab.ns("gw1"), "-t",
            self.lab.ns("gw2"), "-s", seconds, timeout=seconds + 60)
        self.empty_second()
        return lambda: not raw["dropped"] and not raw["overruns"]

    def _pair_follows(self, seconds):
        before = self.one.status()["flows"]["overruns"]
        bulk = self.two.peer()["bulk"]

        def followed():
            flows = self.one.status()["flows"]
            self.wait_sync(60)
            return (flows["overruns"] == before
                    and self.two.peer()["bulk"] == bulk
                    and self.one.tool("verify", timeout=120)[0] == 0)
        return followed

    # -- the administrator's nft

    def nft(self, rounds):
        """`nft list ruleset` with 20000 elements, beside a master whose lease
        is renewed every 7.8 ms, and without us."""
        addresses = ("10.%d.%d.%d" % (100 + i // 65536, i // 256 % 256,
                                      i % 256) for i in range(20000))
        self.stop()
        self.lab.nft("gw1", "table inet big { set s { type ipv4_addr; "
                     "elements = { %s }\n}\n}" % ", ".join(addresses))
        got = {"alone": [], "beside": []}
        for _ in range(rounds):
            got["alone"] += self._timed_lists()
            self.lone({"advbase": 0, "advskew": 2})
            got["beside"] += self._timed_lists()
            self.stop()
        self.lab.nft("gw1", "delete table inet big")
        got["ratio"] = (statistics.median(got["beside"])
                        / statistics.median(got["alone"]))
        return got

    def _timed_lists(self):
        times = []
        for _ in range(5):
            start = time.monotonic()
            self.lab.run("gw1", "nft", "list", "ruleset")
            times.append(time.monotonic() - start)
        return times

    # -- forwarding

    def forward(self, rounds):
        """Through the shared MAC, and through the interface's own without
        any rule of ours: in turn, so that both meet the same machine."""
        ends = ("-c", self.lab.ns("client"), "-s", self.lab.ns("server"))
        got = {"shared": [], "own": []}
        self.stop()
        for _ in range(rounds):
            got["own"].append(self.lab.tools.call(
                "../bench/forward", *ends, "-g", "10.1.0.11")["per_s"])
            self.lone(CALM)
            got["shared"].append(self.lab.tools.call(
                "../bench/forward", *ends, "-g", "10.1.0.1")["per_s"])
            self.stop()
        got["ratio"] = (statistics.median(got["shared"])
                        / statistics.median(got["own"]))
        say("forwarded a second: shared %s, own %s" % (got["shared"],
                                                       got["own"]))
        return got

    # -- growth

    def growth(self, n):
        """All that might grow with the table, at n flows."""
        self.lone_with(CALM, n)
        raw = self.raw()
        row = {"flows": self.lab.flows("gw1"), "raw": raw,
               "join": self.join()}
        start = time.monotonic()
        code, out, _ = self.one.tool("verify", timeout=300)
        row["verify_s"] = time.monotonic() - start
        row["verified"] = code == 0
        row["memory"] = [memory_mb(n.proc.pid)["anon"] for n in self.both()]
        traffic = Traffic(self.lab, rate=500000)
        try:
            row["handovers"] = [self._event(traffic, self._handover)
                                for _ in range(3)]
            traffic.finish()
        finally:
            traffic.close()
            self.lab.tools.close()
        say("%d flows: join %.2f s (raw %.2f), verify %.2f s (dump %.2f), "
            "%.1f MB" % (n, row["join"]["seconds"], raw["seconds"],
                         row["verify_s"], raw["dump_seconds"],
                         max(row["memory"])))
        return row

    # -- failover

    def failover(self, n, rounds):
        """Handovers and cable cuts with n flows in the tables."""
        self.lone_with(FAST, n)
        self.empty_second()
        self.two.launch().wait_up()
        self.wait_sync(JOIN_S)
        got = {"flows": self.lab.flows("gw1"), "handover": [], "cut": []}
        traffic = Traffic(self.lab, rate=500000)
        try:
            for kind, event in (("handover", self._handover),
                                ("cut", self._cut)):
                for _ in range(rounds):
                    got[kind].append(self._event(traffic, event))
            traffic.finish()
        finally:
            traffic.close()
            self.lab.tools.close()
        for kind in ("handover", "cut"):
            for key in ("silence_ms", "stall_ms"):
                got["%s_%s" % (kind, key)] = statistics.median(
                    e[key] for e in got[kind])
        return got

    def _event(self, traffic, event):
        """The longest silence of UDP and stall of TCP; all goes on."""
        master = self.wait_steady()
        traffic.begin("event")
        undo = event(master)
        wait_for("the other one is master",
                 lambda: self.other(master).is_all("MASTER"), 15)
        seen = traffic.goes_on()
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
            wait_for("backup again", lambda: master.is_all("BACKUP"), 15)
        return undo


def stream(lab, rate, seconds, active, standby, first):
    """What a new flow costs both, and how late it stands on the standby.

    The first part counts flows while none of them ends; the second the
    whole life of a flow, from its first packet to its end. Both through the
    gateway that is master, whoever syncs. first is the number of the first
    flow: flows that are there already would not be new.
    """
    for host in ("gw1", "gw2"):
        lab.sysctl(host, **{"net.netfilter.nf_conntrack_timestamp": 1})
    got = {"rate": rate, "seconds": seconds}
    tool = lab.tools.churn(rate, seconds + 4, "-l", 60000, "-k", "-f",
                           first)
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
    done = lab.tools.churn(rate, seconds, "-f", first + 1000000).result()
    time.sleep(0.5)
    got["life_us_active"], got["life_us_standby"] = cost.us_per(
        done["started"])
    got["life_answered"] = done["answered"] / max(done["started"], 1)
    for host in ("gw1", "gw2"):
        lab.sysctl(host, **{"net.netfilter.nf_conntrack_timestamp": 0})
    return got
