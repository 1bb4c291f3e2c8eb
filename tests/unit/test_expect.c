/* SPDX-License-Identifier: GPL-3.0-or-later */
/* proto/expect, and its place in the talk of two sessions. */
#include "expect_sample.h"
#include "session_pair.h"
#include "statesync.pb-c.h"

static struct expect_batch batch;
static struct arena arena;

static struct expect sample(uint16_t n)
{
	struct flow f;

	numbered_flow(&f, 1);
	return expect_sample(&f, n);
}

static struct expect sample6(void)
{
	struct flow f = { .family = AF_INET6, .l4proto = IPPROTO_UDP };
	struct expect e;

	memset(f.orig.src.b, 0x20, 16);
	memset(f.orig.dst.b, 0x30, 16);
	flow_tuple_invert(&f, &f.orig, &f.reply);
	e = expect_sample(&f, 7);
	e.flags = EXPECT_FLAGS;
	e.class = 3;
	e.mask_sport = 0xffff;
	e.tuple.sport = 99;
	e.nat_addr = f.orig.src;
	return e;
}

static void add(enum expect_op op, struct expect e)
{
	batch.list[batch.n++] = (struct expect_change){ .op = op, .expect = e };
}

/* Unpacks the frame in raw; false when it is refused. */
static bool unpack(size_t *skipped)
{
	bool ok = expect_get(&arena, queue_data(&raw) + FRAME_HEADER_BYTES,
			     raw.len - FRAME_HEADER_BYTES, &batch, skipped);

	queue_cut(&raw, 0);
	return ok;
}

static void put(void)
{
	struct outbox o = { 0 };
	const uint8_t *bytes;
	size_t len;

	ck_assert_int_eq(expect_put(&o, &batch), 0);
	len = outbox_offer(&o, SIZE_MAX, &bytes);
	memcpy(queue_room(&raw, len), bytes, len);
	queue_added(&raw, len);
	outbox_clear(&o, 0);
}

START_TEST(all_of_it_arrives)
{
	struct expect_batch was;
	size_t skipped;

	arena_init(&arena);
	add(EXPECT_NEW, sample(1));
	add(EXPECT_COPY, sample6());
	add(EXPECT_END, sample(2));
	was = batch;
	put();
	memset(&batch, 0xee, sizeof(batch));
	ck_assert(unpack(&skipped));
	ck_assert_uint_eq(skipped, 0);
	ck_assert_uint_eq(batch.n, 3);
	for (size_t i = 0; i < 3; i++)
		ck_assert_mem_eq(&batch.list[i], &was.list[i],
				 sizeof(was.list[i]));
}
END_TEST

START_TEST(what_does_not_fit_together_is_refused)
{
	struct expect e = sample(1);

	ck_assert(expect_valid(&e));
	e.family = AF_UNIX;
	ck_assert(!expect_valid(&e));
	e = sample(1);
	e.tuple.src.b[5] = 1; /* beyond an IPv4 address */
	ck_assert(!expect_valid(&e));
	e = sample(1);
	e.flags = 4; /* USERSPACE */
	ck_assert(!expect_valid(&e));
	e = sample(1);
	e.nat_dir = 2;
	ck_assert(!expect_valid(&e));
	e = sample(1);
	e.helper[0] = '\0';
	ck_assert(!expect_valid(&e));
	e = sample(1);
	memset(e.helper, 'x', sizeof(e.helper)); /* no end */
	ck_assert(!expect_valid(&e));
	e = sample(1);
	e.fn[3] = '\n';
	ck_assert(!expect_valid(&e));
	e = sample(1);
	e.fn[0] = '\0';
	ck_assert(expect_valid(&e));
}
END_TEST

