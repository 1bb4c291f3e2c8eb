/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A policy at work: which state, which facts, what follows of an event. It
 * neither runs a command nor knows what one does.
 *
 * Implements ifstated(8) of OpenBSD (ifstated.c, eval_state, state_change):
 * an event evaluates the whole body of a state in which it is named; of
 * several set-state the last one counts, once the body is through; a state
 * that is entered makes its tests once, then does its init, then its body.
 * Not so: a loop of states ends after POLICY_CHANGES_MAX of them.
 *
 * Invariant: a state whose tests are awaited is not evaluated.
 */
#include "policy_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"

#define NO_STATE UINT32_MAX

struct test {
	bool running, known;
	bool awaited; /* its first result, since its state was entered */
	int status;   /* the last exit status, when known */
	unsigned serial;
	mono_t due;
};

struct policy_run {
	const struct policy *policy;
	enum policy_fact *facts; /* of its links */
	struct test *tests;	 /* and of its tests */
	bool started;
	unsigned state, next;	  /* next: NO_STATE */
	bool skip_init;		  /* of the state that is being entered */
	bool entering, beginning; /* the state; the global one */
	unsigned changes;	  /* since the last event */
	char cause[POLICY_CAUSE_MAX];
	struct policy_action *queue;
	size_t head, queued, room;
	unsigned lost;
};

/* --- life ---------------------------------------------------------------- */

struct policy_run *policy_run_new(const struct policy *p)
{
	struct policy_run *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->policy = p;
	r->next = NO_STATE;
	r->facts = calloc(p->nlinks + 1, sizeof(*r->facts));
	r->tests = calloc(p->ntests + 1, sizeof(*r->tests));
	if (r->facts && r->tests)
		return r;
	policy_run_free(r);
	return NULL;
}

void policy_run_free(struct policy_run *r)
{
	if (!r)
		return;
	free(r->facts);
	free(r->tests);
	free(r->queue);
	free(r);
}

unsigned policy_state(const struct policy_run *r)
{
	return r->state;
}

unsigned policy_lost(const struct policy_run *r)
{
	return r->lost;
}

/* --- actions -------------------------------------------------------------- */

static void push(struct policy_run *r, const struct policy_action *a)
{
	struct policy_action *more;

	if (r->head == r->queued)
		r->head = r->queued = 0;
	if (r->queued == r->room) {
		more = realloc(r->queue, (r->room + 64) * sizeof(*more));
		if (!more) {
			r->lost++;
			return;
		}
		r->queue = more;
		r->room += 64;
	}
	r->queue[r->queued++] = *a;
}

bool policy_poll(struct policy_run *r, struct policy_action *a)
{
	if (r->head == r->queued)
		return false;
	*a = r->queue[r->head++];
	return true;
}

/* --- conditions ------------------------------------------------------------ */

static bool is_true(const struct policy_run *r, const struct policy_expr *e)
{
	enum policy_fact fact;

	switch (e->op) {
	case POLICY_UP:
		fact = r->facts[e->index];
		return fact == POLICY_IS_UP || fact == POLICY_IS_UNKNOWN;
	case POLICY_DOWN:
		fact = r->facts[e->index];
		return fact == POLICY_IS_DOWN || fact == POLICY_IS_INIT;
	case POLICY_UNKNOWN:
		fact = r->facts[e->index];
		return fact == POLICY_IS_UNKNOWN || fact == POLICY_IS_INIT;
	case POLICY_TEST:
		return r->tests[e->index].known &&
		       r->tests[e->index].status == 0;
	case POLICY_NOT:
		return !is_true(r, e->left);
	case POLICY_AND:
		return is_true(r, e->left) && is_true(r, e->right);
	case POLICY_OR:
		return is_true(r, e->left) || is_true(r, e->right);
	}
	return false;
}

static bool names_link(const struct policy_expr *e, unsigned link)
{
	for (; e; e = e->left) {
		if (e->op <= POLICY_UNKNOWN && e->index == link)
			return true;
		if (names_link(e->right, link))
			return true;
	}
	return false;
}

static bool uses_link(const struct policy_step *step, unsigned link)
{
	for (; step; step = step->next)
		if (names_link(step->expr, link) ||
		    uses_link(step->block, link))
			return true;
	return false;
}

static bool state_uses(const struct policy_run *r, unsigned state,
		       unsigned link)
{
	const struct policy_state *s = &r->policy->states[state];

	return uses_link(s->init.first, link) || uses_link(s->body.first, link);
}

