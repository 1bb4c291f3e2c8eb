// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What an operator has set going, as JSON: maintenance, and the drill that ran
 * last. It changes neither.
 *
 * Implements the keys of the status that the manual names.
 *
 * Invariant: what was never there is null.
 */
#include <time.h>

#include "report.h"
#include "report_drill.h"
#include "report_value.h"

static const char *word(enum drill_result r)
{
	switch (r) {
	case DRILL_NONE:
		return "none";
	case DRILL_PASSED:
		return "passed";
	case DRILL_UNPROVEN:
		return "unproven";
	case DRILL_FAILED:
		return "failed";
	}
	return "unknown";
}

static json_t *when(int64_t seconds_of_epoch)
{
	time_t at = (time_t)seconds_of_epoch;
	char text[32];
	struct tm tm;

	if (!at)
		return json_null();
	gmtime_r(&at, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(text);
}

json_t *report_maintenance_json(const struct node *n)
{
	json_t *o = json_object();

	put(o, "on", json_boolean(n->maintenance.on));
	put(o, "since",
	    n->maintenance.on ? json_string(n->maintenance.since)
			      : json_null());
	return o;
}

json_t *report_drill_json(const struct node *n)
{
	const struct node_drill *r = &n->drill;
	json_t *o = json_object();

	put(o, "running", json_boolean(r->drill.state != DRILL_IDLE));
	put(o, "at", when(r->at));
	put(o, "result", json_string(word(r->result)));
	put(o, "peer", r->at ? json_string(r->peer_name) : json_null());
	put(o, "text", r->at ? json_string(r->text) : json_null());
	put(o, "success_at", when(r->success_at));
	return o;
}

json_t *report_drill_result(const struct node *n)
{
	const struct node_drill *r = &n->drill;
	json_t *o = report_drill_json(n);
	bool given = r->handover_ms >= 0;

	put(o, "schema", json_integer(1));
	put(o, "node", json_string(n->engine->node));
	put(o, "why", *r->drill.why ? json_string(r->drill.why) : json_null());
	put(o, "answered_before", number(r->drill.before));
	put(o, "answered_before_s", json_real((double)DRILL_COUNT_NS / 1e9));
	put(o, "answered", given ? number(r->drill.carried) : json_null());
	put(o, "watched_s",
	    given ? json_real((double)r->drill.carried_ns / 1e9) : json_null());
	put(o, "handover_ms", given ? json_real(r->handover_ms) : json_null());
	put(o, "away_s",
	    given && !r->drill.stuck ? json_real(r->away_s) : json_null());
	put(o, "back", json_boolean(!r->drill.stuck));
	return o;
}
