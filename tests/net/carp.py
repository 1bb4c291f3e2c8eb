# SPDX-License-Identifier: GPL-3.0-or-later
"""CARP adverts made by hand, from the description alone: an oracle that
shares no code with the daemon. Also what is wrong on purpose."""

import hashlib
import hmac
import socket
import struct

GROUP = "224.0.0.18"
GROUP_MAC = bytes.fromhex("01005e000012")
GROUP6 = "ff02::12"
GROUP_MAC6 = bytes.fromhex("333300000012")


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data[:len(data) & ~1]))
    if len(data) % 2:
        total += data[-1] << 8
    while total >> 16:
        total = (total >> 16) + (total & 0xffff)
    return ~total & 0xffff


def digest(password, vhid, addresses, counter):
    packed = sorted(socket.inet_aton(a) for a in addresses if ":" not in a)
    packed += sorted(socket.inet_pton(socket.AF_INET6, a) for a in addresses
                     if ":" in a and not a.startswith("fe80:"))
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
          dst=GROUP, bad_ip_sum=False, eth_dst=None):
    """Ethernet and IPv4 around it."""
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0x10, 20 + len(payload), 0x1234,
                       0x4000, ttl, 112, 0, socket.inet_aton(src),
                       socket.inet_aton(dst))
    total = checksum(head) ^ (0x5555 if bad_ip_sum else 0)
    head = head[:10] + struct.pack("!H", total) + head[12:]
    return (raw_mac(eth_dst, GROUP_MAC) + raw_mac(mac) + b"\x08\x00"
            + head + payload).ljust(60, b"\0")


def frame6(payload, src="fe80::50", mac="00:00:5e:00:01:01", hops=255,
           dst=GROUP6, eth_dst=None, next_header=112):
    """The same in IPv6."""
    head = struct.pack("!IHBB", 6 << 28, len(payload), next_header, hops)
    return (raw_mac(eth_dst, GROUP_MAC6) + raw_mac(mac) + b"\x86\xdd" + head
            + socket.inet_pton(socket.AF_INET6, src)
            + socket.inet_pton(socket.AF_INET6, dst) + payload)


def raw_mac(text, default=None):
    return bytes.fromhex(text.replace(":", "")) if text else default


def family(raw):
    """4 or 6 for a frame with protocol 112, else None."""
    if raw[12:14] == b"\x08\x00" and raw[23] == 112:
        return 4
    if raw[12:14] == b"\x86\xdd" and raw[20] == 112:
        return 6
    return None


def parse(raw):
    """The fields of a frame with an advert."""
    if family(raw) == 6:
        p, ttl = raw[54:90], raw[21]
        src = socket.inet_ntop(socket.AF_INET6, raw[22:38])
    else:
        p, ttl = raw[34:70], raw[22]
        src = socket.inet_ntoa(raw[26:30])
    return {"vhid": p[1], "advskew": p[2], "demote": p[4], "advbase": p[5],
            "counter": struct.unpack("!Q", p[8:16])[0], "digest": p[16:36],
            "src_mac": raw[6:12], "ttl": ttl, "payload": p, "src": src}
