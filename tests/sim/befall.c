// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What befalls nodes and their networks, one thing a call, and what operators
 * do to them. Not here: what is drawn by chance (misfortunes.c), and upgrades
 * (world.c). Invariant: an engine hears of it as the daemon would.
 */
#include "world.h"

#define RETRANSMIT_NS (200 * MONO_MS)
#define START_NS      (30 * MONO_MS)
/* No machine boots sooner; and until its adverts are out of date, what a lost
 * one sent last is told apart from them by nobody. */
#define BOOT_NS (1 * MONO_S)

void sim_start(struct sim *s, unsigned i)
{
	if (s->node[i].engine)
		return;
	s->node[i].starts_at = mono_add(s->now, START_NS);
	if (s->node[i].starts_at.ns < s->node[i].boots_at.ns)
		s->node[i].starts_at = s->node[i].boots_at;
}

void sim_kill(struct sim *s, unsigned i)
{
	sim_say(s, "-- %s is killed", s->node[i].name);
	world_end_daemon(s, i, true);
}

void sim_lose(struct sim *s, unsigned i)
{
	sim_say(s, "-- machine of %s is lost", s->node[i].name);
	world_end_daemon(s, i, false);
	kernel_reset(&s->node[i].kernel);
	sim_sets_reset(&s->node[i].sets);
	s->node[i].boots_at = mono_add(s->now, BOOT_NS);
	sim_own_flows(s, i);
}

void sim_term(struct sim *s, unsigned i)
{
	if (!s->node[i].engine)
		return;
	sim_say(s, "-- %s is told to stop", s->node[i].name);
	engine_stop(s->node[i].engine, sim_clock(s, i));
	world_actions(s, i);
	s->node[i].any = true;
}

void sim_freeze(struct sim *s, unsigned i, int64_t ns)
{
	if (s->node[i].suspended)
		return;
	sim_say(s, "-- %s sleeps for %lld ms", s->node[i].name,
		(long long)(ns / MONO_MS));
	s->node[i].frozen_until = mono_add(s->now, ns);
}

void sim_suspend(struct sim *s, unsigned i, int64_t ns)
{
	struct sim_node *n = &s->node[i];

	if (!n->engine || !mono_due(n->frozen_until, s->now))
		return;
	sim_say(s, "-- the machine of %s stands still for %lld ms", n->name,
		(long long)(ns / MONO_MS));
	n->suspended = true;
	n->frozen_until = mono_add(s->now, ns);
	n->behind_ns += ns;
	for (unsigned k = 0; k < SIM_VHOSTS_MAX; k++)
		if (n->lease_until[k].ns > s->now.ns)
			n->lease_until[k] = mono_add(n->lease_until[k], ns);
}

void sim_wake(struct sim *s, unsigned i)
{
	struct sim_node *n = &s->node[i];
	int64_t early = mono_diff(n->frozen_until, s->now);

	if (early <= 0)
		return;
	n->frozen_until = s->now;
	if (!n->suspended)
		return;
	n->behind_ns -= early;
	for (unsigned k = 0; k < SIM_VHOSTS_MAX; k++)
		n->lease_until[k].ns -= early;
}

void sim_carrier(struct sim *s, unsigned i, unsigned vhost, bool up)
{
	struct sim_node *n = &s->node[i];

	if (n->carrier[vhost] == up)
		return;
	sim_say(s, "-- %s: interface %u %s", n->name, vhost,
		up ? "up" : "down");
	n->carrier[vhost] = up;
	if (!n->engine)
		return;
	engine_link(n->engine, vhost, up, sim_clock(s, i));
	world_actions(s, i);
}

void sim_lan(struct sim *s, unsigned vhost, bool cut)
{
	sim_say(s, "-- LAN %u %s", vhost, cut ? "cut" : "whole");
	s->lan_cut[vhost] = cut;
}

static void retransmit(struct sim *s, unsigned i, unsigned from)
{
	struct sim_pipe *p = &s->node[i].inbox[from];
	mono_t at = mono_add(s->now, RETRANSMIT_NS);

	for (size_t k = 0; k < p->nsegments; k++)
		if (p->segments[k].at.ns < at.ns)
			p->segments[k].at = at;
}

