# SPDX-License-Identifier: GPL-3.0-or-later
"""What a gateway says on its cables, heard at the switch's ports."""

import select
import socket
import struct
import threading
import time

from lab import SHARED
from node import VIRTUAL_MAC

OUTGOING = 4  # PACKET_OUTGOING: what the switch sends to the gateway
TIMESTAMPNS, RCVBUFFORCE = 35, 33  # SO_*: not in the socket module


class Tap:
    """Collects the frames that one gateway emits on one cable."""

    def __init__(self, lab, host, cable, keep=lambda frame: True):
        self.frames = []
        self.keep = keep
        self.sock = lab.raw("switch", "%s-%s" % (cable, host))
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.SOL_SOCKET, RCVBUFFORCE, 8 << 20)
        self.sock.setsockopt(socket.SOL_SOCKET, TIMESTAMPNS, 1)
        self.stop = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.stop:
            if not select.select([self.sock], [], [], 0.05)[0]:
                continue
            try:
                frame, more, _, addr = self.sock.recvmsg(2048, 64)
            except OSError:
                continue
            if addr[2] != OUTGOING and self.keep(frame):
                self.frames.append((self._when(more), frame))

    @staticmethod
    def _when(more):
        """When the kernel saw it, in time.monotonic(): this thread may have
        slept meanwhile."""
        real = next(d for _, kind, d in more if kind == TIMESTAMPNS)
        seconds, ns = struct.unpack("qq", real)
        return seconds + ns / 1e9 - time.time() + time.monotonic()

    def since(self, when):
        return [f for t, f in list(self.frames) if t >= when]

    def close(self):
        self.stop = True
        self.thread.join()
        self.sock.close()
        return [f for _, f in self.frames]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def mac_text(raw):
    return ":".join("%02x" % b for b in raw)


def is_arp(frame):
    return frame[12:14] == b"\x08\x06"


def is_advert(frame):
    return frame[12:14] == b"\x08\x00" and frame[23] == 112


def from_virtual(frame):
    """Sent from a virtual MAC, on Ethernet or inside ARP."""
    macs = set(VIRTUAL_MAC.values())
    return (mac_text(frame[6:12]) in macs
            or is_arp(frame) and mac_text(frame[22:28]) in macs)


def is_leak(frame):
    """ARP that puts a shared address at a MAC that is not the virtual one."""
    if not is_arp(frame):
        return False
    for cable, addr in SHARED.items():
        if (frame[28:32] == socket.inet_aton(addr)
                and mac_text(frame[22:28]) != VIRTUAL_MAC[cable]):
            return True
    return False


def of_a_master(frame):
    """What only a master emits: an advert, a frame from the virtual MAC, or a
    packet that it translated to the shared WAN address."""
    return (is_advert(frame) or from_virtual(frame)
            or frame[12:14] == b"\x08\x00"
            and frame[26:30] == socket.inet_aton(SHARED["wan"]))
