/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `defer`: the entry of a new flow is told to the peers before its first packet
 * leaves, so that an answer which comes back through another node finds it
 * there. Which packets wait is defer.c's.
 *
 * Invariant: while engine_defers() is false no packet waits.
 */
#include "engine_int.h"

_Static_assert(DEFER_PEERS == ENGINE_PEERS_MAX, "each peer has its number");

static bool in_sync(const struct engine *e, unsigned peer)
{
	return e->peers[peer].tx.state == TX_STREAM &&
	       engine_tx_in_sync(e, peer);
}

bool engine_defers(const struct engine *e)
{
	if (!e->defers || !e->masters || e->stopping || e->handover_drained)
		return false;
	for (unsigned i = 0; i < e->npeers; i++)
		if (in_sync(e, i))
			return true;
	return false;
}

static void pass(struct engine *e, uint32_t id)
{
	engine_push(e, ENGINE_PASS, 0)->packet = id;
}

/* At once, not when the batch is full: a packet waits for it. */
static void tell_first(struct engine *e, struct defer_packet *p,
		       const struct flow *f, mono_t now)
{
	const struct flow_change c = { .op = FLOW_NEW, .flow = *f };

	for (unsigned i = 0; i < e->npeers; i++) {
		struct session *s = e->peers[i].session;

		if (!in_sync(e, i))
			continue;
		if (session_tell(s, &c, now) || session_flush(s, now)) {
			engine_sync_gap(e, i, "memory is short", now);
			continue;
		}
		p->told |= 1u << i;
		p->seq[i] = session_seq_sent(s);
	}
}

/* Waits with one of the same flow, or is told. */
static enum defer_end hold(struct engine *e, uint32_t id, const struct flow *f,
			   mono_t now)
{
	const struct defer_packet *before = defer_find(&e->defer, f);
	struct defer_packet old, *p;

	if (before)
		old = *before;
	p = defer_hold(&e->defer, id, f, now);
	if (!p)
		return DEFER_FULL;
	if (before && old.waits) {
		p->told = old.told;
		for (unsigned i = 0; i < DEFER_PEERS; i++)
			p->seq[i] = old.seq[i];
	} else {
		tell_first(e, p, f, now);
	}
	return DEFER_ENDS;
}

void engine_packet(struct engine *e, uint32_t id, const struct flow *f,
		   mono_t now)
{
	enum defer_end end;

	if (!f)
		end = DEFER_BLIND;
	else if (!engine_defers(e))
		end = DEFER_ALONE;
	else if (filter_first(&e->filter, f) != FILTER_PASS)
		end = DEFER_FILTER;
	else
		end = hold(e, id, f, now);
	if (end == DEFER_ENDS)
		return;
	e->defer.ends[end]++;
	pass(e, id);
}

void engine_defer_settle(struct engine *e, mono_t now)
{
	uint64_t acked[DEFER_PEERS];
	uint32_t id;

	if (!e->defer.waiting)
		return;
	for (unsigned i = 0; i < DEFER_PEERS; i++)
		acked[i] = i < e->npeers && engine_defers(e) && in_sync(e, i)
				   ? session_seq_acked(e->peers[i].session)
				   : UINT64_MAX;
	while (defer_release(&e->defer, acked, now, &id))
		pass(e, id);
}

uint32_t engine_defer_told(const struct engine *e, const struct flow *f)
{
	const struct defer_packet *p =
		e->defers ? defer_find(&e->defer, f) : NULL;

	return p ? p->told : 0;
}
