/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * core/engine: handovers, both parts, and every way in which they end (rules
 * 12), in scenes.
 */
#include <linux/netfilter/nf_conntrack_common.h>

#include "engine_scene.h"

START_TEST(a_handover_fences_before_it_gives)
{
	struct engine_vhost *v;
	bool fenced = false;

	pair();
	ck_assert_int_eq(sim_handover(sim, A, false), 0);
	for (int i = 0; i < 2000 && sim_master(sim) != B; i++) {
		run(10 * MONO_US);
		v = &engine(A)->vhosts[LAN];
		fenced |= v->carp.fence != CARP_UNFENCED &&
			  !sim_holds(sim, A, LAN) && !sim_holds(sim, B, LAN);
		/* no good-bye before all is acknowledged */
		if (v->carp.fence == CARP_BOWED_OUT)
			ck_assert(engine(A)->handover.was_drained);
	}
	ck_assert(fenced);
	ck_assert_int_eq(sim_master(sim), B);
	ck_assert_int_eq(sim->longest_both_ns, 0);
	ck_assert_int_lt(sim->longest_none_ns, 3100 * MS);
	run(1 * S);
	ck_assert_uint_eq(sim->node[A].handovers_ok, 1);
	ck_assert_str_eq(cause(A, LAN), "handover to fw2");
	ck_assert_str_eq(cause(B, LAN), "handover from fw1");
	for (int i = 0; i < STEP_COUNT; i++)
		ck_assert_int_ge(
			history_last(&engine(A)->history, "lan")->step_us[i],
			0);
	/* nothing is repeated, and nobody preempts back */
	ck_assert_int_eq(rx(A)->result, BULK_NONE);
	ck_assert(engine(A)->vhosts[LAN].no_preempt);
	quiet();
}
END_TEST

/* Rules 7: nothing refreshes them at the old master. */
START_TEST(after_a_handover_the_old_masters_entries_live_on)
{
	const struct kernel *k;
	size_t n;

	pair();
	ck_assert_int_eq(sim_handover(sim, A, false), 0);
	run(2 * S);
	sim->traffic = false;
	k = &sim->node[A].kernel;
	n = 0;
	for (size_t i = 0; i < k->n; i++)
		n += filter_flow(&engine(A)->filter, &k->entries[i].flow) ==
			     FILTER_PASS &&
		     mono_diff(k->entries[i].expires, sim->now) <
			     (TIMEOUT_STANDBY_S - 10) * S;
	ck_assert_uint_eq(n, 0);
}
END_TEST

/* It had less time left than the old master took to raise it. */
START_TEST(what_ran_out_on_the_old_master_is_told_again)
{
	struct kernel_entry *udp = NULL;
	struct kernel *a;
	struct flow f;

	pair();
	ck_assert_int_eq(sim_handover(sim, A, false), 0);
	run(200 * MS);
	sim->traffic = false;
	a = &sim->node[A].kernel;
	for (size_t i = 0; i < a->n; i++)
		if (a->entries[i].flow.l4proto == IPPROTO_UDP &&
		    a->entries[i].flow.status & IPS_ASSURED &&
		    kernel_look(&sim->node[B].kernel, &a->entries[i].flow))
			udp = &a->entries[i];
	ck_assert_ptr_nonnull(udp);
	f = udp->flow;
	kernel_remove(a, udp, false, 0, sim->now);
	run(5 * S);
	ck_assert_ptr_nonnull(kernel_look(&sim->node[B].kernel, &f));
	ck_assert_ptr_nonnull(kernel_look(a, &f));
	quiet();
}
END_TEST

/* Its own TCP entries have windows of before until DUMP_RAISE is through. */
START_TEST(the_old_master_is_in_sync_when_its_entries_are_copies)
{
	pair();
	ck_assert_int_eq(sim_handover(sim, A, false), 0);
	for (int i = 0; i < 10000 && !engine(A)->raise; i++)
		run(10 * MONO_US);
	ck_assert(engine(A)->raise && engine(A)->windows_old);
	ck_assert(!engine_rx_in_sync(engine(A), 0));
	run(100 * MS);
	ck_assert(!engine(A)->raise && !engine(A)->windows_old);
	ck_assert(engine_ready(engine(A), sim->now));
	ck_assert_int_eq(rx(A)->result, BULK_NONE);
	quiet();
}
END_TEST

