// SPDX-License-Identifier: GPL-3.0-or-later
/* A stream that goes on over another connection, and when it does not. */
#include "session_pair.h"

#include <errno.h>

#define EPOCH 77

static uint64_t changes;

static uint32_t below(uint32_t n)
{
	return rnd() % n;
}

/* b hears frames up to that number and no further. */
static void hear_up_to(uint64_t seq)
{
	carry(a, b);
	while (seq && next(b, SESSION_FLOWS))
		if (ev.flows.seq == seq)
			return;
	ck_assert_uint_eq(seq, 0);
}

static void told(uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i <= to; i++) {
		tell(a, i);
		session_flush(a, now);
	}
}

/* The connection is gone, b has everything up to seq, and there is another. */
static void reconnect(uint64_t seq)
{
	const struct session_place have = { EPOCH, seq };

	session_down(b);
	session_offer(b, &have);
	session_up(a, now);
	session_up(b, now);
	connect_both();
	ck_assert(session_offered(b));
}

static void resume(uint64_t seq)
{
	const struct session_place from = { EPOCH, seq };

	ck_assert_int_eq(session_resume(a, &from, &changes), 0);
}

/* Each number once and in order, up to the last one. */
static void assert_rest(uint64_t from, uint64_t to)
{
	carry(a, b);
	ck_assert(next(b, SESSION_RESUME));
	ck_assert_uint_eq(ev.resume.epoch, EPOCH);
	for (uint64_t seq = from; seq <= to; seq++) {
		struct flow f;

		ck_assert(next(b, SESSION_FLOWS));
		ck_assert_uint_eq(ev.flows.seq, seq);
		numbered_flow(&f, (uint32_t)seq);
		ck_assert_mem_eq(&ev.flows.list[0].flow, &f, sizeof(f));
	}
	ck_assert(!session_poll(b, &ev));
}

START_TEST(test_resume)
{
	connect_both();
	told(1, 20);
	hear_up_to(12);
	session_send_ack(b, 7, NULL, 0);
	carry(b, a);
	ck_assert(next(a, SESSION_ACK));
	ck_assert_uint_gt(session_held(a), 0);
	ck_assert(session_park(a));
	ck_assert(session_parked(a));
	told(21, 30); /* the link is down */
	ck_assert(session_parked(a));
	reconnect(12);
	ck_assert_uint_eq(ev.hello.resume.epoch, 0);
	resume(12);
	ck_assert_uint_eq(changes, 18);
	ck_assert_uint_eq(session_seq_acked(a), 12);
	told(31, 31);
	assert_rest(13, 31);
	session_send_ack(b, 31, NULL, 0);
	carry(b, a);
	ck_assert(next(a, SESSION_ACK));
	ck_assert_uint_eq(session_held(a), 0);
	ck_assert_int_eq(session_lag_ns(a, mono_add(now, MONO_S)), 0);
}
END_TEST

/* A batch that was being filled is part of it. */
START_TEST(test_a_batch_goes_with_it)
{
	connect_both();
	tell(a, 1);
	ck_assert(session_park(a));
	session_down(a);
	ck_assert_uint_eq(session_filling(a), 1);
	reconnect(0);
	resume(0);
	ck_assert_uint_eq(changes, 1);
	session_flush(a, now);
	assert_rest(1, 1);
}
END_TEST

/* Nor is what is told between the moment in which a connection has failed and
 * the one in which somebody takes note of that. */
START_TEST(test_failed_and_not_parked_yet)
{
	connect_both();
	told(1, 1);
	now = mono_add(now, SESSION_SILENCE_NS);
	session_tick(a, now);
	told(2, 3);
	ck_assert(next(a, SESSION_BROKEN));
	told(4, 4);
	ck_assert(session_park(a));
	session_down(a);
	reconnect(0);
	resume(0);
	ck_assert_uint_eq(changes, 4);
	assert_rest(1, 4);
}
END_TEST

/* Cut again and again, wherever it may be, also before anything was said. */
START_TEST(test_many_times)
{
	uint64_t have = 0, last = 0;

	connect_both();
	for (int turn = 0; turn < 300; turn++) {
		uint32_t n = below(30);
		size_t len, part;

		told((uint32_t)last + 1, (uint32_t)last + n);
		last += n;
		len = collect(a);
		part = below((uint32_t)len + 1);
		session_input(b, wire, part, now);
		while (session_poll(b, &ev)) {
			if (ev.type != SESSION_FLOWS)
				continue;
			ck_assert_uint_eq(ev.flows.seq, ++have);
			if (below(3) == 0)
				session_send_ack(b, have, NULL, 0);
		}
		if (below(2))
			carry(b, a);
		while (session_poll(a, &ev))
			ck_assert_int_eq(ev.type, SESSION_ACK);
		ck_assert(session_park(a));
		n = below(20);
		told((uint32_t)last + 1, (uint32_t)last + n);
		last += n;
		if (below(4) == 0) { /* a connection that dies at once */
			session_up(a, now);
			ck_assert(session_park(a));
		}
		reconnect(have);
		resume(have);
	}
	assert_rest(have + 1, last);
}
END_TEST

/* Nothing is sent before it is decided. */
START_TEST(test_parked_flows_wait)
{
	const uint8_t *p;

	connect_both();
	told(1, 3);
	ck_assert(session_park(a));
	session_up(a, now);
	while (collect(a) > 0)
		;
	ck_assert_uint_eq(session_output(a, &p), 0);
	ck_assert_uint_gt(session_backlog(a), 0);
}
END_TEST

