/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * core/engine: how long copies live where an audit looks at them (rules 7), in
 * scenes.
 */
#include "engine_int.h"
#include "engine_scene.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>

#define PERIOD AUDIT_PERIOD_LEAST_NS

static void audited_pair(void)
{
	struct sim_conf conf = conf_of();

	conf.audit_ns = PERIOD;
	pair_of(&conf);
}

static int64_t left_ns(const struct kernel_entry *e)
{
	return mono_diff(e->expires, sim->now);
}

static struct kernel_entry *established(unsigned i)
{
	struct kernel *k = &sim->node[i].kernel;

	for (size_t n = 0; n < k->n; n++)
		if (k->entries[n].flow.orig.src.b[0] == 10 &&
		    k->entries[n].flow.tcp_state == TCP_CONNTRACK_ESTABLISHED)
			return &k->entries[n];
	ck_abort_msg("no established connection");
}

/* In each round something changes in every bucket, so none can be judged. */
static void run_touched(int64_t ns)
{
	const mono_t until = mono_add(sim->now, ns);

	while (!mono_due(until, sim->now)) {
		struct audit_round *r = engine(A)->round;

		if (r && r->phase == AUDIT_SUMMING)
			memset(r->touched.buckets.bits, 0xff,
			       sizeof(r->touched.buckets.bits));
		run(10 * MS);
	}
}

/* What lives does not end for it, and what is gone has little time left. */
START_TEST(a_copy_in_doubt_lives_on_for_two_periods)
{
	struct sim_conf conf = conf_of();
	struct flow udp = { 0 }, gone;
	struct kernel *a, *b;

	conf.audit_ns = PERIOD;
	conf.link_delay_ns = 20 * MS;
	pair_of(&conf);
	sim->traffic = false;
	sim->tampered_once = true;
	run(PERIOD);
	a = &sim->node[A].kernel;
	b = &sim->node[B].kernel;
	for (size_t i = 0; i < a->n; i++)
		if (a->entries[i].flow.l4proto == IPPROTO_UDP &&
		    a->entries[i].flow.orig.src.b[0] == 10 &&
		    a->entries[i].flow.status & IPS_ASSURED)
			udp = a->entries[i].flow;
	ck_assert_int_eq(udp.l4proto, IPPROTO_UDP);
	kernel_refresh(a, kernel_find(a, &udp), sim->now);
	kernel_find(b, &udp)->flow.mark = 99;
	gone = established(A)->flow;
	ck_assert_ptr_nonnull(kernel_find(b, &gone));
	kernel_subscribe(a, false);
	kernel_remove(a, kernel_find(a, &gone), false, 0, sim->now);
	kernel_subscribe(a, true);
	run_touched(2 * PERIOD);
	kernel_refresh(a, kernel_find(a, &udp), sim->now);
	kernel_find(b, &gone)->expires = mono_add(sim->now, 2 * PERIOD);
	for (int i = 0; i < 200; i++) {
		kernel_refresh(a, kernel_find(a, &udp), sim->now);
		run_touched(1 * S);
		ck_assert_ptr_nonnull(kernel_find(b, &udp));
		ck_assert_ptr_nonnull(kernel_find(b, &gone));
		ck_assert_int_le(left_ns(kernel_find(b, &gone)), 2 * PERIOD);
	}
	ck_assert_uint_eq(kernel_find(b, &udp)->flow.mark, 99);
	for (int i = 0; i < 20; i++) {
		kernel_refresh(a, kernel_find(a, &udp), sim->now);
		run(4 * PERIOD / 20);
	}
	ck_assert_uint_eq(kernel_find(b, &udp)->flow.mark, 0);
	ck_assert_ptr_null(kernel_find(b, &gone));
}
END_TEST

