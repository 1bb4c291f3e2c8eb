# SPDX-License-Identifier: GPL-3.0-or-later
"""Two nodes that are not alike: each kind of difference is made on a running
pair, is told by `check`, has its effect, and goes away again."""

import os
import re
import signal
import time

import pytest

from lab import wait_for
from upgrades import processes

LOOSE = "net.netfilter.nf_conntrack_tcp_loose"
PERIOD = 'drift {\n\tperiod = "1s"\n\t%s\n}'


def drift(text=""):
    """Of the whole machine is what a run beside this one may change between
    one node's look and the other's."""
    for kind in ("table-size", "helpers"):
        if kind not in text:
            text += '\n\t%s = "ignore"' % kind
    return PERIOD % text


def differences(node):
    """{(kind, name): (ours, theirs)} as the node knows them now."""
    found = node.peer().get("drift", {"compared": False})
    if not found["compared"]:
        return None
    return {(d["kind"], d["name"]): (d["ours"], d["theirs"])
            for d in found["differences"] if d["known"]}


def wait_alike(pair):
    last = {}

    def alike():
        last.update((n.name, differences(n)) for n in pair.both())
        return all(found == {} for found in last.values())
    wait_for("alike: %s" % last, alike, 15, 0.1)


def wait_differs(pair, kind, name):
    """Both nodes know of it; (fw1's value, fw2's)."""
    last = {}

    def known():
        last.update((n.name, differences(n) or {}) for n in pair.both())
        ours, theirs = last["fw1"].get((kind, name), (None, None))
        return ours != theirs and last["fw2"].get((kind, name)) == (
            theirs, ours) and len(last["fw1"]) == 1
    wait_for("both know of %s alone" % name, known, 15, 0.1)
    return last["fw1"][kind, name]


def drifts(node):
    """What history says of differences, the newest first."""
    return [h["cause"] for h in node.status()["history"]
            if h["cause"].startswith("drift ")]


def check(node):
    """What `check` finds: (words in front, its whole text). Adverts that are
    late are the machine's business."""
    code, out, err = node.tool("check")
    words = re.findall(r"^(BLOCKS|DEMOTES|WARNS) +(.*)", out, re.M)
    assert code == (1 if words else 0), (out, err)
    return [w for w, what in words if "adverts were late" not in what], out


@pytest.fixture(autouse=True)
def liberal(lab):
    """Nothing else is found."""
    lab.liberal()


@pytest.fixture
def alike(pair, monkeypatch):
    monkeypatch.setenv("STATESYNC_NFTABLES_CONF", "/nonexistent")
    pair.start(top=drift())
    wait_alike(pair)
    return pair


def test_a_ruleset_that_differs(lab, alike):
    """What the kernel only counts is none; a rule is; the right one again
    is none, though its handles are others."""
    words, out = check(alike.one)
    assert not words and "same ruleset" in out and "same files" in out, out
    lab.run("client", "ping", "-c1", "-W1", "10.1.0.11")
    lab.nft("gw1", "add table netdev statesync_mine")
    lab.nft("gw2", "add table netdev statesync_mine")
    wait_alike(alike)
    lab.nft("gw2", "insert rule inet fw input tcp dport 22 counter accept")
    wait_differs(alike, "ruleset", "table inet fw")
    words, out = check(alike.one)
    assert words == ["WARNS"] and "same ruleset" not in out, out
    assert "ruleset, table inet fw: not the same on fw1 and fw2" in out
    assert "drift: fw1 and fw2 differ in ruleset" in \
        alike.one.tool("status")[1]
    assert alike.two.status()["ready"], "it is a warning, no more"
    time.sleep(3)
    for node in alike.both():
        assert drifts(node)[0].endswith(": ruleset table inet fw")
    lab.nft("gw1", "insert rule inet fw input tcp dport 22 counter accept")
    wait_alike(alike)
    assert check(alike.two)[0] == []
    assert "drift:" not in alike.one.tool("status")[1]
    for node in alike.both():
        over, other = drifts(node)[:2]
        assert over == "drift is over"
        assert other.endswith(": ruleset table inet fw")


