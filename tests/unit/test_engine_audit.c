/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * core/engine: the audit (rules 8), in scenes.
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

static const struct engine_audit *audit(unsigned i)
{
	return &engine(i)->peers[0].audit;
}

/* Rules 8: whatever is on its way is no difference; 2000 changes a second. */
START_TEST(nothing_is_found_under_traffic)
{
	struct sim_conf conf = conf_of();

	conf.audit_ns = PERIOD;
	conf.ops_s = 2000;
	conf.link_delay_ns = 20 * MS;
	conf.seed = (uint64_t)_i + 1;
	pair_of(&conf);
	for (int i = 0; i < 4; i++) {
		sim_verify(sim, _i % 2 ? A : B);
		run(20 * S);
	}
	ck_assert_uint_eq(sim->node[_i % 2 ? A : B].verified, 4);
	ck_assert_uint_gt(audit(A)->rounds, 8);
	ck_assert_uint_eq(audit(A)->repaired[0] + audit(A)->repaired[1], 0);
	ck_assert_uint_gt(sim->changed, 0);
}
END_TEST

START_TEST(a_difference_is_repaired_once_and_verify_repairs_none)
{
	struct kernel_entry *e;
	struct flow gone;

	audited_pair();
	sim->traffic = false;
	sim->tampered_once = true;
	run(PERIOD);
	e = some_tcp(B);
	gone = e->flow;
	kernel_remove(&sim->node[B].kernel, e, true, 0, sim->now);
	some_tcp(B)->flow.mark = 99;
	sim_verify(sim, A);
	while (!sim->node[A].verified)
		run(100 * MS);
	ck_assert_uint_eq(audit(A)->last.count[AUDIT_MISSING], 1);
	ck_assert_uint_eq(audit(A)->last.count[AUDIT_MARK], 1);
	ck_assert_uint_eq(audit(A)->last.count[AUDIT_REPAIRED], 0);
	ck_assert_ptr_null(kernel_look(&sim->node[B].kernel, &gone));
	/* the other side of it */
	run(100 * MS);
	ck_assert_uint_eq(audit(B)->last.count[AUDIT_EXTRA], 1);

	run(2 * PERIOD);
	ck_assert_ptr_nonnull(kernel_look(&sim->node[B].kernel, &gone));
	ck_assert_uint_eq(audit(A)->repaired[0], 1);
	ck_assert_uint_eq(audit(A)->repaired[1], 1);
	ck_assert_uint_eq(audit(A)->uncured, 0);
	quiet();
}
END_TEST

/* It ended unseen: the owner says so, and the copy is left to run out. */
START_TEST(what_the_owner_has_not_is_told)
{
	struct kernel *a;
	struct flow gone;
	size_t n;

	audited_pair();
	sim->traffic = false;
	sim->tampered_once = true;
	/* what the kernel tore away from the traffic has run out */
	run((TIMEOUT_PERIODS + 3) * PERIOD);
	a = &sim->node[A].kernel;
	gone = some_tcp(A)->flow;
	n = a->n;
	kernel_remove(a, some_tcp(A), true, 0, sim->now);
	n -= a->n; /* with its children */
	sim_verify(sim, A);
	while (!sim->node[A].verified)
		run(100 * MS);
	ck_assert_uint_eq(audit(A)->last.count[AUDIT_EXTRA], n);
	ck_assert_uint_eq(audit(A)->last.count[AUDIT_MISSING], 0);
	run(100 * MS);
	ck_assert_uint_eq(audit(B)->last.count[AUDIT_MISSING], n);
	ck_assert_ptr_nonnull(kernel_look(&sim->node[B].kernel, &gone));
	run((TIMEOUT_PERIODS + 3) * PERIOD);
	ck_assert_ptr_null(kernel_look(&sim->node[B].kernel, &gone));
	ck_assert_ptr_null(kernel_look(&sim->node[A].kernel, &gone));
}
END_TEST

/* A table so large that buckets are listed one by one: each has its second look
 * without another pause. */
