# SPDX-License-Identifier: GPL-3.0-or-later
"""Neighbour discovery read and made by hand, from RFC 4861 alone: an oracle
that shares no code with the daemon."""

import socket
import struct

from carp import checksum

RS, RA, NS, NA = 133, 134, 135, 136
ALL_NODES, ALL_ROUTERS = "ff02::1", "ff02::2"


def packed(addr):
    return socket.inet_pton(socket.AF_INET6, addr)


def text(raw):
    return socket.inet_ntop(socket.AF_INET6, raw)


def icmp_sum(src, dst, body):
    return checksum(src + dst + struct.pack("!II", len(body), 58) + body)


def parse(frame):
    """The fields of a message of neighbour discovery; None of another frame.
    What a receiver has to refuse (6.1, 7.1) fails."""
    if frame[12:14] != b"\x86\xdd" or frame[20] != 58:
        return None
    size = struct.unpack("!H", frame[18:20])[0]
    body = frame[54:54 + size]
    if body[0] not in (RS, RA, NS, NA):
        return None
    m = {"type": body[0], "src_mac": frame[6:12].hex(":"),
         "dst_mac": frame[0:6].hex(":"), "src": text(frame[22:38]),
         "dst": text(frame[38:54]), "options": {}, "prefixes": []}
    assert frame[21] == 255 and body[1] == 0
    assert icmp_sum(frame[22:38], frame[38:54], body) == 0
    at = {RS: 8, RA: 16, NS: 24, NA: 24}[m["type"]]
    if m["type"] in (NS, NA):
        m["target"] = text(body[8:24])
    if m["type"] == NA:
        m["router"], m["solicited"], m["override"] = (
            bool(body[4] & bit) for bit in (0x80, 0x40, 0x20))
    if m["type"] == RA:
        m["hop limit"], m["flags"], m["lifetime"] = struct.unpack(
            "!BBH", body[4:8])
    while at < len(body):
        kind, length = body[at], 8 * body[at + 1]
        assert length and at + length <= len(body)
        option = body[at + 2:at + length]
        if kind in (1, 2):
            m["options"][kind] = option.hex(":")
        elif kind == 3:
            valid, preferred = struct.unpack("!II", option[2:10])
            m["prefixes"].append((text(option[14:30]), option[0], option[1],
                                  valid, preferred))
        at += length
    return m


def said_mac(m):
    """(address, MAC): what a hearer's cache learns from m; None for nothing."""
    if m["type"] == NA and 2 in m["options"]:
        return m["target"], m["options"][2]
    if m["type"] != NA and 1 in m["options"]:
        return m["src"], m["options"][1]
    return None


def group_of(addr):
    return text(packed("ff02::1:ff00:0")[:13] + packed(addr)[13:])


def frame(kind, src, dst, target=None, option=None, mac="02:00:00:00:00:77",
          flags=0):
    """An Ethernet frame; option: the MAC of its link-layer address option."""
    body = struct.pack("!BBHI", kind, 0, 0, flags << 24)
    if target:
        body += packed(target)
    if option:
        body += (bytes((2 if kind == NA else 1, 1))
                 + bytes.fromhex(option.replace(":", "")))
    s, d = packed(src), packed(dst)
    body = body[:2] + struct.pack("!H", icmp_sum(s, d, body)) + body[4:]
    return (b"\x33\x33" + d[12:] + bytes.fromhex(mac.replace(":", ""))
            + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(body), 58, 255)
            + s + d + body)
