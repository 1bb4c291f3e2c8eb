/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Flows that a peer tells: into our kernel with them, and what it says to each
 * back to the peer. Whether all of a bulk is there is engine_rx.c's.
 *
 * Invariant: what is acknowledged has its result from the kernel.
 */
#include "engine_int.h"

#include <linux/netfilter/nf_conntrack_common.h>

void engine_rx_flows(struct engine *e, unsigned peer,
		     const struct session_event *ev)
{
	struct engine_peer *p = &e->peers[peer];
	struct flow_change here;

	e->ops_peer = (int)peer;
	e->ops_seq = ev->flows.seq;
	e->ops_bulk = ev->flows.bulk;
	for (size_t i = 0; i < ev->flows.n; i++) {
		const struct flow_change *c =
			engine_zone_here(p, &ev->flows.list[i], &here);

		p->answered += !ev->flows.bulk &&
			       (c->op == FLOW_NEW || c->op == FLOW_UPDATE) &&
			       c->flow.status & IPS_SEEN_REPLY;
		if (c->op == FLOW_NEW)
			ended_forget(&p->rx.ended, &c->flow);
		if (ev->flows.bulk && ended_has(&p->rx.ended, &c->flow))
			continue;
		engine_audit_touch(e, &c->flow);
		engine_answer_told(e, &c->flow);
		if (!engine_op_told(e, c, peer))
			engine_filter_refused(e, peer, c);
	}
	if (ev->flows.bulk && p->rx.state == RX_RUNNING)
		p->rx.entries += ev->flows.n;
	if (e->nops)
		return;
	e->ops_peer = -1;
	p->ack_seq = ev->flows.seq;
	p->say_ack = true;
}

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

static void count_result(struct engine *e, struct engine_peer *p,
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

void engine_injected(struct engine *e, const uint8_t *results, int64_t cost_ns,
		     mono_t now)
{
	struct engine_peer *p;

	if (e->ops_peer < 0) {
		engine_dump_rest(e, true, cost_ns, now);
	} else {
		p = &e->peers[e->ops_peer];
		for (size_t i = 0; i < e->nops; i++)
			count_result(e, p, (enum flow_result)results[i], now);
		p->ack_seq = e->ops_seq;
		p->say_ack = true;
	}
	e->injected += e->nops;
	e->touched = true;
	e->fresh = 0;
	if (e->ops_peer >= 0 && e->dump_running && e->dump == DUMP_SWEEP)
		e->fresh = e->nops;
	e->nops = 0;
	e->ops_peer = -1;
}