static void evaluate(struct policy_run *r, unsigned state,
		     const struct policy_step *step)
{
	for (; step; step = step->next)
		switch (step->what) {
		case POLICY_RUN:
			push(r, &(struct policy_action){ .what = POLICY_DO_RUN,
							 .state = state,
							 .text = step->text });
			break;
		case POLICY_SET_STATE:
			r->next = step->state;
			break;
		case POLICY_IF:
			if (is_true(r, step->expr))
				evaluate(r, state, step->block);
			break;
		}
}

/* --- tests ----------------------------------------------------------------- */

static void start_test(struct policy_run *r, unsigned i, mono_t now)
{
	const struct policy_test *t = &r->policy->tests[i];

	r->tests[i].running = true;
	r->tests[i].due = mono_add(now, t->every_s * MONO_S);
	push(r, &(struct policy_action){ .what = POLICY_DO_TEST,
					 .state = t->state,
					 .test = i,
					 .serial = r->tests[i].serial,
					 .every_s = t->every_s,
					 .text = t->command });
}

/* Whether any result is awaited. */
static bool start_tests(struct policy_run *r, unsigned state, mono_t now)
{
	bool any = false;

	for (unsigned i = 0; i < r->policy->ntests; i++)
		if (r->policy->tests[i].state == state) {
			r->tests[i].known = false;
			r->tests[i].awaited = any = true;
			start_test(r, i, now);
		}
	return any;
}

/* What still runs of them says nothing any more. */
static void stop_tests(struct policy_run *r, unsigned state)
{
	for (unsigned i = 0; i < r->policy->ntests; i++)
		if (r->policy->tests[i].state == state) {
			r->tests[i].running = r->tests[i].awaited = false;
			r->tests[i].serial++;
		}
}

static bool awaits(const struct policy_run *r, unsigned state)
{
	for (unsigned i = 0; i < r->policy->ntests; i++)
		if (r->policy->tests[i].state == state && r->tests[i].awaited)
			return true;
	return false;
}

static bool is_active(const struct policy_run *r, unsigned test)
{
	unsigned state = r->policy->tests[test].state;

	return r->started && (state == POLICY_GLOBAL || state == r->state);
}

/* --- states ---------------------------------------------------------------- */

static void enter(struct policy_run *r, unsigned state, mono_t now)
{
	unsigned from = r->state;

	if (from != POLICY_GLOBAL)
		stop_tests(r, from);
	r->state = state;
	r->next = NO_STATE;
	push(r, &(struct policy_action){ .what = POLICY_DO_ENTER,
					 .state = state,
					 .from = from,
					 .text = r->cause });
	r->entering = start_tests(r, state, now);
}

/* Its tests have said what they say. */
static void entered(struct policy_run *r)
{
	const struct policy_state *s = &r->policy->states[r->state];

	r->entering = false;
	if (!r->skip_init)
		evaluate(r, r->state, s->init.first);
	r->skip_init = false;
	evaluate(r, r->state, s->body.first);
}

/* As far as it goes without waiting. */
static void settle(struct policy_run *r, mono_t now)
{
	while (!r->entering && r->next != NO_STATE && r->next != r->state) {
		if (r->changes++ == POLICY_CHANGES_MAX) {
			push(r, &(struct policy_action){ .what = POLICY_DO_STOP,
							 .state = r->state,
							 .text = r->cause });
			break;
		}
		enter(r, r->next, now);
		if (!r->entering)
			entered(r);
	}
	if (!r->entering)
		r->next = NO_STATE;
}

static void happened(struct policy_run *r, bool global, bool state, mono_t now)
{
	if (global && !r->beginning)
		evaluate(r, POLICY_GLOBAL,
			 r->policy->states[POLICY_GLOBAL].body.first);
	if (!state || r->entering || r->state == POLICY_GLOBAL)
		return;
	r->changes = 0;
	evaluate(r, r->state, r->policy->states[r->state].body.first);
	settle(r, now);
}

void policy_start(struct policy_run *r, unsigned state, mono_t now)
{
	r->started = true;
	snprintf(r->cause, sizeof(r->cause), "start");
	r->skip_init = state != POLICY_GLOBAL;
	r->beginning = start_tests(r, POLICY_GLOBAL, now);
	if (!r->beginning)
		happened(r, true, false, now);
	if (state == POLICY_GLOBAL)
		state = r->policy->start;
	if (state == POLICY_GLOBAL)
		return;
	if (r->skip_init) {
		r->state = state;
		r->entering = start_tests(r, state, now);
	} else {
		enter(r, state, now);
	}
	if (!r->entering)
		entered(r);
	settle(r, now);
}

