/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The commands of the socket that are about the socket itself: line after line
 * on one connection, and what the answers in JSON have in them.
 *
 * Implements THE SOCKET of statesync(8).
 *
 * Invariant: what is asked after prompt is answered as it would be without.
 */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "node.h"
#include "schema_json.h"
#include "statsock_prompt.h"

/* "fw1 MASTER> ": before each line, as it is then. */
static void put_prompt(void *ctx, char *text, size_t size)
{
	const struct node *n = ctx;
	const struct engine *e = n->engine;
	const char *word = "INIT";

	for (size_t i = 0; i < e->nvhosts; i++)
		if (!e->vhosts[i].gone &&
		    e->vhosts[i].carp.state == CARP_BACKUP)
			word = "BACKUP";
	if (e->masters)
		word = "MASTER";
	snprintf(text, size, "%s %s> ", e->node, word);
}

void commands_prompt(struct node *n, struct stats_client *c, int argc,
		     char **argv)
{
	bool silent = argc == 2 && !strcmp(argv[1], "i");

	if (argc > 1 && !silent) {
		statsock_end(c, STATS_ERROR,
			     "prompt takes i, for no prompt; or nothing");
		return;
	}
	statsock_prompt(c, silent ? NULL : put_prompt, n);
	statsock_end(c, STATS_OK, NULL);
}

void commands_quit(struct node *n, struct stats_client *c, int argc,
		   char **argv)
{
	(void)n;
	(void)argc;
	(void)argv;
	statsock_quit(c);
	statsock_end(c, STATS_OK, NULL);
}

void commands_schema(struct node *n, struct stats_client *c, int argc,
		     char **argv)
{
	(void)n;
	(void)argc;
	(void)argv;
	(void)statsock_printf(c, "%s\n", schema_json);
	statsock_end(c, STATS_OK, NULL);
}
