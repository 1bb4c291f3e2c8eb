/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The configured part of the predicate of rules 2: filter blocks. They are
 * looked at in order, the first that matches decides, and what none matches is
 * synced. Within a list any one suffices; of several keys all must match.
 */
#ifndef STATESYNC_FILTER_RULES_H
#define STATESYNC_FILTER_RULES_H

#include "filter_zones.h"
#include "flow.h"

#define FILTER_RULES_MAX  64
#define FILTER_NAME_MAX	  64
#define FILTER_IFNAME_MAX 16
#define FILTER_LIST_MAX	  16 /* ports, zones, interfaces of one rule */

/* Keys that name ends of a flow, and which of its four addresses each means. */
enum filter_where {
	FILTER_ADDRESS, /* any of the four */
	FILTER_SOURCE,	/* who began, as before translation */
	FILTER_DESTINATION,
	FILTER_REPLY_SOURCE, /* who answers: destination after translation */
	FILTER_REPLY_DESTINATION,
	FILTER_INTERFACE, /* any; its prefixes are filled in by the caller */
	FILTER_WHERES
};

/* What a rule asks; of an end FILTER_BY_END << enum filter_where. */
enum filter_by {
	FILTER_BY_PROTOCOL = 1 << 0,
	FILTER_BY_PORT = 1 << 1,
	FILTER_BY_ZONE = 1 << 2,
	FILTER_BY_MARK = 1 << 3,
	FILTER_BY_STATE = 1 << 4,
	FILTER_BY_ASSURED = 1 << 5,
	FILTER_BY_LABEL = 1 << 6,
	FILTER_BY_END = 1 << 7,
};

struct filter_prefix {
	uint8_t where; /* enum filter_where */
	uint8_t family, len;
	struct flow_addr addr;
};

struct filter_rule {
	char name[FILTER_NAME_MAX];
	bool skip;	/* else: sync */
	uint32_t given; /* enum filter_by */
	uint64_t protocols[4];
	uint16_t ports[FILTER_LIST_MAX][2]; /* first and last */
	uint16_t zones[FILTER_LIST_MAX];
	char interfaces[FILTER_LIST_MAX][FILTER_IFNAME_MAX];
	size_t nports, nzones, ninterfaces;
	uint32_t mark, mask;
	uint8_t labels[FLOW_LABELS_BYTES]; /* any of these */
	uint8_t classes;		   /* a bit for each enum flow_class */
	bool assured;
	size_t nprefixes;
	struct filter_prefix *prefixes; /* owned */
	uint64_t skipped;		/* events, counted by who asks */
};

struct filter_rules {
	size_t n;
	struct filter_rule *list; /* owned */
};

/* Adds a rule (its prefixes go over) or a prefix. 0 or -ENOMEM, nothing
 * changed. */
int filter_rules_add(struct filter_rules *r, const struct filter_rule *rule)
	__attribute__((warn_unused_result));
int filter_rule_add(struct filter_rule *rule, const struct filter_prefix *p)
	__attribute__((warn_unused_result));
/* *to is empty. 0 or -ENOMEM, then it stays so. */
int filter_rules_copy(struct filter_rules *to, const struct filter_rules *from)
	__attribute__((warn_unused_result));
void filter_rules_free(struct filter_rules *r);

void filter_rule_protocol(struct filter_rule *rule, uint8_t protocol);

/* NULL: it is synced. Else the rule that skips it. */
struct filter_rule *filter_rules_skip(const struct filter_rules *r,
				      const struct flow *f);
/*
 * May it have been synced before, with another mark or state than now? True
 * also where that is not known. A flow does not cease to be assured.
 */
bool filter_rules_may(const struct filter_rules *r, const struct flow *f);
/* Is every flow of that protocol skipped, whatever else it is? */
bool filter_rules_refuse(const struct filter_rules *r, uint8_t protocol);

/* Does a rule ask for this? */
bool filter_rules_ask(const struct filter_rules *r, enum filter_by by);

/* What every flow that is synced has; 0 in a mask: nothing is known. */
struct filter_need {
	uint32_t status, mark, mark_mask;
};
void filter_rules_need(const struct filter_rules *r, struct filter_need *need);

/*
 * The same for rules that decide alike, in whatever order their lists are; 0
 * for none. Zones are those of a peer, where it calls them otherwise and
 * zones is not NULL. Names and counters do not matter.
 */
uint64_t filter_rules_digest(const struct filter_rules *r,
			     const struct filter_zones *zones);

#endif
