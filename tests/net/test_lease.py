# SPDX-License-Identifier: GPL-3.0-or-later
"""The right to answer lives in the kernel: what ends it, what must not disturb
it, and the devices it goes along with. Killed and stopped daemons are in
test_silence.py, left-overs in test_leftovers.py."""

import contextlib
import os
import re
import signal
import socket
import struct
import time
from pathlib import Path

import pytest

from lab import LabError, SHARED, sh, wait_for
from node import VIRTUAL_MAC
from pair import SKEW
from tap import Tap, from_virtual, is_advert, is_arp, is_leak
from tiers import full
from vhosts import SHARED_V6, add_v6, start, vhost

VMAC = VIRTUAL_MAC["lan"]
LEASE = 2.5 * min(SKEW.values()) / 256


def echoes(lab, tries=10, every_ms=50, host="client", addr="10.1.0.1"):
    """Answers to pings of the shared address at the virtual MAC."""
    return lab.tools.neighbour(host, addr, "echo", tries, every_ms,
                               VMAC)["answered"]


def is_echo_reply(frame):
    """From the shared address of the lan."""
    return (frame[12:14] == b"\x08\x00" and frame[23] == 1
            and frame[26:30] == socket.inet_aton(SHARED["lan"])
            and frame[34] == 0)


def pings(lab, host, addr, count=3):
    lab.run(host, "ping", "-n", "-c", str(count), "-i", "0.1", "-W", "1",
            addr)


def longest_gap_ms(frames):
    times = [t for t, _ in frames]
    return 1000 * max((b - a for a, b in zip(times, times[1:])), default=0)


# -- what ends it

class Freezer:
    """A control group of its own for one daemon."""

    def __init__(self, name):
        roots = [line.split()[1] for line in open("/proc/mounts")
                 if line.split()[2] == "cgroup2"]
        if not roots:
            pytest.skip("no cgroup v2 here")
        self.dir = Path(roots[0]) / name
        try:
            self.dir.mkdir()
        except OSError as e:
            pytest.skip("no control group can be made: %s" % e)
        if not (self.dir / "cgroup.freeze").exists():
            self.dir.rmdir()
            pytest.skip("this kernel's cgroup v2 does not freeze")

    def take(self, pid):
        (self.dir / "cgroup.procs").write_text(str(pid))

    def freeze(self, on):
        (self.dir / "cgroup.freeze").write_text("1" if on else "0")
        wait_for("frozen or not", lambda: "frozen %d" % on in
                 (self.dir / "cgroup.events").read_text(), 3)

    def close(self):
        with contextlib.suppress(OSError, AssertionError):
            self.freeze(False)
        wait_for("the group is empty", lambda: not (
            self.dir / "cgroup.procs").read_text(), 5)
        self.dir.rmdir()


@pytest.fixture
def freezer(lab):
    made = Freezer(lab.prefix)
    yield made
    for node in lab.nodes.values():
        node.kill()
    made.close()


def test_frozen_daemon(lab, pair, freezer):
    """Its control group is frozen: after the lease the other one alone
    answers, counted at both; thawed, it neither answers nor advertises."""
    pair.start()
    freezer.take(pair.one.proc.pid)
    assert echoes(lab) == 10
    with Tap(lab, "gw1", "lan") as one, \
            Tap(lab, "gw2", "lan", is_echo_reply) as two:
        start = time.monotonic()
        freezer.freeze(True)
        pair_two = pair.two
        wait_for("fw2 is master", lambda: pair_two.is_all("MASTER"))
        end = time.monotonic()
        assert echoes(lab) == 10
        late = [t - start for t, f in one.frames if t > start + LEASE
                and (from_virtual(f) or is_advert(f) or is_echo_reply(f))]
        assert not late, late
        assert len([t for t, _ in two.frames if t > end]) == 10
        awake = time.monotonic()
        freezer.freeze(False)
        assert echoes(lab, 20, 20) == 20
        pair.wait_master(pair.two)
        said = [f for f in one.since(awake) if from_virtual(f)
                or is_echo_reply(f) or is_arp(f) and is_leak(f)]
        assert not said, said[:3]
    assert any("lease" in h["cause"] for h in pair.one.status()["history"])


