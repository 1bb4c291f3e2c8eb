# SPDX-License-Identifier: GPL-3.0-or-later
"""Both kernels hold the same connections, whatever happened meanwhile."""

import time

import pytest

from lab import wait_for
from pair import Traffic

WAYS = ("handover", "cut", "kill", "handover")


def churn_with_failovers(lab, pair, seconds, rate):
    """Flows open and close all the time; mastership moves now and then."""
    pair.start()
    traffic = Traffic(lab)
    churn = lab.tools.churn(rate, seconds, "-k")
    begin = time.monotonic()
    moves = 0
    while time.monotonic() - begin < seconds - 3:
        time.sleep(1.2)
        old = pair.master()
        assert old is not None, str(pair)
        way = WAYS[moves % len(WAYS)]
        if way == "handover":
            assert old.tool("handover")[0] == 0
        elif way == "cut":
            lab.cut(old.host, "lan")
        else:
            old.kill()
        pair.wait_master(pair.other(old))
        if way == "cut":
            lab.restore(old.host, "lan")
        elif way == "kill":
            old.launch().wait_up()
        pair.wait_sync()
        moves += 1
    churn.result()
    assert moves >= 3
    pair.wait_sync()
    result = pair.wait_equal()
    traffic.goes_on()
    traffic.finish()
    print("moves", moves, result)


@pytest.mark.full
@pytest.mark.flows(100000)
def test_churn_with_failovers(lab, pair):
    churn_with_failovers(lab, pair, 15, 1000)


@pytest.mark.full
@pytest.mark.flows(200000)
def test_churn_with_failovers_for_a_minute(lab, pair):
    churn_with_failovers(lab, pair, 60, 2000)


@pytest.mark.long
@pytest.mark.limit(7200)
@pytest.mark.flows(400000)
def test_churn_with_failovers_for_an_hour(lab, pair):
    churn_with_failovers(lab, pair, 3600, 2000)


@pytest.mark.full
@pytest.mark.flows(100000)
def test_changes_while_the_bulk_runs(lab, pair):
    """Created, changed and destroyed during the bulk: all right in the end."""
    pair.configure()
    pair.one.launch().wait_up()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"))
    lab.tools.fill(40000, 2000, 500)
    churn = lab.tools.churn(3000, 4, "-k", "-l", "300")
    time.sleep(0.5)
    pair.two.launch().wait_up()
    deleted = 0
    for port in range(2000, 2040):
        lab.run("gw1", "conntrack", "-D", "-p", "tcp", "--orig-port-src",
                port, "--orig-port-dst", 7007, check=False)
        deleted += 1
    churn.result()
    pair.wait_sync()
    pair.wait_equal()


def test_deleted_flows_are_deleted(lab, pair):
    """`conntrack -D` of single flows on the master is told."""
    pair.start()
    lab.tools.fill(500)
    pair.wait_equal()
    for port in range(2000, 2010):
        lab.run("gw1", "conntrack", "-D", "-p", "tcp", "--orig-port-src", port)
    pair.wait_equal()


def test_flush_is_not_told(lab, pair):
    """`conntrack -F` on the master does not empty the standby."""
    pair.start()
    lab.tools.fill(2000)
    pair.wait_equal()
    lab.flush("gw1")
    time.sleep(1)
    table = lab.tools.call("ctcompare", lab.ns("gw2"))
    assert table["compared"][0] >= 2000, table


def test_own_connections_are_not_told(lab, pair):
    """Flows of the nodes and to the shared address stay where they are."""
    pair.start()
    lab.run("gw1", "ping", "-c2", "-i0.1", "10.2.0.100")
    lab.run("client", "ping", "-c2", "-i0.1", "10.1.0.1")
    lab.run("gw2", "ping", "-c2", "-i0.1", "10.1.0.100")
    time.sleep(0.5)
    table = lab.run("gw2", "conntrack", "-L", "-p", "icmp")
    assert "src=10.2.0.11" not in table and "src=10.1.0.1 " not in table


def test_standby_through_the_master(lab, pair):
    """The standby's own connections through the master work: they are never
    overwritten by the master's translated copy (rules 2)."""
    pair.start()
    lab.ip("gw2", "route", "replace", "10.2.0.100/32", "via", "10.1.0.1")
    out = lab.run("gw2", "ping", "-c", "20", "-i", "0.05", "-W", "1", "-I",
                  "10.1.0.12", "10.2.0.100", check=False)
    assert " 20 received" in out, out


def test_no_echo(lab, pair):
    """What the standby puts into its kernel does not come back."""
    pair.start()
    lab.tools.fill(2000)
    pair.wait_equal()
    assert pair.two.status()["flows"]["sent"] == 0
    assert pair.one.status()["flows"]["received"] == 0
