// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The link block: its keys, and what holds between them: who the peers are,
 * which of our addresses reaches which of theirs, which key is whose. Nothing
 * is opened here but the key files, to see that they can be used.
 *
 * Implements the manual's link {} and rules 13: with three nodes one key for
 * each pair.
 *
 * Invariant: without a mistake each peer has as many ends as it has paths, each
 * of the family (and on the interface) of ours at the same place.
 */
#include "conf_int.h"
#include "keyfile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- values ----------------------------------------------------------------- */

/* "10.9.0.1", "fe80::1%eth2" */
static void set_end(struct parser *p, const char *value, struct conf_end *end)
{
	const char *percent = strchr(value, '%');
	char host[INET6_ADDRSTRLEN];

	memset(end, 0, sizeof(*end));
	if (percent && (size_t)(percent - value) < sizeof(host)) {
		snprintf(host, sizeof(host), "%.*s", (int)(percent - value),
			 value);
		if (conf_parse_address(host, &end->address) &&
		    conf_is_link_local(&end->address)) {
			conf_set_interface(p, percent + 1, end->interface);
			return;
		}
	}
	conf_set_address(p, value, &end->address);
	if (!conf_is_link_local(&end->address))
		return;
	end->address.family = AF_MAX;
	conf_mistake(p, p->at,
		     "address %s is there on every interface; say on which: "
		     "\"%s%%eth2\"",
		     value, value);
}

static void add_end(struct parser *p, const char *value, struct conf_end *ends,
		    unsigned int *num)
{
	struct conf_end end;

	set_end(p, value, &end);
	for (unsigned int i = 0; i < *num; i++)
		if (conf_is_given(&end.address) &&
		    conf_same_end(&ends[i], &end))
			conf_mistake(p, p->at,
				     "address %s stands twice; keep one",
				     value);
	if (*num == CONF_PATHS_MAX)
		conf_mistake(p, p->at,
			     "a fifth address; at most %d, one for "
			     "each cable between the nodes",
			     CONF_PATHS_MAX);
	else
		ends[(*num)++] = end;
}

void conf_link_address(struct parser *p, const char *value)
{
	add_end(p, value, p->conf->link.ends, &p->conf->link.num_ends);
	p->link_address_at = p->at;
}

void conf_peer_address(struct parser *p, const char *value)
{
	add_end(p, value, p->peer.peer.ends, &p->peer.peer.num_ends);
}

void conf_link_port(struct parser *p, const char *value)
{
	p->conf->link.port = (uint16_t)conf_set_number(p, value, 1, 65535);
}

void conf_link_mptcp(struct parser *p, const char *value)
{
	conf_set_bool(p, value, &p->conf->link.mptcp);
}

static void add_key(struct parser *p, const char *value,
		    struct conf_link_keys *keys, struct place at[CONF_KEYS_MAX])
{
	if (keys->count == CONF_KEYS_MAX) {
		conf_mistake(
			p, p->at,
			"a third key-file; at most 2, the new and the old one");
		return;
	}
	at[keys->count] = p->at;
	conf_set_path(p, value, 1024, &keys->file[keys->count]);
	if (keys->file[keys->count])
		keys->count++;
}

void conf_link_key_file(struct parser *p, const char *value)
{
	add_key(p, value, &p->conf->link.keys, p->key_at);
}

void conf_peer_key_file(struct parser *p, const char *value)
{
	add_key(p, value, &p->peer.peer.keys, p->peer.key_at);
}

/* --- what they mean ----------------------------------------------------------- */

void conf_peer_drop(struct conf_peer *peer)
{
	for (unsigned int i = 0; i < CONF_KEYS_MAX; i++)
		free(peer->keys.file[i]);
	memset(&peer->keys, 0, sizeof(peer->keys));
}

bool conf_same_end(const struct conf_end *a, const struct conf_end *b)
{
	return conf_same_address(&a->address, &b->address) &&
	       !strcmp(a->interface, b->interface);
}

const struct conf_link_keys *conf_peer_keys(const struct conf_link *link,
					    const struct conf_peer *peer)
{
	return peer->keys.count ? &peer->keys : &link->keys;
}

