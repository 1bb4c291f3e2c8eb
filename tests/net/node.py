# SPDX-License-Identifier: GPL-3.0-or-later
"""One daemon of the laboratory: its configuration, its process, its status."""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import time

import schema

KEY = "00" * 32
VIRTUAL_MAC = {"lan": "00:00:5e:00:01:01", "wan": "00:00:5e:00:01:02"}
VHID = {"lan": 1, "wan": 2}
ADDRESS = {"lan": "10.1.0.1/24", "wan": "10.2.0.1/24"}
# A system call that is not on the daemon's list is its end, in all tests.
FILTER = {"STATESYNC_SECCOMP": "kill"}
NAMES = {"gw1": "fw1", "gw2": "fw2", "gw3": "fw3"}


def die_with_parent():
    """In a child: a laboratory that is killed takes its children along."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Node:
    """The statesyncd of a gateway."""

    def __init__(self, lab, host):
        self.lab = lab
        self.host = host
        self.name = NAMES[host]
        self.dir = lab.dir / self.name
        self.dir.mkdir()
        self.sock = self.dir / "stats.sock"
        self.conf = self.dir / "statesync.conf"
        self.log = self.dir / "log"
        self.key = self.dir / "link.key"
        self.proc = None
        self.exit_status = None
        self.user = os.environ.get("STATESYNC_LAB_USER")
        self.prefix = self.options = ()  # of the daemon's command

    # -- configuration

    def configure(self, advbase=0, advskew=20, preempt=False,
                  require_sync="strict", link=True, carps=("lan", "wan"),
                  password="secret", mac=None, top="", carp="", address=None,
                  stats=""):
        """Writes the configuration; the key of the laboratory is shared.
        link: with one as the laboratory has it, without, or its text.
        address: one for every vhost, or each one's by name."""
        if not isinstance(address, dict):
            address = dict.fromkeys(carps, address) if address else ADDRESS
        if link and not self.key.exists():
            self.share_key()
        text = ['node = "%s"' % self.name,
                "preempt = %s" % ("true" if preempt else "false"),
                'require-sync = "%s"' % require_sync,
                'state-dir = "%s"' % (self.dir / "state"), top]
        if link:
            text.append(self._link() if link is True else link)
        for name in carps:
            text.append(self._carp(name, advbase, advskew, password, mac,
                                   carp, address[name]))
        text.append('stats {\n\tsocket = "%s"\n\t%s\n}' % (self.sock, stats))
        self.conf.write_text("\n".join(text) + "\n")
        self.conf.chmod(0o600)
        return self

    def _link(self):
        """Towards all the others, by every cable there is; where there are
        several others, with a key for each."""
        others = [n for n in self.lab.nodes.values() if n is not self]
        text = ["address = { %s }" % self.ends()]
        for other in others:
            key = ('\n\t\tkey-file = "%s"' % self.pair_key(other)
                   if len(others) > 1 else "")
            text.append('peer "%s" {\n\t\taddress = { %s }%s\n\t}'
                        % (other.name, other.ends(), key))
        if len(others) == 1:
            text.append('key-file = "%s"' % self.key)
        return "link {\n\t%s\n}" % "\n\t".join(text)

    def ends(self):
        """This node's addresses on the cables of the link."""
        from lab import OWN
        return ", ".join('"%s"' % OWN[self.host][c] for c in self.lab.cables
                         if c.startswith("link"))

    def pair_key(self, other):
        """The file of the key that this node has with another one."""
        names = sorted((self.name, other.name))
        path = self.lab.dir / ("%s-%s.key" % tuple(names))
        if not path.exists():
            self.write_key(path)
        return path

    @staticmethod
    def _carp(name, advbase, advskew, password, mac, more, address):
        lines = ['interface = "%s"' % name, "vhid = %d" % VHID[name],
                 'addresses = { "%s" }' % address, 'pass = "%s"' % password,
                 "advbase = %d" % advbase, "advskew = %d" % advskew]
        if mac:
            lines.append('mac = "%s"' % mac)
        if more:
            lines.append(more)
        return 'carp "%s" {\n\t%s\n}' % (name, "\n\t".join(lines))

    def share_key(self):
        """Gives both nodes the same fresh key."""
        self.new_key()
        text = self.key.read_text()
        for node in self.lab.nodes.values():
            node.key.write_text(text)
            node.key.chmod(0o600)

    def new_key(self):
        """A key of this node's own."""
        self.write_key(self.key)

    def write_key(self, path):
        out = subprocess.run([self.program("statesync"), "genkey"],
                             capture_output=True, text=True, check=True)
        path.touch(mode=0o600)
        path.write_text(out.stdout)
        path.chmod(0o600)

    # -- process

    @staticmethod
    def program(name):
        from lab import BUILD
        return str(BUILD / "syncd" / name)

    def start(self, **conf):
        """Starts the daemon and waits until its socket answers."""
        if conf or not self.conf.exists():
            self.configure(**conf)
        self.launch()
        return self.wait_up()

    def launch(self):
        """Starts the daemon, no more."""
        assert not self.running(), self.name + " runs already"
        (self.dir / "state").mkdir(exist_ok=True)
        argv = [self.program("statesyncd"), "-d", "-v", "-f", str(self.conf)]
        if self.user:
            argv += ["-u", self.user]
            self.give_directories()
        with open(self.log, "a") as log:
            self.proc = subprocess.Popen(
                ["ip", "netns", "exec", self.lab.ns(self.host),
                 *self.prefix, *argv, *self.options],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                env=FILTER | os.environ, preexec_fn=die_with_parent)
        return self

    def give_directories(self):
        """Those in which the daemon writes; configuration, keys and
        passwords stay root's."""
        self.lab.dir.chmod(0o711)
        for path in (self.dir, self.dir / "state"):
            shutil.chown(path, self.user)

    def wait_up(self, timeout=5.0):
        end = time.monotonic() + timeout
        while self.status(quiet=True) is None:
            if self.proc.poll() is not None:
                raise AssertionError("%s ended with %d:\n%s" % (
                    self.name, self.proc.returncode, self.tail()))
            if time.monotonic() > end:
                raise AssertionError("%s does not answer:\n%s"
                                     % (self.name, self.tail()))
            time.sleep(0.02)
        return self

    def running(self):
        return self.proc is not None and self.proc.poll() is None

    def signal(self, number):
        if self.running():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.proc.pid, number)

    def reap(self, timeout=10.0):
        """Waits for the end of the daemon; its exit status."""
        if self.proc is None:
            return None
        status = self.proc.wait(timeout)
        self.proc = None
        return status

    def stop(self, timeout=10.0):
        """SIGTERM, as an init system does; the exit status."""
        self.signal(signal.SIGTERM)
        return self.reap(timeout)

    def kill(self):
        self.signal(signal.SIGKILL)
        return self.reap()

    def hang(self):
        self.signal(signal.SIGSTOP)

    def wake(self):
        self.signal(signal.SIGCONT)

    def destroy(self):
        with contextlib.suppress(Exception):
            if os.environ.get("STATESYNC_LAB_TERM"):  # tests/coverage
                self.wake()
                self.stop()
            self.kill()

    def tail(self, lines=30):
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(errors="replace")
                         .splitlines()[-lines:])

    def memory_kb(self):
        """RssAnon of the daemon."""
        with open("/proc/%d/status" % self.proc.pid) as f:
            for line in f:
                if line.startswith("RssAnon:"):
                    return int(line.split()[1])
        return 0

    # -- the operator's tool

    def tool(self, *argv, timeout=60):
        """Runs statesync against this daemon: (exit status, out, err)."""
        try:
            p = subprocess.run(
                [self.program("statesync"), "-s", str(self.sock),
                 *map(str, argv)], capture_output=True, text=True,
                timeout=timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError("%s: no answer to %s within %d s" % (
                self.name, " ".join(map(str, argv)), timeout)) from None
        return p.returncode, p.stdout, p.stderr

    def status(self, quiet=False):
        """`status --json` as a dictionary, None without a daemon."""
        code, out, err = self.tool("status", "--json", timeout=5)
        if code in (0, 1) and out.lstrip().startswith("{"):
            return schema.check(json.loads(out), "status")
        if quiet or code == 3:
            return None
        raise AssertionError("status: exit %d: %s" % (code, err))

    def states(self):
        """The state of each vhost by name."""
        status = self.status(quiet=True)
        return {c["name"]: c["state"] for c in status["carp"]} if status else {}

    def is_all(self, state):
        states = self.states()
        return bool(states) and set(states.values()) == {state}

    def carp(self, name):
        return next(c for c in self.status()["carp"] if c["name"] == name)

    def peer(self, name=None):
        """What the node says of its peer, {} without a daemon."""
        status = self.status(quiet=True)
        found = [p for p in status["peers"]
                 if name in (None, p["name"])] if status else []
        return found[0] if found else {}

    def in_sync(self):
        return bool(self.peer().get("in_sync"))

    def transitions(self, name):
        return self.carp(name)["transitions"]
