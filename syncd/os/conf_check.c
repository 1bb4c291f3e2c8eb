// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What holds between values: what is missing, what clashes, who is the peer,
 * what prefer makes of advskew; and the key and pass files. The text is not
 * looked at any more.
 *
 * Implements the requirements of the manual that need more than one value.
 *
 * Invariant: without a mistake the tree is whole: each field that conf.h
 * promises is there.
 */
#include "conf_int.h"
#include "keyfile.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

static void settle_node(struct parser *p)
{
	struct conf *conf = p->conf;
	struct utsname name;

	p->at = (struct place){ 0 };
	if (p->override) {
		conf_set_name(p, p->override, "node", conf->node);
	} else if (!*conf->node) {
		uname(&name);
		conf_set_name(p, name.nodename, "the host name", conf->node);
	}
	if (!conf->state_dir)
		conf->state_dir = strdup("/var/lib/statesync");
	if (!conf->stats_socket)
		conf->stats_socket = strdup("/run/statesync/stats.sock");
}

static bool is_given(const struct conf_address *a)
{
	return a->family == AF_INET || a->family == AF_INET6;
}

/* The block with our own name gives our address; the others are peers. */
static void settle_peers(struct parser *p)
{
	struct conf_link *link = &p->conf->link;

	link->peers = calloc(p->num_peers + 1, sizeof(*link->peers));
	for (size_t i = 0; i < p->num_peers && link->peers; i++) {
		const struct draft_peer *d = &p->peers[i];
		const struct conf_address *a = &d->peer.address;

		if (a->family == AF_UNSPEC)
			conf_mistake(p, d->at,
				     "peer \"%s\" has no address; add address "
				     "= \"...\"",
				     d->peer.name);
		if (strcmp(d->peer.name, p->conf->node)) {
			link->peers[link->num_peers++] = d->peer;
			continue;
		}
		if (link->address.family == AF_UNSPEC)
			link->address = *a;
		else if (is_given(a) && is_given(&link->address) &&
			 !conf_same_address(&link->address, a))
			conf_mistake(
				p, d->at,
				"peer \"%s\" is this node, and has another "
				"address than link (line %d); keep one",
				d->peer.name, p->link_address_at.line);
	}
}

static void check_link(struct parser *p)
{
	const struct conf_link *link = &p->conf->link;
	const struct place at = p->link_at;
	const char *node = p->conf->node;

	if (!link->num_keys)
		conf_mistake(p, at,
			     "link has no key-file; statesync genkey -o "
			     "/etc/statesync/link.key, then key-file = "
			     "\"/etc/statesync/link.key\"");
	if (link->address.family == AF_UNSPEC)
		conf_mistake(p, at,
			     "link has no address, and no peer block bears our "
			     "name \"%s\"; add one of them",
			     node);
	if (!link->num_peers)
		conf_mistake(p, at,
			     "link names no node but this one (\"%s\"); add "
			     "peer \"...\" { address = \"...\" }",
			     node);
	else if (link->num_peers > 1)
		conf_mistake(p, at,
			     "link names %zu other nodes; this version links "
			     "two nodes, not more (this one is \"%s\")",
			     link->num_peers, node);
	for (size_t i = 0; i < link->num_peers; i++) {
		const struct conf_peer *peer = &link->peers[i];

		if (!is_given(&peer->address) || !is_given(&link->address))
			continue;
		if (peer->address.family != link->address.family)
			conf_mistake(p, at,
				     "peer \"%s\" and this node have addresses "
				     "of two families; choose one",
				     peer->name);
		else if (conf_same_address(&peer->address, &link->address))
			conf_mistake(p, at,
				     "peer \"%s\" has our own address; give "
				     "each node its own",
				     peer->name);
	}
}

static void check_key_files(struct parser *p)
{
	char why[CONF_ERROR_SIZE];
	struct link_key key;

	for (unsigned int i = 0; i < p->conf->link.num_keys; i++)
		if (keyfile_read(p->conf->link.key_file[i], &key, why,
				 sizeof(why)))
			conf_mistake_elsewhere(p, p->key_at[i], why);
	keyfile_wipe(&key);
}

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

static bool shares_address(const struct conf_carp *a, const struct conf_carp *b,
			   char text[INET_ADDRSTRLEN])
{
	for (size_t i = 0; i < a->num_addresses; i++)
		for (size_t j = 0; j < b->num_addresses; j++)
			if (a != b || i < j)
				if (a->addresses[i].prefixlen &&
				    conf_same_address(&a->addresses[i],
						      &b->addresses[j]))
					return inet_ntop(AF_INET,
							 &a->addresses[i].v4,
							 text, INET_ADDRSTRLEN);
	return false;
}

/* Two blocks that clash; the later one is told. */
static void check_pair(struct parser *p, const struct draft_carp *a,
		       const struct draft_carp *b)
{
	char text[INET_ADDRSTRLEN];

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

static void settle_carps(struct parser *p)
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
		for (size_t j = 0; j <= i; j++)
			check_pair(p, &p->carps[j], &p->carps[i]);
	}
	conf->carps = calloc(p->num_carps + 1, sizeof(*conf->carps));
	for (size_t i = 0; i < p->num_carps && conf->carps; i++) {
		conf->carps[conf->num_carps++] = p->carps[i].carp;
		p->carps[i].carp.addresses = NULL; /* now the tree's */
	}
}

int conf_check(struct parser *p)
{
	settle_node(p);
	if (p->conf->link.present) {
		settle_peers(p);
		check_link(p);
		check_key_files(p);
	}
	settle_carps(p);
	check_own_mode(p);
	if (!p->conf->state_dir || !p->conf->stats_socket || !p->conf->carps ||
	    (p->conf->link.present && !p->conf->link.peers))
		return -ENOMEM;
	return 0;
}
