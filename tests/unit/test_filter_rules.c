/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/filter_rules, filter_zones: what filter blocks decide. */
#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "filter_blocks.h"

/* Everything the flow can be asked for by one key, and one that it is not. */
static const struct {
	const char *what;
	struct filter_rule rule;
	bool match;
} by_value[] = {
	{ "port",
	  { .given = FILTER_BY_PORT, .ports = { { 443, 443 } }, .nports = 1 },
	  true },
	{ "range",
	  { .given = FILTER_BY_PORT, .ports = { { 400, 500 } }, .nports = 1 },
	  true },
	{ "translated port",
	  { .given = FILTER_BY_PORT, .ports = { { 8443, 8443 } }, .nports = 1 },
	  true },
	{ "source port",
	  { .given = FILTER_BY_PORT,
	    .ports = { { 1, 442 }, { 444, 8442 } },
	    .nports = 2 },
	  false },
	{ "zone",
	  { .given = FILTER_BY_ZONE, .zones = { 3, 5 }, .nzones = 2 },
	  true },
	{ "other zone",
	  { .given = FILTER_BY_ZONE, .zones = { 0 }, .nzones = 1 },
	  false },
	{ "mark",
	  { .given = FILTER_BY_MARK, .mark = 0x104, .mask = UINT32_MAX },
	  true },
	{ "bit",
	  { .given = FILTER_BY_MARK, .mark = 0x100, .mask = 0x100 },
	  true },
	{ "no bit", { .given = FILTER_BY_MARK, .mark = 0, .mask = 0x1 }, true },
	{ "other mark",
	  { .given = FILTER_BY_MARK, .mark = 0x4, .mask = 0xfff },
	  false },
	{ "state",
	  { .given = FILTER_BY_STATE, .classes = 1 << FLOW_ESTABLISHED },
	  true },
	{ "other states",
	  { .given = FILTER_BY_STATE,
	    .classes = 1 << FLOW_OPENING | 1 << FLOW_CLOSING },
	  false },
	{ "assured", { .given = FILTER_BY_ASSURED, .assured = true }, true },
	{ "not assured", { .given = FILTER_BY_ASSURED }, false },
	{ "label",
	  { .given = FILTER_BY_LABEL, .labels = { 0x80, 0x01 } },
	  true },
	{ "other label",
	  { .given = FILTER_BY_LABEL, .labels = { 0x7f, 0xfe } },
	  false },
	{ "all", { .given = 0 }, true },
	{ "interface without networks",
	  { .given = FILTER_BY_END << FILTER_INTERFACE },
	  false },
};

START_TEST(each_value)
{
	struct flow f = tcp_flow(1024);
	struct filter_rule r = by_value[_i].rule;

	f.zone = 5;
	f.mark = 0x104;
	f.has |= FLOW_HAS_LABELS;
	f.labels[1] = 0x01;
	f.reply.sport = 8443;
	r.skip = true;
	rule(r);
	ck_assert_msg(passes(&f) != by_value[_i].match, "%s",
		      by_value[_i].what);
}
END_TEST

/* 10.0.0.7 -> 198.51.100.9, translated to 203.0.113.1 -> 192.0.2.80. */
static const struct {
	enum filter_where where;
	const char *address;
	uint8_t len;
	bool match;
} by_end[] = {
	{ FILTER_SOURCE, "10.0.0.0", 8, true },
	{ FILTER_SOURCE, "10.0.0.0", 29, true },
	{ FILTER_SOURCE, "10.0.0.8", 29, false },
	{ FILTER_SOURCE, "10.0.0.7", 32, true },
	{ FILTER_SOURCE, "10.0.0.6", 32, false },
	{ FILTER_SOURCE, "0.0.0.0", 0, true },
	{ FILTER_SOURCE, "::", 0, false },
	{ FILTER_SOURCE, "203.0.113.1", 32, false },
	{ FILTER_DESTINATION, "198.51.100.0", 24, true },
	{ FILTER_DESTINATION, "192.0.2.80", 32, false },
	{ FILTER_REPLY_SOURCE, "192.0.2.80", 32, true },
	{ FILTER_REPLY_SOURCE, "198.51.100.9", 32, false },
	{ FILTER_REPLY_DESTINATION, "203.0.113.1", 32, true },
	{ FILTER_REPLY_DESTINATION, "10.0.0.7", 32, false },
	{ FILTER_ADDRESS, "10.0.0.7", 32, true },
	{ FILTER_ADDRESS, "198.51.100.9", 32, true },
	{ FILTER_ADDRESS, "192.0.2.80", 32, true },
	{ FILTER_ADDRESS, "203.0.113.1", 32, true },
	{ FILTER_ADDRESS, "203.0.113.2", 32, false },
	{ FILTER_INTERFACE, "10.0.0.0", 24, true },
	{ FILTER_INTERFACE, "10.0.1.0", 24, false },
};

