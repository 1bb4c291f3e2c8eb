/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bytes of the frames that wire.c sends and reads. */
#ifndef TESTS_TOOLS_FRAME_H
#define TESTS_TOOLS_FRAME_H

#include "wire.h"

/* Writes an Ethernet frame for the packet into f (WIRE_FRAME bytes) with
 * right checksums; returns its length. */
size_t frame_build(uint8_t *f, const uint8_t dst_mac[6],
		   const uint8_t src_mac[6], const struct seg *s);

/* Reads a frame; false when it is not a whole IPv4 TCP, UDP or echo. */
bool frame_parse(const uint8_t *f, size_t len, struct seg *s);

#endif
