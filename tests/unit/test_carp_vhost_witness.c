// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A virtual host of two families, and one that hears no adverts while the
 * link tells of a master (rules 10).
 */
#include "carp_net.h"

#include <stdlib.h>

#define LIMIT 3
#define DOWN  (3 * S) /* of advbase 1, advskew 0 */

static const struct carp_addr6 vip6 = { { 0xfd, [15] = 12 } };
static const struct carp_sender peer4 = { .known = true,
					  .addr.v4 = 0x0a000002 };
static const struct carp_sender peer6 = { .known = true,
					  .addr = { .family = CARP_V6 } };

static struct node *witnessed(bool v6)
{
	struct carp_vhost_conf conf = conf_of(1, 0);
	struct node *n = &net.node[net.nodes++];

	conf.witness_limit = LIMIT;
	conf.v6 = &vip6;
	conf.v6_count = v6;
	ck_assert(!carp_vhost_init(&n->v, &conf, net.now));
	up(0);
	return n;
}

/* The master's advert, as a peer that is better sends it. */
static void advert(const struct carp_sender *from)
{
	struct carp_advert a = stranger(1, 0, 0);

	ck_assert_int_eq(hear(0, &a, from), CARP_OK);
}

static void vouch(int64_t until, bool well)
{
	carp_vhost_vouch(&net.node[0].v, (mono_t){ until }, well, net.now);
	drain(0);
}

/* The word of each second, so long. */
static void vouched(int64_t until)
{
	while (net.now.ns < until) {
		vouch(net.now.ns + 2 * S, true);
		run_until(net.now.ns + S < until ? net.now.ns + S : until);
	}
}

START_TEST(test_each_family_has_its_timer)
{
	struct node *n = witnessed(true);

	advert(&peer4);
	advert(&peer6);
	for (int i = 1; i <= 2; i++) {
		run_until(i * S);
		advert(&peer4);
	}
	run_until(DOWN - 1);
	ck_assert_int_eq(n->v.state, CARP_BACKUP);
	run_until(DOWN);
	expect(0, CARP_MASTER, CARP_CAUSE_MASTER_DOWN);
}
END_TEST

START_TEST(test_a_family_without_addresses_is_not_waited_for)
{
	struct node *n = witnessed(false);

	for (int i = 0; i < 10; i++) {
		run_until(i * S);
		advert(&peer4);
	}
	ck_assert_int_eq(n->v.state, CARP_BACKUP);
	ck_assert(mono_is_never(n->v.master_down[CARP_V6]));
	/* nor do its adverts speak for the other */
	run_until(11 * S);
	advert(&peer6);
	run_until(12 * S);
	expect(0, CARP_MASTER, CARP_CAUSE_MASTER_DOWN);
}
END_TEST

START_TEST(test_vouched_for_it_waits_for_so_long)
{
	struct node *n = witnessed(false);

	vouched(DOWN + LIMIT * DOWN - 1);
	ck_assert_int_eq(n->v.state, CARP_BACKUP);
	ck_assert_uint_eq(n->waits, 1);
	vouched(DOWN + LIMIT * DOWN);
	expect(0, CARP_MASTER, CARP_CAUSE_UNHEARD);
	ck_assert_uint_eq(n->waits, 1);
}
END_TEST

START_TEST(test_once_for_each_silence)
{
	struct node *n = witnessed(false);

	vouched(2 * DOWN);
	ck_assert_uint_eq(n->waits, 1);
	advert(&peer4);
	vouched(2 * DOWN + DOWN + LIMIT * DOWN - 1);
	ck_assert_int_eq(n->v.state, CARP_BACKUP);
	ck_assert_uint_eq(n->waits, 2);
	vouched(2 * DOWN + DOWN + LIMIT * DOWN);
	expect(0, CARP_MASTER, CARP_CAUSE_UNHEARD);
}
END_TEST

START_TEST(test_a_word_of_before_does_not_count)
{
	struct node *n = witnessed(false);

	vouch(DOWN, true);
	run_until(DOWN);
	expect(0, CARP_MASTER, CARP_CAUSE_MASTER_DOWN);
	ck_assert_uint_eq(n->waits, 0);
}
END_TEST

START_TEST(test_without_a_witness_nothing_waits)
{
	struct carp_vhost_conf conf = conf_of(1, 0);
	struct node *n = witnessed(false);

	conf.witness_limit = 0;
	ck_assert(!carp_vhost_change(&n->v, &conf, false, net.now));
	vouched(DOWN);
	expect(0, CARP_MASTER, CARP_CAUSE_MASTER_DOWN);
}
END_TEST

/* It takes over at once; who is told of must know why. */
START_TEST(test_a_holding_node_does_not_ask)
{
	struct node *n = witnessed(false);

	env(0, 0, true);
	vouched(DOWN);
	expect(0, CARP_MASTER, CARP_CAUSE_UNHEARD);
	ck_assert_uint_eq(n->waits, 0);
}
END_TEST

START_TEST(test_a_master_that_is_not_well_is_not_waited_for)
{
	struct node *n = witnessed(false);

	vouch(100 * S, false);
	run_until(DOWN);
	expect(0, CARP_MASTER, CARP_CAUSE_UNHEARD);
	ck_assert_uint_eq(n->waits, 0);
}
END_TEST

