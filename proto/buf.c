// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Bounds-checked reader and writer of big-endian integers over memory of the
 * caller. No allocation, no knowledge of any protocol.
 *
 * Invariant: no byte outside the given memory is read or written, and after
 * the first access that does not fit nothing is read or written any more.
 */
#include "buf.h"

#include <assert.h>
#include <string.h>

void reader_init(struct reader *r, const void *data, size_t len)
{
	assert(data || !len);
	*r = (struct reader){ .p = data, .left = len };
}

const uint8_t *reader_skip(struct reader *r, size_t len)
{
	const uint8_t *at = r->p;

	if (r->failed || len > r->left) {
		r->failed = true;
		return NULL;
	}
	if (len)
		r->p += len;
	r->left -= len;
	return at;
}

/* The next n bytes (at most 8) as one big-endian integer. */
static uint64_t reader_uint(struct reader *r, size_t n)
{
	const uint8_t *b = reader_skip(r, n);
	uint64_t v = 0;

	if (!b)
		return 0;
	for (size_t i = 0; i < n; i++)
		v = v << 8 | b[i];
	return v;
}

uint8_t reader_u8(struct reader *r)
{
	return (uint8_t)reader_uint(r, 1);
}

uint16_t reader_u16(struct reader *r)
{
	return (uint16_t)reader_uint(r, 2);
}

uint32_t reader_u32(struct reader *r)
{
	return (uint32_t)reader_uint(r, 4);
}

uint64_t reader_u64(struct reader *r)
{
	return reader_uint(r, 8);
}

void reader_bytes(struct reader *r, void *dst, size_t len)
{
	const uint8_t *b;

	if (!len)
		return;
	b = reader_skip(r, len);
	if (b)
		memcpy(dst, b, len);
	else
		memset(dst, 0, len);
}

bool reader_ok(const struct reader *r)
{
	return !r->failed;
}

void writer_init(struct writer *w, void *data, size_t size)
{
	assert(data || !size);
	*w = (struct writer){ .p = data, .size = size };
}

/* Room for len bytes, NULL if there is none. */
static uint8_t *writer_room(struct writer *w, size_t len)
{
	uint8_t *at;

	if (w->failed || len > w->size - w->used) {
		w->failed = true;
		return NULL;
	}
	at = w->p + w->used;
	w->used += len;
	return at;
}

static void writer_uint(struct writer *w, uint64_t v, size_t n)
{
	uint8_t *b = writer_room(w, n);

	if (!b)
		return;
	for (size_t i = n; i-- > 0; v >>= 8)
		b[i] = (uint8_t)v;
}

void writer_u8(struct writer *w, uint8_t v)
{
	writer_uint(w, v, 1);
}

void writer_u16(struct writer *w, uint16_t v)
{
	writer_uint(w, v, 2);
}

void writer_u32(struct writer *w, uint32_t v)
{
	writer_uint(w, v, 4);
}

void writer_u64(struct writer *w, uint64_t v)
{
	writer_uint(w, v, 8);
}

void writer_bytes(struct writer *w, const void *src, size_t len)
{
	uint8_t *b;

	if (!len)
		return;
	b = writer_room(w, len);
	if (b)
		memcpy(b, src, len);
}

void writer_patch_u16(struct writer *w, size_t at, uint16_t v)
{
	if (w->failed)
		return;
	assert(at + 2 <= w->used);
	w->p[at] = (uint8_t)(v >> 8);
	w->p[at + 1] = (uint8_t)v;
}

bool writer_ok(const struct writer *w)
{
	return !w->failed;
}