/* The block with our own name: our ends, if link has none. */
static void settle_own(struct parser *p, struct draft_peer *d)
{
	struct conf_link *link = &p->conf->link;
	bool same = link->num_ends == d->peer.num_ends;

	if (!link->num_ends) {
		memcpy(link->ends, d->peer.ends, sizeof(link->ends));
		link->num_ends = d->peer.num_ends;
		return;
	}
	for (unsigned int i = 0; same && i < link->num_ends; i++) {
		const struct conf_end *a = &link->ends[i],
				      *b = &d->peer.ends[i];

		same = !conf_is_given(&a->address) ||
		       !conf_is_given(&b->address) || conf_same_end(a, b);
	}
	if (!same)
		conf_mistake(p, d->at,
			     "peer \"%s\" is this node, and has another "
			     "address than link (line %d); keep one",
			     d->peer.name, p->link_address_at.line);
}

static int settle_peers(struct parser *p)
{
	struct conf_link *link = &p->conf->link;

	link->peers = calloc(p->num_peers + 1, sizeof(*link->peers));
	if (!link->peers)
		return -ENOMEM;
	for (size_t i = 0; i < p->num_peers; i++) {
		struct draft_peer *d = &p->peers[i];

		if (!d->peer.num_ends)
			conf_mistake(p, d->at,
				     "peer \"%s\" has no address; add address "
				     "= \"...\"",
				     d->peer.name);
		if (!strcmp(d->peer.name, p->conf->node)) {
			settle_own(p, d);
			continue;
		}
		link->peers[link->num_peers++] = d->peer;
		/* the files' names are the tree's now */
		memset(&d->peer.keys, 0, sizeof(d->peer.keys));
	}
	return 0;
}

/* --- what is wrong ------------------------------------------------------------ */

static void check_ends(struct parser *p, const struct conf_peer *peer)
{
	const struct conf_link *link = &p->conf->link;
	const struct place at = p->block_at[IN_LINK];

	if (peer->num_ends > link->num_ends && link->num_ends)
		conf_mistake(p, at,
			     "peer \"%s\" has %u addresses, and this node %u; "
			     "each of them needs one of ours at the same place",
			     peer->name, peer->num_ends, link->num_ends);
	for (unsigned int i = 0; i < peer->num_ends && i < link->num_ends;
	     i++) {
		const struct conf_end *theirs = &peer->ends[i];
		const struct conf_end *ours = &link->ends[i];

		if (!conf_is_given(&theirs->address) ||
		    !conf_is_given(&ours->address))
			continue;
		if (theirs->address.family != ours->address.family)
			conf_mistake(p, at,
				     "peer \"%s\" and this node have addresses "
				     "of two families; choose one",
				     peer->name);
		else if (conf_same_end(theirs, ours))
			conf_mistake(p, at,
				     "peer \"%s\" has our own address; give "
				     "each node its own",
				     peer->name);
		else if (strcmp(theirs->interface, ours->interface))
			conf_mistake(
				p, at,
				"peer \"%s\" is to be reached by %s from "
				"an address on %s; after %% stands the "
				"interface of this node",
				peer->name,
				*theirs->interface ? theirs->interface : "any interface",
				*ours->interface ? ours->interface : "none");
	}
}

static void check_keys(struct parser *p)
{
	const struct conf_link *link = &p->conf->link;
	const struct place at = p->block_at[IN_LINK];
	const struct conf_peer *without = NULL;

	for (size_t i = 0; i < link->num_peers; i++)
		if (!link->peers[i].keys.count)
			without = &link->peers[i];
	if (link->num_peers > 1 && without)
		conf_mistake(
			p, at,
			"peer \"%s\" has no key-file; with more than two "
			"nodes each pair has its own key. statesync genkey "
			"-o /etc/statesync/%s.key, the same as "
			"/etc/statesync/%s.key there",
			without->name, without->name, p->conf->node);
	else if (!link->keys.count && (without || !link->num_peers))
		conf_mistake(p, at,
			     "link has no key-file; statesync genkey -o "
			     "/etc/statesync/link.key, then key-file = "
			     "\"/etc/statesync/link.key\"");
}

static void check_link(struct parser *p)
{
	const struct conf_link *link = &p->conf->link;
	const struct place at = p->block_at[IN_LINK];
	const char *node = p->conf->node;

	check_keys(p);
	if (!link->num_ends)
		conf_mistake(p, at,
			     "link has no address, and no peer block bears our "
			     "name \"%s\"; add one of them",
			     node);
	if (!link->num_peers)
		conf_mistake(p, at,
			     "link names no node but this one (\"%s\"); add "
			     "peer \"...\" { address = \"...\" }",
			     node);
	else if (link->num_peers > CONF_PEERS_MAX)
		conf_mistake(p, at,
			     "link names %zu other nodes; at most %d (this "
			     "one is \"%s\")",
			     link->num_peers, CONF_PEERS_MAX, node);
	for (size_t i = 0; i < link->num_peers; i++)
		check_ends(p, &link->peers[i]);
}

