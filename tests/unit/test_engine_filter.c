/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Two engines with filter blocks and zones: what is on the standby is what the
 * filter lets pass, through the stream, bulks and changes of the filter.
 */
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>

#include "engine_audit.h"
#include "engine_scene.h"

static void start(unsigned i)
{
	sim_start(sim, i);
	while (!engine(i))
		run(10 * MS);
}

static void set_filter(unsigned i, const struct filter_rule *list, size_t n)
{
	struct filter_rules rules = { 0 };

	for (size_t k = 0; k < n; k++)
		ck_assert_int_eq(filter_rules_add(&rules, &list[k]), 0);
	engine_filter(engine(i), &rules, sim->now);
}

static const struct filter_rule no_udp = {
	.name = "no udp",
	.skip = true,
	.given = FILTER_BY_PROTOCOL,
	.protocols = { UINT64_C(1) << IPPROTO_UDP },
};
static const struct filter_rule assured = {
	.name = "assured-only",
	.skip = true,
	.given = FILTER_BY_ASSURED,
};
static const struct filter_rule no_mark = {
	.name = "mark",
	.skip = true,
	.given = FILTER_BY_MARK,
	.mark = 0x100,
	.mask = 0x100,
};

static size_t count(unsigned i, uint8_t protocol)
{
	const struct kernel *k = &sim->node[i].kernel;
	size_t n = 0;

	for (size_t e = 0; e < k->n; e++)
		n += k->entries[e].flow.l4proto == protocol &&
		     k->entries[e].flow.orig.src.b[0] == 10;
	return n;
}

static void with_filter(const struct filter_rule *a,
			const struct filter_rule *b)
{
	const struct sim_conf conf = conf_of();

	world(&conf);
	sim_fill(sim, A, 200);
	sim->traffic = true;
	start(A);
	set_filter(A, a, a ? 1 : 0);
	run(5 * S);
	start(B);
	set_filter(B, b, b ? 1 : 0);
	run(10 * S);
	ck_assert_int_eq(sim_master(sim), A);
}

/* sim_watch_quiet compares the tables by the predicate of the master. */
START_TEST(skipped_by_protocol)
{
	with_filter(&no_udp, &no_udp);
	quiet();
	ck_assert_uint_gt(count(A, IPPROTO_UDP), 0);
	ck_assert_uint_eq(count(B, IPPROTO_UDP), 0);
	ck_assert_uint_gt(count(B, IPPROTO_TCP), 0);
	ck_assert_uint_gt(engine(A)->filtered[FILTER_RULE], 0);
	ck_assert_uint_gt(engine(A)->filter.rules.list[0].skipped, 0);
}
END_TEST

/* An update is the first that the peer hears of a flow, and creates it. */
START_TEST(told_when_assured)
{
	const struct kernel *k;

	with_filter(&assured, &assured);
	quiet();
	ck_assert_uint_gt(count(B, IPPROTO_TCP), 0);
	k = &sim->node[B].kernel;
	for (size_t i = 0; i < k->n; i++)
		if (filter_flow(&engine(B)->filter, &k->entries[i].flow) !=
		    FILTER_OWN)
			ck_assert(k->entries[i].flow.status & IPS_ASSURED);
}
END_TEST

/* What the receiver alone skips is final: it opens no gap. */
START_TEST(the_receiver_refuses)
{
	with_filter(NULL, &no_udp);
	ck_assert(engine_ready(engine(B), sim->now));
	ck_assert_uint_eq(count(B, IPPROTO_UDP), 0);
	ck_assert_uint_gt(engine(B)->refused_filtered, 0);
	ck_assert_uint_eq(engine(B)->peers[0].refused[ENGINE_REFUSED_RULE],
			  engine(B)->refused_filtered);
	ck_assert(engine_rx_in_sync(engine(B), 0));
	ck_assert_uint_ne(engine(A)->peers[0].word.filter,
			  engine_filter_digest(engine(A), 0));
}
END_TEST

