/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * struct flow to ctnetlink messages. No socket, and no decision whether a
 * flow should be injected; only how it is spelled. The other way is ct_msg.
 *
 * Text: nf_conntrack_netlink.c (ctnetlink_create_conntrack,
 * ctnetlink_change_conntrack) and nf_nat_core.c of the kernel; what they do
 * with each attribute was tried and is in CTNETLINK.md.
 *
 * Invariant: a message that was built finds or makes one entry. None is built
 * without a tuple, for a delete without one empties the table.
 */
#include "ct_put.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include "ct_helper.h"
#include "ct_put_extra.h"
#include "ct_tuple.h"
#include "filter_rules.h"
#include "flow.h"
#include "nl_attr.h"

/* Flags of a TCP entry that mean something on another machine. */
#define TCP_FLAGS_COPIED                                          \
	(IP_CT_TCP_FLAG_WINDOW_SCALE | IP_CT_TCP_FLAG_SACK_PERM | \
	 IP_CT_TCP_FLAG_CLOSE_INIT)

/* Bits of the status that ctnetlink may set and that we tell. */
#define STATUS_COPIED (IPS_SEEN_REPLY | IPS_ASSURED)

static struct nl_msg msg_start(void *buf, size_t size, uint32_t seq,
			       uint8_t type, uint16_t flags, uint8_t family)
{
	return nl_msg_start(buf, size, NFNL_SUBSYS_CTNETLINK << 8 | type, flags,
			    seq, family, 0);
}

/*
 * A zone of one direction is named in that direction's tuple. Where only the
 * other tuple is named there is no zone to name: its key has none
 * (ctnetlink_parse_tuple_zone, nf_ct_zone_id).
 */
static void put_tuple_zone(struct nl_msg *m, uint16_t type,
			   const struct flow *f)
{
	if ((type == CTA_TUPLE_ORIG && f->zone_dir == FLOW_ZONE_ORIG) ||
	    (type == CTA_TUPLE_REPLY && f->zone_dir == FLOW_ZONE_REPLY))
		nl_msg_be16(m, CTA_TUPLE_ZONE, f->zone);
}

static void put_tuple(struct nl_msg *m, uint16_t type, const struct flow *f,
		      const struct flow_tuple *t)
{
	size_t tuple = nl_msg_nest(m, type);

	put_tuple_zone(m, type, f);
	ct_tuple_put_ends(m, f->family, f->l4proto, t);
	nl_msg_nest_end(m, tuple);
}

static void put_zone(struct nl_msg *m, const struct flow *f)
{
	if (f->zone != 0 && f->zone_dir == FLOW_ZONE_BOTH)
		nl_msg_be16(m, CTA_ZONE, f->zone);
}

static void put_tcp_flags(struct nl_msg *m, uint16_t type, uint8_t flags)
{
	struct nf_ct_tcp_flags v = { .mask = 0xff };

	/* Liberal, for the windows cannot be told (CTNETLINK.md 3). */
	v.flags = (flags & TCP_FLAGS_COPIED) | IP_CT_TCP_FLAG_BE_LIBERAL;
	nl_msg_put(m, type, &v, sizeof(v));
}

static void put_protoinfo(struct nl_msg *m, const struct flow *f)
{
	size_t info, tcp;

	if (!(f->has & FLOW_HAS_TCP))
		return;
	info = nl_msg_nest(m, CTA_PROTOINFO);
	tcp = nl_msg_nest(m, CTA_PROTOINFO_TCP);
	if (f->tcp_state != TCP_CONNTRACK_NONE)
		nl_msg_u8(m, CTA_PROTOINFO_TCP_STATE, f->tcp_state);
	nl_msg_u8(m, CTA_PROTOINFO_TCP_WSCALE_ORIGINAL, f->tcp_wscale[0]);
	nl_msg_u8(m, CTA_PROTOINFO_TCP_WSCALE_REPLY, f->tcp_wscale[1]);
	put_tcp_flags(m, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, f->tcp_flags[0]);
	put_tcp_flags(m, CTA_PROTOINFO_TCP_FLAGS_REPLY, f->tcp_flags[1]);
	nl_msg_nest_end(m, tcp);
	nl_msg_nest_end(m, info);
}

