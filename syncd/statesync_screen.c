// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What stands on the screen of watch, from the verdict to the plots. It knows
 * the keys of the status and nothing of terminals.
 *
 * Implements the command watch of statesync(8); the verdict is the daemon's.
 *
 * Invariant: what is missing in the status is ? or -, never 0.
 */
#include "statesync_pen.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LABEL_COLUMNS 15 /* "flows/s    212 " */
#define MAX_COLUMNS   5
#define HISTORY_LEAST 3

void screen_sample(struct watch *w)
{
	json_t *flows = json_object_get(w->status, "flows"), *peer;
	double uptime = value_number(w->status, "uptime_s");
	double changes =
		value_number(flows, "sent") + value_number(flows, "received");
	double lag = 0, queue = 0, rate = NAN;
	size_t i;

	json_array_foreach(value_peers(w), i, peer)
	{
		lag = fmax(lag, value_number(peer, "lag_ms"));
		queue += value_number(peer, "queue");
	}
	if (uptime > w->uptime && changes >= w->changes && w->uptime > 0)
		rate = (changes - w->changes) / (uptime - w->uptime);
	w->uptime = uptime;
	w->changes = changes;
	plot_add(&w->plots[PLOT_FLOWS], rate);
	plot_add(&w->plots[PLOT_LAG], lag);
	plot_add(&w->plots[PLOT_QUEUE], queue / 1e3);
	plot_add(&w->plots[PLOT_TABLE], 100 * value_number(flows, "kernel") /
						value_number(flows, "max"));
}

/* --- from the top ----------------------------------------------------------------- */

static void put_verdict(struct pen *p)
{
	const struct watch *w = p->w;
	json_t *verdict = json_object_get(w->status, "verdict"), *line;
	bool good = json_is_true(json_object_get(verdict, "good"));
	bool holds = json_is_object(json_object_get(w->status, "hold"));
	time_t now = time(NULL);
	char clock[16], age[32];
	size_t i;

	strftime(clock, sizeof(clock), "%H:%M:%S", localtime(&now));
	if (w->silent_s > 0)
		pen_putf(p, PEN_BAD,
			 "No answer from the daemon of %s for %s. systemctl "
			 "status statesyncd",
			 value_text(w->status, "node"),
			 value_duration(w->silent_s, age));
	else
		pen_put(p,
			good	? PEN_GOOD
			: holds ? PEN_WARN
				: PEN_BAD,
			value_text(verdict, "sentence"));
	if (p->col + 10 <= w->cols) {
		pen_to(p, w->cols - 8);
		pen_put(p, PEN_DIM, clock);
	}
	pen_next_row(p);
	json_array_foreach(json_object_get(verdict, "more"), i, line)
	{
		pen_putf(p, PEN_PLAIN, "  %s", json_string_value(line));
		pen_next_row(p);
	}
	pen_next_row(p);
}

/* An entry of the list of roles: on the next row where it does not fit. */
static void put_entry(struct pen *p, const char *name, const char *values,
		      enum pen_style style)
{
	unsigned need = (unsigned)(strlen(name) + 1 + strlen(values));

	if (p->col && p->col + 3 + need > p->w->cols)
		pen_next_row(p);
	else if (p->col)
		pen_put(p, PEN_PLAIN, "   ");
	pen_putf(p, PEN_DIM, "%s ", name);
	pen_put(p, style, values);
}

/* " | MASTER": of a peer, with a question mark where it is old. */
static void add_peer(char *text, size_t size, const json_t *peer,
		     const char *value)
{
	const char *state = value_text(peer, "state");
	bool old = strcmp(state, "live") && strcmp(state, "bulk");
	size_t used = strlen(text);

	snprintf(text + used, size - used, " | %s%s", value,
		 old && *value != '-' ? "?" : "");
}

static const char *yes(const json_t *v)
{
	return json_is_true(v) ? "yes" : json_is_false(v) ? "no" : "-";
}

static void put_vhost(struct pen *p, const json_t *vhost)
{
	const char *name = value_text(vhost, "name"), *state;
	json_t *peer;
	unsigned masters;
	char text[256];
	size_t i;

	state = value_text(vhost, "state");
	masters = !strcmp(state, "MASTER");
	snprintf(text, sizeof(text), "%s", value_role(state));
	json_array_foreach(value_peers(p->w), i, peer)
	{
		state = value_text(json_object_get(peer, "carp"), name);
		masters += !strcmp(state, "MASTER");
		add_peer(text, sizeof(text), peer, value_role(state));
	}
	put_entry(p, name, text, masters == 1 ? PEN_PLAIN : PEN_BAD);
}

