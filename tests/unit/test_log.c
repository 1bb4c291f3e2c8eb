/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a message looks like, on a terminal and where the journal reads. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

static char said[4096];
static int ends[2];

static const char *heard(void)
{
	ssize_t n = read(ends[0], said, sizeof(said) - 1);

	ck_assert_int_ge(n, 0);
	said[n] = '\0';
	return said;
}

static void name_stream(int fd)
{
	char text[64];
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	snprintf(text, sizeof(text), "%ju:%ju", (uintmax_t)st.st_dev,
		 (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", text, 1);
}

static void setup(void)
{
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	unsetenv("JOURNAL_STREAM");
}

START_TEST(test_terminal)
{
	log_msg(LOG_WARNING, "a %s", "word");
	ck_assert_str_eq(heard(), "warning: a word\n");
}
END_TEST

START_TEST(test_journal)
{
	name_stream(STDERR_FILENO);
	log_msg(LOG_ERR, "no %s", "key");
	ck_assert_str_eq(heard(), "<3>no key\n");
	log_open(true);
	log_msg(LOG_NOTICE, "A -> B");
	ck_assert_str_eq(heard(), "<5>A -> B\n");
}
END_TEST

/* Inherited, and standard error is another one by now. */
START_TEST(test_not_the_journal)
{
	int other[2];

	ck_assert_int_eq(pipe(other), 0);
	name_stream(other[1]);
	log_msg(LOG_ERR, "x");
	ck_assert_str_eq(heard(), "err: x\n");
}
END_TEST

START_TEST(test_one_line)
{
	char text[1200];

	log_msg(LOG_ERR, "a\nb\xc2\x85\xff");
	ck_assert_str_eq(heard(), "err: a?b??\n");
	/* cut between two characters */
	memset(text, 'x', sizeof(text));
	memcpy(text + 998, "\xc3\xbc", 3);
	log_msg(LOG_ERR, "%s", text);
	ck_assert_uint_eq(strlen(heard()), strlen("err: \n") + 998);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("log");
	TCase *t = tcase_create("log");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_terminal);
	tcase_add_test(t, test_journal);
	tcase_add_test(t, test_not_the_journal);
	tcase_add_test(t, test_one_line);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
