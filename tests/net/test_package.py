# SPDX-License-Identifier: GPL-3.0-or-later
"""The Debian package, on two machines with nothing but the manual: what
statesync(7) says is typed, then the package is upgraded under traffic,
removed and purged."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import why_not
from lab import wait_for
from machine import Net

ROOT = Path(__file__).resolve().parents[2]
TUTORIAL = "Install", "The ruleset", "Key, password, configuration", "Start"
# Of vhosts, without what history says of nodes.
MOVES = "statesync history -n 64 | grep -cE -- '-> (MASTER|BACKUP|INIT)' || true"
pytestmark = [pytest.mark.full, pytest.mark.limit(1800)]


def typed(part, kind="Ss"):
    """(machine or "" for both, command) of a part of statesync(7)."""
    text = re.search(r"^\.%s %s\n(.*?)(?=^\.S[hs] |\Z)" % (kind,
                                                         re.escape(part)),
                     (ROOT / "syncd/statesync.7").read_text(), re.M | re.S)
    blocks = re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", text.group(1),
                        re.M | re.S)
    found = [m.groups() for b in blocks for m in
             re.finditer(r"^(fw\d)?# (.*)$", b, re.M)]
    assert found, part
    return [(who or "", command) for who, command in found]


@pytest.fixture(scope="session")
def deb(tmp_path_factory):
    """The package of this tree; STATESYNC_DEB: one that is built already."""
    if os.environ.get("STATESYNC_DEB"):
        return Path(os.environ["STATESYNC_DEB"])
    if not shutil.which("dh"):
        pytest.skip("debhelper is not installed: contrib/install-missing "
                    "build package")
    out = tmp_path_factory.mktemp("deb")
    p = subprocess.run([ROOT / "contrib/debian/build", out, "-b"], text=True,
                       capture_output=True, env=dict(
                           os.environ, DEB_BUILD_OPTIONS="nocheck parallel=2"))
    assert p.returncode == 0, p.stdout[-2000:] + p.stderr[-2000:]
    return next(out.glob("statesync_*.deb"))


def repacked(deb, tmp_path, version, change=None):
    """The same package as another version, and changed."""
    tree = tmp_path / version
    subprocess.run(["dpkg-deb", "-R", deb, tree], check=True)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub("^Version: .*", "Version: " + version,
                              control.read_text(), flags=re.M))
    if change:
        change(tree)
    out = tmp_path / ("statesync_%s_amd64.deb" % version)
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, out],
                   check=True, capture_output=True)
    return out


class Pair:
    """Two machines, and what is done to them."""

    def __init__(self, net):
        self.net = net
        self.fw1, self.fw2 = (net.machines[n] for n in ("fw1", "fw2"))
        self.version = 1

    def type(self, who, command):
        machines = ([self.net.machines[who]] if who else [self.fw1, self.fw2])
        said = ""
        for machine in machines:
            if command.startswith("scp "):
                self.copy(*command.split()[2:])
            else:
                said += machine.sh(command)[1]
        print("%4s# %s\n%s" % (who, command, said))
        return said

    def copy(self, what, where):
        """scp from fw1: there is no sshd, the rest is the same."""
        assert where.startswith("root@fw2:"), where
        pack = subprocess.run(self.fw1.argv("tar -C / -cpf - %s" % what),
                              check=True, stdout=subprocess.PIPE).stdout
        subprocess.run(self.fw2.argv("tar -C / -xpf -"), input=pack,
                       check=True)

    def follow(self, *parts):
        for part in parts:
            for who, command in typed(part):
                self.type(who, command)

    def both(self):
        return (self.fw1, self.fw2)

    def settled(self):
        """fw1 is master, fw2 in sync."""
        for machine in self.both():
            machine.sh("systemctl start statesyncd")
        for machine in self.both():
            machine.sh("statesync wait in-sync --timeout 60")
        if self.fw1.sh("statesync wait master --timeout 1", check=False)[0]:
            self.fw2.sh("statesync handover")
        self.fw1.sh("statesync wait master --timeout 20")
        return self

    def main_pid(self, machine):
        return machine.sh("systemctl show --property=MainPID --value "
                          "statesyncd")[1].strip()

    def offer(self, deb, machine):
        machine.sh("rm -f /root/*.deb")
        machine.put(deb, "/root/" + deb.name)


@pytest.fixture(scope="module")
def machines():
    """Two of them, as their vendor delivered them."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    net = Net()
    for machine in net.machines.values():
        machine.sh("dpkg -P statesync >/dev/null 2>&1; rm -rf /etc/statesync"
                   " /usr/sbin/policy-rc.d;"
                   "echo 'APT::Get::Assume-Yes yes;' >/etc/apt/apt.conf.d/99y")
    yield Pair(net)
    net.close()


