// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A line to the daemon, its answer back. What the words mean is not known
 * here, nor what becomes of the answer.
 *
 * Implements THE SOCKET of statesync(8).
 *
 * Invariant: client_ask() returns 0 only after a status line and the empty
 * line behind it.
 */
#include "statesync_client.h"
#include "log.h"
#include "statsock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

const char *client_path(void)
{
	const char *path = getenv("STATESYNC_SOCKET");

	return path && *path ? path : STATSOCK_DEFAULT_PATH;
}

/* A stream to the daemon, or NULL and *err is -errno. */
static FILE *open_daemon(int silence_s, int *err)
{
	const struct timeval tv = { .tv_sec = silence_s };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	const char *path = client_path();
	FILE *f = NULL;
	int fd;

	*err = -ENAMETOOLONG;
	if (strlen(path) >= sizeof(un.sun_path))
		return NULL;
	memcpy(un.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	*err = -errno;
	if (fd < 0)
		return NULL;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	if (!connect(fd, (struct sockaddr *)&un, sizeof(un)))
		f = fdopen(fd, "r");
	*err = -errno;
	if (!f)
		close(fd);
	return f;
}

/* "ok", "no: ...", "error: ..."; false for any other line. */
static bool parse_status(const char *line, struct answer *answer)
{
	static const char *const words[] = { "ok", "no", "error" };

	for (int i = 0; i < 3; i++) {
		size_t len = strlen(words[i]);

		if (strncmp(line, words[i], len) ||
		    (line[len] && strncmp(line + len, ": ", 2)))
			continue;
		answer->status = (enum exit_status)i;
		snprintf(answer->sentence, sizeof(answer->sentence), "%s",
			 line[len] ? line + len + 2 : "");
		return true;
	}
	return false;
}

/*
 * The lines of the body to fn, at once but those that may be the status: that
 * is the one before the empty line.
 */
static bool read_answer(FILE *f, struct answer *answer, client_line_fn *fn,
			void *arg)
{
	char *line = NULL, *held = NULL;
	struct answer other;
	size_t size = 0;
	bool complete = false;
	ssize_t n;

	while (!complete && (n = getline(&line, &size, f)) > 0) {
		if (line[n - 1] == '\n')
			line[n - 1] = '\0';
		if (!*line) {
			complete = held && parse_status(held, answer);
			break;
		}
		if (held)
			fn(arg, held);
		free(held);
		held = NULL;
		if (parse_status(line, &other)) {
			held = line;
			line = NULL;
			size = 0;
		} else {
			if (!strcmp(line, " "))
				*line = '\0';
			fn(arg, line);
		}
	}
	free(held);
	free(line);
	return complete;
}

/* 0, or -errno. */
static int ask_on(FILE *f, const char *request, client_line_fn *fn, void *arg,
		  struct answer *answer)
{
	char line[CLIENT_REQUEST_MAX + 2];
	size_t len;

	len = (size_t)snprintf(line, sizeof(line), "%s\n", request);
	errno = 0;
	if (send(fileno(f), line, len, MSG_NOSIGNAL) == (ssize_t)len &&
	    read_answer(f, answer, fn, arg))
		return 0;
	return errno == EAGAIN ? -EAGAIN : -EPIPE;
}

static void forget_line(void *arg, char *line)
{
	(void)arg;
	(void)line;
}

/* There is an end to be read, or a farewell. */
static bool has_ended(FILE *f)
{
	struct pollfd p = { .fd = fileno(f), .events = POLLIN };

	return poll(&p, 1, 0) != 0;
}

/* A stream that stays, or NULL. */
static FILE *open_stream(int silence_s)
{
	struct answer answer;
	int err;
	FILE *f = open_daemon(silence_s, &err);

	if (!f)
		return NULL;
	if (!ask_on(f, "prompt i", forget_line, NULL, &answer) &&
	    answer.status == EXIT_YES)
		return f;
	fclose(f);
	return NULL;
}

int client_ask_again(FILE **stream, const char *request, int silence_s,
		     client_line_fn *fn, void *arg, struct answer *answer)
{
	int rc;

	if (*stream && has_ended(*stream)) {
		fclose(*stream);
		*stream = NULL;
	}
	if (!*stream)
		*stream = open_stream(silence_s);
	if (!*stream)
		return client_ask(request, silence_s, fn, arg, answer);
	rc = ask_on(*stream, request, fn, arg, answer);
	if (rc) {
		fclose(*stream);
		*stream = NULL;
	}
	return rc;
}

int client_ask(const char *request, int silence_s, client_line_fn *fn,
	       void *arg, struct answer *answer)
{
	int rc;
	FILE *f = open_daemon(silence_s, &rc);

	if (!f)
		return rc;
	rc = ask_on(f, request, fn, arg, answer);
	fclose(f);
	return rc;
}

int client_complain(int err)
{
	const char *path = client_path();

	if (err == -EAGAIN || err == -EPIPE)
		fprintf(stderr,
			"statesync: the daemon behind %s %s. systemctl status "
			"statesyncd\n",
			path,
			err == -EAGAIN ? "does not answer"
				       : "ended in the middle of its answer, "
					 "or that was not read for 10 s");
	else if (err == -EACCES || err == -EPERM)
		fprintf(stderr,
			"statesync: %s: permission denied. sudo, or join the "
			"group: adduser $USER statesync\n",
			path);
	else
		fprintf(stderr,
			"statesync: no daemon behind %s (%s). systemctl start "
			"statesyncd\n",
			path, log_errno(-err));
	return EXIT_NO_DAEMON;
}

bool client_add_word(char request[CLIENT_REQUEST_MAX + 1], const char *word)
{
	size_t used = strlen(request);
	bool quote = !*word || strpbrk(word, " \t;");

	for (const char *c = word; *c; c++)
		if ((unsigned char)*c < ' ' || *c == '"' || *c == 0x7f)
			return false;
	if (used + strlen(word) + 3 > CLIENT_REQUEST_MAX)
		return false;
	snprintf(request + used, CLIENT_REQUEST_MAX + 1 - used, "%s%s%s%s",
		 used ? " " : "", quote ? "\"" : "", word, quote ? "\"" : "");
	return true;
}

bool client_add_name(char request[CLIENT_REQUEST_MAX + 1], const char *word)
{
	return *word != '-' && client_add_word(request, word);
}
