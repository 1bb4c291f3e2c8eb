// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A client of the stats socket that says anything, in any pieces. What the
 * commands mean is not known here.
 *
 * Invariant: each command has an answer that ends with its verdict and an
 * empty line, and the client is gone at the end.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "statsock_int.h"

#define TURNS_MAX 200

static struct event_base *base;
static struct statsock ss;
static unsigned commands;

static void check_word(const char *word, const char *line)
{
	assert(word >= line &&
	       word + strlen(word) <=
		       line + sizeof(((struct stats_client *)0)->line));
	for (; *word; word++)
		assert(((unsigned char)*word >= ' ' || *word == '\t') &&
		       *word != 0x7f);
}

static void handle(void *arg, struct stats_client *c, int argc, char **argv)
{
	(void)arg;
	assert(argc >= 1 && argc <= STATSOCK_ARGS_MAX);
	for (int i = 0; i < argc; i++) {
		check_word(argv[i], c->line);
		(void)statsock_printf(c, "%s\n", argv[i]);
	}
	commands++;
	statsock_end(c, commands % 2 ? STATS_OK : STATS_NO, argv[0]);
	/* the next one is not waited for */
	event_active(c->timer, EV_TIMEOUT, 0);
}

/* As many verdicts as commands, or one more; nothing behind the last. */
static void check_answer(const char *text, size_t len)
{
	static const char *const words[] = { "ok\n\n", "no: ", "error: " };
	unsigned ends = 0;

	for (size_t at = 0; at + 1 < len; at++) {
		size_t line = at;

		if (text[at] != '\n' || text[at + 1] != '\n')
			continue;
		ends++;
		while (line > 0 && text[line - 1] != '\n')
			line--;
		assert(!strncmp(text + line, words[0], 3) ||
		       !strncmp(text + line, words[1], 4) ||
		       !strncmp(text + line, words[2], 7));
	}
	assert(ends == commands || ends == commands + 1);
	assert(!len ||
	       (len > 1 && text[len - 1] == '\n' && text[len - 2] == '\n'));
}

static size_t turn(int fd, char *answer, size_t size)
{
	size_t len = 0;
	ssize_t n;

	for (int i = 0; i < TURNS_MAX; i++) {
		event_base_loop(base, EVLOOP_NONBLOCK);
		n = recv(fd, answer + len, size - len, MSG_DONTWAIT);
		if (n > 0)
			len += (size_t)n;
		if (n == 0 || !ss.clients)
			break;
	}
	while ((n = recv(fd, answer + len, size - len, MSG_DONTWAIT)) > 0)
		len += (size_t)n;
	return len;
}

static void begin(void)
{
	base = event_base_new();
	assert(base && !event_base_priority_init(base, 3));
	ss = (struct statsock){ .base = base, .handler = handle, .fd = -1 };
}

/* A request, cut where the input says. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char answer[STATSOCK_OUTPUT_MAX];
	struct reader in;
	int fd[2];
	size_t len, got = 0;

	if (!base)
		begin();
	commands = 0;
	assert(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
			   0, fd));
	assert(stats_client_new(&ss, fd[1]));
	reader_init(&in, data, size);
	while (fuzz_more(&in)) {
		const uint8_t *part = fuzz_part(&in, &len);

		if (len && send(fd[0], part, len, MSG_NOSIGNAL) < 0)
			break;
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	shutdown(fd[0], SHUT_WR);
	got = turn(fd[0], answer, sizeof(answer));
	check_answer(answer, got);
	close(fd[0]);
	while (ss.clients)
		stats_client_free(ss.clients);
	return 0;
}
