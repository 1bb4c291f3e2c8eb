# SPDX-License-Identifier: GPL-3.0-or-later
"""Completion, in the shells themselves: what a person sees who presses TAB."""

import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import termios
import time
from pathlib import Path

import pytest

from lab import BUILD

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "contrib/completion"
SCREEN = """fw1 is MASTER of lan and wan. fw2 is in sync and may take over now.

NODE      READY  DEMOTION     VERSION  UPTIME
fw1       yes    0            0.1.0    25 s     this node
fw2       yes    0            0.1.0    21 s     10.9.0.2

CARP      VHID   IF           fw1      fw2      SINCE    ADDRESSES
lan          1   eth0         MASTER   backup   8 s      10.1.0.1/24
                                                         2001:db8:1::1/64
wan          2   eth1         MASTER   backup   8 s      192.0.2.1/28

SYNC      STATE  IN SYNC  LAG          QUEUE    BULK                  COMPARED
fw2       live   yes      0.0 ms       0        1 sent 8 s ago        -
"""
# what was typed, and what has to be offered
CASES = [
    ("", {"status", "handover", "save-ruleset"}, {"--json", "fw2"}),
    ("hand", {"handover"}, {"status"}),
    ("handover ", {"--force", "--to", "lan", "wan"}, {"fw2", "NODE"}),
    ("handover --to ", {"fw2"}, {"fw1", "lan", "--force"}),
    ("verify ", {"fw2"}, {"fw1", "lan"}),
    ("flows --sk", {"--skipped"}, {"--json"}),
    ("wait ", {"in-sync", "master", "backup", "--timeout"}, set()),
    ("genkey -o ", {"link.key"}, {"handover"}),
    ("help sta", {"status"}, {"verify"}),
    ("-s here.sock status --", {"--json"}, set()),
    ("demote ", set(), {"--", "-N", "N"}),
]


@pytest.fixture
def there(tmp_path):
    """A directory with two files, and statesync with a daemon's answer."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "screen").write_text(SCREEN)
    (tmp_path / "link.key").touch()
    fake = tmp_path / "bin/statesync"
    fake.write_text('#!/bin/sh\ncase "$*" in\nhelp*) ;;\n*status) exec cat "%s" ;;\nesac\n'
                    'exec "%s" "$@"\n' % (tmp_path / "screen",
                                          BUILD / "syncd/statesync"))
    fake.chmod(0o755)
    return tmp_path


def environment(there):
    return {"PATH": "%s:%s" % (there / "bin", os.environ["PATH"]),
            "HOME": str(there), "TERM": "vt100", "LC_ALL": "C.UTF-8"}


def in_bash(there, typed):
    """As readline calls it: COMP_WORDS, COMP_CWORD, and COMPREPLY."""
    words = ["statesync", *typed.split(" ")]
    script = """. /usr/share/bash-completion/bash_completion
. "%s/statesync.bash"
COMP_WORDS=(%s); COMP_CWORD=%d; COMP_LINE='%s'; COMP_POINT=${#COMP_LINE}
_statesync statesync '%s' '%s'
printf '%%s\\n' "${COMPREPLY[@]}"
""" % (FILES, " ".join("'%s'" % w for w in words), len(words) - 1,
       " ".join(words), words[-1], words[-2])
    p = subprocess.run(["bash", "-c", script], cwd=there, text=True,
                       capture_output=True, env=environment(there), timeout=30)
    assert not p.stderr, p.stderr
    return set(p.stdout.split())


class Zsh:
    """One interactive shell on a terminal: its completion lives nowhere
    else."""

    def __init__(self, there):
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.chdir(there)
            os.execvpe("zsh", ["zsh", "-f", "-i"], environment(there))
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ,
                    struct.pack("HHHH", 50, 100, 0, 0))
        self.type("PS1='%%'; fpath=(%s $fpath); autoload -U compinit; "
                  "compinit -u -D; zstyle ':completion:*' menu no; "
                  "LISTMAX=1000; setopt AUTO_LIST NO_ALWAYS_LAST_PROMPT; "
                  "unsetopt BEEP; print set''up\n" % FILES)
        self.read_until("setup")

    def type(self, text):
        os.write(self.fd, text.encode())

    def read_until(self, word):
        seen, end = "", time.monotonic() + 20
        while word not in seen and time.monotonic() < end:
            seen += self.read(0.1)
        assert word in seen, seen

    def read(self, quiet=0.8):
        """What appears until nothing has for a moment."""
        seen, end = b"", time.monotonic() + 20
        while time.monotonic() < end and select.select(
                [self.fd], [], [], quiet if seen else 10)[0]:
            seen += os.read(self.fd, 65536)
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]|\0", "",
                      seen.decode(errors="replace"))

    def complete(self, typed):
        """The words of the line and the list below it, after ^D or TAB."""
        self.type("statesync " + typed + "\t")
        seen = self.read()
        self.type("\x15")
        self.read(0.2)
        return set(re.sub("statesync " + re.escape(typed), " " + typed.split(
            " ")[-1], seen).replace("\r", " ").split())

    def close(self):
        os.close(self.fd)
        os.waitpid(self.pid, 0)


@pytest.mark.skipif(not os.path.exists(
    "/usr/share/bash-completion/bash_completion"),
    reason="bash-completion is not installed")
@pytest.mark.parametrize("typed, offered, not_offered", CASES)
def test_bash(there, typed, offered, not_offered):
    found = in_bash(there, typed)
    assert offered <= found and not not_offered & found, found


@pytest.mark.full
@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
def test_zsh(there):
    shell = Zsh(there)
    try:
        for typed, offered, not_offered in CASES:
            found = shell.complete(typed)
            assert offered <= found and not not_offered & found, (typed, found)
    finally:
        shell.close()


def test_a_broken_daemon_completes_commands_all_the_same(there):
    (there / "screen").unlink()
    assert "--force" in in_bash(there, "handover ")
    assert "handover" in in_bash(there, "ha")