START_TEST(test_more_than_is_kept)
{
	int err = 0;
	uint32_t n;

	session_set_resume(a, 2000);
	connect_both();
	told(1, 5);
	ck_assert(session_park(a));
	session_down(a);
	for (n = 6; !err; n++) {
		struct flow_change c = { .op = FLOW_NEW };

		ck_assert_uint_lt(n, 20000);
		numbered_flow(&c.flow, n);
		err = session_tell(a, &c, now);
	}
	ck_assert_int_eq(err, -ENOBUFS);
	ck_assert_uint_gt(n, 256);
	ck_assert_int_eq(session_restart(a), 0);
	ck_assert(!session_parked(a));
	ck_assert_uint_eq(session_held(a), 0);
	/* and what is told now is not kept */
	tell(a, 1);
	ck_assert_uint_eq(session_filling(a), 0);
}
END_TEST

/* What was sent is no more there when the peer asks for it. */
START_TEST(test_sent_and_not_kept)
{
	const struct session_place from = { EPOCH, 3 };

	session_set_resume(a, 1000);
	connect_both();
	told(1, 100);
	collect(a);
	ck_assert_uint_le(session_held(a), 1000);
	ck_assert(session_park(a));
	reconnect(3);
	ck_assert_int_eq(session_resume(a, &from, &changes), -ENOENT);
	ck_assert_int_eq(session_restart(a), 0);
	told(1, 1);
	carry(a, b);
	ck_assert(next(b, SESSION_RESUME));
	ck_assert_uint_eq(ev.resume.epoch, 0);
	ck_assert(next(b, SESSION_FLOWS));
	ck_assert_uint_eq(ev.flows.seq, 1);
}
END_TEST

/* A peer that claims to have what was never sent, or less than it said. */
START_TEST(test_wrong_claims)
{
	const struct session_place beyond = { EPOCH, 6 }, less = { EPOCH, 1 };

	connect_both();
	told(1, 5);
	hear_up_to(5);
	session_send_ack(b, 4, NULL, 0);
	carry(b, a);
	ck_assert(next(a, SESSION_ACK));
	ck_assert(session_park(a));
	reconnect(6);
	ck_assert_int_eq(session_resume(a, &beyond, &changes), -ENOENT);
	ck_assert_int_eq(session_resume(a, &less, &changes), -ENOENT);
	ck_assert(session_parked(a));
}
END_TEST

START_TEST(test_nothing_to_park)
{
	session_set_resume(a, 0);
	connect_both();
	told(1, 5);
	carry(a, b);
	ck_assert_uint_eq(session_held(a), 0);
	ck_assert(!session_park(a));

	/* nor in the middle of a bulk, whose frames are not kept */
	session_set_resume(a, 1 << 20);
	session_up(a, now);
	session_down(b);
	session_up(b, now);
	connect_both();
	session_bulk_begin(a, 1, EPOCH, 500, key, now);
	for (uint32_t i = 0; i < 500; i++)
		bulk_tell(a, i);
	session_bulk_flush(a, now);
	carry(a, b);
	ck_assert_uint_eq(session_held(a), 0);
	ck_assert(!session_park(a));
	ck_assert_uint_eq(session_seq_sent(a), 0);
}
END_TEST

/* Before the answer nothing numbered, and no answer unasked or twice. */
START_TEST(test_answers)
{
	connect_both();
	told(1, 2);
	ck_assert(session_park(a));
	reconnect(0);
	resume(0);
	{
		const struct session_place have = { EPOCH + 1, 0 };

		session_down(b);
		session_offer(b, &have);
		session_up(b, now);
	}
	/* b offered another epoch than the one that is resumed */
	session_up(a, now);
	session_msg_put_hello(&raw,
			      &(struct session_hello){ .capabilities = 32 },
			      &(struct session_hello_names){ "fw1", "fw2" });
	session_input(b, queue_data(&raw), raw.len, now);
	queue_cut(&raw, 0);
	ck_assert(next(b, SESSION_HELLO));
	ck_assert(session_offered(b));
	raw_bulk_begin(1, &(struct session_bulk_begin){ 0 });
	session_input(b, queue_data(&raw), raw.len, now);
	queue_cut(&raw, 0);
	assert_broken(b, SESSION_BAD_FRAME);

	feed_payload(FRAME_RESUME, "", 0); /* unasked */
	assert_broken(a, SESSION_BAD_FRAME);
}
END_TEST

/* A peer of an older version does not know of it. */
START_TEST(test_a_peer_that_does_not_understand)
{
	const struct session_place have = { EPOCH, 3 };

	session_down(a);
	session_offer(a, &have);
	meet("fw2", "fw1", SESSION_OK);
	ck_assert(!session_offered(a));
	raw_bulk_begin(1, &(struct session_bulk_begin){ 0 });
	feed_raw();
	ck_assert(next(a, SESSION_BULK_BEGIN));
}
END_TEST

/* Another process goes on with the numbers of the one before. */
START_TEST(test_adopt)
{
	session_down(a);
	session_adopt(a, 41);
	tell(a, 42);
	session_flush(a, now);
	reconnect(41);
	resume(41);
	ck_assert_uint_eq(changes, 1);
	assert_rest(42, 42);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_resume,
		test_a_batch_goes_with_it,
		test_failed_and_not_parked_yet,
		test_many_times,
		test_parked_flows_wait,
		test_more_than_is_kept,
		test_sent_and_not_kept,
		test_wrong_claims,
		test_nothing_to_park,
		test_answers,
		test_a_peer_that_does_not_understand,
		test_adopt,
	};

	return run_tests("session_resume", tests,
			 sizeof(tests) / sizeof(tests[0]));
}
