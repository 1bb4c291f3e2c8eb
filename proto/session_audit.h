/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What two nodes say to each other when they compare their tables: the message
 * Audit, kept in order with the flows. What it means: syncd/core/audit.h.
 */
#ifndef STATESYNC_SESSION_AUDIT_H
#define STATESYNC_SESSION_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "digest.h"
#include "mono.h"

struct session;

/* A bit of the hello's capabilities: only such a peer is told of audits. */
#define SESSION_CAN_AUDIT (1U << 2)

/* In one message. */
#define SESSION_AUDIT_SUMS_MAX	  8192
#define SESSION_AUDIT_BUCKETS_MAX 8192
#define SESSION_AUDIT_ENTRIES_MAX 2048 /* with all values */
#define SESSION_AUDIT_TUPLES_MAX  4096 /* alone */
#define SESSION_AUDIT_TEXTS_MAX	  16
#define SESSION_AUDIT_TEXT_SIZE	  192
#define SESSION_AUDIT_BITS_MIN	  8
#define SESSION_AUDIT_BITS_MAX	  16

enum session_audit_kind {
	SESSION_AUDIT_BEGIN = 1,
	SESSION_AUDIT_SUMS,
	SESSION_AUDIT_VERDICT,
	SESSION_AUDIT_LIST,
	SESSION_AUDIT_ENTRIES,
	SESSION_AUDIT_EXTRA,
	SESSION_AUDIT_FOUND,
	SESSION_AUDIT_REPORT,
	SESSION_AUDIT_WANTED,
	SESSION_AUDIT_REFUSED,
};

/* The places of count. */
enum session_audit_count {
	AUDIT_COMPARED, /* entries of the owner; of SUMS and FOUND: theirs */
	AUDIT_CHANGED,	/* differed, and changed meanwhile */
	AUDIT_MISSING,	/* at the other node */
	AUDIT_EXTRA,	/* which the owner has not */
	AUDIT_STATE,	/* those four differ: in the class of the state, */
	AUDIT_STATUS,	/* in replied or assured, */
	AUDIT_MARK,	/* in the mark, */
	AUDIT_OTHER,	/* in translation, helper or master */
	AUDIT_REPAIRED,
	AUDIT_UNSETTLED, /* buckets that differed and were not looked into */
	AUDIT_TOOK_MS,
	AUDIT_COUNTS
};

/* Which of the values are used: the message Audit. */
struct session_audit {
	enum session_audit_kind kind;
	uint64_t round;
	uint8_t key[DIGEST_KEY_LEN]; /* with BEGIN */
	uint32_t bits, period_ms;
	bool urgent, last, repair;
	uint32_t first;
	const uint32_t *sums, *buckets;
	size_t nsums, nbuckets;
	/* of each entry; of EXTRA the tuples alone */
	const uint64_t *tuples;
	const uint32_t *identities, *states, *marks;
	size_t ntuples;
	uint64_t count[AUDIT_COUNTS];
	size_t ntexts;
	uint32_t examples[SESSION_AUDIT_TEXTS_MAX];
	char texts[SESSION_AUDIT_TEXTS_MAX][SESSION_AUDIT_TEXT_SIZE];
};

/*
 * Adds the message behind all flows told so far. 0, or -ENOMEM and nothing was
 * said; without a connection 0. Only to a peer that can (SESSION_CAN_AUDIT).
 */
int session_send_audit(struct session *s, const struct session_audit *a,
		       mono_t now);

#endif