@pytest.mark.full
def test_check_says_how_old_it_is(lab, pair):
    """What was changed a moment ago is not in it: it says so, and what to do;
    being asked on both nodes is enough, whatever the period."""
    slow = drift().replace('"1s"', '"%s"')
    pair.start(top=(slow % "30min", slow % "1h"))
    wait_alike(pair)
    out = check(pair.one)[1]
    assert re.search(r"^facts   fw1 as it was \d+ m?s ago, fw2 at most 60 min "
                     r"ago\.$", out, re.M), out
    assert "statesync check on fw2 has it look again; fw1 does so now" in out
    was = lab.run("gw2", "sysctl", "-n", LOOSE).strip()
    lab.sysctl("gw2", **{LOOSE: "1" if was == "0" else "0"})
    time.sleep(2)
    assert check(pair.one)[0] == [], "nobody looked yet"
    check(pair.two)
    wait_differs(pair, "sysctls", LOOSE)
    assert check(pair.one)[0] == ["WARNS"]
    lab.sysctl("gw2", **{LOOSE: was})


@pytest.mark.full
def test_what_is_no_difference_of_rulesets(lab, alike):
    """The same rules, come by in another way: other numbers of sets without a
    name, of interfaces and chains; elements that rules add, and counters."""
    rules = """
add table inet x
add counter inet x c
add set inet x seen { type ipv4_addr; flags dynamic,timeout; timeout 1h; }
add set inet x fixed { type ipv4_addr; flags interval; }
add chain inet x a { type filter hook input priority 5; }
"""
    body = """
add rule inet x a tcp dport { 1, 2, 3 } counter name c
add rule inet x a iif "dx" ip saddr { 10.1.0.7, 10.1.0.8 } drop
add rule inet x a iif { "lan", "dx" } accept
add rule inet x a ip saddr @fixed jump { tcp dport 5 counter drop; accept; }
add rule inet x a update @seen { ip saddr }
"""
    lab.ip("gw2", "link", "add", "d0", "type", "veth", "peer", "name", "d1")
    for host in ("gw1", "gw2"):
        lab.ip(host, "link", "add", "dx", "type", "veth", "peer", "name", "dy")
    lab.nft("gw1", rules + body)
    lab.nft("gw1", "add element inet x fixed { 10.0.0.0/8, 192.0.2.1 }")
    # on the other one sets with numbers of their own come and go before
    lab.nft("gw2", rules)
    lab.nft("gw2", "add rule inet x a udp dport { 7, 8 } drop")
    lab.nft("gw2", "add element inet x fixed { 192.0.2.1 }\n"
            "add element inet x fixed { 10.0.0.0/8 }" + body)
    handle = re.search(r"udp dport .*# handle (\d+)", lab.run(
        "gw2", "nft", "-a", "list", "table", "inet", "x")).group(1)
    lab.nft("gw2", "delete rule inet x a handle " + handle)
    lab.nft("gw2", "add element inet x seen { 10.1.0.99 }")
    wait_alike(alike)
    lab.nft("gw2", "add element inet x fixed { 198.51.100.7 }")
    wait_differs(alike, "ruleset", "table inet x")
    lab.nft("gw2", "delete element inet x fixed { 198.51.100.7 }")
    wait_alike(alike)
    lab.nft("gw2", "delete table inet x")
    assert wait_differs(alike, "ruleset", "table inet x")[1] is None
    assert "ruleset, table inet x: only on fw1" in check(alike.two)[1]
    lab.nft("gw1", "delete table inet x")
    wait_alike(alike)


@pytest.mark.full
@pytest.mark.parametrize("name, value, path", [
    ("net.netfilter.nf_conntrack_tcp_loose", "1", "sysctls"),
    ("net.netfilter.nf_conntrack_udp_timeout", "31", "sysctls"),
    ("net.ipv4.ip_forward", "0", "sysctls"),
])
def test_a_sysctl_that_differs(lab, alike, name, value, path):
    was = lab.run("gw2", "sysctl", "-n", name).strip()
    lab.sysctl("gw2", **{name: value})
    assert wait_differs(alike, path, name) == (was, value)
    words, out = check(alike.one)
    assert words == ["WARNS"] and "%s: fw1 %s, fw2 %s" % (
        name, was, value) in out, out
    lab.sysctl("gw2", **{name: was})
    wait_alike(alike)


