// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The text of the metrics, and those of the node itself. What scrapes them
 * (the socket, the listener) is not known here.
 *
 * Implements Prometheus' text exposition format 0.0.4; the names are promises.
 *
 * Invariant: no label has a value that an outsider can choose.
 */
#include "metrics.h"
#include "node.h"

#include <math.h>
#include <string.h>

void metrics_family(struct metrics *m, const char *name, enum metrics_kind kind,
		    const char *help)
{
	static const char *const kinds[] = { "gauge", "counter", "histogram" };

	m->name = name;
	fprintf(m->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
		kinds[kind]);
}

static void put_label(FILE *out, const char *value)
{
	fputc('"', out);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			fputc('\\', out);
		fputc(*value, out);
	}
	fputc('"', out);
}

void metrics_value(const struct metrics *m, double value,
		   const char *const *labels)
{
	fputs(m->name, m->out);
	for (unsigned i = 0; labels[i]; i += 2) {
		fprintf(m->out, "%c%s=", i ? ',' : '{', labels[i]);
		put_label(m->out, labels[i + 1]);
	}
	fputs(labels[0] ? "} " : " ", m->out);
	if (isnan(value))
		fputs("NaN\n", m->out);
	else
		fprintf(m->out, "%.15g\n", value);
}

/* The reason that keeps this node away, by the name that `status` has. */
static void holds(struct node *n, struct metrics *m)
{
	const struct gate *g = &n->engine->gate;
	const char *now =
		gate_holding(g, n->last) ? gate_reason(g->holds) : NULL;

	metrics_family(m, "statesync_hold", METRICS_GAUGE,
		       "1 for the reason that keeps this node from taking "
		       "over, 0 for the others.");
	for (unsigned i = 0; i < 32; i++) {
		const char *name = gate_reason(1U << i);

		if (name)
			METRICS_VALUE(m, now && !strcmp(now, name), "reason",
				      name);
	}
}

static void this_node(struct node *n, struct metrics *m)
{
	const struct engine *e = n->engine;

	metrics_family(m, "statesync_build_info", METRICS_GAUGE,
		       "A constant 1, labelled with the version that runs.");
	METRICS_VALUE(m, 1, "version", e->version);
	metrics_family(m, "statesync_ready", METRICS_GAUGE,
		       "1 if this node may become master now.");
	METRICS_VALUE(m, engine_ready(e, n->last));
	holds(n, m);
	metrics_family(m, "statesync_demotion", METRICS_GAUGE,
		       "Demotion of this node by the reason that raised it; "
		       "their sum is the counter on the wire.");
	for (int i = 0; i < DEMOTION_NAMES; i++)
		METRICS_VALUE(m, e->demotion.by[i], "reason",
			      demotion_name((enum demotion_name)i));
	metrics_family(m, "statesync_config_last_reload_successful",
		       METRICS_GAUGE,
		       "1 if the last reload of the configuration was "
		       "accepted.");
	METRICS_VALUE(m, !n->reload_refused);
	metrics_family(m, "statesync_netlink_overruns_total", METRICS_COUNTER,
		       "Times the kernel dropped events because they were not "
		       "read in time.");
	METRICS_VALUE(m, e->overruns);
	metrics_family(m, "statesync_policy_commands_total", METRICS_COUNTER,
		       "Commands of policies and of changes of role that "
		       "ended, by result.");
	METRICS_VALUE(m, n->commands_ended[true], "result", "ok");
	METRICS_VALUE(m, n->commands_ended[false], "result", "failed");
	metrics_family(m, "statesync_drill_last_success_timestamp_seconds",
		       METRICS_GAUGE,
		       "When a drill of this node last passed; 0: never.");
	METRICS_VALUE(m, (double)n->drill.success_at);
}

void metrics_write(struct node *n, FILE *out)
{
	struct metrics m = { .out = out };

	(void)node_now(n);
	node_sync_table(n);
	this_node(n, &m);
	metrics_carp(n, &m);
	metrics_peers(n, &m);
	metrics_flows(n, &m);
	metrics_process(&m);
}
