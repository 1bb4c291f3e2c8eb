# SPDX-License-Identifier: GPL-3.0-or-later
"""Process 1 of a machine (machine.py): its files, and as much of a service
manager as a package and its unit ask for. Run as `pid1.py DIRECTORY HOSTNAME`
in fresh mount, pid, uts and network namespaces; as `systemctl ...` inside.

The machine's / is the real one with a memory file system over it: programs
and packages are the real ones, and no change gets out.
"""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

SOCKET = "/run/pid1.sock"
JOURNAL = "/run/journal"
CALLS = "/run/systemctl.calls"
UNITS = ("/etc/systemd/system", "/usr/local/lib/systemd/system",
         "/lib/systemd/system")


def mount(*argv):
    subprocess.run(["mount", *argv], check=True)


def root(directory, hostname):
    """Makes the machine's / and goes there."""
    mount("--make-rprivate", "/")
    mount("-t", "tmpfs", "machine", directory)
    for name in ("upper", "work", "root"):
        os.mkdir("%s/%s" % (directory, name))
    there = directory + "/root"
    mount("-t", "overlay", "machine", "-o",
          "lowerdir=/,upperdir=%s/upper,workdir=%s/work"
          % (directory, directory), there)
    mount("-t", "proc", "proc", there + "/proc")
    mount("-t", "sysfs", "sysfs", there + "/sys")
    mount("--rbind", "/dev", there + "/dev")
    for name in ("run", "tmp"):
        mount("-t", "tmpfs", name, "%s/%s" % (there, name))
    own = {path.name: path.read_text() for path in
           (Path(__file__), Path(__file__).with_name("fence.py"))}
    os.chroot(there)
    os.chdir("/")
    socket.sethostname(hostname)
    os.makedirs("/run/systemd/system")
    os.makedirs("/run/lock")
    Path("/usr/bin/systemctl").unlink(missing_ok=True)
    for name, text in own.items():
        Path("/usr/lib", name).write_text(text)
    Path("/usr/bin/systemctl").write_text(
        "#!/bin/sh\nexec %s /usr/lib/pid1.py systemctl \"$@\"\n"
        % sys.executable)
    os.chmod("/usr/bin/systemctl", 0o755)


class Unit:
    """A service: its file, its process. Or a socket: what listens."""

    def __init__(self, name):
        self.name = name
        self.path = next((Path(d, self.name) for d in UNITS
                          if Path(d, self.name).exists()), None)
        self.main = 0
        self.ready = False
        self.listener = None

    def lines(self, key):
        return re.findall(r"^%s=(.*)" % key, self.path.read_text(), re.M)

    def wants(self):
        """The links that it is enabled by."""
        return [Path("/etc/systemd/system/%s.wants" % target, self.name)
                for target in " ".join(self.lines("WantedBy")).split()]

    def environment(self):
        return dict(os.environ, NOTIFY_SOCKET="/run/notify",
                    MAINPID=str(self.main))

    def command(self, line):
        """Whether it may fail, and how it is called."""
        marks = re.match(r"[-+!@:]*", line).group()
        words = shlex.split(line[len(marks):])
        users = self.lines("User")
        if self.lines("SystemCallFilter") and "+" not in marks:
            words = [sys.executable, "/usr/lib/fence.py", str(self.path),
                     *words]
        if users and not {"+", "!"} & set(marks):
            words = ["chrt", "-r", self.lines("CPUSchedulingPriority")[0],
                     "setpriv", "--reuid", users[0], "--regid",
                     (self.lines("Group") or users)[0], "--init-groups",
                     "--no-new-privs", *self.capabilities(), *words]
        return "-" in marks, [w.replace("$MAINPID", str(self.main))
                              for w in words]

    def capabilities(self):
        names = " ".join(self.lines("AmbientCapabilities")).split()
        wanted = ",".join(["-all"] + ["+" + n.lower()[len("CAP_"):]
                                      for n in names])
        return ["--inh-caps", wanted, "--ambient-caps", wanted,
                "--bounding-set", wanted]

    def run(self, key):
        """The commands of this key, one after the other: True if all went."""
        for line in self.lines(key):
            may_fail, words = self.command(line)
            with open(JOURNAL, "a") as log:
                pid = MANAGER.spawn(words, log, env=self.environment())
                if MANAGER.wait_for(pid) and not may_fail:
                    return False
        return True

    def listen(self):
        path = self.lines("ListenSequentialPacket")[0]
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(path)
        shutil.chown(path, self.lines("SocketUser")[0])
        os.chmod(path, int(self.lines("SocketMode")[0], 8))
        self.listener.listen()
        self.listener.setblocking(False)

    def accept(self):
        """Accept=yes: a process for whoever connects."""
        try:
            talk, _ = self.listener.accept()
        except BlockingIOError:
            return
        unit = MANAGER.unit(self.name.replace(".socket", "@.service"))
        with talk, open(JOURNAL, "a") as log:
            MANAGER.spawn(unit.command(unit.lines("ExecStart")[0])[1], log,
                          stdin=talk)

    def start(self):
        if self.main or self.listener:
            return True
        if not all(MANAGER.unit(name).start() for name in
                   " ".join(self.lines("Requires")).split()):
            return False
        if not all(os.path.exists(p) for p in
                   self.lines("ConditionPathExists")):
            return True
        for key, parent in (("RuntimeDirectory", "/run"),
                            ("StateDirectory", "/var/lib")):
            for name in " ".join(self.lines(key)).split():
                path = "%s/%s" % (parent, name)
                os.makedirs(path, exist_ok=True)
                os.chmod(path, int(self.lines(key + "Mode")[0], 8))
                shutil.chown(path, *self.lines("User"), *self.lines("Group"))
        if self.name.endswith(".socket"):
            self.listen()
            return True
        if not self.run("ExecStartPre"):
            return False
        with open(JOURNAL, "a") as log:
            self.main = MANAGER.spawn(
                self.command(self.lines("ExecStart")[0])[1], log,
                env=self.environment())
        self.ready = False
        end = time.monotonic() + 20
        while self.main and not self.ready and time.monotonic() < end:
            MANAGER.turn(0.05)
        return bool(self.main)

    def stop(self):
        if self.listener:
            os.unlink(self.listener.getsockname())
            self.listener.close()
            self.listener = None
        if self.main:
            os.kill(self.main, signal.SIGTERM)
        end = time.monotonic() + 15
        while self.main and time.monotonic() < end:
            MANAGER.turn(0.05)
        return not self.main

    def reload(self):
        return bool(self.main) and self.run("ExecReload")


