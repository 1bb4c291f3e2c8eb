/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/engine_expect: expectations between two nodes, in scenes. */
#include "engine_scene.h"
#include "expect_sample.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>

/* Nobody but the test ends connections. */
static void quiet_pair(void)
{
	pair();
	sim->traffic = false;
}

/* A control connection in A's table, and in B's once it is told. */
static struct flow control(uint16_t i)
{
	struct flow f = {
		.family = AF_INET,
		.l4proto = IPPROTO_TCP,
		.has = FLOW_HAS_TCP | FLOW_HAS_HELPER,
		.tcp_state = TCP_CONNTRACK_ESTABLISHED,
		.status = IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED,
		.orig = { .src.b = { 10, 77, 0, 1 },
			  .dst.b = { 203, 0, 113, 9 },
			  .sport = i,
			  .dport = 21 },
		.helper = "ftp",
	};

	flow_tuple_invert(&f, &f.orig, &f.reply);
	ck_assert(kernel_create(&sim->node[A].kernel, &f, sim->now));
	return f;
}

static void event(enum expect_op op, const struct expect *e)
{
	struct sim_node *n = &sim->node[A];
	struct expect_change c = { .op = op, .expect = *e };

	sim_expect_event(&n->expects, &n->kernel, n->engine, &c, sim->now);
	n->any = true; /* it wakes up for that */
}

static struct expect *at(unsigned node, const struct expect *e)
{
	struct sim_node *n = &sim->node[node];

	return sim_expect_find(&n->expects, &n->kernel, e);
}

/* Announced at A and, as told, expected by B. */
static struct expect announced(uint16_t i)
{
	struct flow f = control(i);
	struct expect e = expect_sample(&f, i);

	run(200 * MS);
	event(EXPECT_NEW, &e);
	run(200 * MS);
	ck_assert_ptr_nonnull(at(B, &e));
	return e;
}

static uint64_t result(enum expect_result r)
{
	return engine(B)->expects.results[r];
}

START_TEST(told_and_ended)
{
	struct expect e;

	quiet_pair();
	e = announced(1);
	ck_assert_mem_eq(at(B, &e), &e, sizeof(e));
	event(EXPECT_END, &e);
	run(200 * MS);
	ck_assert_ptr_null(at(B, &e));
	ck_assert_uint_eq(result(EXPECT_APPLIED), 2);
	ck_assert_uint_eq(engine(A)->expects.told, 2);
	ck_assert(engine_tx_in_sync(engine(A), 0));
}
END_TEST

START_TEST(those_of_a_bulk)
{
	struct expect e[40];

	quiet_pair();
	for (uint16_t i = 0; i < 40; i++)
		e[i] = announced((uint16_t)(100 + i));
	sim_lose(sim, B);
	run(3 * S);
	sim->node[B].expects.n = 0;
	sim_start(sim, B);
	run(8 * S);
	ck_assert(engine_ready(engine(B), sim->now));
	for (int i = 0; i < 40; i++)
		ck_assert_ptr_nonnull(at(B, &e[i]));
	ck_assert_uint_eq(result(EXPECT_NO_MASTER), 0);
}
END_TEST

/* No event tells that SIP gave one more time, and words may be lost. */
START_TEST(all_are_told_again)
{
	struct expect e, lost;

	quiet_pair();
	e = announced(1);
	at(A, &e)->timeout_s = 3000;
	lost = announced(2);
	sim->node[B].expects.n = 0;
	run(31 * S);
	ck_assert_ptr_nonnull(at(B, &lost));
	ck_assert_uint_eq(at(B, &e)->timeout_s, 3000);
	run(300 * S);
	ck_assert_uint_le(result(EXPECT_APPLIED), 2 + 2 * 12);
	ck_assert_uint_ge(result(EXPECT_APPLIED), 2 + 2 * 9);
}
END_TEST

START_TEST(not_those_of_own_connections)
{
	struct flow f;
	struct expect e;
	struct session_address own = { .family = AF_INET,
				       .addr.b = { 10, 77, 0, 1 } };

	quiet_pair();
	ck_assert_int_eq(engine_addresses(engine(A), &own, 1), 0);
	f = control(1);
	e = expect_sample(&f, 1);
	event(EXPECT_NEW, &e);
	run(S);
	ck_assert_uint_eq(engine(A)->expects.filtered, 1);
	ck_assert_uint_eq(engine(A)->expects.told, 0);
	ck_assert_ptr_null(at(B, &e));
}
END_TEST

