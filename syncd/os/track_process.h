/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Does a process of this name run? As `pgrep -x NAME` sees it: the first 15
 * bytes of its command's name (/proc/PID/comm, proc(5)), whoever's it is, in
 * every network namespace; not one that ended and waits for its parent.
 *
 * All of /proc is read only while none is known, a piece at a time, so that
 * ten thousand processes do not hold up an advert; the one that was found is
 * watched by its pidfd, and its end is known at once.
 */
#ifndef STATESYNC_TRACK_PROCESS_H
#define STATESYNC_TRACK_PROCESS_H

#include <dirent.h>
#include <stdbool.h>
#include <sys/types.h>

#define TRACK_COMM_SIZE 16 /* with its NUL: TASK_COMM_LEN */

struct track_process {
	char comm[TRACK_COMM_SIZE];
	pid_t pid; /* 0: none is known; -1: only its pidfd is */
	int pidfd; /* of it: readable when it ended; -1 */
	DIR *scan; /* the search that goes on */
};

/* Positive results. */
enum track_process_condition {
	TRACK_PROCESS_NONE = 1, /* none runs */
	TRACK_PROCESS_LOOKING,	/* the search goes on: call again soon */
};

void track_process_open(struct track_process *p, const char *name);
void track_process_close(struct track_process *p);

/*
 * Looks at the one that is known, else goes on with the search, for about
 * 0.5 ms. 0: one runs (p->pid, p->pidfd); a condition; -errno: /proc cannot be
 * read.
 */
int track_process_look(struct track_process *p)
	__attribute__((warn_unused_result));

/* For who sees no other user's processes (ProtectProc= of a unit): the search
 * by somebody who does, as a whole, a pidfd or -errno (-ENOENT: none runs); and
 * what it found, or not. */
bool track_process_hidden(void);
int track_process_find(const char *name) __attribute__((warn_unused_result));
int track_process_found(struct track_process *p, int pidfd)
	__attribute__((warn_unused_result));

#endif
