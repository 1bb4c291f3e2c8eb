/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Memory of a fixed size for unpacking one protobuf message at a time: no
 * malloc, and a hostile message finds its end here. Pure.
 */
#ifndef STATESYNC_ARENA_H
#define STATESYNC_ARENA_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A full batch of flows needs about 32 KiB unpacked, one in which each flow
 * has all there is 140 KiB; fields that a newer peer added are kept aside while
 * unpacking and must fit as well.
 */
#define ARENA_BYTES (192 * 1024)

struct arena {
	size_t used;
	ProtobufCAllocator allocator;
	_Alignas(max_align_t) uint8_t mem[ARENA_BYTES];
};

/* Must not be moved afterwards: the allocator points to it. */
void arena_init(struct arena *a);

/*
 * Unpacks a message and frees what was unpacked before; NULL if it does not
 * decode or does not fit. Valid until the next call, never freed.
 */
const ProtobufCMessage *arena_unpack(struct arena *a,
				     const ProtobufCMessageDescriptor *type,
				     const uint8_t *data, size_t len);

#endif
