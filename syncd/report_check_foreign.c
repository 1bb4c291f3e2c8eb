/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Does somebody else use the number of one of our vhosts? What was heard
 * (node_foreign.c), not what might be. Invariant: one finding a vhost.
 */
#include "node.h"
#include "report_check.h"

void check_foreign(struct checker *c)
{
	const struct node *n = c->n;
	char text[NODE_FOREIGN_SIZE];

	for (unsigned i = 0; i < n->nvhosts; i++) {
		const struct node_foreign *f = &n->vhosts[i].foreign;

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
