/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/ended: what has ended, and is there again. */
#include <check.h>
#include <stdlib.h>

#include "core_flow.h"
#include "ended.h"

START_TEST(it_has_ended_until_there_is_a_new_one)
{
	struct flow one = tcp_flow(1), other = tcp_flow(2);
	struct ended x = { 0 };

	ck_assert(!ended_has(&x, &one));
	ended_forget(&x, &one);
	ended_note(&x, &one);
	ck_assert(ended_has(&x, &one) && !ended_has(&x, &other));
	ended_forget(&x, &other);
	ck_assert(ended_has(&x, &one));
	ended_forget(&x, &one);
	ck_assert(!ended_has(&x, &one));
	ended_note(&x, &one);
	ended_clear(&x);
	ck_assert(!ended_has(&x, &one));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ended");
	TCase *t = tcase_create("all");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_test(t, it_has_ended_until_there_is_a_new_one);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
