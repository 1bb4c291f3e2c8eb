// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A client of the stats socket, from its line to the end of its answer. It
 * is not the commands, and it does not know who may come in.
 *
 * Implements THE SOCKET of statesync(8): one line then close, or, once a command
 * has asked for it, line after line.
 *
 * Invariant: a client costs at most its request line, STATSOCK_OUTPUT_MAX of
 * answer and a timer, and ends: by its own doing, or by a time limit in each
 * state but RUNNING, where the command is under way and the client is looked
 * at four times a second.
 */
#include "clock.h"
#include "statsock_int.h"

#include <errno.h>
#include <event2/buffer.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LINE_LIMIT_MS  10000
#define IDLE_LIMIT_MS  60000 /* of who is interactive */
#define DRAIN_LIMIT_MS 10000
#define TICK_MS	       250
#define BETWEEN_MS     50 /* commands of one request, or lines at once */

static int64_t now_ms(void)
{
	return clock_ns(CLOCK_MONOTONIC) / MONO_MS;
}

int statsock_split(char *line, size_t len, char **argv, size_t *used)
{
	bool word = false, quoted = false;
	size_t in, out = 0;
	int argc = 0;

	for (in = 0; in < len && (quoted || line[in] != ';'); in++) {
		const char c = line[in];
		const bool blank = c == ' ' || c == '\t';

		*used = len;
		if (((unsigned char)c < ' ' && c != '\t') || c == 0x7f)
			return -EINVAL;
		if (blank && !quoted) {
			if (word)
				line[out++] = '\0';
			word = false;
			continue;
		}
		if (!word) {
			if (argc == STATSOCK_ARGS_MAX)
				return -E2BIG;
			argv[argc++] = line + out;
			word = true;
		}
		if (c == '"')
			quoted = !quoted;
		else
			line[out++] = c;
	}
	*used = in < len ? in + 1 : len;
	if (quoted)
		return -EINVAL;
	if (word)
		line[out] = '\0';
	return argc;
}

static size_t unread(const struct stats_client *c)
{
	return evbuffer_get_length(bufferevent_get_output(c->bev));
}

int statsock_write(struct stats_client *c, const char *data, size_t len)
{
	while (len) {
		const char *end = memchr(data, '\n', len);
		size_t n = end ? (size_t)(end - data) + 1 : len;

		if (c->overflow || unread(c) + n + 1 > STATSOCK_OUTPUT_MAX) {
			c->overflow = true;
			return -ENOBUFS;
		}
		if (*data == '\n' && !c->in_line)
			bufferevent_write(c->bev, " ", 1);
		bufferevent_write(c->bev, data, n);
		c->in_line = !end;
		data += n;
		len -= n;
	}
	return 0;
}

int statsock_printf(struct stats_client *c, const char *fmt, ...)
{
	va_list ap;
	char *text;
	int n, rc;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		c->overflow = true;
		return -ENOBUFS;
	}
	rc = statsock_write(c, text, (size_t)n);
	free(text);
	return rc;
}

/* The status line and the empty line: always there is room for them. */
static void put_status(struct stats_client *c, enum stats_verdict verdict,
		       const char *sentence)
{
	static const char *const words[] = { "ok", "no", "error" };
	struct evbuffer *out = bufferevent_get_output(c->bev);

	if (c->in_line)
		evbuffer_add(out, "\n", 1);
	if (verdict == STATS_OK || !sentence)
		evbuffer_add_printf(out, "%s\n\n", words[verdict]);
	else
		evbuffer_add_printf(out, "%s: %s\n\n", words[verdict],
				    sentence);
	c->in_line = false;
}

static void pause_between(struct stats_client *c)
{
	const struct timeval between = { .tv_usec = BETWEEN_MS * 1000 };

	event_add(c->timer, &between);
}

void statsock_end(struct stats_client *c, enum stats_verdict verdict,
		  const char *sentence)
{
	if (c->overflow)
		put_status(c, STATS_ERROR,
			   "the answer is longer than 262144 bytes; read it "
			   "faster, or ask for less");
	else
		put_status(c, verdict, sentence);
	c->overflow = false;
	c->on_close = c->on_room = NULL;
	c->state = CLIENT_NEXT;
	/* the next one of a row waits: who asks without end harms nobody */
	if (c->line_used < c->line_len)
		pause_between(c);
	else
		event_active(c->timer, EV_TIMEOUT, 0);
}

void statsock_on_close(struct stats_client *c, statsock_close_fn *fn, void *ctx)
{
	c->on_close = fn;
	c->on_close_ctx = ctx;
}

