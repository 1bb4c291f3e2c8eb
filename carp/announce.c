// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Bytes of ARP: announcements, answers, and what others say. Not here: packet
 * sockets, leases, limits, neighbour discovery.
 *
 * Implements RFC 826 for IPv4 on Ethernet, probes and announcements of
 * RFC 5227, and the announcement of OpenBSD carp_send_arp.
 *
 * Invariant: whatever is built here is parsed to the same values.
 */
#include "announce.h"

#include "buf.h"

#include <assert.h>
#include <string.h>

#define ETHERTYPE_IPV4	 0x0800
#define ETHERTYPE_ARP	 0x0806
#define ARP_HRD_ETHERNET 1

static const uint8_t mac_broadcast[CARP_MAC_LEN] = { 0xff, 0xff, 0xff,
						     0xff, 0xff, 0xff };

void carp_vmac(uint8_t vhid, uint8_t mac[CARP_MAC_LEN])
{
	struct writer w;

	writer_init(&w, mac, CARP_MAC_LEN);
	writer_u16(&w, 0x0000);
	writer_u16(&w, 0x5e00);
	writer_u8(&w, 0x01);
	writer_u8(&w, vhid);
	assert(writer_ok(&w));
}

enum carp_arp_refusal carp_arp_parse(const void *frame, size_t len,
				     struct carp_arp *a)
{
	struct reader r;
	uint16_t type, hrd, pro;
	uint8_t hln, pln;

	*a = (struct carp_arp){ 0 };
	reader_init(&r, frame, len);
	reader_bytes(&r, a->eth_dst, CARP_MAC_LEN);
	reader_bytes(&r, a->eth_src, CARP_MAC_LEN);
	type = reader_u16(&r);
	if (!reader_ok(&r))
		return CARP_ARP_SHORT;
	if (type != ETHERTYPE_ARP)
		return CARP_ARP_NOT_ARP;
	hrd = reader_u16(&r);
	pro = reader_u16(&r);
	hln = reader_u8(&r);
	pln = reader_u8(&r);
	a->op = reader_u16(&r);
	reader_bytes(&r, a->sender_mac, CARP_MAC_LEN);
	a->sender = reader_u32(&r);
	reader_bytes(&r, a->target_mac, CARP_MAC_LEN);
	a->target = reader_u32(&r);
	if (!reader_ok(&r))
		return CARP_ARP_SHORT;
	if (hrd != ARP_HRD_ETHERNET || pro != ETHERTYPE_IPV4 ||
	    hln != CARP_MAC_LEN || pln != 4)
		return CARP_ARP_FORMAT;
	if (a->op != CARP_ARP_REQUEST && a->op != CARP_ARP_REPLY)
		return CARP_ARP_OP;
	return CARP_ARP_OK;
}

size_t carp_arp_build(const struct carp_arp *a, uint8_t out[CARP_ARP_FRAME_LEN])
{
	struct writer w;

	writer_init(&w, out, CARP_ARP_FRAME_LEN);
	writer_bytes(&w, a->eth_dst, CARP_MAC_LEN);
	writer_bytes(&w, a->eth_src, CARP_MAC_LEN);
	writer_u16(&w, ETHERTYPE_ARP);
	writer_u16(&w, ARP_HRD_ETHERNET);
	writer_u16(&w, ETHERTYPE_IPV4);
	writer_u8(&w, CARP_MAC_LEN);
	writer_u8(&w, 4);
	writer_u16(&w, a->op);
	writer_bytes(&w, a->sender_mac, CARP_MAC_LEN);
	writer_u32(&w, a->sender);
	writer_bytes(&w, a->target_mac, CARP_MAC_LEN);
	writer_u32(&w, a->target);
	assert(writer_ok(&w) && w.used == CARP_ARP_FRAME_LEN);
	return w.used;
}

size_t carp_arp_gratuitous(uint32_t addr, const uint8_t mac[CARP_MAC_LEN],
			   uint8_t out[CARP_ARP_FRAME_LEN])
{
	struct carp_arp a = {
		.op = CARP_ARP_REQUEST,
		.sender = addr,
		.target = addr,
	};

	memcpy(a.eth_dst, mac_broadcast, CARP_MAC_LEN);
	memcpy(a.eth_src, mac, CARP_MAC_LEN);
	memcpy(a.sender_mac, mac, CARP_MAC_LEN);
	return carp_arp_build(&a, out);
}

bool carp_arp_asks(const struct carp_arp *q, uint32_t addr)
{
	return q->op == CARP_ARP_REQUEST && q->target == addr &&
	       q->sender != addr && carp_mac_is_station(q->sender_mac);
}

bool carp_arp_claims(const struct carp_arp *a, uint32_t addr,
		     const uint8_t mac[CARP_MAC_LEN])
{
	return a->sender == addr &&
	       memcmp(a->sender_mac, mac, CARP_MAC_LEN) != 0;
}

size_t carp_arp_reply(const struct carp_arp *q, const uint8_t mac[CARP_MAC_LEN],
		      uint8_t out[CARP_ARP_FRAME_LEN])
{
	struct carp_arp a = {
		.op = CARP_ARP_REPLY,
		.sender = q->target,
		.target = q->sender,
	};

	assert(carp_arp_asks(q, q->target));
	memcpy(a.eth_dst, q->sender_mac, CARP_MAC_LEN);
	memcpy(a.eth_src, mac, CARP_MAC_LEN);
	memcpy(a.sender_mac, mac, CARP_MAC_LEN);
	memcpy(a.target_mac, q->sender_mac, CARP_MAC_LEN);
	return carp_arp_build(&a, out);
}
