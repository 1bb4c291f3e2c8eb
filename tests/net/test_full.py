# SPDX-License-Identifier: GPL-3.0-or-later
"""A standby whose connection table is full says so, carries what it has, and
has the rest as soon as there is room (rules 5). On a master it is no reason to
go: what it has is served, and what is new would not fit the state of another
one that is as full."""

import time

import pytest

from lab import OWN, wait_for
from talk import Talk
from test_faults import processor_s

MAX = "/proc/sys/net/netfilter/nf_conntrack_max"
DATAGRAM = ("-I -p udp -s 10.%d.%d.%d -d " + OWN["gw2"]["lan"] + " --sport 1"
            " --dport 9 -t 600 -u SEEN_REPLY,ASSURED\n")


def fill_up(lab, host):
    """Entries of the host's own address are nobody's affair but its; assured,
    none of them makes room for another one."""
    most = int(lab.run(host, "cat", MAX))
    path = lab.dir / "entries"
    with open(path, "w") as f:
        for i in range(most - lab.flows(host) + 10):
            f.write(DATAGRAM % (100 + i // 65536, i // 256 % 256, i % 256))
    lab.run(host, "conntrack", "-R", path, check=False)
    assert lab.flows(host) >= most


def make_room(lab, host):
    lab.run(host, "sh", "-c", "conntrack -D -d %s >/dev/null 2>&1"
            % OWN["gw2"]["lan"])


@pytest.mark.full
def test_a_full_table(lab, pair):
    pair.start()
    talk = Talk(lab, 9001)
    late = None
    try:
        lab.tools.fill(200)
        pair.wait_equal()
        fill_up(lab, "gw2")
        late = Talk(lab, 9002)
        lab.tools.fill(300, first=1000)
        wait_for("it is seen", lambda: pair.two.status()["flows"]["failed"]
                 ["table_full"] >= 300)
        assert ("the connection table is full: flows of fw1 are missing here. "
                "sysctl -w net.netfilter.nf_conntrack_max"
                in pair.two.tail()), pair.two.tail()
        assert pair.two.tail().count("table is full") == 1
        assert "full" in pair.two.peer()["rx"]["gap"]
        code, out, err = pair.one.tool("verify")
        assert code == 1, out + err

        make_room(lab, "gw2")
        pair.wait_sync()
        pair.wait_equal(60)
        for node in pair.both():
            code, out, err = node.tool("verify")
            assert code == 0, out + err
        lab.freeze()
        assert pair.one.tool("handover")[0] == 0
        pair.wait_master(pair.two)
        for one in (talk, late):
            one.goes_on()
    finally:
        for one in (talk, late):
            if one:
                one.close()


@pytest.mark.full
def test_who_is_full_takes_over_from_a_dead_master(lab, pair):
    """What it has goes on; it is no reason to leave the office without."""
    pair.start()
    talk = Talk(lab, 9001)
    try:
        pair.wait_equal()
        fill_up(lab, "gw2")
        lab.tools.fill(100)
        wait_for("it is seen", lambda: not pair.two.in_sync())
        lab.freeze()
        pair.one.kill()
        pair.wait_master(pair.two)
        talk.goes_on()
    finally:
        talk.close()


@pytest.mark.full
def test_a_full_master(lab, pair):
    """New flows fail there, and nothing else: it goes on with those it has,
    is not demoted, does not spin, says how full it is, and hands over to a
    node where there is room. Adverts are not tracked, as in the example: the
    first of another node would not fit, either."""
    for host in ("gw1", "gw2"):
        lab.nft(host, "add rule inet fw untracked_in meta l4proto 112 notrack")
    pair.start()
    talk = Talk(lab, 9001)
    late = None
    try:
        pair.wait_equal()
        before = pair.transitions()
        fill_up(lab, "gw1")
        used = processor_s(pair.one)
        start = time.monotonic()
        with pytest.raises(OSError):
            Talk(lab, 9002, patience=3)
        used = processor_s(pair.one) - used
        assert used < 0.3 * (time.monotonic() - start), "spins: %g s" % used
        talk.goes_on()
        assert pair.one.status()["demotion"]["total"] == 0
        assert pair.transitions() == before and pair.master() is pair.one
        assert "table" in pair.one.tool("check")[1]
        assert pair.one.tool("handover")[0] == 0
        pair.wait_master(pair.two)
        late = Talk(lab, 9003)
        for one in (talk, late):
            one.goes_on()
        time.sleep(5)
        assert pair.master() is pair.two, str(pair)
        make_room(lab, "gw1")
        pair.wait_sync()
    finally:
        for one in (talk, late):
            if one:
                one.close()
