// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * statesync wait: the status, again and again. It is no subscription: the
 * daemon does not know that somebody waits.
 *
 * Implements the command of the manual; the keys are those of the status.
 *
 * Invariant: EXIT_YES only after a complete answer that says so.
 */
#include "statesync_wait.h"
#include "statesync_client.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POLL_MS	  200
#define SILENCE_S 30 /* and never longer than what is left */

double wait_parse_seconds(const char *s)
{
	char *end;
	double n = strtod(s, &end);

	if (end == s || !(n >= 0 && n < 1e9))
		return -1;
	if (!*end || !strcmp(end, "s"))
		return n;
	if (!strcmp(end, "ms"))
		return n / 1000;
	return strcmp(end, "min") ? -1 : n * 60;
}

bool wait_knows(const char *what)
{
	return !strcmp(what, "in-sync") || !strcmp(what, "master") ||
	       !strcmp(what, "backup");
}

static void keep_line(void *arg, char *line)
{
	json_t **doc = arg;

	if (!*doc)
		*doc = json_loads(line, 0, NULL);
}

/* All vhosts in this state, and there is one. */
static bool all_carp(const json_t *doc, const char *state)
{
	const json_t *carp = json_object_get(doc, "carp"), *one;
	size_t i;

	json_array_foreach(carp, i, one)
	{
		const char *s =
			json_string_value(json_object_get(one, "state"));

		if (!s || strcmp(s, state))
			return false;
	}
	return json_array_size(carp) > 0;
}

static bool all_in_sync(const json_t *doc)
{
	const json_t *peers = json_object_get(doc, "peers"), *one;
	size_t i;

	json_array_foreach(peers, i, one)
	{
		if (!json_is_true(json_object_get(one, "in_sync")))
			return false;
	}
	return json_array_size(peers) > 0;
}

/* EXIT_YES, EXIT_NO (not yet), or -errno. */
static int poll_status(const char *what, int silence_s)
{
	struct answer answer;
	json_t *doc = NULL;
	bool yes = false;
	int rc = client_ask("status json", silence_s, keep_line, &doc, &answer);

	if (!rc)
		yes = !strcmp(what, "in-sync")	? all_in_sync(doc)
		      : !strcmp(what, "master") ? all_carp(doc, "MASTER")
						: all_carp(doc, "BACKUP");
	json_decref(doc);
	return rc ? rc : yes ? EXIT_YES : EXIT_NO;
}

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int wait_for(const char *what, double limit)
{
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };
	const double start = now_s();
	double left;
	int rc;

	for (;;) {
		left = limit < 0 ? SILENCE_S : start + limit - now_s();
		rc = poll_status(what, left < 1		  ? 1
				       : left < SILENCE_S ? (int)left
							  : SILENCE_S);
		if (rc == EXIT_YES || (limit < 0 && rc < 0) ||
		    (limit >= 0 && now_s() - start >= limit))
			break;
		nanosleep(&pause, NULL);
	}
	if (rc < 0)
		return client_complain(rc);
	if (rc == EXIT_NO)
		fprintf(stderr,
			"statesync: not %s within %g s. statesync status\n",
			what, limit);
	return rc;
}
