# SPDX-License-Identifier: GPL-3.0-or-later
"""nftables sets that the configuration names: their elements are on the other
node with what is left of their time, and whoever is blocked stays blocked.

Every number that `nft` shows is compared with the other node's, never with
what the daemons say of themselves.
"""

import json
import re
import time

import pytest

from lab import wait_for

SETS = """
table inet guard {
	set block { type ipv4_addr; flags timeout; }
	set seen { type ipv4_addr; flags dynamic,timeout; timeout 10m; size 65535; }
	set rates { type ipv4_addr; flags dynamic,timeout; timeout 1m; size 1000; }
	set nets { type ipv4_addr; flags interval,timeout; }
	set pairs { type ipv4_addr . inet_service; flags interval,timeout; }
	set plain { type inet_proto; }
	map where { type ipv4_addr : ipv4_addr; flags timeout; }
	map what { type ipv4_addr : verdict; flags timeout; }
	set unnamed { type ipv4_addr; flags timeout; }
	chain guards {
		type filter hook prerouting priority raw + 5
		ip saddr @block drop
		ip daddr 10.2.0.100 udp dport 7777 update @seen { ip saddr timeout 5m }
		ip daddr 10.2.0.100 udp dport 7778 delete @seen { ip saddr }
		ip daddr 10.2.0.100 udp dport 7779 add @rates { ip saddr limit rate over 100/second burst 5 packets } drop
	}
}
"""
NAMES = ("block", "seen", "rates", "nets", "pairs", "plain", "where", "what")
PERIOD = 1.0


def conf(names=NAMES, period="1s"):
    return "sync {\n\tsets = { %s }\n\tsets-period = \"%s\"\n}" % (
        ", ".join('"inet guard %s"' % n for n in names), period)


@pytest.fixture
def guarded(lab, pair):
    """Both nodes with the same sets, and daemons that name them."""
    for host in ("gw1", "gw2"):
        lab.nft(host, SETS)
    pair.start(top=conf())
    return pair


def words(duration):
    """Seconds of "1h2m3s4ms"."""
    units = {"d": 86400, "h": 3600, "m": 60, "s": 1, "ms": 0.001}
    return sum(int(n) * units[u]
               for n, u in re.findall(r"(\d+)(ms|[dhms])", duration))


def listed(lab, host, name):
    """{element: seconds left, None where it stays}, as nft lists them."""
    for kind in ("set", "map"):
        text = lab.run(host, "nft", "list", kind, "inet", "guard", name,
                       check=False)
        if text:
            break
    found = re.search(r"elements = \{(.*?)\}", text, re.S)
    out = {}
    for item in found.group(1).split(",") if found else ():
        left = re.search(r" expires (\S+)", item)
        out[" ".join(re.sub(r" expires \S+", "", item).split())] = (
            words(left.group(1)) if left else None)
    return out


def same(a, b, slack=1.5):
    return a.keys() == b.keys() and all(
        (a[k] is None) == (b[k] is None) and
        (a[k] is None or abs(a[k] - b[k]) < slack) for k in a)


def add(lab, host, name, text):
    lab.nft(host, "add element inet guard %s { %s }" % (name, text))


def wait_same(lab, name, timeout=5, want=None):
    """The set is the same on both nodes, and has so many elements."""
    last = {}

    def equal():
        last["gw1"] = listed(lab, "gw1", name)
        last["gw2"] = listed(lab, "gw2", name)
        return same(last["gw1"], last["gw2"]) and (
            want is None or len(last["gw1"]) == want)
    try:
        wait_for("same", equal, timeout, 0.05)
    except AssertionError:
        raise AssertionError("%s differs: %s" % (name, last)) from None
    return last["gw2"]


def of(node, name):
    """What the node's status says of a set."""
    return next(s for s in node.status()["sets"]
                if s["name"] == "inet guard " + name)


def test_what_a_user_adds_and_deletes(lab, guarded):
    """It is there within a second, with what is left of its time; a comment,
    another timeout and the removal follow."""
    began = time.monotonic()
    add(lab, "gw1", "block", '192.0.2.1 timeout 1h comment "ssh"')
    got = wait_same(lab, "block", 2, 1)
    assert time.monotonic() - began < 2
    assert list(got) == ['192.0.2.1 timeout 1h comment "ssh"'], got
    add(lab, "gw1", "block", "192.0.2.2 timeout 2h expires 90s, 192.0.2.3")
    got = wait_same(lab, "block", 2, 3)
    assert 85 < got["192.0.2.2 timeout 2h"] < 90, got
    assert got["192.0.2.3"] is None
    lab.nft("gw1", "delete element inet guard block { 192.0.2.1 }")
    assert "192.0.2.1" not in str(wait_same(lab, "block", 2, 2))
    lab.nft("gw1", "flush set inet guard block")
    wait_same(lab, "block", 2, 0)
    assert of(guarded.two, "block")["applied"] == 3
    assert not any(of(guarded.two, "block")["refused"].values())