/* Rules 7. */
START_TEST(copies_live_while_they_are_confirmed)
{
	struct kernel_entry *e;
	struct flow f = { 0 };
	struct kernel *a, *b;

	audited_pair();
	sim->traffic = false;
	a = &sim->node[A].kernel;
	b = &sim->node[B].kernel;
	for (size_t i = 0; i < a->n; i++)
		if (a->entries[i].flow.l4proto == IPPROTO_UDP &&
		    a->entries[i].flow.orig.src.b[0] == 10)
			f = a->entries[i].flow;
	ck_assert_int_eq(f.l4proto, IPPROTO_UDP);
	/* packets keep it alive here, and nobody hears of that */
	for (int i = 0; i < 90; i++) {
		kernel_refresh(a, kernel_find(a, &f), sim->now);
		run(1 * S);
		e = kernel_find(b, &f);
		ck_assert_ptr_nonnull(e);
		ck_assert_int_gt(left_ns(e), 5 * S);
		ck_assert(i < 30 || left_ns(e) < 61 * S);
	}
	/* its end is lost: the copy ends in time */
	sim_untold(sim, &f);
	kernel_subscribe(a, false);
	kernel_remove(a, kernel_find(a, &f), false, 0, sim->now);
	kernel_subscribe(a, true);
	run((TIMEOUT_PERIODS + 3) * PERIOD);
	ck_assert_ptr_null(kernel_find(b, &f));
}
END_TEST

/* Nor does the master's death end what the last look has not raised: all is when
 * the link is lost, whatever time was left. */
START_TEST(a_lost_link_ends_no_copy)
{
	const int64_t period = 60 * S;
	struct sim_conf conf = conf_of();
	struct flow udp = { 0 };
	struct kernel *a, *b;
	mono_t looked;

	conf.audit_ns = period;
	conf.link_delay_ns = 20 * MS;
	pair_of(&conf);
	sim->traffic = false;
	sim->tampered_once = true;
	a = &sim->node[A].kernel;
	b = &sim->node[B].kernel;
	for (size_t i = 0; i < a->n; i++)
		if (a->entries[i].flow.l4proto == IPPROTO_UDP &&
		    a->entries[i].flow.orig.src.b[0] == 10)
			udp = a->entries[i].flow;
	ck_assert_int_eq(udp.l4proto, IPPROTO_UDP);
	/* in doubt in each round */
	kernel_find(b, &udp)->flow.mark = 99;
	for (int i = 0; i < 3 * 60; i++) {
		kernel_refresh(a, kernel_find(a, &udp), sim->now);
		run_touched(1 * S);
	}
	looked = engine(B)->peers[0].audit.answer->lapses_at;
	while (engine(B)->peers[0].audit.answer->lapses_at.ns == looked.ns) {
		kernel_refresh(a, kernel_find(a, &udp), sim->now);
		kernel_find(b, &udp)->expires = mono_add(sim->now, 95 * S);
		run_touched(100 * MS);
	}
	ck_assert_int_lt(left_ns(kernel_find(b, &udp)), 96 * S);
	sim_link(sim, true);
	for (int i = 0; i < 110; i++) {
		kernel_refresh(a, kernel_find(a, &udp), sim->now);
		run(1 * S);
	}
	ck_assert_ptr_nonnull(kernel_find(b, &udp));
	ck_assert_int_gt(left_ns(kernel_find(b, &udp)), 600 * S);
}
END_TEST

/* The next process knows of no look, and the first one keeps none alive. */
START_TEST(an_upgraded_standby_gives_its_copies_time)
{
	struct kernel *b;
	size_t few = 0;

	audited_pair();
	run(4 * PERIOD);
	sim->traffic = false;
	b = &sim->node[B].kernel;
	for (size_t i = 0; i < b->n; i++)
		few += b->entries[i].flow.orig.src.b[0] == 10 &&
		       left_ns(&b->entries[i]) < 600 * S;
	ck_assert_uint_gt(few, 0);
	ck_assert(sim_upgrade(sim, B));
	run(500 * MS);
	ck_assert(engine_rx_in_sync(engine(B), 0));
	ck_assert_uint_eq(engine(B)->ids, 0); /* without a bulk */
	for (size_t i = 0; i < b->n; i++)
		if (b->entries[i].flow.orig.src.b[0] == 10)
			ck_assert_int_gt(left_ns(&b->entries[i]), 600 * S);
	quiet();
}
END_TEST

