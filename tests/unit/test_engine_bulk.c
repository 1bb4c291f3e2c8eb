/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bulks that fail, and what a node makes of that. */
#include "engine_scene.h"

/* Copies of what is gone at the master leave no room for what is there now:
 * the bulk's sweep makes it. */
START_TEST(a_table_full_of_old_copies_heals)
{
	struct kernel *b;
	struct flow f;

	pair();
	sim->traffic = false;
	run(20 * S); /* what is short has ended */
	b = &sim->node[B].kernel;
	f = some_tcp(A)->flow;
	for (uint16_t i = 0; i < 300; i++) {
		f.orig.sport = f.reply.dport = (uint16_t)(40000 + i);
		ck_assert(kernel_create(b, &f, sim->now));
	}
	b->max = b->n;
	sim_fill(sim, A, 400);
	run(1 * S);
	ck_assert(!engine_rx_in_sync(engine(B), 0));
	run(30 * S);
	ck_assert(engine_rx_in_sync(engine(B), 0));
	ck_assert_ptr_null(kernel_look(b, &f));
	b->max = KERNEL_ENTRIES_MAX;
	quiet();
}
END_TEST

static uint64_t bulks(unsigned i)
{
	const struct engine_peer *p = &engine(i)->peers[0];

	return p->bulks[BULK_DONE] + p->bulks[BULK_FAILED];
}

/* What a bulk costs may be what makes events get lost. */
START_TEST(one_gap_after_another_is_closed_with_patience)
{
	uint64_t before;

	pair();
	before = bulks(B);
	for (int i = 0; i < 30; i++) {
		sim->node[A].kernel.overrun = true;
		run(1 * S);
	}
	/* at once, and then at most after 1, 2, 4, 8 and 16 s */
	ck_assert_uint_ge(bulks(B), before + 2);
	ck_assert_uint_le(bulks(B), before + 6);
	run(30 * S);
	ck_assert(engine_rx_in_sync(engine(B), 0));
	quiet();
}
END_TEST

/* It may have confirmed what is gone now. */
START_TEST(a_bulk_during_which_entries_are_torn_away_is_none)
{
	struct sim_conf conf = conf_of();

	conf.slowness = 100;
	pair_of(&conf);
	sim_ask_bulk(sim, B);
	while (rx(B)->state != RX_RUNNING)
		run(100 * MONO_US);
	sim_carrier(sim, B, WAN, false);
	run(1 * MS);
	ck_assert_int_ne(rx(B)->state, RX_RUNNING);
	ck_assert(said(B, "torn away"));
	sim_carrier(sim, B, WAN, true);
	run(20 * S);
	ck_assert(engine_rx_in_sync(engine(B), 0));
	quiet();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("engine bulk");
	const TTest *const list[] = {
		a_table_full_of_old_copies_heals,
		one_gap_after_another_is_closed_with_patience,
		a_bulk_during_which_entries_are_torn_away_is_none,
	};
	SRunner *sr;
	int failed;

	SCENES(s, "bulks", list);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
