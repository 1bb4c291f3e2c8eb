// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The blocks in routes {} and rules {} of a carp block: what the master alone
 * has in its routing. It sets nothing itself.
 *
 * Implements the ROUTES AND RULES section of the manual.
 *
 * Invariant: a block is handed on when it ends, and the next one starts
 * empty.
 */
#include "conf_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void conf_route_via(struct parser *p, const char *value)
{
	conf_set_address(p, value, &p->route.via);
}

void conf_route_source(struct parser *p, const char *value)
{
	conf_set_address(p, value, &p->route.src);
}

void conf_route_interface(struct parser *p, const char *value)
{
	conf_set_interface(p, value, p->route.interface);
}

void conf_route_table(struct parser *p, const char *value)
{
	p->route.table = (uint32_t)conf_set_number(p, value, 1, INT32_MAX);
}

void conf_route_metric(struct parser *p, const char *value)
{
	p->route.metric = (uint32_t)conf_set_number(p, value, 0, INT32_MAX);
}

static void check_family(struct parser *p, const char *what, const char *title,
			 sa_family_t family, const struct conf_address *a)
{
	if (conf_is_given(a) && a->family != family)
		conf_mistake(p, p->at,
			     "%s of \"%s\" is of the other IP version; choose "
			     "one",
			     what, title);
}

void conf_route_closed(struct parser *p, const char *title)
{
	struct conf_carp *c = &p->carp.carp;
	struct conf_route *r = &p->route;
	struct conf_route *more =
		conf_grow(p, c->routes, c->num_routes, sizeof(*more));

	conf_set_network(p, title, &r->to);
	if (conf_is_given(&r->to)) {
		check_family(p, "via", title, r->to.family, &r->via);
		check_family(p, "source", title, r->to.family, &r->src);
	}
	if (!*r->interface && r->via.family == AF_UNSPEC)
		conf_mistake(p, p->at,
			     "route \"%s\" leads nowhere; add via = \"...\" or "
			     "interface = \"...\"",
			     title);
	if (!*r->interface && conf_is_link_local(&r->via))
		conf_mistake(p, p->at,
			     "route \"%s\" has a link-local via; add interface "
			     "= \"...\"",
			     title);
	if (more) {
		c->routes = more;
		c->routes[c->num_routes++] = *r;
	}
	memset(r, 0, sizeof(*r));
}

void conf_rule_from(struct parser *p, const char *value)
{
	conf_set_network(p, value, &p->rule.from);
}

void conf_rule_to(struct parser *p, const char *value)
{
	conf_set_network(p, value, &p->rule.to);
}

void conf_rule_iif(struct parser *p, const char *value)
{
	conf_set_interface(p, value, p->rule.iif);
}

void conf_rule_mark(struct parser *p, const char *value)
{
	conf_set_mark(p, value, &p->rule.mark, &p->rule.mark_mask);
}

void conf_rule_table(struct parser *p, const char *value)
{
	p->rule.table = (uint32_t)conf_set_number(p, value, 1, INT32_MAX);
}

void conf_rule_priority(struct parser *p, const char *value)
{
	p->rule.priority = (uint32_t)conf_set_number(p, value, 1, 32765);
}

static void check_rule(struct parser *p, const struct conf_rule *r)
{
	if (!r->table)
		conf_mistake(p, p->at,
			     "rule \"%s\" has no table; add table = 1 to %d",
			     r->name, INT32_MAX);
	if (!r->priority)
		conf_mistake(p, p->at,
			     "rule \"%s\" has no priority; add priority = 1 to "
			     "32765, ip rule shows those taken",
			     r->name);
	if (r->from.family == AF_UNSPEC && r->to.family == AF_UNSPEC &&
	    !*r->iif && !r->mark_mask)
		conf_mistake(
			p, p->at,
			"rule \"%s\" says not for what; add from, to, mark "
			"or iif",
			r->name);
}

/* The family is that of from or to; whole families are any of them. */
static void settle_rule(struct parser *p, struct conf_rule *r)
{
	r->family = conf_is_given(&r->from) ? r->from.family
		    : conf_is_given(&r->to) ? r->to.family
					    : AF_INET;
	check_family(p, "to", r->name, r->family, &r->to);
	if (!r->from.prefixlen)
		r->from.family = AF_UNSPEC;
	if (!r->to.prefixlen)
		r->to.family = AF_UNSPEC;
}

void conf_rule_closed(struct parser *p, const char *title)
{
	struct conf_carp *c = &p->carp.carp;
	struct conf_rule *r = &p->rule;
	struct conf_rule *more =
		conf_grow(p, c->rules, c->num_rules, sizeof(*more));

	conf_set_name(p, title, "rule", r->name);
	check_rule(p, r);
	settle_rule(p, r);
	for (size_t i = 0; i < c->num_rules && more; i++)
		if (!strcmp(more[i].name, r->name))
			conf_mistake(p, p->at,
				     "two blocks of rule \"%s\" in one rules; "
				     "keep one",
				     title);
	if (more) {
		c->rules = more;
		c->rules[c->num_rules++] = *r;
	}
	memset(r, 0, sizeof(*r));
}
