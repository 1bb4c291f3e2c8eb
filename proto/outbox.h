/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Numbered frames from when they are made until the peer has acknowledged
 * them: what waits for the wire, and before it what was taken and may have to
 * be sent once more on another connection. Pure.
 */
#ifndef STATESYNC_OUTBOX_H
#define STATESYNC_OUTBOX_H

#include "frame.h"

#define OUTBOX_BLOCK_BYTES (64 * 1024) /* allocated at once, as needed */

struct outbox_block;

/* All zeroes: empty, the first number is 1; it holds no memory then. */
struct outbox {
	struct outbox_block *first, *reading, *last, *spare;
	size_t tail;	/* in first: where the oldest frame begins */
	size_t head;	/* in reading: the next byte to be taken */
	size_t part;	/* bytes left of a frame of which some were taken */
	size_t kept;	/* bytes before head */
	size_t waiting; /* and from there on */
	uint64_t gone;	/* number of the last frame that was forgotten */
	uint64_t taken; /* of the last one of which bytes were taken */
	uint64_t seq;	/* of the last one */
};

/* An empty one with the numbers that begin after seq. Its memory is freed. */
void outbox_clear(struct outbox *o, uint64_t seq);

/* Adds a frame with the next number, or nothing: 0, or -ENOMEM. The packed
 * message must not exceed FRAME_PAYLOAD_MAX. */
int outbox_add(struct outbox *o, enum frame_type type,
	       const ProtobufCMessage *m);

/*
 * The next bytes to be taken, at most max unless one frame is more: the rest
 * of a begun frame alone, or whole frames. 0: none. Valid until the next call;
 * outbox_take says how many of them were taken.
 */
size_t outbox_offer(const struct outbox *o, size_t max, const uint8_t **bytes);
void outbox_take(struct outbox *o, size_t len);

/* Forgets taken frames up to that number; one that is begun stays. */
void outbox_forget(struct outbox *o, uint64_t seq);
/* Forgets the oldest taken frames until no more than max bytes are held, or
 * no taken one is left. */
void outbox_trim(struct outbox *o, size_t max);
/* Throws away what was not begun; its numbers are given again. */
void outbox_cut(struct outbox *o);
/* All frames after seq wait once more, those before are forgotten. False, and
 * nothing has changed: they are not all there, or seq was not taken whole. */
bool outbox_rewind(struct outbox *o, uint64_t seq);

/* Bytes held. */
size_t outbox_bytes(const struct outbox *o);
/* The sum of what a function says of each frame that is held. */
uint64_t outbox_sum(const struct outbox *o,
		    uint64_t (*of)(const struct frame *));

#endif
