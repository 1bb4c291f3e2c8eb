// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The stats socket against clients of all kinds: polite, greedy, stuck,
 * mad, gone. Time limits of 10 s are waited for in one test only.
 */
#include "statsock_clients.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define CLIENTS 40

START_TEST(answers)
{
	struct stat st;

	ask("echo a b\n", "a\nb\nok\n\n");
	ask("echo a\r\n", "a\nok\n\n");
	ask("echo \"two words\"  x;echo y ; blank\n",
	    "two words\nx\nok\n\ny\nok\n\na\n \n \nb\n \nno: not in sync\n\n");
	ask("nonsense\n", "error: unknown command\n\n");
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0660);
}
END_TEST

/* printf status | socat: no newline, the writing side shut. */
START_TEST(half_closed)
{
	char buf[64];
	int fd = dial();

	ck_assert_int_eq(send(fd, "echo x", 6, 0), 6);
	shutdown(fd, SHUT_WR);
	read_all(fd, buf, sizeof(buf));
	ck_assert_str_eq(buf, "x\nok\n\n");
}
END_TEST

START_TEST(in_pieces)
{
	char buf[64];
	int fd = dial();

	for (const char *c = "echo x\n"; *c; c++) {
		ck_assert_int_eq(send(fd, c, 1, 0), 1);
		turn(0);
	}
	read_all(fd, buf, sizeof(buf));
	ck_assert_str_eq(buf, "x\nok\n\n");
}
END_TEST

START_TEST(garbage)
{
	char request[STATSOCK_LINE_MAX + 2];
	char long_answer[STATSOCK_LINE_MAX + 16];

	asked("\0\1\2\n", 4,
	      "error: the request holds a control byte or an open quote; "
	      "send words: help\n\n");
	ask("echo \"open\n",
	    "error: the request holds a control byte or an open quote; "
	    "send words: help\n\n");
	ask("\n", "error: the request is empty; send words: help\n\n");
	ask(" ; ;\n", "error: the request is empty; send words: help\n\n");
	/* 1024 bytes are a line, 1025 are not, with newline or without. */
	memset(request, 'x', sizeof(request));
	memcpy(request, "echo ", 5);
	request[STATSOCK_LINE_MAX] = '\n';
	snprintf(long_answer, sizeof(long_answer), "%.*s\nok\n\n",
		 STATSOCK_LINE_MAX - 5, request + 5);
	asked(request, STATSOCK_LINE_MAX + 1, long_answer);
	request[STATSOCK_LINE_MAX] = 'x';
	request[STATSOCK_LINE_MAX + 1] = '\n';
	asked(request, STATSOCK_LINE_MAX + 2,
	      "error: the request is longer than 1024 bytes; send several "
	      "lines, each on a connection or after prompt\n\n");
	ck_assert_uint_eq(statsock_count(ss, STATSOCK_GARBAGE), 5);
}
END_TEST

/* A flood that never has a newline: an answer, and the end. */
START_TEST(flood)
{
	static char junk[65536], buf[4096];
	int fd = dial();

	memset(junk, 'A', sizeof(junk));
	for (int i = 0; i < 100; i++) {
		(void)!send(fd, junk, sizeof(junk), MSG_NOSIGNAL);
		turn(0);
	}
	ck_assert_int_gt(recv(fd, buf, sizeof(buf), 0), 0);
	ck_assert_int_eq(strncmp(buf, "error: the request is longer", 28), 0);
	close(fd);
	ask("echo x\n", "x\nok\n\n");
}
END_TEST

START_TEST(too_many_words)
{
	ask("echo 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 "
	    "1 2\n",
	    "error: a command has more than 32 words; make several of it, "
	    "with ; between\n\n");
}
END_TEST

START_TEST(overflow)
{
	static char buf[512 * 1024];
	int fd = dial();

	ck_assert_int_eq(send(fd, "huge\n", 5, 0), 5);
	turn(0.05);
	read_all(fd, buf, sizeof(buf));
	ck_assert_ptr_nonnull(strstr(
		buf, "\nerror: the answer is longer than 262144 bytes; read it "
		     "faster, or ask for less\n\n"));
}
END_TEST

