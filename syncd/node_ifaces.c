// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Interfaces that come, go and change, and this machine's addresses: told to
 * the engine. It is not the virtual hosts' work on them (node_carp).
 *
 * Implements rules 2: each node tells its own addresses, in the hello and on
 * change.
 *
 * Invariant: no shared address is in n->addrs, in whatever order they came.
 */
#include "node.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "neigh_table.h"
#include "node_ifstated.h"

static void link_changed(struct node *n, unsigned i, unsigned ifindex,
			 const struct ifmon_link *l)
{
	struct node_iface *f = &n->ifaces[i];
	bool up = l->up && !l->gone && l->has_mac;

	bool moved = l->has_mac && f->has_mac &&
		     memcmp(f->mac, l->mac, sizeof(f->mac)) != 0;

	f->seen = true;
	f->readdress |= f->ifindex != ifindex;
	f->ifindex = l->gone ? 0 : ifindex;
	f->has_mac = l->has_mac && !l->gone;
	if (f->has_mac)
		memcpy(f->mac, l->mac, sizeof(f->mac));
	if (!l->gone)
		node_carp_bind(n, i);
	for (unsigned k = 0; moved && k < n->nvhosts; k++) {
		if (n->vhosts[k].iface != i)
			continue;
		standin_clear(n->standin, k); /* its frames bear the old one */
		if (!n->vhosts[k].vip.virtual_mac)
			node_announce(n, k);
	}
	if (f->up != up)
		log_msg(LOG_NOTICE, "%s is %s", f->name, up ? "up" : "down");
	if (up && !f->up && neigh_table_ask_anew(&n->vip.nl, ifindex))
		log_msg(LOG_DEBUG, "%s: its neighbours cannot be read",
			f->name);
	f->up = up;
	for (unsigned k = 0; k < n->nvhosts; k++)
		if (n->vhosts[k].iface == i)
			engine_link(n->engine, k, up, n->last);
	/* before the next change, which may be the opposite */
	node_settle(n);
}

static void link_gone(struct node *n, unsigned i)
{
	const struct ifmon_link gone = { .gone = true };

	link_changed(n, i, 0, &gone);
}

/* The vhost that shares it, or NULL. */
static const struct node_vhost *shared_by(const struct node *n,
					  const struct ifmon_addr *a)
{
	size_t len = a->family == AF_INET6 ? 16 : 4;

	for (size_t i = 0; i < n->nvhosts; i++)
		for (size_t k = 0; k < n->vhosts[i].vip.addr_count; k++) {
			const struct vip_addr *v = &n->vhosts[i].addrs[k];

			if (v->v6 == (a->family == AF_INET6) &&
			    memcmp(&v->addr6, a->addr, len) == 0)
				return &n->vhosts[i];
		}
	return NULL;
}

/* Ours stand on no interface of a vhost. */
static void say_given(const struct node *n, unsigned ifindex,
		      const struct ifmon_addr *a)
{
	const struct node_vhost *v = a->added ? shared_by(n, a) : NULL;

	for (unsigned i = 0; v && i < n->nifaces; i++)
		if (n->ifaces[i].ifindex == ifindex && !node_is_external(v))
			log_msg(LOG_ERR,
				"carp \"%s\": somebody gave a shared address "
				"to an interface of this node, where it stays "
				"whichever node is master. ip address del it",
				v->name);
}

static void addr_changed(struct node *n, unsigned ifindex,
			 const struct ifmon_addr *a)
{
	size_t i = 0;

	while (i < n->naddrs &&
	       (n->addrs[i].ifindex != ifindex ||
		n->addrs[i].addr.family != a->family ||
		memcmp(n->addrs[i].addr.addr, a->addr, sizeof(a->addr))))
		i++;
	if (!a->added) {
		/* in order: the first address is the source of adverts */
		if (i < n->naddrs)
			memmove(&n->addrs[i], &n->addrs[i + 1],
				(--n->naddrs - i) * sizeof(*n->addrs));
		return;
	}
	if (i < n->naddrs || shared_by(n, a))
		return;
	if (n->naddrs == n->addrs_room) {
		size_t room = n->addrs_room ? 2 * n->addrs_room : 16;
		struct node_addr *more =
			realloc(n->addrs, room * sizeof(*more));

		if (!more)
			return;
		n->addrs = more;
		n->addrs_room = room;
	}
	n->addrs[n->naddrs++] = (struct node_addr){ ifindex, *a };
}

static void tell_addresses(struct node *n)
{
	struct session_address *list = calloc(2 * n->naddrs + 1, sizeof(*list));
	size_t count = 0;

	for (size_t i = 0; list && i < n->naddrs; i++) {
		const struct ifmon_addr *a = &n->addrs[i].addr;

		list[count].family = a->family;
		memcpy(list[count++].addr.b, a->addr, sizeof(a->addr));
		if (a->family != AF_INET || a->prefixlen > 30)
			continue;
		/* what is sent to all of a network ends here, too */
		list[count] = list[count - 1];
		for (unsigned bit = a->prefixlen; bit < 32; bit++)
			list[count].addr.b[bit / 8] |=
				(uint8_t)(0x80 >> bit % 8);
		count++;
	}
	if (!list || engine_addresses(n->engine, list, count))
		log_msg(LOG_ERR, "no memory for %zu addresses", n->naddrs);
	free(list);
}

