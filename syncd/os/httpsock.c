// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Looking at the node with a browser or a scraper. Not libevent's evhttp: that
 * of 2.1 limits neither how many connections there are nor how long one takes,
 * and those here share the process of the election.
 *
 * Implements what RFC 9112 asks of a server that ends every connection after
 * its first answer.
 *
 * Invariant: a client is gone HTTPSOCK_TIME_S after it came.
 */
#include "httpsock.h"
#include "log.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* Of what comes behind a request; who has more to say is cut off. */
#define WASTE_MAX (256 * 1024)

struct client {
	struct httpsock *hs;
	struct client *next;
	struct bufferevent *bev;
	struct event *timer;
	bool answered; /* what comes now is thrown away */
	size_t wasted; /* bytes of it */
};

struct httpsock {
	struct event_base *base;
	struct evconnlistener *listener;
	struct event *pause; /* accept failed */
	time_t said;	     /* that it did */
	httpsock_handler_fn *handler;
	void *arg;
	struct client *clients;
	unsigned int num_clients;
	uint64_t counts[HTTPSOCK_ENDS];
};

static const struct {
	const char *code, *reason;
} ends[HTTPSOCK_ENDS] = {
	[HTTPSOCK_OK] = { "200", "OK" },
	[HTTPSOCK_BAD] = { "400", "Bad Request" },
	[HTTPSOCK_NOT_FOUND] = { "404", "Not Found" },
	[HTTPSOCK_METHOD] = { "405", "Method Not Allowed" },
	[HTTPSOCK_SLOW] = { "408", "Request Timeout" },
	[HTTPSOCK_MISDIRECTED] = { "421", "Misdirected Request" },
	[HTTPSOCK_LARGE] = { "431", "Request Header Fields Too Large" },
	[HTTPSOCK_UNAVAILABLE] = { "503", "Service Unavailable" },
};

const char *httpsock_code(enum httpsock_end end)
{
	return ends[end].code;
}

uint64_t httpsock_count(const struct httpsock *hs, enum httpsock_end end)
{
	return hs->counts[end];
}

bool httpsock_address(const char *text, struct sockaddr_storage *address,
		      socklen_t *len)
{
	int size = sizeof(*address);

	memset(address, 0, sizeof(*address));
	if (evutil_parse_sockaddr_port(text, (struct sockaddr *)address, &size))
		return false;
	*len = (socklen_t)size;
	return address->ss_family == AF_INET6
		       ? ((struct sockaddr_in6 *)address)->sin6_port
		       : ((struct sockaddr_in *)address)->sin_port;
}

/* --- the request ------------------------------------------------------------ */

/* Bytes up to the end of the empty line; 0: it is not there yet. */
static size_t head_length(const char *head, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		size_t left = len - i - 1;

		if (head[i] != '\n')
			continue;
		if (left >= 1 && head[i + 1] == '\n')
			return i + 2;
		if (left >= 2 && head[i + 1] == '\r' && head[i + 2] == '\n')
			return i + 3;
	}
	return 0;
}

/* Of the lines behind the first, which ends here. */
static const char *host_of(char *line)
{
	while ((line = strchr(line, '\n'))) {
		if (strncasecmp(++line, "host:", 5))
			continue;
		line += 5;
		line += strspn(line, " \t");
		line[strcspn(line, " \t\r\n")] = '\0';
		return line;
	}
	return "";
}

bool httpsock_host_is(const char *host, const char *name)
{
	const char *const names[] = { "localhost", name };
	struct sockaddr_storage address;
	int size = sizeof(address);
	size_t len = strcspn(host, ":");

	if (!*host || !evutil_parse_sockaddr_port(
			      host, (struct sockaddr *)&address, &size))
		return true;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == len &&
		    !strncasecmp(host, names[i], len))
			return true;
	return false;
}

enum httpsock_end httpsock_parse(char *head, size_t len,
				 struct httpsock_request *r)
{
	size_t n = head_length(head, len);
	char *end, *target;