START_TEST(each_end)
{
	struct flow f = snat_flow(1, v4(203, 0, 113, 1));

	f.reply.src = v4(192, 0, 2, 80);
	rule(skip);
	prefix(by_end[_i].where, by_end[_i].address, by_end[_i].len);
	ck_assert_msg(passes(&f) != by_end[_i].match, "%d %s/%u",
		      by_end[_i].where, by_end[_i].address, by_end[_i].len);
}
END_TEST

START_TEST(ipv6_ends)
{
	struct flow f = { .family = AF_INET6, .l4proto = IPPROTO_UDP };

	inet_pton(AF_INET6, "2001:db8:1::7", f.orig.src.b);
	inet_pton(AF_INET6, "2001:db8:2::9", f.orig.dst.b);
	flow_tuple_invert(&f, &f.orig, &f.reply);
	rule(skip);
	prefix(FILTER_SOURCE, "2001:db8:0:8000::", 49);
	ck_assert(passes(&f));
	prefix(FILTER_SOURCE, "2001:db8:1::", 48);
	ck_assert(!passes(&f));
	prefix(FILTER_DESTINATION, "2001:db8:3::", 48);
	ck_assert(passes(&f)); /* each key that is given */
	prefix(FILTER_DESTINATION, "2001:db8:2::8", 125);
	ck_assert(!passes(&f));
}
END_TEST

/* As an administrator writes it: the first block that matches decides. */
START_TEST(order_decides)
{
	struct flow dns = udp_flow(53, 0), other = udp_flow(54, 0);
	struct flow tcp = tcp_flow(1);

	tcp.orig.dport = tcp.reply.sport = 53;
	rule(sync);
	protocol(IPPROTO_UDP);
	prefix(FILTER_SOURCE, "10.0.0.7", 32);
	rule(skip);
	protocol(IPPROTO_UDP);
	last()->given |= FILTER_BY_PORT;
	last()->ports[0][0] = last()->ports[0][1] = 53;
	last()->nports = 1;
	ck_assert(passes(&dns));
	dns.orig.src = dns.reply.dst = v4(10, 0, 0, 8);
	ck_assert(!passes(&dns));
	ck_assert_ptr_eq(filter_rules_skip(&filter.rules, &dns), last());
	other.orig.src = other.reply.dst = v4(10, 0, 0, 8);
	ck_assert(passes(&other));
	ck_assert(passes(&tcp));
	rule(skip); /* an accept list ends so */
	ck_assert(!passes(&other));
	ck_assert(!passes(&tcp));
}
END_TEST

/* What the sender tells of an end, or takes back. */
START_TEST(former_states)
{
	struct flow f = tcp_flow(1), udp = udp_flow(53, 0);

	rule(skip);
	protocol(IPPROTO_UDP);
	ck_assert_int_eq(filter_ends(&filter, &udp), FILTER_RULE);
	ck_assert_int_eq(filter_ends(&filter, &f), FILTER_PASS);
	rule(skip);
	last()->given = FILTER_BY_MARK;
	last()->mark = last()->mask = 1;
	f.mark = 1;
	ck_assert(!passes(&f));
	ck_assert_int_eq(filter_ends(&filter, &f), FILTER_PASS);
	rule(skip); /* whatever its mark was */
	ck_assert_int_eq(filter_ends(&filter, &f), FILTER_RULE);
}
END_TEST

