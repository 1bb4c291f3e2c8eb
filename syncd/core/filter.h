/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which flows are told, accepted and compared: one predicate for all three
 * (rules 2). A flow that begins or ends at an address of either node cannot
 * move to the other; translated ones through a shared address can.
 */
#ifndef STATESYNC_FILTER_H
#define STATESYNC_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "filter_rules.h"
#include "flow.h"
#include "session.h"

enum filter_verdict {
	FILTER_PASS = 0,
	FILTER_OWN, /* ORIG.src or REPLY.src is an address of a node */
	FILTER_LOOPBACK,
	FILTER_MULTICAST, /* or broadcast */
	/* a handshake without an answer; dying, template, untracked entries */
	FILTER_STATE,
	FILTER_RULE, /* a filter block skips it */
	FILTER_VERDICTS
};

/* Two sorted lists, ours and the peers'; shared addresses are in ours. */
#define FILTER_LISTS 2
enum { FILTER_OURS, FILTER_PEERS };

struct filter {
	struct session_address *list[FILTER_LISTS];
	size_t n[FILTER_LISTS];
	struct filter_rules rules; /* of filter blocks; owned */
	/* SYN_SENT passes, too: the answer may come by another node, where it
	 * is INVALID without an entry */
	bool opening;
};

const char *filter_verdict_name(enum filter_verdict v);

/* Replaces one of the lists (copied, sorted). 0 or -ENOMEM (the old stays). */
int filter_set(struct filter *f, int which, const struct session_address *list,
	       size_t n) __attribute__((warn_unused_result));
void filter_free(struct filter *f);

enum filter_verdict filter_flow(const struct filter *f,
				const struct flow *flow);
/* As filter_flow, of a flow that has only its first packet: TCP in SYN_SENT. */
enum filter_verdict filter_first(const struct filter *f,
				 const struct flow *flow);
/* For a flow that has ended: may it have passed while it lived? */
enum filter_verdict filter_ends(const struct filter *f,
				const struct flow *flow);

/*
 * The address to or from which the flow is translated, where only this node has
 * it (masquerade to the interface's own): the other node can go on with the
 * flow in vain. NULL: none, or no peer has said which addresses it has.
 */
const struct flow_addr *filter_tied(const struct filter *f,
				    const struct flow *flow);

/* TCP of which one side has sent a SYN, and no more is known. */
bool filter_is_opening(const struct flow *f);

/* Is it an address of either node? */
bool filter_is_own(const struct filter *f, uint8_t family,
		   const struct flow_addr *a);
/* Is it in that node's list? */
bool filter_lists(const struct filter *f, int which, uint8_t family,
		  const struct flow_addr *a);

#endif