void sim_link(struct sim *s, bool cut)
{
	if (s->link_cut == cut)
		return;
	sim_say(s, "-- link %s", cut ? "cut" : "whole");
	s->link_cut = cut;
	for (unsigned i = 0; i < s->nodes && !cut; i++)
		for (unsigned from = 0; from < s->nodes; from++)
			retransmit(s, i, from);
}

void sim_cable(struct sim *s, unsigned a, unsigned b, bool cut)
{
	if (s->cable_cut[a][b] == cut)
		return;
	sim_say(s, "-- cable of %s and %s %s", s->node[a].name, s->node[b].name,
		cut ? "cut" : "whole");
	s->cable_cut[a][b] = s->cable_cut[b][a] = cut;
	if (cut)
		return;
	retransmit(s, a, b);
	retransmit(s, b, a);
}

/* Of what is on its way a part arrives: a frame that is cut short. */
static void cut_short(struct sim *s, unsigned i, unsigned from)
{
	struct sim_node *n = &s->node[i];
	struct sim_pipe *p = &n->inbox[from];

	if (s->conf.cut_frames && n->attached[from] && p->nsegments &&
	    sim_chance(s, 50))
		engine_peer_data(n->engine, sim_peer(i, from), p->bytes,
				 sim_random(s, p->segments[0].len),
				 sim_clock(s, i));
}

static void reset_end(struct sim *s, unsigned i, unsigned from)
{
	if (!s->node[i].engine || i == from)
		return;
	cut_short(s, i, from);
	world_detach(s, i, from, "reset");
	world_actions(s, i);
}

void sim_reset_link(struct sim *s)
{
	sim_say(s, "-- link reset");
	for (unsigned i = 0; i < s->nodes; i++)
		for (unsigned from = 0; from < s->nodes; from++)
			reset_end(s, i, from);
}

void sim_reset_cable(struct sim *s, unsigned a, unsigned b)
{
	sim_say(s, "-- cable of %s and %s: reset", s->node[a].name,
		s->node[b].name);
	reset_end(s, a, b);
	reset_end(s, b, a);
}

int sim_handover(struct sim *s, unsigned i, bool force)
{
	return sim_handover_to(s, i, -1, force);
}

int sim_handover_to(struct sim *s, unsigned i, int to, bool force)
{
	int peer = to < 0 ? -1 : (int)sim_peer(i, (unsigned)to);
	char why[SESSION_REASON_MAX];
	int err;

	if (!s->node[i].engine)
		return -1;
	err = engine_handover(s->node[i].engine, peer, force, 0, "", why,
			      sim_clock(s, i));
	sim_say(s, "-- handover of %s: %s", s->node[i].name, err ? why : "ok");
	if (!err)
		s->node[i].handover_forced = force;
	world_actions(s, i);
	return err;
}

void sim_demote(struct sim *s, unsigned i, int32_t by)
{
	if (!s->node[i].engine)
		return;
	if (by < 0 && !demotion_total(&s->node[i].engine->demotion))
		return;
	(void)engine_demote(s->node[i].engine, DEMOTION_OPERATOR,
			    "the operator", by);
	world_actions(s, i);
}

void sim_verify(struct sim *s, unsigned i)
{
	struct engine *e = s->node[i].engine;
	char why[SESSION_REASON_MAX];

	if (!e)
		return;
	if (engine_verify(e, sim_peer(i, sim_other(s, i)), why,
			  sim_clock(s, i)))
		sim_say(s, "%s: no verify: %s", s->node[i].name, why);
	world_actions(s, i);
}

void sim_ask_bulk(struct sim *s, unsigned i)
{
	if (!s->node[i].engine)
		return;
	(void)engine_bulk(s->node[i].engine, sim_peer(i, sim_other(s, i)),
			  sim_clock(s, i));
	world_actions(s, i);
	s->node[i].any = true;
}
