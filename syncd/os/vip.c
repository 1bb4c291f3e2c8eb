/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Puts a shared address on this machine and takes it off, by rtnetlink. It
 * does not decide who is master and gives no right to anything: without the
 * lease (lease.h) and the answers to ARP (neigh.h) nobody reaches the address.
 *
 * Implements spec/linux-vip.md: "the address", "no own address on the
 * interface", "the kernel stays silent about it", "Devices".
 *
 * Invariant: nothing is written to the kernel that the state file, or our
 * protocol number on a route, does not let the next run find and undo.
 */
#include "vip.h"

#include "vip_rtnl.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#define CLEAN_MAX  1000 /* rounds; a round removes one route */
#define DUMP_TRIES 5

int vip_open(struct vip *v, const char *state_path)
{
	int r;

	memset(v, 0, sizeof(*v));
	r = vip_rtnl_open(&v->nl);
	if (r)
		return r;
	r = sysctl_store_open(&v->store, state_path);
	if (r)
		nl_close(&v->nl);
	return r;
}

void vip_close(struct vip *v)
{
	nl_close(&v->nl);
	sysctl_store_close(&v->store);
	v->vhosts = NULL;
	v->vhost_count = 0;
}

/* --- silence ------------------------------------------------------------ */

struct links {
	struct sysctl_link *l;
	size_t count;
};

static int links_take(const struct sysctl_link *l, void *arg)
{
	struct links *all = arg;
	struct sysctl_link *p;

	p = realloc(all->l, (all->count + 1) * sizeof(*p));
	if (!p)
		return -ENOMEM;
	all->l = p;
	p[all->count++] = *l;
	return 0;
}

static bool link_is_ours(const struct vip *v, const struct sysctl_link *l)
{
	size_t i;

	for (i = 0; i < v->vhost_count; i++)
		if (!strcmp(v->vhosts[i].ifname, l->name))
			return true;
	return false;
}

/* What the interface should have; false when it has it already. */
static bool link_wants(const struct vip *v, const struct sysctl_link *l,
		       uint32_t *ignore, uint32_t *announce)
{
	*ignore = l->arp_ignore;
	*announce = l->arp_announce;
	if (!l->arp || !l->has_inet)
		return false;
	if (!l->arp_ignore)
		*ignore = SYSCTL_ARP_IGNORE;
	if (link_is_ours(v, l) && l->arp_announce < SYSCTL_ARP_ANNOUNCE)
		*announce = SYSCTL_ARP_ANNOUNCE;
	return *ignore != l->arp_ignore || *announce != l->arp_announce;
}

static int note_macs(struct vip *v, const struct sysctl_link *l)
{
	size_t i;
	int r = 0;

	for (i = 0; !r && i < v->vhost_count; i++) {
		const struct vip_vhost *h = &v->vhosts[i];

		if (h->virtual_mac && !strcmp(h->ifname, l->name))
			r = sysctl_store_note_mac(&v->store, l->ifindex,
						  h->mac);
	}
	return r;
}

/* First everything into the file, then the first write. */
static int links_prepare(struct vip *v, const struct links *all)
{
	uint32_t ignore, announce;
	size_t i;
	int r = 0;

	for (i = 0; !r && i < all->count; i++) {
		r = note_macs(v, &all->l[i]);
		if (!r && link_wants(v, &all->l[i], &ignore, &announce))
			r = sysctl_store_note(&v->store, &all->l[i]);
	}
	if (!r)
		r = sysctl_store_save(&v->store);
	for (i = 0; !r && i < all->count; i++) {
		if (!link_wants(v, &all->l[i], &ignore, &announce))
			continue;
		r = sysctl_link_set(&v->nl, all->l[i].ifindex, ignore,
				    announce);
		if (r == -ENODEV || r == -EAFNOSUPPORT)
			r = 0; /* gone, or without IPv4, since we looked */
	}
	return r;
}

int vip_prepare(struct vip *v, const struct vip_vhost *vhosts, size_t count)
{
	struct links all = { 0 };
	int tries = 0;
	int r;

	v->vhosts = vhosts;
	v->vhost_count = count;
	do {
		all.count = 0;
		r = sysctl_link_dump(&v->nl, links_take, &all);
	} while (r == -EINTR && ++tries < DUMP_TRIES);
	if (!r)
		r = links_prepare(v, &all);
	free(all.l);
	if (!r && !v->clean) {
		r = vip_clean(v);
		v->clean = !r;
	}
	return r;
}

int vip_prepare_link(struct vip *v, unsigned int ifindex)
{
	struct sysctl_link l;
	struct links one = { &l, 1 };
	int r = sysctl_link_get(&v->nl, ifindex, NULL, &l);

	if (r)
		return r == -ENODEV ? 0 : r;
	return links_prepare(v, &one);
}

