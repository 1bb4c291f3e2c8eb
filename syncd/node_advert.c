// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Adverts between the CARP sockets and the engine. Whether to send one, and
 * what one means, is not known here.
 *
 * Implements rules 12 (5): a bow-out leaves from the interface's own MAC. The
 * packets are carp/packet's.
 *
 * Invariant: every packet that is read is told to the engine or counted with
 * the reason of its refusal.
 */
#include "metrics.h"
#include "node.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "log.h"

#define ADVERTS_AT_ONCE 512
#define PACKET_MAX	2048
/* A full queue is drained in less than a millisecond. */
#define ADVERT_TRIES 4
#define SAY_EVERY_NS (60 * MONO_S)
/* More than this is a flood: the loop's other work gets its turn in between.
 * 32 vhosts at 1/256 s, each in both families, are 164 in that time. */
#define FLOOD_PACKETS	256
#define FLOOD_WINDOW_NS (10 * MONO_MS)
#define FLOOD_REST_US	2000

_Static_assert(STANDIN_PACKETS > CONF_UNICAST_MAX, "an advert fits a slot");

/* --- addresses -------------------------------------------------------- */

static struct carp_address from_conf(const struct conf_address *a)
{
	struct carp_address out = { .family = CARP_V4 };

	if (a->family == AF_INET6) {
		out.family = CARP_V6;
		memcpy(out.v6.b, &a->v6, sizeof(out.v6.b));
	} else {
		out.v4 = ntohl(a->v4.s_addr);
	}
	return out;
}

static struct carp_address from_ifmon(const struct ifmon_addr *a)
{
	struct carp_address out = { .family = CARP_V6 };
	uint32_t v4;

	if (a->family == AF_INET6) {
		memcpy(out.v6.b, a->addr, sizeof(out.v6.b));
		return out;
	}
	memcpy(&v4, a->addr, sizeof(v4));
	return (struct carp_address){ .v4 = ntohl(v4) };
}

static bool is_group(const struct carp_address *a)
{
	return a->family == CARP_V6 ? a->v6.b[0] == 0xff : a->v4 >> 28 == 0xe;
}

static bool same_prefix(const struct ifmon_addr *a,
			const struct carp_address *to)
{
	for (unsigned bit = 0; bit < a->prefixlen; bit++) {
		uint8_t ours = a->addr[bit / 8];
		uint8_t theirs = (uint8_t)(to->v4 >> (24 - bit / 8 * 8 % 32));

		if (to->family == CARP_V6)
			theirs = to->v6.b[bit / 8];

		if ((ours ^ theirs) & 0x80 >> bit % 8)
			return false;
	}
	return true;
}

/* An address that may stand as the source where `to` is the destination: IPv6
 * adverts on the link come from a link-local address, others do not. */
static bool fits(const struct carp_address *own, const struct carp_address *to)
{
	bool local = carp_address_is_link_local(to) ||
		     (to->family == CARP_V6 && is_group(to));

	return own->family == to->family &&
	       carp_address_is_link_local(own) == local;
}

/* OpenBSD: the first address of the parent, else the shared one. For a peer
 * the one that is in its network, if there is one. */
static struct carp_address advert_source(const struct node *n,
					 const struct node_vhost *v,
					 const struct carp_address *to)
{
	const struct node_iface *f = &n->ifaces[v->iface];
	struct carp_address first = { .family = CARP_FAMILIES }, own;

	for (size_t i = 0; i < n->naddrs; i++) {
		const struct node_addr *a = &n->addrs[i];

		own = from_ifmon(&a->addr);
		if (a->ifindex != f->ifindex || !fits(&own, to))
			continue;
		if (same_prefix(&a->addr, to))
			return own;
		if (first.family == CARP_FAMILIES)
			first = own;
	}
	for (size_t i = 0; i < v->conf->num_addresses; i++) {
		if (first.family != CARP_FAMILIES)
			break;
		own = from_conf(&v->conf->addresses[i]);
		if (fits(&own, to))
			first = own;
	}
	if (first.family == CARP_FAMILIES)
		first = (struct carp_address){ .family = to->family };
	return first;
}

