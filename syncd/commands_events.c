// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The command events: what becomes history, a line each, as it happens. It
 * follows the history and adds nothing to it.
 *
 * Implements section 4 of the operator's manual: "N TIME KIND key=value ...",
 * or an object a line; the last 4096 can be asked for.
 *
 * Invariant: a follower misses no line, or is told how many.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "node.h"
#include "report.h"
#include "report_value.h"

#define FOLLOWERS_MAX 16 /* of 32 clients */
#define EVENTS_MAX    4096
#define LINES_AT_ONCE 64 /* the next ones when these have been read */

/* What history had, and may have forgotten; the slot is number % MAX. */
struct event_kept {
	uint64_t number;
	struct history_entry entry;
};

struct follower {
	struct follower *next;
	struct stats_client *client;
	uint64_t number; /* that is told next */
	uint64_t left;	 /* lines, then it ends */
	bool json, unread;
};

struct node_events {
	struct event_kept *kept[EVENTS_MAX];
	uint64_t seen; /* lines of history */
	struct follower *followers;
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
		if (vhid)
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

static void put_lost(const struct follower *f, uint64_t lost, FILE *out)
{
	if (lost)
		fprintf(out,
			f->json ? "{\"schema\":1,\"kind\":\"lost\","
				  "\"lines\":%" PRIu64 "}\n"
				: "lost %" PRIu64 "\n",
			lost);
}

/* --- what was ------------------------------------------------------------- */

/* Again with each new line: the steps of a takeover come one by one. */
static void keep(struct node *n)
{
	const struct history *h = &n->engine->history;

	for (size_t i = 0; i < HISTORY_MAX && i < h->count; i++) {
		uint64_t number = h->count - i;
		struct event_kept **k =
			&n->events_told->kept[number % EVENTS_MAX];

		if (!*k)
			*k = calloc(1, sizeof(**k));
		if (*k)
			**k = (struct event_kept){ number, *history_get(h, i) };
	}
}

static const struct history_entry *find(const struct node *n, uint64_t number)
{
	const struct history *h = &n->engine->history;
	const struct event_kept *k = n->events_told->kept[number % EVENTS_MAX];

	if (h->count - number < HISTORY_MAX)
		return history_get(h, h->count - number);
	return k && k->number == number ? &k->entry : NULL;
}

/* --- followers ------------------------------------------------------------ */

static struct follower **place(struct node *n, const struct stats_client *c)
{
	struct follower **p = &n->events_told->followers;

