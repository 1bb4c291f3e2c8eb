/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is wrong with a file, and where: sentences for a log, and for a person
 * the place itself. Pure.
 */
#ifndef STATESYNC_CONF_ERRORS_H
#define STATESYNC_CONF_ERRORS_H

#include <stdbool.h>
#include <stddef.h>

#define CONF_ERRORS_MAX 10
#define CONF_ERROR_SIZE 512
#define CONF_SHOWN_SIZE 256

/*
 * In the order of the file, each a full sentence with its place in front
 * ("FILE:LINE:COL: ..."), without a newline. shown: the line of the file and,
 * on one below it, ^^^ under the place; "" where there is no column to show.
 */
struct conf_errors {
	unsigned int count;
	char text[CONF_ERRORS_MAX][CONF_ERROR_SIZE];
	char shown[CONF_ERRORS_MAX][CONF_SHOWN_SIZE];
};

/* Makes it one of a single line that a terminal only shows, whatever of a file
 * it cites: control characters become "?". */
void conf_errors_plain(char *sentence);

/*
 * Line and column count from 1, the column in bytes; a text of len bytes. The
 * word there is underlined. What stands behind it is shown only with `whole`.
 */
void conf_errors_show(const char *text, size_t len, int line, int col,
		      bool whole, char shown[CONF_SHOWN_SIZE]);

#endif
