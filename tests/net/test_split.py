# SPDX-License-Identifier: GPL-3.0-or-later
"""Adverts are lost while the link tells of the master, and two masters that
hear each other again (rules 10, 11). The switch loses the packets: carriers
stay up."""

import socket
import time

import pytest

from lab import SHARED, wait_for
from node import VIRTUAL_MAC
from pair import SKEW, Ping
from talk import Talk

DOWN = 3 * SKEW["gw2"] / 256  # the backup's master-down time
LIMIT = 3
WAITS = "no adverts, but the link tells of a master"
UNHEARD = "no adverts, though the link tells of a master"
WORD = "the peer took over, it hears no adverts of this node"


@pytest.fixture
def switch(lab):
    """Rules of the switch, each set instead of the one before."""
    def rules(*lines, out=()):
        lab.nft("switch", """
table bridge split
delete table bridge split
table bridge split {
	chain in {
		type filter hook prerouting priority -300
		%s
	}
	chain out {
		type filter hook forward priority 0
		%s
	}
}
""" % ("\n\t\t".join(lines), "\n\t\t".join(out)))
    yield rules
    rules()


NO_ADVERTS = ("ip protocol 112 drop", "ip6 nexthdr 112 drop")


def lost_from(host, *cables):
    """Rules that lose what it sends, not what it hears."""
    return ['iifname "%s-%s" ip protocol 112 drop' % (cable, host)
            for cable in cables or SHARED]


NO_LINK = 'iifname { "link-gw1", "link-gw2", "link-gw3" } drop'


def cut_off(switch, *hosts):
    """Nothing passes any switch from or to these nodes, nor over the link;
    what they send does not even teach a switch where they are."""
    ports = "{ %s } drop" % ", ".join('"%s-%s"' % (cable, host)
                                      for host in hosts for cable in SHARED)
    switch(NO_LINK, "iifname " + ports, out=("oifname " + ports,))


def causes(node, vhid=1):
    return [h["cause"] for h in node.status()["history"]
            if h["vhid"] == vhid]


def since(start):
    return time.monotonic() - start


