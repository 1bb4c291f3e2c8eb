/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How the screen of watch is written: rows, cut at the right and at the
 * bottom, and values of the status. For statesync_screen*.c only.
 */
#ifndef STATESYNC_PEN_H
#define STATESYNC_PEN_H

#include "statesync_watch.h"

enum pen_style { PEN_PLAIN, PEN_GOOD, PEN_BAD, PEN_WARN, PEN_DIM, PEN_STYLES };

struct pen {
	const struct watch *w;
	FILE *out;
	unsigned row, col;
};

/* Adds to the row; a character is a column. */
void pen_put(struct pen *p, enum pen_style style, const char *text);
void pen_putf(struct pen *p, enum pen_style style, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Blanks up to a column. */
void pen_to(struct pen *p, unsigned col);
void pen_next_row(struct pen *p);

/* "?" and NAN where there is none. */
const char *value_text(const json_t *o, const char *key);
double value_number(const json_t *o, const char *key);
/* All numbers of an object, but one. */
double value_sum(json_t *o, const char *except);
json_t *value_peers(const struct watch *w);
/* As on the screen of status. */
const char *value_duration(double s, char text[32]);
const char *value_role(const char *state);

/* statesync_screen_low.c: below the plots, all but the last row. */
void screen_low(struct pen *p);

#endif