void statsock_on_room(struct stats_client *c, statsock_close_fn *fn, void *ctx)
{
	c->on_room = fn;
	c->on_room_ctx = ctx;
}

void statsock_prompt(struct stats_client *c, statsock_prompt_fn *fn, void *ctx)
{
	c->interactive = true;
	c->prompt = fn;
	c->prompt_ctx = ctx;
}

void statsock_quit(struct stats_client *c)
{
	c->interactive = false;
}

uid_t statsock_client_uid(const struct stats_client *c)
{
	return c->uid;
}

bool statsock_client_may_change(const struct stats_client *c)
{
	return c->may_change;
}

void stats_client_discard(int fd)
{
	char waste[4096];

	for (int i = 0; i < 16; i++)
		if (recv(fd, waste, sizeof(waste), MSG_DONTWAIT) <= 0)
			return;
}

void stats_client_free(struct stats_client *c)
{
	struct stats_client **p = &c->ss->clients;

	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	c->ss->num_clients--;
	if (c->state == CLIENT_RUNNING && c->on_close)
		c->on_close(c->on_close_ctx, c);
	stats_client_discard(bufferevent_getfd(c->bev));
	bufferevent_free(c->bev);
	event_free(c->timer);
	free(c);
}

/* Over before its answer was complete. */
static void client_drop(struct stats_client *c, enum statsock_counter why)
{
	c->ss->counts[why]++;
	stats_client_free(c);
}

static bool has_input(const struct stats_client *c)
{
	return evbuffer_get_length(bufferevent_get_input(c->bev));
}

/* The next line is read when all answers were: so they do not pile up. */
static void await_line(struct stats_client *c)
{
	if (unread(c))
		return; /* on_written() */
	if (has_input(c))
		pause_between(c);
	else
		bufferevent_enable(c->bev, EV_READ);
}

/* The line is done: who is interactive may send another one, others go. */
static void line_ends(struct stats_client *c)
{
	char text[STATSOCK_PROMPT_MAX] = "";

	c->line_used = c->line_len = 0;
	c->state = c->interactive ? CLIENT_READING : CLIENT_ENDING;
	if (!c->interactive)
		return;
	c->since_ms = now_ms();
	if (c->prompt)
		c->prompt(c->prompt_ctx, text, sizeof(text));
	bufferevent_write(c->bev, text, strlen(text));
	await_line(c);
}

/* Refuses the whole request; the client then reads that and goes. */
static void refuse(struct stats_client *c, enum statsock_counter why,
		   const char *sentence)
{
	c->ss->counts[why]++;
	put_status(c, STATS_ERROR, sentence);
	c->interactive = false;
	line_ends(c);
	bufferevent_disable(c->bev, EV_READ);
}

/* The same of what a person may have mistyped, who then may try again. */
static void refuse_line(struct stats_client *c, const char *sentence)
{
	c->ss->counts[STATSOCK_GARBAGE]++;
	put_status(c, STATS_ERROR, sentence);
	line_ends(c);
}

static void run_next(struct stats_client *c)
{
	char *argv[STATSOCK_ARGS_MAX];
	size_t used = 0;
	int argc = 0;

	while (!argc && c->line_used < c->line_len) {
		argc = statsock_split(c->line + c->line_used,
				      c->line_len - c->line_used, argv, &used);
		c->line_used += used;
	}
	if (argc > 0) {
		c->state = CLIENT_RUNNING;
		c->ss->handler(c->ss->arg, c, argc, argv);
	} else if (argc < 0) {
		refuse_line(c, argc == -E2BIG
				       ? "a command has more than 32 words; "
					 "make several of it, with ; between"
				       : "the request holds a control byte or "
					 "an open quote; send words: help");
	} else {
		line_ends(c);
	}
}

/* used: its bytes of the input, with the newline. */
static void take_line(struct stats_client *c, size_t len, size_t used)
{
	bufferevent_disable(c->bev, EV_READ);
	evbuffer_drain(bufferevent_get_input(c->bev), used);
	if (len && c->line[len - 1] == '\r')
		len--;
	if (len > STATSOCK_LINE_MAX) {
		refuse(c, STATSOCK_GARBAGE,
		       "the request is longer than 1024 bytes; send several "
		       "lines, each on a connection or after prompt");
		return;
	}
	c->line[len] = '\0';
	c->line_len = len;
	if (strspn(c->line, " \t;") == len && c->interactive) {
		line_ends(c);
		return;
	}
	if (strspn(c->line, " \t;") == len) {
		refuse(c, STATSOCK_GARBAGE,
		       "the request is empty; send words: help");
		return;
	}
	c->state = CLIENT_NEXT;
	run_next(c);
}

