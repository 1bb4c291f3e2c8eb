/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From the configuration to the engine and to the vhosts of the node. It
 * opens nothing.
 *
 * Invariant: vhost i of the node is vhost i of the engine, and a place that is
 * free in one is free in both.
 */
#include "node.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "log.h"

/* Addresses as the engine wants them: IPv4 in host byte order. */
struct shared {
	uint32_t v4[CARP_ADDR_MAX];
	struct carp_addr6 v6[CARP_ADDR_MAX];
};

static enum require_sync require_sync(const struct conf *conf)
{
	switch (conf->require_sync) {
	case CONF_SYNC_STRICT:
		return REQUIRE_SYNC_STRICT;
	case CONF_SYNC_LIMIT:
		return REQUIRE_SYNC_LIMIT;
	case CONF_SYNC_OFF:
		return REQUIRE_SYNC_OFF;
	}
	return REQUIRE_SYNC_STRICT;
}

static void allow(const struct conf_carp *c, struct engine_vhost_conf *out)
{
	for (unsigned i = 0; i < c->num_allowed; i++) {
		const struct conf_allowed *a = &c->allowed[i];
		struct engine_allowed *o = &out->allowed[out->nallowed++];

		o->advbase = a->advbase;
		o->advskew = a->advskew;
		if (a->address.family == AF_INET6) {
			o->address.family = CARP_V6;
			memcpy(o->address.v6.b, &a->address.v6, 16);
		} else {
			o->address.v4 = ntohl(a->address.v4.s_addr);
		}
	}
}

static void vhost_conf(const struct node *n, const struct node_vhost *v,
		       struct shared *s, struct engine_vhost_conf *out)
{
	const struct conf_carp *c = v->conf;
	size_t v4 = 0, v6 = 0;

	for (size_t k = 0; k < c->num_addresses; k++)
		if (c->addresses[k].family == AF_INET6)
			memcpy(s->v6[v6++].b, &c->addresses[k].v6, 16);
		else
			s->v4[v4++] = ntohl(c->addresses[k].v4.s_addr);
	*out = (struct engine_vhost_conf){
		.name = v->name,
		.interface = v->iface,
		.own_mac = c->mac == CONF_MAC_INTERFACE,
		.strict = n->conf->strict_peers,
		.balanced = c->balancing != CONF_BALANCING_NONE,
		.carp = {
			.vhid = v->vhid,
			.advbase = c->advbase,
			.advskew = v->advskew,
			.preempt = n->conf->preempt,
			.pass = (const char *)c->pass,
			.v4 = s->v4,
			.v4_count = v4,
			.v6 = s->v6,
			.v6_count = v6,
			.preempt_delay_ns =
				n->conf->preempt_delay_ms * MONO_MS,
			.announce_ns = c->announce_refresh_ms * MONO_MS,
			.witness_limit = n->conf->witness
						 ? n->conf->witness_limit
						 : 0,
			.external = node_is_external(v),
		},
	};
	allow(c, out);
}

/* The engine's configuration in *out, its parts in the others. */
_Static_assert(CONF_PEERS_MAX == ENGINE_PEERS_MAX, "the parser counted them");

/* What engine_change() can change. */
static struct engine_conf conf_values(const struct node *n)
{
	return (struct engine_conf){
		.require = require_sync(n->conf),
		.require_ns = n->conf->require_sync_ms * MONO_MS,
		.independent = n->conf->independent,
		.defer = n->conf->sync.defer,
		.audit_period_ns = n->conf->audit_period_ms * MONO_MS,
		.resume_bytes = n->conf->resume_buffer_bytes,
	};
}

static void engine_conf(const struct node *n, struct shared *shared,
			struct engine_vhost_conf *vhosts, const char **peers,
			const char **sets, struct engine_conf *out)
{
	*out = conf_values(n);
	out->node = n->conf->node;
	out->version = STATESYNC_VERSION;
	out->nvhosts = n->nvhosts;
	out->npeers = n->conf->link.num_peers;
	out->vhosts = vhosts;
	out->peers = peers;
	out->nsets = (size_t)node_sets_names(n, sets);
	out->sets = sets;
	out->sets_period_ns = n->conf->sets.period_ms * MONO_MS;
	for (size_t i = 0; i < n->nvhosts; i++)
		vhost_conf(n, &n->vhosts[i], &shared[i], &vhosts[i]);
	for (size_t i = 0; i < out->npeers; i++)
		peers[i] = n->conf->link.peers[i].name;
}

