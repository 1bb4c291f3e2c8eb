// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What a virtual host's parameters do: preempt-delay, announce-refresh, the
 * advskew that is said to strangers, the counters, and their change while it
 * runs.
 */
#include "carp_net.h"

#include <stdlib.h>

static const struct carp_sender known = { .known = true };

static struct carp_advert of_worse(void)
{
	return stranger(1, 100, 0);
}

START_TEST(test_preempt_waits_since_a_worse_master_is_heard)
{
	struct carp_vhost_conf conf = conf_of(1, 0);
	struct carp_env e = { .may_preempt = true };
	struct node *n = node_add(1, 0);
	struct carp_advert a;

	conf.preempt = true;
	conf.preempt_delay_ns = 5 * S;
	ck_assert(!carp_vhost_init(&n->v, &conf, net.now));
	carp_vhost_env(&n->v, &e, net.now);
	up(0);
	a = of_worse();
	for (int i = 1; i < 6; i++) {
		run_until(i * S);
		hear(0, &a, &known);
		ck_assert_int_eq(n->v.state, CARP_BACKUP);
	}
	/* a better one in between: it begins anew */
	run_until(6 * S - 1);
	a = stranger(0, 200, 0);
	hear(0, &a, &known);
	a = of_worse();
	for (int i = 6; i < 11; i++) {
		run_until(i * S);
		hear(0, &a, &known);
		ck_assert_int_eq(n->v.state, CARP_BACKUP);
	}
	run_until(11 * S);
	hear(0, &a, &known);
	expect(0, CARP_MASTER, CARP_CAUSE_PREEMPT);
	/* a silent master is replaced without that */
	carp_vhost_yield(&n->v, CARP_CAUSE_HANDOVER, net.now);
	drain(0);
	hear(0, &a, &known);
	run_until(14 * S);
	expect(0, CARP_MASTER, CARP_CAUSE_MASTER_DOWN);
}
END_TEST

START_TEST(test_announcements_are_repeated)
{
	struct carp_vhost_conf conf = conf_of(1, 0);
	struct node *n = node_add(1, 0);

	conf.announce_ns = 20 * S;
	ck_assert(!carp_vhost_init(&n->v, &conf, net.now));
	up(0);
	run_until(3 * S + 19 * S);
	ck_assert_uint_eq(n->announces, 2);
	run_until(3 * S + 20 * S);
	ck_assert_uint_eq(n->announces, 3);
	run_until(3 * S + 100 * S);
	ck_assert_uint_eq(n->announces, 7);
	/* not without the right */
	carp_vhost_fence(&n->v);
	run_until(200 * S);
	ck_assert_uint_eq(n->announces, 7);
	carp_vhost_yield(&n->v, CARP_CAUSE_HANDOVER, net.now);
	drain(0);
	ck_assert(mono_is_never(n->v.next_announce));
}
END_TEST

/* FreeBSD and ucarp know no demotion: it is in the advskew for them. */
START_TEST(test_strangers_hear_the_demotion_in_the_advskew)
{
	struct node *n = node_add(1, 20);
	struct carp_advert a = stranger(1, 100, 255);
	int64_t interval = carp_vhost_interval_ns(&n->v);

	up(0);
	run_until(4 * S);
	env(0, 30, false);
	ck_assert_uint_eq(n->sent.advskew, 20);
	ck_assert_uint_eq(n->sent.demote, 30);
	/* one is heard: said at once */
	hear(0, &a, &unknown);
	ck_assert_uint_eq(n->sent.advskew, 50);
	ck_assert_uint_eq(n->sent.demote, 30);
	env(0, 1000, false);
	ck_assert_uint_eq(n->sent.advskew, 240);
	ck_assert_uint_eq(n->sent.demote, 255);
	ck_assert_int_eq(carp_vhost_interval_ns(&n->v), interval);
	ck_assert_int_eq(mono_diff(n->v.next_advert, net.now), interval);
	env(0, 0, false);
	ck_assert_uint_eq(carp_vhost_said_skew(&n->v), 20);
	/* it was a peer, as it turns out */
	env(0, 30, false);
	carp_vhost_no_foreign(&n->v);
	ck_assert_uint_eq(carp_vhost_said_skew(&n->v), 20);
}
END_TEST

START_TEST(test_a_skew_above_240_stays)
{
	struct node *n = node_add(1, 250);
	struct carp_advert a = stranger(1, 252, 0);

	up(0);
	hear(0, &a, &unknown);
	env(0, 30, false);
	ck_assert_uint_eq(carp_vhost_said_skew(&n->v), 250);
}
END_TEST

START_TEST(test_counters_leave_room_for_who_stands_in)
{
	struct node *n = node_add(1, 0);
	uint8_t bytes[CARP_ADVERT_LEN];
	uint64_t first;
	struct carp_advert a;

	up(0);
	run_until(3 * S);
	first = n->sent.counter;
	carp_wire_build(&n->sent, bytes);
	/* for a second, at the shortest interval */
	for (int i = 1; i <= 256; i++) {
		carp_vhost_again(&n->v.auth, bytes);
		ck_assert(!carp_wire_parse(bytes, sizeof(bytes), &a));
		ck_assert(carp_auth_verify(&n->v.auth, a.counter, a.digest));
		ck_assert_uint_gt(a.counter, first);
		ck_assert_uint_lt(a.counter, first + CARP_COUNTER_STEP);
		/* a wire that loops back does it with these, too */
		ck_assert_int_eq(hear(0, &a, &unknown), CARP_REFUSED_LOOP);
	}
	run_until(4 * S);
	ck_assert_uint_eq(n->sent.counter, first + CARP_COUNTER_STEP);
	ck_assert_int_eq(n->v.state, CARP_MASTER);
	/* FreeBSD goes on by one from there */
	a = n->sent;
	carp_vhost_yield(&n->v, CARP_CAUSE_HANDOVER, net.now);
	drain(0);
	for (int i = 1; i < 100; i++) {
		a.counter++;
		carp_auth_sign(&n->v.auth, CARP_AUTH_NOV6LL, a.counter,
			       a.digest);
		ck_assert_int_eq(hear(0, &a, &unknown), CARP_OK);
	}
}
END_TEST