/*
 * The entry has not seen what passed on the other node: without this, packets
 * beyond the window of that time are INVALID (CTNETLINK.md 3). Flags
 * alone leave the state as it is (nlattr_to_tcp).
 */
static void put_liberal(struct nl_msg *m, const struct flow *f)
{
	size_t info, tcp;

	if (!(f->has & FLOW_HAS_TCP))
		return;
	info = nl_msg_nest(m, CTA_PROTOINFO);
	tcp = nl_msg_nest(m, CTA_PROTOINFO_TCP);
	put_tcp_flags(m, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, f->tcp_flags[0]);
	put_tcp_flags(m, CTA_PROTOINFO_TCP_FLAGS_REPLY, f->tcp_flags[1]);
	nl_msg_nest_end(m, tcp);
	nl_msg_nest_end(m, info);
}

/* State that both a new and an existing entry can be told. */
static void put_state(struct nl_msg *m, const struct flow *f,
		      uint32_t keep_status)
{
	nl_msg_be32(m, CTA_STATUS,
		    (f->status & STATUS_COPIED) | IPS_CONFIRMED | keep_status);
	if (f->has & FLOW_HAS_TIMEOUT)
		nl_msg_be32(m, CTA_TIMEOUT, f->timeout_s);
	nl_msg_be32(m, CTA_MARK, f->mark);
	put_protoinfo(m, f);
	ct_put_sctp(m, f);
	ct_put_extra(m, f);
}

/* Translation to exactly this address and port. */
static void put_nat(struct nl_msg *m, uint16_t type, const struct flow *f,
		    const struct flow_addr *addr, uint16_t port)
{
	size_t nat, proto;
	bool v4 = f->family == AF_INET;
	size_t len = flow_addr_len(f->family);

	nat = nl_msg_nest(m, type);
	nl_msg_put(m, v4 ? CTA_NAT_V4_MINIP : CTA_NAT_V6_MINIP, addr->b, len);
	nl_msg_put(m, v4 ? CTA_NAT_V4_MAXIP : CTA_NAT_V6_MAXIP, addr->b, len);
	proto = nl_msg_nest(m, CTA_NAT_PROTO);
	nl_msg_be16(m, CTA_PROTONAT_PORT_MIN, port);
	nl_msg_be16(m, CTA_PROTONAT_PORT_MAX, port);
	nl_msg_nest_end(m, proto);
	nl_msg_nest_end(m, nat);
}

/*
 * Both directions even where one is translated. Left to itself the kernel
 * makes a binding for the other (__nf_nat_alloc_null_binding), and where the
 * tuple is taken it picks another source port in silence; told exactly, it
 * says EEXIST. For the destination that saves it a lookup. No NAT bit comes of
 * a binding that changes nothing (nf_nat_setup_info). The destination is set
 * up first, when an ICMP identifier is still the original one.
 */
static void put_translation(struct nl_msg *m, const struct flow *f)
{
	bool icmp = flow_is_icmp(f->l4proto);

	if (!flow_has_snat(f) && !flow_has_dnat(f))
		return;
	put_nat(m, CTA_NAT_SRC, f, &f->reply.dst,
		icmp ? f->reply.sport : f->reply.dport);
	put_nat(m, CTA_NAT_DST, f, &f->reply.src,
		icmp ? f->orig.sport : f->reply.sport);
}

size_t ct_put_create(void *buf, size_t size, uint32_t seq, uint16_t flags,
		     const struct flow *f)
{
	struct flow_tuple inverse;
	struct nl_msg m;

	m = msg_start(buf, size, seq, IPCTNL_MSG_CT_NEW,
		      NLM_F_CREATE | NLM_F_EXCL | flags, f->family);
	flow_tuple_invert(f, &f->orig, &inverse);
	put_tuple(&m, CTA_TUPLE_ORIG, f, &f->orig);
	put_tuple(&m, CTA_TUPLE_REPLY, f, &inverse);
	put_zone(&m, f);
	put_state(&m, f, f->l4proto == IPPROTO_GRE ? IPS_FIXED_TIMEOUT : 0);
	put_translation(&m, f);
	ct_helper_put_new(&m, f);
	return nl_msg_end(&m);
}

