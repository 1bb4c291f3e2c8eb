/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What becomes of one change for the kernel's table, from stage to stage
 * until it has a result. For ct_inject.c, which sends a stage's message and
 * brings its answer.
 */
#ifndef STATESYNC_CT_OP_H
#define STATESYNC_CT_OP_H

#include <stdbool.h>
#include <stdint.h>

#include "ct_helper.h"
#include "flow.h"

struct ct_inject;

enum ct_stage {
	CT_CREATE,
	CT_UPDATE,
	CT_LOOK,       /* ask for what is there and compare */
	CT_LOOK_REPLY, /* ask who has the reply tuple */
	CT_REPLACE,    /* delete by both tuples, then create */
	CT_DELETE,
	CT_DELETE_REPLY, /* only as part of a replacement */
	CT_TIMEOUT,
	CT_LABELS, /* were those of a creation kept? */
	CT_DONE,
};

struct ct_op {
	enum ct_stage stage;
	uint8_t steps;
	bool sent;   /* in this round */
	bool taken;  /* the kernel refused to create it: EEXIST */
	bool full;   /* or for want of room: ENOMEM */
	bool looked; /* an update that follows a look */
	bool ousts;  /* a replacement that ends a flow of ours */
	bool found;  /* by the look of this round */
	int error;   /* of this round, 0 or -errno */
	struct ct_helper_less less;
	/* What the look found; what to write of it, where it is merged. */
	struct flow entry;
	enum flow_result result; /* of CT_DONE */
	uint16_t waits[2];	 /* see ct_order_add */
};

void ct_op_begin(struct ct_op *s, const struct flow_change *c,
		 const struct ct_inject *in);

/* What the message of its stage is made of; it may be in *less. */
const struct flow *ct_op_flow(const struct ct_op *s,
			      const struct flow_change *c, struct flow *less);

/* The message of its stage was sent, and s->error, s->found, s->entry are the
 * answer. in: takes last_errno, copies_known, orphans and helper. */
void ct_op_answered(struct ct_op *s, const struct flow_change *c,
		    struct ct_inject *in);

#endif
