// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A virtual host whose master another program elects: it moves by that word
 * alone, and says nothing on the wire.
 */
#include "carp_net.h"

#include <stdlib.h>

static struct node *external(void)
{
	struct carp_vhost_conf conf = conf_of(1, 0);
	struct node *n = &net.node[net.nodes++];

	conf.external = true;
	conf.vhid = 0;
	ck_assert(!carp_vhost_init(&n->v, &conf, net.now));
	up(0);
	return n;
}

static void count(struct carp_vhost *v, int seen[CARP_DO_WAIT + 1])
{
	struct carp_action a;

	memset(seen, 0, sizeof(int) * (CARP_DO_WAIT + 1));
	while (carp_vhost_poll(v, &a))
		seen[a.what]++;
}

START_TEST(test_silence_does_not_move_it)
{
	struct node *n = external();
	struct carp_advert advert;

	run_until(60 * S);
	env(0, 1, false);
	advert = stranger(255, 255, 0);
	ck_assert_int_eq(hear(0, &advert, &unknown), CARP_REFUSED_VHID);
	carp_vhost_give_up(&n->v, net.now);
	carp_vhost_take(&n->v, CARP_CAUSE_HANDOVER, net.now);
	expect(0, CARP_BACKUP, CARP_CAUSE_LINK_UP);
	ck_assert(mono_is_never(carp_vhost_deadline(&n->v)));
}
END_TEST

START_TEST(test_it_is_what_it_is_told)
{
	struct node *n = external();
	int seen[CARP_DO_WAIT + 1];

	carp_vhost_take(&n->v, CARP_CAUSE_ELECTOR, net.now);
	ck_assert_int_eq(n->v.state, CARP_MASTER);
	count(&n->v, seen);
	ck_assert_int_eq(seen[CARP_DO_TAKE], 1);
	ck_assert_int_eq(seen[CARP_DO_ADVERT], 0);
	carp_vhost_env(&n->v, &(struct carp_env){ .demotion = 5 }, net.now);
	carp_vhost_yield(&n->v, CARP_CAUSE_WORD, net.now);
	count(&n->v, seen);
	ck_assert_int_eq(n->v.state, CARP_MASTER);
	ck_assert_int_eq(seen[CARP_DO_ADVERT], 0);
	ck_assert(mono_is_never(carp_vhost_deadline(&n->v)));
	carp_vhost_yield(&n->v, CARP_CAUSE_ELECTOR, net.now);
	ck_assert_int_eq(n->v.state, CARP_BACKUP);
	count(&n->v, seen);
	ck_assert_int_eq(seen[CARP_DO_RELEASE], 1);
}
END_TEST

START_TEST(test_its_end_is_silent)
{
	struct node *n = external();
	int seen[CARP_DO_WAIT + 1];

	carp_vhost_take(&n->v, CARP_CAUSE_ELECTOR, net.now);
	carp_vhost_stop(&n->v, net.now);
	count(&n->v, seen);
	ck_assert_int_eq(n->v.state, CARP_INIT);
	ck_assert_int_eq(seen[CARP_DO_ADVERT], 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("carp_external");
	TCase *tc = tcase_create("carp_external");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, test_silence_does_not_move_it);
	tcase_add_test(tc, test_it_is_what_it_is_told);
	tcase_add_test(tc, test_its_end_is_silent);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
