# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark's numbers as a table for people."""

import statistics


def _n(value, digits=2):
    if value is None:
        return "-"
    return "%.*f" % (digits, value) if isinstance(value, float) else str(value)


def _line(what, ours, theirs="", note=""):
    print(("  %-44s %14s %14s  %s" % (what, ours, theirs, note)).rstrip())


def _pair(part, a, b, digits=1):
    if not part:
        return "-"
    return "%s / %s" % (_n(part[a], digits), _n(part[b], digits))


def _get(part, *keys, digits=2):
    for key in keys:
        part = part.get(key) if part else None
    return _n(part, digits)


def _bulk(ours, theirs):
    raw = ours["raw"]
    join = ours["join"]
    print("bulk: %d flows to a joining node" % join["flows"])
    _line("raw kernel insert, s", _n(raw["seconds"]),
          _get(theirs, "raw", "seconds"),
          "%.2f us a flow, %.2f of CPU" % (raw["us_per_flow"],
                                           raw["cpu_us_per_flow"]))
    _line("request to last flow in the kernel, s", _n(join["seconds"]),
          _get(theirs, "seconds"),
          "conntrackd: resync %s + commit %s" % (_get(theirs, "wire_s"),
                                                 _get(theirs, "commit_s"))
          if theirs else "")
    _line("ratio to the raw insert", _n(join["ratio"]),
          _get(theirs, "ratio"),
          "all: " + " ".join("%.2f" % r for r in ours["ratios"]))
    _line("bulks broken off and begun again", _n(ours["broken_off"]), "",
          "in %d joins" % len(ours["ratios"]))
    _line("flows missing", _n(ours["missing"]), _get(theirs, "missing"))
    _line("CPU us a flow, active / standby",
          _pair(join, "cpu_us_active", "cpu_us_standby"),
          _pair(theirs, "cpu_us_active", "cpu_us_standby") if theirs else "",
          "standby against raw: %.2f" % join["cpu_ratio"])
    _line("bytes a flow on the wire", _n(join["wire_bytes_per_flow"], 1),
          _get(theirs, "wire_bytes_per_flow", digits=1),
          "all headers, both directions")
    for key, what in (("rss", "resident"), ("anon", "anonymous"),
                      ("peak", "most ever resident")):
        _line("memory MB, %s, active / standby" % what,
              *("%s / %s" % (_get(p, "memory_active", key, digits=1),
                             _get(p, "memory_standby", key, digits=1))
                if p else "" for p in (ours, theirs)))


def _stream(ours, theirs):
    latency = ours["latency"]
    print("stream: %d new flows a second for %d s" % (ours["rate"],
                                                     ours["seconds"]))
    _line("new flows a second that were there",
          _n(ours["new_per_s"], 0), _get(theirs, "new_per_s", digits=0))
    _line("CPU us a new flow, active / standby",
          _pair(ours, "new_us_active", "new_us_standby"),
          _pair(theirs, "new_us_active", "new_us_standby")
          if theirs else "", "conntrackd: injecting directly")
    raw = ours["raw"]
    _line("a bare listener / a bare injector, the same",
          _pair(raw, "listen_us", "inject_us"), "",
          "ratios %.2f / %.2f; %d of %d events dropped" % (
              ours["new_us_active"] / raw["listen_us"],
              ours["new_us_standby"] / raw["inject_us"],
              raw["dropped"], raw["events"]))
    _line("CPU us a whole life, active / standby",
          _pair(ours, "life_us_active", "life_us_standby"),
          _pair(theirs, "life_us_active", "life_us_standby")
          if theirs else "", "opened, used and closed")
    _line("bytes a new flow on the wire", _n(ours["new_wire_bytes"], 1),
          _get(theirs, "new_wire_bytes", digits=1))
    _line("entry to entry, ms, p50 / p99",
          _pair(latency, "p50_ms", "p99_ms", 2),
          _pair((theirs or {}).get("latency"), "p50_ms", "p99_ms", 2)
          if theirs else "", "of %d UDP flows, %d are there"
          % (latency["flows"], latency["matched"]))
    if not ours["in_sync"] or ours["overruns"]:
        print("  the stream was more than this machine could do: %d overruns"
              "%s" % (ours["overruns"], "" if ours["in_sync"] else
                      ", not in sync at its end"))


