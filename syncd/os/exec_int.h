/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the daemon and its helper say to each other, both of the same program:
 * one message a datagram, over two socket pairs. One is for commands; the
 * other is for files, where the daemon waits for the answer. For exec*.c only.
 */
#ifndef STATESYNC_EXEC_INT_H
#define STATESYNC_EXEC_INT_H

#include <stdbool.h>
#include <sys/types.h>

#include "exec.h"
#include "exec_names.h"
#include "fact.h"

#define EXEC_FINISH 0 /* instead of an id: the daemon leaves in order */

/* Run this one; a number of the commands with this digest. What follows:
 * exec_env_pack() of no command. */
struct exec_request {
	uint64_t id;
	int64_t limit_ns;
	uint32_t queue, number;
	uint8_t of[EXEC_DIGEST];
};

/* A line follows that is EXEC_LINE, without a NUL. */
struct exec_answer {
	uint64_t id;
	enum exec_how how;
	int status;
};

/* Open this one; a number of the files of the configuration with this digest.
 * 0: the configuration as it is now, while the one with this digest is in use
 * (all 0: none is). */
struct exec_file_request {
	uint32_t id, number;
	uint32_t match; /* of a pattern: the how-manieth file, from 0 */
	uint8_t of[EXEC_DIGEST];
};

/* Instead of a number: another socket for files, in place of the one that was
 * asked for before. */
#define EXEC_CHANNEL UINT32_MAX

/* Before a name in the list of files: the pidfd of such a process. */
#define EXEC_PROCESS "process "
/* The same: a pattern of files that are compared. */
#define EXEC_WATCHED "watched "

/* err: errno; 0: the descriptor comes along. */
struct exec_file_answer {
	uint32_t id;
	int err;
	char name[FACT_NAME_MAX]; /* of a pattern: this file's */
};

struct exec_asked {
	uint64_t id; /* 0: free */
	exec_cb *cb; /* NULL: forgotten */
	void *arg;
};

struct exec {
	int fd;	   /* -1: the helper is gone */
	int files; /* the other pair */
	pid_t pid; /* of a child; 0 */
	uint64_t last_id;
	uint32_t last_file;
	uint32_t owed; /* answer; 0: none */
	/* of a configuration, or NULL: in use; complete; being read */
	struct exec_names *used, *draft, *loading;
	struct exec_asked asked[EXEC_JOBS_MAX];
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

/* A message with a descriptor, -1: without. len, or -1 with errno. */
ssize_t exec_send_fd(int fd, const void *data, size_t len, int given);
/* The reverse, which waits for it; *given -1: it has none. */
ssize_t exec_recv_fd(int fd, void *data, size_t len, int *given);

/* To a helper that is there already: the first message, with its end of the
 * pair for files. */
#define EXEC_HELLO "statesync helper 2"

/* The helper's life, with its ends of the pairs. */
void exec_helper(int fd, int files, exec_loader *load, const char *path,
		 const void *arg) __attribute__((noreturn));

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

#endif
