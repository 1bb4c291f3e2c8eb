# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes with any virtual hosts and any number of nodes, beside the pair that
pair.py knows: no state sync unless asked for."""

import contextlib
import os
import signal

import node as nodes
from lab import sh, wait_for
from node import Node

THIRD = "gw3"
OWN_THIRD = "10.1.0.13"
V6 = {"gw1": "2001:db8:1::11", "gw2": "2001:db8:1::12",
      "client": "2001:db8:1::100"}
SHARED_V6 = "2001:db8:1::1"


def vhost(name="lan", vhid=1, addresses=("10.1.0.1/24",), advbase=0,
          advskew=80, interface="lan", password="secret", **more):
    """The text of a carp block; more: further keys, _ for -."""
    keys = {"interface": interface, "vhid": vhid, "addresses": addresses,
            "pass": password, "advbase": advbase, "advskew": advskew, **more}
    lines = ["\t%s = %s" % (k.replace("_", "-"), value(v))
             for k, v in keys.items()]
    return 'carp "%s" {\n%s\n}' % (name, "\n".join(lines))


def value(v):
    if isinstance(v, (tuple, list)):
        return "{ %s }" % ", ".join(value(x) for x in v)
    if isinstance(v, bool):
        return str(v).lower()
    return str(v) if isinstance(v, int) else '"%s"' % v


def configure(node, *vhosts, top="", preempt=False, link=False):
    node.configure(preempt=preempt, link=link, carps=(), top="\n".join(
        (top,) + vhosts))
    return node


def start(node, *vhosts, **kw):
    return configure(node, *vhosts, **kw).launch().wait_up()


@contextlib.contextmanager
def third(lab):
    """A gateway more, on the lan only."""
    nodes.NAMES.setdefault(THIRD, "fw3")
    sh("ip", "netns", "add", lab.ns(THIRD))
    try:
        lab.ip(THIRD, "link", "set", "lo", "up")
        lab._plug(THIRD, "lan", "lan")
        lab.ip(THIRD, "addr", "add", OWN_THIRD + "/24", "dev", "lan")
        lab.nodes[THIRD] = Node(lab, THIRD)
        yield lab.nodes[THIRD]
    finally:
        if THIRD in lab.nodes:
            lab.nodes.pop(THIRD).destroy()
        for pid in sh("ip", "netns", "pids", lab.ns(THIRD),
                      check=False).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        sh("ip", "netns", "del", lab.ns(THIRD), check=False)


def masters(running, name="lan"):
    return [n for n in running if n.running()
            and n.states().get(name) == "MASTER"]


def wait_one(running, best, name="lan", timeout=8):
    wait_for("%s alone is master of %s: %s" % (
        best.name, name, [(n.name, n.states()) for n in running]),
             lambda: masters(running, name) == [best], timeout)


def add_v6(lab):
    """The lan speaks IPv6 too; without duplicate address detection."""
    for host, addr in V6.items():
        dev = "eth0" if host == "client" else "lan"
        lab.ip(host, "addr", "add", addr + "/64", "dev", dev, "nodad")


def link_local(lab, host, dev="lan"):
    """The interface's own fe80:: address, once it may be used."""
    def usable():
        text = lab.ip(host, "-6", "-o", "addr", "show", "dev", dev, "scope",
                      "link")
        return text and "tentative" not in text and text.split()[3]
    return wait_for("a link-local address", usable, 5).split("/")[0]
