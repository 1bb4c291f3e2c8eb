# SPDX-License-Identifier: GPL-3.0-or-later
"""The fidelity matrix: protocol x family x translation x failover kind, filled
by tests and printed when all have run."""

KINDS = {"handover": "H", "lan cut": "C", "SIGKILL": "K", "SIGSTOP": "S",
         "machine lost": "M", "there and back": "B"}
COLUMNS = ("none", "snat", "range", "dnat", "both", "masquerade")

cells = {}  # (row, column): {kind: True, False}
reasons = {}  # (row, column): why it cannot be
recorded = []  # by the test that runs: (row, column, kind, result)


def record(row, column, kind, good):
    """One cell in one kind of failover; the worst result stays."""
    recorded.append((row, column, kind, bool(good)))


def cannot(row, column, reason):
    """The cell will never be: the reason is the protocol's or the kernel's."""
    recorded.append((row, column, None, reason))


def news():
    """What was recorded since the last call."""
    entries = recorded[:]
    recorded.clear()
    return entries


def fill(entries):
    for row, column, kind, result in entries:
        if kind is None:
            reasons[row, column] = result
        else:
            kinds = cells.setdefault((row, column), {})
            kinds[kind] = kinds.get(kind, True) and result


def take(row, column, kind, report):
    """The outcome of a test with the marker matrix(row, column)."""
    if report.skipped:
        cannot(row, column, report.longrepr[2].removeprefix("Skipped: "))
    else:
        record(row, column, kind, report.passed)


def _cell(row, column):
    if (row, column) in cells:
        kinds = cells[row, column]
        return "".join(KINDS[k] if kinds[k] else "-" + KINDS[k].lower()
                       for k in KINDS if k in kinds)
    return "n/a" if (row, column) in reasons else ""


def table():
    """Lines of text; none where no test filled a cell."""
    if not cells:
        return []
    rows = list(dict.fromkeys(r for r, _ in (*cells, *reasons)))
    width = max(map(len, rows)) + 2
    used = {k for kinds in cells.values() for k in kinds}
    lines = ["".ljust(width) + "".join(c.ljust(12) for c in COLUMNS)]
    for row in rows:
        lines.append((row.ljust(width) + "".join(
            _cell(row, c).ljust(12) for c in COLUMNS)).rstrip())
    lines.append("")
    lines.append("goes on after: " + ", ".join(
        "%s %s" % (KINDS[k], k) for k in KINDS if k in used)
        + "; a small letter with a dash: it does not")
    for reason in dict.fromkeys(reasons.values()):
        where = list(dict.fromkeys(r for (r, _), why in reasons.items()
                                   if why == reason))
        lines.append("n/a: %s (%s)" % (reason, ", ".join(where)))
    return lines
