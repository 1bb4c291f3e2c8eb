/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The two ends of a connection as ctnetlink spells them: addresses, protocol,
 * ports or an ICMP identifier with type and code. Not the zone of a tuple.
 *
 * Text: nf_conntrack_netlink.c (ctnetlink_dump_tuples, ctnetlink_parse_tuple).
 *
 * Invariant: what is not named in the attributes stays as it was.
 */
#include "ct_tuple.h"

#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "ct_msg_extra.h"

bool ct_tuple_parse(const struct nl_attrs *parent, uint8_t *l4proto,
		    struct flow_tuple *t)
{
	uint16_t zone = 0;

	return ct_msg_tuple(parent, t, l4proto, &zone);
}

static void put_icmp(struct nl_msg *m, const struct flow_tuple *t, bool v6)
{
	nl_msg_be16(m, v6 ? CTA_PROTO_ICMPV6_ID : CTA_PROTO_ICMP_ID, t->sport);
	nl_msg_u8(m, v6 ? CTA_PROTO_ICMPV6_TYPE : CTA_PROTO_ICMP_TYPE,
		  (uint8_t)(t->dport >> 8));
	nl_msg_u8(m, v6 ? CTA_PROTO_ICMPV6_CODE : CTA_PROTO_ICMP_CODE,
		  (uint8_t)t->dport);
}

void ct_tuple_put_ends(struct nl_msg *m, uint8_t family, uint8_t l4proto,
		       const struct flow_tuple *t)
{
	bool v4 = family == AF_INET;
	size_t part, len = flow_addr_len(family);

	if (len == 0) {
		m->ok = false;
		return;
	}
	part = nl_msg_nest(m, CTA_TUPLE_IP);
	nl_msg_put(m, v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, t->src.b, len);
	nl_msg_put(m, v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, t->dst.b, len);
	nl_msg_nest_end(m, part);
	part = nl_msg_nest(m, CTA_TUPLE_PROTO);
	nl_msg_u8(m, CTA_PROTO_NUM, l4proto);
	if (flow_is_icmp(l4proto)) {
		put_icmp(m, t, l4proto == IPPROTO_ICMPV6);
	} else {
		nl_msg_be16(m, CTA_PROTO_SRC_PORT, t->sport);
		nl_msg_be16(m, CTA_PROTO_DST_PORT, t->dport);
	}
	nl_msg_nest_end(m, part);
}

void ct_tuple_put(struct nl_msg *m, uint16_t type, uint8_t family,
		  uint8_t l4proto, const struct flow_tuple *t)
{
	size_t tuple = nl_msg_nest(m, type);

	ct_tuple_put_ends(m, family, l4proto, t);
	nl_msg_nest_end(m, tuple);
}
