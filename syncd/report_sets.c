/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * nftables sets, for people and programs. Reads the engine and changes nothing.
 * Invariant: one that is not synced says why.
 */
#include <inttypes.h>
#include <string.h>

#include "report.h"
#include "report_sets.h"
#include "report_value.h"

/* From here on each is a reason to refuse. */
static bool is_refusal(enum set_result r)
{
	return r != SET_APPLIED && r != SET_ABSENT;
}

static uint64_t refused(const struct engine_set *t)
{
	uint64_t sum = 0;

	for (int r = 0; r < SET_RESULTS; r++)
		if (is_refusal((enum set_result)r))
			sum += t->results[r];
	return sum;
}

/* In one word. */
static const char *state(const struct engine_set *t)
{
	if (!t->known)
		return t->error ? "error" : "unknown";
	if (!t->kind.present)
		return "missing";
	if (t->why)
		return "refused";
	return t->read ? "ok" : "reading";
}

/* NULL, or what is wrong with it between this node and the peer. */
static const char *between(const struct engine *e, unsigned set, unsigned peer)
{
	const struct engine_set_peer *sp = &e->sets->peers[peer].of[set];
	const struct engine_set *t = &e->sets->set[set];

	if (!e->peers[peer].live)
		return "no link";
	if (!(e->peers[peer].hello.capabilities & SESSION_CAN_SETS))
		return "its version tells no sets";
	if (!sp->named)
		return "it does not name the set";
	if (!sp->kind.present)
		return "it has no such set, or refuses it";
	return t->known && t->kind.present
		       ? set_kind_differs(&t->kind, &sp->kind)
		       : NULL;
}

/* --- JSON -------------------------------------------------------------------- */

static json_t *peers(const struct engine *e, unsigned set)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < e->npeers; i++) {
		const struct engine_set_peer *sp = &e->sets->peers[i].of[set];
		const char *fault = between(e, set, i);
		json_t *o = json_object();

		put(o, "name", json_string(e->peers[i].name));
		put(o, "elements", number(sp->elements));
		put(o, "told_all",
		    json_boolean(sp->want && sp->served == sp->want));
		put(o, "fault", fault ? json_string(fault) : json_null());
		json_array_append_new(list, o);
	}
	return list;
}

json_t *report_sets_json(struct node *n)
{
	const struct engine *e = n->engine;
	json_t *list = json_array();

	for (unsigned i = 0; e->sets && i < e->sets->n; i++) {
		const struct engine_set *t = &e->sets->set[i];
		json_t *o = json_object(), *why = json_object();

		for (int r = 0; r < SET_RESULTS; r++)
			if (is_refusal((enum set_result)r))
				put(why, set_result_name((enum set_result)r),
				    number(t->results[r]));
		put(o, "name", json_string(t->name));
		put(o, "state", json_string(state(t)));
		put(o, "elements", number(set_memo_count(&t->memo)));
		put(o, "sent", number(t->sent));
		put(o, "received", number(t->received));
		put(o, "applied", number(t->applied));
		put(o, "removed", number(t->removed));
		put(o, "refused", why);
		put(o, "looks", number(t->looks));
		put(o, "look_ms",
		    json_real((double)t->took_ns / (double)MONO_MS));
		put(o, "peers", peers(e, i));
		json_array_append_new(list, o);
	}
	return list;
}

/* --- text ---------------------------------------------------------------------- */

void report_sets(struct node *n, FILE *out)
{
	const struct engine *e = n->engine;
	size_t width = 4;

	for (unsigned i = 0; e->sets && i < e->sets->n; i++)
		if (strlen(e->sets->set[i].name) > width)
			width = strlen(e->sets->set[i].name);
	for (unsigned i = 0; e->sets && i < e->sets->n; i++) {
		const struct engine_set *t = &e->sets->set[i];

		if (i == 0)
			fprintf(out,
				"\n%-*s  STATE    ELEMENTS  SENT      "
				"APPLIED   REMOVED   REFUSED\n",
				(int)width, "SETS");
		fprintf(out,
			"%-*s  %-7s  %-8zu  %-8" PRIu64 "  %-8" PRIu64
			"  %-8" PRIu64 "  %" PRIu64 "\n",
			(int)width, t->name, state(t), set_memo_count(&t->memo),
			t->sent, t->applied, t->removed, refused(t));
	}
}

