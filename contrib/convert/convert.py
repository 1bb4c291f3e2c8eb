#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a statesync.conf of a keepalived.conf, a conntrackd.conf, or both.

    convert.py --keepalived keepalived.conf --conntrackd conntrackd.conf \\
        --node fw1 --peer fw2 >statesync.conf

The result is on standard output; on standard error, a line for each, is what
could not be translated (lost), what is not quite the same (look), and with -v
what needs no counterpart (fine), with file and line. Exit status: 0, 1 where
anything was lost, 2 where a file cannot be read. With --keep-keepalived that
goes on moving the addresses, and only the state is statesync's.
"""

import argparse
import re
import sys

sys.dont_write_bytecode = True  # beside it nothing is ours to leave

from block import Mistake, Report, block, parse, quoted
from conntrackd import Conntrackd
from keepalived import Keepalived


def convert(args, report):
    """The lines of the new file."""
    shared, carps, link, filters, top = [], [], [], [], []
    router_id = ""
    if args.keepalived:
        k = Keepalived(parse(args.keepalived), report, args.etc,
                       args.keep_keepalived)
        router_id = k.router_id
        carps, shared, top = k.settle(), k.shared, k.top
        if args.keep_keepalived:
            carps = block('carp "gateway"', [
                'elector = "external"', "addresses = %s" % quoted(shared)])
            top = [] # preemption is keepalived's
    if args.conntrackd:
        c = Conntrackd(parse(args.conntrackd), report)
        link = c.link(args.peer, args.peer_address, args.etc)
        filters = c.filters(shared)
        top += c.top
    node = args.node or (router_id if re.fullmatch(r"[\w.-]{1,63}", router_id)
                         else "")
    lines = ["# made by contrib/convert; then: statesyncd -n"]
    if node:
        lines.append('node = "%s"' % node)
    lines += top + [""] + link + ([""] if link else []) + carps
    if filters:
        lines += [""] + block("sync", filters)
    return lines


def main():
    p = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0], epilog="see MIGRATION.md")
    p.add_argument("--keepalived", metavar="FILE")
    p.add_argument("--conntrackd", metavar="FILE")
    p.add_argument("--node", help="this node's name")
    p.add_argument("--peer", default="peer", help="the other node's name")
    p.add_argument("--peer-address", action="append", default=[],
                   metavar="ADDRESS", help="of the other node on the link")
    p.add_argument("--etc", default="/etc/statesync",
                   help="where key and password are")
    p.add_argument("--keep-keepalived", action="store_true",
                   help="keepalived goes on moving the addresses")
    p.add_argument("-v", action="store_true",
                   help="also what needs no counterpart")
    args = p.parse_args()
    if not args.keepalived and not args.conntrackd:
        p.error("--keepalived or --conntrackd, or both")
    report = Report(args.v)
    try:
        lines = convert(args, report)
    except (Mistake, OSError) as e:
        print(e, file=sys.stderr)
        return 2
    print("\n".join(lines).rstrip("\n"))
    return 1 if report.lost_any else 0


if __name__ == "__main__":
    sys.exit(main())
