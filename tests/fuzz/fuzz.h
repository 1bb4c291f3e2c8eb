/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the fuzz targets share. An input is read from its front by proto/buf.h:
 * what is not there any more is zero. What must not happen is an assertion, or
 * for the sanitizers to find.
 */
#ifndef STATESYNC_FUZZ_H
#define STATESYNC_FUZZ_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

/* Every target is this function. Always 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Two bytes of length, and so many bytes, or as many as there are. */
static inline const uint8_t *fuzz_part(struct reader *in, size_t *len)
{
	*len = reader_u16(in);
	if (*len > in->left)
		*len = in->left;
	return reader_skip(in, *len);
}

/* Is there anything left? A number that is cut ends the input. */
static inline bool fuzz_more(const struct reader *in)
{
	return in->left && reader_ok(in);
}

/* A number below that. */
static inline unsigned fuzz_below(struct reader *in, unsigned limit)
{
	return reader_u8(in) % limit;
}

#endif
