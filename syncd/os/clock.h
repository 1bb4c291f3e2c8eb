/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The time of this machine, as the rest of the code counts it. */
#ifndef STATESYNC_CLOCK_H
#define STATESYNC_CLOCK_H

#include <time.h>

#include "mono.h"

static inline int64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * MONO_S + ts.tv_nsec;
}

static inline mono_t clock_mono(void)
{
	return (mono_t){ clock_ns(CLOCK_MONOTONIC) };
}

#endif