/* The interface went, and the connection with it: the peer keeps both. */
START_TEST(the_end_of_a_master_ends_nothing_there)
{
	struct expect e;
	struct flow f;

	quiet_pair();
	e = announced(1);
	expect_master(&e, &f);
	ck_assert_ptr_nonnull(kernel_find(&sim->node[A].kernel, &f));
	kernel_reset(&sim->node[A].kernel);
	event(EXPECT_END, &e);
	run(200 * MS);
	ck_assert_ptr_nonnull(at(B, &e));
}
END_TEST

/* SIP: the packet is read before its flow is in the table. */
START_TEST(an_early_one_waits_for_its_master)
{
	struct flow f = { .family = AF_INET,
			  .l4proto = IPPROTO_UDP,
			  .has = FLOW_HAS_HELPER,
			  .status = IPS_CONFIRMED,
			  .helper = "sip",
			  .orig = { .src.b = { 10, 77, 0, 2 },
				    .dst.b = { 203, 0, 113, 9 },
				    .sport = 5060,
				    .dport = 5060 } };
	struct expect e, nobody;
	struct expect_change c;

	quiet_pair();
	flow_tuple_invert(&f, &f.orig, &f.reply);
	e = expect_sample(&f, 1);
	nobody = e;
	nobody.master.sport = 9;
	c = (struct expect_change){ .op = EXPECT_NEW, .expect = e };
	engine_expect(engine(A), &c, NULL, sim->now);
	c.expect = nobody;
	engine_expect(engine(A), &c, NULL, sim->now);
	ck_assert_uint_eq(engine(A)->expects.told, 0);
	ck_assert(kernel_create(&sim->node[A].kernel, &f, sim->now));
	run(200 * MS);
	ck_assert_ptr_nonnull(at(B, &e));
	ck_assert_uint_eq(result(EXPECT_NO_MASTER), 0);
	ck_assert_uint_eq(engine(A)->expects.orphans, 1);
	/* said again while it is not answered: the flow is no new one */
	e.tuple.dport++;
	event(EXPECT_NEW, &e);
	ck_assert_uint_eq(engine(A)->expects.told, 1);
	run(200 * MS);
	ck_assert_ptr_nonnull(at(B, &e));
}
END_TEST

START_TEST(more_than_may_wait)
{
	struct expect_change c;
	struct flow f;

	quiet_pair();
	f = control(1);
	f.orig.sport = 2; /* of nobody */
	for (uint16_t i = 0; i < 10 * ENGINE_EXPECTS_EARLY; i++) {
		c = (struct expect_change){ .op = EXPECT_NEW,
					    .expect = expect_sample(&f, i) };
		engine_expect(engine(A), &c, NULL, sim->now);
	}
	run(S);
	ck_assert_uint_eq(engine(A)->expects.orphans,
			  10 * ENGINE_EXPECTS_EARLY);
}
END_TEST

START_TEST(changed_lengths_come_along)
{
	struct kernel_entry *k;
	struct expect e;
	struct flow f;

	quiet_pair();
	e = announced(1);
	expect_master(&e, &f);
	k = kernel_find(&sim->node[A].kernel, &f);
	k->flow.has |= FLOW_HAS_SEQADJ; /* and no event */
	k->flow.seqadj[0].offset_after = -2;
	event(EXPECT_NEW, &e);
	run(200 * MS);
	k = kernel_find(&sim->node[B].kernel, &f);
	ck_assert_int_eq(k->flow.seqadj[0].offset_after, -2);
}
END_TEST

START_TEST(after_a_handover)
{
	struct expect e;

	quiet_pair();
	e = announced(1);
	ck_assert_int_eq(sim_handover(sim, A, false), 0);
	run(5 * S);
	ck_assert_int_eq(sim_master(sim), B);
	ck_assert_ptr_nonnull(at(B, &e));
	run(60 * S);
	ck_assert_uint_ge(engine(A)->expects.results[EXPECT_APPLIED], 1);
}
END_TEST

int main(void)
{
	const TTest *const list[] = {
		told_and_ended,
		those_of_a_bulk,
		all_are_told_again,
		not_those_of_own_connections,
		the_end_of_a_master_ends_nothing_there,
		an_early_one_waits_for_its_master,
		more_than_may_wait,
		changed_lengths_come_along,
		after_a_handover,
	};
	Suite *s = suite_create("engine, expectations");
	SRunner *sr;
	int failed;

	SCENES(s, "expect", list);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
