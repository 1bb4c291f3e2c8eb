/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/drill: a drill that goes well, and every sign of trouble. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "drill.h"

static const mono_t t0 = { 100 * MONO_S };
static struct drill d;
static struct drill_facts facts;

static mono_t at(int64_t ms)
{
	return mono_add(t0, ms * MONO_MS);
}

static enum drill_step next(int64_t ms)
{
	return drill_next(&d, &facts, at(ms));
}

static void setup(void)
{
	drill_start(&d, 30 * MONO_S, t0);
	facts = (struct drill_facts){ .peer_live = true, .have = true };
}

/* The peer has it from second 5 on; before, so much was answered. */
static void given(uint64_t before)
{
	ck_assert_int_eq(next(0), DRILL_WAIT);
	drill_verified(&d, &facts, NULL, t0);
	ck_assert_int_eq(next(4900), DRILL_WAIT);
	facts.told += before;
	ck_assert_int_eq(next(5000), DRILL_DO_HANDOVER);
	facts.have = false;
	facts.none = facts.peer_has = facts.in_sync = true;
	drill_handed(&d, &facts, NULL, at(5000));
}

/* It is asked for and comes back. */
static void comes_back(int64_t ms)
{
	ck_assert_int_eq(next(ms), DRILL_DO_ASK);
	ck_assert_int_eq(next(ms + 500), DRILL_WAIT);
	ck_assert_int_eq(next(ms + 1000), DRILL_DO_ASK);
	facts.have = true;
	facts.none = facts.peer_has = false;
	ck_assert_int_eq(next(ms + 1100), DRILL_DO_END);
	ck_assert_int_eq(next(ms + 1200), DRILL_WAIT);
}

START_TEST(all_goes_well)
{
	given(100);
	for (int64_t ms = 5500; ms < 35000; ms += 500) {
		facts.heard += 10;
		ck_assert_int_eq(next(ms), DRILL_WAIT);
	}
	ck_assert_int_eq(next(35000), DRILL_WAIT);
	comes_back(35001);
	ck_assert_int_eq(d.result, DRILL_PASSED);
	ck_assert_uint_eq(d.before, 100);
	ck_assert_uint_eq(d.carried, 590);
	ck_assert_int_eq(d.carried_ns, 30 * MONO_S);
	ck_assert_str_eq(d.why, "");
}
END_TEST

START_TEST(without_traffic_nothing_is_proven)
{
	given(0);
	for (int64_t ms = 5500; ms <= 35000; ms += 500)
		ck_assert_int_eq(next(ms), DRILL_WAIT);
	comes_back(35001);
	ck_assert_int_eq(d.result, DRILL_UNPROVEN);
}
END_TEST

/* Goes back at `ms` and says that word. */
static void goes_back(int64_t ms, const char *word)
{
	ck_assert_int_eq(next(ms), DRILL_WAIT);
	ck_assert_int_eq(d.state, DRILL_BACK);
	ck_assert_msg(strstr(d.why, word), "%s", d.why);
	comes_back(ms + 1);
	ck_assert_int_eq(d.result, DRILL_FAILED);
}

START_TEST(silence_is_trouble)
{
	given(100);
	facts.heard++;
	ck_assert_int_eq(next(5100), DRILL_WAIT);
	ck_assert_int_eq(next(8100), DRILL_WAIT);
	ck_assert_int_eq(d.state, DRILL_WATCH);
	goes_back(8101, "nothing was answered");
}
END_TEST

/* With one answer in five seconds fifty of silence may be chance. */
START_TEST(seldom_answers_are_waited_for)
{
	drill_start(&d, 120 * MONO_S, t0);
	given(1);
	ck_assert_int_eq(next(55000), DRILL_WAIT);
	ck_assert_int_eq(d.state, DRILL_WATCH);
	goes_back(55001, "nothing was answered");
}
END_TEST

START_TEST(much_less_than_before_is_trouble)
{
	given(1000);
	for (int64_t ms = 5500; ms < 15000; ms += 500) {
		facts.heard += 20; /* a fifth */
		ck_assert_int_eq(next(ms), DRILL_WAIT);
		ck_assert_int_eq(d.state, DRILL_WATCH);
	}
	goes_back(15000, "quarter");
}
END_TEST

START_TEST(a_lost_link_is_trouble)
{
	given(100);
	facts.peer_live = false;
	ck_assert_int_eq(next(5200), DRILL_WAIT);
	ck_assert_int_eq(d.state, DRILL_BACK);
	ck_assert_int_eq(next(6000), DRILL_WAIT); /* nobody to ask */
	facts.peer_live = true;
	comes_back(7000);
	ck_assert_str_eq(d.why, "the link was lost");
	ck_assert_int_eq(d.result, DRILL_FAILED);
}
END_TEST

START_TEST(a_peer_that_loses_it_is_trouble)
{
	given(100);
	facts.peer_has = false;
	ck_assert_int_eq(next(5000 + 2000), DRILL_WAIT);
	ck_assert_int_eq(d.state, DRILL_WATCH);
	goes_back(5000 + 2001, "not master");
}
END_TEST

START_TEST(a_gap_is_trouble)
{
	given(100);
	ck_assert_int_eq(next(5100), DRILL_WAIT);
	facts.in_sync = false;
	goes_back(5200, "whole");
}
END_TEST

/* After a takeover of this node there is nothing to ask for. */
START_TEST(taken_back_by_election)
{
	given(100);
	facts.have = true;
	facts.none = facts.peer_has = false;
	ck_assert_int_eq(next(5100), DRILL_WAIT);
	ck_assert_int_eq(next(5101), DRILL_DO_END);
	ck_assert_int_eq(d.result, DRILL_FAILED);
	ck_assert_str_eq(d.why, "this node is master again");
}
END_TEST

