# SPDX-License-Identifier: GPL-3.0-or-later
"""The laboratory itself: it must see a lost connection, or it proves nothing."""

import time

import carp
from lab import sh
from pair import Ping


def test_two_laboratories_side_by_side(lab):
    from lab import Lab
    with Lab(flows=1000) as other:
        for each in (lab, other):
            each.by_hand("gw1")
            each.run("client", "ping", "-c1", "-W1", "10.2.0.100")
        assert other.prefix != lab.prefix
    assert other.ns("gw1") not in sh("ip", "netns", "list")
    lab.run("client", "ping", "-c1", "-W1", "10.2.0.100")


def test_fill_is_real(lab):
    """Handshakes through the gateway: assured, translated, marked."""
    lab.by_hand("gw1")
    lab.tools.fill(800, 80, 8)
    assert lab.flows("gw1") == 888
    table = lab.run("gw1", "conntrack", "-L", "-p", "tcp")
    assert table.count("[ASSURED]") == 800
    assert table.count("dst=10.2.0.1 ") == 800
    assert table.count("mark=7") == 100
    assert lab.invalid("gw1") == 0


def test_comparison_sees_each_difference(lab):
    """The same flows made on both gateways, but for a mark, and one deleted
    on each side."""
    def same(host):
        lab.by_hand(host)
        lab.tools.fill(300, 20, 5)
        return lab.tools.compare()
    same("gw1")
    result = same("gw2")
    assert result["equal"] == 325 and not (
        result["missing"] or result["extra"] or result["differing"]), result
    lab.flush("gw2")
    lab.nft("gw2", "flush chain inet fw marks\nadd rule inet fw marks "
            "meta l4proto { tcp, udp } th dport 7007 ct mark set 8")
    same("gw2")
    lab.run("gw2", "conntrack", "-D", "-p", "tcp", "--orig-port-src", "2002")
    lab.run("gw1", "conntrack", "-D", "-p", "tcp", "--orig-port-src", "2003")
    result = lab.tools.compare()
    marked = lab.run("gw1", "conntrack", "-L").count("mark=7 ")
    assert (result["missing"], result["extra"], result["differing"]) == (
        1, 1, marked) and marked, result


def test_move_without_state_is_seen(lab):
    """Negative control: gateways moved by hand, nothing told of the flows."""
    lab.by_hand("gw1")
    streams = lab.tools.streams(2, 2)
    probe = lab.tools.probe()
    ping = Ping(lab)
    lab.tools.fill(1000)
    time.sleep(0.3)
    assert streams.mark("before")["progressed"] == 4
    lab.freeze()
    lab.by_hand("gw2")
    time.sleep(0.2)
    streams.mark("settled")
    probe.mark("settled")
    assert not ping.answers_again(1)
    assert streams.mark("after")["progressed"] == 0
    assert probe.mark("after")["answered"] == 0
    assert lab.invalid("gw2") > 0
    result = lab.tools.compare()
    assert result["missing"] >= 1000 and result["equal"] == 0
    ping.close()


def test_streams_survive_the_way_back(lab):
    """And back where the state is, all go on and every byte is right."""
    lab.by_hand("gw1")
    streams = lab.tools.streams(2, 2)
    lab.freeze()
    lab.by_hand("gw2")
    time.sleep(0.3)
    lab.by_hand("gw1")
    report = streams.finish()
    assert report["lost"] == 0 and report["mismatched"] == 0, report


def test_cut_cable_takes_the_carrier(lab):
    lab.cut("gw1", "lan")
    assert "NO-CARRIER" in lab.ip("gw1", "link", "show", "dev", "lan")
    assert "NO-CARRIER" not in lab.ip("gw1", "link", "show", "dev", "wan")
    lab.restore("gw1", "lan")
    assert "LOWER_UP" in lab.ip("gw1", "link", "show", "dev", "lan")


def test_lost_machine_comes_back_empty(lab):
    lab.by_hand("gw1")
    lab.tools.fill(100)
    lab.lose("gw1")
    assert lab.ns("gw1") not in sh("ip", "netns", "list")
    lab.rebuild("gw1")
    lab.by_hand("gw1")
    assert lab.flows("gw1") < 10
    lab.tools.fill(100)


def test_adverts_by_hand_are_right():
    """Against the published vector: an oracle that errs is none."""
    assert carp.advert(addresses=("10.0.0.12",)).hex() == (
        "2101000700017311010203040506070887221aab07f5a13e3032e0e2233d3519b55a"
        "f209")
    assert carp.advert(addresses=("10.0.0.12", "10.0.0.2")).hex() == (
        "21010007000108b70102030405060708ddfa4f347568423f19ee9468f1763469f83a"
        "14e3")
