// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * core/engine: what one node of three decides from what the other two say:
 * whether it holds, who goes before it, to whom it hands over, and whether its
 * own table is known elsewhere.
 */
#include "three_nodes.h"

START_TEST(a_dead_peer_holds_only_whose_master_is_not_heard)
{
	ck_assert_uint_eq(engine_peer_holds(e), HOLD_LINK);
	says(FW1, CARP_MASTER, 0);
	ck_assert_uint_eq(engine_peer_holds(e), 0);
	/* the master is lost: who has heard the rest of it nobody knows */
	e->peers[FW1].live = false;
	says(FW3, CARP_BACKUP, 100);
	ck_assert_uint_eq(engine_peer_holds(e), HOLD_LINK);
	/* there is a new one, which we lack a bulk of */
	says(FW3, CARP_MASTER, 100);
	e->peers[FW3].rx.epoch = 0;
	ck_assert_uint_eq(engine_peer_holds(e), HOLD_BULK);
	e->peers[FW3].rx.epoch = 7;
	ck_assert_uint_eq(engine_peer_holds(e), 0);
}
END_TEST

/* A gap of the old master: the new one's bulk has all there is. */
START_TEST(a_bulk_of_the_new_master_fills_the_gap_of_the_old_one)
{
	struct session_event ev = {
		.type = SESSION_BULK_END,
		.bulk_end = { .id = 1, .complete = true },
	};
	struct engine_rx *rx = &e->peers[FW1].rx;

	for (int telling = 1; telling >= 0; telling--) {
		says(FW1, CARP_MASTER, 0);
		says(FW3, telling ? CARP_MASTER : CARP_BACKUP, 100);
		engine_rx_gap(e, FW3, "the kernel dropped events", now);
		rx->state = RX_RUNNING;
		rx->id = 1;
		rx->bulk_epoch = 7;
		engine_rx_bulk_end(e, FW1, &ev, now);
		ck_assert_int_eq(rx->result, BULK_DONE);
		ck_assert_uint_eq(engine_peer_holds(e), telling ? HOLD_GAP : 0);
	}
}
END_TEST

static void tells_no_more(unsigned peer)
{
	e->peers[peer].word.tx_epoch = 9;
	engine_rx_word(e, peer, now);
	e->peers[peer].word.tx_epoch = 0;
	engine_rx_word(e, peer, now);
}

/* What it had to tell the master has by now, and did not tell as its own. */
START_TEST(who_tells_no_more_has_told_the_master)
{
	says(FW1, CARP_MASTER, 0);
	says(FW3, CARP_BACKUP, 100);
	e->peers[FW3].rx.epoch = 9; /* we have it, too */
	tells_no_more(FW3);
	ck_assert(engine_rx_in_sync(e, FW1));
	e->peers[FW3].rx.unswept = true; /* and maybe some that was over */
	tells_no_more(FW3);
	ck_assert(!engine_rx_in_sync(e, FW1));
	says(FW1, CARP_MASTER, 0);
	e->peers[FW3].rx.epoch = 8;
	tells_no_more(FW3);
	ck_assert(!engine_rx_in_sync(e, FW1));
}
END_TEST

/* Then we are master, and the one that handed over to us lacks some of it. */
START_TEST(who_has_more_than_one_told_tells_it)
{
	says(FW1, CARP_BACKUP, 0);
	says(FW3, CARP_BACKUP, 100);
	master();
	engine_rx_settle(e, FW1, now);
	ck_assert_int_eq(e->peers[FW1].tx.state, TX_STREAM);
	e->peers[FW3].rx.unswept = true;
	engine_rx_settle(e, FW1, now);
	engine_rx_settle(e, FW3, now);
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(e->peers[i].tx.state, TX_NONE);
	ck_assert(!e->peers[FW3].rx.unswept);
}
END_TEST

