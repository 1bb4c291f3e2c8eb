# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operator is warned of before a failover, and the ruleset saved
without the table that only the daemon may write."""

import os
import re
import socket
import stat
import time

import pytest

from lab import LabError, wait_for
from node import die_with_parent

EVENTS = "net.netfilter.nf_conntrack_events"
LIBERAL = "net.netfilter.nf_conntrack_tcp_be_liberal"


@pytest.fixture
def conf(tmp_path, monkeypatch):
    """The file that `check` takes for /etc/nftables.conf."""
    path = tmp_path / "nftables.conf"
    monkeypatch.setenv("STATESYNC_NFTABLES_CONF", str(path))
    return path


@pytest.fixture
def master(conf, lab, pair):
    lab.liberal()
    pair.configure()
    pair.one.launch().wait_up()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"))
    return pair.one


def save(node, *argv):
    """save-ruleset in the gateway's namespace: (status, stdout, stderr)."""
    import subprocess
    p = subprocess.run(["ip", "netns", "exec", node.lab.ns(node.host),
                        node.program("statesync"), "save-ruleset", *argv],
                       capture_output=True, text=True,
                       preexec_fn=die_with_parent)
    return p.returncode, p.stdout, p.stderr


def listed(lab):
    """The ruleset without our table and without counters."""
    text = lab.run("gw1", "nft", "-s", "list", "ruleset")
    return re.sub(r"table netdev statesync \{.*?\n\}\n", "", text, flags=re.S)


def test_a_saved_ruleset_is_taken_back(lab, master, conf):
    """As it is with `nft list ruleset`, that is refused; without our table it
    loads, nothing of ours goes, and the same rules stand."""
    whole = lab.run("gw1", "nft", "list", "ruleset")
    assert "table netdev statesync" in whole
    conf.write_text("flush ruleset\n" + whole)
    with pytest.raises(LabError):
        lab.run("gw1", "nft", "-f", conf)
    before = listed(lab)
    conf.chmod(0o751)
    code, out, err = save(master, "-o", str(conf))
    assert code == 0 and not out, (out, err)
    assert err.count("\n") == 1 and "table netdev statesync" in err, err
    text = conf.read_text()
    assert text.startswith("#!/usr/sbin/nft -f\nflush ruleset\n")
    assert "statesync" not in text and "table inet fw {" in text
    assert stat.S_IMODE(conf.stat().st_mode) == 0o751
    assert os.listdir(conf.parent) == [conf.name]
    transitions = master.transitions("lan")
    lab.nft("gw1", "add table inet goes_with_the_flush")
    lab.run("gw1", "nft", "-f", conf)
    assert listed(lab) == before
    assert "netdev statesync" in lab.run("gw1", "nft", "list", "tables")
    time.sleep(1)
    assert master.is_all("MASTER")
    assert master.transitions("lan") == transitions
    got = lab.tools.neighbour("client", "10.1.0.1", "echo", 3, 100,
                              mac="00:00:5e:00:01:01")
    assert got["answered"] == 3, got


@pytest.mark.full
def test_tables_of_that_name_that_are_not_ours(lab, pair):
    """What counts is who owns it, not what it is called; no daemon is
    needed."""
    lab.nft("gw1", 'add table inet statesync { comment "mine"; }\n'
            "add table netdev statesync")
    code, out, err = save(pair.one)
    assert code == 0 and not err, err
    assert "table inet statesync {" in out
    assert "table netdev statesync {" in out


@pytest.mark.full
def test_nothing_is_saved_where_it_cannot_be(lab, pair, tmp_path):
    """A file is replaced as a whole, or left alone."""
    link, real = tmp_path / "link", tmp_path / "real"
    link.symlink_to(real)
    real.touch()
    assert save(pair.one, "-o", str(link))[0] == 0
    assert link.is_symlink() and "table inet fw" in real.read_text()
    code, _, err = save(pair.one, "-o", str(tmp_path))
    assert code == 1 and "not saved" in err
    code, _, err = save(pair.one, "-o", str(tmp_path / "no/such/folder"))
    assert code == 1 and "not saved" in err
    assert save(pair.one, "-x")[0] == 2
    assert sorted(os.listdir(tmp_path)) == ["link", "real"]


