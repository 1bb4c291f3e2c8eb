// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The command events: what becomes history, a line each, as it happens. It
 * follows the history and adds nothing to it.
 *
 * Implements section 4 of the operator's manual: "N TIME KIND key=value ...",
 * or an object a line.
 *
 * Invariant: a follower misses no line, or is told how many.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "node.h"
#include "report.h"
#include "report_value.h"

#define FOLLOWERS_MAX 16 /* of 32 clients */

struct follower {
	struct follower *next;
	struct stats_client *client;
	bool json;
};

/* --- a line --------------------------------------------------------------- */

/* In quotes where there is more than a word. */
static void put_value(FILE *out, const char *key, const char *value)
{
	bool quote = !*value || strpbrk(value, " \t\"=");

	fprintf(out, " %s=%s", key, quote ? "\"" : "");
	for (const char *c = value; *c; c++) {
		if (*c == '"' || *c == '\\')
			fputc('\\', out);
		fputc(*c, out);
	}
	if (quote)
		fputc('"', out);
}

static const char *kind(const struct history_entry *h)
{
	return history_is_note(h) ? "note" : "transition";
}

static void put_line(struct node *n, const struct history_entry *h,
		     uint64_t number, FILE *out)
{
	char when[REPORT_TIME_SIZE];
	int vhid = report_vhid(n, h->vhost);

	fprintf(out, "%" PRIu64 " %s %s", number, report_time(n, h->at, when),
		kind(h));
	put_value(out, "node", n->engine->node);
	put_value(out, history_is_note(h) ? "about" : "carp", h->vhost);
	if (!history_is_note(h)) {
		if (vhid >= 0)
			fprintf(out, " vhid=%d", vhid);
		put_value(out, "from", carp_state_name(h->from));
		put_value(out, "to", carp_state_name(h->to));
	}
	put_value(out, history_is_note(h) ? "text" : "cause", h->cause);
	for (int i = 0; i < STEP_COUNT; i++)
		if (h->step_us[i] >= 0)
			fprintf(out, " %s_ms=%.1f",
				history_step_name((enum history_step)i),
				(double)h->step_us[i] / 1e3);
	fputc('\n', out);
}

static void put_json(struct node *n, const struct history_entry *h,
		     uint64_t number, FILE *out)
{
	json_t *o = report_history_entry(n, h);
	char *text;

	put(o, "schema", json_integer(1));
	put(o, "n", json_integer((json_int_t)number));
	put(o, "kind", json_string(kind(h)));
	put(o, "node", json_string(n->engine->node));
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	if (text)
		fprintf(out, "%s\n", text);
	free(text);
}

/* The newest `count` lines of history, the oldest of them first. */
static void tell(struct node *n, const struct follower *f, uint64_t count)
{
	const struct history *h = &n->engine->history;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return;
	if (count > h->count)
		count = h->count;
	if (count > HISTORY_MAX) {
		fprintf(out,
			f->json ? "{\"schema\":1,\"kind\":\"lost\","
				  "\"lines\":%" PRIu64 "}\n"
				: "lost %" PRIu64 "\n",
			count - HISTORY_MAX);
		count = HISTORY_MAX;
	}
	while (count-- > 0) {
		const struct history_entry *e = history_get(h, count);

		(f->json ? put_json : put_line)(n, e, h->count - count, out);
	}
	fclose(out);
	if (text)
		(void)statsock_write(f->client, text, len);
	free(text);
}

/* --- followers ------------------------------------------------------------ */

static void forget(void *arg, struct stats_client *c)
{
	struct node *n = arg;
	struct follower **p = &n->followers;

	while (*p && (*p)->client != c)
		p = &(*p)->next;
	if (*p) {
		struct follower *f = *p;

		*p = f->next;
		free(f);
	}
}

void commands_events(struct node *n, struct stats_client *c, int argc,
		     char **argv)
{
	struct follower *f;
	uint64_t before = 0;
	unsigned followers = 0;
	bool json = false;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "json"))
			json = true;
		else if (!strcmp(argv[i], "n") && i + 1 < argc)
			before = strtoull(argv[++i], NULL, 10);
	}
	for (f = n->followers; f; f = f->next)
		followers += !statsock_is_gone(f->client);
	f = followers < FOLLOWERS_MAX ? calloc(1, sizeof(*f)) : NULL;
	if (!f) {
		statsock_end(c, STATS_NO,
			     "16 follow the history, at most 16; end one of "
			     "them, or ask again and again: history json");
		return;
	}
	commands_events_settle(n); /* what this one does not follow */
	*f = (struct follower){ .next = n->followers,
				.client = c,
				.json = json };
	n->followers = f;
	statsock_on_close(c, forget, n);
	tell(n, f, before < HISTORY_MAX ? before : HISTORY_MAX);
}

void commands_events_settle(struct node *n)
{
	uint64_t fresh = n->engine->history.count - n->followed;

	n->followed = n->engine->history.count;
	for (struct follower *f = n->followers; fresh && f; f = f->next)
		tell(n, f, fresh);
}

void commands_events_close(struct node *n)
{
	while (n->followers) {
		struct follower *f = n->followers;

		n->followers = f->next;
		statsock_end(f->client, STATS_NO, "the daemon ends");
		free(f);
	}
}
