/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ARP and neighbour discovery of the shared addresses on real interfaces:
 * which are answered, what is announced, who else claims one. The packets are
 * os/neigh's and os/neigh6's, the decisions the engine's.
 *
 * Implements rules 6. Invariant: an address is answered for only between the
 * grant of its lease and the revocation.
 */
#include "node.h"

#include <arpa/inet.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "log.h"

#define NEIGH_AT_ONCE	 64
#define CONFLICT_SAID_NS (60 * MONO_S)

int64_t node_us_since(mono_t *t)
{
	mono_t now = clock_mono();
	int64_t us = mono_diff(now, *t) / MONO_US;

	*t = now;
	return us;
}

/* --- what is answered --------------------------------------------------- */

/* Neighbours are told of a balanced address by its leader, whose frames do not
 * come from the MAC that all receive: no switch is to learn it. */
static bool is_told(const struct node_vhost *v, unsigned iface, size_t k,
		    bool v6)
{
	return v->iface == iface && !v->share && v->addrs[k].v6 == v6;
}

static void set_from(const struct node_iface *f, const struct node_vhost *v,
		     uint8_t from[6])
{
	memset(from, 0, sizeof(f->mac));
	if (v->lease.shares)
		memcpy(from, f->mac, sizeof(f->mac));
}

static void set_v4(struct node *n, unsigned iface)
{
	struct neigh_entry entries[ENGINE_VHOSTS_MAX * CARP_ADDR_MAX];
	size_t count = 0;
	int err;

	for (size_t i = 0; i < n->nvhosts; i++) {
		const struct node_vhost *v = &n->vhosts[i];

		for (size_t k = 0; k < v->vip.addr_count; k++) {
			struct neigh_entry *e = &entries[count];

			if (!is_told(v, iface, k, false))
				continue;
			count++;
			e->addr = v->addrs[k].addr;
			memcpy(e->mac, v->vip.mac, sizeof(e->mac));
			set_from(&n->ifaces[iface], v, e->from);
			e->answer = v->answering;
			e->since_ns = v->since_ns;
		}
	}
	err = neigh_set(&n->ifaces[iface].neigh, entries, count);
	if (err)
		log_msg(LOG_ERR, "%s: ARP cannot be answered: %s",
			n->ifaces[iface].name, log_errno(-err));
}

static void set_v6(struct node *n, unsigned iface)
{
	struct neigh6_entry entries[ENGINE_VHOSTS_MAX * CARP_ADDR_MAX];
	struct node_iface *f = &n->ifaces[iface];
	size_t count = 0;
	int err;

	for (size_t i = 0; i < n->nvhosts; i++) {
		const struct node_vhost *v = &n->vhosts[i];

		for (size_t k = 0; k < v->vip.addr_count; k++) {
			struct neigh6_entry *e = &entries[count];

			if (!is_told(v, iface, k, true))
				continue;
			count++;
			e->addr = v->addrs[k].addr6;
			memcpy(e->mac, v->vip.mac, sizeof(e->mac));
			set_from(&n->ifaces[iface], v, e->from);
			e->answer = v->answering;
			e->since_ns = v->since_ns;
		}
	}
	err = neigh6_set(&f->neigh6, entries, count);
	if (err)
		log_msg(LOG_ERR,
			"%s: neighbour solicitations cannot be answered: %s",
			f->name, log_errno(-err));
	else if (neigh6_fd(&f->neigh6) >= 0 && !f->neigh6.joined)
		log_msg(LOG_WARNING,
			"%s: the multicast groups of its shared IPv6 addresses "
			"cannot be joined; is IPv6 disabled there?",
			f->name);
}

void node_neigh_set(struct node *n, unsigned iface)
{
	set_v4(n, iface);
	if (n->ifaces[iface].v6)
		set_v6(n, iface);
}

void node_neigh_answer(struct node *n, unsigned vhost, bool on)
{
	struct node_vhost *v = &n->vhosts[vhost];

	v->answering = on;
	v->since_ns = clock_ns(CLOCK_REALTIME);
	node_neigh_set(n, v->iface);
	node_ra_set(n, vhost, on);
}

/* Requests are told from older ones than the grant by this clock; a grant that
 * is in its future, because it was set back, would make us deaf. */
static void clock_set_back(struct node *n, unsigned iface)
{
	int64_t now = clock_ns(CLOCK_REALTIME);
	bool any = false;

	for (size_t i = 0; i < n->nvhosts; i++) {
		struct node_vhost *v = &n->vhosts[i];

		if (v->iface != iface || v->since_ns <= now)
			continue;
		v->since_ns = now;
		any = true;
	}
	if (any)
		node_neigh_set(n, iface);
}

/* --- who else claims one ------------------------------------------------ */

static bool is_about(const struct neigh_conflict *c, const struct vip_addr *a)
{
	if ((c->family == AF_INET6) != a->v6)
		return false;
	return a->v6 ? IN6_ARE_ADDR_EQUAL(&a->addr6, &c->addr6)
		     : a->addr.s_addr == c->addr.s_addr;
}

/* A link-local address may be on several interfaces. */
static struct node_vhost *vhost_of(const struct node_iface *f,
				   const struct neigh_conflict *c)
{
	struct node *n = f->node;

	for (size_t i = 0; i < n->nvhosts; i++) {
		struct node_vhost *v = &n->vhosts[i];

		for (size_t k = 0; k < v->vip.addr_count; k++)
			if (v->iface == (unsigned)(f - n->ifaces) &&
			    is_about(c, &v->addrs[k]))
				return v;
	}
	return NULL;
}

/* What neighbours and switches learnt from it is put right at most once a
 * second (rules 6). Told once a minute; but for an old master's last word. */
