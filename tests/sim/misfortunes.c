// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The misfortunes of a series: which befall a pair, when, and what is mended
 * between them. Not here: how each of them comes about (befall.c, cuts.c,
 * traffic.c). Invariant: all chance is the series' own.
 */
#include "misfortunes.h"

static uint64_t up_to(struct sim *s, uint64_t n)
{
	return sim_random(s, n + 1);
}

enum misfortune {
	NOTHING,
	KILL,
	LOSE,
	TERM,
	FREEZE,
	CARRIER,
	LAN,
	FAMILY,
	ONE_WAY,
	MUTE,
	LINK,
	RESET,
	HANDOVER,
	DEMOTE,
	BULK,
	OVERRUN,
	FLUSH,
	FULL,
	REFUSE,
	STORM,	 /* a bulk in the middle of much traffic */
	TAMPER,	 /* a standby's table is not what it was told */
	SWALLOW, /* an event that the kernel never tells */
	VERIFY,
	CUT,	/* of the link, and nothing else */
	STRIKE, /* in the middle of a step */
	SLEEP,	/* a long one: to a node the clock jumps */
	SUSPEND,
	UPGRADE,
	MISFORTUNES
};

static void storm(struct sim *s)
{
	unsigned usual = s->conf.ops_s;
	int master = sim_master(s);
	unsigned standby;

	if (master < 0)
		return;
	sim_say(s, "-- storm");
	s->conf.ops_s = 5000;
	standby = sim_other(s, (unsigned)master);
	if (sim_chance(s, 50))
		sim_reset_link(s);
	else if (mono_due(s->node[standby].frozen_until, s->now))
		sim_ask_bulk(s, standby);
	sim_run(s, (int64_t)up_to(s, 600) * MONO_MS);
	s->conf.ops_s = usual;
}

/* What happens while the buffer is full is lost. */
static void lose_events(struct sim *s, unsigned i)
{
	struct kernel *k = &s->node[i].kernel;
	size_t room = k->room;

	k->room = 0;
	for (unsigned n = 0; n < 30 && sim_master(s) == (int)i; n++)
		sim_traffic(s, i);
	k->room = room;
}

/* A node that misses events stays what it is: its peers are on hold. */
static void overrun(struct sim *s, unsigned i)
{
	uint64_t before;
	bool calm;

	if (sim_chance(s, 50)) {
		misfortunes_mend(s, 100);
		sim_run(s, 6 * MONO_S);
		i = sim_master(s) >= 0 ? (unsigned)sim_master(s) : i;
	}
	calm = sim_is_calm(s);
	before = sim_moves(s);
	lose_events(s, i);
	if (!calm)
		return;
	s->calm++;
	sim_run(s, 2 * MONO_S);
	if (sim_moves(s) != before)
		sim_fail(s, "lost events moved a virtual host");
}

void misfortunes_tamper(struct sim *s)
{
	int master = sim_master(s);
	struct sim_node *n;
	unsigned standby;

	if (master < 0 || !s->conf.audit_ns)
		return;
	standby = sim_other(s, (unsigned)master);
	n = &s->node[standby];
	if (!n->engine || n->engine->masters)
		return;
	sim_say(s, "-- somebody tampers with %s", n->name);
	for (uint64_t left = 1 + up_to(s, 5); left; left--)
		sim_tamper(s, standby);
}

void misfortunes_swallow(struct sim *s, unsigned i)
{
	if (!s->conf.audit_ns)
		return;
	sim_say(s, "-- %s misses an event", s->node[i].name);
	s->tampered = s->tampered_once = true;
	s->node[i].kernel.swallow = 1 + (unsigned)up_to(s, 10);
}

static void cut_or_mend(struct sim *s, unsigned i)
{
	unsigned other;

	if (s->nodes == 2 || sim_chance(s, 30)) {
		sim_link(s, !s->link_cut);
		return;
	}
	other = sim_other(s, i);
	sim_cable(s, i, other, !s->cable_cut[i][other]);
}

static void reset(struct sim *s, unsigned i)
{
	if (s->nodes > 2 && sim_chance(s, 70))
		sim_reset_cable(s, i, sim_other(s, i));
	else
		sim_reset_link(s);
}

/* With the device its flows may go. */
static void carrier(struct sim *s, unsigned i, unsigned k)
{
	sim_carrier(s, i, k, !s->node[i].carrier[k]);
	if (!s->node[i].carrier[k] && sim_chance(s, 50))
		sim_flush(s, i, 0);
}

/* Where both work a timeout tells who saw the last packet: not after a clock
 * stood still. */
static void stand_still(struct sim *s, unsigned i, bool machine)
{
	if (machine && !s->conf.independent)
		sim_suspend(s, i, (int64_t)up_to(s, 6000) * MONO_MS);
	else if (!machine && sim_chance(s, 25))
		sim_freeze(s, i, (int64_t)up_to(s, 40) * MONO_S);
}

