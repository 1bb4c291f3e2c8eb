/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * core/engine: who is master, in scenes that a person can follow. Each names
 * its rule; tests/sim/sim_pair draws those that nobody thought of.
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
	ck_assert_str_eq(cause(A, LAN), "no master alive, peer never seen");
	ck_assert_uint_eq(engine(A)->gate.holds, 0);
	ck_assert(said(A, "no other node was heard since the start"));
	ck_assert(!said(A, "without the whole state"));
}
END_TEST

/* Nothing is lost when a master ends whose peer is in sync, however that is:
 * the link ends with it, which is no reason to alarm anybody. */
START_TEST(who_was_in_sync_takes_over_with_the_whole_state)
{
	pair();
	(_i ? sim_lose : sim_kill)(sim, A);
	run(5 * S);
	ck_assert_int_eq(sim_master(sim), B);
	ck_assert_ptr_nonnull(strstr(cause(B, LAN), "no adverts for "));
	for (unsigned i = LAN; i <= WAN; i++)
		ck_assert_ptr_null(strstr(cause(B, i), "not in sync"));
	ck_assert(said(B, "with the whole state (in sync until "));
	ck_assert(said(B, "on fw1: systemctl status statesyncd"));
	ck_assert(!said(B, "without the whole state"));
}
END_TEST

/* What the master told after the link's end is missing. */
START_TEST(who_lost_the_link_before_does_not)
{
	pair();
	sim_link(sim, true);
	run(10 * S);
	sim_kill(sim, A);
	run(5 * S);
	ck_assert_int_eq(sim_master(sim), B);
	ck_assert(strstr(cause(B, LAN), "not in sync (hold: link)") ||
		  strstr(cause(B, WAN), "not in sync (hold: link)"));
	ck_assert(said(B, "without the whole state: this node was in sync last "
			  "1"));
	ck_assert(!said(B, "with the whole state"));
}
END_TEST

/* Nor does what was told before the end was noticed count. */
START_TEST(nor_who_lost_it_just_before)
{
	pair();
	sim_link(sim, true);
	run(1700 * MS);
	sim_kill(sim, A);
	run(5 * S);
	ck_assert_int_eq(sim_master(sim), B);
	ck_assert(said(B, "without the whole state: this node was in sync"));
}
END_TEST

/* Also not when it has forgotten since who was master. */
START_TEST(nor_with_a_carrier_that_was_gone_meanwhile)
{
	struct sim_conf conf = witnessed();

	pair_of(&conf);
	sim_link(sim, true);
	run(10 * S);
	sim_carrier(sim, B, LAN, false);
	sim_kill(sim, A);
	run(1 * S);
	sim_carrier(sim, B, LAN, true);
	run(5 * S);
	ck_assert_str_eq(cause(B, LAN),
			 "no master alive, not in sync (hold: link)");
	ck_assert(said(B, "without the whole state: this node was in sync"));
}
END_TEST

