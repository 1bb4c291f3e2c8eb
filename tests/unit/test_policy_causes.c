/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Policies at work: why a state is entered, and tests outside of states. */
#include "policy_play.h"

/* Each state that is entered says why, in words of what it was. */
START_TEST(causes)
{
	static const char text[] =
		"state a {\n if ! carp0.link.up\n  set-state b\n}\n"
		"state b {\n if carp0.link.up\n  set-state a\n"
		" if tun0.link.unknown\n  set-state c\n}\n"
		"state c {\n}\n";
	struct play p;

	play_load(&p, text);
	play_vhost(&p, "carp0", POLICY_IS_UP);
	play_begin(&p);
	play_did(&p, "-> a (start)\n");
	play_vhost(&p, "carp0", POLICY_IS_INIT);
	play_did(&p, "-> b (carp0 is init)\n");
	play_vhost(&p, "carp0", POLICY_IS_UP);
	play_did(&p, "-> a (carp0 is master)\n");
	play_vhost(&p, "carp0", POLICY_IS_DOWN);
	play_did(&p, "-> b (carp0 is backup)\n");
	play_link(&p, "tun0", POLICY_IS_UNKNOWN);
	play_did(&p, "-> c (tun0 is up, or cannot tell)\n");
	play_end(&p);
}
END_TEST

/* Conditions outside of all states wait for all of their tests at first. */
START_TEST(tests_of_no_state)
{
	static const char text[] = "a = '\"one\" every 5'\n"
				   "b = '\"two\" every 7'\n"
				   "state s {\n}\n"
				   "if $a && $b\n	run 'both'\n";
	struct play p;

	play_load(&p, text);
	play_begin(&p);
	play_did(&p, "test one\ntest two\n-> s (start)\n");
	play_test(&p, "one", 0);
	play_did(&p, "");
	play_test(&p, "two", 0);
	play_did(&p, "run both\n");
	ck_assert_int_eq(policy_deadline(p.run).ns,
			 mono_add(p.now, 5 * MONO_S).ns);
	play_wait(&p, 5);
	play_did(&p, "test one\n");
	play_test(&p, "one", 1);
	play_did(&p, "");
	play_wait(&p, 5);
	play_did(&p, "test one\ntest two\n");
	play_test(&p, "one", 0);
	play_did(&p, "run both\n");
	play_end(&p);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("policy_causes");
	TCase *t = tcase_create("policy_causes");
	SRunner *sr;
	int failed;

	tcase_add_test(t, causes);
	tcase_add_test(t, tests_of_no_state);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
