# SPDX-License-Identifier: GPL-3.0-or-later
"""nftables sets that the configuration names: their elements are on the other
node with what is left of their time, and whoever is blocked stays blocked.

Every number that `nft` shows is compared with the other node's, never with
what the daemons say of themselves.
"""

import re
import subprocess
import sys
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


def differences(a, b, apart, slack=1.5):
    """Keys of elements that are not the same in both, listed so many seconds
    apart."""
    return [k for k in {**a, **b} if k not in a or k not in b
            or (a[k] is None) != (b[k] is None)
            or (a[k] is not None and abs(a[k] - b[k] - apart) > slack)]


def add(lab, host, name, text):
    lab.nft(host, "add element inet guard %s { %s }" % (name, text))


def wait_same(lab, name, timeout=5, want=None, slack=1.5):
    """The set is the same on both nodes, and has so many elements."""
    last = {}

    def equal():
        one, at = listed(lab, "gw1", name), time.monotonic()
        two = listed(lab, "gw2", name)
        last["n"] = len(one), len(two)
        last["differ"] = differences(one, two, time.monotonic() - at,
                                     slack)[:5]
        last["two"] = two
        return not last["differ"] and want in (None, len(one))
    try:
        wait_for("same", equal, timeout, 0.05)
    except AssertionError:
        raise AssertionError("%s differs, %s elements, not %s: %s" % (
            name, last["n"], want, last["differ"])) from None
    return last["two"]


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


def send(lab, port, times=1, addr="10.2.0.100"):
    """Datagrams of the client through the master."""
    lab.run("client", "python3", "-c",
            "import socket\ns = socket.socket(2, 2)\n"
            "for i in range(%d): s.sendto(b'x', ('%s', %d))"
            % (times, addr, port))


@pytest.mark.full
def test_what_the_packet_path_adds(lab, guarded):
    """Nobody is told of it: it is found within the period. So is its renewal,
    and that a rule removed it."""
    send(lab, 7777)
    got = wait_same(lab, "seen", PERIOD + 2, 1)
    assert list(got) == ["10.1.0.100 timeout 5m"], got
    sent = of(guarded.one, "seen")["sent"]
    time.sleep(2.5 * PERIOD)
    assert of(guarded.one, "seen")["sent"] == sent, "told without a reason"
    send(lab, 7777)
    assert listed(lab, "gw1", "seen")["10.1.0.100 timeout 5m"] > 299
    wait_same(lab, "seen", 2 * PERIOD + 2, 1)
    send(lab, 7778)
    wait_same(lab, "seen", 2 * PERIOD + 2, 0)


def test_a_rate_keeps_its_limit(lab, guarded):
    """An element of a meter without its limit would drop all that it matches:
    it is carried with it."""
    send(lab, 7779)
    got = wait_same(lab, "rates", PERIOD + 2, 1)
    assert re.match(r"10.1.0.100 limit rate over 100/second", list(got)[0])
    assert guarded.one.tool("handover")[0] == 0
    guarded.wait_master(guarded.two)
    answers = lab.tools.probe("10.2.0.100:7779", "7779")
    time.sleep(0.5)
    report = answers.finish()
    assert report["answered"] > 5, report


KINDS = {
    "nets": ("10.0.0.0/24 timeout 1h, 10.0.1.0/24, 10.9.0.1, "
             '10.20.0.3-10.20.0.9 comment "odd"', "10.0.1.0/24"),
    "pairs": ("10.0.0.0/24 . 80-90 timeout 1h, 10.5.0.1 . 22",
              "10.5.0.1 . 22"),
    "plain": ("tcp, udp, 89", "udp"),
    "where": ("10.0.0.1 timeout 1h : 10.7.0.1, 10.0.0.2 : 10.7.0.2",
              "10.0.0.2"),
    "what": ("10.0.0.1 timeout 1h : accept, 10.0.0.2 : drop, "
             "10.0.0.3 : jump guards2", "10.0.0.1"),
}


