// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A list of blocks with whole frames, read and forgotten from its front. So
 * a frame is packed once, where it stays: it is handed on from there, and
 * once more after an interruption. How much may be held is the caller's
 * decision.
 *
 * Implements the memory of what was sent, rules 5.
 *
 * Invariant: held are the frames gone + 1 .. seq, in order and each within
 * one block; up to taken they lie before head, but for the part of the last
 * one; where anything waits, head is not at the end of its block.
 */
#include "outbox.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct outbox_block {
	struct outbox_block *next;
	size_t size, used;
	uint8_t bytes[];
};

/* --- blocks ------------------------------------------------------------- */

static struct outbox_block *block_new(struct outbox *o, size_t size)
{
	struct outbox_block *b = o->spare;

	if (b && b->size >= size) {
		o->spare = NULL;
	} else {
		if (size < OUTBOX_BLOCK_BYTES)
			size = OUTBOX_BLOCK_BYTES;
		b = malloc(sizeof(*b) + size);
		if (!b)
			return NULL;
		b->size = size;
	}
	b->next = NULL;
	b->used = 0;
	return b;
}

/* One is held back: at a steady rate none is allocated. */
static void block_free(struct outbox *o, struct outbox_block *b)
{
	free(o->spare);
	o->spare = b;
}

static void blocks_free(struct outbox_block *b)
{
	while (b) {
		struct outbox_block *next = b->next;

		free(b);
		b = next;
	}
}

void outbox_clear(struct outbox *o, uint64_t seq)
{
	blocks_free(o->first);
	free(o->spare);
	*o = (struct outbox){ .gone = seq, .taken = seq, .seq = seq };
}

/* Room in the last block, or in a new one. */
static struct outbox_block *room(struct outbox *o, size_t size)
{
	struct outbox_block *b = o->last;

	if (b && size <= b->size - b->used)
		return b;
	b = block_new(o, size);
	if (!b)
		return NULL;
	if (o->last)
		o->last->next = b;
	else
		o->first = o->reading = b;
	o->last = b;
	return b;
}

/* From the end of a block to the beginning of the next one. */
static void read_on(struct outbox *o)
{
	if (o->head < o->reading->used || !o->reading->next)
		return;
	o->reading = o->reading->next;
	o->head = 0;
}

/* --- frames ------------------------------------------------------------- */

static void frame_at(const struct outbox_block *b, size_t at, struct frame *f)
{
	enum frame_result r = frame_look(b->bytes + at, b->used - at, f);

	assert(r == FRAME_OK);
	(void)r;
}

static size_t frame_size_at(const struct outbox_block *b, size_t at)
{
	struct frame f;

	frame_at(b, at, &f);
	return frame_size(&f);
}

int outbox_add(struct outbox *o, enum frame_type type,
	       const ProtobufCMessage *m)
{
	size_t size = frame_packed_size(m);
	struct outbox_block *b = room(o, size);

	if (!b)
		return -ENOMEM;
	frame_write(b->bytes + b->used, type, ++o->seq, m);
	b->used += size;
	o->waiting += size;
	read_on(o);
	return 0;
}

size_t outbox_offer(const struct outbox *o, size_t max, const uint8_t **bytes)
{
	size_t len = o->part, size;

	if (o->waiting == 0)
		return 0;
	*bytes = o->reading->bytes + o->head;
	if (len > 0)
		return len;
	while (o->head + len < o->reading->used) {
		size = frame_size_at(o->reading, o->head + len);
		if (len > 0 && len + size > max)
			break;
		len += size;
	}
	return len;
}

void outbox_take(struct outbox *o, size_t len)
{
	while (len > 0) {
		size_t n;

		if (o->part == 0) {
			o->part = frame_size_at(o->reading, o->head);
			o->taken++;
		}
		n = len < o->part ? len : o->part;
		o->head += n;
		o->part -= n;
		o->kept += n;
		o->waiting -= n;
		len -= n;
		read_on(o);
	}
}

/* --- after they were taken ---------------------------------------------- */

/* The last number that was taken whole. */
static uint64_t whole(const struct outbox *o)
{
	return o->part > 0 ? o->taken - 1 : o->taken;
}

static void forget_oldest(struct outbox *o)
{
	struct outbox_block *b = o->first;
	size_t size = frame_size_at(b, o->tail);

	o->gone++;
	o->kept -= size;
	o->tail += size;
	if (o->tail < b->used)
		return;
	o->tail = 0;
	if (b->next) {
		o->first = b->next;
		block_free(o, b);
	} else { /* it was all there is */
		b->used = o->head = 0;
	}
}

void outbox_forget(struct outbox *o, uint64_t seq)
{
	while (o->gone < seq && o->gone < whole(o))
		forget_oldest(o);
}

void outbox_trim(struct outbox *o, size_t max)
{
	while (outbox_bytes(o) > max && o->gone < whole(o))
		forget_oldest(o);
}

void outbox_cut(struct outbox *o)
{
	struct outbox_block *b = o->reading;

	o->seq = o->taken;
	o->waiting = o->part;
	if (!b)
		return;
	b->used = o->head + o->part;
	blocks_free(b->next);
	b->next = NULL;
	o->last = b;
}

bool outbox_rewind(struct outbox *o, uint64_t seq)
{
	if (seq < o->gone || seq > whole(o))
		return false;
	outbox_forget(o, seq);
	o->waiting += o->kept;
	o->kept = o->part = 0;
	o->reading = o->first;
	o->head = o->tail;
	o->taken = seq;
	return true;
}

size_t outbox_bytes(const struct outbox *o)
{
	return o->kept + o->waiting;
}

uint64_t outbox_sum(const struct outbox *o,
		    uint64_t (*of)(const struct frame *))
{
	size_t at = o->tail;
	uint64_t sum = 0;
	struct frame f;

	for (const struct outbox_block *b = o->first; b; b = b->next, at = 0)
		for (; at < b->used; at += frame_size(&f)) {
			frame_at(b, at, &f);
			sum += of(&f);
		}
	return sum;
}