static void on_conflict(const struct neigh_conflict *c, void *arg)
{
	struct node_iface *f = arg;
	struct node *n = f->node;
	struct node_vhost *v = vhost_of(f, c);
	const uint8_t *m = c->mac;
	char text[INET6_ADDRSTRLEN];

	/* a backup does not know the real MAC of the master */
	if (!v || (!v->vip.virtual_mac && !c->answering))
		return;
	if (c->answering && mono_diff(n->last, v->conflict_at) >= MONO_S) {
		v->conflict_at = n->last;
		node_announce(n, (unsigned)(v - n->vhosts));
	}
	if (memcmp(c->mac, v->vip.mac, sizeof(c->mac)) == 0)
		return;
	v->conflicts++;
	if (v->conflict_said_at.ns &&
	    mono_diff(n->last, v->conflict_said_at) < CONFLICT_SAID_NS)
		return;
	v->conflict_said_at = n->last;
	inet_ntop(c->family, &c->addr6, text, sizeof(text));
	log_msg(LOG_ERR,
		"%s: address-conflict: %02x:%02x:%02x:%02x:%02x:%02x says that "
		"it has the shared address %s (%u times). find that machine "
		"and take the address from it",
		f->name, m[0], m[1], m[2], m[3], m[4], m[5], text,
		v->conflicts);
	v->conflicts = 0;
}

/* --- sockets ------------------------------------------------------------ */

/* Does a virtual host of the interface have IPv6? */
static bool wants_v6(const struct node_iface *f)
{
	const struct node *n = f->node;

	for (size_t i = 0; i < n->nvhosts; i++) {
		const struct node_vhost *v = &n->vhosts[i];

		for (size_t k = 0; k < v->vip.addr_count; k++)
			if (v->iface == (unsigned)(f - n->ifaces) &&
			    v->addrs[k].v6)
				return true;
	}
	return false;
}

int node_neigh_open(struct node_iface *f)
{
	return neigh_open(&f->neigh, f->name, on_conflict, f);
}

/* What waits is read in the next turn; a socket that fails is opened anew when
 * its interface comes back. */
static void on_arp(evutil_socket_t fd, short what, void *arg)
{
	struct node_iface *f = arg;

	(void)fd;
	(void)what;
	(void)node_now(f->node);
	clock_set_back(f->node, (unsigned)(f - f->node->ifaces));
	if (neigh_read(&f->neigh, NEIGH_AT_ONCE) < 0)
		log_msg(LOG_DEBUG, "%s: ARP cannot be read", f->name);
}

static void on_nd(evutil_socket_t fd, short what, void *arg)
{
	struct node_iface *f = arg;

	(void)fd;
	(void)what;
	(void)node_now(f->node);
	clock_set_back(f->node, (unsigned)(f - f->node->ifaces));
	if (neigh6_read(&f->neigh6, NEIGH_AT_ONCE) < 0)
		log_msg(LOG_DEBUG, "%s: neighbour discovery cannot be read",
			f->name);
}

static int bind_v6(struct node_iface *f)
{
	struct neigh6_calls calls = { .conflict = on_conflict, .arg = f };

	if (f->node->conf->router_advertisement)
		calls.solicited = node_ra_solicited;
	if (f->v6 && f->neigh6.calls.solicited == calls.solicited)
		return neigh6_rebind(&f->neigh6);
	if (f->v6)
		neigh6_close(&f->neigh6);
	f->v6 = true;
	return neigh6_open(&f->neigh6, f->name, &calls);
}

void node_neigh_bind(struct node_iface *f)
{
	/* events on descriptors that are about to be others */
	(void)node_watch(f, &f->neigh_event, -1, on_arp);
	(void)node_watch(f, &f->neigh6_event, -1, on_nd);
	if (neigh_rebind(&f->neigh) == 0)
		(void)node_watch(f, &f->neigh_event, neigh_fd(&f->neigh),
				 on_arp);
	if (wants_v6(f) && bind_v6(f) == 0)
		(void)node_watch(f, &f->neigh6_event, neigh6_fd(&f->neigh6),
				 on_nd);
}

void node_neigh_close(struct node_iface *f)
{
	(void)node_watch(f, &f->neigh_event, -1, on_arp);
	(void)node_watch(f, &f->neigh6_event, -1, on_nd);
	neigh_close(&f->neigh);
	if (f->v6)
		neigh6_close(&f->neigh6);
	f->v6 = false;
}

void node_woke(struct node *n)
{
	for (size_t i = 0; i < n->nifaces; i++) {
		struct node_iface *f = &n->ifaces[i];

		if (neigh_fd(&f->neigh) >= 0)
			neigh_flush(&f->neigh);
		if (f->v6)
			neigh6_flush(&f->neigh6);
	}
}

/* --- announcements ------------------------------------------------------ */

static int announce(struct node_iface *f, const uint8_t mac[6],
		    const struct vip_addr *a)
{
	if (a->v6)
		return neigh6_announce(&f->neigh6, mac, &a->addr6);
	return neigh_announce(&f->neigh, mac, a->addr);
}

void node_announce(struct node *n, unsigned vhost)
{
	struct node_vhost *v = &n->vhosts[vhost];
	mono_t t;

	t = clock_mono();
	/* OpenBSD: of a balanced address by the leader alone */
	for (size_t i = 0; v->answering && !v->share && i < v->vip.addr_count;
	     i++)
		if (announce(&n->ifaces[v->iface], v->vip.mac, &v->addrs[i]))
			log_msg(LOG_DEBUG, "carp \"%s\": announcement refused",
				v->name);
	if (!v->unannounced)
		return;
	v->unannounced = false;
	v->take_us[2] = node_us_since(&t);
	engine_taken(n->engine, vhost, v->take_us, node_now(n));
}