def stays(pair, seconds, master):
    """Nobody else becomes master of anything meanwhile."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert master.is_all("MASTER"), str(pair)
        assert pair.other(master).is_all("BACKUP"), str(pair)
        time.sleep(0.05)


def test_lost_adverts_make_no_second_master(lab, pair, switch):
    """Not within the limit; then the takeover, and the old master yields and
    stays so; heard again, exactly one is there, and hosts reach it."""
    pair.start()
    ping = Ping(lab)
    try:
        switch(*NO_ADVERTS)
        start = time.monotonic()
        stays(pair, (1 + LIMIT) * DOWN - 2 * SKEW["gw1"] / 256, pair.one)
        assert WAITS in causes(pair.two), causes(pair.two)
        wait_for("fw2 takes over: %s" % pair, lambda: (
            pair.two.is_all("MASTER") and pair.one.is_all("BACKUP")))
        assert since(start) < (1 + LIMIT) * DOWN + 1
        for vhid in (1, 2):
            assert UNHEARD in causes(pair.two, vhid), causes(pair.two, vhid)
            assert WORD in causes(pair.one, vhid), causes(pair.one, vhid)
        assert ping.answers_again(1)
        stays(pair, 2 * DOWN, pair.two)
        switch()
        stays(pair, 2 * DOWN, pair.two)
        assert ping.answers_again(1)
    finally:
        ping.close()
    for host, cable in (("client", "lan"), ("server", "wan")):
        got = lab.tools.neighbour(host, SHARED[cable], "arp", 5, 100)
        assert got["macs"] == [VIRTUAL_MAC[cable]], got
    assert causes(pair.two).count(UNHEARD) == 1
    pair.wait_sync()


@pytest.mark.full
def test_one_way_from_the_backup(pair, switch):
    """Nothing, since a backup sends no adverts; and after a handover the one
    that hears none waits, takes over at the limit and keeps it: what the
    other one says now is heard."""
    pair.start()
    switch(*lost_from("gw2"))
    stays(pair, 2 * (1 + LIMIT) * DOWN, pair.one)
    assert pair.one.tool("handover")[0] == 0
    pair.wait_master(pair.two)
    wait_for("fw1 takes over: %s" % pair, lambda: pair.master() is pair.one,
             (1 + LIMIT) * DOWN + 2)
    assert UNHEARD in causes(pair.one), causes(pair.one)
    assert causes(pair.two)[0] in (WORD, "better master"), causes(pair.two)
    stays(pair, 2 * DOWN, pair.one)
    switch()
    stays(pair, 2 * DOWN, pair.one)
    pair.wait_sync()


@pytest.mark.full
@pytest.mark.parametrize("cables", [("lan", "wan"), ("lan",)])
def test_one_way_from_the_master(lab, pair, switch, cables):
    """The backup takes over at the limit, the old master hears it and yields:
    one master of each vhost from then on, also when all is heard again."""
    pair.start()
    ping = Ping(lab)
    try:
        switch(*lost_from("gw1", *cables))
        start = time.monotonic()
        stays(pair, (1 + LIMIT) * DOWN - 2 * SKEW["gw1"] / 256, pair.one)
        wait_for("fw2 takes over: %s" % pair, lambda: all(
            pair.two.states()[c] == "MASTER" and pair.one.states()[c] ==
            "BACKUP" for c in cables))
        assert since(start) < (1 + LIMIT) * DOWN + 2
        pair.wait_master(pair.two)  # of the other vhosts, too
        made = pair.transitions()
        for _ in range(2):
            stays(pair, 2 * DOWN, pair.two)
            assert ping.answers_again(1)
            switch()
        assert pair.transitions() == made
    finally:
        ping.close()
    pair.wait_sync()


@pytest.mark.full
@pytest.mark.parametrize("priority", [-600, 0])
def test_its_own_rules_drop_the_adverts(lab, pair, priority):
    """In the master's kernel, before our rules and behind them: the one loses
    its lease, the other is told of it. The backup takes over once."""
    pair.start()
    ping = Ping(lab)
    try:
        lab.nft("gw1", """
