/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A stats socket with commands of a test, and clients for it, in one process:
 * the loop turns when the test says so.
 */
#ifndef STATESYNC_TEST_STATSOCK_CLIENTS_H
#define STATESYNC_TEST_STATSOCK_CLIENTS_H

#include "statsock_prompt.h"

#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static struct event_base *base;
static struct statsock *ss;
static char dir[32], path[64];
static struct stats_client *slow; /* of the command "slow" */
static int vanished;
static int commands, prompts;

static inline void on_vanish(void *ctx, struct stats_client *client)
{
	ck_assert_ptr_eq(ctx, &vanished);
	ck_assert_ptr_eq(client, slow);
	vanished++;
	slow = NULL;
}

static inline void prompt(void *ctx, char *text, size_t size)
{
	ck_assert_ptr_eq(ctx, &prompts);
	snprintf(text, size, "fw%d> ", ++prompts);
}

static inline void handle(void *arg, struct stats_client *c, int argc,
			  char **argv)
{
	ck_assert_ptr_eq(arg, &commands);
	commands++;
	if (!strcmp(argv[0], "echo")) {
		for (int i = 1; i < argc; i++)
			statsock_printf(c, "%s\n", argv[i]);
		statsock_end(c, STATS_OK, NULL);
	} else if (!strcmp(argv[0], "blank")) {
		statsock_printf(c, "a\n\n\nb\n\n");
		statsock_end(c, STATS_NO, "not in sync");
	} else if (!strcmp(argv[0], "big")) {
		for (int i = 0; i < 200 * 1024 / 64; i++)
			statsock_printf(c, "%063d\n", i);
		statsock_end(c, STATS_OK, NULL);
	} else if (!strcmp(argv[0], "huge")) {
		for (int i = 0; i < 100000; i++)
			if (statsock_printf(c, "%063d\n", i))
				break;
		statsock_end(c, STATS_OK, NULL);
	} else if (!strcmp(argv[0], "slow")) {
		slow = c;
		statsock_on_close(c, on_vanish, &vanished);
		statsock_printf(c, "progress 1 2 0.1\n");
	} else if (!strcmp(argv[0], "who")) {
		statsock_printf(c, "%u %d\n", statsock_client_uid(c),
				statsock_client_may_change(c));
		statsock_end(c, STATS_OK, NULL);
	} else if (!strcmp(argv[0], "prompt")) {
		statsock_prompt(c, argc > 1 ? NULL : prompt, &prompts);
		statsock_end(c, STATS_OK, NULL);
	} else if (!strcmp(argv[0], "quit")) {
		statsock_quit(c);
		statsock_end(c, STATS_OK, NULL);
	} else {
		statsock_end(c, STATS_ERROR, "unknown command");
	}
}

static inline void setup(void)
{
	signal(SIGPIPE, SIG_IGN);
	strcpy(dir, "/tmp/test_statsock.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	base = event_base_new();
	event_base_priority_init(base, 3);
	commands = vanished = prompts = 0;
	slow = NULL;
	ck_assert_int_eq(statsock_new(base, path, handle, &commands, &ss), 0);
}

static inline void teardown(void)
{
	statsock_free(ss);
	event_base_free(base);
	ck_assert_int_eq(access(path, F_OK), -1);
	rmdir(dir);
}

static inline double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Turns the loop until nothing more is to do, or for `s` seconds. */
static inline void turn(double s)
{
	const double end = now_s() + s;

	do {
		event_base_loop(base, EVLOOP_NONBLOCK);
		if (s > 0)
			usleep(1000);
	} while (now_s() < end);
}

static inline int dial(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	strcpy(un.sun_path, path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	return fd;
}

/* Turns the loop and reads until the other side closes; bytes read. */
static inline size_t read_all(int fd, char *buf, size_t size)
{
	const double end = now_s() + 3;
	size_t len = 0;
	ssize_t n = -1;

	while (n && now_s() < end) {
		turn(0);
		n = recv(fd, buf + len, size - len - 1, 0);
		if (n < 0)
			ck_assert_msg(errno == EAGAIN, "errno %d", errno);
		else
			len += (size_t)n;
	}
	ck_assert_msg(n == 0, "not closed");
	buf[len] = '\0';
	close(fd);
	return len;
}

static inline void asked(const char *request, size_t len, const char *answer)
{
	char buf[8192];
	int fd = dial();

	ck_assert_int_eq(send(fd, request, len, 0), (ssize_t)len);
	read_all(fd, buf, sizeof(buf));
	ck_assert_str_eq(buf, answer);
}

#define ask(request, answer) asked(request, strlen(request), answer)

#endif