def received(lab, count, every, addr):
    """Answers to pings of the client, each waited for as long as the next."""
    text = lab.run("client", "ping", "-n", "-c", str(count), "-i", str(every),
                   "-W", "0.2", addr, check=False)
    return int(re.search(r"(\d+) received", text).group(1))


@pytest.mark.full
@pytest.mark.parametrize("how", ["killed", full("frozen")])
def test_ipv6(lab, pair, freezer, how):
    """The same right for the IPv6 address: neither echo nor solicitation is
    answered by a node that is dead, or hung for longer than the lease."""
    add_v6(lab)
    start(pair.one, vhost(addresses=("10.1.0.1/24", SHARED_V6 + "/64"),
                          advskew=80))
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"))
    wait_for("it answers", lambda: received(lab, 5, 0.05, SHARED_V6) == 5)
    assert lab.neighbour("client", SHARED_V6) == VMAC
    if how == "killed":
        pair.one.kill()
        time.sleep(0.02)
    else:
        freezer.take(pair.one.proc.pid)
        freezer.freeze(True)
        time.sleep(LEASE)
    with Tap(lab, "gw1", "lan") as tap:
        assert received(lab, 10, 0.02, SHARED_V6) == 0
        lab.ip("client", "neigh", "flush", "dev", "eth0")
        assert received(lab, 5, 0.2, SHARED_V6) == 0
        assert not [f for _, f in tap.frames if from_virtual(f)]
    if how == "frozen":
        freezer.freeze(False)
        wait_for("it answers", lambda: received(lab, 3, 0.05, SHARED_V6) == 3)
        assert lab.neighbour("client", SHARED_V6) == VMAC


# -- what does not disturb it

def generation(lab, host):
    """The ruleset's number: it rises with each transaction."""
    with lab.inside(host):
        s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
    with s:
        s.bind((0, 0))
        # nlmsghdr: NFT_MSG_GETGEN of nf_tables, NLM_F_REQUEST; nfgenmsg
        s.send(struct.pack("=IHHIIBBH", 20, 10 << 8 | 16, 1, 1, 0, 0, 0, 0))
        answer = s.recv(4096)
    assert struct.unpack_from("=H", answer, 4)[0] == 10 << 8 | 15
    # the first attribute is NFTA_GEN_ID, big endian
    length, kind = struct.unpack_from("=HH", answer, 20)
    assert (length, kind & 0x3fff) == (8, 1), answer
    return struct.unpack_from("!I", answer, 24)[0]


def test_renewals_are_no_transactions(lab, pair):
    """A hundred adverts of a master later the ruleset is the same to the
    kernel, so that nobody's `nft list` starts again."""
    pair.one.configure(advskew=20, link=False)
    pair.one.launch().wait_up()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"))
    first = generation(lab, "gw1")
    lab.nft("gw1", "add table inet one_more")
    assert generation(lab, "gw1") == first + 1, "it is no generation"
    time.sleep(0.3)
    before = pair.one.transitions("lan"), pair.one.transitions("wan")
    first = generation(lab, "gw1")
    with Tap(lab, "gw1", "lan", is_advert) as lan, \
            Tap(lab, "gw1", "wan", is_advert) as wan:
        wait_for("a hundred adverts", lambda: len(lan.frames)
                 + len(wan.frames) >= 100, 15)
    assert (pair.one.transitions("lan"),
            pair.one.transitions("wan")) == before, "it was not quiet"
    assert generation(lab, "gw1") == first


