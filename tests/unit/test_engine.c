/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * core/engine: two whole nodes in scenes that a person can follow. Each names
 * the rule that it shows; tests/sim/sim_pair draws the ones nobody thought of.
 */
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"
#include "sim.h"

#define A   0 /* the master of every scene, unless it says otherwise */
#define B   1
#define LAN 0
#define WAN 1
#define MS  MONO_MS
#define S   MONO_S

static struct sim *sim;

static struct sim_conf conf_of(void)
{
	return (struct sim_conf){
		.seed = 7,
		.vhosts = 2,
		.advbase = 1,
		.advskew = { 0, 50 },
		.lan_delay_ns = MONO_MS,
		.link_delay_ns = 500 * MONO_US,
		.ops_s = 200,
		.chunk = 16,
		.verbose = getenv("SIM_VERBOSE") != NULL,
	};
}

static void world(const struct sim_conf *conf)
{
	sim = sim_new(conf);
}

static void run(int64_t ns)
{
	sim_run(sim, ns);
	ck_assert_msg(!sim_error(sim), "%s", sim_error(sim));
}

/* A is master with 200 connections and traffic, B has everything. */
static void pair_of(const struct sim_conf *conf)
{
	world(conf);
	sim_fill(sim, A, 200);
	sim->traffic = true;
	sim_start(sim, A);
	run(5 * S);
	sim_start(sim, B);
	run(5 * S);
	ck_assert_int_eq(sim_master(sim), A);
	ck_assert(engine_ready(sim->node[B].engine, sim->now));
}

static void pair(void)
{
	const struct sim_conf conf = conf_of();

	pair_of(&conf);
}

static void teardown(void)
{
	sim_free(sim);
}

static struct engine *engine(unsigned i)
{
	return sim->node[i].engine;
}

static const char *cause(unsigned i, unsigned vhost)
{
	struct history_entry *h = history_last(&engine(i)->history,
					       engine(i)->vhosts[vhost].name);

	return h ? h->cause : "nothing";
}

static struct engine_rx *rx(unsigned i)
{
	return &engine(i)->peers[0].rx;
}

static void quiet(void)
{
	sim->traffic = false;
	run(2 * S);
	sim_watch_quiet(sim);
	ck_assert_msg(!sim_error(sim), "%s", sim_error(sim));
}

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
	ck_assert_str_eq(cause(B, LAN),
			 "master more demoted, not in sync (hold: link)");
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
	sim_lan(sim, WAN, true);
	run(5 * S);
	ck_assert(sim_holds(sim, A, WAN) && sim_holds(sim, B, WAN));
	sim_carrier(sim, A, WAN, false);
	sim_carrier(sim, A, WAN, true);
	sim_lan(sim, WAN, false);
	run(100 * MS);
	ck_assert_int_eq(sim_master(sim), B);
	/* what nobody could decide otherwise, the names do */
	sim_carrier(sim, B, LAN, false);
	run(500 * MS);
	sim_carrier(sim, B, LAN, true);
	run(5 * S);
	ck_assert_int_ge(sim_master(sim), 0);
	quiet();
}
END_TEST

/* Rules 6: the right runs out before anybody else takes it. */
START_TEST(who_sleeps_loses_the_right)
{
	pair();
	sim_freeze(sim, A, 6 * S);
	run(5 * S);
	ck_assert_int_eq(sim_master(sim), B);
	run(2 * S);
	ck_assert_int_eq(sim_master(sim), B);
	ck_assert_int_eq(sim->longest_both_ns, 0);
	ck_assert(!sim_holds(sim, A, LAN));
	run(4 * S);
	quiet();
}
END_TEST

/* --- rules 2 to 5: the tables ------------------------------------------------ */

START_TEST(who_joins_under_churn_ends_up_equal)
{
	struct sim_conf conf = conf_of();

	conf.seed = (uint64_t)_i + 1;
	conf.ops_s = 2000;
	conf.chunk = 1 + (size_t)_i % 7;
	conf.link_bytes_s = _i % 2 ? 100000 : 0;
	pair_of(&conf);
	for (int i = 0; i < 3; i++) {
		sim_kill(sim, B);
		run((100 + 37 * _i) * MS);
		sim_start(sim, B);
		run(3 * S);
	}
	ck_assert_uint_eq(sim->changes[LAN], 0);
	quiet();
}
END_TEST

START_TEST(an_interrupted_bulk_begins_anew)
{
	struct sim_conf conf = conf_of();

	conf.link_bytes_s = 50000;
	world(&conf);
	sim_fill(sim, A, 300);
	sim->traffic = true;
	sim_start(sim, A);
	run(5 * S);
	sim_start(sim, B);
	for (int i = 0; i < 3; i++) {
		while (!engine(B) || rx(B)->state != RX_RUNNING ||
		       rx(B)->entries < 100U * (unsigned)i)
			run(MONO_MS);
		ck_assert(engine(B)->env.holding);
		sim_reset_link(sim);
	}
	run(5 * S);
	ck_assert_int_eq(rx(B)->result, BULK_DONE);
	quiet();
}
END_TEST