table netdev loss {
	chain lan { type filter hook egress device lan priority %d
		ip protocol 112 drop
	}
	chain wan { type filter hook egress device wan priority %d
		ip protocol 112 drop
	}
}""" % (priority, priority))
        wait_for("fw2 takes over: %s" % pair, lambda:
                 pair.master() is pair.two, (1 + LIMIT) * DOWN + 2)
        assert ping.answers_again(1)
        stays(pair, 2 * (1 + LIMIT) * DOWN, pair.two)
        lab.nft("gw1", "delete table netdev loss")
        stays(pair, 2 * DOWN, pair.two)
        assert ping.answers_again(1)
    finally:
        ping.close()
    pair.wait_sync()


@pytest.mark.full
def test_without_a_witness_adverts_alone_decide(pair, switch):
    pair.start(top="witness = false")
    switch(*NO_ADVERTS)
    start = time.monotonic()
    wait_for("two masters", lambda: all(n.is_all("MASTER")
                                        for n in pair.both()))
    assert since(start) < DOWN + 1
    switch()
    wait_for("one master: %s" % pair, pair.master, 3)
    pair.wait_sync()


@pytest.mark.full
def test_a_dead_master_is_not_waited_for(pair):
    """The witness delays neither a death nor a sleep."""
    pair.start()
    pair.one.hang()
    start = time.monotonic()
    wait_for("fw2 takes over", lambda: pair.two.is_all("MASTER"))
    assert since(start) < DOWN + 0.3
    assert WAITS not in causes(pair.two)
    pair.one.wake()
    wait_for("one master: %s" % pair, pair.master)


@pytest.mark.full
def test_the_takeover_is_short(lab, pair, switch):
    """From one that serves to one that serves: a word of the link."""
    pair.start()
    probe = lab.tools.probe()
    time.sleep(0.5)
    switch(*NO_ADVERTS)
    wait_for("fw2 takes over", lambda: pair.two.is_all("MASTER"), 10)
    time.sleep(1)
    result = probe.finish()
    assert result["silence_ms"] < 300, result


@pytest.mark.full
def test_the_links_death_ends_the_waiting(pair, switch):
    pair.start()
    switch(*NO_ADVERTS)
    wait_for("fw2 waits", lambda: WAITS in causes(pair.two))
    switch(NO_LINK, *NO_ADVERTS)
    start = time.monotonic()
    wait_for("fw2 takes over", lambda: pair.two.is_all("MASTER"))
    assert since(start) < 2 * SKEW["gw1"] / 256 + 0.3
    switch()
    wait_for("one master: %s" % pair, pair.master)
    pair.wait_sync()


@pytest.mark.full
def test_two_masters_become_one_with_all_connections(lab, pair, switch):
    """Both nodes serve, each on its side of a split that no wire crosses;
    what was begun on either side goes on when they meet again."""
    talks = []
    pair.start()
    try:
        talks.append(Talk(lab, 9001))
        cut_off(switch, "gw2")
        wait_for("two masters", lambda: all(n.is_all("MASTER")
                                            for n in pair.both()), 10)
        talks.append(Talk(lab, 9002))
        # the hosts change sides
        cut_off(switch, "gw1")
        wait_for("an answer of fw2", lambda: lab.tools.neighbour(
            "client", SHARED["lan"], "arp", 1, 200)["answered"])
        time.sleep(2 * SKEW["gw2"] / 256)  # the switch learns where it is
        talks.append(Talk(lab, 9003))
        assert all(n.is_all("MASTER") for n in pair.both())
        switch()
        start = time.monotonic()
        wait_for("one master: %s" % pair, pair.master, 3)
        ping = Ping(lab)
        try:
            assert ping.answers_again(1)
        finally:
            ping.close()
        assert since(start) < 3
        pair.wait_sync()
        for talk in talks:
            talk.goes_on()
        # and both know them all
        assert pair.wait_equal()["equal"] >= 3
        loser = pair.other(pair.master())
        assert any(c in ("better master", "equal master, tie lost")
                   for c in causes(loser)), causes(loser)
    finally:
        for talk in talks:
            talk.close()


def datagram(lab, source):
    """One question from there and its answer; False if none comes."""
    with lab.inside("server"):
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("10.2.0.100", 9100))
    with lab.inside("client"):
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.bind(source)
    try:
        for s in (server, client):
            s.settimeout(0.3)
        client.sendto(b"?", ("10.2.0.100", 9100))
        server.sendto(b"!", server.recvfrom(16)[1])
        return client.recv(16) == b"!"
    except TimeoutError:
        return False
    finally:
        server.close()
        client.close()


@pytest.mark.full
def test_two_masters_translated_alike(lab, pair, switch):
    """Each side of a split gave the same translated port to a host of its
    own. One of the two flows loses, and on both nodes the same."""
    lab.ip("client", "addr", "add", "10.1.0.101/24", "dev", "eth0")
    pair.start()
    cut_off(switch, "gw2")
    wait_for("two masters", lambda: all(n.is_all("MASTER")
                                        for n in pair.both()), 10)
    assert datagram(lab, ("10.1.0.100", 5555))
    cut_off(switch, "gw1")
    wait_for("an answer of fw2", lambda: lab.tools.neighbour(
        "client", SHARED["lan"], "arp", 1, 200)["answered"])
    wait_for("fw2 forwards", lambda: datagram(lab, ("10.1.0.101", 5555)))

    def holders(host):
        table = lab.run(host, "conntrack", "-L", "-p", "udp", "--reply-port-dst",
                        "5555")
        return [line.split("src=")[1].split()[0]
                for line in table.splitlines() if "src=" in line]
    assert holders("gw1") == ["10.1.0.100"] and holders("gw2") == ["10.1.0.101"]
    switch()
    wait_for("one master: %s" % pair, pair.master, 5)
    pair.wait_sync()
    pair.wait_equal()
    assert len(holders("gw1")) == 1 and holders("gw1") == holders("gw2")