/* Called back before that, it makes them liberal first of all. */
START_TEST(who_is_master_again_at_once_mends_its_windows)
{
	pair();
	ck_assert_int_eq(sim_handover(sim, A, false), 0);
	for (int i = 0; i < 10000 && !engine(A)->raise; i++)
		run(10 * MONO_US);
	sim_lose(sim, B);
	for (int i = 0; i < 1000 && sim_master(sim) != A; i++) {
		/* until then it does not even begin */
		if (!engine(A)->masters)
			engine(A)->dump_after = mono_add(sim->now, 1 * S);
		run(10 * MS);
	}
	ck_assert_int_eq(sim_master(sim), A);
	ck_assert(engine(A)->windows_old);
	run(1100 * MS);
	ck_assert(!engine(A)->windows_old);
}
END_TEST

START_TEST(a_handover_is_refused_with_a_reason)
{
	char why[SESSION_REASON_MAX];

	pair();
	ck_assert_int_eq(
		engine_handover(engine(B), -1, false, 0, "", why, sim->now),
		-EAGAIN);
	ck_assert_str_eq(why, "this node is master of nothing");
	sim->node[A].kernel.overrun = true;
	run(100 * MONO_US);
	ck_assert_int_eq(
		engine_handover(engine(A), -1, false, 0, "", why, sim->now),
		-EAGAIN);
	ck_assert_str_eq(why, "fw2: it is not in sync");
	run(1 * S);
	sim_demote(sim, B, 1);
	run(10 * MS);
	ck_assert_int_eq(
		engine_handover(engine(A), -1, false, 0, "", why, sim->now),
		-EAGAIN);
	ck_assert_str_eq(why, "fw2: it is more demoted than this node");
	sim_demote(sim, B, -1);
	run(1 * S);
	ck_assert_int_eq(
		engine_handover(engine(A), -1, false, 0, "", why, sim->now), 0);
	ck_assert_int_eq(
		engine_handover(engine(A), -1, false, 0, "", why, sim->now),
		-EALREADY);
	run(1 * S);
	sim_link(sim, true);
	run(3 * S);
	ck_assert_int_eq(
		engine_handover(engine(B), -1, false, 0, "", why, sim->now),
		-EAGAIN);
	ck_assert_str_eq(why, "fw1: the link to it is down");
	/* forced, the bow-out alone tells it */
	ck_assert_int_eq(
		engine_handover(engine(B), -1, true, 0, "", why, sim->now), 0);
	run(100 * MS);
	ck_assert_int_eq(sim_master(sim), A);
	ck_assert_int_eq(strncmp(cause(A, LAN), "bow-out", 7), 0);
}
END_TEST

START_TEST(who_lags_behind_gets_no_handover)
{
	struct sim_conf conf = conf_of();

	conf.ops_s = 5000;
	pair_of(&conf);
	sim_freeze(sim, B, 1900 * MS);
	run(10 * MS);
	ck_assert_int_eq(sim_handover(sim, A, false), 0);
	run(1800 * MS);
	ck_assert_int_eq(engine(A)->handover.state, HANDOVER_DRAIN);
	ck_assert_int_eq(sim_master(sim), A);
	run(500 * MS);
	ck_assert_uint_eq(sim->node[A].handovers_ok, 1);
	quiet();
}
END_TEST

START_TEST(without_an_acknowledgement_it_is_taken_back)
{
	struct sim_conf conf = conf_of();

	conf.ops_s = 5000;
	pair_of(&conf);
	ck_assert_int_eq(sim_handover(sim, A, false), 0);
	for (int i = 0;
	     i < 1000 && engine(A)->handover.state != HANDOVER_FENCED; i++)
		run(10 * MONO_US);
	sim_freeze(sim, B, 1 * S);
	run(60 * MS);
	ck_assert_uint_eq(sim->node[A].handovers_failed, 1);
	ck_assert_str_eq(sim->node[A].handover_why,
			 "the peer did not acknowledge in time");
	ck_assert_int_eq(sim_master(sim), A);
	run(3 * S);
	ck_assert_uint_eq(sim->changes[LAN], 0);
	quiet();
}
END_TEST