START_TEST(test_the_base_follows_the_counter)
{
	struct node *n = node_add(1, 0);

	up(0);
	run_until(5 * S);
	ck_assert_uint_lt(n->v.base, n->v.counter);
	n->v.counter = n->v.base + CARP_COUNTER_RANGE / 2;
	run_until(7 * S);
	ck_assert_uint_lt(n->v.counter - n->v.base, 2 * CARP_COUNTER_STEP);
}
END_TEST

static const uint32_t two[] = { VIP, VIP + 1 }, three[] = { VIP, VIP + 2 };

static void change(size_t i, const uint32_t *list, size_t n, bool says_old)
{
	struct carp_vhost_conf conf = conf_of(1, (uint8_t)(10 * i));

	conf.v4 = list;
	conf.v4_count = n;
	ck_assert(!carp_vhost_change(&net.node[i].v, &conf, says_old, net.now));
	drain(i);
}

START_TEST(test_a_change_is_heard_by_who_has_not_changed)
{
	unsigned changes;

	settled(2, true);
	changes = net.node[0].changes + net.node[1].changes;
	change(0, two, 2, true);
	run_until(20 * S);
	/* read again, as it is: the others are still as they were */
	change(0, two, 2, true);
	run_until(30 * S);
	/* and once more, otherwise */
	change(0, three, 2, true);
	run_until(40 * S);
	ck_assert_uint_eq(net.node[1].v.counters[CARP_REFUSED_AUTH], 0);
	change(1, three, 2, true);
	carp_vhost_changed(&net.node[0].v, false, true);
	carp_vhost_changed(&net.node[1].v, false, true);
	run_until(50 * S);
	carp_vhost_changed(&net.node[0].v, false, false);
	carp_vhost_changed(&net.node[1].v, false, false);
	run_until(60 * S);
	ck_assert_uint_eq(net.node[0].v.counters[CARP_REFUSED_AUTH], 0);
	ck_assert_uint_eq(net.node[1].v.counters[CARP_REFUSED_AUTH], 0);
	ck_assert_uint_eq(net.node[0].changes + net.node[1].changes, changes);
	ck_assert_int_eq(net.node[0].v.state, CARP_MASTER);
}
END_TEST

START_TEST(test_what_was_before_is_not_taken_for_ever)
{
	struct node *n = node_add(1, 0);
	struct carp_advert a = stranger(1, 0, 0);

	up(0);
	change(0, two, 2, false);
	ck_assert_int_eq(hear(0, &a, &unknown), CARP_OK);
	carp_vhost_changed(&n->v, false, false);
	ck_assert_int_eq(hear(0, &a, &unknown), CARP_REFUSED_AUTH);
}
END_TEST

START_TEST(test_a_refused_change_changes_nothing)
{
	struct node *n = node_add(1, 0);
	struct carp_vhost_conf conf = conf_of(0, 50);
	struct carp_vhost before;

	up(0);
	before = n->v;
	conf.v4_count = 0;
	ck_assert_int_eq(carp_vhost_change(&n->v, &conf, true, net.now),
			 CARP_CONF_NO_ADDRESS);
	ck_assert_mem_eq(&before, &n->v, sizeof(before));
}
END_TEST

/* Told to the kernel and the neighbours, at once. */
START_TEST(test_a_master_changes_in_place)
{
	struct carp_vhost_conf conf = conf_of(0, 50);
	struct node *n = node_add(1, 0);
	unsigned takes;

	up(0);
	run_until(10 * S);
	takes = n->takes;
	conf.v4 = two;
	conf.v4_count = 2;
	ck_assert(!carp_vhost_change(&n->v, &conf, false, net.now));
	drain(0);
	ck_assert_int_eq(n->v.state, CARP_MASTER);
	ck_assert_uint_eq(n->takes, takes + 1);
	ck_assert_uint_eq(n->sent.advskew, 50);
	ck_assert_uint_eq(n->changes, 2);
	ck_assert_int_eq(mono_diff(n->v.next_advert, net.now), 50 * S / 256);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("carp_vhost_conf");
	TCase *tc = tcase_create("carp_vhost_conf");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, test_preempt_waits_since_a_worse_master_is_heard);
	tcase_add_test(tc, test_announcements_are_repeated);
	tcase_add_test(tc, test_strangers_hear_the_demotion_in_the_advskew);
	tcase_add_test(tc, test_a_skew_above_240_stays);
	tcase_add_test(tc, test_counters_leave_room_for_who_stands_in);
	tcase_add_test(tc, test_the_base_follows_the_counter);
	tcase_add_test(tc, test_a_change_is_heard_by_who_has_not_changed);
	tcase_add_test(tc, test_what_was_before_is_not_taken_for_ever);
	tcase_add_test(tc, test_a_refused_change_changes_nothing);
	tcase_add_test(tc, test_a_master_changes_in_place);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
