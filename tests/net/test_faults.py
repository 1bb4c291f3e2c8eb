# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad days of the machine and of the people near it. What must happen is
written down in each test; that nobody's connection breaks is in all of them.
"""

import contextlib
import os
import random
import re
import resource
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest

from lab import SHARED, sh, wait_for
from pair import Traffic
from tap import Tap, is_advert
from test_lease import LEASE, longest_gap_ms
from upgrades import processes

pytestmark = pytest.mark.full


def all_is_well(pair, traffic):
    """One master, both tables alike, and no connection was lost."""
    wait_for("one master: %s" % pair, lambda: pair.master() is not None, 20)
    pair.wait_sync(60)
    traffic.goes_on()
    traffic.finish()
    pair.wait_equal(60)


def processor_s(node):
    """Processor time that its daemon has used."""
    fields = Path("/proc/%d/stat" % node.proc.pid).read_text().rsplit(")")[1]
    used = fields.split()[11:13]
    return sum(map(int, used)) / os.sysconf("SC_CLK_TCK")


# -- nothing is left

@pytest.fixture
def small_disk(lab):
    """The state directory of fw1 is a disk of 64 kB."""
    state = lab.nodes["gw1"].dir / "state"
    state.mkdir()
    sh("mount", "-t", "tmpfs", "-o", "size=64k", "small", state)
    yield state
    subprocess.run(["umount", "-l", state], check=True)


def test_disk_full(lab, pair, small_disk):
    """A word that has to outlast a restart is refused, with what to do; the
    node goes on, hands over, and writes when there is room again."""
    pair.start()
    traffic = Traffic(lab)
    full = small_disk / "full"
    with full.open("wb", 0) as f, pytest.raises(OSError):
        while True:
            f.write(b"x" * 4096)
    # what is written: an operator's word that has to outlast a restart
    code, out, err = pair.one.tool("maintenance", "on")
    assert code == 1 and "no space left" in err and "df" in err, (out, err)
    assert pair.one.is_all("MASTER")
    assert pair.one.tool("handover")[0] == 0
    pair.wait_master(pair.two)
    traffic.goes_on()
    full.unlink()
    assert pair.one.tool("maintenance", "on")[0] == 0
    assert pair.one.tool("maintenance", "off")[0] == 0
    pair.wait_sync()
    assert pair.two.tool("handover")[0] == 0
    pair.wait_master(pair.one)
    all_is_well(pair, traffic)


@pytest.mark.parametrize("host", ["gw1", "gw2"])
def test_out_of_descriptors(lab, pair, host):
    """Nobody else can be talked to, but what is open works: no change of
    mastership, no spinning, and all of it comes back."""
    pair.start()
    traffic = Traffic(lab)
    node = lab.nodes[host]
    before = pair.transitions()
    open_now = {int(fd.name) for fd in
                Path("/proc/%d/fd" % node.proc.pid).iterdir()}
    free = min(set(range(len(open_now) + 1)) - open_now)
    usual = resource.prlimit(node.proc.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(node.proc.pid, resource.RLIMIT_NOFILE, (free, usual[1]))
    used = processor_s(node)
    askers = [subprocess.Popen([node.program("statesync"), "-s", node.sock,
                                "status"], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL) for _ in range(8)]
    lab.tools.fill(200)
    time.sleep(3)
    used = processor_s(node) - used
    for asker in askers:
        asker.kill()
        asker.wait()
    assert used < 1, "spins: %.1f s in 3 s" % used
    resource.prlimit(node.proc.pid, resource.RLIMIT_NOFILE, usual)
    wait_for("answers", lambda: node.tool("status", timeout=5)[0] == 0, 10)
    assert pair.transitions() == before
    assert "cannot be reached by anybody new: too many open files" in \
        node.log.read_text().lower(), node.tail()
    assert pair.one.tool("handover")[0] == 0
    pair.wait_master(pair.two)
    all_is_well(pair, traffic)


class Group:
    """A control group of the machine's own, for memory."""

    # of cgroup v1 and v2, which has the controller
    FILES = {"cgroup": ("memory.limit_in_bytes", "memory.usage_in_bytes",
                        "memory.oom_control"),
             "cgroup2": ("memory.max", "memory.current", "memory.events")}

    def __init__(self, name, root, kind):
        self.root, self.path = root, root / name
        self.path.mkdir()
        self.most, self.now, self.events = (self.path / file for file in
                                            self.FILES[kind])

    @classmethod
    def make(cls, name):
        """None where the kernel has none for us."""
        for line in open("/proc/mounts"):
            _, where, kind, options = line.split()[:4]
            root = Path(where)
            if kind == "cgroup" and "memory" in options.split(","):
                return cls(name, root, kind)
            if kind == "cgroup2" and "memory" in (
                    root / "cgroup.controllers").read_text().split():
                (root / "cgroup.subtree_control").write_text("+memory")
                return cls(name, root, kind)
        return None

    def take(self, node):
        (self.path / "cgroup.procs").write_text(str(node.proc.pid))

    def limit(self, size):
        self.most.write_text(str(size))

    def used(self):
        return int(self.now.read_text())

    def kills(self):
        return int(re.search(r"oom_kill (\d+)",
                             self.events.read_text()).group(1))

    def close(self):
        for pid in (self.path / "cgroup.procs").read_text().split():
            (self.root / "cgroup.procs").write_text(pid)
        self.path.rmdir()