def test_check_finds_nothing(master):
    code, out, err = master.tool("check")
    assert code == 0, (out, err)
    assert out.startswith("fw1: nothing here would bite")
    assert re.search(r"^ok      .*arp_ignore", out, re.M)


def findings(node):
    """(words, text) of what check says when it exits with 1. That there is
    nobody to compare this node with is no finding here."""
    code, out, err = node.tool("check")
    assert code == 1, (out, err)
    assert err.strip() == "statesync: " + out.splitlines()[0]
    found = re.findall(r"^(BLOCKS|DEMOTES|WARNS|note) +(.*)", out, re.M)
    assert ("note", "not compared with fw2: the link is down") in found
    return [word for word, what in found
            if not what.startswith("not compared with ")], out


@pytest.mark.full
def test_check_finds_our_table_in_the_file(lab, master, conf):
    conf.write_text("flush ruleset\n" + lab.run("gw1", "nft", "list",
                                                "ruleset"))
    words, out = findings(master)
    assert words == ["WARNS"] and "%s:" % conf in out
    assert "1 finding, 0 block a takeover, 1 warns." in out
    assert "statesync save-ruleset -o %s" % conf in out
    assert save(master, "-o", str(conf))[0] == 0
    assert master.tool("check")[0] == 0
    conf.write_text("table inet statesync { }\n# table netdev statesync\n")
    assert master.tool("check")[0] == 0


@pytest.mark.full
def test_check_finds_what_others_set(lab, master):
    """Each with the command that sets it right, which does."""
    lab.sysctl("gw1", **{"net.ipv4.conf.lan.arp_ignore": 0,
                         "net.ipv4.conf.wan.arp_announce": 1})
    words, out = findings(master)
    assert words == ["BLOCKS", "BLOCKS"], out
    for cure in re.findall(r"sysctl -w (\S+?=\d)", out):
        lab.run("gw1", "sysctl", "-qw", cure)
    assert master.tool("check")[0] == 0
    lab.sysctl("gw1", **{"net.ipv4.conf.lan.arp_announce": 0,
                         "net.ipv4.conf.all.arp_announce": 2})
    assert master.tool("check")[0] == 0, "the larger one counts"


@pytest.mark.full
def test_check_finds_sysctls_that_lose_connections(lab, master):
    """Also where both nodes are alike in them."""
    lab.sysctl("gw1", **{EVENTS: 2, LIBERAL: 0})
    words, out = findings(master)
    assert words == ["WARNS", "WARNS"], out
    assert "/usr/lib/sysctl.d/60-statesync.conf" in out
    lab.sysctl("gw1", **{EVENTS: 0})
    words, out = findings(master)
    assert words == ["BLOCKS", "WARNS"], out
    for cure in re.findall(r"sysctl -w (\S+?=\d)", out):
        lab.run("gw1", "sysctl", "-qw", cure)
    code, out, _ = master.tool("check")
    assert code == 0 and "nf_conntrack_events, tcp_be_liberal" in out, out


@pytest.mark.full
def test_check_finds_conntrackd(lab, master):
    """By the socket that it listens at, in the namespace of this node."""
    path = lab.dir / "conntrackd.ctl"
    with lab.inside("client"), socket.socket(socket.AF_UNIX) as elsewhere:
        elsewhere.bind(str(path) + ".other")
        elsewhere.listen()
        assert master.tool("check")[0] == 0
    with lab.inside("gw1"), socket.socket(socket.AF_UNIX) as beside:
        beside.bind(str(path))
        assert master.tool("check")[0] == 0, "it does not listen"
        beside.listen()
        words, out = findings(master)
        assert words == ["WARNS"] and "conntrackd runs here" in out, out
        assert "systemctl disable --now conntrackd" in out
    code, out, _ = master.tool("check")
    assert code == 0 and "conntrackd" in out.split("\nok ")[1]


