// SPDX-License-Identifier: GPL-3.0-or-later
/* Flows in numbers, acknowledgements, bulks that must be complete. */
#include "session_pair.h"

/* --- stream ---------------------------------------------------------------- */

START_TEST(test_stream)
{
	struct flow f;

	connect_both();
	tell(a, 1);
	ck_assert_uint_eq(session_filling(a), 1);
	ck_assert_uint_eq(session_backlog(a), 0);
	carry(a, b);
	ck_assert(!session_poll(b, &ev));
	ck_assert_int_eq(session_flush(a, now), 0);
	ck_assert_int_eq(session_flush(a, now), 0);
	ck_assert_uint_eq(session_filling(a), 0);
	ck_assert_uint_gt(session_backlog(a), 0);
	ck_assert_uint_eq(session_seq_sent(a), 1);
	for (uint32_t i = 2; i < 2 + SESSION_BATCH_MAX; i++)
		tell(a, i);
	ck_assert_uint_eq(session_filling(a), 0);
	ck_assert_uint_eq(session_seq_sent(a), 2);
	carry(a, b);
	ck_assert_uint_eq(session_backlog(a), 0);
	ck_assert(next(b, SESSION_FLOWS));
	ck_assert(ev.flows.seq == 1 && ev.flows.n == 1 && !ev.flows.bulk);
	numbered_flow(&f, 1);
	ck_assert_int_eq(ev.flows.list[0].op, FLOW_NEW);
	ck_assert_mem_eq(&ev.flows.list[0].flow, &f, sizeof(f));
	ck_assert(next(b, SESSION_FLOWS));
	ck_assert(ev.flows.seq == 2 && ev.flows.n == SESSION_BATCH_MAX);
	ck_assert(!session_poll(b, &ev));
	ck_assert_uint_eq(session_stats(a)->flows_sent, 257);
	ck_assert_uint_eq(session_stats(b)->flows_received, 257);
	ck_assert_uint_eq(session_stats(b)->bytes_received,
			  session_stats(a)->bytes_sent);
}
END_TEST

START_TEST(test_hole_in_the_numbers)
{
	static const uint8_t wrong[] = { 1, 3, 0xff };

	for (size_t i = 0; i < sizeof(wrong); i++) {
		uint8_t head[] = { 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 1 };

		meet("fw2", "fw1", SESSION_OK);
		session_input(a, head, sizeof(head), now);
		ck_assert(next(a, SESSION_FLOWS));
		ck_assert_uint_eq(ev.flows.n, 0);
		head[12] = wrong[i];
		session_input(a, head, sizeof(head), now);
		assert_broken(a, SESSION_BAD_FRAME);
	}
}
END_TEST

/* A sender never tells an invalid flow; a receiver drops it and goes on. */
START_TEST(test_invalid_flows)
{
	struct flow_change c = { .op = FLOW_NEW };
	/* shape: UDP+TCP part; TCP state 15; and a good UDP one */
	static const char payload[] = "\x0a\x06\xc0\x22\xc0\x0c\x80\x22"
				      "\x12\x18\1\1\1\1\2\2\2\2\1\1\1\1\2\2\2\2"
				      "\1\1\1\1\2\2\2\2"
				      "\x22\x06\1\2\1\2\1\2"
				      "\x2a\x03\x0e\x0e\x0e"
				      "\x3a\x02\x01\x0f";

	numbered_flow(&c.flow, 3);
	c.flow.tcp_state = 99;
	connect_both();
	ck_assert_int_eq(session_tell(a, &c, now), 0);
	ck_assert_uint_eq(session_filling(a), 0);
	ck_assert_uint_eq(session_stats(a)->frames_invalid_flows, 1);

	feed_payload(FRAME_FLOWS, payload, sizeof(payload) - 1);
	ck_assert(session_poll(a, &ev));
	ck_assert_int_eq(ev.type, SESSION_FLOWS);
	ck_assert_uint_eq(ev.flows.n, 1);
	ck_assert_int_eq(ev.flows.list[0].flow.l4proto, IPPROTO_UDP);
	ck_assert_uint_eq(session_stats(a)->frames_invalid_flows, 3);
	ck_assert(session_live(a));
}
END_TEST

