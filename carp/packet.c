// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * IP and Ethernet around an advert, between bytes and struct. Not here: the
 * 36 bytes themselves (carp/wire), sockets, who may send what.
 *
 * Implements the checks of carp_proto_input_if and carp6_proto_input_if and
 * the packets of carp_send_ad (OpenBSD ip_carp.c), RFC 791 for IPv4, RFC 8200
 * for IPv6.
 *
 * Invariant: a packet that was built is parsed to the same values.
 */
#include "packet.h"

#include "buf.h"
#include "nd.h"

#include <assert.h>
#include <string.h>

#define ETHERTYPE_IPV4	   0x0800
#define ETHERTYPE_IPV6	   0x86dd
#define IPV4_HEADER_LEN	   20
#define IPV4_TOS_LOWDELAY  0x10
#define IPV4_DONT_FRAGMENT 0x4000
#define IPV4_FRAGMENT_MASK 0x3fff /* more fragments, and the offset */
#define IPV4_CHECKSUM_AT   10

enum carp_refusal carp_packet_parse_v4(const void *packet, size_t len,
				       uint8_t least_ttl, struct carp_packet *p)
{
	struct reader r;
	uint8_t version_ihl, protocol;
	uint16_t total, fragment;
	size_t header;

	*p = (struct carp_packet){ 0 };
	reader_init(&r, packet, len);
	version_ihl = reader_u8(&r);
	reader_u8(&r); /* TOS */
	total = reader_u16(&r);
	reader_u16(&r); /* identification */
	fragment = reader_u16(&r);
	p->ttl = reader_u8(&r);
	protocol = reader_u8(&r);
	reader_u16(&r); /* checksum */
	p->src.v4 = reader_u32(&r);
	p->dst.v4 = reader_u32(&r);
	if (!reader_ok(&r)) {
		*p = (struct carp_packet){ 0 };
		return CARP_REFUSED_SHORT;
	}
	if (version_ihl >> 4 != 4 || protocol != CARP_IP_PROTOCOL)
		return CARP_REFUSED_VERSION;
	if (p->ttl < least_ttl)
		return CARP_REFUSED_TTL;
	header = 4 * (size_t)(version_ihl & 0xf);
	if (header < IPV4_HEADER_LEN || total > len || total < header)
		return CARP_REFUSED_SHORT;
	if (total < header + CARP_ADVERT_LEN) {
		p->len = total - header;
		p->payload = (const uint8_t *)packet + header;
		return CARP_REFUSED_SHORT;
	}
	if (fragment & IPV4_FRAGMENT_MASK)
		return CARP_REFUSED_VERSION;
	if (carp_wire_checksum(packet, header) != 0)
		return CARP_REFUSED_CHECKSUM;
	reader_skip(&r, header - IPV4_HEADER_LEN); /* options */
	p->len = total - header;
	p->payload = reader_skip(&r, p->len);
	return CARP_OK;
}

enum carp_refusal carp_packet_parse_v6(const void *packet, size_t len,
				       uint8_t least_ttl, struct carp_packet *p)
{
	struct reader r;
	uint8_t version, next;
	uint16_t payload;

	*p = (struct carp_packet){ 0 };
	reader_init(&r, packet, len);
	version = (uint8_t)(reader_u32(&r) >> 28);
	payload = reader_u16(&r);
	next = reader_u8(&r);
	p->ttl = reader_u8(&r);
	p->src.family = CARP_V6;
	reader_bytes(&r, p->src.v6.b, sizeof(p->src.v6.b));
	p->dst.family = CARP_V6;
	reader_bytes(&r, p->dst.v6.b, sizeof(p->dst.v6.b));
	if (!reader_ok(&r)) {
		*p = (struct carp_packet){ 0 };
		return CARP_REFUSED_SHORT;
	}
	if (version != 6 || next != CARP_IP_PROTOCOL)
		return CARP_REFUSED_VERSION;
	if (payload > r.left)
		return p->ttl < least_ttl ? CARP_REFUSED_TTL
					  : CARP_REFUSED_SHORT;
	return carp_packet_payload_v6(reader_skip(&r, payload), payload,
				      least_ttl, p);
}

