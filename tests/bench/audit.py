#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a comparison of both tables costs each node, against a raw dump of the
same table: processor time, so that other loads matter little.

usage: audit.py [FLOWS]   (as root; STATESYNC_BUILD as for the tests)
"""
import os
import socket
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "net"))

from lab import Lab, wait_for  # noqa: E402
from pair import Pair  # noqa: E402

DUMP = struct.pack("=IHHII", 20, 0x101, 0x301, 1, 0) + b"\0\0\0\0"
TICKS = os.sysconf("SC_CLK_TCK")


def raw_dump(lab, host):
    """Processor seconds to read the table and look at nothing of it."""
    with lab.inside(host):
        s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
    chunk = bytearray(65536)
    begin = time.process_time()
    s.send(DUMP)
    while True:
        n = s.recv_into(chunk)
        # the end is a message of its own
        if n < 64 and struct.unpack_from("=H", chunk, 4)[0] == 3:
            break
    s.close()
    return time.process_time() - begin


def cpu(node):
    with open("/proc/%d/stat" % node.proc.pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def main():
    flows = int(sys.argv[1]) if len(sys.argv) > 1 else 200000
    with Lab(flows=flows) as lab:
        pair = Pair(lab)
        nodes = pair.start(top="sync {\n\taudit-period = 0\n}").both()
        lab.tools.fill(flows)
        pair.wait_sync(300)
        wait_for("clean", lambda: nodes[0].tool("verify", timeout=600)[0] == 0,
                 600, 1)
        raw = [min(raw_dump(lab, n.host) for _ in range(3)) for n in nodes]
        before = [cpu(n) for n in nodes]
        rounds = 5
        for _ in range(rounds):
            code, out, err = nodes[0].tool("verify", timeout=600)
            assert code == 0, out + err
        print(out.splitlines()[0])
        for node, was, least in zip(nodes, before, raw):
            each = (cpu(node) - was) / rounds
            print("%s: a comparison %.3f s, a raw dump %.3f s: %.2f x"
                  % (node.name, each, least, each / least))


if __name__ == "__main__":
    main()
