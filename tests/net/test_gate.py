# SPDX-License-Identifier: GPL-3.0-or-later
"""No node takes over before it has the state: the gate, with the bulk cut in
the middle in several ways and moments."""

import signal
import time

import pytest

from lab import wait_for
from pair import PREEMPTING
from tiers import full

BIG = 40000  # takes some seconds over a link of 3 Mbit/s
# percent of the bulk; the rest takes a second
ONE_MOMENT = [full(5), 40, full(70)]


def catch_bulk(node, percent, timeout=30):
    """Waits until the node holds with at least so much of its bulk in, and
    returns that hold."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        status = node.status(quiet=True)
        if status is None:
            continue
        hold = status["hold"]
        assert hold or not status["peers"][0]["in_sync"], "it was too quick"
        if hold and (hold.get("percent") or 0) >= percent:
            return hold
    raise AssertionError("no bulk within %d s" % timeout)


def joining(lab, pair, **conf):
    """fw1 is master of a big table, fw2 is about to join."""
    conf.setdefault("advskew", PREEMPTING)
    pair.configure(**conf)
    pair.one.launch().wait_up()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"))
    lab.tools.fill(BIG)
    lab.slow("link")


def assert_never_master(node, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        status = node.status(quiet=True)
        if status:
            states = {c["state"] for c in status["carp"]}
            assert "MASTER" not in states, status["history"][:3]
        time.sleep(0.02)


@pytest.mark.full
@pytest.mark.flows(BIG)
@pytest.mark.parametrize("percent", ONE_MOMENT)
def test_link_cut_in_the_bulk(lab, pair, percent):
    """The joining node would preempt, but holds as long as its bulk is not
    in; the bulk begins anew when the link is back."""
    joining(lab, pair, preempt=True)
    pair.two.launch().wait_up()
    catch_bulk(pair.two, percent)
    lab.cut("gw1", "link")
    assert_never_master(pair.two, 2)
    status = pair.two.status()
    assert not status["ready"] and status["hold"], status["hold"]
    assert not pair.two.in_sync()
    lab.fast("link")
    lab.restore("gw1", "link")
    pair.wait_sync(60)
    bulk = pair.two.peer()["bulk"]
    assert bulk["state"] == "done" and bulk["entries"] >= BIG, bulk
    pair.wait_master(pair.two, 20)
    pair.wait_equal()


@pytest.mark.full
@pytest.mark.flows(BIG)
@pytest.mark.parametrize("percent", ONE_MOMENT)
def test_joining_node_killed_in_the_bulk(lab, pair, percent):
    joining(lab, pair)
    pair.two.launch().wait_up()
    catch_bulk(pair.two, percent)
    pair.two.kill()
    lab.fast("link")
    assert pair.one.is_all("MASTER")
    pair.two.launch().wait_up()
    pair.wait_sync(60)
    assert pair.master() is pair.one
    pair.wait_equal()


@pytest.mark.flows(BIG)
@pytest.mark.parametrize("percent", ONE_MOMENT)
def test_master_killed_in_the_bulk(lab, pair, percent):
    """No master is heard any more: the joining node takes over with what it
    has, says so, and the returning one gets that."""
    joining(lab, pair)
    pair.two.launch().wait_up()
    catch_bulk(pair.two, percent)
    pair.one.kill()
    lab.fast("link")
    pair.wait_master(pair.two)
    assert "without the whole state" in pair.two.log.read_text()
    lab.flush("gw1")
    pair.one.launch().wait_up()
    pair.wait_sync(60)
    assert pair.master() is pair.two
    pair.wait_equal()


@pytest.mark.full
@pytest.mark.flows(BIG)
def test_hold_is_visible(lab, pair):
    """`status` prints the promised sentence; `ready` says no."""
    joining(lab, pair)
    pair.two.launch().wait_up()
    lines = set()
    end = time.monotonic() + 15
    while time.monotonic() < end:
        code, out, _ = pair.two.tool("status")
        lines.update(x.strip() for x in out.splitlines() if "holding:" in x)
        if code == 0:
            break
    assert any("holding: bulk" in x and " of " in x for x in lines), lines


@pytest.mark.flows(BIG)
def test_never_master_before_in_sync(lab, pair):
    """A preempting node that joins a living master, watched all the time."""
    joining(lab, pair, preempt=True)
    pair.two.launch()
    while True:
        status = pair.two.status(quiet=True)
        if status is None:
            continue
        states = {c["state"] for c in status["carp"]}
        if "MASTER" in states:
            break
    table = lab.tools.call("ctcompare", lab.ns("gw2"))
    assert table["compared"][0] >= BIG, (table, status)


@pytest.mark.full
def test_link_down_from_the_start_holds(lab, pair):
    """strict: without the link it holds as long as a living master exists,
    and takes over when none is heard."""
    lab.cut("gw1", "link")
    pair.configure(advskew=PREEMPTING, preempt=True)
    pair.one.launch().wait_up()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"))
    pair.two.launch().wait_up()
    assert_never_master(pair.two, 2)
    assert pair.two.status()["hold"]["reason"] == "link"
    pair.one.kill()
    pair.wait_master(pair.two)


def test_require_sync_off(lab, pair):
    lab.cut("gw1", "link")
    pair.configure(advskew=PREEMPTING, preempt=True, require_sync="off")
    pair.one.launch().wait_up()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"))
    pair.two.launch().wait_up()
    pair.wait_master(pair.two)


@pytest.mark.full
def test_require_sync_for_a_while(lab, pair):
    lab.cut("gw1", "link")
    pair.configure(advskew=PREEMPTING, preempt=True, require_sync="3s")
    pair.one.launch().wait_up()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"))
    pair.two.launch().wait_up()
    assert_never_master(pair.two, 1.5)
    pair.wait_master(pair.two)


def test_holding_node_obeys_a_bow_out(lab, pair):
    """Held by a cut link it still takes over from a master that leaves."""
    pair.start()
    lab.cut("gw1", "link")
    wait_for("fw2 holds", lambda: not pair.two.status()["ready"])
    pair.one.signal(signal.SIGTERM)
    pair.wait_master(pair.two)
    pair.one.reap()


def test_holding_node_takes_over_from_demotion_128(lab, pair):
    pair.start()
    lab.cut("gw1", "link")
    wait_for("fw2 holds", lambda: not pair.two.status()["ready"])
    pair.one.tool("demote", 100)
    time.sleep(1)
    assert pair.one.is_all("MASTER"), str(pair)
    pair.one.tool("demote", 28)
    pair.wait_master(pair.two)
