/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/gate: how long a hold holds (rules 1, require-sync). */
#include <check.h>
#include <stdlib.h>

#include "gate.h"

static const mono_t t0 = { 100 * MONO_S };

static mono_t at(int64_t s)
{
	return mono_add(t0, s * MONO_S);
}

START_TEST(strict_holds_as_long_as_a_reason)
{
	struct gate g;

	gate_init(&g, REQUIRE_SYNC_STRICT, 0);
	ck_assert(!gate_holding(&g, t0));
	gate_set(&g, HOLD_BULK, t0);
	ck_assert(gate_holding(&g, at(100000)));
	ck_assert(mono_is_never(gate_deadline(&g, t0)));
	gate_set(&g, 0, at(1));
	ck_assert(!gate_holding(&g, at(1)));
}
END_TEST

/* The limit counts from the first reason, not from the latest. */
START_TEST(limit_runs_from_the_first_reason)
{
	struct gate g;

	gate_init(&g, REQUIRE_SYNC_LIMIT, 60 * MONO_S);
	gate_set(&g, HOLD_LINK, t0);
	ck_assert_int_eq(gate_deadline(&g, t0).ns, at(60).ns);
	gate_set(&g, HOLD_BULK, at(50));
	ck_assert(gate_holding(&g, at(59)));
	ck_assert(!gate_holding(&g, at(60)));
	ck_assert(mono_is_never(gate_deadline(&g, at(60))));
	gate_set(&g, 0, at(70));
	gate_set(&g, HOLD_GAP, at(80));
	ck_assert(gate_holding(&g, at(139)));
	ck_assert(!gate_holding(&g, at(140)));
}
END_TEST

START_TEST(off_never_holds)
{
	struct gate g;

	gate_init(&g, REQUIRE_SYNC_OFF, 0);
	gate_set(&g, HOLD_LINK | HOLD_GAP | HOLD_BULK, t0);
	ck_assert(!gate_holding(&g, t0));
}
END_TEST

/* Somebody asked for it: it lasts as long as the difference, and takes nothing
 * from the time of another reason. */
START_TEST(a_difference_holds_without_end)
{
	struct gate g;

	gate_init(&g, REQUIRE_SYNC_LIMIT, 60 * MONO_S);
	gate_set(&g, HOLD_DRIFT, t0);
	ck_assert(gate_holding(&g, at(3600)));
	ck_assert(mono_is_never(gate_deadline(&g, at(3600))));
	gate_set(&g, HOLD_DRIFT | HOLD_BULK, at(3600));
	gate_set(&g, HOLD_BULK, at(3601));
	ck_assert(gate_holding(&g, at(3659)));
	ck_assert(!gate_holding(&g, at(3660)));
	gate_init(&g, REQUIRE_SYNC_OFF, 0);
	gate_set(&g, HOLD_DRIFT, t0);
	ck_assert(gate_holding(&g, t0));
}
END_TEST

START_TEST(one_reason_stands_for_all)
{
	ck_assert_str_eq(gate_reason(HOLD_DRIFT), "drift");
	ck_assert_str_eq(gate_reason(HOLD_DRIFT | HOLD_BULK), "bulk");
	ck_assert_ptr_null(gate_reason(0));
	ck_assert_str_eq(gate_reason(HOLD_BULK), "bulk");
	ck_assert_str_eq(gate_reason(HOLD_BULK | HOLD_GAP), "gap");
	ck_assert_str_eq(gate_reason(HOLD_BULK | HOLD_LINK), "link");
	ck_assert_str_eq(gate_reason(HOLD_GAP | HOLD_LINK), "link");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("gate");
	TCase *t = tcase_create("gate");
	SRunner *sr;
	int failed;

	tcase_add_test(t, strict_holds_as_long_as_a_reason);
	tcase_add_test(t, limit_runs_from_the_first_reason);
	tcase_add_test(t, off_never_holds);
	tcase_add_test(t, a_difference_holds_without_end);
	tcase_add_test(t, one_reason_stands_for_all);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
