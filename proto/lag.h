/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How long the oldest numbered frame has been waiting for its
 * acknowledgement. Pure.
 */
#ifndef STATESYNC_LAG_H
#define STATESYNC_LAG_H

#include <stddef.h>
#include <stdint.h>

#include "mono.h"

#define LAG_MARKS 64

/* Stands for the frames after the mark before it, up to seq. */
struct lag_mark {
	uint64_t seq;
	mono_t since; /* of the first of them */
};

/* All zeroes: nothing waits. */
struct lag {
	size_t n;
	uint64_t every;	  /* frames that a new mark is to stand for */
	uint64_t in_last; /* frames that the last one stands for */
	struct lag_mark mark[LAG_MARKS];
};

/* Frame number seq, higher than any before, waits since now. */
void lag_add(struct lag *l, uint64_t seq, mono_t now);
/* Frames up to seq are acknowledged. */
void lag_acked(struct lag *l, uint64_t seq);
/* Frames after seq are no more; their numbers may come again. */
void lag_cut(struct lag *l, uint64_t seq);
/* Age of the oldest in ns, rather too much than too little; 0: none. */
int64_t lag_age_ns(const struct lag *l, mono_t now);

#endif
