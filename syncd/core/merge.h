/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a node through which flows pass makes of a peer's word about one of
 * them (rules 9). On a standby the peer is right; here a packet may have said
 * more than the peer knows. Pure: it is given the entry that is there.
 */
#ifndef STATESYNC_MERGE_H
#define STATESYNC_MERGE_H

#include <stdbool.h>

#include "flow.h"
#include "timeouts.h"

enum merge_do {
	MERGE_SAME,    /* what is here says it all */
	MERGE_STALE,   /* what is here is newer, and stays */
	MERGE_WRITE,   /* what is here, changed */
	MERGE_REPLACE, /* what is here is over, or only a copy of the peer's */
	MERGE_OUST,    /* as that, but it was alive: lost in a clash */
	MERGE_CLASH,   /* what is here stays, the peer's loses */
	MERGE_DELETE,
};

/*
 * Has a packet passed since a peer told of it? A peer's word gives an entry
 * timeouts_copy(), a packet its nominal timeout; one that had that may have
 * been given timeouts_raised(). f as found in a table.
 */
bool merge_mine(const struct flow *f, const struct flow_timeouts *t);
/* And has it not been raised since? */
bool merge_fresh(const struct flow *f, const struct flow_timeouts *t);

/*
 * told, its timeout as a copy's; told->merge is not FLOW_MERGE_NOT. found: the
 * entry under its original tuple. With MERGE_WRITE out is what to write: no
 * timeout (FLOW_HAS_TIMEOUT) or state (TCP_CONNTRACK_NONE) where those stay.
 */
enum merge_do merge_found(const struct flow_change *told,
			  const struct flow *found,
			  const struct flow_timeouts *t, struct flow *out);

/* Another connection has one of its tuples: MERGE_REPLACE, _OUST, _CLASH, or,
 * where it is only to be added, _STALE. */
enum merge_do merge_taken(const struct flow_change *told,
			  const struct flow *holder,
			  const struct flow_timeouts *t);

#endif