@pytest.mark.full
def test_an_old_kernel_matters_to_a_virtual_mac_only(lab, conf, pair):
    """It calls itself 2.6 to the daemon."""
    lab.liberal()
    pair.one.prefix = ("setarch", "--uname-2.6")
    pair.configure(mac="interface").one.launch().wait_up()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"))
    code, out, _ = pair.one.tool("check")
    assert code == 0 and "too old" not in out, out
    assert pair.one.stop() == 0
    pair.configure().one.launch().wait_up()
    words, out = findings(pair.one)
    assert words == ["WARNS"] and "kernel 2.6 is too old" in out, out
    assert 'mac = "interface"' in out


@pytest.mark.full
def test_check_finds_an_interface_that_is_down(lab, master):
    lab.cut("gw1", "wan")
    wait_for("wan is down", lambda: master.states()["wan"] == "INIT")
    words, out = findings(master)
    assert words == ["BLOCKS"] and 'carp "wan": wan is down' in out
    lab.ip("gw1", "link", "set", "dev", "wan", "down")
    lab.ip("gw1", "link", "set", "dev", "wan", "name", "other")
    wait_for("it is gone", lambda: "no interface wan" in findings(master)[1])


@pytest.mark.full
def test_check_notes_a_missing_address(lab, master):
    """One public address is no fault, so it does not make the exit 1."""
    lab.ip("gw1", "addr", "del", "10.2.0.11/24", "dev", "wan")
    lab.ip("gw1", "addr", "add", "10.3.0.11/24", "dev", "wan")

    def noted():
        code, out, _ = master.tool("check")
        assert code == 0, out
        return "the network of 10.2.0.1/24" in out and "\nnote " in out
    wait_for("it is noted", noted)
    assert "10.1.0.1/24" not in master.tool("check")[1]


@pytest.mark.full
def test_late_adverts_are_shown(lab, master):
    """A loop that hangs for less than its lease: the stand-in speaks, and
    status, counters, JSON and check say so."""
    assert "adverts late" not in master.tool("status")[1]
    assert master.status()["adverts_late"] == 0
    wait_for("a gap is known", lambda: all(
        c["longest_gap_ms"] for c in master.status()["carp"]))
    for carp in master.status()["carp"]:
        assert carp["adverts_late"] == 0
        assert 300 < carp["longest_gap_ms"] < 2 * 312
    threads = sorted(int(t) for t in os.listdir(
        "/proc/%d/task" % master.proc.pid))
    assert len(threads) > 1, "the stand-in is a thread of its own"
    debugger = hold_one_thread(master.proc.pid)
    time.sleep(0.7)
    debugger()
    wait_for("it is counted", lambda: master.status()["adverts_late"], 3)
    assert master.is_all("MASTER")
    assert "adverts late, the last" in master.tool("status")[1]
    assert "adverts late" in master.tool("counters")[1]
    words, out = findings(master)
    assert set(words) == {"WARNS"} and "adverts were late" in out


def hold_one_thread(tid):
    """Stops the loop alone, as a long system call does: ptrace(2). Returns
    what lets it go on."""
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p,
                            ctypes.c_void_p]
    seize, interrupt, detach = 0x4206, 0x4207, 17
    if libc.ptrace(seize, tid, None, None) or libc.ptrace(interrupt, tid,
                                                          None, None):
        pytest.skip("no ptrace: %s" % os.strerror(ctypes.get_errno()))
    os.waitpid(tid, 0x40000000)  # __WALL

    def go_on():
        assert libc.ptrace(detach, tid, None, None) == 0
    return go_on
