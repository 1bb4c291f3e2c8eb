// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * core/engine: a master that ceases to be it without a handover, and what only
 * its kernel knows then, in scenes.
 */
#include "engine_scene.h"

static struct flow only[1000];
static size_t n;

/* Both have them once all is well. */
static void all_are_kept(void)
{
	quiet();
	for (unsigned i = A; i <= B; i++)
		ck_assert_uint_eq(present(i, only, n), n);
}

static void still_pair(uint8_t advbase)
{
	struct sim_conf conf = conf_of();

	conf.tuples = 400;
	conf.advbase = advbase;
	pair_of(&conf);
	sim->traffic = false;
	run(3 * S);
}

/* A's kernel makes connections. */
static void more(void)
{
	sim_fill(sim, A, 300);
	n = only_at(A, only, 1000);
	ck_assert_uint_gt(n, 20);
}

static void kept_by_one_that_hung(void)
{
	sim_freeze(sim, A, 8 * S);
	run(1 * S);
	more();
	run(10 * S);
	ck_assert_int_eq(state(B), CARP_MASTER);
	all_are_kept();
}

/* The daemon hangs, its kernel forwards until the lease is over, and the events
 * of that wait in the socket when it wakes up beside a new master. */
START_TEST(events_that_nobody_has_read)
{
	still_pair(1);
	kept_by_one_that_hung();
}
END_TEST

/* So do more of them than the kernel keeps. */
START_TEST(events_that_the_kernel_dropped)
{
	still_pair(1);
	sim->node[A].kernel.room = 5;
	kept_by_one_that_hung();
}
END_TEST

/* What was told long ago and has ended since does not come back with them. */
START_TEST(events_of_what_is_over)
{
	struct kernel *k;
	struct flow f;

	still_pair(0);
	sim_freeze(sim, A, 1500 * MS); /* the link bears that */
	run(200 * MS);
	f = some_tcp(A)->flow;
	kernel_changed(&sim->node[A].kernel, some_tcp(A), sim->now);
	run(1 * S);
	ck_assert_int_eq(state(B), CARP_MASTER);
	k = &sim->node[B].kernel;
	kernel_remove(k, kernel_find(k, &f), true, 4242, sim->now);
	run(5 * S);
	ck_assert_uint_eq(present(B, &f, 1), 0);
	quiet();
	ck_assert_uint_eq(present(A, &f, 1), 0);
}
END_TEST

/* What was closed meanwhile is forgotten there by now: the table of who slept
 * for so long brings none of it back. */
START_TEST(connections_that_were_closed_long_ago)
{
	struct kernel *k;
	struct flow f;

	still_pair(1);
	sim_freeze(sim, A, 60 * S);
	run(1 * S);
	f = some_tcp(A)->flow;
	kernel_changed(&sim->node[A].kernel, some_tcp(A), sim->now);
	run(20 * S);
	k = &sim->node[B].kernel;
	kernel_remove(k, kernel_find(k, &f), false, 0, sim->now);
	run(60 * S);
	quiet();
	for (unsigned i = A; i <= B; i++)
		ck_assert_uint_eq(present(i, &f, 1), 0);
}
END_TEST

/* The link is dead, and nobody has noticed. */
START_TEST(what_a_dead_link_did_not_carry)
{
	still_pair(1);
	sim_link(sim, true);
	more();
	run(100 * MS);
	ck_assert(engine(A)->peers[0].live);
	sim_carrier(sim, A, LAN, false);
	sim_carrier(sim, A, WAN, false);
	run(20 * S);
	ck_assert_int_eq(state(B), CARP_MASTER);
	sim_link(sim, false);
	sim_carrier(sim, A, LAN, true);
	sim_carrier(sim, A, WAN, true);
	run(20 * S);
	all_are_kept();
}
END_TEST

int main(void)
{
	const TTest *const yield[] = {
		events_that_nobody_has_read,
		events_that_the_kernel_dropped,
		events_of_what_is_over,
		connections_that_were_closed_long_ago,
		what_a_dead_link_did_not_carry,
	};
	Suite *s = suite_create("engine_yield");
	SRunner *sr = srunner_create(s);
	int failed;

	SCENES(s, "yield", yield);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
