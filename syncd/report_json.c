/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The status as JSON. Keys are promises: none is renamed or dropped within
 * schema 1. Invariant: numbers are numbers, what is unknown is null.
 */
#include <string.h>
#include <time.h>

#include "node_http.h"
#include "node_ifstated.h"
#include "report.h"
#include "report_drill.h"
#include "report_sets.h"
#include "report_value.h"

#define SCHEMA 1

static json_t *milliseconds(int64_t ns)
{
	return thousandths(ns / MONO_US);
}

double report_wall(struct node *n, mono_t at)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9 -
	       (double)mono_diff(node_now(n), at) / 1e9;
}

const char *report_time(struct node *n, mono_t at, char text[REPORT_TIME_SIZE])
{
	double wall = report_wall(n, at);
	time_t whole = (time_t)wall;
	char date[32];
	struct tm tm;

	gmtime_r(&whole, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, REPORT_TIME_SIZE, "%s.%03dZ", date,
		 (int)((wall - (double)whole) * 1000));
	return text;
}

/* --- history ------------------------------------------------------------ */

static json_t *steps(const struct history_entry *h)
{
	json_t *o = json_object();

	for (int i = 0; i < STEP_COUNT; i++)
		if (h->step_us[i] >= 0)
			put(o, history_step_name((enum history_step)i),
			    thousandths(h->step_us[i]));
	return o;
}

int report_vhid(const struct node *n, const char *name)
{
	for (size_t i = 0; i < n->nvhosts; i++)
		if (strcmp(n->vhosts[i].name, name) == 0)
			return n->vhosts[i].vhid;
	return 0;
}

static json_t *vhid_of(int vhid)
{
	return vhid ? json_integer(vhid) : json_null();
}

static json_t *state_of(const struct history_entry *h, enum carp_state state)
{
	return history_is_note(h) ? json_null()
				  : json_string(carp_state_name(state));
}

json_t *report_history_entry(struct node *n, const struct history_entry *h)
{
	json_t *o = json_object();
	char when[REPORT_TIME_SIZE];
	int vhid = report_vhid(n, h->vhost);

	put(o, "at", json_string(report_time(n, h->at, when)));
	put(o, "vhid", history_is_note(h) ? json_null() : vhid_of(vhid));
	put(o, "name", json_string(h->vhost));
	put(o, "from", state_of(h, h->from));
	put(o, "to", state_of(h, h->to));
	put(o, "cause", json_string(h->cause));
	put(o, "steps", steps(h));
	return o;
}

json_t *report_history_json(struct node *n, size_t max)
{
	const struct history_entry *h;
	json_t *list = json_array();

	for (size_t i = 0; i < max && (h = history_get(&n->engine->history, i));
	     i++)
		json_array_append_new(list, report_history_entry(n, h));
	return list;
}

/* --- this node ----------------------------------------------------------- */

static json_t *hold(struct node *n)
{
	const struct engine *e = n->engine;
	const struct engine_peer *p = engine_waits_for(e);
	json_t *o;

	if (!gate_holding(&e->gate, n->last))
		return json_null();
	o = json_object();
	put(o, "reason", json_string(gate_reason(e->gate.holds)));
	put(o, "percent", json_null());
	put(o, "entries", json_null());
	put(o, "total", json_null());
	if (!p || (e->gate.holds & HOLD_LINK))
		return o;
	put(o, "entries", number(p->rx.entries));
	put(o, "total", number(p->rx.total));
	if (p->rx.total)
		put(o, "percent",
		    number(p->rx.entries >= p->rx.total
				   ? 99
				   : p->rx.entries * 100 / p->rx.total));
	return o;
}

static json_t *demotion(const struct engine *e)
{
	json_t *o = json_object();

	for (int i = 0; i < DEMOTION_NAMES; i++)
		put(o, demotion_name((enum demotion_name)i),
		    json_integer(e->demotion.by[i]));
	put(o, "total", json_integer(demotion_total(&e->demotion)));
	return o;
}

static json_t *policy(const struct node *n)
{
	const char *state = node_ifstated_state(n);
	json_t *o;

	if (!n->conf->follow.policy)
		return json_null();
	o = json_object();
	put(o, "file", json_string(n->conf->follow.policy_file));
	put(o, "state", state ? json_string(state) : json_null());
	return o;
}

static json_t *addresses(const struct conf_carp *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->num_addresses; i++) {
		char text[REPORT_ADDRESS_SIZE];

		json_array_append_new(list, json_string(report_address(
						    &c->addresses[i], text)));
	}
	return list;
}

