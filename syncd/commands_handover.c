// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The command handover: what is named in it, and the answer when it has ended.
 * What may be handed over to whom is the engine's to say.
 *
 * Invariant: whoever asks for the handover that goes on waits for its end.
 */
#include <errno.h>
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
			char names[160];

			snprintf(sentence, size,
				 "there is no carp \"%.32s\"; here: %s",
				 argv[i],
				 report_names(n->engine, UINT32_MAX, names,
					      sizeof(names)));
			return false;
		}
		for (size_t k = 0; k < n->nvhosts; k++)
			if (named >> k & 1 && !n->engine->independent &&
			    !n->engine->vhosts[k].balanced) {
				snprintf(sentence, size,
					 "\"%.64s\" moves with the others; "
					 "set independent = true to move it "
					 "alone",
					 argv[i]);
				return false;
			}
		*set |= named;
	}
	return true;
}

/* The peer after "to=", or -1: the best. Otherwise a name that no peer has. */
static const char *read_target(const struct node *n, int argc, char **argv,
			       int *peer)
{
	*peer = -1;
	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "to=", 3))
			continue;
		*peer = commands_find_peer(n, argv[i] + 3);
		if (*peer < 0)
			return argv[i] + 3;
	}
	return NULL;
}

/* The one that goes on is what is asked for. */
static bool is_the_same(const struct engine *e, uint32_t set, int peer)
{
	return (!set || set == e->handover_set) &&
	       (peer < 0 || (unsigned)peer == e->handover_peer);
}

static const char *remedy(const struct engine *e, int err, uint32_t set)
{
	if (err == -EALREADY)
		return "when it is over, again";
	if (!e->masters || (set && !(set & e->master_set)))
		return "on the master: statesync handover";
	if (engine_is_external(e))
		return "lower the priority in keepalived, or whatever elects";
	return "statesync wait in-sync; or --force and lose what is missing";
}

void commands_handover(struct node *n, struct stats_client *c, int argc,
		       char **argv)
{
	bool force = commands_has_word(argc, argv, "force");
	char why[SESSION_REASON_MAX], sentence[SESSION_REASON_MAX + 96];
	char reason[SESSION_REASON_MAX], author[STATSOCK_AUTHOR_SIZE];
	const char *unknown;
	uint32_t set;
	int peer, err;

	if (!read_names(n, argc, argv, &set, sentence, sizeof(sentence))) {
		statsock_end(c, STATS_ERROR, sentence);
		return;
	}
	unknown = read_target(n, argc, argv, &peer);
	if (unknown) {
		commands_no_peer(n, c, unknown);
		return;
	}
	snprintf(reason, sizeof(reason), "by %s",
		 statsock_client_author(c, author));
	err = engine_handover(n->engine, peer, force, set, reason, why,
			      node_now(n));
	if (err && (err != -EALREADY || !is_the_same(n->engine, set, peer))) {
		snprintf(sentence, sizeof(sentence), "handover refused: %s. %s",
			 why, remedy(n->engine, err, set));
		statsock_end(c, STATS_NO, sentence);
		return;
	}
	waiters_add(&n->handover_clients, c);
	node_settle(n);
}

void commands_handover_ended(struct node *n, bool ok, const char *why)
{
	const struct engine *e = n->engine;
	const struct handover *h = &e->handover;
	char sentence[ENGINE_TEXT_MAX + 32], names[256];

	if (ok) {
		waiters_say(
			&n->handover_clients,
			"%s -> %s: %s handed over in %.0f ms, %s.", e->node,
			e->peers[e->handover_peer].name,
			report_names(e, e->handover_set, names, sizeof(names)),
			(double)(h->drain_ns + h->fence_ns + h->ack_ns +
				 h->take_ns) /
				1e6,
			h->complete ? "0 flows unacknowledged"
				    : "without all of the state");
		waiters_end(&n->handover_clients, STATS_OK, NULL);
		return;
	}
	snprintf(sentence, sizeof(sentence),
		 "handover failed: %s. statesync status", why);
	waiters_end(&n->handover_clients, STATS_NO, sentence);
}
