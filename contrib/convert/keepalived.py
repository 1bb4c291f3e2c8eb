# SPDX-License-Identifier: GPL-3.0-or-later
"""keepalived.conf: who has the addresses."""

import re

from block import (Entry, block, is_address, is_network, quoted, sh_words,
                   single_quoted)
from notify import Notify
from words import KEEPALIVED_FINE


class Keepalived:
    """The addresses: vrrp_instance to carp."""

    def __init__(self, root, report, etc, stays=False):
        self.report, self.etc = report, etc
        self.notify = Notify(report, stays)
        self.instances = root.all("vrrp_instance")
        self.groups = root.all("vrrp_sync_group")
        self.scripts = {e.value(): e for e in root.all("vrrp_script")}
        self.processes = {e.value(): e for e in
                          root.all("vrrp_track_process")
                          + root.all("vrrp_process")}
        self.refresh = ""
        self.router_id = ""
        self.shared = []
        self.top = []
        for e in root.inside:
            if e.key == "global_defs":
                self._globals(e)
            elif e.key.startswith("@"):
                report.lost(e, "lines for one host only; leave those of "
                               "this node, without @")
            elif e.key == "include":
                report.lost(e, "is not read; put its lines in this file")
            elif e.key in ("virtual_server", "virtual_server_group",
                           "real_server"):
                report.lost(e, "load balancing (IPVS) has no counterpart; "
                               "keepalived may go on doing it alone")
            elif e.key not in ("vrrp_instance", "vrrp_sync_group",
                               "vrrp_script", "vrrp_track_process",
                               "vrrp_process"):
                self._unknown(e)
        used = {t.key for i in self.instances + self.groups
                for b in i.all("track_script") for t in b.inside}
        for name, e in self.scripts.items():
            if name not in used:
                report.look(e, "no instance tracks it")

    def _unknown(self, e):
        why = next((w for k, w in KEEPALIVED_FINE.items()
                    if re.fullmatch(k, e.key)), None)
        if why:
            self.report.fine(e, why)
        else:
            self.report.lost(e, "has no counterpart")

    def _globals(self, g):
        for e in g.inside:
            if e.key == "router_id":
                self.router_id = e.value()
            elif e.key == "vrrp_garp_master_refresh":
                self.refresh = e.value()
            elif e.key == "script_user":
                self.notify.user = e.words[1:3]
            else:
                self._unknown(e)

    def settle(self):
        """What is said of all: preempt, independent, one carp each."""
        nopreempt = [i for i in self.instances if i.all("nopreempt")]
        if nopreempt and len(nopreempt) < len(self.instances):
            self.report.look(nopreempt[0], "preempt is one setting for all; "
                                           "true, as in the others")
        self.top.append("preempt = %s" % (
            "false" if len(nopreempt) == len(self.instances) else "true"))
        delays = [e for i in self.instances for e in i.all("preempt_delay")]
        if delays:
            self.top.append("preempt-delay = %ss"
                            % max(int(float(e.value("0"))) for e in delays))
        self._settle_groups()
        carps = [line for i in self.instances for line in self._carp(i) + [""]]
        for i in self.instances: # its own are run before those of its group
            self.notify.take(i, i.value(), "INSTANCE", self._priority(i))
        for g in self.groups:
            members = self._members(g)
            if members: # they move together: once
                self.notify.take(g, members[0], "GROUP", 0)
        self.top += self.notify.lines([i.value() for i in self.instances])
        return carps

    @staticmethod
    def _priority(i):
        return int((i.all("priority") or [Entry("", 0, ["", "100"])]
                    )[-1].value("100"))

    def _members(self, g):
        names = [w for b in g.all("group") for w in b.lists()]
        return [i.value() for i in self.instances if i.value() in names]

    def _settle_groups(self):
        names = {i.value() for i in self.instances}
        grouped = [set(self._members(g)) for g in self.groups]
        together = len(names) < 2 or any(names <= g for g in grouped)
        if not together:
            self.top.append("independent = true")
        for g in self.groups:
            if not together:
                self.report.look(g, "these members move each by itself now; "
                                    "let each track the others' interfaces")
            for e in g.inside:
                if e.key not in ("group", "track_script",
                                 "track_interface", "track_process") \
                        and not e.key.startswith("notify"):
                    self._unknown(e)

    # -- one instance

    def _carp(self, i):
        lines, addresses = [], []
        tracks, routes, rules, peers = [], [], [], []
        interface = (i.all("interface") or [i])[-1].value()
        for e in i.inside:
            if e.key in ("virtual_ipaddress", "virtual_ipaddress_excluded"):
                addresses += self._addresses(e, interface, addresses)
            elif e.key == "virtual_router_id":
                lines.append("vhid = %s" % e.value())
            elif e.key == "unicast_peer":
                peers += [w for p in e.inside for w in p.words[:1]]
            elif e.key in ("track_interface", "track_script",
                           "track_process"):
                tracks += self._tracks(e, interface)
            elif e.key == "virtual_routes":
                routes += [r for t in e.inside for r in self._route(t)]
            elif e.key == "virtual_rules":
                rules += [r for n, t in enumerate(e.inside)
                          for r in self._rule(t, n)]
            elif e.key == "authentication":
                self.report.look(e, "another password in %s/carp.pass; that "
                                    "of VRRP was in every packet" % self.etc)
            elif e.key == "garp_master_refresh":
                self.refresh = e.value()
            elif e.key not in ("interface", "priority", "advert_int",
                               "nopreempt", "preempt_delay") \
                    and not e.key.startswith("notify"):
                self._unknown(e)
        for g in self.groups:
            if i.value() in self._members(g):
                for b in g.inside:
                    if b.key.startswith("track_"):
                        tracks += self._tracks(b, interface)
        if len(addresses) > 32:
            self.report.lost(i, "more than 32 addresses; a second carp block "
                                "with a vhid of its own for the others")
            addresses = addresses[:32]
        self.shared += addresses
        lines = (['interface = "%s"' % interface] + lines
                 + ["addresses = %s" % quoted(addresses),
                    'pass-file = "%s/carp.pass"' % self.etc]
                 + self._interval(i, self._priority(i)))
        if peers:
            lines.append("peer = %s" % quoted(peers))
        if self.refresh not in ("", "0"):
            lines.append("announce-refresh = %ss" % self.refresh)
        for name, inside in (("track", tracks), ("routes", routes),
                             ("rules", rules)):
            if inside:
                lines += block(name, list(dict.fromkeys(inside)))
        return block('carp "%s"' % i.value(), lines)

    def _interval(self, i, priority):
        """The larger the priority, the smaller the advskew."""
        entry = (i.all("advert_int") or [i])[-1]
        seconds = float(entry.value("1")) if entry is not i else 1.0
        skew = 254 - min(priority, 254)
        if seconds >= 1:
            if seconds != int(seconds):
                self.report.look(entry, "whole seconds: %d" % seconds)
            return ["advbase = %d" % seconds, "advskew = %d" % skew]
        skew = min(254, max(1, round(seconds * 256)) + skew // 16)
        self.report.look(entry, "became advbase 0, advskew %d: every %d ms"
                         % (skew, skew * 1000 // 256))
        return ["advbase = 0", "advskew = %d" % skew]

    def _addresses(self, e, interface, before):
        found = []
        for a in e.inside:
            address = is_address(a.key)
            rest = dict(zip(a.words[1::2], a.words[2::2]))
            if not address:
                self.report.lost(a, "is not an address")
            elif rest.get("dev", interface) != interface:
                self.report.lost(a, "on another interface; a carp block of "
                                    "its own for %s" % rest["dev"])
            elif address.ip in [is_address(o).ip for o
                                in found + before + self.shared]:
                self.report.look(a, "stands before already")
            else:
                if "/" not in a.key:
                    self.report.look(a, "has no prefix length: /%d, as in "
                                        "keepalived"
                                     % address.network.prefixlen)
                found.append(address.with_prefixlen)
            for key in set(rest) - {"dev", "brd", "broadcast", "scope"}:
                self.report.look(a, "%s is left out" % key)
        return found

    def _tracks(self, e, interface):
        found = []
        for t in e.inside:
            rest = dict(zip(t.words[1::2], t.words[2::2]))
            weight = rest.get("weight")
            lines = []
            if e.key == "track_interface":
                if t.key == interface:
                    continue
                head = 'interface "%s"' % t.key
            elif e.key == "track_script":
                s = self.scripts.get(t.key)
                if not s:
                    self.report.lost(t, "there is no vrrp_script of this "
                                        "name")
                    continue
                if not s.all("script"):
                    self.report.lost(t, "its vrrp_script has no command")
                    continue
                head, lines, weight = self._script(s, weight)
            else:
                s = self.processes.get(t.key)
                if not s or not s.all("process"):
                    self.report.lost(t, "there is no vrrp_track_process of "
                                        "this name")
                    continue
                head = 'process "%s"' % s.all("process")[0].value()
                weight = weight or (s.all("weight") or [s])[-1].words[1]
                weight = weight if re.fullmatch(r"-?\d+", weight) else None
            number = int(weight or 0)
            if number > 0:
                self.report.lost(t, "a weight above 0 raises the priority; "
                                    "here what is down lowers it")
                continue
            if number:
                lines.append("weight = %d" % min(-number, 254))
            found.append("%s { %s }" % (head, " ".join(lines)))
        return found

    def _script(self, s, weight):
        lines = []
        time = {e.key: max(100, round(float(e.value("1")) * 1000))
                for e in s.inside if e.key in ("interval", "timeout")}
        interval = time.get("interval", 1000) # keepalived's default
        timeout = time.get("timeout", interval)
        if timeout > interval:
            self.report.look(s.all("timeout")[-1], "no longer than interval")
        lines += ["interval = %dms" % interval,
                  "timeout = %dms" % min(timeout, interval)]
        for e in s.inside:
            if e.key == "script":
                lines.insert(0, "command = %s"
                             % single_quoted(sh_words(e.value())))
            elif e.key in ("interval", "timeout"):
                continue
            elif e.key in ("rise", "fall"):
                lines.append("%s = %s" % (e.key, e.value()))
            elif e.key == "weight":
                weight = weight or e.value()
            else:
                self._unknown(e)
        return 'script "%s"' % s.value(), lines, weight

    def _pairs(self, e, names):
        """What of `key value key value` is known; the rest is said."""
        words, lines, to = list(e.words), [], None
        while words:
            key = words.pop(0)
            if key == "to" and words:
                key = words.pop(0)
                if not is_network(key):
                    self.report.lost(e, "%s is not a network" % key)
                    return None, []
            if is_network(key):
                to = key
            elif key in ("or", "nexthop", "blackhole", "unreachable",
                         "prohibit"):
                self.report.lost(e, "%s is not translated" % key)
                return None, []
            elif key in names and words:
                lines.append('%s = "%s"' % (names[key], words.pop(0))
                             if names[key] not in (
                                 "table", "metric", "priority")
                             else "%s = %s" % (names[key], words.pop(0)))
            else:
                self.report.lost(e, "%s is not translated" % key)
                if words and not is_address(words[0]):
                    words.pop(0)
        return to, lines

    def _route(self, e):
        to, lines = self._pairs(e, {
            "via": "via", "gw": "via", "dev": "interface", "src": "source",
            "table": "table", "metric": "metric"})
        if not to or not any(w.startswith(("via", "interface"))
                             for w in lines):
            if lines:
                self.report.lost(e, "a route to nowhere")
            return []
        if to == "default" and any(":" in w for w in lines):
            to = "default6"
        return ['route "%s" { %s }' % (to, " ".join(lines))]

    def _rule(self, e, n):
        to, lines = self._pairs(e, {
            "from": "from", "iif": "iif", "dev": "iif", "fwmark": "mark",
            "table": "table", "lookup": "table", "priority": "priority",
            "preference": "priority"})
        if to:
            lines.append('to = "%s"' % to)
        if not lines:
            return []
        if not any(w.startswith("priority") for w in lines):
            lines.append("priority = %d" % (1000 + n))
            self.report.look(e, "priority = %d; keepalived let the kernel "
                                "choose" % (1000 + n))
        return ['rule "rule-%d" { %s }' % (n + 1, " ".join(lines))]