static void put_roles(struct pen *p)
{
	json_t *status = p->w->status, *o;
	char names[256], ready[128], demotion[128];
	size_t i;

	snprintf(names, sizeof(names), "%s", value_text(status, "node"));
	snprintf(ready, sizeof(ready), "%s",
		 yes(json_object_get(status, "ready")));
	snprintf(demotion, sizeof(demotion), "%.0f",
		 value_number(json_object_get(status, "demotion"), "total"));
	json_array_foreach(value_peers(p->w), i, o)
	{
		char number[16] = "-";

		if (json_is_number(json_object_get(o, "demotion")))
			snprintf(number, sizeof(number), "%.0f",
				 value_number(o, "demotion"));
		snprintf(names + strlen(names), sizeof(names) - strlen(names),
			 " | %s", value_text(o, "name"));
		add_peer(ready, sizeof(ready), o,
			 yes(json_object_get(o, "ready")));
		add_peer(demotion, sizeof(demotion), o, number);
	}
	put_entry(p, "nodes", names, PEN_PLAIN);
	json_array_foreach(json_object_get(status, "carp"), i, o)
		put_vhost(p, o);
	put_entry(p, "ready", ready, PEN_PLAIN);
	put_entry(p, "demotion", demotion, PEN_PLAIN);
	pen_next_row(p);
	pen_next_row(p);
}

/* --- the plots -------------------------------------------------------------------- */

static const struct {
	const char *name;
	double least; /* at the top of the plot */
	bool whole;
} plots[PLOTS] = {
	[PLOT_FLOWS] = { "flows/s", 10, true },
	[PLOT_LAG] = { "lag ms", 1, false },
	[PLOT_QUEUE] = { "queue kB", 1, false },
	[PLOT_TABLE] = { "table %", 100, false },
};

static void put_plot(struct pen *p, unsigned which, unsigned width,
		     unsigned height)
{
	const struct plot *plot = &p->w->plots[which];
	double max = plot_max(plot, width, 0);
	char text[16], *row;
	size_t len;

	for (unsigned i = 0; i < height; i++) {
		FILE *out = open_memstream(&row, &len);

		if (!out)
			return;
		plot_row(plot, width, i, height, fmax(max, plots[which].least),
			 p->w->ascii, out);
		fclose(out);
		if (!i)
			pen_putf(p, PEN_PLAIN, "%-8s%6s ", plots[which].name,
				 plot_number(plot_last(plot),
					     plots[which].whole, text,
					     sizeof(text)));
		pen_to(p, LABEL_COLUMNS);
		pen_put(p, PEN_PLAIN, row);
		free(row);
		if (!i)
			pen_putf(p, PEN_DIM, "%*s", MAX_COLUMNS,
				 plot_number(max, plots[which].whole, text,
					     sizeof(text)));
		pen_next_row(p);
	}
	if (height > 1)
		pen_next_row(p);
}

/* Rows of each plot, so that some of the history is left. */
static unsigned plot_height(const struct pen *p)
{
	unsigned left = p->w->rows - p->row;

	for (unsigned h = 4; h > 1; h--)
		if (left > PLOTS * (h + 1) + 9 + HISTORY_LEAST)
			return h;
	return 1;
}

static void put_plots(struct pen *p)
{
	unsigned cols = p->w->cols, width, height = plot_height(p);
	char ago[32];

	if (cols < LABEL_COLUMNS + MAX_COLUMNS + 10)
		return;
	width = cols - LABEL_COLUMNS - MAX_COLUMNS;
	if (width > PLOT_SAMPLES)
		width = PLOT_SAMPLES;
	for (unsigned i = 0; i < PLOTS; i++)
		put_plot(p, i, width, height);
	pen_to(p, LABEL_COLUMNS);
	pen_putf(p, PEN_DIM, "%s ago", value_duration(width, ago));
	pen_to(p, LABEL_COLUMNS + width - 3);
	pen_putf(p, PEN_DIM, "now%*s", MAX_COLUMNS, "max");
	pen_next_row(p);
	pen_next_row(p);
}

void screen_draw(const struct watch *w, FILE *out)
{
	struct pen p = { .w = w, .out = out };

	fputs("\033[H", out);
	put_verdict(&p);
	put_roles(&p);
	put_plots(&p);
	screen_low(&p);
	while (p.row + 1 < w->rows)
		pen_next_row(&p);
	if (*w->question)
		pen_put(&p, PEN_WARN, w->question);
	else
		pen_putf(&p, PEN_DIM,
			 "q quit  h handover  b bulk  v verify  p %s  ? help",
			 w->paused ? "go on (PAUSED)" : "pause");
	fputs("\033[K\033[J", out);
}
