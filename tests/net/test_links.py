# SPDX-License-Identifier: GPL-3.0-or-later
"""Links of all kinds: two cables, IPv6, small and large frames, loss and
disorder, MPTCP, and keys that are replaced while they run."""

import re
import signal
import socket
import threading
import time

import pytest

from lab import OWN, wait_for
from pair import Traffic
from tiers import full

SOL_PACKET = 263
PACKET_VNET_HDR = 15

two_cables = pytest.mark.lab(links=2)


def link(node, ours, theirs, more=""):
    """The link block of a node, with these addresses."""
    other = "fw2" if node.name == "fw1" else "fw1"
    return ('link {\n\taddress = { %s }\n\tpeer "%s" { address = { %s } }\n'
            '\tkey-file = "%s"\n\t%s\n}'
            % (", ".join('"%s"' % a for a in ours), other,
               ", ".join('"%s"' % a for a in theirs), node.key, more))


def both_ways(pair, ends, more=""):
    """The link blocks of both, from the addresses of gw1 and gw2."""
    pair.one.share_key()
    return (link(pair.one, ends[0], ends[1], more),
            link(pair.two, ends[1], ends[0], more))


def ends(lab):
    cables = [c for c in lab.cables if c.startswith("link")]
    return [[OWN[gw][c] for c in cables] for gw in ("gw1", "gw2")]


def paths(node):
    """The state of each path, in the order of the configuration."""
    return [p["state"] for p in node.peer()["paths"]]


def connections(node):
    """How often the session began."""
    return node.log.read_text().count("link up, it runs")


def flows_cross(lab, pair, n=2000):
    lab.tools.fill(n)
    pair.wait_sync()
    pair.wait_equal()


@two_cables
def test_one_of_two_cables_is_cut(lab, pair):
    """The other one goes on within 2 s; nobody changes roles; all of it is
    shown, and the first is used again when it has been back for a while."""
    pair.start()
    for node in pair.both():
        wait_for("both paths", lambda: paths(node) == ["used", "standby"])
        assert "the path from" not in node.tool("check")[1]
    traffic = Traffic(lab)
    traffic.begin()
    before = pair.transitions()
    lab.cut("gw1", "link")
    start = time.monotonic()
    wait_for("the second is used", lambda: paths(pair.one)[1] == "used", 4,
             0.01)
    wait_for("live again", lambda: pair.one.peer()["state"] == "live", 2,
             0.01)
    took = time.monotonic() - start
    print("live by the second cable after %.2f s" % took)
    assert took < 2.5
    pair.wait_sync()
    assert pair.one.peer()["address"] == "10.9.1.2"
    wait_for("fw2 sees it, too", lambda: paths(pair.two) == ["down", "used"])
    assert "left" in pair.one.tool("counters")[1]
    for node in pair.both():
        code, text, _ = node.tool("check")
        assert code == 1 and "the path from 10.9.0." in text, text
        _, screen, _ = node.tool("status")
        assert re.search(r"^fw\d +down +10\.9\.0\.\d ", screen, re.M), screen
        assert re.search(r"^fw\d +used +10\.9\.1\.\d ", screen, re.M), screen
    flows_cross(lab, pair)
    lab.restore("gw1", "link")
    wait_for("it stands by", lambda: paths(pair.one) == ["standby", "used"])
    assert pair.transitions() == before
    traffic.goes_on()
    traffic.finish()


@pytest.mark.full
@two_cables
def test_cables_are_cut_in_turns(lab, pair):
    """With new connections all the time; whatever is cut, one is left."""
    pair.start()
    churn = lab.tools.churn(300, 120, "-k")
    before = pair.transitions()
    for cable in ("link", "link2", "link", "link2"):
        wait_for("both stand", lambda: "down" not in paths(pair.one), 10)
        lab.cut("gw2", cable)
        time.sleep(3)
        pair.wait_sync()
        lab.restore("gw2", cable)
    churn.interrupt()
    pair.wait_sync()
    pair.wait_equal(60)  # what ends meanwhile is gone from one first
    assert pair.transitions() == before


@pytest.mark.full
@pytest.mark.limit(200)
@two_cables
def test_goes_home(lab, pair):
    pair.start()
    lab.cut("gw1", "link")
    wait_for("the second is used", lambda: paths(pair.one)[1] == "used", 4)
    lab.restore("gw1", "link")
    wait_for("the first is used", lambda: paths(pair.one)[0] == "used", 90)
    assert connections(pair.one) == 3
    pair.wait_sync()
    flows_cross(lab, pair)


