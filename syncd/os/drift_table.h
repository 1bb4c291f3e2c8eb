/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One table of nftables, as libnftnl parsed it, and the digest that is the same
 * wherever the same rules are. For drift_rules.c and drift_table.c only.
 */
#ifndef STATESYNC_DRIFT_TABLE_H
#define STATESYNC_DRIFT_TABLE_H

#include <libnftnl/chain.h>
#include <libnftnl/flowtable.h>
#include <libnftnl/object.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RULES_DIGEST 16 /* bytes */

enum rules_digest {
	RULES_ALL,
	RULES_NAMELESS, /* names of interfaces and numbers of zones are no part */
	RULES_DIGESTS
};

struct rules_set {
	struct nftnl_set *set;
	/* of its elements: sums of digests, so that their order is nothing */
	uint64_t elements[RULES_DIGESTS][4], count;
};

struct rules {
	struct nftnl_table **tables;
	struct nftnl_chain **chains;
	struct nftnl_rule **rules; /* in the order of their chains */
	struct nftnl_obj **objects;
	struct nftnl_flowtable **flowtables;
	struct rules_set *sets;
	size_t ntables, nchains, nrules, nobjects, nflowtables, nsets;
	bool labels; /* a rule sets a connection label; by drift_table_digest */
};

/* Changes what was parsed, so each table once. 0 or -errno. */
int drift_table_digest(struct rules *r, struct nftnl_table *t,
		       uint8_t out[RULES_DIGESTS][RULES_DIGEST]);

/* drift_element.c. Adds what identifies an element, not what it counts. 0 or
 * -ENOMEM. */
int drift_table_element(struct rules_set *s, struct nftnl_set_elem *e);
/* The interface whose number (32 bits) stands there, padded; "?": none. */
const char *drift_interface_name(const void *number, char name[IF_NAMESIZE]);

#endif
