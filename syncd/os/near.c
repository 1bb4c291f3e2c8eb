// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Words that look alike. It is not a dictionary: the caller has the words.
 *
 * Implements Damerau's distance without its matrix: letters added, dropped,
 * changed or swapped, counted only as far as NEAR_LIMIT.
 *
 * Invariant: a word that shares no letter with the typed one is never near.
 */
#include "near.h"

#include <string.h>

/* How many; `limit` + 1 for anything more. */
static unsigned int distance(const char *a, const char *b, unsigned int limit)
{
	unsigned int best, d;

	while (*a && *a == *b)
		a++, b++;
	if (!*a && !*b)
		return 0;
	if (!limit)
		return 1;
	best = limit + 1;
	if (*a && (d = 1 + distance(a + 1, b, limit - 1)) < best)
		best = d;
	if (*b && (d = 1 + distance(a, b + 1, limit - 1)) < best)
		best = d;
	if (*a && *b && (d = 1 + distance(a + 1, b + 1, limit - 1)) < best)
		best = d;
	if (*a && a[1] && a[1] == *b && *a == b[1] &&
	    (d = 1 + distance(a + 2, b + 2, limit - 1)) < best)
		best = d;
	return best;
}

void near_init(struct near *near, const char *typed)
{
	near->typed = typed;
	near->word = NULL;
	near->distance = NEAR_LIMIT + 1;
}

void near_try(struct near *near, const char *word)
{
	unsigned int d = distance(near->typed, word, NEAR_LIMIT);

	if (d < near->distance && d < strlen(near->typed)) {
		near->distance = d;
		near->word = word;
	}
}