START_TEST(test_what_ends_the_waiting_ends_it_at_once)
{
	for (int end = 0; end < 2; end++) {
		struct node *n;

		setup();
		n = witnessed(false);
		vouched(2 * DOWN);
		ck_assert_uint_eq(n->waits, 1);
		if (end) /* its adverts do not get out */
			vouch(net.now.ns + 2 * S, false);
		else /* the link is down */
			vouch(0, false);
		run_until(net.now.ns);
		expect(0, CARP_MASTER,
		       end ? CARP_CAUSE_UNHEARD : CARP_CAUSE_MASTER_DOWN);
	}
}
END_TEST

static struct node *obeying(bool v6)
{
	struct node *n = witnessed(v6);

	run_until(DOWN);
	ck_assert_int_eq(n->v.state, CARP_MASTER);
	carp_vhost_obey(&n->v, net.now);
	drain(0);
	expect(0, CARP_BACKUP, CARP_CAUSE_WORD);
	return n;
}

START_TEST(test_who_obeys_waits_as_long_as_it_is_told)
{
	struct node *n = obeying(false);

	vouched(3600 * S);
	ck_assert_int_eq(n->v.state, CARP_BACKUP);
	run_until(3602 * S);
	expect(0, CARP_MASTER, CARP_CAUSE_MASTER_DOWN);
}
END_TEST

/* Its bulk may last. */
START_TEST(test_who_obeys_waits_on_hold_too)
{
	struct node *n = obeying(false);

	env(0, 0, true);
	vouched(3600 * S);
	ck_assert_int_eq(n->v.state, CARP_BACKUP);
}
END_TEST

START_TEST(test_an_advert_ends_obeying)
{
	obeying(false);
	vouched(100 * S);
	advert(&peer4);
	vouched(100 * S + DOWN + LIMIT * DOWN);
	expect(0, CARP_MASTER, CARP_CAUSE_UNHEARD);
}
END_TEST

/* Else two nodes that hear each other in one family only take turns. */
START_TEST(test_an_advert_ends_obeying_in_its_family)
{
	struct node *n = obeying(true);

	for (int i = 4; i < 100; i++) {
		vouched(i * S);
		advert(&peer6);
	}
	ck_assert_int_eq(n->v.state, CARP_BACKUP);
	advert(&peer4);
	for (int64_t t = 100; t < 100 + 2 + 12; t++) {
		vouched(t * S);
		advert(&peer6);
	}
	expect(0, CARP_MASTER, CARP_CAUSE_UNHEARD);
}
END_TEST

/* It yielded to the advert in one family before the word came. */
START_TEST(test_a_backup_obeys_in_the_family_that_it_does_not_hear)
{
	struct node *n = witnessed(true);

	advert(&peer6);
	carp_vhost_obey(&n->v, net.now);
	ck_assert(n->v.obeys[CARP_V4]);
	ck_assert(!n->v.obeys[CARP_V6]);
	ck_assert_uint_eq(n->changes, 1);
	for (int i = 1; i < 100; i++) {
		vouched(i * S);
		advert(&peer6);
	}
	ck_assert_int_eq(n->v.state, CARP_BACKUP);
}
END_TEST

/* Rules 11: another backup has the better copy, and is to go first. */
START_TEST(test_who_is_behind_lets_another_pass_once)
{
	struct carp_env e = { .behind = true };
	struct node *n = witnessed(false);

	carp_vhost_env(&n->v, &e, net.now);
	run_until(2 * DOWN - 1);
	ck_assert_int_eq(n->v.state, CARP_BACKUP);
	run_until(2 * DOWN);
	expect(0, CARP_MASTER, CARP_CAUSE_MASTER_DOWN);
	/* for another master it does so again */
	carp_vhost_yield(&n->v, CARP_CAUSE_BETTER, net.now);
	drain(0);
	run_until(2 * DOWN + S);
	advert(&peer4);
	run_until(2 * DOWN + S + 2 * DOWN - 1);
	ck_assert_int_eq(n->v.state, CARP_BACKUP);
	advert(&peer4); /* the end of that silence */
	run_until(2 * DOWN + S + 4 * DOWN - 2);
	ck_assert_int_eq(n->v.state, CARP_BACKUP);
	run_until(2 * DOWN + S + 4 * DOWN - 1);
	expect(0, CARP_MASTER, CARP_CAUSE_MASTER_DOWN);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("carp_vhost_witness");
	TCase *tc = tcase_create("carp_vhost_witness");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, test_each_family_has_its_timer);
	tcase_add_test(tc, test_a_family_without_addresses_is_not_waited_for);
	tcase_add_test(tc, test_vouched_for_it_waits_for_so_long);
	tcase_add_test(tc, test_once_for_each_silence);
	tcase_add_test(tc, test_a_word_of_before_does_not_count);
	tcase_add_test(tc, test_without_a_witness_nothing_waits);
	tcase_add_test(tc, test_a_holding_node_does_not_ask);
	tcase_add_test(tc, test_a_master_that_is_not_well_is_not_waited_for);
	tcase_add_test(tc, test_what_ends_the_waiting_ends_it_at_once);
	tcase_add_test(tc, test_who_obeys_waits_as_long_as_it_is_told);
	tcase_add_test(tc, test_who_obeys_waits_on_hold_too);
	tcase_add_test(tc, test_an_advert_ends_obeying);
	tcase_add_test(tc, test_an_advert_ends_obeying_in_its_family);
	tcase_add_test(tc,
		       test_a_backup_obeys_in_the_family_that_it_does_not_hear);
	tcase_add_test(tc, test_who_is_behind_lets_another_pass_once);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
