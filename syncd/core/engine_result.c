/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What our kernel makes of flows that a peer told: counted by the reason, and a
 * gap where it may take them later. Not here: the injection (engine_rx.c).
 *
 * Implements rules 5. Invariant: what is missing here for now is a gap, and
 * said once.
 */
#include "engine_int.h"

#include <stdio.h>

/* The kernel did not take an entry, and may take it later (rules 5). */
static const char *open_reason(enum flow_result r)
{
	switch (r) {
	case FLOW_TABLE_FULL:
		return "the connection table is full";
	case FLOW_CHAIN:
		return "a hash chain of the connection table is too long";
	case FLOW_ACK_LOST:
		return "the kernel's answers were lost";
	case FLOW_INVALID:
	case FLOW_OTHER:
		return "the kernel refuses flows";
	case FLOW_APPLIED:
	case FLOW_GONE:
	case FLOW_CLASH:
	case FLOW_HELPER:
	case FLOW_LABELS:
	case FLOW_KEPT:
	case FLOW_OUSTED:
	case FLOW_RESULT_COUNT:
		break;
	}
	return NULL;
}

static const char *remedy(enum flow_result r)
{
	if (r == FLOW_INVALID || r == FLOW_OTHER)
		return "it lacks what the peer's has: the same nat chains, "
		       "helpers and modules (nf_nat) on both nodes";
	return "sysctl -w net.netfilter.nf_conntrack_max (and _buckets) to "
	       "more than the peer has";
}

void engine_rx_result(struct engine *e, struct engine_peer *p,
		      enum flow_result r, mono_t now)
{
	const char *open = open_reason(r);

	e->results[r]++;
	p->refused[r]++;
	if (r == FLOW_LABELS)
		p->rx.labels_at = now;
	if (e->ops_bulk && r != FLOW_APPLIED && r != FLOW_GONE &&
	    r != FLOW_HELPER && r != FLOW_LABELS && r < FLOW_KEPT)
		p->rx.missing++;
	if (!open)
		return;
	if (!p->rx.gap[0])
		engine_log(e, LEVEL_WARNING,
			   "%s: flows of %s are missing here. %s", open,
			   p->name, remedy(r));
	engine_rx_open(p, open, r == FLOW_TABLE_FULL || r == FLOW_CHAIN, now);
}
