// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The commands role and set-role: a program that elects in our place
 * (keepalived) asks whether this node may be master, and says whether it is.
 *
 * Invariant: role says no only of a node that is master of nothing: whoever is
 * master goes on (rules 1).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "node.h"

void commands_role(struct node *n, struct stats_client *c, int argc,
		   char **argv)
{
	const struct engine *e = n->engine;
	const char *hold = gate_reason(e->gate.holds);
	char why[96];

	(void)argc;
	(void)argv;
	if (e->masters) {
		(void)statsock_printf(c, "master\n");
		statsock_end(c, STATS_OK, NULL);
		return;
	}
	(void)statsock_printf(c, "backup\n");
	if (engine_ready(e, node_now(n))) {
		statsock_end(c, STATS_OK, NULL);
		return;
	}
	snprintf(why, sizeof(why),
		 "may not become master: %s%s. statesync "
		 "status",
		 hold ? "on hold: " : "", hold ? hold : "not ready");
	statsock_end(c, STATS_NO, why);
}

static bool is_named(const char *name, int argc, char **argv)
{
	for (int i = 2; i < argc; i++)
		if (!strcmp(argv[i], name))
			return true;
	return argc == 2;
}

/* A name that no vhost has, or of one that is not to be told; NULL: none. */
static const char *wrong_name(const struct node *n, int argc, char **argv,
			      const char **why)
{
	for (int i = 2; i < argc; i++) {
		unsigned k = 0;

		while (k < n->nvhosts && strcmp(n->vhosts[k].name, argv[i]))
			k++;
		*why = "there is no carp block of this name";
		if (k == n->nvhosts)
			return argv[i];
	}
	for (unsigned k = 0; k < n->nvhosts; k++) {
		*why = "statesyncd elects here itself; elector = \"external\" "
		       "in the carp block lets another program";
		if (!n->engine->vhosts[k].gone &&
		    !n->engine->vhosts[k].carp.external)
			return n->vhosts[k].name;
	}
	return NULL;
}

void commands_set_role(struct node *n, struct stats_client *c, int argc,
		       char **argv)
{
	bool master = argc > 1 && !strcmp(argv[1], "master");
	const char *why, *wrong;
	char sentence[256];
	int err = 0;

	if (argc < 2 || (!master && strcmp(argv[1], "backup"))) {
		statsock_end(c, STATS_ERROR,
			     "usage: set-role master|backup [NAME...]");
		return;
	}
	wrong = wrong_name(n, argc, argv, &why);
	if (wrong) {
		snprintf(sentence, sizeof(sentence), "\"%.64s\": %s", wrong,
			 why);
		statsock_end(c, STATS_ERROR, sentence);
		return;
	}
	for (unsigned i = 0; i < n->nvhosts && !err; i++)
		if (!n->engine->vhosts[i].gone &&
		    is_named(n->vhosts[i].name, argc, argv))
			err = engine_role(n->engine, i, master, node_now(n));
	node_settle(n);
	if (err)
		statsock_end(c, STATS_NO,
			     err == -EBUSY
				     ? "statesyncd is ending; tell it "
				       "again when it is back"
				     : "statesyncd elects here itself; add "
				       "elector = \"external\" to the "
				       "carp block");
	else
		statsock_end(c, STATS_OK, NULL);
}
