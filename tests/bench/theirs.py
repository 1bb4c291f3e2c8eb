# SPDX-License-Identifier: GPL-3.0-or-later
"""The same work done by conntrackd (FT-FW over UDP on the same link). The
addresses are moved by hand: what moves them in the field is another daemon."""

import contextlib
import re
import shutil
import signal
import subprocess
import time

from lab import wait_for
from measure import Cost, link_bytes, memory_mb
from node import die_with_parent
from ours import stream

CONF = """
Sync {
	Mode FTFW {
		DisableExternalCache %(inject)s
	}
	UDP {
		IPv4_address %(ours)s
		IPv4_Destination_Address %(theirs)s
		Port 3780
		Interface link
		SndSocketBuffer 24985600
		RcvSocketBuffer 24985600
		Checksum on
	}
}
General {
	HashSize %(buckets)d
	HashLimit %(limit)d
	Syslog off
	LogFile %(dir)s/log
	LockFile %(dir)s/lock
	UNIX {
		Path %(sock)s
	}
	NetlinkBufferSize 33554432
	NetlinkBufferSizeMaxGrowth 134217728
	Filter From Kernelspace {
		Protocol Accept {
			TCP
			UDP
			ICMP
		}
		Address Ignore {
			%(own)s
		}
	}
}
"""


def available():
    return shutil.which("conntrackd") is not None


def version():
    text = subprocess.run(["conntrackd", "-v"], capture_output=True,
                          text=True).stdout
    m = re.search(r"v(\d[\d.]*\d)", text)
    return m.group(1) if m else "?"


class Daemon:
    """One conntrackd."""

    def __init__(self, lab, host, flows, inject):
        self.lab = lab
        self.host = host
        self.dir = lab.dir / ("conntrackd-" + host)
        self.dir.mkdir(exist_ok=True)
        self.sock = self.dir / "ctl"
        self.conf = self.dir / "conf"
        ends = {"gw1": "10.9.0.1", "gw2": "10.9.0.2"}
        self.conf.write_text(CONF % {
            "inject": "On" if inject else "Off", "dir": self.dir,
            "sock": self.sock, "ours": ends[host],
            "theirs": ends["gw2" if host == "gw1" else "gw1"],
            "buckets": max(flows, 1000), "limit": 2 * flows + 200000,
            "own": "\n\t\t\t".join("IPv4_address " + a for a in
                                   lab.own_addresses())})
        self.out = open(self.dir / "out", "w")
        self.proc = subprocess.Popen(
            ["ip", "netns", "exec", lab.ns(host), "conntrackd", "-C",
             str(self.conf)], stdout=self.out, stderr=self.out,
            stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)
        wait_for("conntrackd answers", self._answers, 60, 0.1)

    def _answers(self):
        if self.proc.poll() is not None:
            raise AssertionError("conntrackd ended: "
                                 + (self.dir / "out").read_text())
        return self.sock.exists() and self.cache() is not None

    def tell(self, *argv, timeout=300):
        return subprocess.run(
            ["ip", "netns", "exec", self.lab.ns(self.host), "conntrackd",
             "-C", str(self.conf), *argv], capture_output=True, text=True,
            timeout=timeout).stdout

    def cache(self):
        """Entries in the internal and in the external cache."""
        found = re.findall(r"current active connections:\s+(\d+)",
                           self.tell("-s"))
        return [int(x) for x in found] or None

    def stop(self):
        self.proc.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.proc.wait(20)
        if self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()
        self.out.close()


class Theirs:
    def __init__(self, lab, ours):
        self.lab = lab
        self.ours = ours
        self.daemons = []
        for host in ("gw1", "gw2"):
            lab.run(host, "nft", "add rule inet fw input iifname link udp "
                    "dport 3780 accept")
        lab.by_hand("gw1")

    def start(self, flows, inject):
        self.stop()
        self.ours.empty_second()
        for host in ("gw1", "gw2"):
            self.daemons.append(Daemon(self.lab, host, flows, inject))
        return self.daemons

    def stop(self):
        while self.daemons:
            self.daemons.pop().stop()

    def bulk(self, flows):
        """Resync of the whole table into the standby's cache, then its
        commit to the kernel, as a takeover does it."""
        raw = self.ours.raw()
        one, two = self.start(flows, inject=False)
        wait_for("its own table is read",
                 lambda: one.cache()[0] >= flows * 0.99, 120, 0.2)
        wire = link_bytes(self.lab, "gw1")
        cost = Cost(one.proc.pid, two.proc.pid)
        start = time.monotonic()
        two.tell("-n")
        cached, wire_s = self._settled(two, flows, start)
        wire = link_bytes(self.lab, "gw1") - wire
        start = time.monotonic()
        two.tell("-c")
        there, commit_s = self._committed(flows, start)
        us = cost.us_per(flows)
        return {"raw": raw, "flows": flows, "cached": cached,
                "wire_s": wire_s, "commit_s": commit_s,
                "seconds": wire_s + commit_s,
                "ratio": (wire_s + commit_s) / raw["seconds"],
                "missing": max(0, flows - there),
                "wire_bytes_per_flow": wire / max(cached, 1),
                "cpu_us_active": us[0], "cpu_us_standby": us[1],
                "memory_active": memory_mb(one.proc.pid),
                "memory_standby": memory_mb(two.proc.pid)}

    @staticmethod
    def _grown(read, enough, start, limit=120, quiet=3):
        """Waits until read() has reached enough or grows no more; the
        value, and when it was reached first."""
        best, at = -1, start
        while True:
            value = read()
            now = time.monotonic()
            if value > best:
                best, at = value, now
            if (best >= enough or now - at > quiet and best > 0
                    or now - start > limit):
                return best, at - start
            time.sleep(0.05)

    def _settled(self, two, flows, start):
        return self._grown(lambda: two.cache()[1], flows, start)

    def _committed(self, flows, start):
        return self._grown(lambda: self.lab.flows("gw2"), flows, start)

    def stream(self, flows, rate, seconds):
        """With direct injection, the only way to have the flows usable on
        the standby at once."""
        one, two = self.start(flows, inject=True)
        time.sleep(3)
        return stream(self.lab, rate, seconds, one.proc.pid, two.proc.pid,
                      6000000)
