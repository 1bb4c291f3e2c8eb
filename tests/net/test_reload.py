# SPDX-License-Identifier: GPL-3.0-or-later
"""A new configuration while both nodes run: SIGHUP and `statesync reload`."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import nd
from lab import SHARED, wait_for
from node import VIRTUAL_MAC
from pair import Ping
from tap import Tap
from tiers import full
from vhosts import SHARED_V6, add_v6, vhost

MORE = "10.1.0.5"


def reload(node, **more):
    """Writes the configuration of the pair with what is other, and reloads.
    What the operator is told."""
    node.configure(**more)
    code, out, err = node.tool("reload")
    assert code == 0, err
    assert out.startswith(str(node.conf) + ": in use now"), out
    return out


def mine(pair, node, **other):
    """The pair's values for that node, with others."""
    i = 0 if node is pair.one else 1
    conf = {k: v[i] if isinstance(v, tuple) and k != "carps" else v
            for k, v in {**pair.conf, **other}.items()}
    conf.setdefault("advskew", {"gw1": 80, "gw2": 90}[node.host])
    return conf


def more_address(*extra):
    return {"lan": '10.1.0.1/24", "%s' % '", "'.join(extra),
            "wan": "10.2.0.1/24"}


def answers(lab, address, mac=VIRTUAL_MAC["lan"]):
    """Who asks for it is answered, with that MAC alone."""
    got = lab.tools.neighbour("client", address, "arp", 3, 100)
    return got["answered"] == 3 and got["macs"] == [mac]


def is_silent(lab, address):
    return not lab.tools.neighbour("client", address, "arp", 3, 100)["macs"]


class Steady:
    """Traffic that goes on, and a mastership that does not move."""

    def __init__(self, lab, pair):
        self.pair = pair
        self.ping = Ping(lab)
        self.probe = lab.tools.probe()
        self.streams = lab.tools.streams(1, 1, rate=500000)
        self.before = pair.transitions()
        self.master = pair.master()
        for tool in (self.probe, self.streams):
            tool.mark("steady")

    def check(self, silence_ms=250):
        time.sleep(0.5)
        assert self.pair.transitions() == self.before, str(self.pair)
        assert self.pair.master() is self.master
        for node in self.pair.both():
            log = node.log.read_text()
            assert "lease ran out" not in log and "TWO MASTERS" not in log
        report = self.probe.mark("on")
        assert report["silence_ms"] < silence_ms, report
        report = self.streams.mark("on")
        assert not report["broken"], report
        assert report["progressed"] == report["conns"], report
        assert self.ping.answers_again()

    def finish(self):
        self.check()
        report = self.streams.finish()
        assert report["lost"] == 0 and report["mismatched"] == 0, report
        self.probe.finish()
        self.ping.close()


@pytest.fixture
def steady(lab, pair):
    made = []

    def begin():
        made.append(Steady(lab, pair))
        return made[0]
    yield begin
    for one in made:
        one.ping.close()


def heard(pair):
    """Nobody refuses the other one's adverts."""
    return [c["counters"].get("auth", 0) for n in pair.both()
            for c in n.status()["carp"]]


@pytest.mark.full
@pytest.mark.parametrize("order", [("two", "one"), full(("one", "two"))])
def test_an_address_comes_and_goes(lab, pair, steady, order):
    pair.start()
    watched = steady()
    nodes = [getattr(pair, name) for name in order]
    assert is_silent(lab, MORE)
    for node in nodes:
        reload(node, **mine(pair, node, address=more_address(MORE + "/24")))
        time.sleep(1.5)
        watched.check()
    assert answers(lab, MORE) and answers(lab, SHARED["lan"])
    lab.run("client", "ping", "-c2", "-i0.2", "-W1", MORE)
    assert MORE in pair.one.carp("lan")["addresses"][1]
    assert MORE in lab.run("gw1", "nft", "list", "ruleset")
    for node in nodes:
        reload(node, **mine(pair, node))
        time.sleep(1.5)
        watched.check()
    assert is_silent(lab, MORE) and answers(lab, SHARED["lan"])
    assert MORE not in lab.ip("gw1", "route", "show", "table", "all")
    assert MORE not in lab.run("gw1", "nft", "list", "ruleset")
    assert max(heard(pair)) <= 1, heard(pair)
    for node in pair.both():
        assert "somebody took" not in node.log.read_text()
    watched.finish()
    pair.one.stop()
    pair.wait_master(pair.two)


