// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What holds between the values of a carp block, and between two of them:
 * what is missing, what clashes, what prefer makes of advskew, the link-local
 * address that nobody wrote; and the pass files. The text is not looked at
 * any more.
 *
 * Implements the requirements of the manual's CARP section that need more
 * than one value.
 *
 * Invariant: without a mistake each field that conf_carp.h promises is there.
 */
#include "auth.h"
#include "conf_int.h"
#include "keyfile.h"
#include "lease.h"

#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool node_is_known(const struct parser *p, const char *name)
{
	if (!p->conf->link.present || !strcmp(name, p->conf->node))
		return true;
	for (size_t i = 0; i < p->num_peers; i++)
		if (!strcmp(name, p->peers[i].peer.name))
			return true;
	return false;
}

/* prefer in place of advskew: 0, 100, 200 in its order. */
static void settle_skew(struct parser *p, struct draft_carp *d)
{
	const char *name = d->carp.name;
	bool found = !d->num_prefer || p->nameless;

	if (d->num_prefer && d->skew_at.line)
		conf_mistake(p, d->prefer_at,
			     "carp \"%s\" has prefer and advskew (line %d); "
			     "keep one",
			     name, d->skew_at.line);
	for (unsigned int i = 0; i < d->num_prefer; i++) {
		if (!strcmp(d->prefer[i], p->conf->node)) {
			d->carp.advskew = (uint8_t)(100 * i);
			found = true;
		} else if (!node_is_known(p, d->prefer[i])) {
			conf_mistake(p, d->prefer_at,
				     "carp \"%s\" prefers \"%s\", which no "
				     "peer block names; correct one of them",
				     name, d->prefer[i]);
		}
	}
	if (!found)
		conf_mistake(p, d->prefer_at,
			     "carp \"%s\": prefer does not name this node "
			     "(\"%s\"); add it",
			     name, p->conf->node);
}

static void settle_pass(struct parser *p, struct draft_carp *d)
{
	char text[256], why[CONF_ERROR_SIZE];
	size_t len;

	if (d->pass_at.line && d->file_at.line)
		conf_mistake(p, d->file_at,
			     "carp \"%s\" has pass (line %d) and pass-file; "
			     "keep one",
			     d->carp.name, d->pass_at.line);
	else if (!d->pass_at.line && !d->file_at.line)
		conf_mistake(p, d->at,
			     "carp \"%s\" has no password; add pass-file = "
			     "\"/etc/statesync/carp.pass\"",
			     d->carp.name);
	if (!d->pass_file)
		return;
	if (keyfile_take_secret(conf_open(p->by, d->pass_file), d->pass_file,
				KEYFILE_PASSWORD, text, sizeof(text) - 1, &len,
				why, sizeof(why))) {
		conf_mistake(p, d->file_at, "%s", why);
		return;
	}
	text[len] = '\0';
	len = strcspn(text, "\r\n");
	if (!len || len > CONF_PASS_MAX) {
		conf_mistake(p, d->file_at,
			     "%s: the password is %zu bytes long; one line of "
			     "1 to %d bytes",
			     d->pass_file, len, CONF_PASS_MAX);
		len = 0;
	}
	memcpy(d->carp.pass, text, len);
	OPENSSL_cleanse(text, sizeof(text));
}

/* The first `pass` of the file stands for all: chmod is done once. */
static void check_own_mode(struct parser *p)
{
	for (size_t i = 0; i < p->num_carps && p->mode & 077; i++) {
		if (!p->carps[i].pass_at.line)
			continue;
		conf_mistake(p, p->carps[i].pass_at,
			     "mode %04o lets others read the password of carp "
			     "\"%s\"; not started. chmod 600 %s",
			     (unsigned int)(p->mode & 07777),
			     p->carps[i].carp.name, p->path);
		return;
	}
}

static void check_missing(struct parser *p, const struct draft_carp *d)
{
	const struct conf_carp *c = &d->carp;
	const bool elects = !c->external;

	if (elects && !*c->interface)
		conf_mistake(
			p, d->at,
			"carp \"%s\" has no interface; add interface = \"...\"",
			c->name);
	if (elects && !d->vhid_at.line && !d->balancing_at.line)
		conf_mistake(p, d->at,
			     "carp \"%s\" has no vhid; add vhid = 1 to 255",
			     c->name);
	if (!c->num_addresses)
		conf_mistake(p, d->at,
			     "carp \"%s\" has no addresses; add addresses = { "
			     "\"10.1.0.1/24\" }",
			     c->name);
}

