/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What can be asked of one tracked connection: is it translated, does it fit
 * together, who is it. Not a kernel's entry and not its bytes on any wire.
 *
 * Text: nf_conntrack_core.c (nf_ct_invert_tuple), nf_conntrack_proto_icmp.c
 * and _icmpv6.c (invmap), nf_nat_core.c (nf_nat_setup_info).
 *
 * Invariant: two machines that hold the same connection get the same bytes
 * from flow_identity, whatever their byte order and their timeouts.
 */
#include "flow.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_sctp.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "buf.h"

#define WSCALE_MAX 14 /* RFC 7323, 2.3 */

#define IDENTITY_SEEN_REPLY 0x01
#define IDENTITY_ASSURED    0x02

/* What follows where a flow has it. */
enum { IDENTITY_ZONE_DIR = 1, IDENTITY_HELPER, IDENTITY_MASTER };

size_t flow_addr_len(uint8_t family)
{
	switch (family) {
	case AF_INET:
		return 4;
	case AF_INET6:
		return 16;
	default:
		return 0;
	}
}

bool flow_addr_equal(const struct flow_addr *a, const struct flow_addr *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

bool flow_tuple_equal(const struct flow_tuple *a, const struct flow_tuple *b)
{
	return a->sport == b->sport && a->dport == b->dport &&
	       flow_addr_equal(&a->src, &b->src) &&
	       flow_addr_equal(&a->dst, &b->dst);
}

bool flow_is_icmp(uint8_t l4proto)
{
	return l4proto == IPPROTO_ICMP || l4proto == IPPROTO_ICMPV6;
}

/* Pairs of request and answer that conntrack knows (invmap). */
static uint8_t icmp_type_invert(uint8_t l4proto, uint8_t type)
{
	static const uint8_t pairs4[][2] = {
		{ 8, 0 },   /* echo */
		{ 13, 14 }, /* timestamp */
		{ 15, 16 }, /* information */
		{ 17, 18 }, /* address mask */
	};
	static const uint8_t pairs6[][2] = {
		{ 128, 129 }, /* echo */
		{ 139, 140 }, /* node information */
	};
	bool v6 = l4proto == IPPROTO_ICMPV6;
	const uint8_t(*pair)[2] = v6 ? pairs6 : pairs4;
	size_t n = v6 ? sizeof(pairs6) / 2 : sizeof(pairs4) / 2;

	for (size_t i = 0; i < n; i++) {
		if (pair[i][0] == type)
			return pair[i][1];
		if (pair[i][1] == type)
			return pair[i][0];
	}
	return type;
}

void flow_tuple_invert(const struct flow *f, const struct flow_tuple *t,
		       struct flow_tuple *inverse)
{
	struct flow_tuple out = { .src = t->dst, .dst = t->src };

	if (flow_is_icmp(f->l4proto)) {
		uint8_t type = (uint8_t)(t->dport >> 8);

		type = icmp_type_invert(f->l4proto, type);
		out.sport = t->sport;
		out.dport = (uint16_t)(type << 8 | (t->dport & 0xff));
	} else {
		out.sport = t->dport;
		out.dport = t->sport;
	}
	*inverse = out;
}

bool flow_has_snat(const struct flow *f)
{
	if (!flow_addr_equal(&f->reply.dst, &f->orig.src))
		return true;
	/* An ICMP identifier belongs to the source (nf_nat_core.c). */
	if (flow_is_icmp(f->l4proto))
		return f->reply.sport != f->orig.sport;
	return f->reply.dport != f->orig.sport;
}

bool flow_has_dnat(const struct flow *f)
{
	if (!flow_addr_equal(&f->reply.src, &f->orig.dst))
		return true;
	return !flow_is_icmp(f->l4proto) && f->reply.sport != f->orig.dport;
}

uint16_t flow_zone_id(const struct flow *f, enum flow_zone_dir dir)
{
	return f->zone_dir == FLOW_ZONE_BOTH || f->zone_dir == dir ? f->zone
								   : 0;
}

bool flow_same_key(const struct flow *a, const struct flow *b)
{
	return a->l4proto == b->l4proto && a->family == b->family &&
	       flow_zone_id(a, FLOW_ZONE_ORIG) ==
		       flow_zone_id(b, FLOW_ZONE_ORIG) &&
	       flow_tuple_equal(&a->orig, &b->orig);
}

static enum flow_class tcp_class(uint8_t state)
{
	switch (state) {
	case TCP_CONNTRACK_ESTABLISHED:
		return FLOW_ESTABLISHED;
	case TCP_CONNTRACK_FIN_WAIT:
	case TCP_CONNTRACK_CLOSE_WAIT:
	case TCP_CONNTRACK_LAST_ACK:
	case TCP_CONNTRACK_TIME_WAIT:
	case TCP_CONNTRACK_CLOSE:
		return FLOW_CLOSING;
	default:
		return FLOW_OPENING;
	}
}

enum flow_class flow_class(const struct flow *f)
{
	if (f->l4proto == IPPROTO_TCP)
		return tcp_class(f->tcp_state);
	return f->status & IPS_SEEN_REPLY ? FLOW_ESTABLISHED : FLOW_OPENING;
}

bool flow_addr_valid(const struct flow_addr *a, size_t len)
{
	static const struct flow_addr zero;

	return memcmp(a->b + len, zero.b, sizeof(a->b) - len) == 0;
}

static bool tuple_valid(const struct flow_tuple *t, size_t addr_len)
{
	return flow_addr_valid(&t->src, addr_len) &&
	       flow_addr_valid(&t->dst, addr_len);
}

static bool tcp_valid(const struct flow *f)
{
	if (f->l4proto != IPPROTO_TCP)
		return !(f->has & FLOW_HAS_TCP);
	return (f->has & FLOW_HAS_TCP) && f->tcp_state < TCP_CONNTRACK_MAX &&
	       f->tcp_wscale[0] <= WSCALE_MAX && f->tcp_wscale[1] <= WSCALE_MAX;
}

bool flow_name_valid(const char *name, size_t size)
{
	size_t len = strnlen(name, size);

	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~')
			return false;
	return len < size;
}

static bool helper_valid(const struct flow *f)
{
	return !(f->has & FLOW_HAS_HELPER) ||
	       (*f->helper && flow_name_valid(f->helper, FLOW_HELPER_MAX));
}

static bool extra_valid(const struct flow *f, size_t addr_len)
{
	if (f->zone_dir > (f->zone ? FLOW_ZONE_REPLY : FLOW_ZONE_BOTH))
		return false;
	if (f->has & FLOW_HAS_SCTP &&
	    (f->l4proto != IPPROTO_SCTP || f->sctp_state >= SCTP_CONNTRACK_MAX))
		return false;
	if (f->has & FLOW_HAS_MASTER && !tuple_valid(&f->master, addr_len))
		return false;
	return helper_valid(f);
}

bool flow_valid(const struct flow *f)
{
	size_t addr_len = flow_addr_len(f->family);

	if (addr_len == 0)
		return false;
	if (f->l4proto == IPPROTO_ICMP && f->family != AF_INET)
		return false;
	if (f->l4proto == IPPROTO_ICMPV6 && f->family != AF_INET6)
		return false;
	return tuple_valid(&f->orig, addr_len) &&
	       tuple_valid(&f->reply, addr_len) && tcp_valid(f) &&
	       extra_valid(f, addr_len);
}

static void identity_tuple(struct writer *w, const struct flow_tuple *t,
			   size_t addr_len)
{
	writer_bytes(w, t->src.b, addr_len);
	writer_bytes(w, t->dst.b, addr_len);
	writer_u16(w, t->sport);
	writer_u16(w, t->dport);
}

static void identity_extra(struct writer *w, const struct flow *f,
			   size_t addr_len)
{
	if (f->zone_dir) {
		writer_u8(w, IDENTITY_ZONE_DIR);
		writer_u8(w, f->zone_dir);
	}
	if (f->has & FLOW_HAS_HELPER) {
		writer_u8(w, IDENTITY_HELPER);
		writer_bytes(w, f->helper, FLOW_HELPER_MAX);
	}
	if (f->has & FLOW_HAS_MASTER) {
		writer_u8(w, IDENTITY_MASTER);
		writer_u8(w, f->master_l4proto);
		identity_tuple(w, &f->master, addr_len);
	}
}

size_t flow_identity(const struct flow *f, uint8_t out[FLOW_IDENTITY_MAX])
{
	size_t addr_len = flow_addr_len(f->family);
	uint8_t seen = 0;
	struct writer w;

	if (f->status & IPS_SEEN_REPLY)
		seen |= IDENTITY_SEEN_REPLY;
	if (f->status & IPS_ASSURED)
		seen |= IDENTITY_ASSURED;
	writer_init(&w, out, FLOW_IDENTITY_MAX);
	writer_u8(&w, f->family);
	writer_u8(&w, f->l4proto);
	writer_u16(&w, f->zone);
	identity_tuple(&w, &f->orig, addr_len);
	identity_tuple(&w, &f->reply, addr_len);
	writer_u32(&w, f->mark);
	writer_u8(&w, seen);
	writer_u8(&w, (uint8_t)flow_class(f));
	identity_extra(&w, f, addr_len);
	return w.used;
}

static const char *proto_name(uint8_t l4proto, char number[4])
{
	switch (l4proto) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_UDPLITE:
		return "udplite";
	case IPPROTO_ICMP:
		return "icmp";
	case IPPROTO_ICMPV6:
		return "icmpv6";
	case IPPROTO_SCTP:
		return "sctp";
	case IPPROTO_GRE:
		return "gre";
	case IPPROTO_ESP:
		return "esp";
	default:
		snprintf(number, 4, "%u", l4proto);
		return number;
	}
}

