/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Words of syncd/core for screens and metrics: each thing has one, and no
 * other has the same. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "defer.h"
#include "demotion.h"
#include "destroys.h"
#include "drift.h"
#include "engine.h"
#include "history.h"

#define WORD(function, type)                    \
	static const char *function##_of(int i) \
	{                                       \
		return function((enum type)i);  \
	}

WORD(demotion_name, demotion_name)
WORD(history_step_name, history_step)
WORD(defer_end_name, defer_end)
WORD(destroys_verdict_name, destroys_verdict)
WORD(drift_kind_name, drift_kind)
WORD(drift_effect_name, drift_effect)
WORD(set_result_name, set_result)
WORD(audit_kind_name, session_audit_count)
WORD(set_expr_name, set_expr)

static const struct list {
	const char *(*word)(int i);
	int first, end;
} lists[] = {
	{ demotion_name_of, 0, DEMOTION_NAMES },
	{ history_step_name_of, 0, STEP_COUNT },
	{ defer_end_name_of, 0, DEFER_ENDS },
	{ destroys_verdict_name_of, 0, DESTROYS_VERDICTS },
	{ drift_kind_name_of, 1, DRIFT_KINDS },
	{ drift_effect_name_of, 0, DRIFT_EFFECTS },
	{ set_result_name_of, 0, SET_RESULTS },
	{ audit_kind_name_of, AUDIT_MISSING, AUDIT_OTHER + 1 },
	{ set_expr_name_of, 1, SET_EXPR_COUNT },
};

START_TEST(each_has_its_own)
{
	const struct list *l = &lists[_i];

	for (int i = l->first; i < l->end; i++) {
		ck_assert_ptr_nonnull(l->word(i));
		ck_assert_str_ne(l->word(i), "");
		for (int k = l->first; k < i; k++)
			ck_assert_str_ne(l->word(i), l->word(k));
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("core_words");
	TCase *t = tcase_create("core_words");
	SRunner *sr;
	int failed;

	tcase_add_loop_test(t, each_has_its_own, 0,
			    sizeof(lists) / sizeof(lists[0]));
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
