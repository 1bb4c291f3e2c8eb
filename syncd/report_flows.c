/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What became of flows, for the status object: told, applied, and not, by
 * reason. Invariant: keys are promises, as in report_json.c.
 */
#include "ct_result.h"
#include "report.h"
#include "report_value.h"

static json_t *results(const struct engine *e)
{
	static const enum flow_result failures[] = {
		FLOW_TABLE_FULL, FLOW_CHAIN,   FLOW_CLASH,    FLOW_HELPER,
		FLOW_LABELS,	 FLOW_INVALID, FLOW_ACK_LOST, FLOW_OTHER,
	};
	json_t *o = json_object();

	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
		put(o, ct_result_name(failures[i]),
		    number(e->results[failures[i]]));
	return o;
}

static json_t *merged(const struct engine *e)
{
	json_t *o = json_object();

	for (int i = FLOW_KEPT; i <= FLOW_OUSTED; i++)
		put(o, ct_result_name((enum flow_result)i),
		    number(e->results[i]));
	return o;
}

static json_t *filtered(const struct engine *e)
{
	json_t *o = json_object();

	for (int i = FILTER_PASS + 1; i < FILTER_VERDICTS; i++)
		put(o, filter_verdict_name((enum filter_verdict)i),
		    number(e->filtered[i]));
	return o;
}

/* Events skipped, by filter block. */
static json_t *filters(const struct engine *e)
{
	json_t *o = json_object();

	for (size_t i = 0; i < e->filter.rules.n; i++)
		put(o, e->filter.rules.list[i].name,
		    number(e->filter.rules.list[i].skipped));
	return o;
}

/* First packets: how many wait, and how those of before were let go. */
static json_t *defer(const struct node *n)
{
	const struct engine *e = n->engine;
	const char *error = node_defer_error(n);
	json_t *o = json_object();

	put(o, "configured", json_boolean(e->defers));
	put(o, "active", json_boolean(!error && engine_defers(e)));
	put(o, "error", error ? json_string(error) : json_null());
	put(o, "waiting", number(e->defer.waiting));
	for (int i = 0; i < DEFER_ENDS; i++)
		put(o, defer_end_name((enum defer_end)i),
		    number(e->defer.ends[i]));
	return o;
}

static json_t *destroys(const struct engine *e)
{
	json_t *o = json_object();

	for (int i = 0; i < DESTROYS_VERDICTS; i++)
		put(o, destroys_verdict_name((enum destroys_verdict)i),
		    number(e->destroys.counters[i]));
	put(o, "flushes", number(e->destroys.flushes));
	return o;
}

static json_t *rate(const struct rate *r, uint64_t value, mono_t now)
{
	double rate = rate_per_s(r, value, now);

	return rate < 0 ? json_null() : json_real(rate);
}

/* What the kernel said and we could not use, or had to ask about. */
static json_t *netlink(const struct node *n)
{
	json_t *o = json_object();

	put(o, "events_foreign", number(n->events.foreign));
	put(o, "events_malformed", number(n->events.malformed));
	put(o, "events_completed", number(n->events.completed));
	put(o, "dumps_foreign", number(n->dump.foreign));
	put(o, "dumps_malformed", number(n->dump.malformed));
	put(o, "packets_malformed", number(node_defer_malformed(n)));
	return o;
}

json_t *report_flows_json(struct node *n)
{
	const struct engine *e = n->engine;
	uint64_t sent, received, bad = 0;
	json_t *o = json_object();

	engine_told(e, &sent, &received);
	for (unsigned i = 0; i < e->npeers; i++)
		bad += session_stats(e->peers[i].session)->frames_invalid_flows;
	node_sync_table(n);
	put(o, "kernel", number(e->table));
	put(o, "max", number(n->table_max));
	put(o, "sent", number(sent));
	put(o, "received", number(received));
	put(o, "sent_per_s", rate(&n->sent, sent, n->last));
	put(o, "received_per_s", rate(&n->received, received, n->last));
	put(o, "malformed", number(bad));
	put(o, "applied", number(e->results[FLOW_APPLIED]));
	put(o, "failed", results(e));
	put(o, "merged", merged(e));
	put(o, "refused_own", number(e->refused_own));
	put(o, "refused_filtered", number(e->refused_filtered));
	put(o, "filters", filters(e));
	put(o, "defer", defer(n));
	put(o, "not_told", filtered(e));
	put(o, "destroys", destroys(e));
	put(o, "overruns", number(e->overruns));
	put(o, "netlink", netlink(n));
	put(o, "without_master", number(n->inject.orphans));
	put(o, "expectations", report_expects_json(n));
	return o;
}