@pytest.mark.full
def test_labels_that_only_one_sets(lab, pair):
    """A table may be ignored; that labels are kept is another matter."""
    pair.start(top=drift('ignore = { "ruleset table inet lab*" }'))
    wait_alike(pair)
    lab.nft("gw1", "add table inet labels\n"
            "add chain inet labels c { type filter hook input priority 9; }\n"
            "add rule inet labels c ct label set 5")
    assert wait_differs(pair, "labels", "a rule sets labels") == ("yes", "no")
    assert "the kernel of fw2 keeps none" in check(pair.one)[1]
    lab.nft("gw1", "delete table inet labels")
    wait_alike(pair)


@pytest.mark.full
def test_interfaces_and_networks(lab, alike):
    lab.ip("gw2", "link", "set", "wan", "mtu", "1400")
    assert wait_differs(alike, "interfaces", "MTU of carp wan") == (
        "1500", "1400")
    assert "MTU of carp wan: fw1 1500, fw2 1400" in check(alike.one)[1]
    lab.ip("gw2", "link", "set", "wan", "mtu", "1500")
    wait_alike(alike)
    lab.ip("gw1", "addr", "add", "10.77.0.1/16", "dev", "lan")
    lab.ip("gw1", "addr", "add", "10.77.0.2/16", "dev", "lan")
    wait_differs(alike, "addresses", "10.77.0.0/16 on carp lan")
    assert ("network 10.77.0.0/16 on carp lan: only fw1 has an address in it"
            in check(alike.two)[1])
    lab.ip("gw2", "addr", "add", "10.77.0.9/16", "dev", "lan")
    wait_alike(alike)


@pytest.mark.full
def test_the_configuration_of_carp(lab, alike):
    """A reload is compared at once; advskew is each node's own."""
    alike.two.configure(**{**alike.conf, "advskew": 91, "preempt": True})
    assert alike.two.tool("reload")[0] == 0
    assert wait_differs(alike, "carp", "preempt") == ("false", "true")
    words, out = check(alike.one)
    assert words == ["WARNS"] and "preempt: fw1 false, fw2 true" in out
    alike.two.configure(**{**alike.conf, "advskew": 91})
    assert alike.two.tool("reload")[0] == 0
    wait_alike(alike)


@pytest.mark.full
def test_files(lab, pair, tmp_path):
    """Content, mode, one that is missing; what changes back is alike."""
    folders = [tmp_path / n.name for n in pair.both()]
    for folder in folders:
        folder.mkdir()
        (folder / "a.conf").write_text("same\n")
    # each has its own folder at the same place
    place = tmp_path / "etc"
    place.mkdir()
    for node, folder in zip(pair.both(), folders):
        in_a_place_of_its_own(node, folder, place)
    pair.start(top=drift('files = { "%s/*.conf", "%s/named" }'
                         % (place, place)))
    wait_alike(pair)
    path = str(place / "a.conf")
    (folders[1] / "a.conf").write_text("other\n")
    wait_differs(pair, "files", path)
    words, out = check(pair.one)
    assert words == ["WARNS"], out
    assert re.search(r"^WARNS +file %s differs \(fw2 newer, 20" % path, out,
                     re.M) and "\n        remdiff %s\n" % path in out, out
    (folders[1] / "a.conf").write_text("same\n")
    wait_alike(pair)
    (folders[0] / "a.conf").chmod(0o600)
    wait_differs(pair, "files", path)
    out = check(pair.two)[1]
    assert "same content, but mode and owner are 0644 0:0 on fw2 and 0600" \
        in out, out
    (folders[0] / "a.conf").chmod(0o644)
    wait_alike(pair)
    (folders[0] / "named").write_text("x")
    wait_differs(pair, "files", str(place / "named"))
    assert "file %s/named: only on fw1" % place in check(pair.two)[1]
    (folders[1] / "named").write_text("x")
    wait_alike(pair)
    (folders[1] / "b.conf").write_text("x")
    wait_differs(pair, "files", str(place / "b.conf"))
    (folders[1] / "b.conf").unlink()
    wait_alike(pair)


