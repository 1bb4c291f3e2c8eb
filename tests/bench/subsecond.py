# SPDX-License-Identifier: GPL-3.0-or-later
"""Fast adverts on a machine that has other things to do: how punctual they
are, how soon a neighbour is answered, and what a cut cable costs. Each
function measures one thing in a laboratory that it is given."""

import contextlib
import os
import select
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time

import carp
from lab import wait_for
from measure import cpu_s, load, memory_mb
from node import die_with_parent
from pair import Pair
from tap import OUTGOING, RCVBUFFORCE, TIMESTAMPNS, is_advert, is_arp

SPIN = "while True: pass"
# The longest that somebody ahead of all processes waits for one CPU.
STALL = """
import os, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(20))
end, worst = time.monotonic() + float(sys.argv[2]), 0
while time.monotonic() < end:
    start = time.monotonic()
    time.sleep(.001)
    worst = max(worst, time.monotonic() - start - .001)
print(worst * 1000)
"""


def say(text):
    print("        " + text, file=sys.stderr, flush=True)


def percentile(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * part))]


@contextlib.contextmanager
def busy(count):
    """Other people's programs, which want all of a CPU each."""
    procs = [subprocess.Popen([sys.executable, "-c", SPIN],
                              preexec_fn=die_with_parent)
             for _ in range(count)]
    try:
        yield
    finally:
        for p in procs:
            p.kill()
            p.wait()


