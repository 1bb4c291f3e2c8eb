# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes follow the master: contrib/examples/bird with the real BIRD on both
gateways, and on the router that they speak BGP with."""

import shutil

import pytest

from bgp import EXAMPLES, Bird, adapt, begin, names, start, wait_routes
from pair import Traffic

pytestmark = [pytest.mark.full,
              pytest.mark.skipif(not shutil.which("bird"),
                                 reason="no bird2")]


@pytest.fixture
def birds(lab):
    text = (EXAMPLES / "bird/bird.conf").read_text()
    running = begin(lab, lambda host: Bird(lab, host, adapt(
        text, ("log syslog", "log stderr"), ("eth1", "wan"), *names(host))))
    yield
    for bird in running:
        bird.close()


@pytest.mark.parametrize("way", ["handover", "lan cut", "machine lost"])
def test_routes_follow_the_master(lab, pair, birds, way):
    start(lab, pair, "bird")
    traffic = Traffic(lab)
    pair.wait_equal(30)
    lab.freeze()
    traffic.begin(way)
    if way == "handover":
        assert pair.one.tool("handover")[0] == 0
    elif way == "lan cut":
        lab.cut("gw1", "lan")
    else:
        lab.lose("gw1")
    pair.wait_master(pair.two, 40)
    wait_routes(lab, "gw2")
    traffic.goes_on(30)
    traffic.finish()


def test_who_hears_no_router_yields(lab, pair, birds):
    start(lab, pair, "bird")
    lab.nft("gw1", "insert rule inet fw input iifname \"wan\" tcp dport 179"
            " drop; insert rule inet fw input iifname \"wan\" udp dport 3784"
            " drop; insert rule inet fw input iifname \"wan\" tcp sport 179"
            " drop")
    pair.wait_master(pair.two, 40)
    wait_routes(lab, "gw2")
