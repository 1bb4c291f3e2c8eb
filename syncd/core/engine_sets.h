/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The part of the engine that tells nftables sets: whose elements are told to
 * whom, and what is to be done with those that a peer told. Pure.
 *
 * Who is master of any vhost tells; all nodes take what they are told. The
 * kernel tells of what a user changes (engine_set_event); what the packet path
 * adds is found by a look at the whole set each period. A peer that lacks a
 * set, or just came, is told all of it between two marks, and removes what was
 * not among it, unless it is master itself. What a peer told is remembered like
 * what was found, and so never told back.
 */
#ifndef STATESYNC_ENGINE_SETS_H
#define STATESYNC_ENGINE_SETS_H

#include "engine_sets_state.h"

struct engine;

/* --- facts of our kernel --------------------------------------------------- */

/*
 * Other names from now on (or the first ones): n <= SETS_MAX, each shorter than
 * SET_NAME_MAX; 0: none. 0 or -ENOMEM.
 */
int engine_sets_name(struct engine *e, const char *const *names, size_t n,
		     int64_t period_ns, mono_t now)
	__attribute__((warn_unused_result));
/* The answer to SETS_KIND: kind->present is false where it is missing. err:
 * it could not be asked for. */
void engine_set_is(struct engine *e, unsigned set, const struct set_kind *kind,
		   int err, mono_t now);
/* A set may have come, gone or be another one. */
void engine_set_renewed(struct engine *e, unsigned set);
/* Somebody else changed an element (SET_ELEM_DELETED: it went). */
void engine_set_event(struct engine *e, unsigned set, const struct set_elem *el,
		      mono_t now);
/* Somebody did, in a way that a look at all of it will tell. */
void engine_set_stirred(struct engine *e, unsigned set, mono_t now);
/* News were lost: all sets. */
void engine_sets_overrun(struct engine *e, mono_t now);

/* --- work (WORK_SETS of engine_work) ------------------------------------ */

enum sets_work engine_sets_piece(const struct engine *e);
unsigned engine_sets_at(const struct engine *e);
/* A look was started (0), or could not be (-errno). */
void engine_set_looking(struct engine *e, int err, mono_t now);
/* A chunk, n <= SET_CHUNK_MAX; untold: entries that cannot be told. err:
 * it broke off. */
void engine_set_looked(struct engine *e, const struct set_elem *list, size_t n,
		       size_t untold, bool more, int err, mono_t now);
/* The results of sets->ops, one enum set_result each. */
void engine_set_applied(struct engine *e, const uint8_t *results, mono_t now);

#endif
