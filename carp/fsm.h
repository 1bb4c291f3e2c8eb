/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The election as one pure function: what we are, what another one says, what
 * follows. Rules of OpenBSD carp_proto_input_c; towards nodes that we know, a
 * tie-break instead of "equality yields"; and the hold: a node whose copy of
 * the state is not good enough does not take over from a living master.
 */
#ifndef STATESYNC_CARP_FSM_H
#define STATESYNC_CARP_FSM_H

#include "wire.h"

#include <stdbool.h>
#include <stdint.h>

enum carp_state { CARP_INIT, CARP_BACKUP, CARP_MASTER };

/* "INIT", "BACKUP", "MASTER". */
const char *carp_state_name(enum carp_state s);

/* Why a vhost changed its state. */
enum carp_cause {
	CARP_CAUSE_NONE,
	CARP_CAUSE_LINK_UP,	/* INIT -> BACKUP */
	CARP_CAUSE_LINK_DOWN,	/* any -> INIT */
	CARP_CAUSE_STOP,	/* any -> INIT, with a bow-out */
	CARP_CAUSE_MASTER_DOWN, /* no advert for a master-down time */
	CARP_CAUSE_BOW_OUT,	/* the master's advert says good-bye */
	CARP_CAUSE_GIVEN_UP,	/* the master says so over the link */
	CARP_CAUSE_SLOW,	/* its adverts are too far apart to count */
	CARP_CAUSE_PREEMPT,	/* we advertise more often */
	CARP_CAUSE_DEMOTED,	/* the master is more demoted than we */
	CARP_CAUSE_HANDOVER,	/* asked for by a node or a person */
	CARP_CAUSE_BETTER, /* MASTER hears one that advertises more often */
	CARP_CAUSE_LESS_DEMOTED, /* MASTER hears one less demoted */
	CARP_CAUSE_EQUAL,	 /* MASTER hears its equal, an unknown node */
	CARP_CAUSE_TIE,		 /* MASTER hears its equal and loses the tie */
	CARP_CAUSE_LEASE,	 /* the kernel's lease ran out */
	CARP_CAUSE_LEASE_BACK,	 /* got again, nobody else was master */
	/* rules 10: BACKUP hears no adverts, the link speaks of a master ... */
	CARP_CAUSE_WITNESS, /* ... and it waits; no transition */
	CARP_CAUSE_UNHEARD, /* ... and it has waited long enough */
	CARP_CAUSE_WORD, /* MASTER: the peer says over the link that it took */
	CARP_CAUSE_ELECTOR, /* another program elects, and says so */
};

/* Short words for history: "bow-out", "master more demoted". */
const char *carp_cause_name(enum carp_cause c);

/* A hold counts as this much demotion where a BACKUP compares; a master with
 * that much is replaced even by a holding node; towards a node that knows no
 * demotion a holding one compares with that advskew (rules 1). */
#define CARP_HOLD_DEMOTION   32
#define CARP_FORCED_DEMOTION 128
#define CARP_HOLD_ADVSKEW    240

/* What the node says about itself to all of its vhosts. */
struct carp_env {
	unsigned demotion; /* without the hold; on the wire at most 255 */
	bool holding;
	bool may_preempt; /* false after a handover, rules 12 */
	bool ask_first;	  /* preempt known peers by CARP_DO_ASK */
	bool second;	  /* a bow-out is for another node first (rules 11) */
	bool others;	  /* it may be: a moment, to hear of that */
	bool behind;	  /* another backup's copy is better than ours */
};

/* What we are. */
struct carp_self {
	enum carp_state state;
	uint8_t advbase, advskew;
	uint8_t demotion; /* as on the wire, without the hold */
	bool holding;	  /* looked at in BACKUP only: a MASTER never holds */
	bool preempt;
	bool ask_first; /* preempt by asking, where the sender can be asked */
	bool second;	/* a bow-out is for another node first */
};

/* When demotion and frequency are equal: who goes on (decided by the caller,
 * as rules 11 says; both nodes must come to opposite answers). */
enum carp_tie { CARP_TIE_WIN, CARP_TIE_LOSE };

/* Who sent the advert, as far as the caller knows. */
struct carp_sender {
	struct carp_address addr; /* its family is that of the timer */
	bool known;	   /* a peer of ours: it speaks our link protocol */
	bool asks;	   /* and can be asked for a handover now */
	enum carp_tie tie; /* looked at only if known */
	/* counted, if the HMAC is right, and not looked at: REPLAY, SOURCE */
	enum carp_refusal refused;
};

enum carp_step {
	CARP_STAY,  /* MASTER goes on; INIT does not listen */
	CARP_REARM, /* BACKUP: the master lives, wait anew */
	CARP_TAKE,  /* BACKUP -> MASTER */
	CARP_ASK,   /* as REARM, and ask the master for a handover */
	CARP_YIELD, /* MASTER -> BACKUP */
};

struct carp_verdict {
	enum carp_step step;
	enum carp_cause cause; /* of TAKE, ASK and YIELD, else NONE */
};

/* What an advert that passed all checks asks for. */
struct carp_verdict carp_fsm_decide(const struct carp_self *self,
				    const struct carp_advert *rx,
				    const struct carp_sender *from);

/* advbase 255 and advskew 255: a master's good-bye (carp_send_ad while going
 * down). Recognised also at advbase 0, where OpenBSD waits. */
bool carp_fsm_is_bow_out(const struct carp_advert *rx);

#endif
