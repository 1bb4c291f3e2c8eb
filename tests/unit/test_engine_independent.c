// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * core/engine: virtual hosts that move each by itself, and those that must
 * not be split between nodes (rules 11, 12), in scenes.
 */
#include "engine_int.h"
#include "engine_scene.h"

static enum carp_state of(unsigned i, unsigned vhost)
{
	return engine(i)->vhosts[vhost].carp.state;
}

static void independent(bool preempt)
{
	struct sim_conf conf = conf_of();

	conf.independent = true;
	conf.preempt = preempt;
	pair_of(&conf);
}

static void give(unsigned i, unsigned vhost)
{
	char why[SESSION_REASON_MAX];

	ck_assert_int_eq(engine_handover(engine(i), -1, false, 1U << vhost, "",
					 why, sim->now),
			 0);
	run(1 * S);
	ck_assert_int_eq(of(i, vhost), CARP_BACKUP);
	ck_assert_int_eq(of(1 - i, vhost), CARP_MASTER);
}

START_TEST(one_vhost_moves_alone)
{
	independent(true);
	give(A, LAN);
	run(60 * S);
	/* and does not come back, whatever becomes of others */
	ck_assert_int_eq(of(A, WAN), CARP_MASTER);
	ck_assert_int_eq(of(A, LAN), CARP_BACKUP);
	sim_carrier(sim, A, WAN, false);
	run(10 * S);
	ck_assert_int_eq(of(B, WAN), CARP_MASTER);
	sim_carrier(sim, A, WAN, true);
	run(10 * S);
	ck_assert_int_eq(of(A, WAN), CARP_MASTER);
	run(10 * S);
	ck_assert_int_eq(of(A, LAN), CARP_BACKUP);
	give(B, LAN);
	ck_assert_int_eq(sim_master(sim), A);
	quiet();
}
END_TEST

/* What passes meanwhile through those that stay is told as before. */
START_TEST(a_handover_of_one_misses_no_flow_of_the_others)
{
	const struct kernel_entry *there;
	struct kernel_entry *e;
	char why[SESSION_REASON_MAX];

	independent(false);
	sim->traffic = false;
	run(1 * S);
	ck_assert_int_eq(engine_handover(engine(A), -1, false, 1U << LAN, "",
					 why, sim->now),
			 0);
	for (int i = 0;
	     i < 100000 && engine(A)->handover.state != HANDOVER_SAID; i++)
		run(10 * MONO_US);
	ck_assert_int_eq(engine(A)->handover.state, HANDOVER_SAID);
	e = some_tcp(A);
	e->flow.mark = 4711;
	kernel_changed(&sim->node[A].kernel, e, sim->now);
	run(100 * MS);
	ck_assert_int_eq(of(B, LAN), CARP_MASTER);
	ck_assert_int_eq(of(A, WAN), CARP_MASTER);
	ck_assert(engine_tx_in_sync(engine(A), 0));
	there = kernel_look(&sim->node[B].kernel, &e->flow);
	ck_assert_ptr_nonnull(there);
	ck_assert_uint_eq(there->flow.mark, 4711);
	/* and what passes through the other one is told here */
	run(2 * S);
	ck_assert(engine_rx_in_sync(engine(A), 0));
	ck_assert(engine_rx_in_sync(engine(B), 0));
}
END_TEST

/* What another one tracks is no matter of this vhost. */
START_TEST(each_has_its_own_demotion)
{
	char why[SESSION_REASON_MAX];

	independent(false);
	engine_track(engine(B), WAN, 20, true, sim->now);
	sim->node[B].any = true;
	run(1 * S);
	ck_assert_int_eq(engine_handover(engine(A), -1, false, 1U << WAN, "",
					 why, sim->now),
			 -EAGAIN);
	ck_assert_str_eq(why, "fw2: it is more demoted than this node");
	give(A, LAN);
}
END_TEST

START_TEST(the_witness_speaks_of_one_vhost)
{
	struct sim_conf conf = conf_of();

	conf.independent = true;
	conf.witness_limit = 3;
	pair_of(&conf);
	/* another one is demoted: this one is well */
	engine_track(engine(A), WAN, 20, true, sim->now);
	sim->node[A].any = true;
	run(1 * S);
	ck_assert_int_eq(of(B, WAN), CARP_MASTER);
	sim_lan(sim, LAN, true);
	run(10 * S);
	ck_assert_int_eq(of(A, LAN), CARP_MASTER);
	ck_assert_int_eq(of(B, LAN), CARP_BACKUP);
	run(10 * S);
	/* and moves alone */
	ck_assert_int_eq(of(A, LAN), CARP_BACKUP);
	ck_assert_int_eq(of(B, LAN), CARP_MASTER);
}
END_TEST

