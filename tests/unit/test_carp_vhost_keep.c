// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A virtual host that goes on in another process, and one that did not
 * (rules 14).
 */
#include "carp_net.h"

#include <stdlib.h>

/* Another process of the same node: the same values, its own random ones. */
static struct carp_vhost *successor(void)
{
	static struct carp_vhost v;
	struct carp_vhost_conf conf = conf_of(1, 0);

	ck_assert(!carp_vhost_init(&v, &conf, net.now));
	carp_vhost_link(&v, true, net.now);
	for (struct carp_action a; carp_vhost_poll(&v, &a);)
		;
	return &v;
}

static struct node *master(void)
{
	struct node *n = node_add(1, 0);

	up(0);
	run_until(5500 * MONO_MS);
	ck_assert_int_eq(n->v.state, CARP_MASTER);
	return n;
}

START_TEST(test_a_master_goes_on_with_the_next_advert)
{
	struct node *n = master();
	struct carp_vhost *v = successor();
	struct carp_advert sent;
	struct carp_action a;
	struct carp_kept k;
	uint64_t last = n->sent.counter;

	ck_assert(carp_vhost_keep(&n->v, &k));
	carp_vhost_restore(v, &k, net.now);
	ck_assert(!carp_vhost_poll(v, &a)); /* nobody notices */
	ck_assert_int_eq(v->state, CARP_MASTER);
	ck_assert_int_eq(v->since.ns, n->v.since.ns);
	ck_assert_uint_eq(v->transitions, n->v.transitions);
	ck_assert_int_eq(carp_vhost_deadline(v).ns, net.now.ns);
	carp_vhost_tick(v, net.now);
	ck_assert(carp_vhost_poll(v, &a));
	ck_assert_int_eq(a.what, CARP_DO_ADVERT);
	ck_assert_int_eq(
		carp_wire_parse(a.advert.bytes, CARP_ADVERT_LEN, &sent), 0);
	ck_assert(sent.counter == last + CARP_COUNTER_STEP);
	/* what the old one sent is its own */
	ck_assert_int_eq(carp_vhost_receive(v, &n->sent, &unknown, net.now),
			 CARP_REFUSED_LOOP);
}
END_TEST

START_TEST(test_a_backup_waits_anew)
{
	struct node *n = node_add(1, 0);
	struct carp_vhost *v;
	struct carp_kept k;

	up(0);
	run_until(2 * S);
	ck_assert(carp_vhost_keep(&n->v, &k));
	v = successor();
	carp_vhost_restore(v, &k, net.now);
	ck_assert_int_eq(v->state, CARP_BACKUP);
	ck_assert_int_eq(v->since.ns, n->v.since.ns);
	ck_assert_int_eq(carp_vhost_deadline(v).ns, 5 * S);
}
END_TEST

START_TEST(test_not_in_the_middle_of_something)
{
	struct node *n = master();
	struct carp_vhost_conf conf = conf_of(1, 0);
	struct carp_kept k;

	carp_vhost_fence(&n->v);
	ck_assert(!carp_vhost_keep(&n->v, &k));
	carp_vhost_resume(&n->v, net.now);
	drain(0);
	ck_assert(carp_vhost_keep(&n->v, &k));
	conf.pass = "another";
	ck_assert(!carp_vhost_change(&n->v, &conf, true, net.now));
	drain(0);
	ck_assert(!carp_vhost_keep(&n->v, &k));
	carp_vhost_changed(&n->v, false, false);
	ck_assert(carp_vhost_keep(&n->v, &k));
	carp_vhost_stop(&n->v, net.now);
	drain(0);
	ck_assert(!carp_vhost_keep(&n->v, &k));
}
END_TEST

/* Nobody knows how many adverts it has sent: none of theirs is used. */
START_TEST(test_one_that_failed_may_have_sent_some)
{
	struct node *n = master();
	uint64_t last = n->sent.counter;

	carp_vhost_kept_not(&n->v, net.now);
	carp_vhost_tick(&n->v, net.now);
	drain(0);
	ck_assert(n->sent.counter == last + 65 * CARP_COUNTER_STEP);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("carp_vhost_keep");
	TCase *tc = tcase_create("carp_vhost_keep");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, test_a_master_goes_on_with_the_next_advert);
	tcase_add_test(tc, test_a_backup_waits_anew);
	tcase_add_test(tc, test_not_in_the_middle_of_something);
	tcase_add_test(tc, test_one_that_failed_may_have_sent_some);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