int node_conf_engine(struct node *n)
{
	static struct shared shared[ENGINE_VHOSTS_MAX];
	static struct engine_vhost_conf vhosts[ENGINE_VHOSTS_MAX];
	const char *peers[ENGINE_PEERS_MAX], *sets[SETS_MAX], *why;
	struct engine_conf conf;
	int err;

	engine_conf(n, shared, vhosts, peers, sets, &conf);
	evutil_secure_rng_get_bytes(&conf.boot_id, sizeof(conf.boot_id));
	n->engine = calloc(1, sizeof(*n->engine));
	if (!n->engine)
		return -ENOMEM;
	err = engine_init(n->engine, &conf, &why, clock_mono());
	if (err) {
		log_msg(LOG_ERR, "the configuration cannot be used: %s", why);
		free(n->engine);
		n->engine = NULL;
	}
	return err;
}

int node_conf_set(struct node *n, unsigned i, const char **why)
{
	static struct shared shared;
	struct engine_vhost_conf conf;

	vhost_conf(n, &n->vhosts[i], &shared, &conf);
	return engine_vhost_set(n->engine, i, &conf, why, n->last);
}

void node_conf_change(struct node *n)
{
	const struct engine_conf conf = conf_values(n);

	engine_change(n->engine, &conf);
}

/* --- vhosts and their places ------------------------------------------------ */

/* The interface of that name, a new one if need be. */
static unsigned iface_named(struct node *n, const char *name)
{
	unsigned k = 0;

	while (k < n->nifaces && strcmp(n->ifaces[k].name, name))
		k++;
	if (k < n->nifaces)
		return k;
	for (k = 0; k < n->nifaces && *n->ifaces[k].name;)
		k++;
	if (k == n->nifaces)
		n->nifaces++;
	n->ifaces[k].node = n;
	strcpy(n->ifaces[k].name, name);
	return k;
}

int node_conf_list(const struct conf *conf,
		   struct node_wanted list[ENGINE_VHOSTS_MAX], size_t *count)
{
	*count = 0;
	for (size_t i = 0; i < conf->num_carps; i++) {
		const struct conf_carp *c = &conf->carps[i];
		unsigned shares = c->balancing ? c->num_nodes : 1;

		for (unsigned k = 0; k < shares; k++) {
			if (*count == ENGINE_VHOSTS_MAX)
				return -E2BIG;
			list[(*count)++] =
				(struct node_wanted){ c, (uint8_t)k };
		}
	}
	return 0;
}

void node_conf_place(struct node *n, unsigned i, const struct node_wanted *w,
		     bool fresh)
{
	struct node_vhost *v = &n->vhosts[i];
	const struct conf_carp *c = w->conf;

	v->conf = c;
	v->advskew = c->balancing ? c->nodes[w->share].advskew : c->advskew;
	if (!fresh)
		return;
	v->node = n;
	v->iface = node_is_external(v) ? NODE_NO_IFACE
				       : iface_named(n, c->interface);
	v->share = w->share;
	v->vhid = c->balancing ? c->nodes[w->share].vhid : c->vhid;
	if (c->balancing)
		snprintf(v->name, sizeof(v->name), "%.58s/%u", c->name,
			 v->vhid);
	else
		snprintf(v->name, sizeof(v->name), "%s", c->name);
	if (i >= n->nvhosts)
		n->nvhosts = i + 1;
}

bool node_is_external(const struct node_vhost *v)
{
	return v->conf->external;
}

unsigned node_leader(const struct node *n, unsigned vhost)
{
	const struct node_vhost *v = &n->vhosts[vhost];

	for (unsigned i = 0; v->share && i < n->nvhosts; i++)
		if (n->vhosts[i].conf == v->conf && !n->vhosts[i].share)
			return i;
	return vhost;
}

void node_conf_forget(struct node *n, unsigned i)
{
	static const struct conf_carp nothing;

	n->vhosts[i] = (struct node_vhost){
		.node = n,
		.conf = &nothing,
		.iface = NODE_NO_IFACE,
	};
}

int node_conf_vhosts(struct node *n)
{
	struct node_wanted list[ENGINE_VHOSTS_MAX];
	size_t count;
	int err = node_conf_list(n->conf, list, &count);

	if (err) {
		log_msg(LOG_ERR, NODE_TOO_MANY);
		return err;
	}
	n->vhosts = calloc(ENGINE_VHOSTS_MAX, sizeof(*n->vhosts));
	n->ifaces = calloc(ENGINE_VHOSTS_MAX, sizeof(*n->ifaces));
	if (!n->vhosts || !n->ifaces)
		return -ENOMEM;
	for (unsigned i = 0; i < count; i++)
		node_conf_place(n, i, &list[i], true);
	return 0;
}