START_TEST(crossed_ones_come_together)
{
	struct sim_conf conf = conf_of();

	conf.crossed = true;
	pair_of(&conf);
	carp_vhost_yield(&engine(A)->vhosts[LAN].carp, CARP_CAUSE_HANDOVER,
			 sim->now);
	sim->node[A].any = true;
	sim_carrier(sim, A, LAN, false);
	run(20 * S);
	sim_carrier(sim, A, LAN, true);
	run(20 * S);
	ck_assert_int_ge(sim_master(sim), 0);
	quiet();
}
END_TEST

/* One node as it sees a split with the other. */
static bool gives(const char *node, const char *peer, bool first, bool swapped)
{
	static const char *const names[] = { "lan", "wan" };
	struct engine *e = calloc(1, sizeof(*e));
	struct engine_peer *p = &e->peers[0];
	bool wants;

	strcpy(e->node, node);
	strcpy(p->name, peer);
	e->nvhosts = p->word.nvhosts = 2;
	e->npeers = 1;
	p->live = p->heard = true;
	e->split_at = MONO_NEVER;
	for (unsigned i = 0; i < 2; i++) {
		unsigned k = swapped ? 1 - i : i;
		struct engine_vhost *v = &e->vhosts[i];
		struct session_vhost *w = &p->word.vhosts[i];
		bool ours = (k == 0) == first;

		strcpy(v->name, names[k]);
		strcpy(w->name, names[k]);
		v->carp.advbase = 1;
		v->carp.advskew = ours ? 0 : 128; /* crossed */
		w->interval_us = ours ? 1500000 : 1000000;
		v->carp.state = ours ? CARP_MASTER : CARP_BACKUP;
		w->state = ours ? CARP_BACKUP : CARP_MASTER;
	}
	engine_split_settle(e, (mono_t){ 100 * S });
	wants = !mono_is_never(e->split_at);
	free(e);
	return wants;
}

START_TEST(of_two_that_know_the_same_one_gives)
{
	const struct sim_conf conf = conf_of();

	world(&conf); /* for the teardown */
	for (int a = 0; a < 2; a++)
		for (int b = 0; b < 2; b++) {
			ck_assert(!gives("fw1", "fw2", true, a));
			ck_assert(gives("fw2", "fw1", false, b));
		}
}
END_TEST

/* A place that is not in the word; and 0 would be all. */
START_TEST(what_this_node_has_not_it_does_not_take)
{
	struct session_switch s = { .kind = SESSION_HANDOVER_GO,
				    .vhosts = 1U << 5 };

	independent(false);
	ck_assert_int_eq(session_send_handover(engine(A)->peers[0].session, &s),
			 0);
	sim->node[A].any = true;
	run(100 * MS);
	ck_assert_uint_eq(engine(B)->masters, 0);
	s.kind = SESSION_HANDOVER_REQUEST;
	ck_assert_int_eq(session_send_handover(engine(B)->peers[0].session, &s),
			 0);
	sim->node[B].any = true;
	run(1 * S);
	ck_assert_uint_eq(engine(A)->masters, 2);
}
END_TEST

/* An interface that is of no vhost any more demotes nobody. */
START_TEST(what_is_dropped_is_no_fault)
{
	pair();
	sim_carrier(sim, B, WAN, false);
	run(1 * S);
	ck_assert_uint_eq(demotion_total(&engine(B)->demotion), 1);
	ck_assert_int_eq(engine_vhost_drop(engine(B), WAN, sim->now), 0);
	ck_assert_uint_eq(demotion_total(&engine(B)->demotion), 0);
}
END_TEST

int main(void)
{
	const TTest *const list[] = {
		one_vhost_moves_alone,
		a_handover_of_one_misses_no_flow_of_the_others,
		each_has_its_own_demotion,
		the_witness_speaks_of_one_vhost,
		crossed_ones_come_together,
		of_two_that_know_the_same_one_gives,
		what_this_node_has_not_it_does_not_take,
		what_is_dropped_is_no_fault,
	};
	Suite *s = suite_create("engine_independent");
	SRunner *sr = srunner_create(s);
	int failed;

	SCENES(s, "independent", list);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
