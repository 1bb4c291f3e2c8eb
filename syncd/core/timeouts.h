/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How long an entry may live without a packet. Nominal is what the kernel
 * would give it for its state; a standby copy gets at least an hour, because
 * no packet refreshes it there (rules 7).
 */
#ifndef STATESYNC_TIMEOUTS_H
#define STATESYNC_TIMEOUTS_H

#include <stdint.h>

#include "flow.h"

/* At least so long lives a copy on a standby; there is no audit yet that
 * would refresh it. */
#define TIMEOUT_STANDBY_S 3600
/*
 * What a copy is cut to when a new bulk begins. Those that the bulk does not
 * set anew are gone at the owner and are removed at its end. Less than
 * TIMEOUT_STANDBY_S by more than any bulk lasts.
 */
#define TIMEOUT_SUSPECT_S 900

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
};

/* The kernel's defaults. */
void timeouts_default(struct flow_timeouts *t);

uint32_t timeouts_nominal(const struct flow_timeouts *t, const struct flow *f);
uint32_t timeouts_standby(const struct flow_timeouts *t, const struct flow *f);
/*
 * Of a copy on a node through which flows pass, too: more than what any packet
 * gives it, so that it is seen whether one has passed (merge.h).
 */
uint32_t timeouts_copy(const struct flow_timeouts *t, const struct flow *f);
/* Of what passed there itself, and may pass elsewhere from now on. */
uint32_t timeouts_raised(const struct flow_timeouts *t, const struct flow *f);

#endif
