/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What has to be the same in two processes, one of which takes the other's
 * place: a number for all of it. Not what a reload may change.
 *
 * Implements rules 14, "Upgrade".
 *
 * Invariant: two configurations that say the same have the same number,
 * whatever the order of their vhosts.
 */
#include <string.h>

#include "digest.h"
#include "node_upgrade.h"

static void mix(uint64_t *h, const void *data, size_t len)
{
	*h = fnv1a(*h, data, len);
}

static void mix_number(uint64_t *h, uint64_t number)
{
	mix(h, &number, sizeof(number));
}

static void mix_text(uint64_t *h, const char *text)
{
	mix(h, text, strlen(text) + 1);
}

static void mix_address(uint64_t *h, const struct conf_address *a)
{
	mix_number(h, a->family);
	mix_number(h, a->prefixlen);
	if (a->family == AF_INET)
		mix(h, &a->v4, sizeof(a->v4));
	else if (a->family == AF_INET6)
		mix(h, &a->v6, sizeof(a->v6));
}

static void mix_policies(uint64_t *h, const struct conf_carp *c)
{
	for (size_t i = 0; i < c->num_routes; i++) {
		const struct conf_route *r = &c->routes[i];

		mix_address(h, &r->to);
		mix_address(h, &r->via);
		mix_address(h, &r->src);
		mix_text(h, r->interface);
		mix_number(h, r->table);
		mix_number(h, r->metric);
	}
	for (size_t i = 0; i < c->num_rules; i++) {
		const struct conf_rule *r = &c->rules[i];

		mix_number(h, r->family);
		mix_address(h, &r->from);
		mix_address(h, &r->to);
		mix_text(h, r->iif);
		mix_number(h, r->mark);
		mix_number(h, r->mark_mask);
		mix_number(h, r->priority);
		mix_number(h, r->table);
	}
}

static uint64_t vhost_signature(const struct node *n, unsigned i)
{
	const struct node_vhost *v = &n->vhosts[i];
	uint64_t h = FNV1A_START;

	mix_text(&h, v->name);
	mix_text(&h, v->conf->interface);
	mix_number(&h, carp_vhost_identity(&n->engine->vhosts[i].carp));
	mix_number(&h, v->conf->mac);
	mix_number(&h, v->conf->source_mac);
	mix_number(&h, v->conf->shared);
	mix_number(&h, v->conf->balancing);
	mix_policies(&h, v->conf);
	return h;
}

/* After reloads vhosts may have other places than they have at a start. */
uint64_t upgrade_signature(const struct node *n)
{
	const struct conf_link *link = &n->conf->link;
	uint64_t h = FNV1A_START, vhosts = 0;

	mix_text(&h, n->conf->node);
	mix_text(&h, n->conf->stats_socket);
	mix_number(&h, link->present);
	if (link->present) {
		for (unsigned i = 0; i < link->num_ends; i++) {
			mix_address(&h, &link->ends[i].address);
			mix_number(&h, link->port);
		}
	}
	for (unsigned i = 0; i < n->nvhosts; i++)
		if (!n->engine->vhosts[i].gone)
			vhosts += vhost_signature(n, i);
	mix_number(&h, vhosts);
	return h;
}
