// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Bytes of neighbour discovery: announcements, answers, what others say, and
 * router advertisements. Not here: packet sockets, leases, limits, timers.
 *
 * Implements RFC 4861 (4 the messages, 6.1.1 and 7.1 what is valid, 7.2.4 and
 * 7.2.6 what is answered and announced), RFC 2464; OpenBSD nd6_na_output.
 *
 * Invariant: whatever is built here is parsed to the same values.
 */
#include "nd.h"

#include "buf.h"

#include <assert.h>
#include <string.h>

#define ETHERTYPE_IPV6	 0x86dd
#define ICMPV6		 58
#define HOPLIMIT	 255
#define PSEUDO_LEN	 40 /* RFC 8200, 8.1 */
#define CHECKSUM_AT	 (CARP_ND_ICMP_OFFSET + 2)
#define IPV6_LENGTH_AT	 (CARP_ND_IPV6_OFFSET + 4)
#define OPT_SOURCE_MAC	 1
#define OPT_TARGET_MAC	 2
#define OPT_PREFIX	 3
#define OPT_MTU		 5
#define NA_ROUTER	 0x80
#define NA_SOLICITED	 0x40
#define NA_OVERRIDE	 0x20
#define RA_HOPLIMIT	 64
#define PREFIX_LEN	 64
#define PREFIX_ON_LINK	 0x80
#define PREFIX_AUTO	 0x40
#define PREFIX_VALID_S	 2592000 /* AdvValidLifetime, 6.2.1 */
#define PREFIX_PREFERS_S 604800	 /* AdvPreferredLifetime */

static const struct carp_addr6 any6;
static const struct carp_addr6 all_nodes = { { 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0,
					       0, 0, 0, 0, 0, 1 } };

static bool addr_same(const struct carp_addr6 *a, const struct carp_addr6 *b)
{
	return !memcmp(a->b, b->b, sizeof(a->b));
}

static bool addr_is_group(const struct carp_addr6 *a)
{
	return a->b[0] == 0xff;
}

static bool mac_same(const uint8_t a[CARP_MAC_LEN],
		     const uint8_t b[CARP_MAC_LEN])
{
	return !memcmp(a, b, CARP_MAC_LEN);
}

struct carp_addr6 carp_nd_group(const struct carp_addr6 *addr)
{
	struct carp_addr6 g = { { 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff,
				  addr->b[13], addr->b[14], addr->b[15] } };

	return g;
}

void carp_nd_group_mac(const struct carp_addr6 *group,
		       uint8_t mac[CARP_MAC_LEN])
{
	mac[0] = 0x33;
	mac[1] = 0x33;
	memcpy(mac + 2, group->b + 12, 4);
}

