/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What few flows have (FLOW_HAS_EXTRA, a zone of one direction) as the message
 * FlowExtra, and back. Pure; no memory is allocated.
 */
#ifndef STATESYNC_FLOW_EXTRA_H
#define STATESYNC_FLOW_EXTRA_H

#include <stdbool.h>

#include "flow.h"
#include "statesync.pb-c.h"

/* A message and what it points to; not to be moved. */
struct flow_extra {
	Statesync__FlowExtra m;
	uint8_t labels[FLOW_LABELS_BYTES];
	char helper[FLOW_HELPER_MAX];
	uint8_t src[16], dst[16]; /* of the master's tuple */
	uint32_t seqadj[6], synproxy[3], vtag[2];
};

/* Has the flow anything that travels there? */
static inline bool flow_extra_needed(const struct flow *f)
{
	return f->has & FLOW_HAS_EXTRA || f->zone_dir;
}

void flow_extra_pack(struct flow_extra *x, const struct flow *f);

/*
 * Adds to a flow whose family is known what m says. False when a field has not
 * the length that it must have, or a value does not fit.
 */
bool flow_extra_unpack(const Statesync__FlowExtra *m, struct flow *f);

#endif
