/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A growing queue of bytes that always lie in one piece: added at its end,
 * taken from its front. Pure.
 */
#ifndef STATESYNC_QUEUE_H
#define STATESYNC_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#define QUEUE_KEEP_BYTES   (64 * 1024)	/* from the start, and for good */
#define QUEUE_SHRINK_BYTES (512 * 1024) /* above, unused memory is given back */

struct queue {
	uint8_t *p;
	size_t head, len, size;
};

/* 0, or -ENOMEM. Owned by the caller, who ends it with queue_free. */
int queue_init(struct queue *q);
/* Also for one that is all zeroes. */
void queue_free(struct queue *q);

/* The queued bytes, q->len of them; valid until the next call. */
const uint8_t *queue_data(const struct queue *q);

/*
 * Room for len more bytes behind the queued ones, NULL when memory is short
 * (nothing has changed then). They count only after queue_added.
 */
uint8_t *queue_room(struct queue *q, size_t len);
void queue_added(struct queue *q, size_t len);

/* Forgets the first len bytes. */
void queue_take(struct queue *q, size_t len);
/* Forgets all but the first len bytes. */
void queue_cut(struct queue *q, size_t len);

#endif
