// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Commands whose time is up, with real ones: who cleans up may, who does not
 * listen is made to end, and nothing of either is left.
 */
#include "exec_scene.h"

#define GRACE 2000
#define LATE  1000 /* time enough to set a trap */

static const char *in_dir(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static int64_t size_of(const char *name)
{
	struct stat st;

	return stat(in_dir(name), &st) == 0 ? st.st_size : -1;
}

static bool grows(const char *name)
{
	int64_t before = size_of(name);

	usleep(300000);
	return size_of(name) > before;
}

/* How long ago a file was written. */
static int64_t age_of(const char *name)
{
	struct timespec now;
	struct stat st;

	ck_assert_int_eq(stat(in_dir(name), &st), 0);
	clock_gettime(CLOCK_REALTIME, &now);
	return (now.tv_sec - st.st_mtim.tv_sec) * 1000 +
	       (now.tv_nsec - st.st_mtim.tv_nsec) / 1000000;
}

/* Has it run in the directory; how long its end took after its time was up. */
static int64_t time_of(struct got *g, uint32_t queue, const char *command)
{
	int64_t start = now_ms();
	char full[512];

	snprintf(full, sizeof(full), "cd %s; %s", dir, command);
	ask(g, queue, full, LATE);
	wait_ends(1);
	ck_assert_int_eq(g->how, EXEC_TIMEOUT);
	return now_ms() - start - LATE;
}

START_TEST(who_cleans_up)
{
	struct got g = { 0 };

	(void)time_of(&g, 1,
		      "trap 'echo sorry; touch clean; exit' TERM; "
		      "while :; do sleep 0.02; done");
	/* nobody waits for a dead one */
	ck_assert_int_lt(age_of("clean"), GRACE - 300);
	ck_assert_str_eq(g.text, "sorry");
}
END_TEST

/* The shell is gone at once, and does not take the other one's time. (When it
 * is over depends on who reaps that one.) */
START_TEST(who_cleans_up_below_a_shell)
{
	struct got g = { 0 };
	int64_t ms = time_of(&g, 1,
			     "(trap 'sleep 0.5; echo bye; touch clean; exit' "
			     "TERM; while :; do sleep 0.02; done) & wait; :");

	ck_assert_int_eq(size_of("clean"), 0);
	ck_assert_str_eq(g.text, "bye");
	ck_assert_int_ge(ms, 450);
}
END_TEST

START_TEST(who_does_not_listen)
{
	struct got g = { 0 };
	int64_t ms = time_of(&g, 1,
			     "trap '' TERM; while :; do sleep 0.02; "
			     "echo x >>life; done");

	ck_assert_int_ge(ms, GRACE);
	ck_assert_int_gt(size_of("life"), 0);
	ck_assert(!grows("life"));
}
END_TEST

START_TEST(whose_child_does_not_listen)
{
	struct got g = { 0 };
	int64_t ms = time_of(&g, 1,
			     "(trap '' TERM; while :; do sleep 0.02; "
			     "echo x >>life; done) & wait; :");

	ck_assert_int_ge(ms, GRACE);
	ck_assert_int_gt(size_of("life"), 0);
	ck_assert(!grows("life"));
}
END_TEST

/* Its answer is due now. */
START_TEST(a_check_has_no_grace)
{
	struct got g = { 0 };

	(void)time_of(&g, EXEC_CHECK,
		      "trap 'touch clean' TERM; "
		      "while :; do sleep 0.02; echo x >>life; done");
	ck_assert_int_eq(size_of("clean"), -1);
	ck_assert(!grows("life"));
}
END_TEST

/* The next one of its queue waits for all of it; nobody else does. */
START_TEST(who_waits_for_it)
{
	static const char stubborn[] = "trap '' TERM; sleep 0.1; sleep 0.1; "
				       "sleep 60";
	struct got late = { 0 }, next = { 0 }, other = { 0 }, check = { 0 };
	int64_t start = now_ms();

	know(stubborn);
	know("true");
	ask(&late, 1, stubborn, LATE);
	ask(&next, 1, "true", LIMIT);
	usleep(LATE * 1000 + 300000);
	ask(&other, 2, "true", LIMIT);
	ask(&check, EXEC_CHECK, "true", LIMIT);
	wait_ends(4);
	ck_assert_int_lt(other.order, late.order);
	ck_assert_int_lt(check.order, late.order);
	ck_assert_int_eq(late.how, EXEC_TIMEOUT);
	ck_assert_int_lt(late.order, next.order);
	ck_assert_int_ge(now_ms() - start, LATE + GRACE);
}
END_TEST

/* The daemon is gone: the limit is the helper's own. */
START_TEST(nobody_is_left_to_tell)
{
	char command[256];
	int64_t until = now_ms() + 10000;

	snprintf(command, sizeof(command),
		 "trap '' TERM; while :; do sleep 0.02; echo x >>%s; done",
		 in_dir("life"));
	know(command);
	ck_assert_int_eq(exec_run(x, 1, command, LATE, cb, NULL), 0);
	while (size_of("life") < 1 && now_ms() < until)
		usleep(10000);
	exec_close(x);
	x = NULL;
	ck_assert(grows("life"));
	while (grows("life") && now_ms() < until)
		;
	ck_assert_int_lt(now_ms(), until);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("limit");

	tcase_add_test(t, who_cleans_up);
	tcase_add_test(t, who_cleans_up_below_a_shell);
	tcase_add_test(t, who_does_not_listen);
	tcase_add_test(t, whose_child_does_not_listen);
	tcase_add_test(t, a_check_has_no_grace);
	tcase_add_test(t, who_waits_for_it);
	tcase_add_test(t, nobody_is_left_to_tell);
	return run_case(t);
}
