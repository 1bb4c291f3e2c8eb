# SPDX-License-Identifier: GPL-3.0-or-later
"""The laboratory: client, server and two gateways as network namespaces.

      client --- lan bridge --- gw1, gw2 --- wan bridge --- server
                        gw1 --- link bridge --- gw2

and where a test asks for it a third gateway, or a second link between them.
The bridges live in a namespace of their own, so that a cable can be cut
on the switch's side: the gateway sees its carrier go, as with a real cable.
Names carry the process id: runs side by side do not meet. Everything is
removed at exit, also after SIGINT, SIGTERM or a failure; what a killed run
left is swept by the next one.
"""

import atexit
import contextlib
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import limits
from node import Node
from tools import Tools

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("STATESYNC_BUILD", ROOT / "build"))
GATEWAYS = ("gw1", "gw2", "gw3")
SHARED = {"lan": "10.1.0.1", "wan": "10.2.0.1"}
OWN = {gw: {"lan": "10.1.0.1%d" % i, "wan": "10.2.0.1%d" % i,
            "link": "10.9.0.%d" % i, "link2": "10.9.1.%d" % i}
       for i, gw in enumerate(GATEWAYS, 1)}
SHARED6 = {"lan": "2001:db8:1::1", "wan": "2001:db8:2::1"}
OWN6 = {"gw1": {"lan": "2001:db8:1::11", "wan": "2001:db8:2::11"},
        "gw2": {"lan": "2001:db8:1::12", "wan": "2001:db8:2::12"}}

RULESET = """
table inet fw {
	counter invalid { }
	chain untracked_in {
		type filter hook prerouting priority raw
		iifname "link*" notrack
	}
	chain untracked_out {
		type filter hook output priority raw
		oifname "link*" notrack
	}
	chain marks {
		type filter hook prerouting priority mangle
		ct state new meta l4proto { tcp, udp } th dport 7007 ct mark set 7
	}
	chain input {
		type filter hook input priority filter; policy drop
		iifname "lo" accept
		meta l4proto { 112, icmpv6 } accept
		iifname "link*" tcp dport 3790 accept
		iifname "link*" tcp sport 3790 accept
		ct state invalid drop
		ct state established,related accept
		ip protocol icmp accept
	}
	chain fresh {
	}
	chain forward {
		type filter hook forward priority filter; policy drop
		ct state invalid counter name invalid drop
		ct state established,related accept
		jump fresh
	}
}
table ip nat {
	chain prerouting {
		type nat hook prerouting priority dstnat
		iifname "wan" ip daddr 10.2.0.1 tcp dport 8080 dnat to 10.1.0.100
		iifname "wan" ip daddr 10.2.0.1 udp dport 8080 dnat to 10.1.0.100
	}
	chain postrouting {
		type nat hook postrouting priority srcnat
		oifname "wan" tcp dport 9300-9399 accept
		oifname "wan" tcp dport 9400-9499 masquerade
		oifname "wan" ip saddr 10.1.0.0/16 snat to 10.2.0.1
	}
}
"""
FRESH = """
flush chain inet fw fresh
add rule inet fw fresh meta l4proto tcp tcp flags & (fin|syn|rst|ack) != syn drop
add rule inet fw fresh iifname "lan" oifname "wan" ct state new accept
add rule inet fw fresh iifname "wan" oifname "lan" ct status dnat ct state new accept
"""
GATEWAY_SYSCTLS = {
    "net.ipv4.ip_forward": 1,
    "net.ipv4.conf.all.rp_filter": 1,
    "net.ipv4.conf.default.rp_filter": 1,
    "net.netfilter.nf_conntrack_events": 1,
    "net.netfilter.nf_conntrack_tcp_loose": 0,
}


class LabError(Exception):
    """The laboratory itself, not what it examines, is in trouble."""