void report_sets_counters(struct node *n, report_counter *counter, void *arg)
{
	const struct engine *e = n->engine;

	for (unsigned i = 0; e->sets && i < e->sets->n; i++) {
		const struct engine_set *t = &e->sets->set[i];

		counter(arg, t->sent, "elements told", t->name);
		counter(arg, t->received, "elements received", t->name);
		counter(arg, t->applied, "elements applied", t->name);
		counter(arg, t->removed, "elements removed", t->name);
		for (int r = 0; r < SET_RESULTS; r++) {
			char what[64];

			if (!is_refusal((enum set_result)r))
				continue;
			snprintf(what, sizeof(what), "elements refused (%s)",
				 set_result_name((enum set_result)r));
			counter(arg, t->results[r], what, t->name);
		}
	}
}

/* --- check ------------------------------------------------------------------------ */

static bool check_own(const struct engine_set *t, report_finding *warn,
		      void *arg)
{
	char text[512];

	if (t->known && !t->kind.present)
		snprintf(text, sizeof(text),
			 "set \"%s\": this node has no such set\n"
			 "nothing of it is told or taken: who is blocked on "
			 "one node is not on the other.\n"
			 "nft -f the same ruleset on both nodes, or take it "
			 "out of sets in statesync.conf",
			 t->name);
	else if (t->known && t->why)
		snprintf(text, sizeof(text),
			 "set \"%s\": %s\n"
			 "nothing of it is told or taken.\n"
			 "declare it anew, or take it out of sets in "
			 "statesync.conf",
			 t->name, t->why);
	else
		return true;
	warn(arg, text);
	return false;
}

/* Not what is long over: counters tell of that. */
static bool is_recent(const struct node *n, const struct engine_set *t, int r)
{
	return r == SET_UNTOLD || r == SET_CROWD ||
	       mono_diff(n->last, t->refused_at) < REPORT_RECENT_NS;
}

static void check_refused(const struct node *n, const struct engine_set *t,
			  report_finding *warn, void *arg)
{
	char text[512];

	for (int r = 0; r < SET_RESULTS; r++) {
		if (!is_refusal((enum set_result)r) || !t->results[r] ||
		    !is_recent(n, t, r))
			continue;
		snprintf(text, sizeof(text),
			 "set \"%s\": %" PRIu64 " elements refused: %s\n"
			 "the set is not the same on both nodes.\n"
			 "SYNC in statesync.conf(5) explains the "
			 "word",
			 t->name, t->results[r],
			 set_result_name((enum set_result)r));
		warn(arg, text);
	}
}

void report_sets_check(struct node *n, report_finding *warn, void *arg)
{
	const struct engine *e = n->engine;
	char text[512];

	for (unsigned i = 0; e->sets && i < e->sets->n; i++) {
		const struct engine_set *t = &e->sets->set[i];

		if (!check_own(t, warn, arg))
			continue;
		check_refused(n, t, warn, arg);
		for (unsigned k = 0; k < e->npeers; k++) {
			const char *fault = between(e, i, k);

			if (!fault || !e->peers[k].live)
				continue;
			snprintf(text, sizeof(text),
				 "set \"%s\": %s: %s\n"
				 "its elements are not replicated: who is "
				 "blocked here is not there.\n"
				 "declare the set and name it in the same way "
				 "on both nodes",
				 t->name, e->peers[k].name, fault);
			warn(arg, text);
		}
	}
}
