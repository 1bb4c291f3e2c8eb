/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The tool's side of the stats socket: one request line, its answer.
 */
#ifndef STATESYNC_CLIENT_H
#define STATESYNC_CLIENT_H

#include <stdbool.h>
#include <stdio.h>

#define CLIENT_REQUEST_MAX 1024
#define CLIENT_SILENCE_S   5 /* for whatever the daemon knows at once */

enum exit_status { EXIT_YES, EXIT_NO, EXIT_USAGE, EXIT_NO_DAEMON };

/* What the daemon said at the end. */
struct answer {
	enum exit_status status; /* EXIT_YES, EXIT_NO, EXIT_USAGE */
	char sentence[512];	 /* why not; or "" */
};

/* A line of the answer's body, without its newline. */
typedef void client_line_fn(void *arg, char *line);

/* $STATESYNC_SOCKET, or the default. */
const char *client_path(void);

/*
 * Sends the request, gives the body to fn line by line, as it comes. 0 with
 * *answer, or -errno: of the connect; -EAGAIN when the daemon was silent for
 * silence_s (0: it may be for ever);
 * -EPIPE when it went away in the middle of its answer.
 */
int client_ask(const char *request, int silence_s, client_line_fn *fn,
	       void *arg, struct answer *answer)
	__attribute__((warn_unused_result));

/*
 * The same over one connection, which stays for the next request: *stream is
 * NULL at first, and again after a failure or where the daemon cannot; to be
 * closed with fclose().
 */
int client_ask_again(FILE **stream, const char *request, int silence_s,
		     client_line_fn *fn, void *arg, struct answer *answer)
	__attribute__((warn_unused_result));

/* Says on standard error why client_ask() failed; EXIT_NO_DAEMON. */
int client_complain(int err);

/* Adds a word to a request; false when it cannot be sent. */
bool client_add_word(char request[CLIENT_REQUEST_MAX + 1], const char *word);
/* The same, of what may be a name; false also for an option. */
bool client_add_name(char request[CLIENT_REQUEST_MAX + 1], const char *word);

#endif