/* What an old master has is put into our kernel, and no event tells of it. */
START_TEST(who_takes_from_an_old_master_tells_the_others)
{
	says(FW1, CARP_MASTER, 0);
	says(FW3, CARP_BACKUP, 100);
	master();
	bulk_ends(FW1); /* it works, too, and tells by itself */
	ck_assert_int_eq(e->peers[FW3].tx.state, TX_STREAM);
	says(FW1, CARP_BACKUP, 0);
	master();
	e->peers[FW1].word.tx_epoch = 9;
	bulk_ends(FW1);
	ck_assert_int_eq(e->peers[FW1].tx.state, TX_STREAM);
	ck_assert_int_eq(e->peers[FW3].tx.state, TX_NONE);
}
END_TEST

/* A stream does not go on where another node's table came between. */
START_TEST(no_stream_goes_on_after_another_ones_bulk)
{
	const struct session_event ev = {
		.type = SESSION_BULK_BEGIN,
		.bulk = { .id = 1, .epoch = 7 },
	};

	says(FW1, CARP_MASTER, 0);
	e->peers[FW3].resume.epoch = 5;
	e->peers[FW1].rx.state = RX_ASKED;
	e->peers[FW1].rx.id = 1;
	engine_rx_bulk_begin(e, FW1, &ev, now);
	ck_assert_uint_eq(e->peers[FW3].resume.epoch, 0);
	e->peers[FW3].resume.epoch = 5;
	e->peers[FW1].rx.state = RX_IDLE;
	e->peers[FW1].rx.unswept = true;
	tells_no_more(FW1);
	ck_assert_uint_eq(e->peers[FW3].resume.epoch, 0);
}
END_TEST

/* Nor are elements of a set removed while two tell, but then. */
START_TEST(a_set_is_told_again_by_who_is_left)
{
	struct engine_set *t;

	teardown();
	setup_with(1);
	t = &e->sets->set[0];
	says(FW1, CARP_MASTER, 0);
	says(FW3, CARP_BACKUP, 100);
	e->peers[FW3].rx.epoch = 9;
	tells_no_more(FW3);
	ck_assert(mono_is_never(t->wish));
	t->unswept = true;
	tells_no_more(FW3);
	ck_assert(mono_due(t->wish, now));
	ck_assert(!t->unswept);
}
END_TEST

/* We hand over to one, and another one tells something, too: to ask that one
 * puts an end to nothing. */
START_TEST(a_bulk_beside_a_handover)
{
	e->table = 10;
	says(FW3, CARP_MASTER, 20);
	e->peers[FW3].rx.epoch = 0;
	e->peers[FW3].rx.adopt = true;
	engine_rx_word(e, FW3, now);
	ck_assert(e->raise);
	says(FW1, CARP_BACKUP, 0);
	e->peers[FW1].word.tx_epoch = 9;
	engine_rx_settle(e, FW1, now);
	ck_assert_int_eq(e->peers[FW1].rx.state, RX_ASKED);
	ck_assert(e->raise);
	engine_rx_raised(e);
	ck_assert(engine_rx_in_sync(e, FW3));
}
END_TEST

/* Given to fw1, and fw3 took it: what fw1 tells later is not what we had. */
START_TEST(who_gave_it_to_one_is_no_copy_of_another)
{
	char why[SESSION_REASON_MAX];

	says(FW1, CARP_BACKUP, 20);
	says(FW3, CARP_BACKUP, 100);
	master();
	ck_assert_int_eq(engine_handover(e, FW1, false, 0, "", why, now), 0);
	e->peers[FW1].rx.adopt = true;	       /* its bow-out is said */
	e->vhosts[0].carp.state = CARP_BACKUP; /* fw3's advert */
	e->masters = 0;
	engine_epoch_telling(e, false, now);
	says(FW3, CARP_MASTER, 100);
	engine_rx_word(e, FW3, now);
	/* and much later */
	says(FW3, CARP_BACKUP, 100);
	engine_rx_word(e, FW3, now);
	says(FW1, CARP_MASTER, 20);
	e->peers[FW1].rx.epoch = 0;
	engine_rx_word(e, FW1, now);
	engine_rx_raised(e);
	ck_assert(!engine_rx_in_sync(e, FW1));
	ck_assert_uint_eq(engine_peer_holds(e), HOLD_BULK);
	engine_rx_settle(e, FW1, now);
	ck_assert_int_ne(e->peers[FW1].rx.state, RX_IDLE);
}
END_TEST

/* Where all may work, and one does: a copy that is marked for its bulk looks like
 * one whose packets pass here. */
