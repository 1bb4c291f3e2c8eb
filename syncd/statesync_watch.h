/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * statesync watch: the status as a live screen. statesync_watch.c has the
 * terminal, the keys and the time, statesync_screen.c what stands on it.
 */
#ifndef STATESYNC_WATCH_H
#define STATESYNC_WATCH_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "statesync_plot.h"

/* Until q. An enum exit_status; says on standard error why not. */
int watch(bool ascii, bool color);

/* --- for the two files of it ---------------------------------------------- */

enum { PLOT_FLOWS, PLOT_LAG, PLOT_QUEUE, PLOT_TABLE, PLOTS };

#define WATCH_LINES 16 /* of a command's answer */
#define WATCH_LINE  256

struct watch {
	bool ascii, color, paused;
	unsigned rows, cols;
	json_t *status;	 /* the last one; never NULL on a screen */
	double silent_s; /* since then the daemon did not answer; 0: it does */
	struct plot plots[PLOTS];
	double uptime, changes; /* of that status, for the rate */
	/* "", or what is asked on the last row. */
	const char *question;
	/* Over the history: a title ("": none) and the last lines. */
	char title[64];
	unsigned nlines;
	char lines[WATCH_LINES][WATCH_LINE];
};

/* Takes the values for the plots out of a new status. */
void screen_sample(struct watch *w);
/* The whole screen, to be written from its first place on. */
void screen_draw(const struct watch *w, FILE *out);

#endif
