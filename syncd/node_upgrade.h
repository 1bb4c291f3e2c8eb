/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files of an upgrade know of each other: node_upgrade.c, the process
 * that runs, and node_takeover.c, the one that takes its place. Not for others.
 */
#ifndef STATESYNC_NODE_UPGRADE_H
#define STATESYNC_NODE_UPGRADE_H

#include "buf.h"
#include "handoff.h"
#include "launcher.h"
#include "node.h"

/* For all that the new one opens, and to hear from the old one then. */
#define UPGRADE_READY_MS 5000

/* In an offer: which descriptors it bears, in this order. */
#define UPGRADE_STATS_GIVEN 1
#define UPGRADE_LINK_GIVEN  2

/* In a commit: the same, and until all that was told is acknowledged. */
#define UPGRADE_LEASE_GIVEN  1
#define UPGRADE_EVENTS_GIVEN 2
#define UPGRADE_LABELS	     4 /* rules set some: ct_events.labels */
#define UPGRADE_SETTLE_MS    200

#define UPGRADE_VERSION_SIZE 33

struct node_upgrade {
	struct launcher *launcher;
	struct event *launcher_event, *signal;
	/* the talk with the other process; -1 */
	int fd;
	struct event *event, *timer, *settle;
	mono_t settle_until;
	/* what is in the kernel is the other's: not yet ours, or no more */
	bool foreign;
	char before[UPGRADE_VERSION_SIZE]; /* whose place is taken; "" */
	int given[UPGRADE_FDS];
	struct handoff_msg msg;
};

/* --- node_signature.c */
/* Of everything in the configuration that stands in the kernel, or that was
 * told to others: a new process does not change it by the way. */
uint64_t upgrade_signature(const struct node *n);

/* --- node_upgrade.c */
/* Ends the talk. */
void upgrade_close_talk(struct node_upgrade *u);
/* Which version one is: the last thing of an offer and of what says ready. */
void upgrade_put_version(struct writer *w);
void upgrade_get_version(struct reader *r, char version[UPGRADE_VERSION_SIZE]);

/* --- node_takeover.c */
/* What was handed on to open all else, once there is an engine. 0 or -errno,
 * which the old one was told or which is logged. */
int upgrade_read_offer(struct node *n) __attribute__((warn_unused_result));

#endif
