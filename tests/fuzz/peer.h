/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The other end of an engine's link: its frames come from the input, and what
 * chance does not find (names, numbers, digests, rounds) is made right where
 * the input asks for it.
 */
#ifndef STATESYNC_FUZZ_PEER_H
#define STATESYNC_FUZZ_PEER_H

#include "engine.h"
#include "fuzz.h"

/* The peer of this name, of an engine of that name. */
#define PEER_NAME   "fw2"
#define PEER_OF	    "fw1"
#define PEER_FRAMES 65536 + 64

/*
 * The next frame of the input into bytes (PEER_FRAMES of them): how, type, and
 * a part that is the payload. Its length. Of how: 1 the payload is made right,
 * 2 another number than the next.
 */
size_t peer_frame(struct reader *in, const struct engine *e, uint8_t *bytes);

#endif
