// SPDX-License-Identifier: GPL-3.0-or-later
/* Streams over an interruption of the link, and what makes them void. */
#include "engine_scene.h"

static const char too_long[] =
	"the link was down for longer than the resume buffer holds";

static struct engine_resume *resume(unsigned i)
{
	return &engine(i)->peers[0].resume;
}

/* From in sync to in sync. */
static void cut(int64_t ns)
{
	sim_reset_link(sim);
	sim_link(sim, true);
	run(ns);
	ck_assert(!engine_tx_in_sync(engine(A), 0));
	ck_assert(engine(B)->env.holding);
	sim_link(sim, false);
	run(3 * S);
	ck_assert(engine_tx_in_sync(engine(A), 0));
	ck_assert(engine_rx_in_sync(engine(B), 0));
}

START_TEST(a_short_cut_needs_no_bulk)
{
	const struct history_entry *h;
	uint64_t bulks, sent;

	pair();
	bulks = engine(B)->ids;
	sent = resume(A)->again;
	cut(4 * S);
	ck_assert_uint_eq(engine(B)->ids, bulks);
	ck_assert_uint_eq(resume(A)->told, 1);
	ck_assert_uint_eq(resume(B)->heard, 1);
	ck_assert_uint_gt(resume(A)->again - sent, 200);
	h = history_get(&engine(A)->history, 0);
	ck_assert(history_is_note(h));
	ck_assert_str_eq(h->vhost, "fw2");
	ck_assert_msg(strstr(h->cause, "link was down 4.") &&
			      strstr(h->cause, "s, resumed, ") &&
			      strstr(h->cause, " changes sent again"),
		      "%s", h->cause);
	quiet();
	ck_assert_uint_eq(session_held(engine(A)->peers[0].session), 0);
}
END_TEST

/* Until all is there it may not take over; cut again, it goes on from there. */
START_TEST(it_holds_until_all_is_there)
{
	struct sim_conf conf = conf_of();
	unsigned running = 0;
	uint64_t bulks;

	conf.link_bytes_s = 20000;
	pair_of(&conf);
	bulks = engine(B)->ids;
	for (int turn = 0; turn < 4; turn++) {
		sim_reset_link(sim);
		sim_link(sim, true);
		run(4 * S);
		sim_link(sim, false);
		for (int i = 0; i < 700; i++) {
			run(1 * MS);
			if (!resume(B)->running)
				continue;
			running++;
			ck_assert(!engine_rx_in_sync(engine(B), 0));
			ck_assert(!engine_ready(engine(B), sim->now));
			ck_assert_uint_eq(engine(B)->gate.holds, HOLD_LINK);
		}
	}
	ck_assert_uint_gt(running, 100);
	run(10 * S);
	ck_assert_uint_eq(engine(B)->ids, bulks);
	quiet();
}
END_TEST

/* A little too long: both say why. */
START_TEST(more_than_is_kept_is_a_gap)
{
	struct sim_conf conf = conf_of();
	bool said = false;
	uint64_t bulks;

	conf.resume_bytes = 4000;
	pair_of(&conf);
	bulks = engine(B)->ids;
	sim_reset_link(sim);
	sim_link(sim, true);
	run(4 * S);
	ck_assert_uint_eq(session_held(engine(A)->peers[0].session), 0);
	ck_assert_uint_eq(resume(A)->dropped, 1);
	sim_link(sim, false);
	for (int i = 0; i < 3000; i++) {
		run(1 * MS);
		said |= !strcmp(rx(B)->gap, too_long);
	}
	ck_assert(said);
	ck_assert_str_eq(engine(A)->peers[0].tx.gap, too_long);
	ck_assert_uint_gt(engine(B)->ids, bulks);
	quiet();
}
END_TEST

START_TEST(off_is_off)
{
	struct sim_conf conf = conf_of();
	uint64_t bulks;

	conf.no_resume = true;
	pair_of(&conf);
	bulks = engine(B)->ids;
	cut(1 * S);
	ck_assert_uint_gt(engine(B)->ids, bulks);
	ck_assert_uint_eq(resume(A)->dropped, 0);
	quiet();
}
END_TEST

START_TEST(a_restarted_standby_gets_a_bulk)
{
	pair();
	sim_kill(sim, B);
	run(1 * S);
	ck_assert_uint_gt(session_filling(engine(A)->peers[0].session), 0);
	sim_start(sim, B);
	run(3 * S);
	ck_assert_int_eq(rx(B)->result, BULK_DONE);
	ck_assert_uint_eq(resume(A)->told, 0);
	quiet();
}
END_TEST