@pytest.fixture
def group(lab):
    made = Group.make(lab.prefix)
    if not made:
        pytest.skip("no memory controller on this machine")
    yield made
    made.close()


def askers(node, count):
    """So many that ask for much and read nothing."""
    asking = []
    for _ in range(count):
        s = socket.socket(socket.AF_UNIX)
        asking.append(s)
        with contextlib.suppress(ConnectionError):  # it may be killed by then
            s.connect(str(node.sock))
            s.sendall(b"flows --json\n")
    return asking


@pytest.mark.flows(60000)
def test_memory_is_bounded(lab, pair, group):
    """24 MB are enough for who tells the whole table, compares it, and has
    more askers than it answers."""
    pair.start()
    traffic = Traffic(lab)
    group.take(pair.one)
    group.limit(24 << 20)
    lab.tools.fill(50000)
    pair.two.kill()
    pair.two.launch().wait_up()
    pair.wait_sync(60)
    assert pair.one.tool("verify", timeout=60)[0] == 0
    asking = askers(pair.one, 40)
    lab.tools.fill(5000, first=60000)
    time.sleep(1)
    for s in asking:
        s.close()
    assert group.kills() == 0 and pair.one.is_all("MASTER")
    all_is_well(pair, traffic)


def test_out_of_memory(lab, pair, group):
    """Whom the kernel kills for want of memory the other one replaces, as
    after any other death."""
    pair.start()
    traffic = Traffic(lab)
    pair.wait_equal()
    group.take(pair.one)
    group.limit(group.used() + (64 << 10))
    asking = askers(pair.one, 40)
    wait_for("it is killed", lambda: group.kills() > 0, 20)
    pair.one.reap()
    for s in asking:
        s.close()
    pair.wait_master(pair.two)
    traffic.goes_on()
    pair.one.launch().wait_up()
    all_is_well(pair, traffic)


# -- a clock

def test_clock_set_back_an_hour(lab, pair):
    """Nothing in the election, the lease or the link goes by the wall clock:
    the master stays, answers its neighbours, hands over and takes again."""
    clock = lab.dir / "behind"
    clock.write_bytes(struct.pack("q", 0))
    for node in pair.both():
        node.prefix = ["env", "LD_PRELOAD=%s" % lab.tools.path("libsetback.so"),
                       "STATESYNC_SETBACK=%s" % clock]
    pair.start()
    traffic = Traffic(lab)
    before = pair.transitions()
    with clock.open("r+b") as f:
        f.write(struct.pack("q", 3600))
    time.sleep(2)
    assert pair.transitions() == before
    for host, cable in (("client", "lan"), ("server", "wan")):
        assert lab.tools.neighbour(host, SHARED[cable], "arp")["answered"] > 18
    for node, other in ((pair.one, pair.two), (pair.two, pair.one)):
        assert node.tool("handover")[0] == 0
        pair.wait_master(other)
        traffic.goes_on()
    said = pair.one.status()["history"][0]["at"]
    was = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(time.time() - 3500))
    assert said < was, said  # it was set back for the daemon
    assert pair.one.tool("verify", timeout=60)[0] == 0
    all_is_well(pair, traffic)


# -- hands and cables

def test_a_cable_that_flaps(lab, pair):
    """Ten times a second: whoever ends up with it, one node has it, and it is
    not passed to and fro for ever."""
    pair.start()
    traffic = Traffic(lab)
    before = pair.transitions()
    end = time.monotonic() + 4
    while time.monotonic() < end:
        lab.cut("gw1", "lan")
        time.sleep(0.05)
        lab.restore("gw1", "lan")
        time.sleep(0.05)
    all_is_well(pair, traffic)
    made = pair.transitions()
    time.sleep(3)
    assert pair.transitions() == made
    assert made - before < 100