@pytest.fixture(scope="module")
def pair(machines, deb):
    """Set up by the tutorial; how long it took."""
    start = time.monotonic()
    for machine in machines.both():
        machines.offer(deb, machine)
    machines.follow(*TUTORIAL)
    machines.took = time.monotonic() - start
    return machines


@pytest.fixture
def newer(deb, tmp_path, pair):
    def make(change=None):
        pair.version += 1
        return repacked(deb, tmp_path, "0.1.0-%d" % pair.version, change)
    return make


def test_the_tutorial_makes_a_pair(pair):
    print("%.0f s of machines' time" % pair.took)
    assert pair.took < 300, "ten minutes, and most of them are for typing"
    verdict = pair.type("fw1", "statesync").splitlines()[0]
    assert verdict == ("fw1 is MASTER of lan and wan. fw2 is in sync and may "
                       "take over now."), verdict
    pair.follow("What would bite")
    with pair.net.connections():
        pair.follow("Fail over")


def is_upgraded(pair, machine, before):
    """Another process with the new program, and nobody restarted anything."""
    pid = pair.main_pid(machine)
    assert pid not in ("0", before), machine.journal()
    machine.sh("test /proc/%s/exe -ef /usr/sbin/statesyncd" % pid)
    calls = machine.calls()[pair.seen[machine.name]:]
    assert "reload statesyncd.service" in calls, calls
    assert not [c for c in calls if re.search(r"\b(re)?start\b|\bstop\b", c)]


@pytest.mark.parametrize("who", ["fw1", "fw2"], ids=["master", "standby"])
def test_an_upgrade_loses_nothing(pair, newer, who):
    pair.settled()
    machine = pair.net.machines[who]
    before = pair.main_pid(machine)
    pair.seen = {m.name: len(m.calls()) - 1 for m in pair.both()}
    pair.offer(newer(), machine)
    transitions = [m.sh(MOVES)[1] for m in pair.both()]
    with pair.net.connections(longest_ms=3000):
        pair.type(who, typed("Of statesync")[0][1])
    is_upgraded(pair, machine, before)
    assert transitions == [m.sh(MOVES)[1] for m in pair.both()]
    pair.settled()


def test_both_at_once(pair, newer):
    pair.settled()
    deb = newer()
    before = {m.name: pair.main_pid(m) for m in pair.both()}
    pair.seen = {m.name: len(m.calls()) - 1 for m in pair.both()}
    for machine in pair.both():
        pair.offer(deb, machine)
    with pair.net.connections(longest_ms=3000):
        running = [subprocess.Popen(m.argv(typed("Of statesync")[0][1]))
                   for m in pair.both()]
        assert [p.wait() for p in running] == [0, 0]
    for machine in pair.both():
        is_upgraded(pair, machine, before[machine.name])
    pair.settled()


