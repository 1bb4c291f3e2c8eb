/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a virtual host wants done, in the order in which it has to be done.
 * Types only; carp/vhost makes them, its caller carries them out.
 */
#ifndef STATESYNC_CARP_ACTION_H
#define STATESYNC_CARP_ACTION_H

#include "fsm.h"
#include "wire.h"

#include <stdbool.h>
#include <stdint.h>

enum carp_do {
	CARP_DO_TRANSITION, /* for history; first of its group */
	CARP_DO_TAKE,	    /* give the kernel address, MAC and lease */
	CARP_DO_RELEASE,    /* take them away again */
	CARP_DO_ADVERT,	    /* send this */
	CARP_DO_ANNOUNCE,   /* gratuitous ARP for every address */
	CARP_DO_ASK,	    /* ask the master, a known peer, for a handover */
	CARP_DO_WAIT,	    /* note for history: the witness is believed */
};

struct carp_action {
	enum carp_do what;
	union {
		struct {
			enum carp_state from, to;
			enum carp_cause cause;
			/* since the last advert heard; -1: none since INIT */
			int64_t silent_ns;
		} transition;
		struct {
			uint8_t bytes[CARP_ADVERT_LEN];
			uint64_t counter; /* in it */
			/* Ethernet source: the interface's, not the virtual */
			bool own_mac;
		} advert;
	};
};

/* Room for what several calls leave behind; the caller drains after each. */
#define CARP_ACTIONS_MAX 16

#endif
