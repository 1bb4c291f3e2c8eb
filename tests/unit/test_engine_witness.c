// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * core/engine: what the link says about adverts (rules 10), and what becomes
 * of two masters, in scenes.
 */
#include "engine_scene.h"

#define INTERVAL(node) carp_vhost_interval_ns(&engine(node)->vhosts[LAN].carp)
#define DOWN	       (3 * INTERVAL(B))
#define LIMIT	       3

/* Entries of the history with that cause. */
static unsigned noted(unsigned i, const char *cause)
{
	const struct history_entry *h;
	unsigned n = 0;

	for (size_t k = 0; (h = history_get(&engine(i)->history, k)); k++)
		n += strncmp(h->cause, cause, strlen(cause)) == 0;
	return n;
}

#define WAITS	"no adverts, but the link tells of a master"
#define UNHEARD "no adverts, though the link tells of a master"
#define WORD	"the peer took over, it hears no adverts of this node"

static void cut_and_unheard(const struct sim_conf *conf)
{
	pair_of(conf);
	sim_lan(sim, LAN, true);
	run(DOWN + LIMIT * DOWN - INTERVAL(A) - 10 * MS);
	ck_assert_int_eq(state(A), CARP_MASTER);
	ck_assert_int_eq(state(B), CARP_BACKUP);
	ck_assert_uint_eq(noted(B, WAITS), 1);
	run(INTERVAL(A) + 100 * MS);
	ck_assert_str_eq(cause(B, LAN), UNHEARD);
	ck_assert_str_eq(cause(A, LAN), WORD);
	ck_assert_int_eq(state(A), CARP_BACKUP);
	ck_assert_int_eq(state(B), CARP_MASTER);
}

START_TEST(a_cut_lan_makes_no_second_master)
{
	const struct sim_conf conf = witnessed();

	cut_and_unheard(&conf);
	/* and it stays like that */
	run(600 * S);
	ck_assert_int_eq(state(A), CARP_BACKUP);
	ck_assert_int_eq(state(B), CARP_MASTER);
	ck_assert_int_eq(sim->longest_both_ns, 0);
	sim_lan(sim, LAN, false);
	run(10 * S);
	ck_assert_uint_eq(masters(), 1);
	ck_assert_int_eq(state(B), CARP_MASTER);
	ck_assert_uint_eq(noted(B, WAITS), 1);
	quiet();
}
END_TEST

START_TEST(the_better_node_comes_back_when_the_lan_does)
{
	struct sim_conf conf = witnessed();

	conf.preempt = true;
	cut_and_unheard(&conf);
	run(100 * S);
	ck_assert_int_eq(state(B), CARP_MASTER);
	sim_lan(sim, LAN, false);
	run(10 * S);
	ck_assert_int_eq(state(A), CARP_MASTER);
	ck_assert_uint_eq(masters(), 1);
	ck_assert_int_eq(strncmp(cause(A, LAN), "handover", 8), 0);
	run(100 * S);
	ck_assert_int_eq(state(A), CARP_MASTER);
	quiet();
}
END_TEST

START_TEST(the_links_death_ends_obeying)
{
	const struct sim_conf conf = witnessed();

	cut_and_unheard(&conf);
	run(100 * S);
	sim_link(sim, true);
	run(2 * DOWN + 10 * S);
	ck_assert_uint_eq(masters(), 2);
	/* the link alone is back: one again, and at once */
	sim_link(sim, false);
	run(5 * S);
	ck_assert_uint_eq(masters(), 1);
	sim_lan(sim, LAN, false);
	run(10 * S);
	ck_assert_uint_eq(masters(), 1);
	quiet();
}
END_TEST

START_TEST(the_links_death_ends_waiting_at_once)
{
	const struct sim_conf conf = witnessed();

	pair_of(&conf);
	sim_lan(sim, LAN, true);
	run(2 * DOWN);
	ck_assert_int_eq(state(B), CARP_BACKUP);
	sim_reset_link(sim);
	sim->link_cut = true;
	run(10 * MS);
	ck_assert_int_eq(state(B), CARP_MASTER);
	ck_assert_int_eq(strncmp(cause(B, LAN), "no adverts for", 14), 0);
}
END_TEST

/* What a dead or sleeping master said last delays nobody. */
START_TEST(a_dead_master_is_not_waited_for)
{
	for (int how = 0; how < 4; how++) {
		struct sim_conf conf = witnessed();
		int64_t after[2];

		conf.link_delay_ns = 3 * MS; /* the word is after the advert */
		conf.lan_delay_ns = 0;
		for (int with = 0; with < 2; with++) {
			conf.witness_limit = with ? LIMIT : 0;
			conf.advbase = 0;
			conf.advskew[A] = how < 2 ? 50 : 100;
			conf.advskew[B] = how < 2 ? 100 : 50;
			pair_of(&conf);
			if (how % 2)
				sim_lose(sim, A);
			else
				sim_freeze(sim, A, 100 * S);
			after[with] = sim->now.ns;
			while (!sim_holds(sim, B, LAN))
				run(1 * MS);
			after[with] = sim->now.ns - after[with];
			ck_assert_uint_eq(noted(B, WAITS), 0);
			if (!with)
				teardown();
		}
		ck_assert_int_eq(after[0], after[1]);
		if (how < 3)
			teardown();
	}
}
END_TEST

