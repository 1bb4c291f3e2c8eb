/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a new master has of the state, in words. A hold says that a node had
 * no right to take over from a living master; where there is none any more it
 * says nothing about what is missing: the link goes with the master.
 *
 * Implements rules 1 (the link's end is a hold).
 *
 * Invariant: "whole" is said only where the copy was whole when a master was
 * heard last.
 */
#include "engine_int.h"

#include <stdio.h>
#include <string.h>

/* A master says a word each 500 ms; an advert may come later than the last. */
#define BETWEEN_NS (600 * MONO_MS)

/* Nobody was ever there, by link or by advert. */
static bool is_alone(const struct engine *e, unsigned i)
{
	for (size_t k = 0; k < e->npeers; k++)
		if (e->peers[k].live_since.ns)
			return false;
	return !e->vhosts[i].heard_at.ns;
}

/* A cut link is noticed later than it is cut: what the master told meanwhile is
 * missing, too. */
static mono_t whole_until(const struct engine *e, unsigned i)
{
	mono_t at = e->whole_at;

	for (size_t k = 0; k < e->npeers; k++) {
		const struct engine_peer *p = &e->peers[k];

		const struct session_vhost *v =
			engine_word_vhost(&p->word, e->vhosts[i].name);

		if (!p->live && v && v->state == CARP_MASTER)
			at = mono_min(at, p->word_at);
	}
	return at;
}

enum engine_took engine_took(const struct engine *e, unsigned i)
{
	if (!(e->gate.holds & ~(uint32_t)HOLD_DRIFT) ||
	    (e->whole &&
	     mono_diff(e->vhosts[i].heard_at, whole_until(e, i)) <= BETWEEN_NS))
		return TOOK_WHOLE;
	return is_alone(e, i) ? TOOK_ALONE : TOOK_LESS;
}

/* The peer whose bulk did not come to its end, or NULL. */
static const struct engine_peer *half_heard(const struct engine *e)
{
	for (size_t k = 0; k < e->npeers; k++) {
		const struct engine_rx *rx = &e->peers[k].rx;

		if ((rx->result == BULK_RUNNING || rx->result == BULK_FAILED) &&
		    rx->entries < rx->total &&
		    (!e->whole || mono_diff(rx->started, e->whole_at) >= 0))
			return &e->peers[k];
	}
	return NULL;
}

static void why_less(const struct engine *e, unsigned i, mono_t now, char *text,
		     size_t size)
{
	const struct engine_peer *p = half_heard(e);

	if (p)
		snprintf(text, size, "%llu of %llu connections of %s had come",
			 (unsigned long long)p->rx.entries,
			 (unsigned long long)p->rx.total, p->name);
	else if (e->whole)
		snprintf(text, size,
			 "this node was in sync last %lld s ago, and there was "
			 "a master since",
			 (long long)(mono_diff(now, whole_until(e, i)) /
				     MONO_S));
	else
		snprintf(text, size, "this node was in sync with nobody yet");
}

static const char *the_others(const struct engine *e)
{
	return e->npeers > 1 ? "the others" : e->peers[0].name;
}

void engine_took_log(struct engine *e, unsigned i, enum engine_took took,
		     mono_t now)
{
	const char *name = e->vhosts[i].name;
	int64_t ms = mono_diff(now, whole_until(e, i)) / MONO_MS;
	char why[128];

	switch (took) {
	case TOOK_WHOLE:
		engine_log(
			e, LEVEL_NOTICE,
			"carp \"%s\": taken over with the whole state (in "
			"sync until %lld.%lld s ago, no master heard since); "
			"nothing to do here, and on %s: systemctl status "
			"statesyncd",
			name, (long long)(ms / 1000),
			(long long)(ms % 1000 / 100), the_others(e));
		return;
	case TOOK_ALONE:
		engine_log(e, LEVEL_NOTICE,
			   "carp \"%s\": no other node was heard since the "
			   "start, so there is nothing to fetch; right if it "
			   "runs alone, else on %s: systemctl status "
			   "statesyncd",
			   name, the_others(e));
		return;
	case TOOK_LESS:
		why_less(e, i, now, why, sizeof(why));
		engine_log(e, LEVEL_WARNING,
			   "carp \"%s\": taken over without the whole state: "
			   "%s; what is missing breaks (statesync(7), "
			   "CONNECTIONS BREAK AT A FAILOVER)",
			   name, why);
		return;
	}
}
