/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sets and their elements as messages of statesync.proto. Pure. As in
 * session_msg.h: put adds a frame to the queue (0, or -ENOMEM), get reads a
 * payload and returns false where it does not decode or breaks a limit of
 * set.h.
 */
#ifndef STATESYNC_SET_PB_H
#define STATESYNC_SET_PB_H

#include "outbox.h"
#include "set.h"

int set_pb_put_words(struct queue *q, const struct set_word *list, size_t n,
		     bool answer);
/* list has room for SETS_MAX. */
bool set_pb_get_words(struct arena *a, const struct frame *f,
		      struct set_word *list, size_t *n, bool *answer);

/* To the flows' lane, with the next number. */
int set_pb_put_elements(struct outbox *o, const struct set_elements *m);
bool set_pb_get_elements(struct arena *a, const struct frame *f,
			 struct set_elements *m);

#endif
