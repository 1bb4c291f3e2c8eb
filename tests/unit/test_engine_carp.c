// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * core/engine: what its virtual hosts are told of the node (rules 1), and what
 * becomes of their rights (rules 4, 6, 12), in one node whose peer says what
 * the test wants.
 */
#include "engine_node.h"

static unsigned told(unsigned vhost)
{
	drain();
	return e->vhosts[vhost].carp.env.demotion;
}

START_TEST(an_interface_that_is_down_counts_once)
{
	ck_assert_uint_eq(told(LAN), 0);
	engine_link(e, LAN, false, now);
	ck_assert_uint_eq(told(WAN), 1);
	engine_link(e, DMZ, false, now);
	ck_assert_uint_eq(told(WAN), 1);
	engine_link(e, WAN, false, now);
	ck_assert_uint_eq(told(WAN), 2);
	engine_link(e, DMZ, true, now); /* lan is on it, too */
	ck_assert_uint_eq(told(WAN), 2);
	engine_link(e, LAN, true, now);
	ck_assert_uint_eq(told(WAN), 1);
}
END_TEST

START_TEST(what_is_tracked_adds_up)
{
	engine_track(e, LAN, 10, true, now);
	engine_track(e, WAN, 5, true, now);
	ck_assert_uint_eq(told(DMZ), 15);
	engine_track(e, LAN, 0, true, now);
	ck_assert_uint_eq(told(DMZ), 5);
	demotion_set(&e->demotion, DEMOTION_OPERATOR, 3);
	ck_assert_uint_eq(told(DMZ), 8);
	/* each by itself: what it tracks, and what the whole node has */
	e->independent = true;
	engine_link(e, LAN, false, now);
	ck_assert_uint_eq(told(DMZ), 3);
	ck_assert_uint_eq(told(WAN), 8);
}
END_TEST

START_TEST(a_master_has_no_hold)
{
	drain();
	ck_assert_uint_eq(e->gate.holds, HOLD_LINK);
	ck_assert(e->vhosts[LAN].carp.env.holding);
	ck_assert(!engine_ready(e, now));
	masters();
	drain();
	ck_assert_uint_eq(e->gate.holds, 0);
	ck_assert(!e->vhosts[LAN].carp.env.holding);
	ck_assert(engine_ready(e, now));
}
END_TEST

START_TEST(each_reason_holds)
{
	says(CARP_MASTER);
	ck_assert_uint_eq(engine_peer_holds(e), 0);
	strcpy(e->peers[0].rx.gap, "events were lost");
	ck_assert_uint_eq(engine_peer_holds(e), HOLD_GAP);
	e->peers[0].rx.gap[0] = '\0';
	e->peers[0].rx.epoch = 6;
	ck_assert_uint_eq(engine_peer_holds(e), HOLD_BULK);
	e->peers[0].live = false;
	ck_assert_uint_eq(engine_peer_holds(e), HOLD_LINK);
}
END_TEST

/* Rules 4: nothing that begins under the new right is missed. */
START_TEST(events_are_read_before_the_first_right)
{
	masters();
	ck_assert_int_ge(place(ENGINE_SUBSCRIBE), 0);
	ck_assert_int_lt(place(ENGINE_SUBSCRIBE), place(ENGINE_TAKE));
	ck_assert_int_lt(place(ENGINE_TAKE), place(ENGINE_ADVERT));
	carp_vhost_yield(&e->vhosts[LAN].carp, CARP_CAUSE_BETTER, now);
	drain();
	ck_assert_int_eq(place(ENGINE_UNSUBSCRIBE), -1);
	carp_vhost_yield(&e->vhosts[DMZ].carp, CARP_CAUSE_BETTER, now);
	carp_vhost_yield(&e->vhosts[WAN].carp, CARP_CAUSE_BETTER, now);
	drain();
	ck_assert_int_gt(place(ENGINE_UNSUBSCRIBE), place(ENGINE_RELEASE));
}
END_TEST

