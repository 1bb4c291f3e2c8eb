# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way in which a master goes, under traffic that only state can carry.

The rulesets are frozen before the event: from then on no new flow may pass,
so that what goes on goes on by what the peer was told.
"""

import signal
import time

import pytest

from lab import wait_for
from pair import Traffic
from talk import Talk
from tiers import full

WAYS = {
    "handover": lambda lab, n: n.tool("handover"),
    "SIGTERM": lambda lab, n: n.stop(),
    "lan cut": lambda lab, n: lab.cut(n.host, "lan"),
    "wan cut": lambda lab, n: lab.cut(n.host, "wan"),
    "lan admin down": lambda lab, n: lab.ip(n.host, "link", "set", "dev",
                                            "lan", "down"),
    "SIGKILL": lambda lab, n: n.kill(),
    "SIGSTOP": lambda lab, n: n.hang(),
    "machine lost": lambda lab, n: lab.lose(n.host),
}


CLIENT = "10.1.0.100"
QUICK = ("handover", "lan cut", "SIGKILL", "machine lost")


@pytest.mark.parametrize("way", [w if w in QUICK else full(w) for w in WAYS])
def test_failover(lab, pair, way):
    pair.start()
    traffic = Traffic(lab)
    lab.tools.fill(3000, 300)
    pair.wait_equal()
    lab.freeze()
    traffic.begin(way)
    WAYS[way](lab, pair.one)
    if way == "SIGSTOP":
        wait_for("fw2 is master", lambda: pair.two.is_all("MASTER"))
    else:
        pair.wait_master(pair.two)
    measured = traffic.goes_on()
    print(way, measured)
    assert lab.invalid("gw2") < 20
    if way == "SIGSTOP":
        pair.one.wake()
        pair.wait_master(pair.two)
    if pair.one.running():
        pair.wait_sync()
        pair.wait_equal()
    traffic.finish()


@pytest.mark.full
def test_there_and_back_without_a_restart(lab, pair):
    """A node that was master before has windows of that time in its entries;
    a connection that went on over the peer meanwhile must survive them."""
    pair.start()
    traffic = Traffic(lab)
    pair.wait_equal()
    lab.freeze()
    traffic.begin()
    assert pair.one.tool("handover")[0] == 0
    pair.wait_master(pair.two)
    traffic.goes_on()
    time.sleep(3)
    pair.wait_sync()
    assert pair.two.tool("handover")[0] == 0
    pair.wait_master(pair.one)
    traffic.goes_on()
    time.sleep(2)
    traffic.goes_on()
    assert lab.invalid("gw1") < 20
    traffic.finish()


@pytest.mark.full
@pytest.mark.flows(100000)
def test_back_at_once(lab, pair):
    """The new master dies while the old one still makes copies of its own
    entries: these have windows of before, and must not stop anybody."""
    pair.start()
    lab.tools.fill(60000)
    traffic = Traffic(lab)
    pair.wait_sync()
    lab.freeze()
    assert pair.one.tool("handover")[0] == 0
    time.sleep(0.15)
    pair.two.kill()
    traffic.begin()
    pair.wait_master(pair.one)
    traffic.goes_on()
    traffic.finish()


@pytest.mark.full
def test_there_and_back_again(lab, pair):
    """Handover, cable cut, machine loss and fail-back, one after the other,
    under the same connections and while others come and go."""
    pair.start(preempt=True)
    traffic = Traffic(lab)
    lab.tools.fill(5000)
    churn = lab.tools.churn(500, 60, "-k")
    for event, back in (
            (lambda: pair.one.tool("handover"), None),
            (lambda: lab.cut("gw1", "lan"), lambda: lab.restore("gw1", "lan")),
            (lambda: lab.lose("gw1"), lambda: lab.rebuild("gw1"))):
        event()
        pair.wait_master(pair.two)
        traffic.goes_on()
        if back is None:
            pair.one.stop()
        else:
            back()
        if not pair.one.running():
            pair.one.launch().wait_up()
        pair.wait_sync()
        pair.wait_master(pair.one, 15)
        traffic.goes_on()
    churn.interrupt()
    pair.wait_sync()
    pair.wait_equal()
    traffic.finish()


@pytest.mark.full
def test_cable_back_with_packets_waiting(lab, pair):
    """A neighbour that the kernel asked for in vain while the cable was out
    it asks for only once a second, and what goes there waits; who takes over
    meanwhile is not to be silent for that long."""
    pair.start(preempt=True)
    traffic = Traffic(lab)
    lab.cut("gw1", "lan")
    pair.wait_master(pair.two)
    traffic.goes_on()
    lab.run("gw1", "ping", "-c", "1", "-W", "0.05", CLIENT, check=False)
    assert CLIENT in lab.ip("gw1", "neigh", "show", "nud", "incomplete")
    traffic.begin()
    lab.restore("gw1", "lan")
    pair.wait_master(pair.one)
    assert traffic.goes_on()["silence_ms"] < 200
    traffic.finish()


@pytest.mark.full
def test_return_under_load(lab, pair):
    """The preempting node comes back empty while flows open and close: it is
    never master before it is in sync, and no connection is lost."""
    pair.start(preempt=True)
    traffic = Traffic(lab)
    lab.tools.fill(15000)
    pair.wait_equal()
    pair.one.stop()
    pair.wait_master(pair.two)
    lab.flush("gw1")
    churn = lab.tools.churn(1500, 30, "-k")
    pair.one.launch().wait_up()
    while True:
        status = pair.one.status()
        states = {c["state"] for c in status["carp"]}
        if "MASTER" in states:
            break
        time.sleep(0.01)
    bulks = status["peers"][0]["bulk"]
    assert bulks["state"] == "done" and bulks["entries"] >= 15000, bulks
    pair.wait_master(pair.one)
    traffic.goes_on()
    churn.interrupt()
    pair.wait_sync()
    pair.wait_equal()
    traffic.finish()


def test_masquerade_and_an_interface_taken_down(lab, pair):
    """`ip link set wan down` makes the kernel forget masqueraded flows, which
    is not to be told; every SNAT connection goes on through the peer."""
    pair.start()
    traffic = Traffic(lab)
    masqueraded = lab.tools.streams(2, 0, "10.2.0.100:9401", "9401")
    lab.tools.fill(5000)
    pair.wait_equal()
    lab.freeze()
    traffic.begin()
    lab.ip("gw1", "link", "set", "dev", "wan", "down")
    pair.wait_master(pair.two)
    traffic.goes_on()
    masqueraded.close()
    table = lab.tools.call("ctcompare", lab.ns("gw2"))
    assert table["compared"][0] >= 5000 + traffic.conns(), table
    traffic.finish()


def test_sigterm_with_no_peer(pair):
    """Nobody to hand over to: it goes down anyway, soon, and says so."""
    pair.start()
    pair.two.kill()
    start = time.monotonic()
    pair.one.signal(signal.SIGTERM)
    status = pair.one.reap()
    assert time.monotonic() - start < 3
    assert status is not None


@pytest.mark.parametrize("way", ["handover", "SIGTERM"])
def test_planned_switch_right_after_a_burst(lab, pair, way):
    """Flows that were opened a moment ago are told before the switch."""
    pair.start()
    lab.tools.fill(15000)
    WAYS[way](lab, pair.one)
    pair.wait_master(pair.two)
    table = lab.tools.call("ctcompare", lab.ns("gw2"))
    assert table["compared"][0] >= 15000, table


@pytest.mark.full
def test_half_open_one_is_tried_again(lab, pair):
    """A connection whose third packet never came is known to the heir. The
    client begins it anew from the same port: it stands within seconds, not
    when the old entry has run out."""
    pair.start()
    source = (CLIENT, 5555)
    lab.nft("client", "table inet deaf { chain in { type filter hook input "
            "priority 0; tcp sport 9001 drop; }; }")
    with pytest.raises(OSError):
        Talk(lab, 9001, source=source, patience=1.5)
    lab.nft("client", "delete table inet deaf")
    wait_for("fw2 knows it", lambda: "SYN_RECV" in lab.run(
        "gw2", "conntrack", "-L", "-p", "tcp", "--orig-port-src", "5555",
        check=False))
    pair.one.kill()
    pair.wait_master(pair.two)
    talk = Talk(lab, 9001, source=source)
    try:
        talk.goes_on()
    finally:
        talk.close()
