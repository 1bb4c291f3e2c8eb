/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What became of expectations, for the status object. Invariant: it reads, and
 * changes nothing.
 */
#include "report.h"
#include "report_value.h"

json_t *report_expects_json(const struct node *n)
{
	const struct engine_expects *x = &n->engine->expects;
	json_t *o = json_object(), *failed = json_object();

	for (int i = EXPECT_NO_MASTER; i < EXPECT_RESULTS; i++)
		put(failed, expect_result_name((enum expect_result)i),
		    json_integer((json_int_t)x->results[i]));
	put(o, "sent", json_integer((json_int_t)x->told));
	put(o, "applied", json_integer((json_int_t)x->results[EXPECT_APPLIED]));
	put(o, "failed", failed);
	put(o, "refused_own", json_integer((json_int_t)x->refused_own));
	put(o, "not_told", json_integer((json_int_t)x->filtered));
	put(o, "no_master", json_integer((json_int_t)x->orphans));
	return o;
}
