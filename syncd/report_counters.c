/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Counters as sentences, for people. It knows where each is kept and changes
 * none. Invariant: a line each, those that are 0 only where all are asked for.
 */
#include <inttypes.h>

#include "ct_result.h"
#include "report.h"
#include "report_sets.h"

static void counter(FILE *out, bool all, const char *who, uint64_t value,
		    const char *what, const char *reason)
{
	if (all || value)
		fprintf(out, "%-8s  %" PRIu64 " %s%s%s\n", who, value, what,
			*reason ? ": " : "", reason);
}

void report_adverts(const struct node *n, size_t vhost,
		    struct standin_stats *out)
{
	standin_stats(n->standin, (unsigned)vhost, out);
}

bool report_late(const struct node *n, size_t vhost, int64_t within_ns,
		 struct standin_stats *out)
{
	if (n->engine->vhosts[vhost].gone)
		return false;
	report_adverts(n, vhost, out);
	return out->late && mono_diff(n->last, out->late_at) <= within_ns;
}

static void expects(const struct node *n, bool all, FILE *out)
{
	const struct engine_expects *x = &n->engine->expects;

	counter(out, all, "expects", x->told, "expectations told", "");
	for (int i = 0; i < EXPECT_RESULTS; i++)
		counter(out, all, "expects", x->results[i], "changes",
			expect_result_name((enum expect_result)i));
	counter(out, all, "expects", x->filtered, "not told",
		"of connections that are not told");
	counter(out, all, "expects", x->orphans, "not told",
		"of connections that were not found");
	counter(out, all, "expects", x->refused_own,
		"told by a peer and refused", "own address");
	counter(out, all, "expects", x->failures,
		"looks at all of them that broke off", "");
	counter(out, all, "flows", n->inject.orphans,
		"made without the connection that announced them", "");
}

static void kernel(const struct node *n, bool all, FILE *out)
{
	counter(out, all, "kernel", n->events.foreign + n->dump.foreign,
		"entries passed over", "no flow of ours");
	counter(out, all, "kernel", n->events.malformed, "events not read",
		"malformed");
	counter(out, all, "kernel", n->events.completed,
		"events that told half a flow", "");
	counter(out, all, "kernel", n->dump.malformed,
		"entries of the table not read", "malformed");
	counter(out, all, "kernel", node_defer_malformed(n),
		"first packets not read", "malformed");
}

struct sets {
	FILE *out;
	bool all;
};

static void set_counter(void *arg, uint64_t value, const char *what,
			const char *of)
{
	const struct sets *s = arg;

	counter(s->out, s->all, "sets", value, what, of);
}

static void socket_counters(const struct node *n, bool all, FILE *out)
{
	for (int i = 0; i < STATSOCK_COUNTERS; i++) {
		enum statsock_counter c = (enum statsock_counter)i;

		counter(out, all, "socket", statsock_count(n->statsock, c),
			c == STATSOCK_CLIENTS ? "clients of the socket"
					      : "clients turned away or lost",
			c == STATSOCK_CLIENTS ? "" : statsock_counter_name(c));
	}
}

void report_counters(struct node *n, bool all, FILE *out)
{
	struct sets sets = { .out = out, .all = all };
	const struct engine *e = n->engine;

	for (size_t i = 0; i < e->nvhosts; i++) {
		const struct engine_vhost *v = &e->vhosts[i];
		struct standin_stats adverts;

		if (v->gone)
			continue;
		report_adverts(n, i, &adverts);
		counter(out, all, v->name, adverts.late, "adverts late", "");
		counter(out, all, v->name, v->carp.counters[CARP_OK],
			"adverts accepted", "");
		for (int k = CARP_OK + 1; k < CARP_REFUSAL_COUNT; k++)
			counter(out, all, v->name, v->carp.counters[k],
				"packets refused",
				report_refusal((enum carp_refusal)k));
	}
	for (int i = 0; i < FLOW_RESULT_COUNT; i++)
		counter(out, all, "flows", e->results[i], "changes",
			ct_result_name((enum flow_result)i));
	for (int i = FILTER_PASS + 1; i < FILTER_VERDICTS; i++)
		counter(out, all, "flows", e->filtered[i], "events not told",
			filter_verdict_name((enum filter_verdict)i));
	for (int i = 0; i < DEFER_ENDS; i++)
		counter(out, all, "defer", e->defer.ends[i],
			"first packets let go",
			defer_end_name((enum defer_end)i));
	for (size_t i = 0; i < e->filter.rules.n; i++)
		counter(out, all, "filter", e->filter.rules.list[i].skipped,
			"events skipped", e->filter.rules.list[i].name);
	for (int i = 0; i < DESTROYS_VERDICTS; i++)
		counter(out, all, "destroys", e->destroys.counters[i],
			"removals",
			destroys_verdict_name((enum destroys_verdict)i));
	counter(out, all, "flows", e->refused_own, "told by a peer and refused",
		"own address");
	counter(out, all, "flows", e->refused_filtered,
		"told by a peer and refused", "filtered");
	for (size_t i = 0; i < e->npeers; i++)
		counter(out, all, e->peers[i].name, e->peers[i].zones_unlisted,
			"flows told of a zone that names does not list", "");
	expects(n, all, out);
	report_sets_counters(n, set_counter, &sets);
	for (size_t i = 0; i < e->npeers; i++)
		for (int k = SESSION_OK + 1; k < SESSION_ERROR_COUNT; k++)
			counter(out, all, e->peers[i].name,
				e->peers[i].broken[k], "sessions broken",
				session_error_name((enum session_error)k));
	for (size_t i = 0; i < e->npeers; i++) {
		const struct engine_peer *p = &e->peers[i];

		counter(out, all, p->name, p->audit.rounds, "comparisons", "");
		counter(out, all, p->name, p->audit.given_up,
			"comparisons given up", "");
		counter(out, all, p->name, p->audit.repaired[0],
			"flows repaired", "missing");
		counter(out, all, p->name, p->audit.repaired[1],
			"flows repaired", "differing");
		counter(out, all, p->name, p->audit.cut, "timeouts cut",
			"the owner has no such flow");
		counter(out, all, p->name, p->resume.told,
			"streams to it resumed", "");
		counter(out, all, p->name, p->resume.heard,
			"streams from it resumed", "");
		counter(out, all, p->name, p->resume.again,
			"changes sent again", "");
		counter(out, all, p->name, p->resume.dropped,
			"streams to it given up", "");
	}
	counter(out, all, "kernel", e->overruns, "overruns of events", "");
	kernel(n, all, out);
	for (int i = 0; n->peersock && i < PEERSOCK_REASONS; i++)
		counter(out, all, "link",
			peersock_count(n->peersock, (enum peersock_reason)i),
			"connections refused or ended",
			peersock_reason_name((enum peersock_reason)i));
	socket_counters(n, all, out);
}
