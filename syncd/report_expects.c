/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What became of expectations, for the status object. Invariant: it reads, and
 * changes nothing.
 */
#include "report.h"

json_t *report_expects_json(const struct node *n)
{
	const struct engine_expects *x = &n->engine->expects;
	json_t *o = json_object(), *failed = json_object();

	for (int i = EXPECT_NO_MASTER; i < EXPECT_RESULTS; i++)
		json_object_set_new(failed,
				    expect_result_name((enum expect_result)i),
				    json_integer((json_int_t)x->results[i]));
	json_object_set_new(o, "sent", json_integer((json_int_t)x->told));
	json_object_set_new(
		o, "applied",
		json_integer((json_int_t)x->results[EXPECT_APPLIED]));
	json_object_set_new(o, "failed", failed);
	json_object_set_new(o, "refused_own",
			    json_integer((json_int_t)x->refused_own));
	json_object_set_new(o, "not_told",
			    json_integer((json_int_t)x->filtered));
	json_object_set_new(o, "no_master",
			    json_integer((json_int_t)x->orphans));
	return o;
}