class Stalls:
    """What the kernel of this machine does to each CPU meanwhile: nobody's
    adverts can be more punctual on that CPU."""

    def __init__(self, seconds):
        self.procs = [subprocess.Popen(
            [sys.executable, "-c", STALL, str(cpu), str(seconds)],
            stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
            for cpu in sorted(os.sched_getaffinity(0))]

    def worst_ms(self):
        return [float(p.communicate()[0]) for p in self.procs]


class Port:
    """Frames of both directions at a port of the switch, with the time at
    which the kernel saw them: (ns, to the gateway, frame)."""

    def __init__(self, lab, host, cable, keep):
        self.sock = lab.raw("switch", "%s-%s" % (cable, host))
        self.sock.setsockopt(socket.SOL_SOCKET, RCVBUFFORCE, 16 << 20)
        self.sock.setsockopt(socket.SOL_SOCKET, TIMESTAMPNS, 1)
        self.keep = keep
        self.frames = []
        self.ending = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.ending:
            if not select.select([self.sock], [], [], 0.05)[0]:
                continue
            frame, more, _, addr = self.sock.recvmsg(2048, 64)
            if self.keep(frame):
                real = next(d for _, kind, d in more if kind == TIMESTAMPNS)
                s, ns = struct.unpack("qq", real)
                self.frames.append((s * 10 ** 9 + ns, addr[2] == OUTGOING,
                                    frame))

    def close(self):
        self.ending = True
        self.thread.join()
        self.sock.close()
        return self.frames


def advert_gaps_ms(frames):
    times = [t for t, to, f in frames if not to and is_advert(f)]
    return [(b - a) / 1e6 for a, b in zip(times, times[1:])]


def answers_ms(frames):
    """How long each request for the shared address waited."""
    waits, asked = [], None
    for t, to, f in frames:
        if not is_arp(f) or f[21] not in (1, 2):
            continue
        if to and f[21] == 1 and f[38:42] == bytes((10, 1, 0, 1)):
            asked = t
        elif not to and f[21] == 2 and asked is not None:
            waits.append((t - asked) / 1e6)
            asked = None
    return waits


def spread(values):
    if not values:
        return {"count": 0}
    return {"count": len(values), "p50": percentile(values, .5),
            "p99": percentile(values, .99), "max": max(values)}


class Subsecond:
    def __init__(self, lab):
        self.lab = lab
        self.pair = Pair(lab)

    def start(self, advskew):
        for node in self.pair.both():
            if node.running():
                node.stop()
        self.pair.start(advbase=0, advskew=advskew, timeout=30)
        time.sleep(1)

    def _history(self):
        return {n.name: n.status()["history"][::-1] for n in self.pair.both()}

    def _since(self, before):
        """Changes of state, and words of the witness."""
        return ["%s %s %s %s: %s" % (h["at"][11:23], name, h["name"], h["to"],
                                     h["cause"])
                for name, all_now in self._history().items()
                for h in all_now[len(before[name]):]]

    def late(self):
        return sum(c.get("adverts_late", 0) for n in self.pair.both()
                   for c in n.status()["carp"])

    def _cost(self):
        return sum(cpu_s(n.proc.pid) for n in self.pair.both())

    def steady(self, advskew, seconds, spinners=0, flows=0):
        """Nothing happens to the pair: changes of state, adverts that the
        stand-in sent, distances of adverts, ARP answers. With flows the
        second gateway asks for the whole table again and again."""
        self.start(advskew)
        pair = self.pair
        if flows:
            self.lab.tools.fill(flows)
            pair.wait_sync(120)
        before = self._history()
        late, cost, begin = self.late(), self._cost(), time.monotonic()
        port = Port(self.lab, "gw1", "lan",
                    lambda f: is_advert(f) or is_arp(f))
        bulks, stalls = 0, Stalls(seconds)
        with busy(spinners):
            asked = self.lab.tools.start(
                "arpprobe", "-n", self.lab.ns("client"), "-i", "eth0", "-a",
                "10.1.0.1", "-t", "arp", "-k", seconds * 20, "-w", "50")
            while flows and asked.proc.poll() is None:
                bulks += pair.two.tool("bulk")[0] == 0
            got = asked.result()
        frames = port.close()
        gone = time.monotonic() - begin
        changes = self._since(before)
        return {"advskew": advskew, "seconds": gone, "spinners": spinners,
                "flows": flows, "bulks": bulks, "load": load(),
                "transitions": len(changes), "changes": changes,
                "cpu_stalls_ms": stalls.worst_ms(),
                "adverts_late": self.late() - late,
                "cpu_percent": 100 * (self._cost() - cost) / gone,
                "memory_mb": [memory_mb(n.proc.pid) for n in pair.both()],
                "asked": got["tries"], "answered": got["answered"],
                "gaps_ms": spread(advert_gaps_ms(frames)),
                "answers_ms": spread(answers_ms(frames))}

    def cut(self, advskew, rounds, spinners=0, cables=("lan",)):
        """The silence of a 1 kHz probe when the master's cable is cut; with
        none named all of them, so that it can tell nobody."""
        self.start(advskew)
        probe = self.lab.tools.probe()
        time.sleep(0.5)
        silences, loads = [], []
        with busy(spinners):
            for _ in range(rounds):
                loads.append(load())
                silences.append(self._one_cut(probe, cables))
                say("cut: %.1f ms" % silences[-1])
        probe.finish()
        return {"advskew": advskew, "spinners": spinners,
                "silence_ms": silences,
                "median_ms": statistics.median(silences),
                "load": statistics.median(loads)}

    def _one_cut(self, probe, cables):
        pair = self.pair
        pair.wait_sync(60)
        master = wait_for("one master", pair.master, 30)
        probe.mark("cut")
        self.lab.cut(master.host, *cables)
        wait_for("the other one is master",
                 lambda: pair.other(master).is_all("MASTER"), 15)
        time.sleep(0.3)
        silence = probe.mark("on")["silence_ms"]
        self.lab.restore(master.host, *cables)
        wait_for("backup again", lambda: master.is_all("BACKUP"), 15)
        return silence

    def flood(self, advskew, seconds):
        """Adverts with a wrong password, as many as the machine makes, at
        the switch's port of either gateway."""
        self.start(advskew)
        bad = carp.frame(carp.advert(password="guess", advskew=0, advbase=0))
        got = []
        for node in self.pair.both():
            before = self._history()
            old = node.carp("lan")["counters"]["auth"]
            sent = self.lab.tools.start(
                "flood", "-n", self.lab.ns("switch"), "-i",
                "lan-" + node.host, "-r", 100000, "-t", seconds,
                bad.hex()).result()
            got.append({
                "host": node.name, "per_s": sent["sent"] / sent["seconds"],
                "counted": node.carp("lan")["counters"]["auth"] - old,
                "sent": sent["sent"], "load": load(),
                "changes": self._since(before)})
        return {"advskew": advskew, "floods": got}
