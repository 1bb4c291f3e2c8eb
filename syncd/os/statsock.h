/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The stats socket: a UNIX stream socket on which an operator's line gets
 * an answer. One request line of at most 1024 bytes with commands separated
 * by ';'; for each command 0..n lines, one status line ("ok", "no: ...",
 * "error: ...") and an empty line; then it is closed (statsock_prompt.h: or
 * not). What the commands mean is not known here. The program ignores SIGPIPE.
 *
 * Limits: 32 clients and 2 more for uid 0, 10 s for the line, 256 KiB of
 * answer, 10 s to read it.
 */
#ifndef STATESYNC_STATSOCK_H
#define STATESYNC_STATSOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define STATSOCK_DEFAULT_PATH "/run/statesync/stats.sock"
#define STATSOCK_LINE_MAX     1024 /* bytes of a request, without newline */
#define STATSOCK_ARGS_MAX     32
#define STATSOCK_OUTPUT_MAX   (256 * 1024)

struct event_base;
struct statsock;
struct stats_client;

enum stats_verdict { STATS_OK, STATS_NO, STATS_ERROR };

enum statsock_counter {
	STATSOCK_CLIENTS,  /* accepted */
	STATSOCK_LIMIT,	   /* refused, too many */
	STATSOCK_GARBAGE,  /* request too long or not text */
	STATSOCK_TIMEOUT,  /* no line within 10 s, or 60 s */
	STATSOCK_STUCK,	   /* answer not read within 10 s */
	STATSOCK_VANISHED, /* gone before its answer was complete */
	STATSOCK_COUNTERS
};

/*
 * Called for each command with argc >= 1. It must lead to exactly one
 * statsock_end(), at once or later: the client stays valid until then, or
 * until its close function was called. argv is gone on return.
 */
typedef void statsock_handler_fn(void *arg, struct stats_client *client,
				 int argc, char **argv);
typedef void statsock_close_fn(void *ctx, struct stats_client *client);

/*
 * Opens the socket, mode 0660, group statesync where that exists. A socket
 * file at `path` on which nobody listens is removed first. 0 and *out, or
 * -errno: -EADDRINUSE when somebody listens there or the file is no socket,
 * -ENAMETOOLONG.
 */
int statsock_new(struct event_base *base, const char *path,
		 statsock_handler_fn *handler, void *arg, struct statsock **out)
	__attribute__((warn_unused_result));

/* The listening socket, to hand it on; and the same as statsock_new() with
 * one that was handed on, which is taken over. */
int statsock_fd(const struct statsock *ss);
int statsock_adopt(struct event_base *base, const char *path, int fd,
		   statsock_handler_fn *handler, void *arg,
		   struct statsock **out) __attribute__((warn_unused_result));

/* Closes all clients, their close functions called; removes the file. */
void statsock_free(struct statsock *ss);

/*
 * Adds to the answer's body. An empty line in it travels as a line of one
 * blank, so that only the end of an answer is an empty line. 0, or -ENOBUFS
 * when the answer would pass STATSOCK_OUTPUT_MAX; statsock_end() then tells
 * the client so, whatever its verdict.
 */
int statsock_write(struct stats_client *client, const char *data, size_t len);
int statsock_printf(struct stats_client *client, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Ends the answer to one command; `sentence` (no newline) is for NO and ERROR,
 * else NULL. The handle is no longer the caller's.
 */
void statsock_end(struct stats_client *client, enum stats_verdict verdict,
		  const char *sentence);

/*
 * For a command that takes longer: fn(ctx, client) is called once when the
 * client goes away (or was too slow) before statsock_end(); after it the
 * handle is dead. NULL takes the function back. It comes up to 250 ms late;
 * who counts clients asks.
 */
void statsock_on_close(struct stats_client *client, statsock_close_fn *fn,
		       void *ctx);
bool statsock_is_gone(const struct stats_client *client);

/*
 * For an answer without a bound: fn(ctx, client) is called whenever all that
 * was added so far has been read, until statsock_end().
 */
void statsock_on_room(struct stats_client *client, statsock_close_fn *fn,
		      void *ctx);

/* Who asks: the user, and whether he is uid 0 or in statesync-admin. */
uid_t statsock_client_uid(const struct stats_client *client);
bool statsock_client_may_change(const struct stats_client *client);
uint64_t statsock_count(const struct statsock *ss, enum statsock_counter c);
const char *statsock_counter_name(enum statsock_counter c);

/*
 * Pure. Takes the next command off a request: words separated by blanks, "..."
 * for one with blanks in it, ';' ends the command. They are cut out of `line`
 * in place (`len` bytes; line[len] must be writable) and put into argv, at most
 * STATSOCK_ARGS_MAX. The number of words, 0 for an empty command, or -EINVAL
 * (control byte, open quote), -E2BIG (too many words). *used: bytes taken.
 */
int statsock_split(char *line, size_t len, char **argv, size_t *used)
	__attribute__((warn_unused_result));

#endif
