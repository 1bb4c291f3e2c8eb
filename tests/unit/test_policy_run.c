/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Policies at work, most of them after files that people have: OpenBSD's
 * example, home gateways, two uplinks, and what a generator writes.
 */
#include "policy_play.h"

static const char shipped[] = "dmz_if_up = 'em2.link.up'\n"
			      "dmz_if_down = 'em2.link.down'\n"
			      "syslog_ok = '\"ping 192.168.1.10\" every 10'\n"
			      "state neutral {\n"
			      "	if $dmz_if_down {\n"
			      "		run \"logger 'em2 is down'\"\n"
			      "		set-state demoted\n"
			      "	}\n"
			      "	if ! $syslog_ok {\n"
			      "		run \"logger 'no syslog server'\"\n"
			      "		set-state demoted\n"
			      "	}\n"
			      "}\n"
			      "state demoted {\n"
			      "	init {\n"
			      "		run \"ifconfig -g carp carpdemote\" \n"
			      "	}\n"
			      "	if $dmz_if_up && $syslog_ok {\n"
			      "		run \"logger 'ok again'\"\n"
			      "		# remove our carp demotion\n"
			      "		run \"ifconfig -g carp -carpdemote\" \n"
			      "		set-state neutral\n"
			      "	}\n"
			      "}\n"
			      "# commands in the global scope are always run\n"
			      "if carp0.link.up\n"
			      "	run \"logger 'carp0 is master'\"\n"
			      "if carp0.link.down\n"
			      "	run \"logger 'carp0 is backup'\"\n";

START_TEST(the_example_of_openbsd)
{
	struct play p;

	play_load(&p, shipped);
	play_link(&p, "em2", POLICY_IS_UP);
	play_begin(&p);
	play_did(&p, "run logger 'carp0 is backup'\n"
		     "-> neutral (start)\n"
		     "test ping 192.168.1.10\n");
	play_test(&p, "ping", 0);
	play_did(&p, "");
	play_link(&p, "em2", POLICY_IS_DOWN);
	play_did(&p, "run logger 'em2 is down'\n"
		     "-> demoted (em2 is down)\n"
		     "test ping 192.168.1.10\n");
	play_test(&p, "ping", 1);
	play_did(&p, "run ifconfig -g carp carpdemote\n");
	/* the global lines: at each change of carp0, in either state */
	play_vhost(&p, "carp0", POLICY_IS_UP);
	play_did(&p, "run logger 'carp0 is master'\n");
	play_link(&p, "em2", POLICY_IS_UP);
	play_did(&p, "");
	play_wait(&p, 10);
	play_did(&p, "test ping 192.168.1.10\n");
	play_test(&p, "ping", 0);
	play_did(&p, "run logger 'ok again'\n"
		     "run ifconfig -g carp -carpdemote\n"
		     "-> neutral (test \"ping 192.168.1.10\" has exit status "
		     "0)\n"
		     "test ping 192.168.1.10\n");
	play_test(&p, "ping", 0);
	play_vhost(&p, "carp0", POLICY_IS_DOWN);
	play_did(&p, "run logger 'carp0 is backup'\n");
	play_end(&p);
}
END_TEST

static const char home[] = "if_up = 'carp50.link.up'\n"
			   "if_down = 'carp50.link.down'\n"
			   "link_down = 'em0.link.down'\n"
			   "init-state auto\n"
			   "state auto {\n"
			   "	if $if_up\n"
			   "		set-state master\n"
			   "	if $if_down\n"
			   "		set-state backup\n"
			   "}\n"
			   "state master {\n"
			   "	init {\n"
			   "		run 'flush'\n"
			   "		run 'dhclient em0'\n"
			   "		run 'mail'\n"
			   "	}\n"
			   "	if $if_down\n"
			   "		set-state backup\n"
			   "	if $link_down\n"
			   "		run 'ifconfig -g carp carpdemote'\n"
			   "}\n"
			   "state backup {\n"
			   "	init {\n"
			   "		run 'pkill dhclient'\n"
			   "		run 'route add default peer'\n"
			   "	}\n"
			   "	if $if_up\n"
			   "		set-state master\n"
			   "}\n";

START_TEST(a_home_firewall)
{
	struct play p;

	play_load(&p, home);
	play_link(&p, "em0", POLICY_IS_UP);
	play_vhost(&p, "carp50", POLICY_IS_INIT);
	play_begin(&p);
	/* INIT counts as down */
	play_did(&p, "-> auto (start)\n-> backup (start)\n"
		     "run pkill dhclient\nrun route add default peer\n");
	play_vhost(&p, "carp50", POLICY_IS_DOWN);
	play_did(&p, "");
	play_vhost(&p, "carp50", POLICY_IS_UP);
	play_did(&p, "-> master (carp50 is master)\n"
		     "run flush\nrun dhclient em0\nrun mail\n");
	/* once for an event, not each second */
	play_link(&p, "em0", POLICY_IS_DOWN);
	play_wait(&p, 60);
	play_did(&p, "run ifconfig -g carp carpdemote\n");
	play_link(&p, "em0", POLICY_IS_DOWN);
	play_did(&p, "");
	play_end(&p);
}
END_TEST

