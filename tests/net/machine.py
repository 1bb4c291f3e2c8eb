# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines: each has files, processes, a name and a network of its own
(pid1.py), so that a package can be installed on it, and a manual followed.

    client -- eth0 [fw1] eth1 -- server          own addresses: OWN
      10.1.0.0/24  eth2  192.0.2.0/28
           |- eth0 [fw2] eth1 -|
"""

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from lab import sh, wait_for
from node import die_with_parent

HERE = Path(__file__).resolve().parent
OWN = {"fw1": ("10.1.0.2/24", "192.0.2.2/28", "10.9.0.1/30"),
       "fw2": ("10.1.0.3/24", "192.0.2.3/28", "10.9.0.2/30")}
HOSTS = {"client": ("10.1.0.100/24", "10.1.0.1"),
         "server": ("192.0.2.14/28", None)}
ECHO = """
import socket, threading
s = socket.create_server(("192.0.2.14", 7), backlog=200)
def serve(c):
    while data := c.recv(4096):
        c.sendall(data)
while True:
    threading.Thread(target=serve, args=s.accept()[:1], daemon=True).start()
"""
TALK = """
import socket, sys, threading, time
talks = [socket.create_connection(("192.0.2.14", 7), 10) for _ in range(%d)]
lost, longest = set(), 0
print("open", flush=True)
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stop.set())).start()
n, last = 0, False
while not last:  # a whole round begins after the stop
    last = stop.is_set()
    n += 1
    for i, c in enumerate(talks):
        if i in lost:
            continue
        start = time.monotonic()
        try:
            c.settimeout(20)
            c.sendall(b"%%08d" %% n)
            if c.recv(8) != b"%%08d" %% n:
                lost.add(i)
        except OSError:
            lost.add(i)
        longest = max(longest, time.monotonic() - start)
    time.sleep(0.02)
print(len(lost), n, round(longest * 1000), flush=True)
"""


class Machine:
    """One of them; what is run on it is run by its own shell."""

    def __init__(self, net, name):
        self.net, self.name = net, name
        self.ns = net.ns(name)
        self.dir = net.dir / name
        self.dir.mkdir()
        self.outside = subprocess.Popen(
            ["ip", "netns", "exec", self.ns, "unshare", "-m", "-u", "-p", "-f",
             "--kill-child", sys.executable, str(HERE / "pid1.py"),
             str(self.dir), name], stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent)
        self.pid = wait_for("%s has a process 1" % name, self._child, 20)
        wait_for("%s is up" % name, lambda: self.sh("test -e /run/up",
                                                    check=False)[0] == 0, 20)

    def _child(self):
        path = "/proc/%d/task/%d/children" % ((self.outside.pid,) * 2)
        return int((Path(path).read_text().split() or ["0"])[0])

    def argv(self, command):
        return ["nsenter", "-t", str(self.pid), "-m", "-u", "-n", "-p", "-r",
                "-w", "sh", "-c", "cd /root; " + command]

    def sh(self, command, check=True, stdin=None):
        """(exit status, all that was printed)."""
        p = subprocess.run(
            self.argv(command), text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, input=stdin, timeout=120,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C",
                 "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive"})
        assert not check or p.returncode == 0, "%s# %s: exit %d\n%s\n%s" % (
            self.name, command, p.returncode, p.stdout, self.journal())
        return p.returncode, p.stdout

    def put(self, path, to):
        """A file from outside."""
        subprocess.run(self.argv("cat >'%s'" % to), check=True,
                       input=Path(path).read_bytes())

    def write(self, text, to):
        self.sh("cat >'%s'" % to, stdin=text)

    def journal(self):
        with contextlib.suppress(Exception):
            return subprocess.run(self.argv("cat /run/journal"), text=True,
                                  capture_output=True).stdout[-4000:]
        return ""

    def calls(self):
        """What its packages and people asked the service manager for."""
        return self.sh("cat /run/systemctl.calls", check=False)[1].split("\n")


class Net:
    """The wires, two plain hosts and the two machines."""

    def __init__(self):
        self.dir = Path(tempfile.mkdtemp(prefix="ssm%d-" % os.getpid()))
        self.prefix = "ssm%d" % os.getpid()
        self.machines, self.talk = {}, None
        atexit.register(self.close)
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def ns(self, name):
        return "%s-%s" % (self.prefix, name)

    def _build(self):
        for name in ("switch", *HOSTS, *OWN):
            sh("ip", "netns", "add", self.ns(name))
            sh("ip", "-n", self.ns(name), "link", "set", "lo", "up")
        for cable in ("eth0", "eth1", "eth2"):
            sh("ip", "-n", self.ns("switch"), "link", "add", "br-" + cable,
               "up", "type", "bridge", "mcast_snooping", "0")
        for name, addresses in OWN.items():
            for i, address in enumerate(addresses):
                self._plug(name, "eth%d" % i, address)
        for name, (address, via) in HOSTS.items():
            cable = "eth0" if name == "client" else "eth1"
            self._plug(name, cable, address)
            if via:
                sh("ip", "-n", self.ns(name), "route", "add", "default", "via",
                   via)
        for name in OWN:
            self.machines[name] = Machine(self, name)

    def _plug(self, name, cable, address):
        port = "%s-%s" % (name, cable)
        sh("ip", "-n", self.ns("switch"), "link", "add", port, "up", "master",
           "br-" + cable, "type", "veth", "peer", "name", cable, "netns",
           self.ns(name))
        sh("ip", "-n", self.ns(name), "link", "set", cable, "up")
        sh("ip", "-n", self.ns(name), "address", "add", address, "dev", cable)

    def host(self, name, script, **kw):
        """A Python script on a plain host."""
        return subprocess.Popen(
            ["ip", "netns", "exec", self.ns(name), sys.executable, "-c",
             script], text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, preexec_fn=die_with_parent, **kw)

    @contextlib.contextmanager
    def connections(self, number=100, longest_ms=None):
        """Through the gateways, each says something all the time; fails if
        one of them is lost, or was silent for longer."""
        echo = self.host("server", ECHO)
        talk = None
        try:
            wait_for("the server listens", lambda: ":7 " in sh(
                "ip", "netns", "exec", self.ns("server"), "ss", "-ltn"), 10)
            talk = self.host("client", TALK % number)
            assert talk.stdout.readline() == "open\n"
            yield
            out, _ = talk.communicate("", timeout=60)
            lost, said, longest = map(int, out.split())
            print("%d connections: %d lost, %d rounds, longest silence %d ms"
                  % (number, lost, said, longest))
            assert lost == 0 and said
            assert not longest_ms or longest <= longest_ms, longest
        finally:
            for p in (talk, echo):
                if p:
                    p.kill()
                    p.wait()

    def close(self):
        for machine in self.machines.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(machine.pid, signal.SIGKILL)
            machine.outside.wait()
        self.machines = {}
        for name in ("switch", *HOSTS, *OWN):
            sh("ip", "netns", "del", self.ns(name), check=False)
        for name in OWN:
            with contextlib.suppress(OSError):
                (self.dir / name).rmdir()
        with contextlib.suppress(OSError):
            self.dir.rmdir()