def _newflows(ours):
    print("new flows: %d as fast as they go" % ours["flows"])
    for key, what in (("ours", "the daemon listens, s"),
                      ("bare", "a bare listener, s")):
        _line(what, _n(statistics.median(ours[key])), "",
              "all: " + " ".join("%.2f" % v for v in ours[key]))
    _line("ratio of the rates", _n(ours["ratio"]))


def _sustained(ours):
    print("the highest rate, %d s each, the tables verified afterwards"
          % ours["seconds"])
    _line("new flows a second, half UDP, half TCP reset", _n(ours["ours"]))
    _line("a bare listener with a bare injector", _n(ours["raw"]), "",
          "ratio %.2f" % ours["ratio"])


def _nft(ours):
    print("nft list ruleset with 20000 elements, advbase 0, advskew 2")
    for key, what in (("beside", "beside a master, s"),
                      ("alone", "without us, s")):
        _line(what, _n(statistics.median(ours[key]), 3), "",
              "worst %.3f of %d" % (max(ours[key]), len(ours[key])))
    _line("ratio", _n(ours["ratio"]))


def _forward(ours):
    print("forwarding: small packets a second, as many as fit")
    for key, what in (("shared", "through the shared MAC"),
                      ("own", "the interface's own, no rule of ours")):
        _line(what, _n(statistics.median(ours[key]), 0), "",
              "all: " + " ".join("%.0f" % v for v in ours[key]))
    _line("ratio", _n(ours["ratio"]))


def _growth(rows):
    print("growth: what it costs with so many flows in the table")
    print("  %9s %8s %8s %6s %9s %9s %7s %16s" % (
        "flows", "raw, s", "join, s", "ratio", "verify, s", "2 dumps",
        "MB", "handover, ms"))
    for r in rows:
        silence, stall = (statistics.median(e[k] for e in r["handovers"])
                          for k in ("silence_ms", "stall_ms"))
        print("  %9d %8.3f %8.3f %6.2f %9.3f %9.3f %7.1f %16s" % (
            r["flows"], r["raw"]["seconds"], r["join"]["seconds"],
            r["join"]["seconds"] / r["raw"]["seconds"], r["verify_s"],
            2 * r["raw"]["dump_seconds"], max(r["memory"]),
            "%.0f / %.0f" % (silence, stall)))
        if not r["verified"]:
            print("  the two tables were not equal")


def _failover(parts):
    print("failover: advbase 0, advskew 20; median (worst) of %d, no "
          "connection lost" % len(parts[0]["cut"]))
    print("  %-44s %14s %14s" % ("", "UDP silence", "TCP stall"))
    for part in parts:
        for kind, what in (("handover", "planned handover"),
                           ("cut", "cable cut on the master")):
            _line("%d flows, %s, ms" % (part["flows"], what),
                  *("%.0f (%.0f)" % (part["%s_%s" % (kind, key)],
                                     max(e[key] for e in part[kind]))
                    for key in ("silence_ms", "stall_ms")))


def show(got):
    m = got["machine"]
    print("kernel %s, %d CPUs, load %.1f before and %.1f after; client, "
          "server and both\ngateways share them. %d s in all."
          % (m["kernel"], m["cpus"], m["load_before"], m["load_after"],
             got["seconds"]))
    other = got.get("conntrackd")
    print("  %-44s %14s %14s" % ("", "statesync",
                                 "conntrackd " + other if other else ""))
    if "bulk" in got:
        _bulk(got["bulk"], got.get("conntrackd bulk"))
    if "stream" in got:
        _stream(got["stream"], got.get("conntrackd stream"))
    if "newflows" in got:
        _newflows(got["newflows"])
    if "sustained" in got:
        _sustained(got["sustained"])
    if "nft" in got:
        _nft(got["nft"])
    if "forward" in got:
        _forward(got["forward"])
    rows = [v for k, v in got.items() if k.startswith("growth ")]
    if rows:
        _growth(rows)
    parts = [v for k, v in got.items() if k.startswith("failover ")]
    if parts:
        _failover(parts)
    for name, why in got["skipped"].items():
        print("not measured: %s: %s" % (name, why.partition("\n")[0]))
