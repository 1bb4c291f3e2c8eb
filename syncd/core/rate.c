/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The growth of a counter, from the oldest sample that is kept. It reads no
 * clock and no counter.
 *
 * Invariant: what is said is what was counted, over the time that it took.
 */
#include "rate.h"

/* Less says more about chance than about the counter. */
#define LEAST_NS (1 * MONO_S)

void rate_sample(struct rate *r, uint64_t value, mono_t now)
{
	r->at[r->count % RATE_SAMPLES] = now;
	r->value[r->count % RATE_SAMPLES] = value;
	r->count++;
}

double rate_per_s(const struct rate *r, uint64_t value, mono_t now)
{
	uint64_t oldest = r->count < RATE_SAMPLES ? 0 : r->count % RATE_SAMPLES;
	int64_t ns;

	if (!r->count)
		return -1;
	ns = mono_diff(now, r->at[oldest]);
	if (ns < LEAST_NS)
		return -1;
	return (double)(value - r->value[oldest]) * 1e9 / (double)ns;
}
