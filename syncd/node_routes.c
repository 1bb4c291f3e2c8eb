/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * routes {} and rules {} follow the mastership of their vhost. It does not
 * decide who is master, and mastership does not depend on it.
 *
 * Implements ROUTES AND RULES of statesync.conf(5); keepalived.conf(5),
 * virtual_routes and virtual_rules.
 *
 * Invariant: nothing of a vhost's is there unless the vhost is held; of a
 * balanced address, any of its shares.
 */
#include "node.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "vroute.h"

/* Who removes them again and again is not fought with at full speed. */
#define AGAIN_US 100000

struct item {
	bool there; /* we added it and did not delete it since */
	int err;    /* of the last attempt, as vroute_add() */
};

struct routes_vhost {
	uint32_t held;	    /* a bit for each share; of a leader only */
	struct item *items; /* its routes, then its rules */
};

struct node_routes {
	struct nl_sock nl;
	struct event *timer;
	struct routes_vhost *vhosts;
};

/* --- one of them -------------------------------------------------------- */

static void item_text(const struct conf_carp *c, size_t i, char *text,
		      size_t size)
{
	if (i < c->num_routes)
		vroute_text(&c->routes[i], text, size);
	else
		snprintf(text, size, "rule \"%s\"",
			 c->rules[i - c->num_routes].name);
}

/* What is wrong and what to do, after "cannot be set: ". */
static void say_why(const struct conf_carp *c, size_t i, int err, char *text,
		    size_t size)
{
	const struct conf_route *r = i < c->num_routes ? &c->routes[i] : NULL;
	char via[INET6_ADDRSTRLEN] = "";

	if (r && r->via.family != AF_UNSPEC)
		inet_ntop(r->via.family, &r->via.v4, via, sizeof(via));
	if (err == VROUTE_TAKEN)
		snprintf(text, size,
			 "another one of this node leads there with the same "
			 "metric. give this one a metric, or ip route del "
			 "the other");
	else if (err == -ENODEV && r)
		snprintf(text, size, "there is no interface %s", r->interface);
	else if ((err == -ENETUNREACH || err == -EHOSTUNREACH) && *via)
		snprintf(text, size,
			 "via %s is in no network of an interface of this "
			 "node that is up. try: ip route get %s",
			 via, via);
	else
		snprintf(text, size, "%s", log_errno(-err));
}

static int add(struct node *n, const struct conf_carp *c, size_t i)
{
	if (i < c->num_routes)
		return vroute_add(&n->routes->nl, &c->routes[i]);
	return vroute_rule_add(&n->routes->nl, &c->rules[i - c->num_routes]);
}

static int del(struct node *n, const struct conf_carp *c, size_t i)
{
	if (i < c->num_routes)
		return vroute_del(&n->routes->nl, &c->routes[i]);
	return vroute_rule_del(&n->routes->nl, &c->rules[i - c->num_routes]);
}

static void set(struct node *n, const struct conf_carp *c, size_t i,
		struct item *it)
{
	char name[CONF_NAME_SIZE + 16], why[256];
	int err = add(n, c, i);

	if (err == VROUTE_TAKEN && it->there)
		err = 0; /* it is ours */
	it->there = !err;
	if (err && err != it->err) {
		item_text(c, i, name, sizeof(name));
		say_why(c, i, err, why, sizeof(why));
		log_msg(LOG_ERR,
			"carp \"%s\": %s cannot be set: %s. it is tried again "
			"whenever an interface changes",
			c->name, name, why);
	} else if (!err && it->err) {
		item_text(c, i, name, sizeof(name));
		log_msg(LOG_NOTICE, "carp \"%s\": %s is set now", c->name,
			name);
	}
	it->err = err;
}

/* --- all of a vhost ------------------------------------------------------ */

static size_t count_of(const struct conf_carp *c)
{
	return c->num_routes + c->num_rules;
}

static void set_all(struct node *n, unsigned vhost)
{
	struct routes_vhost *p = &n->routes->vhosts[vhost];
	const struct conf_carp *c = n->vhosts[vhost].conf;

	for (size_t i = 0; i < count_of(c); i++)
		set(n, c, i, &p->items[i]);
}

void node_routes_take(struct node *n, unsigned vhost)
{
	unsigned leader = node_leader(n, vhost);

	n->routes->vhosts[leader].held |= 1U << n->vhosts[vhost].share;
	set_all(n, leader);
}

bool node_routes_there(const struct node *n, unsigned vhost, size_t i)
{
	return n->routes->vhosts[node_leader(n, vhost)].items[i].there;
}

void node_routes_adopt(struct node *n, unsigned vhost, size_t i)
{
	n->routes->vhosts[node_leader(n, vhost)].items[i].there = true;
}

