/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is up and what is down: results, files and processes. */
#include <check.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "track.h"
#include "track_file.h"
#include "track_process.h"

static char dir[32];

static mono_t at(int64_t s)
{
	return (mono_t){ s * MONO_S };
}

__attribute__((format(printf, 1, 2))) static void sh(const char *fmt, ...)
{
	char cmd[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	ck_assert_int_eq(system(cmd), 0);
}

static void setup(void)
{
	strcpy(dir, "/tmp/sstrackXXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void teardown(void)
{
	sh("rm -rf %s", dir);
}

/* --- results -------------------------------------------------------------- */

START_TEST(test_rise_and_fall)
{
	const struct conf_track c = {
		.kind = CONF_TRACK_SCRIPT, .weight = 10, .rise = 2, .fall = 3
	};
	struct track t;

	track_init(&t, &c, at(1));
	ck_assert_int_eq(t.state, TRACK_UNKNOWN);
	ck_assert_int_eq(track_weight(&t), 0);
	ck_assert(track_result(&t, "exit status 1", at(2))); /* the first */
	ck_assert_int_eq(t.state, TRACK_DOWN);
	ck_assert_int_eq(track_weight(&t), 10);
	ck_assert_str_eq(t.why, "exit status 1");
	ck_assert(!track_result(&t, NULL, at(3)));
	ck_assert(!track_result(&t, "no", at(4))); /* not in a row */
	ck_assert(!track_result(&t, NULL, at(5)));
	ck_assert_int_eq(t.since.ns, at(2).ns);
	ck_assert(track_result(&t, NULL, at(6)));
	ck_assert_int_eq(t.state, TRACK_UP);
	ck_assert_int_eq(t.since.ns, at(6).ns);
	ck_assert_int_eq(track_weight(&t), 0);
	ck_assert(!track_result(&t, "no", at(7)));
	ck_assert(!track_result(&t, "no", at(8)));
	ck_assert_int_eq(track_weight(&t), 0);
	ck_assert(track_result(&t, "no", at(9)));
	ck_assert_int_eq(track_weight(&t), 10);
}
END_TEST

START_TEST(test_others_at_once)
{
	const struct conf_track c = {
		.kind = CONF_TRACK_FILE, .weight = 7, .rise = 2, .fall = 3
	};
	struct track t;

	track_init(&t, &c, at(1));
	ck_assert(track_result(&t, NULL, at(2)));
	ck_assert(!track_result(&t, NULL, at(3)));
	ck_assert(track_result(&t, "no", at(4)));
	ck_assert(track_result(&t, "", at(5)));
	ck_assert_int_eq(t.state, TRACK_UP);
}
END_TEST

/* --- files ------------------------------------------------------------------ */

static struct track_file file;

/* An event of the file's own came within 1 s, and what it says. */
static const char *event(void)
{
	struct pollfd p = { .fd = track_file_fd(&file), .events = POLLIN };

	while (poll(&p, 1, 1000) == 1)
		if (track_file_read(&file))
			return track_file_look(&file, false);
	return "no event";
}

START_TEST(test_file)
{
	static const char *const fine[] = { "0", "0\\n", "-0", " 000 \\n" };
	static const char *const bad[] = { "1",	   "10\\n", "-5", "\\n",
					   "0 no", "x",	    "0x1" };
	char path[64];

	snprintf(path, sizeof(path), "%s/m", dir);
	track_file_open(&file, path);
	ck_assert_ptr_null(track_file_look(&file, true));
	sh("touch %s", path);
	ck_assert_str_eq(event(), "the file exists");
	sh("rm %s", path);
	ck_assert_ptr_null(event());
	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
		sh("printf -- '%s' >%s", fine[i], path);
		ck_assert_ptr_null(event());
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		sh("printf -- '%s' >%s", bad[i], path);
		ck_assert_str_eq(event(), "the file exists and is not 0");
	}
	sh("echo 0 >%s.new; mv %s.new %s", path, path, path);
	ck_assert_ptr_null(event());
	sh("rm %s; ln -s /proc/self/mem %s", path, path);
	ck_assert_str_eq(track_file_look(&file, true),
			 "it is there and cannot be read");
	sh("rm %s; mkfifo %s", path, path); /* is not waited for */
	ck_assert_ptr_null(track_file_look(&file, true));
	track_file_close(&file);
}
END_TEST

/* A poll that meets `echo 0 >FILE` half-way. */
START_TEST(test_file_half_written)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/m", dir);
	sh("touch %s", path);
	track_file_open(&file, path);
	ck_assert_ptr_null(track_file_look(&file, true));
	sh("echo 0 >%s", path);
	ck_assert_ptr_null(track_file_look(&file, true));
	sh(": >%s", path);
	ck_assert_ptr_null(track_file_look(&file, true));
	ck_assert_str_eq(track_file_look(&file, true), "the file exists");
	ck_assert_str_eq(track_file_look(&file, true), "the file exists");
	track_file_close(&file);
}
END_TEST

/* Its directory comes and goes; other files in it are nothing to us. */
START_TEST(test_file_directory)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/d/m", dir);
	track_file_open(&file, path);
	ck_assert_ptr_null(track_file_look(&file, true));
	ck_assert_int_lt(file.wd, 0);
	sh("mkdir %s/d", dir);
	ck_assert_ptr_null(track_file_look(&file, true));
	ck_assert_int_ge(file.wd, 0);
	sh("touch %s/d/other", dir);
	usleep(50000);
	ck_assert(!track_file_read(&file));
	sh("echo 5 >%s", path);
	ck_assert_str_eq(event(), "the file exists and is not 0");
	sh("rm -r %s/d", dir);
	ck_assert_ptr_null(event());
	(void)track_file_read(&file);
	ck_assert_int_lt(file.wd, 0);
	sh("mkdir %s/d; echo 5 >%s", dir, path);
	ck_assert_ptr_nonnull(track_file_look(&file, true));
	ck_assert_int_ge(file.wd, 0);
	track_file_close(&file);
}
END_TEST

