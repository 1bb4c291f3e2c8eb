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
	unsigned moves;

	obeying();
	moves = sim->node[A].transitions;
	for (int turn = 0; turn < 3; turn++) {
		ck_assert(sim_upgrade(sim, B));
		run(20 * S);
		ck_assert_uint_eq(sim->node[A].transitions, moves);
		ck_assert_int_eq(state(B), CARP_MASTER);
	}
	ck_assert_int_eq(sim->longest_both_ns, 0);
	ck_assert(sim_upgrade(sim, A));
	run(60 * S);
	ck_assert_int_eq(state(B), CARP_MASTER);
	ck_assert_uint_eq(masters(), 1);
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

/* --- the table ----------------------------------------------------------------- */

#define FLOWS_MAX 1000

/* TCP connections of one node, or those that the other one lacks. */
static size_t connections(unsigned i, bool lacking, struct flow *list)
{
	const struct kernel *k = &sim->node[i].kernel;
	size_t n = 0;

	for (size_t j = 0; j < k->n && n < FLOWS_MAX; j++) {
		const struct flow *f = &k->entries[j].flow;

		if (is_established(i, f) &&
		    !(lacking && kernel_look(&sim->node[1 - i].kernel, f)))
			list[n++] = *f;
	}
	return n;
}

/* B was master, too, for a while, and yields: what began through it then it
 * alone knows, until the link is back. */
START_TEST(connections_of_a_split_brain_outlast_an_upgrade)
{
	static struct flow list[FLOWS_MAX];
	struct sim_conf conf = witnessed();
	size_t n;

	conf.tuples = 4000;
	pair_of(&conf);
	sim->traffic = false;
	sim_link(sim, true);
	run(1 * S);
	sim_lan(sim, LAN, true);
	run(2 * DOWN);
	ck_assert_uint_eq(masters(), 2);
	for (unsigned i = 0; i < 1000; i++) {
		sim_traffic(sim, B);
		run(2 * MS);
	}
	sim_lan(sim, LAN, false);
	run(2 * S);
	ck_assert_int_eq(state(A), CARP_MASTER);
	ck_assert_int_eq(state(B), CARP_BACKUP);
	n = connections(B, true, list);
	ck_assert_uint_gt(n, 5);
	for (int turn = 0; turn < 2; turn++)
		ck_assert(sim_upgrade(sim, B));
	sim_link(sim, false);
	run(5 * S);
	ck_assert_uint_eq(present(A, list, n), n);
	ck_assert_uint_eq(present(B, list, n), n);
	ck_assert(!engine(B)->legacy);
	quiet();
}
END_TEST

/* The master is lost while it tells all; what it did not come to bears a mark,
 * which is less than an idle connection has. */
START_TEST(marked_copies_get_their_time_after_an_upgrade)
{
	struct sim_conf conf = witnessed();
	struct kernel *b;
	size_t marked = 0;

	conf.link_bytes_s = 8000;
	conf.advbase = 0;
	conf.advskew[A] = 50;
	conf.advskew[B] = 60;
	pair_of(&conf);
	run(10 * S);
	sim->traffic = false;
	run(10 * S);
	sim_ask_bulk(sim, B);
	for (int i = 0; i < 3000 && rx(B)->state != RX_RUNNING; i++)
		run(1 * MS);
	ck_assert_int_eq(rx(B)->state, RX_RUNNING);
	sim_lose(sim, A);
	while (state(B) != CARP_MASTER)
		run(10 * MS);
	b = &sim->node[B].kernel;
	for (size_t i = 0; i < b->n; i++)
		marked += b->entries[i].flow.l4proto == IPPROTO_TCP &&
			  b->entries[i].flow.tcp_state == 3 &&
			  mono_diff(b->entries[i].expires, sim->now) < 900 * S;
	ck_assert_uint_gt(marked, 10);
	ck_assert(sim_upgrade(sim, B));
	run(20 * S);
	for (size_t i = 0; i < b->n; i++)
		if (b->entries[i].flow.l4proto == IPPROTO_TCP &&
		    b->entries[i].flow.tcp_state == 3)
			ck_assert_int_gt(
				mono_diff(b->entries[i].expires, sim->now),
				1000 * S);
}
END_TEST

/* Somebody flushed the table of the master: the standby keeps all of it, and
 * takes over. */