def test_every_kind_of_set(lab, guarded):
    """Intervals, concatenations, maps of values and of verdicts."""
    for host in ("gw1", "gw2"):
        lab.nft(host, "add chain inet guard guards2")
    for name, (elements, _) in KINDS.items():
        add(lab, "gw1", name, elements)
    for name, (elements, _) in KINDS.items():
        got = wait_same(lab, name, 3, elements.count(",") + 1)
        assert got
    for name, (_, one) in KINDS.items():
        lab.nft("gw1", "delete element inet guard %s { %s }" % (name, one))
    for name, (elements, one) in KINDS.items():
        assert one not in wait_same(lab, name, 3, elements.count(","))


def test_it_runs_out_on_both(lab, guarded):
    add(lab, "gw1", "block", "192.0.2.1 timeout 3s")
    wait_same(lab, "block", 2, 1)
    time.sleep(3.2)
    assert not listed(lab, "gw2", "block") and not listed(lab, "gw1", "block")


def blocked(lab):
    """The client gets no answer."""
    out = lab.run("client", "ping", "-n", "-c", "2", "-i", "0.2", "-W", "1",
                  "10.2.0.100", check=False)
    return " 0 received" in out


@pytest.mark.parametrize("way", [
    pytest.param("handover", marks=pytest.mark.full), "SIGKILL"])
def test_whoever_is_blocked_stays_so(lab, guarded, way):
    """Over the failover, and is released when its time is over."""
    assert not blocked(lab)
    add(lab, "gw1", "block", "10.1.0.100 timeout 8s")
    began = time.monotonic()
    wait_same(lab, "block", 2, 1)
    if way == "handover":
        assert guarded.one.tool("handover")[0] == 0
    else:
        guarded.one.kill()
    guarded.wait_master(guarded.two)
    assert blocked(lab) and time.monotonic() - began < 7
    time.sleep(max(0, began + 8.2 - time.monotonic()))
    assert not blocked(lab)


def test_a_joining_node_gets_all(lab, pair):
    """Before it is in sync; what only it has, in a set that is named, goes."""
    for host in ("gw1", "gw2"):
        lab.nft(host, SETS)
    for i in range(5):
        add(lab, "gw1", "block", ", ".join(
            "192.0.%d.%d timeout 1h" % (i, k) for k in range(200)))
    add(lab, "gw1", "nets", "10.0.0.0/24, 10.8.0.0-10.8.0.9")
    add(lab, "gw2", "block", "203.0.113.1 timeout 1h, 203.0.113.2, "
        "192.0.1.1 timeout 5m")
    add(lab, "gw2", "nets", "10.0.0.0/25, 10.3.0.0/24")
    add(lab, "gw2", "unnamed", "203.0.113.1 timeout 1h")
    pair.start(top=conf())
    assert len(listed(lab, "gw2", "block")) >= 1000
    wait_same(lab, "block", 3, 1000)
    wait_same(lab, "nets", 3, 2)
    assert len(listed(lab, "gw2", "unnamed")) == 1
    assert not listed(lab, "gw1", "unnamed")
    add(lab, "gw1", "unnamed", "203.0.113.9")
    time.sleep(2)
    assert len(listed(lab, "gw2", "unnamed")) == 1


@pytest.mark.full
def test_nothing_is_written_without_a_reason(lab, guarded):
    """Each transaction is another generation of the ruleset: told all of its
    sets again, a node that has them writes nothing."""
    add(lab, "gw1", "block", "192.0.2.1 timeout 1h")
    add(lab, "gw1", "nets", "10.0.0.0/24")
    wait_same(lab, "block", 2, 1)
    wait_same(lab, "nets", 2, 1)
    before = generation(lab, "gw2")
    received = of(guarded.two, "block")["received"]
    lab.cut("gw2", "link")
    wait_for("no link", lambda: not guarded.two.in_sync(), 5)
    lab.restore("gw2", "link")
    guarded.wait_sync()
    wait_for("told again", lambda: of(guarded.two, "block")["received"]
             > received, 5)
    time.sleep(1)
    assert generation(lab, "gw2") == before