/* A link-local address belongs to its interface. */
static bool shares_address(const struct conf_carp *a, const struct conf_carp *b,
			   char text[INET6_ADDRSTRLEN])
{
	const bool one_link = !strcmp(a->interface, b->interface);

	for (size_t i = 0; i < a->num_addresses; i++)
		for (size_t j = a == b ? i + 1 : 0; j < b->num_addresses; j++) {
			const struct conf_address *x = &a->addresses[i];

			if (x->prefixlen &&
			    (one_link || !conf_is_link_local(x)) &&
			    conf_same_address(x, &b->addresses[j]))
				return inet_ntop(x->family, &x->v4, text,
						 INET6_ADDRSTRLEN);
		}
	return false;
}

static void check_end(struct parser *p, const struct draft_carp *d,
		      const struct conf_end *end, const char *whose)
{
	char text[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < d->carp.num_addresses; i++) {
		const struct conf_address *a = &d->carp.addresses[i];

		if (conf_is_given(a) && !conf_is_link_local(a) &&
		    conf_same_address(a, &end->address))
			conf_mistake(p, d->at,
				     "carp \"%s\" has %s, the address of %s on "
				     "the link; choose one that no node has",
				     d->carp.name,
				     inet_ntop(a->family, &a->v4, text,
					       sizeof(text)),
				     whose);
	}
}

/* What is shared is no node's own. */
static void check_ends(struct parser *p, const struct draft_carp *d)
{
	const struct conf_link *link = &p->conf->link;

	for (unsigned int i = 0; i < link->num_ends; i++)
		check_end(p, d, &link->ends[i], "this node");
	for (size_t i = 0; i < link->num_peers; i++)
		for (unsigned int k = 0; k < link->peers[i].num_ends; k++)
			check_end(p, d, &link->peers[i].ends[k],
				  link->peers[i].name);
}

static bool same_route(const struct conf_route *a, const struct conf_route *b)
{
	return conf_is_given(&a->to) && a->table == b->table &&
	       a->metric == b->metric && a->to.prefixlen == b->to.prefixlen &&
	       conf_same_address(&a->to, &b->to);
}

/* In one table of the kernel: all vhosts, this one too. */
static void check_routes(struct parser *p, const struct draft_carp *a,
			 const struct draft_carp *b)
{
	const struct conf_carp *x = &a->carp, *y = &b->carp;
	char text[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < x->num_routes; i++)
		for (size_t j = a == b ? i + 1 : 0; j < y->num_routes; j++)
			if (same_route(&x->routes[i], &y->routes[j]))
				conf_mistake(
					p, b->at,
					"route %s/%u stands twice, in carp "
					"\"%s\" (line %d) and in carp \"%s\"; "
					"keep one, or another metric",
					inet_ntop(x->routes[i].to.family,
						  &x->routes[i].to.v4, text,
						  sizeof(text)),
					x->routes[i].to.prefixlen, x->name,
					a->at.line, y->name);
}

/* A vhid that both use on one interface, or 0. */
static uint8_t common_vhid(const struct conf_carp *a, const struct conf_carp *b)
{
	const struct conf_node one = { a->vhid, 0 }, two = { b->vhid, 0 };
	const struct conf_node *x = a->num_nodes ? a->nodes : &one;
	const struct conf_node *y = b->num_nodes ? b->nodes : &two;

	if (strcmp(a->interface, b->interface))
		return 0;
	for (unsigned int i = 0; i == 0 || i < a->num_nodes; i++)
		for (unsigned int j = 0; j == 0 || j < b->num_nodes; j++)
			if (x[i].vhid == y[j].vhid && x[i].vhid)
				return x[i].vhid;
	return 0;
}

/* `carpN` of a policy must mean one vhost. */
static void check_aliases(struct parser *p, const struct draft_carp *a,
			  const struct draft_carp *b)
{
	const struct conf_carp *x = &a->carp, *y = &b->carp;

	if (*y->alias &&
	    (!strcmp(y->alias, x->name) || !strcmp(y->alias, x->alias)))
		conf_mistake(p, b->alias_at,
			     "carp \"%s\" has alias \"%s\", which carp \"%s\" "
			     "(line %d) is called already; choose another",
			     y->name, y->alias, x->name, a->at.line);
	else if (*x->alias && !strcmp(x->alias, y->name))
		conf_mistake(p, b->at,
			     "carp \"%s\" is called like the alias of carp "
			     "\"%s\" (line %d); choose another",
			     y->name, x->name, a->alias_at.line);
}

