// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A short list of (number, time) from which the age of the oldest waiting
 * frame can be told. Not a list of all frames: when it is full, two
 * neighbours become one with the older time, and from then on a mark stands
 * for twice as many frames, until fewer wait.
 *
 * Invariant: marks rise in number and time, and every frame that waits is
 * covered by a mark that is at least as old as the frame.
 */
#include "lag.h"

#include <assert.h>
#include <string.h>

static void lag_halve(struct lag *l)
{
	for (size_t i = 0; i < LAG_MARKS / 2; i++) {
		l->mark[i].since = l->mark[2 * i].since;
		l->mark[i].seq = l->mark[2 * i + 1].seq;
	}
	l->n = LAG_MARKS / 2;
	l->every *= 2;
}

void lag_add(struct lag *l, uint64_t seq, mono_t now)
{
	assert(l->n == 0 || l->mark[l->n - 1].seq < seq);
	if (l->n > 0 && l->in_last < l->every) {
		l->mark[l->n - 1].seq = seq;
		l->in_last++;
		return;
	}
	if (l->n == 0)
		l->every = 1;
	if (l->n == LAG_MARKS)
		lag_halve(l);
	l->in_last = 1;
	l->mark[l->n++] = (struct lag_mark){ .seq = seq, .since = now };
}

void lag_acked(struct lag *l, uint64_t seq)
{
	size_t done = 0;

	while (done < l->n && l->mark[done].seq <= seq)
		done++;
	l->n -= done;
	memmove(l->mark, l->mark + done, l->n * sizeof(l->mark[0]));
	if (done > 0 && l->n < LAG_MARKS / 4 && l->every > 1)
		l->every /= 2;
}

void lag_cut(struct lag *l, uint64_t seq)
{
	while (l->n > 1 && l->mark[l->n - 2].seq >= seq)
		l->n--;
	if (l->n > 0 && l->mark[l->n - 1].seq > seq)
		l->mark[l->n - 1].seq = seq;
}

int64_t lag_age_ns(const struct lag *l, mono_t now)
{
	int64_t age_ns = l->n > 0 ? mono_diff(now, l->mark[0].since) : 0;

	return age_ns > 0 ? age_ns : 0;
}
