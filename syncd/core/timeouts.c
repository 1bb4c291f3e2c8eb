/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Timeouts by protocol and state. It computes; who sets them, and when, is
 * the engine's. Values: nf_conntrack-sysctl.rst, tcp_timeouts, sctp_timeouts,
 * udp_timeouts and gre_timeouts of the kernel; the time of an entry in a
 * flowtable is the flowtable's and says nothing. Invariant: a standby timeout
 * is never below the nominal one.
 */
#include "timeouts.h"

#include <netinet/in.h> /* before linux/in.h */

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_sctp.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <string.h>

void timeouts_default(struct flow_timeouts *t)
{
	*t = (struct flow_timeouts){
		.tcp = {
			[TCP_CONNTRACK_SYN_SENT] = 120,
			[TCP_CONNTRACK_SYN_RECV] = 60,
			[TCP_CONNTRACK_ESTABLISHED] = 432000,
			[TCP_CONNTRACK_FIN_WAIT] = 120,
			[TCP_CONNTRACK_CLOSE_WAIT] = 60,
			[TCP_CONNTRACK_LAST_ACK] = 30,
			[TCP_CONNTRACK_TIME_WAIT] = 120,
			[TCP_CONNTRACK_CLOSE] = 10,
			[TCP_CONNTRACK_SYN_SENT2] = 120,
		},
		.sctp = {
			[SCTP_CONNTRACK_CLOSED] = 10,
			[SCTP_CONNTRACK_COOKIE_WAIT] = 3,
			[SCTP_CONNTRACK_COOKIE_ECHOED] = 3,
			[SCTP_CONNTRACK_ESTABLISHED] = 210,
			[SCTP_CONNTRACK_SHUTDOWN_SENT] = 3,
			[SCTP_CONNTRACK_SHUTDOWN_RECD] = 3,
			[SCTP_CONNTRACK_SHUTDOWN_ACK_SENT] = 3,
			[SCTP_CONNTRACK_HEARTBEAT_SENT] = 30,
		},
		.udp = 30,
		.udp_stream = 120,
		.gre = 30,
		.gre_stream = 180,
		.icmp = 30,
		.icmpv6 = 30,
		.generic = 600,
		.flowtable = 30,
	};
}

uint32_t timeouts_nominal(const struct flow_timeouts *t, const struct flow *f)
{
	switch (f->l4proto) {
	case IPPROTO_TCP:
		if (f->tcp_state < TIMEOUT_TCP_STATES)
			return t->tcp[f->tcp_state];
		return t->generic;
	case IPPROTO_SCTP:
		if (f->sctp_state < TIMEOUT_SCTP_STATES &&
		    t->sctp[f->sctp_state])
			return t->sctp[f->sctp_state];
		return t->generic;
	case IPPROTO_GRE:
		if (f->status & IPS_FIXED_TIMEOUT)
			return TIMEOUT_FIXED_S;
		return f->status & IPS_SEEN_REPLY ? t->gre_stream : t->gre;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		/* set by its helper with each packet; what it expects ends
		 * with it */
		if (f->has & FLOW_HAS_HELPER && !strcmp(f->helper, "sip"))
			return TIMEOUT_SIP_S;
		return f->status & IPS_ASSURED ? t->udp_stream : t->udp;
	case IPPROTO_ICMP:
		return t->icmp;
	case IPPROTO_ICMPV6:
		return t->icmpv6;
	default:
		return t->generic;
	}
}

bool timeouts_fixed(const struct flow *f)
{
	return f->status & IPS_FIXED_TIMEOUT && f->l4proto != IPPROTO_GRE;
}

/* One side may go on sending for long, and the audit does not look at it. */
static bool half_closed(const struct flow *f)
{
	return f->l4proto == IPPROTO_TCP &&
	       (f->tcp_state == TCP_CONNTRACK_FIN_WAIT ||
		f->tcp_state == TCP_CONNTRACK_CLOSE_WAIT ||
		f->tcp_state == TCP_CONNTRACK_LAST_ACK);
}

uint32_t timeouts_standby(const struct flow_timeouts *t, const struct flow *f,
			  uint32_t least_s)
{
	uint32_t nominal = timeouts_nominal(t, f);

	/* told by defer: an answer follows soon, or never */
	if (f->l4proto == IPPROTO_TCP && f->tcp_state == TCP_CONNTRACK_SYN_SENT)
		return nominal;
	if (least_s < TIMEOUT_STANDBY_S && half_closed(f))
		least_s = TIMEOUT_STANDBY_S;
	return nominal > least_s ? nominal : least_s;
}

uint32_t timeouts_copy(const struct flow_timeouts *t, const struct flow *f)
{
	return timeouts_nominal(t, f) + TIMEOUT_STANDBY_S;
}

uint32_t timeouts_raised(const struct flow_timeouts *t, const struct flow *f)
{
	return timeouts_copy(t, f) + TIMEOUT_STANDBY_S;
}