	while (*p && (*p)->client != c)
		p = &(*p)->next;
	return p;
}

static void forget(void *arg, struct stats_client *c)
{
	struct follower **p = place(arg, c), *f = *p;

	if (f)
		*p = f->next;
	free(f);
}

static void end(struct node *n, struct stats_client *c,
		enum stats_verdict verdict, const char *sentence)
{
	forget(n, c);
	statsock_end(c, verdict, sentence);
}

static void print(struct node *n, struct follower *f, FILE *out)
{
	uint64_t lost = 0;

	for (int i = 0; i < LINES_AT_ONCE && f->left; f->number++) {
		const struct history_entry *e;

		if (f->number > n->engine->history.count)
			return;
		e = find(n, f->number);
		if (!e) {
			lost++;
			continue;
		}
		put_lost(f, lost, out);
		(f->json ? put_json : put_line)(n, e, f->number, out);
		lost = 0;
		f->left--;
		i++;
	}
}

/* The follower may be gone afterwards. */
static void tell(struct node *n, struct follower *f)
{
	struct stats_client *c = f->client;
	char *text = NULL;
	size_t len;
	FILE *out;
	int err;

	if (f->unread || f->number > n->engine->history.count)
		return;
	out = open_memstream(&text, &len);
	if (!out)
		return;
	print(n, f, out);
	fclose(out);
	f->unread = true;
	err = text ? statsock_write(c, text, len) : -ENOMEM;
	free(text);
	if (err || !f->left)
		end(n, c, err ? STATS_ERROR : STATS_OK,
		    err ? "not enough memory. free -m" : NULL);
}

static void on_room(void *arg, struct stats_client *c)
{
	struct node *n = arg;
	struct follower *f = *place(n, c);

	if (!f)
		return;
	f->unread = false;
	tell(n, f);
}

/* --- the command ------------------------------------------------------------ */

static bool read_number(const char *text, uint64_t *out)
{
	char *rest;

	if (!text || *text < '0' || *text > '9')
		return false;
	*out = strtoull(text, &rest, 10);
	return !*rest;
}

/* False: not words that it knows. */
static bool read_words(struct node *n, struct follower *f, int argc,
		       char **argv)
{
	uint64_t newest = n->engine->history.count, before;
	bool begins = false;

	f->number = newest + 1;
	f->left = UINT64_MAX;
	for (int i = 1; i < argc; i++) {
		const char *next = i + 1 < argc ? argv[i + 1] : NULL;

		if (!strcmp(argv[i], "json")) {
			f->json = true;
			continue;
		}
		i++;
		if (!strcmp(argv[i - 1], "limit")) {
			if (!read_number(next, &f->left) || !f->left)
				return false;
			continue;
		}
		if (begins)
			return false;
		begins = true;
		if (!strcmp(argv[i - 1], "n") && read_number(next, &before))
			f->number -= before < newest ? before : newest;
		else if (strcmp(argv[i - 1], "from") ||
			 !read_number(next, &f->number) || !f->number)
			return false;
	}
	return true;
}

static unsigned count_followers(const struct node *n)
{
	unsigned followers = 0;

	for (const struct follower *f = n->events_told->followers; f;
	     f = f->next)
		followers += !statsock_is_gone(f->client);
	return followers;
}

void commands_events(struct node *n, struct stats_client *c, int argc,
		     char **argv)
{
	uint64_t newest = n->engine->history.count;
	struct follower wanted = { .client = c }, *f;
	char sentence[192];

	if (!read_words(n, &wanted, argc, argv)) {
		statsock_end(c, STATS_ERROR,
			     "events takes json, n N or from N, and limit N");
		return;
	}
	if (wanted.number > newest + 1) {
		snprintf(sentence, sizeof(sentence),
			 "the newest event is %" PRIu64 ", they count from the "
			 "daemon's start; ask from %" PRIu64 " on",
			 newest, newest + 1);
		statsock_end(c, STATS_NO, sentence);
		return;
	}
	f = count_followers(n) < FOLLOWERS_MAX ? calloc(1, sizeof(*f)) : NULL;
	if (!f) {
		statsock_end(c, STATS_NO,
			     "16 follow the history, at most 16; end one of "
			     "them, or ask again and again: history json");
		return;
	}
	*f = wanted;
	f->next = n->events_told->followers;
	n->events_told->followers = f;
	statsock_on_close(c, forget, n);
	statsock_on_room(c, on_room, n);
	tell(n, f);
}

/* --- life --------------------------------------------------------------------- */

int commands_events_open(struct node *n)
{
	n->events_told = calloc(1, sizeof(*n->events_told));
	return n->events_told ? 0 : -ENOMEM;
}

void commands_events_settle(struct node *n)
{
	struct follower *next;

	if (!n->events_told || n->events_told->seen == n->engine->history.count)
		return;
	n->events_told->seen = n->engine->history.count;
	keep(n);
	for (struct follower *f = n->events_told->followers; f; f = next) {
		next = f->next;
		tell(n, f);
	}
}

void commands_events_anew(struct node *n)
{
	for (size_t i = 0; n->events_told && i < EVENTS_MAX; i++) {
		free(n->events_told->kept[i]);
		n->events_told->kept[i] = NULL;
	}
}

void commands_events_close(struct node *n)
{
	struct node_events *e = n->events_told;

	if (!e)
		return;
	while (e->followers)
		end(n, e->followers->client, STATS_NO,
		    "the daemon ends; again when it is back");
	commands_events_anew(n);
	free(e);
	n->events_told = NULL;
}
