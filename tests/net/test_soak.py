# SPDX-License-Identifier: GPL-3.0-or-later
"""Many short flows for a long time and a failover now and then: at the end
the two nodes themselves say that their kernels hold the same."""

import time

import pytest

from pair import Traffic

WAYS = ("handover", "cut", "kill", "handover")
LOSE_1_IN_100 = """table inet loss {
    chain in {
        type filter hook prerouting priority -400
        iifname "link" numgen random mod 100 == 0 drop
    }
}"""


def soak(lab, pair, seconds, every, rate):
    pair.start()
    traffic = Traffic(lab)
    churn = lab.tools.churn(rate, seconds, "-u")
    begin = time.monotonic()
    moves = 0
    while time.monotonic() - begin < seconds - every / 2:
        time.sleep(every / 2)
        old = pair.master()
        assert old is not None, str(pair)
        move(lab, pair, old, WAYS[moves % len(WAYS)])
        moves += 1
        time.sleep(max(0, begin + moves * every - time.monotonic()))
    made = churn.result()
    pair.wait_sync(60)
    said = verified(pair)
    traffic.goes_on()
    traffic.finish()
    flows = [n.status()["flows"] for n in pair.both()]
    print("moves", moves, "made", made, "overruns",
          [f["overruns"] for f in flows], said)
    assert moves >= seconds // every - 1


def move(lab, pair, old, way):
    new = pair.other(old)
    if way == "handover":
        code, out, err = old.tool("handover")
        assert code == 0, out + err
    elif way == "cut":
        lab.cut(old.host, "lan")
    else:
        old.kill()
    pair.wait_master(new, 30)
    if way == "cut":
        lab.restore(old.host, "lan")
    elif way == "kill":
        old.launch().wait_up()
    pair.wait_sync(60)


def verified(pair):
    """`verify` on both nodes, each with its words."""
    said = []
    for node in pair.both():
        code, out, err = node.tool("verify", timeout=300)
        said.append(out + err)
        assert code == 0, said
    return said


LOSS = pytest.mark.parametrize("loss", (False, True), ids=("clean", "loss"))


def lossy(lab, loss):
    for host in ("gw1", "gw2") if loss else ():
        lab.nft(host, LOSE_1_IN_100)


@pytest.mark.full
@pytest.mark.limit(600)
@pytest.mark.flows(1500000)
@LOSS
def test_a_minute(lab, pair, loss):
    lossy(lab, loss)
    soak(lab, pair, 60, 15, 20000)


@pytest.mark.long
@pytest.mark.limit(4200)
@pytest.mark.flows(1500000)
@LOSS
def test_an_hour(lab, pair, loss):
    lossy(lab, loss)
    soak(lab, pair, 3600, 60, 20000)
