/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A configuration in a directory of its own, with a link key and a password
 * beside it; loaded, or refused with exactly these words.
 */
#ifndef STATESYNC_TEST_CONF_FILE_H
#define STATESYNC_TEST_CONF_FILE_H

#include "conf.h"
#include "keyfile.h"

#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINK                                        \
	"link { address = \"10.9.0.1\"\n"           \
	"peer \"fw2\" { address = \"10.9.0.2\" }\n" \
	"key-file = \"@/link.key\" }\n"
#define CARP                                                         \
	"carp \"lan\" { interface = \"eth0\" vhid = 1 addresses = {" \
	" \"10.1.0.1/24\" } pass-file = \"@/carp.pass\" }\n"

static char dir[] = "/tmp/test_conf.XXXXXX";
static char path[64];
static struct conf *conf;
static struct conf_errors errors;

/* Writes a file in our directory, every '@' replaced by that directory. */
static void put_file(const char *name, const char *text, mode_t mode)
{
	char full[128];
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", dir, name);
	unlink(full);
	f = fopen(full, "w");
	ck_assert_ptr_nonnull(f);
	for (; *text; text++)
		if (*text == '@')
			fputs(dir, f);
		else
			fputc(*text, f);
	fclose(f);
	ck_assert_int_eq(chmod(full, mode), 0);
}

#define HEX62 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd"

/* The keys of three nodes, by the names of the others. */
__attribute__((unused)) static void put_pair_keys(void)
{
	put_file("fw1.key", "ss1:" HEX62 "01\n", 0600);
	put_file("fw2.key", "ss1:" HEX62 "02\n", 0600);
	put_file("fw3.key", "ss1:" HEX62 "03\n", 0600);
}

static int load_as(const char *node, const char *text)
{
	put_file("c", text, 0600);
	conf_free(conf);
	conf = NULL;
	return conf_load(path, node, &conf, &errors);
}

__attribute__((unused)) static void accepted(const char *text)
{
	int rc = load_as("fw1", text);

	ck_assert_msg(rc == 0, "refused: %s", errors.text[0]);
	ck_assert_ptr_nonnull(conf);
	ck_assert_uint_eq(errors.count, 0);
}

/* The first mistake's sentence behind "PATH:"; `more` others are there. */
static void refused_as(const char *node, const char *text, unsigned int more,
		       const char *sentence)
{
	char expected[CONF_ERROR_SIZE] = "", *end = expected;

	ck_assert_int_eq(load_as(node, text), CONF_REFUSED);
	ck_assert_ptr_null(conf);
	end += sprintf(expected, "%s:", path);
	for (; *sentence; sentence++)
		if (*sentence == '@')
			end += sprintf(end, "%s", dir);
		else
			*end++ = *sentence;
	*end = '\0';
	ck_assert_str_eq(errors.text[0], expected);
	ck_assert_uint_eq(errors.count, more + 1);
}

#define refused(text, sentence) refused_as("fw1", text, 0, sentence)

/* One line of a carp block; its mistake must be the only one. */
__attribute__((unused)) static void carp_line(const char *line,
					      const char *sentence)
{
	char text[1024];

	snprintf(text, sizeof(text),
		 "carp \"lan\" {\n    interface = \"eth0\"\n    %s\n"
		 "    %s\n    %s\n    %s\n}\n",
		 strstr(line, "vhid") ? "" : "vhid = 1",
		 strstr(line, "addresses") ? ""
					   : "addresses = { \"10.1.0.1/24\" }",
		 strstr(line, "pass") ? "" : "pass-file = \"@/carp.pass\"",
		 line);
	refused(text, sentence);
}

static void setup(void)
{
	struct link_key key;
	char why[256], full[64];

	strcpy(dir, "/tmp/test_conf.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/c", dir);
	snprintf(full, sizeof(full), "%s/link.key", dir);
	ck_assert_int_eq(keyfile_generate(&key), 0);
	ck_assert_int_eq(keyfile_write(full, &key, why, sizeof(why)), 0);
	put_file("carp.pass", "secret\n", 0600);
}

static void teardown(void)
{
	static const char *const names[] = { "c",	"link.key", "carp.pass",
					     "bad",	"new",	    "open",
					     "fw1.key", "fw2.key",  "fw3.key" };
	char full[64];

	conf_free(conf);
	conf = NULL;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(full, sizeof(full), "%s/%s", dir, names[i]);
		unlink(full);
	}
	rmdir(dir);
}

/* Runs these tests, each in a directory of its own; for main() to return. */
static int run_case(TCase *tc)
{
	Suite *suite = suite_create("conf");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
