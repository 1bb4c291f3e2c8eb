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
	const struct engine_rx *rx;

	if (!n->engine || !mono_due(n->frozen_until, s->now) ||
	    n->kernel.max != KERNEL_ENTRIES_MAX)
		return false;
	rx = &n->engine->peers[0].rx;
	return rx->state == RX_IDLE && !rx->asked &&
	       engine_tx_in_sync(n->engine, 0) &&
	       engine_rx_in_sync(n->engine, 0);
}

static bool in_sync(const struct sim *s)
{
	for (unsigned i = 0; i < SIM_NODES; i++)
		if (!is_in_sync(s, i))
			return false;
	return true;
}

/* What makes a bulk necessary, or is one, in one number that grows. */
static uint64_t reasons(const struct sim *s)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < SIM_NODES; i++) {
		const struct engine *e = s->node[i].engine;

		n += s->node[i].transitions;
		if (e)
			n += e->overruns + e->peers[0].resume.dropped;
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
	unsigned standby = 1 - (unsigned)sim_master(s);
	uint64_t before, bulks;
	struct engine *e;

	if (sim_master(s) < 0 || !in_sync(s) || s->link_cut)
		return;
	e = s->node[standby].engine;
	if (e->masters)
		return;
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
	watch_no_bulk(s, standby, before, bulks);
}

/* Nor after an upgrade, if the old process could hand its streams on. */
void sim_upgrade_watched(struct sim *s, unsigned i)
{
	bool whole = sim_master(s) >= 0 && in_sync(s) && !s->link_cut;
	unsigned standby = 1 - (unsigned)sim_master(s);
	const struct engine_peer *p;

	if (whole)
		whole = !s->node[standby].engine->masters;
	if (!sim_upgrade(s, i) || !whole || sim_error(s))
		return;
	p = &s->node[i].engine->peers[0];
	if (i == standby ? !p->resume.epoch : !session_parked(p->session))
		return;
	watch_no_bulk(s, standby, reasons(s), s->node[standby].engine->ids);
}