@pytest.mark.full
def test_ipv6_comes_later(lab, pair, steady):
    add_v6(lab)
    pair.start()
    watched = steady()
    for node in (pair.two, pair.one):
        reload(node, **mine(pair, node,
                            address=more_address(SHARED_V6 + "/64")))
        time.sleep(1)
    lab.run("client", "ping", "-c2", "-i0.2", "-W1", SHARED_V6)
    assert VIRTUAL_MAC["lan"] in lab.ip("client", "neigh", "show", SHARED_V6)
    for node in (pair.two, pair.one):
        reload(node, **mine(pair, node))
        time.sleep(1)
    lab.ip("client", "neigh", "flush", "to", SHARED_V6)
    assert " 0 received" in lab.run("client", "ping", "-c2", "-i0.2", "-W1",
                                    SHARED_V6, check=False)
    watched.finish()


@pytest.mark.full
def test_a_password_on_one_and_five_seconds_later_on_the_other(
        lab, pair, steady):
    pair.start()
    watched = steady()
    for node in (pair.one, pair.two):
        reload(node, **mine(pair, node, password="another"))
        for _ in range(10):
            time.sleep(0.5)
            assert pair.master() is pair.one, str(pair)
    watched.finish()
    assert max(heard(pair)) <= 1, heard(pair)
    pair.one.stop()
    pair.wait_master(pair.two)


@pytest.mark.full
def test_times_change_and_the_master_stays(pair, steady):
    pair.start()
    watched = steady()
    for advbase, advskew in ((1, 30), (0, 60)):
        order = (pair.two, pair.one) if advbase else (pair.one, pair.two)
        for node in order:
            reload(node, **mine(pair, node, advbase=advbase,
                                advskew=advskew))
        time.sleep(2.5)
        interval = advbase + advskew / 256
        for c in pair.one.status()["carp"]:
            assert (c["advbase"], c["advskew"]) == (advbase, advskew)
            assert abs(c["lease_ms"] - 2500 * interval) < 3, c
        before = accepted(pair.two)
        time.sleep(4 * interval)
        assert 3 <= accepted(pair.two) - before <= 5
        watched.check()
    watched.finish()


def accepted(node):
    return node.carp("lan")["counters"]["accepted"]


def test_a_mistake_leaves_the_old_one(pair, steady):
    """exit 1, and where it is; the same in the log after SIGHUP."""
    pair.start()
    watched = steady()
    for node in pair.both():
        good = node.conf.read_text()
        node.conf.write_text(good.replace("vhid = 1\n", "vhid = 256\n"))
        line = good.splitlines().index("\tvhid = 1") + 1
        code, out, err = node.tool("reload")
        assert code == 1 and not out
        assert "%s:%d:" % (node.conf, line) in err, err
        assert "more" not in err, err
        node.conf.write_text(good.replace("vhid = 1\n", "vhid = 256\n")
                             .replace("vhid = 2\n", "vhid = 257\n"))
        err = node.tool("reload")[2]
        assert "vhid 256" in err and "(and 1 more: statesyncd -n)" in err, err
        log = node.log.read_text()
        os.kill(node.proc.pid, signal.SIGHUP)
        wait_for("the log tells", lambda: "the old configuration stays" in
                 node.log.read_text()[len(log):])
        node.conf.write_text(good)
        log = node.log.read_text()
        os.kill(node.proc.pid, signal.SIGHUP)
        wait_for("the log tells", lambda: "in use now" in
                 node.log.read_text()[len(log):])
    watched.finish()


@pytest.mark.full
@pytest.mark.parametrize("was, now, key", [
    ('node = "fw1"', 'node = "fw3"', "node"),
    ('{ "10.9.0.1" }', '{ "10.9.0.7" }', "address of the link"),
    ('peer "fw2"', 'peer "fw7"', "peer of the link"),
    ('stats.sock"', 'other.sock"', "socket of stats"),
    ('/state"', '/elsewhere"', "state-dir"),
])
def test_what_needs_a_restart_is_refused(pair, was, now, key):
    pair.one.start(link=True)
    text = pair.one.conf.read_text()
    assert was in text
    pair.one.conf.write_text(text.replace(was, now).replace(
        "advskew = 20", "advskew = 40"))
    code, _, err = pair.one.tool("reload")
    assert code == 1 and ": %s cannot change while it runs" % key in err, err
    assert "restart" in err
    assert pair.one.carp("lan")["advskew"] == 20


@pytest.mark.full
def test_an_address_of_an_interface_is_refused(lab, pair):
    """Its master would have to yield all of the vhost."""
    pair.start()
    lab.ip("gw1", "addr", "add", MORE + "/24", "dev", "lan")
    pair.one.configure(**mine(pair, pair.one,
                              address=more_address(MORE + "/24")))
    code, _, err = pair.one.tool("reload")
    assert code == 1 and "itself bears " + MORE in err, err
    assert pair.master() is pair.one


