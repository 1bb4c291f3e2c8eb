/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * core/engine: what becomes of the two tables (rules 2 to 5), in scenes.
 */
#include "engine_int.h"
#include "engine_scene.h"
#include "frame.h"

/* --- rules 2 to 5: the tables ------------------------------------------------ */

START_TEST(who_joins_under_churn_ends_up_equal)
{
	struct sim_conf conf = conf_of();

	conf.seed = (uint64_t)_i + 1;
	conf.ops_s = 2000;
	conf.chunk = 1 + (size_t)_i % 7;
	conf.link_bytes_s = _i % 2 ? 100000 : 0;
	pair_of(&conf);
	for (int i = 0; i < 3; i++) {
		sim_kill(sim, B);
		run((100 + 37 * _i) * MS);
		sim_start(sim, B);
		run(3 * S);
	}
	ck_assert_uint_eq(sim->changes[LAN], 0);
	quiet();
}
END_TEST

START_TEST(an_interrupted_bulk_begins_anew)
{
	struct sim_conf conf = conf_of();

	conf.link_bytes_s = 50000;
	world(&conf);
	sim_fill(sim, A, 300);
	sim->traffic = true;
	sim_start(sim, A);
	run(5 * S);
	sim_start(sim, B);
	for (int i = 0; i < 3; i++) {
		while (!engine(B) || rx(B)->state != RX_RUNNING ||
		       rx(B)->entries < 100U * (unsigned)i)
			run(MONO_MS);
		ck_assert(engine(B)->env.holding);
		sim_reset_link(sim);
	}
	run(5 * S);
	ck_assert_int_eq(rx(B)->result, BULK_DONE);
	quiet();
}
END_TEST

/* Turns one bit of the digest in the end mark, if it is on its way now. */
static bool falsify_bulk_end(void)
{
	struct sim_pipe *p = &sim->node[B].inbox[A];
	struct frame f;

	for (size_t at = 0; at < p->len; at += frame_size(&f)) {
		if (frame_look(p->bytes + at, p->len - at, &f) != FRAME_OK)
			return false;
		if (f.type != FRAME_BULK_END)
			continue;
		p->bytes[at + frame_size(&f) - 1] ^= 1;
		return true;
	}
	return false;
}

START_TEST(a_wrong_digest_is_no_bulk)
{
	const struct sim_conf conf = conf_of();

	world(&conf);
	sim_fill(sim, A, 100);
	sim_start(sim, A);
	run(5 * S);
	sim_start(sim, B);
	while (!falsify_bulk_end())
		run(10 * MONO_US);
	run(100 * MS);
	ck_assert_int_eq(rx(B)->result, BULK_FAILED);
	ck_assert(engine(B)->env.holding);
	run(3 * S);
	ck_assert_int_eq(rx(B)->result, BULK_DONE);
	quiet();
}
END_TEST

/* Rules 5: an entry that the kernel did not take is a gap until it did. */
START_TEST(a_full_table_is_not_in_sync)
{
	pair();
	sim->node[B].kernel.max = sim->node[B].kernel.n;
	run(20 * S);
	ck_assert(!engine_rx_in_sync(engine(B), 0));
	ck_assert(!engine_tx_in_sync(engine(A), 0));
	ck_assert_uint_eq(engine(B)->gate.holds, HOLD_GAP);
	sim->node[B].kernel.max = KERNEL_ENTRIES_MAX;
	run(15 * S);
	quiet();
}
END_TEST

/* A peer that is master of nothing tells nothing: that ends no copy. */
START_TEST(an_empty_bulk_removes_nothing)
{
	size_t before;

	pair();
	sim->traffic = false;
	run(20 * S); /* what is short has ended */
	for (unsigned i = A; i <= B; i++)
		for (unsigned k = LAN; k <= WAN; k++)
			sim_carrier(sim, i, k, false);
	run(1 * S);
	before = sim->node[B].kernel.n;
	ck_assert_uint_gt(before, 20);
	sim_ask_bulk(sim, B);
	run(1 * S);
	ck_assert_uint_eq(sim->node[B].bulks_ok, 1);
	ck_assert_uint_eq(sim->node[B].kernel.n, before);
}
END_TEST

/* One of A's connections, which its kernel has removed, by itself or for a
 * process. */
static struct flow removed(bool forced, uint32_t portid)
{
	struct kernel_entry *e = some_tcp(A);
	struct flow f = e->flow;

	kernel_remove(&sim->node[A].kernel, e, forced, portid, sim->now);
	return f;
}

/* Rules 3. */
START_TEST(what_ends_is_told_and_what_is_torn_away_is_not)
{
	struct kernel *b;
	struct flow f;

	pair();
	sim->traffic = false;
	run(20 * S);
	b = &sim->node[B].kernel;
	f = removed(true, 0);
	run(1 * S);
	ck_assert_ptr_nonnull(kernel_look(b, &f));
	f = removed(false, 0);
	run(10 * MS);
	ck_assert_ptr_null(kernel_look(b, &f));
	f = removed(true, 4242);
	run(90 * MS);
	ck_assert_ptr_nonnull(kernel_look(b, &f));
	run(20 * MS);
	ck_assert_ptr_null(kernel_look(b, &f));
}
END_TEST

