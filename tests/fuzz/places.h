/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is said of mistakes in a file: a place that is in it, and a sentence. */
#ifndef STATESYNC_FUZZ_PLACES_H
#define STATESYNC_FUZZ_PLACES_H

#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "fuzz.h"

/* The column may be the one behind the line's last character. */
static inline void places_in(const char *text, size_t len, int line, int col)
{
	const char *end = text + len;

	assert(line >= 1 && col >= 0);
	while (--line > 0) {
		text = memchr(text, '\n', (size_t)(end - text));
		assert(text);
		text++;
	}
	while (col-- > 1 && text < end && *text != '\n')
		text++;
	assert(col <= 0);
}

/* A line, and ^ under what is meant; nothing else that steers a terminal. */
static inline void places_shown(const char *shown)
{
	size_t len = strnlen(shown, CONF_SHOWN_SIZE);
	unsigned lines = 0;

	assert(len < CONF_SHOWN_SIZE);
	for (size_t i = 0; i < len; i++) {
		lines += shown[i] == '\n';
		assert((unsigned char)shown[i] >= ' ' || shown[i] == '\n' ||
		       shown[i] == '\t');
	}
	assert(!len || (lines == 1 && shown[len - 1] == '^'));
}

/* "PATH:LINE:COL: sentence", or "PATH: sentence", or of another file. */
static inline void places_check(const struct conf_errors *errors,
				const char *path, const char *text, size_t len)
{
	for (unsigned i = 0; i < errors->count; i++) {
		const char *at = errors->text[i];
		size_t n = strlen(path);
		int line, col = 0;
		char *end;

		assert(strlen(at) > n && !strchr(at, '\n'));
		places_shown(errors->shown[i]);
		if (strncmp(at, path, n) || at[n] != ':' || at[n + 1] == ' ')
			continue;
		line = (int)strtol(at + n + 1, &end, 10);
		if (*end == ':' && end[1] != ' ')
			col = (int)strtol(end + 1, &end, 10);
		assert(*end == ':');
		places_in(text, len, line, col);
	}
}

#endif
