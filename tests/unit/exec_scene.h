/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A helper, its configuration as a list of commands, and what was heard of
 * each; in a directory of its own.
 */
#ifndef STATESYNC_TEST_EXEC_SCENE_H
#define STATESYNC_TEST_EXEC_SCENE_H

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "exec_int.h"

#define LIMIT 5000

static struct exec *x;
static char dir[] = "/tmp/ssexecXXXXXX";

struct got {
	int ends, lines;
	enum exec_how how;
	int status;
	char text[EXEC_LINE_MAX + 1]; /* the last line */
	int order;		      /* the how-manieth end it was */
};

static int ends;

static void cb(const struct exec_event *ev, void *arg)
{
	struct got *g = arg;

	if (ev->how == EXEC_LINE) {
		g->lines++;
		strcpy(g->text, ev->text);
		return;
	}
	g->ends++;
	g->order = ++ends;
	g->how = ev->how;
	g->status = ev->status;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Until n commands have ended. */
static void wait_ends(int n)
{
	int64_t until = now_ms() + 10000;

	while (ends < n && now_ms() < until) {
		struct pollfd p = { .fd = exec_fd(x), .events = POLLIN };

		(void)poll(&p, 1, 100);
		(void)!exec_read(x);
	}
	ck_assert_int_eq(ends, n);
}

/* Stands for a configuration: the commands of a file, each with its NUL. */
static int load(const char *path, const void *arg, struct exec_names *n,
		int *fd)
{
	static char text[1 << 16];
	FILE *f = fopen(path, "re");
	size_t len = f ? fread(text, 1, sizeof(text), f) : 0;
	int r = 0;

	(void)arg;
	*fd = -1;
	for (size_t at = 0; r >= 0 && at < len; at += strlen(text + at) + 1)
		r = exec_list_add(&n->commands, text + at);
	if (f)
		fclose(f);
	return r < 0 ? r : exec_names_seal(n);
}

/* Another configuration is in use, which has this command, too. What was asked
 * for before has to have ended: the helper knows the file as it is now. */
static void know(const char *command)
{
	char path[64];
	FILE *f;
	int fd;

	if (x->used && exec_list_find(&x->used->commands, command) >= 0)
		return;
	snprintf(path, sizeof(path), "%s/commands", dir);
	f = fopen(path, "ae");
	ck_assert_ptr_nonnull(f);
	fwrite(command, 1, strlen(command) + 1, f);
	fclose(f);
	exec_names_free(x->used);
	x->used = calloc(1, sizeof(*x->used));
	ck_assert_int_eq(load(path, NULL, x->used, &fd), 0);
}

static struct exec *open_helper(void)
{
	static char path[64];

	snprintf(path, sizeof(path), "%s/commands", dir);
	return exec_open(load, path, NULL);
}

static void ask(struct got *g, uint32_t queue, const char *command, int64_t ms)
{
	know(command);
	ck_assert_int_eq(exec_run(x, queue, command, ms, cb, g), 0);
}

static void setup(void)
{
	strcpy(dir, "/tmp/ssexecXXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	x = open_helper();
	ck_assert_ptr_nonnull(x);
	ends = 0;
}

static void teardown(void)
{
	char cmd[64];

	exec_close(x);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	ck_assert_int_eq(system(cmd), 0);
}

/* Runs these tests; for main() to return. */
static inline int run_case(TCase *t)
{
	Suite *s = suite_create("exec");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 30);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
