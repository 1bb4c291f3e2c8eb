/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A flow to try things on: 10.0.0.7:PORT -> 198.51.100.9:443. */
#ifndef STATESYNC_TEST_CORE_FLOW_H
#define STATESYNC_TEST_CORE_FLOW_H

#include <netinet/in.h> /* before linux/in.h */

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_sctp.h>
#include <linux/netfilter/nf_conntrack_tcp.h>

#include "flow.h"

static inline struct flow_addr v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	return (struct flow_addr){ .b = { a, b, c, d } };
}

static inline struct flow tcp_flow(uint16_t port)
{
	struct flow f = {
		.family = AF_INET,
		.l4proto = IPPROTO_TCP,
		.has = FLOW_HAS_TCP,
		.tcp_state = TCP_CONNTRACK_ESTABLISHED,
		.status = IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED,
	};

	f.orig.src = v4(10, 0, 0, 7);
	f.orig.dst = v4(198, 51, 100, 9);
	f.orig.sport = port;
	f.orig.dport = 443;
	flow_tuple_invert(&f, &f.orig, &f.reply);
	return f;
}

static inline struct flow sctp_flow(uint8_t state, uint32_t tag0, uint32_t tag1)
{
	struct flow f = tcp_flow(1);

	f.l4proto = IPPROTO_SCTP;
	f.has = FLOW_HAS_SCTP;
	f.tcp_state = 0;
	f.sctp_state = state;
	f.sctp_vtag[0] = tag0;
	f.sctp_vtag[1] = tag1;
	return f;
}

/* With an answer from elsewhere: source NAT to that address. */
static inline struct flow snat_flow(uint16_t port, struct flow_addr outer)
{
	struct flow f = tcp_flow(port);

	f.reply.dst = outer;
	return f;
}

#endif
