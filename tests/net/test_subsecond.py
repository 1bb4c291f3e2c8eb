# SPDX-License-Identifier: GPL-3.0-or-later
"""Adverts many times a second while the machine has other things to do. The
figures are tests/bench/fast's; here is what has to hold on any machine."""

import contextlib
import resource
import subprocess
import sys
import time

import pytest

import carp
from node import die_with_parent
from test_hostile import Quiet, counters, flood, refused
from tiers import full


@contextlib.contextmanager
def spinning(count=2):
    """As many programs that want all of a CPU."""
    procs = [subprocess.Popen([sys.executable, "-c", "while True: pass"],
                              preexec_fn=die_with_parent)
             for _ in range(count)]
    try:
        yield
    finally:
        for p in procs:
            p.kill()
            p.wait()


@pytest.mark.full
@pytest.mark.parametrize("advskew, seconds", [(64, 5), full(20, 15),
                                              full(64, 30)])
def test_a_busy_machine_moves_nothing(lab, pair, advskew, seconds):
    """Every CPU is taken by others: no change of state, nothing refused."""
    pair.start(advskew=advskew)
    quiet = Quiet(pair)
    with spinning():
        time.sleep(seconds)
    quiet.check(kb=1024)  # the first rounds of the audit are among it
    late = [n.status()["adverts_late"] for n in pair.both()]
    print("late", late)
    assert not any(refused(n) for n in pair.both())


@pytest.mark.full
@pytest.mark.parametrize("host", ["gw1", "gw2"])
def test_a_flood_at_a_short_interval(lab, pair, host):
    """100 000 bad packets a second for 5 s, an advert every 78 ms."""
    pair.start(advskew=20)
    before = pair.transitions()
    report = flood(lab, host, 5, carp.frame(
        carp.advert(password="guess", advskew=0, advbase=0))).result()
    assert pair.transitions() == before, str(pair)
    assert pair.master() is pair.one
    assert report["sent"] / report["seconds"] > 80000, report
    assert counters(lab.nodes[host])["auth"] > 100000


def test_it_stays_in_memory(pair):
    """Locked, but nothing that was never used is made resident for it."""
    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK,
                           (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (ValueError, PermissionError):
        pytest.skip("root may not lift the limit of locked memory here")
    pair.configure()
    pair.one.launch().wait_up()
    with open("/proc/%d/status" % pair.one.proc.pid) as f:
        kb = {k: int(v.split()[0]) for k, v in (
            line.split(":") for line in f if line.startswith(("VmL", "VmR")))
            if k in ("VmLck", "VmRSS")}
    assert kb["VmLck"] > kb["VmRSS"] / 2
    assert kb["VmRSS"] < 16000


@pytest.mark.full
def test_the_standins_are_apart_and_first(pair):
    """Two threads ahead of ordinary processes, on CPUs of their own; the loop
    is an ordinary process, as is the thread that compares files."""
    pair.configure()
    pair.one.launch().wait_up()
    out = subprocess.run(["ps", "-L", "-o", "tid=,policy=", "-p",
                          str(pair.one.proc.pid)], text=True, check=True,
                         capture_output=True).stdout.split()
    policies = dict(zip(out[::2], out[1::2]))
    assert policies[str(pair.one.proc.pid)] == "TS"
    assert sorted(policies.values()) == ["RR", "RR", "TS", "TS"]
    masks = set()
    for tid in (t for t, policy in policies.items() if policy == "RR"):
        with open("/proc/%s/status" % tid) as f:
            masks.add(next(x for x in f if x.startswith("Cpus_allowed:")))
    assert len(masks) == 2 or len(list(masks)[0].split()[1].strip("0,1")) == 0
