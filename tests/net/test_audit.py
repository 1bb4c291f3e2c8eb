# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit: two kernels' tables compared, and made equal again."""

import re
import time

import pytest

from lab import wait_for
from test_gate import BIG, catch_bulk, joining

PERIOD = "sync {\n\taudit-period = %s\n}"


def entries(lab, host, *filters):
    """What conntrack lists there, a line each."""
    out = lab.run(host, "conntrack", "-L", *filters, check=False)
    return [line for line in out.splitlines() if "src=" in line]


def tuple_of(line):
    """The arguments that name the original tuple of an entry."""
    proto = line.split()[0]
    keys = dict(reversed(re.findall(r"(src|dst|sport|dport)=(\S+)", line)))
    return ["-p", proto, "-s", keys["src"], "-d", keys["dst"],
            "--sport", keys["sport"], "--dport", keys["dport"]]


def flows_of_clients(lab, host, proto):
    """Those that flowfill made."""
    return [line for line in entries(lab, host, "-p", proto)
            if " src=10.1.1" in line or " src=10.1.2" in line]


def left_s(line):
    return int(line.split()[2])


def numbers(text):
    """The three numbers of verify's screen."""
    return {word: int(re.search(r"^%s\D*(?: fw\d)?\s+(\d+)" % word, text,
                                re.M).group(1))
            for word in ("missing", "extra", "differing")}


def audit(node):
    return node.peer()["audit"]


def add_extra(lab, host, port):
    lab.run(host, "conntrack", "-I", "-p", "tcp", "-s", "10.1.0.100", "-d",
            "10.2.0.100", "--sport", port, "--dport", "80", "--state",
            "ESTABLISHED", "-u", "SEEN_REPLY,ASSURED", "-t", "400000")


def test_wrong_entries_are_named_and_repaired(lab, pair):
    """Nobody tells of what happens on a standby: the audit finds it."""
    one, two = pair.start(top=PERIOD % "0").both()
    lab.tools.fill(300, 40)
    pair.wait_equal()
    for node in (one, two):
        code, out, err = node.tool("verify")
        assert code == 0, out + err
        assert numbers(out) == {"missing": 0, "extra": 0, "differing": 0}
        assert "EQUAL." in out

    tcp = [f for f in flows_of_clients(lab, "gw2", "tcp") if "mark=0" in f]
    lab.run("gw2", "conntrack", "-D", *tuple_of(tcp[0]))
    lab.run("gw2", "conntrack", "-U", *tuple_of(tcp[1]), "-m", "99")
    add_extra(lab, "gw2", 1)
    code, out, err = one.tool("verify", "fw2")
    assert code == 1 and "not equal" in err, out + err
    assert numbers(out) == {"missing": 1, "extra": 1, "differing": 1}, out
    assert "mark 0 | 99" in out and "(mark: 1)" in out
    assert "10.1.0.100:1 -> 10.2.0.100:80 ESTABLISHED" in out
    code, out, _ = two.tool("verify")  # the other side of the same
    assert code == 1
    assert numbers(out) == {"missing": 1, "extra": 1, "differing": 1}, out
    assert audit(one)["repaired"] == 0

    # and with a period the audit mends it
    for node in (one, two):
        node.configure(**dict(pair.conf, top=PERIOD % "1s",
                              advskew={"gw1": 80, "gw2": 90}[node.host]))
        assert node.tool("reload")[0] == 0
    wait_for("repaired: %s" % audit(one), lambda: (
        audit(one)["repaired_missing"] == 1
        and audit(one)["repaired_differing"] == 1), 12)
    _, out, _ = one.tool("verify")
    assert numbers(out) == {"missing": 0, "extra": 1, "differing": 0}, out
    assert "the audit repaired" in one.log.read_text()
    wait_for("it is not to live for long", lambda: left_s(entries(
        lab, "gw2", "-p", "tcp", "--sport", "1")[0]) <= 15, 10)


@pytest.mark.full
def test_what_the_owner_has_not_ages_out(lab, pair):
    one, two = pair.start(top=PERIOD % "1s").both()
    lab.tools.fill(50, 10)
    pair.wait_equal()
    add_extra(lab, "gw2", 1)
    wait_for("it is gone", lambda: not entries(
        lab, "gw2", "-p", "tcp", "--sport", "1"), 40)
    pair.wait_equal()
    assert one.tool("verify")[0] == 0
    assert audit(two)["cut"] == 1 and audit(one)["alarm"] is None


