/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * "Did you mean": the one of several words that a mistyped one is nearest
 * to. Pure.
 */
#ifndef STATESYNC_NEAR_H
#define STATESYNC_NEAR_H

/* Until no further than this a word is worth a question. */
#define NEAR_LIMIT 2

struct near {
	const char *typed;
	const char *word; /* the nearest so far, or NULL */
	unsigned int distance;
};

/* Before the first word. `typed` stays the caller's. */
void near_init(struct near *near, const char *typed);

/* One more candidate, kept by its pointer when it is nearer. */
void near_try(struct near *near, const char *word);

#endif
