// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A takeover that waits for a moment: for the link to say whom a bow-out is
 * for, and so that equals do not rise together (rules 11).
 */
#include "carp_net.h"

#include <stdlib.h>

static const struct carp_sender known = { .known = true };

/* A backup, and the master's last advert is of now. */
static struct node *backup(void)
{
	struct node *n = node_add(1, 10);
	struct carp_advert a;

	up(0);
	run_until(S);
	a = stranger(1, 0, 0);
	hear(0, &a, &known);
	ck_assert_int_eq(n->v.state, CARP_BACKUP);
	return n;
}

static void peers(bool others, bool second)
{
	struct carp_env e = { .others = others, .second = second };

	carp_vhost_env(&net.node[0].v, &e, net.now);
	drain(0);
}

static void bow_out(void)
{
	struct carp_advert a = stranger(255, 255, 0);

	hear(0, &a, &known);
}

START_TEST(test_of_two_nodes_the_other_takes_at_once)
{
	backup();
	peers(false, false);
	bow_out();
	expect(0, CARP_MASTER, CARP_CAUSE_BOW_OUT);
}
END_TEST

START_TEST(test_of_three_nodes_it_waits_for_the_link)
{
	struct node *n = backup();

	peers(true, false);
	bow_out();
	ck_assert_int_eq(n->v.state, CARP_BACKUP);
	/* saying it again puts nothing off */
	run_until(S + 15 * MONO_MS);
	bow_out();
	run_until(S + 20 * MONO_MS - 1);
	ck_assert_int_eq(n->v.state, CARP_BACKUP);
	run_until(S + 20 * MONO_MS);
	expect(0, CARP_MASTER, CARP_CAUSE_BOW_OUT);
}
END_TEST

START_TEST(test_what_is_for_another_is_left_to_it)
{
	struct node *n = backup();

	peers(true, false);
	bow_out();
	run_until(S + 10 * MONO_MS);
	peers(true, true);
	run_until(S + carp_vhost_interval_ns(&n->v) * 3 - 1);
	ck_assert_int_eq(n->v.state, CARP_BACKUP);
	/* and if that one does not come */
	run_until(S + carp_vhost_interval_ns(&n->v) * 3);
	expect(0, CARP_MASTER, CARP_CAUSE_MASTER_DOWN);
}
END_TEST

START_TEST(test_who_hears_the_new_master_stays)
{
	struct node *n = backup();
	struct carp_advert a;

	peers(true, false);
	bow_out();
	run_until(S + 10 * MONO_MS);
	a = stranger(1, 5, 0);
	hear(0, &a, &known);
	run_until(2 * S);
	ck_assert_int_eq(n->v.state, CARP_BACKUP);
	ck_assert_uint_eq(n->takes, 0);
}
END_TEST

/* It has yielded to its equal, and waits for a part of an interval more. */
static struct node *yielded(void)
{
	struct node *n = NULL;
	struct carp_advert equal;

	do {
		setup();
		n = node_add(1, 0);
		up(0);
		run_until(4 * S);
		equal = stranger(1, 0, 0);
		hear(0, &equal, &unknown);
		expect(0, CARP_BACKUP, CARP_CAUSE_EQUAL);
		ck_assert(n->v.extra_ns <= S / 8);
	} while (n->v.extra_ns < 40 * MONO_MS);
	return n;
}

START_TEST(test_an_equal_that_yielded_is_the_more_patient)
{
	struct node *n = yielded();
	int64_t extra = n->v.extra_ns;
	struct carp_advert a = stranger(1, 0, 0);

	run_until(5 * S);
	hear(0, &a, &unknown);
	run_until(8 * S + extra - 1);
	ck_assert_int_eq(n->v.state, CARP_BACKUP);
	run_until(8 * S + extra);
	expect(0, CARP_MASTER, CARP_CAUSE_MASTER_DOWN);
}
END_TEST

START_TEST(test_at_once_is_within_30_ms)
{
	struct node *n = yielded();
	struct carp_advert a = stranger(1, 0, 9);

	hear(0, &a, &unknown);
	ck_assert_int_eq(n->v.state, CARP_BACKUP);
	run_until(4 * S + 30 * MONO_MS);
	expect(0, CARP_MASTER, CARP_CAUSE_DEMOTED);
}
END_TEST

/* Two that leave do not keep each other from it. */
START_TEST(test_a_bow_out_is_no_new_master)
{
	struct node *n = node_add(1, 0);
	struct carp_advert a;

	up(0);
	run_until(4 * S);
	carp_vhost_fence(&n->v);
	carp_vhost_bow_out(&n->v);
	drain(0);
	bow_out();
	ck_assert_int_eq(n->v.state, CARP_MASTER);
	a = stranger(1, 200, 0);
	hear(0, &a, &known);
	expect(0, CARP_BACKUP, CARP_CAUSE_HANDOVER);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("carp_vhost_soon");
	TCase *tc = tcase_create("carp_vhost_soon");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, test_of_two_nodes_the_other_takes_at_once);
	tcase_add_test(tc, test_of_three_nodes_it_waits_for_the_link);
	tcase_add_test(tc, test_what_is_for_another_is_left_to_it);
	tcase_add_test(tc, test_who_hears_the_new_master_stays);
	tcase_add_test(tc, test_an_equal_that_yielded_is_the_more_patient);
	tcase_add_test(tc, test_at_once_is_within_30_ms);
	tcase_add_test(tc, test_a_bow_out_is_no_new_master);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
