/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The life of vhosts and interfaces: opened at the start, changed and closed
 * while the node runs. It does not decide which (node_reload), and gives no
 * right (node_carp).
 *
 * Implements rules 6 and LINUX-VIP.md, by the modules of os.
 *
 * Invariant: a free place of a vhost, and a free slot of an interface, hold
 * nothing that is open.
 */
#include "node.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "announce.h"
#include "log.h"
#include "priv.h"

#define LEASE_TABLE "statesync"
/* 2.5 intervals, as engine_carp.c; only until the engine says it itself. */
#define LEASE_FIRST_NS(i) ((i)*5 / 2)

/* One of the nodes of a balanced address: neighbours are told the MAC of the
 * first one, which all receive. */
static void open_share(struct node_vhost *v, const struct conf_carp *c)
{
	carp_vmac(c->nodes[v->share].vhid, v->lease.mac);
	carp_vmac(c->nodes[0].vhid, v->vip.mac);
	if (c->balancing == CONF_BALANCING_IP)
		v->vip.mac[0] = 0x01; /* multicast: switches flood */
	memcpy(v->lease.shared_mac, v->vip.mac, sizeof(v->vip.mac));
	v->lease.share = v->share;
	v->lease.shares = (uint8_t)c->num_nodes;
}

/* Those of the configuration; NULL without memory. */
static struct vip_addr *addresses(const struct conf_carp *c)
{
	struct vip_addr *list = calloc(c->num_addresses, sizeof(*list));

	for (size_t k = 0; list && k < c->num_addresses; k++) {
		struct vip_addr *a = &list[k];

		a->v6 = c->addresses[k].family == AF_INET6;
		a->prefixlen = c->addresses[k].prefixlen;
		if (a->v6)
			a->addr6 = c->addresses[k].v6;
		else
			a->addr = c->addresses[k].v4;
	}
	return list;
}

static int open_vhost(struct node *n, unsigned i)
{
	struct node_vhost *v = &n->vhosts[i];
	const struct conf_carp *c = v->conf;
	size_t count = c->num_addresses;

	v->addrs = addresses(c);
	if (!v->addrs)
		return -ENOMEM;
	if (node_is_external(v))
		return 0;
	strcpy(v->vip.ifname, c->interface);
	v->vip.virtual_mac = c->mac == CONF_MAC_VIRTUAL;
	v->vip.on_lo = c->shared == CONF_SHARED_LO;
	v->vip.addrs = v->addrs;
	v->vip.addr_count = count;
	strcpy(v->lease.ifname, c->interface);
	carp_vmac(c->vhid, v->vip.mac);
	memcpy(v->lease.mac, v->vip.mac, sizeof(v->lease.mac));
	if (c->balancing != CONF_BALANCING_NONE)
		open_share(v, c);
	v->lease.source_virtual = c->source_mac == CONF_SOURCE_VIRTUAL;
	v->lease.addrs = v->addrs;
	v->lease.addr_count = count;
	v->lease.timeout_ns = n->engine->vhosts[i].lease_ns;
	if (!v->lease.timeout_ns)
		v->lease.timeout_ns = LEASE_FIRST_NS(
			carp_vhost_interval_ns(&n->engine->vhosts[i].carp));
	n->vip_vhosts[i] = v->vip;
	return 0;
}

static int add_lease(struct node *n, struct node_vhost *v)
{
	int err = 0;

	if (!v->vip.virtual_mac)
		return 0;
	if (!n->lease_open)
		err = lease_open(&n->lease, LEASE_TABLE, n->mark);
	if (!err) {
		n->lease_open = true;
		err = lease_add(&n->lease, &v->lease);
		v->leased = !err || err == -ENODEV;
	}
	return err == -ENODEV ? 0 : err;
}

static void say_no_lease(int err)
{
	log_msg(LOG_ERR,
		"the lease of the shared addresses: %s. mac = "
		"\"interface\" works without",
		lease_strerror(err));
}

