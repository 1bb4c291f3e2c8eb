/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Puts a shared address on this machine and takes it off, by rtnetlink. It
 * does not decide who is master and gives no right to anything: without the
 * lease (lease.h) and the answers to ARP (neigh.h) nobody reaches the address.
 *
 * Implements LINUX-VIP.md: "the address", "no own address on the
 * interface", "Devices". The kernel's silence is vip_silence.c.
 *
 * Invariant: nothing is written to the kernel that the state file, or our
 * protocol number on a route or address, does not let the next run find and undo.
 */
#include "vip.h"

#include "vip_rtnl.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <time.h>

#define SOURCE_TRIES 20
#define CLEAN_MAX    1000 /* rounds; a round removes one */

int vip_open(struct vip *v, const char *state_path)
{
	int r;

	memset(v, 0, sizeof(*v));
	r = nl_open_route(&v->nl);
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
	v->held = NULL;
}

/* --- add, remove, clean ------------------------------------------------- */

static uint8_t host_len(const struct vip_addr *a)
{
	return a->v6 ? 128 : 32;
}

static bool is_link_local(const struct vip_addr *a)
{
	return a->v6 && IN6_IS_ADDR_LINKLOCAL(&a->addr6);
}

static void addr_bytes(const struct vip_addr *a, uint8_t bytes[16])
{
	memset(bytes, 0, 16);
	if (a->v6)
		memcpy(bytes, &a->addr6, sizeof(a->addr6));
	else
		memcpy(bytes, &a->addr, sizeof(a->addr));
}

static struct vip_route route_local(const struct sysctl_link *l,
				    const struct vip_addr *a)
{
	struct vip_route rt = {
		.v6 = a->v6,
		.table = l->vrf_table ? l->vrf_table : RT_TABLE_LOCAL,
		.type = RTN_LOCAL,
		.scope = RT_SCOPE_HOST,
		.prefixlen = host_len(a),
		.oif = l->ifindex,
	};

	addr_bytes(a, rt.dst);
	return rt;
}

static struct vip_route route_prefix(const struct sysctl_link *l,
				     const struct vip_addr *a)
{
	struct vip_route rt = {
		.v6 = a->v6,
		.table = l->vrf_table ? l->vrf_table : RT_TABLE_MAIN,
		.type = RTN_UNICAST,
		.scope = RT_SCOPE_LINK,
		.prefixlen = a->prefixlen,
		.oif = l->ifindex,
		.has_src = true,
	};

	addr_bytes(a, rt.dst);
	vip_mask(rt.dst, a->v6, a->prefixlen);
	addr_bytes(a, rt.src);
	return rt;
}

/* Every interface has an address in the prefix of link-local ones. */
static bool has_prefix(const struct vip_addr *a)
{
	return a->prefixlen < host_len(a) && !is_link_local(a);
}

static struct vip_ifaddr lo_address(const struct vip_vhost *h,
				    const struct vip_addr *a)
{
	struct vip_ifaddr i = { .v6 = a->v6, .ifindex = h->lo_ifindex };

	addr_bytes(a, i.addr);
	return i;
}

/* Where IPv6 wants it, or the user. */
static bool is_on_lo(const struct vip_vhost *h, const struct vip_addr *a)
{
	return a->v6 ? !is_link_local(a) : h->on_lo;
}

/* IPv6 has both: the kernel makes the route of an address on lo some time
 * after it (addrconf_dad_work), and forwards what comes meanwhile. */
static bool is_route(const struct vip_vhost *h, const struct vip_addr *a)
{
	return a->v6 || !h->on_lo;
}

/* What is new is counted, and otherwise fine. */
static int added(struct vip *v, int r)
{
	v->added += r == VIP_ADDED;
	return r < 0 ? r : 0;
}