static const char *state_name(const struct flow *f)
{
	static const char *const tcp[TCP_CONNTRACK_MAX] = {
		"NONE",	    "SYN_SENT",	  "SYN_RECV", "ESTABLISHED",
		"FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT",
		"CLOSE",    "SYN_SENT2",
	};
	static const char *const sctp[SCTP_CONNTRACK_MAX] = {
		[SCTP_CONNTRACK_NONE] = "NONE",
		[SCTP_CONNTRACK_CLOSED] = "CLOSED",
		[SCTP_CONNTRACK_COOKIE_WAIT] = "COOKIE_WAIT",
		[SCTP_CONNTRACK_COOKIE_ECHOED] = "COOKIE_ECHOED",
		[SCTP_CONNTRACK_ESTABLISHED] = "ESTABLISHED",
		[SCTP_CONNTRACK_SHUTDOWN_SENT] = "SHUTDOWN_SENT",
		[SCTP_CONNTRACK_SHUTDOWN_RECD] = "SHUTDOWN_RECD",
		[SCTP_CONNTRACK_SHUTDOWN_ACK_SENT] = "SHUTDOWN_ACK_SENT",
		[SCTP_CONNTRACK_HEARTBEAT_SENT] = "HEARTBEAT_SENT",
	};

	if (f->has & FLOW_HAS_TCP && f->tcp_state < TCP_CONNTRACK_MAX)
		return tcp[f->tcp_state];
	if (f->has & FLOW_HAS_SCTP && f->sctp_state < SCTP_CONNTRACK_MAX &&
	    sctp[f->sctp_state])
		return sctp[f->sctp_state];
	if (f->has & (FLOW_HAS_TCP | FLOW_HAS_SCTP))
		return "?";
	if (f->status & IPS_ASSURED)
		return "ASSURED";
	return f->status & IPS_SEEN_REPLY ? "REPLIED" : "UNREPLIED";
}

