/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Values of the JSON that report*.c and commands*.c make. */
#ifndef STATESYNC_REPORT_VALUE_H
#define STATESYNC_REPORT_VALUE_H

#include <jansson.h>
#include <stdint.h>

#include "mono.h"

/* Takes the value over, also where memory is short. NULL is a text that is no
 * UTF-8: the key stays. */
static inline void put(json_t *o, const char *key, json_t *value)
{
	json_object_set_new(o, key, value ? value : json_string("?"));
}

static inline json_t *number(uint64_t v)
{
	/* a peer may say any number */
	return json_integer(v > INT64_MAX ? INT64_MAX : (json_int_t)v);
}

static inline json_t *thousandths(int64_t n)
{
	return json_real((double)n / 1e3);
}

/* To the millisecond. */
static inline json_t *seconds(int64_t ns)
{
	return thousandths(ns / MONO_MS);
}

#endif
