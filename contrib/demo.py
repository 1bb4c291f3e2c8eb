# SPDX-License-Identifier: GPL-3.0-or-later
"""The demonstration that contrib/demo.sh runs when everything is built."""

import argparse
import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/net"))

from lab import Lab, LabError, catch_signals  # noqa: E402
from pair import Pair, Traffic  # noqa: E402
from tap import Tap, from_virtual, of_a_master  # noqa: E402

PICTURE = """
              lan 10.1.0.0/24                     wan 10.2.0.0/24
  client .100 ---------------+--- fw1 .11 ---+------------- .100 server
                     .1 is   |     | link    |  .1 is
                     shared  +--- fw2 .12 ---+  shared
"""


class Screen:
    """Lines for a person; with --json nothing but the object at the end."""

    def __init__(self, as_json):
        self.silent = as_json
        self.colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def paint(self, text, good):
        if not self.colour:
            return text
        return "\033[%dm%s\033[0m" % (32 if good else 31, text)

    def say(self, text=""):
        if not self.silent:
            print(text, flush=True)

    def head(self):
        self.say("%-38s %9s %9s   %-19s %s" % (
            "", "UDP still", "TCP still", "connections", "tables"))

    def row(self, name, r):
        tables = "-" if r["equal"] is None else (
            "equal" if r["equal"] else "DIFFER")
        lost = r["lost"]
        self.say("%-38s %6.0f ms %6.0f ms   %7d > %-7d   %s%s" % (
            name, r["silence_ms"], r["stall_ms"], r["before"], r["after"],
            self.paint(tables, r["equal"] is not False),
            self.paint(", %d LOST" % lost, False) if lost else ""))
        if r.get("note"):
            self.say("    " + r["note"])


