# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes follow the master: contrib/examples/bird with the real BIRD on both
gateways, and on the router that they speak BGP with."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lab import OWN, wait_for
from node import die_with_parent
from pair import Traffic

pytestmark = [pytest.mark.full,
              pytest.mark.skipif(not shutil.which("bird"),
                                 reason="no bird2")]
EXAMPLE = Path(__file__).resolve().parents[2] / "contrib/examples/bird"
ROUTER = """
log stderr all;
router id 10.2.0.100;
protocol device { }
protocol kernel { ipv4 { import none; export all; }; }
protocol static { ipv4; route 0.0.0.0/0 unreachable; }
protocol bfd { interface "eth0" { interval 200 ms; multiplier 5; }; }
template bgp node {
	local as 64500;
	bfd on;
	hold time 9; connect retry time 5; error wait time 1, 10;
	ipv4 { import all; export where source = RTS_STATIC; };
}
protocol bgp gw1 from node { neighbor 10.2.0.11 as 65001; }
protocol bgp gw2 from node { neighbor 10.2.0.12 as 65001; }
"""


def adapt(text, *pairs):
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


def route_block():
    """routes {} and track {} of the example, in the laboratory's names."""
    text = (EXAMPLE / "statesync.conf").read_text()
    body = text[text.index("    routes {"):text.index("\npreempt")]
    return adapt(body.rstrip().removesuffix("}"), ("eth0", "lan"),
                 ("192.0.2.100/32", "10.2.0.1/32"))


class Bird:
    """BIRD inside a host."""

    def __init__(self, lab, host, text):
        self.dir = lab.dir / ("bird-" + host)
        self.dir.mkdir()
        conf = self.dir / "bird.conf"
        conf.write_text(text)
        with open(self.dir / "log", "w") as log:
            self.proc = subprocess.Popen(
                ["ip", "netns", "exec", lab.ns(host), "bird", "-f", "-c",
                 conf, "-s", self.dir / "ctl", "-P", self.dir / "pid"],
                stdout=log, stderr=log, preexec_fn=die_with_parent)

    def close(self):
        self.proc.kill()
        self.proc.wait()


@pytest.fixture
def birds(lab):
    text = (EXAMPLE / "bird.conf").read_text()
    for host in ("gw1", "gw2"):
        # the firewall lets BGP and BFD in, as that of a router has to
        lab.nft(host, "insert rule inet fw input iifname \"wan\" meta l4proto"
                " { tcp, udp } th dport { 179, 3784 } accept")
    lab.ip("server", "route", "del", "default")
    running = [Bird(lab, "server", ROUTER)]
    running += [Bird(lab, host, adapt(
        text, ("log syslog", "log stderr"), ("eth1", "wan"),
        ("router id 192.0.2.11", "router id " + OWN[host]["wan"]),
        ("192.0.2.14", "10.2.0.100"))) for host in ("gw1", "gw2")]
    yield
    for bird in running:
        bird.close()


def to(lab, net):
    """The gateways by which the router sends packets there."""
    out = lab.ip("server", "route", "show", net)
    return set(re.findall(r"via (\S+)", out))


def wait_routes(lab, host, timeout=30):
    """The router sends everything to that gateway, nothing to the other."""
    wait_for("routes lead to %s" % host, lambda: all(
        to(lab, net) == {OWN[host]["wan"]}
        for net in ("10.1.0.0/24", "10.2.0.1")), timeout, 0.1)


def start(lab, pair):
    for host in ("gw1", "gw2"):
        wait_for("%s has a default route" % host, lambda h=host: lab.ip(
            h, "route", "show", "default"), 40, 0.2)
    pair.start(carps=("lan",), carp=route_block(), timeout=40)
    wait_routes(lab, "gw1")


@pytest.mark.parametrize("way", ["handover", "lan cut", "machine lost"])
def test_routes_follow_the_master(lab, pair, birds, way):
    start(lab, pair)
    traffic = Traffic(lab)
    pair.wait_equal(30)
    lab.freeze()
    traffic.begin(way)
    if way == "handover":
        assert pair.one.tool("handover")[0] == 0
    elif way == "lan cut":
        lab.cut("gw1", "lan")
    else:
        lab.lose("gw1")
    pair.wait_master(pair.two, 40)
    wait_routes(lab, "gw2")
    traffic.goes_on(30)
    traffic.finish()


def test_who_hears_no_router_yields(lab, pair, birds):
    start(lab, pair)
    lab.nft("gw1", "insert rule inet fw input iifname \"wan\" tcp dport 179"
            " drop; insert rule inet fw input iifname \"wan\" udp dport 3784"
            " drop; insert rule inet fw input iifname \"wan\" tcp sport 179"
            " drop")
    pair.wait_master(pair.two, 40)
    wait_routes(lab, "gw2")
