/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A drill: the tables are compared, the traffic here is counted for a moment,
 * everything is handed over, the peer carries it for a set time, and it comes
 * back; at the first sign of trouble before that time is over. Pure, as
 * handover.h: it is told facts, and says what to do next.
 */
#ifndef STATESYNC_DRILL_H
#define STATESYNC_DRILL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mono.h"
#include "session.h"

#define DRILL_COUNT_NS	 (5 * MONO_S)	/* what goes through here before */
#define DRILL_SILENCE_NS (3 * MONO_S)	/* no answers: at least so long */
#define DRILL_SETTLE_NS	 (2 * MONO_S)	/* its word may be late */
#define DRILL_ASK_NS	 (1 * MONO_S)	/* for what is to come back */
#define DRILL_BACK_NS	 (60 * MONO_S)	/* then the peer keeps it */
#define DRILL_VERIFY_NS	 (900 * MONO_S) /* then there is too much traffic */

enum drill_state {
	DRILL_IDLE,
	DRILL_VERIFY,
	DRILL_COUNT,
	DRILL_HANDOVER,
	DRILL_WATCH,
	DRILL_BACK,
};

enum drill_step {
	DRILL_WAIT,
	DRILL_DO_HANDOVER, /* then drill_handed() */
	DRILL_DO_ASK,	   /* the peer to hand back */
	DRILL_DO_END,	   /* result and why are there; the state is IDLE */
};

enum drill_result {
	DRILL_NONE,
	DRILL_PASSED,
	DRILL_UNPROVEN, /* nobody wanted anything of the peer */
	DRILL_FAILED,
};

struct drill_facts {
	bool peer_live;	 /* the link stands */
	bool peer_has;	 /* it says that it is master of all that was given */
	bool have, none; /* this node is, of all, of nothing of it */
	bool in_sync;	 /* all that the peer tells is here */
	/* changes of connections that were answered: told to it, heard of it */
	uint64_t told, heard;
};

struct drill {
	enum drill_state state;
	enum drill_result result;
	mono_t entered; /* the present state */
	int64_t watch_ns;
	bool synced;	  /* in_sync, once since the handover */
	uint64_t start;	  /* told or heard when the state was entered */
	uint64_t before;  /* told in DRILL_COUNT_NS */
	uint64_t carried; /* heard while the peer had it */
	int64_t carried_ns;
	uint64_t heard; /* the last time that it grew: */
	mono_t heard_at;
	mono_t asked_at;
	char why[SESSION_REASON_MAX]; /* the first trouble, or "" */
	bool stuck;		      /* the peer did not hand back */
};

/* The tables are to be compared now: drill_verified() follows. */
void drill_start(struct drill *d, int64_t watch_ns, mono_t now);
void drill_verified(struct drill *d, const struct drill_facts *f,
		    const char *why, mono_t now); /* NULL: they are equal */
void drill_handed(struct drill *d, const struct drill_facts *f, const char *why,
		  mono_t now); /* NULL: the peer has it */
/* Somebody wants it to end: at once, or by going back. */
void drill_interrupt(struct drill *d, const char *why, mono_t now);

/* The next thing to do; changes the state as if it had been done. */
enum drill_step drill_next(struct drill *d, const struct drill_facts *f,
			   mono_t now);

#endif
