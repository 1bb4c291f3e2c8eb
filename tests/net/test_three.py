# SPDX-License-Identifier: GPL-3.0-or-later
"""Three nodes: each has a link, a session and a bulk with each other one."""

import time

import pytest

from lab import wait_for
from pair import Traffic

pytestmark = pytest.mark.lab(gateways=3)


@pytest.mark.full
def test_one_after_the_other_dies(lab, trio):
    """Connections outlive two of the three nodes."""
    trio.start()
    assert trio.two.is_all("BACKUP") and trio.three.is_all("BACKUP")
    traffic = Traffic(lab)
    traffic.begin()
    trio.wait_equal(trio.one, trio.three)
    lab.lose("gw1")
    trio.wait_master(trio.two)
    traffic.goes_on()
    # nobody waits for the dead one
    trio.wait_sync(trio.three, trio.two)
    assert trio.three.status()["hold"] is None
    lab.lose("gw2")
    trio.wait_master(trio.three)
    traffic.goes_on()
    traffic.finish()


@pytest.mark.full
def test_dead_one_comes_back(lab, trio):
    """It takes a bulk from whoever is master, and goes on when that dies."""
    trio.start()
    lab.tools.fill(3000)
    traffic = Traffic(lab)
    traffic.begin()
    for dead, heir in ((trio.one, trio.two), (trio.two, trio.one),
                       (trio.one, trio.two)):
        lab.lose(dead.host)
        trio.wait_master(heir, 15)
        lab.freeze(*(n.host for n in trio.running()))
        traffic.goes_on()
        lab.thaw(*(n.host for n in trio.running()))
        lab.rebuild(dead.host)
        dead.launch().wait_up()
        for node in trio.running():
            if node is not heir:
                trio.wait_sync(node, heir)
                trio.wait_equal(heir, node)
        assert dead.peer(heir.name)["bulk"]["state"] == "done"
        assert trio.masters() == [heir], str(trio)
    traffic.finish()


def lags(trio, node, seconds):
    """What the master says of its stream to a node, in ms, sorted."""
    seen = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        peer = trio.one.peer(node.name)
        seen.append(peer["lag_ms"])
        assert not peer["tx"]["gap"], peer
        time.sleep(0.01)
    return sorted(seen)


