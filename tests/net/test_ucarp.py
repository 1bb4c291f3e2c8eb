# SPDX-License-Identifier: GPL-3.0-or-later
"""Election against the real ucarp, in both roles. It knows one address for a
virtual host, no virtual MAC, and reacts about a second late."""

import shutil
import subprocess
import time

import pytest

from lab import wait_for
from node import die_with_parent
from tiers import full

pytestmark = pytest.mark.skipif(not shutil.which("ucarp", path="/usr/sbin"),
                                reason="ucarp is not installed")


class Ucarp:
    """ucarp as the backup or master of vhid 1 on gw2's lan."""

    def __init__(self, lab, skew, preempt=False):
        self.state = lab.dir / "ucarp"
        up, down = lab.dir / "up", lab.dir / "down"
        for path, word, verb in ((up, "MASTER", "add"),
                                 (down, "BACKUP", "del")):
            path.write_text("#!/bin/sh\necho %s > %s\nip addr %s 10.1.0.1/24 "
                            "dev lan\n" % (word, self.state, verb))
            path.chmod(0o755)
        self.proc = subprocess.Popen(
            ["ip", "netns", "exec", lab.ns("gw2"), "ucarp", "-i", "lan", "-s",
             "10.1.0.12", "-v", "1", "-p", "secret", "-a", "10.1.0.1", "-b",
             "1", "-k", str(skew), "-u", str(up), "-d", str(down)]
            + (["-P"] if preempt else []), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)

    def is_master(self):
        return self.state.exists() and self.state.read_text() == "MASTER\n"

    def kill(self):
        self.proc.kill()
        self.proc.wait()


@pytest.mark.parametrize("mac", ["virtual", full("interface")])
def test_ucarp_is_backup(lab, pair, mac):
    """It stays backup as long as ours lives, and takes over when it goes."""
    pair.one.configure(advbase=1, advskew=0, link=False, carps=("lan",),
                       mac=mac)
    pair.one.launch().wait_up()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"), 6)
    ucarp = Ucarp(lab, 100)
    time.sleep(6)
    assert not ucarp.is_master() and pair.one.is_all("MASTER")
    pair.one.stop()
    wait_for("ucarp is master", ucarp.is_master, 8)
    ucarp.kill()


@pytest.mark.full
@pytest.mark.parametrize("mac", [full("virtual"), "interface"])
def test_ucarp_is_master(lab, pair, mac):
    """Ours is backup as long as it lives, and takes over when it goes."""
    ucarp = Ucarp(lab, 0)
    wait_for("ucarp is master", ucarp.is_master, 8)
    pair.one.configure(advbase=1, advskew=50, link=False, carps=("lan",),
                       mac=mac)
    pair.one.launch().wait_up()
    time.sleep(5)
    assert pair.one.is_all("BACKUP") and ucarp.is_master()
    assert "is a peer without state sync" in pair.one.tool("status")[1]
    ucarp.kill()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"), 8)


@pytest.mark.full
def test_ours_preempts_ucarp(lab, pair):
    ucarp = Ucarp(lab, 200)
    wait_for("ucarp is master", ucarp.is_master, 8)
    pair.one.configure(advbase=1, advskew=0, link=False, carps=("lan",),
                       mac="interface", preempt=True)
    pair.one.launch().wait_up()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"), 8)
    wait_for("ucarp yields", lambda: not ucarp.is_master(), 5)
    ucarp.kill()


@pytest.mark.full
def test_ucarp_preempts_ours(lab, pair):
    pair.one.configure(advbase=1, advskew=100, link=False, carps=("lan",),
                       mac="interface")
    pair.one.launch().wait_up()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"), 8)
    ucarp = Ucarp(lab, 0, preempt=True)
    wait_for("ucarp is master", ucarp.is_master, 8)
    wait_for("fw1 yields", lambda: pair.one.is_all("BACKUP"), 5)
    ucarp.kill()


def one_of_us(pair, ucarp):
    """Exactly one of the two is master."""
    return pair.one.is_all("MASTER") != ucarp.is_master()


