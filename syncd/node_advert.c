// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Adverts between the CARP sockets and the engine. Whether to send one, and
 * what one means, is not known here.
 *
 * Implements rules 12 (5): a bow-out leaves from the interface's own MAC. The
 * packets are carp/wire's.
 *
 * Invariant: every packet that is read is told to the engine or counted with
 * the reason of its refusal.
 */
#include "node.h"

#include <errno.h>
#include <string.h>

#include "log.h"

#define ADVERTS_AT_ONCE 64
#define PACKET_MAX	2048
/* A full queue is drained in less than a millisecond. */
#define ADVERT_TRIES 4

/* OpenBSD: the first IPv4 address of the parent, else the shared one. */
static uint32_t advert_source(const struct node *n, const struct node_vhost *v)
{
	const struct node_iface *f = &n->ifaces[v->iface];

	for (size_t i = 0; i < n->naddrs; i++) {
		const struct node_addr *a = &n->addrs[i];
		uint32_t v4;

		if (a->ifindex != f->ifindex || a->addr.family != AF_INET)
			continue;
		memcpy(&v4, a->addr.addr, sizeof(v4));
		return ntohl(v4);
	}
	return ntohl(v->addrs[0].addr.s_addr);
}

static int64_t advert_interval(const struct node *n, unsigned vhost)
{
	return carp_vhost_interval_ns(&n->engine->vhosts[vhost].carp);
}

/* ENOBUFS has two meanings: the lease has run out, or a queue is full. */
static bool lease_held(struct node *n, const struct node_vhost *v)
{
	bool present = false;

	return v->leased &&
	       lease_present(&n->lease, &v->lease, &present) == 0 && present;
}

void node_advert(struct node *n, unsigned vhost,
		 const uint8_t bytes[CARP_ADVERT_LEN], bool own_mac)
{
	struct node_vhost *v = &n->vhosts[vhost];
	struct node_iface *f = &n->ifaces[n->vhosts[vhost].iface];
	struct carp_frame frame = {
		.src = advert_source(n, v),
		.dst = CARP_GROUP_V4,
	};
	bool virtual = v->vip.virtual_mac && !own_mac;
	uint8_t packet[CARP_FRAME_LEN];
	int err;

	if (!own_mac && !v->answering)
		return; /* it could not be taken */
	evutil_secure_rng_get_bytes(&frame.id, sizeof(frame.id));
	memcpy(frame.src_mac, virtual ? v->vip.mac : f->mac,
	       sizeof(frame.src_mac));
	carp_wire_group_mac(CARP_GROUP_V4, frame.dst_mac);
	carp_wire_build_frame(&frame, bytes, packet);
	for (int i = 0; i < ADVERT_TRIES; i++) {
		err = carpsock_send(&f->carp, packet, sizeof(packet));
		if (!err && !own_mac)
			standin_sent(n->standin, vhost, f->carp.tx, packet,
				     sizeof(packet), advert_interval(n, vhost),
				     n->last);
		if (err != -ENOBUFS)
			return;
		if (virtual && !lease_held(n, v)) {
			engine_lease_lost(n->engine, vhost, n->last);
			return;
		}
	}
	log_msg(LOG_INFO, "%s: its queue is full, an advert was lost", f->name);
}

static struct node_vhost *find_vhost(struct node *n, unsigned iface,
				     uint8_t vhid, unsigned *index)
{
	for (*index = 0; *index < n->nvhosts; (*index)++)
		if (n->vhosts[*index].iface == iface &&
		    n->vhosts[*index].conf->vhid == vhid)
			return &n->vhosts[*index];
	return NULL;
}

/* A packet that cannot be told to belong to a vhost counts for all of the
 * interface, because any of them may miss it. */
static void refused(struct node *n, unsigned iface, uint8_t vhid,
		    enum carp_refusal why)
{
	unsigned i;

	if (vhid && find_vhost(n, iface, vhid, &i)) {
		engine_refused(n->engine, i, why);
		return;
	}
	for (i = 0; i < n->nvhosts; i++)
		if (n->vhosts[i].iface == iface)
			engine_refused(n->engine, i, why);
}

static void got_packet(struct node *n, unsigned iface, const uint8_t *packet,
		       size_t len)
{
	struct carp_ipv4 ip;
	struct carp_advert a = { 0 };
	enum carp_refusal why = carp_wire_parse_ipv4(packet, len, &ip);
	unsigned vhost;

	if (why == CARP_OK)
		why = carp_wire_parse(ip.payload, ip.len, &a);
	/* OpenBSD looks up a vhid for multicast and unicast apart (B.6) */
	if (why == CARP_OK && ip.dst != CARP_GROUP_V4)
		why = CARP_REFUSED_VHID;
	if (why == CARP_OK && !find_vhost(n, iface, a.vhid, &vhost))
		why = CARP_REFUSED_VHID;
	if (why != CARP_OK) {
		refused(n, iface, a.vhid, why);
		return;
	}
	engine_advert(n->engine, vhost, &a,
		      &(struct carp_address){ .v4 = ip.src }, n->last);
	node_settle(n);
}

void node_advert_read(evutil_socket_t fd, short what, void *arg)
{
	struct node_iface *f = arg;
	struct node *n = f->node;
	uint8_t packet[PACKET_MAX];
	size_t len;

	(void)fd;
	(void)what;
	(void)node_now(n);
	for (int i = 0; i < ADVERTS_AT_ONCE && carpsock_fd(&f->carp) >= 0;
	     i++) {
		int r = carpsock_read(&f->carp, packet, sizeof(packet), &len);

		if (r == CARPSOCK_EMPTY || r < 0)
			return;
		if (r == 0)
			got_packet(n, (unsigned)(f - n->ifaces), packet, len);
		else
			refused(n, (unsigned)(f - n->ifaces), 0,
				CARP_REFUSED_SHORT);
	}
}