START_TEST(a_mute_master_is_replaced_at_once)
{
	const struct sim_conf conf = witnessed();

	pair_of(&conf);
	sim->node[A].mute[LAN] = true;
	run(DOWN + 10 * MS);
	ck_assert_int_eq(state(B), CARP_MASTER);
	ck_assert_int_eq(state(A), CARP_BACKUP);
	ck_assert_str_eq(cause(A, LAN), WORD);
	ck_assert_uint_eq(noted(B, WAITS), 0);
	run(100 * S);
	ck_assert_int_eq(state(B), CARP_MASTER);
	ck_assert_uint_eq(masters(), 1);
}
END_TEST

/* It said so after it was found silent. */
START_TEST(one_that_turns_mute_is_not_waited_for_any_more)
{
	const struct sim_conf conf = witnessed();

	pair_of(&conf);
	sim_lan(sim, LAN, true);
	run(2 * DOWN);
	ck_assert_int_eq(state(B), CARP_BACKUP);
	sim->node[A].mute[LAN] = true;
	run(INTERVAL(A) + 10 * MS);
	ck_assert_int_eq(state(B), CARP_MASTER);
	ck_assert_int_eq(state(A), CARP_BACKUP);
}
END_TEST

START_TEST(a_more_demoted_master_is_not_waited_for)
{
	const struct sim_conf conf = witnessed();

	pair_of(&conf);
	sim_lan(sim, LAN, true);
	run(1 * S);
	sim_demote(sim, A, 10);
	run(DOWN);
	ck_assert_int_eq(state(B), CARP_MASTER);
	ck_assert_int_eq(state(A), CARP_BACKUP);
	ck_assert_uint_eq(noted(B, WAITS), 0);
	run(100 * S);
	ck_assert_uint_eq(noted(A, WORD), 1);
	ck_assert_int_eq(state(B), CARP_MASTER);
}
END_TEST

/* The one that obeys is the less demoted: that ends when it hears it. */
START_TEST(a_more_demoted_backup_is_obeyed_while_the_lan_is_cut)
{
	const struct sim_conf conf = witnessed();

	pair_of(&conf);
	sim_demote(sim, B, 5);
	sim_lan(sim, LAN, true);
	run(DOWN + LIMIT * DOWN + 1 * S);
	ck_assert_int_eq(state(B), CARP_MASTER);
	run(200 * S);
	ck_assert_int_eq(state(B), CARP_MASTER);
	ck_assert_int_eq(state(A), CARP_BACKUP);
	ck_assert_uint_eq(noted(A, WORD), 1);
	sim_lan(sim, LAN, false);
	run(INTERVAL(B) + 10 * MS);
	ck_assert_int_eq(state(A), CARP_MASTER);
	ck_assert_int_eq(state(B), CARP_BACKUP);
	run(100 * S);
	ck_assert_int_eq(state(A), CARP_MASTER);
}
END_TEST

/* Its word that it took over is old then, and still on its way. */
START_TEST(who_takes_over_from_one_it_hears_does_not_obey_it)
{
	struct sim_conf conf = witnessed();

	conf.link_delay_ns = 5 * MS;
	conf.lan_delay_ns = 0;
	cut_and_unheard(&conf);
	sim_lan(sim, LAN, false);
	run(5 * S);
	sim_demote(sim, B, 5);
	run(100 * MS);
	ck_assert_int_eq(state(A), CARP_MASTER);
	ck_assert_int_eq(state(B), CARP_BACKUP);
	ck_assert_uint_eq(noted(A, WORD), 1);
}
END_TEST

START_TEST(a_holding_node_takes_over_and_the_old_master_yields)
{
	const struct sim_conf conf = witnessed();

	world(&conf);
	sim_fill(sim, A, 900);
	sim_start(sim, A);
	run(5 * S);
	sim_lan(sim, LAN, true);
	sim->node[B].kernel.max = 100;
	sim_start(sim, B);
	run(100 * MS);
	run(DOWN + 1 * S);
	ck_assert_uint_eq(noted(B, WAITS), 0);
	ck_assert_int_eq(state(B), CARP_MASTER);
	run(1 * S);
	ck_assert_int_eq(state(A), CARP_BACKUP);
	run(100 * S);
	ck_assert_int_eq(state(B), CARP_MASTER);
	ck_assert_uint_eq(masters(), 1);
	ck_assert(engine(A)->legacy);
	sim->node[B].kernel.max = KERNEL_ENTRIES_MAX;
	sim_lan(sim, LAN, false);
	run(400 * S);
	/* what only the old master knew is there */
	ck_assert(!engine(A)->legacy);
	quiet();
	ck_assert_uint_gt(sim->node[B].kernel.n, 150);
}
END_TEST

