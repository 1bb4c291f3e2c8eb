# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes follow the master: contrib/examples/frr with the real FRR on both
gateways, and BIRD on the router that they speak BGP with."""

import shutil
from pathlib import Path

import pytest

from bgp import EXAMPLES, Frr, adapt, begin, names, start, wait_routes
from pair import Traffic

pytestmark = [pytest.mark.full,
              pytest.mark.skipif(not shutil.which("bird")
                                 or not Path("/usr/lib/frr/zebra").exists(),
                                 reason="no bird2, or no frr")]


@pytest.fixture
def frr(lab):
    text = (EXAMPLES / "frr/frr.conf").read_text()
    running = begin(lab, lambda host: Frr(lab, host, adapt(
        text, ("log syslog", "log stdout"),
        ("192.0.2.100/32", "10.2.0.1/32"), *names(host))))
    yield
    for daemons in running:
        daemons.close()


@pytest.mark.parametrize("way", ["handover", "machine lost"])
def test_routes_follow_the_master(lab, pair, frr, way):
    start(lab, pair, "frr")
    traffic = Traffic(lab)
    pair.wait_equal(30)
    lab.freeze()
    traffic.begin(way)
    if way == "handover":
        assert pair.one.tool("handover")[0] == 0
    else:
        lab.lose("gw1")
    pair.wait_master(pair.two, 40)
    wait_routes(lab, "gw2")
    traffic.goes_on(30)
    traffic.finish()
