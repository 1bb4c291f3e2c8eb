# SPDX-License-Identifier: GPL-3.0-or-later
"""A running daemon is replaced by a new process of its program (SIGUSR2),
and neither the peer, nor a connection, nor a neighbour notices."""

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from lab import wait_for
from pair import Traffic

PR_SET_CHILD_SUBREAPER = 36
ADVBASE = {"advbase": 1, "advskew": (0, 20)}


class Successor:
    """A process that is ours since its parent ended; as subprocess.Popen."""

    def __init__(self, pid):
        self.pid = pid
        self.returncode = None

    def poll(self):
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout=None):
        wait_for("process %d ends" % self.pid,
                 lambda: self.poll() is not None, timeout or 10, 0.001)
        return self.returncode


@pytest.fixture(autouse=True)
def orphans():
    """Become our children, so that we can wait for them."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    yield
    libc.prctl(PR_SET_CHILD_SUBREAPER, 0)


def processes(node):
    """Of this program and configuration, by pid: the name of each."""
    found = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            pid = int(entry.name)
            if str(node.conf).encode() in (entry / "cmdline").read_bytes():
                found[pid] = (entry / "comm").read_text().strip()
    return found


def daemons(node):
    return [p for p, name in processes(node).items() if name == "statesyncd"]


def fds(pid):
    return sorted(os.readlink(f).split(":")[0] for f in
                  Path("/proc/%d/fd" % pid).iterdir())


def upgrade(node):
    """SIGUSR2, and the time until the old process is gone, in s."""
    old = node.proc
    start = time.monotonic()
    node.signal(signal.SIGUSR2)
    assert old.wait(10) == 0, node.tail()
    took = time.monotonic() - start
    wait_for("one new process", lambda: len(daemons(node)) == 1, 5)
    node.proc = Successor(daemons(node)[0])
    assert node.proc.pid != old.pid
    node.wait_up()
    return took


def refused(node, word):
    """SIGUSR2 leads to nothing, and the log says why."""
    pid = node.proc.pid
    before = len(node.log.read_text())
    node.signal(signal.SIGUSR2)
    wait_for("a refusal", lambda: "goes on as if nothing had been" in
             node.log.read_text()[before:], 10)
    said = node.log.read_text()[before:]
    assert word in said, said
    wait_for("nothing else runs", lambda: daemons(node) == [pid], 5)
    assert node.running() and node.status() is not None


@contextlib.contextmanager
def quiet(lab, pair):
    """No transition on either node."""
    before = {n.name: [n.transitions(v) for v in n.states()]
              for n in pair.both()}
    yield
    after = {n.name: [n.transitions(v) for v in n.states()]
             for n in pair.both()}
    assert after == before, "%s\n%s" % (pair.one.tail(), pair.two.tail())


@pytest.mark.parametrize("conf", [{}, ADVBASE], ids=["312 ms", "advbase 1"])
def test_master_under_traffic(lab, pair, conf):
    pair.start(**conf)
    traffic = Traffic(lab)
    lab.tools.fill(3000, 300)
    pair.wait_equal()
    lab.freeze()
    traffic.begin("upgrade")
    with quiet(lab, pair):
        print("took %.3f s" % upgrade(pair.one))
        measured = traffic.goes_on()
        print(measured)
        assert measured["silence_ms"] < 50
        pair.wait_sync()
        pair.wait_equal()
    assert pair.one.status()["version"]
    assert pair.one.tool("handover")[0] == 0
    pair.wait_master(pair.two)
    traffic.goes_on()
    traffic.finish()
