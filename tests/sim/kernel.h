/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A made-up conntrack table: entries with timeouts, a queue of events that
 * can overrun, a dump that is filled one chunk ahead of its reader (rules 4),
 * and injection with the meaning that ct_inject.h promises. No clock: the
 * caller says what time it is.
 */
#ifndef STATESYNC_SIM_KERNEL_H
#define STATESYNC_SIM_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flow.h"
#include "mono.h"
#include "timeouts.h"

#define KERNEL_ENTRIES_MAX 8192
#define KERNEL_EVENTS_MAX  8192
#define KERNEL_CHUNK_MAX   128

struct kernel_entry {
	struct flow flow; /* timeout_s is not kept here */
	uint64_t key;	  /* place in a dump: bucket, then age */
	uint32_t orig_hash, reply_hash;
	mono_t expires;
	bool passed; /* a packet, since it was last told of */
	/* made by a packet at a master then, and no other kernel was given it;
	 * or 0 */
	mono_t only_since;
};

struct kernel_event {
	enum flow_op op;
	struct flow flow;
	uint32_t portid;
};

struct kernel_dump {
	bool running, last; /* last: the chunk that waits is the end */
	uint64_t after;	    /* keys up to here were looked at */
	struct flow chunk[KERNEL_CHUNK_MAX];
	size_t n;
};

struct kernel {
	struct kernel_entry *entries;
	size_t n, max; /* max: nf_conntrack_max */
	uint64_t ids;
	struct kernel_event *events;
	size_t head, queued, room; /* room: of the socket's buffer */
	bool subscribed, overrun, congested;
	unsigned swallow; /* that many events are lost in silence */
	struct kernel_dump dump;
	size_t chunk;
	const struct flow_timeouts *timeouts;
};

void kernel_init(struct kernel *k, const struct flow_timeouts *timeouts);
void kernel_free(struct kernel *k);
/* Forgets everything, as a machine that was switched off. */
void kernel_reset(struct kernel *k);

struct kernel_entry *kernel_find(struct kernel *k, const struct flow *f);
struct kernel_entry *kernel_find_reply(struct kernel *k, const struct flow *f);
const struct kernel_entry *kernel_look(const struct kernel *k,
				       const struct flow *f);

/* --- what packets do; each makes its event ---------------------------- */

/* False when the table is full or a tuple is taken. */
bool kernel_create(struct kernel *k, const struct flow *f, mono_t now);
/* The entry has been changed by the caller: its timeout and its event. */
void kernel_changed(struct kernel *k, struct kernel_entry *e, mono_t now);
/* A packet that changes nothing else. */
void kernel_refresh(struct kernel *k, struct kernel_entry *e, mono_t now);
/* forced: with time left. portid 0: by the kernel. */
void kernel_remove(struct kernel *k, struct kernel_entry *e, bool forced,
		   uint32_t portid, mono_t now);
void kernel_expire(struct kernel *k, mono_t now);

/* --- what the daemon does ----------------------------------------------- */

void kernel_subscribe(struct kernel *k, bool on);
/* 0: none; 1: one; -1: some were lost before this point. */
int kernel_event_get(struct kernel *k, struct kernel_event *ev);
/* Without events: those of our own doing are filtered. */
enum flow_result kernel_inject(struct kernel *k, const struct flow_change *c,
			       mono_t now);
void kernel_dump_start(struct kernel *k, mono_t now);
/* Takes the chunk that waits; true when more follow. */
bool kernel_dump_read(struct kernel *k, struct flow *list, size_t *n,
		      mono_t now);
void kernel_dump_abort(struct kernel *k);

#endif