/* An end of a flow: address, and the port where the protocol has one. */
#define END_LEN (INET6_ADDRSTRLEN + sizeof("[]:65535"))

static void format_end(const struct flow *f, const struct flow_addr *a,
		       uint16_t port, char text[END_LEN])
{
	char addr[INET6_ADDRSTRLEN] = "?";

	if (flow_addr_len(f->family) > 0)
		inet_ntop(f->family, a->b, addr, sizeof(addr));
	if (flow_is_icmp(f->l4proto) || port == 0)
		snprintf(text, END_LEN, "%s", addr);
	else if (f->family == AF_INET6)
		snprintf(text, END_LEN, "[%s]:%u", addr, port);
	else
		snprintf(text, END_LEN, "%s:%u", addr, port);
}

void flow_format(const struct flow *f, char *text, size_t size)
{
	static const char *const dirs[] = { "", " orig", " reply" };
	char src[END_LEN], dst[END_LEN], number[4], id[16] = "", zone[24] = "";

	format_end(f, &f->orig.src, f->orig.sport, src);
	format_end(f, &f->orig.dst, f->orig.dport, dst);
	if (flow_is_icmp(f->l4proto))
		snprintf(id, sizeof(id), " id %u", f->orig.sport);
	if (f->zone != 0)
		snprintf(zone, sizeof(zone), " zone %u%s", f->zone,
			 f->zone_dir <= FLOW_ZONE_REPLY ? dirs[f->zone_dir]
							: "");
	snprintf(text, size, "%s %s -> %s%s %s%s%s%s",
		 proto_name(f->l4proto, number), src, dst, id, state_name(f),
		 flow_has_snat(f) ? " snat" : "",
		 flow_has_dnat(f) ? " dnat" : "", zone);
}
