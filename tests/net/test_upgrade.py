# SPDX-License-Identifier: GPL-3.0-or-later
"""A running daemon is replaced by a new process of its program (SIGUSR2),
and neither the peer, nor a connection, nor a neighbour notices."""

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from lab import wait_for
from pair import Traffic
from test_leftovers import normal, stop_and_compare
from test_sets import SETS, add, conf as named, wait_same
from tiers import full
from upgrades import (BAD, TAKES_LATE, Successor, daemons, own_program,
                      processes, refused, replace, upgrade)

PR_SET_CHILD_SUBREAPER = 36
ADVBASE = {"advbase": 1, "advskew": (0, 20)}


@pytest.fixture(autouse=True)
def orphans():
    """Become our children, so that we can wait for them."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    yield
    libc.prctl(PR_SET_CHILD_SUBREAPER, 0)


@contextlib.contextmanager
def quiet(pair):
    """No transition on either node, and no advert that is refused, as one
    that counts from another number would be."""
    def look():
        return {n.name: [(n.transitions(v), n.carp(v)["counters"]["replay"])
                         for v in n.states()] for n in pair.both()}
    before = look()
    yield
    after = look()
    assert after == before, "%s\n%s" % (pair.one.tail(), pair.two.tail())


@pytest.mark.full
@pytest.mark.parametrize("name", ["one", "two"], ids=["master", "standby"])
@pytest.mark.flows(30000)
def test_streams_go_on(lab, pair, name):
    """No bulk, and no connection is missing that was made meanwhile."""
    pair.start()
    lab.tools.fill(1000)
    pair.wait_equal()
    node = getattr(pair, name)
    before = sum(n.log.read_text().count("bulk from") for n in pair.both())
    churn = lab.tools.churn(500, 60)
    with quiet(pair):
        for _ in range(3):
            upgrade(node)
            pair.wait_sync()
        churn.interrupt()
    assert "resumed" in pair.two.tool("history")[1]
    assert sum(n.log.read_text().count("bulk from")
               for n in pair.both()) == before, pair.two.tail()
    pair.wait_equal(60)


@pytest.mark.full
@pytest.mark.parametrize("name", ["one", "two"], ids=["master", "standby"])
def test_sets_go_on(lab, pair, name):
    """And what happens to their elements while the process is replaced."""
    lab.nft("gw1", SETS)
    lab.nft("gw2", SETS + "add element inet guard block { 198.51.100.7 }")
    pair.start(top=named())
    with quiet(pair):
        upgrade(getattr(pair, name))
        lab.nft("gw1", "flush set inet guard block")
        add(lab, "gw1", "block", "198.51.100.8 timeout 10m")
        assert "198.51.100.8 timeout 10m" in wait_same(lab, "block", 10, 1)


@pytest.mark.parametrize("conf", [ADVBASE, full({})],
                         ids=["advbase 1", "312 ms"])
def test_master_under_traffic(lab, pair, conf):
    pair.start(**conf)
    traffic = Traffic(lab)
    lab.tools.fill(3000, 300)
    pair.wait_equal()
    lab.freeze()
    traffic.begin("upgrade")
    with quiet(pair):
        print("took %.3f s" % upgrade(pair.one))
        measured = traffic.goes_on()
        print(measured)
        assert measured["silence_ms"] < 100
        pair.wait_sync()
        pair.wait_equal()
    assert pair.one.status()["version"]
    assert pair.one.tool("handover")[0] == 0
    pair.wait_master(pair.two)
    traffic.goes_on()
    traffic.finish()


def test_it_is_really_the_new_one_s(lab, pair):
    """Killed, the table is gone at once: nobody else has its socket."""
    pair.start()
    upgrade(pair.one)
    names = processes(pair.one)
    assert sorted(names.values()) == ["statesync-exec", "statesync-start",
                                      "statesyncd"], names
    pair.wait_sync()
    start = time.monotonic()
    pair.one.signal(signal.SIGKILL)
    wait_for("the table is gone", lambda: "statesync" not in
             lab.run("gw1", "nft", "list", "tables"), 1, 0.001)
    took = time.monotonic() - start
    print("table gone after %.1f ms" % (took * 1000))
    assert took < 0.05
    pair.one.reap()
    pair.wait_master(pair.two)


@pytest.mark.full
def test_five_times(lab, pair):
    """No descriptor, process or hole in the history is left behind."""
    pair.start()
    upgrade(pair.one)
    pair.wait_sync()
    before = len(os.listdir("/proc/%d/fd" % pair.one.proc.pid))
    with quiet(pair):
        for _ in range(5):
            upgrade(pair.one)
            pair.wait_sync()
    assert len(os.listdir("/proc/%d/fd" % pair.one.proc.pid)) == before
    assert len(processes(pair.one)) == 3, processes(pair.one)


@pytest.mark.full
def test_standby(lab, pair):
    pair.start()
    traffic = Traffic(lab)
    with quiet(pair):
        upgrade(pair.two)
        pair.wait_sync()
        pair.wait_equal()
        assert pair.two.is_all("BACKUP")
    traffic.begin()
    assert pair.one.tool("handover")[0] == 0
    pair.wait_master(pair.two)
    traffic.goes_on()
    traffic.finish()


@pytest.mark.full
def test_both_in_the_same_moment(lab, pair):
    pair.start(**ADVBASE)
    with quiet(pair):
        pair.two.signal(signal.SIGUSR2)
        upgrade(pair.one)
        old = pair.two.proc
        assert old.wait(10) == 0
        wait_for("one new process", lambda: len(daemons(pair.two)) == 1, 5)
        pair.two.proc = Successor(daemons(pair.two)[0])
        pair.two.wait_up()
        pair.wait_sync()


@pytest.mark.full
def test_nothing_is_left_of_it(lab, pair):
    """What the first process found is put back by the second."""
    before = normal(lab.footprint("gw1"))
    pair.configure()
    pair.one.launch().wait_up()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"))
    upgrade(pair.one)
    assert pair.one.is_all("MASTER")
    stop_and_compare(lab, pair.one, before)


@pytest.mark.full
def test_operator_s_word_stays(lab, pair):
    pair.start()
    assert pair.two.tool("demote", 7)[0] == 0
    upgrade(pair.two)
    assert pair.two.status()["demotion"]["operator"] == 7


# -- what cannot be done leaves all as it was

def test_broken_configuration(lab, pair):
    pair.start()
    text = pair.one.conf.read_text()
    with quiet(pair):
        pair.one.conf.write_text(text + "nonsense\n")
        refused(pair.one, "exit status 1")
        pair.one.conf.write_text(text.replace("stats.sock", "other.sock"))
        refused(pair.one, "the configuration is not the one that runs")
        pair.one.conf.write_text(text)
        upgrade(pair.one)
        pair.wait_sync()


@pytest.mark.full
def test_another_configuration(lab, pair):
    """What can be changed while it runs is changed first."""
    pair.start(**ADVBASE)
    text = pair.one.conf.read_text()
    pair.one.conf.write_text(text.replace("10.1.0.1/24",
                                          '10.1.0.1/24", "10.1.0.9/24'))
    pair.two.conf.write_text(pair.two.conf.read_text().replace(
        "10.1.0.1/24", '10.1.0.1/24", "10.1.0.9/24'))
    assert pair.two.tool("reload")[0] == 0
    assert pair.one.tool("reload")[0] == 0
    pair.wait_sync()
    time.sleep(2)
    pair.one.conf.write_text(text.replace(
        "10.1.0.1/24", '10.1.0.1/24", "10.1.0.9/24').replace(
        "advskew = 0", "advskew = 5"))
    upgrade(pair.one)
    pair.wait_sync()
    assert pair.one.is_all("MASTER") and pair.two.is_all("BACKUP")
    assert pair.one.carp("lan")["advskew"] == 5
    lab.run("client", "ping", "-c", "3", "-i", "0.1", "10.1.0.9")


@pytest.mark.full
@pytest.mark.parametrize("way", BAD)
def test_bad_program(lab, pair, way):
    text, word = BAD[way]
    with own_program(pair.one) as program:
        pair.start(**ADVBASE)
        good = program.read_bytes()
        with quiet(pair):
            replace(program, "#!/bin/sh\n%s\n" % text if text else "nothing")
            refused(pair.one, word)
            time.sleep(1.5)
            program.unlink()
            program.write_bytes(good)
            program.chmod(0o755)
            upgrade(pair.one)
            pair.wait_sync()


@pytest.mark.full
def test_taken_too_late(lab, pair):
    """Nor does the launcher kill it: one of the two goes on, not both."""
    with own_program(pair.one) as program:
        pair.start(**ADVBASE)
        script, said = pair.one.dir / "late.py", pair.one.dir / "said"
        script.write_text(TAKES_LATE)
        with quiet(pair):
            replace(program, "#!/bin/sh\nexec %s %s %s\n" % (
                shutil.which("python3"), script, said))
            refused(pair.one, "not take over in time")
            wait_for("it has tried", said.exists, 5)
            assert said.read_text() == "too late"


@pytest.mark.full
def test_killed_meanwhile(lab, pair):
    """The old one dies while the new one starts: that one ends, too, and the
    peer takes over as ever."""
    with own_program(pair.one) as program:
        pair.start()
        real = pair.one.dir / "real"
        shutil.copy2(program, real)
        replace(program, "#!/bin/sh\nsleep 0.5\nexec %s \"$@\"\n" % real)
        pair.one.signal(signal.SIGUSR2)
        time.sleep(0.2)
        pair.one.kill()
        pair.wait_master(pair.two)
        wait_for("nothing runs", lambda: not processes(pair.one), 10)
    assert "statesync" not in lab.run("gw1", "nft", "list", "tables")


@pytest.mark.full
def test_in_the_background(lab, pair):
    """Started by hand, with a configuration in the directory of then."""
    pair.one.configure()
    subprocess.run(["ip", "netns", "exec", lab.ns("gw1"),
                    pair.one.program("statesyncd"), "-f", "statesync.conf"],
                   cwd=pair.one.dir, check=True)
    wait_for("it runs", lambda: pair.one.is_all("MASTER"))

    def running():
        pids = lab.run("gw1", "sh", "-c",
                       "ip netns pids %s" % lab.ns("gw1")).split()
        return {int(p) for p in pids if Path("/proc/%s/comm" % p).exists() and
                Path("/proc/%s/comm" % p).read_text() == "statesyncd\n"}
    old = running()
    assert len(old) == 1, old
    os.kill(*old, signal.SIGUSR2)
    wait_for("another process", lambda: len(running()) == 1
             and running() != old, 10)
    assert pair.one.is_all("MASTER")


# -- the service manager

@pytest.mark.full
def test_service_manager_is_told(lab, pair):
    path = str(pair.one.dir / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(path)
        sock.settimeout(5)
        os.environ["NOTIFY_SOCKET"] = path
        try:
            pair.configure()
            pair.one.launch().wait_up()
        finally:
            del os.environ["NOTIFY_SOCKET"]
        assert sock.recv(512) == b"READY=1"
        upgrade(pair.one)
        assert sock.recv(512).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert sock.recv(512) == b"MAINPID=%d" % pair.one.proc.pid
        assert sock.recv(512) == b"READY=1"
        pair.one.conf.write_text("nonsense\n")
        refused(pair.one, "exit status 1")
        assert sock.recv(512).startswith(b"RELOADING=1\n")
        assert sock.recv(512) == b"READY=1"


# -- kinds of virtual hosts

@pytest.mark.full
@pytest.mark.parametrize("carp", [
    'mac = "interface"', 'source-mac = "virtual"', 'shared-address = "lo"'])
def test_kinds(lab, pair, carp):
    pair.start(carp=carp)
    traffic = Traffic(lab)
    traffic.begin()
    with quiet(pair):
        upgrade(pair.one)
        traffic.goes_on()
        pair.wait_sync()
    assert pair.one.tool("handover")[0] == 0
    pair.wait_master(pair.two)
    traffic.goes_on()
    traffic.finish()



FOLLOW = """
routes {
	route "10.3.0.0/16" { via = "10.1.0.100" }
	route "10.5.0.0/16" { via = "10.1.0.100" }
	route "default" { via = "10.1.0.100" table = 77 metric = 5 }
}
rules {
	rule "guests" { from = "10.1.2.0/24" table = 77 priority = 500 }
}
"""


def watched(lab, host):
    """What the kernel tells of routes and rules that go, in text."""
    return subprocess.Popen(
        ["ip", "netns", "exec", lab.ns(host), "stdbuf", "-oL", "ip",
         "monitor", "route", "rule", "address"], stdout=subprocess.PIPE,
        text=True)


@pytest.mark.full
def test_routes_and_rules(lab, pair):
    """Not for a moment are they not there; and whose one is, is not
    forgotten."""
    lab.ip("gw1", "route", "add", "10.5.0.0/16", "via", "10.1.0.101")
    pair.start(carps=("lan",), carp=FOLLOW, **ADVBASE)

    def errors():
        return [r["error"] for r in pair.one.carp("lan")["routes"]]
    assert errors() == [None, "taken", None, None]
    monitor = watched(lab, "gw1")
    time.sleep(0.2)
    upgrade(pair.one)
    pair.wait_sync()
    assert errors() == [None, "taken", None, None]
    monitor.terminate()
    said = monitor.communicate()[0]
    assert "Deleted" not in said, said
    assert pair.one.tool("handover")[0] == 0
    pair.wait_master(pair.two)
    assert "10.3.0.0/16" not in lab.ip("gw1", "route")
    assert "10.5.0.0/16 via 10.1.0.101" in lab.ip("gw1", "route")
    assert "lookup 77" not in lab.ip("gw1", "rule")
    assert "10.3.0.0/16" in lab.ip("gw2", "route")


@pytest.mark.full
def test_ipv6_is_answered_for(lab, pair):
    lab.ipv6()
    pair.start(address={"lan": '10.1.0.1/24", "2001:db8:1::1/64',
                        "wan": '10.2.0.1/24", "2001:db8:2::1/64'})
    monitor = watched(lab, "gw1")
    time.sleep(0.2)
    with quiet(pair):
        upgrade(pair.one)
        lab.ip("client", "neigh", "flush", "all")
        lab.run("client", "ping", "-c", "3", "-i", "0.1", "2001:db8:1::1")
        lab.run("client", "ping", "-c", "3", "-i", "0.1", "10.1.0.1")
        pair.wait_sync()
    monitor.terminate()
    said = monitor.communicate()[0]
    assert "Deleted" not in "\n".join(
        x for x in said.splitlines() if "dev eth0" not in x), said
    assert pair.one.tool("handover")[0] == 0
    pair.wait_master(pair.two)


@pytest.mark.full
def test_balanced(lab, pair):
    """The two shares of one address, both of one node."""
    pair.one.configure(carps=(), link=False, top="""