/* --- rules 4: what the kernel has told already, and what happened since ------ */

/* The chunk that waits in the kernel, of a node that does a dump of a kind. */
static struct kernel_dump *waiting(unsigned i, enum engine_dump what)
{
	struct kernel_dump *d = &sim->node[i].kernel.dump;

	if (!engine(i) || engine(i)->dump != what || !d->running || !d->n)
		return NULL;
	return d;
}

/* Ends the first flow of the chunk that waits, then makes a noise of n events,
 * more than one batch holds. */
static unsigned end_what_waits(unsigned noise)
{
	struct kernel *k = &sim->node[A].kernel;
	struct kernel_dump *d = waiting(A, DUMP_BULK);
	struct kernel_entry *e = d ? kernel_find(k, &d->chunk[0]) : NULL;

	if (!e || e->flow.orig.src.b[0] != 10)
		return 0;
	kernel_remove(k, e, false, 0, sim->now);
	for (unsigned i = 0; i < noise; i++)
		kernel_changed(k, &k->entries[i % k->n], sim->now);
	return 1;
}

/* As it is, with more events than a batch holds, and while somebody asks for a
 * comparison again and again. */
START_TEST(no_stale_copy_is_sent)
{
	struct sim_conf conf = conf_of();
	unsigned ended = 0;

	conf.slowness = 100;
	world(&conf);
	sim_fill(sim, A, 250);
	sim_start(sim, A);
	run(4 * S);
	sim_start(sim, B);
	while (!engine(B) || rx(B)->result != BULK_DONE) {
		run(300 * MONO_US);
		ended += end_what_waits(_i == 1 ? 600 : 0);
		if (_i == 2 && engine(B))
			sim_verify(sim, B);
	}
	ck_assert_uint_gt(ended, 5);
	quiet();
}
END_TEST

/* A made-up world in which B has copies that A lost while the link was cut:
 * the bulk has come, the sweep begins. Returns how many there are. */
static void until_sweep(void)
{
	struct sim_conf conf = conf_of();
	struct kernel *k;

	conf.slowness = 100;
	conf.no_resume = true;
	pair_of(&conf);
	sim->traffic = false;
	run(15 * S);
	sim_link(sim, true);
	run(3 * S);
	k = &sim->node[A].kernel;
	for (size_t i = k->n; i-- > 0;)
		if (k->entries[i].flow.orig.src.b[0] == 10)
			kernel_remove(k, &k->entries[i], false, 0, sim->now);
	sim_link(sim, false);
	while (!waiting(B, DUMP_SWEEP))
		run(100 * MONO_US);
	ck_assert_int_eq(rx(B)->state, RX_SWEEP);
}

/* Each copy that is about to be removed is told anew just before. */
START_TEST(a_flow_that_is_told_anew_is_not_swept)
{
	struct kernel *k;
	unsigned again = 0;

	until_sweep();
	k = &sim->node[A].kernel;
	while (rx(B)->state == RX_SWEEP) {
		struct kernel_dump *d = waiting(B, DUMP_SWEEP);

		for (size_t i = 0; d && i < d->n; i++) {
			struct flow f = d->chunk[i];

			if (f.orig.src.b[0] != 10)
				continue;
			f.reply.dport ^= 1;
			f.has &= (uint8_t)~FLOW_HAS_TIMEOUT;
			again += kernel_create(k, &f, sim->now);
		}
		run(300 * MONO_US);
	}
	ck_assert_uint_gt(again, 5);
	quiet();
}
END_TEST

/* Nor is a bulk complete when the kernel refused something during the sweep. */
/* A netlink socket that overran is deaf until it was read to its end. */
START_TEST(no_bulk_begins_while_the_kernel_drops_events)
{
	struct engine_action a;

	pair();
	engine_overrun(engine(A), sim->now);
	engine_sync_requested(engine(A), 0, 99);
	while (engine_poll(engine(A), &a, sim->now))
		;
	ck_assert_int_ne(engine_work(engine(A), sim->now), WORK_DUMP_START);
	engine_drained(engine(A), sim->now);
	ck_assert_int_eq(engine_work(engine(A), sim->now), WORK_DUMP_START);
}
END_TEST

/* Before a bulk the timeouts of copies are cut; who never gets it needs them. */
START_TEST(a_bulk_that_fails_costs_no_copy_its_time)
{
	struct kernel *k;

	pair();
	ck_assert_int_eq(engine_bulk(engine(B), 0, sim->now), 0);
	for (int i = 0; i < 10000 && rx(B)->state != RX_ASKED; i++)
		run(10 * MONO_US);
	ck_assert_int_eq(rx(B)->state, RX_ASKED);
	sim_reset_link(sim);
	sim_link(sim, true);
	run(3 * S);
	ck_assert_int_ne(rx(B)->result, BULK_DONE);
	k = &sim->node[B].kernel;
	for (size_t i = 0; i < k->n; i++)
		ck_assert_int_gt(mono_diff(k->entries[i].expires, sim->now),
				 (TIMEOUT_STANDBY_S - 60) * S);
	sim_link(sim, false);
	run(5 * S);
	quiet();
}
END_TEST

