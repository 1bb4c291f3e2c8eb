/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ARP as bytes (RFC 826, RFC 5227): announcements of shared addresses, answers
 * to questions about them, and what others say. Pure. Whether we may speak at
 * all (lease, state, limits) is the caller's business.
 */
#ifndef STATESYNC_CARP_ANNOUNCE_H
#define STATESYNC_CARP_ANNOUNCE_H

#include "wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CARP_ARP_FRAME_LEN 42 /* without the padding that drivers add */

enum carp_arp_op { CARP_ARP_REQUEST = 1, CARP_ARP_REPLY = 2 };

/* An ARP frame for IPv4 on Ethernet. Addresses in host byte order. */
struct carp_arp {
	uint8_t eth_dst[CARP_MAC_LEN], eth_src[CARP_MAC_LEN];
	uint16_t op; /* CARP_ARP_REQUEST or _REPLY */
	uint8_t sender_mac[CARP_MAC_LEN];
	uint32_t sender;
	uint8_t target_mac[CARP_MAC_LEN];
	uint32_t target;
};

enum carp_arp_refusal {
	CARP_ARP_OK = 0,
	CARP_ARP_SHORT,
	CARP_ARP_NOT_ARP, /* another EtherType, also a VLAN tag */
	CARP_ARP_FORMAT,  /* not IPv4 on Ethernet */
	CARP_ARP_OP,	  /* neither request nor reply */
};

/* The virtual MAC 00:00:5e:00:01:vhid (carp_set_vhe_enaddr). */
void carp_vmac(uint8_t vhid, uint8_t mac[CARP_MAC_LEN]);

/* Reads an Ethernet frame; padding is tolerated. *a is valid with CARP_ARP_OK
 * only. */
enum carp_arp_refusal carp_arp_parse(const void *frame, size_t len,
				     struct carp_arp *a);

/* Writes a as it stands. Returns CARP_ARP_FRAME_LEN. */
size_t carp_arp_build(const struct carp_arp *a,
		      uint8_t out[CARP_ARP_FRAME_LEN]);

/* Gratuitous ARP: a broadcast request with sender = target = addr, target MAC
 * zero, Ethernet source and sender MAC mac (OpenBSD carp_send_arp). Returns
 * CARP_ARP_FRAME_LEN. */
size_t carp_arp_gratuitous(uint32_t addr, const uint8_t mac[CARP_MAC_LEN],
			   uint8_t out[CARP_ARP_FRAME_LEN]);

/*
 * True when q asks for addr and somebody is there to be told: a request,
 * broadcast or unicast, also a probe (RFC 5227, sender 0.0.0.0), whose sender
 * MAC is one station's (neither zero nor a group) and who does not claim addr
 * itself.
 */
bool carp_arp_asks(const struct carp_arp *q, uint32_t addr);

/* True when a, request or reply, says that addr is at another MAC than mac: an
 * address conflict. */
bool carp_arp_claims(const struct carp_arp *a, uint32_t addr,
		     const uint8_t mac[CARP_MAC_LEN]);

/* The answer to q: "q->target is at mac", unicast to the one who asked. Call
 * only when carp_arp_asks. Returns CARP_ARP_FRAME_LEN. */
size_t carp_arp_reply(const struct carp_arp *q, const uint8_t mac[CARP_MAC_LEN],
		      uint8_t out[CARP_ARP_FRAME_LEN]);

#endif