/* Over the pseudo header and the message. 0 where the message holds it. */
static uint16_t icmp_checksum(const struct carp_addr6 *src,
			      const struct carp_addr6 *dst, const uint8_t *msg,
			      size_t len)
{
	uint8_t pseudo[PSEUDO_LEN];
	struct writer w;
	uint32_t sum;

	writer_init(&w, pseudo, sizeof(pseudo));
	writer_bytes(&w, src->b, sizeof(src->b));
	writer_bytes(&w, dst->b, sizeof(dst->b));
	writer_u32(&w, (uint32_t)len);
	writer_u32(&w, ICMPV6);
	assert(writer_ok(&w) && w.used == PSEUDO_LEN);
	sum = (uint16_t)~carp_wire_checksum(pseudo, sizeof(pseudo));
	sum += (uint16_t)~carp_wire_checksum(msg, len);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* --- what others say ------------------------------------------------------ */

/* The options, of which one is looked at. */
static enum carp_nd_refusal parse_options(struct reader *r, struct carp_nd *a)
{
	uint8_t wanted =
		a->type == CARP_ND_NA ? OPT_TARGET_MAC : OPT_SOURCE_MAC;

	while (r->left) {
		uint8_t type = reader_u8(r);
		size_t len = 8 * (size_t)reader_u8(r);
		struct reader option;
		const uint8_t *body;

		if (!len)
			return CARP_ND_FORMAT;
		body = reader_skip(r, len - 2);
		if (!body)
			return CARP_ND_FORMAT;
		/* longer ones are not Ethernet's (RFC 2464, 6) */
		if (type != wanted || len != 8 || a->has_mac)
			continue;
		reader_init(&option, body, len - 2);
		reader_bytes(&option, a->mac, CARP_MAC_LEN);
		a->has_mac = true;
	}
	return CARP_ND_OK;
}

/* Which addresses go together: 6.1.1, 7.1.1, 7.1.2. */
static bool rules_kept(const struct carp_nd *a)
{
	struct carp_addr6 group = carp_nd_group(&a->target);
	bool unspecified = addr_same(&a->src, &any6);

	if (addr_is_group(&a->src))
		return false;
	switch (a->type) {
	case CARP_ND_RS:
		return !(unspecified && a->has_mac);
	case CARP_ND_NS:
		if (addr_is_group(&a->target))
			return false;
		return !unspecified ||
		       (!a->has_mac && addr_same(&a->dst, &group));
	case CARP_ND_NA:
		if (addr_is_group(&a->target) || unspecified)
			return false;
		return !(addr_is_group(&a->dst) && a->solicited);
	case CARP_ND_RA:
		return false;
	}
	return false;
}

/* The message of len bytes at msg; the addresses are in *a. */
static enum carp_nd_refusal parse_message(const uint8_t *msg, size_t len,
					  struct carp_nd *a)
{
	enum carp_nd_refusal why;
	struct reader r;
	uint8_t type, code;
	uint32_t flags;

	reader_init(&r, msg, len);
	type = reader_u8(&r);
	code = reader_u8(&r);
	reader_u16(&r); /* checksum */
	flags = reader_u32(&r) >> 24;
	if (!reader_ok(&r))
		return CARP_ND_SHORT;
	if (type != CARP_ND_RS && type != CARP_ND_NS && type != CARP_ND_NA)
		return CARP_ND_NOT_ND;
	a->type = (enum carp_nd_type)type;
	if (a->type != CARP_ND_RS)
		reader_bytes(&r, a->target.b, sizeof(a->target.b));
	if (!reader_ok(&r))
		return CARP_ND_SHORT;
	if (icmp_checksum(&a->src, &a->dst, msg, len) != 0)
		return CARP_ND_CHECKSUM;
	if (code != 0)
		return CARP_ND_FORMAT;
	if (a->type == CARP_ND_NA) {
		a->router = flags & NA_ROUTER;
		a->solicited = flags & NA_SOLICITED;
		a->override = flags & NA_OVERRIDE;
	}
	why = parse_options(&r, a);
	if (why != CARP_ND_OK)
		return why;
	return rules_kept(a) ? CARP_ND_OK : CARP_ND_RULES;
}

enum carp_nd_refusal carp_nd_parse(const void *frame, size_t len,
				   struct carp_nd *a)
{
	uint8_t next, hoplimit;
	const uint8_t *msg;
	uint16_t type;
	uint32_t version;
	size_t payload;
	struct reader r;

	*a = (struct carp_nd){ 0 };
	reader_init(&r, frame, len);
	reader_bytes(&r, a->eth_dst, CARP_MAC_LEN);
	reader_bytes(&r, a->eth_src, CARP_MAC_LEN);
	type = reader_u16(&r);
	version = reader_u32(&r) >> 28;
	payload = reader_u16(&r);
	next = reader_u8(&r);
	hoplimit = reader_u8(&r);
	reader_bytes(&r, a->src.b, sizeof(a->src.b));
	reader_bytes(&r, a->dst.b, sizeof(a->dst.b));
	if (!reader_ok(&r))
		return CARP_ND_SHORT;
	if (type != ETHERTYPE_IPV6 || version != 6 || next != ICMPV6)
		return CARP_ND_NOT_ND;
	if (hoplimit != HOPLIMIT)
		return CARP_ND_HOPLIMIT;
	msg = reader_skip(&r, payload);
	if (!msg)
		return CARP_ND_SHORT;
	return parse_message(msg, payload, a);
}

bool carp_nd_asks(const struct carp_nd *q, const struct carp_addr6 *addr)
{
	return q->type == CARP_ND_NS && addr_same(&q->target, addr) &&
	       !addr_same(&q->src, addr) &&
	       carp_mac_is_station(q->has_mac ? q->mac : q->eth_src);
}

bool carp_nd_claims(const struct carp_nd *a, const struct carp_addr6 *addr,
		    const uint8_t mac[CARP_MAC_LEN],
		    uint8_t other[CARP_MAC_LEN])
{
	const struct carp_addr6 *who =
		a->type == CARP_ND_NA ? &a->target : &a->src;

	memcpy(other, a->has_mac ? a->mac : a->eth_src, CARP_MAC_LEN);
	return addr_same(who, addr) && !mac_same(other, mac);
}

bool carp_nd_probes(const struct carp_nd *a, const struct carp_addr6 *addr,
		    const uint8_t mac[CARP_MAC_LEN])
{
	return a->type == CARP_ND_NS && addr_same(&a->target, addr) &&
	       addr_same(&a->src, &any6) && !mac_same(a->eth_src, mac);
}

/* --- what we say ---------------------------------------------------------- */

static void put_headers(struct writer *w, const uint8_t eth_dst[CARP_MAC_LEN],
			const uint8_t eth_src[CARP_MAC_LEN],
			const struct carp_addr6 *src,
			const struct carp_addr6 *dst)
{
	writer_bytes(w, eth_dst, CARP_MAC_LEN);
	writer_bytes(w, eth_src, CARP_MAC_LEN);
	writer_u16(w, ETHERTYPE_IPV6);
	writer_u32(w, 6U << 28);
	writer_u16(w, 0); /* length, when it is known */
	writer_u8(w, ICMPV6);
	writer_u8(w, HOPLIMIT);
	writer_bytes(w, src->b, sizeof(src->b));
	writer_bytes(w, dst->b, sizeof(dst->b));
}

static void put_mac(struct writer *w, uint8_t option,
		    const uint8_t mac[CARP_MAC_LEN])
{
	writer_u8(w, option);
	writer_u8(w, 1);
	writer_bytes(w, mac, CARP_MAC_LEN);
}

/* Length and checksum of the message that is complete in w. */
static size_t finish(struct writer *w, const struct carp_addr6 *src,
		     const struct carp_addr6 *dst)
{
	size_t len = w->used - CARP_ND_ICMP_OFFSET;

	assert(writer_ok(w));
	writer_patch_u16(w, IPV6_LENGTH_AT, (uint16_t)len);
	writer_patch_u16(
		w, CHECKSUM_AT,
		icmp_checksum(src, dst, w->p + CARP_ND_ICMP_OFFSET, len));
	assert(writer_ok(w));
	return w->used;
}

size_t carp_nd_build(const struct carp_nd *a, uint8_t out[CARP_ND_FRAME_MAX])
{
	bool na = a->type == CARP_ND_NA;
	struct writer w;

	assert(a->type != CARP_ND_RA);
	writer_init(&w, out, CARP_ND_FRAME_MAX);
	put_headers(&w, a->eth_dst, a->eth_src, &a->src, &a->dst);
	writer_u8(&w, (uint8_t)a->type);
	writer_u8(&w, 0);
	writer_u16(&w, 0); /* checksum */
	writer_u8(&w, (uint8_t)((na && a->router ? NA_ROUTER : 0) |
				(na && a->solicited ? NA_SOLICITED : 0) |
				(na && a->override ? NA_OVERRIDE : 0)));
	writer_bytes(&w, "\0\0", 3);
	if (a->type != CARP_ND_RS)
		writer_bytes(&w, a->target.b, sizeof(a->target.b));
	if (a->has_mac)
		put_mac(&w, na ? OPT_TARGET_MAC : OPT_SOURCE_MAC, a->mac);
	return finish(&w, &a->src, &a->dst);
}

/* "addr is at mac", to all nodes until the caller knows better. */
static struct carp_nd advertisement(const struct carp_addr6 *addr,
				    const uint8_t mac[CARP_MAC_LEN],
				    bool router)
{
	struct carp_nd a = {
		.src = *addr,
		.dst = all_nodes,
		.type = CARP_ND_NA,
		.target = *addr,
		.router = router,
		.override = true,
		.has_mac = true,
	};

	carp_nd_group_mac(&all_nodes, a.eth_dst);
	memcpy(a.eth_src, mac, CARP_MAC_LEN);
	memcpy(a.mac, mac, CARP_MAC_LEN);
	return a;
}

size_t carp_nd_answer(const struct carp_nd *q, const uint8_t mac[CARP_MAC_LEN],
		      bool router, uint8_t out[CARP_ND_FRAME_MAX])
{
	struct carp_nd a = advertisement(&q->target, mac, router);

	assert(carp_nd_asks(q, &q->target));
	if (!addr_same(&q->src, &any6)) {
		a.dst = q->src;
		a.solicited = true;
		memcpy(a.eth_dst, q->has_mac ? q->mac : q->eth_src,
		       CARP_MAC_LEN);
	}
	return carp_nd_build(&a, out);
}

size_t carp_nd_announce(const struct carp_addr6 *addr,
			const uint8_t mac[CARP_MAC_LEN], bool router,
			uint8_t out[CARP_ND_FRAME_MAX])
{
	struct carp_nd a = advertisement(addr, mac, router);

	return carp_nd_build(&a, out);
}

static void put_prefix(struct writer *w, const struct carp_addr6 *prefix)
{
	writer_u8(w, OPT_PREFIX);
	writer_u8(w, 4);
	writer_u8(w, PREFIX_LEN);
	writer_u8(w, PREFIX_ON_LINK | PREFIX_AUTO);
	writer_u32(w, PREFIX_VALID_S);
	writer_u32(w, PREFIX_PREFERS_S);
	writer_u32(w, 0);
	writer_bytes(w, prefix->b, PREFIX_LEN / 8);
	writer_bytes(w, any6.b, sizeof(any6.b) - PREFIX_LEN / 8);
}

size_t carp_nd_advertise(const struct carp_ra *ra,
			 uint8_t out[CARP_RA_FRAME_MAX])
{
	uint8_t dst[CARP_MAC_LEN];
	struct writer w;

	assert(ra->prefix_count <= CARP_RA_PREFIXES);
	carp_nd_group_mac(&all_nodes, dst);
	writer_init(&w, out, CARP_RA_FRAME_MAX);
	put_headers(&w, dst, ra->mac, &ra->src, &all_nodes);
	writer_u8(&w, CARP_ND_RA);
	writer_u8(&w, 0);
	writer_u16(&w, 0); /* checksum */
	writer_u8(&w, RA_HOPLIMIT);
	writer_u8(&w, 0); /* neither M nor O */
	writer_u16(&w, ra->lifetime_s);
	writer_u32(&w, 0); /* reachable time, retransmissions: theirs */
	writer_u32(&w, 0);
	put_mac(&w, OPT_SOURCE_MAC, ra->mac);
	if (ra->mtu) {
		writer_u8(&w, OPT_MTU);
		writer_u8(&w, 1);
		writer_u16(&w, 0);
		writer_u32(&w, ra->mtu);
	}
	for (size_t i = 0; i < ra->prefix_count; i++)
		put_prefix(&w, &ra->prefixes[i]);
	return finish(&w, &ra->src, &all_nodes);
}
