/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The IP packet and the Ethernet frame around an advert, in both families.
 * Pure. What is inside is carp/wire's.
 */
#ifndef STATESYNC_CARP_PACKET_H
#define STATESYNC_CARP_PACKET_H

#include "wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CARP_IPV4_LEN	(20 + CARP_ADVERT_LEN)
#define CARP_IPV6_LEN	(40 + CARP_ADVERT_LEN)
#define CARP_FRAME_LEN	(14 + CARP_IPV4_LEN)
#define CARP_FRAME6_LEN (14 + CARP_IPV6_LEN)
#define CARP_FRAME_MAX	CARP_FRAME6_LEN

/* A packet with an advert. The payload lies in the caller's memory. */
struct carp_packet {
	struct carp_address src, dst;
	uint8_t ttl; /* or hop limit */
	const uint8_t *payload;
	size_t len; /* bytes of payload */
};

/*
 * Takes the header off an IPv4 packet as a raw or packet socket delivers it.
 * Returns CARP_OK, or SHORT (header or total length do not fit what is there,
 * or no room for 36 bytes), VERSION (not IPv4, not protocol 112, a fragment),
 * TTL (below least_ttl), CHECKSUM (header). src, dst and ttl are set whenever
 * 20 bytes are there; payload only with CARP_OK, and with SHORT where there is
 * room for some of it: it may be VRRP.
 */
enum carp_refusal carp_packet_parse_v4(const void *packet, size_t len,
				       uint8_t least_ttl,
				       struct carp_packet *p);

/*
 * The same for an IPv6 packet as a packet socket delivers it (40 bytes of
 * header, no checksum). VERSION is also an extension header: no sender of
 * adverts makes one.
 */
enum carp_refusal carp_packet_parse_v6(const void *packet, size_t len,
				       uint8_t least_ttl,
				       struct carp_packet *p);

/*
 * The same for the payload of IPv6 as a raw socket delivers it: p->src, dst
 * and ttl are what came beside it, and are kept. CARP_OK, TTL or SHORT.
 */
enum carp_refusal carp_packet_payload_v6(const void *payload, size_t len,
					 uint8_t least_ttl,
					 struct carp_packet *p);

/* Where an advert goes, and from where; src and dst of one family. */
struct carp_frame {
	uint8_t src_mac[CARP_MAC_LEN], dst_mac[CARP_MAC_LEN];
	struct carp_address src, dst;
	uint16_t id; /* of the IPv4 header; OpenBSD takes a random one */
};

/*
 * Writes the IP header (TTL or hop limit 255; IPv4: IHL 5, DF, TOS 0x10; IPv6:
 * no traffic class, no flow label, next header 112) and the advert as
 * carp_wire_build made it, into out (size bytes). The MACs are not used.
 * Returns CARP_IPV4_LEN or CARP_IPV6_LEN.
 */
size_t carp_packet_build(const struct carp_frame *f,
			 const uint8_t advert[CARP_ADVERT_LEN], void *out,
			 size_t size);

/* The same behind an Ethernet header. Returns CARP_FRAME_LEN or
 * CARP_FRAME6_LEN. */
size_t carp_frame_build(const struct carp_frame *f,
			const uint8_t advert[CARP_ADVERT_LEN], void *out,
			size_t size);

/* The group of adverts: 224.0.0.18 or ff02::12. */
struct carp_address carp_group(enum carp_family family);

/* The Ethernet address of a group: 01:00:5e and its low 23 bits (RFC 1112,
 * 6.4), or 33:33 and its low 32 bits (RFC 2464, 7). */
void carp_group_mac(const struct carp_address *group,
		    uint8_t mac[CARP_MAC_LEN]);

bool carp_address_equal(const struct carp_address *a,
			const struct carp_address *b);
/* fe80::/10 */
bool carp_address_is_link_local(const struct carp_address *a);

#endif
