// SPDX-License-Identifier: GPL-3.0-or-later
/* Hello, small messages and their limits, silence. */
#include "session_pair.h"

/* --- hello ---------------------------------------------------------------- */

START_TEST(test_hello)
{
	connect_both();
	carry(a, b);
	ck_assert(!session_poll(b, &ev));
	session_down(a);
	session_down(b);
	ck_assert(!session_live(a));
	session_up(a, now);
	session_up(b, now);
	carry(a, b);
	ck_assert(next(b, SESSION_HELLO));
	ck_assert_str_eq(ev.hello.version, "0.1");
	ck_assert_uint_eq(ev.hello.boot_id, 11);
	ck_assert_uint_eq(ev.hello.uptime_ms, 100 * 1000);
}
END_TEST

START_TEST(test_hello_names)
{
	meet("fw2", "fw1", SESSION_OK);
	meet("fw1", "fw2", SESSION_BAD_NAME); /* ourselves, reflected */
	meet("fw3", "fw1", SESSION_BAD_NAME);
	meet("fw2", "fw3", SESSION_BAD_NAME);
	meet("fw2", "", SESSION_BAD_NAME);
	meet("fw22", "fw1", SESSION_BAD_NAME);
}
END_TEST

START_TEST(test_hello_protocol)
{
	/* protocol = 2, node fw2, peer fw1 */
	static const uint8_t bad[] = "\0\0\0\x0c\1\0\0\0\0\0\0\0\0"
				     "\x08\x02\x1a\x03"
				     "fw2\x22\x03"
				     "fw1";

	session_input(a, bad, sizeof(bad) - 1, now);
	assert_broken(a, SESSION_BAD_PROTOCOL);
}
END_TEST

START_TEST(test_hello_first_and_once)
{
	struct session_word w = { 0 };

	session_msg_put_word(&raw, &w);
	feed_raw();
	assert_broken(a, SESSION_BAD_FRAME);

	session_up(a, now);
	raw_bulk_begin(1, &(struct session_bulk_begin){ 0 });
	feed_raw();
	assert_broken(a, SESSION_BAD_FRAME);

	meet("fw2", "fw1", SESSION_OK);
	session_msg_put_hello(&raw, &(struct session_hello){ 0 },
			      &(struct session_hello_names){ "fw2", "fw1" });
	feed_raw();
	assert_broken(a, SESSION_BAD_FRAME);
}
END_TEST

/* --- small messages ------------------------------------------------------- */

START_TEST(test_word)
{
	struct session_word w = {
		.demotion = 7,
		.ready = true,
		.holds = 5,
		.tx_epoch = UINT64_MAX,
		.rx_epoch = 3,
		.nvhosts = SESSION_VHOSTS_MAX,
	};

	connect_both();
	for (size_t i = 0; i < w.nvhosts; i++) {
		memset(w.vhosts[i].name, 'a' + (int)i % 26, 63);
		w.vhosts[i].vhid = (uint8_t)(i + 1);
		w.vhosts[i].state = 2;
		w.vhosts[i].advskew = 254;
		w.vhosts[i].interval_us = 1000000;
		w.vhosts[i].master_ms = 1ULL << 40;
	}
	ck_assert_int_eq(session_send_word(a, &w), 0);
	carry(a, b);
	ck_assert(next(b, SESSION_WORD));
	ck_assert_uint_eq(ev.word->demotion, 7);
	ck_assert(ev.word->ready);
	ck_assert_uint_eq(ev.word->holds, 5);
	ck_assert(ev.word->tx_epoch == UINT64_MAX && ev.word->rx_epoch == 3);
	ck_assert_uint_eq(ev.word->nvhosts, w.nvhosts);
	for (size_t i = 0; i < w.nvhosts; i++) {
		const struct session_vhost *v = &ev.word->vhosts[i];

		ck_assert_str_eq(v->name, w.vhosts[i].name);
		ck_assert_uint_eq(v->vhid, i + 1);
		ck_assert(v->state == 2 && v->advskew == 254);
		ck_assert(v->interval_us == 1000000 &&
			  v->master_ms == 1ULL << 40);
	}
}
END_TEST

START_TEST(test_addresses)
{
	const size_t n = 2 * SESSION_ADDRESSES_MAX + 3; /* in three frames */
	struct session_address list[2 * SESSION_ADDRESSES_MAX + 3];
	size_t seen = 0;

	connect_both();
	memset(list, 0, sizeof(list));
	for (size_t i = 0; i < n; i++) {
		list[i].family = i % 2 ? AF_INET6 : AF_INET;
		memset(list[i].addr.b, (int)i, i % 2 ? 16 : 4);
	}
	session_send_addresses(a, list, n);
	session_send_addresses(a, NULL, 0);
	carry(a, b);
	while (seen < n) {
		ck_assert(next(b, SESSION_ADDRESSES));
		ck_assert(ev.addresses.rest == (seen > 0));
		for (size_t i = 0; i < ev.addresses.n; i++, seen++) {
			ck_assert_uint_lt(seen, n);
			ck_assert_int_eq(ev.addresses.list[i].family,
					 list[seen].family);
			ck_assert(flow_addr_equal(&ev.addresses.list[i].addr,
						  &list[seen].addr));
		}
		ck_assert(ev.addresses.more == (seen < n));
	}
	ck_assert(next(b, SESSION_ADDRESSES));
	ck_assert_uint_eq(ev.addresses.n, 0);
	ck_assert(!ev.addresses.more && !ev.addresses.rest);
}
END_TEST