def typical(values):
    return values[len(values) * 9 // 10]


@pytest.mark.full
@pytest.mark.flows(130000)
def test_third_joins_and_slows_nobody(lab, trio):
    """While the third takes the table the second hears of new connections
    as ever, and is in sync all the time."""
    trio.start([trio.one, trio.two])
    lab.tools.fill(120000)
    churn = lab.tools.churn(500, 60, "-k")
    before = lags(trio, trio.two, 3)
    memory = trio.one.memory_kb()
    trio.three.launch().wait_up()
    joining, busy = [], 0
    while not trio.three.peer("fw1").get("in_sync"):
        busy += trio.one.peer("fw3").get("state") == "bulk"
        joining += lags(trio, trio.two, 0.05)
        assert trio.one.peer("fw2")["in_sync"]
        assert len(joining) < 5000, "the third never gets there"
    joining.sort()
    churn.interrupt()
    print("lag of the second, 90 %%: %.1f ms before, %.1f ms while the third "
          "joins (%d looks, most %.1f ms); memory %d -> %d kB"
          % (typical(before), typical(joining), len(joining), joining[-1],
             memory, trio.one.memory_kb()))
    assert busy, "the bulk was over before anybody looked"
    assert typical(joining) < 3 * typical(before) + 100
    assert trio.one.memory_kb() < memory + 8192
    for node in (trio.two, trio.three):
        trio.wait_sync(node, trio.one)
        trio.wait_equal(trio.one, node)


@pytest.mark.full
@pytest.mark.flows(30000)
def test_third_hangs(lab, trio):
    """One that hangs holds nothing back for the other: it is given up, and
    asks for all of it when it wakes."""
    trio.start()
    lab.tools.fill(5000)
    churn = lab.tools.churn(1000, 60, "-k")
    before = lags(trio, trio.two, 2)
    memory = trio.one.memory_kb()
    trio.three.hang()
    hanging = lags(trio, trio.two, 6)
    print("lag of the second, 90 %%: %.1f ms before, %.1f ms beside one that "
          "hangs (most %.1f ms); memory %d -> %d kB"
          % (typical(before), typical(hanging), hanging[-1], memory,
             trio.one.memory_kb()))
    # it is given up after 2 s
    assert hanging[-1] < 1500 and typical(hanging) < typical(before) + 400
    assert trio.one.memory_kb() < memory + 16384
    assert trio.one.peer("fw2")["in_sync"]
    assert trio.one.peer("fw3")["state"] != "live"
    assert trio.two.status()["ready"], "held by one that hangs"
    trio.three.wake()
    churn.interrupt()
    for node in (trio.two, trio.three):
        trio.wait_sync(node, trio.one)
        trio.wait_equal(trio.one, node)


@pytest.mark.full
def test_equals_and_a_bow_out(lab, trio):
    """The same advskew everywhere: one master, and one heir of it."""
    trio.configure(advskew=80, preempt=True)
    for node in trio.nodes:
        node.launch()
    for node in trio.nodes:
        node.wait_up()
    master = trio.wait_a_master()
    heirs = [n for n in trio.nodes if n is not master]
    for node in heirs:
        trio.wait_sync(node, master)
    time.sleep(2)
    assert trio.masters() == [master]
    before = sum(n.transitions("lan") for n in heirs)
    master.stop()
    heir = trio.wait_a_master(5)
    assert heir in heirs
    time.sleep(2)
    assert trio.masters() == [heir], str(trio)
    # one transition, of the one that took it
    assert sum(n.transitions("lan") for n in heirs) == before + 1


def block(lab, host, *others):
    """No packet of the link from these gets to a host."""
    lab.nft(host, """
        table ip cut {
            chain in {
                type filter hook prerouting priority -400
                iifname "link" ip saddr { %s } drop
            }
        }""" % ", ".join("10.9.0.%s" % o[-1] for o in others))


@pytest.mark.full
def test_one_link_of_three_is_dead(lab, trio):
    """Who does not hear the master holds, the other one does not; nobody
    moves, and a handover goes to the one that has the state."""
    trio.start()
    traffic = Traffic(lab)
    traffic.begin()
    before = trio.transitions()
    block(lab, "gw2", "gw1")
    wait_for("fw2 holds", lambda: not trio.two.status()["ready"])
    time.sleep(1)
    assert trio.two.status()["hold"]["reason"] == "link"
    assert trio.three.status()["ready"]
    assert trio.three.peer("fw2")["state"] == "live"
    assert trio.transitions() == before
    code, out, err = trio.one.tool("handover", "--to", "fw2")
    assert code == 1 and "fw2" in err, (out, err)
    code, out, err = trio.one.tool("handover")
    assert code == 0 and "fw1 -> fw3" in out, (out, err)
    trio.wait_master(trio.three)
    traffic.goes_on()
    # the new master reaches both
    for node in (trio.one, trio.two):
        trio.wait_sync(node, trio.three)
    lab.nft("gw2", "delete table ip cut")
    wait_for("the link is back", lambda: trio.two.peer("fw1")["in_sync"])
    code, out, err = trio.three.tool("handover", "--to", "fw2")
    assert code == 0 and "fw3 -> fw2" in out, (out, err)
    trio.wait_master(trio.two)
    traffic.goes_on()
    traffic.finish()


@pytest.mark.full
def test_heir_with_the_better_copy(lab, trio):
    """The one that would be first has not heard the master for a while; the
    connections made since are with the other one, which goes before it."""
    trio.start()
    block(lab, "gw2", "gw1")
    wait_for("fw2 holds", lambda: not trio.two.status()["ready"])
    time.sleep(6)
    traffic = Traffic(lab)
    traffic.begin()
    trio.wait_equal(trio.one, trio.three)
    lab.lose("gw1")
    trio.wait_master(trio.three)
    lab.freeze("gw2", "gw3")
    traffic.goes_on()
    trio.wait_sync(trio.two, trio.three)
    traffic.finish()


def test_status_shows_all(trio):
    trio.start()
    status = trio.one.status()
    assert [p["name"] for p in status["peers"]] == ["fw2", "fw3"]
    assert all(p["in_sync"] for p in status["peers"])
    _, screen, _ = trio.one.tool("status")
    first = screen.splitlines()[0]
    assert first.endswith("fw2 and fw3 are in sync and may take over now."), (
        screen)
    code, _, err = trio.one.tool("handover", "--to", "fw9")
    assert code == 2 and 'no peer "fw9"' in err
    trio.three.kill()
    wait_for("fw3 is missed", lambda: trio.one.tool("status")[0] == 1)
    _, screen, _ = trio.one.tool("status")
    assert "fw2 is in sync and may take over now" in screen.splitlines()[0]
    assert "fw3: link down for" in screen
    _, screen, _ = trio.two.tool("status")
    assert "in sync and may take over now" in screen.splitlines()[0]
    assert "fw3: link down for" in screen
    trio.two.kill()
    wait_for("it is alone", lambda: "NOT IN SYNC" in
             trio.one.tool("status")[1].splitlines()[0])