/* --- one family, one network ------------------------------------------------ */

START_TEST(one_silent_family_moves_it_once)
{
	for (int preempt = 0; preempt < 2; preempt++) {
		struct sim_conf conf = witnessed();

		conf.v6 = true;
		conf.preempt = preempt;
		pair_of(&conf);
		sim->family_cut[LAN][CARP_V4] = true;
		run(DOWN + LIMIT * DOWN + 1 * S);
		ck_assert_str_eq(cause(B, LAN), UNHEARD);
		run(200 * S);
		ck_assert_int_eq(state(B), CARP_MASTER);
		ck_assert_int_eq(state(A), CARP_BACKUP);
		ck_assert_uint_eq(noted(A, WORD), 1);
		sim->family_cut[LAN][CARP_V4] = false;
		run(10 * S);
		ck_assert_int_eq(state(A), preempt ? CARP_MASTER : CARP_BACKUP);
		ck_assert_uint_eq(masters(), 1);
		quiet();
		if (!preempt)
			teardown();
	}
}
END_TEST

/* All move together: to who took the one that was not heard, and not back. */
START_TEST(one_silent_network_moves_all)
{
	for (int preempt = 0; preempt < 2; preempt++) {
		struct sim_conf conf = witnessed();

		conf.vhosts = 2;
		conf.preempt = preempt;
		pair_of(&conf);
		sim_lan(sim, LAN, true);
		run(DOWN + LIMIT * DOWN + 5 * S);
		ck_assert_uint_eq(engine(B)->masters, 2);
		ck_assert_uint_eq(engine(A)->masters, 0);
		run(200 * S);
		ck_assert_uint_eq(engine(B)->masters, 2);
		ck_assert_uint_eq(noted(A, WORD), 1);
		sim_lan(sim, LAN, false);
		run(20 * S);
		ck_assert_uint_eq(engine(A)->masters + engine(B)->masters, 2);
		quiet();
		if (!preempt)
			teardown();
	}
}
END_TEST

/* --- split brain -------------------------------------------------------------- */

/* Connections through one of two masters. */
static void connections(unsigned i, unsigned n)
{
	for (unsigned k = 0; k < n; k++)
		sim_traffic(sim, i);
}

START_TEST(a_split_brain_heals_with_all_connections)
{
	static struct flow list[2][1000];
	struct sim_conf conf = witnessed();
	size_t n[2];

	conf.tuples = 4000;
	pair_of(&conf);
	sim->traffic = false;
	sim_link(sim, true);
	run(1 * S);
	sim_lan(sim, LAN, true);
	run(2 * DOWN);
	ck_assert_uint_eq(masters(), 2);
	for (unsigned i = 0; i < 200; i++) {
		connections(A, 5);
		connections(B, 5);
		run(10 * MS);
	}
	n[A] = only_at(A, list[A], 1000);
	n[B] = only_at(B, list[B], 1000);
	ck_assert_uint_gt(n[A], 5);
	ck_assert_uint_gt(n[B], 5);
	sim_lan(sim, LAN, false);
	run(INTERVAL(B) + 100 * MS);
	ck_assert_uint_eq(masters(), 1);
	sim_link(sim, false);
	run(3 * S);
	ck_assert_uint_eq(masters(), 1);
	for (unsigned i = 0; i < 2; i++)
		for (unsigned k = 0; k < 2; k++)
			ck_assert_uint_eq(present(k, list[i], n[i]), n[i]);
	ck_assert(!engine(A)->legacy && !engine(B)->legacy);
	quiet();
}
END_TEST

int main(void)
{
	const TTest *const witness[] = {
		a_cut_lan_makes_no_second_master,
		the_better_node_comes_back_when_the_lan_does,
		the_links_death_ends_obeying,
		the_links_death_ends_waiting_at_once,
		a_dead_master_is_not_waited_for,
		a_mute_master_is_replaced_at_once,
		one_that_turns_mute_is_not_waited_for_any_more,
		a_more_demoted_master_is_not_waited_for,
		a_more_demoted_backup_is_obeyed_while_the_lan_is_cut,
		who_takes_over_from_one_it_hears_does_not_obey_it,
		a_holding_node_takes_over_and_the_old_master_yields,
		one_silent_family_moves_it_once,
		one_silent_network_moves_all,
		a_split_brain_heals_with_all_connections,
	};
	Suite *s = suite_create("engine_witness");
	SRunner *sr = srunner_create(s);
	int failed;

	SCENES(s, "witness", witness);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
