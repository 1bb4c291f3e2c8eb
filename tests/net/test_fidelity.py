# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that a gateway tracks goes on after a failover: each protocol in
each translation and family, and what rules have hung on it (zones, marks,
labels). Both gateways have a strict ruleset that is frozen before the event;
so what goes on goes on by what the peer was told.

All conversations of one kind of failover share one pair of gateways. The
matrix is printed at the end of the run (matrix.py)."""

import contextlib
import re
import time

import pytest

import matrix
from lab import wait_for
from talks import PROTOCOLS, Talks
from test_failover import WAYS
from tiers import full

CLIENT = {4: "10.1.0.100", 6: "2001:db8:1::100"}
# The networks behind: the server's own, one for masquerade, one that is
# nowhere and translated to the first.
NET = {4: ("10.2.0.%d", "10.6.0.%d", "10.7.0.%d"),
       6: ("2001:db8:2::%d", "2001:db8:6::%d", "2001:db8:7::%d")}
SHARED = {"lan": '10.1.0.1/24", "2001:db8:1::1/64',
          "wan": '10.2.0.1/24", "2001:db8:2::1/64'}
PORTS = ("tcp", "tcp half closed", "udp", "udplite", "sctp", "sctp path")


def places(v):
    """How the client calls the server in each column, and where that is."""
    near, masquerade, nowhere = NET[v]
    return {"none": (near % 101, near % 101), "snat": (near % 102, near % 102),
            "range": (near % 103, near % 103),
            "dnat": (nowhere % 1, near % 104),
            "both": (nowhere % 2, near % 105),
            "masquerade": (masquerade % 100, masquerade % 100)}


# What rules hang on a flow: row, protocol, the server's host number.
HUNG = (("tcp, zone", "tcp", 110), ("sctp, zone", "sctp", 116),
        ("udp, zone orig", "udp", 111), ("tcp, zone orig", "tcp", 117),
        ("udp, zone reply", "udp", 112), ("tcp, zone reply", "tcp", 118),
        ("tcp, mark", "tcp", 113), ("udp, mark taken back", "udp", 119),
        ("tcp, labels", "tcp", 114), ("udp, labels", "udp", 115))


def ruleset(v):
    """Of one family, the same on both gateways. Packets of a flow whose mark
    or label is missing are dropped."""
    near, _, nowhere = NET[v]
    ip = "ip6" if v == 6 else "ip"
    a = {"ip": ip, "snat": near % 1, "range": ("[%s]" if v == 6 else "%s") % (near % 1),
         "d1": nowhere % 1, "d2": nowhere % 2}
    a.update((str(h), near % h) for h in range(101, 120))
    return """
table %(ip)s fidelity {
	chain zones {
		type filter hook prerouting priority raw
		%(ip)s daddr { %(110)s, %(116)s } ct zone set 5
		%(ip)s saddr { %(110)s, %(116)s } ct zone set 5
		%(ip)s daddr { %(111)s, %(117)s } ct original zone set 6
		%(ip)s daddr { %(112)s, %(118)s } ct reply zone set 7
		%(ip)s saddr { %(112)s, %(118)s } ct reply zone set 7
	}
	chain hang {
		type filter hook prerouting priority mangle
		%(ip)s daddr %(113)s ct state new ct mark set 9
		%(ip)s daddr %(119)s ct state new ct mark set 9
		%(ip)s saddr %(119)s ct mark set 0
		%(ip)s daddr { %(114)s, %(115)s } ct state new ct label set 77
	}
	chain want {
		type filter hook forward priority filter - 1
		%(ip)s daddr %(113)s ct mark != 9 drop
		%(ip)s saddr %(113)s ct mark != 9 drop
		%(ip)s daddr { %(114)s, %(115)s } ct label != 77 drop
		%(ip)s saddr { %(114)s, %(115)s } ct label != 77 drop
	}
	chain to {
		type nat hook prerouting priority dstnat
		%(ip)s daddr %(d1)s dnat to %(104)s
		%(ip)s daddr %(d2)s dnat to %(105)s
	}
	chain from {
		type nat hook postrouting priority srcnat - 1
		oifname "dsl" masquerade
		oifname "wan" %(ip)s daddr { %(102)s, %(105)s } snat to %(snat)s
		oifname "wan" %(ip)s daddr %(103)s meta l4proto { tcp, udp, udplite, sctp } snat to %(range)s:40000-40099
		accept
	}
}
""" % a


def build(lab):
    """Addresses and rules."""
    lab.ipv6()
    for v in (4, 6):
        near, bits = NET[v][0], "/128 dev eth0 nodad" if v == 6 else (
            "/32 dev eth0")
        lab.batch("server", *("addr add %s%s" % (near % h, bits)
                              for h in (*range(101, 106), *range(110, 120))))
    for host in ("gw1", "gw2"):
        # the laboratory translates all; here the rules say what
        lab.nft(host, "delete table ip nat" + ruleset(4) + ruleset(6) + """
