# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox of a unit, as far as system calls go: SystemCallFilter=,
RestrictAddressFamilies=, MemoryDenyWriteExecute= and RestrictRealtime= as
systemd understands them. Run as `fence.py UNIT-FILE PROGRAM ...` by who has no
new privileges. A namespace or a mount it makes none."""

import ctypes
import errno
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

ALLOW = 0x7fff0000
EQUAL, MASKED = 4, 7  # SCMP_CMP_
WRITE, RUN = 2, 4     # PROT_
ORDINARY = 0, 3, 5    # SCHED_OTHER, SCHED_BATCH, SCHED_IDLE


class Compare(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int),
                ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def settings(unit, key):
    return re.findall(r"^%s=(.*)" % key, Path(unit).read_text(), re.M)


def members(name):
    """The system calls of a name, which may be a set of sets."""
    if not name.startswith("@"):
        return {name}
    text = subprocess.run(
        ["systemd-analyze", "--no-pager", "syscall-filter", name], check=True,
        capture_output=True, text=True).stdout
    return set().union(*(members(word) for word in re.findall(
        r"^    ([@\w-]+)$", text, re.M)))


def system_calls(unit):
    """What its lines allow, each adding or (~) removing; None: all."""
    lines = settings(unit, "SystemCallFilter")
    allowed = members("@default") if lines else None
    for line in lines:
        these = set().union(*map(members, line.lstrip("~").split()))
        if line.startswith("~"):
            allowed -= these
        else:
            allowed |= these
    return allowed


def conditions(unit):
    """{system call: the comparisons of which one has to be true}"""
    def on(key):
        return settings(unit, key)[-1:] == ["yes"]
    only = {}
    families = " ".join(settings(unit, "RestrictAddressFamilies")).split()
    if families:
        only["socket"] = [Compare(0, EQUAL, getattr(socket, name))
                          for name in families]
    if on("MemoryDenyWriteExecute"):
        only["mmap"] = [Compare(2, MASKED, what, 0) for what in (WRITE, RUN)]
        only["mprotect"] = only["pkey_mprotect"] = [Compare(2, MASKED, RUN, 0)]
    if on("RestrictRealtime"):
        only["sched_setscheduler"] = [Compare(1, EQUAL, policy)
                                      for policy in ORDINARY]
    return only


def enter(unit):
    """From here on this process and what it starts are under the filter."""
    allowed, only = system_calls(unit), conditions(unit)
    if allowed is None:
        return
    lib = ctypes.CDLL("libseccomp.so.2")
    lib.seccomp_init.restype = ctypes.c_void_p
    lib.seccomp_init.argtypes = [ctypes.c_uint32]
    lib.seccomp_load.argtypes = [ctypes.c_void_p]
    lib.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint,
        ctypes.POINTER(Compare)]
    ctx = lib.seccomp_init(0x00050000 | errno.EPERM)
    for name in allowed:
        number = lib.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            continue  # of another architecture
        for compare in only.get(name, [None]):
            err = lib.seccomp_rule_add_array(
                ctx, ALLOW, number, compare is not None,
                compare and ctypes.byref(compare))
            assert not err, (name, err)
    err = lib.seccomp_load(ctx)
    assert not err, os.strerror(-err)


if __name__ == "__main__":
    enter(sys.argv[1])
    os.execvp(sys.argv[2], sys.argv[2:])