@pytest.mark.full
@pytest.mark.parametrize("order", [("two", "one"), ("one", "two")])
def test_a_vhost_comes_and_goes(lab, pair, steady, order):
    """It belongs to the master of the others, whoever has it first."""
    pair.start()
    watched = steady()
    extra = vhost("dmz", 7, (MORE + "/24",))
    nodes = [getattr(pair, name) for name in order]
    for node in nodes:
        reload(node, **mine(pair, node, top=extra))
        time.sleep(2.5)
    wait_for("dmz is there", lambda: (
        pair.one.states()["dmz"], pair.two.states()["dmz"]) == (
        "MASTER", "BACKUP"))
    assert answers(lab, MORE, "00:00:5e:00:01:07")
    for node in (pair.two, pair.one):
        reload(node, **mine(pair, node))
        assert "dmz" not in node.states()
    wait_for("nobody answers", lambda: is_silent(lab, MORE))
    for host in ("gw1", "gw2"):
        rules = lab.run(host, "nft", "list", "ruleset")
        assert "00:00:5e:00:01:07" not in rules, rules
        assert MORE not in lab.ip(host, "route", "show", "table", "all")
    watched.finish()


@pytest.mark.full
def test_a_vhost_moves_to_another_interface(lab, pair):
    """Another vhid, interface or MAC is another vhost."""
    pair.start(carps=("wan",), top=vhost("dmz", 7, (MORE + "/24",)))
    for node in (pair.two, pair.one):
        reload(node, **mine(pair, node, top=vhost(
            "dmz", 8, (MORE + "/24",), mac="interface")))
    wait_for("dmz is there", lambda: (
        pair.one.states()["dmz"], pair.two.states()["dmz"]) == (
        "MASTER", "BACKUP"))
    assert answers(lab, MORE, lab.mac("gw1", "lan"))
    for node in (pair.two, pair.one):
        reload(node, **mine(pair, node, top=vhost(
            "dmz", 7, ("10.2.0.5/24",), interface="wan")))
    wait_for("dmz is there", lambda: (
        pair.one.states()["dmz"], pair.two.states()["dmz"]) == (
        "MASTER", "BACKUP"))
    assert is_silent(lab, MORE)
    got = lab.tools.neighbour("server", "10.2.0.5", "arp", 3, 100)
    assert got["macs"] == ["00:00:5e:00:01:07"], got


@pytest.mark.full
def test_unicast_comes_later(lab, pair, steady):
    """The link vouches for the master while the two do not understand each
    other."""
    def dmz(**more):
        return tuple(vhost("dmz", 7, (MORE + "/24",), advskew=skew, **{
            k: v[i] for k, v in more.items()})
            for i, skew in enumerate((80, 90)))
    pair.start(top=dmz())
    watched = steady()
    peers = (("10.1.0.12",), ("10.1.0.11",))
    for top in (dmz(peer=peers), dmz(peer=peers, ttl=(64, 64)), dmz()):
        for i, node in ((1, pair.two), (0, pair.one)):
            reload(node, **mine(pair, node, top=top[i]))
        before = pair.two.carp("dmz")["counters"]["accepted"]
        wait_for("heard", lambda: pair.two.carp("dmz")["counters"][
            "accepted"] >= before + 3, 5)
    watched.finish()


@pytest.mark.full
def test_router_advertisements_come_and_go(lab, pair):
    lab.ipv6()
    lab.run("gw1", "sysctl", "-qw", "net.ipv6.conf.lan.forwarding=1")
    both = more_address("2001:db8:1::1/64")

    def said(since):
        return [m for m in map(nd.parse, tap.since(since))
                if m["type"] == nd.RA]
    with Tap(lab, "gw1", "lan",
             lambda frame: nd.parse(frame) is not None) as tap:
        pair.start(address=both)
        assert not said(0)
        reload(pair.one, **mine(pair, pair.one,
                                top="router-advertisement = true"))
        wait_for("advertised", lambda: said(0), 3)
        reload(pair.one, **mine(pair, pair.one))
        start = time.monotonic()
        lab.run("client", "ping", "-c1", "-W1", "2001:db8:1::1")
        lab.tools.neighbour("client", SHARED["lan"], "arp", 3, 100)
        time.sleep(1)
        assert not said(start)
        assert pair.master() is pair.one


