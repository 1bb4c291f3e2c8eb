/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The checks about sync {}: does it fit the peers and this machine? What the
 * peers have is known by the digests in their words.
 *
 * Invariant: a peer that is not heard is not judged.
 */
#include <inttypes.h>

#include "node.h"
#include "report_check.h"

static bool is_heard(const struct engine_peer *p)
{
	return p->live && p->heard;
}

void check_filters(struct checker *c)
{
	struct node *n = c->n;
	const struct engine *e = n->engine;
	const char *name;
	size_t at = 0;

	for (unsigned i = 0; i < e->npeers; i++) {
		const struct engine_peer *p = &e->peers[i];

		if (is_heard(p) && p->word.filter != engine_filter_digest(e, i))
			finding(c, LEVEL_WARNS,
				"%s filters otherwise than this node\n"
				"what one of the two skips is not on both, and "
				"breaks at a failover.\n"
				"the same defer, assured-only and filter "
				"blocks in sync on both nodes, then statesync "
				"reload; "
				"where they are: the same networks on the "
				"interfaces that they name",
				p->name);
	}
	while ((name = node_filter_missing(n, &at)))
		finding(c, LEVEL_WARNS,
			"a filter names the interface %s, which is not here\n"
			"it matches no flow by it.\n"
			"ip link; if it is called otherwise on the peer only: "
			"interfaces in names of statesync.conf",
			name);
}

void check_defer(struct checker *c)
{
	const char *error = node_defer_error(c->n);

	if (c->n->engine->defers && error)
		finding(c, LEVEL_WARNS,
			"defer is on, and no packet waits for the peer\n"
			"an answer that comes back through the other node may "
			"meet no state there.\n"
			"%s",
			error);
}

void check_names(struct checker *c)
{
	const struct engine *e = c->n->engine;

	for (unsigned i = 0; i < e->npeers; i++) {
		const struct engine_peer *p = &e->peers[i];

		if (!is_heard(p))
			continue;
		if (p->word.zones != engine_zones_digest(e, i))
			finding(c, LEVEL_WARNS,
				"%s lists other zones for this node than this "
				"one for %s\n"
				"a flow that goes there and comes back is then "
				"in another zone.\n"
				"zones = { \"A = B\" } in names \"%s\" here is "
				"zones = { \"B = A\" } in names \"%s\" there",
				p->name, p->name, p->name, e->node);
		if (p->zones_unlisted)
			finding(c, LEVEL_NOTE,
				"%s told %" PRIu64 " flows of zones that names "
				"does not list\n"
				"they have the same number here.\n"
				"statesync flows there shows them; add them to "
				"zones where that is wrong",
				p->name, p->zones_unlisted);
	}
}