void node_routes_release(struct node *n, unsigned vhost)
{
	struct routes_vhost *p = &n->routes->vhosts[node_leader(n, vhost)];
	uint32_t share = 1U << n->vhosts[vhost].share;
	const struct conf_carp *c = n->vhosts[vhost].conf;
	char name[CONF_NAME_SIZE + 16];

	if (!(p->held & share))
		return;
	p->held &= ~share;
	if (p->held)
		return;
	for (size_t i = count_of(c); i-- > 0;) {
		int err = del(n, c, i);

		p->items[i] = (struct item){ 0 };
		if (!err)
			continue;
		item_text(c, i, name, sizeof(name));
		log_msg(LOG_ERR,
			"carp \"%s\": %s cannot be removed (%s); this node is "
			"not master and should not have it. ip route or ip "
			"rule del it",
			c->name, name, log_errno(-err));
	}
}

void node_routes_put_back(struct node *n)
{
	for (unsigned i = 0; n->routes && i < n->nvhosts; i++)
		if (n->routes->vhosts[i].held)
			set_all(n, i);
}

void node_routes_removed(struct node *n)
{
	const struct timeval moment = { .tv_usec = AGAIN_US };

	if (!event_pending(n->routes->timer, EV_TIMEOUT, NULL))
		event_add(n->routes->timer, &moment);
}

int node_routes_error(const struct node *n, unsigned vhost, size_t i)
{
	return n->routes->vhosts[node_leader(n, vhost)].items[i].err;
}

/* --- another configuration ------------------------------------------------- */

static bool same_item(const struct conf_carp *a, size_t i,
		      const struct conf_carp *b, size_t k)
{
	bool route = i < a->num_routes;

	if (route != (k < b->num_routes))
		return false;
	/* both were zero before they were filled in place */
	/* NOLINTBEGIN(*-memory-comparison,cert-exp42-c,cert-flp37-c) */
	if (route)
		return !memcmp(&a->routes[i], &b->routes[k],
			       sizeof(a->routes[i]));
	return !memcmp(&a->rules[i - a->num_routes],
		       &b->rules[k - b->num_routes], sizeof(a->rules[0]));
	/* NOLINTEND(*-memory-comparison,cert-exp42-c,cert-flp37-c) */
}

int node_routes_change(struct node *n, unsigned vhost,
		       const struct conf_carp *was)
{
	struct routes_vhost *p = &n->routes->vhosts[vhost];
	const struct conf_carp *c = n->vhosts[vhost].conf;
	struct item *items = calloc(count_of(c) + 1, sizeof(*items));
	size_t k;

	if (!items)
		return -ENOMEM;
	for (size_t i = p->items ? count_of(was) : 0; i-- > 0;) {
		for (k = 0; k < count_of(c) && !same_item(was, i, c, k);)
			k++;
		if (k < count_of(c))
			items[k] = p->items[i];
		else if (p->held && del(n, was, i))
			log_msg(LOG_ERR,
				"carp \"%s\": a route or rule that is no more "
				"in its configuration cannot be removed. ip "
				"route or ip rule del it",
				was->name);
	}
	free(p->items);
	p->items = items;
	return 0;
}

/* --- life ---------------------------------------------------------------- */

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	node_carp_put_back(arg);
	node_routes_put_back(arg);
}

int node_routes_open(struct node *n)
{
	int err;

	n->routes = calloc(1, sizeof(*n->routes));
	if (!n->routes)
		return -ENOMEM;
	n->routes->nl.fd = -1;
	n->routes->vhosts =
		calloc(ENGINE_VHOSTS_MAX, sizeof(*n->routes->vhosts));
	n->routes->timer = event_new(n->base, -1, 0, on_timer, n);
	if (!n->routes->vhosts || !n->routes->timer)
		return -ENOMEM;
	event_priority_set(n->routes->timer, PRIORITY_NORMAL);
	for (size_t i = 0; i < n->nvhosts; i++) {
		/* one more: calloc(0) may be NULL */
		n->routes->vhosts[i].items = calloc(
			count_of(n->vhosts[i].conf) + 1, sizeof(struct item));
		if (!n->routes->vhosts[i].items)
			return -ENOMEM;
	}
	err = nl_open_route(&n->routes->nl);
	if (!err && !node_upgrade_foreign(n))
		err = vroute_clean(&n->routes->nl);
	if (err)
		log_msg(LOG_ERR,
			"routes and rules of an earlier run cannot be "
			"removed: %s",
			log_errno(-err));
	return err;
}

void node_routes_close(struct node *n)
{
	struct node_routes *p = n->routes;

	if (!p)
		return;
	for (unsigned i = 0; p->vhosts && i < n->nvhosts; i++)
		node_routes_release(n, i);
	for (unsigned i = 0; p->vhosts && i < n->nvhosts; i++)
		free(p->vhosts[i].items);
	if (p->timer)
		event_free(p->timer);
	nl_close(&p->nl);
	free(p->vhosts);
	free(p);
	n->routes = NULL;
}
