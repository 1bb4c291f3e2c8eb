/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The engine's part of the comparison of nodes: what we say of ourselves, what
 * peers say, and what follows. engine.h includes it.
 */
#ifndef STATESYNC_ENGINE_DRIFT_H
#define STATESYNC_ENGINE_DRIFT_H

#include "drift.h"
#include "mono.h"

#define ENGINE_DRIFT_PEERS   8	/* as ENGINE_PEERS_MAX */
#define ENGINE_DRIFT_ALIASES 64 /* of one peer */

struct engine_drift_peer {
	bool known; /* list is what it said last, perhaps before a lost link */
	struct fact *list, *coming;
	size_t n, ncoming;
	bool say; /* ours are to be told */
	struct drift_alias aliases[ENGINE_DRIFT_ALIASES];
	size_t naliases;
	bool zones; /* it numbers zones otherwise */
	/* by kind, ignored ones not: differences, those that bite us, and what
	 * could not be compared */
	unsigned differs[DRIFT_KINDS], bites[DRIFT_KINDS], unknown[DRIFT_KINDS];
	uint64_t which; /* what differs, as a sum; 0: nothing */
};

struct engine_drift {
	enum drift_effect effects[DRIFT_KINDS];
	const char *const *ignore;
	size_t nignore;
	struct fact *ours;
	size_t n; /* 0: not gathered yet */
	struct engine_drift_peer peers[ENGINE_DRIFT_PEERS];
};

struct engine;

/* What follows of a difference, by kind; and those that are ignored, "KIND NAME"
 * each, perhaps with * at the end. The list stays. */
void engine_drift_effects(struct engine *e,
			  const enum drift_effect effects[DRIFT_KINDS],
			  const char *const *ignore, size_t nignore,
			  mono_t now);
/* What a peer calls otherwise; the texts of interfaces stay. */
void engine_drift_names(struct engine *e, unsigned peer,
			const struct drift_names *names, mono_t now);
/* All facts of this node, FACTS_MAX at most: list is taken over (free). */
void engine_drift_facts(struct engine *e, struct fact *list, size_t n,
			mono_t now);

/* Both sides have said what they are, and the link stands. */
bool engine_drift_known(const struct engine *e, unsigned peer);
/* Every difference to that peer, those of ignored kinds not. */
void engine_drift_each(const struct engine *e, unsigned peer, drift_each *each,
		       void *arg);
/* The names of the kinds that differ from that peer, "ruleset, files", ignored
 * ones not; bites: those only that keep this node from taking over from it
 * (effect block). "" if there is none. */
void engine_drift_words(const struct engine *e, unsigned peer, bool bites,
			char *text, size_t size);

#endif
