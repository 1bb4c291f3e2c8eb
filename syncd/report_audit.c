/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The last comparison with a peer, for the screen and for programs. It reads
 * the engine and changes nothing. Invariant: what was never compared is
 * null, not 0.
 */
#include <inttypes.h>

#include "report.h"

uint64_t report_audit_differing(const struct audit_report *r)
{
	return r->count[AUDIT_STATE] + r->count[AUDIT_STATUS] +
	       r->count[AUDIT_MARK] + r->count[AUDIT_OTHER];
}

uint64_t report_audit_off(const struct audit_report *r)
{
	return r->count[AUDIT_MISSING] + r->count[AUDIT_EXTRA] +
	       report_audit_differing(r);
}

static json_t *number(uint64_t v)
{
	return json_integer((json_int_t)v);
}

static json_t *kinds(const struct audit_report *r)
{
	json_t *o = json_object();

	for (int i = AUDIT_STATE; i <= AUDIT_OTHER; i++)
		json_object_set_new(
			o, audit_kind_name((enum session_audit_count)i),
			number(r->count[i]));
	return o;
}

json_t *report_audit_json(const struct node *n, unsigned peer)
{
	const struct engine_audit *a = &n->engine->peers[peer].audit;
	const struct audit_report *r = &a->last;
	json_t *o = json_object();

	json_object_set_new(
		o, "age_s",
		r->at.ns ? json_real((double)(mono_diff(n->last, r->at) /
					      MONO_MS) /
				     1e3)
			 : json_null());
	json_object_set_new(o, "compared", number(r->count[AUDIT_COMPARED]));
	json_object_set_new(o, "changed", number(r->count[AUDIT_CHANGED]));
	json_object_set_new(o, "missing", number(r->count[AUDIT_MISSING]));
	json_object_set_new(o, "extra", number(r->count[AUDIT_EXTRA]));
	json_object_set_new(o, "differing", number(report_audit_differing(r)));
	json_object_set_new(o, "kinds", kinds(r));
	json_object_set_new(o, "unsettled", number(r->count[AUDIT_UNSETTLED]));
	json_object_set_new(o, "repaired", number(r->count[AUDIT_REPAIRED]));
	json_object_set_new(o, "seconds",
			    json_real((double)r->count[AUDIT_TOOK_MS] / 1e3));
	json_object_set_new(o, "rounds", number(a->rounds));
	json_object_set_new(o, "given_up", number(a->given_up));
	json_object_set_new(o, "repaired_missing", number(a->repaired[0]));
	json_object_set_new(o, "repaired_differing", number(a->repaired[1]));
	json_object_set_new(o, "cut", number(a->cut));
	json_object_set_new(o, "uncured", number(a->uncured));
	json_object_set_new(o, "alarm",
			    *a->alarm ? json_string(a->alarm) : json_null());
	return o;
}

const char *report_audit_words(const struct node *n, unsigned peer, char *text,
			       size_t size)
{
	const struct audit_report *r = &n->engine->peers[peer].audit.last;
	char age[32];

	if (!r->at.ns) {
		snprintf(text, size, "-");
		return text;
	}
	report_duration(mono_diff(n->last, r->at), age, sizeof(age));
	if (report_audit_off(r))
		snprintf(text, size, "%s ago: %" PRIu64 " off", age,
			 report_audit_off(r));
	else
		snprintf(text, size, "%s ago: equal", age);
	return text;
}