START_TEST(who_alone_works_is_right)
{
	e->independent = true;
	says(FW1, CARP_MASTER, 0);
	says(FW3, CARP_BACKUP, 100);
	ck_assert_int_eq(engine_merge(e, FW1), FLOW_MERGE_NOT);
	says(FW3, CARP_MASTER, 100);
	ck_assert_int_ne(engine_merge(e, FW1), FLOW_MERGE_NOT);
}
END_TEST

/* It was master, slept, and has what went on elsewhere as it was then. */
START_TEST(a_master_knows_better_than_one_that_was)
{
	struct flow_change c = { .op = FLOW_COPY };

	c.flow = (struct flow){
		.family = AF_INET,
		.l4proto = IPPROTO_UDP,
		.status = IPS_CONFIRMED,
		.orig = { .src = { .b = { 10, 1, 0, 7 } },
			  .dst = { .b = { 198, 51, 100, 7 } },
			  .sport = 1000,
			  .dport = 53 },
	};
	flow_tuple_invert(&c.flow, &c.flow.orig, &c.flow.reply);
	says(FW1, CARP_BACKUP, 0);
	says(FW3, CARP_MASTER, 100);
	e->ops_bulk = true;
	ck_assert(engine_op_told(e, &c, FW1));
	ck_assert_int_eq(e->ops[0].merge, FLOW_MERGE_ADD);
	ck_assert(engine_op_told(e, &c, FW3));
	ck_assert_int_eq(e->ops[1].merge, FLOW_MERGE_NOT);
	says(FW3, CARP_BACKUP, 100);
	ck_assert(engine_op_told(e, &c, FW1));
	ck_assert_int_eq(e->ops[2].merge, FLOW_MERGE_NOT);
}
END_TEST

START_TEST(one_heir_of_a_bow_out)
{
	says(FW1, CARP_MASTER, 0);
	says(FW3, CARP_BACKUP, 100);
	ck_assert(!engine_is_second(e, 0, -1, now));
	says(FW3, CARP_BACKUP, 20);
	ck_assert(engine_is_second(e, 0, -1, now));
	/* but for the one that gives it up */
	ck_assert(!engine_is_second(e, 0, FW3, now));
	/* equal: the smaller name */
	says(FW3, CARP_BACKUP, 50);
	ck_assert(!engine_is_second(e, 0, -1, now));
	/* not for one that is more demoted, is not ready or is away */
	says(FW3, CARP_BACKUP, 20);
	e->peers[FW3].word.vhosts[0].demotion = 1;
	ck_assert(!engine_is_second(e, 0, -1, now));
	says(FW3, CARP_BACKUP, 20);
	e->peers[FW3].word.ready = false;
	ck_assert(!engine_is_second(e, 0, -1, now));
	says(FW3, CARP_BACKUP, 20);
	e->peers[FW3].live = false;
	ck_assert(!engine_is_second(e, 0, -1, now));
	/* we hold, and it does not */
	says(FW3, CARP_BACKUP, 100);
	e->gate.holds = HOLD_LINK;
	ck_assert(engine_is_second(e, 0, -1, now));
	/* it is handed over to another one, for a moment */
	e->gate.holds = 0;
	ck_assert(!engine_is_second(e, 0, -1, now));
	e->elsewhere = 1;
	e->elsewhere_until = mono_add(now, MONO_S);
	ck_assert(engine_is_second(e, 0, -1, now));
	ck_assert(!engine_is_second(e, 0, -1, mono_add(now, MONO_S)));
}
END_TEST