/* Rules 1: on hold it is left to the peer to come back. */
START_TEST(who_holds_does_not_take_what_is_given_up)
{
	says(CARP_BACKUP);
	e->gate.holds = HOLD_BULK;
	engine_carp_peer_gave_up(e, 0, "lan", now);
	ck_assert_int_eq(e->vhosts[LAN].carp.state, CARP_BACKUP);
	e->gate.holds = 0;
	engine_carp_peer_gave_up(e, 0, "lan", now);
	ck_assert_int_eq(e->vhosts[LAN].carp.state, CARP_MASTER);
	ck_assert_int_eq(e->vhosts[WAN].carp.state, CARP_BACKUP);
}
END_TEST

/* Two and a half intervals of whoever is the quickest, and at least one of
 * ours. */
START_TEST(a_lease_ends_before_anybody_is_impatient)
{
	const struct engine_vhost *v = &e->vhosts[LAN];

	says(CARP_BACKUP);
	e->peers[0].word.vhosts[LAN].interval_us = 2000000;
	drain();
	ck_assert_int_eq(v->lease_ns, 2500 * MONO_MS);
	e->peers[0].word.vhosts[LAN].interval_us = 800000;
	drain();
	ck_assert_int_eq(place(ENGINE_LEASE_TIME), 0);
	ck_assert_int_eq(v->lease_ns, 2000 * MONO_MS);
	ck_assert_int_eq(e->vhosts[WAN].lease_ns, 2500 * MONO_MS);
	e->peers[0].word.vhosts[LAN].interval_us = 300000;
	drain();
	ck_assert_int_eq(v->lease_ns, 1020 * MONO_MS);
}
END_TEST

static void lose(void)
{
	says(CARP_BACKUP);
	masters();
	for (unsigned i = 0; i < VHOSTS; i++)
		engine_lease_lost(e, i, now);
	ck_assert_int_eq(e->vhosts[LAN].carp.state, CARP_BACKUP);
	engine_carp_answered(e, now);
}

static void answered(void)
{
	e->peers[0].ask = false;
	e->peers[0].asked = 0;
	engine_carp_answered(e, now);
}

/* Rules 6. */
START_TEST(a_lost_right_comes_back_when_the_peer_has_said_so)
{
	lose();
	ck_assert_int_eq(e->vhosts[LAN].carp.state, CARP_BACKUP);
	e->peers[0].word.vhosts[WAN].state = CARP_MASTER;
	answered();
	ck_assert_int_eq(e->vhosts[LAN].carp.state, CARP_MASTER);
	ck_assert_int_eq(e->vhosts[WAN].carp.state, CARP_BACKUP);
	/* its word was asked for once */
	e->peers[0].word.vhosts[WAN].state = CARP_BACKUP;
	answered();
	ck_assert_int_eq(e->vhosts[WAN].carp.state, CARP_BACKUP);
}
END_TEST

START_TEST(a_lost_right_does_not_come_back_unasked)
{
	lose();
	e->peers[0].live = false;
	answered();
	ck_assert_int_eq(e->vhosts[LAN].carp.state, CARP_BACKUP);
	/* nor beside one whose adverts are heard since */
	e->peers[0].live = true;
	e->vhosts[LAN].carp.master.any = true;
	e->vhosts[LAN].carp.master.at = now;
	answered();
	ck_assert_int_eq(e->vhosts[LAN].carp.state, CARP_BACKUP);
	ck_assert_int_eq(e->vhosts[WAN].carp.state, CARP_MASTER);
}
END_TEST

static void go(void)
{
	struct session_event ev = { .type = SESSION_HANDOVER };

	ev.handover.kind = SESSION_HANDOVER_GO;
	ev.handover.reason = "";
	engine_handover_received(e, 0, &ev, now);
}

START_TEST(what_is_given_is_taken_or_refused)
{
	says(CARP_MASTER);
	for (unsigned i = 0; i < VHOSTS; i++)
		engine_link(e, i, false, now);
	go();
	ck_assert_int_eq(e->go_from, -1);
	engine_link(e, LAN, true, now);
	e->stopping = true;
	go();
	ck_assert_int_eq(e->go_from, -1);
	ck_assert_int_eq(e->vhosts[LAN].carp.state, CARP_BACKUP);
	e->stopping = false;
	go();
	ck_assert_int_eq(e->go_from, 0);
	ck_assert_int_eq(e->vhosts[LAN].carp.state, CARP_MASTER);
	ck_assert_int_eq(e->vhosts[WAN].carp.state, CARP_INIT);
}
END_TEST

