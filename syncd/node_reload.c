/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A new configuration while the node runs: read, compared with the one that
 * runs, and carried over, vhost by vhost. How one is opened or changed is
 * node_vhost's, how elections bear it core/engine_vhosts'.
 *
 * Implements the manual's words on SIGHUP, statesyncd(8).
 *
 * Invariant: nothing is changed until all was found to be possible.
 */
#include "node.h"
#include "node_http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec_conf.h"
#include "log.h"
#include "node_drift.h"
#include "node_ifstated.h"

/* What becomes of the vhosts. */
struct plan {
	struct node_wanted list[ENGINE_VHOSTS_MAX];
	unsigned place[ENGINE_VHOSTS_MAX]; /* of each in the list */
	const struct conf_carp *was[ENGINE_VHOSTS_MAX]; /* by place */
	size_t count;
	uint32_t kept, fresh, gone; /* places, a bit each */
};

static bool has(uint32_t set, unsigned i)
{
	return set >> i & 1;
}

/* --- what cannot change --------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool same_ends(const struct conf_end *a, unsigned na,
		      const struct conf_end *b, unsigned nb)
{
	for (unsigned i = 0; i < na && na == nb; i++)
		if (!conf_same_end(&a[i], &b[i]))
			return false;
	return na == nb;
}

/* What of the link is another one now, its keys apart, or NULL. */
static const char *link_differs(const struct conf_link *a,
				const struct conf_link *b)
{
	if (a->present != b->present)
		return "link";
	if (!same_ends(a->ends, a->num_ends, b->ends, b->num_ends))
		return "address of the link";
	if (a->port != b->port)
		return "port of the link";
	if (a->mptcp != b->mptcp)
		return "mptcp of the link";
	if (a->num_peers != b->num_peers)
		return "peer of the link";
	for (size_t i = 0; i < a->num_peers; i++) {
		const struct conf_peer *p = &a->peers[i], *q = &b->peers[i];

		if (strcmp(p->name, q->name) ||
		    !same_ends(p->ends, p->num_ends, q->ends, q->num_ends))
			return "peer of the link";
	}
	return NULL;
}

static const char *differs(const struct conf *a, const struct conf *b)
{
	if (strcmp(a->node, b->node))
		return "node";
	if (!same_text(a->stats_socket, b->stats_socket))
		return "socket of stats";
	if (!same_text(a->state_dir, b->state_dir))
		return "state-dir";
	if (a->event_buffer_bytes != b->event_buffer_bytes)
		return "event-buffer";
	return link_differs(&a->link, &b->link);
}

/* --- the plan --------------------------------------------------------------- */

/* Can one become the other without being dropped? */
static bool is_same(const struct conf_carp *a, const struct conf_carp *b)
{
	if (strcmp(a->name, b->name) || strcmp(a->interface, b->interface) ||
	    a->vhid != b->vhid || a->mac != b->mac || a->shared != b->shared ||
	    a->external != b->external || a->balancing != b->balancing ||
	    a->num_nodes != b->num_nodes)
		return false;
	for (unsigned i = 0; i < a->num_nodes; i++)
		if (a->nodes[i].vhid != b->nodes[i].vhid)
			return false;
	return true;
}

static bool is_free(const struct node *n, unsigned i)
{
	return i >= n->nvhosts || n->engine->vhosts[i].gone;
}

static bool find_place(const struct node *n, const struct node_wanted *w,
		       struct plan *p, unsigned *place)
{
	unsigned i;

	for (i = 0; i < n->nvhosts; i++)
		if (!is_free(n, i) && n->vhosts[i].share == w->share &&
		    is_same(n->vhosts[i].conf, w->conf)) {
			p->kept |= 1U << i;
			*place = i;
			return true;
		}
	/* not one that becomes free: what goes and what comes are there
	 * together for a moment */
	for (i = 0; i < ENGINE_VHOSTS_MAX; i++)
		if (is_free(n, i) && !has(p->fresh, i)) {
			p->fresh |= 1U << i;
			*place = i;
			return true;
		}
	return false;
}

