// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The screen of watch below its plots: each peer, sums, and the history or
 * what a command has said.
 *
 * Implements the command watch of statesync(8).
 *
 * Invariant: the last row of the terminal is left free.
 */
#include "statesync_pen.h"

#include <math.h>
#include <string.h>
#include <time.h>

static void put_bulk(struct pen *p, json_t *peer)
{
	json_t *bulk = json_object_get(peer, "bulk");
	json_t *audit = json_object_get(peer, "audit");
	const char *state = value_text(bulk, "state");
	double age = value_number(audit, "age_s");
	double off = value_number(audit, "missing") +
		     value_number(audit, "extra") +
		     value_number(audit, "differing");
	char text[32];

	pen_putf(p, PEN_PLAIN, "%-8.32s %s, ", value_text(peer, "name"),
		 value_text(peer, "state"));
	if (!strcmp(state, "running"))
		pen_putf(p, PEN_WARN, "bulk %.0f of %.0f",
			 value_number(bulk, "entries"),
			 value_number(bulk, "total"));
	else if (!strcmp(state, "done"))
		pen_putf(p, PEN_PLAIN, "bulk %.0f in %.2f s",
			 value_number(bulk, "entries"),
			 value_number(bulk, "seconds"));
	else if (!strcmp(state, "failed"))
		pen_putf(p, PEN_BAD, "bulk failed: %s",
			 value_text(bulk, "error"));
	else
		pen_put(p, PEN_PLAIN, "no bulk received");
	if (p->col < 46)
		pen_to(p, 46);
	else
		pen_put(p, PEN_PLAIN, "   ");
	if (isnan(age))
		pen_put(p, PEN_PLAIN, "not compared yet");
	else if (off > 0)
		pen_putf(p, PEN_BAD, "compared %s ago: %.0f off",
			 value_duration(age, text), off);
	else
		pen_putf(p, PEN_PLAIN, "compared %s ago: equal",
			 value_duration(age, text));
	pen_next_row(p);
}

static void put_sums(struct pen *p)
{
	json_t *status = p->w->status, *o;
	json_t *flows = json_object_get(status, "flows");
	double adverts = 0, out = 0, in = 0;
	char sent[16], got[16], text[16];
	size_t i;

	json_array_foreach(json_object_get(status, "carp"), i, o) adverts +=
		value_sum(json_object_get(o, "counters"), "accepted");
	json_array_foreach(value_peers(p->w), i, o)
	{
		out += value_number(o, "bytes_sent");
		in += value_number(o, "bytes_received");
	}
	pen_putf(p, PEN_PLAIN, "refused  %.0f adverts, %.0f flows", adverts,
		 value_sum(json_object_get(flows, "failed"), ""));
	pen_to(p, 46);
	pen_putf(p, PEN_PLAIN, "link %sB out, %sB in",
		 plot_number(out, true, sent, sizeof(sent)),
		 plot_number(in, true, got, sizeof(got)));
	pen_next_row(p);
	pen_putf(p, PEN_PLAIN, "table    %.0f of %s",
		 value_number(flows, "kernel"),
		 plot_number(value_number(flows, "max"), true, text,
			     sizeof(text)));
	pen_to(p, 46);
	pen_putf(p, PEN_PLAIN, "events lost %.0f times",
		 value_number(flows, "overruns"));
	pen_next_row(p);
}

/* "2026-11-22T14:02:10.123Z" as a time of the day here. */
static const char *local_clock(const char *at, char text[16])
{
	struct tm tm = { 0 };
	time_t t;

	if (!strptime(at, "%Y-%m-%dT%H:%M:%S", &tm))
		return "?";
	t = timegm(&tm);
	strftime(text, 16, "%H:%M:%S", localtime(&t));
	return text;
}

static void put_history_entry(struct pen *p, json_t *h)
{
	json_t *steps = json_object_get(h, "steps"), *v;
	char clock[16];
	const char *key;

	pen_putf(p, PEN_DIM, "%s  ", local_clock(value_text(h, "at"), clock));
	pen_putf(p, PEN_PLAIN, "%-4s ", value_text(h, "name"));
	if (json_is_string(json_object_get(h, "to"))) {
		pen_putf(p, PEN_PLAIN, "%-6s -> ",
			 value_role(value_text(h, "from")));
		pen_putf(p, PEN_PLAIN, "%-6s  ",
			 value_role(value_text(h, "to")));
	}
	pen_put(p, PEN_PLAIN, value_text(h, "cause"));
	if (json_object_size(steps)) {
		pen_put(p, PEN_DIM, "  ");
		json_object_foreach(steps, key, v) pen_putf(
			p, PEN_DIM, " %s %.1f", key, json_number_value(v));
		pen_putf(p, PEN_DIM, " = %.1f ms", value_sum(steps, ""));
	}
	pen_next_row(p);
}

/* The answer of a command, or the history. */
static void put_lower(struct pen *p)
{
	const struct watch *w = p->w;
	json_t *h;
	size_t i;

	if (*w->title) {
		pen_put(p, PEN_WARN, w->title);
		pen_next_row(p);
		for (unsigned k = 0; k < w->nlines && p->row + 1 < w->rows;
		     k++) {
			pen_put(p, PEN_PLAIN, w->lines[k]);
			pen_next_row(p);
		}
		return;
	}
	json_array_foreach(json_object_get(w->status, "history"), i, h)
	{
		if (p->row + 2 >= w->rows)
			break;
		put_history_entry(p, h);
	}
}

void screen_low(struct pen *p)
{
	json_t *peer;
	size_t i;

	json_array_foreach(value_peers(p->w), i, peer) put_bulk(p, peer);
	put_sums(p);
	pen_next_row(p);
	put_lower(p);
}