def test_the_lease_cannot_be_taken_by_hand(lab, pair):
    """Our table has an owner: nobody else adds to it, or takes from it."""
    pair.start()
    traffic = Traffic(lab)
    table = lab.run("gw1", "nft", "list", "tables")
    ours = next(line for line in table.splitlines() if "statesync" in line)
    family, name = ours.split()[1:3]
    for what in ("delete table", "flush table"):
        done = subprocess.run(
            ["ip", "netns", "exec", lab.ns("gw1"), "nft",
             "%s %s %s" % (what, family, name)], capture_output=True,
            text=True, check=False)
        assert done.returncode and "not permitted" in done.stderr, done
    assert pair.one.is_all("MASTER")
    all_is_well(pair, traffic)


# -- of two that are one too many

def test_both_have_one_name(lab, pair):
    """Each says so, with what to do; the link stays down, and the election
    works as it does without a link."""
    for node in pair.both():
        node.configure(require_sync="off")
        text = node.conf.read_text()
        node.conf.write_text(text.replace('node = "%s"' % node.name,
                                          'node = "fw"'))
    for node in pair.both():
        node.launch().wait_up()
    wait_for("one master", lambda: sum(n.is_all("MASTER")
                                       for n in pair.both()) == 1, 10)
    time.sleep(2)
    assert sum(n.is_all("MASTER") for n in pair.both()) == 1
    assert not any(n.status()["peers"][0]["state"] == "live"
                   for n in pair.both())
    said = "".join(n.log.read_text() for n in pair.both())
    assert "by the name that it has here" in said, said


def test_both_have_one_configuration(lab, pair):
    """The file of one on both: the node whose addresses these are not looks
    for itself, says so, and does not disturb the other."""
    pair.configure(require_sync="off")
    pair.two.conf.write_text(pair.one.conf.read_text().replace(
        str(pair.one.dir), str(pair.two.dir)))
    pair.one.launch().wait_up()
    wait_for("master", lambda: pair.one.is_all("MASTER"), 10)
    pair.two.launch()
    time.sleep(4)
    assert pair.one.is_all("MASTER"), pair.two.tail()
    said = pair.two.log.read_text()
    assert "that is this machine itself" in said, said


# -- signals at any moment

@pytest.mark.parametrize("seed", range(3))
@pytest.mark.limit(180)
def test_signals_at_any_moment(lab, pair, seed):
    """SIGSTOP, SIGCONT and SIGKILL to any process of either node, one node at
    a time: the other one carries on, and in the end all is as before."""
    dice = random.Random(seed)
    pair.start()
    traffic = Traffic(lab)
    for _ in range(6):
        node = dice.choice(pair.both())
        pid, name = dice.choice(sorted(processes(node).items()))
        way = dice.choice(("stop", "kill", "stop, kill"))
        print("%s of %s: %s" % (name, node.name, way))
        if "stop" in way:
            os.kill(pid, signal.SIGSTOP)
            time.sleep(dice.uniform(0, 2))
        if "kill" in way:
            os.kill(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGCONT)
        time.sleep(dice.uniform(0, 1))
        if "kill" in way and pid == node.proc.pid:
            node.reap()
            node.launch().wait_up()
        wait_for("one master: %s" % pair,
                 lambda: pair.master() is not None, 20)
        pair.wait_sync(60)
        traffic.goes_on()
    all_is_well(pair, traffic)


def test_the_helper_hangs(lab, pair):
    """Ten seconds, while the daemon wants a file that only root may read: no
    lease is lost and nothing changes; awake again it opens the file."""
    secret = lab.dir / "roots"
    secret.mkdir(0o700)
    (secret / "file").write_text("0")
    pair.configure(carp='track { file "%s" { weight = 3 } }'
                   % (secret / "file"))
    for node in pair.both():
        node.user = "nobody"
        node.launch().wait_up(20)
    wait_for("one master: %s" % pair, lambda: pair.master() is not None, 15)
    pair.wait_sync()
    node = pair.master()
    before = pair.transitions()
    helper = next(pid for pid, name in processes(node).items()
                  if name == "statesync-exec")
    os.kill(helper, signal.SIGSTOP)
    try:
        with Tap(lab, node.host, "lan", is_advert) as tap:
            time.sleep(10)
        gap = longest_gap_ms(tap.frames)
    finally:
        os.kill(helper, signal.SIGCONT)
    assert pair.master() is node and pair.transitions() == before, str(pair)
    assert gap < 1000 * LEASE, "%d ms without an advert" % gap
    (secret / "file").write_text("1")
    wait_for("it is read", lambda: node.status()["demotion"]["total"] > 0, 10)
