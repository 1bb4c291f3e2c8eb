/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Packets that wait. It neither holds nor sends one, and does not know why a
 * flow is told. Text: rules 9; OpenBSD pfsync_defer (20 ms, 128 of them).
 *
 * Invariant: whatever was held is released exactly once, DEFER_WAIT_NS after it
 * came at the latest.
 */
#include "defer.h"

static const char *const names[DEFER_ENDS] = {
	[DEFER_ACKED] = "acknowledged", [DEFER_LATE] = "late",
	[DEFER_FULL] = "full",		[DEFER_FILTER] = "filter",
	[DEFER_ALONE] = "alone",	[DEFER_BLIND] = "blind",
};

const char *defer_end_name(enum defer_end e)
{
	return names[e];
}

struct defer_packet *defer_hold(struct defer *d, uint32_t id,
				const struct flow *f, mono_t now)
{
	struct defer_packet *p = &d->list[d->next];

	if (p->waits)
		return NULL;
	d->next = (d->next + 1) % DEFER_MAX;
	d->waiting++;
	*p = (struct defer_packet){
		.waits = true,
		.id = id,
		.until = mono_add(now, DEFER_WAIT_NS),
		.family = f->family,
		.l4proto = f->l4proto,
		.zone = f->zone,
		.orig = f->orig,
	};
	return p;
}

const struct defer_packet *defer_find(const struct defer *d,
				      const struct flow *f)
{
	/* the newest first */
	for (unsigned i = 1; i <= DEFER_MAX; i++) {
		const struct defer_packet *p =
			&d->list[(d->next + DEFER_MAX - i) % DEFER_MAX];

		if (p->family == f->family && p->l4proto == f->l4proto &&
		    p->zone == f->zone && flow_tuple_equal(&p->orig, &f->orig))
			return p;
	}
	return NULL;
}

static bool has_all(const struct defer_packet *p,
		    const uint64_t acked[DEFER_PEERS])
{
	for (unsigned i = 0; i < DEFER_PEERS; i++)
		if (p->told >> i & 1 && acked[i] < p->seq[i])
			return false;
	return true;
}

bool defer_release(struct defer *d, const uint64_t acked[DEFER_PEERS],
		   mono_t now, uint32_t *id)
{
	for (unsigned i = 0; d->waiting && i < DEFER_MAX; i++) {
		/* the oldest first */
		struct defer_packet *p = &d->list[(d->next + i) % DEFER_MAX];
		bool acknowledged = p->waits && has_all(p, acked);

		if (!p->waits || (!acknowledged && !mono_due(p->until, now)))
			continue;
		p->waits = false;
		d->waiting--;
		d->ends[acknowledged ? DEFER_ACKED : DEFER_LATE]++;
		*id = p->id;
		return true;
	}
	return false;
}

mono_t defer_deadline(const struct defer *d)
{
	for (unsigned i = 0; d->waiting && i < DEFER_MAX; i++) {
		const struct defer_packet *p =
			&d->list[(d->next + i) % DEFER_MAX];

		if (p->waits)
			return p->until;
	}
	return MONO_NEVER;
}
