# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmark reads from the kernel about a process, a namespace and
a cable. No opinion, no daemon known by name."""

import os
import time


def cpu_s(pid):
    """Seconds on a CPU so far, of all threads."""
    total = 0
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/schedstat" % (pid, task)) as f:
            total += int(f.read().split()[0])
    return total / 1e9


def memory_mb(pid):
    """Resident, of it anonymous, and the most that was ever resident."""
    names = {"VmRSS": "rss", "RssAnon": "anon", "VmHWM": "peak"}
    found = {}
    with open("/proc/%d/status" % pid) as f:
        for line in f:
            key, _, value = line.partition(":")
            if key in names:
                found[names[key]] = int(value.split()[0]) / 1024
    return found


def link_bytes(lab, host):
    """Bytes that went over the dedicated link, both directions."""
    text = lab.run(host, "cat", "/proc/net/dev")
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        if name.strip() == "link":
            fields = rest.split()
            return int(fields[0]) + int(fields[8])
    raise LookupError("no link in " + host)


class Cost:
    """CPU of some processes between two moments."""

    def __init__(self, *pids):
        self.pids = pids
        self.wall = time.monotonic()
        self.before = [cpu_s(p) for p in pids]

    def us_per(self, count):
        """CPU microseconds of each process for one of count."""
        after = [cpu_s(p) for p in self.pids]
        return [(b - a) * 1e6 / max(count, 1)
                for a, b in zip(self.before, after)]

    def seconds(self):
        return time.monotonic() - self.wall


def load():
    """How busy the machine is with other things: its load average."""
    return os.getloadavg()[0]