	if (!n)
		return len > HTTPSOCK_HEAD_MAX ? HTTPSOCK_LARGE : HTTPSOCK_ENDS;
	if (n > HTTPSOCK_HEAD_MAX)
		return HTTPSOCK_LARGE;
	head[n - 1] = '\0';
	end = strchr(head, '\n');
	if (!end || strlen(head) != n - 1)
		return HTTPSOCK_BAD;
	r->host = host_of(end);
	*end = '\0';
	target = strchr(head, ' ');
	if (!target)
		return HTTPSOCK_BAD;
	*target++ = '\0';
	end = strchr(target, ' ');
	if (*target != '/' || !end || strncmp(end + 1, "HTTP/1.", 7))
		return HTTPSOCK_BAD;
	*end = '\0';
	target[strcspn(target, "?#")] = '\0';
	r->path = target;
	r->body = !strcmp(head, "GET");
	return r->body || !strcmp(head, "HEAD") ? HTTPSOCK_OK : HTTPSOCK_METHOD;
}

/* --- a client ----------------------------------------------------------------- */

static void client_free(struct client *c)
{
	struct client **p = &c->hs->clients;

	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	if (--c->hs->num_clients < HTTPSOCK_CLIENTS_MAX)
		evconnlistener_enable(c->hs->listener);
	bufferevent_free(c->bev);
	event_free(c->timer);
	free(c);
}

static void on_body_sent(const void *data, size_t len, void *body)
{
	(void)data, (void)len;
	free(body);
}

static void answer(struct client *c, const struct httpsock_page *page,
		   bool body)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);

	c->answered = true;
	c->hs->counts[page->end]++;
	evbuffer_add_printf(
		out,
		"HTTP/1.1 %s %s\r\n"
		"Content-Type: %s\r\n"
		"Content-Length: %zu\r\n"
		"Connection: close\r\n"
		"Cache-Control: no-store\r\n"
		"X-Content-Type-Options: nosniff\r\n"
		"%s%s\r\n",
		ends[page->end].code, ends[page->end].reason, page->type,
		page->len,
		page->end == HTTPSOCK_METHOD ? "Allow: GET, HEAD\r\n" : "",
		page->headers ? page->headers : "");
	if (!body || evbuffer_add_reference(out, page->body, page->len,
					    on_body_sent, page->body))
		free(page->body);
	bufferevent_enable(c->bev, EV_WRITE);
}

/* A refusal is its own page. */
static void refuse(struct client *c, enum httpsock_end end)
{
	struct httpsock_page page = { .end = end, .type = "text/plain" };

	page.body = strdup(ends[end].reason);
	page.len = page.body ? strlen(page.body) : 0;
	answer(c, &page, page.body);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(bev);
	size_t len = evbuffer_get_length(in);
	struct httpsock_page page = { 0 };
	struct client *c = arg;
	struct httpsock_request r;
	enum httpsock_end end;

	if (c->answered) {
		c->wasted += len;
	} else {
		end = httpsock_parse((char *)evbuffer_pullup(in, -1), len, &r);
		if (end == HTTPSOCK_ENDS)
			return;
		if (end == HTTPSOCK_OK)
			c->hs->handler(c->hs->arg, &r, &page);
		if (end == HTTPSOCK_OK && page.body)
			answer(c, &page, r.body);
		else
			refuse(c,
			       end == HTTPSOCK_OK ? HTTPSOCK_UNAVAILABLE : end);
	}
	evbuffer_drain(in, len);
	if (c->wasted > WASTE_MAX)
		client_free(c);
}

/* All is with the kernel. Whoever closes now, with bytes unread, would take it
 * away again. */