static const char *make_plan(const struct node *n, const struct conf *conf,
			     struct plan *p)
{
	if (node_conf_list(conf, p->list, &p->count))
		return NODE_TOO_MANY;
	for (size_t i = 0; i < p->count; i++)
		if (!find_place(n, &p->list[i], p, &p->place[i]))
			return "too many virtual hosts come and go at once; "
			       "first take some out, then add the others";
	for (unsigned i = 0; i < n->nvhosts; i++) {
		p->was[i] = n->vhosts[i].conf;
		if (!is_free(n, i) && !has(p->kept, i))
			p->gone |= 1U << i;
	}
	return NULL;
}

/* --- what is not possible now ------------------------------------------------ */

/* A master that cannot take an address yields all of its vhost. */
static const struct conf_address *own_address(const struct node *n,
					      const struct conf_carp *c)
{
	for (size_t i = 0; i < c->num_addresses; i++)
		for (size_t k = 0; k < n->naddrs; k++) {
			const struct conf_address *a = &c->addresses[i];
			const struct node_addr *own = &n->addrs[k];
			size_t len = a->family == AF_INET6 ? 16 : 4;

			if (a->family != own->addr.family ||
			    memcmp(&a->v4, own->addr.addr, len))
				continue;
			if (a->family == AF_INET6 &&
			    IN6_IS_ADDR_LINKLOCAL(&a->v6) &&
			    own->ifindex != if_nametoindex(c->interface))
				continue;
			return a;
		}
	return NULL;
}

static bool owns(const struct node *n, const struct plan *p,
		 char text[NODE_RELOAD_TEXT])
{
	char address[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < p->count; i++) {
		const struct conf_carp *c = p->list[i].conf;
		const struct conf_address *a = own_address(n, c);

		if (!a)
			continue;
		inet_ntop(a->family, &a->v4, address, sizeof(address));
		snprintf(text, NODE_RELOAD_TEXT,
			 "carp \"%s\": an interface of this node itself bears "
			 "%s; nothing is changed. ip address del it, then "
			 "reload",
			 c->name, address);
		return true;
	}
	return false;
}

static bool possible(const struct node *n, const struct conf *conf,
		     struct plan *p, char text[NODE_RELOAD_TEXT])
{
	const char *why = differs(n->conf, conf);

	if (why) {
		snprintf(text, NODE_RELOAD_TEXT,
			 "%s: %s cannot change while it runs; nothing is "
			 "changed. statesync handover, then restart",
			 n->path, why);
		return false;
	}
	why = make_plan(n, conf, p);
	if (why) {
		snprintf(text, NODE_RELOAD_TEXT, "%s: nothing is changed; %s",
			 n->path, why);
		return false;
	}
	return !owns(n, p, text);
}

/* --- done ---------------------------------------------------------------------- */

/* Elections first; what they want is carried out when all is there. */
static int tell_engine(struct node *n, const struct plan *p)
{
	const char *why = "";
	int err = 0;

	for (unsigned i = 0; i < n->nvhosts && !err; i++)
		if (has(p->gone, i))
			err = engine_vhost_drop(n->engine, i, n->last);
	for (size_t i = 0; i < p->count; i++)
		node_conf_place(n, p->place[i], &p->list[i],
				has(p->fresh, p->place[i]));
	for (size_t i = 0; i < p->count && !err; i++)
		err = node_conf_set(n, p->place[i], &why);
	if (err)
		log_msg(LOG_ERR, "the engine refuses it: %s", why);
	node_conf_change(n);
	return err;
}

static int change_vhosts(struct node *n, const struct plan *p)
{
	int err = 0;

	for (unsigned i = 0; i < n->nvhosts && !err; i++) {
		if (!has(p->kept, i))
			continue;
		err = node_routes_change(n, i, p->was[i]);
		if (!err)
			err = node_vhost_change(n, i);
	}
	return err;
}

static int close_and_open(struct node *n, const struct plan *p)
{
	int err = 0;

	for (unsigned i = 0; i < n->nvhosts && !err; i++) {
		if (!has(p->gone, i))
			continue;
		node_vhost_close(n, i);
		err = node_routes_change(n, i, p->was[i]);
	}
	for (unsigned i = 0; i < n->nvhosts && !err; i++) {
		if (!has(p->fresh, i))
			continue;
		err = node_vhost_open(n, i);
		if (!err)
			err = node_routes_change(n, i, n->vhosts[i].conf);
	}
	return err;
}

