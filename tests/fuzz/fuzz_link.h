/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The parts of fuzz_link. */
#ifndef STATESYNC_FUZZ_LINK_H
#define STATESYNC_FUZZ_LINK_H

#include <stdbool.h>

#include "arena.h"
#include "frame.h"
#include "fuzz.h"
#include "outbox.h"

/* What the input wants besides the payload. */
struct link_how {
	bool fit;     /* columns of flows are made to fit their shapes */
	uint8_t kind; /* of a set; and how flows are merged */
};

/* Two, so that what was read first is there when it is read again. */
extern struct arena link_arena[2];

/* The only frame of the outbox. */
struct frame link_written(const struct outbox *o);

/* fuzz_link_flows.c: FRAME_FLOWS. */
void link_flows(const struct frame *f, const struct link_how *how);
/* fuzz_link_kernel.c: FRAME_EXPECTS, FRAME_SET_ELEMENTS. */
void link_expects(const struct frame *f);
void link_elements(const struct frame *f, const struct link_how *how);

#endif