START_TEST(what_was_torn_away_before_an_upgrade_comes_back)
{
	static struct flow list[FLOWS_MAX];
	struct sim_conf conf = witnessed();
	size_t n;

	pair_of(&conf);
	sim->traffic = false;
	run(1 * S);
	sim_flush(sim, A, 77);
	run(1 * S);
	n = connections(B, true, list);
	ck_assert_uint_gt(n, 20);
	ck_assert(sim_upgrade(sim, A));
	run(3 * S + 500 * MS);
	ck_assert_int_eq(sim_handover(sim, A, false), 0);
	run(5 * S);
	ck_assert_int_eq(state(B), CARP_MASTER);
	ck_assert_uint_eq(present(B, list, n), n);
	ck_assert_uint_eq(present(A, list, n), n);
}
END_TEST

/* --- what is not known yet ------------------------------------------------------ */

static struct sim_conf preempting(void)
{
	struct sim_conf conf = witnessed();

	conf.preempt = true;
	return conf;
}

static void tracks(unsigned i, int32_t weights, bool known)
{
	engine_track(engine(i), LAN, weights, known, sim->now);
	sim->node[i].any = true;
}

/* The script of the better node takes its time to fail. */
START_TEST(an_upgrade_preempts_not_before_what_is_tracked_is_known)
{
	const struct sim_conf conf = preempting();
	unsigned moves;

	pair_of(&conf);
	tracks(A, 10, true);
	run(5 * S);
	ck_assert_int_eq(state(A), CARP_BACKUP);
	ck_assert_int_eq(state(B), CARP_MASTER);
	moves = sim->node[B].transitions;
	sim->node[A].unsure = true;
	for (int turn = 0; turn < 2; turn++) {
		ck_assert(sim_upgrade(sim, A));
		ck_assert_uint_eq(engine(A)->env.demotion, 10);
		run(3 * S);
		ck_assert_uint_eq(engine(A)->env.demotion, 10);
	}
	/* something else that it tracks */
	tracks(A, 4, false);
	run(3 * S);
	ck_assert_uint_eq(engine(A)->env.demotion, 10);
	tracks(A, 4, true);
	run(3 * S);
	ck_assert_uint_eq(engine(A)->env.demotion, 4);
	ck_assert_uint_eq(sim->node[B].transitions, moves);
	/* and it comes back when all is well */
	tracks(A, 0, true);
	run(3 * S);
	ck_assert_int_eq(state(A), CARP_MASTER);
	ck_assert_uint_eq(sim->node[B].transitions, moves + 1);
	quiet();
}
END_TEST

/* A was lost, and B has all. */
static void better_one_starts(void)
{
	const struct sim_conf conf = preempting();

	pair_of(&conf);
	sim_kill(sim, A);
	run(5 * S);
	ck_assert_int_eq(state(B), CARP_MASTER);
	sim_start(sim, A);
	while (!engine(A))
		run(1 * MS);
}

START_TEST(nor_does_a_start)
{
	better_one_starts();
	tracks(A, 0, false);
	run(20 * S);
	ck_assert(engine_ready(engine(A), sim->now));
	ck_assert_int_eq(state(A), CARP_BACKUP);
	tracks(A, 0, true);
	run(3 * S);
	ck_assert_int_eq(state(A), CARP_MASTER);
	quiet();
}
END_TEST

/* It may differ, and a difference is to hold it. */
START_TEST(nor_before_its_own_facts_are_known)
{
	enum drift_effect effects[DRIFT_KINDS] = { 0 };
	struct fact *own = calloc(1, sizeof(*own));

	*own = (struct fact){ DRIFT_FILES, "", "all", "" };
	better_one_starts();
	effects[DRIFT_FILES] = DRIFT_BLOCK;
	engine_drift_effects(engine(A), effects, NULL, 0, sim->now);
	run(20 * S);
	ck_assert_int_eq(state(A), CARP_BACKUP);
	engine_drift_facts(engine(A), own, 1, sim->now);
	sim->node[A].any = true;
	run(3 * S);
	ck_assert_int_eq(state(A), CARP_MASTER);
	quiet();
}
END_TEST

int main(void)
{
	const TTest *const table[] = {
		connections_of_a_split_brain_outlast_an_upgrade,
		marked_copies_get_their_time_after_an_upgrade,
		what_was_torn_away_before_an_upgrade_comes_back,
	};
	const TTest *const witness[] = {
		an_upgrade_of_who_is_not_heard_moves_nothing,
		who_was_not_heard_before_its_upgrade_is_obeyed_after_it,
	};
	const TTest *const unknown[] = {
		an_upgrade_preempts_not_before_what_is_tracked_is_known,
		nor_does_a_start,
		nor_before_its_own_facts_are_known,
	};
	Suite *s = suite_create("engine_upgrade");
	SRunner *sr = srunner_create(s);
	int failed;

	SCENES(s, "witness", witness);
	SCENES(s, "table", table);
	SCENES(s, "unknown", unknown);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
