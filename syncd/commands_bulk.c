/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The command bulk: the peer's whole table, now, and how far it is. When one
 * is needed without anybody asking is the engine's to know.
 *
 * Invariant: one peer at a time, whoever asks for it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "commands.h"
#include "node.h"

#define PROGRESS_US 100000

static void on_progress(evutil_socket_t fd, short what, void *arg)
{
	struct node *n = arg;
	const struct engine_rx *rx = &n->engine->peers[n->bulk_peer].rx;

	(void)fd;
	(void)what;
	if (!n->bulk_clients.n)
		event_del(n->progress);
	else if (rx->result == BULK_RUNNING)
		waiters_say(&n->bulk_clients,
			    "progress %" PRIu64 " %" PRIu64 " %.1f",
			    rx->entries, rx->total,
			    (double)mono_diff(node_now(n), rx->started) / 1e9);
}

/* Where no name is given: one that has a table to tell, or the first. */
static int find_teller(const struct node *n)
{
	for (size_t i = 0; i < n->engine->npeers; i++)
		if (n->engine->peers[i].heard &&
		    n->engine->peers[i].word.tx_epoch)
			return (int)i;
	return n->engine->npeers ? 0 : -1;
}

/* False: it was refused. */
static bool begin(struct node *n, struct stats_client *c, unsigned peer)
{
	const struct timeval period = { .tv_usec = PROGRESS_US };
	const struct engine_peer *p = &n->engine->peers[peer];
	char why[ENGINE_TEXT_MAX + 64];

	if (engine_bulk(n->engine, peer, node_now(n))) {
		snprintf(why, sizeof(why),
			 "no link to %s (%s). statesync status", p->name,
			 peersock_error(n->peersock, peer));
		statsock_end(c, STATS_NO, why);
		return false;
	}
	n->bulk_peer = peer;
	event_add(n->progress, &period);
	return true;
}

void commands_bulk(struct node *n, struct stats_client *c, int argc,
		   char **argv)
{
	int peer = argc < 2 ? find_teller(n) : commands_find_peer(n, argv[1]);
	char why[SESSION_NAME_MAX + 64];

	if (peer < 0) {
		commands_no_peer(n, c, argc < 2 ? "" : argv[1]);
		return;
	}
	if (n->bulk_clients.n && n->bulk_peer != (unsigned)peer) {
		snprintf(why, sizeof(why),
			 "a bulk from %s goes on; when it is over, again",
			 n->engine->peers[n->bulk_peer].name);
		statsock_end(c, STATS_NO, why);
		return;
	}
	if (!n->bulk_clients.n && !begin(n, c, (unsigned)peer))
		return;
	waiters_add(&n->bulk_clients, c);
	node_settle(n);
}

void commands_bulk_ended(struct node *n, unsigned peer, bool ok,
			 const char *why)
{
	const struct engine_peer *p = &n->engine->peers[peer];
	char sentence[ENGINE_TEXT_MAX + 64];

	if (!n->bulk_clients.n || n->bulk_peer != peer)
		return;
	event_del(n->progress);
	if (!ok) {
		snprintf(sentence, sizeof(sentence),
			 "bulk from %s: %s. statesync status", p->name, why);
		waiters_end(&n->bulk_clients, STATS_NO, sentence);
		return;
	}
	waiters_say(&n->bulk_clients,
		    "bulk from %s: %" PRIu64 " of %" PRIu64
		    " in the kernel, %" PRIu64 " missing, %.2f s",
		    p->name, p->rx.entries - p->rx.missing, p->rx.total,
		    p->rx.missing, (double)p->rx.took_ns / 1e9);
	if (p->rx.missing)
		waiters_end(&n->bulk_clients, STATS_NO,
			    "this kernel did not take them, for reasons that "
			    "are counted. statesync counters");
	else
		waiters_end(&n->bulk_clients, STATS_OK, NULL);
}

int commands_bulk_open(struct node *n)
{
	n->progress = event_new(n->base, -1, EV_PERSIST, on_progress, n);
	if (!n->progress)
		return -ENOMEM;
	event_priority_set(n->progress, PRIORITY_NORMAL);
	return 0;
}

void commands_bulk_close(struct node *n)
{
	if (n->progress)
		event_free(n->progress);
	n->progress = NULL;
}
