/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/policy_names: what a name of OpenBSD's interfaces means here. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "policy_names.h"

static const struct policy_vhost_name vhosts[] = {
	{ .name = "lan", .alias = "carp5", .vhid = 1, .index = 10 },
	{ .name = "wan", .alias = "", .vhid = 2, .index = 11 },
	{ .name = "dmz", .alias = "", .vhid = 7, .index = 12 },
	{ .name = "dmz6", .alias = "", .vhid = 7, .index = 13 },
	{ .name = "carp2", .alias = "twice", .vhid = 3, .index = 14 },
	{ .name = "em9", .alias = "twice", .vhid = 4, .index = 15 },
};

static bool is_here(const char *name)
{
	return strcmp(name, "em0") == 0 || strcmp(name, "carp1") == 0 ||
	       strcmp(name, "em9") == 0;
}

static const struct row {
	const char *name;
	enum policy_found found;
	unsigned index;
} rows[] = {
	/* an interface of this machine comes first */
	{ "em0", POLICY_FOUND_INTERFACE, 0 },
	{ "em9", POLICY_FOUND_INTERFACE, 0 },
	{ "carp1", POLICY_FOUND_INTERFACE, 0 },
	/* then names, aliases, and numbers */
	{ "lan", POLICY_FOUND_VHOST, 10 },
	{ "carp:lan", POLICY_FOUND_VHOST, 10 },
	{ "carp:em9", POLICY_FOUND_VHOST, 15 },
	{ "carp5", POLICY_FOUND_VHOST, 10 },
	{ "carp2", POLICY_FOUND_VHOST, 14 },
	{ "carp3", POLICY_FOUND_VHID, 14 },
	{ "carp03", POLICY_FOUND_VHID, 14 },
	/* of two nobody can tell */
	{ "carp7", POLICY_FOUND_SEVERAL, 0 },
	{ "twice", POLICY_FOUND_SEVERAL, 0 },
	/* these can mean nothing else */
	{ "carp0", POLICY_FOUND_NO_VHOST, 0 },
	{ "carp99", POLICY_FOUND_NO_VHOST, 0 },
	{ "carp4294967299", POLICY_FOUND_NO_VHOST, 0 },
	{ "carp:none", POLICY_FOUND_NO_VHOST, 0 },
	{ "carp:", POLICY_FOUND_NO_VHOST, 0 },
	/* and these may come */
	{ "carp", POLICY_FOUND_NOTHING, 0 },
	{ "carpet", POLICY_FOUND_NOTHING, 0 },
	{ "carp3x", POLICY_FOUND_NOTHING, 0 },
	{ "em1", POLICY_FOUND_NOTHING, 0 },
	{ "", POLICY_FOUND_NOTHING, 0 },
};

START_TEST(each_name)
{
	const struct row *r = &rows[_i];
	unsigned index = 0;
	enum policy_found found =
		policy_name_find(r->name, is_here, vhosts,
				 sizeof(vhosts) / sizeof(vhosts[0]), &index);

	ck_assert_msg(found == r->found, "%s: %d", r->name, found);
	if (found == POLICY_FOUND_VHOST || found == POLICY_FOUND_VHID)
		ck_assert_uint_eq(index, r->index);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("policy_names");
	TCase *t = tcase_create("policy_names");
	SRunner *sr;
	int failed;

	tcase_add_loop_test(t, each_name, 0, sizeof(rows) / sizeof(rows[0]));
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