static void got_ifmon(const struct ifmon_event *ev, void *arg)
{
	struct node *n = arg;
	bool taken;

	if (ev->kind == IFMON_ADDR) {
		addr_changed(n, ev->ifindex, &ev->addr);
		say_given(n, ev->ifindex, &ev->addr);
		taken = !ev->addr.added && shared_by(n, &ev->addr);
		for (unsigned i = 0; i < n->nifaces; i++)
			n->ifaces[i].readdress |=
				taken || n->ifaces[i].ifindex == ev->ifindex;
		return;
	}
	if (!ev->link.gone && vip_prepare_link(&n->vip, ev->ifindex))
		log_msg(LOG_WARNING, "%s: its ARP cannot be silenced",
			ev->link.name);
	for (unsigned i = 0; i < n->nifaces; i++)
		if (strcmp(n->ifaces[i].name, ev->link.name) == 0)
			link_changed(n, i, ev->ifindex, &ev->link);
		else if (n->ifaces[i].ifindex == ev->ifindex)
			link_gone(n, i); /* it has another name now */
	node_track_link(n, ev);
	node_ifstated_link(n, ev);
}

/* What the addresses that changed are for; also a new interface without. */
static void addresses_changed(struct node *n)
{
	tell_addresses(n);
	node_filter_set(n);
	for (unsigned i = 0; i < n->nifaces; i++) {
		struct node_iface *f = &n->ifaces[i];

		if (f->readdress)
			node_carp_addresses(n, i);
		f->readdress = false;
	}
	node_routes_put_back(n);
	node_track_links_changed(n);
}

/* Everything anew, after events were lost. */
static int dump_all(struct node *n)
{
	int err;

	n->naddrs = 0;
	for (unsigned i = 0; i < n->nifaces; i++)
		n->ifaces[i].seen = false;
	err = ifmon_dump(&n->ifmon, got_ifmon, n);
	if (err)
		return err;
	for (unsigned i = 0; i < n->nifaces; i++)
		if (!n->ifaces[i].seen && n->ifaces[i].ifindex)
			link_gone(n, i);
	node_track_links_dumped(n);
	return 0;
}

void node_ifaces_look(struct node *n)
{
	if (dump_all(n))
		log_msg(LOG_ERR, "interfaces cannot be read");
	addresses_changed(n);
}

static void on_ifmon(evutil_socket_t fd, short what, void *arg)
{
	struct node *n = arg;

	(void)fd;
	(void)what;
	(void)node_now(n);
	if (ifmon_read(&n->ifmon, got_ifmon, n) == IFMON_OVERRUN)
		node_ifaces_look(n);
	else
		addresses_changed(n);
	node_settle(n);
}

void node_ifaces_present(char *out, size_t size)
{
	struct if_nameindex *all = if_nameindex();
	size_t n = 0;

	*out = '\0';
	for (struct if_nameindex *i = all; i && i->if_name; i++) {
		const bool fits = n + IF_NAMESIZE + sizeof(" ...") < size;

		n += (size_t)snprintf(out + n, size - n, "%s%s", n ? " " : "",
				      fits ? i->if_name : "...");
		if (!fits)
			break;
	}
	if (all)
		if_freenameindex(all);
}

static void say_missing(const struct node *n)
{
	char present[256];

	for (size_t i = 0; i < n->nifaces; i++) {
		if (n->ifaces[i].ifindex)
			continue;
		node_ifaces_present(present, sizeof(present));
		log_msg(LOG_WARNING,
			"no interface %s here; its vhosts are in INIT until it "
			"appears. present: %s",
			n->ifaces[i].name, present);
	}
}

int node_ifaces_open(struct node *n)
{
	int err = ifmon_open(&n->ifmon);

	if (err) {
		log_msg(LOG_ERR, "interfaces cannot be watched: %s",
			log_errno(-err));
		return err;
	}
	n->ifmon_event = event_new(n->base, ifmon_fd(&n->ifmon),
				   EV_READ | EV_PERSIST, on_ifmon, n);
	if (!n->ifmon_event)
		return -ENOMEM;
	event_priority_set(n->ifmon_event, PRIORITY_URGENT);
	event_add(n->ifmon_event, NULL);
	(void)node_now(n);
	err = dump_all(n);
	if (!err)
		addresses_changed(n);
	say_missing(n);
	return err;
}

void node_ifaces_close(struct node *n)
{
	if (n->ifmon_event)
		event_free(n->ifmon_event);
	n->ifmon_event = NULL;
	ifmon_close(&n->ifmon);
}