def test_a_version_that_refuses_the_configuration(pair, newer):
    """apt is content, says what to do, and the old process goes on."""
    pair.settled()
    before = pair.main_pid(pair.fw1)
    pair.fw1.sh("echo 'adskew = 1' >>/etc/statesync/statesync.conf")
    pair.offer(newer(), pair.fw1)
    try:
        with pair.net.connections(longest_ms=3000):
            said = pair.type("fw1", typed("Of statesync")[0][1])
        assert "adskew" in said and "the old one keeps" in said
        assert pair.main_pid(pair.fw1) == before
    finally:
        pair.fw1.sh("sed -i '/^adskew/d' /etc/statesync/statesync.conf")
    pair.type("fw1", "systemctl reload statesyncd")
    wait_for("the new program runs", lambda: pair.main_pid(pair.fw1)
             not in ("0", before), 10)
    pair.settled()


def test_a_version_that_cannot_run(pair, newer):
    """It checks the configuration, and dies when it is to take over."""
    def broken(tree):
        program = tree / "usr/sbin/statesyncd"
        program.write_text('#!/bin/sh\n[ "$1" = -n ]\n')
    pair.settled()
    before = pair.main_pid(pair.fw1)
    pair.offer(newer(broken), pair.fw1)
    with pair.net.connections(longest_ms=3000):
        said = pair.type("fw1", typed("Of statesync")[0][1])
    assert "the old one" in said and pair.main_pid(pair.fw1) == before
    pair.offer(newer(), pair.fw1)
    pair.type("fw1", typed("Of statesync")[0][1])
    assert pair.main_pid(pair.fw1) != before
    pair.settled()


def test_stopped_stays_stopped(pair, newer):
    pair.settled()
    pair.type("fw2", "systemctl stop statesyncd")
    pair.offer(newer(), pair.fw2)
    pair.type("fw2", typed("Of statesync")[0][1])
    assert pair.main_pid(pair.fw2) == "0"
    pair.settled()


def test_a_service_on_a_shared_address(pair):
    """The static web service of the manual, asked before and after."""
    pair.settled()
    for who, command in typed("SERVICES ON A SHARED ADDRESS", "Sh"):
        pair.type(who, command)
    page = "import socket as s; c = s.create_connection(('10.1.0.1', 80), 5);" \
        "c.sendall(b'GET /etc/hostname HTTP/1.0\\r\\n\\r\\n'); d = b'';\n" \
        "while x := c.recv(999): d += x\nprint(d.decode().split()[-1])"
    for machine in pair.both():
        machine.sh("nft insert rule inet filter input iifname eth0 tcp dport "
                   "80 accept; echo %s >/etc/hostname; cd /; setsid python3 "
                   "-m http.server --bind 10.1.0.1 80 >/dev/null 2>&1 </dev/"
                   "null &" % machine.name)

    def answers():
        p = pair.net.host("client", page)
        return p.communicate(timeout=20)[0].strip()
    wait_for("fw1 answers", lambda: answers() == "fw1", 10)
    pair.type("fw1", "statesync handover")
    wait_for("fw2 answers", lambda: answers() == "fw2", 10)
    pair.settled()


def test_files_that_only_root_reads(pair):
    """drift {} in the unit, whose user may not look into /etc/statesync."""
    pair.settled()
    for machine in pair.both():
        machine.sh("cp /etc/statesync/statesync.conf /root/was; echo 'drift "
                   "{ period = \"1s\" files = { \"/etc/statesync/*\" } }' "
                   ">>/etc/statesync/statesync.conf")
        pair.type(machine.name, "systemctl reload statesyncd")

    def said():
        return pair.fw1.sh("statesync check", check=False)[1]
    wait_for("alike", lambda: "same files" in said(), 15, 0.5)
    pair.fw2.sh("umask 077; echo 1 >/etc/statesync/extra.key")
    wait_for("it is seen", lambda: "file /etc/statesync/extra.key: only on fw2"
             in said(), 15, 0.5)
    pair.fw2.sh("rm /etc/statesync/extra.key")
    for machine in pair.both():
        machine.sh("cp /root/was /etc/statesync/statesync.conf")
        pair.type(machine.name, "systemctl reload statesyncd")
    pair.settled()