START_TEST(two_vhosts_that_move_together)
{
	static const char text[] =
		"up = 'carp2.link.up && carp3.link.up'\n"
		"lost = '! carp2.link.up || ! carp3.link.up'\n"
		"state auto {\n if $lost\n set-state backup\n"
		" if ( $both )\n set-state master\n}\n"
		"state master {\n init {\n run 'm'\n }\n"
		" if $lost\n set-state backup\n}\n"
		"state backup {\n init\n run 'b'\n"
		" if $both\n set-state master\n}\n";
	char whole[sizeof(text) + 64];
	struct play p;

	/* `up` is a word of the language */
	ck_assert_int_eq(play_parse(&p, text, 0, NULL), CONF_REFUSED);
	snprintf(whole, sizeof(whole), "both%s", text + 2);
	play_load(&p, whole);
	play_begin(&p);
	play_did(&p, "-> auto (start)\n-> backup (start)\nrun b\n");
	play_vhost(&p, "carp2", POLICY_IS_UP);
	play_did(&p, "");
	play_vhost(&p, "carp3", POLICY_IS_UP);
	play_did(&p, "-> master (carp3 is master)\nrun m\n");
	play_vhost(&p, "carp2", POLICY_IS_DOWN);
	play_vhost(&p, "carp3", POLICY_IS_DOWN);
	play_did(&p, "-> backup (carp2 is backup)\nrun b\n");
	play_end(&p);
}
END_TEST

START_TEST(what_a_vhost_in_init_is)
{
	static const char text[] =
		"state a {\n"
		" if carp0.link.unknown\n  run \"sleep 10\"\n"
		" if ( ! carp0.link.up )\n  run 'not up'\n"
		" if carp0.link.down\n  run 'down'\n"
		" if tun0.link.up\n  run 'tun'\n"
		" if tun0.link.unknown\n  run 'tun?'\n"
		"}\n";
	struct play p;

	play_load(&p, text);
	play_vhost(&p, "carp0", POLICY_IS_INIT);
	play_begin(&p);
	play_did(&p, "-> a (start)\nrun sleep 10\nrun not up\nrun down\n");
	play_vhost(&p, "carp0", POLICY_IS_DOWN);
	play_did(&p, "run not up\nrun down\n");
	play_vhost(&p, "carp0", POLICY_IS_UP);
	play_did(&p, "");
	play_link(&p, "tun0", POLICY_IS_UNKNOWN);
	play_did(&p, "run tun\nrun tun?\n");
	play_end(&p);
}
END_TEST

START_TEST(the_last_of_several_set_state_counts)
{
	static const char text[] =
		"state promoted {\n"
		" init {\n  if \"fresh\" every 60 {\n   run 'in init'\n  }\n "
		"}\n"
		" if carp0.link.down {\n  set-state lost\n }\n"
		" if em0.link.down {\n  set-state lost\n  set-state demoted\n "
		"}\n"
		" if carp0.link.down {\n  run 'api'\n }\n"
		"}\n"
		"state lost {\n init {\n run 'lost'\n }\n}\n"
		"state demoted {\n"
		" init {\n  run 'd'\n  if em0.link.down {\n   run 'demote'\n  "
		"}\n"
		"  if em0.link.up {\n   run 'never'\n  }\n }\n}\n";
	struct play p;

	play_load(&p, text);
	play_link(&p, "em0", POLICY_IS_DOWN);
	play_vhost(&p, "carp0", POLICY_IS_UP);
	play_begin(&p);
	play_did(&p, "-> promoted (start)\ntest fresh\n");
	/* both happen while the state waits for its test */
	play_vhost(&p, "carp0", POLICY_IS_DOWN);
	play_did(&p, "");
	play_test(&p, "fresh", 0);
	play_did(&p, "run in init\nrun api\n"
		     "-> demoted (start)\nrun d\nrun demote\n");
	play_end(&p);
}
END_TEST

static const char uplinks[] = "ok = '\"ping isp1\" every 5'\n"
			      "state failover {\n init {\n run 'via isp2'\n }\n"
			      " if $ok\n  set-state primary\n}\n"
			      "state primary {\n init {\n run 'via isp1'\n }\n"
			      " if ! $ok\n  set-state failover\n}\n"
			      "init-state primary\n";