/* What a dump says that waits may be older than what was told (rules 4). */
START_TEST(a_copy_that_closed_meanwhile_gets_no_long_time)
{
	struct kernel *a, *b;
	struct kernel_dump *d;
	const struct flow *f = NULL;
	struct kernel_entry *e;

	audited_pair();
	sim->traffic = false;
	run(2 * PERIOD);
	a = &sim->node[A].kernel;
	b = &sim->node[B].kernel;
	d = &b->dump;
	for (size_t i = 0; i < b->n; i++)
		b->entries[i].expires = mono_add(sim->now, 1000 * S);
	for (int n = 0; n < 2000000 && !f; n++) {
		run(10 * MONO_US);
		if (!d->running || engine(B)->dump != DUMP_ANSWER ||
		    engine(B)->nops ||
		    engine(B)->peers[0].audit.answer->phase != ANSWER_SUM)
			continue;
		for (size_t i = 0; i < d->n && !f; i++)
			if (d->chunk[i].tcp_state ==
				    TCP_CONNTRACK_ESTABLISHED &&
			    kernel_find(a, &d->chunk[i]))
				f = &d->chunk[i];
	}
	ck_assert_ptr_nonnull(f);
	/* the chunk waits, and the word comes */
	engine(B)->dump_after = mono_add(sim->now, 1 * S);
	e = kernel_find(a, f);
	e->flow.tcp_state = TCP_CONNTRACK_CLOSE;
	kernel_changed(a, e, sim->now);
	e = kernel_find(b, f);
	run(500 * MS);
	ck_assert_uint_eq(e->flow.tcp_state, TCP_CONNTRACK_CLOSE);
	run(1 * S);
	ck_assert_uint_eq(e->flow.tcp_state, TCP_CONNTRACK_CLOSE);
	ck_assert_int_lt(left_ns(e), 600 * S);
}
END_TEST

/* A new master lowers times: a connection that opened while many events wait
 * keeps those of an open one. */
START_TEST(what_opens_meanwhile_gets_no_short_time)
{
	struct sim_conf conf = conf_of();
	const struct flow *f = NULL;
	struct kernel_entry *e;
	struct kernel_dump *d;
	struct kernel *b;

	conf.seed = (uint64_t)_i + 1;
	pair_of(&conf);
	sim->traffic = false;
	sim->tampered_once = true;
	sim_lose(sim, A);
	while (sim_master(sim) != B)
		run(10 * MS);
	b = &sim->node[B].kernel;
	d = &b->dump;
	for (size_t i = 0; i < b->n; i++)
		if (b->entries[i].flow.tcp_state == TCP_CONNTRACK_ESTABLISHED)
			b->entries[i].flow.tcp_state = TCP_CONNTRACK_SYN_RECV;
	for (int n = 0; n < 1000000 && !f; n++) {
		run(10 * MONO_US);
		if (!d->running || engine(B)->dump != DUMP_LOWER ||
		    engine(B)->nops)
			continue;
		for (size_t i = 0; i < d->n && !f; i++)
			if (d->chunk[i].tcp_state == TCP_CONNTRACK_SYN_RECV)
				f = &d->chunk[i];
	}
	ck_assert_ptr_nonnull(f);
	e = kernel_find(b, f);
	for (int i = 0; i < 600; i++)
		kernel_changed(b, &b->entries[b->n - 1], sim->now);
	e->flow.tcp_state = TCP_CONNTRACK_ESTABLISHED;
	kernel_changed(b, e, sim->now);
	engine(B)->dump_after = sim->now;
	run(100 * MS);
	ck_assert_int_gt(left_ns(e), 3600 * S);
}
END_TEST

/* Nobody looks any more: an hour, before the first one ends. */
START_TEST(without_an_audit_copies_live_for_an_hour)
{
	struct kernel *b;

	audited_pair();
	sim->traffic = false;
	run(3 * PERIOD);
	b = &sim->node[B].kernel;
	ck_assert_uint_lt(engine(B)->standby_s, 60);
	engine(A)->audit_period_ns = 0;
	run(3 * PERIOD);
	ck_assert_uint_eq(engine(B)->standby_s, TIMEOUT_STANDBY_S);
	for (size_t i = 0; i < b->n; i++)
		if (b->entries[i].flow.orig.src.b[0] == 10)
			ck_assert_int_gt(left_ns(&b->entries[i]),
					 (TIMEOUT_STANDBY_S - 60) * S);
	quiet();
}
END_TEST

