// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * core/engine: one node of three, and what it believes of a bulk while another
 * one tells, too.
 */
#include "three_nodes.h"

/* Nothing was marked for it, so it says nothing of what is over. */
START_TEST(a_bulk_that_begins_while_two_tell_is_not_the_last)
{
	struct engine_rx *rx = &e->peers[FW1].rx;

	e->table = 10;
	says(FW1, CARP_MASTER, 0);
	says(FW3, CARP_BACKUP, 100);
	e->peers[FW3].word.tx_epoch = 9;
	rx->epoch = 0;
	engine_rx_settle(e, FW1, now);
	ck_assert_int_eq(rx->state, RX_ASKED);
	e->peers[FW3].word.tx_epoch = 0;
	bulk_ends(FW1);
	ck_assert(rx->unswept);
	rx->state = RX_IDLE;
	engine_rx_settle(e, FW1, now);
	ck_assert_int_eq(rx->state, RX_MARK);
}
END_TEST

/* Who is master would have it, and tell nobody. */
START_TEST(what_comes_of_a_bulk_given_up_is_left)
{
	struct flow_change c = {
		.op = FLOW_COPY,
		.flow = { .family = AF_INET,
			  .l4proto = IPPROTO_UDP,
			  .status = IPS_CONFIRMED | IPS_SEEN_REPLY,
			  .orig = { .src = { { 10, 1, 0, 7 } },
				    .dst = { { 10, 2, 0, 9 } } } },
	};
	const struct session_event ev = {
		.type = SESSION_FLOWS,
		.flows = { .list = &c, .n = 1, .bulk = true },
	};

	flow_tuple_invert(&c.flow, &c.flow.orig, &c.flow.reply);
	says(FW1, CARP_MASTER, 0);
	engine_rx_flows(e, FW1, &ev);
	ck_assert_uint_eq(e->nops, 0);
	e->peers[FW1].rx.state = RX_RUNNING;
	engine_rx_flows(e, FW1, &ev);
	ck_assert_uint_eq(e->nops, 1);
}
END_TEST

/* The others are not told by events what a master takes of an old one. */
START_TEST(a_part_of_an_old_masters_table_is_a_gap_for_the_others)
{
	struct engine_rx *rx = &e->peers[FW1].rx;

	says(FW1, CARP_BACKUP, 0);
	says(FW3, CARP_BACKUP, 100);
	master();
	rx->state = RX_RUNNING;
	engine_rx_failed(e, FW1, "test", 0, now);
	ck_assert_ptr_null(e->peers[FW3].tx.gap);
	rx->state = RX_RUNNING;
	rx->entries = 1;
	engine_rx_failed(e, FW1, "test", 0, now);
	ck_assert_ptr_nonnull(e->peers[FW3].tx.gap);
}
END_TEST

/* After a split in three: that fw3 has it is nothing to rely on, it may take
 * a bulk of fw1 as we do. */
START_TEST(an_old_master_relies_on_no_other_old_one)
{
	struct engine_peer *fw1 = &e->peers[FW1], *fw3 = &e->peers[FW3];

	says(FW1, CARP_MASTER, 0);
	says(FW3, CARP_BACKUP, 100);
	master();
	fw1->live = false;
	engine_epoch_telling(e, false, now);
	ck_assert(e->legacy);
	fw3->word.rx_epoch = fw3->tx.epoch;
	engine_sync_settle(e, FW3, now);
	ck_assert(e->legacy);
	says(FW1, CARP_MASTER, 0);
	fw1->word.rx_epoch = 0;
	engine_sync_settle(e, FW1, now);
	ck_assert(e->legacy);
	fw1->tx.state = TX_STREAM;
	fw1->word.rx_epoch = fw1->tx.epoch;
	engine_sync_settle(e, FW1, now);
	ck_assert(!e->legacy);
}
END_TEST

/* While two tell, what one of them does not have is not gone. */
START_TEST(nothing_is_swept_while_two_tell)
{
	struct engine_rx *rx = &e->peers[FW1].rx;

	e->table = 10;
	says(FW1, CARP_MASTER, 0);
	says(FW3, CARP_MASTER, 100);
	rx->epoch = 0;
	engine_rx_settle(e, FW1, now);
	ck_assert_int_eq(rx->state, RX_ASKED); /* no copy is marked */
	rx->suspects = 5; /* it was, before the other one began to tell */
	bulk_ends(FW1);
	ck_assert_int_eq(rx->result, BULK_DONE);
	ck_assert(e->raise);
	ck_assert(engine_rx_in_sync(e, FW1));
	/* one alone is left, and this node is no worse for the bulk after it */
	engine_rx_settle(e, FW1, now);
	ck_assert_int_eq(rx->state, RX_IDLE);
	says(FW3, CARP_BACKUP, 100);
	engine_rx_settle(e, FW1, now);
	ck_assert_int_eq(rx->state, RX_MARK);
	ck_assert_uint_eq(engine_peer_holds(e), 0);
	rx->suspects = 5;
	bulk_ends(FW1);
	ck_assert_int_eq(rx->state, RX_SWEEP);
}
END_TEST