static void befall(struct sim *s, enum misfortune what)
{
	unsigned i = (unsigned)sim_random(s, s->nodes);
	unsigned k = (unsigned)sim_random(s, s->conf.vhosts);
	bool sleeps = !mono_due(s->node[i].frozen_until, s->now);

	switch (what) {
	case KILL:
		sim_kill(s, i);
		return;
	case LOSE:
		sim_lose(s, i);
		return;
	case TERM:
		if (!sleeps)
			sim_term(s, i);
		return;
	case FREEZE:
		sim_freeze(s, i, (int64_t)up_to(s, 4000) * MONO_MS);
		return;
	case CARRIER:
		if (!sleeps)
			carrier(s, i, k);
		return;
	case LAN:
		sim_lan(s, k, !s->lan_cut[k]);
		return;
	case FAMILY:
		sim_say(s, "-- LAN %u: a family cut", k);
		s->family_cut[k][sim_random(s, CARP_FAMILIES)] = true;
		return;
	case ONE_WAY:
		sim_say(s, "-- LAN %u: %s is not heard", k, s->node[i].name);
		s->node[i].unheard[k] = true;
		return;
	case MUTE:
		sim_say(s, "-- LAN %u: %s is mute", k, s->node[i].name);
		s->node[i].mute[k] = true;
		return;
	case LINK:
		cut_or_mend(s, i);
		return;
	case RESET:
		reset(s, i);
		return;
	case HANDOVER:
		if (!sleeps)
			(void)sim_handover(s, i, sim_chance(s, 10));
		return;
	case DEMOTE:
		if (!sleeps)
			sim_demote(s, i, sim_chance(s, 20) ? 130 : 1);
		return;
	case BULK:
		if (!sleeps)
			sim_ask_bulk(s, i);
		return;
	case OVERRUN:
		overrun(s, i);
		return;
	case FLUSH:
		sim_flush(s, i, sim_chance(s, 50) ? 4711 : 0);
		return;
	case FULL:
		s->lossy = true;
		s->node[i].kernel.max = s->node[i].kernel.n + 1;
		return;
	case REFUSE:
		s->lossy = true;
		s->node[i].refuse = 1 + (unsigned)up_to(s, 20);
		return;
	case STORM:
		storm(s);
		return;
	case TAMPER:
		misfortunes_tamper(s);
		return;
	case SWALLOW:
		misfortunes_swallow(s, i);
		return;
	case VERIFY:
		if (!sleeps)
			sim_verify(s, i);
		return;
	case CUT:
		sim_cut(s);
		return;
	case STRIKE:
		misfortunes_strike(s);
		return;
	case SLEEP:
	case SUSPEND:
		stand_still(s, i, what == SUSPEND);
		return;
	case UPGRADE:
		if (!sleeps)
			sim_upgrade_watched(s, i);
		return;
	case NOTHING:
	case MISFORTUNES:
		return;
	}
}

static void mend_one(struct sim *s, unsigned k)
{
	for (unsigned i = 0; i < s->nodes; i++)
		s->node[i].mute[k] = s->node[i].unheard[k] = false;
	for (unsigned f = 0; f < CARP_FAMILIES; f++)
		s->family_cut[k][f] = false;
}

void misfortunes_mend(struct sim *s, unsigned percent)
{
	for (unsigned i = 0; i < s->nodes; i++) {
		struct sim_node *n = &s->node[i];

		if (!n->engine && sim_chance(s, percent))
			sim_start(s, i);
		if (sim_chance(s, percent)) {
			n->kernel.max = KERNEL_ENTRIES_MAX;
			n->refuse = 0;
		}
		if (!mono_due(n->frozen_until, s->now))
			continue;
		for (unsigned k = 0; k < s->conf.vhosts; k++)
			if (sim_chance(s, percent))
				sim_carrier(s, i, k, true);
		if (n->engine && sim_chance(s, percent))
			sim_demote(s, i, -DEMOTION_WIRE_MAX);
	}
	for (unsigned k = 0; k < s->conf.vhosts; k++) {
		if (s->lan_cut[k] && sim_chance(s, percent))
			sim_lan(s, k, false);
		if (sim_chance(s, percent))
			mend_one(s, k);
	}
	if (sim_chance(s, percent))
		sim_link(s, false);
	for (unsigned i = 1; i < s->nodes; i++)
		for (unsigned k = 0; k < i; k++)
			if (sim_chance(s, percent))
				sim_cable(s, i, k, false);
}

/* Nobody else is master of anything. */
static bool is_alone(const struct sim *s, unsigned master)
{
	for (unsigned i = 0; i < s->nodes; i++)
		if (i != master && s->node[i].engine->masters)
			return false;
	return true;
}

/* Whenever both say that they are in sync they must be equal; but for two
 * masters, who merge (rules 9). */
static void look(struct sim *s)
{
	int master;

	s->traffic = false;
	sim_until_idle(s, 300 * MONO_MS);
	master = sim_idle(s) ? sim_master(s) : -1;
	if (!s->tampered && master >= 0 && is_alone(s, (unsigned)master))
		sim_watch_tables(s, (unsigned)master);
	s->traffic = true;
}

void misfortunes_one(struct sim *s)
{
	befall(s, (enum misfortune)sim_random(s, MISFORTUNES));
}

void misfortunes_befall(struct sim *s)
{
	unsigned n = 3 + (unsigned)sim_random(s, 15);

	for (unsigned i = 0; i < n && !sim_error(s); i++) {
		misfortunes_one(s);
		sim_run(s, (int64_t)up_to(s, sim_chance(s, 30) ? 100 : 4000) *
				   MONO_MS);
		if (sim_chance(s, 50))
			look(s);
		misfortunes_mend(s, 40);
	}
}