/* For the same reason an IPv6 source may not be one yet. */
static int prefix_add(struct vip *v, const struct sysctl_link *l,
		      const struct vip_addr *a)
{
	static const struct timespec wait = { .tv_nsec = 1000000 };
	struct vip_route rt = route_prefix(l, a);
	int r, tries = 0;

	/* Beside one with another of our addresses as source, not in place
	 * of it: they come and go each with its vhost. */
	do
		r = vip_route_add(&v->nl, &rt, VIP_ROUTE_BESIDE);
	while (r == -EINVAL && a->v6 && ++tries < SOURCE_TRIES &&
	       nanosleep(&wait, NULL) == 0);
	return r;
}

static int addr_add(struct vip *v, const struct sysctl_link *l,
		    const struct vip_vhost *h, const struct vip_addr *a,
		    bool prefix)
{
	struct vip_ifaddr lo = lo_address(h, a);
	struct vip_route rt = route_local(l, a);
	int r = 0;

	if (is_route(h, a))
		r = added(v, vip_route_add(&v->nl, &rt, VIP_ROUTE_REPLACE));
	if (!r && is_on_lo(h, a))
		r = added(v, vip_ifaddr_add(&v->nl, &lo));
	if (!r && prefix && has_prefix(a))
		r = added(v, prefix_add(v, l, a));
	return r;
}

static void hold(struct vip *v, struct vip_vhost *h)
{
	struct vip_vhost *p = v->held;

	while (p && p != h)
		p = p->next;
	if (p)
		return;
	h->next = v->held;
	v->held = h;
}

static void unhold(struct vip *v, const struct vip_vhost *h)
{
	struct vip_vhost **p = &v->held;

	while (*p && *p != h)
		p = &(*p)->next;
	if (*p)
		*p = h->next;
}

int vip_add(struct vip *v, struct vip_vhost *h)
{
	struct sysctl_link l;
	size_t i;
	int r = sysctl_link_get(&v->nl, 0, h->ifname, &l);

	if (!r) {
		h->ifindex = l.ifindex;
		/* a VRF's device is the lo of its table */
		h->lo_ifindex = l.vrf_table ? l.master : LO_IFINDEX;
		hold(v, h);
	}
	for (i = 0; !r && i < h->addr_count; i++) {
		struct vip_own o = { .ifindex = l.ifindex, .a = &h->addrs[i] };

		r = vip_own_look(&v->nl, &o);
		if (!r && o.same)
			return VIP_OWN_ADDRESS;
		if (!r)
			r = addr_add(v, &l, h, o.a, !o.in_prefix);
	}
	if (!r && h->virtual_mac)
		r = vip_mac_add(&v->nl, l.ifindex, h->mac);
	return r;
}

static bool mac_is_held(const struct vip *v, unsigned int ifindex,
			const uint8_t mac[6])
{
	const struct vip_vhost *h;

	for (h = v->held; h; h = h->next)
		if (h->virtual_mac && h->ifindex == ifindex &&
		    !memcmp(h->mac, mac, sizeof(h->mac)))
			return true;
	return false;
}

static bool addr_is_held(const struct vip *v, unsigned int ifindex,
			 const struct vip_addr *a)
{
	uint8_t want[16], have[16];
	const struct vip_vhost *h;

	addr_bytes(a, want);
	for (h = v->held; h; h = h->next)
		for (size_t i = 0; i < h->addr_count; i++) {
			addr_bytes(&h->addrs[i], have);
			if (h->addrs[i].v6 == a->v6 &&
			    (h->ifindex == ifindex || !is_link_local(a)) &&
			    !memcmp(want, have, sizeof(want)))
				return true;
		}
	return false;
}

/* IPv6 has one route to a prefix, whatever its source: with another of our
 * addresses as its source it goes on. */
static int prefix_again(struct vip *v, const struct sysctl_link *l,
			const struct vip_route *gone)
{
	const struct vip_vhost *h;

	for (h = v->held; h; h = h->next)
		for (size_t i = 0; i < h->addr_count; i++) {
			const struct vip_addr *a = &h->addrs[i];
			struct vip_route rt = route_prefix(l, a);

			if (a->v6 && has_prefix(a) &&
			    h->ifindex == l->ifindex &&
			    rt.prefixlen == gone->prefixlen &&
			    !memcmp(rt.dst, gone->dst, sizeof(rt.dst)))
				return added(v, prefix_add(v, l, a));
		}
	return 0;
}