/* The marks of a second one would be swept by the first. */
START_TEST(copies_are_marked_for_one_bulk)
{
	e->table = 10;
	says(FW1, CARP_MASTER, 0);
	says(FW3, CARP_BACKUP, 100);
	e->peers[FW1].rx.epoch = 0;
	e->peers[FW3].rx.state = RX_SWEEP;
	engine_rx_settle(e, FW1, now);
	ck_assert_int_eq(e->peers[FW1].rx.state, RX_IDLE);
	e->peers[FW3].rx.state = RX_IDLE;
	engine_rx_settle(e, FW1, now);
	ck_assert_int_eq(e->peers[FW1].rx.state, RX_MARK);
}
END_TEST

/* A bulk of so many flows, of which our kernel does not take the first few. */
static void bulk_of(size_t n, size_t few, enum flow_result r)
{
	uint8_t results[ENGINE_OPS_MAX] = { FLOW_APPLIED };
	struct engine_rx *rx = &e->peers[FW1].rx;
	const struct session_event begin = {
		.type = SESSION_BULK_BEGIN,
		.bulk = { .id = ++rx->id, .epoch = 7 },
	};

	memset(results, (int)r, few);
	rx->state = RX_ASKED;
	engine_rx_bulk_begin(e, FW1, &begin, now);
	rx->entries = n;
	e->ops_peer = FW1;
	e->ops_bulk = true;
	e->nops = n;
	engine_injected(e, results, 0, now);
	bulk_ends(FW1);
}

/* Rules 5: it is refused for good, and the audit says why. */
START_TEST(a_flow_that_no_kernel_takes_is_no_gap)
{
	says(FW1, CARP_MASTER, 0);
	for (size_t n = 4; n <= 400; n *= 10) {
		bulk_of(n, 1, _i ? FLOW_OTHER : FLOW_INVALID);
		ck_assert_int_eq(e->peers[FW1].rx.result, BULK_DONE);
		ck_assert(engine_rx_in_sync(e, FW1));
		ck_assert_uint_eq(engine_peer_holds(e), 0);
	}
	e->ops_bulk = false;
	e->ops_peer = FW1;
	e->nops = 1;
	engine_injected(e, &(uint8_t){ _i ? FLOW_OTHER : FLOW_INVALID }, 0,
			now);
	ck_assert(engine_rx_in_sync(e, FW1));
	ck_assert_uint_eq(e->peers[FW1].refused[_i ? FLOW_OTHER : FLOW_INVALID],
			  4);
}
END_TEST

/* It lacks what they need: there is no copy to go on with. */
START_TEST(a_kernel_that_takes_few_is_a_gap)
{
	says(FW1, CARP_MASTER, 0);
	bulk_of(400, 100, _i ? FLOW_OTHER : FLOW_INVALID);
	ck_assert_int_eq(e->peers[FW1].rx.result, BULK_FAILED);
	ck_assert_uint_eq(engine_peer_holds(e), HOLD_GAP);
	ck_assert_ptr_nonnull(
		strstr(e->peers[FW1].rx.why, "refuses flows (100 missing)"));
	bulk_of(400, 1, FLOW_TABLE_FULL); /* it may take it later */
	ck_assert_uint_eq(engine_peer_holds(e), HOLD_GAP);
	bulk_of(400, 0, FLOW_APPLIED);
	ck_assert_uint_eq(engine_peer_holds(e), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("engine_three_bulk");
	TCase *t = tcase_create("all");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_bulk_that_begins_while_two_tell_is_not_the_last);
	tcase_add_test(t, what_comes_of_a_bulk_given_up_is_left);
	tcase_add_test(t,
		       a_part_of_an_old_masters_table_is_a_gap_for_the_others);
	tcase_add_test(t, an_old_master_relies_on_no_other_old_one);
	tcase_add_test(t, nothing_is_swept_while_two_tell);
	tcase_add_test(t, copies_are_marked_for_one_bulk);
	tcase_add_loop_test(t, a_flow_that_no_kernel_takes_is_no_gap, 0, 2);
	tcase_add_loop_test(t, a_kernel_that_takes_few_is_a_gap, 0, 2);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