static unsigned bits_of_a_large_table(void)
{
	engine_audit_give_up(engine(A), "a test", sim->now);
	engine(A)->peers[0].audit.next_at = sim->now;
	engine(A)->table = 1000000;
	engine_audit_settle(engine(A), sim->now);
	ck_assert_ptr_nonnull(engine(A)->round);
	return engine(A)->round->bits;
}

START_TEST(an_older_peer_is_asked_as_it_can_answer)
{
	struct flow gone;

	audited_pair();
	sim->traffic = false;
	sim->tampered_once = true;
	ck_assert_uint_eq(bits_of_a_large_table(), 20);
	engine(A)->peers[0].hello.capabilities &=
		~(uint32_t)SESSION_CAN_AUDIT_FINE;
	ck_assert_uint_eq(bits_of_a_large_table(), 16);
	gone = established(A)->flow;
	kernel_subscribe(&sim->node[A].kernel, false);
	kernel_remove(&sim->node[A].kernel, established(A), false, 0, sim->now);
	kernel_subscribe(&sim->node[A].kernel, true);
	run((TIMEOUT_PERIODS + 3) * PERIOD);
	ck_assert_ptr_null(kernel_find(&sim->node[B].kernel, &gone));
}
END_TEST

static struct flow gre(void)
{
	struct flow f = {
		.family = AF_INET,
		.l4proto = IPPROTO_GRE,
		.status = IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED,
		.orig = { .src = { .b = { 10, 1, 0, 7 } },
			  .dst = { .b = { 198, 51, 100, 7 } } },
	};

	flow_tuple_invert(&f, &f.orig, &f.reply);
	return f;
}

/* No packet will renew its copy, nor can it be renewed in place. */
START_TEST(a_copy_of_gre_outlasts_all_looks)
{
	const struct flow f = gre();
	struct kernel *a, *b;

	audited_pair();
	sim->traffic = false;
	a = &sim->node[A].kernel;
	b = &sim->node[B].kernel;
	ck_assert(kernel_create(a, &f, sim->now));
	for (int i = 0; i < 400; i++) {
		kernel_refresh(a, kernel_find(a, &f), sim->now);
		run(1 * S);
		ck_assert_ptr_nonnull(kernel_find(b, &f));
		ck_assert_int_gt(left_ns(kernel_find(b, &f)), 80000 * S);
	}
	/* a day later */
	kernel_find(b, &f)->expires = mono_add(sim->now, 100 * S);
	for (int i = 0; i < 30; i++) {
		kernel_refresh(a, kernel_find(a, &f), sim->now);
		run(1 * S);
	}
	ck_assert_int_gt(left_ns(kernel_find(b, &f)), 80000 * S);
	/* its end is lost: the copy ends in time */
	sim_untold(sim, &f);
	kernel_subscribe(a, false);
	kernel_remove(a, kernel_find(a, &f), false, 0, sim->now);
	kernel_subscribe(a, true);
	run((TIMEOUT_PERIODS + 3) * PERIOD);
	ck_assert_ptr_null(kernel_find(b, &f));
}
END_TEST

int main(void)
{
	const TTest *const list[] = {
		a_copy_in_doubt_lives_on_for_two_periods,
		copies_live_while_they_are_confirmed,
		a_lost_link_ends_no_copy,
		a_copy_of_gre_outlasts_all_looks,
		an_upgraded_standby_gives_its_copies_time,
		a_copy_that_closed_meanwhile_gets_no_long_time,
		without_an_audit_copies_live_for_an_hour,
		an_older_peer_is_asked_as_it_can_answer,
	};
	Suite *s = suite_create("engine, copies");
	SRunner *sr;
	int failed;

	tcase_add_loop_test(SCENES(s, "copies", list),
			    what_opens_meanwhile_gets_no_short_time, 0, 8);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
