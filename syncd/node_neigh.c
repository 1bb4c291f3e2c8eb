/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ARP of the shared addresses on real interfaces: which are answered, what is
 * announced, who else claims one. The packets are os/neigh's, the decisions
 * the engine's.
 *
 * Implements rules 6. Invariant: an address is answered for only between the
 * grant of its lease and the revocation.
 */
#include "node.h"

#include <arpa/inet.h>
#include <string.h>
#include <time.h>

#include "log.h"

#define NEIGH_AT_ONCE	 64
#define CONFLICT_SAID_NS (60 * MONO_S)

static int64_t clock_real(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * MONO_S + ts.tv_nsec;
}

int64_t node_us_since(struct timespec *t)
{
	struct timespec now;
	int64_t us;

	clock_gettime(CLOCK_MONOTONIC, &now);
	us = (now.tv_sec - t->tv_sec) * 1000000LL +
	     (now.tv_nsec - t->tv_nsec) / 1000;
	*t = now;
	return us;
}

/* The table of one interface: every shared address, answered or not. */
void node_neigh_set(struct node *n, unsigned iface)
{
	struct neigh_entry entries[ENGINE_VHOSTS_MAX * CARP_ADDR_MAX];
	size_t count = 0;
	int err;

	for (size_t i = 0; i < n->nvhosts; i++) {
		const struct node_vhost *v = &n->vhosts[i];

		for (size_t k = 0; v->iface == iface && k < v->vip.addr_count;
		     k++) {
			struct neigh_entry *e = &entries[count++];

			e->addr = v->addrs[k].addr;
			memcpy(e->mac, v->vip.mac, sizeof(e->mac));
			e->answer = v->answering;
			e->since_ns = v->since_ns;
		}
	}
	err = neigh_set(&n->ifaces[iface].neigh, entries, count);
	if (err)
		log_msg(LOG_ERR, "%s: ARP cannot be answered: %s",
			n->ifaces[iface].name, log_errno(-err));
}

void node_neigh_answer(struct node *n, unsigned vhost, bool on)
{
	struct node_vhost *v = &n->vhosts[vhost];

	v->answering = on;
	v->since_ns = clock_real();
	node_neigh_set(n, v->iface);
}

static struct node_vhost *vhost_of(struct node *n, struct in_addr addr)
{
	for (size_t i = 0; i < n->nvhosts; i++)
		for (size_t k = 0; k < n->vhosts[i].vip.addr_count; k++)
			if (n->vhosts[i].addrs[k].addr.s_addr == addr.s_addr)
				return &n->vhosts[i];
	return NULL;
}

/* Told once a minute; what neighbours learnt from it is put right at most once
 * a second (rules 6). */
void node_neigh_conflict(const struct neigh_conflict *c, void *arg)
{
	struct node_iface *f = arg;
	struct node *n = f->node;
	struct node_vhost *v = vhost_of(n, c->addr);
	const uint8_t *m = c->mac;
	char text[INET_ADDRSTRLEN];

	/* a backup does not know the real MAC of the master */
	if (!v || (!v->vip.virtual_mac && !c->answering))
		return;
	v->conflicts++;
	if (c->answering && mono_diff(n->last, v->conflict_at) >= MONO_S) {
		v->conflict_at = n->last;
		node_announce(n, (unsigned)(v - n->vhosts));
	}
	if (v->conflict_said_at.ns &&
	    mono_diff(n->last, v->conflict_said_at) < CONFLICT_SAID_NS)
		return;
	v->conflict_said_at = n->last;
	inet_ntop(AF_INET, &c->addr, text, sizeof(text));
	log_msg(LOG_ERR,
		"%s: address-conflict: %02x:%02x:%02x:%02x:%02x:%02x says that "
		"it has the shared address %s (%u times). find that machine "
		"and take the address from it",
		f->name, m[0], m[1], m[2], m[3], m[4], m[5], text,
		v->conflicts);
	v->conflicts = 0;
}

/* Requests are told from older ones than the grant by this clock; a grant that
 * is in its future, because it was set back, would make us deaf. */
static void clock_set_back(struct node *n, unsigned iface)
{
	int64_t now = clock_real();
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

void node_neigh_read(evutil_socket_t fd, short what, void *arg)
{
	struct node_iface *f = arg;

	(void)fd;
	(void)what;
	(void)node_now(f->node);
	clock_set_back(f->node, (unsigned)(f - f->node->ifaces));
	/* what waits is read in the next turn; a socket that fails is opened
	 * anew when its interface comes back */
	if (neigh_read(&f->neigh, NEIGH_AT_ONCE) < 0)
		log_msg(LOG_DEBUG, "%s: ARP cannot be read", f->name);
}

void node_woke(struct node *n)
{
	for (size_t i = 0; i < n->nifaces; i++)
		if (neigh_fd(&n->ifaces[i].neigh) >= 0)
			neigh_flush(&n->ifaces[i].neigh);
}

void node_announce(struct node *n, unsigned vhost)
{
	struct node_vhost *v = &n->vhosts[vhost];
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	for (size_t i = 0; v->answering && i < v->vip.addr_count; i++)
		if (neigh_announce(&n->ifaces[v->iface].neigh, v->vip.mac,
				   v->addrs[i].addr))
			log_msg(LOG_DEBUG, "carp \"%s\": announcement refused",
				v->conf->name);
	if (!v->unannounced)
		return;
	v->unannounced = false;
	v->take_us[2] = node_us_since(&t);
	engine_taken(n->engine, vhost, v->take_us, node_now(n));
}
