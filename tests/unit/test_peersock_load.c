// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The link under load: much data, a receiver that pauses, what the kernel
 * may hold of it, a wire that is cut, and records that bear nothing.
 */
#include "peersock_int.h"
#include "peersock_pair.h"

#define STREAM_MAX (100LL * 1024 * 1024)

static uint64_t sent;

/* Sends until the queue is full; batches of an odd size. */
static void fill(struct node *n)
{
	static uint8_t batch[30011];

	for (;;) {
		for (size_t i = 0; i < sizeof(batch); i++)
			batch[i] = pattern(sent + i);
		if (peersock_send(n->ps, 0, batch, sizeof(batch)))
			return;
		sent += sizeof(batch);
	}
}

START_TEST(hundred_megabytes)
{
	double start;
	long before, after;
	clock_t cpu;

	start_fw1(keys, 1);
	start_fw2(keys, 1);
	ck_assert(turn_until(1, both_up));
	sent = 0;
	fill(&fw1);
	before = rss_kib();
	cpu = clock();
	start = now_s();
	while (fw2.received < STREAM_MAX && now_s() - start < 60) {
		fill(&fw1);
		ck_assert_uint_le(peersock_pending(fw1.ps, 0), 1 << 20);
		event_base_loop(base, EVLOOP_ONCE);
	}
	cpu = clock() - cpu;
	after = rss_kib();
	/* Both nodes, and what fills and checks the bytes, on one core. */
	printf("100 MB in %.2f s, %.2f s of CPU, memory %ld -> %ld KiB\n",
	       now_s() - start, (double)cpu / CLOCKS_PER_SEC, before, after);
	ck_assert_uint_ge(fw2.received, STREAM_MAX);
	ck_assert(!fw2.corrupt);
#ifndef __SANITIZE_ADDRESS__
	ck_assert_int_le(after - before, 4096);
#endif
	turn(0.2);
	ck_assert_uint_eq(fw2.received, sent);
	ck_assert_int_ge(fw1.drains, 1);
	/* 64 records of at most 16 KiB to a key, while the queue is full. */
	ck_assert_uint_ge(peersock_key_updates(fw1.ps),
			  STREAM_MAX / 16384 / 64 - 1);
	ck_assert_uint_eq(peersock_pending(fw1.ps, 0), 0);
}
END_TEST

/* The receiver stops: the sender's queue fills, then all of it arrives. */
START_TEST(paused)
{
	uint64_t held;
	int drains;

	start_fw1(keys, 1);
	start_fw2(keys, 1);
	ck_assert(turn_until(1, both_up));
	fw2.pause_on_data = true;
	sent = 0;
	for (int i = 0; i < 200; i++) {
		fill(&fw1);
		turn(0.001);
	}
	ck_assert_uint_gt(peersock_pending(fw1.ps, 0), 900000);
	drains = fw1.drains;
	held = fw2.received;
	ck_assert_uint_le(held, 65536);
	turn(0.2);
	ck_assert_uint_eq(fw2.received, held);
	fw2.pause_on_data = false;
	peersock_pause_reading(fw2.ps, 0, false);
	ck_assert_uint_eq(fw2.received, held);
	turn(1);
	ck_assert_uint_eq(fw2.received, sent);
	ck_assert(!fw2.corrupt);
	ck_assert_int_eq(fw1.drains, drains + 1);
}
END_TEST

/* A small piece that was read before the pause is not forgotten. */
START_TEST(paused_with_rest)
{
	start_fw1(keys, 1);
	start_fw2(keys, 1);
	ck_assert(turn_until(1, both_up));
	peersock_pause_reading(fw2.ps, 0, true);
	send_text(&fw1, "late");
	turn(0.1);
	ck_assert_str_eq(fw2.text, "");
	peersock_pause_reading(fw2.ps, 0, false);
	turn(0.1);
	ck_assert_str_eq(fw2.text, "late");
}
END_TEST

/*
 * A word waits behind what the kernel holds: with a receiver that stands
 * still that is what neither queue knows of.
 */
START_TEST(kernel_holds_little)
{
	uint64_t held;

	start_fw1(keys, 1);
	start_fw2(keys, 1);
	ck_assert(turn_until(1, both_up));
	peersock_pause_reading(fw2.ps, 0, true);
	sent = 0;
	for (int i = 0; i < 200; i++) {
		fill(&fw1);
		turn(0.001);
	}
	held = sent - peersock_pending(fw1.ps, 0) - fw2.received;
	printf("the kernel holds %lu KiB\n", (unsigned long)(held / 1024));
	ck_assert_uint_gt(peersock_pending(fw1.ps, 0), 900000);
	ck_assert_uint_le(held, 768 * 1024);
}
END_TEST

static int both_down(void)
{
	return fw1.downs && fw2.downs;
}

/* Nothing comes through any more, and TCP's own 15 minutes do not count. */
START_TEST(cut)
{
	double start;

	start_fw1(keys, 1);
	start_fw2(keys, 1);
	ck_assert(turn_until(1, both_up));
	ck_assert_int_eq(system("nft 'add table ip cut; add chain ip cut in "
				"{ type filter hook input priority 0; "
				"policy drop; }'"),
			 0);
	send_text(&fw1, "into the void");
	start = now_s();
	turn_until(10, both_down);
	ck_assert_int_eq(system("nft delete table ip cut"), 0);
	printf("cut: down after %.1f s: %s\n", now_s() - start, fw1.why);
	/* also the one that has nothing to say */
	ck_assert_int_eq(fw2.downs, 1);
	ck_assert_int_eq(fw1.downs, 1);
	ck_assert_int_eq(fw1.reason, PEERSOCK_LOST);
	ck_assert_str_eq(fw1.why, "no answer");
	ck_assert(now_s() - start > 2);
	ck_assert(now_s() - start < 4.5);
	ck_assert(turn_until(5, both_up));
}
END_TEST

static unsigned others; /* turns of somebody else before the last word */
static void on_other(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	others += !*fw2.text;
	event_base_loopbreak(base); /* there is always something to do */
}

static int is_said(void)
{
	return *fw2.text;
}

/* Records that bear no byte: after each the loop has its turn, and what comes
 * after the last is read. */
START_TEST(new_keys_without_end)
{
	struct event *other;
	int always[2];
	SSL *ssl;

	start_fw1(keys, 1);
	start_fw2(keys, 1);
	ck_assert(turn_until(5, both_up));
	ssl = fw1.ps->peers[0].used->tls.ssl;
	for (int i = 0; i < 1000; i++) {
		ck_assert(SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED));
		ck_assert_int_eq(SSL_do_handshake(ssl), 1);
	}
	ck_assert_int_eq(SSL_write(ssl, "at last", 7), 7);
	ck_assert_int_eq(pipe(always), 0);
	ck_assert_int_eq(write(always[1], "x", 1), 1);
	other = event_new(base, always[0], EV_READ | EV_PERSIST, on_other,
			  NULL);
	event_priority_set(other, 2); /* as the link's */
	event_add(other, NULL);
	ck_assert(turn_until(20, is_said));
	ck_assert_uint_ge(others, 900);
	event_free(other);
	send_text(&fw2, "heard");
	turn(0.2);
	ck_assert_str_eq(fw1.text, "heard");
	ck_assert_int_eq(fw1.downs + fw2.downs, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		hundred_megabytes,   paused, paused_with_rest,
		kernel_holds_little, cut,    new_keys_without_end
	};

	return run("peersock_load", tests, sizeof(tests) / sizeof(tests[0]));
}
