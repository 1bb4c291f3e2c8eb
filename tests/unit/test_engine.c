/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * core/engine: who is master, and handovers, in scenes that a person can
 * follow. Each names its rule; tests/sim/sim_pair draws those that nobody
 * thought of.
 */
#include "engine_scene.h"

/* --- rules 1 and 11: who is master ---------------------------------------- */

START_TEST(alone_it_takes_over_with_what_it_has)
{
	const struct sim_conf conf = conf_of();

	world(&conf);
	sim_start(sim, A);
	run(2900 * MS);
	ck_assert_int_eq(sim_master(sim), -1);
	ck_assert(engine(A)->env.holding);
	run(300 * MS);
	ck_assert_int_eq(sim_master(sim), A);
	ck_assert_str_eq(cause(A, LAN),
			 "no master alive, not in sync (hold: link)");
	ck_assert_uint_eq(engine(A)->gate.holds, 0);
}
END_TEST

/* Also when both are configured alike, and also when the link is not there:
 * then equal masters both step down, and one of them comes back. */
START_TEST(two_that_start_at_once_change_master_once_at_most)
{
	struct sim_conf conf = conf_of();

	conf.seed = (uint64_t)_i;
	conf.advskew[B] = 0;
	world(&conf);
	sim->link_cut = _i % 2;
	sim_start(sim, A);
	sim_start(sim, B);
	run(20 * S);
	/* they know each other: the first adverts decide */
	if (!sim->link_cut)
		ck_assert_int_lt(sim->longest_both_ns, 100 * MS);
	ck_assert_uint_le(sim->changes[LAN], 1);
	ck_assert_uint_le(sim->changes[WAN], 1);
	ck_assert_int_ge(sim_master(sim), 0);
}
END_TEST

START_TEST(a_better_node_waits_for_the_state_and_is_handed_over_to)
{
	struct sim_conf conf = conf_of();

	conf.preempt = true;
	conf.advskew[A] = 100;
	world(&conf);
	sim_fill(sim, A, 200);
	sim->traffic = true;
	sim_start(sim, A);
	run(6 * S);
	sim_link(sim, true);
	sim_start(sim, B);
	run(10 * S);
	ck_assert_int_eq(sim_master(sim), A);
	ck_assert_uint_eq(engine(B)->gate.holds, HOLD_LINK);
	sim_link(sim, false);
	run(5 * S);
	ck_assert_int_eq(sim_master(sim), B);
	ck_assert_str_eq(cause(B, LAN), "handover from fw1");
	ck_assert_uint_eq(sim->node[A].handovers_ok, 1);
	quiet();
}
END_TEST

START_TEST(a_cut_link_moves_nothing)
{
	pair();
	sim_link(sim, true);
	run(10 * S);
	ck_assert_int_eq(sim_master(sim), A);
	ck_assert_uint_eq(engine(B)->gate.holds, HOLD_LINK);
	ck_assert_uint_eq(engine(A)->gate.holds, 0);
	ck_assert_uint_eq(demotion_total(&engine(A)->demotion), 0);
	sim_link(sim, false);
	run(3 * S);
	ck_assert_uint_eq(sim->changes[LAN], 0);
	quiet();
}
END_TEST

START_TEST(lost_events_move_nothing_and_are_repaired)
{
	bool held = false;

	pair();
	sim->node[A].kernel.overrun = true;
	for (int i = 0; i < 500; i++) {
		run(100 * MONO_US);
		held |= engine(B)->gate.holds == HOLD_GAP;
	}
	ck_assert(held);
	run(3 * S);
	ck_assert_uint_eq(engine(A)->overruns, 1);
	ck_assert_uint_eq(sim->changes[LAN], 0);
	ck_assert_uint_eq(demotion_total(&engine(A)->demotion), 0);
	quiet();
}
END_TEST

