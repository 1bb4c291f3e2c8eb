/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Frames on the link: u32 length of the payload, u8 type, u64 number,
 * payload; integers are big endian. Pure.
 *
 * Frames that carry state are numbered 1, 2, 3, ... in each direction, from
 * one connection to the next where the stream is resumed; all others have
 * number 0.
 */
#ifndef STATESYNC_FRAME_H
#define STATESYNC_FRAME_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue.h"

#define FRAME_HEADER_BYTES 13
#define FRAME_PAYLOAD_MAX  (64 * 1024)

/* The payload is the message of that name in statesync.proto. */
enum frame_type {
	FRAME_HELLO = 1,
	FRAME_WORD = 2,
	FRAME_ADDRESSES = 3,
	FRAME_BULK_REQUEST = 4,
	FRAME_ACK = 5,
	FRAME_GAP = 6,
	FRAME_HANDOVER = 7,
	FRAME_ADVERT = 8,
	/* numbered: */
	FRAME_FLOWS = 16,
	FRAME_BULK_FLOWS = 17, /* Flows, part of the bulk */
	FRAME_BULK_BEGIN = 18,
	FRAME_BULK_END = 19,
	FRAME_AUDIT = 20,
	FRAME_SET_ELEMENTS = 71,
	FRAME_EXPECTS = 80,
	/* not numbered: */
	FRAME_RESUME = 50,
	FRAME_FACTS = 60,
	FRAME_SETS = 70,
};

struct frame {
	enum frame_type type;
	uint64_t seq;
	const uint8_t *payload; /* within the data that was looked at */
	size_t len;
};

enum frame_result {
	FRAME_OK = 0,
	FRAME_PARTIAL, /* so far good, more bytes are needed */
	FRAME_BAD,     /* too long, unknown type, number where none belongs */
};

/*
 * Looks at the frame that data begins with. What makes a frame bad is seen
 * as soon as its byte is there, so that nobody waits for, or makes room for,
 * a payload that will be refused.
 */
enum frame_result frame_look(const uint8_t *data, size_t len, struct frame *f);

/* Bytes of the frame with its header. */
size_t frame_size(const struct frame *f);

bool frame_type_numbered(enum frame_type type);

/* Bytes that frame_write needs; the packed message must not exceed
 * FRAME_PAYLOAD_MAX. seq is 0 where the type has no number. */
size_t frame_packed_size(const ProtobufCMessage *m);
void frame_write(uint8_t *at, enum frame_type type, uint64_t seq,
		 const ProtobufCMessage *m);

/* Adds a whole frame to the queue, or nothing: 0, or -ENOMEM. */
int frame_add(struct queue *q, enum frame_type type, uint64_t seq,
	      const ProtobufCMessage *m);

#endif