static int addr_remove(struct vip *v, const struct sysctl_link *l,
		       const struct vip_vhost *h, const struct vip_addr *a)
{
	struct vip_route prefix = route_prefix(l, a);
	struct vip_route local = route_local(l, a);
	int r = 0, r2 = 0;

	if (addr_is_held(v, l->ifindex, a))
		return 0;
	if (has_prefix(a))
		r = vip_route_del(&v->nl, &prefix);
	if (!r && a->v6 && has_prefix(a))
		r = prefix_again(v, l, &prefix);
	if (is_route(h, a))
		r2 = vip_route_del(&v->nl, &local);
	return r ? r : r2;
}

/* What is on lo stays there when the interface goes. */
static int remove_lo(struct vip *v, const struct vip_vhost *h)
{
	int r, first = 0;

	for (size_t i = 0; i < h->addr_count; i++) {
		struct vip_ifaddr lo = lo_address(h, &h->addrs[i]);

		if (!is_on_lo(h, &h->addrs[i]) ||
		    addr_is_held(v, h->ifindex, &h->addrs[i]))
			continue;
		r = vip_ifaddr_del(&v->nl, &lo);
		if (!first)
			first = r;
	}
	return first;
}

int vip_remove(struct vip *v, struct vip_vhost *h)
{
	struct sysctl_link l;
	size_t i;
	int r, there, first = 0;

	if (!h->ifindex)
		return 0;
	unhold(v, h);
	there = sysctl_link_get(&v->nl, h->ifindex, NULL, &l);
	if (!there && h->virtual_mac && !mac_is_held(v, l.ifindex, h->mac))
		first = vip_mac_del(&v->nl, l.ifindex, h->mac);
	r = remove_lo(v, h);
	if (!first)
		first = r;
	h->ifindex = 0;
	if (there)
		return there == -ENODEV ? first : there;
	for (i = 0; i < h->addr_count; i++) {
		r = addr_remove(v, &l, h, &h->addrs[i]);
		if (!first)
			first = r;
	}
	return first;
}

int vip_change(struct vip *v, struct vip_vhost *h, const struct vip_addr *addrs,
	       size_t count)
{
	struct vip_vhost old = *h;
	struct sysctl_link l;
	int r, there, first = 0;

	h->addrs = addrs; /* what is among them counts as held */
	h->addr_count = count;
	if (!h->ifindex)
		return 0;
	there = sysctl_link_get(&v->nl, h->ifindex, NULL, &l);
	first = remove_lo(v, &old);
	for (size_t i = 0; !there && i < old.addr_count; i++) {
		r = addr_remove(v, &l, &old, &old.addrs[i]);
		if (!first)
			first = r;
	}
	if (!first && there != -ENODEV)
		first = there;
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

static int clean_routes(struct vip *v, bool v6)
{
	struct vip_route rt;
	int round, r;

	for (round = 0; round < CLEAN_MAX; round++) {
		r = vip_route_find(&v->nl, v6, &rt);
		if (r)
			return r == VIP_NO_ROUTE ? 0 : r;
		r = vip_route_del(&v->nl, &rt);
		if (r)
			return r;
	}
	return -ELOOP;
}

static int clean_addresses(struct vip *v, bool v6)
{
	struct vip_ifaddr a;
	int round, r;

	for (round = 0; round < CLEAN_MAX; round++) {
		r = vip_ifaddr_find(&v->nl, v6, &a);
		if (r)
			return r == VIP_NO_ROUTE ? 0 : r;
		r = vip_ifaddr_del(&v->nl, &a);
		if (r)
			return r;
	}
	return -ELOOP;
}

int vip_clean(struct vip *v)
{
	int first = clean_macs(v);

	for (int v6 = 0; v6 <= 1; v6++) {
		int r = clean_routes(v, v6);

		if (!first)
			first = r;
		r = clean_addresses(v, v6);
		if (!first)
			first = r;
	}
	return first;
}
