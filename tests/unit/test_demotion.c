/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/demotion: counters that keep their bounds (rules 1). */
#include <check.h>
#include <stdlib.h>

#include "demotion.h"

START_TEST(names_add_up)
{
	struct demotion d = { 0 };

	ck_assert_uint_eq(demotion_total(&d), 0);
	demotion_set(&d, DEMOTION_INTERFACE, 2);
	ck_assert_int_eq(demotion_add(&d, DEMOTION_OPERATOR, 5), 5);
	ck_assert_uint_eq(demotion_total(&d), 7);
	demotion_set(&d, DEMOTION_INTERFACE, 0);
	ck_assert_uint_eq(demotion_total(&d), 5);
}
END_TEST

/* What is taken back can never exceed what was given. */
START_TEST(none_falls_below_zero)
{
	struct demotion d = { 0 };

	demotion_set(&d, DEMOTION_INTERFACE, 1);
	ck_assert_int_eq(demotion_add(&d, DEMOTION_OPERATOR, -3), 0);
	ck_assert_uint_eq(demotion_total(&d), 1);
	ck_assert_int_eq(demotion_add(&d, DEMOTION_OPERATOR, 4), 4);
	ck_assert_int_eq(demotion_add(&d, DEMOTION_OPERATOR, INT32_MIN), 0);
}
END_TEST

START_TEST(the_wire_has_one_byte)
{
	struct demotion d = { 0 };

	ck_assert_int_eq(demotion_add(&d, DEMOTION_OPERATOR, INT32_MAX), 255);
	ck_assert_int_eq(demotion_add(&d, DEMOTION_OPERATOR, 10), 255);
	demotion_set(&d, DEMOTION_INTERFACE, 3);
	ck_assert_uint_eq(demotion_total(&d), 255);
	ck_assert_int_eq(demotion_add(&d, DEMOTION_OPERATOR, -200), 55);
	ck_assert_uint_eq(demotion_total(&d), 58);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("demotion");
	TCase *t = tcase_create("demotion");
	SRunner *sr;
	int failed;

	tcase_add_test(t, names_add_up);
	tcase_add_test(t, none_falls_below_zero);
	tcase_add_test(t, the_wire_has_one_byte);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