/* --- processes ---------------------------------------------------------------- */

static pid_t child(const char *name)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, name);
		for (;;)
			pause();
	}
	usleep(50000);
	return pid;
}

static int look(struct track_process *p)
{
	int r;

	do
		r = track_process_look(p);
	while (r == TRACK_PROCESS_LOOKING);
	return r;
}

static bool ended(const struct track_process *p)
{
	struct pollfd pfd = { .fd = p->pidfd, .events = POLLIN };

	return poll(&pfd, 1, 1000) == 1;
}

START_TEST(test_process)
{
	struct track_process p;
	pid_t one, two;

	track_process_open(&p, "sstrack-a-long-name");
	ck_assert_int_eq(look(&p), TRACK_PROCESS_NONE);
	one = child("sstrack-a-long-name"); /* the kernel cuts it, too */
	two = child("sstrack-a-long");
	ck_assert_int_eq(look(&p), 0);
	ck_assert_int_eq(p.pid, one);
	kill(one, SIGKILL);
	ck_assert(ended(&p));
	/* not reaped yet: it is in /proc, and does not run */
	ck_assert_int_eq(look(&p), TRACK_PROCESS_NONE);
	ck_assert_int_eq(waitpid(one, NULL, 0), one);
	ck_assert_int_eq(look(&p), TRACK_PROCESS_NONE);
	one = child("sstrack-a-long-name");
	ck_assert_int_eq(look(&p), 0);
	kill(two, SIGKILL);
	kill(one, SIGKILL);
	track_process_close(&p);
	while (wait(NULL) > 0)
		;
}
END_TEST

/* Of several any will do; one that becomes another is none. */
START_TEST(test_process_of_several)
{
	struct track_process p;
	pid_t one = child("sstrack"), two = child("sstrack");

	track_process_open(&p, "sstrack");
	ck_assert_int_eq(look(&p), 0);
	ck_assert(p.pid == one || p.pid == two);
	kill(p.pid, SIGKILL);
	ck_assert(ended(&p));
	ck_assert_int_eq(look(&p), 0);
	kill(p.pid, SIGKILL);
	ck_assert(ended(&p));
	ck_assert_int_eq(look(&p), TRACK_PROCESS_NONE);
	track_process_close(&p);
	while (wait(NULL) > 0)
		;
}
END_TEST

int main(void)
{
	Suite *s = suite_create("track");
	TCase *t = tcase_create("track");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_rise_and_fall);
	tcase_add_test(t, test_others_at_once);
	tcase_add_test(t, test_file);
	tcase_add_test(t, test_file_half_written);
	tcase_add_test(t, test_file_directory);
	tcase_add_test(t, test_process);
	tcase_add_test(t, test_process_of_several);
	tcase_set_timeout(t, 30);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