START_TEST(test_gap_request_handover)
{
	static const uint32_t steps[3] = { 1, 2, UINT32_MAX };
	const struct session_switch back = { .kind = SESSION_HANDOVER_BACK,
					     .step_us = { 1, 2, UINT32_MAX },
					     .vhosts = 5 };
	char reason[3 * SESSION_REASON_MAX];

	connect_both();
	memset(reason, 'r', sizeof(reason) - 1);
	reason[sizeof(reason) - 1] = '\0';
	reason[1] = '\n';
	/* a terminal's order as one of C1, and a letter at the cut */
	memcpy(reason + 2, "\xc2\x9b", 2);
	memcpy(reason + SESSION_REASON_MAX - 2, "\xc3\xbc", 2);
	session_send_gap(a, 99, reason);
	session_send_bulk_request(a, 7);
	session_send_handover(
		a, &(struct session_switch){ .kind = SESSION_HANDOVER_REQUEST,
					     .reason = "please" });
	session_send_handover(a, &back);
	carry(a, b);
	ck_assert(next(b, SESSION_GAP));
	ck_assert_uint_eq(ev.gap.epoch, 99);
	ck_assert_uint_eq(strlen(ev.gap.reason), SESSION_REASON_MAX - 3);
	ck_assert(!strncmp(ev.gap.reason, "r??r", 4));
	ck_assert(next(b, SESSION_BULK_REQUEST));
	ck_assert_uint_eq(ev.bulk.id, 7);
	ck_assert(next(b, SESSION_HANDOVER));
	ck_assert_int_eq(ev.handover.kind, SESSION_HANDOVER_REQUEST);
	ck_assert_str_eq(ev.handover.reason, "please");
	ck_assert_uint_eq(ev.handover.step_us[2], 0);
	ck_assert(next(b, SESSION_HANDOVER));
	ck_assert_int_eq(ev.handover.kind, SESSION_HANDOVER_BACK);
	ck_assert_str_eq(ev.handover.reason, "");
	ck_assert_mem_eq(ev.handover.step_us, steps, sizeof(steps));
	ck_assert_uint_eq(ev.handover.vhosts, 5);
	ck_assert(!session_poll(b, &ev));
}
END_TEST
#define BAD(type, payload)                                        \
	do {                                                      \
		feed_payload(type, payload, sizeof(payload) - 1); \
		assert_broken(a, SESSION_BAD_MESSAGE);            \
	} while (0)

START_TEST(test_message_limits)
{
	char many[8192];
	size_t n = 0;

	BAD(FRAME_WORD, "\x32\x03\x10\x80\x02"); /* vhid 256 */
	BAD(FRAME_WORD, "\x32\x03\x18\x80\x02"); /* state 256 */
	BAD(FRAME_WORD, "\x32\x03\x28\x80\x02"); /* advskew 256 */
	BAD(FRAME_WORD, "\x32\x7f\x10\x01");	 /* longer than the frame */
	BAD(FRAME_ADDRESSES, "\x0a\x03"
			     "abc");
	BAD(FRAME_ADDRESSES, "\x0a\x00");
	BAD(FRAME_HANDOVER, "");			 /* kind missing */
	BAD(FRAME_HANDOVER, "\x08\x06");		 /* kind unknown */
	BAD(FRAME_HANDOVER, "\x08\x01\x1a\x04\1\2\3\4"); /* four steps */
	BAD(FRAME_BULK_BEGIN, "\x22\x04"
			      "abcd"); /* key too short */
	BAD(FRAME_BULK_BEGIN, "");
	BAD(FRAME_FLOWS, "\x0a\x01\x01");
	BAD(FRAME_FLOWS, "garbage");

	for (int i = 0; i < SESSION_VHOSTS_MAX + 1; i++, n += 4)
		memcpy(many + n, "\x32\x02\x10\x01", 4);
	feed_payload(FRAME_WORD, many, n);
	assert_broken(a, SESSION_BAD_MESSAGE);
	feed_payload(FRAME_WORD, many, n - 4);
	ck_assert(next(a, SESSION_WORD));

	for (n = 0; n < 6 * (SESSION_ADDRESSES_MAX + 1); n += 6)
		memcpy(many + n, "\x0a\x04\1\2\3\4", 6);
	feed_payload(FRAME_ADDRESSES, many, n);
	assert_broken(a, SESSION_BAD_MESSAGE);

	memset(many, 1, sizeof(many));
	memcpy(many, "\x12\x11", 2);
	feed_payload(FRAME_ACK, many, 2 + SESSION_REFUSALS_MAX + 1);
	assert_broken(a, SESSION_BAD_MESSAGE);

	memcpy(many, "\x32\x42\x0a\x40", 4);
	feed_payload(FRAME_WORD, many, 4 + 64); /* name of 64 bytes */
	assert_broken(a, SESSION_BAD_MESSAGE);
}
END_TEST

