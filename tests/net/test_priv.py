# SPDX-License-Identifier: GPL-3.0-or-later
"""What rights the daemon has and lacks, and what its helper does for it. The
filter of system calls is at work in every test of this folder (node.FILTER)."""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import fence
from lab import BUILD, ROOT, wait_for
from node import die_with_parent
from test_track import script
from test_upgrade import orphans  # noqa: F401, a fixture
from upgrades import daemons, processes, upgrade

UNITS = ROOT / "contrib/systemd"
BOTH = 1 << 12 | 1 << 13  # CAP_NET_ADMIN, CAP_NET_RAW
USER = "nobody"
ALONE = {"require_sync": "off", "advbase": 1}


def facts(pid):
    """/proc/PID/status of every thread of a process."""
    for task in Path("/proc/%d/task" % pid).iterdir():
        yield dict(line.split(":\t", 1) for line in
                   (task / "status").read_text().splitlines() if ":\t" in line)


def assert_rights(pid, user=True):
    realtime = set()
    # as the kernel shows a process without cores, into which nobody looks
    assert os.stat("/proc/%d/maps" % pid).st_uid == 0
    for fact in facts(pid):
        assert int(fact["CapPrm"], 16) == BOTH, fact
        assert int(fact["CapEff"], 16) == BOTH, fact
        assert int(fact["CapBnd"], 16) & ~BOTH == 0, fact
        assert int(fact["CapInh"], 16) == int(fact["CapAmb"], 16) == 0, fact
        assert fact["NoNewPrivs"] == "1" and fact["Seccomp"] == "2", fact
        if os.sched_getscheduler(int(fact["Pid"])) == os.SCHED_RR:
            realtime.add(fact["Pid"])
        assert ("0" not in fact["Uid"].split()) is user, fact
    # what stands in for a late loop, not the loop
    assert realtime and str(pid) not in realtime


def is_master(node):
    wait_for("%s is master" % node.name, lambda: node.is_all("MASTER"), 30,
             0.1)


def with_script(node, command):
    """Its configuration, with a script that is tracked."""
    text = node.conf.read_text().replace(
        'carp "lan" {', 'carp "lan" {\n' + script(command, interval='"1s"'), 1)
    node.conf.write_text(text)


def new_key_is_read(node):
    """A reload reads files that the daemon itself cannot open."""
    node.new_key()
    assert node.key.stat().st_uid == 0 and node.key.stat().st_mode & 0o77 == 0
    code, out, err = node.tool("reload")
    assert code == 0, (out, err, node.tail())


def test_an_ordinary_user(lab, orphans):  # noqa: F811
    """Two capabilities, no way to others; keys are root's; a script is run as
    root; reload and upgrade go as for root."""
    node = lab.nodes["gw1"]
    node.user = USER
    node.configure(**ALONE)
    seen = lab.dir / "seen"
    with_script(node, "id -u >%s" % seen)
    node.launch().wait_up(20)
    assert_rights(node.proc.pid)
    is_master(node)
    wait_for("the script ran as root",
             lambda: seen.exists() and seen.read_text() == "0\n", 15)
    new_key_is_read(node)
    upgrade(node)
    assert_rights(node.proc.pid)
    new_key_is_read(node)
    for pid in processes(node):
        assert os.stat("/proc/%d/maps" % pid).st_uid == 0
    # the script's is called as its parent for a moment
    wait_for("no process more", lambda: sorted(processes(node).values()) == [
        "statesync-exec", "statesync-start", "statesyncd"])
    assert node.is_all("MASTER")


@pytest.mark.full
def test_root_without_its_rights(lab):
    node = lab.nodes["gw1"]
    node.user = None
    node.start(**ALONE)
    assert_rights(node.proc.pid, user=False)


@pytest.mark.full
def test_a_number_that_is_not_there(lab):
    """The configuration is another one by now: the helper opens nothing of
    what it does not have, and the daemon goes on."""
    node = lab.nodes["gw1"]
    node.user = USER
    node.start(**ALONE)
    is_master(node)
    good = node.conf.read_text()
    node.conf.write_text(good.replace(str(node.key), "/etc/shadow"))
    code, _, err = node.tool("reload")
    assert code == 1 and "/etc/shadow" in err, err
    node.conf.unlink()
    code, _, err = node.tool("reload")
    assert code == 1 and "no such file" in err, err
    node.conf.write_text(good)
    node.conf.chmod(0o600)
    assert node.tool("reload")[0] == 0, node.tail()
    assert node.is_all("MASTER")


