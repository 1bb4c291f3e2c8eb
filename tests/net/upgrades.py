# SPDX-License-Identifier: GPL-3.0-or-later
"""Upgrades of a daemon of the laboratory: the process that goes on."""

import contextlib
import os
import shutil
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


# --- programs that cannot take over


@contextlib.contextmanager
def own_program(node):
    """Of this test, at a path where another one can be put."""
    program = node.dir / "statesyncd"
    shutil.copy2(node.program("statesyncd"), program)
    node.program = lambda name: str(
        program if name == "statesyncd" else type(node).program(name))
    yield program


def replace(program, text):
    """As a package manager does: a new file in the old one's place."""
    new = program.with_suffix(".new")
    new.write_text(text)
    new.chmod(0o755)
    new.rename(program)


BAD = {
    "ends at once": ("exit 3", "exit status 3"),
    "is killed": ("kill -9 $$", "signal 9"),
    "hangs": ("exec sleep 60", "not ready within 5 s"),
    "is no program": (None, "cannot be started"),
    "dies late": ("exec %s -c 'import socket, time\n"
                  "s = socket.socket(fileno=3)\n"
                  "s.recv(65536)\n"
                  "s.send(bytes.fromhex(\"53535550000100020000000131\"))\n"
                  "s.recv(65536)'" % shutil.which("python3"),
                  "ended as it took over"),
    "never takes": ("exec %s -c 'import socket, time\n"
                    "s = socket.socket(fileno=3)\n"
                    "s.recv(65536)\n"
                    "s.send(bytes.fromhex(\"53535550000100020000000131\"))\n"
                    "time.sleep(60)'" % shutil.which("python3"),
                    "not take over in time"),
}

TAKES_LATE = """
import os, signal, socket, sys, time
s = socket.socket(fileno=3)
s.recv(65536)
s.send(bytes.fromhex("53535550000100020000000131"))
s.recv(65536)
os.kill(os.getppid(), signal.SIGSTOP)
time.sleep(1.5)
try:
    s.send(bytes.fromhex("5353555000010005"))
    said = "taken"
except BrokenPipeError:
    said = "too late"
with open(sys.argv[1], "w") as f:
    f.write(said)
os.kill(os.getppid(), signal.SIGCONT)
"""
