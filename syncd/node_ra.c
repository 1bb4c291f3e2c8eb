/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Router advertisements: the master alone tells hosts that the shared
 * link-local address is their router, and the networks of its shared
 * addresses. Both nodes say the same from the same address and MAC, so at a
 * failover nothing changes for a host, and the one that leaves says nothing:
 * a lifetime of 0 would take the new master's route away.
 *
 * Implements RFC 4861, 6.2 with its defaults, answers to all nodes only.
 * Invariant: sent only while the address is answered for, and where the
 * interface forwards.
 */
#include "node.h"

#include <assert.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "log.h"
#include "nd.h"

#define MAX_INTERVAL_NS	    (600 * MONO_S) /* MaxRtrAdvInterval */
#define MIN_INTERVAL_NS	    (200 * MONO_S)
#define INITIAL_COUNT	    3 /* MAX_INITIAL_RTR_ADVERTISEMENTS */
#define INITIAL_INTERVAL_NS (16 * MONO_S)
#define SOLICITED_NS	    (MONO_S / 2) /* MAX_RA_DELAY_TIME */
#define BETWEEN_NS	    (3 * MONO_S) /* MIN_DELAY_BETWEEN_RAS */
#define LIFETIME_S	    1800	 /* AdvDefaultLifetime */
#define PREFIX_LEN	    64

static int64_t random_ns(int64_t below)
{
	uint64_t r;

	evutil_secure_rng_get_bytes(&r, sizeof(r));
	return (int64_t)(r % (uint64_t)below);
}

static const struct vip_addr *source(const struct node_vhost *v)
{
	for (size_t i = 0; i < v->vip.addr_count; i++)
		if (v->addrs[i].v6 && IN6_IS_ADDR_LINKLOCAL(&v->addrs[i].addr6))
			return &v->addrs[i];
	return NULL;
}

static void add_prefix(struct carp_ra *ra, const struct in6_addr *addr)
{
	for (size_t i = 0; i < ra->prefix_count; i++)
		if (!memcmp(ra->prefixes[i].b, addr->s6_addr, PREFIX_LEN / 8))
			return;
	if (ra->prefix_count < CARP_RA_PREFIXES)
		memcpy(ra->prefixes[ra->prefix_count++].b, addr->s6_addr, 16);
}

static int advertise(struct node *n, const struct node_vhost *v)
{
	struct carp_ra ra = { .lifetime_s = LIFETIME_S };
	const struct vip_addr *src = source(v);
	uint8_t frame[CARP_RA_FRAME_MAX];
	size_t len;

	assert(src); /* else node_ra_set() has made no timer */
	memcpy(ra.mac, v->vip.mac, sizeof(ra.mac));
	memcpy(ra.src.b, src->addr6.s6_addr, sizeof(ra.src.b));
	for (size_t i = 0; i < v->vip.addr_count; i++) {
		const struct vip_addr *a = &v->addrs[i];

		if (a->v6 && a->prefixlen == PREFIX_LEN &&
		    !IN6_IS_ADDR_LINKLOCAL(&a->addr6))
			add_prefix(&ra, &a->addr6);
	}
	len = carp_nd_advertise(&ra, frame);
	if (v->lease.shares)
		neigh_sock_from(frame, n->ifaces[v->iface].mac);
	return neigh6_send(&n->ifaces[v->iface].neigh6, frame, len);
}

static void arm(struct node_vhost *v, int64_t due)
{
	int64_t wait = due - clock_ns(CLOCK_MONOTONIC);
	struct timeval tv = { 0 };

	v->ra.due = due;
	if (wait > 0) {
		tv.tv_sec = wait / MONO_S;
		tv.tv_usec = wait % MONO_S / MONO_US;
	}
	event_add(v->ra.timer, &tv);
}

static void arm_next(struct node_vhost *v)
{
	int64_t wait =
		MIN_INTERVAL_NS + random_ns(MAX_INTERVAL_NS - MIN_INTERVAL_NS);

	if (v->ra.initial) {
		v->ra.initial--;
		wait = INITIAL_INTERVAL_NS;
	}
	arm(v, clock_ns(CLOCK_MONOTONIC) + wait);
}

static void on_ra(evutil_socket_t fd, short what, void *arg)
{
	struct node_vhost *v = arg;
	struct node *n = v->node;
	const char *ifname = n->ifaces[v->iface].name;

	(void)fd;
	(void)what;
	if (!v->answering)
		return;
	if (!neigh6_forwards(ifname)) {
		if (!v->ra.silent)
			log_msg(LOG_WARNING,
				"%s: no router advertisements, because it does "
				"not forward IPv6. sysctl -w "
				"net.ipv6.conf.%s.forwarding=1",
				ifname, ifname);
		v->ra.silent = true;
		arm(v, clock_ns(CLOCK_MONOTONIC) + INITIAL_INTERVAL_NS);
		return;
	}
	v->ra.silent = false;
	v->ra.last = clock_ns(CLOCK_MONOTONIC);
	if (advertise(n, v))
		log_msg(LOG_DEBUG, "carp \"%s\": router advertisement refused",
			v->name);
	arm_next(v);
}

void node_ra_set(struct node *n, unsigned vhost, bool on)
{
	struct node_vhost *v = &n->vhosts[vhost];

	if (!on) {
		if (v->ra.timer)
			event_free(v->ra.timer);
		v->ra.timer = NULL;
		return;
	}
	/* of a balanced address the leader alone */
	if (!n->conf->router_advertisement || v->share || !source(v))
		return;
	if (!v->ra.timer) {
		v->ra.timer = evtimer_new(n->base, on_ra, v);
		if (!v->ra.timer) {
			log_msg(LOG_ERR, "carp \"%s\": no memory to advertise",
				v->name);
			return;
		}
		event_priority_set(v->ra.timer, PRIORITY_NORMAL);
	}
	v->ra.initial = INITIAL_COUNT - 1;
	v->ra.last = 0;
	arm(v, clock_ns(CLOCK_MONOTONIC));
}

/* After a short random time; not within three seconds of the last one; and
 * not at all where one comes before that anyway (6.2.6). */
void node_ra_solicited(int64_t at_ns, void *arg)
{
	struct node_iface *f = arg;
	struct node *n = f->node;

	for (size_t i = 0; i < n->nvhosts; i++) {
		struct node_vhost *v = &n->vhosts[i];
		int64_t due = clock_ns(CLOCK_MONOTONIC),
			soonest = v->ra.last + BETWEEN_NS;

		if (v->iface != (unsigned)(f - n->ifaces) || !v->ra.timer ||
		    at_ns < v->since_ns)
			continue;
		if (v->ra.last && due < soonest)
			due = soonest;
		due += random_ns(SOLICITED_NS);
		if (due < v->ra.due)
			arm(v, due);
	}
}
