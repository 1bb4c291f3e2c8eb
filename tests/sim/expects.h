/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A made-up table of expectations beside kernel.h: one for each tuple, gone
 * with its master. Timeouts are kept, not counted down.
 */
#ifndef STATESYNC_SIM_EXPECTS_H
#define STATESYNC_SIM_EXPECTS_H

#include "engine.h"
#include "kernel.h"

#define SIM_EXPECTS_MAX 64

struct sim_expects {
	struct expect list[SIM_EXPECTS_MAX];
	size_t n;
};

/* With that tuple, of a master that is there; NULL: none. */
struct expect *sim_expect_find(struct sim_expects *t, struct kernel *k,
			       const struct expect *e);
/* What ct_expect_apply does. */
enum expect_result sim_expect_apply(struct sim_expects *t, struct kernel *k,
				    const struct expect_change *c);
/* A helper expects it, or does no more: the engine, if any, is told. */
void sim_expect_event(struct sim_expects *t, struct kernel *k,
		      struct engine *engine, const struct expect_change *c,
		      mono_t now);
/* WORK_EXPECTS and WORK_EXPECTS_DUMP. */
void sim_expects_work(struct sim_expects *t, struct kernel *k,
		      struct engine *engine);
void sim_expects_dump(struct sim_expects *t, struct kernel *k,
		      struct engine *engine, mono_t now);

#endif
