/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How fast a counter grows, over the last five seconds or so: short enough to
 * show what happens now, long enough for a person to read the number.
 */
#ifndef STATESYNC_RATE_H
#define STATESYNC_RATE_H

#include <stdint.h>

#include "mono.h"

#define RATE_SAMPLES 6

struct rate {
	mono_t at[RATE_SAMPLES];
	uint64_t value[RATE_SAMPLES];
	uint64_t count; /* ever; the newest is at (count - 1) % RATE_SAMPLES */
};

/* The counter's value now; about once a second. */
void rate_sample(struct rate *r, uint64_t value, mono_t now);
/* Of a counter that is at value now, each second; -1: not known yet. */
double rate_per_s(const struct rate *r, uint64_t value, mono_t now);

#endif
