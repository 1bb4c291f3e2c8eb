// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Bytes in, bytes out, in one piece. Not a ring: what is handed on (to a
 * parser, to TLS) must be contiguous, so the content is moved now and then.
 * How much may wait is the caller's decision.
 *
 * Invariant: every byte is moved a bounded number of times, and above
 * QUEUE_SHRINK_BYTES the memory held is at most eight times what is queued.
 */
#include "queue.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SHRINK_FACTOR 8 /* unused: less than 1/8 is in use */

int queue_init(struct queue *q)
{
	*q = (struct queue){ .p = malloc(QUEUE_KEEP_BYTES) };
	if (!q->p)
		return -ENOMEM;
	q->size = QUEUE_KEEP_BYTES;
	return 0;
}

void queue_free(struct queue *q)
{
	free(q->p);
	*q = (struct queue){ 0 };
}

const uint8_t *queue_data(const struct queue *q)
{
	return q->p + q->head;
}

static void queue_compact(struct queue *q)
{
	memmove(q->p, q->p + q->head, q->len);
	q->head = 0;
}

static int queue_resize(struct queue *q, size_t size)
{
	uint8_t *p = malloc(size);

	if (!p)
		return -ENOMEM;
	memcpy(p, queue_data(q), q->len);
	free(q->p);
	q->p = p;
	q->head = 0;
	q->size = size;
	return 0;
}

uint8_t *queue_room(struct queue *q, size_t len)
{
	assert(len <= SIZE_MAX / 4 && q->len <= SIZE_MAX / 4);
	if (len <= q->size - q->head - q->len)
		return q->p + q->head + q->len;
	/* Moving costs no more than what was taken since the last time. */
	if (len <= q->size - q->len && q->head >= q->len / 2)
		queue_compact(q);
	else if (queue_resize(q, 2 * (q->len + len)) < 0)
		return NULL;
	return q->p + q->len;
}

void queue_added(struct queue *q, size_t len)
{
	assert(len <= q->size - q->head - q->len);
	q->len += len;
}

/* A failure is none: the queue goes on with what it has. */
static void queue_shrink(struct queue *q)
{
	size_t size = 2 * q->len;

	if (q->len == 0)
		q->head = 0;
	if (q->size <= QUEUE_SHRINK_BYTES || q->len >= q->size / SHRINK_FACTOR)
		return;
	if (size < QUEUE_KEEP_BYTES)
		size = QUEUE_KEEP_BYTES;
	(void)queue_resize(q, size);
}

void queue_take(struct queue *q, size_t len)
{
	assert(len <= q->len);
	q->head += len;
	q->len -= len;
	queue_shrink(q);
}

void queue_cut(struct queue *q, size_t len)
{
	assert(len <= q->len);
	q->len = len;
	queue_shrink(q);
}
