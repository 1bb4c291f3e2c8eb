# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody else uses the number of a vhost: the daemon names who."""

import struct

import pytest

import carp
from lab import wait_for
from tiers import full

VRRP = {"VRRP 2": struct.pack("!BBBBBBH", 0x21, 1, 100, 1, 0, 1, 0)
        + bytes((10, 1, 0, 99)) + bytes(8),
        "VRRP 3": struct.pack("!BBBBHH", 0x31, 1, 100, 1, 100, 0)
        + bytes((10, 1, 0, 99))}


@pytest.mark.parametrize("payload, words", [
    (carp.advert(password="guess"), "do not match our password"),
    full(carp.advert(addresses=("10.1.0.99",)), "do not match our password"),
    *(full(p, "VRRP with number 1 comes from") for p in VRRP.values())],
    ids=["password", "addresses", *VRRP])
def test_it_is_named(lab, pair, payload, words):
    node = pair.one
    node.start(link=False)
    wait_for("master", lambda: node.is_all("MASTER"), 10)
    with lab.raw("client") as wire:
        for _ in range(3):
            wire.send(carp.frame(payload, src="10.1.0.77"))
    wait_for("the log has it", lambda: "10.1.0.77" in node.log.read_text(), 5)
    line = next(x for x in node.log.read_text().splitlines()
                if "10.1.0.77" in x)
    assert words in line and 'carp "lan"' in line, line
    assert "INCORRECT HASH" in line and "choose another vhid" in line
    assert node.log.read_text().count("10.1.0.77") == 1
    code, out, _ = node.tool("check")
    assert code == 1 and words in out and "10.1.0.77" in out, out
    assert node.is_all("MASTER")