/* Two blocks that clash; the later one is told. */
static void check_pair(struct parser *p, const struct draft_carp *a,
		       const struct draft_carp *b)
{
	const uint8_t vhid = common_vhid(&a->carp, &b->carp);
	char text[INET6_ADDRSTRLEN];

	check_routes(p, a, b);
	if (shares_address(&a->carp, &b->carp, text))
		conf_mistake(p, b->at,
			     "address %s stands twice, in carp \"%s\" (line "
			     "%d) and in carp \"%s\"; keep one",
			     text, a->carp.name, a->at.line, b->carp.name);
	if (a == b)
		return;
	if (!strcmp(a->carp.name, b->carp.name))
		conf_mistake(p, b->at,
			     "two blocks of carp \"%s\" (line %d too); give "
			     "each its own name",
			     b->carp.name, a->at.line);
	check_aliases(p, a, b);
	if (vhid)
		conf_mistake(
			p, (struct place){ .line = b->vhid_at.line },
			"carp \"%s\" uses vhid %u on %s, which carp \"%s\" "
			"(line %d) has already; choose another vhid",
			b->carp.name, vhid, b->carp.interface, a->carp.name,
			a->vhid_at.line);
}

/* What OpenBSD gives every carp interface: of the virtual MAC. */
static void add_link_local(struct parser *p, struct conf_carp *c)
{
	struct conf_address a = { .family = AF_INET6, .prefixlen = 64 };
	struct conf_address *more;
	bool any = false;

	for (size_t i = 0; i < c->num_addresses; i++) {
		if (conf_is_link_local(&c->addresses[i]))
			return;
		any = any || c->addresses[i].family == AF_INET6;
	}
	if (!any || !c->vhid)
		return;
	a.v6 = (struct in6_addr){ { { 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x02, 0,
				      0x5e, 0xff, 0xfe, 0, 0x01, c->vhid } } };
	more = conf_grow(p, c->addresses, c->num_addresses, sizeof(*more));
	if (!more)
		return;
	c->addresses = more;
	c->addresses[c->num_addresses++] = a;
}

/* Adding the automatic one may have made one too many. */
static void check_count(struct parser *p, const struct draft_carp *d)
{
	if (d->carp.num_addresses > CARP_ADDR_MAX)
		conf_mistake(p, d->at,
			     "carp \"%s\" has %zu addresses, an automatic "
			     "link-local one included; at most %d",
			     d->carp.name, d->carp.num_addresses,
			     CARP_ADDR_MAX);
}

static void check_elected(struct parser *p, struct draft_carp *d)
{
	settle_skew(p, d);
	conf_settle_nodes(p, d);
	check_missing(p, d);
	settle_pass(p, d);
	add_link_local(p, &d->carp);
	conf_check_unicast(p, d);
	conf_check_modes(p, d);
	conf_check_interval(p, d, lease_jiffy_ns());
}

static void check_external(struct parser *p, const struct draft_carp *d)
{
	check_missing(p, d);
	conf_check_external(p, d);
}

void conf_check_carps(struct parser *p)
{
	struct conf *conf = p->conf;

	if (!p->num_carps)
		conf_mistake(p, (struct place){ 0 },
			     "no carp block; nothing to share. carp \"lan\" { "
			     "interface = ... vhid = ... addresses = ... }");
	conf_check_electors(p);
	for (size_t i = 0; i < p->num_carps; i++) {
		struct draft_carp *d = &p->carps[i];

		if (d->carp.external)
			check_external(p, d);
		else
			check_elected(p, d);
		check_count(p, d);
		check_ends(p, d);
		for (size_t j = 0; j <= i; j++)
			check_pair(p, &p->carps[j], &p->carps[i]);
	}
	check_own_mode(p);
	conf->carps = calloc(p->num_carps + 1, sizeof(*conf->carps));
	for (size_t i = 0; i < p->num_carps && conf->carps; i++) {
		conf->carps[conf->num_carps++] = p->carps[i].carp;
		/* Now the tree's. */
		OPENSSL_cleanse(&p->carps[i].carp, sizeof(p->carps[i].carp));
	}
}