@pytest.mark.full
def test_the_generation_stands_still_on_a_backup(lab, pair):
    pair.start()
    first = generation(lab, "gw1"), generation(lab, "gw2")
    before = pair.transitions()
    time.sleep(4)
    assert pair.transitions() == before
    assert (generation(lab, "gw1"), generation(lab, "gw2")) == first


def admins_file(lab, elements=0):
    """Rules of the administrator's own, perhaps with a great set."""
    path = lab.dir / "admin.nft"
    lines = ["table inet admin", "delete table inet admin",
             "table inet admin {", "\tchain c { type filter hook input "
             "priority 10; policy accept; }"]
    if elements:
        lines.append("\tset big { type ipv4_addr; elements = { %s } }"
                     % ", ".join("100.%d.%d.%d" % (i >> 16, i >> 8 & 255,
                                                   i & 255)
                                 for i in range(elements)))
    path.write_text("\n".join(lines + ["}"]) + "\n")
    return path


def undisturbed(lab, pair, work, least=95):
    """Runs work() while the master is asked without end: one master all the
    time, no advert missed by a lease, hardly an answer missed."""
    before = pair.transitions()
    asked = lab.tools.start(
        "arpprobe", "-n", lab.ns("client"), "-i", "eth0", "-a", "10.1.0.1",
        "-t", "arp", "-k", "100", "-w", "50", "-m", VMAC)
    with Tap(lab, "gw1", "lan", is_advert) as tap:
        work()
        answered = asked.result()
        assert pair.master() is pair.one, str(pair)
        assert pair.transitions() == before
        gap = longest_gap_ms(tap.frames)
    print("longest gap %.1f ms, answers %s" % (gap, answered))
    assert gap < 1000 * LEASE
    assert answered["answered"] >= least
    assert answered["macs"] == [VMAC]


@pytest.mark.full
def test_rules_loaded_and_flushed_beside_it(lab, pair):
    """`nft flush ruleset` and the administrator's own file, again and
    again."""
    pair.start()
    path = admins_file(lab)

    def work():
        for _ in range(20):
            lab.run("gw1", "nft", "flush", "ruleset")
            lab.run("gw1", "nft", "-f", path)
    undisturbed(lab, pair, work)
    assert "netdev statesync" in lab.run("gw1", "nft", "list", "tables")
    assert echoes(lab) == 10


@pytest.mark.full
def test_a_great_set_loaded_and_flushed_beside_it(lab, pair):
    """200 000 elements, at an interval of a quarter of a second."""
    pair.start(advskew=(64, 72))
    path = admins_file(lab, 200000)

    def work():
        for _ in range(2):
            lab.run("gw1", "nft", "-f", path)
            lab.run("gw1", "nft", "flush", "set", "inet", "admin", "big")
            lab.run("gw1", "nft", "flush", "ruleset")
    # each within 50 ms: not where nft has the only CPU that is left
    undisturbed(lab, pair, work, 60)


@pytest.mark.full
def test_listing_beside_it_ends(lab, pair):
    """A listing of a great set ends, because nothing changes under it."""
    pair.start(advskew=(20, 24))
    lab.run("gw1", "nft", "-f", admins_file(lab, 50000))
    for _ in range(3):
        start = time.monotonic()
        lab.run("gw1", "nft", "list", "ruleset")
        assert time.monotonic() - start < 15


# -- devices

def guest(lab, name="guest"):
    """A namespace that goes with the laboratory."""
    sh("ip", "netns", "add", lab.ns(name))
    lab.ip(name, "link", "set", "lo", "up")
    return name


@contextlib.contextmanager
def guests(lab, *names):
    try:
        for name in names:
            guest(lab, name)
        yield
    finally:
        for name in names:
            for pid in sh("ip", "netns", "pids", lab.ns(name),
                          check=False).split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            sh("ip", "netns", "del", lab.ns(name), check=False)


