// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Virtual hosts under a made-up clock: one with its timers, and several on
 * one wire.
 */
#include "carp_net.h"
#include "vhost.h"

#include <check.h>
#include <stdlib.h>

START_TEST(test_master_down_is_three_whole_intervals)
{
	struct node *n = node_add(1, 128);

	ck_assert(mono_is_never(carp_vhost_deadline(&n->v)));
	up(0);
	expect(0, CARP_BACKUP, CARP_CAUSE_LINK_UP);
	run_until(4500 * MONO_MS - 1);
	ck_assert_int_eq(n->v.state, CARP_BACKUP);
	ck_assert_uint_eq(n->adverts, 0);
	run_until(4500 * MONO_MS);
	expect(0, CARP_MASTER, CARP_CAUSE_MASTER_DOWN);
	ck_assert_int_eq(n->silent_ns, -1);
	/* first advert and announcement at once */
	ck_assert_uint_eq(n->adverts, 1);
	ck_assert_uint_eq(n->announces, 1);
	ck_assert_uint_eq(n->sent.advbase, 1);
	ck_assert_uint_eq(n->sent.advskew, 128);
	ck_assert_uint_eq(n->sent.authlen, 7);
	/* the second one after two further adverts, and no third */
	run_until(7500 * MONO_MS - 1);
	ck_assert_uint_eq(n->adverts, 2);
	ck_assert_uint_eq(n->announces, 1);
	run_until(7500 * MONO_MS);
	ck_assert_uint_eq(n->adverts, 3);
	ck_assert_uint_eq(n->announces, 2);
	run_until(4500 * MONO_MS + 100 * 1500 * MONO_MS);
	ck_assert_uint_eq(n->adverts, 101);
	ck_assert_uint_eq(n->announces, 2);
}
END_TEST

START_TEST(test_order_on_becoming_master)
{
	static const enum carp_do want[] = { CARP_DO_TRANSITION, CARP_DO_TAKE,
					     CARP_DO_ADVERT, CARP_DO_ANNOUNCE };
	struct node *n = node_add(1, 0);
	struct carp_action a;

	up(0);
	carp_vhost_tick(&n->v, (mono_t){ 3 * S });
	for (size_t i = 0; i < 4; i++) {
		ck_assert(carp_vhost_poll(&n->v, &a));
		ck_assert_int_eq(a.what, want[i]);
	}
	ck_assert(!a.advert.own_mac);
	ck_assert(!carp_vhost_poll(&n->v, &a));
}
END_TEST

START_TEST(test_interval)
{
	static const struct {
		uint8_t base, skew;
		int64_t ns;
	} t[] = { { 1, 0, S },
		  { 0, 20, 78125000 },
		  { 0, 0, 3906250 },
		  { 255, 254, 255 * S + 992187500 } };

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct carp_vhost_conf conf = conf_of(t[i].base, t[i].skew);
		struct carp_vhost v;

		ck_assert(!carp_vhost_init(&v, &conf, net.now));
		ck_assert_int_eq(carp_vhost_interval_ns(&v), t[i].ns);
	}
}
END_TEST

/* Late ticks do not shift the schedule; a long sleep is not made up for. */
START_TEST(test_no_drift_no_burst)
{
	struct node *n = node_add(1, 0);

	up(0);
	run_until(3 * S);
	for (int i = 1; i <= 100; i++) {
		net.now.ns = (3 + i) * S + 300 * MONO_MS;
		carp_vhost_tick(&n->v, net.now);
		drain(0);
		net.on_wire = 0;
	}
	ck_assert_uint_eq(n->adverts, 101);
	ck_assert_int_eq(carp_vhost_deadline(&n->v).ns, 104 * S);
	net.now.ns = 200 * S + 5;
	for (int i = 0; i < 10; i++)
		carp_vhost_tick(&n->v, net.now);
	drain(0);
	ck_assert_uint_eq(n->adverts, 102);
	ck_assert_int_eq(carp_vhost_deadline(&n->v).ns, 201 * S + 5);
}
END_TEST

