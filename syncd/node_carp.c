/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The engine's virtual hosts on real interfaces: address, MAC and lease given
 * and taken back. It decides nothing. Their life is node_vhost's, adverts are
 * node_advert's, ARP is node_neigh's, what the kernel says of interfaces comes
 * from node_ifaces.
 *
 * Implements rules 6 and LINUX-VIP.md, by the modules of os.
 *
 * Invariant: the lease is granted last and revoked first.
 */
#include "node.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "announce.h"
#include "clock.h"
#include "log.h"

static int grant(struct node *n, struct node_vhost *v)
{
	int err;

	if (!v->vip.virtual_mac)
		return 0;
	if (!v->leased)
		return -ENODEV;
	err = lease_grant(&n->lease, &v->lease);
	if (err == -ENOENT) {
		err = lease_repair(&n->lease, v->lease.ifname);
		if (!err)
			err = lease_grant(&n->lease, &v->lease);
	}
	return err;
}

void node_take(struct node *n, unsigned vhost)
{
	struct node_vhost *v = &n->vhosts[vhost];
	mono_t t;
	const char *why = NULL;
	int err;

	if (node_is_external(v)) { /* the elector has done it */
		memset(v->take_us, 0, sizeof(v->take_us));
		v->unannounced = true;
		return;
	}
	t = clock_mono();
	err = vip_add(&n->vip, &v->vip);
	v->take_us[0] = node_us_since(&t);
	if (err == VIP_OWN_ADDRESS)
		why = "the interface itself bears a shared address. ip address "
		      "del it";
	else if (err)
		why = log_errno(-err);
	if (!why) {
		node_routes_take(n, vhost);
		err = grant(n, v);
		v->take_us[1] = node_us_since(&t);
		if (err == LEASE_NOT_GRANTED)
			why = "the kernel did not keep the lease";
		else if (err)
			why = lease_strerror(err);
	}
	if (why) {
		v->unannounced = false;
		engine_take_failed(n->engine, vhost, why, n->last);
		return;
	}
	node_neigh_answer(n, vhost, true);
	v->unannounced = true;
}

/* All rights of this node end, and are asked for anew. */
static void drop_leases(struct node *n)
{
	lease_close(&n->lease);
	n->lease_open = false;
	for (unsigned i = 0; i < n->nvhosts; i++) {
		n->vhosts[i].leased = false;
		if (n->vhosts[i].answering && n->vhosts[i].vip.virtual_mac)
			engine_lease_lost(n->engine, i, n->last);
	}
	(void)node_leases_open(n);
}

void node_carp_slept(struct node *n)
{
	node_woke(n);
	engine_slept(n->engine);
	for (unsigned i = 0; i < n->nvhosts; i++)
		if (n->vhosts[i].answering)
			engine_lease_lost(n->engine, i, n->last);
}

void node_fence(struct node *n, unsigned vhost)
{
	struct node_vhost *v = &n->vhosts[vhost];
	int err = 0;

	standin_clear(n->standin, vhost);
	if (v->leased)
		err = lease_revoke(&n->lease, &v->lease);
	node_neigh_answer(n, vhost, false);
	if (!err)
		return;
	/* rather no right at all than one that stays */
	log_msg(LOG_ERR,
		"carp \"%s\": the lease cannot be revoked (%s); all leases of "
		"this node are dropped",
		v->name, log_errno(-err));
	drop_leases(n);
}

void node_release(struct node *n, unsigned vhost)
{
	struct node_vhost *v = &n->vhosts[vhost];

	v->unannounced = false;
	if (node_is_external(v))
		return;
	node_fence(n, vhost);
	node_routes_release(n, vhost);
	(void)vip_remove(&n->vip, &v->vip);
}

void node_lease_time(struct node *n, unsigned vhost, int64_t ns)
{
	struct node_vhost *v = &n->vhosts[vhost];
	int err;

	if (!v->leased)
		return;
	err = lease_set_timeout(&n->lease, &v->lease, ns);
	if (err)
		log_msg(LOG_ERR, "carp \"%s\": lease of %lld ms: %s", v->name,
			(long long)(ns / MONO_MS), lease_strerror(err));
}