def bridge_in_place_of_lan(lab, host="gw1", name="guest"):
    """The gateway's lan becomes a bridge of that name, with its cable and a
    guest as ports."""
    lab.batch(host, "link set lan down", "link set lan name cable",
              "link add lan type bridge stp_state 0 forward_delay 0 "
              "mcast_snooping 0",
              "addr flush dev cable", "link set cable master lan up",
              "link add port type veth peer name eth0 netns %s"
              % lab.ns(name), "link set port master lan up",
              "link set lan up", "addr add 10.1.0.11/24 dev lan",
              "route replace 10.1.128.0/17 via 10.1.0.100")
    lab.batch(name, "link set eth0 up", "addr add 10.1.0.77/24 dev eth0")
    # the laboratory's rules are for what is routed
    lab.run(host, "sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0",
            check=False)


@pytest.mark.full
def test_a_bridge_with_guests(lab, pair):
    """The interface is a bridge: its guest reaches the shared address and the
    neighbours, whoever is master, and after a crash, too, once the next
    daemon has cleaned up."""
    with guests(lab, "guest"):
        bridge_in_place_of_lan(lab)
        pair.start()
        for host in ("client", "guest"):
            pings(lab, host, "10.1.0.1")
            assert lab.neighbour(host, "10.1.0.1") == VMAC
        pings(lab, "guest", "10.1.0.100")
        pings(lab, "guest", "10.1.0.12")
        with Tap(lab, "gw2", "lan", is_echo_reply) as other:
            assert pair.one.tool("handover")[0] == 0
            pair.wait_master(pair.two)
            pings(lab, "guest", "10.1.0.1")
            assert len(other.frames) >= 3
        pings(lab, "guest", "10.1.0.100")
        pair.wait_sync()
        wait_for("handed back", lambda: pair.two.tool("handover")[0] == 0, 10)
        pair.wait_master(pair.one)
        pings(lab, "guest", "10.1.0.1")
        pair.one.kill()
        pair.wait_master(pair.two)
        pings(lab, "client", "10.1.0.1")
        pair.one.launch().wait_up()
        pair.wait_master(pair.two)
        pings(lab, "guest", "10.1.0.1")


@pytest.mark.full
def test_a_hung_master_on_a_bridge(lab, pair):
    """After the lease nothing comes from it; what its MAC entry means for
    guests behind a hung one, no lease can help."""
    with guests(lab, "guest"):
        bridge_in_place_of_lan(lab)
        pair.start()
        pings(lab, "client", "10.1.0.1")
        with Tap(lab, "gw1", "lan") as one:
            start = time.monotonic()
            pair.one.hang()
            wait_for("fw2 is master", lambda: pair.two.is_all("MASTER"))
            pings(lab, "client", "10.1.0.1")
            late = [f for t, f in one.frames if t > start + LEASE
                    and (from_virtual(f) or is_echo_reply(f))]
            assert not late, late[:3]
            pair.one.wake()
            pair.wait_master(pair.two)
        pings(lab, "guest", "10.1.0.1")


@pytest.mark.full
def test_a_macvlan_on_the_same_interface(lab, pair):
    """Somebody else's macvlan keeps its frames, both roles of ours."""
    with guests(lab, "guest"):
        lab.ip("gw1", "link", "add", "mv", "link", "lan", "netns",
               lab.ns("guest"), "type", "macvlan", "mode", "bridge")
        lab.batch("guest", "link set mv up", "addr add 10.1.0.77/24 dev mv")
        pings(lab, "client", "10.1.0.77")
        pair.start()
        pings(lab, "client", "10.1.0.77")
        pings(lab, "client", "10.1.0.1")
        assert pair.one.tool("handover")[0] == 0
        pair.wait_master(pair.two)
        pings(lab, "client", "10.1.0.77")
        pings(lab, "client", "10.1.0.1")
        pair.one.stop()
        pings(lab, "client", "10.1.0.77")


