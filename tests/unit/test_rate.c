/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/rate: how fast a counter grows. */
#include <check.h>
#include <stdlib.h>

#include "rate.h"

static mono_t at(double s)
{
	return (mono_t){ (int64_t)(s * 1e9) };
}

START_TEST(at_first_it_is_not_known)
{
	struct rate r = { 0 };

	ck_assert_double_lt(rate_per_s(&r, 5, at(10)), 0);
	rate_sample(&r, 5, at(10));
	ck_assert_double_lt(rate_per_s(&r, 5, at(10.5)), 0);
	ck_assert_double_eq_tol(rate_per_s(&r, 25, at(12)), 10, 1e-6);
}
END_TEST

START_TEST(it_is_that_of_the_last_seconds)
{
	struct rate r = { 0 };

	for (int i = 0; i <= 20; i++)
		rate_sample(&r, (uint64_t)i * 100, at(i));
	ck_assert_double_eq_tol(rate_per_s(&r, 2050, at(20.5)), 100, 1e-6);
	/* nothing more comes: it falls, and in the end is 0 */
	for (int i = 21; i <= 23; i++)
		rate_sample(&r, 2000, at(i));
	ck_assert_double_eq_tol(rate_per_s(&r, 2000, at(23)), 40, 1e-6);
	for (int i = 24; i <= 26; i++)
		rate_sample(&r, 2000, at(i));
	ck_assert_double_eq_tol(rate_per_s(&r, 2000, at(26)), 0, 1e-6);
}
END_TEST

/* The loop was busy: what was counted is over the time that it took. */
START_TEST(samples_may_be_late)
{
	struct rate r = { 0 };

	rate_sample(&r, 0, at(1));
	rate_sample(&r, 100, at(11));
	ck_assert_double_eq_tol(rate_per_s(&r, 200, at(21)), 10, 1e-6);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("rate");
	TCase *t = tcase_create("rate");
	SRunner *sr;
	int failed;

	tcase_add_test(t, at_first_it_is_not_known);
	tcase_add_test(t, it_is_that_of_the_last_seconds);
	tcase_add_test(t, samples_may_be_late);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
