// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * core/engine_witness.c: two masters that hear no advert of each other, and of
 * which neither took over against the link's word (rules 10, 11).
 */
#include "engine_scene.h"

#define DOWN (3 * carp_vhost_interval_ns(&engine(B)->vhosts[LAN].carp))

/* Which of two is the better one, in all ways. */
static struct sim_conf skewed(unsigned k)
{
	struct sim_conf conf = witnessed();

	conf.advskew[A] = k & 1 ? 50 : 0;
	conf.advskew[B] = k & 2 ? 50 : 0;
	return conf;
}

static void link_down_and_up(int64_t ns)
{
	sim_reset_link(sim);
	sim_link(sim, true);
	run(ns);
	ck_assert_uint_eq(masters(), 2);
	sim_link(sim, false);
}

static void one_for_good(void)
{
	unsigned moved;

	run(DOWN + 1 * S);
	ck_assert_uint_eq(masters(), 1);
	moved = sim->node[A].transitions + sim->node[B].transitions;
	run(100 * S);
	ck_assert_uint_eq(masters(), 1);
	ck_assert_uint_eq(sim->node[A].transitions + sim->node[B].transitions,
			  moved);
}

/* Who is told apart by its demotion or advskew stays, and else the older. */
static void nobody_hears(unsigned k, bool waits, int32_t demotion)
{
	const struct sim_conf conf = skewed(k);
	bool b_better = conf.advskew[A] > conf.advskew[B] && !demotion;

	pair_of(&conf);
	sim_lan(sim, LAN, true);
	if (waits) {
		run(2 * DOWN);
		ck_assert_int_eq(state(B), CARP_BACKUP);
	}
	link_down_and_up(2 * DOWN);
	sim_demote(sim, B, demotion);
	one_for_good();
	ck_assert_int_eq(state(b_better ? B : A), CARP_MASTER);
	sim_lan(sim, LAN, false);
	run(10 * S);
	ck_assert_uint_eq(masters(), 1);
	quiet();
}

START_TEST(the_link_alone_is_back)
{
	nobody_hears((unsigned)_i % 4, _i & 4, _i & 8 ? 5 : 0);
}
END_TEST

/* And there is a master without a break, and none that is told to be. */
START_TEST(a_break_while_it_waits)
{
	const struct sim_conf conf = witnessed();

	pair_of(&conf);
	sim_lan(sim, LAN, true);
	run(2 * DOWN);
	ck_assert_int_eq(state(B), CARP_BACKUP);
	sim_reset_link(sim); /* another path is taken */
	run(1 * S);
	ck_assert_uint_eq(masters(), 2);
	one_for_good();
	ck_assert_int_eq(state(A), CARP_MASTER);
}
END_TEST

/* It keeps to the adverts; the other one has the word alone. */
START_TEST(one_hears_the_other)
{
	const struct sim_conf conf = skewed((unsigned)_i % 4);

	pair_of(&conf);
	sim_lan(sim, LAN, true);
	link_down_and_up(2 * DOWN);
	sim_link(sim, true);
	sim->node[_i & 4 ? A : B].unheard[LAN] = true;
	sim_lan(sim, LAN, false);
	run(10 * S);
	sim_link(sim, false);
	one_for_good();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("engine_beside");
	TCase *t = tcase_create("beside");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, NULL, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, the_link_alone_is_back, 0, 16);
	tcase_add_test(t, a_break_while_it_waits);
	tcase_add_loop_test(t, one_hears_the_other, 0, 8);
	suite_add_tcase(s, t);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
