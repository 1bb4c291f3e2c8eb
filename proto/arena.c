// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * protobuf-c's allocator over a fixed piece of memory. Nothing is given back
 * one by one; the next message overwrites all.
 *
 * Invariant: unpacking takes no memory but the arena's, whatever came in.
 */
#include "arena.h"

#include <string.h>

static void *arena_alloc(void *data, size_t size)
{
	struct arena *a = data;
	size_t align = _Alignof(max_align_t);
	void *at = a->mem + a->used;

	if (size > ARENA_BYTES - a->used)
		return NULL;
	size = (size + align - 1) / align * align;
	a->used = size > ARENA_BYTES - a->used ? ARENA_BYTES : a->used + size;
	return at;
}

static void arena_free(void *data, void *p)
{
	(void)data;
	(void)p;
}

void arena_init(struct arena *a)
{
	a->used = 0;
	a->allocator = (ProtobufCAllocator){
		.alloc = arena_alloc,
		.free = arena_free,
		.allocator_data = a,
	};
}

const ProtobufCMessage *arena_unpack(struct arena *a,
				     const ProtobufCMessageDescriptor *type,
				     const uint8_t *data, size_t len)
{
	a->used = 0;
	return protobuf_c_message_unpack(type, &a->allocator, len, data);
}
