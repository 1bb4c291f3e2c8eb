/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Monotonic time as its own type, so that it cannot be mixed up with a
 * duration or with wall-clock time. Pure: nobody here reads a clock; the
 * caller says what time it is.
 *
 * A point in time is mono_t (nanoseconds since an origin that only its
 * source knows); a duration is a plain int64_t whose name ends in _ns.
 */
#ifndef STATESYNC_MONO_H
#define STATESYNC_MONO_H

#include <stdbool.h>
#include <stdint.h>

#define MONO_US 1000LL
#define MONO_MS (1000LL * MONO_US)
#define MONO_S	(1000LL * MONO_MS)

typedef struct {
	int64_t ns;
} mono_t;

/* Later than any other time: a deadline that never comes. */
#define MONO_NEVER ((mono_t){ INT64_MAX })

static inline mono_t mono_add(mono_t t, int64_t duration_ns)
{
	if (t.ns > INT64_MAX - duration_ns)
		return MONO_NEVER;
	return (mono_t){ t.ns + duration_ns };
}

/* a - b; negative when a is the earlier one. */
static inline int64_t mono_diff(mono_t a, mono_t b)
{
	return a.ns - b.ns;
}

static inline bool mono_is_never(mono_t t)
{
	return t.ns == INT64_MAX;
}

/* True when the deadline has come; never for MONO_NEVER. */
static inline bool mono_due(mono_t deadline, mono_t now)
{
	return !mono_is_never(deadline) && deadline.ns <= now.ns;
}

static inline mono_t mono_min(mono_t a, mono_t b)
{
	return a.ns < b.ns ? a : b;
}

#endif
