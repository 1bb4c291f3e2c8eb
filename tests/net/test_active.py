# SPDX-License-Identifier: GPL-3.0-or-later
"""Two gateways that both work (contrib/examples/active.conf): two addresses
on each side, each gateway master of one, and hosts that use either (actives.py)."""

import time

import pytest

from actives import SHARES, Active, Streams
from lab import wait_for
from pair import Pair
from talk import Talk

A, B = SHARES[:2]


@pytest.mark.full
def test_each_takes_over_from_the_other(lab):
    active = Active(lab).start()
    one, two = active.one, active.two
    streams = Streams(lab)
    streams.go_on()
    assert lab.neighbour("client", "10.1.0.1") == "00:00:5e:00:01:01"
    assert lab.neighbour("client", "10.1.0.2") == "00:00:5e:00:01:02"
    lab.freeze()
    own = [two.transitions(n) for n in B]
    one.kill()
    active.wait_all(two)
    streams.go_on()

    # back by a handover of what fw1 is the better one for, and of no more
    one.launch().wait_up()
    active.wait_each()
    assert [two.transitions(n) for n in B] == own
    _, text, _ = one.tool("history")
    assert any("lan-a" in line and "handover from fw2" in line
               for line in text.splitlines()), text
    streams.go_on()

    # what moved there and back goes on at the other one, too
    two.kill()
    active.wait_all(one)
    streams.go_on()
    two.launch().wait_up()
    active.wait_each()
    streams.go_on()

    # one side of a node is as bad as both
    lab.cut("gw2", "wan")
    active.wait_all(one)
    streams.go_on()
    lab.restore("gw2", "wan")
    lab.routes("gw2")
    active.wait_each()
    streams.go_on()
    streams.finish()


@pytest.mark.full
def test_a_handover_of_some(lab):
    active = Active(lab).start()
    one, two = active.one, active.two
    streams = Streams(lab)
    streams.go_on()
    lab.freeze()
    streams.stall()
    code, out, err = two.tool("handover", *B)
    assert code == 0, out + err
    assert active.has(one, *A, *B) and active.has(two)
    time.sleep(3)  # it does not preempt what it has handed over
    assert active.has(one, *A, *B) and active.has(two)
    wait_for("handed back", lambda: one.tool("handover", *B)[0] == 0, 10)
    active.wait_each()
    assert streams.stall() < 500
    streams.go_on()
    # who has none of them cannot hand them over
    assert one.tool("handover", "lan-b")[0] == 1
    code, _, err = one.tool("handover", "lan-x")
    assert code == 2 and 'no carp "lan-x"' in err
    # who stops hands over all it has to one that has the rest
    streams.stall()
    assert two.stop() == 0
    assert active.has(one, *A, *B)
    time.sleep(1)
    assert streams.stall() < 500
    streams.finish()


class Asymmetric(Active):
    """What the client asks goes through fw1, the answers through fw2. Not
    translated: that would bring the answers back to who translates."""

    def __init__(self, lab):
        super().__init__(lab)
        lab.batch("server", "route replace 10.1.0.0/25 via 10.2.0.2")
        for host in ("gw1", "gw2"):
            lab.nft(host, "insert rule ip nat postrouting oifname wan"
                    " udp dport 9300-9399 accept")

    def crosses(self):
        """Packets that each node forwarded into the lan and into the wan."""
        return {host: {dev: int(self.lab.run(
            host, "cat", "/sys/class/net/%s/statistics/tx_packets" % dev))
            for dev in ("lan", "wan")} for host in ("gw1", "gw2")}


@pytest.mark.full
def test_asymmetric_paths(lab):
    """Both nodes see half of each connection, of its handshake, too; and it
    goes on when one of them, whichever, has to carry it alone."""
    active = Asymmetric(lab).start()
    one, two = active.one, active.two
    # the first answer may be there before the entry is: it comes again
    talk = Talk(lab, 9301, patience=8)
    streams = lab.tools.streams(1, 1, "10.2.0.100:9303", "9303", rate=200000)
    probe = lab.tools.probe("10.2.0.100:9300", "9300")

    def go_on():
        talk.goes_on()
        streams.mark("on")
        end = time.monotonic() + 10
        while True:
            time.sleep(0.5)
            report = streams.mark("on")
            assert not report["broken"], report
            if report["progressed"] == report["conns"]:
                break
            assert time.monotonic() < end, report
        probe.mark("on")
        time.sleep(0.3)
        report = probe.mark("on")
        assert report["answered"], report
    go_on()
    lab.freeze()
    before = active.crosses()
    go_on()
    after = active.crosses()
    for host, dev in (("gw1", "wan"), ("gw2", "lan")):
        assert after[host][dev] - before[host][dev] > 100, (before, after)
    for host, dev in (("gw1", "lan"), ("gw2", "wan")):  # adverts, and ARP
        assert after[host][dev] - before[host][dev] < 100, (before, after)
    Pair(lab).wait_equal()
    one.kill()
    active.wait_all(two)
    go_on()
    one.launch().wait_up()
    active.wait_each()
    go_on()
    two.kill()
    active.wait_all(one)
    go_on()
    two.launch().wait_up()
    active.wait_each()
    go_on()
    # it ends on both: FIN by FIN, each seen by another node
    talk.close()

    def closing(host):
        table = lab.run(host, "conntrack", "-L", "-p", "tcp",
                        "--orig-port-dst", "9301")
        return "ESTABLISHED" not in table
    wait_for("closing on both", lambda: closing("gw1") and closing("gw2"))
    assert streams.finish()["lost"] == 0
    probe.finish()


@pytest.mark.full
def test_what_ends_on_one_ends_on_both(lab):
    """Flows that run out for want of packets do so on both nodes; what passes
    on the other one stays there."""
    active = Active(lab)
    for host in ("gw1", "gw2"):
        lab.sysctl(host, **{"net.netfilter.nf_conntrack_udp_timeout": 3,
                            "net.netfilter.nf_conntrack_udp_timeout_stream": 3})
    active.start()
    lab.tools.fill(0, 300)
    probe = lab.tools.probe()
    pair = Pair(lab)
    pair.wait_equal()
    assert lab.flows("gw2") > 300

    def left(host):
        """The kernel removes what has run out when somebody reads the table,
        or, of its own accord, within a minute."""
        return len(lab.run(host, "conntrack", "-L").splitlines())
    wait_for("all gone", lambda: max(left("gw1"), left("gw2")) < 30, 20, 0.5)
    pair.wait_equal()
    assert probe.finish()["silence_ms"] < 1000


@pytest.mark.full
def test_names_need_independent(pair):
    pair.start()
    code, _, err = pair.one.tool("handover", "lan")
    assert code == 2 and "independent = true" in err
    assert pair.one.is_all("MASTER")
