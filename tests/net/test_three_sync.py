# SPDX-License-Identifier: GPL-3.0-or-later
"""Three nodes: each of two standbys is compared and mended on its own, sets
are on all of them, and what three masters had is on all when they meet."""

import pytest

from lab import SHARED, wait_for
from talk import Talk
from test_audit import flows_of_clients, numbers, tuple_of
from test_sets import listed
from test_split import cut_off, switch  # noqa: F401, a fixture

pytestmark = [pytest.mark.lab(gateways=3), pytest.mark.full]
SETS = """
table inet guard {
	set block { type ipv4_addr; flags timeout; }
}
"""
SYNC = """
sync {
	audit-period = "1s"
	sets = { "inet guard block" }
	sets-period = "1s"
}
"""


def test_audit(lab, trio):
    trio.start(top=SYNC.replace("sets", "# sets"))
    lab.tools.fill(300, 40)
    for node in (trio.two, trio.three):
        trio.wait_equal(trio.one, node)
    for node in trio.nodes:
        code, out, err = node.tool("verify", timeout=60)
        assert code == 0 and "EQUAL." in out, out + err
    line = next(f for f in flows_of_clients(lab, "gw3", "tcp")
                if "mark=0" in f)
    lab.run("gw3", "conntrack", "-U", *tuple_of(line), "-m", "99")
    wait_for("repaired", lambda: trio.one.peer("fw3")["audit"]
             ["repaired_differing"] == 1, 15)
    assert trio.one.peer("fw2")["audit"]["repaired_differing"] == 0
    trio.wait_equal(trio.one, trio.three)
    code, out, err = trio.one.tool("verify", "fw3", timeout=60)
    assert code == 0, out + err
    assert numbers(out) == {"missing": 0, "extra": 0, "differing": 0}, out


def test_sets(lab, trio):
    for host in lab.gateways:
        lab.nft(host, SETS)
    trio.start(top=SYNC)

    def everywhere(*elements):
        wait_for("%s everywhere" % (elements,), lambda: all(
            {e.split()[0] for e in listed(lab, n.host, "block")}
            == set(elements) for n in trio.running()))
    lab.nft("gw1", "add element inet guard block { 192.0.2.1 timeout 1h, "
            "192.0.2.2 }")
    everywhere("192.0.2.1", "192.0.2.2")
    lab.nft("gw1", "delete element inet guard block { 192.0.2.2 }")
    everywhere("192.0.2.1")
    trio.one.kill()
    trio.wait_master(trio.two)
    lab.nft("gw2", "add element inet guard block { 192.0.2.3 timeout 1h }")
    everywhere("192.0.2.1", "192.0.2.3")
    trio.one.launch().wait_up()
    trio.wait_sync(trio.one, trio.two)
    everywhere("192.0.2.1", "192.0.2.3")


def test_three_masters_become_one(lab, trio, switch):  # noqa: F811
    """Each serves for a while, on its side of a split that no wire crosses;
    what was begun anywhere goes on when they meet again."""
    trio.start()
    talks = []
    others = {h: [o for o in lab.gateways if o != h] for h in lab.gateways}
    try:
        talks.append(Talk(lab, 9001))
        cut_off(switch, *others["gw1"])
        wait_for("three masters: %s" % trio, lambda: all(
            n.is_all("MASTER") for n in trio.nodes), 15)
        for n, host in enumerate(lab.gateways):
            cut_off(switch, *others[host])
            wait_for("an answer of %s" % host, lambda: lab.tools.neighbour(
                "client", SHARED["lan"], "arp", 1, 200)["answered"])
            # the switch learns where it is
            wait_for("it forwards", lambda p=9002 + n: begun(lab, p, talks))
        assert len(talks) == 4
        switch()
        master = trio.wait_a_master()
        for node in trio.nodes:
            if node is not master:
                trio.wait_sync(node, master)
                trio.wait_equal(master, node)
        for talk in talks:
            talk.goes_on()
    finally:
        for talk in talks:
            talk.close()


def begun(lab, port, talks):
    try:
        talks.append(Talk(lab, port, patience=1))
    except OSError:
        return False
    return True