static void advertise_routers(struct node *n, bool did)
{
	for (unsigned i = 0; i < n->nvhosts; i++)
		if (n->conf->router_advertisement != did)
			node_ra_set(n, i,
				    n->conf->router_advertisement &&
					    n->vhosts[i].answering);
}

static int apply(struct node *n, struct conf *conf, const struct plan *p)
{
	struct conf *was = n->conf;
	int err;

	n->conf = conf;
	exec_conf_use(n->exec);
	err = tell_engine(n, p);
	if (!err)
		err = change_vhosts(n, p);
	if (!err) {
		node_ifaces_settle(n);
		advertise_routers(n, was->router_advertisement);
		node_settle(n); /* who goes bows out */
		err = close_and_open(n, p);
	}
	if (!err) {
		node_ifaces_settle(n);
		node_vhosts_prepare(n);
		err = node_track_reopen(n);
	}
	if (!err)
		err = node_ifstated_change(n, was);
	if (!err) {
		node_link_rekey(n);
		err = node_sets_change(n, &was->sets);
		node_http_change(n, was);
	}
	if (!err)
		err = node_drift_change(n);
	if (!err) {
		node_ifaces_look(n); /* who comes has a link */
		node_settle(n);
		conf_free(was);
	}
	return err;
}

/* --- the whole ------------------------------------------------------------------ */

static struct conf *load(struct node *n, char text[NODE_RELOAD_TEXT])
{
	struct conf_errors *errors = calloc(1, sizeof(*errors));
	/* what the policy's names mean is told where it is checked, -n */
	struct policy_report *report = calloc(1, sizeof(*report));
	struct conf *conf = NULL;
	int r = errors && report ? exec_conf_load(n->exec, n->path, n->macros,
						  &conf, errors, report)
				 : -ENOMEM;

	if (r < 0)
		snprintf(text, NODE_RELOAD_TEXT, "%s: %s. free -m", n->path,
			 log_errno(-r));
	else if (r && errors->count > 1)
		snprintf(text, NODE_RELOAD_TEXT,
			 "%.460s (and %u more: statesyncd -n)", errors->text[0],
			 errors->count - 1);
	else if (r)
		snprintf(text, NODE_RELOAD_TEXT, "%s", errors->text[0]);
	for (unsigned i = 1; errors && i < errors->count; i++)
		log_msg(LOG_ERR, "%s", errors->text[i]);
	free(errors);
	free(report);
	return conf;
}

static unsigned count_of(uint32_t set)
{
	return (unsigned)__builtin_popcount(set);
}

static bool reload(struct node *n, char text[NODE_RELOAD_TEXT])
{
	struct plan p = { .count = 0 };
	struct conf *conf;

	(void)node_now(n);
	if (n->engine->stopping) {
		snprintf(text, NODE_RELOAD_TEXT,
			 "this node is stopping; start it again");
		return false;
	}
	if (n->engine->handover.state != HANDOVER_IDLE) {
		snprintf(text, NODE_RELOAD_TEXT,
			 "a handover is going on; try again");
		return false;
	}
	conf = load(n, text);
	if (!conf)
		return false;
	if (!possible(n, conf, &p, text)) {
		conf_free(conf);
		return false;
	}
	if (apply(n, conf, &p)) {
		snprintf(text, NODE_RELOAD_TEXT,
			 "%s: half of it is done, and the rest cannot be; "
			 "stopping. systemctl start statesyncd",
			 n->path);
		engine_stop(n->engine, node_now(n));
		node_settle(n);
		return false;
	}
	snprintf(text, NODE_RELOAD_TEXT,
		 "%s: in use now; virtual hosts: %u stay, %u new, %u gone",
		 n->path, count_of(p.kept), count_of(p.fresh),
		 count_of(p.gone));
	return true;
}

bool node_reload(struct node *n, char text[NODE_RELOAD_TEXT])
{
	bool done = reload(n, text);

	n->reload_refused = !done;
	log_msg(done ? LOG_NOTICE : LOG_ERR, "%s%s", text,
		done ? "" : ": the old configuration stays in use");
	return done;
}