static json_t *carp_counters(const struct node *n, size_t i)
{
	const struct carp_vhost *v = &n->engine->vhosts[i].carp;
	json_t *o = json_object();

	for (int k = 0; k < CARP_REFUSAL_COUNT; k++)
		put(o, carp_refusal_name((enum carp_refusal)k),
		    number(v->counters[k]));
	return o;
}

static json_t *neigh_counters(const struct neigh_counters *c)
{
	json_t *o = json_object();

	put(o, "answered", number(c->answered));
	put(o, "not_master", number(c->not_master));
	put(o, "stale", number(c->stale));
	put(o, "limited", number(c->limited));
	put(o, "refused", number(c->refused));
	put(o, "send_errors", number(c->send_errors));
	put(o, "malformed", number(c->malformed));
	put(o, "conflicts", number(c->conflicts));
	put(o, "flushed", number(c->flushed));
	return o;
}

static json_t *carp(struct node *n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n->nvhosts; i++) {
		const struct conf_carp *c = n->vhosts[i].conf;
		const struct carp_vhost *v = &n->engine->vhosts[i].carp;
		const struct node_iface *f = report_iface(n, i);
		struct standin_stats adverts;
		json_t *o;

		if (n->engine->vhosts[i].gone)
			continue;
		o = json_object();
		report_adverts(n, i, &adverts);
		put(o, "name", json_string(n->vhosts[i].name));
		put(o, "vhid", vhid_of(n->vhosts[i].vhid));
		put(o, "interface", json_string(c->interface));
		put(o, "state", json_string(carp_state_name(v->state)));
		put(o, "since_s", seconds(mono_diff(n->last, v->since)));
		put(o, "transitions", number(v->transitions));
		put(o, "addresses", addresses(c));
		put(o, "advbase", json_integer(v->advbase));
		put(o, "advskew", json_integer(v->advskew));
		put(o, "lease_ms",
		    json_integer(n->engine->vhosts[i].lease_ns / MONO_MS));
		put(o, "adverts_late", number(adverts.late));
		put(o, "longest_gap_ms", milliseconds(adverts.longest_ns));
		put(o, "balancing", report_balancing_json(n, (unsigned)i));
		put(o, "counters", carp_counters(n, i));
		put(o, "external",
		    json_boolean(node_is_external(&n->vhosts[i])));
		if (f)
			put(o, "neighbors",
			    neigh_counters(&f->neigh.sock.counters));
		if (f && f->v6)
			put(o, "neighbors6",
			    neigh_counters(&f->neigh6.sock.counters));
		put(o, "track", report_track_json(n, (unsigned)i));
		put(o, "routes", report_policy_json(n, (unsigned)i));
		json_array_append_new(list, o);
	}
	return list;
}

/* --- peers ------------------------------------------------------------------ */

static json_t *bulk(const struct engine_peer *p)
{
	static const char *const names[] = {
		[BULK_NONE] = "none",
		[BULK_RUNNING] = "running",
		[BULK_DONE] = "done",
		[BULK_FAILED] = "failed",
	};
	json_t *o = json_object();

	put(o, "state", json_string(names[p->rx.result]));
	put(o, "entries", number(p->rx.entries));
	put(o, "total", number(p->rx.total));
	put(o, "missing", number(p->rx.missing));
	put(o, "seconds", seconds(p->rx.took_ns));
	put(o, "error",
	    p->rx.result == BULK_FAILED ? json_string(p->rx.why) : json_null());
	return o;
}

static json_t *peer_carp(const struct engine_peer *p)
{
	json_t *o = json_object();

	for (size_t i = 0; p->heard && i < p->word.nvhosts; i++)
		if (*p->word.vhosts[i].name)
			put(o, p->word.vhosts[i].name,
			    json_string(carp_state_name(
				    (enum carp_state)p->word.vhosts[i].state)));
	return o;
}

static json_t *direction_tx(const struct node *n, unsigned i)
{
	const struct engine_peer *p = &n->engine->peers[i];
	json_t *o = json_object();

	put(o, "in_sync", json_boolean(engine_tx_in_sync(n->engine, i)));
	put(o, "gap",
	    p->tx.gap && !engine_tx_in_sync(n->engine, i)
		    ? json_string(p->tx.gap)
		    : json_null());
	put(o, "seq_sent", number(session_seq_sent(p->session)));
	put(o, "seq_applied", number(session_seq_acked(p->session)));
	return o;
}

static json_t *direction_rx(const struct node *n, unsigned i)
{
	const struct engine_peer *p = &n->engine->peers[i];
	json_t *o = json_object();

	put(o, "in_sync", json_boolean(engine_rx_in_sync(n->engine, i)));
	put(o, "gap", p->rx.gap[0] ? json_string(p->rx.gap) : json_null());
	put(o, "seq_sent", json_null());
	put(o, "seq_applied", number(p->ack_seq));
	return o;
}

