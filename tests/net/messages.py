# SPDX-License-Identifier: GPL-3.0-or-later
"""The messages of the daemon's log, as its sources have them, and as the
manual has them."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CALL = re.compile(r'log_msg\(\s*LOG_(?:ERR|WARNING|CRIT|ALERT),\s*'
                  r'((?:"(?:[^"\\]|\\.)*"\s*)+)')
CONVERSION = r"%[-+ #0]*[\d*]*(?:\.[\d*]+)?(?:hh|h|ll|l|z|j|t)?[a-zA-Z]"


def logged():
    """(file:line, format) of each message of error or warning."""
    for path in sorted((ROOT / "syncd").rglob("*.c")):
        text = path.read_text()
        for m in CALL.finditer(text):
            parts = re.findall(r'"((?:[^"\\]|\\.)*)"', m.group(1))
            yield ("%s:%d" % (path.name, text.count("\n", 0, m.start()) + 1),
                   "".join(parts).replace('\\"', '"'))


def characteristic(text):
    """What to look for: the first words between what varies that are enough
    to know it by. Empty if all of it varies."""
    pieces = [p.strip(' ":;.,()') for p in
              re.split(CONVERSION + r"|[;:]|\. ", text)]
    return next((p for p in pieces if len(p) >= 12), max(pieces, key=len))


def plain(mdoc):
    """A manual's words, without its macros."""
    text = re.sub(r'^\.\\".*$', "", mdoc, flags=re.M)
    text = re.sub(r"^\.(?:Ic|Sx|Xr|Va|Ql|Pa|Cm|Pq|Dq|Fl|Ar) ", "", text,
                  flags=re.M)
    return " ".join(text.replace("\\&", "").replace('""', '"').split())