@pytest.mark.full
@two_cables
def test_upgrade_hands_on_both_sockets(lab, pair):
    """SIGUSR2 at the one that listens: both paths come back."""
    pair.start()
    wait_for("both paths", lambda: "down" not in paths(pair.two))
    log = pair.two.log.read_text
    pair.two.signal(signal.SIGUSR2)
    wait_for("upgraded", lambda: "goes on in this one's place" in log(), 10)
    pair.two.proc.wait(5)
    wait_for("both paths", lambda: pair.one.peer()["state"] == "live"
             and "down" not in paths(pair.one), 10)
    pids = lab.run("gw2", "ss", "-Hltn", "sport = :3790").splitlines()
    assert len(pids) == 2, pids


@pytest.mark.lab(links=2)
@pytest.mark.full
def test_mptcp(lab, pair):
    """The kernel's own way: a cable is cut and the connection goes on."""
    try:
        lab.run("gw1", "ip", "mptcp", "limits", "set", "subflow", "2",
                "add_addr_accepted", "2")
    except Exception as why:  # noqa: BLE001
        pytest.skip("no MPTCP in this kernel: %s" % why)
    lab.run("gw2", "ip", "mptcp", "limits", "set", "subflow", "2",
            "add_addr_accepted", "2")
    for gw in ("gw1", "gw2"):
        lab.run(gw, "ip", "mptcp", "endpoint", "add", OWN[gw]["link2"], "dev",
                "link2", "signal")
    pair.start(link=both_ways(pair, ends(lab), "mptcp = true"))
    wait_for("a second subflow", lambda: "subflows:1" in lab.run(
        "gw1", "ss", "-HMint", "dport = :3790") or "subflows:1" in lab.run(
        "gw1", "ss", "-HMin", "dport = :3790"), 5)
    churn = lab.tools.churn(300, 60, "-k")
    lab.cut("gw1", "link")
    time.sleep(5)
    assert pair.one.peer()["state"] == "live"
    assert connections(pair.one) == 1, "the session was interrupted"
    churn.interrupt()
    pair.wait_sync()
    pair.wait_equal()


@pytest.mark.parametrize("ours, theirs, addresses", (
    (["fd00:9::1"], ["fd00:9::2"], ("fd00:9::1", "fd00:9::2")),
    full(["fe80::9:1%link"], ["fe80::9:2%link"],
         ("fe80::9:1", "fe80::9:2")),
), ids=("global", "link-local"))
def test_ipv6(lab, pair, ours, theirs, addresses):
    for gw, address in zip(("gw1", "gw2"), addresses):
        lab.ip(gw, "addr", "add", address + "/64", "dev", "link", "nodad")
        lab.nft(gw, 'insert rule inet fw input meta l4proto icmpv6 accept')
    pair.start(link=both_ways(pair, (ours, theirs)))
    assert pair.one.peer()["address"] == theirs[0]
    flows_cross(lab, pair)


@pytest.mark.full
def test_link_local_of_an_interface_that_comes_later(lab, pair):
    """The listener's interface is made anew: another number, and it is found
    again."""
    def there(gw, address):
        lab.ip(gw, "addr", "add", address + "/64", "dev", "link", "nodad")
        lab.nft(gw, 'insert rule inet fw input meta l4proto icmpv6 accept')
    there("gw1", "fe80::9:1")
    there("gw2", "fe80::9:2")
    pair.start(link=both_ways(pair, (["fe80::9:1%link"],
                                     ["fe80::9:2%link"])))
    lab.ip("gw2", "link", "del", "dev", "link")
    wait_for("down", lambda: pair.one.peer()["state"] != "live")
    lab.ip("switch", "link", "del", "link-gw2", check=False)
    lab._plug("gw2", "link", "link")
    there("gw2", "fe80::9:2")
    lab.ip("gw1", "neigh", "flush", "dev", "link")  # its MAC is another one
    pair.wait_sync()


@pytest.mark.full
@pytest.mark.parametrize("mtu", (1280, 9000))
def test_mtu(lab, pair, mtu):
    for gw in ("gw1", "gw2"):
        lab.ip("switch", "link", "set", "dev", "link-" + gw, "mtu", mtu)
        lab.ip(gw, "link", "set", "dev", "link", "mtu", mtu)
    lab.ip("switch", "link", "set", "dev", "br-link", "mtu", mtu)
    pair.start()
    flows_cross(lab, pair, 5000)