/* It says no more: the rest of what it was told is still read. */
static void end_when_read(struct stats_client *c)
{
	c->interactive = false;
	c->state = CLIENT_ENDING;
	if (!unread(c))
		stats_client_free(c);
}

/* With `eof` a line without its newline counts as one; else the client may be
 * gone afterwards. */
static void look_for_line(struct stats_client *c, bool eof)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	ev_ssize_t len = evbuffer_copyout(in, c->line, sizeof(c->line));
	const char *end = len > 0 ? memchr(c->line, '\n', len) : NULL;

	if (end)
		take_line(c, (size_t)(end - c->line),
			  (size_t)(end - c->line) + 1);
	else if (len > STATSOCK_LINE_MAX || (eof && len > 0))
		take_line(c, (size_t)len, (size_t)len);
	else if (eof && c->interactive)
		end_when_read(c);
	else if (eof)
		client_drop(c, STATSOCK_VANISHED);
	else
		bufferevent_enable(c->bev, EV_READ);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct stats_client *c = arg;

	(void)bev;
	if (c->state == CLIENT_READING)
		look_for_line(c, false);
}

static void on_written(struct bufferevent *bev, void *arg)
{
	struct stats_client *c = arg;

	(void)bev;
	if (c->state == CLIENT_ENDING && !unread(c))
		stats_client_free(c);
	else if (c->state == CLIENT_RUNNING && c->on_room && !unread(c))
		c->on_room(c->on_room_ctx, c);
	else if (c->state == CLIENT_READING && c->interactive)
		await_line(c);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct stats_client *c = arg;

	(void)bev;
	if (c->state == CLIENT_READING && (what & BEV_EVENT_EOF))
		look_for_line(c, true);
	else
		client_drop(c, STATSOCK_VANISHED);
}

/* Both directions shut: not just the end of its requests. */
bool statsock_is_gone(const struct stats_client *c)
{
	struct pollfd p = { .fd = bufferevent_getfd(c->bev) };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR));
}

static void arm_tick(struct stats_client *c)
{
	const struct timeval tv = { .tv_usec = TICK_MS * 1000 };

	event_add(c->timer, &tv);
}

/* True when the client is gone. */
static bool check_limits(struct stats_client *c)
{
	const int64_t now = now_ms();
	const int64_t limit = c->interactive ? IDLE_LIMIT_MS : LINE_LIMIT_MS;

	if (c->state == CLIENT_READING && now - c->since_ms >= limit) {
		refuse(c, STATSOCK_TIMEOUT,
		       c->interactive ? "no request within 60 s; connect again"
				      : "no request within 10 s; connect "
					"again");
		return false;
	}
	if (statsock_is_gone(c)) {
		client_drop(c, STATSOCK_VANISHED);
		return true;
	}
	if (!unread(c)) {
		c->unread_ms = 0;
	} else if (!c->unread_ms) {
		c->unread_ms = now;
	} else if (now - c->unread_ms >= DRAIN_LIMIT_MS) {
		client_drop(c, STATSOCK_STUCK);
		return true;
	}
	return false;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct stats_client *c = arg;

	(void)fd, (void)what;
	arm_tick(c);
	if (check_limits(c))
		return;
	if (c->state == CLIENT_NEXT)
		run_next(c);
	else if (c->state == CLIENT_READING && c->interactive && has_input(c) &&
		 !unread(c))
		look_for_line(c, false);
	if (c->state == CLIENT_ENDING && !unread(c))
		stats_client_free(c);
}

struct stats_client *stats_client_new(struct statsock *ss, int fd)
{
	struct stats_client *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->ss = ss;
	c->timer = statsock_event(ss, -1, 0, on_tick, c);
	c->bev = bufferevent_socket_new(ss->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!c->timer || !c->bev) {
		if (c->timer)
			event_free(c->timer);
		if (c->bev)
			bufferevent_free(c->bev);
		else
			close(fd);
		free(c);
		return NULL;
	}
	c->since_ms = now_ms();
	c->next = ss->clients;
	ss->clients = c;
	ss->num_clients++;
	bufferevent_priority_set(c->bev,
				 event_base_get_npriorities(ss->base) - 1);
	bufferevent_setwatermark(c->bev, EV_READ, 0, sizeof(c->line));
	bufferevent_setcb(c->bev, on_read, on_written, on_event, c);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	arm_tick(c);
	return c;
}