static int link_restore(struct vip *v, const struct sysctl_original *o)
{
	struct sysctl_link l;
	uint32_t ignore, announce;
	int r = sysctl_link_get(&v->nl, o->ifindex, NULL, &l);

	if (r == -ENODEV || (!r && !l.has_inet))
		return 0;
	if (r)
		return r;
	/* Another value than ours is somebody's later decision. */
	ignore = l.arp_ignore == SYSCTL_ARP_IGNORE ? o->arp_ignore
						   : l.arp_ignore;
	announce = l.arp_announce == SYSCTL_ARP_ANNOUNCE ? o->arp_announce
							 : l.arp_announce;
	if (ignore == l.arp_ignore && announce == l.arp_announce)
		return 0;
	r = sysctl_link_set(&v->nl, o->ifindex, ignore, announce);
	return r == -ENODEV || r == -EAFNOSUPPORT ? 0 : r;
}

int vip_restore(struct vip *v)
{
	int first = vip_clean(v);
	size_t i;
	int r;

	for (i = 0; i < v->store.original_count; i++) {
		r = link_restore(v, &v->store.originals[i]);
		if (!first)
			first = r;
	}
	if (first)
		return first; /* the file stays: the next run tries again */
	return sysctl_store_remove(&v->store);
}

/* --- add, remove, clean ------------------------------------------------- */

static struct vip_route route_local(const struct sysctl_link *l,
				    const struct vip_addr *a)
{
	return (struct vip_route){
		.table = l->vrf_table ? l->vrf_table : RT_TABLE_LOCAL,
		.type = RTN_LOCAL,
		.scope = RT_SCOPE_HOST,
		.prefixlen = 32,
		.oif = l->ifindex,
		.dst = a->addr,
	};
}

static struct vip_route route_prefix(const struct sysctl_link *l,
				     const struct vip_addr *a)
{
	return (struct vip_route){
		.table = l->vrf_table ? l->vrf_table : RT_TABLE_MAIN,
		.type = RTN_UNICAST,
		.scope = RT_SCOPE_LINK,
		.prefixlen = a->prefixlen,
		.oif = l->ifindex,
		.dst.s_addr = vip_prefix_of(a->addr.s_addr, a->prefixlen),
		.src = a->addr,
	};
}

static int addr_add(struct vip *v, const struct sysctl_link *l,
		    const struct vip_addr *a, bool prefix)
{
	struct vip_route rt = route_local(l, a);
	int r = vip_route_add(&v->nl, &rt, VIP_ROUTE_REPLACE);

	if (r || !prefix || a->prefixlen >= 32)
		return r;
	/* Beside one with another of our addresses as source, not in place
	 * of it: they come and go each with its vhost. */
	rt = route_prefix(l, a);
	return vip_route_add(&v->nl, &rt, VIP_ROUTE_BESIDE);
}

int vip_add(struct vip *v, struct vip_vhost *h)
{
	struct sysctl_link l;
	size_t i;
	int r = sysctl_link_get(&v->nl, 0, h->ifname, &l);

	if (!r)
		h->ifindex = l.ifindex;
	for (i = 0; !r && i < h->addr_count; i++) {
		struct vip_own o = { .ifindex = l.ifindex, .a = &h->addrs[i] };

		r = vip_own_look(&v->nl, &o);
		if (!r && o.same)
			return VIP_OWN_ADDRESS;
		if (!r)
			r = addr_add(v, &l, o.a, !o.in_prefix);
	}
	if (!r && h->virtual_mac)
		r = vip_mac_add(&v->nl, l.ifindex, h->mac);
	return r;
}

static int addr_remove(struct vip *v, const struct sysctl_link *l,
		       const struct vip_addr *a)
{
	struct vip_route prefix = route_prefix(l, a);
	struct vip_route local = route_local(l, a);
	int r = 0, r2;

	if (a->prefixlen < 32)
		r = vip_route_del(&v->nl, &prefix);
	r2 = vip_route_del(&v->nl, &local);
	return r ? r : r2;
}

int vip_remove(struct vip *v, struct vip_vhost *h)
{
	struct sysctl_link l;
	size_t i;
	int r, first = 0;

	if (!h->ifindex)
		return 0;
	r = sysctl_link_get(&v->nl, h->ifindex, NULL, &l);
	h->ifindex = 0;
	if (r)
		return r == -ENODEV ? 0 : r;
	if (h->virtual_mac)
		first = vip_mac_del(&v->nl, l.ifindex, h->mac);
	for (i = 0; i < h->addr_count; i++) {
		r = addr_remove(v, &l, &h->addrs[i]);
		if (!first)
			first = r;
	}
	return first;
}

static int clean_macs(struct vip *v)
{
	size_t i;
	int r, first = 0;

	for (i = 0; i < v->store.mac_count; i++) {
		const struct sysctl_mac *m = &v->store.macs[i];

		r = vip_mac_del(&v->nl, m->ifindex, m->mac);
		if (!first)
			first = r;
	}
	return first;
}

static int clean_routes(struct vip *v)
{
	struct vip_route rt;
	int round, r;

	for (round = 0; round < CLEAN_MAX; round++) {
		r = vip_route_find(&v->nl, &rt);
		if (r)
			return r == VIP_NO_ROUTE ? 0 : r;
		r = vip_route_del(&v->nl, &rt);
		if (r)
			return r;
	}
	return -ELOOP;
}

int vip_clean(struct vip *v)
{
	int r = clean_macs(v);
	int r2 = clean_routes(v);

	return r ? r : r2;
}