/* 40 at once as root: 34 served, 6 told why; afterwards all is as before. */
START_TEST(forty_clients)
{
	int fds[CLIENTS], served = 0, refused = 0;
	char buf[256];

	if (geteuid())
		return;
	for (int i = 0; i < CLIENTS; i++) {
		fds[i] = dial();
		turn(0);
	}
	for (int i = 0; i < CLIENTS; i++)
		(void)!send(fds[i], "echo x\n", 7, MSG_NOSIGNAL);
	for (int i = 0; i < CLIENTS; i++) {
		read_all(fds[i], buf, sizeof(buf));
		served += !strcmp(buf, "x\nok\n\n");
		refused += !strcmp(buf, "error: 32 clients are connected, at "
					"most 32; try again\n\n");
	}
	ck_assert_int_eq(served, 34);
	ck_assert_int_eq(refused, 6);
	ck_assert_uint_eq(statsock_count(ss, STATSOCK_LIMIT), 6);
	ask("echo x\n", "x\nok\n\n");
}
END_TEST

/* 33 clients of an ordinary user, from another process; then root. */
START_TEST(room_for_root)
{
	int status, ready[2];
	char byte, buf[256];
	pid_t pid;

	if (geteuid())
		return;
	ck_assert_int_eq(chmod(dir, 0755) | chmod(path, 0666) | pipe(ready), 0);
	pid = fork();
	if (!pid) {
		int last = -1;

		if (setgid(65534) || setuid(65534))
			_exit(9);
		for (int i = 0; i < 33; i++) {
			last = dial();
			usleep(2000);
		}
		fcntl(last, F_SETFL, 0);
		recv(last, buf, sizeof(buf), 0);
		(void)!write(ready[1], "x", 1);
		sleep(1);
		_exit(strncmp(buf, "error: 32 clients", 17) ? 1 : 0);
	}
	fcntl(ready[0], F_SETFL, O_NONBLOCK);
	while (read(ready[0], &byte, 1) != 1)
		turn(0.01);
	ask("who\n", "0 1\nok\n\n");
	while (waitpid(pid, &status, WNOHANG) != pid)
		turn(0.01);
	ck_assert_int_eq(status, 0);
	close(ready[0]);
	close(ready[1]);
}
END_TEST

START_TEST(vanishes)
{
	int fd = dial();

	ck_assert_int_eq(send(fd, "slow\n", 5, 0), 5);
	turn(0.05);
	ck_assert_ptr_nonnull(slow);
	ck_assert_int_eq(vanished, 0);
	close(fd);
	turn(0.6);
	ck_assert_int_eq(vanished, 1);
	ck_assert_uint_eq(statsock_count(ss, STATSOCK_VANISHED), 1);
}
END_TEST

/* A half-closed client of a long command is not one that vanished. */
START_TEST(waits_half_closed)
{
	char buf[256];
	int fd = dial();

	ck_assert_int_eq(send(fd, "slow\n", 5, 0), 5);
	shutdown(fd, SHUT_WR);
	turn(0.6);
	ck_assert_ptr_nonnull(slow);
	statsock_printf(slow, "progress 2 2 0.6\n");
	statsock_end(slow, STATS_OK, NULL);
	slow = NULL;
	read_all(fd, buf, sizeof(buf));
	ck_assert_str_eq(buf, "progress 1 2 0.1\nprogress 2 2 0.6\nok\n\n");
	ck_assert_int_eq(vanished, 0);
}
END_TEST

START_TEST(freed_under_way)
{
	int fd = dial();

	ck_assert_int_eq(send(fd, "slow\n", 5, 0), 5);
	turn(0.05);
	statsock_free(ss);
	ss = NULL;
	ck_assert_int_eq(vanished, 1);
	close(fd);
}
END_TEST

/* The silent one, the one that does not read; others are served. */
START_TEST(time_limits)
{
	int silent = dial(), stuck = dial(), tiny = 4096;
	char buf[256];

	setsockopt(stuck, SOL_SOCKET, SO_RCVBUF, &tiny, sizeof(tiny));
	ck_assert_int_eq(send(stuck, "big\n", 4, 0), 4);
	turn(5);
	ask("echo x\n", "x\nok\n\n");
	ck_assert_int_eq(recv(silent, buf, sizeof(buf), 0), -1);
	turn(6);
	ck_assert_uint_eq(statsock_count(ss, STATSOCK_STUCK), 1);
	ck_assert_uint_eq(statsock_count(ss, STATSOCK_TIMEOUT), 1);
	read_all(silent, buf, sizeof(buf));
	ck_assert_str_eq(buf,
			 "error: no request within 10 s; connect again\n\n");
	close(stuck);
	ask("echo x\n", "x\nok\n\n");
}
END_TEST

