// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The keys about nftables sets. Whether a set is there is not looked at: it
 * may come later, and `statesync check` tells.
 *
 * Invariant: each name has the form that nftsets_name_parse() takes, and
 * stands once.
 */
#include "conf_int.h"
#include "nftsets.h"

#include <string.h>

void conf_sync_sets(struct parser *p, const char *value)
{
	struct conf_sets *s = &p->conf->sets;
	struct nftsets_name name;

	if (!nftsets_name_parse(value, &name)) {
		conf_mistake(p, p->at,
			     "sets: \"%s\" is not the name of a set; \"FAMILY "
			     "TABLE SET\" as in nft list sets, at most %d "
			     "characters: \"inet filter blocklist\"",
			     value, SET_NAME_MAX - 1);
		return;
	}
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->names[i], value)) {
			conf_mistake(p, p->at,
				     "sets: \"%s\" stands twice; keep one",
				     value);
			return;
		}
	if (s->n == SETS_MAX) {
		conf_mistake(p, p->at, "sets: more than %d; name fewer",
			     SETS_MAX);
		return;
	}
	memcpy(s->names[s->n++], value, strlen(value) + 1);
}

void conf_sync_sets_period(struct parser *p, const char *value)
{
	conf_set_duration(p, value, 500, 3600000, "500ms to 1h",
			  &p->conf->sets.period_ms);
}
