/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Filter blocks, made one key after the other. */
#ifndef STATESYNC_TEST_FILTER_BLOCKS_H
#define STATESYNC_TEST_FILTER_BLOCKS_H

#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core_flow.h"
#include "filter.h"

static struct filter filter;

static inline void teardown(void)
{
	filter_free(&filter);
}

static inline void rule(struct filter_rule r)
{
	ck_assert_int_eq(filter_rules_add(&filter.rules, &r), 0);
}

static inline struct filter_rule *last(void)
{
	return &filter.rules.list[filter.rules.n - 1];
}

static inline void prefix(enum filter_where where, const char *text,
			  uint8_t len)
{
	struct filter_prefix p = { .where = (uint8_t)where, .len = len };

	p.family = strchr(text, ':') ? AF_INET6 : AF_INET;
	ck_assert_int_eq(inet_pton(p.family, text, p.addr.b), 1);
	last()->given |= (uint32_t)FILTER_BY_END << where;
	ck_assert_int_eq(filter_rule_add(last(), &p), 0);
}

static inline void protocol(uint8_t number)
{
	last()->given |= FILTER_BY_PROTOCOL;
	filter_rule_protocol(last(), number);
}

static const struct filter_rule skip
	__attribute__((unused)) = { .name = "s", .skip = true };
static const struct filter_rule sync __attribute__((unused)) = { .name = "y" };

static inline struct flow udp_flow(uint16_t dport, uint32_t status)
{
	struct flow f = tcp_flow(4000);

	f.l4proto = IPPROTO_UDP;
	f.has = 0;
	f.tcp_state = 0;
	f.orig.dport = dport;
	f.status = IPS_CONFIRMED | status;
	flow_tuple_invert(&f, &f.orig, &f.reply);
	return f;
}

static inline bool passes(const struct flow *f)
{
	enum filter_verdict v = filter_flow(&filter, f);

	ck_assert(v == FILTER_PASS || v == FILTER_RULE);
	return v == FILTER_PASS;
}

#endif
