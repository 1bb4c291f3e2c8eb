/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The old master's part of a planned switch, step by step (rules 12): drain
 * while still forwarding, fence (the kernel's right is revoked), wait until
 * the peer has everything, say so, and end when the peer is master. Pure; the
 * engine tells it facts and does what it asks for.
 */
#ifndef STATESYNC_HANDOVER_H
#define STATESYNC_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mono.h"

#define HANDOVER_DRAIN_NS    (2 * MONO_S)
#define HANDOVER_FENCED_NS   (50 * MONO_MS)
#define HANDOVER_BATCH_BYTES 8192	    /* a queue below this is drained */
#define HANDOVER_LAG_NS	     (5 * MONO_MS)  /* and a peer that is so near */
#define HANDOVER_LAG_MAX_NS  (25 * MONO_MS) /* or, after DRAIN, so near */

enum handover_state {
	HANDOVER_IDLE,
	HANDOVER_DRAIN,
	HANDOVER_FENCED,
	HANDOVER_SAID, /* the peer was told to take over */
};

enum handover_step {
	HANDOVER_WAIT,
	HANDOVER_DO_FENCE, /* revoke, read the last events, then go on */
	HANDOVER_DO_GO,	   /* bow out, tell the peer to take over */
	HANDOVER_DO_END,   /* the peer is master: become backup */
	HANDOVER_DO_BACK,  /* nobody took it: take the right back */
	HANDOVER_DO_FAIL,  /* given up before the fence */
};

struct handover_facts {
	bool peer_live;	     /* the link stands */
	bool peer_in_sync;   /* no gap was opened meanwhile */
	bool events_read;    /* since the start the kernel had no more */
	size_t backlog;	     /* bytes of flows that wait */
	int64_t lag_ns;	     /* how far behind the peer's kernel is */
	bool events_drained; /* since the fence, all kernel events were read */
	bool acked;	     /* everything told has its result */
	bool peer_master;    /* its word or its advert says so */
	bool peer_refused;
};

struct handover {
	enum handover_state state;
	bool force;	     /* lose what is missing rather than not go */
	int64_t interval_ns; /* the longest advert interval handed over */
	mono_t entered;	     /* the present state */
	mono_t drained;	     /* the last events were read */
	bool was_drained;
	bool complete; /* the peer had everything when it was told to go */
	/* how long each took; take: until the peer was master */
	int64_t drain_ns, fence_ns, ack_ns, take_ns;
	const char *why; /* of FAIL and BACK: a phrase */
};

void handover_start(struct handover *h, bool force, int64_t interval_ns,
		    mono_t now);

/* The next thing to do; changes the state as if it had been done. */
enum handover_step handover_next(struct handover *h,
				 const struct handover_facts *f, mono_t now);

mono_t handover_deadline(const struct handover *h);

#endif
