// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The plots of watch: rows of characters, no more. What the values are is not
 * known here, nor where on the screen they go.
 *
 * Invariant: a value that is known is never drawn as nothing.
 */
#include "statesync_plot.h"

#include <math.h>

#define LEVELS 8

void plot_add(struct plot *p, double value)
{
	p->value[p->count++ % PLOT_SAMPLES] = value;
}

/* The value `ago` before the last one. */
static double at(const struct plot *p, unsigned long ago)
{
	if (ago >= p->count || ago >= PLOT_SAMPLES)
		return NAN;
	return p->value[(p->count - 1 - ago) % PLOT_SAMPLES];
}

double plot_last(const struct plot *p)
{
	return at(p, 0);
}

double plot_max(const struct plot *p, unsigned n, double least)
{
	double max = least;

	for (unsigned i = 0; i < n; i++)
		max = fmax(max, at(p, i));
	return max;
}

void plot_row(const struct plot *p, unsigned width, unsigned row,
	      unsigned height, double top, bool ascii, FILE *out)
{
	static const char *const blocks[LEVELS] = { "▁", "▂", "▃", "▄",
						    "▅", "▆", "▇", "█" };
	static const char *const plain[LEVELS] = { "_", ".", ":", "-",
						   "=", "+", "*", "#" };
	unsigned below = (height - 1 - row) * LEVELS;

	for (unsigned i = width; i-- > 0;) {
		double value = at(p, i);
		double level = value * (LEVELS * height - 1) / top + 0.5;

		if (isnan(value) || (below && level < below)) {
			fputc(' ', out);
			continue;
		}
		level = fmin(fmax(level - below, 0), LEVELS - 1);
		fputs((ascii ? plain : blocks)[(unsigned)level], out);
	}
}

const char *plot_number(double value, bool whole, char *text, size_t size)
{
	static const char units[] = " kMGT";
	unsigned i = 0;

	while (value >= 999.5 && i < sizeof(units) - 2) {
		value /= 1000;
		i++;
	}
	if (isnan(value))
		snprintf(text, size, "?");
	else if (i)
		snprintf(text, size, "%.*f%c", value < 99.95, value, units[i]);
	else
		snprintf(text, size, "%.*f", !whole && value < 9.95, value);
	return text;
}
