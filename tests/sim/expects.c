/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Expectations of a made-up kernel. Invariant: no two have one tuple. */
#include "expects.h"

static const struct flow *master_of(struct kernel *k, const struct expect *e)
{
	struct kernel_entry *entry;
	struct flow f;

	expect_master(e, &f);
	entry = kernel_find(k, &f);
	return entry ? &entry->flow : NULL;
}

struct expect *sim_expect_find(struct sim_expects *t, struct kernel *k,
			       const struct expect *e)
{
	for (size_t i = 0; i < t->n; i++) {
		if (!master_of(k, &t->list[i])) {
			t->list[i--] = t->list[--t->n];
			continue;
		}
		if (t->list[i].l4proto == e->l4proto &&
		    flow_tuple_equal(&t->list[i].tuple, &e->tuple))
			return &t->list[i];
	}
	return NULL;
}

enum expect_result sim_expect_apply(struct sim_expects *t, struct kernel *k,
				    const struct expect_change *c)
{
	struct expect *there = sim_expect_find(t, k, &c->expect);

	if (c->op == EXPECT_END) {
		if (!there)
			return EXPECT_GONE;
		*there = t->list[--t->n];
		return EXPECT_APPLIED;
	}
	if (!master_of(k, &c->expect))
		return EXPECT_NO_MASTER;
	if (!there && t->n == SIM_EXPECTS_MAX)
		return EXPECT_LIMIT;
	if (!there)
		there = &t->list[t->n++];
	*there = c->expect;
	return EXPECT_APPLIED;
}

void sim_expect_event(struct sim_expects *t, struct kernel *k,
		      struct engine *engine, const struct expect_change *c,
		      mono_t now)
{
	(void)sim_expect_apply(t, k, c);
	if (engine)
		engine_expect(engine, c, master_of(k, &c->expect), now);
}

void sim_expects_work(struct sim_expects *t, struct kernel *k,
		      struct engine *engine)
{
	const struct expect_batch *b = &engine->expects.batch;
	uint8_t results[EXPECT_BATCH];

	for (size_t i = 0; i < b->n; i++)
		results[i] = (uint8_t)sim_expect_apply(t, k, &b->list[i]);
	engine_expects_injected(engine, results);
}

void sim_expects_dump(struct sim_expects *t, struct kernel *k,
		      struct engine *engine, mono_t now)
{
	for (size_t i = 0; i < t->n; i++) {
		struct expect_change c = { .op = EXPECT_COPY,
					   .expect = t->list[i] };

		engine_expect(engine, &c, master_of(k, &c.expect), now);
	}
	engine_expects_dumped(engine, true, now);
}
