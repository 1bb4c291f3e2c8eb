// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A node is struck in the very step of what it does: in a hello, in each part
 * of a bulk, while a stream is on its way, in a handover, in each part of a
 * comparison and in the passes after a takeover. Not here: what is drawn
 * otherwise (misfortunes.c), and what is over in one turn here: a stream that is
 * resumed, and what waits for events. Invariant: what strikes is what may strike
 * at any other moment.
 */
#include "misfortunes.h"

#define LOOK_NS (100 * MONO_US)
/* For longer than a new master waits before it lowers timeouts, and the audit
 * before it looks again: 2 s. */
#define LOOKS 40000

/* state: of what the step is one of. */
struct step {
	const char *name;
	enum { HELLO, STREAM, BULK, HANDOVER, PASS, ROUND } of;
	int state;
};

static const struct step steps[] = {
	{ "a hello", HELLO, 0 },
	{ "the stream", STREAM, 0 },
	{ "marking copies", BULK, RX_MARK },
	{ "asking for a bulk", BULK, RX_ASKED },
	{ "a bulk", BULK, RX_RUNNING },
	{ "sweeping", BULK, RX_SWEEP },
	{ "the fence", HANDOVER, HANDOVER_FENCED },
	{ "a handover", HANDOVER, HANDOVER_SAID },
	{ "raising timeouts", PASS, DUMP_RAISE },
	{ "lowering timeouts", PASS, DUMP_LOWER },
	{ "summing", ROUND, AUDIT_SUMMING },
	{ "listing", ROUND, AUDIT_LISTING },
	{ "comparing", ROUND, AUDIT_COMPARING },
	{ "naming what is extra", ROUND, AUDIT_FINDING },
};
_Static_assert(sizeof(steps) / sizeof(steps[0]) == SIM_STEPS,
	       "each is counted");

const char *misfortunes_step(unsigned step)
{
	return steps[step].name;
}

static bool tells(const struct engine_peer *p)
{
	return p->tx.state == TX_STREAM &&
	       session_seq_acked(p->session) != session_seq_sent(p->session);
}

static bool any_peer_is_in(const struct engine *e, const struct step *step)
{
	for (unsigned i = 0; i < e->npeers; i++) {
		const struct engine_peer *p = &e->peers[i];

		if ((step->of == HELLO && p->up && !p->live) ||
		    (step->of == STREAM && tells(p)) ||
		    (step->of == BULK && (int)p->rx.state == step->state))
			return true;
	}
	return false;
}

static bool is_in(const struct engine *e, const struct step *step)
{
	switch (step->of) {
	case HANDOVER:
		return (int)e->handover.state == step->state;
	case PASS:
		return e->dump_running && (int)e->dump == step->state;
	case ROUND:
		return e->round && (int)e->round->phase == step->state;
	case HELLO:
	case STREAM:
	case BULK:
		break;
	}
	return any_peer_is_in(e, step);
}

/* The node that is in that step, or -1. */
static int who_is_in(const struct sim *s, const struct step *step)
{
	for (unsigned i = 0; i < s->nodes; i++)
		if (s->node[i].engine &&
		    mono_due(s->node[i].frozen_until, s->now) &&
		    is_in(s->node[i].engine, step))
			return (int)i;
	return -1;
}

/* Whatever leads to that step. */
static void lead_to(struct sim *s, const struct step *step, unsigned master)
{
	switch (step->of) {
	case HELLO:
		sim_reset_link(s);
		return;
	case BULK:
		sim_ask_bulk(s, sim_other(s, master));
		return;
	case HANDOVER:
	case PASS:
		(void)sim_handover(s, master, false);
		return;
	case ROUND:
		if (step->state != AUDIT_SUMMING) /* something to look at */
			misfortunes_tamper(s);
		sim_verify(s, master);
		return;
	case STREAM:
		return;
	}
}

static void strike(struct sim *s, unsigned i)
{
	unsigned other = sim_other(s, i);
	int64_t ns = (int64_t)sim_random(s, 3000) * MONO_MS;

	switch (sim_random(s, 8)) {
	case 0:
		sim_kill(s, i);
		return;
	case 1:
		sim_lose(s, i);
		return;
	case 2:
		sim_term(s, i);
		return;
	case 3:
		sim_freeze(s, i, ns);
		return;
	case 4:
		sim_cable(s, i, other, true);
		return;
	case 5:
		sim_reset_cable(s, i, other);
		return;
	case 6:
		s->lossy = true;
		s->node[i].kernel.max = s->node[i].kernel.n + 1;
		return;
	default:
		sim_carrier(s, i, 0, false);
		return;
	}
}

void misfortunes_strike(struct sim *s)
{
	unsigned which = (unsigned)sim_random(s, SIM_STEPS);
	const struct step *step = &steps[which];
	int master = sim_master(s), who = -1;

	if (master < 0 || !mono_due(s->node[master].frozen_until, s->now))
		return;
	lead_to(s, step, (unsigned)master);
	for (unsigned n = 0; n < LOOKS && !sim_error(s); n++) {
		who = who_is_in(s, step);
		if (who >= 0)
			break;
		sim_run(s, LOOK_NS);
	}
	if (who < 0)
		return;
	if (sim_chance(s, 50))
		sim_run(s, (int64_t)sim_random(s, 2000) * MONO_US);
	if (sim_chance(s, 50))
		who = (int)sim_other(s, (unsigned)who);
	if (!s->node[who].engine ||
	    !mono_due(s->node[who].frozen_until, s->now))
		return;
	s->struck[which]++;
	sim_say(s, "-- %s is struck in %s", s->node[who].name, step->name);
	strike(s, (unsigned)who);
}
