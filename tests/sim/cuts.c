// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The link is gone for a while, or a process is another one, and nothing else
 * happens: then no bulk is needed. It only does and looks. Invariant: what it
 * takes for a reason makes a bulk necessary.
 */
#include "sim.h"

/* And no bulk under way. */
static bool is_in_sync(const struct sim *s, unsigned i)
{
	const struct sim_node *n = &s->node[i];

	if (!n->engine || !mono_due(n->frozen_until, s->now) ||
	    n->kernel.max != KERNEL_ENTRIES_MAX || n->refuse)
		return false;
	for (unsigned k = 0; k < n->engine->npeers; k++) {
		const struct engine_rx *rx = &n->engine->peers[k].rx;

		if (rx->state != RX_IDLE || rx->asked ||
		    !engine_tx_in_sync(n->engine, k) ||
		    !engine_rx_in_sync(n->engine, k))
			return false;
	}
	return true;
}

/* And all cables are whole. */
static bool in_sync(const struct sim *s)
{
	for (unsigned i = 0; i < s->nodes * s->nodes; i++)
		if (s->cable_cut[i / s->nodes][i % s->nodes])
			return false;
	for (unsigned i = 0; i < s->nodes; i++)
		if (!is_in_sync(s, i))
			return false;
	return true;
}

/* What makes a bulk necessary, or is one, in one number that grows. */
static uint64_t reasons(const struct sim *s)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < s->nodes; i++) {
		const struct engine *e = s->node[i].engine;

		n += s->node[i].transitions;
		n += e ? e->overruns : 0;
		for (unsigned k = 0; e && k < e->npeers; k++)
			n += e->peers[k].resume.dropped;
	}
	return n;
}

/* In sync again, unless there was a reason without a bulk. */
static void watch_no_bulk(struct sim *s, unsigned standby, uint64_t before,
			  uint64_t bulks)
{
	const struct engine *e;

	for (unsigned n = 0; n < 10000 && !in_sync(s); n++)
		sim_run(s, MONO_MS);
	e = s->node[standby].engine;
	if (s->conf.no_resume || sim_error(s) || !e || reasons(s) != before)
		return;
	s->cuts++;
	s->resumed += e->ids == bulks;
	if (e->ids != bulks)
		sim_fail(s, "a bulk although the stream could go on");
	if (!in_sync(s))
		sim_fail(s, "not in sync 10 s after the link is back");
}

/* The link alone is gone for a while, shorter than what is kept: no bulk. */
void sim_cut(struct sim *s)
{
	unsigned usual = s->conf.ops_s;
	int master = sim_master(s);
	uint64_t before, bulks, moves;
	bool calm;
	unsigned standby;
	struct engine *e;

	if (master < 0 || !in_sync(s) || s->link_cut)
		return;
	standby = sim_other(s, (unsigned)master);
	e = s->node[standby].engine;
	if (e->masters)
		return;
	calm = sim_is_calm(s);
	s->calm += calm;
	moves = sim_moves(s);
	before = reasons(s);
	bulks = e->ids;
	if (sim_chance(s, 30))
		s->conf.ops_s = 3000;
	for (unsigned n = 1 + (unsigned)sim_random(s, 4); n > 0; n--) {
		if (sim_chance(s, 50))
			sim_reset_link(s);
		else
			sim_link(s, true);
		sim_run(s, (int64_t)sim_random(s, 5000) * MONO_MS);
		sim_link(s, false);
		sim_run(s, (int64_t)sim_random(s, 1000) * MONO_MS);
	}
	s->conf.ops_s = usual;
	if (calm && sim_moves(s) != moves)
		sim_fail(s, "a cut of the link moved a virtual host");
	watch_no_bulk(s, standby, before, bulks);
}

/* Nor after an upgrade, if the old process could hand its streams on. */
void sim_upgrade_watched(struct sim *s, unsigned i)
{
	int master = sim_master(s);
	bool whole = master >= 0 && in_sync(s) && !s->link_cut;
	unsigned standby = i;
	const struct engine_peer *p;

	if (whole) {
		if ((int)i == master)
			standby = sim_other(s, i);
		whole = !s->node[standby].engine->masters;
	}
	if (!sim_upgrade(s, i) || !whole || sim_error(s))
		return;
	p = &s->node[i].engine->peers[sim_peer(
		i, i == standby ? (unsigned)master : standby)];
	if (i == standby ? !p->resume.epoch : !session_parked(p->session))
		return;
	watch_no_bulk(s, standby, reasons(s), s->node[standby].engine->ids);
}
