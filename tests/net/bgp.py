# SPDX-License-Identifier: GPL-3.0-or-later
"""A pair behind a router that both gateways speak BGP with: the examples for
BIRD and for FRR, in the laboratory's names."""

import re
import subprocess
from pathlib import Path

from lab import OWN, wait_for
from node import die_with_parent

EXAMPLES = Path(__file__).resolve().parents[2] / "contrib/examples"
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


def route_block(example):
    """routes {} and track {} of an example."""
    text = (EXAMPLES / example / "statesync.conf").read_text()
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


class Frr:
    """FRR inside a host, with a /run and with processes of its own, which all
    end with the first of them."""

    SCRIPT = """
conf=$(cat "$1")
mount -t tmpfs tmpfs /run && mkdir /run/frr && chown frr:frr /run/frr || exit
for daemon in zebra bgpd bfdd; do
	/usr/lib/frr/$daemon -d -z /run/frr/zserv.api || exit
done
echo "$conf" >/run/frr/frr.conf
vtysh -f /run/frr/frr.conf && exec sleep infinity
"""

    def __init__(self, lab, host, text):
        self.dir = lab.dir / ("frr-" + host)
        self.dir.mkdir()
        conf = self.dir / "frr.conf"
        conf.write_text(text)
        with open(self.dir / "log", "w") as log:
            self.proc = subprocess.Popen(
                ["ip", "netns", "exec", lab.ns(host), "unshare", "-m", "-p",
                 "-f", "--mount-proc", "--kill-child", "sh", "-c",
                 self.SCRIPT, "frr", conf],
                stdout=log, stderr=log, preexec_fn=die_with_parent)

    close = Bird.close


def begin(lab, gateway):
    """The router, and on each gateway gateway(host); what runs then."""
    for host in ("gw1", "gw2"):
        # the firewall lets BGP and BFD in, as that of a router has to
        lab.nft(host, "insert rule inet fw input iifname \"wan\" meta l4proto"
                " { tcp, udp } th dport { 179, 3784 } accept")
    lab.ip("server", "route", "del", "default")
    return [Bird(lab, "server", ROUTER)] + [gateway(host) for host in
                                            ("gw1", "gw2")]


def names(host):
    """Whom the examples call otherwise than the laboratory."""
    return (("192.0.2.11", OWN[host]["wan"]), ("192.0.2.14", "10.2.0.100"))


def to(lab, net):
    """The gateways by which the router sends packets there."""
    out = lab.ip("server", "route", "show", net)
    return set(re.findall(r"via (\S+)", out))


def wait_routes(lab, host, timeout=30):
    """The router sends everything to that gateway, nothing to the other."""
    wait_for("routes lead to %s" % host, lambda: all(
        to(lab, net) == {OWN[host]["wan"]}
        for net in ("10.1.0.0/24", "10.2.0.1")), timeout, 0.1)


def start(lab, pair, example):
    for host in ("gw1", "gw2"):
        wait_for("%s has a default route" % host, lambda h=host: lab.ip(
            h, "route", "show", "default"), 40, 0.2)
    pair.start(carps=("lan",), carp=route_block(example), timeout=40)
    wait_routes(lab, "gw1")