/* One that is wrong is skipped, and the others are not lost with it. */
START_TEST(a_hostile_one_is_skipped)
{
	static char far[64] = "a-helper-with-a-name-that-is-too-long";
	static uint8_t five[5];
	Statesync__Expect good, bad, *list[] = { &good, &bad, &good };
	Statesync__Expects m = STATESYNC__EXPECTS__INIT;
	const Statesync__Expects *own;
	struct arena packer;
	size_t skipped;

	arena_init(&arena);
	arena_init(&packer);
	add(EXPECT_NEW, sample(1));
	put();
	own = (const Statesync__Expects *)arena_unpack(
		&packer, &statesync__expects__descriptor,
		queue_data(&raw) + FRAME_HEADER_BYTES,
		raw.len - FRAME_HEADER_BYTES);
	ck_assert_ptr_nonnull(own);
	queue_cut(&raw, 0);
	m.n_expect = 3;
	m.expect = list;
	for (int i = 0; i < 9; i++) {
		good = bad = *own->expect[0];
		switch (i) {
		case 0:
			bad.op = 3;
			break;
		case 1:
			bad.helper = far;
			break;
		case 2:
			bad.fn = far;
			break;
		case 3:
			bad.src.len = 0;
			break;
		case 4:
			bad.master_dst.len = 5;
			bad.master_dst.data = five;
			break;
		case 5:
			bad.nat_port = 65536;
			break;
		case 6:
			bad.l4proto = 256;
			break;
		case 7:
			bad.flags = UINT32_MAX;
			break;
		default:
			bad.mask_sport = UINT32_MAX;
			break;
		}
		frame_add(&raw, FRAME_EXPECTS, 1, &m.base);
		ck_assert(unpack(&skipped));
		ck_assert_uint_eq(skipped, 1);
		ck_assert_uint_eq(batch.n, 2);
	}
}
END_TEST

START_TEST(too_many_are_refused)
{
	Statesync__Expect one;
	Statesync__Expect *list[EXPECT_BATCH + 1];
	Statesync__Expects m = STATESYNC__EXPECTS__INIT;
	size_t skipped;

	arena_init(&arena);
	statesync__expect__init(&one);
	for (size_t i = 0; i <= EXPECT_BATCH; i++)
		list[i] = &one;
	m.n_expect = EXPECT_BATCH + 1;
	m.expect = list;
	frame_add(&raw, FRAME_EXPECTS, 1, &m.base);
	ck_assert(!unpack(&skipped));
	m.n_expect = EXPECT_BATCH;
	frame_add(&raw, FRAME_EXPECTS, 1, &m.base);
	ck_assert(unpack(&skipped));
	ck_assert_uint_eq(skipped, EXPECT_BATCH);
}
END_TEST

START_TEST(noise_is_refused_or_skipped)
{
	uint8_t noise[300];
	size_t skipped;

	arena_init(&arena);
	for (int i = 0; i < 20000; i++) {
		size_t len = rnd() % sizeof(noise);

		batch.n = 0;
		add(EXPECT_NEW, sample6());
		put();
		if (len > raw.len - FRAME_HEADER_BYTES)
			len = raw.len - FRAME_HEADER_BYTES;
		memcpy(noise, queue_data(&raw) + FRAME_HEADER_BYTES, len);
		queue_cut(&raw, 0);
		for (unsigned k = rnd() % 4; k > 0 && len > 0; k--)
			noise[rnd() % len] = (uint8_t)rnd();
		if (!expect_get(&arena, noise, len, &batch, &skipped))
			ck_assert_uint_eq(batch.n, 0);
		for (size_t k = 0; k < batch.n; k++)
			ck_assert(expect_valid(&batch.list[k].expect));
	}
}
END_TEST

/* --- in the talk -------------------------------------------------------------- */

static void expect_tell(uint16_t n)
{
	struct expect_change c = { .op = EXPECT_NEW, .expect = sample(n) };

	ck_assert_int_eq(session_tell_expect(a, &c, now), 0);
}