@pytest.mark.full
def test_files_of_root(lab, pair, tmp_path):
    """The daemon is nobody, the files and their folder are root's alone: what
    a pattern finds is compared, and what changes behind it."""
    lab.dir.chmod(0o711)
    place = tmp_path / "etc"
    for node in pair.both():
        node.user = "nobody"
        folder = tmp_path / node.name
        folder.mkdir()
        (folder / "hidden").mkdir(mode=0o700)
        for name in ("a.key", "b.key"):
            (folder / "hidden" / name).touch(mode=0o600)
            (folder / "hidden" / name).write_text("same\n")
        place.mkdir(exist_ok=True)
        in_a_place_of_its_own(node, folder, place)
    theirs = tmp_path / "fw2/hidden"
    pattern = str(place / "hidden/*.key")
    pair.start(top=drift('files = { "%s", "%s" }'
                         % (pattern, place / "hidden/c")))
    wait_alike(pair)
    assert "same files" in check(pair.one)[1]
    (theirs / "b.key").write_text("other\n")
    wait_differs(pair, "files", str(place / "hidden/b.key"))
    (theirs / "b.key").write_text("same\n")
    wait_alike(pair)
    (theirs / "c").touch(mode=0o600)
    wait_differs(pair, "files", str(place / "hidden/c"))
    (theirs / "c").unlink()
    wait_alike(pair)
    # of another list after a reload
    (theirs / "d").touch(mode=0o600)
    for node in pair.both():
        text = node.conf.read_text()
        node.conf.write_text(text.replace(pattern, str(place / "hidden/d")))
        assert node.tool("reload")[0] == 0, node.tail()
    wait_differs(pair, "files", str(place / "hidden/d"))
    # a helper that is gone is said, and nothing is called alike
    for pid, name in processes(pair.one).items():
        if name == "statesync-exec":
            os.kill(pid, signal.SIGKILL)
    wait_for("nothing is known", lambda: "the helper does not answer" in
             check(pair.one)[1], 15, 0.2)
    assert "same files" not in check(pair.one)[1]


def in_a_place_of_its_own(node, source, target):
    """The daemon of that node finds source at target: a mount of its own."""
    script = node.dir / "statesyncd"
    lines = ["#!/bin/sh", "mount --make-rprivate /"]
    if script.exists():
        lines = script.read_text().splitlines()[:-1]
    lines.append("mount --bind '%s' '%s'" % (source, target))
    lines.append("exec %s \"$@\"" % type(node).program("statesyncd"))
    script.write_text("\n".join(lines) + "\n")
    script.chmod(0o755)
    node.program = lambda name: (
        str(script) if name == "statesyncd" else type(node).program(name))


def smaller_table(node, size):
    """To that daemon the table has that size; the machine has but one."""
    file = node.dir / "nf_conntrack_max"
    file.write_text("%d\n" % size)
    in_a_place_of_its_own(node, file, "/proc/sys/net/netfilter/"
                                      "nf_conntrack_max")
    return file