def generation(lab, host):
    """Of the ruleset, as the kernel counts it (NFT_MSG_GETGEN)."""
    out = subprocess.run(
        ["ip", "netns", "exec", lab.ns(host), sys.executable, "-c", '''
import socket, struct
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
s.send(struct.pack("=IHHII", 20, 0xa10, 1, 1, 0) + bytes(4))
d = s.recv(4096)
print(struct.unpack(">I", d[24:28])[0])
'''], capture_output=True, text=True, check=True).stdout
    return int(out)


def reload(lab, host, more=""):
    """The ruleset anew, as nft -f /etc/nftables.conf does: other handles."""
    lab.nft(host, "delete table inet guard\n" + SETS + more)


def test_rulesets_are_loaded_again(lab, guarded):
    """On the standby: it gets the elements again. On the master: what it lost
    goes on both, and what comes after that is told."""
    add(lab, "gw1", "block", "192.0.2.1 timeout 1h, 192.0.2.2")
    add(lab, "gw1", "nets", "10.0.0.0/24")
    wait_same(lab, "block", 2, 2)
    reload(lab, "gw2")
    wait_same(lab, "block", 3, 2)
    wait_same(lab, "nets", 3, 1)
    lab.nft("gw2", "flush set inet guard block\nflush set inet guard nets")
    wait_same(lab, "block", 3, 2)
    wait_same(lab, "nets", 3, 1)
    reload(lab, "gw1", "add element inet guard block { 192.0.2.9 }\n")
    assert list(wait_same(lab, "block", 3, 1)) == ["192.0.2.9"]
    wait_same(lab, "nets", 3, 0)
    add(lab, "gw1", "block", "192.0.2.3 timeout 1h")
    wait_same(lab, "block", 2, 2)


@pytest.mark.full
def test_a_set_that_is_missing_or_other(lab, pair):
    """A clear word, no endless errors, and the others go on; it is taken up
    once it is there."""
    lab.nft("gw1", SETS)
    lab.nft("gw2", re.sub(r"set nets .*", "set nets { type ipv6_addr; flags "
                          "interval,timeout; }", re.sub(r"\tset seen.*\n|"
                          r".*@seen.*\n", "", SETS)))
    add(lab, "gw1", "nets", "10.0.0.0/24")
    add(lab, "gw1", "seen", "10.0.0.1 timeout 1h")
    pair.start(top=conf())
    add(lab, "gw1", "block", "192.0.2.1")
    wait_same(lab, "block", 2, 1)
    assert of(pair.two, "seen")["state"] == "missing"
    code, out, _ = pair.two.tool("check")
    assert code == 1 and 'set "inet guard seen": this node has no' in out, out
    code, out, _ = pair.one.tool("check")
    assert code == 1 and 'guard seen": fw2: it has no such set' in out, out
    assert 'guard nets": fw2: the type of its keys differs' in out, out
    log = pair.two.log.read_text()
    assert log.count('"inet guard seen": no such set') == 1, log
    before = len(log)
    time.sleep(3)
    assert len(pair.two.log.read_text()) - before < 200
    lab.nft("gw2", "add set inet guard seen { type ipv4_addr; "
            "flags dynamic,timeout; timeout 10m; size 65535; }\n"
            "delete set inet guard nets\nadd set inet guard nets "
            "{ type ipv4_addr; flags interval,timeout; }")
    wait_same(lab, "seen", 3, 1)
    wait_same(lab, "nets", 3, 1)
    # with the sets: a rule is still missing on the other node
    wait_for("check is content", lambda: not re.search(
        r'guard (seen|nets)":', pair.one.tool("check")[1]), 3)