/* --- events ---------------------------------------------------------------- */

static const char *word(enum policy_means means, enum policy_fact fact)
{
	bool vhost = means == POLICY_VHOST;

	switch (fact) {
	case POLICY_IS_UP:
		return vhost ? "master" : "up";
	case POLICY_IS_DOWN:
		return vhost ? "backup" : "down";
	case POLICY_IS_UNKNOWN:
		return "up, or cannot tell";
	case POLICY_IS_INIT:
		return "init";
	}
	return "";
}

void policy_fact(struct policy_run *r, unsigned link, enum policy_fact fact,
		 mono_t now)
{
	const struct policy_link *l = &r->policy->links[link];

	if (r->facts[link] == fact)
		return;
	r->facts[link] = fact;
	if (!r->started)
		return;
	if (!r->entering)
		snprintf(r->cause, sizeof(r->cause), "%s is %s", l->name,
			 word(l->means, fact));
	happened(r, state_uses(r, POLICY_GLOBAL, link),
		 state_uses(r, r->state, link), now);
}

static bool result(struct policy_run *r, unsigned test, int status)
{
	struct test *t = &r->tests[test];
	bool differs = status >= 0 && (!t->known || t->status != status);

	t->running = t->awaited = false;
	if (differs) {
		t->known = true;
		t->status = status;
	}
	return differs;
}

void policy_tested(struct policy_run *r, unsigned test, unsigned serial,
		   int status, mono_t now)
{
	const struct policy_test *t = &r->policy->tests[test];
	bool global = t->state == POLICY_GLOBAL, differs;

	if (!r->tests[test].running || r->tests[test].serial != serial)
		return;
	differs = result(r, test, status);
	if (global && r->beginning) {
		r->beginning = awaits(r, POLICY_GLOBAL);
		happened(r, true, false, now);
	} else if (!global && r->entering) {
		if (awaits(r, t->state))
			return;
		entered(r);
		settle(r, now);
	} else if (differs) {
		snprintf(r->cause, sizeof(r->cause),
			 "test \"%.60s\" has exit status %d", t->command,
			 status);
		happened(r, global, !global, now);
	}
}

void policy_tick(struct policy_run *r, mono_t now)
{
	for (unsigned i = 0; i < r->policy->ntests; i++)
		if (is_active(r, i) && !r->tests[i].running &&
		    mono_due(r->tests[i].due, now))
			start_test(r, i, now);
}

mono_t policy_deadline(const struct policy_run *r)
{
	mono_t first = MONO_NEVER;

	for (unsigned i = 0; i < r->policy->ntests; i++)
		if (is_active(r, i) && !r->tests[i].running)
			first = mono_min(first, r->tests[i].due);
	return first;
}

/* --- another process ------------------------------------------------------- */

size_t policy_keep(const struct policy_run *r, void *data, size_t size)
{
	struct writer w;

	writer_init(&w, data, size);
	writer_u64(&w, policy_digest(r->policy));
	writer_u32(&w, r->state);
	/* a state half entered is entered anew, and does its init */
	writer_u8(&w, r->entering && !r->skip_init);
	for (size_t i = 0; i < r->policy->nlinks; i++)
		writer_u8(&w, (uint8_t)r->facts[i]);
	for (size_t i = 0; i < r->policy->ntests; i++) {
		writer_u8(&w, r->tests[i].known);
		writer_u32(&w, (uint32_t)r->tests[i].status);
	}
	return writer_ok(&w) ? w.used : 0;
}

bool policy_restore(struct policy_run *r, const void *data, size_t len,
		    mono_t now)
{
	struct reader in;
	unsigned state;
	bool anew;

	reader_init(&in, data, len);
	if (reader_u64(&in) != policy_digest(r->policy))
		return false;
	state = reader_u32(&in);
	anew = reader_u8(&in);
	if (!reader_ok(&in) || state >= r->policy->nstates)
		return false;
	for (size_t i = 0; i < r->policy->nlinks; i++)
		r->facts[i] = (enum policy_fact)(reader_u8(&in) & 3);
	for (unsigned i = 0; i < r->policy->ntests; i++) {
		r->tests[i].known = reader_u8(&in);
		r->tests[i].status = (int)reader_u32(&in);
		r->tests[i].due = now;
	}
	if (!reader_ok(&in))
		return false;
	r->started = true;
	r->state = state;
	if (anew) {
		snprintf(r->cause, sizeof(r->cause), "start");
		r->entering = start_tests(r, state, now);
		if (!r->entering)
			entered(r);
		settle(r, now);
	}
	return true;
}
