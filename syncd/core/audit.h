/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The parts of a comparison of two tables (rules 8): what is compared, the
 * entries of a few buckets one by one, and in what two of them differ. Its
 * order and its messages are engine_audit.c's.
 */
#ifndef STATESYNC_AUDIT_H
#define STATESYNC_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit_set.h"
#include "flow.h"

/* Entries of the other node that are looked at one by one at a time. */
#define AUDIT_ENTRIES_MAX 65536

/* So many bits for a table of so many entries: four buckets for each, of a large
 * one one, up to most. So few buckets differ only because others in them do, and
 * in few of them anything changes while tables are read. */
unsigned audit_bits(uint64_t entries, unsigned most);

/* Is it compared at all, if it passes the filter? Closing states are not: they
 * go by themselves. */
bool audit_compares(const struct flow *f);

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
