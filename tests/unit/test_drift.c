/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/drift: two lists of facts, and what of them is a difference. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drift.h"

#define N(list) (sizeof(list) / sizeof((list)[0]))

static char said[512];

static void each(void *arg, const struct drift_difference *d)
{
	size_t len = strlen(said);

	(void)arg;
	snprintf(said + len, sizeof(said) - len, "[%s %s: %s %s%s%s]",
		 drift_kind_name(d->kind),
		 d->ours ? d->ours->name : d->theirs->name,
		 d->ours ? d->ours->value : "-",
		 d->theirs ? d->theirs->value : "-", d->bites ? " bites" : "",
		 d->unknown ? " unknown" : "");
}

static const struct drift_alias aliases[] = { { "lan0", "eth0" } };
static struct drift_names names = { aliases, 1, false };

static const char *compared(struct fact *ours, size_t n, struct fact *theirs,
			    size_t m)
{
	said[0] = '\0';
	drift_sort(ours, n);
	drift_sort(theirs, m);
	drift_compare(ours, n, theirs, m, &names, each, NULL);
	return said;
}

START_TEST(what_is_alike_is_not_told)
{
	struct fact a[] = { { DRIFT_FILES, "/b", "1", "note" },
			    { DRIFT_FILES, "", "all", "" },
			    { DRIFT_FILES, "/a", "2", "" } };
	struct fact b[] = { { DRIFT_FILES, "/a", "2", "" },
			    { DRIFT_FILES, "/b", "1", "another" },
			    { DRIFT_FILES, "", "all", "" } };

	ck_assert_str_eq(compared(a, N(a), b, N(b)), "");
	ck_assert_str_eq(compared(a, 0, b, 0), "");
}
END_TEST

START_TEST(values_and_what_only_one_has)
{
	struct fact a[] = { { DRIFT_FILES, "", "all", "" },
			    { DRIFT_FILES, "/a", "1", "" },
			    { DRIFT_FILES, "/b", "1", "" },
			    { DRIFT_FILES, "/d", "1", "" } };
	struct fact b[] = { { DRIFT_FILES, "", "all", "" },
			    { DRIFT_FILES, "/b", "2", "" },
			    { DRIFT_FILES, "/c", "1", "" },
			    { DRIFT_FILES, "/d", "1", "" } };

	ck_assert_str_eq(compared(a, N(a), b, N(b)),
			 "[files /a: 1 - bites][files /b: 1 2 bites]"
			 "[files /c: - 1 bites]");
}
END_TEST

/* A kind that one side does not tell, or tells in part, is not compared. */
START_TEST(what_is_not_known_is_no_difference)
{
	struct fact a[] = { { DRIFT_FILES, "", "all", "" },
			    { DRIFT_FILES, "/a", "", "why" },
			    { DRIFT_RULESET, "", "", "no right" },
			    { DRIFT_RULESET, "table ip x", "1", "" },
			    { DRIFT_LABELS, "x", "1", "" },
			    { 99, "", "all", "" } };
	struct fact b[] = { { DRIFT_FILES, "", "all", "" },
			    { DRIFT_FILES, "/a", "1", "" },
			    { DRIFT_RULESET, "", "all", "" },
			    { DRIFT_RULESET, "table ip x", "2", "" },
			    { DRIFT_HELPERS, "", "all", "" },
			    { DRIFT_LABELS, "", "all", "" } };

	ck_assert_str_eq(compared(a, N(a), b, N(b)),
			 "[ruleset :  all unknown][files /a:  1 unknown]");
}
END_TEST

/* Who has more is not bitten: it can do all that the other one can. */
START_TEST(whom_it_bites)
{
	struct fact a[] = { { DRIFT_TABLE, "", "all", "" },
			    { DRIFT_TABLE, "max", "65536", "" },
			    { DRIFT_HELPERS, "", "all", "" },
			    { DRIFT_HELPERS, "ftp", "loaded", "" } };
	struct fact b[] = { { DRIFT_TABLE, "", "all", "" },
			    { DRIFT_TABLE, "max", "262144", "" },
			    { DRIFT_HELPERS, "", "all", "" } };

	ck_assert_str_eq(compared(a, N(a), b, N(b)),
			 "[table-size max: 65536 262144 bites]"
			 "[helpers ftp: loaded -]");
	ck_assert_str_eq(compared(b, N(b), a, N(a)),
			 "[table-size max: 262144 65536]"
			 "[helpers ftp: - loaded bites]");
}
END_TEST

START_TEST(interfaces_called_otherwise)
{
	struct fact a[] = { { DRIFT_INTERFACES, "", "all", "" },
			    { DRIFT_INTERFACES, "of lan", "lan0", "" },
			    { DRIFT_INTERFACES, "of wan", "lan0", "" } };
	struct fact b[] = { { DRIFT_INTERFACES, "", "all", "" },
			    { DRIFT_INTERFACES, "of lan", "eth0", "" },
			    { DRIFT_INTERFACES, "of wan", "eth1", "" } };

	ck_assert_str_eq(compared(a, N(a), b, N(b)),
			 "[interfaces of wan: lan0 eth1 bites]");
}
END_TEST

/* The second digest of a table is without what has two names by right. */
START_TEST(rules_about_what_is_called_otherwise)
{
	struct fact a[] = { { DRIFT_RULESET, "", "all", "" },
			    { DRIFT_RULESET, "table ip same", "1 5", "" },
			    { DRIFT_RULESET, "table ip x", "1 5", "" },
			    { DRIFT_RULESET, "table ip y", "2 6", "" },
			    { DRIFT_RULESET, "table ip z", "3", "" } };
	struct fact b[] = { { DRIFT_RULESET, "", "all", "" },
			    { DRIFT_RULESET, "table ip same", "1 5", "" },
			    { DRIFT_RULESET, "table ip x", "9 5", "" },
			    { DRIFT_RULESET, "table ip y", "2 7", "" },
			    { DRIFT_RULESET, "table ip z", "4", "" } };
	const char *other = "[ruleset table ip y: 2 6 2 7 bites]"
			    "[ruleset table ip z: 3 4 bites]";

	ck_assert_str_eq(compared(a, N(a), b, N(b)), other);
	names = (struct drift_names){ .zones = true };
	ck_assert_str_eq(compared(a, N(a), b, N(b)), other);
	names = (struct drift_names){ .zones = false };
	ck_assert_str_eq(compared(a, N(a), b, N(b)),
			 "[ruleset table ip x: 1 5 9 5 bites]"
			 "[ruleset table ip y: 2 6 2 7 bites]"
			 "[ruleset table ip z: 3 4 bites]");
	names = (struct drift_names){ aliases, 1, false };
}
END_TEST

int main(void)
{
	Suite *s = suite_create("drift");
	TCase *t = tcase_create("drift");
	SRunner *sr;
	int failed;

	tcase_add_test(t, what_is_alike_is_not_told);
	tcase_add_test(t, values_and_what_only_one_has);
	tcase_add_test(t, what_is_not_known_is_no_difference);
	tcase_add_test(t, whom_it_bites);
	tcase_add_test(t, interfaces_called_otherwise);
	tcase_add_test(t, rules_about_what_is_called_otherwise);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