/* Up to the first dot, as a host name may have its domain. */
static bool is_alike(const char *a, const char *b)
{
	const size_t len = strcspn(a, ".");

	return strcspn(b, ".") == len && !strncasecmp(a, b, len);
}

/* One mistake, however much follows from it. */
static void say_nameless(struct parser *p)
{
	const char *node = p->conf->node, *like = p->peers[0].peer.name;
	char all[256] = "", remedy[128] = "";
	size_t n = 0;

	for (size_t i = 0; i < p->num_peers; i++) {
		const char *name = p->peers[i].peer.name;

		if (is_alike(name, node))
			like = name;
		if (n < sizeof(all))
			n += (size_t)snprintf(all + n, sizeof(all) - n, "%s%s",
					      i ? ", " : "", name);
	}
	if (p->by_host)
		snprintf(remedy, sizeof(remedy),
			 ", or hostnamectl set-hostname %s", like);
	conf_mistake(p, p->block_at[IN_LINK],
		     "this node is called \"%s\"%s, and no peer block is: %s; "
		     "node = \"%s\" at the top%s",
		     node, p->by_host ? " (its host name)" : "", all, like,
		     remedy);
}

/* Reads each of them; ids of those that can be read. */
static void read_keys(struct parser *p, const struct conf_link_keys *keys,
		      const struct place at[CONF_KEYS_MAX],
		      char ids[CONF_KEYS_MAX][KEYFILE_ID_SIZE])
{
	char why[CONF_ERROR_SIZE];
	struct link_key key;

	for (unsigned int i = 0; i < keys->count; i++) {
		if (keyfile_take(conf_open(p->by, keys->file[i]), keys->file[i],
				 &key, why, sizeof(why)))
			conf_mistake(p, at[i], "%s", why);
		else
			memcpy(ids[i], key.id, sizeof(ids[i]));
	}
	keyfile_wipe(&key);
}

/* One that knows the key of two others could call itself each of them. */
static void check_pairs(struct parser *p, const char *name, struct place at,
			char ids[CONF_KEYS_MAX][KEYFILE_ID_SIZE],
			char all[][KEYFILE_ID_SIZE], size_t num)
{
	for (size_t i = 0; i < num; i++)
		for (unsigned int k = 0; k < CONF_KEYS_MAX; k++)
			if (*ids[k] && !strcmp(ids[k], all[i])) {
				conf_mistake(p, at,
					     "peer \"%s\" has the same key as "
					     "another peer; each pair of nodes "
					     "needs its own. statesync genkey",
					     name);
				return;
			}
}

static void check_key_files(struct parser *p)
{
	char all[CONF_PEERS_MAX * CONF_KEYS_MAX][KEYFILE_ID_SIZE];
	char ids[CONF_KEYS_MAX][KEYFILE_ID_SIZE] = { "", "" };
	const struct conf_link *link = &p->conf->link;
	size_t num = 0;

	read_keys(p, &link->keys, p->key_at, ids);
	for (size_t i = 0; i < link->num_peers && i < CONF_PEERS_MAX; i++) {
		const struct conf_peer *peer = &link->peers[i];
		const struct draft_peer *d = p->peers;

		while (strcmp(d->peer.name, peer->name))
			d++;
		memset(ids, 0, sizeof(ids));
		read_keys(p, &peer->keys, d->key_at, ids);
		check_pairs(p, peer->name, d->at, ids, all, num);
		for (unsigned int k = 0; k < CONF_KEYS_MAX; k++)
			if (*ids[k])
				memcpy(all[num++], ids[k], sizeof(ids[k]));
	}
}

int conf_check_link(struct parser *p)
{
	int rc = settle_peers(p);

	if (rc)
		return rc;
	p->nameless = !p->conf->link.num_ends && p->num_peers > 1 &&
		      p->conf->link.num_peers == p->num_peers;
	if (!p->nameless) {
		check_link(p);
		check_key_files(p);
	} else if (*p->conf->node) {
		say_nameless(p);
	}
	return 0;
}
