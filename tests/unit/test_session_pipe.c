// SPDX-License-Identifier: GPL-3.0-or-later
/* Queues, cut and trickling pipes, and garbage. */
#include "session_pair.h"

/* --- queues --------------------------------------------------------------- */

START_TEST(test_control_overtakes)
{
	struct session_word w = { .demotion = 9 };
	const uint8_t *p;
	size_t len, part;

	connect_both();
	for (uint32_t i = 0; i < 40 * SESSION_BATCH_MAX; i++)
		tell(a, i);
	len = session_output(a, &p);
	ck_assert_uint_le(len, 128 * 1024);
	part = 100; /* in the middle of the first frame */
	session_input(b, p, part, now);
	session_sent(a, part);
	session_send_word(a, &w);
	carry(a, b);
	ck_assert(next(b, SESSION_FLOWS)); /* was not split */
	ck_assert(next(b, SESSION_WORD));
	ck_assert_uint_eq(ev.word->demotion, 9);
	for (int i = 1; i < 40; i++)
		ck_assert(next(b, SESSION_FLOWS));
	ck_assert(!session_poll(b, &ev));
}
END_TEST

static void drop_after(size_t part)
{
	const uint8_t *p;
	size_t len;

	session_up(a, now);
	session_up(b, now);
	connect_both();
	now = mono_add(now, MONO_S);
	session_bulk_begin(a, 1, 1, 1, key, now);
	for (uint32_t i = 0; i < 3 * SESSION_BATCH_MAX + 9; i++)
		bulk_tell(a, i);
	tell(a, 1);
	len = session_output(a, &p);
	ck_assert_uint_le(part, len);
	session_input(b, p, part, now);
	session_sent(a, part);
	session_drop_flows(a);
	ck_assert_uint_eq(session_filling(a), 0);
	if (part == 0) {
		ck_assert_uint_eq(session_backlog(a), 0);
		ck_assert_int_eq(session_lag_ns(a, mono_add(now, 1)), 0);
	}
	/* told outside of a bulk now: nothing */
	bulk_tell(a, 1);
	session_bulk_end(a, now);
	session_send_gap(a, 2, "full");
	now = mono_add(now, MONO_S);
	tell(a, 5);
	session_flush(a, now);
	bulk_of(a, 2, 300);
	carry(a, b);
	while (session_poll(b, &ev) && ev.type != SESSION_BULK_END)
		ck_assert_int_ne(ev.type, SESSION_BROKEN);
	ck_assert(ev.bulk_end.complete && ev.bulk_end.id == 2);
	ck_assert_uint_eq(ev.bulk_end.seq, session_seq_sent(a));
	session_send_ack(b, ev.bulk_end.seq, NULL, 0);
	carry(b, a);
	ck_assert(next(a, SESSION_ACK));
	ck_assert_int_eq(session_lag_ns(a, now), 0);
}

START_TEST(test_drop_keeps_frames_whole)
{
	drop_after(0);
	drop_after(1);
	drop_after(12);
	drop_after(13);
	for (int i = 0; i < 200; i++)
		drop_after(rnd() % 15000);
}
END_TEST
/* --- pipes and garbage ---------------------------------------------------- */

START_TEST(test_byte_by_byte)
{
	struct session_word w = { .nvhosts = 1, .vhosts = { { "lan" } } };
	size_t len, events = 0;

	bulk_of(a, 3, 600);
	session_send_word(a, &w);
	len = collect(a);
	for (size_t i = 0; i < len; i++) {
		uint8_t *one = malloc(1);

		*one = wire[i];
		session_input(b, one, 1, now);
		free(one);
		while (session_poll(b, &ev)) {
			ck_assert_int_ne(ev.type, SESSION_BROKEN);
			events++;
		}
		ck_assert_uint_le(session_unread(b), 32 * 1024);
	}
	ck_assert_uint_eq(events, 7); /* hello, word, begin, 3, end */
	ck_assert(ev.type == SESSION_BULK_END && ev.bulk_end.complete);
	ck_assert_uint_eq(session_unread(b), 0);
}
END_TEST

/* Takes some bytes of what from offers, gives them to the other. */
static void trickle(struct session *from, struct session *to)
{
	const uint8_t *p;
	size_t len = session_output(from, &p);

	if (len == 0)
		return;
	len = 1 + rnd() % len;
	if (rnd() % 2 && len > 50)
		len = 50;
	ck_assert_int_eq(session_input(to, p, len, now), 0);
	session_sent(from, len);
}

/* What one side has seen of the other. */
struct seen {
	uint64_t seq;
	uint32_t flow; /* number of the last flow of the stream */
	unsigned bulks, words;
};

