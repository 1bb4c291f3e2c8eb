# SPDX-License-Identifier: GPL-3.0-or-later
"""Many addresses: a takeover of them all keeps no vhost from its adverts, and
takes no longer than it may. A vhost has at most 32 of each family."""

import time

import pytest

from lab import wait_for
from tap import Tap, is_advert
from test_lease import longest_gap_ms
from vhosts import configure, vhost

pytestmark = pytest.mark.full
SKEW = {"gw1": 160, "gw2": 180}  # intervals of 625 and 703 ms
LEASE = 2.5 * min(SKEW.values()) / 256
DOWN = 3 * SKEW["gw2"] / 256
EACH_S = 0.005  # an address may take: what the kernel is told of it


def shared(i, count):
    """The addresses of one of the vhosts; none is another host's."""
    return ["10.1.%d.%d/16" % (32 + i, 1 + k) for k in range(count)]


def start(pair, vhosts, addresses):
    for node in pair.both():
        configure(node, *(
            vhost("v%d" % i, 1 + i, shared(i, addresses),
                  advskew=SKEW[node.host]) for i in range(vhosts)), link=True)
    pair.one.launch().wait_up(20)
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"), 30, 0.2)
    pair.two.launch().wait_up(20)
    pair.wait_sync(60)


@pytest.mark.parametrize("how", ["kill", "handover"])
@pytest.mark.parametrize("vhosts, addresses", [(1, 32), (7, 29), (32, 7)])
def test_takeover(lab, pair, vhosts, addresses, how):
    start(pair, vhosts, addresses)
    with Tap(lab, "gw2", "lan", is_advert) as tap:
        begun = time.monotonic()
        if how == "kill":
            pair.one.kill()
        else:
            code, out, err = pair.one.tool("handover")
            assert code == 0, out + err
        wait_for("fw2 has them all", lambda: pair.two.is_all("MASTER"), 30,
                 0.05)
        took = time.monotonic() - begun
        time.sleep(2)
        assert pair.two.is_all("MASTER"), "it did not stay so"
    gaps = [longest_gap_ms([f for f in tap.frames if f[1][35] == 1 + i])
            for i in range(vhosts)]
    answered = [lab.tools.neighbour("client", a.split("/")[0], "arp", 1)
                ["answered"] for i in (0, vhosts - 1)
                for a in shared(i, addresses)[::addresses - 1]]
    print("took %.2f s, longest gap %.0f ms" % (took, max(gaps)))
    assert all(0 < gap < 1000 * LEASE for gap in gaps), gaps
    assert all(answered), answered
    assert took < ((DOWN if how == "kill" else 0)
                   + 0.5 + EACH_S * vhosts * addresses), took