def made_or_skip(lab, host, *argv):
    """A device that not every kernel has."""
    try:
        lab.ip(host, "link", "add", *argv)
    except LabError as e:
        if "Unknown device type" in str(e) or "not supported" in str(e):
            pytest.skip("this kernel has no such device: "
                        + " ".join(argv))
        raise


@pytest.mark.full
def test_an_interface_in_a_vrf(lab, pair):
    made_or_skip(lab, "gw1", "vrf1", "type", "vrf", "table", "100")
    lab.batch("gw1", "link set vrf1 up", "link set lan master vrf1")
    pair.one.configure(link=False, carps=("lan",), advskew=80)
    pair.one.launch().wait_up()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"))
    pings(lab, "client", "10.1.0.1")
    assert lab.neighbour("client", "10.1.0.1") == VMAC
    pair.one.kill()
    time.sleep(0.02)
    assert echoes(lab) == 0
    pair.one.launch().wait_up()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"))
    pings(lab, "client", "10.1.0.1")
    pair.one.stop()
    assert "10.1.0.1 " not in lab.ip("gw1", "route", "show", "table", "100")


@pytest.mark.full
@pytest.mark.parametrize("kind", ["bond", "vlan"])
def test_an_interface_that_is_a(lab, pair, kind):
    """A bond, or a VLAN on the cable: both gateways and the client alike."""
    hosts = {"gw1": ("lan", "10.1.0.11"), "gw2": ("lan", "10.1.0.12"),
             "client": ("eth0", "10.1.0.100")}
    if kind == "bond":
        made_or_skip(lab, "gw1", "bond0", "type", "bond", "mode",
                     "active-backup", "miimon", "20")
        lab.ip("gw1", "link", "del", "bond0")
    for host, (dev, addr) in hosts.items():
        if kind == "bond" and host == "client":
            continue
        lab.batch(host, "link set %s down" % dev, "addr flush dev " + dev,
                  "link set %s name cable" % dev)
        if kind == "bond":
            made_or_skip(lab, host, dev, "type", "bond", "mode",
                         "active-backup", "miimon", "20")
            lab.ip(host, "link", "set", "cable", "master", dev)
        else:
            made_or_skip(lab, host, "link", "cable", "name", dev, "type",
                         "vlan", "id", "7")
        lab.batch(host, "link set cable up", "link set %s up" % dev,
                  "addr add %s/24 dev %s" % (addr, dev))
    pair.start(carps=("lan",))
    pings(lab, "client", "10.1.0.1")
    assert lab.neighbour("client", "10.1.0.1") == VMAC
    pair.one.kill()
    pair.wait_master(pair.two)
    pings(lab, "client", "10.1.0.1")


@pytest.mark.full
def test_an_interface_made_anew(lab, pair):
    """A VLAN or tunnel that is removed and made again while we are master:
    the other serves meanwhile; it gets its chain, hook and MAC back."""
    with guests(lab, "guest"):
        bridge_in_place_of_lan(lab)
        pair.start()
        lab.ip("gw1", "link", "del", "lan")
        pair.wait_master(pair.two)
        pings(lab, "client", "10.1.0.1")
        lab.batch("gw1", "link add lan type bridge stp_state 0 forward_delay "
                  "0 mcast_snooping 0", "link set cable master lan up",
                  "link set port master lan up", "link set lan up",
                  "addr add 10.1.0.11/24 dev lan",
                  "route replace 10.1.128.0/17 via 10.1.0.100")
        pair.wait_sync()
        wait_for("handed back", lambda: pair.two.tool("handover")[0] == 0, 10)
        pair.wait_master(pair.one)
        pings(lab, "client", "10.1.0.1")
        pings(lab, "guest", "10.1.0.1")
        assert VMAC in lab.run("gw1", "bridge", "fdb", "show", "dev", "lan")
        pair.one.kill()
        time.sleep(0.02)
        with Tap(lab, "gw1", "lan", is_echo_reply) as tap:
            echoes(lab, 10, 20)
            assert not tap.frames
