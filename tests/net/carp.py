# SPDX-License-Identifier: GPL-3.0-or-later
"""CARP adverts made by hand, from the description alone: an oracle that
shares no code with the daemon. Also what is wrong on purpose."""

import hashlib
import hmac
import socket
import struct

GROUP = "224.0.0.18"
GROUP_MAC = bytes.fromhex("01005e000012")


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data[:len(data) & ~1]))
    if len(data) % 2:
        total += data[-1] << 8
    while total >> 16:
        total = (total >> 16) + (total & 0xffff)
    return ~total & 0xffff


def digest(password, vhid, addresses, counter):
    packed = sorted(socket.inet_aton(a) for a in addresses)
    return hmac.new(password.encode(), bytes((2, 1, vhid)) + b"".join(packed)
                    + struct.pack("!Q", counter), hashlib.sha1).digest()


def advert(vhid=1, advskew=0, advbase=1, demote=0, password="secret",
           addresses=("10.1.0.1",), counter=0x0102030405060708, version=2,
           bad_sum=False, forged=None):
    """The 36 bytes."""
    body = struct.pack("!BBBBBBHQ", version << 4 | 1, vhid, advskew, 7, demote,
                       advbase, 0, counter)
    body += forged or digest(password, vhid, addresses, counter)
    total = checksum(body) ^ (0x5555 if bad_sum else 0)
    return body[:6] + struct.pack("!H", total) + body[8:]


def frame(payload, src="10.1.0.50", mac="00:00:5e:00:01:01", ttl=255,
          dst=GROUP, bad_ip_sum=False):
    """Ethernet and IPv4 around it."""
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0x10, 20 + len(payload), 0x1234,
                       0x4000, ttl, 112, 0, socket.inet_aton(src),
                       socket.inet_aton(dst))
    total = checksum(head) ^ (0x5555 if bad_ip_sum else 0)
    head = head[:10] + struct.pack("!H", total) + head[12:]
    return (GROUP_MAC + bytes.fromhex(mac.replace(":", "")) + b"\x08\x00"
            + head + payload).ljust(60, b"\0")


def parse(raw):
    """The fields of a frame with an advert."""
    p = raw[34:70]
    return {"vhid": p[1], "advskew": p[2], "demote": p[4], "advbase": p[5],
            "counter": struct.unpack("!Q", p[8:16])[0], "digest": p[16:36],
            "src_mac": raw[6:12], "ttl": raw[22], "payload": p}
