/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A configuration that changes while both nodes run: first on one, later on
 * the other, and no mastership moves.
 */
#include <stdio.h>

#include "engine_scene.h"

#define DMZ 1 /* where the scene begins with one vhost */

/* What one node's configuration says of a vhost. */
struct block {
	const char *name, *pass;
	uint8_t vhid, advbase, advskew;
	bool preempt;
	unsigned interface;
	size_t addresses;
};

static struct block lan(unsigned node)
{
	return (struct block){
		.name = "lan",
		.pass = "secret",
		.vhid = 1,
		.advbase = 1,
		.advskew = node == A ? 0 : 50,
		.interface = LAN,
		.addresses = 1,
	};
}

static struct block dmz(unsigned node)
{
	struct block b = lan(node);

	b.name = "dmz";
	b.vhid = 9;
	b.interface = DMZ;
	return b;
}

/* As the daemon does it. */
static void set(unsigned node, unsigned place, const struct block *b)
{
	static const uint32_t v4[] = { 0x0a010001, 0x0a010005, 0x0a010006 };
	const struct engine_vhost_conf c = {
		.name = b->name,
		.interface = b->interface,
		.carp = {
			.vhid = b->vhid,
			.advbase = b->advbase,
			.advskew = b->advskew,
			.preempt = b->preempt,
			.pass = b->pass,
			.v4 = v4,
			.v4_count = b->addresses,
		},
	};
	const char *why;
	bool add = place >= engine(node)->nvhosts ||
		   engine(node)->vhosts[place].gone;

	ck_assert_int_eq(
		engine_vhost_set(engine(node), place, &c, &why, sim->now), 0);
	if (add)
		engine_link(engine(node), place, true, sim->now);
	sim_demote(sim, node, 0); /* what it wants is carried out */
}

static void drop(unsigned node, unsigned place)
{
	ck_assert_int_eq(engine_vhost_drop(engine(node), place, sim->now), 0);
	sim_demote(sim, node, 0);
}

static struct carp_vhost *carp(unsigned node, unsigned place)
{
	return &engine(node)->vhosts[place].carp;
}

static uint64_t unheard(unsigned node)
{
	return carp(node, LAN)->counters[CARP_REFUSED_AUTH];
}

static unsigned moves(void)
{
	return sim->node[A].transitions + sim->node[B].transitions;
}

/* Nobody speaks of what was before any more. */
static void check_new(void)
{
	for (unsigned i = A; i <= B; i++) {
		ck_assert(!carp(i, LAN)->has_old);
		ck_assert(!carp(i, LAN)->says_old);
	}
}

static void one_vhost(void)
{
	struct sim_conf conf = conf_of();

	conf.vhosts = 1;
	pair_of(&conf);
}

/* First one node, then the other one; the vhost stays with A. */
static void change_both(unsigned first, struct block (*of)(unsigned))
{
	unsigned before;
	struct block b;

	one_vhost();
	before = moves();
	b = of(first);
	set(first, LAN, &b);
	run(10 * S);
	ck_assert(carp(first, LAN)->has_old);
	ck_assert(carp(first, LAN)->says_old);
	b = of(1 - first);
	set(1 - first, LAN, &b);
	run(10 * S);
	check_new();
	ck_assert_uint_eq(moves(), before);
	ck_assert_uint_le(unheard(A) + unheard(B), 1);
	quiet();
}

static struct block more(unsigned node)
{
	struct block b = lan(node);

	b.addresses = 2;
	return b;
}

static struct block another(unsigned node)
{
	struct block b = lan(node);

	b.pass = "another";
	return b;
}

START_TEST(an_address_more_moves_nothing)
{
	change_both(_i ? A : B, more);
}
END_TEST

START_TEST(another_password_moves_nothing)
{
	change_both(_i ? A : B, another);
}
END_TEST

/* Twice before the other one does it once, and something else meanwhile. */
START_TEST(the_others_have_the_first_of_several)
{
	unsigned before;
	struct block b;

	one_vhost();
	before = moves();
	b = another(A);
	set(A, LAN, &b);
	run(5 * S);
	b.pass = "a third one";
	set(A, LAN, &b);
	run(5 * S);
	b.advskew = 10;
	set(A, LAN, &b);
	run(5 * S);
	ck_assert(carp(A, LAN)->says_old);
	b = lan(B);
	b.pass = "a third one";
	set(B, LAN, &b);
	run(5 * S);
	check_new();
	ck_assert_uint_eq(moves(), before);
	ck_assert_uint_le(unheard(A) + unheard(B), 1);
}
END_TEST

