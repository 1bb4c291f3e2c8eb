# SPDX-License-Identifier: GPL-3.0-or-later
"""conntrackd.conf: the link, and what goes over it."""

from block import block, is_address, quoted
from words import CONNTRACKD_FINE, PROTOCOLS


class Conntrackd:
    """The state: transports to link, Filter to sync."""

    def __init__(self, root, report):
        self.report = report
        self.ours, self.theirs = [], []
        self.top, self.skip, self.accept = [], [], []
        self.multicast = None
        for e in root.inside:
            if e.key == "Sync":
                self._sync(e)
            elif e.key == "General":
                self._general(e)
            elif e.key == "Helper":
                report.lost(e, "helpers outside of the kernel are "
                               "conntrackd's; what they make goes over all "
                               "the same")
            else:
                report.lost(e, "has no counterpart")

    def _rest(self, e):
        why = CONNTRACKD_FINE.get(e.key.lower())
        if why:
            self.report.fine(e, why)
        else:
            self.report.lost(e, "has no counterpart")

    def _sync(self, sync):
        transports = []
        for e in sync.inside:
            if e.key in ("UDP", "TCP", "Multicast"):
                transports.append(e)
            elif e.key in ("Mode", "Options"):
                for o in e.inside:
                    self._rest(o)
            else:
                self._rest(e)
        for e in sorted(transports, key=lambda e: e.value() != "Default"):
            self._transport(e)

    def _transport(self, e):
        for o in e.inside:
            key = o.key.lower()
            if key in ("ipv4_destination_address",
                       "ipv6_destination_address"):
                self.theirs.append(o.value())
            elif key == "ipv4_interface" and e.key == "Multicast":
                self.ours.append(o.value())
                self.multicast = self.multicast or e
            elif key in ("ipv4_address", "ipv6_address"):
                if e.key != "Multicast":
                    self.ours.append(o.value())
            elif key in ("port", "group"):
                self.report.look(o, "the link is 3790/tcp; the firewall has "
                                    "to accept that")
            else:
                self._rest(o)

    def _general(self, general):
        for e in general.inside:
            if e.key == "NetlinkBufferSizeMaxGrowth":
                size = int(e.value("0")) >> 20
                if size > 32:
                    self.top.append("event-buffer = %dM" % size)
                else:
                    self.report.fine(e, "event-buffer has 32M of itself")
            elif e.key == "Filter":
                for f in e.inside:
                    self._filter(f)
            else:
                self._rest(e)

    def _filter(self, f):
        kind, ignore = f.key.lower(), f.value().lower() == "ignore"
        if kind == "protocol":
            keys = [("protocol", self._protocols(f))]
        elif kind == "address":
            words = [w for w in f.lists()
                     if w.lower() not in ("ipv4_address", "ipv6_address")]
            for w in words:
                if not is_address(w):
                    self.report.lost(f, "%s is not an address" % w)
            found = [w for w in words
                     if is_address(w) and not is_address(w).ip.is_loopback]
            # conntrackd looks at who began it and at who answers
            keys = [("source", found), ("reply-source", found)]
        elif kind == "state":
            self._states(f, ignore)
            return
        else:
            self._rest(f)
            return
        keys = [(k, v) for k, v in keys if v]
        if ignore:
            self.skip += keys
        elif keys:
            self.accept.append(keys)

    def _protocols(self, f):
        found = []
        for word in f.lists():
            name = PROTOCOLS.get(word.lower())
            if name:
                found.append(name)
            else:
                self.report.lost(f, "protocol %s; its number in "
                                    "filter { protocol }" % word)
        return found

    def _states(self, f, ignore):
        words = {w.upper() for w in f.lists()} - {"FOR", "TCP"}
        closing = {"FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT",
                   "CLOSED", "CLOSE"}
        told = closing - words if ignore else closing & words
        if ("ESTABLISHED" in words) == ignore:
            self.report.lost(f, "established connections are not left out")
        if not told:
            self.skip.append(("state", ["closing"]))
        elif told != closing:
            self.report.look(f, "states of the end go over all or none; all")
        if not ignore and words & {"SYN_SENT", "SYN_RECV"}:
            self.report.look(f, "what is only being opened is told where "
                                "both nodes work")

    def filters(self, shared):
        """The lines of sync {}; what is left out anyhow is not named."""
        automatic = {is_address(a).ip for a in shared + self.ours
                     + self.theirs}
        lines, n = [], 0
        for key, values in self.skip:
            if key.endswith("source"):
                values = [v for v in values
                          if is_address(v).ip not in automatic]
            if values:
                n += 1
                lines.append('filter "skip-%d" { action = "skip" %s = %s }'
                             % (n, key, quoted(values)))
        combined = [[]]
        for keys in self.accept: # each of them has to hold
            combined = [c + [k] for c in combined for k in keys]
        for n, keys in enumerate(combined if self.accept else [], 1):
            lines.append('filter "only-%d" { action = "sync" %s }' % (
                n, " ".join("%s = %s" % (k, quoted(v)) for k, v in keys)))
        if self.accept:
            lines.append('filter "rest" { action = "skip" }')
        return lines

    def link(self, peer, peer_addresses, etc):
        theirs = peer_addresses or self.theirs
        lines = ["address = %s" % quoted(self.ours)] if self.ours else []
        if theirs:
            lines += block('peer "%s"' % peer,
                           ["address = %s" % quoted(theirs)])
        lines.append('key-file = "%s/link.key"' % etc)
        if theirs and self.ours:
            return block("link", lines)
        if self.multicast:
            self.report.lost(self.multicast, "multicast does not say where "
                                             "the peer is; --peer-address")
        return ["# the peer's address is missing: --peer-address"]
