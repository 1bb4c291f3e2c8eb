/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The tree of a policy: made, searched, given back. It runs nothing and knows
 * no syntax.
 *
 * Implements ifstated.conf(5): a test belongs to the state in which it stands;
 * what stands outside of all states is a state of its own that is never left.
 *
 * Invariant: states[POLICY_GLOBAL] is always there.
 */
#include "policy.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "digest.h"

struct policy_block {
	struct policy_block *next;
	max_align_t data[];
};

void *policy_alloc(struct policy *p, size_t size)
{
	struct policy_block *b = calloc(1, sizeof(*b) + size);

	if (!b)
		return NULL;
	b->next = p->blocks;
	p->blocks = b;
	return b->data;
}

/* Room for one more in an array; NULL without memory, then it stays. */
static void *grow(void *array, size_t count, size_t size)
{
	if (count & (count - 1)) /* room for a power of two is there */
		return array;
	if (count > SIZE_MAX / 2 / size)
		return NULL;
	return realloc(array, (count ? 2 * count : 1) * size);
}

struct policy *policy_new(void)
{
	struct policy *p = calloc(1, sizeof(*p));
	const struct policy_place nowhere = { 0, 0 };

	if (p && policy_add_state(p, "", nowhere) < 0) {
		policy_free(p);
		return NULL;
	}
	return p;
}

void policy_free(struct policy *p)
{
	if (!p)
		return;
	while (p->blocks) {
		struct policy_block *b = p->blocks;

		p->blocks = b->next;
		free(b);
	}
	free(p->states);
	free(p->links);
	free(p->tests);
	free(p);
}

int policy_find_state(const struct policy *p, const char *name)
{
	for (size_t i = POLICY_GLOBAL + 1; i < p->nstates; i++)
		if (strcmp(p->states[i].name, name) == 0)
			return (int)i;
	return -1;
}

int policy_add_state(struct policy *p, const char *name, struct policy_place at)
{
	struct policy_state *more =
		grow(p->states, p->nstates, sizeof(*p->states));

	if (!more)
		return -1;
	p->states = more;
	p->states[p->nstates] = (struct policy_state){ .name = name, .at = at };
	return (int)p->nstates++;
}

int policy_add_link(struct policy *p, const char *name, struct policy_place at)
{
	struct policy_link *more;

	for (size_t i = 0; i < p->nlinks; i++)
		if (strcmp(p->links[i].name, name) == 0)
			return (int)i;
	more = grow(p->links, p->nlinks, sizeof(*p->links));
	if (!more)
		return -1;
	p->links = more;
	p->links[p->nlinks] = (struct policy_link){ .name = name, .at = at };
	return (int)p->nlinks++;
}

int policy_add_test(struct policy *p, unsigned state, const char *command,
		    unsigned every_s)
{
	struct policy_test *more;

	for (size_t i = 0; i < p->ntests; i++)
		if (p->tests[i].state == state &&
		    p->tests[i].every_s == every_s &&
		    strcmp(p->tests[i].command, command) == 0)
			return (int)i;
	more = grow(p->tests, p->ntests, sizeof(*p->tests));
	if (!more)
		return -1;
	p->tests = more;
	p->tests[p->ntests] = (struct policy_test){ command, every_s, state };
	return (int)p->ntests++;
}

void policy_add_step(struct policy_steps *steps, struct policy_step *step)
{
	if (steps->last)
		steps->last->next = step;
	else
		steps->first = step;
	steps->last = step;
}

/* --- walking ------------------------------------------------------------- */

static void each(unsigned state, struct policy_step *step, policy_step_fn *fn,
		 void *arg)
{
	for (; step; step = step->next) {
		fn(state, step, arg);
		each(state, step->block, fn, arg);
	}
}

void policy_each_step(const struct policy *p, policy_step_fn *fn, void *arg)
{
	for (unsigned i = 0; i < p->nstates; i++) {
		each(i, p->states[i].init.first, fn, arg);
		each(i, p->states[i].body.first, fn, arg);
	}
}

struct linking {
	const struct policy *policy;
	policy_step_fn *bad;
	void *arg;
};

static void link_step(unsigned state, struct policy_step *step, void *arg)
{
	struct linking *l = arg;
	int to;

	if (step->what != POLICY_SET_STATE)
		return;
	to = policy_find_state(l->policy, step->text);
	if (to < 0)
		l->bad(state, step, l->arg);
	else
		step->state = (unsigned)to;
}

void policy_link_states(struct policy *p, policy_step_fn *bad, void *arg)
{
	struct linking l = { p, bad, arg };

	policy_each_step(p, link_step, &l);
}

static void hash(uint64_t *h, const char *text)
{
	*h = fnv1a(*h, text, strlen(text) + 1);
}

static void hash_number(uint64_t *h, uint64_t n)
{
	*h = (*h ^ n) * 0x100000001b3;
}

static void hash_expr(uint64_t *h, const struct policy_expr *e)
{
	for (; e; e = e->left) {
		hash_number(h, (uint64_t)e->op << 32 | e->index);
		hash_expr(h, e->right);
	}
	hash_number(h, 0);
}

static void hash_step(unsigned state, struct policy_step *step, void *arg)
{
	hash_number(arg, (uint64_t)state << 32 | step->what);
	hash(arg, step->text ? step->text : "");
	hash_expr(arg, step->expr);
	if (!step->next)
		hash(arg, "}");
}

uint64_t policy_digest(const struct policy *p)
{
	uint64_t h = FNV1A_START;

	hash_number(&h, p->start);
	for (size_t i = 0; i < p->nstates; i++) {
		hash(&h, p->states[i].name);
		hash_number(&h, p->states[i].init.first != NULL);
	}
	for (size_t i = 0; i < p->nlinks; i++)
		hash(&h, p->links[i].name);
	for (size_t i = 0; i < p->ntests; i++) {
		hash(&h, p->tests[i].command);
		hash_number(&h, p->tests[i].every_s);
	}
	policy_each_step(p, hash_step, &h);
	return h;
}

struct looking {
	const struct policy *policy;
	bool *reached;
	bool more;
};

static void look_step(unsigned state, struct policy_step *step, void *arg)
{
	struct looking *l = arg;

	if (step->what == POLICY_SET_STATE && l->reached[state] &&
	    !l->reached[step->state])
		l->reached[step->state] = l->more = true;
}

unsigned policy_unreached(const struct policy *p, unsigned after)
{
	struct looking l = { p, calloc(p->nstates, sizeof(bool)), true };
	unsigned i = after + 1;

	if (!l.reached)
		return POLICY_GLOBAL;
	l.reached[p->start] = true;
	while (l.more) {
		l.more = false;
		policy_each_step(p, look_step, &l);
	}
	while (i < p->nstates && l.reached[i])
		i++;
	free(l.reached);
	return i < p->nstates ? i : POLICY_GLOBAL;
}
