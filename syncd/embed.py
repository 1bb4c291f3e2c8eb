#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""usage: embed.py PAGE.html|NAME.json OUT.h
A page with places to be filled (@NAME@) as C strings, page_parts[], and
page_headers, the Content-Security-Policy under which only its own style and
script run. Or a JSON document in one line, NAME_json[]."""

import base64
import hashlib
import json
import re
import sys
from pathlib import Path


def digest(tag, text):
    inner = re.search(r"<%s>(.*?)</%s>" % (tag, tag), text, re.S).group(1)
    sha = hashlib.sha256(inner.encode()).digest()
    return "'sha256-%s'" % base64.b64encode(sha).decode()


def array(name, text):
    """Not a literal: C promises no more than 4095 characters of one."""
    values = ["%d," % byte for byte in text.encode()] + ["0"]
    lines = ["".join(values[i:i + 20]) for i in range(0, len(values), 20)]
    return "static const char %s[] = {\n\t%s\n};\n" % (
        name, "\n\t".join(lines))


source, out = map(Path, sys.argv[1:])
page = source.read_text(encoding="ascii")
if source.suffix == ".json":
    line = json.dumps(json.loads(page), separators=(",", ":"))
    out.write_text(array(source.stem + "_json", line), encoding="ascii")
    sys.exit(0)
headers = ("Content-Security-Policy: default-src 'none'; base-uri 'none'; "
           "form-action 'none'; frame-ancestors 'none'; connect-src 'self'; "
           "img-src data:; style-src %s; script-src %s\r\n"
           % (digest("style", page), digest("script", page)))
parts = re.split(r"@[A-Z]+@", page)
with out.open("w", encoding="ascii") as f:
    f.write(array("page_headers", headers))
    for i, part in enumerate(parts):
        f.write(array("page_part%d" % i, part))
    f.write("static const char *const page_parts[] = { %s };\n"
            % ", ".join("page_part%d" % i for i in range(len(parts))))