/* The link goes between the two changes: what the peer had last counts. */
START_TEST(without_the_link_the_old_one_is_used_for_a_minute)
{
	unsigned before;
	struct block b;

	one_vhost();
	before = moves();
	b = another(_i ? A : B);
	set(_i ? A : B, LAN, &b);
	run(2 * S);
	sim_link(sim, true);
	run(20 * S);
	b = another(_i ? B : A);
	set(_i ? B : A, LAN, &b);
	run(20 * S);
	ck_assert_uint_eq(moves(), before);
	ck_assert(carp(A, LAN)->has_old && carp(B, LAN)->has_old);
	ck_assert(!carp(_i ? B : A, LAN)->says_old);
	run(60 * S);
	check_new();
	ck_assert_uint_eq(moves(), before);
	sim_link(sim, false);
	run(5 * S);
	ck_assert_uint_eq(moves(), before);
}
END_TEST

START_TEST(other_times_leave_the_master)
{
	unsigned before;
	struct block b;

	one_vhost();
	before = moves();
	b = lan(B);
	b.advbase = 4;
	b.addresses = 2; /* so that the first advert goes at once */
	set(B, LAN, &b);
	run(10 * S);
	b = lan(A);
	b.advbase = 4;
	b.addresses = 2; /* so that the first advert goes at once */
	set(A, LAN, &b);
	ck_assert_int_eq(engine(A)->vhosts[LAN].lease_ns, 10 * S);
	run(20 * S);
	b.advbase = 0;
	b.advskew = 100;
	set(A, LAN, &b);
	run(10 * S);
	b.advskew = 110;
	set(B, LAN, &b);
	run(10 * S);
	ck_assert_int_eq(engine(A)->vhosts[LAN].lease_ns,
			 100 * S / 256 * 5 / 2);
	ck_assert_uint_eq(moves(), before);
	ck_assert(!carp(A, LAN)->has_old);
}
END_TEST

/* Nothing new is nothing to say. */
START_TEST(what_is_the_same_changes_nothing)
{
	struct block b = lan(A);
	mono_t advert;
	uint64_t counter;

	one_vhost();
	advert = carp(A, LAN)->next_advert;
	counter = carp(A, LAN)->counter;
	set(A, LAN, &b);
	ck_assert_int_eq(carp(A, LAN)->next_advert.ns, advert.ns);
	ck_assert_uint_eq(carp(A, LAN)->counter, counter);
	ck_assert(!carp(A, LAN)->has_old);
}
END_TEST

START_TEST(preempt_works_from_then_on)
{
	struct block b = lan(A);

	one_vhost();
	b.advskew = 100;
	set(A, LAN, &b);
	run(10 * S);
	ck_assert_int_eq(sim_master(sim), A);
	b = lan(B);
	b.preempt = true;
	set(B, LAN, &b);
	run(5 * S);
	ck_assert_int_eq(sim_master(sim), B);
	ck_assert_str_eq(cause(B, LAN), "handover from fw1: preempt");
}
END_TEST

/* The standby has it first: it waits for the master to have it, too. */
START_TEST(a_new_vhost_belongs_to_the_master_of_the_others)
{
	struct block b = dmz(_i ? A : B);
	const enum carp_state first = _i ? CARP_MASTER : CARP_INIT;

	one_vhost();
	set(_i ? A : B, DMZ, &b);
	run(10 * S);
	ck_assert_int_eq(carp(_i ? A : B, DMZ)->state, first);
	ck_assert(engine_ready(engine(_i ? A : B), sim->now));
	b = dmz(_i ? B : A);
	set(_i ? B : A, DMZ, &b);
	run(5 * S);
	ck_assert_int_eq(carp(A, DMZ)->state, CARP_MASTER);
	ck_assert_int_eq(carp(B, DMZ)->state, CARP_BACKUP);
	ck_assert_uint_eq(carp(A, DMZ)->transitions, 2);
	ck_assert_uint_eq(carp(B, DMZ)->transitions, 1);
	ck_assert_int_eq(sim_master(sim), A);
	quiet();
}
END_TEST

START_TEST(a_new_vhost_does_not_wait_for_ever)
{
	struct block b = dmz(B);

	one_vhost();
	set(B, DMZ, &b);
	run(50 * S);
	ck_assert_int_eq(carp(B, DMZ)->state, CARP_INIT);
	run(20 * S);
	ck_assert_int_eq(carp(B, DMZ)->state, CARP_MASTER);
	ck_assert_int_eq(sim_master(sim), A);
	ck_assert_uint_eq(sim->node[A].handovers_failed +
				  sim->node[B].handovers_failed,
			  0);
}
END_TEST

START_TEST(a_new_vhost_does_not_wait_for_the_dead)
{
	struct block b = dmz(B);

	one_vhost();
	set(B, DMZ, &b);
	run(2 * S);
	sim_lose(sim, A);
	run(15 * S);
	ck_assert_int_eq(carp(B, DMZ)->state, CARP_MASTER);
}
END_TEST

