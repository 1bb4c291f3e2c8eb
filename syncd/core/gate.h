/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * May this node take over from a living master? Not while its copy of the
 * state is not good enough (rules 1). A hold concerns only a node that is
 * master of nothing; nobody else sees it on the wire.
 */
#ifndef STATESYNC_GATE_H
#define STATESYNC_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "mono.h"

/* Bits; they travel in session_word.holds. */
enum hold {
	HOLD_BULK = 1 << 0,  /* the whole table has not arrived yet */
	HOLD_GAP = 1 << 1,   /* something was lost since it did */
	HOLD_LINK = 1 << 2,  /* the peer cannot be heard over the link */
	HOLD_DRIFT = 1 << 3, /* this node differs from the master */
};

enum require_sync {
	REQUIRE_SYNC_STRICT, /* as long as a living master exists */
	REQUIRE_SYNC_LIMIT,  /* at most so long */
	REQUIRE_SYNC_OFF,
};

struct gate {
	enum require_sync require;
	int64_t limit_ns; /* of REQUIRE_SYNC_LIMIT */
	uint32_t holds;	  /* bits of enum hold */
	mono_t since;	  /* when the first of them but DRIFT was raised */
};

void gate_init(struct gate *g, enum require_sync require, int64_t limit_ns);

/* Replaces the reasons. A node that is master of something has none. */
void gate_set(struct gate *g, uint32_t holds, mono_t now);

/* True while the node must not take over from a living master. HOLD_DRIFT is
 * there because somebody asked for it, and no matter of require-sync. */
bool gate_holding(const struct gate *g, mono_t now);

/* When gate_holding may change by time alone. */
mono_t gate_deadline(const struct gate *g, mono_t now);

/* The one reason that stands for all: "bulk", "gap", "link", "drift"; NULL for
 * none. A cut link comes first, because nothing else can be cured before it. */
const char *gate_reason(uint32_t holds);

#endif
