/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef STATESYNC_FUZZ_FLOWS_FIT_H
#define STATESYNC_FUZZ_FLOWS_FIT_H

#include <stddef.h>
#include <stdint.h>

/* The message Flows with as many values of each column as its shapes ask for,
 * into FRAME_PAYLOAD_MAX bytes; its length, 0: it does not decode. */
size_t flows_fit(const uint8_t *data, size_t len, uint8_t *out);

#endif