START_TEST(a_peer_that_does_not_take_it_leaves_it)
{
	pair();
	ck_assert_int_eq(sim_handover(sim, A, false), 0);
	for (int i = 0; i < 1000 && engine(A)->handover.state != HANDOVER_SAID;
	     i++)
		run(10 * MONO_US);
	ck_assert_int_eq(engine(A)->handover.state, HANDOVER_SAID);
	sim_lose(sim, B);
	run(2900 * MS);
	ck_assert_int_eq(sim_master(sim), -1);
	run(300 * MS);
	ck_assert_int_eq(sim_master(sim), A);
	ck_assert_str_eq(sim->node[A].handover_why,
			 "the peer did not become master");
	sim_start(sim, B);
	run(6 * S);
	quiet();
}
END_TEST

START_TEST(a_stop_hands_over_first)
{
	pair();
	sim_term(sim, A);
	run(100 * MS);
	ck_assert_ptr_null(engine(A));
	ck_assert_uint_eq(sim->node[A].handovers_ok, 1);
	ck_assert_int_eq(sim_master(sim), B);
	ck_assert_str_eq(cause(B, LAN), "handover from fw1: stop");
	sim_start(sim, A);
	run(6 * S);
	ck_assert_int_eq(sim_master(sim), B);
	quiet();
}
END_TEST

/* A peer that stopped hearing cannot hold a stop up. */
START_TEST(a_stop_ends_in_any_case)
{
	pair();
	sim_freeze(sim, B, 20 * S);
	sim_term(sim, A);
	run(6 * S); /* the drain and three intervals at most */
	ck_assert_ptr_null(engine(A));
	ck_assert_uint_eq(sim->node[A].handovers_failed, 1);
}
END_TEST

/* Rules 12: after the last events were read the new master knows better. */
START_TEST(nothing_is_told_after_the_drain)
{
	struct kernel *k;
	struct kernel_entry *e;
	struct flow f;

	pair();
	sim->traffic = false;
	run(15 * S);
	k = &sim->node[A].kernel;
	ck_assert_int_eq(sim_handover(sim, A, false), 0);
	ck_assert(engine(A)->handover_drained);
	e = some_tcp(A);
	f = e->flow;
	kernel_remove(k, e, false, 0, sim->now);
	run(1 * S);
	ck_assert_int_eq(sim_master(sim), B);
	ck_assert_ptr_nonnull(kernel_look(&sim->node[B].kernel, &f));
}
END_TEST

/* But if it is taken back, what was kept back is a gap. */
START_TEST(what_a_failed_handover_kept_back_is_repaired)
{
	struct kernel_entry *e;
	struct flow f;

	pair();
	sim->traffic = false;
	run(15 * S);
	/* it sleeps, and what it was told last stays unacknowledged */
	sim_freeze(sim, B, 200 * MS);
	e = some_tcp(A);
	f = e->flow;
	kernel_changed(&sim->node[A].kernel, e, sim->now);
	run(1 * MS);
	ck_assert_int_eq(sim_handover(sim, A, false), 0);
	kernel_remove(&sim->node[A].kernel, e, false, 0, sim->now);
	run(3 * S);
	ck_assert_uint_eq(sim->node[A].handovers_failed, 1);
	ck_assert_int_eq(sim_master(sim), A);
	ck_assert_ptr_null(kernel_look(&sim->node[B].kernel, &f));
	quiet();
}
END_TEST

int main(void)
{
	const TTest *const list[] = {
		nothing_is_told_after_the_drain,
		what_a_failed_handover_kept_back_is_repaired,
		a_handover_fences_before_it_gives,
		after_a_handover_the_old_masters_entries_live_on,
		what_ran_out_on_the_old_master_is_told_again,
		the_old_master_is_in_sync_when_its_entries_are_copies,
		who_is_master_again_at_once_mends_its_windows,
		a_handover_is_refused_with_a_reason,
		who_lags_behind_gets_no_handover,
		without_an_acknowledgement_it_is_taken_back,
		a_peer_that_does_not_take_it_leaves_it,
		a_stop_hands_over_first,
		a_stop_ends_in_any_case,
	};

	Suite *s = suite_create("engine_handover");
	SRunner *sr;
	int failed;

	(void)SCENES(s, "handovers", list);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
