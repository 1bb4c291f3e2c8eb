// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What must be true of each two nodes and of the link between them: a session
 * becomes live, a node gets what it lacks or says why not, what is kept for a
 * peer is bounded, and the link alone moves nothing. It only looks. Invariant: a
 * bound that is checked here is explained here.
 */
#include "sim.h"

/* A connection is tried each 300 ms, of three pairs of nodes one at a time; and
 * who was cut off without a word is noticed after 2 s. */
#define APART_NS (8 * MONO_S)
/* A bulk that is not answered is given up after 10 s, and one more may have to
 * follow; much more is only a storm that goes on. */
#define LACKS_NS (60 * MONO_S)
/* What waits for a peer: QUEUE_MAX_BYTES of the engine, and one more turn. */
#define HELD_BYTES (5 * 1024 * 1024)
/* engine_peer_full, and what the pipe holds. */
#define UNREAD_BYTES (256 * 1024 + SIM_PIPE_BYTES)

static bool awake(const struct sim *s, unsigned i)
{
	return s->node[i].engine && !s->node[i].stopped &&
	       mono_due(s->node[i].frozen_until, s->now);
}

static const struct engine_peer *peer_of(const struct sim *s, unsigned i,
					 unsigned other)
{
	return &s->node[i].engine->peers[sim_peer(i, other)];
}

static int64_t lasts_ns(mono_t *since, bool now_true, mono_t now)
{
	if (!now_true)
		*since = MONO_NEVER;
	else if (mono_is_never(*since))
		*since = now;
	return now_true ? mono_diff(now, *since) : 0;
}

/* And does not say that its kernel did not take it. */
static bool lacks(const struct sim *s, unsigned i, unsigned other)
{
	const struct engine *e = s->node[i].engine;

	return !engine_rx_in_sync(e, sim_peer(i, other)) &&
	       !peer_of(s, i, other)->rx.gap[0];
}

static void watch_two(struct sim *s, unsigned a, unsigned b)
{
	struct sim_two *t = &s->two[a][b];
	bool can = awake(s, a) && awake(s, b) && !s->link_cut &&
		   !s->cable_cut[a][b];
	bool live = can && peer_of(s, a, b)->live && peer_of(s, b, a)->live;
	bool lack = live && !s->conf.link_bytes_s &&
		    (lacks(s, a, b) || lacks(s, b, a));

	if (lasts_ns(&t->apart_since, can && !live, s->now) > APART_NS)
		sim_fail(s, "%s and %s have had no session for 8 s",
			 s->node[a].name, s->node[b].name);
	if (lasts_ns(&t->lacks_since, lack, s->now) > LACKS_NS)
		sim_fail(s,
			 "%s and %s have not been in sync for 60 s, and do "
			 "not say why",
			 s->node[a].name, s->node[b].name);
}

static void watch_memory(struct sim *s, unsigned i)
{
	const struct sim_node *n = &s->node[i];

	for (unsigned k = 0; n->engine && k < n->engine->npeers; k++) {
		const struct session *session = n->engine->peers[k].session;

		if (session_held(session) >
		    HELD_BYTES + n->engine->resume_bytes)
			sim_fail(s, "%s keeps %zu bytes for %s", n->name,
				 session_held(session),
				 n->engine->peers[k].name);
		if (session_unread(session) > UNREAD_BYTES)
			sim_fail(s, "%s has not read %zu bytes of %s", n->name,
				 session_unread(session),
				 n->engine->peers[k].name);
	}
}

void sim_watch_sessions(struct sim *s)
{
	for (unsigned i = 0; i < s->nodes; i++) {
		watch_memory(s, i);
		for (unsigned k = i + 1; k < s->nodes; k++)
			watch_two(s, i, k);
	}
}

/* --- what the link may not move ------------------------------------------- */

/* It is master, or has heard the last adverts of the master. */
static bool hears(const struct sim *s, unsigned i, unsigned k)
{
	const struct sim_node *n = &s->node[i];

	for (enum carp_family f = CARP_V4; f < CARP_FAMILIES; f++)
		if (sim_uses(s, f) && mono_diff(s->now, n->heard[k][f]) >
					      sim_interval_ns(s) * 3 / 2)
			return sim_master(s) == (int)i;
	return true;
}

static bool is_calm(const struct sim *s, unsigned i)
{
	const struct sim_node *n = &s->node[i];
	bool calm = n->engine && !n->engine->stopping &&
		    mono_due(n->frozen_until, s->now) &&
		    !demotion_total(&n->engine->demotion) &&
		    n->engine->handover.state == HANDOVER_IDLE;

	for (unsigned k = 0; calm && k < s->conf.vhosts; k++)
		calm = n->carrier[k] && !n->mute[k] && !n->unheard[k] &&
		       hears(s, i, k) &&
		       !n->engine->vhosts[k].carp.env.demotion &&
		       n->engine->vhosts[k].carp.state != CARP_INIT;
	return calm;
}

uint64_t sim_moves(const struct sim *s)
{
	uint64_t moves = 0;

	for (unsigned i = 0; i < s->nodes; i++)
		moves += s->node[i].transitions;
	return moves;
}

bool sim_is_calm(const struct sim *s)
{
	bool calm = !s->conf.preempt && !s->conf.lan_loss &&
		    !s->conf.lan_broken && !s->conf.active &&
		    sim_master(s) >= 0;

	for (unsigned i = 0; i < s->nodes; i++)
		calm &= is_calm(s, i);
	for (unsigned k = 0; k < s->conf.vhosts; k++) {
		calm &= !s->lan_cut[k];
		for (unsigned f = 0; f < CARP_FAMILIES; f++)
			calm &= !s->family_cut[k][f];
	}
	/* two that took it meanwhile settle that still */
	for (unsigned i = 0; calm && i < s->nodes; i++)
		calm = (int)i == sim_master(s) || !s->node[i].engine->masters;
	return calm;
}