static void hear(struct session *s, struct seen *seen)
{
	while (rnd() % 4 && session_poll(s, &ev)) {
		ck_assert_int_ne(ev.type, SESSION_BROKEN);
		if (ev.type == SESSION_FLOWS) {
			seen->seq = ev.flows.seq;
			for (size_t i = 0; i < ev.flows.n && !ev.flows.bulk;
			     i++) {
				uint32_t mark = ev.flows.list[i].flow.mark;

				ck_assert_uint_gt(mark, seen->flow);
				seen->flow = mark;
			}
			session_send_ack(s, seen->seq, NULL, 0);
		} else if (ev.type == SESSION_BULK_END) {
			ck_assert(ev.bulk_end.complete);
			seen->bulks++;
		} else if (ev.type == SESSION_WORD) {
			seen->words++;
		}
	}
}

static void talk(struct session *s, uint32_t *flow, bool *bulk)
{
	struct session_word w = { .demotion = 1 };

	switch (rnd() % 12) {
	case 0:
		session_send_word(s, &w);
		break;
	case 1:
		session_flush(s, now);
		break;
	case 2:
		if (*bulk)
			session_bulk_end(s, now);
		else
			session_bulk_begin(s, rnd(), 1, 1, key, now);
		*bulk = !*bulk;
		break;
	case 3:
		if (rnd() % 20 == 0) {
			session_drop_flows(s);
			*bulk = false;
		}
		break;
	case 4:
		for (uint32_t n = rnd() % 300; n > 0; n--)
			bulk_tell(s, rnd());
		break;
	default:
		for (uint32_t n = rnd() % 30; n > 0; n--)
			tell(s, ++*flow);
		break;
	}
}

START_TEST(test_two_talk)
{
	struct seen seen_a = { 0 }, seen_b = { 0 };
	uint32_t flow_a = 0, flow_b = 0;
	bool bulk_a = false, bulk_b = false;

	connect_both();
	for (int i = 0; i < 20000; i++) {
		now = mono_add(now, MONO_MS);
		if (session_backlog(a) < 200000)
			talk(a, &flow_a, &bulk_a);
		if (session_backlog(b) < 200000)
			talk(b, &flow_b, &bulk_b);
		for (int k = 0; k < 3; k++) {
			trickle(a, b);
			trickle(b, a);
		}
		hear(a, &seen_a);
		hear(b, &seen_b);
	}
	ck_assert(session_live(a) && session_live(b));
	ck_assert(seen_a.bulks > 10 && seen_b.bulks > 10);
	ck_assert(seen_a.words > 100 && seen_b.words > 100);
	ck_assert_uint_gt(seen_b.flow, 1000);
	/* and at rest everything is acknowledged */
	for (int i = 0; i < 100; i++) {
		session_flush(a, now);
		carry(a, b);
		carry(b, a);
		hear(a, &seen_a);
		hear(b, &seen_b);
	}
	ck_assert_uint_ge(session_seq_acked(a) + 1, session_seq_sent(a));
}
END_TEST

/* Frames of all kinds, spoilt a little; only events and one end come of it. */
START_TEST(test_garbage)
{
	size_t len, start, broken = 0;
	uint8_t *good;

	session_send_word(b, &(struct session_word){ .nvhosts = 3 });
	session_send_gap(b, 4, "reason");
	session_send_handover(
		b, &(struct session_switch){ .kind = SESSION_HANDOVER_GO,
					     .reason = "now" });
	bulk_of(b, 9, 20);
	for (uint32_t i = 0; i < 10; i++)
		tell(b, i);
	session_flush(b, now);
	len = collect(b);
	good = malloc(len);
	memcpy(good, wire, len);
	for (int i = 0; i < 200000; i++) {
		memcpy(wire, good, len);
		start = rnd() % 8 ? 40 : 0; /* mostly behind the hello */
		for (uint32_t k = 1 + rnd() % 3; k > 0; k--)
			wire[start + rnd() % (len - start)] = (uint8_t)rnd();
		session_up(a, now);
		session_input(a, wire, 1 + rnd() % len, now);
		while (session_poll(a, &ev))
			broken += ev.type == SESSION_BROKEN;
	}
	free(good);
	ck_assert_uint_gt(broken, 10000);
}
END_TEST

START_TEST(test_noise)
{
	for (int i = 0; i < 200000; i++) {
		size_t len = 1 + rnd() % 64;

		for (size_t k = 0; k < len; k++)
			wire[k] = rnd() % 3 ? (uint8_t)rnd() : 0;
		meet("fw2", "fw1", SESSION_OK);
		session_input(a, wire, len, now);
		while (session_poll(a, &ev))
			;
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_control_overtakes, test_drop_keeps_frames_whole,
		test_byte_by_byte,	test_two_talk,
		test_garbage,		test_noise
	};

	return run_tests("session_pipe", tests,
			 sizeof(tests) / sizeof(tests[0]));
}