size_t ct_put_update(void *buf, size_t size, uint32_t seq, uint16_t flags,
		     const struct flow *f, uint32_t keep_status)
{
	struct nl_msg m;

	m = msg_start(buf, size, seq, IPCTNL_MSG_CT_NEW, flags, f->family);
	put_tuple(&m, CTA_TUPLE_ORIG, f, &f->orig);
	put_zone(&m, f);
	put_state(&m, f, keep_status);
	ct_helper_put(&m, f);
	return nl_msg_end(&m);
}

size_t ct_put_timeout(void *buf, size_t size, uint32_t seq, uint16_t flags,
		      const struct flow *f)
{
	struct nl_msg m;

	m = msg_start(buf, size, seq, IPCTNL_MSG_CT_NEW, flags, f->family);
	put_tuple(&m, CTA_TUPLE_ORIG, f, &f->orig);
	put_zone(&m, f);
	nl_msg_be32(&m, CTA_TIMEOUT, f->timeout_s);
	put_liberal(&m, f);
	ct_helper_put_name(&m, f);
	return nl_msg_end(&m);
}

size_t ct_put_labels_only(void *buf, size_t size, uint32_t seq, uint16_t flags,
			  const struct flow *f)
{
	struct nl_msg m;

	m = msg_start(buf, size, seq, IPCTNL_MSG_CT_NEW, flags, f->family);
	put_tuple(&m, CTA_TUPLE_ORIG, f, &f->orig);
	put_zone(&m, f);
	ct_put_labels(&m, f);
	return nl_msg_end(&m);
}

/* Questions and deletes: a tuple and its zone, nothing else. */
static size_t put_lookup(struct nl_msg m, uint16_t type, const struct flow *f)
{
	const struct flow_tuple *t;

	t = type == CTA_TUPLE_REPLY ? &f->reply : &f->orig;
	put_tuple(&m, type, f, t);
	put_zone(&m, f);
	return nl_msg_end(&m);
}

size_t ct_put_delete_orig(void *buf, size_t size, uint32_t seq, uint16_t flags,
			  const struct flow *f)
{
	return put_lookup(msg_start(buf, size, seq, IPCTNL_MSG_CT_DELETE, flags,
				    f->family),
			  CTA_TUPLE_ORIG, f);
}

size_t ct_put_delete_reply(void *buf, size_t size, uint32_t seq, uint16_t flags,
			   const struct flow *f)
{
	return put_lookup(msg_start(buf, size, seq, IPCTNL_MSG_CT_DELETE, flags,
				    f->family),
			  CTA_TUPLE_REPLY, f);
}

size_t ct_put_get(void *buf, size_t size, uint32_t seq, uint16_t flags,
		  const struct flow *f)
{
	return put_lookup(
		msg_start(buf, size, seq, IPCTNL_MSG_CT_GET, flags, f->family),
		CTA_TUPLE_ORIG, f);
}

size_t ct_put_get_reply(void *buf, size_t size, uint32_t seq, uint16_t flags,
			const struct flow *f)
{
	return put_lookup(
		msg_start(buf, size, seq, IPCTNL_MSG_CT_GET, flags, f->family),
		CTA_TUPLE_REPLY, f);
}

size_t ct_put_dump(void *buf, size_t size, uint32_t seq, uint8_t family,
		   const struct filter_need *need)
{
	struct nl_msg m;

	m = msg_start(buf, size, seq, IPCTNL_MSG_CT_GET, NLM_F_DUMP, family);
	if (need && need->status) {
		nl_msg_be32(&m, CTA_STATUS, need->status);
		nl_msg_be32(&m, CTA_STATUS_MASK, need->status);
	}
	if (need && need->mark_mask) {
		nl_msg_be32(&m, CTA_MARK, need->mark);
		nl_msg_be32(&m, CTA_MARK_MASK, need->mark_mask);
	}
	return nl_msg_end(&m);
}
