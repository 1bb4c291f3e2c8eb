// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Metrics of the peers, of the link to them, and of the flows.
 *
 * Invariant: a peer has the same lines whether it is there or not.
 */
#include "ct_result.h"
#include "metrics.h"
#include "node.h"
#include "report.h"

#include <math.h>
#include <string.h>

static const char *const kinds[] = { "missing", "extra", "differing" };
static const char *const results[] = {
	[BULK_DONE] = "done",
	[BULK_FAILED] = "failed",
};

struct peer {
	const struct engine_peer *e;
	const struct session_stats *stats;
	unsigned index;
};

static bool next(const struct node *n, unsigned *at, struct peer *p)
{
	if (*at >= n->engine->npeers)
		return false;
	p->index = (*at)++;
	p->e = &n->engine->peers[p->index];
	p->stats = session_stats(p->e->session);
	return true;
}

#define VALUE(m, p, value, ...)             \
	METRICS_VALUE((m), (value), "peer", \
		      (p).e->name __VA_OPT__(, ) __VA_ARGS__)

static void sessions(struct node *n, struct metrics *m)
{
	static const char *const states[] = { "down", "connecting", "bulk",
					      "live" };
	struct peer p;

	metrics_family(m, "statesync_peer_state", METRICS_GAUGE,
		       "1 for the state the session with a peer is in, 0 for "
		       "the others.");
	for (unsigned i = 0; next(n, &i, &p);) {
		const char *state = report_peer_state(n, p.index);

		for (size_t k = 0; k < 4; k++)
			VALUE(m, p, !strcmp(state, states[k]), "state",
			      states[k]);
	}
	metrics_family(m, "statesync_peer_in_sync", METRICS_GAUGE,
		       "1 if everything told to this peer is in its kernel, "
		       "and the reverse.");
	for (unsigned i = 0; next(n, &i, &p);)
		VALUE(m, p,
		      engine_tx_in_sync(n->engine, p.index) &&
			      engine_rx_in_sync(n->engine, p.index));
	metrics_family(m, "statesync_peer_lag_seconds", METRICS_GAUGE,
		       "Age of the oldest change the peer has not "
		       "acknowledged.");
	for (unsigned i = 0; next(n, &i, &p);)
		VALUE(m, p,
		      (double)session_lag_ns(p.e->session, n->last) / 1e9);
	metrics_family(m, "statesync_peer_queue_bytes", METRICS_GAUGE,
		       "Bytes waiting to be sent to the peer.");
	for (unsigned i = 0; next(n, &i, &p);)
		VALUE(m, p, report_peer_queue(n, p.index));
	metrics_family(m, "statesync_peer_sessions_total", METRICS_COUNTER,
		       "Sessions with the peer that reached the live state.");
	for (unsigned i = 0; next(n, &i, &p);)
		VALUE(m, p, p.e->sessions);
}

/* Not those that never came to the handshake, or were up once. */
static void handshakes(struct node *n, struct metrics *m)
{
	metrics_family(m, "statesync_link_handshake_failures_total",
		       METRICS_COUNTER,
		       "Connections to the link port that did not become a "
		       "session, by reason.");
	for (int i = PEERSOCK_KEY; i <= PEERSOCK_LIMIT; i++)
		METRICS_VALUE(m,
			      n->peersock
				      ? peersock_count(n->peersock,
						       (enum peersock_reason)i)
				      : 0,
			      "reason",
			      peersock_reason_name((enum peersock_reason)i));
}

static void acks(struct node *n, struct metrics *m)
{
	struct peer p;

	metrics_family(m, "statesync_peer_ack_seconds", METRICS_HISTOGRAM,
		       "Time from a batch of flow changes to its "
		       "acknowledgement by the peer.");
	for (unsigned i = 0; next(n, &i, &p);) {
		struct metrics part = { .out = m->out };
		uint64_t sum = 0;

		part.name = "statesync_peer_ack_seconds_bucket";
		for (size_t k = 0; k < SESSION_ACK_BUCKETS; k++) {
			char edge[16] = "+Inf";

			sum += p.stats->acks[k];
			if (k < SESSION_ACK_BUCKETS - 1)
				snprintf(edge, sizeof(edge), "%g",
					 session_ack_bounds_us[k] / 1e6);
			VALUE(&part, p, sum, "le", edge);
		}
		part.name = "statesync_peer_ack_seconds_sum";
		VALUE(&part, p, (double)p.stats->acks_ns / 1e9);
		part.name = "statesync_peer_ack_seconds_count";
		VALUE(&part, p, sum);
	}
}

