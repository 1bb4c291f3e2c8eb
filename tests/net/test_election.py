# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is master: between two of our own, started and stopped in every order."""

import time

import pytest

from lab import SHARED, wait_for
from node import VIRTUAL_MAC
from pair import PREEMPTING, SKEW


def test_lone_node_takes_over_and_answers(lab, pair):
    """No master is heard: after the master-down time it takes over."""
    pair.configure()
    start = time.monotonic()
    pair.one.launch().wait_up()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"))
    assert time.monotonic() - start < 3 * SKEW["gw1"] / 256 + 1.5
    for host, cable in (("client", "lan"), ("server", "wan")):
        got = lab.tools.neighbour(host, SHARED[cable], "arp", 5, 100)
        assert got["answered"] == 5, got
        assert got["macs"] == [VIRTUAL_MAC[cable]]
    lab.run("client", "ping", "-c2", "-i0.1", "-W1", "10.2.0.100")


def test_status_keys(pair):
    """What others read of `status --json` is there."""
    pair.start()
    for node in pair.both():
        s = node.status()
        assert {"node", "version", "uptime_s", "ready", "hold", "demotion",
                "carp", "peers", "flows", "history"} <= set(s)
        assert s["node"] == node.name and s["ready"] and s["hold"] is None
        assert s["demotion"]["total"] == 0
        for c in s["carp"]:
            assert {"name", "vhid", "interface", "state", "since_s",
                    "transitions", "addresses", "advbase", "advskew",
                    "counters"} <= set(c)
        peer = s["peers"][0]
        assert {"name", "address", "state", "in_sync", "tx", "rx", "lag_ms",
                "queue", "carp", "bulk", "audit"} - {"audit"} <= set(peer)
        assert peer["state"] == "live" and peer["in_sync"]
        assert {"in_sync", "gap", "seq_sent", "seq_applied"} <= set(peer["tx"])
        assert {"kernel", "sent", "received", "applied", "failed"} <= set(
            s["flows"])
        assert all({"at", "vhid", "from", "to", "cause"} <= set(h)
                   for h in s["history"])


@pytest.mark.parametrize("skews", [(80, 80), (80, 90)])
def test_cold_start_at_the_same_instant(pair, skews):
    """Two nodes started together change master at most once."""
    pair.configure(advskew=skews, preempt=True)
    pair.one.launch()
    pair.two.launch()
    for node in pair.both():
        node.wait_up()
    pair.wait_sync()
    time.sleep(2)
    assert pair.master() is not None, str(pair)
    for name in ("lan", "wan"):
        became = [h for n in pair.both() for h in n.status()["history"]
                  if h["to"] == "MASTER"
                  and h["vhid"] == {"lan": 1, "wan": 2}[name]]
        assert len(became) <= 2, became


@pytest.mark.full
def test_better_node_preempts_only_with_preempt(pair):
    pair.configure(advskew=PREEMPTING)
    pair.one.launch().wait_up()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"))
    pair.two.launch().wait_up()
    pair.wait_sync()
    time.sleep(1)
    assert pair.master() is pair.one, str(pair)
    pair.two.stop()
    pair.two.configure(advskew=PREEMPTING[1], preempt=True)
    pair.two.launch().wait_up()
    pair.wait_master(pair.two)


def test_one_cable_moves_everything(lab, pair):
    """An interface down: the other vhosts follow, with or without preempt."""
    pair.start()
    lab.cut("gw1", "wan")
    pair.wait_master(pair.two)
    status = pair.one.status()
    states = {c["name"]: c["state"] for c in status["carp"]}
    assert states == {"lan": "BACKUP", "wan": "INIT"}, states
    assert status["demotion"]["total"] >= 1
    lab.restore("gw1", "wan")
    wait_for("fw1 is backup", lambda: pair.one.is_all("BACKUP"))
    assert pair.one.status()["demotion"]["total"] == 0


def test_no_peer_no_following(lab, pair):
    """Without a peer to take over, the healthy vhost stays MASTER."""
    pair.configure()
    pair.one.launch().wait_up()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"))
    lab.cut("gw1", "wan")
    wait_for("wan is down", lambda: pair.one.states()["wan"] == "INIT")
    time.sleep(1)
    assert pair.one.states()["lan"] == "MASTER"


def test_many_vhosts_on_one_interface(lab, pair):
    """Several vhids of one daemon elect each for itself and go together."""
    extra = "\n".join(
        'carp "v%d" {\n\tinterface = "lan"\n\tvhid = %d\n\tpass = "secret"\n'
        '\taddresses = { "10.1.0.%d/24" }\n\tadvbase = 0\n\tadvskew = %d\n}'
        % (i, i, i, SKEW["gw1"]) for i in range(20, 24))
    pair.start(top=extra)
    assert len(pair.one.states()) == 6
    got = lab.tools.neighbour("client", "10.1.0.22", "arp", 3, 100)
    assert got["macs"] == ["00:00:5e:00:01:16"], got
    pair.one.stop()
    pair.wait_master(pair.two)
    got = lab.tools.neighbour("client", "10.1.0.22", "arp", 3, 100)
    assert got["macs"] == ["00:00:5e:00:01:16"], got


def test_demote(pair):
    """`statesync demote` moves mastership to a healthy peer, even without
    preempt, and gives back exactly what it took."""
    pair.start()
    assert pair.one.tool("demote", 1)[0] == 0
    pair.wait_master(pair.two)
    assert pair.one.status()["demotion"]["total"] == 1
    assert pair.one.tool("demote", "--", -1)[0] == 0
    assert pair.one.status()["demotion"]["total"] == 0
    time.sleep(0.5)
    assert pair.master() is pair.two
