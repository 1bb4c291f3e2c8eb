// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * core/engine: whose advert it is, replays, and strict-peers, in scenes.
 */
#include "engine_scene.h"

/* An advert of that node with that counter. */
static struct carp_advert advert_of(unsigned i, uint64_t counter)
{
	const struct carp_vhost *v = &engine(i)->vhosts[LAN].carp;
	struct carp_advert a = { .vhid = v->auth.vhid,
				 .advbase = v->advbase,
				 .advskew = v->advskew,
				 .authlen = 7,
				 .counter = counter };

	carp_auth_sign(&v->auth, CARP_AUTH_NOV6LL, counter, a.digest);
	return a;
}

static uint64_t counter(unsigned i, int64_t back)
{
	return engine(i)->vhosts[LAN].carp.counter -
	       (uint64_t)(back * CARP_COUNTER_STEP);
}

/* Counted with that reason. */
static enum carp_refusal hears(unsigned i, const struct carp_advert *a,
			       struct carp_address from)
{
	struct carp_vhost *v = &engine(i)->vhosts[LAN].carp;
	uint64_t before[CARP_REFUSAL_COUNT];

	memcpy(before, v->counters, sizeof(before));
	engine_advert(engine(i), LAN, a, &from, sim->now);
	for (int k = 0; k < CARP_REFUSAL_COUNT; k++)
		if (v->counters[k] != before[k])
			return (enum carp_refusal)k;
	ck_abort_msg("not counted");
}

static const struct carp_address stranger = { .v4 = 0x0a000063 };

START_TEST(a_replay_is_refused)
{
	const struct sim_conf conf = witnessed();
	struct carp_address of_a;
	struct carp_advert a;

	pair_of(&conf);
	of_a = sim_address(A, CARP_V4);
	for (int back = 0; back < 4; back++) {
		a = advert_of(A, counter(A, back));
		ck_assert_int_eq(hears(B, &a, of_a), CARP_REFUSED_REPLAY);
		ck_assert_int_eq(hears(B, &a, stranger), CARP_REFUSED_REPLAY);
	}
	/* what was sent in its place, too */
	a = advert_of(A, counter(A, 1) + CARP_COUNTER_AGAIN);
	ck_assert_int_eq(hears(B, &a, stranger), CARP_REFUSED_REPLAY);
	/* while it is silent, those that were never heard */
	sim_lan(sim, LAN, true);
	run(5 * S);
	a = advert_of(A, counter(A, 3));
	ck_assert_int_eq(hears(B, &a, of_a), CARP_REFUSED_REPLAY);
	/* and when the link is dead those that were */
	sim_reset_link(sim);
	sim->link_cut = true;
	run(1 * MS);
	a = advert_of(A, counter(A, 6));
	ck_assert_int_eq(hears(B, &a, of_a), CARP_REFUSED_REPLAY);
	ck_assert_uint_eq(engine(B)->vhosts[LAN].carp.foreign, 0);
}
END_TEST

START_TEST(an_advert_of_an_earlier_life_is_refused)
{
	const struct sim_conf conf = witnessed();
	struct carp_advert before;

	pair_of(&conf);
	before = advert_of(A, counter(A, 0));
	sim_kill(sim, A);
	run(10 * MS);
	sim_start(sim, A);
	run(10 * S);
	ck_assert_int_eq(state(B), CARP_MASTER);
	ck_assert(engine(B)->peers[0].live);
	ck_assert_int_eq(hears(B, &before, sim_address(A, CARP_V4)),
			 CARP_REFUSED_REPLAY);
}
END_TEST

/* It counts from anew, and its link is not there yet. */
START_TEST(a_peer_that_was_restarted_is_heard)
{
	const struct sim_conf conf = witnessed();
	uint64_t refused;

	pair_of(&conf);
	for (int i = 0; i < 3; i++) {
		sim_link(sim, i == 1);
		sim_lose(sim, A);
		run(20 * S);
		sim_start(sim, A);
		run(20 * S);
		ck_assert_int_eq(state(B), CARP_MASTER);
		sim_demote(sim, B, 130); /* so that it sends */
		run(10 * S);
		ck_assert_int_eq(state(A), CARP_MASTER);
		ck_assert_int_eq(state(B), CARP_BACKUP);
		sim_demote(sim, B, -130);
		sim_link(sim, false);
		run(10 * S);
		sim_handover(sim, A, true);
		run(10 * S);
		ck_assert_int_eq(state(B), CARP_MASTER);
	}
	refused = engine(B)->vhosts[LAN].carp.counters[CARP_REFUSED_REPLAY];
	ck_assert_uint_eq(refused, 0);
}
END_TEST

/* FreeBSD and ucarp go on by one from the last counter that they heard; for
 * hours. They are no peers, and a peer is heard again after them. */
