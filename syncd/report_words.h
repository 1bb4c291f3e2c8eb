/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Words that several screens and answers share.
 */
#ifndef STATESYNC_REPORT_WORDS_H
#define STATESYNC_REPORT_WORDS_H

#include "engine.h"

/* Why packets were not used: the word of the counters, and what it means. */
const char *report_refusal(enum carp_refusal why);

/* "lan", "lan and wan", "a, b and c": the vhosts of a set, a bit each. */
const char *report_names(const struct engine *e, uint32_t set, char *text,
			 size_t size);

/* The width of a column that has this text, too. */
int report_wider(int width, const char *text);

#endif
