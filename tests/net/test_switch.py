# SPDX-License-Identifier: GPL-3.0-or-later
"""A switch that soon forgets where a MAC address is: what is sent to the
virtual one reaches the master's port, and floods no other."""

import re
import time

import pytest

from lab import OWN, wait_for
from node import VIRTUAL_MAC

pytestmark = pytest.mark.full
AGEING_S = 2
UNICAST = tuple('peer = { "%s" }' % OWN[gw]["lan"] for gw in ("gw2", "gw1"))


def flooded(lab, port):
    """Frames to the virtual MAC that the switch has sent there."""
    text = lab.run("switch", "nft", "list", "counter", "bridge", "flood",
                   port)
    return int(re.search(r"packets (\d+)", text).group(1))


def count_floods(lab):
    lab.nft("switch", """
table bridge flood {
	counter gw1 { }
	counter gw2 { }
	chain out { type filter hook forward priority 0
		ether daddr %s oifname "lan-gw1" counter name gw1
		ether daddr %s oifname "lan-gw2" counter name gw2
	}
}""" % (VIRTUAL_MAC["lan"], VIRTUAL_MAC["lan"]))


@pytest.mark.parametrize("carp", ["", UNICAST], ids=["multicast", "unicast"])
def test_it_is_not_forgotten(lab, pair, carp):
    """Adverts keep it known, whichever way they go, also after a handover. It
    is only them: the client remembers the address and asks nobody."""
    lab.ip("switch", "link", "set", "br-lan", "type", "bridge", "ageing_time",
           str(100 * AGEING_S))
    pair.start(carp=carp, carps=("lan",))
    count_floods(lab)
    lab.ip("client", "neigh", "replace", "10.1.0.1", "lladdr",
           VIRTUAL_MAC["lan"], "dev", "eth0", "nud", "permanent")
    for master, port, other in ((pair.one, "gw1", "gw2"),
                                (pair.two, "gw2", "gw1")):
        time.sleep(2 * AGEING_S)
        was = flooded(lab, port), flooded(lab, other)
        lab.run("client", "ping", "-c5", "-i0.5", "-W1", "10.1.0.1")
        assert flooded(lab, port) >= was[0] + 5
        assert flooded(lab, other) == was[1]
        if master is pair.one:
            assert pair.one.tool("handover")[0] == 0
            wait_for("fw2 is master", lambda: pair.two.is_all("MASTER"), 5)
            pair.wait_sync()