START_TEST(two_uplinks)
{
	struct play p;
	unsigned failover;

	play_load(&p, uplinks);
	play_begin(&p);
	play_did(&p, "-> primary (start)\ntest ping isp1\n");
	play_test(&p, "ping", 0);
	play_did(&p, "run via isp1\n");
	play_wait(&p, 5);
	play_test(&p, "ping", 1);
	play_did(&p, "test ping isp1\n"
		     "-> failover (test \"ping isp1\" has exit status 1)\n"
		     "test ping isp1\n");
	play_test(&p, "ping", 1);
	play_did(&p, "run via isp2\n");
	/* another exit status is an event, and changes nothing */
	play_wait(&p, 5);
	play_test(&p, "ping", 2);
	play_did(&p, "test ping isp1\n");
	/* killed: it says nothing */
	play_wait(&p, 5);
	play_test(&p, "ping", -1);
	play_did(&p, "test ping isp1\n");
	failover = policy_state(p.run);
	/* a reload keeps the state, and does not do its init again */
	policy_run_free(p.run);
	p.run = policy_run_new(p.policy);
	policy_start(p.run, failover, p.now);
	play_take(&p);
	play_did(&p, "test ping isp1\n");
	play_test(&p, "ping", 2);
	play_did(&p, "");
	play_wait(&p, 5);
	play_test(&p, "ping", 0);
	play_test(&p, "ping", 0);
	play_did(&p, "test ping isp1\n"
		     "-> primary (test \"ping isp1\" has exit status 0)\n"
		     "test ping isp1\nrun via isp1\n");
	play_end(&p);
}
END_TEST

START_TEST(a_test_that_hangs_is_not_started_twice)
{
	struct play p;

	play_load(&p, uplinks);
	play_begin(&p);
	play_wait(&p, 20);
	play_did(&p, "-> primary (start)\ntest ping isp1\n");
	/* the helper killed it: unknown counts as failed, and the next is due */
	play_test(&p, "ping", -1);
	play_did(&p, "run via isp1\n"
		     "-> failover (start)\ntest ping isp1\n");
	play_end(&p);
}
END_TEST

START_TEST(what_a_test_of_a_left_state_says_is_not_heard)
{
	static const char text[] = "state a {\n"
				   " if \"t\" every 5\n  run 'yes'\n"
				   " if em0.link.up\n  set-state b\n}\n"
				   "state b {\n if em0.link.down\n"
				   "  set-state a\n}\n";
	struct play p;
	unsigned old;

	play_load(&p, text);
	play_begin(&p);
	play_test(&p, "t", 1);
	play_wait(&p, 5);
	old = p.serials[0];
	play_link(&p, "em0", POLICY_IS_UP);
	play_link(&p, "em0", POLICY_IS_DOWN);
	play_did(&p, "-> a (start)\ntest t\ntest t\n-> b (em0 is up)\n"
		     "-> a (em0 is down)\ntest t\n");
	policy_tested(p.run, 0, old, 0, p.now);
	play_take(&p);
	play_did(&p, "");
	play_test(&p, "t", 0);
	play_did(&p, "run yes\n");
	play_end(&p);
}
END_TEST

START_TEST(a_loop_of_states_ends)
{
	static const char text[] = "state a {\n if em0.link.up\n"
				   "  set-state b\n}\n"
				   "state b {\n init\n run 'b'\n"
				   " if em0.link.up\n  set-state a\n}\n";
	struct play p;
	unsigned changes = 0;

	play_load(&p, text);
	play_begin(&p);
	*p.done = '\0';
	play_link(&p, "em0", POLICY_IS_UP);
	for (const char *s = p.done; (s = strstr(s, "->")); s++)
		changes++;
	ck_assert_uint_eq(changes, POLICY_CHANGES_MAX);
	ck_assert_ptr_nonnull(strstr(p.done, "loop in a (em0 is up)\n"));
	*p.done = '\0';
	/* the next event finds it alive */
	play_link(&p, "em0", POLICY_IS_DOWN);
	play_did(&p, "");
	play_end(&p);
}
END_TEST