enum carp_refusal carp_packet_payload_v6(const void *payload, size_t len,
					 uint8_t least_ttl,
					 struct carp_packet *p)
{
	if (p->ttl < least_ttl)
		return CARP_REFUSED_TTL;
	if (len < CARP_ADVERT_LEN)
		return CARP_REFUSED_SHORT;
	p->payload = payload;
	p->len = len;
	return CARP_OK;
}

static void put_header_v4(struct writer *w, const struct carp_frame *f)
{
	uint8_t *header = w->p + w->used;
	size_t at = w->used;

	writer_u8(w, 4 << 4 | IPV4_HEADER_LEN / 4);
	writer_u8(w, IPV4_TOS_LOWDELAY);
	writer_u16(w, CARP_IPV4_LEN);
	writer_u16(w, f->id);
	writer_u16(w, IPV4_DONT_FRAGMENT);
	writer_u8(w, CARP_TTL);
	writer_u8(w, CARP_IP_PROTOCOL);
	writer_u16(w, 0);
	writer_u32(w, f->src.v4);
	writer_u32(w, f->dst.v4);
	if (writer_ok(w))
		writer_patch_u16(w, at + IPV4_CHECKSUM_AT,
				 carp_wire_checksum(header, IPV4_HEADER_LEN));
}

static void put_header_v6(struct writer *w, const struct carp_frame *f)
{
	writer_u32(w, 6U << 28);
	writer_u16(w, CARP_ADVERT_LEN);
	writer_u8(w, CARP_IP_PROTOCOL);
	writer_u8(w, CARP_TTL);
	writer_bytes(w, f->src.v6.b, sizeof(f->src.v6.b));
	writer_bytes(w, f->dst.v6.b, sizeof(f->dst.v6.b));
}

static void put_packet(struct writer *w, const struct carp_frame *f,
		       const uint8_t advert[CARP_ADVERT_LEN])
{
	assert(f->src.family == f->dst.family);
	if (f->dst.family == CARP_V6)
		put_header_v6(w, f);
	else
		put_header_v4(w, f);
	writer_bytes(w, advert, CARP_ADVERT_LEN);
	assert(writer_ok(w));
}

size_t carp_packet_build(const struct carp_frame *f,
			 const uint8_t advert[CARP_ADVERT_LEN], void *out,
			 size_t size)
{
	struct writer w;

	writer_init(&w, out, size);
	put_packet(&w, f, advert);
	return w.used;
}

size_t carp_frame_build(const struct carp_frame *f,
			const uint8_t advert[CARP_ADVERT_LEN], void *out,
			size_t size)
{
	struct writer w;

	writer_init(&w, out, size);
	writer_bytes(&w, f->dst_mac, CARP_MAC_LEN);
	writer_bytes(&w, f->src_mac, CARP_MAC_LEN);
	writer_u16(&w,
		   f->dst.family == CARP_V6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4);
	put_packet(&w, f, advert);
	return w.used;
}

struct carp_address carp_group(enum carp_family family)
{
	if (family == CARP_V6)
		return (struct carp_address){
			.family = CARP_V6,
			.v6 = { { 0xff, 0x02, [15] = 0x12 } },
		};
	return (struct carp_address){ .v4 = CARP_GROUP_V4 };
}

void carp_group_mac(const struct carp_address *group, uint8_t mac[CARP_MAC_LEN])
{
	struct writer w;

	if (group->family == CARP_V6) {
		carp_nd_group_mac(&group->v6, mac);
		return;
	}
	writer_init(&w, mac, CARP_MAC_LEN);
	writer_u16(&w, 0x0100);
	writer_u32(&w, 0x5e000000 | (group->v4 & 0x7fffff));
	assert(writer_ok(&w));
}

bool carp_address_equal(const struct carp_address *a,
			const struct carp_address *b)
{
	if (a->family != b->family)
		return false;
	return a->family == CARP_V6 ? !memcmp(a->v6.b, b->v6.b, sizeof(a->v6.b))
				    : a->v4 == b->v4;
}

bool carp_address_is_link_local(const struct carp_address *a)
{
	return a->family == CARP_V6 && carp_addr6_is_link_local(&a->v6);
}
