/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The progress of a bulk as a bar of one line, on a terminal only.
 */
#ifndef STATESYNC_BAR_H
#define STATESYNC_BAR_H

#include <stdbool.h>

struct bar {
	bool terminal; /* standard output is one */
	bool shown;    /* the cursor stands behind a bar */
	char who[80];  /* behind "bulk", or "" */
};

/*
 * A line of the answer (client_line_fn; arg is the bar): draws "progress
 * DONE TOTAL SECONDS", prints any other.
 */
void bar_line(void *bar, char *line);

/* The cursor on a line of its own again. */
void bar_end(const struct bar *bar);

#endif