START_TEST(a_large_table_is_looked_at_without_pauses)
{
	const unsigned differ = 12;
	unsigned marked = 0;
	struct kernel *b;

	audited_pair();
	sim->traffic = false;
	sim->tampered_once = true;
	run(PERIOD);
	b = &sim->node[B].kernel;
	for (size_t i = 0; i < b->n && marked < differ; i++)
		if (b->entries[i].flow.orig.src.b[0] == 10) {
			b->entries[i].flow.mark = 99;
			marked++;
		}
	ck_assert_uint_eq(marked, differ);
	sim_verify(sim, A);
	for (int i = 0; i < 40 && !sim->node[A].verified; i++) {
		engine(A)->table = 1ULL << 40;
		run(100 * MS);
	}
	ck_assert_uint_eq(sim->node[A].verified, 1);
	ck_assert_uint_eq(audit(A)->last.count[AUDIT_MARK], differ);
}
END_TEST

/* Before it is listed, where that is more than one look can list. */
START_TEST(what_changes_much_is_summed_again)
{
	struct sim_conf conf = conf_of();
	unsigned sums = 0, marked = 0;
	struct kernel *b;

	conf.ops_s = 300;
	conf.tuples = 2000;
	conf.link_delay_ns = 20 * MS;
	conf.seed = (uint64_t)_i + 1;
	pair_of(&conf);
	sim->tampered_once = true;
	sim_fill(sim, A, 1000);
	sim_ask_bulk(sim, B);
	run(PERIOD);
	b = &sim->node[B].kernel;
	for (size_t i = 0; i < b->n && marked < 20; i++)
		if (b->entries[i].flow.orig.src.b[0] == 10) {
			b->entries[i].flow.mark = 99;
			marked++;
		}
	sim_verify(sim, A);
	for (int i = 0; i < 20000 && !sim->node[A].verified; i++) {
		engine(A)->table = 1ULL << 40;
		run(1 * MS);
		if (engine(A)->round && sums < engine(A)->round->sums)
			sums = engine(A)->round->sums;
	}
	ck_assert_uint_eq(sim->node[A].verified, 1);
	ck_assert_uint_gt(sums, 1);
	/* what is told anew meanwhile is as it was */
	ck_assert_uint_ge(audit(A)->last.count[AUDIT_MARK], 10);
	ck_assert_uint_le(audit(A)->last.count[AUDIT_MARK], marked);
	ck_assert_uint_eq(audit(A)->last.count[AUDIT_MISSING], 0);
}
END_TEST

/* And without a person who waits all of it is mended in one round. */
START_TEST(a_round_looks_until_all_is_mended)
{
	const unsigned differ = 12;
	unsigned marked = 0;
	uint64_t rounds;
	struct kernel *b;

	audited_pair();
	sim->traffic = false;
	sim->tampered_once = true;
	run(PERIOD);
	b = &sim->node[B].kernel;
	for (size_t i = 0; i < b->n && marked < differ; i++)
		if (b->entries[i].flow.orig.src.b[0] == 10 &&
		    b->entries[i].flow.tcp_state == TCP_CONNTRACK_ESTABLISHED) {
			b->entries[i].flow.mark = 99;
			marked++;
		}
	ck_assert_uint_eq(marked, differ);
	for (int i = 0; i < 60 && !audit(A)->repaired[1]; i++) {
		if (engine(A)->round) /* one bucket at a time */
			engine(A)->round->theirs = 1ULL << 40;
		run(100 * MS);
	}
	rounds = audit(A)->rounds;
	while (audit(A)->rounds == rounds)
		run(100 * MS);
	ck_assert_uint_eq(audit(A)->repaired[1], differ);
}
END_TEST

/* Or looks would become rarer and rarer where much is told, and the bulk of
 * the next moment would wait for the rest of one. */
START_TEST(what_is_told_costs_the_audit_nothing)
{
	struct engine *b;

	audited_pair();
	b = engine(B);
	while (!b->dump_running || b->dump != DUMP_ANSWER || b->nops)
		run(10 * MONO_US);
	for (int i = 0; i < 10; i++) {
		b->ops_peer = 0;
		engine_injected(b, NULL, 100 * MS, sim->now);
	}
	ck_assert_int_lt(mono_diff(b->dump_after, sim->now), 100 * MS);
}
END_TEST

