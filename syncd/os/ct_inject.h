/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Flows into the kernel's conntrack table, in order, with a result for each.
 * One injector for a process: two are slower (CTNETLINK.md 2).
 */
#ifndef STATESYNC_CT_INJECT_H
#define STATESYNC_CT_INJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flow.h"
#include "nl.h"

/* Longest list that one call takes. */
#define INJECT_OPS_MAX 256

struct inject_work;
struct flow_timeouts;

struct ct_inject {
	struct nl_sock sock;
	struct inject_work *work;     /* owned, some 200 KiB, fixed */
	int last_errno;		      /* of the last FLOW_OTHER, above 0 */
	bool copies_known;	      /* the last FLOW_COPY found its entry */
	bool labels_kept;	      /* the last labels were */
	bool labels_asked;	      /* in this call */
	uint64_t orphans;	      /* entries made without their master */
	char helper[FLOW_HELPER_MAX]; /* the last one of a FLOW_HELPER */
	/* of this kernel, of the caller; without it nothing is merged */
	const struct flow_timeouts *timeouts;
};

/* 0 or -errno; on failure all closed. */
__attribute__((warn_unused_result)) int ct_inject_open(struct ct_inject *in);
void ct_inject_close(struct ct_inject *in);

/* The port id that events of our own doing carry (ct_events_ignore_portid). */
uint32_t ct_inject_portid(const struct ct_inject *in);

/*
 * Applies changes[0..n) and writes one enum flow_result for each to results; n
 * at most INJECT_OPS_MAX. Synchronous: on return the kernel has them. Changes
 * that share a tuple take effect in the order given, also where one of them
 * needed several attempts; others may overtake each other.
 *
 * FLOW_NEW replaces what has its tuples. FLOW_UPDATE is created if it is not
 * there. FLOW_COPY updates the same connection and replaces another. A
 * connection that has seen more than it is told of is another incarnation.
 * FLOW_LABELS is the result of what was applied without its labels, because no
 * rule of this namespace uses any.
 * FLOW_DESTROY deletes by the original tuple; FLOW_TIMEOUT sets the timeout.
 * What is merged is looked at first, and core/merge.h decides: FLOW_KEPT and
 * FLOW_OUSTED come of that alone.
 * All but DESTROY need FLOW_HAS_TIMEOUT; NEW, UPDATE and COPY a flow_valid()
 * with a state, if it is TCP: else FLOW_INVALID. After FLOW_OTHER, last_errno
 * has the reason.
 *
 * A helper that this kernel does not know, and a master that is not there, are
 * left out rather than the flow lost: FLOW_HELPER (with the name in helper), or
 * FLOW_APPLIED and orphans. A copy that has them replaces an entry that lacks
 * them, for they can be given to a new one only.
 *
 * Returns 0, or -errno when the socket failed: results are then right as far
 * as known, the others FLOW_ACK_LOST.
 */
__attribute__((warn_unused_result)) int ct_inject_apply(
	struct ct_inject *in, const struct flow_change *changes, size_t n,
	uint8_t *results);

#endif