static json_t *broken_sessions(const struct engine_peer *p)
{
	json_t *o = json_object();

	for (int i = SESSION_OK + 1; i < SESSION_ERROR_COUNT; i++)
		put(o, session_error_name((enum session_error)i),
		    number(p->broken[i]));
	return o;
}

static json_t *uptime(const struct node *n, unsigned i)
{
	int64_t ns = engine_peer_uptime_ns(n->engine, i, n->last);

	return ns < 0 ? json_null() : seconds(ns);
}

static json_t *peers(struct node *n)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < n->engine->npeers; i++) {
		const struct engine_peer *p = &n->engine->peers[i];
		const char *why = peersock_error(n->peersock, i);
		json_t *o = json_object();
		char at[REPORT_TIME_SIZE];

		put(o, "name", json_string(p->name));
		put(o, "address", json_string(report_peer_address(n, i)));
		put(o, "state", json_string(report_peer_state(n, i)));
		put(o, "in_sync",
		    json_boolean(engine_tx_in_sync(n->engine, i) &&
				 engine_rx_in_sync(n->engine, i)));
		put(o, "tx", direction_tx(n, i));
		put(o, "rx", direction_rx(n, i));
		put(o, "lag_ms",
		    p->live ? milliseconds(session_lag_ns(p->session, n->last))
			    : json_null());
		put(o, "queue", number(report_peer_queue(n, i)));
		put(o, "bytes_sent",
		    number(session_stats(p->session)->bytes_sent));
		put(o, "bytes_received",
		    number(session_stats(p->session)->bytes_received));
		put(o, "paths", report_paths_json(n, i));
		put(o, "carp", peer_carp(p));
		put(o, "bulk", bulk(p));
		put(o, "audit", report_audit_json(n, i));
		put(o, "resume", report_resume_json(n, i));
		put(o, "drift", report_drift_json(n, i));
		put(o, "broken", broken_sessions(p));
		put(o, "ready",
		    p->heard ? json_boolean(p->word.ready) : json_null());
		put(o, "filter_alike",
		    p->heard ? json_boolean(p->word.filter ==
					    engine_filter_digest(n->engine, i))
			     : json_null());
		put(o, "zones_alike",
		    p->heard ? json_boolean(p->word.zones ==
					    engine_zones_digest(n->engine, i))
			     : json_null());
		put(o, "zones_unlisted", number(p->zones_unlisted));
		put(o, "demotion",
		    p->heard ? json_integer(p->word.demotion) : json_null());
		put(o, "version",
		    p->live ? json_string(p->hello.version) : json_null());
		put(o, "uptime_s", uptime(n, i));
		put(o, "last_heard",
		    p->word_at.ns ? json_string(report_time(n, p->word_at, at))
				  : json_null());
		put(o, "error", *why ? json_string(why) : json_null());
		json_array_append_new(list, o);
	}
	return list;
}

/* --- the whole ------------------------------------------------------------- */

static json_t *link_refusals(const struct node *n)
{
	json_t *o = json_object();

	for (int i = 0; n->peersock && i < PEERSOCK_REASONS; i++)
		put(o, peersock_reason_name((enum peersock_reason)i),
		    number(peersock_count(n->peersock,
					  (enum peersock_reason)i)));
	return o;
}

static json_t *socket_counters(const struct node *n)
{
	json_t *o = json_object();

	for (int i = 0; i < STATSOCK_COUNTERS; i++)
		put(o, statsock_counter_name((enum statsock_counter)i),
		    number(statsock_count(n->statsock,
					  (enum statsock_counter)i)));
	return o;
}

json_t *report_json(struct node *n)
{
	const struct engine *e = n->engine;
	json_t *o = json_object();

	put(o, "schema", json_integer(SCHEMA));
	put(o, "node", json_string(e->node));
	put(o, "version", json_string(e->version));
	put(o, "uptime_s", seconds(mono_diff(node_now(n), e->started)));
	put(o, "verdict", report_verdict_json(n));
	put(o, "ready", json_boolean(engine_ready(e, node_now(n))));
	put(o, "hold", hold(n));
	put(o, "demotion", demotion(e));
	put(o, "policy", policy(n));
	put(o, "adverts_late", number(standin_count(n->standin)));
	put(o, "carp", carp(n));
	put(o, "peers", peers(n));
	put(o, "flows", report_flows_json(n));
	put(o, "sets", report_sets_json(n));
	put(o, "link", link_refusals(n));
	put(o, "socket", socket_counters(n));
	put(o, "http", node_http_json(n));
	put(o, "maintenance", report_maintenance_json(n));
	put(o, "drill", report_drill_json(n));
	put(o, "history", report_history_json(n, HISTORY_MAX));
	return o;
}