START_TEST(an_interruption_goes_back_at_once)
{
	given(100);
	drill_interrupt(&d, "somebody ended it", at(6000));
	comes_back(6000);
	ck_assert_int_eq(d.result, DRILL_FAILED);
	ck_assert_str_eq(d.why, "somebody ended it");
}
END_TEST

START_TEST(tables_that_differ_end_it_before_anything_moved)
{
	drill_verified(&d, &facts, "the tables are not equal", t0);
	ck_assert_int_eq(next(0), DRILL_DO_END);
	ck_assert_int_eq(d.result, DRILL_FAILED);
	ck_assert_int_eq(d.state, DRILL_IDLE);
}
END_TEST

START_TEST(a_handover_that_fails_ends_it)
{
	drill_verified(&d, &facts, NULL, t0);
	ck_assert_int_eq(next(5000), DRILL_DO_HANDOVER);
	drill_handed(&d, &facts, "the peer refused", at(5010));
	ck_assert_int_eq(next(5011), DRILL_DO_END);
	ck_assert_int_eq(d.result, DRILL_FAILED);
}
END_TEST

START_TEST(a_peer_that_keeps_it_is_told_of)
{
	given(0);
	ck_assert_int_eq(next(35000), DRILL_WAIT);
	for (int64_t ms = 35000; ms < 95000; ms += 1000)
		ck_assert_int_eq(next(ms), DRILL_DO_ASK);
	ck_assert_int_eq(next(95000), DRILL_DO_END);
	ck_assert(d.stuck);
	ck_assert_int_eq(d.result, DRILL_FAILED);
}
END_TEST

/* Whoever wants it to end gets that, wherever it is. */
START_TEST(an_interruption_in_each_state)
{
	drill_interrupt(&d, "a test", t0);
	ck_assert_int_eq(next(1), DRILL_DO_END);
	ck_assert_int_eq(d.result, DRILL_FAILED);
	ck_assert_str_eq(d.why, "a test");
	/* there is none any more */
	drill_interrupt(&d, "another", at(2));
	drill_verified(&d, &facts, NULL, at(2));
	drill_handed(&d, &facts, NULL, at(2));
	ck_assert_int_eq(next(3), DRILL_WAIT);
	ck_assert_str_eq(d.why, "a test");

	setup();
	drill_verified(&d, &facts, NULL, t0);
	drill_interrupt(&d, "a test", at(1));
	ck_assert_int_eq(next(2), DRILL_DO_END);

	/* its end is at hand: then it comes back */
	setup();
	drill_verified(&d, &facts, NULL, t0);
	ck_assert_int_eq(next(5000), DRILL_DO_HANDOVER);
	drill_interrupt(&d, "a test", at(5001));
	ck_assert_int_eq(next(5002), DRILL_WAIT);
	facts.have = false;
	facts.none = facts.peer_has = facts.in_sync = true;
	drill_handed(&d, &facts, NULL, at(5003));
	ck_assert_int_eq(next(5004), DRILL_WAIT);
	comes_back(5005);
	ck_assert_int_eq(d.result, DRILL_FAILED);
	ck_assert_str_eq(d.why, "a test");
}
END_TEST

START_TEST(a_comparison_without_end_ends_it)
{
	ck_assert_int_eq(next(DRILL_VERIFY_NS / MONO_MS), DRILL_WAIT);
	ck_assert_int_eq(next(DRILL_VERIFY_NS / MONO_MS + 1), DRILL_DO_END);
	ck_assert_str_eq(d.why, "the comparison does not end");
}
END_TEST

START_TEST(a_mastership_that_goes_before_ends_it)
{
	drill_verified(&d, &facts, NULL, t0);
	facts.have = false;
	ck_assert_int_eq(next(100), DRILL_DO_END);
	ck_assert_str_eq(d.why, "this node is not master any more");
}
END_TEST

/* It failed when the lease was gone here already: nobody has it. */
START_TEST(what_is_nowhere_is_asked_for)
{
	drill_verified(&d, &facts, NULL, t0);
	ck_assert_int_eq(next(5000), DRILL_DO_HANDOVER);
	facts.have = false;
	drill_handed(&d, &facts, "the link was lost", at(5000));
	comes_back(5001);
	ck_assert_int_eq(d.result, DRILL_FAILED);
	ck_assert_str_eq(d.why, "the link was lost");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("drill");
	TCase *t = tcase_create("drill");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, all_goes_well);
	tcase_add_test(t, without_traffic_nothing_is_proven);
	tcase_add_test(t, silence_is_trouble);
	tcase_add_test(t, seldom_answers_are_waited_for);
	tcase_add_test(t, much_less_than_before_is_trouble);
	tcase_add_test(t, a_lost_link_is_trouble);
	tcase_add_test(t, a_peer_that_loses_it_is_trouble);
	tcase_add_test(t, a_gap_is_trouble);
	tcase_add_test(t, taken_back_by_election);
	tcase_add_test(t, an_interruption_goes_back_at_once);
	tcase_add_test(t, tables_that_differ_end_it_before_anything_moved);
	tcase_add_test(t, a_handover_that_fails_ends_it);
	tcase_add_test(t, a_peer_that_keeps_it_is_told_of);
	tcase_add_test(t, an_interruption_in_each_state);
	tcase_add_test(t, a_comparison_without_end_ends_it);
	tcase_add_test(t, a_mastership_that_goes_before_ends_it);
	tcase_add_test(t, what_is_nowhere_is_asked_for);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