START_TEST(another_filter_while_it_runs)
{
	with_filter(&no_udp, &no_udp);
	ck_assert_uint_eq(engine(A)->peers[0].word.filter,
			  engine_filter_digest(engine(A), 0));
	set_filter(A, NULL, 0);
	set_filter(B, NULL, 0);
	run(10 * S);
	quiet();
	ck_assert_uint_gt(count(B, IPPROTO_UDP), 0);
	ck_assert_uint_eq(engine(A)->peers[0].word.filter, 0);
	/* the same again changes nothing */
	set_filter(A, NULL, 0);
	run(1 * S);
	ck_assert(engine_tx_in_sync(engine(A), 0));
}
END_TEST

static struct kernel_entry *find(unsigned i, const struct flow *f)
{
	return kernel_find(&sim->node[i].kernel, f);
}

/* A rule of the user marks it later: the peer's copy goes, and comes back. */
START_TEST(taken_back)
{
	struct kernel_entry *e;
	struct flow f;

	with_filter(&no_mark, &no_mark);
	quiet();
	e = some_tcp(A);
	e->flow.tcp_state = TCP_CONNTRACK_ESTABLISHED;
	f = e->flow;
	ck_assert_ptr_nonnull(find(B, &f));
	e->flow.mark = 0x100;
	kernel_changed(&sim->node[A].kernel, e, sim->now);
	sim->node[A].any = true;
	run(1 * S);
	ck_assert_ptr_nonnull(find(A, &f));
	ck_assert_ptr_null(find(B, &f));
	e = find(A, &f);
	e->flow.mark = 0;
	kernel_changed(&sim->node[A].kernel, e, sim->now);
	run(1 * S);
	ck_assert_ptr_nonnull(find(B, &f));
}
END_TEST

/* An end has no labels: it is told to who may have it. */
START_TEST(labels)
{
	const struct filter_rule no_label = {
		.name = "label",
		.skip = true,
		.given = FILTER_BY_LABEL,
		.labels = { 0x20 },
	};
	struct kernel_entry *e;
	struct flow f;

	with_filter(&no_label, &no_label);
	quiet();
	e = some_tcp(A);
	f = e->flow;
	ck_assert_ptr_nonnull(find(B, &f));
	e->flow.has |= FLOW_HAS_LABELS;
	e->flow.labels[0] = 0x20;
	kernel_changed(&sim->node[A].kernel, e, sim->now);
	run(1 * S);
	ck_assert_ptr_null(find(B, &f));
	e = some_tcp(B);
	f = e->flow;
	kernel_remove(&sim->node[A].kernel, find(A, &f), false, 0, sim->now);
	run(1 * S);
	ck_assert_ptr_null(find(B, &f));
}
END_TEST

/* Zone 10 of A is 20 at B, there and back. */
START_TEST(zones)
{
	const struct filter_zones here = { 1, { { 10, 20 } } };
	const struct filter_zones there = { 1, { { 20, 10 } } };
	const struct audit_report *last;
	struct kernel_entry *e;
	struct flow f;

	pair();
	ck_assert_uint_eq(engine_zones_digest(engine(A), 0), 0);
	engine_zones(engine(A), 0, &here, sim->now);
	engine_zones(engine(B), 0, &there, sim->now);
	run(5 * S);
	ck_assert(engine_ready(engine(B), sim->now));
	ck_assert_uint_eq(engine(A)->peers[0].word.zones,
			  engine_zones_digest(engine(A), 0));
	e = some_tcp(A);
	f = e->flow;
	f.tcp_state = TCP_CONNTRACK_ESTABLISHED;
	f.zone = 10;
	f.orig.sport = f.reply.dport = 7;
	ck_assert(kernel_create(&sim->node[A].kernel, &f, sim->now));
	run(1 * S);
	ck_assert_ptr_null(find(B, &f));
	f.zone = 20;
	ck_assert_ptr_nonnull(find(B, &f));
	f.zone = 30;
	f.orig.sport = f.reply.dport = 8;
	ck_assert(kernel_create(&sim->node[A].kernel, &f, sim->now));
	run(1 * S);
	ck_assert_ptr_nonnull(find(B, &f));
	ck_assert_uint_gt(engine(B)->peers[0].zones_unlisted, 0);
	/* and nothing differs */
	sim->traffic = false;
	run(1 * S);
	sim_verify(sim, A);
	run(10 * S);
	ck_assert_uint_eq(sim->node[A].verified, 1);
	last = &engine(A)->peers[0].audit.last;
	ck_assert_uint_gt(last->count[AUDIT_COMPARED], 0);
	ck_assert_uint_eq(last->count[AUDIT_MISSING], 0);
}
END_TEST