add rule inet fw fresh iifname "lan" oifname "dsl" ct state new accept""")
        # with it the kernel checks UDP-Lite as if it were UDP
        # (udplite_error), and all of it is INVALID
        lab.sysctl(host, **{"net.netfilter.nf_conntrack_checksum": 0})
        dial_in(lab, host)
    answer_by(lab, "gw1")


def dial_in(lab, host):
    """A provider's line of its own for each gateway, with the same address at
    both: what is masqueraded there can move."""
    line = "dsl-" + host
    lab.ip("server", "link", "add", line, "type", "veth", "peer", "name",
           "dsl", "netns", lab.ns(host))
    for where, dev in (("server", line), (host, "dsl")):
        lab.sysctl(where, **{"net.ipv4.conf.%s.rp_filter" % dev: 0})
        lab.ip(where, "link", "set", dev, "up")
    for v, nodad in ((4, ""), (6, " nodad")):
        net, bits = NET[v][1], "/128" if v == 6 else "/32"
        lab.batch(host, "addr add %s%s dev dsl%s" % (net % 1, bits, nodad),
                  "route add %s%s dev dsl" % (net % 100, bits))
        lab.batch("server", "addr add %s%s dev %s%s" % (net % 100, bits, line,
                                                       nodad))


def answer_by(lab, host):
    """The provider's side follows the line that is used."""
    for v, bits in ((4, "/32"), (6, "/128")):
        lab.batch("server", "route replace %s%s dev dsl-%s"
                  % (NET[v][1] % 1, bits, host))


def converse(lab, talks, protocols):
    """Begins them all; rows and columns as the matrix has them."""
    for v in (4, 6):
        for proto in protocols:
            row = "%s IPv%d" % (proto, v)
            for column, (to, at) in places(v).items():
                if column == "range" and proto not in PORTS:
                    matrix.cannot(row, column, "has no ports")
                    continue
                talks.add((row, column), proto, CLIENT[v], to, at)
        for row, proto, host in HUNG:
            if proto in protocols:
                at = NET[v][0] % host
                talks.add(("%s IPv%d" % (row, v), "none"), proto, CLIENT[v],
                          at, at)
    talks.start()


def table(lab, host):
    """The entries of the client's flows, without what may differ."""
    text = "".join(lab.run(host, "conntrack", "-L", "-f", f)
                   for f in ("ipv4", "ipv6"))
    lines = [re.sub(r"^(\S+\s+\d+) \d+", r"\1", line) for line in
             text.splitlines() if " src=10.1.0.100 " in line
             or " src=2001:db8:1::100 " in line]
    return sorted(re.sub(r" use=\d+", "", line) for line in lines)


def wait_tables(lab):
    last = {}

    def equal():
        last["one"], last["two"] = table(lab, "gw1"), table(lab, "gw2")
        return last["one"] and last["one"] == last["two"]
    try:
        wait_for("equal tables", equal, 10, 0.3)
    except AssertionError:
        one, two = set(last["one"]), set(last["two"])
        raise AssertionError("tables differ:\n%s\n--\n%s" % (
            "\n".join(sorted(one - two)), "\n".join(sorted(two - one)))
            ) from None
    return last["one"]


def wait_talking(talks, timeout=10):
    """Waits for all to have answers; those that have none."""
    with contextlib.suppress(AssertionError):
        wait_for("answers", lambda: not talks.silent(), timeout)
    return {t.where for t in talks.silent()}


def there(lab, pair, talks, kind):
    """The first node goes and the second one has all; who does not go on."""
    lab.freeze()
    WAYS[kind](lab, pair.one)
    if kind == "SIGSTOP":
        wait_for("fw2 is master", lambda: pair.two.is_all("MASTER"))
    else:
        pair.wait_master(pair.two)
    answer_by(lab, "gw2")
    if kind != "machine lost":  # it would forward what still goes there
        lab.nft("gw1", "insert rule inet fw forward drop")
    talks.mark()
    return wait_talking(talks)