@pytest.mark.full
def test_a_smaller_table_blocks(lab, pair):
    """Of two nodes the one whose table is smaller does not take over; with
    the difference goes the hold. The master is never held, and who would be
    held takes over where nobody else lives."""
    file = smaller_table(pair.two, 4096)
    pair.configure(preempt=True, advskew=(90, 80),
                   top=drift('table-size = "block"'))
    pair.one.launch().wait_up()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"), 15)
    pair.two.launch().wait_up()
    wait_for("fw2 is held", lambda: (pair.two.status()["hold"] or {}).get(
        "reason") == "drift", 15)
    time.sleep(1.5)
    assert pair.one.is_all("MASTER"), "it did not preempt"
    assert pair.one.status()["hold"] is None
    words, out = check(pair.two)
    assert words == ["BLOCKS"] and ", 1 blocks a takeover, " in out, out
    assert "fw2 would refuse flows above 4096" in out
    text = pair.two.tool("status")[1]
    assert "holding: drift, table-size not as on fw1" in text, text
    code, _, err = pair.one.tool("handover")
    assert code == 1 and "fw2" in err, err
    assert "fw2 holds: drift" in pair.one.tool("status")[1]
    file.write_text(pair.one.lab.run("gw1", "sysctl", "-n",
                                     "net.netfilter.nf_conntrack_max"))
    wait_for("it preempts", lambda: pair.two.is_all("MASTER"), 15)
    file.write_text("4096\n")
    wait_differs(pair, "table-size", "net.netfilter.nf_conntrack_max")
    assert pair.two.is_all("MASTER") and pair.two.status()["hold"] is None
    assert pair.one.status()["hold"] is None, "the larger one is not held"


@pytest.mark.full
def test_who_is_held_takes_over_from_the_dead(lab, pair):
    smaller_table(pair.two, 4096)
    pair.configure(top=drift('table-size = "block"'))
    pair.one.launch().wait_up()
    wait_for("fw1 is master", lambda: pair.one.is_all("MASTER"), 15)
    pair.two.launch().wait_up()
    wait_for("fw2 is held", lambda: (pair.two.status()["hold"] or {}).get(
        "reason") == "drift", 15)
    pair.one.kill()
    wait_for("fw2 is master", lambda: pair.two.is_all("MASTER"), 15)


@pytest.mark.full
def test_a_difference_demotes(lab, pair):
    """The better node comes back and does not preempt while its ruleset is
    another one; its demotion says why."""
    pair.start(preempt=True, advskew=(80, 90), top=drift(
        'ruleset = "demote"'))
    wait_alike(pair)
    pair.one.stop()
    wait_for("fw2 is master", lambda: pair.two.is_all("MASTER"), 15)
    lab.nft("gw1", "add table ip only_here")
    pair.one.launch().wait_up()
    pair.wait_sync()
    wait_differs(pair, "ruleset", "table ip only_here")
    time.sleep(2)
    assert pair.two.is_all("MASTER"), "it did not preempt"
    assert pair.one.status()["demotion"]["drift"] == 1
    assert pair.two.status()["demotion"]["drift"] == 0
    words, out = check(pair.one)
    assert words == ["DEMOTES"] and "1 demotes" in out, out
    lab.nft("gw1", "delete table ip only_here")
    wait_for("fw1 preempts", lambda: pair.one.is_all("MASTER"), 15)
    assert pair.one.status()["demotion"]["drift"] == 0


@pytest.mark.full
def test_helpers_of_one_node(lab, pair, tmp_path):
    """As /sys/module has them: each node with a list of its own."""
    for node in pair.both():
        (tmp_path / node.name / "nf_conntrack_ftp").mkdir(parents=True)
        in_a_place_of_its_own(node, tmp_path / node.name, "/sys/module")
    pair.start(top=drift('helpers = "warn"'))
    wait_alike(pair)
    (tmp_path / "fw1" / "nf_conntrack_sip").mkdir()
    (tmp_path / "fw1" / "nf_conntrack_netlink").mkdir()
    wait_differs(pair, "helpers", "nf_conntrack_sip")
    assert "on fw2: modprobe nf_conntrack_sip" in check(pair.one)[1]
    (tmp_path / "fw2" / "nf_conntrack_sip").mkdir()
    wait_alike(pair)


@pytest.mark.full
def test_what_is_not_compared(lab, pair):
    """Without the other node nothing is said to be alike."""
    pair.start(top=drift('sysctls = "ignore"'))
    wait_alike(pair)
    lab.sysctl("gw2", **{"net.netfilter.nf_conntrack_udp_timeout": 33})
    time.sleep(2.5)
    words, out = check(pair.one)
    assert not words and "same sysctls" not in out, out
    pair.two.stop()
    words, out = check(pair.one)
    assert "not compared with fw2: the link is down" in out
    assert "same " not in out, out