START_TEST(nor_in_the_middle_of_the_bulk)
{
	struct sim_conf conf = conf_of();

	conf.link_bytes_s = 2000;
	world(&conf);
	sim_fill(sim, A, 200);
	sim_start(sim, A);
	run(5 * S);
	sim_start(sim, B);
	while (!engine(B) || rx(B)->entries < 50)
		run(10 * MS);
	sim_link(sim, true);
	sim_lose(sim, A);
	run(5 * S);
	ck_assert_int_eq(sim_master(sim), B);
	ck_assert(said(B, "connections of fw1 had come; what is missing "
			  "breaks"));
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
	ck_assert_str_eq(cause(B, LAN), "handover from fw1: preempt");
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

/* For the screen: how long the other one runs, and what went over. */
START_TEST(the_peer_tells_how_long_it_runs)
{
	uint64_t sent, received;
	int64_t told;

	pair();
	for (unsigned i = A; i <= B; i++) {
		int64_t is = mono_diff(sim->now, engine(1 - i)->started);

		told = engine_peer_uptime_ns(engine(i), 0, sim->now);
		ck_assert_int_le(told, is);
		ck_assert_int_gt(told, is - 10 * MS);
	}
	engine_told(engine(A), &sent, &received);
	ck_assert_uint_gt(sent, 200);
	ck_assert_uint_eq(received, 0);
	ck_assert_uint_gt(engine(A)->peers[0].tx.told, 150);
	ck_assert_uint_eq(engine(A)->peers[0].tx.told, rx(B)->entries);
	sim_kill(sim, A);
	run(3 * S);
	ck_assert_int_lt(engine_peer_uptime_ns(engine(B), 0, sim->now), 0);
	sim_start(sim, A);
	run(3 * S);
	ck_assert_int_le(engine_peer_uptime_ns(engine(B), 0, sim->now), 3 * S);
}
END_TEST

static void lose_leases(unsigned i)
{
	engine_lease_lost(engine(i), LAN, sim->now);
	engine_lease_lost(engine(i), WAN, sim->now);
	ck_assert_int_eq(engine(i)->vhosts[LAN].carp.state, CARP_BACKUP);
	run(600 * MS);
}

START_TEST(a_lost_lease_goes_to_a_peer_that_has_the_state)
{
	pair();
	lose_leases(A);
	ck_assert_int_eq(sim_master(sim), B);
	ck_assert_str_eq(cause(B, LAN), "master gave up");
	run(3 * S);
	quiet();
}
END_TEST

/* Rules 6: nobody else is master, as the peer says since the loss. */
START_TEST(a_lost_lease_comes_back_at_once_if_nobody_takes_it)
{
	struct sim_conf conf = conf_of();

	conf.link_bytes_s = 20000;
	pair_of(&conf);
	sim->node[A].kernel.overrun = true;
	for (int i = 0; i < 1000 && !engine(B)->env.holding; i++)
		run(100 * MONO_US);
	ck_assert(engine(B)->env.holding);
	lose_leases(A);
	ck_assert_int_eq(sim_master(sim), A);
	ck_assert_str_eq(cause(A, LAN), "lease regained");
	run(5 * S);
	quiet();
}
END_TEST

/* Without a word of the peer only the election can tell. */
START_TEST(a_lost_lease_without_a_link_comes_back_by_election)
{
	pair();
	sim_link(sim, true);
	run(3 * S);
	lose_leases(A);
	ck_assert_int_eq(sim_master(sim), -1);
	run(8 * S);
	ck_assert_int_ge(sim_master(sim), 0);
}
END_TEST

START_TEST(who_cannot_take_a_vhost_says_so)
{
	pair();
	engine_take_failed(engine(B), LAN, "a test", sim->now);
	run(1 * MS);
	ck_assert(!engine_ready(engine(B), sim->now));
	ck_assert_uint_eq(demotion_total(&engine(B)->demotion), 1);
	engine_link(engine(B), LAN, true, sim->now);
	run(1 * MS);
	ck_assert(engine_ready(engine(B), sim->now));
	ck_assert_uint_eq(demotion_total(&engine(B)->demotion), 0);
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

/* The advert that says it does not wait for its turn, nor for other news. */
START_TEST(a_demotion_is_told_at_once)
{
	struct engine_action a;
	int adverts = 0;

	pair();
	while (engine_poll(engine(A), &a, sim->now))
		;
	engine_track(engine(A), LAN, 10, true, sim->now);
	while (engine_poll(engine(A), &a, sim->now))
		adverts += a.what == ENGINE_ADVERT;
	ck_assert_int_eq(adverts, 2);
}
END_TEST

/* The wire has whole microseconds; 2/256 s has half a one. Equals have the
 * lease of equals: a longer one would outlive the peer's patience. */
START_TEST(a_short_lease_is_two_and_a_half_intervals)
{
	struct sim_conf conf = conf_of();

	conf.advbase = 0;
	conf.advskew[A] = conf.advskew[B] = 2;
	pair_of(&conf);
	ck_assert_int_eq(engine(A)->vhosts[LAN].lease_ns, 5 * S / 256);
	ck_assert_int_eq(engine(B)->vhosts[LAN].lease_ns, 5 * S / 256);
}
END_TEST

/* Three intervals of 1/256 s are less than the lease of a kernel that counts
 * in 4 ms. */
START_TEST(nobody_is_missed_before_the_shortest_lease_is_over)
{
	struct sim_conf conf = conf_of();

	conf.advbase = 0;
	conf.advskew[A] = 1;
	world(&conf);
	sim_start(sim, A);
	while (!engine(A) || engine(A)->vhosts[LAN].carp.state == CARP_INIT)
		run(MS / 10);
	run(CARP_MASTER_DOWN_LEAST_NS - MS / 5);
	ck_assert_int_eq(engine(A)->vhosts[LAN].carp.state, CARP_BACKUP);
	run(MS);
	ck_assert_int_eq(engine(A)->vhosts[LAN].carp.state, CARP_MASTER);
}
END_TEST

static TCase *mastership(Suite *s)
{
	const TTest *const list[] = {
		alone_it_takes_over_with_what_it_has,
		who_lost_the_link_before_does_not,
		nor_who_lost_it_just_before,
		nor_with_a_carrier_that_was_gone_meanwhile,
		nor_in_the_middle_of_the_bulk,
		a_better_node_waits_for_the_state_and_is_handed_over_to,
		a_cut_link_moves_nothing,
		the_peer_tells_how_long_it_runs,
		lost_events_move_nothing_and_are_repaired,
		a_lost_lease_goes_to_a_peer_that_has_the_state,
		a_lost_lease_comes_back_at_once_if_nobody_takes_it,
		a_lost_lease_without_a_link_comes_back_by_election,
		who_cannot_take_a_vhost_says_so,
		on_hold_only_128_is_demoted_enough,
		a_bow_out_is_obeyed_on_hold,
		with_wan_down_all_moves_to_a_peer_that_has_the_state,
		with_wan_down_and_no_such_peer_the_rest_stays,
		a_split_pair_comes_together,
		who_sleeps_loses_the_right,
		a_demotion_is_told_at_once,
		a_short_lease_is_two_and_a_half_intervals,
		nobody_is_missed_before_the_shortest_lease_is_over,
	};

	return SCENES(s, "mastership", list);
}

int main(void)
{
	Suite *s = suite_create("engine");
	SRunner *sr;
	TCase *t;
	int failed;

	t = mastership(s);
	tcase_add_loop_test(t, who_was_in_sync_takes_over_with_the_whole_state,
			    0, 2);
	tcase_add_loop_test(
		t, two_that_start_at_once_change_master_once_at_most, 0, 10);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
