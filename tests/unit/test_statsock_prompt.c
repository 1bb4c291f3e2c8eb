// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The stats socket, line after line: what an interactive client may do, and
 * what it costs.
 */
#include "statsock_clients.h"

static void tell(int fd, const char *text)
{
	ck_assert_int_eq(send(fd, text, strlen(text), 0),
			 (ssize_t)strlen(text));
}

/* What comes until nothing has for a moment. */
static const char *heard(int fd)
{
	static char buf[65536];
	size_t len = 0;

	for (double quiet = now_s() + 0.3; now_s() < quiet;) {
		ssize_t n;

		turn(0.01);
		n = recv(fd, buf + len, sizeof(buf) - len - 1, 0);
		ck_assert_msg(n != 0, "closed");
		if (n > 0) {
			len += (size_t)n;
			quiet = now_s() + 0.3;
		}
	}
	buf[len] = '\0';
	return buf;
}

static void ends(int fd, const char *last)
{
	char buf[4096];

	read_all(fd, buf, sizeof(buf));
	ck_assert_str_eq(buf, last);
}

START_TEST(a_prompt_stands_before_each_line)
{
	int fd = dial();

	tell(fd, "prompt\n");
	ck_assert_str_eq(heard(fd), "ok\n\nfw1> ");
	tell(fd, "echo a; echo b\n");
	ck_assert_str_eq(heard(fd), "a\nok\n\nb\nok\n\nfw2> ");
	tell(fd, "\n");
	ck_assert_str_eq(heard(fd), "fw3> ");
	tell(fd, "echo \"a\n");
	ck_assert_str_eq(heard(fd),
			 "error: the request holds a control byte or an open "
			 "quote; send words: help\n\nfw4> ");
	tell(fd, "quit\n");
	ends(fd, "ok\n\n");
	ck_assert_uint_eq(statsock_count(ss, STATSOCK_VANISHED), 0);
}
END_TEST

START_TEST(a_program_needs_no_prompt)
{
	int fd = dial();

	tell(fd, "prompt i\n");
	ck_assert_str_eq(heard(fd), "ok\n\n");
	for (int i = 0; i < 3; i++) {
		tell(fd, "echo x\n");
		ck_assert_str_eq(heard(fd), "x\nok\n\n");
	}
	/* it has nothing more to say, and reads to the end */
	tell(fd, "echo y");
	shutdown(fd, SHUT_WR);
	ends(fd, "y\nok\n\n");
	ck_assert_uint_eq(statsock_count(ss, STATSOCK_VANISHED), 0);
}
END_TEST

/* printf 'prompt i\n...' | socat: all lines at once, then the end. Each waits
 * its turn, as the commands of one line do. */
START_TEST(lines_at_once_are_taken_one_by_one)
{
	double start = now_s();
	int fd = dial();

	tell(fd, "prompt i\necho 1\necho 2\r\n\necho 3; echo 4\necho 5");
	shutdown(fd, SHUT_WR);
	ends(fd, "ok\n\n1\nok\n\n2\nok\n\n3\nok\n\n4\nok\n\n5\nok\n\n");
	ck_assert_double_ge(now_s() - start, 5 * 0.04);
	ck_assert_int_eq(commands, 6);
}
END_TEST

/* One line, as ever: what stands behind it is not taken. */
START_TEST(without_it_there_is_one_line)
{
	int fd = dial();

	tell(fd, "echo 1\necho 2\n");
	ends(fd, "1\nok\n\n");
	ck_assert_int_eq(commands, 1);
}
END_TEST

START_TEST(a_slow_command_holds_the_next_line)
{
	int fd = dial();

	tell(fd, "prompt i\nslow\necho 1\n");
	ck_assert_str_eq(heard(fd), "ok\n\nprogress 1 2 0.1\n");
	ck_assert_ptr_nonnull(slow);
	statsock_end(slow, STATS_NO, "late");
	ck_assert_str_eq(heard(fd), "no: late\n\n1\nok\n\n");
	tell(fd, "slow\n");
	(void)heard(fd);
	close(fd);
	turn(0.6);
	ck_assert_int_eq(vanished, 1);
}
END_TEST

START_TEST(a_line_too_long_is_the_end)
{
	char junk[STATSOCK_LINE_MAX + 200];
	int fd = dial();

	memset(junk, 'x', sizeof(junk));
	junk[sizeof(junk) - 1] = '\0';
	tell(fd, "prompt i\n");
	(void)heard(fd);
	tell(fd, junk);
	read_all(fd, junk, sizeof(junk));
	ck_assert_ptr_nonnull(strstr(junk, "error: the request is longer"));
}
END_TEST

/* Who asks and asks and reads nothing costs one answer, not a thousand. */
START_TEST(who_does_not_read_is_not_answered)
{
	int fd = dial(), tiny = 4096;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &tiny, sizeof(tiny));
	tell(fd, "prompt i\n");
	for (int i = 0; i < 100; i++)
		(void)!send(fd, "big\n", 4, MSG_NOSIGNAL);
	turn(2);
	ck_assert_int_le(commands, 3);
	close(fd);
}
END_TEST

START_TEST(who_says_nothing_for_long_goes)
{
	int fd = dial(), quick = dial();
	double start;

	tell(fd, "prompt i\n");
	tell(quick, "prompt\n");
	(void)heard(fd);
	start = now_s();
	/* more than the time for the first line, with a line in between */
	turn(12);
	tell(quick, "echo x\n");
	ck_assert_ptr_nonnull(strstr(heard(quick), "x\nok\n\nfw2> "));
	turn(58 - (now_s() - start));
	ck_assert_str_eq(heard(fd), "");
	turn(3);
	ends(fd, "error: no request within 60 s; connect again\n\n");
	ck_assert_str_eq(heard(quick), "");
	ck_assert_uint_eq(statsock_count(ss, STATSOCK_TIMEOUT), 1);
	close(quick);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("statsock_prompt");
	TCase *tc = tcase_create("statsock_prompt");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 100);
	tcase_add_test(tc, a_prompt_stands_before_each_line);
	tcase_add_test(tc, a_program_needs_no_prompt);
	tcase_add_test(tc, lines_at_once_are_taken_one_by_one);
	tcase_add_test(tc, without_it_there_is_one_line);
	tcase_add_test(tc, a_slow_command_holds_the_next_line);
	tcase_add_test(tc, a_line_too_long_is_the_end);
	tcase_add_test(tc, who_does_not_read_is_not_answered);
	tcase_add_test(tc, who_says_nothing_for_long_goes);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