def test_a_drill_by_its_unit(pair):
    """As the user of statesync-drill.service."""
    pair.settled()
    said = pair.fw1.sh("setpriv --reuid statesync --regid statesync --groups "
                       "statesync,statesync-admin --no-new-privs %s "
                       "/usr/lib/fence.py /lib/systemd/system/statesync-drill."
                       "service statesync drill --for 1" % sys.executable,
                       check=False)[1]
    # nobody talked meanwhile
    assert "NOT PROVEN: fw2 was master" in said, said
    pair.fw1.sh("statesync wait master --timeout 10")
    pair.settled()


def left(machine):
    """What a daemon could leave: tables, routes, addresses, MACs."""
    return machine.sh("nft list tables; ip -o addr; ip route show table all;"
                      "bridge fdb | grep -i 00:00:5e; ip maddr | grep -i 5e;"
                      "cat /proc/sys/net/ipv4/conf/eth*/arp_*", check=False)[1]


def test_removed_and_purged(pair):
    """The backup first: the master goes on. Keys and configuration stay."""
    pair.settled()
    with pair.net.connections():
        pair.type("fw1", "apt-get remove statesync")
        assert pair.fw2.sh("statesync wait master --timeout 10")[0] == 0
    said = left(pair.fw1)
    assert "statesync" not in said and "5e:00:01" not in said, said
    assert "proto 112" not in said, said
    pair.type("fw1", "apt-get purge statesync")
    assert pair.fw1.sh("ls /etc/statesync")[1].split() == [
        "carp.pass", "link.key", "statesync.conf"]
    assert pair.fw1.sh("ls -d /var/lib/statesync /etc/needrestart/conf.d/"
                       "statesync* /etc/systemd/system/*/statesync* "
                       "/run/statesync 2>/dev/null; getent group statesync "
                       "statesync-admin; dpkg -L statesync 2>/dev/null",
                       check=False)[1] == ""


def test_installed_again(pair, deb):
    """With what a purge left it runs at once."""
    pair.offer(deb, pair.fw1)
    pair.type("fw1", typed("Install")[0][1])
    assert pair.main_pid(pair.fw1) != "0"
    pair.settled()


def test_every_file_is_in_the_package(deb):
    names = subprocess.run(["dpkg-deb", "-c", deb], text=True, check=True,
                           capture_output=True).stdout
    for folder in ("systemd", "sysctl.d", "modules-load.d", "sysusers.d",
                   "completion"):
        for path in (ROOT / "contrib" / folder).iterdir():
            assert path.name.replace(".bash", "") in names, path
    for path in (ROOT / "contrib/examples").rglob("*"):
        if path.is_file():
            assert "examples/%s\n" % path.relative_to(
                ROOT / "contrib/examples") in names, path
    for manual in (ROOT / "syncd").glob("*.[1-9]"):
        assert manual.name in names
    conffiles = subprocess.run(["dpkg-deb", "-I", deb, "conffiles"], text=True,
                               capture_output=True).stdout.split()
    assert conffiles == ["/etc/needrestart/conf.d/statesync.conf"]


def test_the_same_bytes(deb, tmp_path):
    """Built again, elsewhere, by somebody with other habits."""
    if not shutil.which("dh"):
        pytest.skip("debhelper is not installed")
    out = tmp_path / "another/place"
    out.mkdir(parents=True)
    p = subprocess.run(
        ["sh", "-c", "umask 077; exec \"$0\" \"$@\"",
         ROOT / "contrib/debian/build", out, "-b"], text=True,
        capture_output=True, env=dict(
            os.environ, TZ="Asia/Kolkata", LC_ALL="C.UTF-8", HOME="/nowhere",
            DEB_BUILD_OPTIONS="nocheck parallel=1"))
    assert p.returncode == 0, p.stdout[-2000:] + p.stderr[-2000:]
    assert (next(out.glob("statesync_*.deb")).read_bytes()
            == deb.read_bytes()), "diffoscope says what differs"


