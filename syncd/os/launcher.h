/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Starts this program again, from the path that it was started from, while it
 * runs: by a child that can do just that and holds nothing of the daemon's
 * (rules 14: the daemon never forks once it has a lease). The new process is
 * the launcher's child, of the same unit, and outlives it.
 */
#ifndef STATESYNC_LAUNCHER_H
#define STATESYNC_LAUNCHER_H

struct launcher;

/* Positive results of launcher_read. */
enum launcher_condition {
	LAUNCHER_ENDED = 1, /* status: as of waitpid(2) */
	LAUNCHER_FAILED,    /* status: errno, it was not started */
	LAUNCHER_GONE,	    /* the launcher died; no more can be started */
};

/*
 * Forks it. argv is the daemon's own, and stays. Before any other descriptor
 * is opened and any thread started. NULL with errno set when it cannot be.
 */
struct launcher *launcher_open(char *const argv[])
	__attribute__((warn_unused_result));

/* Lets the launcher end, not what it started. NULL is fine. */
void launcher_close(struct launcher *l);

/* To wait on for reading; -1 when it is gone. */
int launcher_fd(const struct launcher *l);

/* Starts the program with this descriptor, see launcher_given(); the caller
 * closes its own. One at a time. 0 or -errno; its end comes by
 * launcher_read(). */
int launcher_start(struct launcher *l, int fd)
	__attribute__((warn_unused_result));

/* Kills what was started last, if it still runs; its end follows. */
void launcher_kill(struct launcher *l);

/* Waits at most ms for an end. 0: there is none. */
int launcher_read(struct launcher *l, int *status, int ms)
	__attribute__((warn_unused_result));

/* In the program: the descriptor it was started with, CLOEXEC, or -1. Of the
 * first call only. */
int launcher_given(void);

#endif
