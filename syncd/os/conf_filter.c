// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The blocks in sync {}: which flows are synced, and what the peers call
 * otherwise. It judges no flow (core/filter_rules) and asks no interface for
 * its addresses.
 *
 * Implements the SYNC section of the manual.
 *
 * Invariant: a block is handed on when it ends, and the next one starts
 * empty.
 */
#include "conf_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- filter {} -------------------------------------------------------------- */

void conf_sync_assured_only(struct parser *p, const char *value)
{
	conf_set_bool(p, value, &p->sync.assured_only);
}

void conf_sync_defer(struct parser *p, const char *value)
{
	conf_set_bool(p, value, &p->conf->sync.defer);
}

void conf_filter_action(struct parser *p, const char *value)
{
	static const char *const words[] = { "sync", "skip", NULL };

	p->sync.filter.skip = conf_set_word(p, value, words);
	p->sync.acts = true;
}

void conf_filter_protocol(struct parser *p, const char *value)
{
	static const struct {
		const char *name;
		uint8_t number;
	} known[] = {
		{ "tcp", IPPROTO_TCP },	  { "udp", IPPROTO_UDP },
		{ "icmp", IPPROTO_ICMP }, { "icmpv6", IPPROTO_ICMPV6 },
		{ "sctp", IPPROTO_SCTP }, { "dccp", IPPROTO_DCCP },
		{ "gre", IPPROTO_GRE },	  { "udplite", IPPROTO_UDPLITE },
		{ "esp", IPPROTO_ESP },	  { "ah", IPPROTO_AH },
		{ "ipip", IPPROTO_IPIP }, { "ipv6", IPPROTO_IPV6 },
	};
	const char *unit;
	long number = -1;

	p->sync.filter.given |= FILTER_BY_PROTOCOL;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(known[i].name, value))
			number = known[i].number;
	if (number < 0 && (!conf_parse_number(value, &number, &unit) || *unit))
		number = -1;
	if (number < 0 || number > UINT8_MAX)
		conf_mistake(p, p->at,
			     "protocol \"%s\" is not known; tcp, udp, icmp, "
			     "icmpv6, sctp, dccp, gre, udplite, esp, ah, ipip, "
			     "ipv6 or a number of 0 to 255",
			     value);
	else
		filter_rule_protocol(&p->sync.filter, (uint8_t)number);
}

/* Is there room for one more of a list of FILTER_LIST_MAX? */
static bool room(struct parser *p, size_t n)
{
	if (n < FILTER_LIST_MAX)
		return true;
	conf_mistake(p, p->at,
		     "%s has more than %d values; give the others a block of "
		     "their own",
		     p->key, FILTER_LIST_MAX);
	return false;
}

/* 53, or 5060-5061. */
static bool parse_ports(const char *s, uint16_t ports[2])
{
	long first, last;
	const char *unit;

	if (!conf_parse_number(s, &first, &unit))
		return false;
	last = first;
	if (*unit == '-' && !conf_parse_number(unit + 1, &last, &unit))
		return false;
	if (*unit || last > UINT16_MAX || first > last)
		return false;
	ports[0] = (uint16_t)first;
	ports[1] = (uint16_t)last;
	return true;
}

void conf_filter_port(struct parser *p, const char *value)
{
	struct filter_rule *r = &p->sync.filter;

	r->given |= FILTER_BY_PORT;
	if (!room(p, r->nports))
		return;
	if (parse_ports(value, r->ports[r->nports]))
		r->nports++;
	else
		conf_mistake(p, p->at,
			     "port \"%s\" is neither a port nor a range; 53 or "
			     "5060-5061",
			     value);
}

void conf_filter_zone(struct parser *p, const char *value)
{
	struct filter_rule *r = &p->sync.filter;

	r->given |= FILTER_BY_ZONE;
	if (room(p, r->nzones))
		r->zones[r->nzones++] =
			(uint16_t)conf_set_number(p, value, 0, UINT16_MAX);
}

void conf_filter_mark(struct parser *p, const char *value)
{
	p->sync.filter.given |= FILTER_BY_MARK;
	conf_set_mark(p, value, &p->sync.filter.mark, &p->sync.filter.mask);
}

void conf_filter_label(struct parser *p, const char *value)
{
	long bit = conf_set_number(p, value, 0, 8 * FLOW_LABELS_BYTES - 1);

	p->sync.filter.given |= FILTER_BY_LABEL;
	p->sync.filter.labels[bit / 8] |= (uint8_t)(1 << bit % 8);
}