START_TEST(assured_only)
{
	struct flow f = tcp_flow(1), udp = udp_flow(53, IPS_SEEN_REPLY);

	rule(skip);
	last()->given = FILTER_BY_ASSURED;
	ck_assert(passes(&f));
	ck_assert(!passes(&udp));
	/* never told, so its end is not either */
	ck_assert_int_eq(filter_ends(&filter, &udp), FILTER_RULE);
	ck_assert_int_eq(filter_ends(&filter, &f), FILTER_PASS);
}
END_TEST

/* Rules 2 come first, whatever a block says. */
START_TEST(a_block_cannot_add)
{
	struct flow f = tcp_flow(1);

	rule(sync);
	f.tcp_state = TCP_CONNTRACK_SYN_SENT;
	ck_assert_int_eq(filter_flow(&filter, &f), FILTER_STATE);
	f = tcp_flow(1);
	f.orig.src = v4(127, 0, 0, 1);
	ck_assert_int_eq(filter_flow(&filter, &f), FILTER_LOOPBACK);
}
END_TEST

START_TEST(ports_are_of_protocols_that_have_them)
{
	static const uint8_t have[] = { IPPROTO_TCP, IPPROTO_UDP,
					IPPROTO_UDPLITE, IPPROTO_SCTP,
					IPPROTO_DCCP };
	struct flow f = udp_flow(53, IPS_SEEN_REPLY);

	rule(skip);
	last()->given = FILTER_BY_PORT;
	last()->nports = 2;
	last()->ports[0][0] = last()->ports[0][1] = 22;
	last()->ports[1][0] = 50;
	last()->ports[1][1] = 53;
	for (size_t i = 0; i < sizeof(have); i++) {
		f.l4proto = have[i];
		ck_assert_ptr_nonnull(filter_rules_skip(&filter.rules, &f));
	}
	f.l4proto = IPPROTO_GRE; /* a key that looks like one */
	ck_assert_ptr_null(filter_rules_skip(&filter.rules, &f));
	f = udp_flow(54, IPS_SEEN_REPLY);
	ck_assert_ptr_null(filter_rules_skip(&filter.rules, &f));
	f.reply.sport = 50; /* the server has it there */
	ck_assert_ptr_nonnull(filter_rules_skip(&filter.rules, &f));
	f.reply.sport = 49;
	ck_assert_ptr_null(filter_rules_skip(&filter.rules, &f));
}
END_TEST

/* Only what is assured is synced: so what is not never was. */
START_TEST(former_states_of_the_assured)
{
	struct flow f = tcp_flow(1), udp = udp_flow(53, IPS_SEEN_REPLY);

	rule(sync);
	last()->given = FILTER_BY_ASSURED;
	last()->assured = true;
	rule(skip);
	ck_assert_int_eq(filter_ends(&filter, &udp), FILTER_RULE);
	ck_assert_int_eq(filter_ends(&filter, &f), FILTER_PASS);
}
END_TEST

START_TEST(a_copy_is_its_own)
{
	struct filter_rules copy = { 0 };
	struct flow f = tcp_flow(1);
	uint64_t digest;

	rule(sync);
	prefix(FILTER_SOURCE, "10.1.0.0", 16);
	prefix(FILTER_SOURCE, "10.2.0.0", 16);
	rule(skip);
	prefix(FILTER_SOURCE, "10.0.0.0", 8);
	digest = filter_rules_digest(&filter.rules, NULL);
	ck_assert_int_eq(filter_rules_copy(&copy, &filter.rules), 0);
	filter_free(&filter);
	ck_assert_uint_eq(copy.n, 2);
	ck_assert(filter_rules_digest(&copy, NULL) == digest);
	ck_assert_ptr_eq(filter_rules_skip(&copy, &f), &copy.list[1]);
	f.orig.src = v4(10, 2, 0, 1);
	ck_assert_ptr_null(filter_rules_skip(&copy, &f));
	filter_rules_free(&copy);
}
END_TEST

