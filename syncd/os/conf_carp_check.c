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
#include "conf_int.h"
#include "keyfile.h"

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
	bool found = !d->num_prefer;

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
	if (!d->carp.advbase && !d->carp.advskew)
		conf_mistake(p, d->at,
			     "carp \"%s\": advbase 0 with advskew 0 has no "
			     "interval; advskew of at least 1%s",
			     name, d->num_prefer ? " in place of prefer" : "");
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
	if (keyfile_read_secret(d->pass_file, "password", text,
				sizeof(text) - 1, &len, why, sizeof(why))) {
		conf_mistake_elsewhere(p, d->file_at, why);
		return;
	}
	text[len] = '\0';
	len = strcspn(text, "\r\n");
	if (!len || len > CONF_PASS_MAX) {
		snprintf(why, sizeof(why),
			 "%s: the password is %zu bytes long; one line of 1 "
			 "to %d bytes",
			 d->pass_file, len, CONF_PASS_MAX);
		conf_mistake_elsewhere(p, d->file_at, why);
		len = 0;
	}
	memcpy(d->carp.pass, text, len);
	OPENSSL_cleanse(text, sizeof(text));
}

/* The first `pass` of the file stands for all: chmod is done once. */
static void check_own_mode(struct parser *p)
{
	char why[CONF_ERROR_SIZE];

	for (size_t i = 0; i < p->num_carps && p->mode & 077; i++) {
		if (!p->carps[i].pass_at.line)
			continue;
		snprintf(why, sizeof(why),
			 "%s: mode %04o lets others read the password of carp "
			 "\"%s\" (line %d); not started. chmod 600 %s",
			 p->path, (unsigned int)(p->mode & 07777),
			 p->carps[i].carp.name, p->carps[i].pass_at.line,
			 p->path);
		conf_mistake_elsewhere(p, p->carps[i].pass_at, why);
		return;
	}
}

static void check_missing(struct parser *p, const struct draft_carp *d)
{
	const struct conf_carp *c = &d->carp;

	if (!*c->interface)
		conf_mistake(
			p, d->at,
			"carp \"%s\" has no interface; add interface = \"...\"",
			c->name);
	if (!d->vhid_at.line)
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

/* Two blocks that clash; the later one is told. */
static void check_pair(struct parser *p, const struct draft_carp *a,
		       const struct draft_carp *b)
{
	char text[INET6_ADDRSTRLEN];

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
	if (a->carp.vhid && a->carp.vhid == b->carp.vhid &&
	    !strcmp(a->carp.interface, b->carp.interface))
		conf_mistake(
			p, (struct place){ .line = b->vhid_at.line },
			"carp \"%s\" uses vhid %u on %s, which carp \"%s\" "
			"(line %d) has already; choose another vhid",
			b->carp.name, b->carp.vhid, b->carp.interface,
			a->carp.name, a->vhid_at.line);
}

/* What OpenBSD gives every carp interface: of the virtual MAC. */
static void add_link_local(struct conf_carp *c)
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
	more = reallocarray(c->addresses, c->num_addresses + 1, sizeof(*more));
	if (!more)
		return;
	c->addresses = more;
	c->addresses[c->num_addresses++] = a;
}

static unsigned int count_family(const struct conf_address *a, size_t count,
				 sa_family_t family)
{
	unsigned int n = 0;

	for (size_t i = 0; i < count; i++)
		n += a[i].family == family;
	return n;
}

/* Each family that the vhost has needs somebody to be told. */
static void check_unicast(struct parser *p, const struct draft_carp *d)
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

static void check_modes(struct parser *p, const struct draft_carp *d)
{
	const struct conf_carp *c = &d->carp;

	if (c->source_mac == CONF_SOURCE_VIRTUAL &&
	    c->mac == CONF_MAC_INTERFACE)
		conf_mistake(p, d->source_at,
			     "carp \"%s\" has source-mac = virtual with mac = "
			     "interface, where no virtual MAC is; keep one",
			     c->name);
}

void conf_check_carps(struct parser *p)
{
	struct conf *conf = p->conf;

	if (!p->num_carps)
		conf_mistake(p, (struct place){ 0 },
			     "no carp block; nothing to share. carp \"lan\" { "
			     "interface = ... vhid = ... addresses = ... }");
	for (size_t i = 0; i < p->num_carps; i++) {
		check_missing(p, &p->carps[i]);
		settle_skew(p, &p->carps[i]);
		settle_pass(p, &p->carps[i]);
		add_link_local(&p->carps[i].carp);
		check_unicast(p, &p->carps[i]);
		check_modes(p, &p->carps[i]);
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
