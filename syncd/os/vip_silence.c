/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Makes the kernel silent about shared addresses, in ARP and, without a lease,
 * at a multicast MAC, and puts back what stood there. It puts no address on
 * this machine; vip.c does.
 *
 * Implements LINUX-VIP.md: "the kernel stays silent about it". In neighbour
 * discovery it is by itself: it answers for the interface's own addresses.
 *
 * Invariant: the state file has the first value before we write another.
 */
#include "vip.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DUMP_TRIES 5

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

/*
 * What the interface should have; false when it has it already. A frame to a
 * multicast MAC is for every node, and only the lease makes it one for this
 * host: without, also when the daemon was killed, the kernel must drop it.
 */
static bool link_wants(const struct vip *v, const struct sysctl_link *l,
		       struct sysctl_values *want)
{
	*want = l->v;
	if (!l->arp || !l->has_inet)
		return false;
	if (!want->arp_ignore)
		want->arp_ignore = SYSCTL_ARP_IGNORE;
	for (size_t i = 0; i < v->vhost_count; i++) {
		const struct vip_vhost *h = &v->vhosts[i];

		if (strcmp(h->ifname, l->name) != 0)
			continue;
		if (want->arp_announce < SYSCTL_ARP_ANNOUNCE)
			want->arp_announce = SYSCTL_ARP_ANNOUNCE;
		if (h->virtual_mac && h->mac[0] & 1) {
			want->l2drop = 1;
			want->l2drop6 = l->has_inet6;
		}
	}
	return memcmp(want, &l->v, sizeof(*want)) != 0;
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
	struct sysctl_values want;
	size_t i;
	int r = 0;

	for (i = 0; !r && i < all->count; i++) {
		r = note_macs(v, &all->l[i]);
		if (!r && link_wants(v, &all->l[i], &want))
			r = sysctl_store_note(&v->store, &all->l[i]);
	}
	if (!r)
		r = sysctl_store_save(&v->store);
	for (i = 0; !r && i < all->count; i++) {
		if (!link_wants(v, &all->l[i], &want))
			continue;
		r = sysctl_link_set(&v->nl, &all->l[i], &want);
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

/* Another value than ours is somebody's later decision. */
static uint32_t restored(uint32_t now, uint32_t ours, uint32_t original)
{
	return now == ours ? original : now;
}

static int link_restore(struct vip *v, const struct sysctl_original *o)
{
	struct sysctl_link l;
	struct sysctl_values want;
	int r = sysctl_link_get(&v->nl, o->ifindex, NULL, &l);

	if (r == -ENODEV || (!r && !l.has_inet))
		return 0;
	if (r)
		return r;
	want = (struct sysctl_values){
		.arp_ignore = restored(l.v.arp_ignore, SYSCTL_ARP_IGNORE,
				       o->v.arp_ignore),
		.arp_announce = restored(l.v.arp_announce, SYSCTL_ARP_ANNOUNCE,
					 o->v.arp_announce),
		.l2drop = restored(l.v.l2drop, 1, o->v.l2drop),
		.l2drop6 = restored(l.v.l2drop6, 1, o->v.l2drop6),
	};
	if (memcmp(&want, &l.v, sizeof(want)) == 0)
		return 0;
	r = sysctl_link_set(&v->nl, &l, &want);
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
