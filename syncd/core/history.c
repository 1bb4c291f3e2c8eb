/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Ring of transitions. It stores and finds; words and times come from its
 * callers. Invariant: entries are in the order in which they happened.
 */
#include "history.h"

#include <stdio.h>
#include <string.h>

static const char *const steps[STEP_COUNT] = {
	[STEP_DRAIN] = "drain", [STEP_FENCE] = "fence",
	[STEP_ACK] = "ack",	[STEP_ADDRESS] = "address",
	[STEP_LEASE] = "lease", [STEP_ANNOUNCE] = "announce",
};

const char *history_step_name(enum history_step s)
{
	return steps[s];
}

struct history_entry *history_add(struct history *h, mono_t at,
				  const char *vhost, enum carp_state from,
				  enum carp_state to, const char *cause)
{
	struct history_entry *e = &h->ring[h->count++ % HISTORY_MAX];

	*e = (struct history_entry){ .at = at, .from = from, .to = to };
	snprintf(e->vhost, sizeof(e->vhost), "%s", vhost);
	snprintf(e->cause, sizeof(e->cause), "%s", cause);
	for (int i = 0; i < STEP_COUNT; i++)
		e->step_us[i] = -1;
	return e;
}

void history_note(struct history *h, mono_t at, const char *peer,
		  const char *text)
{
	(void)history_add(h, at, peer, CARP_INIT, CARP_INIT, text);
}

bool history_is_note(const struct history_entry *e)
{
	return e->from == CARP_INIT && e->to == CARP_INIT;
}

const struct history_entry *history_get(const struct history *h, size_t i)
{
	if (i >= h->count || i >= HISTORY_MAX)
		return NULL;
	return &h->ring[(h->count - 1 - i) % HISTORY_MAX];
}

struct history_entry *history_last(struct history *h, const char *vhost)
{
	for (size_t i = 0; i < h->count && i < HISTORY_MAX; i++) {
		struct history_entry *e =
			&h->ring[(h->count - 1 - i) % HISTORY_MAX];

		if (!history_is_note(e) && strcmp(e->vhost, vhost) == 0)
			return e;
	}
	return NULL;
}