@pytest.mark.full
def test_one_bad_element_does_not_cost_the_others(lab, pair):
    """A chain that is missing, a set that is full: the rest is there."""
    lab.nft("gw1", SETS + "add chain inet guard extra\n")
    lab.nft("gw2", SETS.replace("size 1000", "size 10"))
    pair.start(top=conf())
    add(lab, "gw1", "what", "10.0.0.1 : accept, 10.0.0.2 : jump extra, "
        "10.0.0.3 : drop")
    wait_for("two of three", lambda: len(listed(lab, "gw2", "what")) == 2, 3)
    wait_for("counted", lambda: of(pair.two, "what")["refused"]["chain"], 3)
    add(lab, "gw1", "rates", ", ".join("10.0.1.%d timeout 1m" % i
                                      for i in range(30)))
    wait_for("as many as there is room", lambda: len(
        listed(lab, "gw2", "rates")) >= 10, 3)
    assert of(pair.two, "rates")["refused"]["full"]
    assert "elements are refused: it is full" in pair.two.log.read_text()
    assert "elements refused (full)" in pair.two.tool("counters")[1]
    assert pair.one.in_sync()


@pytest.mark.full
def test_twenty_thousand(lab, guarded):
    """By one transaction, and again to a node that joins; adverts are never
    late for it, and a flush is told, too."""
    add(lab, "gw1", "block", ", ".join(
        "10.%d.%d.%d timeout 1h" % (64 + i // 65536, i // 256 % 256, i % 256)
        for i in range(20000)))
    wait_same(lab, "block", 20, 20000, slack=4)
    late = guarded.one.status()["adverts_late"]
    guarded.two.stop()
    lab.nft("gw2", "flush set inet guard block")
    guarded.two.launch().wait_up()
    began = time.monotonic()
    guarded.wait_sync()
    wait_same(lab, "block", 20, 20000, slack=4)
    print("joined in", time.monotonic() - began)
    print("late adverts", guarded.one.status()["adverts_late"] - late)
    lab.nft("gw1", "flush set inet guard block")
    wait_same(lab, "block", 20, 0)
    assert guarded.one.is_all("MASTER")
    assert guarded.one.transitions("lan") == 2


@pytest.mark.full
def test_a_split_brain_heals(lab, guarded):
    """What either node learnt while they did not hear each other is on both
    afterwards."""
    add(lab, "gw1", "block", "192.0.2.1 timeout 1h")
    wait_same(lab, "block", 2, 1)
    lab.cut("gw2", "lan", "wan", "link")
    lab.restore("gw2", "lan")
    lab.cut("gw1", "lan", "link")
    wait_for("fw2 has lan", lambda: guarded.two.states()["lan"] == "MASTER",
             10)
    assert guarded.one.states()["wan"] == "MASTER"
    add(lab, "gw1", "block", "192.0.2.2 timeout 1h")
    add(lab, "gw2", "block", "192.0.2.3 timeout 1h")
    for host in ("gw1", "gw2"):
        lab.restore(host, "lan", "wan", "link")
    wait_for("one master", guarded.master, 30)
    guarded.wait_sync()
    wait_same(lab, "block", 10, 3)


@pytest.mark.full
def test_sets_change_while_it_runs(lab, guarded):
    """Another list of sets is a reload, not a restart."""
    add(lab, "gw1", "block", "192.0.2.1")
    wait_same(lab, "block", 2, 1)
    for node in guarded.both():
        node.conf.write_text(node.conf.read_text().replace(
            '"inet guard block"', '"inet guard unnamed"'))
        assert node.tool("reload")[0] == 0
    add(lab, "gw1", "unnamed", "192.0.2.2 timeout 1h")
    wait_same(lab, "unnamed", 3, 1)
    add(lab, "gw1", "block", "192.0.2.3")
    time.sleep(1)
    assert len(listed(lab, "gw2", "block")) == 1
    assert guarded.one.is_all("MASTER")
