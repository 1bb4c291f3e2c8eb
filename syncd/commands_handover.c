// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The command handover: what is named in it, and the answer when it has ended.
 * What may be handed over to whom is the engine's to say.
 *
 * Invariant: one client at most waits for the end of a handover.
 */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "report.h"
#include "statsock_who.h"

/* The vhosts of that name, all shares where it is that of a block. */
static uint32_t vhosts_named(const struct node *n, const char *name)
{
	uint32_t set = 0;

	for (size_t i = 0; i < n->nvhosts; i++)
		if (!n->engine->vhosts[i].gone &&
		    (!strcmp(n->vhosts[i].name, name) ||
		     !strcmp(n->vhosts[i].conf->name, name)))
			set |= 1U << i;
	return set;
}

/* The vhosts that a handover names; false: why not in sentence. */
static bool read_names(const struct node *n, int argc, char **argv,
		       uint32_t *set, char *sentence, size_t size)
{
	*set = 0;
	for (int i = 1; i < argc; i++) {
		uint32_t named = vhosts_named(n, argv[i]);

		if (!strcmp(argv[i], "force") || !strncmp(argv[i], "to=", 3))
			continue;
		if (!named) {
			snprintf(sentence, size, "there is no carp \"%.64s\"",
				 argv[i]);
			return false;
		}
		for (size_t k = 0; k < n->nvhosts; k++)
			if (named >> k & 1 && !n->engine->independent &&
			    !n->engine->vhosts[k].balanced) {
				snprintf(sentence, size,
					 "\"%.64s\" moves with the others; "
					 "single ones do with independent = "
					 "true",
					 argv[i]);
				return false;
			}
		*set |= named;
	}
	return true;
}

static void forget(void *arg, struct stats_client *c)
{
	struct node *n = arg;

	(void)c;
	n->handover_client = NULL;
}

static bool has_word(int argc, char **argv, const char *word)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], word))
			return true;
	return false;
}

/* The peer after "to=", or -1: the best. False: there is none of this name. */
static bool read_target(const struct node *n, int argc, char **argv, int *peer,
			char *sentence, size_t size)
{
	*peer = -1;
	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "to=", 3))
			continue;
		*peer = commands_find_peer(n, argv[i] + 3);
		if (*peer >= 0)
			continue;
		snprintf(sentence, size, "there is no peer \"%.64s\"",
			 argv[i] + 3);
		return false;
	}
	return true;
}

void commands_handover(struct node *n, struct stats_client *c, int argc,
		       char **argv)
{
	bool force = has_word(argc, argv, "force");
	char why[SESSION_REASON_MAX], sentence[SESSION_REASON_MAX + 96];
	char reason[SESSION_REASON_MAX], author[STATSOCK_AUTHOR_SIZE];
	uint32_t set;
	int peer;

	if (!read_names(n, argc, argv, &set, sentence, sizeof(sentence)) ||
	    !read_target(n, argc, argv, &peer, sentence, sizeof(sentence))) {
		statsock_end(c, STATS_ERROR, sentence);
		return;
	}
	if (n->handover_client) {
		statsock_end(c, STATS_NO, "one is already going on");
		return;
	}
	snprintf(reason, sizeof(reason), "by %s",
		 statsock_client_author(c, author));
	if (engine_handover_for(n->engine, peer, force, set, reason, why,
				node_now(n))) {
		snprintf(sentence, sizeof(sentence), "handover refused: %s. %s",
			 why,
			 n->engine->masters ? "wait, or --force and lose what "
					      "is missing"
					    : "on the master: statesync "
					      "handover");
		statsock_end(c, STATS_NO, sentence);
		return;
	}
	n->handover_client = c;
	statsock_on_close(c, forget, n);
	node_settle(n);
}

void commands_handover_ended(struct node *n, bool ok, const char *why)
{
	const struct engine *e = n->engine;
	const struct handover *h = &e->handover;
	struct stats_client *c = n->handover_client;
	char sentence[ENGINE_TEXT_MAX + 32], names[256];

	if (!c)
		return;
	n->handover_client = NULL;
	if (ok) {
		(void)statsock_printf(
			c,
			"%s -> %s: %s handed over in %.0f ms, "
			"%s.\n",
			e->node, e->peers[e->handover_peer].name,
			report_names(e, e->handover_set, names, sizeof(names)),
			(double)(h->drain_ns + h->fence_ns + h->ack_ns +
				 h->take_ns) /
				1e6,
			h->complete ? "0 flows unacknowledged"
				    : "without all of the state");
		statsock_end(c, STATS_OK, NULL);
		return;
	}
	snprintf(sentence, sizeof(sentence), "handover failed: %s", why);
	statsock_end(c, STATS_NO, sentence);
}
