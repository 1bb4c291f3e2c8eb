/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The engine's nftables sets on this kernel: news and looks go in, changes
 * come out. It decides nothing. Invariant: while sets are named, a socket
 * listens to what others change, before the first look.
 */
#include "node.h"

#include <errno.h>
#include <stdlib.h>

#include "log.h"
#include "nftsets.h"

#define PERIOD_NS(n) ((n)->conf->sets.period_ms * MONO_MS)

struct node_sets {
	struct nftsets kernel;
	struct event *event;
	struct set_elem list[SET_CHUNK_MAX];
};

/* --- news -------------------------------------------------------------------- */

static void changed(void *arg, unsigned set, const struct set_elem *el)
{
	struct node *n = arg;

	engine_set_event(n->engine, set, el, n->last);
}

static void stirred(void *arg, unsigned set)
{
	struct node *n = arg;

	engine_set_stirred(n->engine, set, n->last);
}

static void renewed(void *arg, unsigned set)
{
	struct node *n = arg;

	engine_set_renewed(n->engine, set);
}

/* What is left is read in the next turn of the loop. */
static void on_news(evutil_socket_t fd, short what, void *arg)
{
	static const struct nftsets_ops ops = { changed, stirred, renewed };
	struct node *n = arg;
	int err;

	(void)fd;
	(void)what;
	(void)node_now(n);
	err = nftsets_events(&n->sets->kernel, &ops, n);
	if (err < 0) {
		log_msg(err == -ENOBUFS ? LOG_INFO : LOG_ERR,
			"sets: news of nftables: %s; the sets are read anew",
			log_errno(-err));
		engine_sets_overrun(n->engine, n->last);
	}
	node_settle(n);
}

/* --- work --------------------------------------------------------------------- */

static void find_kind(struct node *n)
{
	unsigned set = engine_sets_at(n->engine);
	struct set_kind kind;
	int err = nftsets_kind(&n->sets->kernel, set, &kind);

	if (err)
		log_msg(LOG_ERR, "sets: \"%s\" cannot be looked at: %s",
			n->conf->sets.names[set], log_errno(-err));
	engine_set_is(n->engine, set, &kind, err, n->last);
}

static void read_on(struct node *n)
{
	struct node_sets *s = n->sets;
	size_t count = 0, untold = 0;
	int r = nftsets_read(&s->kernel, s->list, &count, &untold);

	engine_set_looked(n->engine, s->list, count, untold, r == NFTSETS_MORE,
			  r < 0 ? r : 0, node_now(n));
}

static void apply(struct node *n)
{
	struct engine_sets *s = n->engine->sets;
	uint8_t results[SET_FRAME_MAX];

	(void)nftsets_apply(&n->sets->kernel, s->ops_set, s->ops, s->nops,
			    results);
	engine_set_applied(n->engine, results, node_now(n));
}

void node_sets_work(struct node *n)
{
	struct node_sets *s = n->sets;
	unsigned set = engine_sets_at(n->engine);

	switch (engine_sets_piece(n->engine)) {
	case SETS_KIND:
		find_kind(n);
		return;
	case SETS_START:
		engine_set_looking(n->engine, nftsets_dump(&s->kernel, set),
				   n->last);
		return;
	case SETS_READ:
		read_on(n);
		return;
	case SETS_ABORT:
		nftsets_abort(&s->kernel);
		engine_set_looked(n->engine, NULL, 0, 0, false, -ECANCELED,
				  n->last);
		return;
	case SETS_APPLY:
		apply(n);
		return;
	case SETS_NOTHING:
		return;
	}
}

/* --- life ---------------------------------------------------------------------- */

static int open_kernel(struct node *n)
{
	const struct conf_sets *conf = &n->conf->sets;
	struct nftsets_name names[SETS_MAX];
	bool good = true;

	for (size_t i = 0; i < conf->n; i++)
		good &= nftsets_name_parse(conf->names[i], &names[i]);
	return good ? nftsets_open(&n->sets->kernel, names, conf->n) : -EINVAL;
}

int node_sets_open(struct node *n)
{
	struct node_sets *s;
	int err;

	if (!n->conf->sets.n)
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	n->sets = s;
	err = open_kernel(n);
	if (err) {
		log_msg(LOG_ERR,
			"sets: nftables cannot be reached (%s). run as root; "
			"modprobe nf_tables",
			log_errno(-err));
		return err;
	}
	s->event = event_new(n->base, nftsets_fd(&s->kernel),
			     EV_READ | EV_PERSIST, on_news, n);
	if (!s->event)
		return -ENOMEM;
	event_priority_set(s->event, PRIORITY_BULK);
	event_add(s->event, NULL);
	return 0;
}

void node_sets_close(struct node *n)
{
	if (!n->sets)
		return;
	if (n->sets->event)
		event_free(n->sets->event);
	nftsets_close(&n->sets->kernel);
	free(n->sets);
	n->sets = NULL;
}

int node_sets_names(const struct node *n, const char **names)
{
	for (size_t i = 0; i < n->conf->sets.n; i++)
		names[i] = n->conf->sets.names[i];
	return (int)n->conf->sets.n;
}

int node_sets_change(struct node *n, const struct conf_sets *was)
{
	const struct conf_sets *now = &n->conf->sets;
	const char *names[SETS_MAX];
	bool same = was->n == now->n && was->period_ms == now->period_ms;
	int err;

	for (size_t i = 0; same && i < now->n; i++)
		same = !strcmp(was->names[i], now->names[i]);
	if (same)
		return 0;
	node_sets_close(n);
	err = node_sets_open(n);
	if (!err)
		err = engine_sets_name(n->engine, names,
				       (size_t)node_sets_names(n, names),
				       PERIOD_NS(n), n->last);
	return err;
}