/* A whole bulk, once: what the peer refuses for good it refuses again. */
START_TEST(what_the_receiver_refuses_costs_one_bulk)
{
	struct filter_rule no_tcp = no_udp;
	struct sim_conf conf = conf_of();
	struct kernel *b;
	uint64_t bulks;

	no_tcp.protocols[0] = UINT64_C(1) << IPPROTO_TCP;
	conf.audit_ns = AUDIT_PERIOD_LEAST_NS;
	conf.tuples = KERNEL_ENTRIES_MAX;
	pair_of(&conf);
	sim->traffic = false;
	sim->tampered_once = true;
	sim_fill(sim, A, KERNEL_ENTRIES_MAX - 100);
	run(2 * AUDIT_PERIOD_LEAST_NS);
	set_filter(B, &no_tcp, 1);
	run(2 * S);
	b = &sim->node[B].kernel;
	bulks = rx(B)->id;
	for (size_t i = b->n; i > 0; i--)
		if (b->entries[i - 1].flow.l4proto == IPPROTO_TCP)
			kernel_remove(b, &b->entries[i - 1], true, 0, sim->now);
	ck_assert_uint_eq(count(B, IPPROTO_TCP), 0);
	ck_assert_uint_gt(count(A, IPPROTO_TCP), 3000);
	run(10 * AUDIT_PERIOD_LEAST_NS);
	ck_assert_uint_eq(rx(B)->id, bulks + 1);
	ck_assert(engine_rx_in_sync(engine(B), 0));
	ck_assert(engine_ready(engine(B), sim->now));
	/* and a person is told why */
	ck_assert_ptr_nonnull(
		strstr(engine(A)->peers[0].audit.alarm, "a filter block"));

	/* mended there, and lost once more, later */
	set_filter(B, NULL, 0);
	run(4 * AUDIT_PERIOD_LEAST_NS);
	bulks = rx(B)->id;
	ck_assert_uint_gt(count(B, IPPROTO_TCP), 3000);
	ck_assert_str_eq(engine(A)->peers[0].audit.alarm, "");
	for (size_t i = b->n; i > 0; i--)
		if (b->entries[i - 1].flow.l4proto == IPPROTO_TCP)
			kernel_remove(b, &b->entries[i - 1], true, 0, sim->now);
	run(3 * AUDIT_PERIOD_LEAST_NS);
	ck_assert_uint_eq(rx(B)->id, bulks + 1);
}
END_TEST

/* Shared ones are the last of them; one that is not known is a stranger's. */
START_TEST(a_peer_knows_all_of_many_addresses)
{
	struct session_address many[600] = { { 0 } };
	struct flow_addr last = { .b = { 10, 9, 2, 87 } };
	struct filter *f;

	pair();
	for (unsigned i = 0; i < 600; i++) {
		many[i].family = AF_INET;
		many[i].addr.b[0] = 10;
		many[i].addr.b[1] = 9;
		many[i].addr.b[2] = (uint8_t)(i / 256);
		many[i].addr.b[3] = (uint8_t)i;
	}
	f = &engine(B)->filter;
	ck_assert_int_eq(engine_addresses(engine(A), many, 600), 0);
	run(1 * S);
	ck_assert(filter_lists(f, FILTER_PEERS, AF_INET, &many[0].addr));
	ck_assert(filter_lists(f, FILTER_PEERS, AF_INET, &last));
	ck_assert_uint_gt(engine(B)->peers[0].naddresses, 600);
	/* and no more than it has now */
	ck_assert_int_eq(engine_addresses(engine(A), many, 1), 0);
	run(1 * S);
	ck_assert(!filter_lists(f, FILTER_PEERS, AF_INET, &last));
	ck_assert_uint_lt(engine(B)->peers[0].naddresses, 100);
}
END_TEST

int main(void)
{
	const TTest *const list[] = { skipped_by_protocol,
				      told_when_assured,
				      the_receiver_refuses,
				      what_the_receiver_refuses_costs_one_bulk,
				      another_filter_while_it_runs,
				      taken_back,
				      labels,
				      zones,
				      a_peer_knows_all_of_many_addresses };
	Suite *s = suite_create("engine_filter");
	SRunner *sr;
	int failed;

	SCENES(s, "filter", list);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
