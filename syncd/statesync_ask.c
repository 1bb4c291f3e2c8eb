// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A request, and its answer on standard output. What is asked for is the
 * commands' business, what the answer means the daemon's.
 *
 * Implements the exit statuses of the manual.
 *
 * Invariant: what goes to standard output came from the daemon.
 */
#include "statesync_ask.h"
#include "statesync_client.h"
#include "statesync_color.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void print_line(void *arg, char *line)
{
	(void)arg;
	puts(line);
}

static void print_screen(void *arg, char *line)
{
	(void)arg;
	color_line(line);
}

static void print_nothing(void *arg, char *line)
{
	(void)arg;
	(void)line;
}

/* For whoever reads them as they come. */
static void print_event(void *arg, char *line)
{
	(void)arg;
	color_line(line);
	fflush(stdout);
}

static void keep_version(void *arg, char *line)
{
	(void)sscanf(line, "statesyncd %31s", (char *)arg);
}

/* A tool that is newer than its daemon: true if it was told. */
static bool tell_versions(const char *sentence)
{
	static const char unknown[] = "unknown command \"";
	const char *command = sentence + strlen(unknown);
	char version[32] = "";
	struct answer answer;

	if (strncmp(sentence, unknown, strlen(unknown)) ||
	    client_ask("version", CLIENT_SILENCE_S, keep_version, version,
		       &answer) ||
	    !*version)
		return false;
	fprintf(stderr,
		"statesync: this daemon is %s and does not know \"%.*s\"; "
		"restart it (systemctl reload statesyncd), or use the tool of "
		"its version\n",
		version, (int)strcspn(command, "\""), command);
	return true;
}

int conclude(const struct answer *answer, bool said)
{
	fflush(stdout);
	if (answer->status == EXIT_USAGE && tell_versions(answer->sentence))
		return answer->status;
	if (answer->status != EXIT_YES && *answer->sentence && !said)
		fprintf(stderr, "statesync: %s\n", answer->sentence);
	return answer->status;
}

int ask_for(const char *request, int silence_s)
{
	struct answer answer;
	int rc = client_ask(request, silence_s, print_line, NULL, &answer);

	return rc ? client_complain(rc) : conclude(&answer, false);
}

int ask(const char *request)
{
	return ask_for(request, CLIENT_SILENCE_S);
}

/* On a terminal the first line of a screen has said why not. */
int ask_screen(const char *request)
{
	struct answer answer;
	int rc = client_ask(request, CLIENT_SILENCE_S, print_screen, NULL,
			    &answer);

	if (rc)
		return client_complain(rc);
	return conclude(&answer,
			answer.status == EXIT_NO && isatty(STDOUT_FILENO));
}

int ask_quietly(const char *request)
{
	struct answer answer;
	int rc = client_ask(request, CLIENT_SILENCE_S, print_nothing, NULL,
			    &answer);

	return rc ? EXIT_NO_DAEMON : (int)answer.status;
}

int ask_events(const char *request, int silence_s)
{
	struct answer answer;
	int rc = client_ask(request, silence_s, print_event, NULL, &answer);

	return rc ? client_complain(rc) : conclude(&answer, false);
}