START_TEST(test_conf_refused)
{
	struct carp_vhost_conf c = conf_of(1, 255);
	struct carp_vhost v;

	ck_assert_int_eq(carp_vhost_init(&v, &c, net.now), CARP_CONF_ADVSKEW);
	c.advskew = 0;
	c.vhid = 0;
	ck_assert_int_eq(carp_vhost_init(&v, &c, net.now), CARP_CONF_VHID);
	c.vhid = 1;
	c.pass = "12345678901234567890";
	ck_assert_int_eq(carp_vhost_init(&v, &c, net.now), CARP_CONF_PASS);
	c.pass = NULL;
	c.v4_count = 0;
	ck_assert_int_eq(carp_vhost_init(&v, &c, net.now),
			 CARP_CONF_NO_ADDRESS);
}
END_TEST

START_TEST(test_receive_refused)
{
	struct node *n = node_add(1, 0);
	struct carp_advert a = stranger(1, 0, 0), own;

	up(0);
	a.vhid = 2;
	ck_assert_int_eq(hear(0, &a, &unknown), CARP_REFUSED_VHID);
	a.vhid = 1;
	a.digest[0] ^= 1;
	ck_assert_int_eq(hear(0, &a, &unknown), CARP_REFUSED_AUTH);
	a.digest[0] ^= 1;
	a.counter++;
	ck_assert_int_eq(hear(0, &a, &unknown), CARP_REFUSED_AUTH);
	run_until(3 * S);
	own = n->sent;
	ck_assert_int_eq(hear(0, &own, &unknown), CARP_REFUSED_LOOP);
	ck_assert_int_eq(n->v.state, CARP_MASTER);
	ck_assert(!n->v.master.any);
	a = stranger(1, 0, 0);
	ck_assert_int_eq(hear(0, &a, &unknown), CARP_OK);
	/* the same counter again: OpenBSD never changes its own */
	ck_assert_int_eq(hear(0, &a, &unknown), CARP_OK);
	carp_vhost_count(&n->v, CARP_REFUSED_TTL);
	ck_assert_uint_eq(n->v.counters[CARP_OK], 2);
	ck_assert_uint_eq(n->v.counters[CARP_REFUSED_VHID], 1);
	ck_assert_uint_eq(n->v.counters[CARP_REFUSED_AUTH], 2);
	ck_assert_uint_eq(n->v.counters[CARP_REFUSED_LOOP], 1);
	ck_assert_uint_eq(n->v.counters[CARP_REFUSED_TTL], 1);
	ck_assert_uint_eq(n->v.master.from.addr.v4, unknown.addr.v4);
}
END_TEST

/* Refused packets neither re-arm nor move anything. */
START_TEST(test_flood_of_forgeries)
{
	struct node *n = node_add(1, 0);
	struct carp_advert a = stranger(0, 0, 0);

	a.digest[19] ^= 0x80;
	up(0);
	for (int i = 1; i < 30; i++) {
		run_until(i * 100 * MONO_MS);
		hear(0, &a, &unknown);
	}
	run_until(3 * S);
	ck_assert_int_eq(n->v.state, CARP_MASTER);
}
END_TEST

START_TEST(test_init_hears_nothing)
{
	struct node *n = node_add(1, 0);
	struct carp_advert a = stranger(255, 255, 0);

	ck_assert_int_eq(hear(0, &a, &unknown), CARP_OK);
	carp_vhost_give_up(&n->v, net.now);
	carp_vhost_take(&n->v, CARP_CAUSE_HANDOVER, net.now);
	drain(0);
	ck_assert(!n->v.master.any && !n->changes);
}
END_TEST

