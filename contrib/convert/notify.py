# SPDX-License-Identifier: GPL-3.0-or-later
"""notify_* of keepalived.conf: on-master, on-backup and on-fault."""

import re
import shlex

from block import sh_words, single_quoted

LENGTH_MAX = 1023
# keepalived runs what is for any state last
ROLES = {"on-master": ("notify_master", "notify"),
         "on-backup": ("notify_backup", "notify"),
         "on-fault": ("notify_fault", "notify")}
LOOK = {
    "notify_master": "is on-master now",
    "notify_backup": "is on-backup now, also where STOP was the state",
    "notify_fault": "is on-fault now, where an interface is down; what was "
    "FAULT by a script is BACKUP",
    "notify": "is on-master, on-backup and on-fault now; STOP, and FAULT by "
    "a script, are BACKUP",
}
FACTS = ("# The facts are in the environment as well: STATESYNC_CARP, _FROM, "
         "_TO, _CAUSE.")


class Notify:
    """The commands of all instances and groups. Here one command is run for
    each carp block, so it asks which one it is where that matters."""

    def __init__(self, report, stays):
        self.report, self.stays = report, stays
        self.user = []  # script_user
        self.found = []  # (entry, the carp block, its words for a role)

    def take(self, block, carp, kind, priority):
        """All that a block has, to be run for this carp block."""
        for e in block.inside:
            if e.key.startswith("notify"):
                self._take(e, block, carp, kind, priority)

    def _take(self, e, block, carp, kind, priority):
        if self.stays:
            self.report.fine(e, "stays keepalived's")
        elif e.key == "notify_priority_changes":
            self.report.fine(e, "is keepalived's own")
        elif re.search(r"conntrackd|primary-backup", " ".join(e.words)):
            self.report.fine(e, "there is no commit step: the state is in "
                                "the kernel before the addresses come")
        elif e.key == "notify_stop":
            same = any(o.value() == e.value() for o
                       in block.all("notify_backup") + block.all("notify"))
            (self.report.fine if same else self.report.lost)(
                e, "who stops is backup first: on-backup is run")
        elif e.key == "notify_deleted":
            self.report.lost(e, "nothing is run when a block leaves the "
                                "configuration; run it by hand then")
        elif e.key not in LOOK or not e.value():
            self.report.lost(e, "has no counterpart")
        else:
            self.report.look(e, LOOK[e.key])
            name = '"$STATESYNC_CARP"'
            if kind == "GROUP":
                name = shlex.quote(block.value())
            self.found.append((e, carp, lambda role: self._command(
                e, "%s %s %s %s" % (kind, name, role[3:].upper(), priority))))

    def _command(self, e, facts):
        command = sh_words(e.value())
        if e.key == "notify":
            command += " " + facts
        user = e.words[2:4] or self.user
        if user and user[0] != "root":
            command = "runuser -u %s%s -- %s" % (
                shlex.quote(user[0]), "".join(
                    " -g " + shlex.quote(g) for g in user[1:]), command)
        return command

    def lines(self, carps):
        """For the top of the configuration, which has these carp blocks."""
        return [line for role, keys in ROLES.items()
                for line in self._lines(role, keys, carps)]

    def _lines(self, role, keys, carps):
        found = [f for key in keys for f in self.found if f[0].key == key]
        each = {c: [make(role) for _, carp, make in found if carp == c]
                for c in carps}
        if not found:
            return []
        if len({tuple(v) for v in each.values()}) == 1:
            command = "; ".join(each[carps[0]])
        else:
            command = "case $STATESYNC_CARP in %s esac" % " ".join(
                "%s) %s ;;" % (shlex.quote(c), "; ".join(v))
                for c, v in each.items() if v)
        if len(command.encode()) > LENGTH_MAX:
            self.report.lost(found[0][0], "with the others more than %d "
                             "bytes; a script in a file" % LENGTH_MAX)
            return []
        return ["# %s:%d: %s %s%s" % (
            e.path, e.line, e.key, e.value(),
            "" if e.key != "notify" else "; behind that, as before, GROUP or "
            "INSTANCE, name, state and priority")
            for e, _, _ in found] + [
            FACTS, "%s = %s" % (role, single_quoted(command))]