/* B's entries are gone; the number of its last bulk. */
static uint64_t lose_table(void)
{
	struct sim_conf conf = conf_of();
	struct kernel *b;

	conf.audit_ns = PERIOD;
	conf.tuples = KERNEL_ENTRIES_MAX;
	pair_of(&conf);
	sim->traffic = false;
	sim->tampered_once = true;
	sim_fill(sim, A, KERNEL_ENTRIES_MAX - 100);
	run(2 * PERIOD);
	b = &sim->node[B].kernel;
	ck_assert_uint_gt(b->n, AUDIT_FINDINGS_MAX);
	for (size_t i = b->n; i > 0; i--)
		if (b->entries[i - 1].flow.orig.src.b[0] == 10)
			kernel_remove(b, &b->entries[i - 1], true, 0, sim->now);
	return rx(B)->id;
}

/* Flow by flow it would take for ever. */
START_TEST(who_lost_its_table_gets_a_bulk)
{
	uint64_t bulks = lose_table();

	run(2 * PERIOD);
	ck_assert_uint_ne(rx(B)->id, bulks);
	ck_assert(engine_rx_in_sync(engine(B), 0));
	quiet();
}
END_TEST

/* Who lacks most of what the peer has: conntrack -F, and its events with it. */
static size_t lose_all(struct kernel *k, struct flow *lost)
{
	size_t n = 0;

	kernel_subscribe(k, false);
	for (size_t i = k->n; i > 0; i--) {
		struct kernel_entry *e = &k->entries[i - 1];

		if (e->flow.orig.src.b[0] != 10)
			continue;
		lost[n++] = e->flow;
		sim_untold(sim, &e->flow);
		kernel_remove(k, e, true, 1, sim->now);
	}
	kernel_subscribe(k, true);
	return n;
}

/* The sweep behind a bulk removes it; once, for what is there again afterwards
 * passes there. */
START_TEST(what_a_flush_left_is_swept_once)
{
	static struct flow lost[KERNEL_ENTRIES_MAX];
	struct sim_conf conf = conf_of();
	struct kernel *b;
	uint64_t bulks;
	size_t n;

	conf.audit_ns = PERIOD;
	conf.tuples = KERNEL_ENTRIES_MAX;
	pair_of(&conf);
	sim->traffic = false;
	sim->tampered_once = true;
	sim_fill(sim, A, KERNEL_ENTRIES_MAX - 100);
	run(2 * PERIOD);
	b = &sim->node[B].kernel;
	bulks = rx(B)->id;
	n = lose_all(&sim->node[A].kernel, lost);
	ck_assert_uint_gt(n, AUDIT_FINDINGS_MAX);
	ck_assert_uint_gt(b->n, AUDIT_FINDINGS_MAX);
	for (int i = 0; i < 20 && b->n > 100; i++)
		run(PERIOD / 10);
	ck_assert_uint_lt(b->n, 100);
	ck_assert_uint_eq(rx(B)->id, bulks + 1);
	ck_assert(engine_rx_in_sync(engine(B), 0));

	for (size_t i = 0; i < n; i++)
		(void)kernel_create(b, &lost[i], sim->now);
	run(2 * PERIOD);
	ck_assert_uint_eq(rx(B)->id, bulks + 1);
	ck_assert_uint_gt(b->n, AUDIT_FINDINGS_MAX);
	run(3 * PERIOD + TIMEOUT_PERIODS * PERIOD);
	ck_assert_uint_lt(b->n, 100);
}
END_TEST

/* How often history has these words. */
static unsigned noted(unsigned i, const char *words)
{
	const struct history_entry *h;
	unsigned n = 0;

	for (size_t k = 0; (h = history_get(&engine(i)->history, k)); k++)
		n += history_is_note(h) && strstr(h->cause, words);
	return n;
}

/* It comes back whatever one does: told once, with a reason. */
START_TEST(what_cannot_be_mended_is_an_alarm)
{
	struct flow f;

	audited_pair();
	sim->traffic = false;
	sim->tampered_once = true;
	f = some_tcp(B)->flow;
	for (int i = 0; i < 80 && !audit(A)->alarm[0]; i++) {
		kernel_find(&sim->node[B].kernel, &f)->flow.mark = 99;
		run(PERIOD / 10);
	}
	ck_assert_uint_eq(audit(A)->uncured, 1);
	ck_assert_ptr_nonnull(strstr(audit(A)->alarm, "after a repair"));
	for (int i = 0; i < 40; i++) {
		kernel_find(&sim->node[B].kernel, &f)->flow.mark = 99;
		run(PERIOD / 10);
	}
	ck_assert_uint_eq(noted(A, "1 flows are missing or differ after"), 1);
	ck_assert_uint_eq(noted(A, "the audit"), 1);
	run(3 * PERIOD);
	ck_assert_str_eq(audit(A)->alarm, "");
	ck_assert_uint_eq(noted(A, "no more differences"), 1);
	ck_assert_uint_eq(noted(A, "the audit"), 2);
}
END_TEST

