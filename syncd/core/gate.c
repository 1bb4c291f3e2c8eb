/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The gate in front of a takeover. It does not know why a hold was raised
 * nor what a takeover is. Rules 1; require-sync of the configuration.
 * Invariant: `since` is meaningful exactly while a hold other than HOLD_DRIFT
 * is raised.
 */
#include "gate.h"

#include <stddef.h>

/* It does not end by itself. */
#define DRIFT ((uint32_t)HOLD_DRIFT)

void gate_init(struct gate *g, enum require_sync require, int64_t limit_ns)
{
	*g = (struct gate){ .require = require, .limit_ns = limit_ns };
}

void gate_set(struct gate *g, uint32_t holds, mono_t now)
{
	if (holds & ~DRIFT && !(g->holds & ~DRIFT))
		g->since = now;
	g->holds = holds;
}

bool gate_holding(const struct gate *g, mono_t now)
{
	if (!g->holds)
		return false;
	if (g->holds & DRIFT)
		return true;
	switch (g->require) {
	case REQUIRE_SYNC_STRICT:
		return true;
	case REQUIRE_SYNC_LIMIT:
		return mono_diff(now, g->since) < g->limit_ns;
	case REQUIRE_SYNC_OFF:
		return false;
	}
	return true;
}

mono_t gate_deadline(const struct gate *g, mono_t now)
{
	if (g->require != REQUIRE_SYNC_LIMIT || g->holds & DRIFT ||
	    !gate_holding(g, now))
		return MONO_NEVER;
	return mono_add(g->since, g->limit_ns);
}

const char *gate_reason(uint32_t holds)
{
	if (holds & HOLD_LINK)
		return "link";
	if (holds & HOLD_GAP)
		return "gap";
	if (holds & HOLD_BULK)
		return "bulk";
	if (holds & HOLD_DRIFT)
		return "drift";
	return NULL;
}
