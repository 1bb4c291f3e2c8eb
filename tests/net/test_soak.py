# SPDX-License-Identifier: GPL-3.0-or-later
"""Many short flows for a long time and a failover now and then: at the end
the two nodes themselves say that their kernels hold the same, and each takes
of its machine what it took before."""

import contextlib
import json
import re
import time
from pathlib import Path

import pytest

from lab import wait_for
from pair import Traffic
from test_leftovers import normal

WAYS = ("handover", "cut", "kill", "handover")
LOSE_1_IN_100 = """table inet loss {
    chain in {
        type filter hook prerouting priority -400
        iifname "link" numgen random mod 100 == 0 drop
    }
}"""


PASSING = {"handle", "expires", "packets", "bytes"}
MEMORY_KB = 16384  # more than before it had told anything: buffers stay


def lasting(ruleset):
    """It without what counts, runs, or is a number of the kernel's or of that
    run's (the mark of adverts)."""
    if isinstance(ruleset, dict):
        if ruleset.get("left") == {"meta": {"key": "mark"}}:
            return {}
        return {k: lasting(v) for k, v in ruleset.items() if k not in PASSING}
    if isinstance(ruleset, list):
        return [lasting(v) for v in ruleset]
    return ruleset


def taken(lab, node):
    """Of its machine, by the daemon and its like."""
    rules = json.loads(lab.run(node.host, "nft", "-j", "list", "ruleset"))
    return {**normal(lab.footprint(node.host)), "rules": sorted(
        json.dumps(lasting(x), sort_keys=True) for x in rules["nftables"]),
        "descriptors": sorted(
            re.sub(r"\d+", "N", str(fd.readlink())) for fd in
            Path("/proc/%d/fd" % node.proc.pid).iterdir())}


def given_back(lab, pair, before, memory):
    """With the master of before."""
    if pair.master() is not pair.one:
        move(lab, pair, pair.two, "handover")
    for node in pair.both():
        with contextlib.suppress(AssertionError):
            wait_for("all is as before", lambda n=node: taken(lab, n) ==
                     before[n], 20, 1)
        now = taken(lab, node)
        other = {k: set(now[k]) ^ set(was) for k, was in before[node].items()
                 if now[k] != was}
        assert not other, other
        assert node.memory_kb() <= memory[node] + MEMORY_KB, node.name
    print("memory", [(memory[n], n.memory_kb()) for n in pair.both()])


def soak(lab, pair, seconds, every, rate):
    pair.start()
    before = {n: taken(lab, n) for n in pair.both()}
    memory = {n: n.memory_kb() for n in pair.both()}
    traffic = Traffic(lab)
    churn = lab.tools.churn(rate, seconds, "-u")
    begin = time.monotonic()
    moves = 0
    while time.monotonic() - begin < seconds - every / 2:
        time.sleep(every / 2)
        old = pair.master()
        assert old is not None, str(pair)
        move(lab, pair, old, WAYS[moves % len(WAYS)])
        moves += 1
        time.sleep(max(0, begin + moves * every - time.monotonic()))
    made = churn.result()
    pair.wait_sync(60)
    said = verified(pair)
    traffic.goes_on()
    traffic.finish()
    flows = [n.status()["flows"] for n in pair.both()]
    print("moves", moves, "made", made, "overruns",
          [f["overruns"] for f in flows], said)
    assert moves >= seconds // every - 1
    given_back(lab, pair, before, memory)


def move(lab, pair, old, way):
    new = pair.other(old)
    if way == "handover":
        code, out, err = old.tool("handover")
        assert code == 0, out + err
    elif way == "cut":
        lab.cut(old.host, "lan")
    else:
        old.kill()
    pair.wait_master(new, 30)
    if way == "cut":
        lab.restore(old.host, "lan")
    elif way == "kill":
        old.launch().wait_up()
    pair.wait_sync(60)


def verified(pair):
    """`verify` on both nodes, each with its words."""
    said = []
    for node in pair.both():
        code, out, err = node.tool("verify", timeout=300)
        said.append(out + err)
        assert code == 0, said
    return said


LOSS = pytest.mark.parametrize("loss", (False, True), ids=("clean", "loss"))


def lossy(lab, loss):
    for host in ("gw1", "gw2") if loss else ():
        lab.nft(host, LOSE_1_IN_100)


@pytest.mark.full
@pytest.mark.limit(600)
@pytest.mark.flows(1500000)
@LOSS
def test_a_minute(lab, pair, loss):
    lossy(lab, loss)
    soak(lab, pair, 60, 15, 20000)


@pytest.mark.long
@pytest.mark.limit(4200)
@pytest.mark.flows(1500000)
@LOSS
def test_an_hour(lab, pair, loss):
    lossy(lab, loss)
    soak(lab, pair, 3600, 60, 20000)