static void on_written(struct bufferevent *bev, void *arg)
{
	struct client *c = arg;

	if (c->answered)
		shutdown(bufferevent_getfd(bev), SHUT_WR);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	(void)what;
	client_free(arg);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct client *c = arg;
	struct evbuffer *out = bufferevent_get_output(c->bev);

	(void)fd;
	(void)what;
	/* one that was answered, read it all and only stays is no matter */
	if (!c->answered || evbuffer_get_length(out))
		c->hs->counts[HTTPSOCK_SLOW]++;
	client_free(c);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd,
		      struct sockaddr *sa, int len, void *arg)
{
	const struct timeval limit = { .tv_sec = HTTPSOCK_TIME_S };
	struct httpsock *hs = arg;
	struct client *c = calloc(1, sizeof(*c));

	(void)sa, (void)len;
	if (!c) {
		close(fd);
		return;
	}
	c->hs = hs;
	c->bev = bufferevent_socket_new(hs->base, fd, BEV_OPT_CLOSE_ON_FREE);
	c->timer = event_new(hs->base, -1, 0, on_timer, c);
	if (!c->bev || !c->timer) {
		if (c->timer)
			event_free(c->timer);
		if (c->bev)
			bufferevent_free(c->bev);
		else
			close(fd);
		free(c);
		return;
	}
	/* Looking at things is never as urgent as doing them. */
	bufferevent_priority_set(c->bev,
				 event_base_get_npriorities(hs->base) - 1);
	bufferevent_setcb(c->bev, on_read, on_written, on_event, c);
	bufferevent_setwatermark(c->bev, EV_READ, 0, HTTPSOCK_HEAD_MAX + 1);
	c->next = hs->clients;
	hs->clients = c;
	if (++hs->num_clients >= HTTPSOCK_CLIENTS_MAX)
		evconnlistener_disable(listener);
	event_add(c->timer, &limit);
	bufferevent_enable(c->bev, EV_READ);
}

/* --- life ------------------------------------------------------------------------ */

static void on_pause(evutil_socket_t fd, short what, void *arg)
{
	struct httpsock *hs = arg;

	(void)fd, (void)what;
	if (hs->num_clients < HTTPSOCK_CLIENTS_MAX)
		evconnlistener_enable(hs->listener);
}

/* No descriptor is left, or no memory: not again at once. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
	const struct timeval tv = { .tv_usec = 100000 };
	struct httpsock *hs = arg;

	log_accept("the HTTP address", EVUTIL_SOCKET_ERROR(), &hs->said);
	evconnlistener_disable(listener);
	event_add(hs->pause, &tv);
}

int httpsock_new(struct event_base *base, const char *address,
		 httpsock_handler_fn *handler, void *arg, struct httpsock **out)
{
	struct sockaddr_storage where;
	struct httpsock *hs;
	socklen_t len;

	*out = NULL;
	if (!httpsock_address(address, &where, &len))
		return -EINVAL;
	hs = calloc(1, sizeof(*hs));
	if (!hs)
		return -ENOMEM;
	hs->base = base;
	hs->handler = handler;
	hs->arg = arg;
	hs->pause = event_new(base, -1, 0, on_pause, hs);
	errno = ENOMEM;
	if (hs->pause)
		hs->listener = evconnlistener_new_bind(
			base, on_accept, hs,
			LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC |
				LEV_OPT_REUSEABLE,
			HTTPSOCK_CLIENTS_MAX, (struct sockaddr *)&where,
			(int)len);
	if (!hs->listener) {
		int err = errno;

		httpsock_free(hs);
		return -err;
	}
	evconnlistener_set_error_cb(hs->listener, on_accept_error);
	*out = hs;
	return 0;
}

void httpsock_free(struct httpsock *hs)
{
	if (!hs)
		return;
	while (hs->clients) /* client_free() takes it off the list */
		client_free(hs->clients); /* NOLINT(*-unix.Malloc) */
	if (hs->listener)
		evconnlistener_free(hs->listener);
	if (hs->pause)
		event_free(hs->pause);
	free(hs);
}
