# SPDX-License-Identifier: GPL-3.0-or-later
"""Machine-wide limits of connection tracking, shared by runs side by side.

nf_conntrack_max and nf_conntrack_buckets exist once per machine. Each run
tells what it needs in a file under a lock; the limits are the largest need,
and the last run puts the original values back.
"""

import fcntl
import json
import os
import subprocess

STATE = "/run/statesync-lab.json"
MAX = "/proc/sys/net/netfilter/nf_conntrack_max"
BUCKETS = "/proc/sys/net/netfilter/nf_conntrack_buckets"


def _read(path):
    with open(path) as f:
        return int(f.read())


def _write(path, value):
    with open(path, "w") as f:
        f.write(str(value))


def _alive(pid):
    return os.path.exists("/proc/%s" % pid)


def _update(change):
    with open(STATE, "a+") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        f.seek(0)
        text = f.read()
        state = json.loads(text) if text else {}
        users = {p: n for p, n in state.get("users", {}).items() if _alive(p)}
        change(users)
        original = state.get("original", {})
        _apply(max(users.values(), default=0), original)
        if not users:
            for path, value in original.items():
                _write(path, value)
        f.seek(0)
        f.truncate()
        if users:
            json.dump({"original": original, "users": users}, f)


def _apply(flows, original):
    """Raises what is too small; what was raised is noted in original."""
    for path, value in ((BUCKETS, min(flows, 1 << 20)), (MAX, flows)):
        present = _read(path)
        if present < value:
            original.setdefault(path, present)
            _write(path, value)


def available():
    """True when this kernel has connection tracking; loads it if need be."""
    if not os.path.exists(MAX):
        subprocess.run(["modprobe", "-q", "nf_conntrack"], check=False,
                       stderr=subprocess.DEVNULL)
    return os.path.exists(MAX)


def need(flows):
    """This run fills tables with up to so many flows."""
    _update(lambda users: users.__setitem__(
        str(os.getpid()), max(flows, users.get(str(os.getpid()), 0))))


def release():
    """This run is over; the last one restores the original limits."""
    if os.path.exists(STATE):
        _update(lambda users: users.pop(str(os.getpid()), None))
