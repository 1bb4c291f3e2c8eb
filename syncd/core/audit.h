/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The parts of a comparison of two tables (rules 8): sums of keyed hashes in
 * buckets, what changed meanwhile, and the entries of a few buckets one by
 * one. Its order and its messages are engine_audit.c's.
 */
#ifndef STATESYNC_AUDIT_H
#define STATESYNC_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flow.h"
#include "session_audit.h"

#define AUDIT_BUCKETS_MAX (1U << SESSION_AUDIT_BITS_MAX)
/* Entries of the other node that are looked at one by one at a time. */
#define AUDIT_ENTRIES_MAX 65536

/* So many bits for a table of so many entries: a bucket for each entry, where
 * that is within the limits. */
unsigned audit_bits(uint64_t entries);

static inline uint32_t audit_bucket(uint64_t tuple, unsigned bits)
{
	return (uint32_t)(tuple >> (64 - bits));
}

/* Is it compared at all, if it passes the filter? Closing states are not: they
 * go by themselves. */
bool audit_compares(const struct flow *f);

/* --- a set of buckets ---------------------------------------------------- */

struct audit_set {
	size_t count;
	uint8_t bits[AUDIT_BUCKETS_MAX / 8];
};

void audit_set_clear(struct audit_set *s);
void audit_set_add(struct audit_set *s, uint32_t bucket);
void audit_set_remove(struct audit_set *s, uint32_t bucket);
bool audit_set_has(const struct audit_set *s, uint32_t bucket);
/* The first one of at least that number, up to 1 << bits, which means none. */
uint32_t audit_set_next(const struct audit_set *s, uint32_t from,
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

/* --- the other node's entries ----------------------------------------------- */

struct audit_entry {
	uint64_t tuple;
	uint32_t identity, mark;
	uint8_t state; /* audit_state */
	bool found;    /* here, too */
};

/* All zeroes: empty. */
struct audit_list {
	struct audit_entry *list; /* owned */
	size_t n, room;
	bool sorted;
};

/* State and the bits that matter, of TCP the number of its state. */
uint8_t audit_state(const struct flow *f);

bool audit_entry_compares(const struct audit_entry *e);

/* 0, or -ENOMEM, or -E2BIG: there are AUDIT_ENTRIES_MAX. */
int audit_list_add(struct audit_list *l, const struct audit_entry *e);
void audit_list_sort(struct audit_list *l);
/* NULL if it is not there; the list is sorted. */
struct audit_entry *audit_list_find(struct audit_list *l, uint64_t tuple);
void audit_list_free(struct audit_list *l);

/* In what a flow differs from the entry of its tuple: AUDIT_STATE to
 * AUDIT_OTHER. */
enum session_audit_count audit_difference(const struct flow *f,
					  const struct audit_entry *e);

/* "missing", "extra", "state", "status", "mark", "translation". */
const char *audit_kind_name(enum session_audit_count kind);

/* One line for people: the flow, and what it is at the other node (e, NULL: it
 * is on one node only). */
void audit_format(const struct flow *f, const struct audit_entry *e,
		  char text[SESSION_AUDIT_TEXT_SIZE]);

#endif