carp "lan" {
	interface = "lan"
	addresses = { "10.1.0.1/24" }
	pass = "secret"
	advbase = 0
	balancing = "ip"
	nodes = { "1:80", "11:90" }
}""")
    pair.one.launch().wait_up()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"))
    upgrade(pair.one)
    assert pair.one.is_all("MASTER")
    time.sleep(2)
    assert pair.one.is_all("MASTER")
    assert [c["transitions"] for c in pair.one.status()["carp"]] == [2, 2]


@pytest.mark.full
def test_an_interface_is_down(lab, pair):
    pair.start(carps=("lan", "wan"), top="independent = true")
    lab.cut("gw1", "wan")
    wait_for("wan of fw1 is in INIT", lambda: pair.one.states() == {
        "lan": "MASTER", "wan": "INIT"})
    with quiet(pair):
        upgrade(pair.one)
        assert pair.one.states() == {"lan": "MASTER", "wan": "INIT"}
    lab.restore("gw1", "wan")
    wait_for("wan of fw1 is up", lambda: pair.one.states()["wan"] != "INIT")


@pytest.mark.full
@pytest.mark.flows(30000)
def test_during_a_bulk(lab, pair):
    pair.configure(**ADVBASE)
    pair.one.launch().wait_up()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"))
    lab.tools.fill(30000)
    lab.slow("link")
    pair.two.launch().wait_up()
    wait_for("a bulk runs", lambda: pair.two.peer().get(
        "bulk", {}).get("state") == "running", 10, 0.001)
    upgrade(pair.one)
    assert pair.one.is_all("MASTER") and pair.two.is_all("BACKUP")
    lab.fast("link")
    pair.wait_sync()
    pair.wait_equal()


@pytest.mark.full
def test_quick_intervals(lab, pair):
    """Of 16 and 31 ms: it may be a handover, and all goes on."""
    pair.start(advskew=(4, 8))
    traffic = Traffic(lab)
    traffic.begin()
    upgrade(pair.one)
    wait_for("one master", lambda: pair.master() is not None, 10)
    traffic.goes_on()
    pair.wait_sync()
    traffic.finish()
