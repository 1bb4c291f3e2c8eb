# SPDX-License-Identifier: GPL-3.0-or-later
"""The laboratory's gateways with keepalived for the addresses: the shipped
keepalived.conf, script and statesync.conf with other names of things."""

import contextlib
import os
import signal
import subprocess
from pathlib import Path

from lab import SHARED, wait_for
from node import die_with_parent

SHIPPED = Path(__file__).resolve().parents[2] / "contrib/keepalived"
PRIORITY = {"gw1": 150, "gw2": 140}


class Vrrp:
    """statesyncd and keepalived of one gateway."""

    def __init__(self, lab, node):
        self.lab, self.node = lab, node
        self.dir = node.dir / "keepalived"
        self.dir.mkdir()
        self.log = self.dir / "log"
        self.script = self.dir / "statesync-vrrp"
        self.conf = self.dir / "keepalived.conf"
        self.proc = None
        (self.dir / "bin").mkdir()
        (self.dir / "bin/statesync").symlink_to(node.program("statesync"))
        self.script.write_text(
            "#!/bin/sh\nexport PATH=%s/bin:$PATH STATESYNC_SOCKET=%s"
            " STATESYNC_VRRP_RUN=%s/run\nexec %s \"$@\"\n"
            % (self.dir, node.sock, self.dir, SHIPPED / "statesync-vrrp"))
        self.script.chmod(0o755)
        self.conf.write_text(self.adapt(
            (SHIPPED / "keepalived.conf").read_text()))
        self.write_statesync()

    def adapt(self, text):
        """Names and paths of this gateway in place of the example's."""
        for old, new in (
                ("/usr/libexec/statesync/statesync-vrrp", str(self.script)),
                ("/run/keepalived-statesync.fifo", str(self.dir / "fifo")),
                # the laboratory is below /tmp
                ("enable_script_security", ""),
                ("eth0", "lan"), ("eth1", "wan"),
                ("192.0.2.1/28", SHARED["wan"] + "/24"),
                ("priority 150", "priority %d" % PRIORITY[self.node.host])):
            assert old in text, old
            text = text.replace(old, new)
        return text

    def write_statesync(self):
        """The shipped file's carp block, with the laboratory's link."""
        text = (SHIPPED / "statesync.conf").read_text()
        block = text[text.index('carp "gateway"'):]
        assert "192.0.2.1/28" in block
        self.node.configure(
            carps=(), top=block.replace("192.0.2.1/28",
                                        SHARED["wan"] + "/24"))

    def start(self):
        """The daemon; then keepalived."""
        self.node.launch().wait_up()
        self.elect()
        return self

    def elect(self):
        with open(self.log, "a") as log:
            self.proc = subprocess.Popen(
                ["ip", "netns", "exec", self.lab.ns(self.node.host),
                 "keepalived", "-n", "-l", "-D", "-P", "-f", self.conf,
                 "-p", self.dir / "pid", "-r", self.dir / "vrrp.pid"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                preexec_fn=die_with_parent)

    def resign(self):
        """keepalived ends as an init system ends it."""
        self.proc.terminate()
        self.proc.wait(30)

    def reload(self):
        """keepalived reads its configuration again, and starts the script
        that follows it anew."""
        self.proc.send_signal(signal.SIGHUP)

    def kill(self):
        """keepalived is gone without a word; the addresses stay."""
        for pid in (self.dir / "pid", self.dir / "vrrp.pid"):
            with contextlib.suppress(OSError):
                os.kill(int(pid.read_text()), signal.SIGKILL)
        self.proc.wait(30)

    def has(self):
        """The shared addresses that are on this gateway."""
        return {a for dev, a in SHARED.items() if a + "/" in self.lab.ip(
            self.node.host, "-o", "addr", "show", "dev", dev)}

    def is_master(self):
        return (self.has() == set(SHARED.values())
                and self.node.is_all("MASTER"))

    def is_backup(self):
        return not self.has() and self.node.is_all("BACKUP")

    def may(self):
        """What keepalived's check says now."""
        return subprocess.run([self.script, "check"]).returncode == 0

    def tail(self):
        return self.log.read_text(errors="replace")[-3000:]


class VrrpPair:
    """Both, the first one master, with the connections of the other."""

    def __init__(self, lab):
        self.lab = lab
        self.one, self.two = (Vrrp(lab, n) for n in lab.nodes.values())

    def start(self):
        self.one.start()
        wait_for("keepalived made fw1 master", self.one.is_master, 40, 0.2)
        self.two.start()
        self.wait_roles(self.one, self.two)
        wait_for("fw2 may be elected", self.two.may, 30, 0.2)
        return self

    def wait_roles(self, master, backup, timeout=40):
        try:
            wait_for("%s is master, %s backup" % (master.node.name,
                                                  backup.node.name),
                     lambda: master.is_master() and backup.is_backup(),
                     timeout, 0.2)
        except AssertionError as e:
            raise AssertionError("%s\n%s\n%s" % (
                e, self.one.tail(), self.two.tail())) from None

    def close(self):
        for v in (self.one, self.two):
            with contextlib.suppress(Exception):
                v.kill()