def test_lintian(deb):
    if not shutil.which("lintian"):
        pytest.skip("lintian is not installed")
    changes = next(deb.parent.glob("*.changes"), deb)
    p = subprocess.run(["lintian", "--fail-on", "error,warning",
                        "--allow-root", changes], text=True,
                       capture_output=True)
    print(p.stdout)
    assert p.returncode == 0, p.stdout + p.stderr


# --- a machine with nothing else on it

STATE = r"""
find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o \
    -path /tmp -o -path /var/cache -o -path /var/log -o -path /var/lib/dpkg \
    -o -path /var/lib/apt -o -path /root \) -prune -o \
    -printf '%p %M %u:%g %l\n' | sort
getent passwd; getent group
"""


class Root:
    """A Debian of its own in a directory."""

    def __init__(self, path):
        self.path = path
        uri = subprocess.run(["apt-get", "indextargets", "--format",
                              "$(REPO_URI)"], text=True, capture_output=True)
        mirrors = [u for u in uri.stdout.split() if u.endswith("/debian/")]
        p = subprocess.run(
            ["debootstrap", "--variant=minbase",
             "--include=systemd,systemd-sysv", "bookworm", path, *mirrors[:1]],
            text=True, capture_output=True)
        if p.returncode:
            pytest.skip("no Debian to be had: " + (p.stdout + p.stderr)[-300:])

    def sh(self, command, good=(0,)):
        p = subprocess.run(
            ["unshare", "-m", "-p", "-f", "--mount-proc=%s/proc" % self.path,
             "chroot", self.path, "sh", "-c", command], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C",
                "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive"})
        assert p.returncode in good, command + "\n" + p.stdout
        return p.stdout

    def state(self):
        return set(self.sh(STATE).splitlines())


def test_on_a_bare_system(deb, tmp_path):
    """Nothing is missing, nothing starts or is enabled that should not, and
    after a purge all is as it was, but for what the administrator made."""
    if os.geteuid() or not shutil.which("debootstrap"):
        pytest.skip("needs root and debootstrap")
    root = Root(tmp_path / "root")
    try:
        shutil.copy(deb, root.path / "root")
        name = "/root/" + deb.name
        # what it needs comes and stays
        needs = re.findall(r"([a-z0-9.+-]+)(?: \([^)]*\))?(?:,|$)", subprocess.
                           run(["dpkg-deb", "-f", deb, "Depends"], text=True,
                               capture_output=True, check=True).stdout.strip())
        root.sh("apt-get -q update && apt-get -qy --no-install-recommends "
                "install " + " ".join(n for n in needs if "sysusers" not in n))
        before = root.state()
        install = "apt-get -qy --no-install-recommends install " + name
        assert "not configured yet" in root.sh(install)
        assert root.sh("systemctl is-enabled statesyncd.service statesync-"
                       "helper.socket statesync-drill.timer", (0, 1)).split() \
            == ["enabled", "enabled", "disabled"]
        said = root.sh("systemd-analyze verify --man=no statesyncd.service "
                       "statesync-helper.socket statesync-helper@.service "
                       "statesync-drill.service statesync-drill.timer")
        assert "statesync" not in said, said
        assert "statesync 0.1" in root.sh("statesync -V; statesyncd -V")
        root.sh("nft --version >/dev/null 2>&1 || exit 0; nft -c -f "
                "/usr/share/doc/statesync/examples/nftables.conf")
        mine = root.sh("umask 077; cd /etc/statesync; touch statesync.conf "
                       "link.key; ls -d $PWD $PWD/*").split()
        root.sh("mkdir -p /var/lib/statesync; touch /var/lib/statesync/x")
        root.sh("dpkg -P statesync")
        left = {line.split()[0] for line in root.state() ^ before}
        assert left == set(mine), left
        assert "not configured" not in root.sh(install)
        # who was put into the group keeps it
        root.sh("useradd anna; usermod -aG statesync anna; dpkg -P statesync")
        assert ":anna" in root.sh("getent group statesync")
    finally:
        subprocess.run(["rm", "-rf", "--one-file-system", root.path],
                       check=True)