/* The master is lost to both, to one of them long before. */
START_TEST(the_better_copy_goes_first)
{
	const mono_t later = mono_add(now, 60 * MONO_S);

	says(FW3, CARP_BACKUP, 100);
	e->peers[FW3].word.ready = false;
	e->peers[FW3].word.holds = HOLD_LINK;
	e->gate.holds = HOLD_LINK;
	ck_assert_uint_eq(engine_stale_ms(e, later), UINT32_MAX);
	e->whole = true;
	e->whole_at = now;
	ck_assert_uint_eq(engine_stale_ms(e, later), 60000);
	e->peers[FW3].word.stale_ms = 2000;
	ck_assert(engine_is_behind(e, 0, later));
	ck_assert(engine_is_second(e, 0, -1, later));
	/* about the same time: the election decides */
	e->whole_at = mono_add(now, 56 * MONO_S);
	ck_assert(!engine_is_behind(e, 0, later));
	e->whole_at = now;
	e->peers[FW3].word.stale_ms = 58000;
	ck_assert(!engine_is_behind(e, 0, later));
	/* one that cannot be master is no better */
	e->peers[FW3].word.stale_ms = 0;
	e->peers[FW3].word.holds = 0;
	ck_assert(!engine_is_behind(e, 0, later));
	e->peers[FW3].word.ready = true;
	ck_assert(engine_is_behind(e, 0, later));
	e->gate.holds = 0;
	ck_assert(!engine_is_behind(e, 0, later));
}
END_TEST

static int heir(int wanted)
{
	char why[SESSION_REASON_MAX];
	int rc = engine_handover(e, wanted, false, 0, "", why, now);

	e->handover.state = HANDOVER_IDLE;
	return rc ? rc : (int)e->handover_peer;
}

START_TEST(a_handover_goes_to_the_best)
{
	says(FW1, CARP_BACKUP, 100);
	says(FW3, CARP_BACKUP, 20);
	master();
	ck_assert_int_eq(heir(-1), FW3);
	ck_assert_int_eq(heir(FW1), FW1);
	says(FW3, CARP_BACKUP, 100);
	master();
	ck_assert_int_eq(heir(-1), FW1);
	e->demotion.by[DEMOTION_OPERATOR] = 2;
	e->peers[FW1].word.demotion = 1;
	ck_assert_int_eq(heir(-1), FW3);
	e->peers[FW3].word.rx_epoch = 0; /* not in sync */
	ck_assert_int_eq(heir(-1), FW1);
	ck_assert_int_eq(heir(FW3), -EAGAIN);
	e->peers[FW1].word.ready = false;
	ck_assert_int_eq(heir(-1), -EAGAIN);
}
END_TEST

START_TEST(what_is_told_on_the_way_out)
{
	says(FW1, CARP_MASTER, 0);
	says(FW3, CARP_BACKUP, 100);
	master();
	/* fw3 lacks some, and who is master now has it */
	e->peers[FW3].word.rx_epoch = 0;
	engine_epoch_telling(e, false, now);
	ck_assert(!e->legacy);
	/* the other way round nobody will hear it from fw3 */
	says(FW1, CARP_MASTER, 0);
	master();
	e->peers[FW1].word.rx_epoch = 0;
	engine_epoch_telling(e, false, now);
	ck_assert(e->legacy);
	e->legacy = false;
	/* nobody is master yet */
	says(FW1, CARP_BACKUP, 0);
	master();
	engine_epoch_telling(e, false, now);
	ck_assert(!e->legacy);
	master();
	e->peers[FW1].word.rx_epoch = 0;
	engine_epoch_telling(e, false, now);
	ck_assert(e->legacy);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("engine_three");
	TCase *t = tcase_create("all");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_dead_peer_holds_only_whose_master_is_not_heard);
	tcase_add_test(t,
		       a_bulk_of_the_new_master_fills_the_gap_of_the_old_one);
	tcase_add_test(t, who_tells_no_more_has_told_the_master);
	tcase_add_test(t, who_has_more_than_one_told_tells_it);
	tcase_add_test(t, who_takes_from_an_old_master_tells_the_others);
	tcase_add_test(t, no_stream_goes_on_after_another_ones_bulk);
	tcase_add_test(t, a_set_is_told_again_by_who_is_left);
	tcase_add_test(t, a_bulk_beside_a_handover);
	tcase_add_test(t, who_gave_it_to_one_is_no_copy_of_another);
	tcase_add_test(t, who_alone_works_is_right);
	tcase_add_test(t, a_master_knows_better_than_one_that_was);
	tcase_add_test(t, one_heir_of_a_bow_out);
	tcase_add_test(t, the_better_copy_goes_first);
	tcase_add_test(t, a_handover_goes_to_the_best);
	tcase_add_test(t, what_is_told_on_the_way_out);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
