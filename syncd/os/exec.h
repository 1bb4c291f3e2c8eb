/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Commands of the administrator, run by a helper process: checks (track {}),
 * and what follows a change of role. The daemon never waits for one and never
 * forks once it has a lease: a child would inherit the socket that owns the
 * nftables table, and keep it alive (rules 14). So the helper is forked before
 * there is anything to inherit, and holds two sockets to the daemon, no more;
 * or it is there already, started by the service manager.
 *
 * It has the rights that the daemon gives up. So it is not told what to run or
 * to open: it reads the configuration by itself, and is asked for the number
 * of a command or of a file that stands there (exec_conf.h).
 *
 * Each command is run by `sh -c` in a process group of its own, standard input
 * empty. Beyond its time limit the group gets SIGTERM, 2 s later SIGKILL; that
 * of a check at once. What is in the background of an ended one stays.
 *
 * When the daemon ends, checks that run are killed, and commands of a queue let
 * finish, within their limit; those that wait are run too if the daemon left
 * in order (exec_close), and dropped if it was killed.
 */
#ifndef STATESYNC_EXEC_H
#define STATESYNC_EXEC_H

#include <stdint.h>

#define EXEC_JOBS_MAX  256  /* that run or wait */
#define EXEC_LINE_MAX  400  /* bytes; longer lines come in pieces */
#define EXEC_ENV_MAX   4096 /* bytes of variables that come along */
#define EXEC_LINES_MAX 20   /* of one run; the rest is counted */

/* Commands of one queue are run one at a time, in the order of exec_run();
 * those of EXEC_CHECK at once, beside whatever runs. */
#define EXEC_CHECK 0

enum exec_how {
	EXEC_LINE,	/* not the end: a line of its output, in text */
	EXEC_EXITED,	/* status: its exit status */
	EXEC_SIGNALLED, /* status: the signal that killed it */
	EXEC_TIMEOUT,	/* its time was up; nothing of it is left */
	EXEC_NOT_RUN,	/* status: errno; there was no process for it */
	EXEC_LOST,	/* the helper is gone, nobody knows how it ended */
};

struct exec_event {
	enum exec_how how;
	int status;
	const char *text; /* of EXEC_LINE: until the callback returns */
};

/* Lines as they come, then exactly one other event. May call exec_run(). */
typedef void exec_cb(const struct exec_event *ev, void *arg);

/* Positive results. */
enum exec_condition {
	EXEC_GONE = 1, /* the helper died; it cannot be made again */
};

struct exec;
struct exec_names;

/* Reads a configuration: its names, and its text in *fd (-1: it cannot be
 * opened). 0 or -errno. */
typedef int exec_loader(const char *path, const void *arg, struct exec_names *n,
			int *fd);

/*
 * Forks the helper, which reads the configuration at path. Before any other
 * descriptor is opened and any thread started. NULL with errno set when it
 * cannot be.
 */
struct exec *exec_open(exec_loader *load, const char *path, const void *arg)
	__attribute__((warn_unused_result));

/* The helper behind this socket instead. */
struct exec *exec_connect(const char *socket)
	__attribute__((warn_unused_result));

/* Is that helper, in a process that was given a connection to its socket;
 * ends it. */
void exec_serve(int fd, exec_loader *load, const char *path, const void *arg)
	__attribute__((noreturn));

/* Lets the helper end, see above, without waiting for it. No callback is
 * called any more. NULL is fine. */
void exec_close(struct exec *x);

/* To wait on for reading; -1 when the helper is gone. */
int exec_fd(const struct exec *x);

/*
 * Has a command of the configuration in use run, for at most limit_ms (above
 * 0). 0 and the callback comes later, from exec_read(). No callback: EXEC_GONE;
 * -EAGAIN: too many run or wait; -ENOENT: it is not in exec_conf.c's list;
 * -errno.
 */
int exec_run(struct exec *x, uint32_t queue, const char *command,
	     int64_t limit_ms, exec_cb *cb, void *arg)
	__attribute__((warn_unused_result));

/* The same with variables of its own, "STATESYNC_...=..."; the list ends with
 * NULL. -E2BIG: they are longer than EXEC_ENV_MAX. */
int exec_run_env(struct exec *x, uint32_t queue, const char *command,
		 const char *const *env, int64_t limit_ms, exec_cb *cb,
		 void *arg) __attribute__((warn_unused_result));

/* From now on nobody is called with this arg; what runs goes on. */
void exec_forget(struct exec *x, const void *arg);

/*
 * Reads what the helper says and calls back; does not wait. 0, or EXEC_GONE,
 * once, after EXEC_LOST to all whose commands were under way.
 */
int exec_read(struct exec *x) __attribute__((warn_unused_result));

/* "exit status 1", "killed by signal 9", "timed out": of an end. Returns
 * text; size >= 48. */
const char *exec_words(const struct exec_event *ev, char *text, int size);

#endif