START_TEST(on_hold_only_128_is_demoted_enough)
{
	pair();
	sim_link(sim, true);
	run(3 * S);
	sim_demote(sim, A, 127);
	run(5 * S);
	ck_assert_int_eq(sim_master(sim), A);
	sim_demote(sim, A, 1);
	run(1 * S);
	ck_assert_int_eq(sim_master(sim), B);
	ck_assert_ptr_nonnull(strstr(cause(B, LAN), "master more demoted"));
}
END_TEST

START_TEST(a_bow_out_is_obeyed_on_hold)
{
	pair();
	sim_link(sim, true);
	run(3 * S);
	ck_assert(engine(B)->env.holding);
	sim_term(sim, A);
	run(100 * MS);
	ck_assert_ptr_null(engine(A));
	ck_assert_int_eq(sim_master(sim), B);
	ck_assert_str_eq(cause(B, LAN), "bow-out, not in sync (hold: link)");
}
END_TEST

START_TEST(with_wan_down_all_moves_to_a_peer_that_has_the_state)
{
	pair();
	sim_carrier(sim, A, WAN, false);
	sim_flush(sim, A, 0); /* what masquerade does to its flows */
	run(100 * MS);
	ck_assert_int_eq(sim_master(sim), B);
	ck_assert_str_eq(cause(B, LAN), "master more demoted");
	ck_assert_str_eq(cause(B, WAN), "master gave up");
	/* rules 3: nothing was torn away there */
	ck_assert_uint_gt(sim->node[B].kernel.n, 150);
	sim_carrier(sim, A, WAN, true);
	run(5 * S);
	quiet();
}
END_TEST

/* Until nobody has been master of the other one for a master-down time: who
 * is master of anything does not hold (rules 1). */
START_TEST(with_wan_down_and_no_such_peer_the_rest_stays)
{
	pair();
	sim_link(sim, true);
	run(3 * S);
	sim_carrier(sim, A, WAN, false);
	run(2500 * MS);
	ck_assert(sim_holds(sim, A, LAN));
	ck_assert(!sim_holds(sim, B, LAN));
	run(2 * S);
	ck_assert_int_eq(sim_master(sim), B);
}
END_TEST

/* One vhost here and one there: not for longer than the pair can help it. */
START_TEST(a_split_pair_comes_together)
{
	pair();
	/* B wakes up and finds that nobody is master of lan */
	sim_freeze(sim, B, 3700 * MS);
	sim_lan(sim, LAN, true);
	run(1 * S);
	sim_carrier(sim, A, LAN, false);
	sim_carrier(sim, A, LAN, true);
	run(2600 * MS);
	sim_lan(sim, LAN, false);
	run(200 * MS);
	ck_assert(sim_holds(sim, B, LAN) && !sim_holds(sim, B, WAN));
	ck_assert(sim_holds(sim, A, WAN) && !sim_holds(sim, A, LAN));
	run(5 * S);
	ck_assert_int_eq(sim_master(sim), A);
	ck_assert_uint_eq(sim->node[B].handovers_ok, 1);
	quiet();
}
END_TEST

/* Rules 6: the right runs out before anybody else takes it. */
START_TEST(who_sleeps_loses_the_right)
{
	pair();
	sim_freeze(sim, A, 6 * S);
	for (int i = 0; i < 500; i++) {
		run(10 * MS);
		ck_assert(!sim_holds(sim, A, LAN) || !sim_holds(sim, B, LAN));
	}
	ck_assert_int_eq(sim_master(sim), B);
	run(2 * S);
	ck_assert_int_eq(sim_master(sim), B);
	ck_assert_int_eq(sim->longest_both_ns, 0);
	ck_assert(!sim_holds(sim, A, LAN));
	run(4 * S);
	quiet();
}
END_TEST

/* --- rules 12: handover ---------------------------------------------------------- */