void conf_filter_state(struct parser *p, const char *value)
{
	static const char *const words[] = { [FLOW_OPENING] = "opening",
					     [FLOW_ESTABLISHED] = "established",
					     [FLOW_CLOSING] = "closing",
					     NULL };

	p->sync.filter.given |= FILTER_BY_STATE;
	p->sync.filter.classes |=
		(uint8_t)(1 << conf_set_word(p, value, words));
}

void conf_filter_assured(struct parser *p, const char *value)
{
	p->sync.filter.given |= FILTER_BY_ASSURED;
	conf_set_bool(p, value, &p->sync.filter.assured);
}

static void add_prefix(struct parser *p, const char *value,
		       enum filter_where where)
{
	struct filter_prefix prefix = { .where = (uint8_t)where };
	struct conf_address a;

	p->sync.filter.given |= (uint32_t)FILTER_BY_END << where;
	/* one host may stand without its length */
	if (!strchr(value, '/') && conf_parse_address(value, &a))
		a.prefixlen = a.family == AF_INET ? 32 : 128;
	else
		conf_set_network(p, value, &a);
	if (!conf_is_given(&a))
		return;
	prefix.family = (uint8_t)a.family;
	prefix.len = a.prefixlen;
	memcpy(prefix.addr.b, &a.v4, a.family == AF_INET ? 4 : 16);
	if (filter_rule_add(&p->sync.filter, &prefix))
		p->no_memory = true;
}

void conf_filter_address(struct parser *p, const char *value)
{
	add_prefix(p, value, FILTER_ADDRESS);
}

void conf_filter_source(struct parser *p, const char *value)
{
	add_prefix(p, value, FILTER_SOURCE);
}

void conf_filter_destination(struct parser *p, const char *value)
{
	add_prefix(p, value, FILTER_DESTINATION);
}

void conf_filter_reply_source(struct parser *p, const char *value)
{
	add_prefix(p, value, FILTER_REPLY_SOURCE);
}

void conf_filter_reply_destination(struct parser *p, const char *value)
{
	add_prefix(p, value, FILTER_REPLY_DESTINATION);
}

void conf_filter_interface(struct parser *p, const char *value)
{
	struct filter_rule *r = &p->sync.filter;

	r->given |= (uint32_t)FILTER_BY_END << FILTER_INTERFACE;
	if (room(p, r->ninterfaces))
		conf_set_interface(p, value, r->interfaces[r->ninterfaces++]);
}

static void check_filter(struct parser *p, const struct filter_rule *r)
{
	const struct filter_rules *before = &p->conf->sync.rules;

	if (!p->sync.acts)
		conf_mistake(p, p->at,
			     "filter \"%s\" has no action; add action = "
			     "\"skip\" or \"sync\"",
			     r->name);
	for (size_t i = 0; i < before->n; i++)
		if (*r->name && !strcmp(before->list[i].name, r->name))
			conf_mistake(p, p->at,
				     "two blocks of filter \"%s\"; keep one",
				     r->name);
	if (before->n && !before->list[before->n - 1].given)
		conf_mistake(p, p->at,
			     "filter \"%s\" is never reached: \"%s\" before it "
			     "matches every flow; put that last",
			     r->name, before->list[before->n - 1].name);
	if (before->n == FILTER_RULES_MAX)
		conf_mistake(p, p->at,
			     "more than %d filter blocks; lists in one block "
			     "do for several",
			     FILTER_RULES_MAX);
}

/* Nothing of the block is read. */
static void filter_init(struct parser *p)
{
	free(p->sync.filter.prefixes);
	p->sync.filter = (struct filter_rule){ 0 };
	p->sync.acts = false;
}

void conf_filter_closed(struct parser *p, const char *title)
{
	conf_set_name(p, title, "filter", p->sync.filter.name);
	check_filter(p, &p->sync.filter);
	if (filter_rules_add(&p->conf->sync.rules, &p->sync.filter))
		p->no_memory = true;
	else
		p->sync.filter.prefixes = NULL; /* gone over */
	filter_init(p);
}

void conf_sync_init(struct parser *p)
{
	filter_init(p);
	p->sync = (struct draft_sync){ 0 };
}

/* --- names {} ---------------------------------------------------------------- */

/* Cuts `ours = theirs`, blanks around them away, into two words. */
static bool parse_pair(const char *s, char pair[2][IF_NAMESIZE])
{
	for (int i = 0; i < 2; i++) {
		size_t len;

		s += strspn(s, " \t");
		len = strcspn(s, " \t=");
		if (!len || len >= IF_NAMESIZE)
			return false;
		snprintf(pair[i], IF_NAMESIZE, "%.*s", (int)len, s);
		s += len + strspn(s + len, " \t");
		if (i == 0 && *s++ != '=')
			return false;
	}
	return !*s;
}