START_TEST(test_acks)
{
	static const uint64_t refused[3] = { 1, 0, 1ULL << 40 };

	connect_both();
	for (uint32_t i = 0; i < 3; i++) {
		tell(a, i);
		session_flush(a, now);
	}
	carry(a, b);
	while (session_poll(b, &ev))
		;
	session_send_ack(b, 1, NULL, 0);
	session_send_ack(b, 2, refused, 3); /* replaces the one before */
	carry(b, a);
	ck_assert(next(a, SESSION_ACK));
	ck_assert_uint_eq(ev.ack.seq, 2);
	ck_assert(ev.ack.refused[2] == 1ULL << 40 && ev.ack.refused[3] == 0);
	ck_assert(!session_poll(a, &ev));
	ck_assert_uint_eq(session_seq_acked(a), 2);
	session_send_ack(b, 2, NULL, 0);
	carry(b, a);
	ck_assert(next(a, SESSION_ACK));

	/* back */
	session_msg_put_ack(&raw, 1, NULL, 0);
	feed_raw();
	assert_broken(a, SESSION_BAD_FRAME);
}
END_TEST

START_TEST(test_ack_of_what_was_not_sent)
{
	connect_both();
	tell(a, 1);
	session_flush(a, now);
	session_msg_put_ack(&raw, 1, NULL, 0);
	feed_raw(); /* the frame exists, but no byte of it left */
	assert_broken(a, SESSION_BAD_FRAME);
}
END_TEST

START_TEST(test_acks_do_not_pile_up)
{
	struct session_word w = { 0 };
	const uint8_t *p;
	size_t len;

	connect_both();
	for (uint32_t i = 0; i < 100; i++) {
		tell(a, i);
		session_flush(a, now);
		carry(a, b);
		ck_assert(next(b, SESSION_FLOWS));
		session_send_ack(b, ev.flows.seq, NULL, 0);
		if (i == 50)
			session_send_word(b, &w);
		if (i == 70) { /* begun: must not be replaced */
			len = session_output(b, &p);
			session_input(a, p, len - 1, now);
			session_sent(b, len - 1);
		}
	}
	carry(b, a);
	ck_assert(next(a, SESSION_ACK) && ev.ack.seq == 51);
	ck_assert(next(a, SESSION_WORD));
	ck_assert(next(a, SESSION_ACK) && ev.ack.seq == 71);
	ck_assert(next(a, SESSION_ACK) && ev.ack.seq == 100);
	ck_assert(!session_poll(a, &ev));
}
END_TEST

START_TEST(test_lag)
{
	connect_both();
	ck_assert_int_eq(session_lag_ns(a, now), 0);
	for (uint32_t i = 1; i <= 1000; i++) {
		now = mono_add(now, MONO_MS);
		tell(a, i);
		session_flush(a, now);
		carry(a, b);
		ck_assert(next(b, SESSION_FLOWS));
	}
	ck_assert_int_eq(session_lag_ns(a, now), 999 * MONO_MS);
	for (uint64_t seq = 1; seq <= 1000; seq++) {
		int64_t want = (999 - (int64_t)seq) * MONO_MS;

		session_send_ack(b, seq, NULL, 0);
		carry(b, a);
		ck_assert(next(a, SESSION_ACK));
		/* never too little, and not much too much */
		ck_assert_int_ge(session_lag_ns(a, now), want > 0 ? want : 0);
		ck_assert_int_le(session_lag_ns(a, now), want + 70 * MONO_MS);
	}
	ck_assert_int_eq(session_lag_ns(a, now), 0);
}
END_TEST

/* --- bulk ----------------------------------------------------------------- */
START_TEST(test_bulk)
{
	struct flow f;
	size_t n = 0;

	connect_both();
	tell(a, 7000); /* goes before the bulk */
	bulk_of(a, 77, 1000);
	carry(a, b);
	ck_assert(next(b, SESSION_FLOWS) && !ev.flows.bulk);
	ck_assert(next(b, SESSION_BULK_BEGIN));
	ck_assert(ev.bulk.id == 77 && ev.bulk.epoch == 5);
	ck_assert_uint_eq(ev.bulk.expected, 1000);
	while (next(b, SESSION_FLOWS)) {
		ck_assert(ev.flows.bulk);
		for (size_t i = 0; i < ev.flows.n; i++) {
			numbered_flow(&f, (uint32_t)n++);
			ck_assert_int_eq(ev.flows.list[i].op, FLOW_COPY);
			ck_assert_mem_eq(&ev.flows.list[i].flow, &f, sizeof(f));
		}
	}
	ck_assert_uint_eq(n, 1000);
	ck_assert_int_eq(ev.type, SESSION_BULK_END);
	ck_assert(ev.bulk_end.complete && ev.bulk_end.id == 77);
	ck_assert(ev.bulk_end.arrived == 1000 && ev.bulk_end.sent == 1000);
	ck_assert_uint_eq(ev.bulk_end.seq, session_seq_sent(a));
	/* an empty one */
	bulk_of(a, 78, 0);
	carry(a, b);
	ck_assert(next(b, SESSION_BULK_BEGIN));
	ck_assert(next(b, SESSION_BULK_END));
	ck_assert(ev.bulk_end.complete);
}
END_TEST