def lossy(lab, cable, tenths=1):
    """From now on so many of ten packets are lost, each way."""
    for gw in ("gw1", "gw2"):
        lab.nft(gw, """
            table ip bad {
                chain in {
                    type filter hook prerouting priority -400
                    iifname "%s" numgen random mod 10 < %d drop
                }
            }""" % (cable, tenths))


def sends_again_soon():
    """Has this kernel TCP_RTO_MIN_US? Without it TCP waits 200 ms."""
    with socket.socket() as s:
        try:
            return s.getsockopt(socket.IPPROTO_TCP, 45) > 0
        except OSError:
            return False


@pytest.mark.full
@pytest.mark.parametrize("cables", (
    pytest.param(1, marks=pytest.mark.lab(links=1)),
    pytest.param(2, marks=pytest.mark.lab(links=2))))
def test_loss(lab, pair, cables):
    """A tenth is lost on (the first of) the cables: nobody is called dead by
    mistake, and in the end the tables are equal."""
    pair.start()
    before = pair.transitions()
    lossy(lab, "link")
    lab.tools.fill(3000)
    churn = lab.tools.churn(300, 60, "-k")
    lag, end = [], time.monotonic() + 15
    while time.monotonic() < end:
        lag.append(pair.one.peer()["lag_ms"] or 0)
        time.sleep(0.02)
    churn.interrupt()
    lag.sort()
    broken = pair.one.peer()["broken"]
    print("lag with 10 %% loss: median %.1f ms, 90 %% %.1f ms, most %.1f ms; "
          "%d connections" % (lag[len(lag) // 2], lag[len(lag) * 9 // 10],
                              lag[-1], connections(pair.one)))
    assert broken["silent"] <= 1, broken
    assert connections(pair.one) <= 3
    if sends_again_soon():
        assert lag[len(lag) // 2] < 40
    lab.nft("gw1", "delete table ip bad")
    lab.nft("gw2", "delete table ip bad")
    pair.wait_sync()
    pair.wait_equal()
    assert pair.transitions() == before


@pytest.mark.full
def test_a_third_is_lost(lab, pair):
    """A link that is hardly one: it may go and come, and the peer hold, but
    nobody's mastership moves, and when it is over the tables are equal."""
    pair.start()
    before = pair.transitions()
    lossy(lab, "link", 3)
    churn = lab.tools.churn(100, 60, "-k")
    end = time.monotonic() + 20
    while time.monotonic() < end:
        assert pair.one.is_all("MASTER") and pair.two.is_all("BACKUP")
        time.sleep(0.1)
    churn.interrupt()
    print("connections", connections(pair.one), pair.one.peer()["broken"])
    assert connections(pair.one) < 20
    for gw in ("gw1", "gw2"):
        lab.nft(gw, "delete table ip bad")
    pair.wait_sync()
    pair.wait_equal()
    assert pair.transitions() == before


class Disorder:
    """In the place of a cable's bridge: carries its frames, and holds every
    seventh back until three others went before it."""

    def __init__(self, lab, cable):
        self.over = False
        for gw in ("gw1", "gw2"):
            lab.ip("switch", "link", "set", "dev", "%s-%s" % (cable, gw),
                   "nomaster")
        ends = [lab.raw("switch", "%s-%s" % (cable, gw))
                for gw in ("gw1", "gw2")]
        for s in ends:
            s.settimeout(0.005)
            # with what is left for the card to do: checksums, segments
            s.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        self.held = 0
        self.threads = [threading.Thread(target=self._carry, args=pair)
                        for pair in (ends, ends[::-1])]
        for t in self.threads:
            t.start()

    def _carry(self, a, b):
        waiting, n, passed = None, 0, 0
        while not self.over:
            try:
                frame, where = a.recvfrom(80000)
                if where[2] == socket.PACKET_OUTGOING:
                    continue
            except TimeoutError:
                frame = None
            if frame is not None:
                n += 1
                if n % 7 == 0 and waiting is None:
                    waiting, passed = frame, 0
                    self.held += 1
                    continue
                b.send(frame)
                passed += 1
            if waiting is not None and (frame is None or passed >= 3):
                b.send(waiting)
                waiting = None

    def close(self):
        self.over = True
        for t in self.threads:
            t.join()


@pytest.mark.full
def test_disorder(lab, pair):
    pair.configure()
    disorder = Disorder(lab, "link")
    try:
        pair.start()
        churn = lab.tools.churn(200, 30, "-k")
        lab.tools.fill(2000)
        time.sleep(8)
        churn.interrupt()
        pair.wait_sync()
        pair.wait_equal(30)
        assert disorder.held > 50, "nothing was out of order"
        assert connections(pair.one) == 1
        print("%d frames were held back" % disorder.held)
    finally:
        disorder.close()


# -- keys


def fingerprint(node, path):
    """As people are shown it."""
    first = path.read_text().splitlines()[0]
    return re.search(r"link key (\w{4} \w{4})", first).group(1)


def interrupt(lab, pair):
    """A new handshake, and why not at once."""
    lab.cut("gw1", "link")
    wait_for("down", lambda: pair.one.peer()["state"] != "live"
             and pair.two.peer()["state"] != "live")
    lab.restore("gw1", "link")
    pair.wait_sync()


def with_keys(pair, node, *keys):
    """Reloads with these key files, the newest first."""
    i = pair.both().index(node)
    ours, theirs = ends(pair.lab)[i], ends(pair.lab)[1 - i]
    text = link(node, ours, theirs).replace(
        'key-file = "%s"' % node.key,
        "\n\t".join('key-file = "%s"' % k for k in keys))
    node.configure(link=text, advskew={"fw1": 80, "fw2": 90}[node.name])
    code, out, err = node.tool("reload")
    assert code == 0, err


@pytest.mark.full
def test_rotation_of_keys(lab, pair):
    """Step by step as the manual has it, with traffic all the while."""
    pair.start()
    traffic = Traffic(lab)
    traffic.begin()
    before = pair.transitions()
    old = fingerprint(pair.one, pair.one.key)
    fresh = {}
    for node in pair.both():
        fresh[node] = node.dir / "new.key"
        if node is pair.one:
            node.write_key(fresh[node])
        else:
            fresh[node].touch(mode=0o600)
            fresh[node].write_text(fresh[pair.one].read_text())
    new = fingerprint(pair.one, fresh[pair.one])
    assert pair.one.peer()["paths"][0]["key"] == old
    # 1: both files on one node; a handshake now falls back to the old one
    with_keys(pair, pair.one, fresh[pair.one], pair.one.key)
    assert connections(pair.one) == 1 and pair.one.in_sync()
    interrupt(lab, pair)
    assert pair.one.peer()["paths"][0]["key"] == old
    # 2: and on the other one; what stands goes on
    with_keys(pair, pair.two, fresh[pair.two], pair.two.key)
    assert connections(pair.one) == 2 and pair.one.in_sync()
    interrupt(lab, pair)
    for node in pair.both():
        assert node.peer()["paths"][0]["key"] == new
    # 3: the old one goes
    for node in pair.both():
        with_keys(pair, node, fresh[node])
    assert connections(pair.one) == 3 and pair.one.in_sync()
    traffic.goes_on()
    traffic.finish()
    assert pair.transitions() == before
    # and is of no use any more
    refused = pair.one.status()["link"]["key"]
    with_keys(pair, pair.two, pair.two.key)
    lab.cut("gw1", "link")
    wait_for("down", lambda: pair.one.peer()["state"] != "live")
    lab.restore("gw1", "link")
    wait_for("refused", lambda: pair.one.status()["link"]["key"] > refused)
    assert old in pair.two.peer()["error"] or new in pair.two.peer()["error"]


@pytest.mark.full
def test_same_file_with_another_key(lab, pair):
    """The content is what counts: a reload reads it again."""
    pair.start()
    pair.one.share_key()
    new = fingerprint(pair.one, pair.one.key)
    for node in pair.both():
        code, _, err = node.tool("reload")
        assert code == 0, err
    assert connections(pair.one) == 1 and pair.one.in_sync()
    interrupt(lab, pair)
    assert pair.one.peer()["paths"][0]["key"] == new


@pytest.mark.full
def test_unreadable_key_changes_nothing(lab, pair):
    pair.start()
    old = fingerprint(pair.one, pair.one.key)
    pair.one.key.chmod(0o644)
    code, _, err = pair.one.tool("reload")
    assert code == 1 and "lets others read the link key" in err
    pair.one.key.chmod(0o600)
    interrupt(lab, pair)
    assert pair.one.peer()["paths"][0]["key"] == old
