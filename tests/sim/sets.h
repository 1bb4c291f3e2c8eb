/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A made-up kernel's nftables sets: one that packets fill in silence, and one
 * of ranges, of which news say only that something is new. With what makes the
 * real one awkward: a dump that is a chunk ahead and that misses what moves,
 * news that are lost, sets that are made anew.
 */
#ifndef STATESYNC_SIM_SETS_H
#define STATESYNC_SIM_SETS_H

#include "engine.h"

#define SIM_SETS      2
#define SIM_ELEMENTS  128
#define SIM_NEWS      64
#define SIM_SET_CHUNK 8

struct sim;

struct sim_element {
	uint8_t key;
	uint8_t comment;
	uint64_t timeout_ms;
	mono_t until;
};

struct sim_set {
	uint64_t handle;
	size_t n;
	struct sim_element list[SIM_ELEMENTS];
};

struct sim_sets {
	struct sim_set set[SIM_SETS];
	struct {
		enum { NEWS_CHANGED, NEWS_STIRRED, NEWS_RENEWED } what;
		unsigned set;
		struct set_elem elem;
	} news[SIM_NEWS];
	size_t nnews;
	bool lost; /* news */
	unsigned dumped;
	size_t at;
	struct set_elem ahead[SIM_SET_CHUNK];
	size_t nahead;
	bool more;
};

extern const char *const sim_set_names[SIM_SETS];

/* Empty ones, as after a start of the machine. */
void sim_sets_reset(struct sim_sets *k);
/* Something happens to the sets of a node. */
void sim_sets_traffic(struct sim *s, unsigned node);
/* Gives the news to the engine; true if there were any. */
bool sim_sets_news(struct sim *s, unsigned node);
void sim_sets_work(struct sim *s, unsigned node);
/* Lets time pass until they are equal; an error if they do not become so. */
void sim_watch_sets(struct sim *s);

#endif
