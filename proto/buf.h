/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Bounds-checked reader and writer over memory that the caller owns. Only
 * this module touches bytes that go to or come from a wire. All integers
 * are big endian.
 *
 * Both kinds remember a failure: after the first read or write that does
 * not fit, every further one fails too, so that a chain of calls needs one
 * check at its end (reader_ok, writer_ok). A failed read yields zeroes.
 */
#ifndef STATESYNC_BUF_H
#define STATESYNC_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
	const uint8_t *p;
	size_t left;
	bool failed;
};

struct writer {
	uint8_t *p;
	size_t size, used;
	bool failed;
};

void reader_init(struct reader *r, const void *data, size_t len);
uint8_t reader_u8(struct reader *r);
uint16_t reader_u16(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);
/* Copies len bytes to dst; on failure dst is filled with zeroes. */
void reader_bytes(struct reader *r, void *dst, size_t len);
/* Steps over len bytes and returns where they begin, NULL on failure. */
const uint8_t *reader_skip(struct reader *r, size_t len);
bool reader_ok(const struct reader *r);

void writer_init(struct writer *w, void *data, size_t size);
void writer_u8(struct writer *w, uint8_t v);
void writer_u16(struct writer *w, uint16_t v);
void writer_u32(struct writer *w, uint32_t v);
void writer_u64(struct writer *w, uint64_t v);
void writer_bytes(struct writer *w, const void *src, size_t len);
/* Overwrites two bytes already written at offset at (a checksum, a length). */
void writer_patch_u16(struct writer *w, size_t at, uint16_t v);
bool writer_ok(const struct writer *w);

#endif
