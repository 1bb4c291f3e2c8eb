/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of the engine know of each other about sets. Not for others.
 * Without sets in the configuration each does nothing. */
#ifndef STATESYNC_ENGINE_SETS_INT_H
#define STATESYNC_ENGINE_SETS_INT_H

#include "engine_int.h"

#define SETS_WISH_NS (100 * MONO_MS) /* before a wish is said again */

/* --- engine_sets.c: looks, and when */
void engine_sets_free(struct engine *e);
/* It is there, and its elements may be told. */
bool engine_set_is_usable(const struct engine_set *t);
/* Is there a piece of work, of sets? */
bool engine_sets_work(struct engine *e, mono_t now);
void engine_sets_tick(struct engine *e, mono_t now);
mono_t engine_sets_deadline(const struct engine *e);

/* --- engine_sets_tell.c: whom we tell what */
/* This node has begun to tell its peers, or ends. */
void engine_sets_role(struct engine *e, bool telling, mono_t now);
void engine_sets_peer_live(struct engine *e, unsigned peer, mono_t now);
void engine_sets_peer_down(struct engine *e, unsigned peer);
/* Frames to this peer were thrown away. */
void engine_sets_lost(struct engine *e, unsigned peer);
/* Our own sets were read, or cannot be: a bulk may be asked for. */
bool engine_sets_ready(const struct engine *e);
/* A bulk to this peer waits: it lacks elements. */
bool engine_sets_owed(const struct engine *e, unsigned peer);
/* Set and peer have the same kind of it, and both name it. */
bool engine_set_fits(const struct engine *e, unsigned set, unsigned peer);
/* Peers that are to be told all of it, a bit each. */
uint32_t engine_set_owed(const struct engine *e, unsigned set);
/* The marks round all of a set, to those of sets->whole. */
void engine_set_tell_begin(struct engine *e, mono_t now);
void engine_set_tell_end(struct engine *e, mono_t now);
/* A chunk of the look, with its sets->news. How many entries were sent. */
size_t engine_set_tell_chunk(struct engine *e, const struct set_elem *list,
			     size_t n, mono_t now);
/* A change, to all that follow; it leaves with engine_sets_settle(). */
void engine_set_tell(struct engine *e, unsigned set, const struct set_elem *el,
		     mono_t now);
/* More changed than is told one by one: all of it, to everybody. */
void engine_set_tell_anew(struct engine *e, unsigned set);
/* Flushes, and says what our sets are to who has not heard. */
void engine_sets_settle(struct engine *e, mono_t now);

/* --- engine_sets_rx.c: what we are told */
void engine_sets_words(struct engine *e, unsigned peer,
		       const struct session_event *ev);
void engine_sets_heard(struct engine *e, unsigned peer,
		       const struct session_event *ev, mono_t now);
/* A peer tells no more. */
void engine_sets_ceased(struct engine *e, mono_t now);
/* Something is to be applied first. */
bool engine_sets_busy(const struct engine *e);
/* sets->ops are done with, and who told them is answered. */
void engine_sets_answer(struct engine *e);
/* Collects what is to go (set->sweep); true: there are ops. */
bool engine_sets_sweep(struct engine *e);

#endif
