/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * First packets of new flows that wait until the peers have the entry, and not
 * longer than 20 ms (rules 9; pfsync's defer). A packet is a number here; it
 * is let go in every case, and how it was is counted.
 */
#ifndef STATESYNC_DEFER_H
#define STATESYNC_DEFER_H

#include "flow.h"
#include "mono.h"

#define DEFER_MAX     128 /* packets that wait; the rest does not wait */
#define DEFER_WAIT_NS (20 * MONO_MS)
#define DEFER_PEERS   8 /* as many as an engine has */

/* Why a packet did not wait, or waits no longer. */
enum defer_end {
	DEFER_ACKED,  /* every peer has the entry */
	DEFER_LATE,   /* not within 20 ms */
	DEFER_FULL,   /* DEFER_MAX others wait */
	DEFER_FILTER, /* a flow that is not told (rules 2) */
	DEFER_ALONE,  /* no peer is in sync */
	DEFER_BLIND,  /* the kernel did not say of which flow it is */
	DEFER_ENDS
};

struct defer_packet {
	bool waits;
	uint32_t id;
	mono_t until;
	uint8_t family, l4proto;
	uint16_t zone;
	struct flow_tuple orig;
	uint32_t told; /* peers, a bit each */
	uint64_t seq[DEFER_PEERS];
};

struct defer {
	struct defer_packet list[DEFER_MAX]; /* a ring: also those of before */
	unsigned next, waiting;
	uint64_t ends[DEFER_ENDS];
};

const char *defer_end_name(enum defer_end e);

/*
 * A place for one more packet, its deadline set, told to nobody yet. NULL when
 * there is none.
 */
struct defer_packet *defer_hold(struct defer *d, uint32_t id,
				const struct flow *f, mono_t now);
/* The last packet of that flow, which waits or did a moment ago; or NULL. */
const struct defer_packet *defer_find(const struct defer *d,
				      const struct flow *f);
/*
 * The next packet that waits no longer, false: none. acked: the number up to
 * which each peer has everything; UINT64_MAX for one that is not waited for.
 */
bool defer_release(struct defer *d, const uint64_t acked[DEFER_PEERS],
		   mono_t now, uint32_t *id);
mono_t defer_deadline(const struct defer *d);

#endif