@pytest.mark.full
@pytest.mark.parametrize("mac", ["virtual", "interface"])
def test_preempt_on_both_sides(lab, pair, mac):
    """Ours is better and takes over each time that it comes; ucarp has it
    while ours is away."""
    ucarp = Ucarp(lab, 100, preempt=True)
    wait_for("ucarp is master", ucarp.is_master, 8)
    pair.one.configure(advbase=1, advskew=0, link=False, carps=("lan",),
                       mac=mac, preempt=True)
    for _ in range(2):
        pair.one.launch().wait_up()
        wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"), 8)
        wait_for("ucarp yields", lambda: not ucarp.is_master(), 5)
        time.sleep(3)
        assert pair.one.is_all("MASTER") and not ucarp.is_master()
        pair.one.stop()
        wait_for("ucarp is master", ucarp.is_master, 8)
    ucarp.kill()


@pytest.mark.full
def test_ucarp_is_better_on_both_sides(lab, pair):
    pair.one.configure(advbase=1, advskew=100, link=False, carps=("lan",),
                       mac="interface", preempt=True)
    pair.one.launch().wait_up()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"), 8)
    ucarp = Ucarp(lab, 0, preempt=True)
    wait_for("ucarp is master", ucarp.is_master, 8)
    wait_for("fw1 yields", lambda: pair.one.is_all("BACKUP"), 5)
    before = pair.one.transitions("lan")
    time.sleep(4)
    assert pair.one.transitions("lan") == before and ucarp.is_master()
    ucarp.kill()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"), 8)


@pytest.mark.full
@pytest.mark.parametrize("first", ["ours", "ucarp"])
def test_equal_settings(lab, pair, first):
    """The one that is there stays; ucarp knows a rule for equals, OpenBSD's is
    to yield: one master in the end, and for good."""
    pair.one.configure(advbase=1, advskew=20, link=False, carps=("lan",),
                       mac="interface")
    ucarp = None
    if first == "ucarp":
        ucarp = Ucarp(lab, 20)
        wait_for("ucarp is master", ucarp.is_master, 8)
    pair.one.launch().wait_up()
    if first == "ours":
        wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"), 8)
        ucarp = Ucarp(lab, 20)
    time.sleep(5)
    wait_for("one master", lambda: one_of_us(pair, ucarp), 8)
    before = pair.one.transitions("lan")
    time.sleep(4)
    assert one_of_us(pair, ucarp) and pair.one.transitions("lan") == before
    ucarp.kill()


@pytest.mark.full
def test_two_that_meet_again(lab, pair):
    """Both became masters of a network that was cut; when it is whole, one of
    them stays: the better one."""
    def apart(on):
        for host in ("gw1", "gw2"):
            lab.run("switch", "bridge", "link", "set", "dev", "lan-" + host,
                    "isolated", on)
    apart("on")
    pair.one.configure(advbase=1, advskew=0, link=False, carps=("lan",),
                       mac="virtual")
    pair.one.launch().wait_up()
    ucarp = Ucarp(lab, 100)
    wait_for("ucarp is master", ucarp.is_master, 10)
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"), 8)
    apart("off")
    wait_for("ucarp yields", lambda: not ucarp.is_master(), 6)
    time.sleep(2)
    assert pair.one.is_all("MASTER") and not ucarp.is_master()
    lab.run("client", "ping", "-n", "-c", "2", "-i", "0.2", "-W", "1",
            "10.1.0.1")
    ucarp.kill()


@pytest.mark.full
def test_ucarp_is_told_of_a_demotion(lab, pair):
    """It does not know the demotion byte: what is added to the advskew makes
    it better than we, and it takes over."""
    pair.one.configure(advbase=1, advskew=20, link=False, carps=("lan",),
                       mac="interface")
    ucarp = Ucarp(lab, 100, preempt=True)
    wait_for("ucarp is master", ucarp.is_master, 8)
    pair.one.launch().wait_up()
    time.sleep(3)
    assert pair.one.is_all("BACKUP"), "without preempt it waits"
    ucarp.kill()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"), 8)
    ucarp = Ucarp(lab, 100, preempt=True)
    time.sleep(3)
    assert pair.one.is_all("MASTER")
    assert pair.one.tool("demote", 100)[0] == 0
    wait_for("ucarp is master", ucarp.is_master, 8)
    wait_for("fw1 yields", lambda: pair.one.is_all("BACKUP"), 5)
    ucarp.kill()
