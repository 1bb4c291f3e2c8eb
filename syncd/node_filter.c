// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * From sync {} of the configuration to the engine and to the sockets of the
 * kernel's table, which refuse what they can. It judges no flow
 * (core/filter_rules).
 *
 * Implements the manual's words on the interface of a filter: an entry of the
 * table names none, so it is the networks of the interface's addresses.
 *
 * Invariant: what the kernel refuses the filter would skip anyway.
 */
#include "node.h"

#include <net/if.h>
#include <string.h>

#include "log.h"

/* --- interfaces --------------------------------------------------------------- */

/* One file may serve both nodes: what no interface here is called may be what
 * a peer calls it. */
static unsigned find_interface(const struct node *n, const char *name,
			       const char **here)
{
	const struct conf_sync *s = &n->conf->sync;
	unsigned ifindex = if_nametoindex(name);

	*here = name;
	for (size_t i = 0; !ifindex && i < s->num_names; i++)
		for (size_t k = 0; k < s->names[i].num_interfaces; k++)
			if (!strcmp(s->names[i].interfaces[k].theirs, name)) {
				*here = s->names[i].interfaces[k].ours;
				ifindex = if_nametoindex(*here);
			}
	return ifindex;
}

static int add_network(struct filter_rule *rule, uint8_t family, uint8_t len,
		       const void *addr)
{
	struct filter_prefix p = {
		.where = FILTER_INTERFACE,
		.family = family,
		.len = len,
	};
	const uint8_t *bytes = addr;

	/* the same on every link, so it tells nothing */
	if (family == AF_INET6 && bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80)
		return 0;
	for (unsigned bit = 0; bit < len; bit++)
		p.addr.b[bit / 8] =
			(uint8_t)(p.addr.b[bit / 8] |
				  (bytes[bit / 8] & 0x80 >> bit % 8));
	for (size_t i = 0; i < rule->nprefixes; i++)
		if (!memcmp(&rule->prefixes[i], &p, sizeof(p)))
			return 0;
	return filter_rule_add(rule, &p);
}

/* Those of its own addresses and of the shared ones. */
static int add_interface(const struct node *n, struct filter_rule *rule,
			 const char *name)
{
	const char *here;
	unsigned ifindex = find_interface(n, name, &here);
	int err = 0;

	for (size_t i = 0; i < n->naddrs && !err; i++) {
		const struct ifmon_addr *a = &n->addrs[i].addr;

		if (ifindex && n->addrs[i].ifindex == ifindex)
			err = add_network(rule, a->family, a->prefixlen,
					  a->addr);
	}
	for (size_t i = 0; i < n->conf->num_carps; i++) {
		const struct conf_carp *c = &n->conf->carps[i];

		if (strcmp(c->interface, here))
			continue;
		for (size_t k = 0; k < c->num_addresses && !err; k++)
			err = add_network(rule, (uint8_t)c->addresses[k].family,
					  c->addresses[k].prefixlen,
					  &c->addresses[k].v4);
	}
	return err;
}

/* Networks are added, and none is taken out before another configuration: an
 * interface that goes down may lose its addresses, and that is no moment for
 * another filter. */
static int make_rules(struct node *n, struct filter_rules *rules)
{
	const struct filter_rules *conf = &n->conf->sync.rules;
	int err = 0;

	for (size_t i = 0; i < conf->n && !err; i++)
		for (size_t k = 0; k < conf->list[i].ninterfaces && !err; k++)
			err = add_interface(n, &conf->list[i],
					    conf->list[i].interfaces[k]);
	if (!err)
		err = filter_rules_copy(rules, conf);
	/* the engine may have counted already */
	for (size_t i = 0; i < rules->n && i < n->engine->filter.rules.n; i++)
		if (!strcmp(rules->list[i].name,
			    n->engine->filter.rules.list[i].name))
			rules->list[i].skipped =
				n->engine->filter.rules.list[i].skipped;
	if (err)
		filter_rules_free(rules);
	return err;
}

const char *node_filter_missing(const struct node *n, size_t *at)
{
	const struct filter_rules *rules = &n->conf->sync.rules;
	const char *here;

	for (; *at < rules->n * FILTER_LIST_MAX; (*at)++) {
		const struct filter_rule *r =
			&rules->list[*at / FILTER_LIST_MAX];
		size_t k = *at % FILTER_LIST_MAX;

		if (k < r->ninterfaces &&
		    !find_interface(n, r->interfaces[k], &here)) {
			(*at)++;
			return r->interfaces[k];
		}
	}
	return NULL;
}

/* What the filter skips anyway the kernel need not tell. */
static void filter_kernel(struct node *n)
{
	const struct filter_rules *rules = &n->engine->filter.rules;
	uint64_t refused[4] = { 0 };
	int err;

	for (unsigned i = 0; i < 256; i++)
		if (filter_rules_refuse(rules, (uint8_t)i))
			refused[i / 64] |= UINT64_C(1) << i % 64;
	err = ct_events_refuse(&n->events, refused);
	if (err)
		log_msg(LOG_WARNING,
			"the kernel cannot filter events (%s); it is done here",
			log_errno(-err));
	filter_rules_need(rules, &n->dump.need);
	n->events.want_labels = filter_rules_ask(rules, FILTER_BY_LABEL);
}

/* --- the whole ------------------------------------------------------------------ */

static void set_zones(struct node *n)
{
	static const struct filter_zones none;
	const struct conf_sync *s = &n->conf->sync;

	for (unsigned i = 0; i < n->engine->npeers; i++) {
		const struct filter_zones *zones = &none;

		for (size_t k = 0; k < s->num_names; k++)
			if (!strcmp(s->names[k].peer, n->engine->peers[i].name))
				zones = &s->names[k].zones;
		engine_zones(n->engine, i, zones, n->last);
	}
}

void node_filter_set(struct node *n)
{
	struct filter_rules rules = { 0 };

	set_zones(n);
	if (make_rules(n, &rules)) {
		log_msg(LOG_ERR, "no memory for the filter; the old one stays");
		return;
	}
	engine_filter(n->engine, &rules, n->last);
	filter_kernel(n);
}
