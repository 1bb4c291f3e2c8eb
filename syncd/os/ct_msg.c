/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ctnetlink messages of the kernel to struct flow. No socket, and no decision
 * whether a flow should be told. The other way is ct_put.
 *
 * Text: nf_conntrack_netlink.c of the kernel (ctnetlink_fill_info,
 * ctnetlink_conntrack_event).
 *
 * Invariant: no byte is read that its attribute's length does not cover, and
 * every byte of the flow is written.
 */
#include "ct_msg.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include "ct_helper.h"
#include "ct_msg_extra.h"
#include "flow.h"
#include "nl_attr.h"

static bool parse_ip(const struct nl_attrs *parent, struct flow_tuple *t)
{
	struct nl_attrs a = nl_attrs_nest(parent);
	bool ok = true;

	for (; nl_attrs_ok(&a); nl_attrs_next(&a)) {
		switch (nl_attrs_type(&a)) {
		case CTA_IP_V4_SRC:
			ok = ok && nl_attrs_get(&a, t->src.b, 4);
			break;
		case CTA_IP_V4_DST:
			ok = ok && nl_attrs_get(&a, t->dst.b, 4);
			break;
		case CTA_IP_V6_SRC:
			ok = ok && nl_attrs_get(&a, t->src.b, 16);
			break;
		case CTA_IP_V6_DST:
			ok = ok && nl_attrs_get(&a, t->dst.b, 16);
			break;
		default:
			break;
		}
	}
	return ok;
}

/* A protocol without ports (ESP, for instance) has its number only. */
static bool parse_proto(const struct nl_attrs *parent, struct flow_tuple *t,
			uint8_t *l4proto)
{
	struct nl_attrs a = nl_attrs_nest(parent);
	uint8_t type = 0, code = 0;
	bool ok = true;

	for (; nl_attrs_ok(&a); nl_attrs_next(&a)) {
		switch (nl_attrs_type(&a)) {
		case CTA_PROTO_NUM:
			ok = ok && nl_attrs_get(&a, l4proto, 1);
			break;
		case CTA_PROTO_SRC_PORT:
		case CTA_PROTO_ICMP_ID:
		case CTA_PROTO_ICMPV6_ID:
			ok = ok && nl_attrs_be16(&a, &t->sport);
			break;
		case CTA_PROTO_DST_PORT:
			ok = ok && nl_attrs_be16(&a, &t->dport);
			break;
		case CTA_PROTO_ICMP_TYPE:
		case CTA_PROTO_ICMPV6_TYPE:
			ok = ok && nl_attrs_get(&a, &type, 1);
			break;
		case CTA_PROTO_ICMP_CODE:
		case CTA_PROTO_ICMPV6_CODE:
			ok = ok && nl_attrs_get(&a, &code, 1);
			break;
		default:
			break;
		}
	}
	if (flow_is_icmp(*l4proto))
		t->dport = (uint16_t)(type << 8 | code);
	return ok;
}

bool ct_msg_tuple(const struct nl_attrs *parent, struct flow_tuple *t,
		  uint8_t *l4proto, uint16_t *zone)
{
	struct nl_attrs a = nl_attrs_nest(parent);
	bool ok = true;

	for (; nl_attrs_ok(&a); nl_attrs_next(&a)) {
		switch (nl_attrs_type(&a)) {
		case CTA_TUPLE_IP:
			ok = ok && parse_ip(&a, t);
			break;
		case CTA_TUPLE_PROTO:
			ok = ok && parse_proto(&a, t, l4proto);
			break;
		case CTA_TUPLE_ZONE:
			ok = ok && nl_attrs_be16(&a, zone);
			break;
		default:
			break;
		}
	}
	return ok;
}

/* A zone inside a tuple is one of that direction only. */
static bool parse_direction(const struct nl_attrs *a, struct flow *f,
			    struct flow_tuple *t, enum flow_zone_dir dir)
{
	uint16_t zone = 0;

	if (!ct_msg_tuple(a, t, &f->l4proto, &zone))
		return false;
	if (zone != 0) {
		f->zone = zone;
		f->zone_dir = (uint8_t)dir;
	}
	return true;
}

