/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The facts of this machine (drift.h), gathered beside the loop: files are
 * hashed and the ruleset is read in a thread of the lowest priority, which
 * touches nothing else. When it has them, a descriptor becomes readable.
 */
#ifndef STATESYNC_DRIFT_WATCH_H
#define STATESYNC_DRIFT_WATCH_H

#include <stddef.h>

#include "drift.h"
#include "exec_conf.h"

struct drift_watch;

struct drift_watch_conf {
	struct exec_watched files; /* without a channel */
	size_t nfiles;		   /* patterns */
	const char *const *sets;   /* whose elements do not count */
	size_t nsets;
};

/* Starts the thread; conf is copied, channel (exec_channel()) is the thread's
 * from now on. NULL with errno set. */
struct drift_watch *drift_watch_open(const struct drift_watch_conf *conf,
				     int channel);
/* Waits until the thread has ended; NULL is fine. */
void drift_watch_close(struct drift_watch *w);
/* Other patterns, from the next round on. 0 or -ENOMEM: the old ones stay. */
int drift_watch_set(struct drift_watch *w, const struct drift_watch_conf *conf)
	__attribute__((warn_unused_result));
/* Gathers now, if that does not go on already. */
void drift_watch_look(struct drift_watch *w);
/* Readable when there is something to take. */
int drift_watch_fd(const struct drift_watch *w);
/* What was gathered since the last time, with room for FACTS_MAX in all; how
 * many of them. *list is the caller's (free), NULL: nothing new. */
size_t drift_watch_take(struct drift_watch *w, struct fact **list);

#endif