static bool has_family(const struct conf_carp *c, enum carp_family family)
{
	for (size_t i = 0; i < c->num_addresses; i++)
		if (from_conf(&c->addresses[i]).family == family)
			return true;
	return false;
}

/* The sockets that the vhosts of an interface need. */
static struct carpsock_conf sockets(const struct node *n, unsigned iface)
{
	struct carpsock_conf conf = { .mark = n->mark, .least_ttl = CARP_TTL };

	strcpy(conf.ifname, n->ifaces[iface].name);
	for (size_t i = 0; i < n->nvhosts; i++) {
		const struct conf_carp *c = n->vhosts[i].conf;

		if (n->vhosts[i].iface != iface)
			continue;
		for (unsigned k = 0; k < CARP_FAMILIES; k++) {
			bool has = has_family(c, (enum carp_family)k);

			conf.families[k] |= has;
			conf.unicast[k] |= has && c->num_unicast;
		}
		if (c->num_unicast && c->ttl < conf.least_ttl)
			conf.least_ttl = c->ttl;
	}
	return conf;
}

int node_advert_open(struct node *n, unsigned iface)
{
	const struct carpsock_conf conf = sockets(n, iface);

	return carpsock_open(&n->ifaces[iface].carp, &conf);
}

static bool same_sockets(const struct carpsock_conf *a,
			 const struct carpsock_conf *b)
{
	return a->least_ttl == b->least_ttl &&
	       !memcmp(a->families, b->families, sizeof(a->families)) &&
	       !memcmp(a->unicast, b->unicast, sizeof(a->unicast));
}

void node_advert_change(struct node *n, unsigned iface)
{
	const struct carpsock_conf conf = sockets(n, iface);
	struct node_iface *f = &n->ifaces[iface];
	bool packet[CARP_FAMILIES];

	if (same_sockets(&f->carp.conf, &conf))
		return;
	node_advert_stop(n, iface);
	memcpy(packet, f->carp.packet, sizeof(packet));
	carpsock_close(&f->carp);
	if (carpsock_open(&f->carp, &conf) == 0 &&
	    carpsock_packet(&f->carp, packet) == 0)
		(void)node_watch(f, &f->carp_event, carpsock_fd(&f->carp),
				 node_advert_read);
}

/* --- out ---------------------------------------------------------------- */

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

/*
 * Unicast adverts wait for ARP and ND, and while a peer is dead none leaves.
 * The lease is renewed by this frame, which every switch drops, because it is
 * addressed to the port that it came from, and every host, because of its
 * loopback addresses (RFC 1122, 3.2.1.3). The switch learns from it where the
 * virtual MAC is, as from a multicast advert.
 */
static struct carp_frame lease_frame(const struct node_iface *f,
				     const uint8_t src_mac[6])
{
	struct carp_frame frame = { .src = { .v4 = INADDR_LOOPBACK },
				    .dst = { .v4 = INADDR_LOOPBACK } };

	memcpy(frame.src_mac, src_mac, sizeof(frame.src_mac));
	memcpy(frame.dst_mac, f->mac, sizeof(frame.dst_mac));
	return frame;
}

static struct carp_frame frame_to(const struct node *n,
				  const struct node_vhost *v,
				  const struct carp_address *to)
{
	struct carp_frame frame = { .src = advert_source(n, v, to),
				    .dst = *to };

	evutil_secure_rng_get_bytes(&frame.id, sizeof(frame.id));
	return frame;
}

/* The packets that one advert is. How many. */
static size_t compose(const struct node *n, const struct node_vhost *v,
		      const uint8_t bytes[CARP_ADVERT_LEN], bool virtual,
		      struct carpsock_out out[STANDIN_PACKETS])
{
	const struct node_iface *f = &n->ifaces[v->iface];
	const struct conf_carp *c = v->conf;
	/* no switch is to learn a MAC that all nodes receive */
	const uint8_t *mac = !virtual || v->lease.shares ? f->mac : v->vip.mac;
	struct carp_frame frame = lease_frame(f, mac);
	size_t count = 0;

