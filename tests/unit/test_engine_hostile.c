// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * core/engine: a peer that has the key and means harm. What it may do is what
 * a peer may; what it must not: put what is ours or nobody's into the kernel's
 * table, or take memory or the processor without end.
 */
#include "hostile_peer.h"

/* --- flows that are nobody's ------------------------------------------------ */

START_TEST(flows_that_are_nobodys)
{
	static const struct session_address ours = { AF_INET,
						     { .b = { 10, 1, 0, 3 } } };
	static const enum flow_op ops[] = { FLOW_NEW, FLOW_UPDATE, FLOW_COPY,
					    FLOW_DESTROY };
	struct flow list[8];
	uint64_t refused;

	ck_assert_int_eq(engine_addresses(e, &ours, 1), 0);
	with_source(&list[0], 0, 0x0a010003);	   /* this node's */
	with_source(&list[1], 1, 0x0a010001);	   /* the shared one */
	with_destination(&list[2], 2, 0x0a010003); /* to this node */
	with_destination(&list[3], 3, 0x0a010001);
	with_source(&list[4], 4, 0x7f000001); /* loopback */
	with_destination(&list[5], 5, 0x7f000001);
	with_destination(&list[6], 6, 0xe0000012); /* multicast */
	with_destination(&list[7], 7, 0xffffffff); /* broadcast */
	for (size_t k = 0; k < 4; k++)
		for (size_t i = 0; i < 8; i++) {
			refused = e->refused_own;
			ck_assert_uint_eq(told(&list[i], ops[k]), 0);
			ck_assert_uint_eq(e->refused_own, refused + 1);
		}
	/* the peer is told so, and nothing is wrong with the link */
	ck_assert_uint_eq(e->peers[0].refused[ENGINE_REFUSED_FILTER], 32);
	numbered(&list[0], 9);
	ck_assert_uint_eq(told(&list[0], FLOW_NEW), 1);
	ck_assert(e->peers[0].live);
}
END_TEST

/* Nothing that was not asked for begins, and no count is believed. */
START_TEST(absurd_counts)
{
	const uint8_t key[DIGEST_KEY_LEN] = "whatever";
	struct session_word w = { .ready = true,
				  .tx_epoch = UINT64_MAX,
				  .owner = UINT64_MAX,
				  .number = UINT32_MAX,
				  .heard = UINT32_MAX,
				  .stale_ms = UINT32_MAX,
				  .holds = UINT32_MAX,
				  .demotion = UINT32_MAX,
				  .nvhosts = SESSION_VHOSTS_MAX };
	struct flow f;

	for (size_t i = 0; i < w.nvhosts; i++)
		w.vhosts[i] = (struct session_vhost){
			.name = "lan",
			.state = 255,
			.vhid = 255,
			.interval_us = UINT32_MAX,
			.master_ms = SESSION_MS_MAX,
			.first = UINT64_MAX,
			.demotion = UINT32_MAX,
		};
	session_send_word(h, &w);
	session_bulk_begin(h, UINT64_MAX, UINT64_MAX, UINT64_MAX, key, now);
	numbered(&f, 1);
	session_bulk_tell(h, &f, now);
	session_bulk_end(h, now);
	give();
	work_off();
	ck_assert_uint_eq(e->peers[0].rx.entries, 0);
	ck_assert_int_ne(e->peers[0].rx.result, BULK_DONE);
	ck_assert(!engine_rx_in_sync(e, 0));
	ck_assert_int_ne(e->vhosts[0].carp.state, CARP_MASTER);
	ck_assert_uint_le(kept(), 1 << 20);
	ck_assert(e->peers[0].live);
}
END_TEST

/* --- memory and time ------------------------------------------------------------ */

/* Each word wants one back, and none is read. */
static void ask_for_a_word(void)
{
	const struct session_word w = { .answer = true };

	session_send_word(h, &w);
}

static void ask_for_a_comparison(void)
{
	const struct session_audit m = { .kind = SESSION_AUDIT_WANTED };

	session_send_audit(h, &m, now);
}

static void ask_for_a_handover(void)
{
	const struct session_switch m = { .kind = SESSION_HANDOVER_REQUEST };

	session_send_handover(h, &m);
}

static void (*const questions[])(void) = { ask_for_a_word, ask_for_a_comparison,
					   ask_for_a_handover };

START_TEST(who_asks_and_never_reads)
{
	unsigned n = 0;

	*closed = '\0';
	for (; n < 2000000 && !*closed; n++) {
		questions[_i]();
		give();
		work_off();
		ck_assert_uint_le(kept(), 40 << 20);
	}
	printf("question %d: closed after %u\n", _i, n);
	ck_assert_str_eq(closed, "it does not read what it is told");
	ck_assert_uint_eq(e->peers[0].broken[SESSION_STUCK], 1);
	/* and who reads may ask as often as it likes */
	session_down(h);
	connect_them();
	*closed = '\0';
	for (n = 0; n < 20000; n++) {
		questions[_i]();
		give();
		work_off();
		read_it();
	}
	ck_assert_str_eq(closed, "");
	ck_assert_uint_le(kept(), 2 << 20);
}
END_TEST

/* Ten thousand words in one go: each turn hears a few, and others come in
 * between. */
START_TEST(many_words_at_once)
{
	const struct session_word w = { .ready = true };
	unsigned turns = 0;

	for (int i = 0; i < 10000; i++)
		session_send_word(h, &w);
	give();
	while (work() == WORK_HEAR)
		turns++;
	ck_assert_uint_ge(turns, 10000 / 64 - 1);
	ck_assert_uint_eq(session_unread(engine_session(e, 0)), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("engine_hostile");
	TCase *t = tcase_create("engine_hostile");

	tcase_add_test(t, flows_that_are_nobodys);
	tcase_add_test(t, absurd_counts);
	tcase_add_loop_test(t, who_asks_and_never_reads, 0, 3);
	tcase_add_test(t, many_words_at_once);
	return run_suite(s, t);
}
