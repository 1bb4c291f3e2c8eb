/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The stand-in of a late loop: speaks in its place, and not for ever. */
#include <check.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "standin.h"

#define INTERVAL (40 * MONO_MS)

static int pair[2];
static struct standin *s;

static mono_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (mono_t){ ts.tv_sec * MONO_S + ts.tv_nsec };
}

static void setup(void)
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
	s = standin_new();
	ck_assert_ptr_nonnull(s);
}

static void teardown(void)
{
	standin_free(s);
	close(pair[0]);
	close(pair[1]);
}

/* Frames that come within ms. */
static int heard(int ms)
{
	mono_t end = mono_add(now(), ms * MONO_MS);
	int n = 0;

	for (;;) {
		int left = (int)(mono_diff(end, now()) / MONO_MS);
		struct pollfd p = { .fd = pair[1], .events = POLLIN };
		char frame[128];

		if (left <= 0 || poll(&p, 1, left) <= 0)
			return n;
		ck_assert_int_eq(read(pair[1], frame, sizeof(frame)), 6);
		ck_assert_mem_eq(frame, "advert", 6);
		n++;
	}
}

static void sent(void)
{
	const struct carpsock_out out = { .fd = pair[0],
					  .len = 6,
					  .bytes = "advert" };

	standin_sent(s, 3, &out, 1, INTERVAL, now());
}

START_TEST(silent_while_the_loop_is_in_time)
{
	for (int i = 0; i < 10; i++) {
		sent();
		ck_assert_int_eq(heard(20), 0);
	}
	ck_assert_uint_eq(standin_count(s), 0);
}
END_TEST

START_TEST(speaks_for_a_late_loop_and_not_for_a_dead_one)
{
	int n;

	sent();
	n = heard(900);
	ck_assert_msg(n >= 10, "%d frames in 900 ms", n);
	(void)heard(300);
	ck_assert_int_eq(heard(500), 0);
	standin_alive(s, now());
	ck_assert_int_ge(heard(300), 1);
}
END_TEST

START_TEST(nothing_after_clear)
{
	sent();
	ck_assert_int_ge(heard(200), 1);
	standin_clear(s, 3);
	(void)heard(0);
	ck_assert_int_eq(heard(300), 0);
}
END_TEST

START_TEST(says_how_late_and_how_long_a_gap)
{
	struct standin_stats st;
	int n;

	sent();
	standin_stats(s, 3, &st);
	ck_assert(st.late == 0 && st.longest_ns == 0);
	(void)heard(20);
	sent();
	standin_stats(s, 3, &st);
	ck_assert_int_ge(st.longest_ns, 19 * MONO_MS);
	n = heard(300);
	standin_stats(s, 3, &st);
	ck_assert_uint_ge(st.late, (unsigned)n);
	ck_assert_uint_eq(st.late, standin_count(s));
	ck_assert_int_ge(st.longest_ns, INTERVAL + INTERVAL / 4);
	ck_assert_int_lt(mono_diff(now(), st.late_at), 250 * MONO_MS);
	/* what lies between two masterships is no gap */
	standin_clear(s, 3);
	(void)heard(700);
	sent();
	standin_stats(s, 3, &st);
	ck_assert_int_lt(st.longest_ns, 600 * MONO_MS);
	standin_stats(s, 4, &st);
	ck_assert(st.late == 0 && st.longest_ns == 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("standin");
	TCase *tc = tcase_create("standin");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, silent_while_the_loop_is_in_time);
	tcase_add_test(tc, speaks_for_a_late_loop_and_not_for_a_dead_one);
	tcase_add_test(tc, nothing_after_clear);
	tcase_add_test(tc, says_how_late_and_how_long_a_gap);
	suite_add_tcase(suite, tc);
	sr = srunner_create(suite);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
