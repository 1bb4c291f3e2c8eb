// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The ways in which a virtual host can work, and which of them exclude each
 * other: unicast, balancing, strict-peers, the MAC addresses, and how often
 * the kernel lets it advertise. It is not the place of what is missing or
 * stands twice (conf_carp_check).
 *
 * Implements the requirements of the manual's CARP section, and of lease.h.
 *
 * Invariant: every mode that it lets through can be had on this kernel.
 */
#include "conf_int.h"

#include <stdio.h>
#include <string.h>

#define NS_PER_MS 1000000LL
#define NS_PER_S  (1000 * NS_PER_MS)

static unsigned int count_family(const struct conf_address *a, size_t count,
				 sa_family_t family)
{
	unsigned int n = 0;

	for (size_t i = 0; i < count; i++)
		n += a[i].family == family;
	return n;
}

/* Each family that the vhost has needs somebody to be told. */
void conf_check_unicast(struct parser *p, const struct draft_carp *d)
{
	static const struct {
		sa_family_t family;
		const char *name;
	} families[] = { { AF_INET, "IPv4" }, { AF_INET6, "IPv6" } };
	const struct conf_carp *c = &d->carp;

	if (d->ttl_at.line && !d->peer_at.line)
		conf_mistake(p, d->ttl_at,
			     "carp \"%s\" has ttl without peer; by multicast "
			     "it is always 255, remove it",
			     c->name);
	for (unsigned int i = 0; i < c->num_unicast; i++)
		if (!conf_is_given(&c->unicast[i]))
			return;
	for (size_t i = 0; i < 2 && c->num_unicast; i++) {
		const char *family = families[i].name;
		unsigned int ours = count_family(c->addresses, c->num_addresses,
						 families[i].family);
		unsigned int theirs = count_family(c->unicast, c->num_unicast,
						   families[i].family);

		if (ours && !theirs)
			conf_mistake(p, d->peer_at,
				     "carp \"%s\" has %s addresses, but no %s "
				     "address in peer; add one",
				     c->name, family, family);
		if (theirs && !ours)
			conf_mistake(p, d->peer_at,
				     "carp \"%s\" has no %s addresses, but an "
				     "%s address in peer; remove it",
				     c->name, family, family);
	}
	for (unsigned int i = 0; i < c->num_unicast; i++)
		for (size_t j = 0; j < c->num_addresses; j++)
			if (conf_same_address(&c->unicast[i], &c->addresses[j]))
				conf_mistake(p, d->peer_at,
					     "carp \"%s\": peer names a shared "
					     "address; the peer's own one",
					     c->name);
}

/* nodes in place of vhid, advskew and prefer: the lowest vhid leads
 * (OpenBSD: sorted by vhid, the first is the leader). */
static void settle_nodes(struct parser *p, struct draft_carp *d)
{
	struct conf_carp *c = &d->carp;
	const int line = d->vhid_at.line   ? d->vhid_at.line
			 : d->skew_at.line ? d->skew_at.line
					   : d->prefer_at.line;

	if (line)
		conf_mistake(p, d->nodes_at,
			     "carp \"%s\" has nodes and %s (line %d); keep "
			     "nodes, which say both vhid and advskew",
			     c->name,
			     d->vhid_at.line   ? "vhid"
			     : d->skew_at.line ? "advskew"
					       : "prefer",
			     line);
	if (c->num_nodes == 1)
		conf_mistake(
			p, d->nodes_at,
			"carp \"%s\" has one of nodes; at least 2, one for "
			"each gateway",
			c->name);
	c->vhid = c->nodes[0].vhid;
	c->advskew = c->nodes[0].advskew;
	d->vhid_at = d->nodes_at;
}

static void check_balancing(struct parser *p, const struct draft_carp *d)
{
	const struct conf_carp *c = &d->carp;
	const char *other = c->mac == CONF_MAC_INTERFACE ? "mac = interface"
			    : c->num_unicast		 ? "peer"
			    : c->source_mac == CONF_SOURCE_VIRTUAL
				    ? "source-mac = virtual"
				    : NULL;

	if (other)
		conf_mistake(
			p, d->balancing_at,
			"carp \"%s\" has balancing with %s; all nodes have "
			"to receive what comes to the virtual MAC, keep "
			"one",
			c->name, other);
}

