// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What the metrics listener shows: the page, the status, the metrics, and
 * whether this node may become master. Nothing can be changed by it, and a page
 * of somebody else's does not read it by giving our address a name of its own.
 *
 * Implements STATS of statesync.conf(5).
 *
 * Invariant: a listener that cannot be had stops nothing; it is tried again.
 */
#include "node_http.h"
#include "httpsock.h"
#include "log.h"
#include "metrics.h"
#include "page_html.h"
#include "report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* At an upgrade the old process has the address for a moment. */
#define TRIES_QUIET 3

struct node_http {
	struct httpsock *sock;
	struct event *retry;
	unsigned tries;
	int error; /* of the last try */
};

/* --- what is shown ------------------------------------------------------------ */

static void put_escaped(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '<')
			fputs("&lt;", out);
		else if (*text == '&')
			fputs("&amp;", out);
		else
			fputc(*text, out);
	}
}

/* Nothing in it may end the element that it stands in. */
static void put_script(FILE *out, const char *json)
{
	for (; *json; json++) {
		if (*json == '<')
			fputs("\\u003c", out);
		else
			fputc(*json, out);
	}
}

static void put_screen(struct node *n, FILE *out)
{
	char *text = NULL;
	size_t len;
	FILE *screen = open_memstream(&text, &len);

	if (!screen)
		return;
	(void)report_screen(n, screen);
	fclose(screen);
	put_escaped(out, text);
	free(text);
}

static void put_page(struct node *n, FILE *out)
{
	json_t *status = report_json(n);
	char *json = json_dumps(status, JSON_COMPACT);
	const char *title = json_string_value(
		json_object_get(json_object_get(status, "verdict"), "title"));

	fputs(page_parts[0], out);
	put_escaped(out, title ? title : n->engine->node);
	fputs(page_parts[1], out);
	put_screen(n, out);
	fputs(page_parts[2], out);
	put_script(out, json ? json : "null");
	fputs(page_parts[3], out);
	free(json);
	json_decref(status);
}

static void put_json(struct node *n, FILE *out)
{
	json_t *status = report_json(n);

	json_dumpf(status, out, JSON_COMPACT);
	fputc('\n', out);
	json_decref(status);
}

static void put_verdict(struct node *n, FILE *out)
{
	(void)report_verdict(n, out);
}

static const struct show {
	const char *path, *type;
	void (*put)(struct node *n, FILE *out);
} shows[] = {
	{ "/", "text/html; charset=utf-8", put_page },
	{ "/status.json", "application/json", put_json },
	{ "/metrics", METRICS_TYPE, metrics_write },
	{ "/-/healthy", "text/plain; charset=utf-8", put_verdict },
};

static void put_paths(FILE *out)
{
	fputs("not here; there are", out);
	for (size_t i = 0; i < sizeof(shows) / sizeof(shows[0]); i++)
		fprintf(out, " %s", shows[i].path);
	fputc('\n', out);
}

static void on_request(void *arg, const struct httpsock_request *r,
		       struct httpsock_page *page)
{
	const struct show *show = NULL;
	struct node *n = arg;
	bool ours = httpsock_host_is(r->host, n->engine->node);
	FILE *out = open_memstream(&page->body, &page->len);

	for (size_t i = 0; ours && i < sizeof(shows) / sizeof(shows[0]); i++)
		if (!strcmp(r->path, shows[i].path))
			show = &shows[i];
	if (!out)
		return;
	page->type = show ? show->type : "text/plain";
	if (show && show->put == put_page)
		page->headers = page_headers;
	if (show)
		show->put(n, out);
	else if (ours)
		put_paths(out);
	else
		fprintf(out,
			"not by this name: ask for the address, localhost "
			"or %s\n",
			n->engine->node);
	if (fclose(out)) {
		free(page->body);
		page->body = NULL;
	}
	if (!show)
		page->end = ours ? HTTPSOCK_NOT_FOUND : HTTPSOCK_MISDIRECTED;
	else if (show->put == put_verdict &&
		 !engine_ready(n->engine, node_now(n)))
		page->end = HTTPSOCK_UNAVAILABLE;
}

/* Answers since it listens; 0 without a listener. */
static uint64_t answers(const struct node_http *h, enum httpsock_end end)
{
	return h->sock ? httpsock_count(h->sock, end) : 0;
}

json_t *node_http_json(const struct node *n)
{
	const struct node_http *h = n->http;
	json_t *o = json_object(), *ends = json_object();

	for (int i = 0; i < HTTPSOCK_ENDS; i++)
		json_object_set_new(ends, httpsock_code((enum httpsock_end)i),
				    json_integer((json_int_t)answers(
					    h, (enum httpsock_end)i)));
	json_object_set_new(o, "address",
			    n->conf->stats_metrics
				    ? json_string(n->conf->stats_metrics)
				    : json_null());
	json_object_set_new(o, "error",
			    h->error ? json_string(log_errno(h->error))
				     : json_null());
	json_object_set_new(o, "answers", ends);
	return o;
}

/* --- the listener --------------------------------------------------------------- */

static void try(struct node *n)
{
	const struct timeval second = { .tv_sec = 1 };
	struct node_http *h = n->http;
	const char *address = n->conf->stats_metrics;

	h->error = -httpsock_new(n->base, address, on_request, n, &h->sock);
	if (!h->error)
		return;
	if (++h->tries == TRIES_QUIET)
		log_msg(LOG_ERR,
			"metrics = \"%s\": cannot listen there: %s; no page "
			"and no metrics over HTTP until then, tried each "
			"second. ss -ltnp",
			address, log_errno(h->error));
	event_add(h->retry, &second);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	try(arg);
}

int node_http_open(struct node *n)
{
	n->http = calloc(1, sizeof(*n->http));
	if (n->http)
		n->http->retry = event_new(n->base, -1, 0, on_retry, n);
	if (!n->http || !n->http->retry)
		return -ENOMEM;
	event_priority_set(n->http->retry, PRIORITY_NORMAL);
	if (n->conf->stats_metrics)
		try(n);
	return 0;
}

void node_http_change(struct node *n, const struct conf *was)
{
	struct node_http *h = n->http;
	const char *a = was->stats_metrics, *b = n->conf->stats_metrics;

	if (a == b || (a && b && !strcmp(a, b)))
		return;
	event_del(h->retry);
	httpsock_free(h->sock);
	h->sock = NULL;
	h->tries = 0;
	h->error = 0;
	if (b)
		try(n);
}

void node_http_close(struct node *n)
{
	if (!n->http)
		return;
	httpsock_free(n->http->sock);
	if (n->http->retry)
		event_free(n->http->retry);
	free(n->http);
	n->http = NULL;
}