START_TEST(a_restarted_master_gives_a_bulk)
{
	pair();
	sim_kill(sim, A);
	sim_start(sim, A);
	run(10 * S);
	ck_assert_uint_eq(resume(A)->told + resume(B)->told, 0);
	quiet();
}
END_TEST

/* Flows passed there meanwhile: what was told here is older. */
START_TEST(who_was_master_meanwhile_does_not_go_on)
{
	uint64_t bulks;

	pair();
	bulks = engine(B)->ids;
	sim_reset_link(sim);
	sim_link(sim, true);
	sim_lan(sim, LAN, true);
	sim_lan(sim, WAN, true);
	run(5 * S);
	ck_assert_uint_eq(engine(B)->masters, 2);
	sim_lan(sim, LAN, false);
	sim_lan(sim, WAN, false);
	run(4 * S);
	ck_assert_uint_eq(engine(B)->masters, 0);
	sim_link(sim, false);
	run(4 * S);
	ck_assert_uint_eq(resume(A)->told, 0);
	ck_assert_uint_gt(engine(B)->ids, bulks);
	quiet();
}
END_TEST

/* More than may wait for a link that is merely slow. */
START_TEST(a_long_cut_needs_no_bulk)
{
	struct sim_conf conf = conf_of();
	struct kernel *a;
	uint64_t bulks;

	conf.resume_bytes = 32 << 20;
	conf.link_bytes_s = 4 << 20;
	pair_of(&conf);
	bulks = engine(B)->ids;
	a = &sim->node[A].kernel;
	sim_reset_link(sim);
	sim_link(sim, true);
	run(2 * S);
	while (session_held(engine(A)->peers[0].session) < 6 << 20) {
		for (size_t i = 0; i < a->n; i++)
			kernel_changed(a, &a->entries[i], sim->now);
		run(1 * MS);
	}
	sim_link(sim, false);
	run(10 * S);
	ck_assert_uint_eq(engine(B)->ids, bulks);
	ck_assert(engine_rx_in_sync(engine(B), 0));
	quiet();
}
END_TEST

START_TEST(lost_events_are_a_gap_also_while_it_is_down)
{
	uint64_t bulks;

	pair();
	bulks = engine(B)->ids;
	sim_reset_link(sim);
	sim_link(sim, true);
	run(500 * MS);
	sim->node[A].kernel.overrun = true;
	run(500 * MS);
	ck_assert_uint_eq(resume(A)->dropped, 1);
	sim_link(sim, false);
	run(3 * S);
	ck_assert_str_eq(engine(A)->peers[0].tx.gap,
			 "the kernel dropped events");
	ck_assert_uint_gt(engine(B)->ids, bulks);
	quiet();
}
END_TEST

/* An interface of the standby went down: entries went with it. */
START_TEST(what_was_torn_away_is_told_again)
{
	uint64_t bulks;

	pair();
	bulks = engine(B)->ids;
	sim_reset_link(sim);
	sim_link(sim, true);
	run(500 * MS);
	sim_carrier(sim, B, LAN, false);
	sim_flush(sim, B, 0);
	run(100 * MS);
	sim_carrier(sim, B, LAN, true);
	run(1 * S);
	sim_link(sim, false);
	run(3 * S);
	ck_assert_uint_gt(engine(B)->ids, bulks);
	quiet();
}
END_TEST

/* A change that did not fit while the last ones of a dead link were put in. */
START_TEST(what_did_not_fit_is_a_bulk)
{
	uint64_t bulks;

	pair();
	bulks = engine(B)->ids;
	sim->node[B].kernel.max = sim->node[B].kernel.n;
	run(300 * MS);
	ck_assert(rx(B)->gap[0]);
	sim_reset_link(sim);
	sim->node[B].kernel.max = KERNEL_ENTRIES_MAX;
	run(15 * S);
	ck_assert_uint_gt(engine(B)->ids, bulks);
	quiet();
}
END_TEST

/* Nothing refreshes copies while the link is down; some may have run out. */
START_TEST(after_half_the_life_of_a_copy_it_is_a_bulk)
{
	struct sim_conf conf = conf_of();
	uint64_t bulks;

	conf.ops_s = 10;
	conf.vhosts = 1;
	pair_of(&conf);
	bulks = engine(B)->ids;
	cut((TIMEOUT_STANDBY_S / 2 + 5) * S);
	ck_assert_uint_gt(engine(B)->ids, bulks);
	quiet();
}
END_TEST

