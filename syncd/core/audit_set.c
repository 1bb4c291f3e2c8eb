/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sets as bits and as short lists, and what changed between two looks. It knows
 * nothing of flows. Invariant: where hashes meet by chance a tuple looks
 * changed, never unchanged.
 */
#include "audit_set.h"

#include <stdlib.h>
#include <string.h>

/* --- a set of buckets ---------------------------------------------------- */

void audit_set_clear(struct audit_set *s)
{
	memset(s, 0, sizeof(*s));
}

bool audit_set_has(const struct audit_set *s, uint32_t bucket)
{
	return s->bits[bucket / 8] >> bucket % 8 & 1;
}

void audit_set_add(struct audit_set *s, uint32_t bucket)
{
	s->count += !audit_set_has(s, bucket);
	s->bits[bucket / 8] |= (uint8_t)(1U << bucket % 8);
}

void audit_set_remove(struct audit_set *s, uint32_t bucket)
{
	s->count -= audit_set_has(s, bucket);
	s->bits[bucket / 8] &= (uint8_t) ~(1U << bucket % 8);
}

uint32_t audit_set_word(const struct audit_set *s, uint32_t at)
{
	const uint8_t *b = &s->bits[4 * at];

	return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
	       (uint32_t)b[3] << 24;
}

void audit_set_add_word(struct audit_set *s, uint32_t at, uint32_t word)
{
	for (uint32_t i = 0; i < 32; i++)
		if (word >> i & 1)
			audit_set_add(s, 32 * at + i);
}

uint32_t audit_set_next(const struct audit_set *s, uint32_t from, unsigned bits)
{
	const uint32_t end = 1U << bits;

	while (from < end && !audit_set_has(s, from))
		from += from % 8 == 0 && !s->bits[from / 8] ? 8 : 1;
	return from < end ? from : end;
}

void audit_set_join(struct audit_set *s, const struct audit_set *other,
		    unsigned bits)
{
	for (uint32_t at = audit_set_next(other, 0, bits); at < 1U << bits;
	     at = audit_set_next(other, at + 1, bits))
		audit_set_add(s, at);
}

/* --- a few tuples, by their hashes --------------------------------------- */

int audit_compare(const void *pa, const void *pb)
{
	const uint64_t *a = pa, *b = pb;

	return (*a > *b) - (*a < *b);
}

bool audit_tuples_add(struct audit_tuples *t, uint64_t tuple)
{
	if (t->n == AUDIT_TUPLES_MAX)
		return false;
	t->list[t->n++] = tuple;
	return true;
}

void audit_tuples_sort(struct audit_tuples *t)
{
	qsort(t->list, t->n, sizeof(*t->list), audit_compare);
}

bool audit_tuples_has(const struct audit_tuples *t, uint64_t tuple)
{
	return bsearch(&tuple, t->list, t->n, sizeof(tuple), audit_compare);
}

void audit_tuples_drop(struct audit_tuples *t, const struct audit_set *s,
		       unsigned bits)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->n; i++)
		if (!audit_set_has(s, audit_bucket(t->list[i], bits)))
			t->list[kept++] = t->list[i];
	t->n = kept;
}

/* --- what changed meanwhile ---------------------------------------------- */

/* The low bits: the high ones number the buckets. */
static uint32_t slot(uint64_t tuple)
{
	return (uint32_t)tuple & ((1U << AUDIT_TOUCHED_BITS) - 1);
}

void audit_touch(struct audit_touched *t, uint64_t tuple, unsigned bits)
{
	uint32_t i = slot(tuple);

	t->now[i / 8] |= (uint8_t)(1U << i % 8);
	audit_set_add(&t->buckets, audit_bucket(tuple, bits));
}

bool audit_is_touched(const struct audit_touched *t, uint64_t tuple)
{
	uint32_t i = slot(tuple);

	return (t->now[i / 8] | t->before[i / 8]) >> i % 8 & 1;
}

void audit_touched_turn(struct audit_touched *t)
{
	memcpy(t->before, t->now, sizeof(t->before));
	memset(t->now, 0, sizeof(t->now));
}
