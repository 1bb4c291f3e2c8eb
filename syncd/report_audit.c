/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The last comparison with a peer, for the screen and for programs. It reads
 * the engine and changes nothing. Invariant: what was never compared is
 * null, not 0.
 */
#include <inttypes.h>

#include "report.h"
#include "report_value.h"

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

static json_t *kinds(const struct audit_report *r)
{
	json_t *o = json_object();

	for (int i = AUDIT_STATE; i <= AUDIT_OTHER; i++)
		put(o, audit_kind_name((enum session_audit_count)i),
		    number(r->count[i]));
	return o;
}

json_t *report_audit_json(const struct node *n, unsigned peer)
{
	const struct engine_audit *a = &n->engine->peers[peer].audit;
	const struct audit_report *r = &a->last;
	json_t *o = json_object();

	put(o, "age_s",
	    r->at.ns ? seconds(mono_diff(n->last, r->at)) : json_null());
	put(o, "compared", number(r->count[AUDIT_COMPARED]));
	put(o, "changed", number(r->count[AUDIT_CHANGED]));
	put(o, "missing", number(r->count[AUDIT_MISSING]));
	put(o, "extra", number(r->count[AUDIT_EXTRA]));
	put(o, "differing", number(report_audit_differing(r)));
	put(o, "kinds", kinds(r));
	put(o, "unsettled", number(r->count[AUDIT_UNSETTLED]));
	put(o, "repaired", number(r->count[AUDIT_REPAIRED]));
	put(o, "seconds", thousandths((int64_t)r->count[AUDIT_TOOK_MS]));
	put(o, "rounds", number(a->rounds));
	put(o, "given_up", number(a->given_up));
	put(o, "repaired_missing", number(a->repaired[0]));
	put(o, "repaired_differing", number(a->repaired[1]));
	put(o, "cut", number(a->cut));
	put(o, "uncured", number(a->uncured));
	put(o, "alarm", *a->alarm ? json_string(a->alarm) : json_null());
	return o;
}

const char *report_audit_words(const struct node *n, unsigned peer, char *text,
			       size_t size)
{
	const struct audit_report *r = &n->engine->peers[peer].audit.last;
	char age[32];

	if (!r->at.ns) {
		snprintf(text, size, "%s",
			 n->engine->peers[peer].rx.state != RX_IDLE
				 ? "after the bulk"
				 : "-");
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