START_TEST(test_bad_headers)
{
	static const char *const bad[] = {
		"\0\1\0\1",	    /* 64 KiB + 1, refused at the 4th byte */
		"\xff\xff\xff\xff", /* refused before anything is allocated */
		"\0\0\0\0\0",	    /* type 0 */
		"\0\0\0\0\x09",	    /* unknown types */
		"\0\0\0\0\x1f",
		"\0\0\0\0\xff",
		"\0\0\0\0\x02\0\0\0\0\0\0\0\1", /* a number on a word */
		"\0\0\0\0\x10\0\0\0\0\0\0\0\0", /* flows without */
	};
	static const uint8_t len[] = { 4, 4, 5, 5, 5, 5, 13, 13 };

	for (size_t i = 0; i < sizeof(len); i++) {
		meet("fw2", "fw1", SESSION_OK);
		session_input(a, bad[i], len[i] - 1u, now);
		ck_assert(!session_poll(a, &ev));
		session_input(a, bad[i] + len[i] - 1, 1, now);
		assert_broken(a, SESSION_BAD_FRAME);
	}
	/* the largest length is fine */
	meet("fw2", "fw1", SESSION_OK);
	session_input(a, "\0\1\0\0\x10\0\0\0\0\0\0\0\1", 13, now);
	ck_assert(!session_poll(a, &ev));
	ck_assert(session_live(a));
}
END_TEST

/* --- time ------------------------------------------------------------------ */

START_TEST(test_silence)
{
	struct session_word w = { 0 };

	ck_assert(mono_is_never(session_deadline(
		(session_down(b), (const struct session *)b))));
	session_up(b, now);
	connect_both();
	now = mono_add(now, MONO_S);
	session_send_word(b, &w);
	carry(b, a);
	ck_assert(next(a, SESSION_WORD));
	now = mono_add(now, SESSION_SILENCE_NS - 1);
	session_tick(a, now);
	ck_assert(!session_poll(a, &ev));
	ck_assert(session_live(a));
	/* half a frame does not count */
	session_input(a, "\0\0\0\0", 4, now);
	now = mono_add(now, 1);
	ck_assert(mono_due(session_deadline(a), now));
	session_tick(a, now);
	assert_broken(a, SESSION_SILENT);
	ck_assert(mono_is_never(session_deadline(a)));
}
END_TEST

START_TEST(test_slow_reader_is_not_silence)
{
	struct session_word w = { 0 };

	connect_both();
	session_send_word(b, &w);
	carry(b, a);
	now = mono_add(now, 3 * SESSION_SILENCE_NS);
	session_tick(a, now);
	ck_assert(next(a, SESSION_WORD));
	session_tick(a, now);
	ck_assert(!session_poll(a, &ev));
	now = mono_add(now, SESSION_SILENCE_NS);
	session_tick(a, now);
	assert_broken(a, SESSION_SILENT);
}
END_TEST

START_TEST(test_down_forgets)
{
	connect_both();
	tell(a, 1);
	session_flush(a, now);
	tell(a, 2);
	session_bulk_begin(a, 1, 1, 1, key, now);
	bulk_tell(a, 2);
	session_down(a);
	ck_assert_uint_eq(collect(a), 0);
	ck_assert(session_filling(a) == 0 && session_backlog(a) == 0);
	tell(a, 3); /* nobody to tell */
	session_send_gap(a, 1, "x");
	session_flush(a, now);
	ck_assert_uint_eq(collect(a), 0);
	ck_assert_uint_eq(session_seq_sent(a), 0);
	session_up(a, now);
	session_up(b, now);
	connect_both();
	bulk_of(a, 1, 3);
	carry(a, b);
	ck_assert(next(b, SESSION_BULK_BEGIN));
	ck_assert(next(b, SESSION_FLOWS) && ev.flows.seq == 2);
	ck_assert(next(b, SESSION_BULK_END) && ev.bulk_end.complete);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { test_hello,
				       test_hello_names,
				       test_hello_protocol,
				       test_hello_first_and_once,
				       test_word,
				       test_addresses,
				       test_gap_request_handover,
				       test_message_limits,
				       test_bad_headers,
				       test_silence,
				       test_slow_reader_is_not_silence,
				       test_down_forgets };

	return run_tests("session", tests, sizeof(tests) / sizeof(tests[0]));
}
