/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Differences between nodes for status: a line, and JSON. Words about what to
 * do are those of `check`.
 *
 * Invariant: values that are made of a password are not shown.
 */
#include "report.h"
#include "report_value.h"

#include <string.h>

void report_drift_line(const struct node *n, FILE *out)
{
	const struct engine *e = n->engine;

	for (unsigned i = 0; i < e->npeers; i++) {
		char words[SESSION_REASON_MAX] = "";

		if (engine_drift_known(e, i))
			engine_drift_words(e, i, false, words, sizeof(words));
		if (*words)
			fprintf(out,
				"  drift: %s and %s differ in %s\n"
				"  try: statesync check\n",
				e->node, e->peers[i].name, words);
	}
}

void report_drift_hold(const struct node *n, FILE *out)
{
	const struct engine *e = n->engine;

	fputs("  holding: drift", out);
	for (unsigned i = 0; i < e->npeers; i++) {
		char words[SESSION_REASON_MAX] = "";

		if (engine_drift_known(e, i))
			engine_drift_words(e, i, true, words, sizeof(words));
		if (*words)
			fprintf(out, ", %s not as on %s", words,
				e->peers[i].name);
	}
	fputs("\n  try: statesync check\n", out);
}

struct list {
	const struct engine *e;
	json_t *all;
};

static json_t *value(const struct fact *f)
{
	if (!f || !*f->value)
		return json_null();
	if (f->kind == DRIFT_CARP && !strncmp(f->name, "password", 8))
		return json_string("(secret)");
	return json_string(f->value);
}

static void each(void *arg, const struct drift_difference *d)
{
	struct list *l = arg;
	json_t *o = json_object();

	put(o, "kind", json_string(drift_kind_name(d->kind)));
	put(o, "name", json_string(d->ours ? d->ours->name : d->theirs->name));
	put(o, "ours", value(d->ours));
	put(o, "theirs", value(d->theirs));
	put(o, "known", json_boolean(!d->unknown));
	put(o, "effect",
	    json_string(drift_effect_name(l->e->drift.effects[d->kind])));
	json_array_append_new(l->all, o);
}

json_t *report_drift_json(const struct node *n, unsigned peer)
{
	struct list l = { n->engine, json_array() };
	json_t *o = json_object();

	put(o, "compared", json_boolean(engine_drift_known(n->engine, peer)));
	engine_drift_each(n->engine, peer, each, &l);
	put(o, "differences", l.all);
	return o;
}