/* Turns one bit of the digest in the end mark, if it is on its way now. */
static bool falsify_bulk_end(void)
{
	struct sim_pipe *p = &sim->node[B].inbox;
	struct frame f;

	for (size_t at = 0; at < p->len; at += frame_size(&f)) {
		if (frame_look(p->bytes + at, p->len - at, &f) != FRAME_OK)
			return false;
		if (f.type != FRAME_BULK_END)
			continue;
		p->bytes[at + frame_size(&f) - 1] ^= 1;
		return true;
	}
	return false;
}

START_TEST(a_wrong_digest_is_no_bulk)
{
	const struct sim_conf conf = conf_of();

	world(&conf);
	sim_fill(sim, A, 100);
	sim_start(sim, A);
	run(5 * S);
	sim_start(sim, B);
	while (!falsify_bulk_end())
		run(10 * MONO_US);
	run(100 * MS);
	ck_assert_int_eq(rx(B)->result, BULK_FAILED);
	ck_assert(engine(B)->env.holding);
	run(3 * S);
	ck_assert_int_eq(rx(B)->result, BULK_DONE);
	quiet();
}
END_TEST

/* Rules 5: an entry that the kernel did not take is a gap until it did. */
START_TEST(a_full_table_is_not_in_sync)
{
	pair();
	sim->node[B].kernel.max = sim->node[B].kernel.n;
	run(20 * S);
	ck_assert(!engine_rx_in_sync(engine(B), 0));
	ck_assert(!engine_tx_in_sync(engine(A), 0));
	ck_assert_uint_eq(engine(B)->gate.holds, HOLD_GAP);
	sim->node[B].kernel.max = KERNEL_ENTRIES_MAX;
	run(15 * S);
	quiet();
}
END_TEST

/* A peer that is master of nothing tells nothing: that ends no copy. */
START_TEST(an_empty_bulk_removes_nothing)
{
	size_t before;

	pair();
	sim->traffic = false;
	run(20 * S); /* what is short has ended */
	for (unsigned i = A; i <= B; i++)
		for (unsigned k = LAN; k <= WAN; k++)
			sim_carrier(sim, i, k, false);
	run(1 * S);
	before = sim->node[B].kernel.n;
	ck_assert_uint_gt(before, 20);
	sim_ask_bulk(sim, B);
	run(1 * S);
	ck_assert_uint_eq(sim->node[B].bulks_ok, 1);
	ck_assert_uint_eq(sim->node[B].kernel.n, before);
}
END_TEST

static struct kernel_entry *some_tcp(unsigned i)
{
	struct kernel *k = &sim->node[i].kernel;

	for (size_t n = 0; n < k->n; n++)
		if (k->entries[n].flow.orig.src.b[0] == 10 &&
		    k->entries[n].flow.l4proto == IPPROTO_TCP)
			return &k->entries[n];
	ck_abort_msg("no TCP connection");
}

/* Rules 3. */
START_TEST(what_ends_is_told_and_what_is_torn_away_is_not)
{
	struct kernel *a, *b;
	struct kernel_entry *e;
	struct flow f;

	pair();
	sim->traffic = false;
	run(20 * S);
	a = &sim->node[A].kernel;
	b = &sim->node[B].kernel;
	e = some_tcp(A);
	f = e->flow;
	kernel_remove(a, e, true, 0, sim->now);
	run(1 * S);
	ck_assert_ptr_nonnull(kernel_look(b, &f));
	e = some_tcp(A);
	f = e->flow;
	kernel_remove(a, e, false, 0, sim->now);
	run(10 * MS);
	ck_assert_ptr_null(kernel_look(b, &f));
	e = some_tcp(A);
	f = e->flow;
	kernel_remove(a, e, true, 4242, sim->now);
	run(90 * MS);
	ck_assert_ptr_nonnull(kernel_look(b, &f));
	run(20 * MS);
	ck_assert_ptr_null(kernel_look(b, &f));
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
	ck_assert_int_eq(engine_handover(engine(B), true, why, sim->now),
			 -EAGAIN);
	ck_assert_str_eq(why, "fw1: the link to it is down");
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
	while (engine(A)->handover.state != HANDOVER_SAID)
		run(10 * MONO_US);
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

static TCase *scenes(Suite *s, const char *name, const TTest *const *list,
		     size_t n)
{
	TCase *t = tcase_create(name);

	tcase_add_checked_fixture(t, NULL, teardown);
	tcase_set_timeout(t, 60);
	for (size_t i = 0; i < n; i++)
		tcase_add_test(t, list[i]);
	suite_add_tcase(s, t);
	return t;
}

#define SCENES(s, name, list) \
	scenes(s, name, list, sizeof(list) / sizeof(list[0]))

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

static TCase *tables(Suite *s)
{
	const TTest *const list[] = {
		an_interrupted_bulk_begins_anew,
		a_wrong_digest_is_no_bulk,
		a_full_table_is_not_in_sync,
		an_empty_bulk_removes_nothing,
		what_ends_is_told_and_what_is_torn_away_is_not,
	};

	return SCENES(s, "tables", list);
}

static void handovers(Suite *s)
{
	const TTest *const list[] = {
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
	t = tables(s);
	tcase_add_loop_test(t, who_joins_under_churn_ends_up_equal, 0, 6);
	handovers(s);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
