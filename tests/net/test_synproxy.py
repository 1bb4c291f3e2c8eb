# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections whose SYN a gateway answered for the server (synproxy) go on
after a failover: the sequence numbers and timestamps that the two ends do not
know of each other are adjusted by what the peer was told."""

import pytest

from talk import Talk
from test_failover import WAYS
from test_order import BOTH, SERVER6
from tiers import full

# The lab's rules translate all but 9300 to 9399.
RULES = """
table inet syn {
	chain before {
		type filter hook prerouting priority raw
		iifname "lan" tcp dport { 9301, 9701 } tcp flags & (fin|syn|rst|ack) == syn notrack
	}
	chain answer {
		type filter hook forward priority filter - 1
		iifname "lan" tcp dport { 9301, 9701 } ct state invalid,untracked synproxy mss 1460 wscale 7 timestamp sack-perm
	}
}
"""
CONNECTIONS = (("10.2.0.100", 9301), ("10.2.0.100", 9701), (SERVER6, 9301))


def answered(lab, host):
    """Handshakes that the host's kernel ended itself (the cookie was good)."""
    head, *cpus = lab.run(host, "cat", "/proc/net/stat/synproxy").splitlines()
    column = head.split().index("cookie_valid")
    return sum(int(cpu.split()[column], 16) for cpu in cpus)


@pytest.mark.parametrize("way", ["handover", full("lan cut"),
                                 full("SIGKILL")])
def test_synproxy(lab, pair, way):
    lab.ipv6()
    for host in ("gw1", "gw2"):
        lab.nft(host, RULES)
    pair.start(address=BOTH)
    talks = []
    try:
        for server, port in CONNECTIONS:
            talks.append(Talk(lab, port, server))
        assert answered(lab, "gw1") == len(CONNECTIONS)
        for talk in talks:
            talk.goes_on()
        pair.wait_equal()
        lab.freeze()
        WAYS[way](lab, pair.one)
        pair.wait_master(pair.two)
        for talk in talks:
            talk.goes_on()
        if way == "handover":
            pair.wait_sync()
            assert pair.two.tool("handover")[0] == 0
            pair.wait_master(pair.one)
            for talk in talks:
                talk.goes_on()
    finally:
        for talk in talks:
            talk.close()
