# SPDX-License-Identifier: GPL-3.0-or-later
"""contrib/keepalived/statesync-vrrp, between a FIFO in place of keepalived and
a program in place of statesync."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from lab import wait_for
from node import die_with_parent

SCRIPT = Path(__file__).resolve().parents[2] / "contrib/keepalived" \
    / "statesync-vrrp"
# The role is a file; without it there is no daemon. What it is asked goes to
# a log; where it is slow ("role", "role master") it has looked, and waits.
STATESYNC = """#!/bin/sh
[ "$1" = role ] && [ -e "$DIR/daemon" ] || exit 3
now=$(cat "$DIR/daemon")
[ ! -e "$DIR/slow $*" ] || { echo "begin $*" >>"$DIR/log"; sleep 1; }
echo "$*" >>"$DIR/log"
[ $# = 1 ] || { echo "$2" >"$DIR/daemon"; exit 0; }
echo "$now"
[ "$now" = master ] || [ ! -e "$DIR/hold" ]
"""


class Daemon:
    """The role that statesyncd would have, and what calls the script."""

    def __init__(self, path):
        self.dir = path
        self.procs = []
        (path / "bin").mkdir()
        (path / "bin/statesync").write_text(STATESYNC)
        (path / "bin/statesync").chmod(0o755)
        self.restart()
        self.log = path / "log"
        self.env = dict(os.environ, DIR=str(path),
                        PATH="%s:%s" % (path / "bin", os.environ["PATH"]),
                        STATESYNC_VRRP_RUN=str(path / "run"))

    def restart(self):
        """It has forgotten what it was told."""
        (self.dir / "daemon").write_text("backup\n")

    def role(self):
        return (self.dir / "daemon").read_text().strip()

    def told(self):
        """The roles so far, in order."""
        text = self.log.read_text() if self.log.exists() else ""
        return [line.split()[1] for line in text.splitlines()
                if line.startswith("role ")]

    def set(self, name, on=True):
        path = self.dir / name
        path.touch() if on else path.unlink()

    def start(self, *argv):
        proc = subprocess.Popen(
            [SCRIPT, *map(str, argv)], env=self.env, start_new_session=True,
            preexec_fn=die_with_parent)
        self.procs.append(proc)
        return proc

    def check(self):
        return self.start("check").wait(20)

    def follow(self, fifo):
        return self.start("follow", "gateway", fifo.path)

    def close(self):
        for proc in self.procs:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(proc.pid, signal.SIGKILL)
            proc.wait()


class Fifo:
    """keepalived's end."""

    def __init__(self, path):
        self.path = path
        os.mkfifo(path)
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)

    def say(self, *lines):
        for line in lines:
            os.write(self.fd, (line + "\n").encode())

    def again(self):
        """Another one in its place, as in a reload; the old one ends."""
        self.close()
        os.unlink(self.path)
        self.__init__(self.path)

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1


@pytest.fixture
def daemon(tmp_path):
    made = Daemon(tmp_path)
    yield made
    made.close()


@pytest.fixture
def fifo(tmp_path):
    made = Fifo(tmp_path / "fifo")
    yield made
    made.close()


def become_master(daemon, fifo):
    proc = daemon.follow(fifo)
    fifo.say('GROUP "gateway" BACKUP 0', 'GROUP "gateway" MASTER 0')
    wait_for("master", lambda: daemon.role() == "master", 20)
    return proc


def term(proc):
    """As keepalived does: the process group."""
    os.killpg(proc.pid, signal.SIGTERM)


def test_roles_in_their_order(daemon, fifo):
    daemon.set("daemon")
    (daemon.dir / "daemon").write_text("master\n") # of a run that was killed
    proc = daemon.follow(fifo)
    wait_for("backup at first", lambda: daemon.told() == ["backup"], 20)
    fifo.say('INSTANCE "gateway2" MASTER 150', 'INSTANCE "lan" MASTER 150',
             'GROUP "gateway" MASTER 0', 'GROUP "gateway" FAULT 0',
             'GROUP "gateway" BACKUP 0', 'GROUP "gateway" MASTER 0')
    wait_for("all", lambda: daemon.told() == [
        "backup", "master", "backup", "backup", "master"], 20)
    assert proc.poll() is None