/* What is told of the bulk first goes first, whoever fills its batch. */
START_TEST(test_copy_never_after_later_change)
{
	connect_both();
	session_bulk_begin(a, 1, 1, 1, key, now);
	bulk_tell(a, 1);
	tell(a, 1);
	session_flush(a, now);
	session_bulk_end(a, now);
	carry(a, b);
	ck_assert(next(b, SESSION_BULK_BEGIN));
	ck_assert(next(b, SESSION_FLOWS) && ev.flows.bulk);
	ck_assert(next(b, SESSION_FLOWS) && !ev.flows.bulk);
	ck_assert(next(b, SESSION_BULK_END) && ev.bulk_end.complete);
}
END_TEST

/* A bulk by hand: count flows told in the end, and what came in between. */
static void bulk_by_hand(const uint32_t *flows, size_t n, uint32_t promised)
{
	struct session_bulk_begin begin = { .id = 1 };
	struct session_bulk_end end = { .id = 1 };
	struct flow f;

	memcpy(begin.key, key, sizeof(key));
	session_down(b);
	session_up(b, now);
	collect(b);
	session_input(b, queue_data(&raw), 0, now);
	meet("fw2", "fw1", SESSION_OK);
	session_input(b, "", 0, now);
	for (uint32_t i = 0; i < promised; i++) {
		numbered_flow(&f, i);
		digest_add(&end.digest, key, &f);
	}
	/* b says it, but with a begin and an end of ours */
	session_bulk_begin(b, 1, 1, promised, key, now);
	for (size_t i = 0; i < n; i++)
		bulk_tell(b, flows[i]);
	session_bulk_flush(b, now);
	carry(b, a);
	raw_bulk_end(session_seq_sent(b) + 1, &end);
	feed_raw();
	ck_assert(next(a, SESSION_BULK_BEGIN));
	while (next(a, SESSION_FLOWS))
		;
	ck_assert_int_eq(ev.type, SESSION_BULK_END);
	ck_assert_uint_eq(ev.bulk_end.arrived, n);
	ck_assert_uint_eq(ev.bulk_end.sent, promised);
	ck_assert(session_live(a));
}

START_TEST(test_bulk_incomplete)
{
	static const uint32_t right[] = { 3, 1, 0, 2 };
	static const uint32_t missing[] = { 0, 1, 2 };
	static const uint32_t doubled[] = { 0, 1, 2, 3, 3 };
	static const uint32_t swapped[] = { 0, 1, 2, 2 };
	static const uint32_t changed[] = { 0, 1, 2, 4 };

	bulk_by_hand(right, 4, 4);
	ck_assert(ev.bulk_end.complete);
	bulk_by_hand(missing, 3, 4);
	ck_assert(!ev.bulk_end.complete);
	bulk_by_hand(doubled, 5, 4);
	ck_assert(!ev.bulk_end.complete);
	bulk_by_hand(swapped, 4, 4);
	ck_assert(!ev.bulk_end.complete);
	bulk_by_hand(changed, 4, 4);
	ck_assert(!ev.bulk_end.complete);
}
END_TEST

START_TEST(test_bulk_order)
{
	struct session_bulk_begin begin = { .id = 4 };
	struct session_bulk_end end = { .id = 5 };

	meet("fw2", "fw1", SESSION_OK);
	raw_bulk_end(1, &end); /* no begin */
	feed_raw();
	assert_broken(a, SESSION_BAD_FRAME);

	meet("fw2", "fw1", SESSION_OK);
	raw_bulk_begin(1, &begin);
	raw_bulk_end(2, &end); /* another id */
	feed_raw();
	ck_assert(next(a, SESSION_BULK_BEGIN));
	assert_broken(a, SESSION_BAD_FRAME);

	meet("fw2", "fw1", SESSION_OK);
	raw_bulk_begin(1, &begin);
	end.id = 4;
	raw_bulk_end(2, &end);
	raw_bulk_end(3, &end); /* twice */
	feed_raw();
	ck_assert(next(a, SESSION_BULK_BEGIN));
	ck_assert(next(a, SESSION_BULK_END));
	assert_broken(a, SESSION_BAD_FRAME);

	feed_payload(FRAME_BULK_FLOWS, "", 0); /* outside */
	assert_broken(a, SESSION_BAD_FRAME);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { test_stream,
				       test_hole_in_the_numbers,
				       test_invalid_flows,
				       test_acks,
				       test_ack_of_what_was_not_sent,
				       test_acks_do_not_pile_up,
				       test_lag,
				       test_bulk,
				       test_copy_never_after_later_change,
				       test_bulk_incomplete,
				       test_bulk_order };

	return run_tests("session_flows", tests,
			 sizeof(tests) / sizeof(tests[0]));
}