static size_t with_a_copys_time(unsigned i)
{
	const struct kernel *k = &sim->node[i].kernel;
	size_t count = 0;

	for (size_t n = 0; n < k->n; n++)
		count += k->entries[n].flow.l4proto == IPPROTO_UDP &&
			 mono_diff(k->entries[n].expires, sim->now) > 600 * S;
	return count;
}

/* One who takes over has to tell a table soon: that pass gives its entries
 * their time, too, or dead ones would live until the next takeover. */
START_TEST(a_bulk_gives_entries_their_time_on_its_way)
{
	pair();
	ck_assert_uint_gt(with_a_copys_time(B), 0);
	sim_kill(sim, A);
	while (state(B) != CARP_MASTER)
		run(MONO_MS);
	ck_assert_uint_gt(with_a_copys_time(B), 0);
	sim_start(sim, A);
	while (!engine(A) || rx(A)->state != RX_RUNNING)
		run(10 * MONO_US);
	ck_assert_uint_gt(with_a_copys_time(B), 0);
	while (rx(A)->result != BULK_DONE)
		run(10 * MONO_US);
	ck_assert_uint_eq(with_a_copys_time(B), 0);
	ck_assert_int_eq(engine(B)->lower_at.ns, MONO_NEVER.ns);
	quiet();
}
END_TEST

START_TEST(a_table_that_fills_up_during_the_sweep_is_a_gap)
{
	struct kernel *b;

	until_sweep();
	b = &sim->node[B].kernel;
	b->max = 1;
	sim_fill(sim, A, 100);
	run(1 * S);
	ck_assert(!engine_rx_in_sync(engine(B), 0));
	ck_assert(engine(B)->env.holding);
	b->max = KERNEL_ENTRIES_MAX;
	run(15 * S);
	quiet();
}
END_TEST

/* A master does not end what another one found no packets for; a delete that
 * somebody asked for counts everywhere. */
START_TEST(two_masters_do_not_end_each_others_flows)
{
	struct kernel *b;
	struct flow f;

	pair();
	sim->traffic = false;
	run(15 * S);
	b = &sim->node[B].kernel;
	sim_lan(sim, LAN, true);
	sim_lan(sim, WAN, true);
	run(8 * S);
	ck_assert(sim_holds(sim, A, LAN) && sim_holds(sim, B, LAN));
	f = removed(false, 0);
	run(1 * S);
	ck_assert_ptr_nonnull(kernel_look(b, &f));
	f = removed(true, 4242);
	run(1 * S);
	ck_assert_ptr_null(kernel_look(b, &f));
}
END_TEST

/* Both nodes have lost an uplink, for hours: what ran out is told as ever, what
 * an address that goes tears away is not. */
START_TEST(what_runs_out_while_an_interface_is_down_is_told)
{
	struct kernel *b;
	struct flow f;

	pair();
	sim->traffic = false;
	run(20 * S);
	sim_carrier(sim, B, WAN, false);
	sim_carrier(sim, A, WAN, false);
	run(5 * S);
	ck_assert_int_eq(sim_holder(sim, LAN), A);
	b = &sim->node[B].kernel;
	f = removed(true, 0);
	run(1 * S);
	ck_assert_ptr_nonnull(kernel_look(b, &f));
	f = removed(false, 0);
	run(1 * S);
	ck_assert_ptr_null(kernel_look(b, &f));
}
END_TEST

static TCase *tables(Suite *s)
{
	const TTest *const list[] = {
		an_interrupted_bulk_begins_anew,
		a_wrong_digest_is_no_bulk,
		a_full_table_is_not_in_sync,
		an_empty_bulk_removes_nothing,
		a_flow_that_is_told_anew_is_not_swept,
		no_bulk_begins_while_the_kernel_drops_events,
		a_bulk_that_fails_costs_no_copy_its_time,
		a_bulk_gives_entries_their_time_on_its_way,
		a_table_that_fills_up_during_the_sweep_is_a_gap,
		two_masters_do_not_end_each_others_flows,
		what_ends_is_told_and_what_is_torn_away_is_not,
		what_runs_out_while_an_interface_is_down_is_told,
	};

	return SCENES(s, "tables", list);
}

int main(void)
{
	Suite *s = suite_create("engine tables");
	SRunner *sr;
	TCase *t;
	int failed;

	t = tables(s);
	tcase_add_loop_test(t, who_joins_under_churn_ends_up_equal, 0, 6);
	tcase_add_loop_test(t, no_stale_copy_is_sent, 0, 3);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
