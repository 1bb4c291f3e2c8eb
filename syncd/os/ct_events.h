/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The kernel's words about conntrack entries as they change. Open always,
 * subscribed only where a node has something to tell: a listener halves the
 * rate at which entries can be inserted (CTNETLINK.md 2).
 */
#ifndef STATESYNC_CT_EVENTS_H
#define STATESYNC_CT_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ct_expect.h"
#include "flow.h"
#include "nl.h"

struct ct_event {
	enum flow_op op;  /* FLOW_NEW, FLOW_UPDATE or FLOW_DESTROY */
	uint32_t portid;  /* who caused it: 0 packets, timeouts, the kernel */
	struct flow flow; /* a DESTROY with FLOW_HAS_TIMEOUT was forced */
};

typedef void ct_event_cb(const struct ct_event *event, void *arg);

struct ct_events {
	struct nl_sock sock;
	struct nl_sock query;	 /* completes events that tell half a flow */
	struct nl_slots *slots;	 /* owned */
	ct_expect_cb *expect_cb; /* set by the owner; NULL: not told */
	uint32_t own_portid;	 /* whose events are not told; 0: nobody's */
	uint64_t refused[4];	 /* protocols, a bit each */
	/* labels are wanted with each event; the kernel tells them only when
	 * they change, so the others have to be completed */
	bool want_labels;
	bool subscribed;
	uint64_t foreign; /* messages that are no flow of ours */
	uint64_t malformed;
	uint64_t completed; /* updates that had to be asked for */
	bool labels;	    /* rules here set some */
};

/* Conditions of ct_events_read. */
enum {
	CT_EVENTS_DRAINED = 0, /* nothing more for now */
	CT_EVENTS_MORE,	       /* max reached, there may be more */
	CT_EVENTS_OVERRUN,     /* some were lost before this point; read on */
};

/*
 * Opens, not subscribed. buffer is what the kernel may queue for us, in bytes
 * as it counts (about 768 for an event). 0 or -errno; on failure all closed.
 */
__attribute__((warn_unused_result)) int ct_events_open(struct ct_events *e,
						       size_t buffer);
void ct_events_close(struct ct_events *e);

/*
 * Goes on with the socket of another process, subscribed, with all that waits
 * in it; fd is taken over, on failure, too. 0 or -errno; then closed.
 */
__attribute__((warn_unused_result)) int ct_events_adopt(struct ct_events *e,
							int fd);

/*
 * From now on events caused by that netlink port are dropped, by the kernel
 * (a socket filter on nlmsg_pid) and, should one slip through, here. 0 takes
 * the filter away. 0 or -errno.
 */
__attribute__((warn_unused_result)) int ct_events_ignore_portid(
	struct ct_events *e, uint32_t portid);

/*
 * From now on the kernel drops events of flows of these protocols, a bit each,
 * where it can (ct_refuse.h). 0 or -errno, then it drops none of them.
 */
__attribute__((warn_unused_result)) int ct_events_refuse(
	struct ct_events *e, const uint64_t protocols[4]);

/*
 * Starts to listen to NEW, UPDATE and DESTROY, of expectations, too; a second
 * call does nothing.
 * What happens from its return on is told. 0 or -errno (then not subscribed).
 */
__attribute__((warn_unused_result)) int ct_events_subscribe(
	struct ct_events *e);

/* Stops and throws away what is queued; also a pending overrun. */
void ct_events_unsubscribe(struct ct_events *e);

/* Becomes readable when there is an event or an overrun. */
int ct_events_fd(const struct ct_events *e);

/*
 * Reads at most max messages (0: no limit) and calls cb(event, arg) for each
 * flow, expect_cb(event, arg) for each expectation. cb may not call back into
 * e. An UPDATE that does not carry the TCP state (a mark that changed), the
 * master or changed lengths is completed from the kernel's entry; if that is
 * gone, the event is dropped, for its DESTROY follows.
 * Returns a condition from above or -errno.
 */
__attribute__((warn_unused_result)) int ct_events_read(struct ct_events *e,
						       ct_event_cb *cb,
						       void *arg, unsigned max);

#endif