class Demo:
    """Five ways to fail over, one after the other, on one laboratory."""

    def __init__(self, lab, screen, flows):
        self.lab = lab
        self.screen = screen
        self.flows = flows
        self.pair = Pair(lab)
        self.steps = []
        self.traffic = None

    # -- what is counted

    def count(self, host):
        """Established connections in the kernel of a gateway."""
        return self.lab.tools.call("ctcompare", *self.own(),
                                   self.lab.ns(host))["compared"][0]

    def own(self):
        return [x for a in self.lab.own_addresses() for x in ("-o", a)]

    def step(self, name, to, action, alone=False):
        """One event: afterwards `to` is master and everything goes on."""
        master = self.pair.other(to) if self.pair.other(to).running() else to
        before = self.count(master.host)
        self.traffic.begin()
        note = action()
        self.pair.wait_master(to, 15)
        measured = self.traffic.goes_on(30)
        after = self.count(to.host)
        table = None if alone else self.tables()
        self.steps.append(dict(
            measured, step=name, before=before, after=after, note=note,
            equal=None if table is None else not any(
                table[k] for k in ("missing", "extra", "differing")),
            lost=max(0, before - after)))
        self.screen.row(name, self.steps[-1])

    def tables(self):
        """The two kernels compared; what was under way may settle first."""
        self.pair.wait_sync()
        for _ in range(20):
            table = self.lab.tools.compare()
            if not (table["missing"] or table["extra"] or table["differing"]):
                break
            time.sleep(0.2)
        return table

    # -- the events

    def begin(self):
        pair, lab = self.pair, self.lab
        pair.start(advbase=0, advskew=(40, 45), preempt=True)
        start = time.monotonic()
        filled = lab.tools.fill(self.flows)
        self.screen.say("fw1 is master, fw2 in sync; %d connections opened "
                        "through fw1 in %.1f s, all of\nthem translated to "
                        "10.2.0.1, under a ruleset that drops what it does "
                        "not know" % (filled["flows"],
                                      time.monotonic() - start))
        self.traffic = Traffic(lab, bulk=6, pingpong=4, rate=500000)
        table = self.tables()
        self.screen.say("%d TCP transfers, 2 UDP probes of 1 kHz and a ping "
                        "run; %d entries on each node\n"
                        % (self.traffic.conns(), table["compared"][0]))
        self.screen.head()

    def handover(self):
        code, _, err = self.pair.one.tool("handover")
        if code:
            raise AssertionError("handover: " + err)

    def reboot(self):
        """fw1 comes back with an empty table and takes over by itself."""
        lab, one = self.lab, self.pair.one
        lab.lose("gw1")
        lab.rebuild("gw1")
        one.launch().wait_up()
        self.pair.wait_sync(60)
        bulk = one.peer()["bulk"]
        return "fw1 had nothing; bulk of %d connections in %.2f s" % (
            bulk["entries"], bulk["seconds"])

    def cut(self):
        self.lab.cut("gw1", "lan")

    def mend(self):
        self.lab.restore("gw1", "lan")

    def kill(self):
        """SIGKILL: when was the last frame from the virtual MAC, or advert,
        or packet forwarded, and who answers the neighbours?"""
        with Tap(self.lab, "gw1", "wan", of_a_master) as wan, \
                Tap(self.lab, "gw1", "lan", from_virtual) as lan:
            time.sleep(0.05)
            start = time.monotonic()
            self.pair.one.kill()
            asked = self.lab.tools.neighbour("server", "10.2.0.1", "arp", 20,
                                             10)
            time.sleep(0.1)
            times = [t - start for t, _ in wan.frames + lan.frames]
        quiet = max([0.0] + times) * 1000
        late = sum(t > 0.02 for t in times)
        return ("silent %.0f ms after the kill; a neighbour asked %d times, "
                "the dead node said %s after 20 ms" % (
                    quiet, asked["tries"],
                    "nothing" if not late else "%d FRAMES" % late))

    def revive(self):
        self.pair.one.launch().wait_up()

    def lose(self):
        self.lab.lose("gw1")

    def run(self):
        pair = self.pair
        self.begin()
        self.step("planned handover, fw1 to fw2", pair.two, self.handover)
        self.step("reboot of fw1, return after bulk", pair.one, self.reboot)
        self.step("cable of fw1 cut, fw2 takes over", pair.two, self.cut)
        self.step("cable back, fw1 takes over", pair.one, self.mend)
        self.step("daemon of fw1 killed (SIGKILL)", pair.two, self.kill,
                  alone=True)
        self.step("daemon started again, fw1 returns", pair.one, self.revive)
        self.step("machine of fw1 lost", pair.two, self.lose, alone=True)

    def finish(self):
        """Every transfer has to be whole, to the last byte."""
        reports = self.traffic.finish()
        return sum(r.get("lost", 0) for r in reports.values())


def options():
    p = argparse.ArgumentParser(prog="contrib/demo.sh")
    p.add_argument("--json", action="store_true",
                   help="one object for a script, nothing else on stdout")
    p.add_argument("--flows", type=int, default=100000,
                   help="connections in the table (100000)")
    return p.parse_args()


def run(args, screen):
    result = {"flows": args.flows, "steps": [], "lost": None, "error": None}
    with Lab(flows=args.flows) as lab:
        demo = Demo(lab, screen, args.flows)
        result["steps"] = demo.steps
        try:
            demo.run()
            result["lost"] = demo.finish() + sum(s["lost"]
                                                 for s in demo.steps)
        except (AssertionError, LabError) as e:
            result["error"] = str(e)
            for node in lab.nodes.values():
                print("---- %s\n%s" % (node.name, node.tail()),
                      file=sys.stderr)
    result["ok"] = result["lost"] == 0 and all(
        s["equal"] is not False for s in result["steps"])
    return result


def main():
    args = options()
    screen = Screen(args.json)
    catch_signals()
    start = time.monotonic()
    screen.say(PICTURE)
    try:
        result = run(args, screen)
    except KeyboardInterrupt:
        return 130
    result["seconds"] = round(time.monotonic() - start, 1)
    if args.json:
        print(json.dumps(result, indent=2))
    elif result["error"]:
        screen.say("\n" + screen.paint("STOPPED: %s" % result["error"], False))
    else:
        screen.say("\n" + screen.paint(
            "%s connections were lost in %d failovers (%.0f s)" % (
                result["lost"] or "No", len(result["steps"]),
                result["seconds"]), result["ok"]))
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
