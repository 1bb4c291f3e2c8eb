// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The borders of messages in a stream of bytes. Not their meaning, and not
 * their order: that is the session's.
 *
 * Invariant: a frame that frame_look accepts lies wholly within the data, is
 * of a known type and has a number exactly when its type wants one.
 */
#include "frame.h"

#include <assert.h>
#include <errno.h>

#include "buf.h"

/* 1: such a frame has a number; 0: it has none; -1: there is no such type. */
static int number_wanted(uint8_t type)
{
	switch ((enum frame_type)type) {
	case FRAME_FLOWS:
	case FRAME_BULK_FLOWS:
	case FRAME_BULK_BEGIN:
	case FRAME_BULK_END:
	case FRAME_AUDIT:
	case FRAME_EXPECTS:
	case FRAME_SET_ELEMENTS:
		return 1;
	case FRAME_HELLO:
	case FRAME_WORD:
	case FRAME_ADDRESSES:
	case FRAME_BULK_REQUEST:
	case FRAME_ACK:
	case FRAME_GAP:
	case FRAME_HANDOVER:
	case FRAME_ADVERT:
	case FRAME_RESUME:
	case FRAME_FACTS:
	case FRAME_SETS:
		return 0;
	}
	return -1;
}

bool frame_type_numbered(enum frame_type type)
{
	return number_wanted((uint8_t)type) == 1;
}

enum frame_result frame_look(const uint8_t *data, size_t len, struct frame *f)
{
	struct reader r;
	uint32_t payload_len;
	uint8_t type;

	reader_init(&r, data, len);
	payload_len = reader_u32(&r);
	if (!reader_ok(&r))
		return FRAME_PARTIAL;
	if (payload_len > FRAME_PAYLOAD_MAX)
		return FRAME_BAD;
	type = reader_u8(&r);
	if (!reader_ok(&r))
		return FRAME_PARTIAL;
	if (number_wanted(type) < 0)
		return FRAME_BAD;
	f->type = (enum frame_type)type;
	f->seq = reader_u64(&r);
	if (!reader_ok(&r))
		return FRAME_PARTIAL;
	if (frame_type_numbered(f->type) != (f->seq != 0))
		return FRAME_BAD;
	f->len = payload_len;
	f->payload = reader_skip(&r, payload_len);
	return reader_ok(&r) ? FRAME_OK : FRAME_PARTIAL;
}

size_t frame_size(const struct frame *f)
{
	return FRAME_HEADER_BYTES + f->len;
}

size_t frame_packed_size(const ProtobufCMessage *m)
{
	return FRAME_HEADER_BYTES + protobuf_c_message_get_packed_size(m);
}

void frame_write(uint8_t *at, enum frame_type type, uint64_t seq,
		 const ProtobufCMessage *m)
{
	size_t len = protobuf_c_message_pack(m, at + FRAME_HEADER_BYTES);
	struct writer w;

	assert(len <= FRAME_PAYLOAD_MAX);
	assert(frame_type_numbered(type) == (seq != 0));
	writer_init(&w, at, FRAME_HEADER_BYTES);
	writer_u32(&w, (uint32_t)len);
	writer_u8(&w, (uint8_t)type);
	writer_u64(&w, seq);
	assert(writer_ok(&w));
}

int frame_add(struct queue *q, enum frame_type type, uint64_t seq,
	      const ProtobufCMessage *m)
{
	size_t size = frame_packed_size(m);
	uint8_t *at = queue_room(q, size);

	if (!at)
		return -ENOMEM;
	frame_write(at, type, seq, m);
	queue_added(q, size);
	return 0;
}
