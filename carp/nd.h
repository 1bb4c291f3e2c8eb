/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Neighbour discovery as bytes (RFC 4861): announcements of shared IPv6
 * addresses, answers to questions about them, what others say, and router
 * advertisements. Pure. Whether we may speak at all (lease, state, limits) is
 * the caller's business. Frames are Ethernet frames without padding.
 */
#ifndef STATESYNC_CARP_ND_H
#define STATESYNC_CARP_ND_H

#include "wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CARP_ND_FRAME_MAX 86 /* of what carp_nd_build writes */
#define CARP_RA_PREFIXES  32
#define CARP_RA_FRAME_MAX (86 + 32 * CARP_RA_PREFIXES)
/* offsets in a frame */
#define CARP_ND_IPV6_OFFSET 14
#define CARP_ND_ICMP_OFFSET 54
#define CARP_ND_TARGET	    62
#define CARP_ND_SOURCE	    22 /* the IPv6 header's */

enum carp_nd_type {
	CARP_ND_RS = 133, /* router solicitation */
	CARP_ND_RA = 134,
	CARP_ND_NS = 135, /* neighbour solicitation */
	CARP_ND_NA = 136,
};

/* A solicitation or a neighbour advertisement. */
struct carp_nd {
	uint8_t eth_dst[CARP_MAC_LEN], eth_src[CARP_MAC_LEN];
	struct carp_addr6 src, dst;
	enum carp_nd_type type;		  /* all but CARP_ND_RA */
	struct carp_addr6 target;	  /* not of an RS */
	bool router, solicited, override; /* of an NA */
	bool has_mac;			  /* the link-layer address option: */
	uint8_t mac[CARP_MAC_LEN];	  /* target's in an NA, else source's */
};

/* In the order in which they are looked for; RFC 4861, 6.1.1, 7.1. */
enum carp_nd_refusal {
	CARP_ND_OK = 0,
	CARP_ND_SHORT,	  /* cut, or lengths that lie */
	CARP_ND_NOT_ND,	  /* not IPv6, not ICMPv6, none of the three types */
	CARP_ND_HOPLIMIT, /* not 255: came through a router */
	CARP_ND_CHECKSUM,
	CARP_ND_FORMAT, /* code, option of length 0, or not of 8 bytes */
	CARP_ND_RULES,	/* addresses that do not go together */
};

/* Reads an Ethernet frame; padding is tolerated. *a is valid with CARP_ND_OK
 * only. */
enum carp_nd_refusal carp_nd_parse(const void *frame, size_t len,
				   struct carp_nd *a);

/* Writes a as it stands, hop limit 255. Returns the length. */
size_t carp_nd_build(const struct carp_nd *a, uint8_t out[CARP_ND_FRAME_MAX]);

/* The group that is asked for addr: ff02::1:ffXX:XXXX (RFC 4291, 2.7.1). */
struct carp_addr6 carp_nd_group(const struct carp_addr6 *addr);

/* The Ethernet address of an IPv6 group (RFC 2464, 7): 33:33 and its last 32
 * bits. */
void carp_nd_group_mac(const struct carp_addr6 *group,
		       uint8_t mac[CARP_MAC_LEN]);

/*
 * True when q asks for addr and somebody is there to be told: multicast or
 * unicast, also the probe of one who wants to have it (source ::), whose MAC
 * is one station's and who does not claim addr itself.
 */
bool carp_nd_asks(const struct carp_nd *q, const struct carp_addr6 *addr);

/* The answer to q: "q->target is at mac". To all nodes, not solicited, where
 * the source was :: (7.2.4). Call only when carp_nd_asks. Returns its length.
 */
size_t carp_nd_answer(const struct carp_nd *q, const uint8_t mac[CARP_MAC_LEN],
		      bool router, uint8_t out[CARP_ND_FRAME_MAX]);

/*
 * Unsolicited advertisement to all nodes, with override: "addr is at mac"
 * (7.2.6). Its source is addr itself, as OpenBSD sends it: valid for every
 * receiver, and the egress rule knows whom it speaks for. Returns its length.
 */
size_t carp_nd_announce(const struct carp_addr6 *addr,
			const uint8_t mac[CARP_MAC_LEN], bool router,
			uint8_t out[CARP_ND_FRAME_MAX]);

/* True when a says that addr is at another MAC than mac, which is then in
 * *other: an address conflict. */
bool carp_nd_claims(const struct carp_nd *a, const struct carp_addr6 *addr,
		    const uint8_t mac[CARP_MAC_LEN],
		    uint8_t other[CARP_MAC_LEN]);

/* True when a, from another MAC than mac, asks whether addr is free, to take it
 * (RFC 4862, 5.4): a conflict to come. */
bool carp_nd_probes(const struct carp_nd *a, const struct carp_addr6 *addr,
		    const uint8_t mac[CARP_MAC_LEN]);

/* A router advertisement to all nodes. Hop limit 64, no M, no O, times left
 * open; prefixes are 64 bits long, on-link and autonomous, 30 and 7 days. */
struct carp_ra {
	uint8_t mac[CARP_MAC_LEN];
	struct carp_addr6 src; /* link-local */
	uint16_t lifetime_s;   /* as default router */
	uint32_t mtu;	       /* 0: not told */
	size_t prefix_count;   /* at most CARP_RA_PREFIXES */
	struct carp_addr6 prefixes[CARP_RA_PREFIXES]; /* the rest is not told */
};

/* Returns the length. */
size_t carp_nd_advertise(const struct carp_ra *ra,
			 uint8_t out[CARP_RA_FRAME_MAX]);

#endif
