/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How long something is, in words: the same on the daemon's screens and on the
 * tool's.
 */
#ifndef STATESYNC_REPORT_DURATION_H
#define STATESYNC_REPORT_DURATION_H

#include <stddef.h>
#include <stdint.h>

/* "12 ms", "38 s", "3 min", "12d 4h". Returns text; size >= 16. */
const char *report_duration(int64_t ns, char *text, size_t size);

#endif