def sh(*argv, stdin=None, check=True):
    """Runs a command; its output. Raises with stderr when it fails."""
    p = subprocess.run([str(a) for a in argv], input=stdin, text=True,
                       capture_output=True)
    if check and p.returncode:
        raise LabError("%s: exit %d: %s" % (" ".join(map(str, argv)),
                                            p.returncode, p.stderr.strip()))
    return p.stdout


def wait_for(what, predicate, timeout=5.0, every=0.02):
    """Polls until predicate() is true and returns its value."""
    end = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("not within %g s: %s" % (timeout, what))
        time.sleep(every)


class Lab:
    """The topology, its cables and its two nodes."""

    count = 0

    def __init__(self, flows=100000, gateways=2, links=1):
        if os.geteuid():
            raise LabError("network namespaces need root")
        if not limits.available():
            raise LabError("this kernel has no connection tracking")
        sweep()
        Lab.count += 1
        self.prefix = "ss%d%s" % (os.getpid(), chr(97 + Lab.count % 26))
        self.dir = Path(tempfile.mkdtemp(prefix=self.prefix + "-"))
        self.tools = Tools(self, BUILD / "tests/tools")
        self.nodes = {}
        self.gateways = GATEWAYS[:gateways]
        self.hosts = ("client", "server") + self.gateways
        self.cables = {"lan": ("client",) + self.gateways,
                       "wan": ("server",) + self.gateways}
        self.cables.update((link, self.gateways)
                           for link in ("link", "link2")[:links])
        self.plugs = 0
        self.closed = False
        atexit.register(self.close)
        limits.need(flows * 5 // 4 + 10000)
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    # -- names and commands

    def ns(self, host):
        return "%s-%s" % (self.prefix, host)

    def run(self, host, *argv, **kw):
        """Runs a command inside a host; its output."""
        return sh("ip", "netns", "exec", self.ns(host), *argv, **kw)

    def ip(self, host, *argv, **kw):
        return sh("ip", "-n", self.ns(host), *argv, **kw)

    def batch(self, host, *lines):
        sh("ip", "-n", self.ns(host), "-batch", "-", stdin="\n".join(lines))

    def nft(self, host, text):
        self.run(host, "nft", "-f", "-", stdin=text)

    def sysctl(self, host, **values):
        self.run(host, "sysctl", "-qw",
                 *("%s=%s" % (k, v) for k, v in values.items()))

    def liberal(self):
        """What contrib/sysctl.d sets and the laboratory does without, so that
        windows are looked at: where `check` is to find nothing."""
        for gw in self.gateways:
            self.sysctl(gw, **{"net.netfilter.nf_conntrack_tcp_be_liberal": 1})

    @contextlib.contextmanager
    def inside(self, host):
        """This thread inside the host: for sockets opened there."""
        libc = ctypes.CDLL(None, use_errno=True)
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open("/run/netns/" + self.ns(host), os.O_RDONLY)
        try:
            if libc.setns(there, 0):
                raise OSError(ctypes.get_errno(), "setns " + host)
            yield
        finally:
            libc.setns(home, 0)
            os.close(home)
            os.close(there)

    @staticmethod
    def own_addresses():
        """The nodes' own and shared addresses: flows of these are not told."""
        return list(SHARED.values()) + [a for o in OWN.values()
                                        for a in o.values()]

    # -- building

    def _build(self):
        for host in ("switch",) + self.hosts:
            sh("ip", "netns", "add", self.ns(host))
            self.ip(host, "link", "set", "lo", "up")
        for bridge in self.cables:
            self.batch("switch",
                       "link add br-%s type bridge stp_state 0 forward_delay 0"
                       " mcast_snooping 0" % bridge,
                       "link set br-%s up" % bridge)
        for host, bridge in (("client", "lan"), ("server", "wan")):
            self._plug(host, "eth0", bridge)
        self.batch("client", "addr add 10.1.0.100/24 dev eth0",
                   "route add default via 10.1.0.1")
        self.batch("server", "addr add 10.2.0.100/24 dev eth0",
                   "route add default via 10.2.0.1")
        for host in self.gateways:
            self._build_gateway(host)

    def _plug(self, host, ifname, bridge):
        port = "%s-%s" % (bridge, host)
        # Where both ends of a veth have the same index, the kernel takes it
        # for a real device and tells of a lost carrier up to a second late.
        self.plugs += 1
        self.batch("switch",
                   "link add %s index %d type veth peer name %s netns %s"
                   % (port, 1000 + self.plugs, ifname, self.ns(host)),
                   "link set %s master br-%s" % (port, bridge),
                   "link set %s up" % port)
        self.ip(host, "link", "set", "dev", ifname, "up")

    def _build_gateway(self, host):
        self.sysctl(host, **GATEWAY_SYSCTLS)
        for bridge in self.cables:
            self._plug(host, bridge, bridge)
            self.ip(host, "addr", "add", OWN[host][bridge] + "/24", "dev",
                    bridge)
        self.routes(host)
        self.nft(host, RULESET + FRESH)
        if host not in self.nodes:
            self.nodes[host] = Node(self, host)

    def routes(self, host):
        """Routes to the played ranges; they go when an interface is down."""
        self.batch(host, "route replace 10.1.128.0/17 via 10.1.0.100",
                   "route replace 10.2.128.0/17 via 10.2.0.100")

    def ipv6(self):
        """The second family everywhere, as far as hosts have it by hand."""
        for host, net in (("client", 1), ("server", 2)):
            self.batch(host, "addr add 2001:db8:%d::100/64 dev eth0 nodad"
                       % net, "route add default via 2001:db8:%d::1" % net)
        for host in ("gw1", "gw2"):
            self.sysctl(host, **{"net.ipv6.conf.all.forwarding": 1})
            self.batch(host, *("addr add %s/64 dev %s nodad" % (a, dev)
                               for dev, a in OWN6[host].items()))
            self.nft(host, "insert rule inet fw input"
                     " meta l4proto { 112, icmpv6 } accept")
        wait_for("link-local addresses", lambda: not any(
            self.ip(host, "-6", "addr", "show", "tentative")
            for host in self.hosts))

    # -- what happens to it

    def cut(self, host, *cables):
        """Pulls cables (all when none is named) at the switch's side."""
        self.batch("switch", *("link set %s-%s down" % (c, host)
                               for c in cables or self._cables(host)))

    def restore(self, host, *cables):
        self.batch("switch", *("link set %s-%s up" % (c, host)
                               for c in cables or self._cables(host)))

    def slow(self, cable, rate="3mbit"):
        """From now on a cable carries no more than that, each way."""
        for host in self.cables[cable]:
            self.run("switch", "tc", "qdisc", "replace", "dev", "%s-%s"
                     % (cable, host), "root", "tbf", "rate", rate, "burst",
                     "64k", "latency", "200ms")

    def fast(self, cable):
        for host in self.cables[cable]:
            self.run("switch", "tc", "qdisc", "del", "dev", "%s-%s"
                     % (cable, host), "root", check=False)

    def _cables(self, host):
        return [c for c in self.cables if host in self.cables[c]]

    def lose(self, host):
        """The machine is gone: not a word more, carrier lost everywhere."""
        node = self.nodes[host]
        node.signal(signal.SIGSTOP)
        self.cut(host)
        node.signal(signal.SIGKILL)
        node.reap()
        self._kill_inside(host)
        sh("ip", "netns", "del", self.ns(host))
        for cable in self._cables(host):
            self.ip("switch", "link", "del", "%s-%s" % (cable, host),
                    check=False)

    def rebuild(self, host):
        """A new machine in the place of a lost one, its table empty."""
        sh("ip", "netns", "add", self.ns(host))
        self.ip(host, "link", "set", "lo", "up")
        self._build_gateway(host)

    def freeze(self, *hosts):
        """From now on only flows that the kernel knows may pass."""
        for host in hosts or self.gateways:
            self.nft(host, "flush chain inet fw fresh")

    def thaw(self, *hosts):
        for host in hosts or self.gateways:
            self.nft(host, FRESH)

    def by_hand(self, host):
        """Moves the shared addresses without any daemon: for the tests of
        the laboratory itself."""
        for other in ("gw1", "gw2"):
            for dev, addr in SHARED.items():
                self.ip(other, "addr", "del", addr + "/24", "dev", dev,
                        check=False)
        for dev, addr in SHARED.items():
            self.ip(host, "addr", "add", addr + "/24", "dev", dev)
            self.announce(host, dev, addr)

    def announce(self, host, dev, addr):
        """One gratuitous ARP with the interface's own MAC."""
        mac = bytes.fromhex(self.mac(host, dev).replace(":", ""))
        ip = socket.inet_aton(addr)
        frame = (b"\xff" * 6 + mac + b"\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01"
                 + mac + ip + bytes(6) + ip).ljust(60, b"\0")
        with self.raw(host, dev) as s:
            s.send(frame)

    def raw(self, host, dev="eth0", proto=3):
        """A packet socket in a host; proto 3 is every protocol."""
        with self.inside(host):
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                              socket.htons(proto))
            s.bind((dev, proto))
        return s

    # -- what one sees

    def flows(self, host):
        """Entries in the host's table."""
        return int(self.run(host, "cat",
                            "/proc/sys/net/netfilter/nf_conntrack_count"))

    def flush(self, host):
        self.run(host, "conntrack", "-F")

    def invalid(self, host):
        """Packets that the ruleset dropped as INVALID so far."""
        text = self.run(host, "nft", "list", "counter", "inet", "fw",
                        "invalid")
        return int(re.search(r"packets (\d+)", text).group(1))

    def neighbour(self, host, addr):
        """The MAC that the host's kernel remembers for an address."""
        text = self.ip(host, "neigh", "show", addr)
        m = re.search(r"lladdr (\S+)", text)
        return m.group(1) if m else None

    def mac(self, host, dev):
        text = self.ip(host, "-o", "link", "show", "dev", dev)
        return re.search(r"link/ether (\S+)", text).group(1)

    def footprint(self, host):
        """All that a daemon could leave behind in a host, as text."""
        return {
            "routes": self.ip(host, "route", "show", "table", "all"),
            "addresses": self.ip(host, "-br", "addr"),
            "fdb": self.run(host, "bridge", "fdb", "show"),
            "nft": self.run(host, "nft", "list", "tables"),
            "sysctls": self.run(
                host, "sh", "-c", "grep -s . /proc/sys/net/ipv4/conf/*/arp_* "
                "/proc/sys/net/ipv4/conf/*/rp_filter "
                "/proc/sys/net/netfilter/nf_conntrack_[!c]*"),
            "mac": "".join(self.mac(host, d) for d in self.cables),
            "maddr": self.ip(host, "maddr", "show"),
        }

    # -- the end

    def _kill_inside(self, host):
        pids = sh("ip", "netns", "pids", self.ns(host), check=False).split()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)

    def close(self):
        if self.closed:
            return
        self.closed = True
        atexit.unregister(self.close)
        for node in self.nodes.values():
            node.destroy()
        self.tools.close()
        for host in self.hosts + ("switch",):
            self._kill_inside(host)
            sh("ip", "netns", "del", self.ns(host), check=False)
        limits.release()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def sweep():
    """Removes what runs that were killed have left behind."""
    for name in sh("ip", "netns", "list").split():
        m = re.fullmatch(r"ss(\d+)[a-z`]-\w+", name)
        if m and not os.path.exists("/proc/" + m.group(1)):
            for pid in sh("ip", "netns", "pids", name, check=False).split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            sh("ip", "netns", "del", name, check=False)
    for path in Path(tempfile.gettempdir()).glob("ss*-*"):
        m = re.match(r"ss(\d+)[a-z`]-", path.name)
        if m and not os.path.exists("/proc/" + m.group(1)):
            shutil.rmtree(path, ignore_errors=True)


def catch_signals():
    """SIGTERM and SIGHUP end the program as SIGINT does: with clean-up."""
    def leave(_signum, _frame):
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGHUP, leave)
