# SPDX-License-Identifier: GPL-3.0-or-later
"""A daemon that stops leaves nothing of its own behind."""

import signal
import time

import pytest

from lab import wait_for
from tiers import full


def normal(footprint):
    """Without what the kernel itself does some time after a device is up."""
    lines = {}
    for key, text in footprint.items():
        lines[key] = sorted(x for x in text.splitlines()
                            if "fe80:" not in x and "ff00::/8" not in x)
    return lines


def stop_and_compare(lab, node, before):
    assert node.stop() is not None
    after = normal(lab.footprint(node.host))
    for key in before:
        assert after[key] == before[key], key


def test_nothing_is_left_of_a_master(lab, pair):
    before = normal(lab.footprint("gw1"))
    pair.configure()
    pair.one.launch().wait_up()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"))
    assert normal(lab.footprint("gw1")) != before
    stop_and_compare(lab, pair.one, before)


@pytest.mark.full
def test_nothing_is_left_of_a_backup(lab, pair):
    before = normal(lab.footprint("gw2"))
    pair.start()
    stop_and_compare(lab, pair.two, before)


def test_user_values_are_put_back(lab, pair):
    """Sysctls that the user had set come back as they were."""
    lab.sysctl("gw1", **{"net.ipv4.conf.lan.arp_announce": 1,
                         "net.ipv4.conf.wan.arp_ignore": 1})
    before = normal(lab.footprint("gw1"))
    pair.configure()
    pair.one.launch().wait_up()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"))
    stop_and_compare(lab, pair.one, before)


@pytest.mark.full
@pytest.mark.flows(30000)
@pytest.mark.parametrize("who", ["sender", full("receiver")])
def test_sigterm_during_a_bulk(lab, pair, who):
    host = {"sender": "gw1", "receiver": "gw2"}[who]
    before = normal(lab.footprint(host))
    pair.configure()
    pair.one.launch().wait_up()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"))
    lab.tools.fill(30000)
    lab.slow("link")
    pair.two.launch().wait_up()
    wait_for("a bulk runs", lambda: pair.two.peer().get(
        "bulk", {}).get("state") == "running", 10, 0.001)
    start = time.monotonic()
    stop_and_compare(lab, lab.nodes[host], before)
    assert time.monotonic() - start < 3
    if who == "sender":
        pair.wait_master(pair.two)


def test_after_a_crash_the_next_start_cleans_up(lab, pair):
    """SIGKILL leaves a route, a MAC and sysctls; the next run takes them
    over, and its stop removes them."""
    before = normal(lab.footprint("gw1"))
    pair.configure()
    pair.one.launch().wait_up()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"))
    pair.one.kill()
    pair.one.launch().wait_up()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"))
    stop_and_compare(lab, pair.one, before)


@pytest.mark.full
def test_after_a_crash_with_another_configuration(lab, pair):
    """What is no more in the configuration goes at the start, and what was
    there before it comes back at the end."""
    before = normal(lab.footprint("gw1"))
    pair.configure()
    pair.one.launch().wait_up()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"))
    pair.one.kill()
    assert "10.2.0.1" in str(lab.footprint("gw1"))
    pair.one.configure(carps=("lan",), address="10.1.0.9/24")
    pair.one.launch().wait_up()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"))
    now = str(lab.footprint("gw1"))
    assert "10.2.0.1 " not in now and "10.1.0.1 " not in now
    assert "00:00:5e:00:01:02" not in now
    stop_and_compare(lab, pair.one, before)


def test_the_owned_table_stands_a_flush(lab, pair):
    """`nft flush ruleset` by others takes nothing of ours away."""
    pair.start()
    before = pair.transitions()
    lab.run("gw1", "nft", "flush", "ruleset", check=False)
    time.sleep(1)
    pair.wait_master(pair.one)
    assert pair.transitions() == before
    got = lab.tools.neighbour("client", "10.1.0.1", "echo", 5, 100,
                              mac="00:00:5e:00:01:01")
    assert got["answered"] == 5, got


@pytest.mark.full
def test_sigint_is_sigterm(lab, pair):
    before = normal(lab.footprint("gw1"))
    pair.start()
    pair.one.signal(signal.SIGINT)
    pair.one.reap()
    pair.wait_master(pair.two)
    after = normal(lab.footprint("gw1"))
    assert after == before