int node_watch(struct node_iface *f, struct event **ev, int fd,
	       event_callback_fn cb)
{
	if (*ev) {
		if (event_get_fd(*ev) == fd)
			return 0;
		event_free(*ev);
		*ev = NULL;
	}
	if (fd < 0)
		return 0;
	*ev = event_new(f->node->base, fd, EV_READ | EV_PERSIST, cb, f);
	if (!*ev)
		return -ENOMEM;
	event_priority_set(*ev, PRIORITY_URGENT);
	return event_add(*ev, NULL) ? -ENOMEM : 0;
}

void node_advert_stop(struct node *n, unsigned iface)
{
	struct node_iface *f = &n->ifaces[iface];

	(void)node_watch(f, &f->carp_event, -1, node_advert_read);
	for (unsigned k = 0; k < n->nvhosts; k++)
		if (n->vhosts[k].iface == iface)
			standin_clear(n->standin, k);
}

static void put_back(struct node *n, unsigned iface)
{
	for (size_t k = 0; k < n->nvhosts; k++) {
		struct node_vhost *v = &n->vhosts[k];
		uint64_t had = n->vip.added;
		int err;

		if (v->iface != iface || !v->answering)
			continue;
		err = vip_add(&n->vip, &v->vip);
		if (err < 0)
			log_msg(LOG_DEBUG, "carp \"%s\": not put back: %s",
				v->name, log_errno(-err));
		else if (n->vip.added != had)
			log_msg(LOG_WARNING,
				"carp \"%s\": somebody took a shared address "
				"from this node, which is master; put back. "
				"ip monitor address route shows whether it "
				"happens again",
				v->name);
	}
}

void node_carp_put_back(struct node *n)
{
	for (unsigned i = 0; i < n->nifaces; i++)
		put_back(n, i);
}

void node_carp_adopted(struct node *n)
{
	for (unsigned i = 0; i < n->nvhosts; i++) {
		struct node_vhost *v = &n->vhosts[i];

		if (!v->answering)
			continue;
		node_neigh_set(n, v->iface);
		node_ra_set(n, i, true);
		put_back(n, v->iface);
		node_routes_take(n, i);
	}
	for (size_t i = 0; n->lease_open && i < n->nifaces; i++)
		if (lease_renew(&n->lease, n->ifaces[i].name))
			log_msg(LOG_DEBUG, "%s: the rules of before stay",
				n->ifaces[i].name);
}

void node_carp_bind(struct node *n, unsigned i)
{
	struct node_iface *f = &n->ifaces[i];

	/* who stands in for us goes on while nothing is another */
	if (!carpsock_is_bound(&f->carp))
		node_advert_stop(n, i);
	if (carpsock_rebind(&f->carp) == 0)
		(void)node_watch(f, &f->carp_event, carpsock_fd(&f->carp),
				 node_advert_read);
	node_neigh_bind(f);
	for (size_t k = 0; k < n->nvhosts; k++)
		if (n->vhosts[k].iface == i && !n->vhosts[k].vip.virtual_mac)
			memcpy(n->vhosts[k].vip.mac, f->mac, sizeof(f->mac));
	node_neigh_set(n, i);
	if (n->lease_open && lease_check(&n->lease, f->name) == LEASE_MISSING &&
	    lease_repair(&n->lease, f->name))
		log_msg(LOG_ERR, "%s: the lease rules cannot be put back",
			f->name);
	put_back(n, i);
}

static bool has_own_address(const struct node *n, unsigned ifindex,
			    uint8_t family)
{
	for (size_t i = 0; i < n->naddrs; i++)
		if (n->addrs[i].ifindex == ifindex &&
		    n->addrs[i].addr.family == family)
			return true;
	return false;
}

void node_carp_addresses(struct node *n, unsigned i)
{
	struct node_iface *f = &n->ifaces[i];
	const bool packet[CARP_FAMILIES] = {
		[CARP_V4] = !has_own_address(n, f->ifindex, AF_INET),
		[CARP_V6] = !has_own_address(n, f->ifindex, AF_INET6),
	};

	if (!f->ifindex)
		return;
	put_back(n, i);
	if (memcmp(packet, f->carp.packet, sizeof(packet)) == 0)
		return;
	node_advert_stop(n, i);
	if (carpsock_packet(&f->carp, packet) == 0)
		(void)node_watch(f, &f->carp_event, carpsock_fd(&f->carp),
				 node_advert_read);
}
