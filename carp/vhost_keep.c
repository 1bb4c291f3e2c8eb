/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A virtual host that goes on in another process of the same node. Not a
 * change of state: nobody outside may notice it.
 *
 * Implements rules 14, "Upgrade": the counters of the adverts go on, because
 * whoever heard one refuses those before it.
 *
 * Invariant: no counter is used twice, whichever of the processes goes on.
 */
#include "vhost_int.h"

#include <assert.h>
#include <string.h>

/* The other process lives for less than so many intervals. */
#define SKIPPED_ADVERTS 64

bool carp_vhost_keep(const struct carp_vhost *v, struct carp_kept *k)
{
	if (v->fence != CARP_UNFENCED || v->has_old || v->stopped)
		return false;
	*k = (struct carp_kept){
		.state = v->state,
		.since = v->since,
		.base = v->base,
		.counter = v->counter,
		.transitions = v->transitions,
		.foreign = v->foreign,
	};
	memcpy(k->counters, v->counters, sizeof(k->counters));
	return true;
}

void carp_vhost_restore(struct carp_vhost *v, const struct carp_kept *k,
			mono_t now)
{
	assert(v->state != CARP_MASTER && !v->queued);
	v->base = k->base;
	v->counter = k->counter;
	v->transitions = k->transitions;
	v->foreign = k->foreign;
	memcpy(v->counters, k->counters, sizeof(v->counters));
	if (v->state == k->state)
		v->since = k->since;
	if (v->state == CARP_BACKUP)
		carp_vhost_wait(v, 0, now);
	if (k->state != CARP_MASTER)
		return;
	v->state = CARP_MASTER;
	v->since = k->since;
	for (int f = 0; f < CARP_FAMILIES; f++)
		v->master_down[f] = v->waiting[f] = MONO_NEVER;
	v->next_advert = v->external ? MONO_NEVER : now;
	v->next_announce =
		v->announce_ns ? mono_add(now, v->announce_ns) : MONO_NEVER;
}

void carp_vhost_kept_not(struct carp_vhost *v, mono_t now)
{
	v->counter += SKIPPED_ADVERTS * CARP_COUNTER_STEP;
	if (v->state == CARP_MASTER && v->fence == CARP_UNFENCED &&
	    !v->external)
		v->next_advert = now;
}