START_TEST(a_handover_fences_before_it_gives)
{
	struct engine_vhost *v;
	bool fenced = false;

	pair();
	ck_assert_int_eq(sim_handover(sim, A, false), 0);
	for (int i = 0; i < 2000 && sim_master(sim) != B; i++) {
		run(10 * MONO_US);
		v = &engine(A)->vhosts[LAN];
		fenced |= v->carp.fence == CARP_FENCED &&
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
	ck_assert(engine(A)->no_preempt);
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

START_TEST(a_handover_is_refused_with_a_reason)
{
	char why[SESSION_REASON_MAX];

	pair();
	ck_assert_int_eq(engine_handover(engine(B), false, why, sim->now),
			 -EAGAIN);
	ck_assert_str_eq(why, "this node is master of nothing");
	sim->node[A].kernel.overrun = true;
	run(100 * MONO_US);
	ck_assert_int_eq(engine_handover(engine(A), false, why, sim->now),
			 -EAGAIN);
	ck_assert_str_eq(why, "fw2: it is not in sync");
	run(1 * S);
	sim_demote(sim, B, 1);
	run(10 * MS);
	ck_assert_int_eq(engine_handover(engine(A), false, why, sim->now),
			 -EAGAIN);
	ck_assert_str_eq(why, "fw2: it is more demoted than this node");
	sim_demote(sim, B, -1);
	run(1 * S);
	ck_assert_int_eq(engine_handover(engine(A), false, why, sim->now), 0);
	ck_assert_int_eq(engine_handover(engine(A), false, why, sim->now),
			 -EALREADY);
	run(1 * S);
	sim_link(sim, true);
	run(3 * S);
	ck_assert_int_eq(engine_handover(engine(B), false, why, sim->now),
			 -EAGAIN);
	ck_assert_str_eq(why, "fw1: the link to it is down");
	/* forced, the bow-out alone tells it */
	ck_assert_int_eq(engine_handover(engine(B), true, why, sim->now), 0);
	run(100 * MS);
	ck_assert_int_eq(sim_master(sim), A);
	ck_assert_int_eq(strncmp(cause(A, LAN), "bow-out", 7), 0);
}
END_TEST

START_TEST(without_an_acknowledgement_it_is_taken_back)
{
	pair();
	sim_freeze(sim, B, 1 * S);
	ck_assert_int_eq(sim_handover(sim, A, false), 0);
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
	ck_assert_str_eq(cause(B, LAN), "handover from fw1");
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
	run(200 * MS);
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

static TCase *mastership(Suite *s)
{
	const TTest *const list[] = {
		alone_it_takes_over_with_what_it_has,
		a_better_node_waits_for_the_state_and_is_handed_over_to,
		a_cut_link_moves_nothing,
		lost_events_move_nothing_and_are_repaired,
		on_hold_only_128_is_demoted_enough,
		a_bow_out_is_obeyed_on_hold,
		with_wan_down_all_moves_to_a_peer_that_has_the_state,
		with_wan_down_and_no_such_peer_the_rest_stays,
		a_split_pair_comes_together,
		who_sleeps_loses_the_right,
	};

	return SCENES(s, "mastership", list);
}

static void handovers(Suite *s)
{
	const TTest *const list[] = {
		nothing_is_told_after_the_drain,
		what_a_failed_handover_kept_back_is_repaired,
		a_handover_fences_before_it_gives,
		after_a_handover_the_old_masters_entries_live_on,
		a_handover_is_refused_with_a_reason,
		without_an_acknowledgement_it_is_taken_back,
		a_peer_that_does_not_take_it_leaves_it,
		a_stop_hands_over_first,
		a_stop_ends_in_any_case,
	};

	(void)SCENES(s, "handovers", list);
}

int main(void)
{
	Suite *s = suite_create("engine");
	SRunner *sr;
	TCase *t;
	int failed;

	t = mastership(s);
	tcase_add_loop_test(
		t, two_that_start_at_once_change_master_once_at_most, 0, 10);
	handovers(s);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
