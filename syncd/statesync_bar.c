// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The bar of a bulk. It neither asks for the bulk nor knows how it ended.
 *
 * Implements what the manual shows of statesync --bulk.
 *
 * Invariant: nothing but the daemon's own lines goes to an output that is no
 * terminal.
 */
#include "statesync_bar.h"

#include <stdio.h>

/* The bar of one line, redrawn: "progress DONE TOTAL SECONDS". */
static void draw_bar(struct bar *bar, unsigned long long done,
		     unsigned long long total, double seconds)
{
	const int width = 30;
	double rate = seconds > 0 ? (double)done / seconds : 0;
	double part = total ? (double)done / (double)total : 0;
	int full;

	if (part > 1)
		part = 1;
	full = (int)(part * width);
	printf("\rbulk%s  %3.0f %%  [%.*s%.*s]  %llu/%llu  ", bar->who,
	       part * 100, full, "##############################", width - full,
	       "------------------------------", done, total);
	if (rate >= 1000)
		printf("%.0fk/s", rate / 1000);
	else
		printf("%.0f/s", rate);
	if (rate > 0 && total >= done)
		printf("  %.0f s", (double)(total - done) / rate);
	fputs("\033[K", stdout);
	fflush(stdout);
	bar->shown = true;
}

void bar_line(void *arg, char *line)
{
	struct bar *bar = arg;
	unsigned long long done, total;
	double seconds;

	if (sscanf(line, "progress %llu %llu %lf", &done, &total, &seconds) ==
	    3) {
		if (bar->terminal)
			draw_bar(bar, done, total, seconds);
		return;
	}
	if (bar->shown)
		fputs("\r\033[K", stdout);
	bar->shown = false;
	puts(line);
}

void bar_end(const struct bar *bar)
{
	if (bar->shown)
		puts("");
}