int node_leases_open(struct node *n)
{
	int err = 0;

	if (node_upgrade_foreign(n))
		return 0; /* node_carp_adopt */
	for (unsigned i = 0; i < n->nvhosts && !err; i++)
		err = add_lease(n, &n->vhosts[i]);
	if (err)
		say_no_lease(err);
	return err;
}

int node_carp_adopt(struct node *n, int lease_fd)
{
	int err = 0;

	if (lease_fd >= 0)
		err = lease_adopt(&n->lease, lease_fd, LEASE_TABLE, n->mark);
	n->lease_open = lease_fd >= 0 && !err;
	for (unsigned i = 0; i < n->nvhosts && !err; i++) {
		struct node_vhost *v = &n->vhosts[i];
		const struct engine_vhost *e = &n->engine->vhosts[i];

		v->answering = e->held && !node_is_external(v);
		if (!v->vip.virtual_mac)
			continue;
		v->lease.timeout_ns = e->lease_ns;
		err = n->lease_open ? lease_keep(&n->lease, &v->lease)
				    : -ENOENT;
		v->leased = !err;
	}
	return err;
}

/* --- one that comes, changes or goes ---------------------------------------- */

int node_vhost_open(struct node *n, unsigned i)
{
	int err = open_vhost(n, i);

	if (err)
		return err;
	err = add_lease(n, &n->vhosts[i]);
	if (err)
		say_no_lease(err); /* it cannot be master, and says so */
	return 0;
}

/* What is kept stays where it is, what is new comes when it is taken. */
int node_vhost_change(struct node *n, unsigned i)
{
	struct node_vhost *v = &n->vhosts[i];
	bool source_virtual = v->conf->source_mac == CONF_SOURCE_VIRTUAL;
	struct vip_addr *addrs = addresses(v->conf), *was = v->addrs;
	size_t count = v->conf->num_addresses;
	int err;

	if (!addrs)
		return -ENOMEM;
	if (node_is_external(v)) {
		free(was);
		v->addrs = addrs;
		return 0;
	}
	if (count == v->vip.addr_count &&
	    !memcmp(addrs, was, count * sizeof(*addrs)) &&
	    source_virtual == v->lease.source_virtual) {
		free(addrs);
		return 0;
	}
	node_ra_set(n, i, false);
	err = vip_change(&n->vip, &v->vip, addrs, count);
	if (err)
		log_msg(LOG_ERR,
			"carp \"%s\": an address that is no more in its "
			"configuration cannot be removed: %s",
			v->name, log_errno(-err));
	v->addrs = addrs;
	v->lease.addrs = addrs;
	v->lease.addr_count = count;
	v->lease.source_virtual = source_virtual;
	err = v->leased ? lease_change(&n->lease, &v->lease) : 0;
	if (err && err != -ENODEV)
		log_msg(LOG_ERR, "carp \"%s\": the lease rules: %s", v->name,
			lease_strerror(err));
	/* what is missing later somebody has taken away */
	err = v->answering ? vip_add(&n->vip, &v->vip) : 0;
	if (err < 0)
		log_msg(LOG_DEBUG, "carp \"%s\": not all addresses: %s",
			v->name, log_errno(-err));
	n->vip_vhosts[i] = v->vip;
	free(was);
	node_ra_set(n, i, v->answering);
	return 0;
}

void node_vhost_close(struct node *n, unsigned i)
{
	struct node_vhost *v = &n->vhosts[i];
	int err = v->leased ? lease_del(&n->lease, &v->lease) : 0;

	if (err)
		log_msg(LOG_ERR, "carp \"%s\": the lease rules: %s", v->name,
			lease_strerror(err));
	node_ra_set(n, i, false);
	(void)vip_remove(&n->vip, &v->vip);
	free(v->addrs);
	n->vip_vhosts[i] = (struct vip_vhost){ 0 };
	node_conf_forget(n, i);
}

/* --- interfaces --------------------------------------------------------------- */

/* An interface that is not there yet is opened when it comes, by both: each
 * has to know its name. */