def back(lab, pair, talks):
    """And the first one has them again: its own entries, gone on with
    elsewhere meanwhile."""
    pair.wait_sync()
    handle = re.search(r"drop # handle (\d+)", lab.run(
        "gw1", "nft", "-a", "list", "chain", "inet", "fw", "forward")).group(1)
    lab.nft("gw1", "delete rule inet fw forward handle " + handle)
    assert pair.two.tool("handover")[0] == 0
    pair.wait_master(pair.one)
    answer_by(lab, "gw1")
    lab.nft("gw2", "insert rule inet fw forward drop")
    talks.mark()
    return wait_talking(talks)


@contextlib.contextmanager
def conversations(lab, pair):
    """All of them, begun, and both kernels know the same."""
    build(lab)
    pair.start(address=SHARED)
    with contextlib.closing(Talks(lab)) as talks:
        converse(lab, talks, PROTOCOLS)
        silent = wait_talking(talks)
        assert not silent, "do not begin: %s; %s" % (silent, talks.failures)
        time.sleep(2.2)  # UDP is assured once it lasts for 2 s
        assert len(wait_tables(lab)) >= len(talks.all)
        yield talks


def judge(talks, kind, silent):
    for talk in talks.all:
        matrix.record(*talk.where, kind, talk.where not in silent)
    assert not silent, "do not go on: %s; %s" % (silent, talks.failures)


@pytest.mark.parametrize("kind", [k if k == "handover" else full(k)
                                  for k in matrix.KINDS if k in WAYS])
def test_all_goes_on(lab, pair, kind):
    with conversations(lab, pair) as talks:
        judge(talks, kind, there(lab, pair, talks, kind))


@pytest.mark.full
def test_all_goes_on_there_and_back(lab, pair):
    with conversations(lab, pair) as talks:
        assert not there(lab, pair, talks, "handover")
        judge(talks, "there and back", back(lab, pair, talks))


# A flow of each protocol and state as conntrack(8) makes it, and the seconds
# that the state deserves.
STATES = [("tcp", state, "--state %s -u SEEN_REPLY" % state, seconds)
          for state, seconds in (("SYN_RECV", 60), ("ESTABLISHED", 432000),
                                 ("FIN_WAIT", 120), ("CLOSE_WAIT", 60),
                                 ("LAST_ACK", 30), ("TIME_WAIT", 120),
                                 ("CLOSE", 10))] + [
    ("sctp", state, "--state %s --orig-vtag 7 --reply-vtag 8 -u SEEN_REPLY"
     % state, seconds)
    for state, seconds in (("COOKIE_ECHOED", 3), ("ESTABLISHED", 210),
                           ("SHUTDOWN_SENT", 3), ("SHUTDOWN_RECD", 3),
                           ("SHUTDOWN_ACK_SENT", 3))] + [
    ("udp", "assured", "-u SEEN_REPLY,ASSURED", 150),
    ("udp", "one way", "", 30),
    ("udplite", "assured", "-u SEEN_REPLY,ASSURED", 150),
    ("gre", "assured", "-u SEEN_REPLY,ASSURED", 86400),
    ("icmp", "answered", "--icmp-type 8 --icmp-code 0 --icmp-id 77"
     " -u SEEN_REPLY", 30)]


def left(lab, host):
    """Protocol, state (TCP, SCTP) and source to the seconds left."""
    found = {}
    for line in lab.run(host, "conntrack", "-L").splitlines():
        m = re.match(r"(\w+) +\d+ (\d+) ([A-Z_]+)?.*?src=(\S+)", line)
        if m and m.group(4).startswith("10.1.7."):
            found[m.group(1), m.group(3), m.group(4)] = int(m.group(2))
    return found