def test_verify_says_why_it_cannot(pair):
    pair.configure()
    pair.one.launch().wait_up()
    wait_for("master", lambda: pair.one.is_all("MASTER"), 10)
    code, _, err = pair.one.tool("verify")
    assert code == 1 and "no link to fw2" in err
    assert pair.one.tool("verify", "fw9")[0] == 2
    assert pair.one.peer()["audit"]["age_s"] is None


@pytest.mark.full
def test_copies_live_as_long_as_they_are_confirmed(lab, pair):
    """A flow that only its packets keep alive makes no events."""
    for host in ("gw1", "gw2"):
        lab.sysctl(host, **{"net.netfilter.nf_conntrack_udp_timeout": 4,
                            "net.netfilter.nf_conntrack_udp_timeout_stream":
                            4})
    pair.start(top=PERIOD % "1s")
    probe = lab.tools.probe()
    probe.mark("on")

    def copy():
        return entries(lab, "gw2", "-p", "udp", "--dport", "9100")
    wait_for("the copy", copy, 5)
    wait_for("it has no hour any more", lambda: left_s(copy()[0]) <= 15, 10)
    end = time.monotonic() + 25
    while time.monotonic() < end:
        assert copy(), "the copy ended, and the flow did not"
        time.sleep(0.2)

    # and where nobody confirms, it has time enough for who takes over
    lab.cut("gw2", "link")
    wait_for("raised", lambda: left_s(copy()[0]) > 3000, 14)
    probe.finish()


@pytest.mark.full
def test_lost_ends_age_out(lab, pair):
    """A flush is not told (it tears away): what it took is gone in the end."""
    pair.start(top=PERIOD % "1s")
    lab.tools.fill(100, 20)
    pair.wait_equal()
    assert len(entries(lab, "gw2", "-p", "tcp")) >= 100
    lab.run("gw1", "conntrack", "-F")
    wait_for("aged out", lambda: not [
        line for proto in ("tcp", "udp")
        for line in flows_of_clients(lab, "gw2", proto)], 60, 0.5)
    pair.wait_equal()
    assert pair.one.tool("verify")[0] == 0


@pytest.mark.full
def test_verify_under_traffic_is_clean(lab, pair):
    one, _ = pair.start(top=PERIOD % "2s").both()
    churn = lab.tools.churn(3000, 60)
    for _ in range(3):
        time.sleep(1)
        pair.wait_sync()
        code, out, err = one.tool("verify", timeout=120)
        assert "compared" in out, err
        assert numbers(out) == {"missing": 0, "extra": 0,
                                "differing": 0}, out + err
        assert code == 0, out + err
    state = audit(one)
    assert state["repaired_missing"] + state["repaired_differing"] == 0, state
    churn.finish()


@pytest.mark.full
@pytest.mark.flows(BIG)
def test_verify_during_a_bulk(lab, pair):
    """It is too early, and it says so; afterwards it compares."""
    joining(lab, pair)
    pair.two.launch()
    catch_bulk(pair.two, 20)
    for node in pair.both():
        code, _, err = node.tool("verify", timeout=120)
        assert code == 1 and "not in sync" in err, err
    for node in pair.both():
        assert node.tool("wait", "in-sync", timeout=60)[0] == 0
        code, out, err = node.tool("verify", timeout=120)
        assert code == 0 and "EQUAL." in out, out + err


@pytest.mark.full
@pytest.mark.flows(220000)
@pytest.mark.limit(900)
def test_one_among_many(lab, pair):
    one, two = pair.start(top=PERIOD % "5s").both()
    lab.tools.fill(200000)
    pair.wait_sync(120)
    wait_for("clean", lambda: one.tool("verify", timeout=300)[0] == 0, 120)
    before = two.memory_kb()
    line = flows_of_clients(lab, "gw2", "tcp")[77777]
    lab.run("gw2", "conntrack", "-U", *tuple_of(line), "-m", "4242")
    code, out, _ = one.tool("verify", timeout=300)
    assert code == 1
    assert numbers(out) == {"missing": 0, "extra": 0, "differing": 1}, out
    wait_for("repaired", lambda: audit(one)["repaired_differing"] == 1, 60)
    wait_for("clean", lambda: one.tool("verify", timeout=300)[0] == 0, 60)
    assert two.memory_kb() < before + 4096