START_TEST(none_overtakes_a_flow)
{
	connect_both();
	tell(a, 1);
	expect_tell(1);
	expect_tell(2);
	tell(a, 3);
	expect_tell(3);
	ck_assert_int_eq(session_flush(a, now), 0);
	carry(a, b);
	ck_assert(next(b, SESSION_FLOWS) && ev.flows.n == 1);
	ck_assert(next(b, SESSION_EXPECTS));
	ck_assert_uint_eq(ev.expects.batch->n, 2);
	ck_assert_uint_eq(ev.expects.batch->list[1].expect.tuple.dport, 4002);
	ck_assert_uint_eq(ev.expects.seq, 2);
	ck_assert(next(b, SESSION_FLOWS) && ev.flows.seq == 3);
	ck_assert(next(b, SESSION_EXPECTS) && ev.expects.seq == 4);
	ck_assert_int_eq(session_send_ack(b, 4, NULL, 0), 0);
	carry(b, a);
	ck_assert(next(a, SESSION_ACK) && ev.ack.seq == 4);
	ck_assert_uint_eq(session_seq_acked(a), session_seq_sent(a));
}
END_TEST

START_TEST(they_come_before_the_end_of_a_bulk)
{
	connect_both();
	session_bulk_begin(a, 1, 5, 3, key, now);
	bulk_tell(a, 1);
	session_bulk_flush(a, now);
	expect_tell(1);
	session_bulk_end(a, now);
	carry(a, b);
	ck_assert(next(b, SESSION_BULK_BEGIN));
	ck_assert(next(b, SESSION_FLOWS));
	ck_assert(next(b, SESSION_EXPECTS));
	ck_assert(next(b, SESSION_BULK_END) && ev.bulk_end.complete);
}
END_TEST

START_TEST(many_become_several_frames)
{
	size_t n = 0;

	connect_both();
	for (uint16_t i = 0; i < 3 * EXPECT_BATCH + 1; i++)
		expect_tell(i);
	session_flush(a, now);
	carry(a, b);
	for (int i = 0; i < 4; i++) {
		ck_assert(next(b, SESSION_EXPECTS));
		for (size_t k = 0; k < ev.expects.batch->n; k++)
			ck_assert_uint_eq(
				ev.expects.batch->list[k].expect.tuple.dport,
				4000 + n++);
	}
	ck_assert_uint_eq(n, 3 * EXPECT_BATCH + 1);
}
END_TEST

START_TEST(a_gap_drops_them)
{
	connect_both();
	expect_tell(1);
	session_flush(a, now);
	expect_tell(2);
	session_drop_flows(a);
	ck_assert_uint_eq(session_seq_sent(a), 0);
	tell(a, 1);
	session_flush(a, now);
	carry(a, b);
	ck_assert(next(b, SESSION_FLOWS) && ev.flows.seq == 1);
	ck_assert(!session_poll(b, &ev));
}
END_TEST

START_TEST(an_older_peer_is_not_sent_them)
{
	meet("fw2", "fw1", SESSION_OK); /* its hello names no capability */
	collect(a);
	ck_assert(!session_hears_expects(a));
	expect_tell(1);
	session_flush(a, now);
	ck_assert_uint_eq(collect(a), 0);
	ck_assert_uint_eq(session_seq_sent(a), 0);
}
END_TEST

START_TEST(a_frame_that_does_not_decode_ends_the_session)
{
	feed_payload(FRAME_EXPECTS, "\x0a\x7f", 2);
	assert_broken(a, SESSION_BAD_MESSAGE);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		all_of_it_arrives,
		what_does_not_fit_together_is_refused,
		a_hostile_one_is_skipped,
		too_many_are_refused,
		noise_is_refused_or_skipped,
		none_overtakes_a_flow,
		they_come_before_the_end_of_a_bulk,
		many_become_several_frames,
		a_gap_drops_them,
		an_older_peer_is_not_sent_them,
		a_frame_that_does_not_decode_ends_the_session,
	};

	return run_tests("expect", tests, sizeof(tests) / sizeof(tests[0]));
}