START_TEST(digest_sees_what_matters)
{
	struct filter_rules *r = &filter.rules, copy = { 0 };
	const struct filter_zones zones = { 1, { { 5, 50 } } };
	struct filter_prefix swap;
	uint64_t d;

	ck_assert_uint_eq(filter_rules_digest(r, NULL), 0);
	rule(skip);
	prefix(FILTER_SOURCE, "10.0.0.7", 32);
	prefix(FILTER_SOURCE, "10.0.0.8", 32);
	rule(sync);
	last()->given = FILTER_BY_ZONE;
	last()->zones[0] = 5;
	last()->nzones = 1;
	d = filter_rules_digest(r, NULL);
	ck_assert_int_eq(filter_rules_copy(&copy, r), 0);
	strcpy(copy.list[0].name, "another");
	copy.list[0].skipped = 7;
	swap = copy.list[0].prefixes[0];
	copy.list[0].prefixes[0] = copy.list[0].prefixes[1];
	copy.list[0].prefixes[1] = swap;
	ck_assert_uint_eq(filter_rules_digest(&copy, NULL), d);
	/* zone 5 here is 50 there */
	copy.list[1].zones[0] = 50;
	ck_assert_uint_ne(filter_rules_digest(&copy, NULL), d);
	ck_assert_uint_eq(filter_rules_digest(r, &zones),
			  filter_rules_digest(&copy, NULL));
	copy.list[1].zones[0] = 5;
	copy.list[0].skip = false;
	ck_assert_uint_ne(filter_rules_digest(&copy, NULL), d);
	copy.list[0].skip = true;
	copy.list[0].prefixes[0].where = FILTER_DESTINATION;
	ck_assert_uint_ne(filter_rules_digest(&copy, NULL), d);
	filter_rules_free(&copy);
}
END_TEST

START_TEST(zones_there_and_back)
{
	const struct filter_zones here = { 2, { { 1, 10 }, { 2, 20 } } };
	const struct filter_zones there = { 2, { { 20, 2 }, { 10, 1 } } };
	const struct filter_zones wrong = { 2, { { 20, 1 }, { 10, 2 } } };
	bool listed;

	ck_assert_uint_eq(filter_zone_ours(&here, 10, &listed), 1);
	ck_assert(listed);
	ck_assert_uint_eq(filter_zone_ours(&here, 7, &listed), 7);
	ck_assert(!listed);
	ck_assert_uint_eq(filter_zone_theirs(&here, 2), 20);
	ck_assert_uint_eq(filter_zones_digest(&here, true),
			  filter_zones_digest(&there, false));
	ck_assert_uint_ne(filter_zones_digest(&here, true),
			  filter_zones_digest(&wrong, false));
	ck_assert_uint_ne(filter_zones_digest(&here, true), 0);
}
END_TEST

#define COUNT(a) (int)(sizeof(a) / sizeof((a)[0]))

int main(void)
{
	Suite *s = suite_create("filter_rules");
	TCase *t = tcase_create("filter_rules");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, NULL, teardown);
	tcase_add_loop_test(t, each_value, 0, COUNT(by_value));
	tcase_add_loop_test(t, each_end, 0, COUNT(by_end));
	tcase_add_test(t, ipv6_ends);
	tcase_add_test(t, order_decides);
	tcase_add_test(t, former_states);
	tcase_add_test(t, assured_only);
	tcase_add_test(t, a_block_cannot_add);
	tcase_add_test(t, ports_are_of_protocols_that_have_them);
	tcase_add_test(t, former_states_of_the_assured);
	tcase_add_test(t, a_copy_is_its_own);
	tcase_add_test(t, digest_sees_what_matters);
	tcase_add_test(t, zones_there_and_back);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