START_TEST(another_process_goes_on)
{
	uint8_t kept[256];
	struct play p, q;
	size_t len;

	play_load(&p, home);
	play_link(&p, "em0", POLICY_IS_UP);
	play_vhost(&p, "carp50", POLICY_IS_UP);
	play_begin(&p);
	play_link(&p, "em0", POLICY_IS_DOWN);
	len = policy_keep(p.run, kept, sizeof(kept));
	ck_assert_uint_gt(len, 0);
	ck_assert_uint_eq(policy_keep(p.run, kept, 4), 0);
	len = policy_keep(p.run, kept, sizeof(kept));

	play_load(&q, home);
	ck_assert(policy_restore(q.run, kept, len, q.now));
	play_take(&q);
	/* the facts that were are no events */
	play_link(&q, "em0", POLICY_IS_DOWN);
	play_vhost(&q, "carp50", POLICY_IS_UP);
	play_did(&q, "");
	play_vhost(&q, "carp50", POLICY_IS_DOWN);
	play_did(&q, "run ifconfig -g carp carpdemote\n"
		     "-> backup (carp50 is backup)\n"
		     "run pkill dhclient\nrun route add default peer\n");
	play_end(&q);

	play_load(&q, uplinks); /* another policy */
	ck_assert(!policy_restore(q.run, kept, len, q.now));
	play_end(&q);
	play_load(&q, home);
	for (size_t i = 0; i < len; i++)
		ck_assert(!policy_restore(q.run, kept, i, q.now));
	play_end(&q);
	play_end(&p);
}
END_TEST

/* Half entered: its tests are made again, then its init is done. */
START_TEST(another_process_enters_the_state)
{
	uint8_t kept[256];
	struct play p, q;
	size_t len;

	play_load(&p, uplinks);
	play_begin(&p);
	play_did(&p, "-> primary (start)\ntest ping isp1\n");
	ck_assert(mono_is_never(policy_deadline(p.run))); /* it runs */
	len = policy_keep(p.run, kept, sizeof(kept));
	play_load(&q, uplinks);
	ck_assert(policy_restore(q.run, kept, len, q.now));
	play_take(&q);
	play_did(&q, "test ping isp1\n");
	play_test(&q, "ping", 0);
	play_did(&q, "run via isp1\n");
	ck_assert_int_eq(policy_deadline(q.run).ns,
			 mono_add(q.now, 5 * MONO_S).ns);
	play_end(&q);
	play_end(&p);
}
END_TEST

/* What its tests said is known, and they go on. */
START_TEST(another_process_knows_the_tests)
{
	uint8_t kept[256];
	struct play p, q;
	size_t len;

	play_load(&p, uplinks);
	play_begin(&p);
	play_test(&p, "ping", 0);
	len = policy_keep(p.run, kept, sizeof(kept));
	play_load(&q, uplinks);
	ck_assert(policy_restore(q.run, kept, len, q.now));
	play_take(&q);
	play_did(&q, "");
	ck_assert_int_eq(policy_deadline(q.run).ns, q.now.ns);
	play_wait(&q, 1);
	play_test(&q, "ping", 0); /* as before */
	play_did(&q, "test ping isp1\n");
	play_wait(&q, 5);
	play_test(&q, "ping", 1);
	play_did(&q, "test ping isp1\n"
		     "-> failover (test \"ping isp1\" has exit status 1)\n"
		     "test ping isp1\n");
	ck_assert_uint_eq(policy_lost(q.run), 0);
	play_end(&q);
	play_end(&p);
}
END_TEST

START_TEST(commands_keep_their_order_over_states)
{
	/* takeover and fall back: nothing of the state in between is left out */
	struct play p;

	play_load(&p, home);
	play_link(&p, "em0", POLICY_IS_UP);
	play_vhost(&p, "carp50", POLICY_IS_DOWN);
	play_begin(&p);
	*p.done = '\0';
	play_vhost(&p, "carp50", POLICY_IS_UP);
	play_vhost(&p, "carp50", POLICY_IS_DOWN);
	play_did(&p, "-> master (carp50 is master)\n"
		     "run flush\nrun dhclient em0\nrun mail\n"
		     "-> backup (carp50 is backup)\n"
		     "run pkill dhclient\nrun route add default peer\n");
	play_end(&p);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("policy_run");
	TCase *t = tcase_create("policy_run");
	SRunner *sr;
	int failed;

	tcase_add_test(t, the_example_of_openbsd);
	tcase_add_test(t, a_home_firewall);
	tcase_add_test(t, two_vhosts_that_move_together);
	tcase_add_test(t, what_a_vhost_in_init_is);
	tcase_add_test(t, the_last_of_several_set_state_counts);
	tcase_add_test(t, two_uplinks);
	tcase_add_test(t, a_test_that_hangs_is_not_started_twice);
	tcase_add_test(t, what_a_test_of_a_left_state_says_is_not_heard);
	tcase_add_test(t, a_loop_of_states_ends);
	tcase_add_test(t, another_process_goes_on);
	tcase_add_test(t, another_process_enters_the_state);
	tcase_add_test(t, another_process_knows_the_tests);
	tcase_add_test(t, commands_keep_their_order_over_states);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
