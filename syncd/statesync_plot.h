/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Small plots of block characters, and numbers that fit beside them. Pure.
 */
#ifndef STATESYNC_PLOT_H
#define STATESYNC_PLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define PLOT_SAMPLES 512

/* A ring of values, one a second; NAN: there was none. */
struct plot {
	double value[PLOT_SAMPLES];
	unsigned long count; /* ever added */
};

void plot_add(struct plot *p, double value);
/* The last one, NAN without. */
double plot_last(const struct plot *p);
/* The largest of the last n, at least `least`. */
double plot_max(const struct plot *p, unsigned n, double least);

/*
 * One row of the plot of the last `width` values, the newest at the right; of
 * `height` rows, 0 is the top one. `top` is the value of a full column. Always
 * width characters.
 */
void plot_row(const struct plot *p, unsigned width, unsigned row,
	      unsigned height, double top, bool ascii, FILE *out);

/* In at most 5 characters: "0", "0.4", "212", "31.4k"; "?" for NAN. */
const char *plot_number(double value, bool whole, char *text, size_t size);

#endif
