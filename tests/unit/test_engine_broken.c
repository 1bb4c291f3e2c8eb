// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * core/engine: a kernel that stops telling its table in the middle of it, in
 * scenes. It costs time, and no connection.
 */
#include "engine_int.h"
#include "engine_scene.h"

#define PERIOD AUDIT_PERIOD_LEAST_NS

static void starts(void)
{
	struct sim_conf conf = conf_of();

	conf.audit_ns = PERIOD;
	world(&conf);
	sim_fill(sim, A, 200);
	sim->traffic = true;
	sim_start(sim, A);
	run(5 * S);
}

static void breaks(unsigned i, enum engine_dump what)
{
	sim->node[i].breaks = what;
}

static void broke(unsigned i)
{
	ck_assert_int_eq(sim->node[i].breaks, DUMP_NONE);
	ck_assert(said(i, "reading the connection table broke off"));
}

START_TEST(a_bulk_begins_anew)
{
	starts();
	breaks(A, DUMP_BULK);
	sim_start(sim, B);
	while (sim->node[A].breaks != DUMP_NONE)
		run(MS);
	run(10 * MS);
	ck_assert(!engine_ready(engine(B), sim->now));
	run(5 * S);
	broke(A);
	ck_assert(engine_ready(engine(B), sim->now));
	ck_assert_int_eq(rx(B)->result, BULK_DONE);
	quiet();
}
END_TEST

/* Before a bulk its old copies are marked, after it what is left is swept. */
static void again(enum engine_dump what)
{
	starts();
	sim_start(sim, B);
	run(5 * S);
	breaks(B, what);
	sim->node[A].kernel.overrun = true; /* B lacks something: a new one */
	run(10 * S);
	broke(B);
	ck_assert(engine_ready(engine(B), sim->now));
	ck_assert_int_eq(sim_master(sim), A);
	quiet();
}

START_TEST(marks_are_made_again)
{
	again(DUMP_MARK);
}
END_TEST

START_TEST(a_sweep_is_made_again)
{
	again(DUMP_SWEEP);
}
END_TEST

/* A round is given up, and the next one is whole. */
static void audited(unsigned i, enum engine_dump what)
{
	uint64_t rounds;

	starts();
	sim_start(sim, B);
	run(5 * S);
	breaks(i, what);
	while (sim->node[i].breaks != DUMP_NONE)
		run(MS);
	broke(i);
	rounds = engine(A)->peers[0].audit.rounds;
	run(3 * PERIOD);
	ck_assert_uint_gt(engine(A)->peers[0].audit.rounds, rounds);
	ck_assert_uint_eq(engine(A)->peers[0].audit.repaired[0], 0);
	ck_assert(engine_ready(engine(B), sim->now));
	quiet();
}

START_TEST(the_owners_part_of_an_audit)
{
	audited(A, DUMP_AUDIT);
}
END_TEST

START_TEST(the_other_part_of_an_audit)
{
	audited(B, DUMP_ANSWER);
}
END_TEST

START_TEST(entries_are_lowered_again)
{
	starts();
	sim_start(sim, B);
	run(5 * S);
	breaks(B, DUMP_LOWER);
	sim_lose(sim, A);
	run(20 * S);
	ck_assert_int_eq(sim_master(sim), B);
	broke(B);
}
END_TEST

START_TEST(entries_are_raised_again)
{
	char why[SESSION_REASON_MAX];

	starts();
	sim_start(sim, B);
	run(5 * S);
	breaks(A, DUMP_RAISE);
	ck_assert_int_eq(
		engine_handover(engine(A), -1, false, 0, "", why, sim->now), 0);
	run(5 * S);
	ck_assert_int_eq(sim_master(sim), B);
	broke(A);
	ck_assert(!engine(A)->raise);
	run(5 * S);
	quiet();
}
END_TEST

int main(void)
{
	const TTest *const list[] = {
		a_bulk_begins_anew,	    marks_are_made_again,
		a_sweep_is_made_again,	    the_owners_part_of_an_audit,
		the_other_part_of_an_audit, entries_are_lowered_again,
		entries_are_raised_again,
	};
	Suite *s = suite_create("engine_broken");
	SRunner *sr;
	int failed;

	SCENES(s, "broken", list);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
