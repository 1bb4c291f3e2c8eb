/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The last transitions of all virtual hosts, each with its cause and with
 * how long each step of it took. A ring; the oldest is forgotten.
 */
#ifndef STATESYNC_HISTORY_H
#define STATESYNC_HISTORY_H

#include <stddef.h>
#include <stdint.h>

#include "fsm.h"
#include "mono.h"
#include "session.h"

#define HISTORY_MAX 64

/* The parts of a takeover: three of the old master, three of the new one. */
enum history_step {
	STEP_DRAIN,
	STEP_FENCE,
	STEP_ACK,
	STEP_ADDRESS,
	STEP_LEASE,
	STEP_ANNOUNCE,
	STEP_COUNT
};

/* A note is no transition: from and to are INIT, vhost is a peer. */
struct history_entry {
	mono_t at;
	char vhost[SESSION_NAME_MAX];
	enum carp_state from, to;
	char cause[SESSION_REASON_MAX];
	int64_t step_us[STEP_COUNT]; /* -1: was not part of it */
};

struct history {
	struct history_entry ring[HISTORY_MAX];
	uint64_t count; /* ever; the newest is ring[(count - 1) % MAX] */
};

const char *history_step_name(enum history_step s);

/* A new entry, steps -1, to be filled in by the caller; valid until
 * HISTORY_MAX further ones were added. */
struct history_entry *history_add(struct history *h, mono_t at,
				  const char *vhost, enum carp_state from,
				  enum carp_state to, const char *cause);

/* A note on the link to a peer. */
void history_note(struct history *h, mono_t at, const char *peer,
		  const char *text);
bool history_is_note(const struct history_entry *e);

/* i = 0 is the newest; NULL when there are fewer. */
const struct history_entry *history_get(const struct history *h, size_t i);

/* The newest entry of that vhost, to add steps to; NULL if it has none. */
struct history_entry *history_last(struct history *h, const char *vhost);

#endif