static void volumes(struct node *n, struct metrics *m)
{
	struct peer p;

	metrics_family(m, "statesync_peer_sent_bytes_total", METRICS_COUNTER,
		       "Bytes sent to the peer over the link.");
	for (unsigned i = 0; next(n, &i, &p);)
		VALUE(m, p, p.stats->bytes_sent);
	metrics_family(m, "statesync_peer_received_bytes_total",
		       METRICS_COUNTER,
		       "Bytes received from the peer over the link.");
	for (unsigned i = 0; next(n, &i, &p);)
		VALUE(m, p, p.stats->bytes_received);
	metrics_family(m, "statesync_flow_updates_sent_total", METRICS_COUNTER,
		       "Flow changes sent to the peer, by kind.");
	for (unsigned i = 0; next(n, &i, &p);) {
		VALUE(m, p, p.stats->flows_sent - p.stats->bulk_sent, "kind",
		      "stream");
		VALUE(m, p, p.stats->bulk_sent, "kind", "bulk");
	}
	metrics_family(m, "statesync_flow_updates_received_total",
		       METRICS_COUNTER,
		       "Flow changes received from the peer, by kind.");
	for (unsigned i = 0; next(n, &i, &p);) {
		VALUE(m, p, p.stats->flows_received - p.stats->bulk_received,
		      "kind", "stream");
		VALUE(m, p, p.stats->bulk_received, "kind", "bulk");
	}
}

static double progress(const struct engine_rx *rx)
{
	if (rx->result != BULK_RUNNING)
		return 1;
	return rx->total ? (double)rx->entries / (double)rx->total : 0;
}

static void bulks(struct node *n, struct metrics *m)
{
	struct peer p;

	metrics_family(m, "statesync_bulks_total", METRICS_COUNTER,
		       "Whole-table transfers received, by result.");
	for (unsigned i = 0; next(n, &i, &p);)
		for (int k = BULK_DONE; k <= BULK_FAILED; k++)
			VALUE(m, p, p.e->bulks[k], "result", results[k]);
	metrics_family(m, "statesync_bulk_progress_ratio", METRICS_GAUGE,
		       "Share of the running whole-table transfer that is in "
		       "the kernel; 1 when none runs.");
	for (unsigned i = 0; next(n, &i, &p);)
		VALUE(m, p, progress(&p.e->rx));
}

static void audits(struct node *n, struct metrics *m)
{
	struct peer p;

	metrics_family(m, "statesync_audit_last_completed_timestamp_seconds",
		       METRICS_GAUGE,
		       "When the two kernels' tables were last compared to "
		       "the end; NaN if never.");
	for (unsigned i = 0; next(n, &i, &p);) {
		mono_t at = p.e->audit.last.at;

		VALUE(m, p, at.ns ? report_wall(n, at) : NAN);
	}
	metrics_family(m, "statesync_audit_unequal_flows", METRICS_GAUGE,
		       "Flows that differed at the end of the last "
		       "comparison, by kind.");
	for (unsigned i = 0; next(n, &i, &p);) {
		const struct audit_report *r = &p.e->audit.last;

		VALUE(m, p, r->count[AUDIT_MISSING], "kind", kinds[0]);
		VALUE(m, p, r->count[AUDIT_EXTRA], "kind", kinds[1]);
		VALUE(m, p, report_audit_differing(r), "kind", kinds[2]);
	}
	metrics_family(m, "statesync_audit_repairs_total", METRICS_COUNTER,
		       "Flows repaired by the audit, by kind.");
	for (unsigned i = 0; next(n, &i, &p);) {
		VALUE(m, p, p.e->audit.repaired[0], "kind", kinds[0]);
		VALUE(m, p, p.e->audit.repaired[1], "kind", kinds[2]);
	}
}

static void drift(struct node *n, struct metrics *m)
{
	const struct engine_drift *d = &n->engine->drift;
	struct peer p;

	metrics_family(m, "statesync_drift", METRICS_GAUGE,
		       "Things in which this node and the peer differ.");
	for (unsigned i = 0; next(n, &i, &p);)
		for (int k = DRIFT_VERSION; k < DRIFT_KINDS; k++)
			VALUE(m, p,
			      engine_drift_known(n->engine, p.index)
				      ? (double)d->peers[p.index].differs[k]
				      : (double)NAN,
			      "kind", drift_kind_name((enum drift_kind)k),
			      "effect", drift_effect_name(d->effects[k]));
}

void metrics_peers(struct node *n, struct metrics *m)
{
	sessions(n, m);
	handshakes(n, m);
	acks(n, m);
	volumes(n, m);
	bulks(n, m);
	audits(n, m);
	drift(n, m);
}

void metrics_flows(struct node *n, struct metrics *m)
{
	const struct engine *e = n->engine;

	metrics_family(m, "statesync_flows_applied_total", METRICS_COUNTER,
		       "Flow changes of peers that the kernel took.");
	METRICS_VALUE(m, e->results[FLOW_APPLIED]);
	metrics_family(m, "statesync_flow_apply_failures_total",
		       METRICS_COUNTER,
		       "Flow changes of peers that the kernel refused, by "
		       "reason.");
	for (int i = FLOW_TABLE_FULL; i < FLOW_KEPT; i++)
		METRICS_VALUE(m, e->results[i], "reason",
			      ct_result_name((enum flow_result)i));
	metrics_family(m, "statesync_conntrack_entries", METRICS_GAUGE,
		       "Entries in the connection tracking table of this "
		       "node.");
	METRICS_VALUE(m, e->table);
	metrics_family(m, "statesync_conntrack_entries_limit", METRICS_GAUGE,
		       "Size of the connection tracking table of this node.");
	METRICS_VALUE(m, n->table_max);
}
