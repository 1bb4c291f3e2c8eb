# SPDX-License-Identifier: GPL-3.0-or-later
"""Upgrades of a daemon of the laboratory: the process that goes on."""

import contextlib
import os
import signal
import time
from pathlib import Path

from lab import wait_for


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
