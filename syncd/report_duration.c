// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Words for a span of time. Not a point in time: report_time().
 *
 * Invariant: two units at most, none of them larger than it needs.
 */
#include "report_duration.h"

#include <inttypes.h>
#include <stdio.h>

#include "mono.h"

const char *report_duration(int64_t ns, char *text, size_t size)
{
	int64_t s = ns / MONO_S, ms = ns / MONO_MS;

	if (ns < MONO_S)
		snprintf(text, size, "%" PRId64 " ms", ms);
	else if (s < 100)
		snprintf(text, size, "%" PRId64 " s", s);
	else if (s < 6000)
		snprintf(text, size, "%" PRId64 " min", s / 60);
	else if (s < 48 * 3600)
		snprintf(text, size, "%" PRId64 "h %" PRId64 "m", s / 3600,
			 s % 3600 / 60);
	else
		snprintf(text, size, "%" PRId64 "d %" PRId64 "h", s / 86400,
			 s % 86400 / 3600);
	return text;
}