	if (c->num_unicast && virtual)
		carpsock_frame(&f->carp, &frame, bytes, &out[count++]);
	for (unsigned i = 0; i < c->num_unicast; i++) {
		struct carp_address to = from_conf(&c->unicast[i]);

		frame = frame_to(n, v, &to);
		carpsock_unicast(&f->carp, &frame, bytes, &out[count++]);
	}
	for (unsigned i = 0; i < CARP_FAMILIES && !c->num_unicast; i++) {
		struct carp_address to = carp_group((enum carp_family)i);

		if (!has_family(c, to.family))
			continue;
		frame = frame_to(n, v, &to);
		memcpy(frame.src_mac, mac, sizeof(frame.src_mac));
		carp_group_mac(&to, frame.dst_mac);
		carpsock_frame(&f->carp, &frame, bytes, &out[count++]);
	}
	/* a bow-out leaves when the lease is gone */
	for (size_t i = 0; i < count; i++)
		out[i].unmarked = !virtual;
	return count;
}

/* What the administrator can mend; not an interface that is down. */
static void cannot_send(struct node *n, struct node_vhost *v,
			const struct carpsock_out *o, int err)
{
	char text[INET6_ADDRSTRLEN];

	if (!o->to_len || err == -ENETDOWN || err == -ENXIO || err == -EAGAIN)
		return;
	if (v->advert_said_at.ns &&
	    mono_diff(n->last, v->advert_said_at) < SAY_EVERY_NS)
		return;
	v->advert_said_at = n->last;
	if (o->to.sa.sa_family == AF_INET6)
		inet_ntop(AF_INET6, &o->to.v6.sin6_addr, text, sizeof(text));
	else
		inet_ntop(AF_INET, &o->to.v4.sin_addr, text, sizeof(text));
	log_msg(LOG_WARNING, "carp \"%s\": no advert reaches the peer %s: %s%s",
		v->name, text, log_errno(-err),
		err == -EPERM ? "; an output rule drops protocol 112" : "");
}

/* 0, or -ENOBUFS where the lease was found to be lost, or -errno. */
static int send_one(struct node *n, unsigned vhost,
		    const struct carpsock_out *o)
{
	struct node_vhost *v = &n->vhosts[vhost];
	int err = 0;

	for (int i = 0; i < ADVERT_TRIES; i++) {
		err = carpsock_send(o);
		if (err != -ENOBUFS)
			break;
		if (!o->unmarked && !lease_held(n, v)) {
			engine_lease_lost(n->engine, vhost, n->last);
			return err;
		}
	}
	if (err == -ENOBUFS) {
		log_msg(LOG_INFO, "%s: its queue is full, an advert was lost",
			n->ifaces[v->iface].name);
		return -EAGAIN;
	}
	if (err)
		cannot_send(n, v, o, err);
	else
		metrics_advert_sent(v, o);
	return err;
}

void node_advert(struct node *n, unsigned vhost,
		 const uint8_t bytes[CARP_ADVERT_LEN], bool own_mac)
{
	struct node_vhost *v = &n->vhosts[vhost];
	struct carpsock_out out[STANDIN_PACKETS];
	bool sent = false;
	size_t count;

	if (!own_mac && !v->answering)
		return; /* it could not be taken */
	count = compose(n, v, bytes, v->vip.virtual_mac && !own_mac, out);
	for (size_t i = 0; i < count; i++) {
		int err = send_one(n, vhost, &out[i]);

		if (err == -ENOBUFS)
			return;
		sent |= !err;
	}
	if (sent && !own_mac)
		standin_sent(n->standin, vhost, out, count,
			     carp_vhost_auth(&n->engine->vhosts[vhost].carp),
			     advert_interval(n, vhost), n->last);
	if (!own_mac)
		engine_advert_sent(n->engine, vhost, sent);
}

/* --- in ------------------------------------------------------------------- */

