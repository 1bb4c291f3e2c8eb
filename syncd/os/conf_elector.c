// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * carp blocks whose master another program elects: the key elector, and what
 * may stand beside it. What is refused there would look as if it did anything.
 *
 * Implements the key of the manual's CARP section.
 *
 * Invariant: an external block has a name, addresses and an alias only.
 */
#include "conf_int.h"
#include "conf_keys.h"

#include <stdio.h>

void conf_carp_elector(struct parser *p, const char *value)
{
	static const char *const words[] = { "carp", "external", NULL };

	p->carp.carp.external = conf_set_word(p, value, words) == 1;
	p->carp.elector_at = p->at;
}

void conf_check_external(struct parser *p, const struct draft_carp *d)
{
	const struct conf_carp *c = &d->carp;
	const struct {
		const char *key;
		bool given;
	} all[] = {
		{ "interface", *c->interface },
		{ "vhid", d->vhid_at.line },
		{ "pass", d->pass_at.line },
		{ "pass-file", d->file_at.line },
		{ "advskew", d->skew_at.line },
		{ "prefer", d->prefer_at.line },
		{ "mac = interface", c->mac != CONF_MAC_VIRTUAL },
		{ "source-mac", d->source_at.line },
		{ "shared-address = lo", c->shared != CONF_SHARED_ROUTE },
		{ "announce-refresh", c->announce_refresh_ms },
		{ "peer", d->peer_at.line },
		{ "ttl", d->ttl_at.line },
		{ "balancing", d->balancing_at.line },
		{ "nodes", d->nodes_at.line },
		{ "allow", d->allow_at.line },
		{ "track", c->num_tracks },
		{ "routes", c->num_routes },
		{ "rules", c->num_rules },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i].given)
			conf_mistake(p, d->elector_at,
				     "carp \"%s\" has an external elector and "
				     "%s, which is that one's affair; keep "
				     "addresses alone",
				     c->name, all[i].key);
}

void conf_check_electors(struct parser *p)
{
	const struct conf *conf = p->conf;

	for (size_t i = 0; i < p->num_carps; i++) {
		const struct draft_carp *d = &p->carps[i], *first = p->carps;

		if (d->carp.external != first->carp.external)
			conf_mistake(p, d->at,
				     "carp \"%s\" and carp \"%s\" (line %d) "
				     "have different electors; one for all",
				     d->carp.name, first->carp.name,
				     first->at.line);
		else if (d->carp.external && !conf->link.present)
			conf_mistake(p, d->at,
				     "carp \"%s\": another program elects, and "
				     "there is no link block; nothing is left "
				     "to do. add link { }",
				     d->carp.name);
	}
}
