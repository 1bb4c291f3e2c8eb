/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The kernel's conntrack table, read in chunks at the reader's pace.
 *
 * Order (rules 4): the kernel fills chunk k inside the recvmsg that returned
 * chunk k-1 and never runs further ahead. So what is read from the event
 * socket after ct_dump_read returned chunk k-1 may be newer than chunk k and
 * must be told after chunk k.
 */
#ifndef STATESYNC_CT_DUMP_H
#define STATESYNC_CT_DUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "filter_rules.h"
#include "flow.h"
#include "nl.h"

/* The kernel's largest chunk, about 135 entries (SKB of 32 KiB). */
#define CT_DUMP_CHUNK 32768

struct ct_dump {
	struct nl_sock sock;
	uint8_t *chunk;	   /* owned, CT_DUMP_CHUNK bytes */
	size_t chunk_size; /* that is asked for */
	bool running;
	uint32_t buckets; /* of the table when the dump began */
	/* what the next dump may be limited to; the kernel may tell more */
	struct filter_need need;
	uint64_t foreign; /* messages that are no flow of ours */
	uint64_t malformed;
};

typedef void ct_dump_cb(const struct flow *flow, void *arg);

/* Conditions of ct_dump_read. */
enum {
	CT_DUMP_DONE = 0,
	CT_DUMP_MORE = 1,
};

/* 0 or -errno; on failure all closed. */
__attribute__((warn_unused_result)) int ct_dump_open(struct ct_dump *d);
void ct_dump_close(struct ct_dump *d);

/*
 * Begins to dump a family (AF_INET, AF_INET6; 0 for both). The first chunk is
 * filled before this returns, a small one. A dump that runs is aborted first.
 * 0 or -errno.
 */
__attribute__((warn_unused_result)) int ct_dump_start(struct ct_dump *d,
						      uint8_t family);

/*
 * Before the first ct_dump_read: all chunks of this dump are as small as the
 * first. The kernel looks for enough live entries to fill one, and ends and
 * tells of each on its way that has expired.
 */
void ct_dump_small(struct ct_dump *d);

/*
 * Reads exactly one chunk, never waits, and calls cb(flow, arg) for each flow
 * in it. cb may abort the dump. Returns CT_DUMP_MORE, CT_DUMP_DONE (also when
 * none is running), or -errno: the dump is then over and incomplete
 * (-EINTR: the table was resized meanwhile; -EBADMSG: one of them is
 * malformed).
 */
__attribute__((warn_unused_result)) int ct_dump_read(struct ct_dump *d,
						     ct_dump_cb *cb, void *arg);

/* In words; NULL: it did not fail. */
const char *ct_dump_why(int ret);

/* Ends a dump at any moment; nothing of it shows up later. */
void ct_dump_abort(struct ct_dump *d);

/*
 * How many entries this namespace has and how many it may have
 * (nf_conntrack_max); max may be NULL. From /proc/sys, because a question over
 * netlink waits for whoever flushes a table, seconds for a large one (one
 * mutex for the whole machine, CTNETLINK.md 2). 0 or -errno.
 */
__attribute__((warn_unused_result)) int ct_count(uint32_t *entries,
						 uint32_t *max);

#endif
