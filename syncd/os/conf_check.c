// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What holds between the values outside of carp blocks: what is missing, what
 * clashes, who is the peer; and the key files. The text is not looked at any
 * more.
 *
 * Implements the requirements of the manual that need more than one value.
 *
 * Invariant: without a mistake the tree is whole: each field that conf.h
 * promises is there.
 */
#include "conf_int.h"
#include "keyfile.h"

#include <errno.h>
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
		else if (conf_is_given(a) && conf_is_given(&link->address) &&
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
	const struct place at = p->block_at[IN_LINK];
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

		if (!conf_is_given(&peer->address) ||
		    !conf_is_given(&link->address))
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

int conf_check(struct parser *p)
{
	settle_node(p);
	if (p->conf->link.present) {
		settle_peers(p);
		check_link(p);
		check_key_files(p);
	}
	conf_check_carps(p);
	if (conf_check_sync(p))
		return -ENOMEM;
	if (!p->conf->state_dir || !p->conf->stats_socket || !p->conf->carps ||
	    (p->conf->link.present && !p->conf->link.peers))
		return -ENOMEM;
	return 0;
}
