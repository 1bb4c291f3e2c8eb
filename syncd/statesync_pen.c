// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Rows on a terminal, and values of a status. What a row says is not known
 * here.
 *
 * Invariant: no row is longer than the terminal, and there are never more.
 */
#include "statesync_pen.h"

#include "report_duration.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

static const char *const codes[PEN_STYLES] = { "", "\033[1;32m", "\033[1;31m",
					       "\033[1;33m", "\033[2m" };

void pen_put(struct pen *p, enum pen_style style, const char *text)
{
	const char *on = p->w->color ? codes[style] : "";

	if (p->row >= p->w->rows)
		return;
	fputs(on, p->out);
	for (; *text; text++) {
		/* the bytes after the first one of a character take no room */
		if (((unsigned char)*text & 0xc0) != 0x80 &&
		    ++p->col > p->w->cols)
			break;
		fputc(*text, p->out);
	}
	for (; ((unsigned char)*text & 0xc0) == 0x80; text++)
		;
	if (*on)
		fputs("\033[0m", p->out);
}

void pen_putf(struct pen *p, enum pen_style style, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	pen_put(p, style, text);
}

void pen_next_row(struct pen *p)
{
	if (p->row < p->w->rows)
		fputs(p->row + 1 < p->w->rows ? "\033[K\r\n" : "\033[K",
		      p->out);
	p->row++;
	p->col = 0;
}

void pen_to(struct pen *p, unsigned col)
{
	while (p->col < col && p->col < p->w->cols)
		pen_put(p, PEN_PLAIN, " ");
}

/* --- values of the status -------------------------------------------------- */

const char *value_text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "?";
}

double value_number(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return json_is_number(v) ? json_number_value(v) : NAN;
}

double value_sum(json_t *o, const char *except)
{
	const char *key;
	json_t *v;
	double sum = 0;

	json_object_foreach(o, key,
			    v) if (json_is_number(v) && strcmp(key, except))
		sum += json_number_value(v);
	return sum;
}

json_t *value_peers(const struct watch *w)
{
	return json_object_get(w->status, "peers");
}

const char *value_duration(double s, char text[32])
{
	return report_duration((int64_t)(s * 1e9), text, 32);
}

const char *value_role(const char *state)
{
	return !strcmp(state, "MASTER")	  ? "MASTER"
	       : !strcmp(state, "BACKUP") ? "backup"
	       : !strcmp(state, "INIT")	  ? "init"
					  : "-";
}
