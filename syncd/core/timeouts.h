/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How long an entry may live without a packet. Nominal is what the kernel
 * would give it for its state; no packet refreshes a copy on a standby, but the
 * audit does, where there is one (rules 7).
 */
#ifndef STATESYNC_TIMEOUTS_H
#define STATESYNC_TIMEOUTS_H

#include <stdbool.h>
#include <stdint.h>

#include "flow.h"

/* At least so many periods of the audit lives a copy that it refreshes, */
#define TIMEOUT_PERIODS 3
/* and so long one that nobody does, or that a bulk brings. */
#define TIMEOUT_STANDBY_S 3600
/*
 * What a copy is set to when a new bulk begins. Those that the bulk does not
 * set anew are gone at the owner and are removed at its end. Less than
 * TIMEOUT_STANDBY_S by more than any bulk lasts, and enough to outlast one.
 */
#define TIMEOUT_SUSPECT_S 900

#define TIMEOUT_SIP_S 3600 /* over UDP: SIP_TIMEOUT of the kernel */

/*
 * Of an entry that packets do not refresh (IPS_FIXED_TIMEOUT), as all of GRE
 * that was injected is. When it ends the next packet makes another one, if the
 * rules let it.
 */
#define TIMEOUT_FIXED_S 86400

#define TIMEOUT_TCP_STATES  10 /* TCP_CONNTRACK_NONE .. SYN_SENT2 */
#define TIMEOUT_SCTP_STATES 9  /* SCTP_CONNTRACK_NONE .. HEARTBEAT_SENT */

/* Seconds, as net.netfilter.nf_conntrack_*_timeout* of this node. */
struct flow_timeouts {
	uint32_t tcp[TIMEOUT_TCP_STATES];
	uint32_t sctp[TIMEOUT_SCTP_STATES];
	uint32_t udp, udp_stream; /* of UDP-Lite, too */
	uint32_t gre, gre_stream;
	uint32_t icmp, icmpv6;
	uint32_t generic;
	uint32_t flowtable; /* the longer one of nf_flowtable_*_timeout */
};

/* The kernel's defaults. */
void timeouts_default(struct flow_timeouts *t);

uint32_t timeouts_nominal(const struct flow_timeouts *t, const struct flow *f);
/* By somebody, for the life of the entry; GRE's is of our own doing, and the
 * entry is replaced for another one (ct_op.c). */
bool timeouts_fixed(const struct flow *f);
/* Nominal or least_s, whichever is more; half closed, TIMEOUT_STANDBY_S. */
uint32_t timeouts_standby(const struct flow_timeouts *t, const struct flow *f,
			  uint32_t least_s);
/*
 * Of a copy on a node through which flows pass, too: more than what any packet
 * gives it, so that it is seen whether one has passed (merge.h). Never less
 * because of the audit, or the two could not be told apart; nor for SYN_SENT,
 * which a bulk brings, too, and marks (TIMEOUT_SUSPECT_S).
 */
uint32_t timeouts_copy(const struct flow_timeouts *t, const struct flow *f);
/* Of what passed there itself, and may pass elsewhere from now on. */
uint32_t timeouts_raised(const struct flow_timeouts *t, const struct flow *f);

#endif
