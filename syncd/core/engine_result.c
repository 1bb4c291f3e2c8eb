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

/* A kernel that lacks something: so many, and one in so many of a bulk. What is
 * less is refused for good, and the audit says why. */
#define UNFIT_LEAST 16
#define UNFIT_PART  8

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

static bool is_unfit(enum flow_result r)
{
	return r == FLOW_INVALID || r == FLOW_OTHER;
}

static void opens(struct engine *e, struct engine_peer *p, const char *why,
		  const char *remedy, bool no_room, mono_t now)
{
	if (!p->rx.gap[0])
		engine_log(e, LEVEL_WARNING,
			   "%s: flows of %s are missing here. %s", why, p->name,
			   remedy);
	engine_rx_open(p, why, no_room, now);
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
	p->rx.unfit += e->ops_bulk && is_unfit(r);
	if (open)
		opens(e, p, open,
		      "sysctl -w net.netfilter.nf_conntrack_max (and "
		      "_buckets) to more than the peer has",
		      r == FLOW_TABLE_FULL || r == FLOW_CHAIN, now);
}

void engine_rx_unfit(struct engine *e, struct engine_peer *p, mono_t now)
{
	if (p->rx.unfit >= UNFIT_LEAST &&
	    UNFIT_PART * p->rx.unfit >= p->rx.entries)
		opens(e, p, "the kernel refuses flows",
		      "it lacks what the peer's has: the same nat chains, "
		      "helpers and modules (nf_nat) on both nodes",
		      false, now);
}
