/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which DESTROY events of our kernel are told to the peers (rules 3). A
 * flow that ended is told. One that was torn away, because a device or an
 * address went or the table was flushed, is not: the peer exists to keep it.
 */
#ifndef STATESYNC_DESTROYS_H
#define STATESYNC_DESTROYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flow.h"
#include "mono.h"

#define DESTROYS_WAIT_NS       (100 * MONO_MS)
#define DESTROYS_FLUSH_COUNT   1000 /* more of one process are a flush */
#define DESTROYS_FLUSH_QUARTER 16   /* so many, if a quarter of the table */
#define DESTROYS_LIST_MAX      2048

enum destroys_verdict {
	DESTROYS_TELL,	 /* now */
	DESTROYS_WAIT,	 /* kept; destroys_next gives it when its time comes */
	DESTROYS_FORCED, /* torn away: not told */
	DESTROYS_FLUSH,	 /* part of a flush: not told */
	DESTROYS_VERDICTS
};

struct destroys_entry {
	struct flow flow;
	uint32_t portid;
	uint64_t number; /* how many were offered before it */
	uint64_t table;	 /* entries then, as far as known */
	mono_t due;
};

struct destroys {
	struct destroys_entry list[DESTROYS_LIST_MAX]; /* a ring, by time */
	size_t head, count;
	uint64_t offered;
	/* The process that is flushing, until it was quiet for the wait. */
	uint32_t flushing;
	mono_t flush_ends;
	uint64_t flushed; /* entries of the flush now going on */
	uint64_t counters[DESTROYS_VERDICTS];
	uint64_t flushes;
};

const char *destroys_verdict_name(enum destroys_verdict v);

void destroys_init(struct destroys *d);

/* Its own protocol had ended it: torn away by anybody, it is no loss. */
bool destroys_ended(const struct flow *f);
/* It had time left, and its protocol had not ended it. */
bool destroys_early(const struct flow *f);
/* Of those that the kernel drops where its table is full (early_drop,
 * tcp_can_early_drop): nobody misses it. */
bool destroys_droppable(const struct flow *f);

/*
 * A DESTROY event: portid is that of the process that caused it, 0 for the
 * kernel; FLOW_HAS_TIMEOUT in f says that it had time left. table: entries in
 * our table now. DESTROYS_FLUSH also throws away what waits of that process.
 */
enum destroys_verdict destroys_offer(struct destroys *d, const struct flow *f,
				     uint32_t portid, uint64_t table,
				     mono_t now);

/* The tuple lives again: a delete of it that waits is forgotten, the peer
 * replaces what it has when it is told of the new flow. before: it was seen
 * alive when so many had been offered, or DESTROYS_ALL. */
#define DESTROYS_ALL UINT64_MAX
void destroys_revive(struct destroys *d, const struct flow *f, uint64_t before);

/* Takes the next one whose time has come; false when there is none. */
bool destroys_next(struct destroys *d, mono_t now, struct flow *f);

/* Forgets all that wait: mastership was given up, or a gap was opened. */
void destroys_clear(struct destroys *d);

mono_t destroys_deadline(const struct destroys *d);

#endif