static void open_iface(struct node *n, unsigned i)
{
	int missing = node_advert_open(n, i);

	missing |= node_neigh_open(&n->ifaces[i]);
	if (missing)
		log_msg(LOG_DEBUG, "%s: not there yet", n->ifaces[i].name);
}

static void close_iface(struct node_iface *f)
{
	(void)node_watch(f, &f->carp_event, -1, NULL);
	carpsock_close(&f->carp);
	node_neigh_close(f);
}

/* Without it its slot is free. */
static void forget_iface(struct node_iface *f)
{
	close_iface(f);
	f->name[0] = f->carp.conf.ifname[0] = '\0';
	f->ifindex = 0;
	f->up = f->has_mac = false;
}

static bool is_used(const struct node *n, unsigned iface)
{
	for (size_t i = 0; i < n->nvhosts; i++)
		if (n->vhosts[i].iface == iface)
			return true;
	return false;
}

void node_ifaces_settle(struct node *n)
{
	for (unsigned i = 0; i < n->nifaces; i++) {
		struct node_iface *f = &n->ifaces[i];

		if (!*f->name)
			continue;
		if (!is_used(n, i)) {
			forget_iface(f);
			continue;
		}
		if (!*f->carp.conf.ifname)
			open_iface(n, i);
		node_advert_change(n, i);
		node_neigh_bind(f);
		node_neigh_set(n, i);
	}
}

/* --- all of it ------------------------------------------------------------------ */

void node_vhosts_prepare(struct node *n)
{
	int err = vip_prepare(&n->vip, n->vip_vhosts, n->nvhosts);

	if (err)
		log_msg(LOG_ERR, "the interfaces cannot be prepared: %s",
			log_errno(-err));
}

static int open_vip(struct node *n)
{
	char path[SYSCTL_PATH_MAX];
	int err;

	snprintf(path, sizeof(path), "%s.saved", n->conf->stats_socket);
	err = vip_open(&n->vip, path);
	if (!err) {
		n->vip_open = true;
		n->vip.clean = node_upgrade_foreign(n);
		err = vip_prepare(&n->vip, n->vip_vhosts, n->nvhosts);
	}
	if (err)
		log_msg(LOG_ERR, "the interfaces cannot be prepared: %s",
			log_errno(-err));
	return err;
}

int node_carp_open(struct node *n)
{
	int err = 0;

	if (!n->mark)
		evutil_secure_rng_get_bytes(&n->mark, sizeof(n->mark));
	n->mark |= 1;
	n->vip_vhosts = calloc(ENGINE_VHOSTS_MAX, sizeof(*n->vip_vhosts));
	n->standin = standin_new();
	priv_ordinary(n->sched_policy);
	if (!n->vip_vhosts || !n->standin)
		return -ENOMEM;
	if (!standin_realtime(n->standin))
		log_msg(LOG_WARNING, "no right to real-time scheduling "
				     "(CAP_SYS_NICE)");
	for (unsigned i = 0; i < n->nvhosts && !err; i++)
		err = open_vhost(n, i);
	if (!err)
		err = node_leases_open(n);
	if (!err)
		err = open_vip(n);
	for (unsigned i = 0; i < n->nifaces && !err; i++)
		open_iface(n, i);
	return err ? err : node_ifaces_open(n);
}

void node_carp_close(struct node *n)
{
	standin_free(n->standin);
	n->standin = NULL;
	for (unsigned i = 0; n->vhosts && i < n->nvhosts; i++)
		node_ra_set(n, i, false);
	node_ifaces_close(n);
	if (n->lease_open)
		lease_close(&n->lease);
	if (n->vip_open) {
		(void)vip_restore(&n->vip);
		vip_close(&n->vip);
	}
	for (size_t i = 0; i < n->nifaces; i++)
		close_iface(&n->ifaces[i]);
	for (size_t i = 0; n->vhosts && i < n->nvhosts; i++)
		free(n->vhosts[i].addrs);
	free(n->vip_vhosts);
	free(n->addrs);
}
