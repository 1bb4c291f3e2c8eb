// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The key of the link: its text, its file, the identity it is offered under.
 */
#include "keyfile.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[32];

static void setup(void)
{
	strcpy(dir, "/tmp/test_keyfile.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void teardown(void)
{
	char full[64];

	snprintf(full, sizeof(full), "%s/new", dir);
	unlink(full);
	ck_assert_int_eq(rmdir(dir), 0);
}

START_TEST(key_text)
{
	struct link_key key, other;
	char text[KEYFILE_TEXT_SIZE], print[KEYFILE_FINGERPRINT_SIZE];
	size_t len;

	ck_assert_int_eq(keyfile_generate(&key), 0);
	keyfile_format(&key, text);
	len = strlen(text);
	ck_assert_int_eq(keyfile_parse(text, len, &other), 0);
	ck_assert_mem_eq(&key, &other, sizeof(key));
	keyfile_fingerprint(key.id, print);
	ck_assert_uint_eq(strlen(print), 9);
	ck_assert_int_eq(print[4], ' ');
	ck_assert_int_ne(keyfile_parse(text, len - 2, &other), 0);
	text[len - 2] = 'g';
	ck_assert_int_ne(keyfile_parse(text, len, &other), 0);
	ck_assert_int_ne(keyfile_parse("", 0, &other), 0);
	/* SHA-256 of 32 zero bytes starts with 66687aad. */
	strcpy(text, "ss1:");
	memset(text + 4, '0', 64);
	ck_assert_int_eq(keyfile_parse(text, 68, &other), 0);
	ck_assert_str_eq(other.id, "66687aad");
}
END_TEST

START_TEST(key_files)
{
	char full[64], why[256], expected[256];
	struct link_key key, other;
	struct stat st;

	snprintf(full, sizeof(full), "%s/new", dir);
	ck_assert_int_eq(keyfile_generate(&key), 0);
	ck_assert_int_eq(keyfile_write(full, &key, why, sizeof(why)), 0);
	ck_assert_int_eq(stat(full, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(keyfile_read(full, &other, why, sizeof(why)), 0);
	ck_assert_mem_eq(&key, &other, sizeof(key));
	ck_assert_int_eq(keyfile_write(full, &key, why, sizeof(why)),
			 KEYFILE_REFUSED);
	snprintf(expected, sizeof(expected),
		 "%s: is there already; nothing written. ls -l %s", full, full);
	ck_assert_str_eq(why, expected);
	snprintf(full, sizeof(full), "%s/none/a.key", dir);
	ck_assert_int_eq(keyfile_write(full, &key, why, sizeof(why)),
			 KEYFILE_REFUSED);
	snprintf(expected, sizeof(expected),
		 "%s: its directory is not there; nothing written. mkdir -p "
		 "%s/none",
		 full, dir);
	ck_assert_str_eq(why, expected);
	snprintf(full, sizeof(full), "%s/new", dir);
	ck_assert_int_eq(keyfile_read(dir, &other, why, sizeof(why)),
			 KEYFILE_REFUSED);
	ck_assert_ptr_nonnull(strstr(why, "is not a regular file"));
	unlink(full);
	ck_assert_int_eq(mkfifo(full, 0600), 0);
	ck_assert_int_eq(keyfile_read(full, &other, why, sizeof(why)),
			 KEYFILE_REFUSED);
	ck_assert_ptr_nonnull(strstr(why, "is not a regular file"));
}
END_TEST

static int identity(const char *text, struct link_identity *id)
{
	return keyfile_identity_parse((const uint8_t *)text, strlen(text), id);
}

START_TEST(identities)
{
	char text[KEYFILE_IDENTITY_SIZE], name[KEYFILE_NAME_SIZE];
	struct link_identity id;

	keyfile_identity_format("5f3c91ab", "fw1", "fw2", text);
	ck_assert_str_eq(text, "ss1:5f3c91ab:fw1>fw2");
	ck_assert_int_eq(identity(text, &id), 0);
	ck_assert_str_eq(id.key_id, "5f3c91ab");
	ck_assert_str_eq(id.sender, "fw1");
	ck_assert_str_eq(id.peer, "fw2");
	ck_assert_int_ne(identity("ss1:5f3c91ab:fw1>", &id), 0);
	ck_assert_int_ne(identity("ss1:5f3c91ab:>fw2", &id), 0);
	ck_assert_int_ne(identity("ss2:5f3c91ab:fw1>fw2", &id), 0);
	ck_assert_int_ne(identity("ss1:5f3c91abXfw1>fw2", &id), 0);
	ck_assert_int_ne(identity("ss1:5f3c91ab:fw1-fw2", &id), 0);
	ck_assert_int_ne(identity("ss1:", &id), 0);
	ck_assert_int_ne(identity("", &id), 0);
	memset(name, 'n', 63);
	name[63] = '\0';
	keyfile_identity_format("5f3c91ab", name, name, text);
	ck_assert_int_eq(identity(text, &id), 0);
	ck_assert_str_eq(id.peer, name);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("keyfile");
	TCase *tc = tcase_create("keyfile");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, key_text);
	tcase_add_test(tc, key_files);
	tcase_add_test(tc, identities);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
