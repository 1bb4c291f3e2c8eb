# SPDX-License-Identifier: GPL-3.0-or-later
"""The laboratory's C programs, as Python sees them."""

import contextlib
import json
import signal
import subprocess

from node import die_with_parent


class Running:
    """A tool in the background that reports one JSON object a line."""

    def __init__(self, argv):
        self.proc = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        self.argv = argv

    def read(self):
        line = self.proc.stdout.readline()
        if not line:
            self.proc.wait()
            raise AssertionError("%s ended with %d: %s" % (
                self.argv[0], self.proc.returncode, self.proc.stderr.read()))
        return json.loads(line)

    def mark(self, name):
        """Ends a period and begins another; the report of the one ended."""
        self.proc.stdin.write("mark %s\n" % name)
        self.proc.stdin.flush()
        return self.read()

    def finish(self, timeout=60):
        """Ends the tool; its last report."""
        with contextlib.suppress(BrokenPipeError):
            self.proc.stdin.write("stop\n")
            self.proc.stdin.flush()
        report = self.read()
        self.proc.wait(timeout)
        return report

    def interrupt(self):
        """SIGINT; the last report."""
        self.proc.send_signal(signal.SIGINT)
        report = self.read()
        self.proc.wait(60)
        return report

    def result(self, timeout=600):
        """Waits for a tool that ends by itself; its report."""
        out, err = self.proc.communicate(timeout=timeout)
        if not out:
            raise AssertionError("%s ended with %d: %s" % (
                self.argv[0], self.proc.returncode, err))
        return json.loads(out.splitlines()[-1])

    def close(self):
        if self.proc.poll() is None:
            self.proc.kill()
        self.proc.wait()


class Tools:
    """All tools, for one laboratory."""

    def __init__(self, lab, where):
        self.lab = lab
        self.where = where
        self.started = []

    def path(self, name):
        return str(self.where / name)

    def call(self, name, *argv, good=(0,), timeout=300):
        """Runs a tool to its end; its report."""
        p = subprocess.run([self.path(name), *map(str, argv)], text=True,
                           capture_output=True, timeout=timeout)
        if p.returncode not in good:
            raise AssertionError("%s: exit %d: %s%s" % (
                name, p.returncode, p.stdout, p.stderr))
        return json.loads(p.stdout.splitlines()[-1])

    def start(self, name, *argv):
        tool = Running([self.path(name), *map(str, argv)])
        self.started.append(tool)
        return tool

    def close(self):
        for tool in self.started:
            tool.close()

    def _ends(self):
        return "-c", self.lab.ns("client"), "-s", self.lab.ns("server")

    def fill(self, tcp, udp=0, icmp=0, first=0):
        """Creates flows; fails when one of them does not stand."""
        return self.call("flowfill", *self._ends(), "-n", tcp, "-u", udp,
                         "-i", icmp, "-f", first)

    def churn(self, rate, seconds, *more):
        return self.start("flowchurn", *self._ends(), "-r", rate, "-t",
                          seconds, *more)

    def streams(self, bulk=2, pingpong=2, connect="10.2.0.100:9000",
                listen="9000", clients="client", servers="server", rate=None):
        """TCP connections that carry known bytes, checked."""
        more = ("-r", rate) if rate else ()
        tool = self.start("tcpstream", "-c", self.lab.ns(clients), "-s",
                          self.lab.ns(servers), "-a", connect, "-l", listen,
                          "-m", bulk, "-p", pingpong, *more)
        tool.conns = tool.read()["conns"]
        return tool

    def probe(self, connect="10.2.0.100:9100", listen="9100",
              clients="client", servers="server"):
        """A question each millisecond and its answer."""
        tool = self.start("udpprobe", "-c", self.lab.ns(clients), "-s",
                          self.lab.ns(servers), "-a", connect, "-l", listen)
        tool.read()
        return tool

    def neighbour(self, host, addr, mode, tries=20, every_ms=20, mac=None):
        """Does an address answer? mode: arp, unicast or echo."""
        more = ("-m", mac) if mac else ()
        return self.call("arpprobe", "-n", self.lab.ns(host), "-i", "eth0",
                         "-a", addr, "-t", mode, "-k", tries, "-w", every_ms,
                         *more, good=(0, 1))

    def compare(self, a="gw1", b="gw2"):
        """The two kernels' tables by the identity of what they hold."""
        own = [x for addr in self.lab.own_addresses() for x in ("-o", addr)]
        return self.call("ctcompare", *own, self.lab.ns(a), self.lab.ns(b),
                         good=(0, 1))
