// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A session whose other side has the key and means harm: messages within
 * messages, times that nothing can be added to, and nobody who reads. Frames
 * that are too long are in test_session.c, noise in test_session_pipe.c.
 */
#include "session_pair.h"

#include "session_audit.h"
#include "session_int.h"

/* Whether it nests is for nobody to find out: a field that is not known is
 * skipped by its length. */
START_TEST(deeply_nested)
{
	static char text[FRAME_PAYLOAD_MAX];
	const size_t levels = 12000;
	size_t at = sizeof(text), len = 0;

	/* field 15, bytes, in field 15, in ...; the innermost is empty */
	for (size_t i = 0; i < levels; i++) {
		char varint[3] = { (char)(len | 0x80),
				   (char)((len >> 7) | 0x80),
				   (char)(len >> 14) };

		at -= 4;
		text[at] = 15 << 3 | 2;
		memcpy(text + at + 1, varint, 3);
		len += 4;
	}
	feed_payload(FRAME_WORD, text + at, len);
	ck_assert(next(a, SESSION_WORD));
	ck_assert(session_live(a));
	/* the same in a vhost of the word */
	text[at] = 6 << 3 | 2;
	feed_payload(FRAME_WORD, text + at, len);
	ck_assert(next(a, SESSION_WORD));
	ck_assert_uint_eq(ev.word->nvhosts, 1);
	/* a group, which has no length, is nothing that is spoken here */
	memset(text, 15 << 3 | 3, sizeof(text));
	feed_payload(FRAME_WORD, text, 30000);
	assert_broken(a, SESSION_BAD_MESSAGE);
}
END_TEST

START_TEST(times_without_end)
{
	static const struct session_hello_names names = { "fw2", "fw1" };
	struct session_hello h = { .version = "x",
				   .uptime_ms = SESSION_MS_MAX + 1 };
	struct session_word w = { .nvhosts = 1 };
	struct session_audit m = { .kind = SESSION_AUDIT_REPORT };

	session_msg_put_hello(&raw, &h, &names);
	feed_raw();
	assert_broken(a, SESSION_BAD_MESSAGE);
	meet("fw2", "fw1", SESSION_OK);
	w.vhosts[0].master_ms = UINT64_MAX;
	session_msg_put_word(&raw, &w);
	feed_raw();
	assert_broken(a, SESSION_BAD_MESSAGE);

	session_up(a, now);
	session_up(b, now);
	connect_both();
	m.count[AUDIT_TOOK_MS] = UINT64_MAX;
	ck_assert_int_eq(session_send_audit(b, &m, now), 0);
	carry(b, a);
	assert_broken(a, SESSION_BAD_MESSAGE);
}
END_TEST

/* What is said to somebody who does not listen ends. */
START_TEST(nobody_reads)
{
	struct session_word w = { .nvhosts = SESSION_VHOSTS_MAX };
	unsigned n = 0;

	connect_both();
	while (n < 100000 && session_is_open(a)) {
		ck_assert_int_eq(session_send_word(a, &w), 0);
		n++;
		if (!session_poll(a, &ev))
			continue;
		ck_assert_int_eq(ev.type, SESSION_BROKEN);
		ck_assert_int_eq(ev.error, SESSION_STUCK);
		ck_assert_str_eq(session_error_name(ev.error), "stuck");
	}
	ck_assert_uint_gt(n, 1000);
	ck_assert_uint_lt(a->tx.control.q.size, 8 << 20);
	session_down(a);
	ck_assert_uint_le(a->tx.control.q.size, QUEUE_SHRINK_BYTES);
}
END_TEST

START_TEST(nobody_reads_answers)
{
	struct session_audit m = { .kind = SESSION_AUDIT_REFUSED, .ntexts = 1 };
	unsigned n = 0;

	connect_both();
	memset(m.texts[0], 'x', sizeof(m.texts[0]) - 1);
	for (; n < 1000000 && session_is_open(a); n++) {
		ck_assert_int_eq(session_send_audit(a, &m, now), 0);
		(void)session_poll(a, &ev);
	}
	ck_assert_int_eq(ev.type, SESSION_BROKEN);
	ck_assert_int_eq(ev.error, SESSION_STUCK);
	ck_assert_uint_lt(session_held(a), 20 << 20);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { deeply_nested, times_without_end,
				       nobody_reads, nobody_reads_answers };

	return run_tests("session_hostile", tests,
			 sizeof(tests) / sizeof(tests[0]));
}
