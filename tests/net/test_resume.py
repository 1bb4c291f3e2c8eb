# SPDX-License-Identifier: GPL-3.0-or-later
"""A link that was down for a while: what was not told is told, and no more.
Only where that is not known any more the whole table crosses again."""

import time

import pytest

from lab import wait_for
from pair import Traffic

TOO_LONG = "the link was down for longer than the resume buffer holds"


def bulks(pair):
    """Bulks that the daemons have logged, with their failures."""
    return sum(n.log.read_text().count("bulk from") for n in pair.both())


def resumed(pair):
    """Streams of the master that went on, as both nodes count them."""
    told, heard = (n.peer()["resume"] for n in pair.both())
    assert told["told"] == heard["heard"], (told, heard)
    return told["told"]


def cut(lab, pair, seconds, timeout=30):
    """From in sync to in sync; the peer holds meanwhile."""
    lab.cut("gw1", "link")
    end = time.monotonic() + seconds
    if seconds > 2.5:
        wait_for("fw2 holds", lambda: not pair.two.status()["ready"])
        assert pair.two.status()["hold"]["reason"] == "link"
        assert pair.one.status()["demotion"]["total"] == 0
    time.sleep(max(0, end - time.monotonic()))
    lab.restore("gw1", "link")
    pair.wait_sync(timeout)


@pytest.mark.flows(30000)
def test_a_short_cut_needs_no_bulk(lab, pair):
    """3 s without the link, with connections that come, go on and end."""
    pair.start()
    lab.tools.fill(2000)
    pair.wait_equal()
    before = pair.transitions(), bulks(pair)
    churn = lab.tools.churn(500, 60)
    cut(lab, pair, 3)
    churn.interrupt()
    assert (pair.transitions(), bulks(pair)) == before
    assert resumed(pair) == 1
    pair.wait_equal(60)
    assert pair.one.peer()["resume"]["sent_again"] > 1000
    cause = pair.one.status()["history"][0]
    assert cause["name"] == "fw2" and cause["vhid"] is cause["to"] is None
    assert "link was down" in cause["cause"] and (
        "changes sent again" in cause["cause"]), cause
    assert "resumed" in pair.one.tool("history")[1]
    assert "streams to it resumed" in pair.one.tool("counters")[1]


@pytest.mark.full
@pytest.mark.flows(60000)
def test_longer_than_the_buffer_is_a_bulk(lab, pair):
    """Both say why, and it closes the gap by itself."""
    pair.start(top='sync { resume-buffer = "64K" }')
    lab.tools.fill(2000)
    pair.wait_equal()
    before = bulks(pair)
    churn = lab.tools.churn(3000, 4)
    lab.cut("gw1", "link")
    time.sleep(5)
    peer = pair.one.peer()
    assert peer["resume"]["given_up"] == 1, peer
    assert peer["resume"]["held_bytes"] == 0, peer
    lab.restore("gw1", "link")
    wait_for("the reason on both", lambda: (
        pair.one.peer()["tx"]["gap"] == TOO_LONG
        and pair.two.peer()["rx"]["gap"] == TOO_LONG), 20)
    assert pair.two.status()["hold"]["reason"] == "gap"
    pair.wait_sync()
    churn.close()
    assert bulks(pair) > before and resumed(pair) == 0
    assert "a bulk follows: " + TOO_LONG in pair.one.tool("history")[1]
    pair.wait_equal(60)


@pytest.mark.full
@pytest.mark.flows(60000)
def test_a_standby_that_was_restarted_gets_a_bulk(lab, pair):
    """Its daemon knows nothing of what it had."""
    pair.start()
    lab.tools.fill(5000)
    pair.wait_equal()
    before = bulks(pair)
    lab.cut("gw1", "link")
    time.sleep(0.5)
    pair.two.kill()
    pair.two.launch().wait_up()
    lab.tools.fill(2000, first=10000)
    lab.restore("gw1", "link")
    pair.wait_sync()
    assert bulks(pair) > before and resumed(pair) == 0
    pair.wait_equal()


@pytest.mark.full
@pytest.mark.flows(150000)
def test_cut_again_and_again_under_load(lab, pair):
    """Thousands of connections a second are made all the time."""
    pair.start()
    lab.tools.fill(2000)
    pair.wait_equal()
    before = pair.transitions(), bulks(pair)
    churn = lab.tools.churn(2000, 120)
    for seconds in (3, 0.3, 4, 1, 3):
        cut(lab, pair, seconds, 90)
        time.sleep(0.5)
    churn.interrupt()
    pair.wait_sync()
    assert (pair.transitions(), bulks(pair)) == before
    assert resumed(pair) >= 3
    pair.wait_equal(60)


@pytest.mark.full
def test_the_master_dies_right_after(lab, pair):
    """Connections made while the link was down live on the other node."""
    pair.start()
    lab.tools.fill(1000)
    lab.cut("gw1", "link")
    time.sleep(0.5)
    traffic = Traffic(lab)
    lab.freeze()
    time.sleep(3)
    before = bulks(pair)
    lab.restore("gw1", "link")
    pair.wait_sync()
    assert bulks(pair) == before and resumed(pair) == 1
    traffic.begin()
    lab.lose("gw1")
    wait_for("fw2 is master", lambda: pair.two.is_all("MASTER"))
    traffic.goes_on()
    traffic.finish()