/* Else its `check` would complain of it for ever: it compares no more. */
START_TEST(an_alarm_ends_with_the_mastership)
{
	struct flow f;

	audited_pair();
	sim->traffic = false;
	sim->tampered_once = true;
	f = some_tcp(B)->flow;
	for (int i = 0; i < 80 && !audit(A)->alarm[0]; i++) {
		kernel_find(&sim->node[B].kernel, &f)->flow.mark = 99;
		run(PERIOD / 10);
	}
	ck_assert_str_ne(audit(A)->alarm, "");
	ck_assert_int_eq(sim_handover(sim, A, true), 0);
	run(1 * S);
	ck_assert_int_eq(sim_master(sim), B);
	ck_assert_str_eq(audit(A)->alarm, "");
	ck_assert_uint_eq(noted(A, "this node is not master any more"), 1);
}
END_TEST

START_TEST(an_older_peer_is_told_nothing)
{
	audited_pair();
	engine(A)->peers[0].hello.capabilities = 0;
	run(PERIOD);
	sim_verify(sim, A);
	ck_assert_uint_eq(sim->node[A].verified, 0);
	ck_assert(!engine_audit_may(engine(A), 0));
}
END_TEST

/* Who hands over, and a bulk, come before it. */
START_TEST(it_gives_way)
{
	audited_pair();
	for (int i = 0; i < 6; i++) {
		sim_verify(sim, (unsigned)sim_master(sim));
		run(200 * MS);
		ck_assert_int_eq(
			sim_handover(sim, (unsigned)sim_master(sim), false), 0);
		run(3 * S);
		sim_ask_bulk(sim, 1 - (unsigned)sim_master(sim));
		run(3 * S);
	}
	ck_assert_uint_eq(sim->node[A].handovers_failed, 0);
	ck_assert_uint_eq(sim->node[B].handovers_failed, 0);
	quiet();
}
END_TEST

/* Asked on either node: a gap puts the answer off, a lost link does not. */
START_TEST(a_gap_puts_verify_off)
{
	audited_pair();
	sim_verify(sim, _i ? B : A);
	run(50 * MS);
	ck_assert_uint_eq(sim->node[_i ? B : A].verified, 0);
	sim->node[A].kernel.overrun = true;
	run(20 * S);
	ck_assert_uint_eq(engine(A)->overruns, 1);
	ck_assert_uint_gt(audit(A)->given_up, 0);
	ck_assert_uint_eq(sim->node[_i ? B : A].verified, 1);

	sim_verify(sim, _i ? B : A);
	run(50 * MS);
	ck_assert(audit(_i ? B : A)->wanted);
	sim_link(sim, true);
	run(10 * S);
	ck_assert(!audit(A)->wanted && !audit(A)->asked && !audit(B)->wanted);
	ck_assert_uint_eq(sim->node[_i ? B : A].verified, 1);
}
END_TEST

int main(void)
{
	const TTest *const list[] = {
		a_difference_is_repaired_once_and_verify_repairs_none,
		what_the_owner_has_not_is_told,
		a_large_table_is_looked_at_without_pauses,
		a_round_looks_until_all_is_mended,
		what_is_told_costs_the_audit_nothing,
		who_lost_its_table_gets_a_bulk,
		what_a_flush_left_is_swept_once,
		what_cannot_be_mended_is_an_alarm,
		an_alarm_ends_with_the_mastership,
		an_older_peer_is_told_nothing,
		it_gives_way,
	};
	Suite *s = suite_create("engine_audit");
	TCase *t = SCENES(s, "audit", list);
	SRunner *sr;
	int failed;

	tcase_add_loop_test(t, nothing_is_found_under_traffic, 0, 6);
	tcase_add_loop_test(t, a_gap_puts_verify_off, 0, 2);
	tcase_add_loop_test(t, what_changes_much_is_summed_again, 0, 6);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
