/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sets of buckets and of tuples, by the keyed hash of a tuple (digest_tuple):
 * its high bits number the bucket. Of fixed size.
 */
#ifndef STATESYNC_AUDIT_SET_H
#define STATESYNC_AUDIT_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "session_audit.h"

#define AUDIT_BUCKETS_MAX (1U << SESSION_AUDIT_BITS_MAX)

/* bits: 1 to SESSION_AUDIT_BITS_MAX. */
static inline uint32_t audit_bucket(uint64_t tuple, unsigned bits)
{
	return (uint32_t)(tuple >> (64 - bits));
}

/* --- a set of buckets ---------------------------------------------------- */

struct audit_set {
	size_t count;
	uint8_t bits[AUDIT_BUCKETS_MAX / 8];
};

void audit_set_clear(struct audit_set *s);
void audit_set_add(struct audit_set *s, uint32_t bucket);
void audit_set_remove(struct audit_set *s, uint32_t bucket);
/* Adds all of another set. */
void audit_set_join(struct audit_set *s, const struct audit_set *other,
		    unsigned bits);
bool audit_set_has(const struct audit_set *s, uint32_t bucket);
/* Of 32 buckets a bit each, from 32 * at on. */
uint32_t audit_set_word(const struct audit_set *s, uint32_t at);
void audit_set_add_word(struct audit_set *s, uint32_t at, uint32_t word);
/* The first one of at least that number, up to 1 << bits, which means none. */
uint32_t audit_set_next(const struct audit_set *s, uint32_t from,
			unsigned bits);

/* --- a few tuples, by their hashes --------------------------------------- */

#define AUDIT_TUPLES_MAX 4096

struct audit_tuples {
	size_t n;
	uint64_t list[AUDIT_TUPLES_MAX];
};

/* Of two tuples' hashes, as qsort() and bsearch() want it. */
int audit_compare(const void *a, const void *b);
/* False if there are AUDIT_TUPLES_MAX. */
bool audit_tuples_add(struct audit_tuples *t, uint64_t tuple);
void audit_tuples_sort(struct audit_tuples *t);
/* They are sorted. */
bool audit_tuples_has(const struct audit_tuples *t, uint64_t tuple);
/* Takes out those of the buckets in s. */
void audit_tuples_drop(struct audit_tuples *t, const struct audit_set *s,
		       unsigned bits);

/* --- what changed meanwhile ---------------------------------------------- */

/*
 * Which tuples changed since one look and since the one before it, by a few
 * bits of their hashes: it may say so of one that did not, never the other way.
 */
#define AUDIT_TOUCHED_BITS 21

struct audit_touched {
	uint8_t now[1U << (AUDIT_TOUCHED_BITS - 3)];
	uint8_t before[1U << (AUDIT_TOUCHED_BITS - 3)];
	struct audit_set buckets; /* in which one changed, in all */
};

void audit_touch(struct audit_touched *t, uint64_t tuple, unsigned bits);
bool audit_is_touched(const struct audit_touched *t, uint64_t tuple);
/* A new look begins. */
void audit_touched_turn(struct audit_touched *t);

#endif
