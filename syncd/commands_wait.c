/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Clients that wait for the end of the same thing: who asks for what goes on
 * already is not refused, but sees how it goes on. And the words for a peer
 * that is not there, which several commands take.
 *
 * Invariant: a client that is gone is in no list.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "node.h"

static void forget(void *arg, struct stats_client *c)
{
	struct node_waiters *w = arg;

	for (size_t i = 0; i < w->n; i++)
		if (w->list[i] == c)
			w->list[i--] = w->list[--w->n];
}

void waiters_add(struct node_waiters *w, struct stats_client *c)
{
	if (w->n == NODE_WAITERS) {
		statsock_end(c, STATS_NO,
			     "as many as can wait for it already; it goes on. "
			     "statesync status");
		return;
	}
	w->list[w->n++] = c;
	statsock_on_close(c, forget, w);
}

void waiters_say(struct node_waiters *w, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < w->n; i++)
		(void)statsock_printf(w->list[i], "%s\n", line);
}

void waiters_end(struct node_waiters *w, enum stats_verdict verdict,
		 const char *sentence)
{
	while (w->n)
		statsock_end(w->list[--w->n], verdict, sentence);
}

/* --- peers --------------------------------------------------------------- */

int commands_find_peer(const struct node *n, const char *name)
{
	for (size_t i = 0; i < n->engine->npeers; i++)
		if (strcmp(n->engine->peers[i].name, name) == 0)
			return (int)i;
	return -1;
}

void commands_no_peer(const struct node *n, struct stats_client *c,
		      const char *name)
{
	const struct engine *e = n->engine;
	char sentence[ENGINE_PEERS_MAX * (SESSION_NAME_MAX + 2) + 128];
	size_t len;

	if (!e->npeers) {
		statsock_end(c, STATS_ERROR,
			     "there is no peer; name one in statesync.conf: "
			     "link { peer \"NAME\" { address = \"...\" } }");
		return;
	}
	len = (size_t)snprintf(sentence, sizeof(sentence),
			       "there is no peer \"%.64s\"; here:", name);
	for (size_t i = 0; i < e->npeers; i++)
		len += (size_t)snprintf(sentence + len, sizeof(sentence) - len,
					"%s %s", i ? "," : "",
					e->peers[i].name);
	statsock_end(c, STATS_ERROR, sentence);
}