static bool get_pair(struct parser *p, const char *value,
		     char pair[2][IF_NAMESIZE])
{
	if (parse_pair(value, pair))
		return true;
	conf_mistake(p, p->at,
		     "%s \"%s\" is no pair; \"ours = theirs\", the name here "
		     "and the name there",
		     p->key, value);
	return false;
}

static void twice(struct parser *p, const char *name)
{
	conf_mistake(p, p->at,
		     "%s: %s stands twice; each has one name here and one "
		     "there",
		     p->key, name);
}

void conf_names_zones(struct parser *p, const char *value)
{
	struct filter_zones *z = &p->sync.names.zones;
	struct filter_zone *fresh = &z->list[z->n];
	char pair[2][IF_NAMESIZE];

	if (z->n == FILTER_ZONES_MAX) {
		conf_mistake(p, p->at,
			     "more than %d zones; leave out those with one "
			     "number on both nodes",
			     FILTER_ZONES_MAX);
		return;
	}
	if (!get_pair(p, value, pair))
		return;
	fresh->ours = (uint16_t)conf_set_number(p, pair[0], 0, UINT16_MAX);
	fresh->theirs = (uint16_t)conf_set_number(p, pair[1], 0, UINT16_MAX);
	for (size_t i = 0; i < z->n; i++)
		if (z->list[i].ours == fresh->ours)
			twice(p, pair[0]);
		else if (z->list[i].theirs == fresh->theirs)
			twice(p, pair[1]);
	z->n++;
}

void conf_names_interfaces(struct parser *p, const char *value)
{
	struct conf_names *n = &p->sync.names;
	char pair[2][IF_NAMESIZE];
	size_t k = n->num_interfaces;

	if (!room(p, k) || !get_pair(p, value, pair))
		return;
	conf_set_interface(p, pair[0], n->interfaces[k].ours);
	conf_set_interface(p, pair[1], n->interfaces[k].theirs);
	for (size_t i = 0; i < k; i++)
		if (!strcmp(n->interfaces[i].ours, pair[0]))
			twice(p, pair[0]);
		else if (!strcmp(n->interfaces[i].theirs, pair[1]))
			twice(p, pair[1]);
	n->num_interfaces++;
}

void conf_names_closed(struct parser *p, const char *title)
{
	struct conf_sync *s = &p->conf->sync;
	struct conf_names *more =
		conf_grow(p, s->names, s->num_names, sizeof(*more));

	conf_set_name(p, title, "names", p->sync.names.peer);
	for (size_t i = 0; i < s->num_names && more; i++)
		if (!strcmp(more[i].peer, title))
			conf_mistake(p, p->at,
				     "two blocks of names \"%s\"; keep one",
				     title);
	if (more) {
		s->names = more;
		s->names[s->num_names++] = p->sync.names;
	}
	p->sync.names = (struct conf_names){ 0 };
}

/* --- all of it ---------------------------------------------------------------- */

/* The block of our own name says what others call otherwise: they read it. */
static void settle_names(struct parser *p)
{
	struct conf_sync *s = &p->conf->sync;
	const struct conf_link *link = &p->conf->link;
	size_t kept = 0;

	for (size_t i = 0; i < s->num_names; i++) {
		const char *name = s->names[i].peer;
		bool known = false;

		if (!strcmp(name, p->conf->node))
			continue;
		for (size_t k = 0; k < link->num_peers; k++)
			known |= !strcmp(link->peers[k].name, name);
		if (!known)
			conf_mistake(p, p->block_at[IN_SYNC],
				     "names \"%s\": link has no peer of that "
				     "name; add it there, or correct one",
				     name);
		s->names[kept++] = s->names[i];
	}
	s->num_names = kept;
}

int conf_check_sync(struct parser *p)
{
	struct filter_rules *rules = &p->conf->sync.rules;
	const struct filter_rule rule = {
		.name = "assured-only",
		.skip = true,
		.given = FILTER_BY_ASSURED,
	};

	settle_names(p);
	if (!p->sync.assured_only)
		return 0;
	if (filter_rules_add(rules, &rule))
		return -ENOMEM;
	memmove(&rules->list[1], &rules->list[0],
		(rules->n - 1) * sizeof(rule));
	rules->list[0] = rule;
	return 0;
}

void conf_sync_drop(struct conf_sync *sync)
{
	filter_rules_free(&sync->rules);
	free(sync->names);
	sync->names = NULL;
	sync->num_names = 0;
}