START_TEST(test_link_down_and_up)
{
	struct node *n = node_add(1, 0);

	up(0);
	run_until(5 * S);
	net.now.ns = 5 * S + 1;
	down(0);
	ck_assert_int_eq(n->v.state, CARP_INIT);
	ck_assert(mono_is_never(carp_vhost_deadline(&n->v)));
	ck_assert_uint_eq(n->bow_outs, 0);
	run_until(9 * S);
	up(0);
	ck_assert_int_eq(carp_vhost_deadline(&n->v).ns, 12 * S);
}
END_TEST

START_TEST(test_demotion_is_told_at_once)
{
	struct node *n = node_add(1, 0);
	struct carp_advert worse;

	env(0, 3, false);
	up(0);
	env(0, 4, false);
	ck_assert_uint_eq(n->adverts, 0); /* a BACKUP says nothing */
	run_until(3500 * MONO_MS);
	ck_assert_uint_eq(n->adverts, 1);
	ck_assert_uint_eq(n->sent.demote, 4);
	env(0, 1000, false);
	ck_assert_uint_eq(n->adverts, 2);
	ck_assert_uint_eq(n->sent.demote, 255);
	env(0, 2000, false);
	env(0, 0, false);
	env(0, 0, true);
	ck_assert_uint_eq(n->adverts, 2);
	/* 255 and more is equal to 255, not worse */
	env(0, 1000, false);
	worse = stranger(1, 241, 255); /* ours is told as 240 */
	hear(0, &worse, &unknown);
	ck_assert_int_eq(n->v.state, CARP_MASTER);
}
END_TEST

START_TEST(test_ask_once_an_interval)
{
	struct node *n = node_add(1, 0);
	struct carp_sender peer = { .known = true, .asks = true };
	struct carp_env e = { .may_preempt = true, .ask_first = true };
	struct carp_advert a = stranger(1, 50, 0);

	n->v.preempt = true;
	carp_vhost_env(&n->v, &e, net.now);
	up(0);
	for (int i = 0; i < 50; i++) {
		net.now.ns = i * 100 * MONO_MS;
		hear(0, &a, &peer);
	}
	ck_assert_uint_eq(n->asks, 5);
	ck_assert_int_eq(n->v.state, CARP_BACKUP);
	/* after a handover it may not even ask */
	e.may_preempt = false;
	carp_vhost_env(&n->v, &e, net.now);
	net.now.ns = 6 * S;
	hear(0, &a, &peer);
	ck_assert_uint_eq(n->asks, 5);
	/* and where it may and nobody can be asked it takes */
	e.may_preempt = true;
	carp_vhost_env(&n->v, &e, net.now);
	peer.asks = false;
	hear(0, &a, &peer);
	ck_assert_int_eq(n->cause, CARP_CAUSE_PREEMPT);
	ck_assert_int_eq(n->v.state, CARP_MASTER);
}
END_TEST

START_TEST(test_lease_lost)
{
	struct node *n = node_add(1, 0);

	up(0);
	run_until(5 * S);
	carp_vhost_lease_lost(&n->v, net.now);
	carp_vhost_lease_lost(&n->v, net.now);
	drain(0);
	expect(0, CARP_BACKUP, CARP_CAUSE_LEASE);
	ck_assert_int_eq(carp_vhost_deadline(&n->v).ns, 8 * S);
	carp_vhost_take(&n->v, CARP_CAUSE_LEASE_BACK, net.now);
	drain(0);
	ck_assert_uint_eq(n->takes, 2);
}
END_TEST

START_TEST(test_silent_master_is_replaced)
{
	settled(2, true);
	run_until(10 * S + 500 * MONO_MS);
	net.node[1].deaf = true;
	/* two lost adverts are not a dead master */
	run_until(12 * S + 500 * MONO_MS);
	ck_assert_uint_eq(masters(), 1);
	net.node[1].deaf = false;
	run_until(20 * S);
	ck_assert_uint_eq(masters(), 1);
	ck_assert_uint_eq(net.node[1].takes, 0);
	down(0);
	run_until(24 * S);
	expect(1, CARP_MASTER, CARP_CAUSE_MASTER_DOWN);
	/* three intervals of its own */
	ck_assert_int_eq(net.node[1].silent_ns, 3 * (S + 10 * S / 256));
}
END_TEST

