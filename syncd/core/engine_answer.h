/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a node keeps of the comparisons that a peer asks it for.
 */
#ifndef STATESYNC_ENGINE_ANSWER_H
#define STATESYNC_ENGINE_ANSWER_H

#include "audit.h"
#include "mono.h"

enum answer_phase {
	ANSWER_NOTHING,
	ANSWER_SUM,	/* our dump for sums */
	ANSWER_DRAIN,	/* our events are still to be read */
	ANSWER_TELL,	/* the sums, as the link takes them */
	ANSWER_LIST,	/* our dump for entries */
	ANSWER_IDENTIFY /* our dump for what is extra */
};

/* What we answer to a peer, and its last verdict. Large. */
struct audit_answer {
	enum answer_phase phase;
	uint64_t round;
	uint8_t key[DIGEST_KEY_LEN];
	unsigned bits;
	int64_t period_ns; /* 0: it does not look regularly */
	bool urgent, repair;
	mono_t lapses_at; /* it should have looked again until then */
	uint64_t seen;
	uint32_t *sum; /* owned; 1 << bits of them from ANSWER_SUM on */
	uint32_t told; /* buckets */
	struct audit_set wanted;
	uint64_t tuple[SESSION_AUDIT_TUPLES_MAX];
	uint32_t identity[SESSION_AUDIT_ENTRIES_MAX];
	uint32_t state[SESSION_AUDIT_ENTRIES_MAX];
	uint32_t mark[SESSION_AUDIT_ENTRIES_MAX];
	size_t ntuples;
	uint32_t entries; /* listed so far */
	struct session_audit found;
	/* The verdict of the round before. */
	bool confirmed;
	uint8_t confirmed_key[DIGEST_KEY_LEN];
	unsigned confirmed_bits;
	struct audit_set said[AUDIT_SETS];
	struct audit_set coming[AUDIT_SETS]; /* until it is complete */
};

#endif
