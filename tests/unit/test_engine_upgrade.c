// SPDX-License-Identifier: GPL-3.0-or-later
/* core/engine_keep.c in scenes: what an upgrade must not forget. */
#include "engine_scene.h"

#define INTERVAL carp_vhost_interval_ns(&engine(B)->vhosts[LAN].carp)
#define DOWN	 (3 * INTERVAL)

/* --- a LAN that carries no adverts ------------------------------------------ */

/* B took over, and A obeys it. */
static void obeying(void)
{
	const struct sim_conf conf = witnessed();

	pair_of(&conf);
	sim_lan(sim, LAN, true);
	run(4 * DOWN + 1 * S);
	ck_assert_int_eq(state(A), CARP_BACKUP);
	ck_assert_int_eq(state(B), CARP_MASTER);
	run(60 * S);
	sim->longest_both_ns = 0;
}

START_TEST(an_upgrade_of_who_is_not_heard_moves_nothing)
{
	unsigned changes;

	obeying();
	changes = sim->changes[LAN];
	for (int turn = 0; turn < 3; turn++) {
		ck_assert(sim_upgrade(sim, B));
		run(20 * S);
		ck_assert_int_eq(state(A), CARP_BACKUP);
		ck_assert_int_eq(state(B), CARP_MASTER);
	}
	ck_assert(sim_upgrade(sim, A));
	run(60 * S);
	ck_assert_int_eq(state(B), CARP_MASTER);
	ck_assert_uint_eq(masters(), 1);
	ck_assert_uint_eq(sim->changes[LAN], changes);
	ck_assert_int_eq(sim->longest_both_ns, 0);
	sim_lan(sim, LAN, false);
	run(10 * S);
	ck_assert_uint_eq(masters(), 1);
	quiet();
}
END_TEST

/* And the link stays away for longer than A can wait. */
START_TEST(who_was_not_heard_before_its_upgrade_is_obeyed_after_it)
{
	obeying();
	sim_link(sim, true);
	ck_assert(sim_upgrade(sim, B));
	run(20 * S);
	ck_assert_uint_eq(masters(), 2);
	sim_link(sim, false);
	run(1 * S);
	ck_assert_int_eq(state(A), CARP_BACKUP);
	ck_assert_int_eq(state(B), CARP_MASTER);
	run(60 * S);
	ck_assert_uint_eq(masters(), 1);
	quiet();
}
END_TEST

int main(void)
{
	const TTest *const witness[] = {
		an_upgrade_of_who_is_not_heard_moves_nothing,
		who_was_not_heard_before_its_upgrade_is_obeyed_after_it,
	};
	Suite *s = suite_create("engine_upgrade");
	SRunner *sr = srunner_create(s);
	int failed;

	SCENES(s, "witness", witness);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