START_TEST(who_counts_on_from_a_peer_is_another)
{
	const struct sim_conf conf = witnessed();
	uint64_t n;

	pair_of(&conf);
	sim_lan(sim, LAN, true);
	n = counter(A, 0);
	for (unsigned i = 1; i <= 20000; i++) {
		struct carp_advert a = advert_of(A, ++n);

		ck_assert_int_eq(hears(B, &a, stranger), CARP_OK);
		ck_assert(!engine(B)->vhosts[LAN].carp.master.from.known);
	}
	sim_lan(sim, LAN, false);
	run(2 * S);
	ck_assert_uint_eq(
		engine(B)->vhosts[LAN].carp.counters[CARP_REFUSED_REPLAY], 0);
	ck_assert(engine(B)->vhosts[LAN].carp.master.from.known);
}
END_TEST

/* It yields to a third one: that is no reason for this node to take over. */
START_TEST(a_peer_that_yields_to_another_one_gives_nothing_up)
{
	const struct sim_conf conf = witnessed();
	struct carp_advert a;

	pair_of(&conf);
	a = advert_of(A, 4711);
	ck_assert_int_eq(hears(A, &a, stranger), CARP_OK);
	ck_assert_int_eq(hears(B, &a, stranger), CARP_OK);
	sim->node[A].any = true;
	run(100 * MS);
	ck_assert_int_eq(state(A), CARP_BACKUP);
	ck_assert_int_eq(state(B), CARP_BACKUP);
}
END_TEST

/* The link is later than the first adverts. */
START_TEST(a_peer_is_no_stranger_once_its_link_is_there)
{
	const struct sim_conf conf = witnessed();

	world(&conf);
	sim_link(sim, true);
	sim_start(sim, A);
	run(5 * S);
	sim_start(sim, B);
	run(5 * S);
	ck_assert(engine(B)->vhosts[LAN].carp.foreign);
	sim_link(sim, false);
	run(5 * S);
	ck_assert(!engine(B)->vhosts[LAN].carp.foreign);
	ck_assert(!engine(A)->vhosts[LAN].carp.foreign);
}
END_TEST

/* --- strict-peers ------------------------------------------------------------- */

START_TEST(strict_peers_hears_peers_and_the_named)
{
	struct sim_conf conf = witnessed();
	struct carp_advert a;
	struct engine_vhost *v;

	conf.strict = true;
	world(&conf);
	sim_start(sim, B);
	run(5 * S);
	v = &engine(B)->vhosts[LAN];
	a = (struct carp_advert){ .vhid = 1, .advbase = 1, .counter = 4711 };
	carp_auth_sign(&v->carp.auth, CARP_AUTH_NOV6LL, a.counter, a.digest);
	/* nobody knows yet who the peer is */
	ck_assert_int_eq(hears(B, &a, stranger), CARP_OK);
	engine(B)->peers[0].live = true;
	ck_assert_int_eq(hears(B, &a, stranger), CARP_OK);
	engine(B)->peers[0].live = false;
	sim_start(sim, A);
	run(5 * S);
	ck_assert_int_eq(hears(B, &a, stranger), CARP_REFUSED_SOURCE);
	ck_assert_uint_eq(v->carp.counters[CARP_REFUSED_REPLAY], 0);
	v->nallowed = 1;
	v->allowed[0] = (struct engine_allowed){ stranger, -1, -1 };
	ck_assert_int_eq(hears(B, &a, stranger), CARP_OK);
	v->allowed[0].advskew = 20;
	ck_assert_int_eq(hears(B, &a, stranger), CARP_REFUSED_SOURCE);
	a.advskew = 20;
	ck_assert_int_eq(hears(B, &a, stranger), CARP_OK);
	v->allowed[0].advbase = 2;
	ck_assert_int_eq(hears(B, &a, stranger), CARP_REFUSED_SOURCE);
	/* a good-bye has other values */
	a.advbase = a.advskew = 255;
	ck_assert_int_eq(hears(B, &a, stranger), CARP_OK);
	/* the peer's own go on */
	run(5 * S);
	ck_assert_uint_eq(masters(), 1);
}
END_TEST

int main(void)
{
	const TTest *const replay[] = {
		a_replay_is_refused,
		an_advert_of_an_earlier_life_is_refused,
		a_peer_that_was_restarted_is_heard,
		who_counts_on_from_a_peer_is_another,
		a_peer_that_yields_to_another_one_gives_nothing_up,
		a_peer_is_no_stranger_once_its_link_is_there,
		strict_peers_hears_peers_and_the_named,
	};
	Suite *s = suite_create("engine_replay");
	SRunner *sr = srunner_create(s);
	int failed;

	SCENES(s, "replay", replay);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