/* A name that comes back at another place is not the one that went. */
START_TEST(a_vhost_goes_and_comes_back)
{
	struct block b = dmz(A);
	size_t n;

	one_vhost();
	set(A, DMZ, &b);
	run(5 * S);
	b = dmz(B);
	set(B, DMZ, &b);
	run(5 * S);
	drop(B, DMZ);
	run(2 * S);
	ck_assert_int_eq(carp(A, DMZ)->state, CARP_MASTER);
	drop(A, DMZ);
	run(2 * S);
	n = engine(B)->peers[0].word.nvhosts;
	ck_assert_uint_eq(n, 2);
	ck_assert_str_eq(engine(B)->peers[0].word.vhosts[DMZ].name, "");
	ck_assert_int_eq(sim_master(sim), A);
	b = dmz(A);
	set(A, DMZ, &b);
	run(5 * S);
	b = dmz(B);
	set(B, DMZ, &b);
	run(5 * S);
	ck_assert_int_eq(carp(A, DMZ)->state, CARP_MASTER);
	ck_assert_int_eq(carp(B, DMZ)->state, CARP_BACKUP);
	ck_assert_int_eq(sim_master(sim), A);
	quiet();
}
END_TEST

START_TEST(what_went_is_down_no_more)
{
	struct block b = dmz(A);

	one_vhost();
	set(A, DMZ, &b);
	engine_link(engine(A), DMZ, false, sim->now);
	engine_track(engine(A), DMZ, 7, true, sim->now);
	ck_assert_uint_eq(demotion_total(&engine(A)->demotion), 8);
	drop(A, DMZ);
	ck_assert_uint_eq(demotion_total(&engine(A)->demotion), 0);
}
END_TEST

/* An advert of a node without our link. */
static enum carp_refusal hear(const char *pass, uint64_t counter)
{
	const struct carp_address from = { .v4 = 0x0a010063 };
	struct carp_advert a = { .vhid = 1,
				 .advbase = 1,
				 .advskew = 200,
				 .authlen = 7,
				 .counter = counter };
	struct carp_vhost *v = carp(A, LAN);
	uint64_t before[CARP_REFUSAL_COUNT];
	struct carp_auth auth;

	ck_assert_int_eq(carp_auth_init(&auth, 1, pass), 0);
	ck_assert_int_eq(carp_auth_add_v4(&auth, 0x0a010001), 0);
	carp_auth_sign(&auth, CARP_AUTH_ORIG, counter, a.digest);
	memcpy(before, v->counters, sizeof(before));
	engine_advert(engine(A), LAN, &a, &from, sim->now);
	for (int i = 0; i < CARP_REFUSAL_COUNT; i++)
		if (v->counters[i] != before[i])
			return (enum carp_refusal)i;
	ck_abort_msg("not counted");
}

/* It is changed by hand, some time before or after; the peer over the link is
 * not asked about it. */
START_TEST(strangers_are_heard_with_both_for_a_minute)
{
	struct block b;

	one_vhost();
	ck_assert_int_eq(hear("secret", 1), CARP_OK);
	b = another(B);
	set(B, LAN, &b);
	run(2 * S);
	b = another(A);
	set(A, LAN, &b);
	run(2 * S);
	ck_assert(!carp(A, LAN)->says_old);
	ck_assert_int_eq(hear("secret", 2), CARP_OK);
	ck_assert_int_eq(hear("another", 3), CARP_OK);
	run(50 * S);
	ck_assert_int_eq(hear("secret", 4), CARP_OK);
	run(10 * S);
	ck_assert_int_eq(hear("secret", 5), CARP_REFUSED_AUTH);
	ck_assert_int_eq(hear("another", 6), CARP_OK);
}
END_TEST

/* Refused as a whole while it moves. */
START_TEST(not_during_a_handover)
{
	struct block b = another(A);
	const struct engine_vhost_conf c = { .name = b.name };
	const char *why;

	one_vhost();
	ck_assert_int_eq(sim_handover(sim, A, false), 0);
	ck_assert_int_eq(engine_vhost_set(engine(A), LAN, &c, &why, sim->now),
			 -EBUSY);
	ck_assert_int_eq(engine_vhost_drop(engine(A), LAN, sim->now), -EBUSY);
	run(5 * S);
	ck_assert_int_eq(sim_master(sim), B);
}
END_TEST

int main(void)
{
	const TTest *const list[] = {
		the_others_have_the_first_of_several,
		other_times_leave_the_master,
		what_is_the_same_changes_nothing,
		preempt_works_from_then_on,
		a_new_vhost_does_not_wait_for_ever,
		a_new_vhost_does_not_wait_for_the_dead,
		a_vhost_goes_and_comes_back,
		what_went_is_down_no_more,
		strangers_are_heard_with_both_for_a_minute,
		not_during_a_handover,
	};
	Suite *s = suite_create("engine_reload");
	SRunner *sr;
	TCase *t = SCENES(s, "reload", list);
	int failed;

	tcase_add_loop_test(t, an_address_more_moves_nothing, 0, 2);
	tcase_add_loop_test(t, another_password_moves_nothing, 0, 2);
	tcase_add_loop_test(
		t, without_the_link_the_old_one_is_used_for_a_minute, 0, 2);
	tcase_add_loop_test(t, a_new_vhost_belongs_to_the_master_of_the_others,
			    0, 2);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