START_TEST(test_stop_bows_out)
{
	settled(2, true);
	env(0, 7, false);
	env(1, 200, true); /* however badly off the other one is */
	carp_vhost_stop(&net.node[0].v, net.now);
	carp_vhost_stop(&net.node[0].v, net.now);
	drain(0);
	ck_assert_int_eq(net.node[0].v.state, CARP_INIT);
	ck_assert_uint_eq(net.node[0].bow_outs, 1);
	ck_assert_uint_eq(net.node[0].sent.advbase, 255);
	ck_assert_uint_eq(net.node[0].sent.advskew, 255);
	ck_assert_uint_eq(net.node[0].sent.demote, 7);
	run_until(10 * S + DELAY);
	expect(1, CARP_MASTER, CARP_CAUSE_BOW_OUT);
	up(0);
	ck_assert_int_eq(net.node[0].v.state, CARP_INIT);
	/* one that is not master has nothing to say */
	carp_vhost_yield(&net.node[1].v, CARP_CAUSE_HANDOVER, net.now);
	carp_vhost_stop(&net.node[1].v, net.now);
	drain(1);
	ck_assert_uint_eq(net.node[1].bow_outs, 0);
}
END_TEST

START_TEST(test_handover)
{
	struct carp_vhost *old;

	settled(2, true);
	old = &net.node[0].v;
	env(1, 64, false); /* the good-bye must not throw it out again */
	carp_vhost_fence(old);
	ck_assert(mono_is_never(carp_vhost_deadline(old)));
	run_until(10 * S + 50 * MONO_MS);
	carp_vhost_bow_out(old);
	/* the word over the link is faster than the advert */
	carp_vhost_give_up(&net.node[1].v, net.now);
	drain(1);
	ck_assert_int_eq(net.node[1].cause, CARP_CAUSE_GIVEN_UP);
	drain(0);
	ck_assert_int_eq(old->state, CARP_MASTER);
	run_until(10 * S + 50 * MONO_MS + DELAY);
	/* the new one's advert ends it although it is the worse of the two */
	expect(0, CARP_BACKUP, CARP_CAUSE_HANDOVER);
	env(1, 0, false);
	run_until(60 * S);
	ck_assert_int_eq(net.node[1].v.state, CARP_MASTER);
	ck_assert_uint_eq(net.node[1].takes, 1);
	ck_assert_uint_eq(net.node[0].changes, 3);
}
END_TEST

START_TEST(test_handover_not_taken)
{
	struct node *n = node_add(1, 0);

	up(0);
	run_until(5 * S);
	carp_vhost_fence(&n->v);
	env(0, 9, false);
	carp_vhost_bow_out(&n->v);
	drain(0);
	run_until(8 * S);
	ck_assert_uint_eq(n->adverts, 3); /* none while fenced */
	carp_vhost_resume(&n->v, net.now);
	drain(0);
	ck_assert_uint_eq(n->adverts, 4);
	ck_assert_uint_eq(n->takes, 2);
	run_until(10 * S);
	ck_assert_uint_eq(n->adverts, 6);
	ck_assert_uint_eq(n->announces, 4);
	ck_assert_uint_eq(n->changes, 2);
	/* nothing to resume */
	carp_vhost_resume(&n->v, net.now);
	ck_assert(!n->v.queued);
}
END_TEST

START_TEST(test_hold_and_demotion)
{
	settled(2, true);
	env(1, 0, true);
	env(0, 127, false);
	run_until(30 * S);
	ck_assert_int_eq(net.node[0].v.state, CARP_MASTER);
	env(0, 128, false);
	run_until(30 * S + 2 * DELAY);
	expect(1, CARP_MASTER, CARP_CAUSE_DEMOTED);
	ck_assert_int_eq(net.node[0].cause, CARP_CAUSE_LESS_DEMOTED);
	run_until(60 * S);
	ck_assert_uint_eq(net.node[0].changes, 3);
}
END_TEST