START_TEST(stale_file)
{
	struct statsock *second;
	char other[80];
	int fd;

	/* Somebody listens: refused, and the first goes on. */
	ck_assert_int_eq(statsock_new(base, path, handle, &commands, &second),
			 -EADDRINUSE);
	ask("echo x\n", "x\nok\n\n");
	/* A dead daemon's file is replaced. */
	snprintf(other, sizeof(other), "%s/sub/t", dir);
	ck_assert_int_eq(statsock_new(base, other, handle, &commands, &second),
			 0);
	statsock_free(second);
	{
		struct sockaddr_un un = { .sun_family = AF_UNIX };

		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		strcpy(un.sun_path, other);
		ck_assert_int_eq(bind(fd, (struct sockaddr *)&un, sizeof(un)),
				 0);
		close(fd);
	}
	ck_assert_int_eq(statsock_new(base, other, handle, &commands, &second),
			 0);
	statsock_free(second);
	/* A file that is no socket stays. */
	fd = open(other, O_CREAT | O_WRONLY, 0600);
	close(fd);
	ck_assert_int_eq(statsock_new(base, other, handle, &commands, &second),
			 -EADDRINUSE);
	ck_assert_int_eq(unlink(other), 0);
	snprintf(other, sizeof(other), "%s/sub", dir);
	ck_assert_int_eq(rmdir(other), 0);
}
END_TEST

START_TEST(splitter)
{
	char line[] = " a \"b c\"d;  \t;x\"\"", *argv[STATSOCK_ARGS_MAX];
	size_t used;

	ck_assert_int_eq(statsock_split(line, strlen(line), argv, &used), 2);
	ck_assert_str_eq(argv[0], "a");
	ck_assert_str_eq(argv[1], "b cd");
	ck_assert_uint_eq(used, 10);
	ck_assert_int_eq(statsock_split(line + 10, 4, argv, &used), 0);
	ck_assert_uint_eq(used, 4);
	ck_assert_int_eq(statsock_split(line + 14, 3, argv, &used), 1);
	ck_assert_str_eq(argv[0], "x");
	ck_assert_uint_eq(used, 3);
}
END_TEST

/* Any bytes: the answer is in its range and the words are inside the line. */
START_TEST(splitter_any_bytes)
{
	static const char letters[] = "ab \t\";\"; \001\377x";
	char *argv[STATSOCK_ARGS_MAX];
	unsigned int seed = 1;

	for (int round = 0; round < 10000; round++) {
		size_t len = (size_t)rand_r(&seed) % 100, used = 999;
		char *line = malloc(len + 1);
		int argc;

		for (size_t i = 0; i < len; i++)
			line[i] = letters[(size_t)rand_r(&seed) %
					  (sizeof(letters) - 1)];
		argc = statsock_split(line, len, argv, &used);
		if (len) {
			ck_assert_uint_ge(used, 1);
			ck_assert_uint_le(used, len);
		}
		ck_assert_int_le(argc, STATSOCK_ARGS_MAX);
		for (int i = 0; i < argc; i++) {
			ck_assert(argv[i] >= line);
			ck_assert(argv[i] + strlen(argv[i]) <= line + len);
		}
		free(line);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("statsock");
	TCase *tc = tcase_create("statsock");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, answers);
	tcase_add_test(tc, half_closed);
	tcase_add_test(tc, in_pieces);
	tcase_add_test(tc, garbage);
	tcase_add_test(tc, flood);
	tcase_add_test(tc, too_many_words);
	tcase_add_test(tc, overflow);
	tcase_add_test(tc, forty_clients);
	tcase_add_test(tc, room_for_root);
	tcase_add_test(tc, vanishes);
	tcase_add_test(tc, waits_half_closed);
	tcase_add_test(tc, freed_under_way);
	tcase_add_test(tc, time_limits);
	tcase_add_test(tc, stale_file);
	tcase_add_test(tc, splitter);
	tcase_add_test(tc, splitter_any_bytes);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