@pytest.mark.parametrize("way", ["stop", "killed", "told of nothing"])
def test_keepalived_ends(daemon, fifo, way):
    proc = become_master(daemon, fifo)
    if way != "killed":
        term(proc)
    if way == "stop":
        fifo.say('INSTANCE "lan" STOP 150', 'INSTANCE "wan" STOP 150')
    if way == "killed":
        proc.terminate()  # by the kernel: its parent is dead
        fifo.close()
    begin = time.monotonic()
    proc.wait(20)
    assert daemon.role() == "backup"
    # else keepalived kills it
    assert time.monotonic() - begin < 1


@pytest.mark.parametrize("late", [0, 0.2])
@pytest.mark.parametrize("other", [False, True])
def test_keepalived_reads_its_configuration_again(daemon, fifo, other, late):
    """The next one goes on; what is said meanwhile is told."""
    was = become_master(daemon, fifo)
    so_far = daemon.told()
    for _ in range(2):
        term(was)
        if other:
            fifo.again()
        time.sleep(late)
        now = daemon.follow(fifo)
        was.wait(20)
        assert daemon.told() == so_far
        was = now
    fifo.say('GROUP "gateway" BACKUP 0')
    wait_for("it follows", lambda: daemon.role() == "backup", 20)
    term(was)
    now = daemon.follow(fifo)
    fifo.say('GROUP "gateway" MASTER 0')
    wait_for("one of them hears it", lambda: daemon.role() == "master", 20)
    was.wait(20)
    term(now)
    now.wait(20)
    assert daemon.role() == "backup"


def slow_check(daemon, what):
    """A check that tells a new daemon again, and is slow at this."""
    daemon.restart()
    daemon.set("slow " + what)
    assert daemon.check() == 0
    wait_for("it begins", lambda: "begin %s\n" % what
             in daemon.log.read_text(), 20)
    daemon.set("slow " + what, False)


def test_a_role_is_told_to_the_end(daemon, fifo):
    """Whatever signals come, and whoever is before it."""
    proc = become_master(daemon, fifo)
    slow_check(daemon, "role master")
    fifo.say('GROUP "gateway" BACKUP 0')
    wait_for("it is at it", lambda: (daemon.dir / "run/role").read_text()
             == "backup\n", 20)
    term(proc)
    daemon.follow(fifo)
    wait_for("told", lambda: daemon.told()[-2:] == ["master", "backup"], 20)


def test_check(daemon, fifo):
    """The daemon's answer where it is not master; it is told again what it
    has forgotten."""
    assert daemon.check() == 0
    daemon.set("hold")
    assert daemon.check() == 1
    become_master(daemon, fifo)
    assert daemon.check() == 0
    daemon.restart()
    assert daemon.check() == 0
    wait_for("told again", lambda: daemon.role() == "master", 20)
    # who is master goes on, and nothing piles up
    (daemon.dir / "daemon").unlink()
    assert daemon.check() == 0
    daemon.restart()
    fifo.say('GROUP "gateway" BACKUP 0')
    wait_for("backup", lambda: daemon.told()[-1] == "backup", 20)
    assert daemon.check() == 1
    daemon.set("hold", False)
    assert daemon.check() == 0
    (daemon.dir / "daemon").write_text("master\n")
    assert daemon.check() == 0 and daemon.role() == "backup"
    (daemon.dir / "daemon").unlink()
    assert daemon.check() > 1


@pytest.mark.parametrize("at", ["role", "role master"])
def test_check_does_not_undo_what_is_told(daemon, fifo, at):
    """It asks, or tells, and is slow; meanwhile the role is another one."""
    become_master(daemon, fifo)
    slow_check(daemon, at)
    fifo.say('GROUP "gateway" BACKUP 0')
    time.sleep(3)
    assert daemon.role() == "backup" and daemon.told()[-1] == "backup"