# --- the units


@contextlib.contextmanager
def helper_unit(node):
    """As statesync-helper.socket: one process for each connection."""
    path = node.dir / "helper.sock"
    proc = subprocess.Popen(
        ["ip", "netns", "exec", node.lab.ns(node.host),
         "systemd-socket-activate", "--seqpacket", "--accept", "--inetd",
         "-l", str(path), str(BUILD / "syncd/statesync-helper"), "-f",
         str(node.conf)], preexec_fn=die_with_parent,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for("the socket", path.exists, 10)
    shutil.chown(path, USER)
    path.chmod(0o600)
    try:
        yield path
    finally:
        proc.kill()
        proc.wait()


NO_EXEC = "for d in /usr %s %s; do mount --bind $d $d; done; " \
    "mount -o remount,bind,noexec / && exec \"$@\"" % (BUILD, sys.prefix)


def as_unit(node, path):
    """What a unit with User=, AmbientCapabilities=, NoExecPaths=/,
    CPUSchedulingPolicy=rr and the sandbox of statesyncd.service starts."""
    caps = "+net_admin,+net_raw"
    (node.dir / "state").mkdir()
    node.user = USER
    node.give_directories()
    node.prefix = ("sh", "-c", NO_EXEC, "sh", "chrt", "-r", "10", "setpriv",
                   "--reuid", USER, "--regid", "nogroup", "--clear-groups",
                   "--inh-caps", "-all," + caps,
                   "--ambient-caps", "-all," + caps, "--bounding-set",
                   "-all," + caps, "--no-new-privs", sys.executable,
                   str(Path(fence.__file__)), str(UNITS / "statesyncd.service"))
    node.options = ("-H", str(path))
    node.user = None


def may_drill(node):
    """What statesync-drill.service asks before, in its sandbox."""
    unit = UNITS / "statesync-drill.service"
    line, = fence.settings(unit, "ExecCondition")
    line = line.replace("$$", "$").replace("/usr/bin/statesync", "%s -s %s" % (
        node.program("statesync"), node.sock))
    return subprocess.run(
        ["setpriv", "--no-new-privs", sys.executable, fence.__file__,
         str(unit), *shlex.split(line)]).returncode == 0


needs_systemd = pytest.mark.skipif(
    not shutil.which("systemd-socket-activate"), reason="no systemd")


@needs_systemd
@pytest.mark.full
def test_as_a_unit(lab, orphans):  # noqa: F811
    """Unprivileged from the start, the helper a service of its own."""
    node = lab.nodes["gw1"]
    node.configure(**ALONE)
    lab.dir.chmod(0o711)
    mark, sleeps = lab.dir / "mark", lab.dir / "sleeps"
    with_script(node, "id -u >%s; test ! -e %s || exec sleep 1000"
                % (mark, sleeps))
    with helper_unit(node) as path:
        as_unit(node, path)
        node.launch().wait_up(20)
        assert_rights(node.proc.pid)
        wait_for("the script runs as root", lambda: (
            mark.exists() and mark.read_text() == "0\n"), 15)
        is_master(node)
        new_key_is_read(node)
        upgrade(node)
        assert_rights(node.proc.pid)
        is_master(node)
        sleeps.touch()
        wait_for("the script sleeps", lambda: "sleep 1000" in
                 lab.run("gw1", "ps", "-eo", "args"), 15)
        start = time.monotonic()
        node.signal(signal.SIGKILL)
        wait_for("the table is gone", lambda: "statesync" not in
                 lab.run("gw1", "nft", "list", "tables"), 2, 0.001)
        print("table gone after %.3f s" % (time.monotonic() - start))
        node.reap()
        wait_for("nothing runs any more", lambda: not daemons(node), 5)


@needs_systemd
@pytest.mark.full
def test_what_a_unit_does_not_see(lab):
    """ProtectProc=invisible, and a directory of root's: the helper looks."""
    node = lab.nodes["gw1"]
    node.configure(**ALONE)
    lab.dir.chmod(0o711)
    hidden = lab.dir / "hidden"
    hidden.mkdir(mode=0o700)
    shutil.copy("/bin/sleep", lab.dir / "ss-hidden")
    text = 'track { process "ss-hidden" { } file "%s" { } }' % (hidden / "f")
    node.conf.write_text(node.conf.read_text().replace(
        'carp "lan" {', 'carp "lan" {\n' + text, 1))

    def is_up(i):
        return node.carp("lan")["track"][i]["state"] == "up"
    run = [lab.dir / "ss-hidden", "1000"]
    with helper_unit(node) as path, \
            subprocess.Popen(run, preexec_fn=die_with_parent) as proc, \
            contextlib.ExitStack() as end:
        end.callback(proc.kill)
        as_unit(node, path)
        node.prefix = ("sh", "-c", "mount -t proc -o hidepid=invisible proc"
                       " /proc && exec \"$@\"", "sh", *node.prefix)
        node.launch().wait_up(20)
        wait_for("both are well", lambda: is_up(0) and is_up(1), 15)
        (hidden / "f").write_text("1\n")
        wait_for("the file is seen", lambda: not is_up(1), 15)
        (hidden / "f").unlink()
        wait_for("and that it is gone", lambda: is_up(1), 15)
        # one that does not answer holds nobody up, and is no news
        helper, = (p for p, name in processes(node).items()
                   if name == "statesync-exec")
        os.kill(helper, signal.SIGSTOP)
        for _ in range(20):
            start = time.monotonic()
            assert is_up(0) and is_up(1), node.tail()
            assert time.monotonic() - start < 1.5
            time.sleep(0.2)
        os.kill(helper, signal.SIGCONT)
        proc.kill()
        wait_for("its end is seen", lambda: not is_up(0), 15)


@needs_systemd
def test_a_unit_allows_what_the_daemon_does():
    """The two lists: the inner one is part of the outer one."""
    inner = set(re.findall(r"SCMP_SYS\((\w+)\)", (
        ROOT / "syncd/os/priv_filter.c").read_text()))
    outer = fence.system_calls(UNITS / "statesyncd.service")
    assert not inner - outer
    # and what it does before it has the inner one
    assert {"capset", "seccomp", "execve", "clone", "wait4"} <= outer
    assert not {"ptrace", "bpf", "setuid", "init_module", "mount"} & outer


@needs_systemd
def test_the_units_are_fenced():
    for name in ("statesyncd.service", "statesync-drill.service"):
        p = subprocess.run(
            ["systemd-analyze", "security", "--offline=true", "--no-pager",
             "--threshold=20", str(UNITS / name)],
            capture_output=True, text=True)
        assert p.returncode == 0, p.stdout[-400:] + p.stderr
    for unit in UNITS.iterdir():
        text = unit.read_text()
        assert "FileDescriptorStore" not in re.sub(
            r"FileDescriptorStoreMax=0\n", "", text), unit
    daemon = UNITS / "statesyncd.service"
    assert fence.settings(daemon, "NoExecPaths") == ["/"]
    assert fence.settings(daemon, "ExecPaths") == [
        "/usr/sbin/statesyncd /usr -/lib -/lib64"]
    assert fence.settings(daemon, "ProtectSystem") == ["strict"]
    # helpers of daemons that were killed, while their commands run
    assert int(*fence.settings(UNITS / "statesync-helper.socket",
                               "MaxConnections")) >= 64
    assert "network-online" not in re.sub(r"(?m)^#.*", "", daemon.read_text())


@needs_systemd
def test_the_units_are_understood(tmp_path):
    """With programs in the places that the units name."""
    for unit in UNITS.iterdir():
        text = unit.read_text()
        for path in set(re.findall(r"(/usr/\S+?/statesync\S*)", text)):
            text = text.replace(path, "/bin/true")
        (tmp_path / unit.name).write_text(text)
    p = subprocess.run(["systemd-analyze", "verify", "--man=no",
                        *map(str, tmp_path.glob("*.service")),
                        *map(str, tmp_path.glob("*.socket"))],
                       capture_output=True, text=True,
                       env=os.environ | {"SYSTEMD_UNIT_PATH":
                                         "%s:" % tmp_path})
    said = [line for line in (p.stdout + p.stderr).splitlines()
            if "statesync" in line]
    assert not said, said


def test_the_script_for_openrc_is_a_script():
    subprocess.run(["sh", "-n", str(ROOT / "contrib/openrc/statesyncd")],
                   check=True)
