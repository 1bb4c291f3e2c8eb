/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the daemon and its helper say to each other: one message a datagram of
 * a socket pair, both ends of the same program. For exec*.c only.
 */
#ifndef STATESYNC_EXEC_INT_H
#define STATESYNC_EXEC_INT_H

#include <stdbool.h>
#include <sys/types.h>

#include "exec.h"

#define EXEC_FINISH 0 /* instead of an id: the daemon leaves in order */

/* The command follows; a NUL and a variable, for each of them. */
struct exec_request {
	uint64_t id;
	int64_t limit_ns;
	uint32_t queue;
};

/* A line follows that is EXEC_LINE, without a NUL. */
struct exec_answer {
	uint64_t id;
	enum exec_how how;
	int status;
};

/* header and len bytes of text as one message. Sent, or -1 with errno. */
ssize_t exec_send(int fd, const void *header, size_t header_len,
		  const char *text, size_t len);

/*
 * The reverse; text gets a NUL, size is with it. Bytes of text, or -1 with
 * errno; EPIPE: the other side is gone, EBADMSG: shorter than the header.
 */
ssize_t exec_recv(int fd, void *header, size_t header_len, char *text,
		  size_t size);

/*
 * exec_env.c. A command and its variables ("NAME=value", the list ended by
 * NULL, or NULL) as the text of a request: its length, or -E2BIG. And the
 * environment that such a text asks for, to be given back with free(); it
 * points into the text, which has a NUL behind it. NULL without memory.
 */
int exec_env_pack(char *buf, size_t size, const char *command,
		  const char *const *env);
char **exec_env_make(char *text, size_t len);
/* The helper's own PATH: what stands in for programs of OpenBSD goes first. */
void exec_env_path(void);

/* The helper's life, in the child. fd is its end of the pair. */
void exec_helper(int fd) __attribute__((noreturn));

#endif