/* Cold start at the same instant, both on hold, equal in all: one master,
 * and never a change after that. */
START_TEST(test_equal_known_nodes)
{
	net.known = true;
	for (size_t i = 0; i < NODES_MAX; i++)
		node_add(1, 0);
	for (size_t i = 0; i < NODES_MAX; i++) {
		up(i);
		env(i, 0, true);
	}
	run_until(3 * S + 2 * DELAY);
	ck_assert_int_eq(net.node[0].v.state, CARP_MASTER);
	ck_assert_uint_eq(masters(), 1);
	run_until(3600 * S);
	ck_assert_uint_eq(net.node[0].changes, 2);
	ck_assert_uint_eq(net.node[1].changes, 3);
	ck_assert_uint_eq(net.node[2].changes, 3);
	/* a bow-out wakes both of the others; the same tie decides */
	carp_vhost_stop(&net.node[0].v, net.now);
	drain(0);
	run_until(3600 * S + 3 * DELAY);
	ck_assert_int_eq(net.node[1].v.state, CARP_MASTER);
	ck_assert_uint_eq(masters(), 1);
}
END_TEST

/* OpenBSD's rule makes both yield; the random extra ends that. */
START_TEST(test_equal_unknown_nodes)
{
	for (int round = 0; round < 100; round++) {
		unsigned changes;

		setup();
		node_add(1, 0);
		node_add(1, 0);
		up(0);
		up(1);
		run_until(60 * S);
		ck_assert_uint_eq(masters(), 1);
		changes = net.node[0].changes + net.node[1].changes;
		ck_assert_uint_ge(changes, 7); /* it did happen */
		run_until(600 * S);
		ck_assert_uint_eq(net.node[0].changes + net.node[1].changes,
				  changes);
	}
}
END_TEST

/* Both master, unheard: when they hear each other one stays, and puts right
 * what the neighbours learnt. */
START_TEST(test_split_heals)
{
	unsigned announces;

	settled(2, true);
	net.node[1].deaf = net.node[0].deaf = true;
	run_until(30 * S + 500 * MONO_MS);
	ck_assert_uint_eq(masters(), 2);
	announces = net.node[0].announces;
	net.node[1].deaf = net.node[0].deaf = false;
	run_until(33 * S);
	ck_assert_uint_eq(masters(), 1);
	expect(0, CARP_MASTER, CARP_CAUSE_MASTER_DOWN);
	expect(1, CARP_BACKUP, CARP_CAUSE_BETTER);
	ck_assert_uint_ge(net.node[0].announces, announces + 1);
	run_until(60 * S);
	ck_assert_uint_le(net.node[0].announces, announces + 2);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("carp_vhost");
	TCase *tc = tcase_create("carp_vhost");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, test_master_down_is_three_whole_intervals);
	tcase_add_test(tc, test_order_on_becoming_master);
	tcase_add_test(tc, test_interval);
	tcase_add_test(tc, test_no_drift_no_burst);
	tcase_add_test(tc, test_conf_refused);
	tcase_add_test(tc, test_receive_refused);
	tcase_add_test(tc, test_flood_of_forgeries);
	tcase_add_test(tc, test_init_hears_nothing);
	tcase_add_test(tc, test_link_down_and_up);
	tcase_add_test(tc, test_demotion_is_told_at_once);
	tcase_add_test(tc, test_ask_once_an_interval);
	tcase_add_test(tc, test_lease_lost);
	tcase_add_test(tc, test_silent_master_is_replaced);
	tcase_add_test(tc, test_stop_bows_out);
	tcase_add_test(tc, test_handover);
	tcase_add_test(tc, test_handover_not_taken);
	tcase_add_test(tc, test_hold_and_demotion);
	tcase_add_test(tc, test_equal_known_nodes);
	tcase_add_test(tc, test_equal_unknown_nodes);
	tcase_add_test(tc, test_split_heals);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
