# SPDX-License-Identifier: GPL-3.0-or-later
"""keepalived moves the addresses, statesync the state: the shipped files of
contrib/keepalived with the real keepalived, under traffic that only state can
carry."""

import shutil
import time

import pytest

from keepalived import VrrpPair
from lab import wait_for
from pair import Traffic

pytestmark = pytest.mark.skipif(not shutil.which("keepalived"),
                                reason="no keepalived")


@pytest.fixture
def vrrp(lab):
    made = VrrpPair(lab)
    yield made
    made.close()


@pytest.mark.full
def test_handover_and_back(lab, vrrp):
    """keepalived is stopped on the master, and started again: it is elected
    again, and not before the daemon has what it missed."""
    vrrp.start()
    traffic = Traffic(lab)
    lab.freeze()
    traffic.begin("stop")
    vrrp.one.resign()
    vrrp.wait_roles(vrrp.two, vrrp.one)
    traffic.goes_on()
    vrrp.one.elect()
    vrrp.wait_roles(vrrp.one, vrrp.two)
    traffic.goes_on()
    traffic.finish()


@pytest.mark.full
@pytest.mark.parametrize("way", ["lan cut", "machine lost"])
def test_failover(lab, vrrp, way):
    vrrp.start()
    traffic = Traffic(lab)
    lab.tools.fill(2000, 200)
    lab.freeze()
    time.sleep(1)
    traffic.begin(way)
    if way == "lan cut":
        lab.cut("gw1", "lan")
        vrrp.wait_roles(vrrp.two, vrrp.one)
    else:
        lab.lose("gw1")
        wait_for("fw2 is master", vrrp.two.is_master, 40, 0.2)
    traffic.goes_on()
    if way == "lan cut":
        lab.restore("gw1", "lan")
        lab.routes("gw1")
        vrrp.wait_roles(vrrp.one, vrrp.two, 60)
        traffic.goes_on()
    traffic.finish()


@pytest.mark.full
def test_who_lacks_the_state_is_not_elected(lab, vrrp):
    """The better node comes back with an empty table and no link: it stays
    backup as long as the other one lives, and takes over when that dies."""
    vrrp.start()
    vrrp.one.resign()
    vrrp.one.node.stop()
    wait_for("fw2 is master", vrrp.two.is_master, 40, 0.2)
    traffic = Traffic(lab)
    lab.cut("gw1", "link")
    lab.flush("gw1")
    vrrp.one.start()
    time.sleep(8)  # twice what an election takes
    code, out, err = vrrp.one.node.tool("role")
    assert (code, out) == (1, "backup\n") and "hold: link" in err
    assert not vrrp.one.may() and vrrp.two.may()
    assert vrrp.one.is_backup() and vrrp.two.is_master()
    traffic.begin("link back")
    lab.restore("gw1", "link")
    vrrp.wait_roles(vrrp.one, vrrp.two, 60)  # with the state, and better
    traffic.goes_on()
    traffic.finish()
    lab.cut("gw2", "link")
    wait_for("fw2 holds", lambda: not vrrp.two.may(), 20, 0.2)
    vrrp.one.resign()
    vrrp.one.node.stop()
    wait_for("without anybody else it is elected", vrrp.two.is_master, 40, 0.2)


@pytest.mark.full
def test_a_daemon_restarted_is_told_its_role(lab, vrrp):
    """And keepalived notices nothing of it: who is master stays so."""
    vrrp.start()
    traffic = Traffic(lab)
    vrrp.one.node.kill()
    time.sleep(3)
    assert vrrp.one.has() and not vrrp.two.has()
    vrrp.one.node.launch().wait_up()
    vrrp.wait_roles(vrrp.one, vrrp.two)
    wait_for("in sync", lambda: vrrp.two.may(), 30, 0.2)
    lab.freeze()
    traffic.begin("stop")
    vrrp.one.resign()
    vrrp.wait_roles(vrrp.two, vrrp.one)
    traffic.goes_on()
    traffic.finish()


@pytest.mark.full
def test_keepalived_reloads(lab, vrrp):
    """The role is the same before and after, and what comes then is told."""
    vrrp.start()
    seen = [v.node.carp("gateway")["transitions"]
            for v in (vrrp.one, vrrp.two)]
    for v in (vrrp.one, vrrp.two):
        v.reload()
    time.sleep(4)
    vrrp.wait_roles(vrrp.one, vrrp.two, 1)
    assert seen == [v.node.carp("gateway")["transitions"]
                    for v in (vrrp.one, vrrp.two)]
    vrrp.one.resign()
    vrrp.wait_roles(vrrp.two, vrrp.one)


@pytest.mark.full
def test_keepalived_killed(lab, vrrp):
    """Without its voice a node is no master, whatever addresses it keeps."""
    vrrp.start()
    vrrp.one.kill()
    wait_for("fw2 is master", vrrp.two.is_master, 40, 0.2)
    wait_for("fw1 is told", lambda: vrrp.one.node.is_all("BACKUP"), 20, 0.2)


@pytest.mark.full
def test_what_keepalived_decides_statesync_does_not(lab, vrrp):
    vrrp.start()
    code, _, err = vrrp.one.node.tool("handover")
    assert code == 1 and "another program elects" in err
    code, _, err = vrrp.one.node.tool("role", "master", "nothing")
    assert code == 2 and "no carp block" in err
    out = vrrp.one.node.tool("status")[1]
    assert "fw1 is MASTER of gateway" in out and "external" in out
    history = [h for h in vrrp.one.node.status()["history"]
               if h["name"] == "gateway"]
    assert history[0]["cause"].startswith("told by the elector")
    # its own death moves nothing
    assert vrrp.one.node.stop() == 0
    time.sleep(3)
    assert vrrp.one.has() and vrrp.two.is_backup()
