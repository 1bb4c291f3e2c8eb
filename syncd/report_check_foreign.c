/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Does somebody else use the number of one of our vhosts, or is one of its nodes
 * without the link? What was heard, not what might be.
 * Invariant: of each kind one finding a vhost.
 */
#include "node.h"
#include "report_check.h"

/* Without a link there is no state for anybody. */
static void check_stranger(struct checker *c, unsigned vhost)
{
	char text[INET6_ADDRSTRLEN];

	if (c->n->engine->npeers && report_stranger(c->n, vhost, text))
		finding(c, LEVEL_WARNS,
			"carp \"%s\": the master, %s, is a peer without state "
			"sync\n"
			"when it takes over or gives up, connections break.\n"
			"a peer in link for it, there and here; or stop it",
			c->n->vhosts[vhost].name, text);
}

void check_foreign(struct checker *c)
{
	const struct node *n = c->n;
	char text[NODE_FOREIGN_SIZE];

	for (unsigned i = 0; i < n->nvhosts; i++) {
		const struct node_foreign *f = &n->vhosts[i].foreign;

		check_stranger(c, i);
		if (!f->at.ns || mono_diff(n->last, f->at) > CHECK_RECENT_NS)
			continue;
		finding(c, LEVEL_WARNS,
			"carp \"%s\": %s\n"
			"two groups with one number have one virtual MAC, and "
			"take it from each other.\n"
			"choose another vhid on both nodes; statesync(7), "
			"INCORRECT HASH",
			n->vhosts[i].name, node_foreign_text(n, i, text));
	}
}