void conf_settle_nodes(struct parser *p, struct draft_carp *d)
{
	const char *name = d->carp.name;
	const bool balanced = d->carp.balancing != CONF_BALANCING_NONE;

	if (balanced)
		check_balancing(p, d);
	if (balanced && !d->nodes_at.line)
		conf_mistake(p, d->balancing_at,
			     "carp \"%s\" has balancing without nodes; add "
			     "nodes = { \"1:0\", \"2:100\" }, vhid:advskew",
			     name);
	if (!balanced && d->nodes_at.line)
		conf_mistake(p, d->nodes_at,
			     "carp \"%s\" has nodes without balancing; add "
			     "balancing = \"ip\" or \"ip-stealth\"",
			     name);
	if (d->carp.num_nodes)
		settle_nodes(p, d);
}

/* Who may advertise, where not everybody may. */
static void check_allowed(struct parser *p, const struct draft_carp *d)
{
	const struct conf *conf = p->conf;
	const struct conf_carp *c = &d->carp;

	if (c->num_allowed && !conf->strict_peers)
		conf_mistake(p, d->allow_at,
			     "carp \"%s\" has allow without strict-peers, so "
			     "that everybody may advertise; strict-peers = "
			     "true",
			     c->name);
	if (conf->strict_peers && !c->num_allowed && !conf->link.present)
		conf_mistake(
			p, p->strict_at,
			"strict-peers without link: carp \"%s\" would hear "
			"nobody; add allow \"10.1.0.12\" { } there",
			c->name);
}

void conf_check_modes(struct parser *p, const struct draft_carp *d)
{
	const struct conf_carp *c = &d->carp;

	if (c->source_mac == CONF_SOURCE_VIRTUAL &&
	    c->mac == CONF_MAC_INTERFACE)
		conf_mistake(p, d->source_at,
			     "carp \"%s\" has source-mac = virtual with mac = "
			     "interface, where no virtual MAC is; keep one",
			     c->name);
	check_allowed(p, d);
}

static int64_t interval_ns(unsigned int advbase, unsigned int advskew)
{
	return advbase * NS_PER_S + advskew * NS_PER_S / 256;
}

/* The lease is 2.5 intervals, in whole jiffies and milliseconds, and ends up
 * to a jiffy early (lease.h): it has to last until the next advert. */
static bool lease_lasts(int64_t interval, int64_t jiffy_ns)
{
	int64_t lease = interval * 5 / 2 / jiffy_ns * jiffy_ns;

	return lease / NS_PER_MS * NS_PER_MS > interval + jiffy_ns;
}

static void check_skew(struct parser *p, const struct draft_carp *d,
		       unsigned int advskew, int64_t jiffy_ns)
{
	const struct conf_carp *c = &d->carp;
	const int64_t interval = interval_ns(c->advbase, advskew);
	unsigned int enough = advskew;

	if (!interval) {
		conf_mistake(p, d->at,
			     "carp \"%s\": advbase 0 with advskew 0 has no "
			     "interval; advskew of at least 1%s",
			     c->name,
			     d->num_prefer ? " in place of prefer" : "");
		return;
	}
	if (c->mac == CONF_MAC_INTERFACE || lease_lasts(interval, jiffy_ns))
		return;
	while (!lease_lasts(interval_ns(c->advbase, enough), jiffy_ns))
		enough++;
	conf_mistake(p, d->at,
		     "carp \"%s\": advskew %u is an advert every %.1f ms, too "
		     "often for this kernel, where the right to be master ends "
		     "in steps of %lld ms; advskew of at least %u",
		     c->name, advskew, (double)interval / NS_PER_MS,
		     (long long)(jiffy_ns / NS_PER_MS), enough);
}

void conf_check_interval(struct parser *p, const struct draft_carp *d,
			 int64_t jiffy_ns)
{
	const struct conf_carp *c = &d->carp;

	if (!c->num_nodes)
		check_skew(p, d, c->advskew, jiffy_ns);
	for (unsigned int i = 0; i < c->num_nodes; i++)
		check_skew(p, d, c->nodes[i].advskew, jiffy_ns);
}
