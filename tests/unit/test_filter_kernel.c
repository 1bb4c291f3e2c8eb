/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/filter_rules: what the kernel may leave out, as filter blocks say. */
#include "filter_blocks.h"

START_TEST(protocols_for_the_kernel)
{
	struct filter_rules *r = &filter.rules;

	ck_assert(!filter_rules_refuse(r, IPPROTO_UDP));
	rule(sync);
	protocol(IPPROTO_SCTP);
	prefix(FILTER_SOURCE, "10.0.0.7", 32);
	rule(skip);
	protocol(IPPROTO_UDP);
	ck_assert(filter_rules_refuse(r, IPPROTO_UDP));
	ck_assert(!filter_rules_refuse(r, IPPROTO_TCP));
	rule(skip);
	protocol(IPPROTO_TCP);
	prefix(FILTER_SOURCE, "10.0.0.7", 32);
	ck_assert(!filter_rules_refuse(r, IPPROTO_TCP)); /* not all of it */
	rule(skip);
	ck_assert(filter_rules_refuse(r, IPPROTO_TCP));
	ck_assert(!filter_rules_refuse(r, IPPROTO_SCTP));
}
END_TEST

START_TEST(needs_for_the_kernel)
{
	struct filter_need need;

	rule(skip);
	last()->given = FILTER_BY_ASSURED;
	rule(skip);
	last()->given = FILTER_BY_MARK;
	last()->mark = last()->mask = 0x100;
	filter_rules_need(&filter.rules, &need);
	ck_assert_uint_eq(need.status, IPS_ASSURED);
	ck_assert_uint_eq(need.mark_mask, 0x100);
	ck_assert_uint_eq(need.mark, 0);
	rule(sync);
	last()->given = FILTER_BY_MARK;
	last()->mark = 2;
	last()->mask = 6;
	filter_rules_need(&filter.rules, &need);
	ck_assert_uint_eq(need.mark_mask, 0x100);
	rule(skip);
	filter_rules_need(&filter.rules, &need);
	ck_assert_uint_eq(need.mark_mask, 0x106);
	ck_assert_uint_eq(need.mark, 2);
	/* behind one that syncs nothing is sure */
	filter_free(&filter);
	rule(sync);
	protocol(IPPROTO_TCP);
	rule(skip);
	last()->given = FILTER_BY_ASSURED;
	filter_rules_need(&filter.rules, &need);
	ck_assert_uint_eq(need.status, 0);
	/* two bits of which one is set are skipped, too, only as a pair */
	filter_free(&filter);
	rule(skip);
	last()->given = FILTER_BY_MARK;
	last()->mark = last()->mask = 3;
	filter_rules_need(&filter.rules, &need);
	ck_assert_uint_eq(need.mark_mask, 0);
}
END_TEST

/* A sync rule in front that not every flow reaches says nothing for sure. */
START_TEST(no_need_without_one_mark_for_all)
{
	struct filter_need need;

	rule(sync);
	last()->given = FILTER_BY_MARK;
	last()->mark = last()->mask = 2;
	rule(sync);
	last()->given = FILTER_BY_MARK;
	last()->mark = last()->mask = 4;
	rule(skip);
	filter_rules_need(&filter.rules, &need);
	ck_assert_uint_eq(need.mark_mask, 0);
	filter_free(&filter);
	rule(sync);
	protocol(IPPROTO_TCP);
	rule(skip);
	filter_rules_need(&filter.rules, &need);
	ck_assert_uint_eq(need.mark_mask, 0);
	filter_free(&filter);
	rule(skip); /* nothing is synced at all */
	filter_rules_need(&filter.rules, &need);
	ck_assert_uint_eq(need.mark_mask, 0);
}
END_TEST

START_TEST(what_rules_ask_for)
{
	ck_assert(!filter_rules_ask(&filter.rules, FILTER_BY_LABEL));
	rule(skip);
	protocol(IPPROTO_TCP);
	rule(sync);
	last()->given = FILTER_BY_LABEL;
	ck_assert(filter_rules_ask(&filter.rules, FILTER_BY_LABEL));
	ck_assert(filter_rules_ask(&filter.rules, FILTER_BY_PROTOCOL));
	ck_assert(!filter_rules_ask(&filter.rules, FILTER_BY_MARK));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("filter_kernel");
	TCase *t = tcase_create("filter_kernel");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, NULL, teardown);
	tcase_add_test(t, protocols_for_the_kernel);
	tcase_add_test(t, needs_for_the_kernel);
	tcase_add_test(t, no_need_without_one_mark_for_all);
	tcase_add_test(t, what_rules_ask_for);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