static bool get_tcp_flags(const struct nl_attrs *a, uint8_t *flags)
{
	struct nf_ct_tcp_flags v;

	if (!nl_attrs_get(a, &v, sizeof(v)))
		return false;
	*flags = v.flags;
	return true;
}

static bool parse_tcp(const struct nl_attrs *parent, struct flow *f)
{
	struct nl_attrs a = nl_attrs_nest(parent);
	bool ok = true;

	for (; nl_attrs_ok(&a); nl_attrs_next(&a)) {
		switch (nl_attrs_type(&a)) {
		case CTA_PROTOINFO_TCP_STATE:
			ok = ok && nl_attrs_get(&a, &f->tcp_state, 1);
			f->has |= FLOW_HAS_TCP;
			break;
		case CTA_PROTOINFO_TCP_WSCALE_ORIGINAL:
			ok = ok && nl_attrs_get(&a, &f->tcp_wscale[0], 1);
			break;
		case CTA_PROTOINFO_TCP_WSCALE_REPLY:
			ok = ok && nl_attrs_get(&a, &f->tcp_wscale[1], 1);
			break;
		case CTA_PROTOINFO_TCP_FLAGS_ORIGINAL:
			ok = ok && get_tcp_flags(&a, &f->tcp_flags[0]);
			break;
		case CTA_PROTOINFO_TCP_FLAGS_REPLY:
			ok = ok && get_tcp_flags(&a, &f->tcp_flags[1]);
			break;
		default:
			break;
		}
	}
	return ok;
}

static bool parse_protoinfo(const struct nl_attrs *parent, struct flow *f)
{
	struct nl_attrs a = nl_attrs_nest(parent);

	for (; nl_attrs_ok(&a); nl_attrs_next(&a)) {
		if (nl_attrs_type(&a) == CTA_PROTOINFO_TCP)
			return parse_tcp(&a, f);
		if (nl_attrs_type(&a) == CTA_PROTOINFO_SCTP)
			return ct_msg_sctp(&a, f);
	}
	return true;
}

static bool parse_attr(const struct nl_attrs *a, struct flow *f,
		       unsigned *tuples)
{
	switch (nl_attrs_type(a)) {
	case CTA_TUPLE_ORIG:
		++*tuples;
		return parse_direction(a, f, &f->orig, FLOW_ZONE_ORIG);
	case CTA_TUPLE_REPLY:
		++*tuples;
		return parse_direction(a, f, &f->reply, FLOW_ZONE_REPLY);
	case CTA_STATUS:
		return nl_attrs_be32(a, &f->status);
	case CTA_TIMEOUT:
		f->has |= FLOW_HAS_TIMEOUT;
		return nl_attrs_be32(a, &f->timeout_s);
	case CTA_MARK:
		return nl_attrs_be32(a, &f->mark);
	case CTA_ZONE:
		return nl_attrs_be16(a, &f->zone);
	case CTA_PROTOINFO:
		return parse_protoinfo(a, f);
	case CTA_HELP:
	case CTA_TUPLE_MASTER:
	case CTA_SEQ_ADJ_ORIG:
	case CTA_SEQ_ADJ_REPLY:
		return ct_helper_parse(a, f);
	default:
		return ct_msg_extra(a, f);
	}
}

int ct_msg_parse(const struct nlmsghdr *nlh, struct flow *f)
{
	struct nl_attrs a = nl_attrs_of(nlh, sizeof(struct nfgenmsg));
	struct nfgenmsg nfg;
	unsigned tuples = 0;

	memset(f, 0, sizeof(*f));
	if (nlh->nlmsg_len < NLMSG_HDRLEN + sizeof(nfg))
		return -EBADMSG;
	memcpy(&nfg, NLMSG_DATA(nlh), sizeof(nfg));
	f->family = nfg.nfgen_family;
	if (flow_addr_len(f->family) == 0)
		return CT_MSG_FOREIGN;
	for (; nl_attrs_ok(&a); nl_attrs_next(&a)) {
		if (!parse_attr(&a, f, &tuples))
			return -EBADMSG;
	}
	return tuples == 2 ? 0 : CT_MSG_FOREIGN;
}
