// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Metrics of the virtual hosts and of their interfaces.
 *
 * Invariant: a vhost has the same lines in every state.
 */
#include "metrics.h"
#include "node.h"
#include "report.h"

#include <net/ethernet.h>
#include <string.h>

static const char *const families[CARP_FAMILIES] = { "ipv4", "ipv6" };
static const char *const states[] = { "init", "backup", "master" };

/* The labels that all have; the vhid as text. */
struct vhost {
	const struct engine_vhost *e;
	const struct node_vhost *n;
	const struct node_iface *iface; /* NULL: another program elects */
	const char *name;
	char vhid[4];
};

static bool next(struct node *n, size_t *at, struct vhost *v)
{
	for (; *at < n->nvhosts; ++*at) {
		if (n->engine->vhosts[*at].gone)
			continue;
		v->iface = report_iface(n, *at);
		v->e = &n->engine->vhosts[*at];
		v->n = &n->vhosts[*at];
		v->name = v->n->name;
		snprintf(v->vhid, sizeof(v->vhid), "%u", v->n->vhid);
		++*at;
		return true;
	}
	return false;
}

/* One that this node elects a master of. */
static bool next_ours(struct node *n, size_t *at, struct vhost *v)
{
	while (next(n, at, v))
		if (v->iface)
			return true;
	return false;
}

#define VALUE(m, v, value, ...)                               \
	METRICS_VALUE((m), (value), "carp", (v).name, "vhid", \
		      (v).vhid __VA_OPT__(, ) __VA_ARGS__)

static void roles(struct node *n, struct metrics *m)
{
	struct vhost v;

	metrics_family(m, "statesync_carp_state", METRICS_GAUGE,
		       "1 for the state a virtual host is in, 0 for the "
		       "others.");
	for (size_t i = 0; next(n, &i, &v);)
		for (int s = 0; s <= CARP_MASTER; s++)
			VALUE(m, v, v.e->carp.state == (enum carp_state)s,
			      "interface", v.iface ? v.iface->name : "",
			      "state", states[s]);
	metrics_family(m, "statesync_carp_transitions_total", METRICS_COUNTER,
		       "Times a virtual host entered a state.");
	for (size_t i = 0; next(n, &i, &v);)
		for (int s = 0; s <= CARP_MASTER; s++)
			VALUE(m, v, v.e->carp.entered[s], "state", states[s]);
	metrics_family(m, "statesync_carp_last_takeover_duration_seconds",
		       METRICS_GAUGE,
		       "From the decision to be master to the announcement of "
		       "the address, last time; 0 if never.");
	for (size_t i = 0; next_ours(n, &i, &v);)
		VALUE(m, v,
		      (double)(v.n->take_us[0] + v.n->take_us[1] +
			       v.n->take_us[2]) /
			      1e6);
	metrics_family(m, "statesync_lease_expirations_total", METRICS_COUNTER,
		       "Times the right to answer ran out while this node was "
		       "master.");
	for (size_t i = 0; next_ours(n, &i, &v);)
		VALUE(m, v, v.e->leases_lost);
}

static bool has_family(const struct vhost *v, int family)
{
	const struct conf_carp *c = v->n->conf;

	for (size_t i = 0; i < c->num_addresses; i++)
		if (c->addresses[i].family ==
		    (family == CARP_V4 ? AF_INET : AF_INET6))
			return true;
	return false;
}

void metrics_advert_sent(struct node_vhost *v, const struct carpsock_out *o)
{
	const uint8_t *dst = o->bytes, *src = dst + CARP_MAC_LEN;
	bool frame = !o->to_len, v6 = o->to.sa.sa_family == AF_INET6;

	if (frame && !memcmp(dst, src, CARP_MAC_LEN))
		return; /* it renews the lease and goes nowhere */
	if (frame)
		v6 = src[CARP_MAC_LEN] == ETHERTYPE_IPV6 >> 8;
	v->adverts_sent[v6 ? CARP_V6 : CARP_V4]++;
}

static void adverts(struct node *n, struct metrics *m)
{
	struct standin_stats late;
	struct vhost v;

	metrics_family(m, "statesync_carp_adverts_sent_total", METRICS_COUNTER,
		       "CARP advertisements sent.");
	for (size_t i = 0; next_ours(n, &i, &v);)
		for (int f = 0; f < CARP_FAMILIES; f++)
			if (has_family(&v, f))
				VALUE(m, v, v.n->adverts_sent[f], "family",
				      families[f]);
	metrics_family(m, "statesync_carp_adverts_received_total",
		       METRICS_COUNTER,
		       "CARP advertisements received and accepted.");
	for (size_t i = 0; next_ours(n, &i, &v);)
		for (int f = 0; f < CARP_FAMILIES; f++)
			if (has_family(&v, f))
				VALUE(m, v, v.n->adverts_received[f], "family",
				      families[f]);
	metrics_family(m, "statesync_carp_adverts_late_total", METRICS_COUNTER,
		       "CARP advertisements that this node could not send in "
		       "time.");
	for (size_t i = 0; next_ours(n, &i, &v);) {
		report_adverts(n, (size_t)(v.n - n->vhosts), &late);
		VALUE(m, v, late.late);
	}
	metrics_family(m, "statesync_carp_packets_refused_total",
		       METRICS_COUNTER, "CARP packets refused, by reason.");
	for (size_t i = 0; next_ours(n, &i, &v);)
		for (int k = CARP_OK + 1; k < CARP_REFUSAL_COUNT; k++)
			VALUE(m, v, v.e->carp.counters[k], "reason",
			      carp_refusal_name((enum carp_refusal)k));
}

/* Several vhosts of an interface are answered for by one socket. */
static void neighbors(struct node *n, struct metrics *m)
{
	metrics_family(m, "statesync_neighbor_replies_total", METRICS_COUNTER,
		       "ARP replies and neighbour advertisements sent for "
		       "shared addresses.");
	for (size_t i = 0; i < n->nifaces; i++) {
		const struct node_iface *f = &n->ifaces[i];

		if (!*f->name)
			continue;
		METRICS_VALUE(m, f->neigh.sock.counters.answered, "interface",
			      f->name, "family", families[CARP_V4]);
		METRICS_VALUE(m, f->v6 ? f->neigh6.sock.counters.answered : 0,
			      "interface", f->name, "family",
			      families[CARP_V6]);
	}
}

void metrics_carp(struct node *n, struct metrics *m)
{
	roles(n, m);
	adverts(n, m);
	neighbors(n, m);
}
