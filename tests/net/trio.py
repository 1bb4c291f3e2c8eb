# SPDX-License-Identifier: GPL-3.0-or-later
"""Three daemons of a laboratory, and what a test asks of them together."""

from lab import wait_for

SKEW = {"gw1": 80, "gw2": 90, "gw3": 100}


class Trio:
    """gw1 is started first and is master unless a test moves it."""

    def __init__(self, lab):
        self.lab = lab
        self.nodes = [lab.nodes[host] for host in lab.gateways]
        self.one, self.two, self.three = self.nodes

    def configure(self, **conf):
        for node in self.nodes:
            node.configure(**{"advskew": SKEW[node.host], **conf})
        return self

    def start(self, nodes=None, **conf):
        """The first of them is master, the others are in sync with it."""
        first, *others = nodes or self.nodes
        self.configure(**conf)
        first.launch().wait_up()
        wait_for("%s is master" % first.name, lambda: first.is_all("MASTER"),
                 15)
        for node in others:
            node.launch().wait_up()
        for node in others:
            self.wait_sync(node, first)
        return self

    def running(self):
        return [n for n in self.nodes if n.running()]

    def masters(self):
        return [n for n in self.running() if "MASTER" in n.states().values()]

    def wait_master(self, node, timeout=10):
        """node has everything, and nobody else anything."""
        wait_for("%s is the master: %s" % (node.name, self), lambda: (
            node.is_all("MASTER") and self.masters() == [node]), timeout)

    def wait_a_master(self, timeout=15):
        """One of them has everything; which."""
        return wait_for("one master: %s" % self, lambda: next(
            (n for n in self.masters() if n.is_all("MASTER")
             and self.masters() == [n]), None), timeout)

    def wait_sync(self, node, master, timeout=30):
        wait_for("%s is in sync with %s: %s" % (node.name, master.name, self),
                 lambda: (node.peer(master.name).get("in_sync")
                          and master.peer(node.name).get("in_sync")
                          and node.status()["ready"]), timeout)

    def wait_equal(self, a, b, timeout=15):
        """Both kernels hold the same connections."""
        last = {}

        def equal():
            last.update(self.lab.tools.compare(a.host, b.host))
            return not (last["missing"] or last["extra"] or last["differing"])
        try:
            wait_for("equal tables", equal, timeout, 0.2)
        except AssertionError:
            raise AssertionError("tables of %s and %s differ: %s" % (
                a.name, b.name, last)) from None
        return last

    def transitions(self):
        return sum(c["transitions"] for n in self.running()
                   for c in n.status()["carp"])

    def __str__(self):
        return "; ".join("%s %s" % (n.name, n.states()) for n in self.nodes)
