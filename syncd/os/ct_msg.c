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
#include <stdbool.h>
#include <string.h>

#include "ct_helper.h"
#include "ct_tuple.h"
#include "flow.h"
#include "nl_attr.h"

/*
 * A zone inside a tuple is a zone of one direction, which struct flow cannot
 * say: foreign.
 */
static int parse_tuple(const struct nl_attrs *parent, struct flow *f,
		       struct flow_tuple *t)
{
	struct nl_attrs a = nl_attrs_nest(parent);
	bool ok = true;

	for (; nl_attrs_ok(&a); nl_attrs_next(&a)) {
		switch (nl_attrs_type(&a)) {
		case CTA_TUPLE_IP:
			ok = ok && ct_tuple_parse_ip(&a, t);
			break;
		case CTA_TUPLE_PROTO:
			ok = ok && ct_tuple_parse_proto(&a, &f->l4proto, t);
			break;
		case CTA_TUPLE_ZONE:
			return CT_MSG_FOREIGN;
		default:
			break;
		}
	}
	return ok ? 0 : -EBADMSG;
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
	}
	return true;
}

static int parse_attr(const struct nl_attrs *a, struct flow *f,
		      unsigned *tuples)
{
	bool ok = true;

	switch (nl_attrs_type(a)) {
	case CTA_TUPLE_ORIG:
		++*tuples;
		return parse_tuple(a, f, &f->orig);
	case CTA_TUPLE_REPLY:
		++*tuples;
		return parse_tuple(a, f, &f->reply);
	case CTA_STATUS:
		ok = nl_attrs_be32(a, &f->status);
		break;
	case CTA_TIMEOUT:
		ok = nl_attrs_be32(a, &f->timeout_s);
		f->has |= FLOW_HAS_TIMEOUT;
		break;
	case CTA_MARK:
		ok = nl_attrs_be32(a, &f->mark);
		break;
	case CTA_ZONE:
		ok = nl_attrs_be16(a, &f->zone);
		break;
	case CTA_PROTOINFO:
		ok = parse_protoinfo(a, f);
		break;
	case CTA_HELP:
	case CTA_TUPLE_MASTER:
	case CTA_SEQ_ADJ_ORIG:
	case CTA_SEQ_ADJ_REPLY:
		ok = ct_helper_parse(a, f);
		break;
	default:
		break;
	}
	return ok ? 0 : -EBADMSG;
}

int ct_msg_parse(const struct nlmsghdr *nlh, struct flow *f)
{
	struct nl_attrs a = nl_attrs_of(nlh, sizeof(struct nfgenmsg));
	struct nfgenmsg nfg;
	unsigned tuples = 0;
	int ret;

	memset(f, 0, sizeof(*f));
	if (nlh->nlmsg_len < NLMSG_HDRLEN + sizeof(nfg))
		return -EBADMSG;
	memcpy(&nfg, NLMSG_DATA(nlh), sizeof(nfg));
	f->family = nfg.nfgen_family;
	if (flow_addr_len(f->family) == 0)
		return CT_MSG_FOREIGN;
	for (; nl_attrs_ok(&a); nl_attrs_next(&a)) {
		ret = parse_attr(&a, f, &tuples);
		if (ret != 0)
			return ret;
	}
	return tuples == 2 ? 0 : CT_MSG_FOREIGN;
}
