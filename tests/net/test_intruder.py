# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody who has the key of the link. He is the peer: he can have the state
and the mastership, as the peer can. What he cannot: have what is nobody's put
into the kernel's table, or bring the node down."""

import time

import pytest

from lab import wait_for
from test_listeners import Undisturbed
from tiers import full


@pytest.fixture
def alone(lab, pair):
    """fw2 is master, and what calls itself fw1 is not."""
    pair.start()
    assert pair.one.tool("handover")[0] == 0
    pair.wait_master(pair.two)
    pair.wait_sync()
    pair.one.stop()
    return pair


def intrude(lab, node, mode, seconds=6):
    """As fw1, with its key, from its address."""
    return lab.tools.start(
        "intruder", "-n", lab.ns("gw1"), "-k", str(node.key), "-b",
        "10.9.0.1:0", "-a", "10.9.0.2:3790", "-m", mode, "-t", seconds)


@pytest.mark.parametrize("mode", ["flows", "asks", full("bulks"),
                                  full("garbage")])
def test_who_has_the_key_and_talks_nonsense(lab, alone, mode):
    """The master stays master, answers, forwards, and keeps its memory; when
    the real peer is back all is as before."""
    pair, node = alone, alone.two
    lab.tools.fill(500)
    flows = lab.flows("gw2")
    calm = Undisturbed(node, share=1.5)  # it may take what is left over
    attack = intrude(lab, pair.one, mode)
    time.sleep(3)
    begun = time.monotonic()
    assert node.status() is not None
    print("status took %.2f s" % (time.monotonic() - begun))
    got = lab.tools.neighbour("client", "10.1.0.1", "arp", 5, 100)
    report = attack.result()
    print(mode, report)
    assert report["ups"] >= 1 and report["said"] > 100, report
    assert got["answered"] == 5, got
    # 16 MB may wait for whoever does not read
    calm.check(kb=24 * 1024 if mode in ("asks", "bulks") else 2048)
    if mode == "flows":
        assert lab.flows("gw2") <= flows + 50
        table = lab.run("gw2", "conntrack", "-L")
        told = [line for line in table.splitlines()
                if "=10.1.0.7 " in line or "=198.51.100.1 " in line]
        assert not told, told
        assert node.status()["flows"]["refused_own"] > report["said"] / 2
    pair.one.launch().wait_up()
    pair.wait_sync(30)
    pair.wait_equal(30)
    assert pair.master() is node


@pytest.mark.full
def test_who_has_the_key_beside_the_peer(lab, pair):
    """Two that call themselves fw1: the newer connection counts, each time.
    The backup has no sync meanwhile, nothing else; and has it afterwards."""
    pair.start()
    before = pair.transitions()
    report = intrude(lab, pair.one, "flows", 5).result()
    assert report["ups"] >= 1, report
    assert pair.master() is pair.one and pair.transitions() == before
    wait_for("two is there", lambda: pair.two.is_all("BACKUP"), 5)
    pair.wait_sync(30)
    lab.tools.fill(200)
    pair.wait_equal(30)