@pytest.mark.full
def test_every_state_and_its_timeout(lab, pair):
    """Each arrives, none of TCP in SYN_SENT; on the standby it outlasts what
    nobody refreshes, GRE also what packets do not after an outage; and after a
    takeover it has what its state deserves by the sysctls as they are then."""
    pair.start()
    for host in ("gw1", "gw2"):
        lab.sysctl(host, **{"net.netfilter.nf_conntrack_udp_timeout_stream":
                            150})
    want = {}
    cases = [*STATES, ("tcp", "SYN_SENT", "--state SYN_SENT", None)]
    for i, (proto, state, more, seconds) in enumerate(cases):
        source = "10.1.7.%d" % (i + 1)
        ports = ([] if proto == "icmp" else ["--srckey", 0, "--dstkey", 0]
                 if proto == "gre" else ["--sport", 1000, "--dport", 2000])
        lab.run("gw1", "conntrack", "-I", "-p", proto, "-s", source, "-d",
                "10.2.0.100", *ports, "-t", 700, *more.split())
        if seconds:
            want[proto, state if state.isupper() else None, source] = seconds
    wait_for("all are told: %s" % want, lambda: left(lab, "gw2").keys()
             == want.keys())
    for key, seconds in left(lab, "gw2").items():
        least = want[key] if key[0] == "gre" else min(want[key], 3600)
        assert seconds >= least - 10, (key, seconds)
    assert pair.one.tool("handover")[0] == 0
    pair.wait_master(pair.two)
    end = time.monotonic() + 8
    seen = {}
    while time.monotonic() < end and seen.keys() != want.keys():
        for key, seconds in left(lab, "gw2").items():
            if want[key] - 10 <= seconds <= want[key]:
                seen[key] = seconds
        time.sleep(0.1)
    assert seen.keys() == want.keys(), set(want) - set(seen)


def finding(node, words):
    """What check says about that, "" if nothing."""
    out = node.tool("check")[1]
    found = [f for f in re.split(r"\n(?=\S)", out) if words in f]
    return found[0] if found else ""


@pytest.mark.full
def test_check_tells_what_will_end(lab, pair):
    """Masqueraded to an address that only one node has; counters."""
    pair.start()
    assert "translations" in pair.one.tool("check")[1].split("\nok ")[1]
    shared = lab.tools.streams(1, 0, "10.2.0.100:9100", "9100")
    wait_for("told", lambda: lab.flows("gw2"))
    assert not finding(pair.one, "translated")
    own = lab.tools.streams(2, 0, "10.2.0.100:9401", "9401")
    text = wait_for("masquerade is found",
                    lambda: finding(pair.one, "translated"))
    assert text.startswith("WARNS   2 flows") and "10.2.0.11" in text, text
    assert pair.one.tool("check")[0] == 1
    assert not finding(pair.two, "translated")
    lab.sysctl("gw1", **{"net.netfilter.nf_conntrack_acct": 1})
    assert finding(pair.one, "from 0 again").startswith("note")
    assert not finding(pair.two, "from 0 again")
    shared.close()
    own.close()


@pytest.mark.full
def test_check_tells_of_a_timeout_policy(lab, pair):
    """It is not told, so what it keeps ends sooner after a failover."""
    lab.nft("gw1", """table ip longer {
        ct timeout long {
            protocol udp
            l3proto ip
            policy = { unreplied : 3600, replied : 3600 }
        }
        chain c {
            type filter hook prerouting priority mangle
            udp dport 9101 ct timeout set "long"
        }
    }""")
    pair.start()
    probe = lab.tools.probe()
    wait_for("told", lambda: lab.flows("gw2"))
    assert not finding(pair.one, "timeout policy")
    other = lab.tools.probe("10.2.0.100:9101", "9101")
    text = wait_for("it is found",
                    lambda: finding(pair.one, "timeout policy"))
    assert text.startswith("WARNS") and "for 3600 s, not 30 s" in text, text
    assert pair.one.tool("check")[0] == 1
    assert not finding(pair.two, "timeout policy")
    probe.finish()
    other.finish()


@pytest.mark.full
def test_check_tells_where_labels_are_lost(lab, pair):
    """A node without a rule on labels: both say so and all else is synced;
    once it has one nothing is lost any more."""
    rule = ("table inet marked { chain c {\n"
            "type filter hook forward priority mangle\n"
            "udp dport { 9100, 9101 } ct label set 77\n}\n}")
    lab.nft("gw1", rule)
    pair.start()
    probe = lab.tools.probe()
    wait_for("fw2 says so", lambda: finding(pair.two, "labels of the flows"))
    text = wait_for("fw1 says so", lambda: finding(pair.one, "kernel of fw2"))
    assert text.startswith("WARNS"), text
    def lost():
        return pair.two.status()["flows"]["failed"]["labels"]
    before = lost()
    assert before >= 1 and pair.one.in_sync() and pair.two.in_sync()
    lab.nft("gw2", rule)
    other = lab.tools.probe("10.2.0.100:9101", "9101")
    wait_for("it is told", lambda: "ASSURED" in lab.run(
        "gw2", "conntrack", "-L", "-p", "udp", "--orig-port-dst", "9101"))
    assert lost() == before
    probe.finish()
    other.finish()