/* Its frames are not kept. */
START_TEST(a_bulk_that_was_cut_begins_anew)
{
	struct sim_conf conf = conf_of();
	uint64_t told;

	conf.link_bytes_s = 20000;
	pair_of(&conf);
	sim_ask_bulk(sim, B);
	for (int i = 0; i < 3000 && rx(B)->state != RX_RUNNING; i++)
		run(1 * MS);
	ck_assert_int_eq(rx(B)->state, RX_RUNNING);
	told = resume(A)->told;
	sim_reset_link(sim);
	run(5 * S);
	ck_assert_uint_eq(resume(A)->told, told);
	ck_assert_int_eq(rx(B)->result, BULK_DONE);
	quiet();
}
END_TEST

/* In the process before and in the one after, whichever node it is. */
START_TEST(an_upgrade_needs_no_bulk)
{
	uint64_t bulks;

	pair();
	bulks = engine(B)->ids;
	for (int turn = 0; turn < 3; turn++) {
		ck_assert(sim_upgrade(sim, A));
		ck_assert(session_parked(engine(A)->peers[0].session));
		run(2 * S);
		ck_assert(engine_tx_in_sync(engine(A), 0));
	}
	ck_assert_uint_eq(engine(B)->ids, bulks);
	ck_assert_uint_eq(resume(B)->heard, 3);
	for (int turn = 0; turn < 3; turn++) {
		ck_assert(sim_upgrade(sim, B));
		run(2 * S);
		ck_assert(engine_rx_in_sync(engine(B), 0));
		ck_assert_uint_eq(engine(B)->ids, 0);
	}
	ck_assert_uint_eq(resume(A)->told, 4); /* since its own upgrade */
	quiet();
}
END_TEST

/* What the new process cannot read, or was not told to the end, is missing. */
START_TEST(an_upgrade_without_all_events_is_a_bulk)
{
	static uint8_t kept[ENGINE_KEPT_MAX];
	struct session *session;
	const char *why;
	int len;

	pair();
	session = engine(A)->peers[0].session;
	while (!session_filling(session) &&
	       session_seq_acked(session) == session_seq_sent(session))
		run(100 * MONO_US);
	ck_assert(!engine_keep_settled(engine(A)));
	len = engine_keep(engine(A), kept, sizeof(kept), &why);
	ck_assert_int_gt(len, 32);
	/* no epoch, no number, of what is told; and nothing is heard */
	for (int i = len - 32; i < len; i++)
		ck_assert_uint_eq(kept[i], 0);
	sim->traffic = false;
	run(1 * S);
	ck_assert(engine_keep_settled(engine(A)));
	sim->node[A].kernel.subscribed = false; /* its socket is not given */
	ck_assert(sim_upgrade(sim, A));
	ck_assert(!session_parked(engine(A)->peers[0].session));
	run(3 * S);
	ck_assert_uint_gt(engine(B)->ids, 1);
	quiet();
}
END_TEST

/* An interface went down between the two: entries may have gone with it. */
START_TEST(an_upgrade_with_an_interface_down_is_a_bulk)
{
	pair();
	sim->node[B].carrier[LAN] = false; /* the old one did not see it */
	ck_assert(sim_upgrade(sim, B));
	ck_assert_uint_eq(resume(B)->epoch, 0);
	run(3 * S);
	ck_assert_uint_eq(engine(B)->ids, 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("engine resume");
	TCase *tc = tcase_create("resume");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, a_short_cut_needs_no_bulk);
	tcase_add_test(tc, it_holds_until_all_is_there);
	tcase_add_test(tc, more_than_is_kept_is_a_gap);
	tcase_add_test(tc, off_is_off);
	tcase_add_test(tc, a_restarted_standby_gets_a_bulk);
	tcase_add_test(tc, a_restarted_master_gives_a_bulk);
	tcase_add_test(tc, who_was_master_meanwhile_does_not_go_on);
	tcase_add_test(tc, a_long_cut_needs_no_bulk);
	tcase_add_test(tc, lost_events_are_a_gap_also_while_it_is_down);
	tcase_add_test(tc, what_was_torn_away_is_told_again);
	tcase_add_test(tc, what_did_not_fit_is_a_bulk);
	tcase_add_test(tc, after_half_the_life_of_a_copy_it_is_a_bulk);
	tcase_add_test(tc, a_bulk_that_was_cut_begins_anew);
	tcase_add_test(tc, an_upgrade_needs_no_bulk);
	tcase_add_test(tc, an_upgrade_without_all_events_is_a_bulk);
	tcase_add_test(tc, an_upgrade_with_an_interface_down_is_a_bulk);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
