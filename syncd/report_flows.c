/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What became of flows, for the status object: told, applied, and not, by
 * reason. Invariant: keys are promises, as in report_json.c.
 */
#include "report.h"

static void set(json_t *o, const char *key, json_t *value)
{
	json_object_set_new(o, key, value);
}

static json_t *number(uint64_t v)
{
	return json_integer((json_int_t)v);
}

static json_t *results(const struct engine *e)
{
	static const enum flow_result failures[] = {
		FLOW_TABLE_FULL, FLOW_CHAIN,   FLOW_CLASH,    FLOW_HELPER,
		FLOW_LABELS,	 FLOW_INVALID, FLOW_ACK_LOST, FLOW_OTHER,
	};
	json_t *o = json_object();

	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
		set(o, inject_result_name(failures[i]),
		    number(e->results[failures[i]]));
	return o;
}

static json_t *merged(const struct engine *e)
{
	json_t *o = json_object();

	for (int i = FLOW_KEPT; i <= FLOW_OUSTED; i++)
		set(o, inject_result_name((enum flow_result)i),
		    number(e->results[i]));
	return o;
}

static json_t *filtered(const struct engine *e)
{
	json_t *o = json_object();

	for (int i = FILTER_PASS + 1; i < FILTER_VERDICTS; i++)
		set(o, filter_verdict_name((enum filter_verdict)i),
		    number(e->filtered[i]));
	return o;
}

/* Events skipped, by filter block. */
static json_t *filters(const struct engine *e)
{
	json_t *o = json_object();

	for (size_t i = 0; i < e->filter.rules.n; i++)
		set(o, e->filter.rules.list[i].name,
		    number(e->filter.rules.list[i].skipped));
	return o;
}

/* First packets: how many wait, and how those of before were let go. */
static json_t *defer(const struct node *n)
{
	const struct engine *e = n->engine;
	const char *error = node_defer_error(n);
	json_t *o = json_object();

	set(o, "configured", json_boolean(e->defers));
	set(o, "active", json_boolean(!error && engine_defers(e)));
	set(o, "error", error ? json_string(error) : json_null());
	set(o, "waiting", number(e->defer.waiting));
	for (int i = 0; i < DEFER_ENDS; i++)
		set(o, defer_end_name((enum defer_end)i),
		    number(e->defer.ends[i]));
	return o;
}

static json_t *destroys(const struct engine *e)
{
	json_t *o = json_object();

	for (int i = 0; i < DESTROYS_VERDICTS; i++)
		set(o, destroys_verdict_name((enum destroys_verdict)i),
		    number(e->destroys.counters[i]));
	set(o, "flushes", number(e->destroys.flushes));
	return o;
}

json_t *report_flows_json(struct node *n)
{
	const struct engine *e = n->engine;
	uint64_t sent = 0, received = 0, bad = 0;
	json_t *o = json_object();

	for (unsigned i = 0; i < e->npeers; i++) {
		const struct session_stats *s =
			session_stats(e->peers[i].session);

		sent += s->flows_sent;
		received += s->flows_received;
		bad += s->frames_invalid_flows;
	}
	node_sync_table(n);
	set(o, "kernel", number(e->table));
	set(o, "max", number(n->table_max));
	set(o, "sent", number(sent));
	set(o, "received", number(received));
	set(o, "malformed", number(bad));
	set(o, "applied", number(e->results[FLOW_APPLIED]));
	set(o, "failed", results(e));
	set(o, "merged", merged(e));
	set(o, "refused_own", number(e->refused_own));
	set(o, "refused_filtered", number(e->refused_filtered));
	set(o, "filters", filters(e));
	set(o, "defer", defer(n));
	set(o, "not_told", filtered(e));
	set(o, "destroys", destroys(e));
	set(o, "overruns", number(e->overruns));
	set(o, "without_master", number(n->inject.orphans));
	set(o, "expectations", report_expects_json(n));
	return o;
}