class Manager:
    def __init__(self):
        self.units = {}
        self.ended = {}
        self.spawned = []  # kept: who forgets one buries it, too
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind("/run/notify")
        os.chmod("/run/notify", 0o666)
        self.notify.setblocking(False)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(SOCKET)
        self.listener.listen()

    def spawn(self, words, log, stdin=subprocess.DEVNULL, env=None):
        self.spawned.append(subprocess.Popen(words, stdout=log, stderr=log,
                                             stdin=stdin, env=env))
        return self.spawned[-1].pid

    def turn(self, timeout):
        """Hears what services say and who connects, and buries the dead."""
        for unit in list(self.units.values()):
            if unit.listener:
                unit.accept()
        try:
            for line in self.notify.recv(4096).decode().splitlines():
                for unit in self.units.values():
                    if line == "READY=1":
                        unit.ready = True
                    elif line.startswith("MAINPID="):
                        unit.main = int(line[len("MAINPID="):])
        except BlockingIOError:
            time.sleep(timeout)
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid:
            self.ended[pid] = os.waitstatus_to_exitcode(status)
            for unit in self.units.values():
                if unit.main == pid:
                    unit.main = 0

    def wait_for(self, pid):
        while pid not in self.ended:
            self.turn(0.01)
        return self.ended.pop(pid)

    def unit(self, name):
        name = name if "." in name else name + ".service"
        if name not in self.units or not self.units[name].path:
            self.units[name] = Unit(name)
        return self.units[name]

    def answer(self, argv):
        """(exit status, what to print)."""
        words = [w for w in argv if not w.startswith("-")]
        verb, names = (words + [""])[0], words[1:]
        units = [self.unit(name) for name in names]
        unit = units[0] if units else None
        if verb == "show":
            return 0, str(unit.main)
        if verb == "is-active":
            return ((0, "active") if unit.main or unit.listener else
                    (3, "inactive"))
        if verb == "is-enabled":
            on = unit.path and any(link.is_symlink() for link in unit.wants())
            return (0, "enabled") if on else (1, "disabled")
        if verb in ("enable", "preset"):
            if not unit.path:
                return 1, "no such unit"
            for link in unit.wants():
                link.parent.mkdir(parents=True, exist_ok=True)
                if not link.is_symlink():
                    link.symlink_to(unit.path)
            return (0 if "--now" not in argv or unit.start() else 1), ""
        if verb == "restart":
            return (0 if unit.stop() and unit.start() else 1), ""
        if verb in ("start", "stop", "reload"):
            return (0 if all([getattr(u, verb)() for u in units]) else 1), ""
        return (0, "") if verb in ("daemon-reload", "mask", "unmask",
                                   "disable") else (1, "what is " + verb)

    def serve(self):
        self.listener.settimeout(0.02)
        while True:
            try:
                talk, _ = self.listener.accept()
            except TimeoutError:
                self.turn(0)
                continue
            with talk:
                talk.setblocking(True)
                argv = talk.recv(4096).decode().split("\0")
                with open(CALLS, "a") as f:
                    print(*argv, file=f)
                status, text = self.answer(argv)
                talk.sendall(("%d %s" % (status, text)).encode())


def systemctl(argv):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.connect(SOCKET)
        s.sendall("\0".join(argv).encode())
        status, _, text = s.recv(4096).decode().partition(" ")
    if text:
        print(text)
    return int(status)


if __name__ == "__main__":
    if sys.argv[1] == "systemctl":
        sys.exit(systemctl(sys.argv[2:]))
    root(*sys.argv[1:])
    MANAGER = Manager()
    Path("/run/up").touch()
    MANAGER.serve()