@pytest.mark.full
def test_a_balanced_address(lab, pair):
    """Its vhosts are one in the file; all of them change together."""
    def block(mine, *addresses):
        return ('carp "both" {\n\tinterface = "lan"\n\tpass = "secret"\n'
                '\taddresses = { %s }\n\tadvbase = 0\n'
                '\tbalancing = "ip-stealth"\n\tnodes = { %s }\n}' % (
                    ", ".join('"%s/24"' % a for a in addresses),
                    ", ".join('"%d:%d"' % (vhid, skew) for vhid, skew in
                              zip((11, 12), mine))))

    def write(node, text):
        node.configure(carps=("wan",), advbase=0, advskew=80,
                       top="independent = true\n" + text)
    skews = {pair.one: (60, 120), pair.two: (120, 60)}
    for node, skew in skews.items():
        write(node, block(skew, "10.1.0.7"))
        node.launch().wait_up()
    pair.wait_sync()
    wait_for("each has a master: %s" % pair, lambda: all(
        "MASTER" in (n.states()[name] for n in pair.both())
        for name in pair.one.states()))
    before = pair.transitions()
    for node, skew in skews.items():
        write(node, block((skew[0] + 5, skew[1]), "10.1.0.7", MORE))
        code, out, err = node.tool("reload")
        assert code == 0 and "3 stay, 0 new, 0 gone" in out, (out, err)
        time.sleep(1)
    assert pair.transitions() == before
    assert lab.tools.neighbour("client", MORE, "arp", 3, 100)["answered"] == 3
    for node, skew in skews.items():
        write(node, "")
        assert "1 stay, 0 new, 2 gone" in node.tool("reload")[1]
    wait_for("nobody answers", lambda: is_silent(lab, MORE))


@pytest.mark.full
def test_what_is_tracked_and_routes(lab, pair):
    """What was down stays down, without a word in between; routes that stay
    stay."""
    flag = pair.one.dir / "flag"
    flag.write_text("1\n")
    track = 'track { file "%s" { weight = %d } }'
    routes = 'routes { route "10.77.0.0/16" { via = "10.1.0.9" }\n%s }'
    extra = 'route "10.78.0.0/16" { via = "10.1.0.9" }'
    conf = "\n".join((track % (flag, 5), routes % extra))

    def write(node, text):
        node.configure(**mine(pair, node))
        node.conf.write_text(node.conf.read_text().replace(
            'carp "lan" {', 'carp "lan" {\n' + text))
    pair.configure()
    write(pair.one, conf)
    pair.one.launch().wait_up()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"), 15)
    assert pair.one.status()["demotion"]["track"] == 5
    before = pair.one.log.read_text()
    write(pair.one, "\n".join((track % (flag, 7), routes % "")))
    assert pair.one.tool("reload")[0] == 0
    assert pair.one.status()["demotion"]["track"] == 7
    new = pair.one.log.read_text()[len(before):]
    assert "is up" not in new and "is down" not in new, new
    table = lab.ip("gw1", "route")
    assert "10.77.0.0/16" in table and "10.78.0.0/16" not in table
    write(pair.one, "")
    assert pair.one.tool("reload")[0] == 0
    assert pair.one.status()["demotion"]["total"] == 0
    assert "10.77.0.0/16" not in lab.ip("gw1", "route")
    assert pair.one.is_all("MASTER")


@pytest.mark.full
def test_not_during_a_handover(pair):
    """The peer hangs, so that it takes its time."""
    pair.start()
    pair.two.hang()
    with ThreadPoolExecutor() as pool:
        handover = pool.submit(pair.one.tool, "handover", "--force")
        wait_for("refused", lambda: "a handover is going on; try again" in
                 pair.one.tool("reload")[2], 5, 0.01)
        pair.two.wake()
        handover.result()
    wait_for("it works again", lambda: pair.one.tool("reload")[0] == 0)


def fds(node):
    return sorted(os.readlink("/proc/%d/fd/%s" % (node.proc.pid, fd)).split(
        ":")[0] for fd in os.listdir("/proc/%d/fd" % node.proc.pid))


@pytest.mark.full
def test_nothing_is_left_open(lab, pair):
    """As many descriptors after fifty reloads as before."""
    add_v6(lab)
    lab.batch("gw2", "link add ext type veth peer name ext2",
              "link set ext2 up", "link set ext up")
    pair.start()
    node = pair.two
    texts = [mine(pair, node), mine(
        pair, node, address=more_address(MORE + "/24", SHARED_V6 + "/64"),
        top=vhost("dmz", 7, ("10.8.0.5/24",), interface="ext"))]
    # what is open for IPv6 stays so where the vhost does
    reload(node, **{**texts[1], "top": ""})
    reload(node, **texts[0])
    time.sleep(0.5)
    before = fds(node)
    for _ in range(25):
        for conf in reversed(texts):
            reload(node, **conf)
    time.sleep(0.5)
    assert fds(node) == before
    assert pair.master() is pair.one
    for node in pair.both():
        assert node.stop() == 0
        log = node.log.read_text()
        assert "Sanitizer" not in log and "runtime error" not in log