static struct node_vhost *find_vhost(struct node *n, unsigned iface,
				     uint8_t vhid, unsigned *index)
{
	for (*index = 0; *index < n->nvhosts; (*index)++)
		if (n->vhosts[*index].iface == iface &&
		    n->vhosts[*index].vhid == vhid)
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

/* Whether the vhost takes adverts that come like this one. */
static enum carp_refusal accepts(const struct conf_carp *c,
				 const struct carp_packet *p)
{
	struct carp_address group = carp_group(p->dst.family);

	/* OpenBSD looks up a vhid for multicast and unicast apart (B.6) */
	if (!has_family(c, p->dst.family) ||
	    (c->num_unicast ? is_group(&p->dst)
			    : !carp_address_equal(&p->dst, &group)))
		return CARP_REFUSED_VHID;
	if (p->ttl < (c->num_unicast ? c->ttl : CARP_TTL))
		return CARP_REFUSED_TTL;
	for (unsigned i = 0; i < c->num_unicast; i++) {
		struct carp_address peer = from_conf(&c->unicast[i]);

		if (carp_address_equal(&peer, &p->src))
			return CARP_OK;
	}
	return c->num_unicast ? CARP_REFUSED_SOURCE : CARP_OK;
}

static void got_packet(struct node *n, unsigned iface,
		       const struct carp_packet *p, enum carp_refusal why)
{
	struct carp_advert a = { 0 };
	uint8_t vrrp = why == CARP_OK ? 0 : node_foreign_vrrp(p);
	unsigned vhost;

	if (vrrp && find_vhost(n, iface, vrrp, &vhost))
		node_foreign_advert(n, vhost, &p->src, true);
	if (why == CARP_OK)
		why = carp_wire_parse(p->payload, p->len, &a);
	if (why == CARP_OK && !find_vhost(n, iface, a.vhid, &vhost))
		why = CARP_REFUSED_VHID;
	if (why == CARP_OK)
		why = accepts(n->vhosts[vhost].conf, p);
	if (why != CARP_OK) {
		refused(n, iface, a.vhid, why);
		return;
	}
	why = engine_advert(n->engine, vhost, &a, &p->src, n->last);
	if (why == CARP_OK)
		n->vhosts[vhost].adverts_received[p->src.family]++;
	if (why == CARP_REFUSED_AUTH)
		node_foreign_advert(n, vhost, &p->src, false);
	node_settle(n);
}

static bool flooded(struct node_iface *f, unsigned got)
{
	mono_t now = f->node->last;

	if (mono_diff(now, f->flood_since) > FLOOD_WINDOW_NS) {
		f->flood_since = now;
		f->flood = 0;
	}
	f->flood += got;
	return f->flood > FLOOD_PACKETS;
}

static void rested(evutil_socket_t fd, short what, void *arg)
{
	struct node_iface *f = arg;

	(void)fd;
	(void)what;
	if (f->carp_event)
		event_add(f->carp_event, NULL);
}

/* An urgent event that is always active lets no other have its turn. */
static void rest(struct node_iface *f)
{
	const struct timeval tv = { .tv_usec = FLOOD_REST_US };

	if (f->carp_event &&
	    event_base_once(f->node->base, -1, EV_TIMEOUT, rested, f, &tv) == 0)
		event_del(f->carp_event);
}

static unsigned read_some(struct node_iface *f)
{
	struct node *n = f->node;
	uint8_t packet[PACKET_MAX];
	struct carp_packet p;
	enum carp_refusal why;
	unsigned got = 0;

	(void)node_now(n);
	while (got < ADVERTS_AT_ONCE && carpsock_fd(&f->carp) >= 0 &&
	       carpsock_read(&f->carp, packet, sizeof(packet), &p, &why) == 0) {
		got_packet(n, (unsigned)(f - n->ifaces), &p, why);
		got++;
	}
	return got;
}

void node_advert_read(evutil_socket_t fd, short what, void *arg)
{
	struct node_iface *f = arg;

	(void)fd;
	(void)what;
	if (flooded(f, read_some(f)))
		rest(f);
}

void node_advert_read_all(struct node_iface *f)
{
	for (unsigned i = 0; i < NODE_ADVERTS_WAITING / ADVERTS_AT_ONCE; i++) {
		unsigned got = read_some(f);

		(void)flooded(f, got);
		if (got < ADVERTS_AT_ONCE)
			return;
	}
}