START_TEST(a_wish_is_said_once_a_second)
{
	const struct engine_peer *p = &e->peers[0];

	says(CARP_BACKUP);
	engine_handover_ask(e, LAN, now);
	ck_assert_int_eq(p->ask_at.ns, 0); /* it has nothing to give */
	says(CARP_MASTER);
	engine_handover_ask(e, LAN, now);
	ck_assert_int_eq(p->ask_at.ns, mono_add(now, MONO_S).ns);
	engine_handover_ask(e, WAN, mono_add(now, MONO_S - 1));
	ck_assert_int_eq(p->ask_at.ns, mono_add(now, MONO_S).ns);
	engine_handover_ask(e, LAN, mono_add(now, MONO_S));
	ck_assert_int_eq(p->ask_at.ns, mono_add(now, 2 * MONO_S).ns);
}
END_TEST

/* Each try that fails costs a moment: the next one waits for twice as long. */
START_TEST(a_wish_that_was_in_vain_waits)
{
	const struct engine_peer *p = &e->peers[0];
	struct session_event ev = { .type = SESSION_HANDOVER };
	static const int64_t s[] = { 5, 10, 20, 40, 60, 60 };

	ev.handover.kind = SESSION_HANDOVER_BACK;
	ev.handover.reason = "a test";
	for (size_t i = 0; i < sizeof(s) / sizeof(s[0]); i++) {
		engine_handover_received(e, 0, &ev, now);
		ck_assert_int_eq(p->ask_at.ns, mono_add(now, s[i] * MONO_S).ns);
	}
}
END_TEST

/* Rules 11, as fw2 sees it; fw1 comes to the opposite answer. */
START_TEST(of_equals_one_wins)
{
	struct session_vhost *w = &e->peers[0].word.vhosts[LAN];

	says(CARP_MASTER);
	masters();
	e->peers[0].tx.epoch = 0; /* both have all */
	ck_assert_int_eq(engine_witness_tie(e, LAN, 0, now), CARP_TIE_LOSE);
	e->vhosts[LAN].carp.since.ns = now.ns - 60 * MONO_S;
	w->master_ms = 56000;
	ck_assert_int_eq(engine_witness_tie(e, LAN, 0, now), CARP_TIE_WIN);
	w->master_ms = 58000; /* about the same: the name */
	ck_assert_int_eq(engine_witness_tie(e, LAN, 0, now), CARP_TIE_LOSE);
	strcpy(e->node, "fw0");
	ck_assert_int_eq(engine_witness_tie(e, LAN, 0, now), CARP_TIE_WIN);
	w->master_ms = 64000;
	ck_assert_int_eq(engine_witness_tie(e, LAN, 0, now), CARP_TIE_LOSE);
	/* in sync before not, whoever is older */
	e->peers[0].tx.epoch = 3;
	ck_assert(!engine_tx_in_sync(e, 0));
	ck_assert_int_eq(engine_witness_tie(e, LAN, 0, now), CARP_TIE_WIN);
	w->master_ms = 0;
	e->peers[0].tx.epoch = 0;
	e->peers[0].rx.epoch = 0;
	ck_assert_int_eq(engine_witness_tie(e, LAN, 0, now), CARP_TIE_LOSE);
	/* an old word says nothing of that */
	ck_assert_int_eq(
		engine_witness_tie(e, LAN, 0, mono_add(now, 2 * MONO_S)),
		CARP_TIE_WIN);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("engine_carp");
	TCase *t = tcase_create("all");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, an_interface_that_is_down_counts_once);
	tcase_add_test(t, what_is_tracked_adds_up);
	tcase_add_test(t, a_master_has_no_hold);
	tcase_add_test(t, each_reason_holds);
	tcase_add_test(t, events_are_read_before_the_first_right);
	tcase_add_test(t, who_holds_does_not_take_what_is_given_up);
	tcase_add_test(t, a_lease_ends_before_anybody_is_impatient);
	tcase_add_test(t, a_lost_right_comes_back_when_the_peer_has_said_so);
	tcase_add_test(t, a_lost_right_does_not_come_back_unasked);
	tcase_add_test(t, what_is_given_is_taken_or_refused);
	tcase_add_test(t, a_wish_is_said_once_a_second);
	tcase_add_test(t, a_wish_that_was_in_vain_waits);
	tcase_add_test(t, of_equals_one_wins);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
