/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A batch of flows as the columns of the message Flows, and back. Pure; no
 * memory is allocated.
 *
 * What travels is what a receiver can use: of the status the bits in
 * FLOW_PB_STATUS, of the TCP flags those in FLOW_PB_TCP_FLAGS (ctnetlink
 * silently ignores or refuses the others, and MAXACK_SET copied breaks RSTs).
 * With that, unpacking gives exactly what was added.
 */
#ifndef STATESYNC_FLOW_PB_H
#define STATESYNC_FLOW_PB_H

#include <linux/netfilter/nf_conntrack_common.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "flow.h"
#include "flow_extra.h"

#define FLOW_PB_BATCH 256 /* flows in one message */

#define FLOW_PB_STATUS                                                 \
	(IPS_EXPECTED | IPS_SEEN_REPLY | IPS_ASSURED | IPS_CONFIRMED | \
	 IPS_FIXED_TIMEOUT)
#define FLOW_PB_TCP_FLAGS \
	0x0f /* WINDOW_SCALE, SACK_PERM, CLOSE_INIT, LIBERAL */

/*
 * shape[i]: two bits of operation, which values flow i has, its protocol. The
 * protocols in use are below 64, so a shape takes two bytes. Of the reply
 * tuple only an end that is not the inverse of the original travels.
 */
enum flow_pb_shape {
	FLOW_PB_OP = 0x3, /* enum flow_op - 1 */
	FLOW_PB_IPV6 = 1 << 2,
	FLOW_PB_SNAT = 1 << 3, /* reply's destination */
	FLOW_PB_DNAT = 1 << 4, /* reply's source */
	FLOW_PB_TIMEOUT = 1 << 5,
	FLOW_PB_TCP = 1 << 6,
	FLOW_PB_MARK = 1 << 7,
	FLOW_PB_L4PROTO_SHIFT = 8,
	FLOW_PB_L4PROTO = 0xff << FLOW_PB_L4PROTO_SHIFT,
	FLOW_PB_ZONE = 1 << 16,
	FLOW_PB_EXTRA = 1 << 17,
	FLOW_PB_KNOWN = (1 << 18) - 1,
};

/* A batch being filled. All zeroes: empty. Large; belongs on the heap. */
struct flow_pb_batch {
	size_t n, naddr4, naddr6, nport, ntimeout, ntcp, nmark, nzone, nextra;
	uint32_t shape[FLOW_PB_BATCH];
	uint32_t status[FLOW_PB_BATCH];
	uint32_t timeout_s[FLOW_PB_BATCH];
	uint32_t tcp[FLOW_PB_BATCH];
	uint32_t mark[FLOW_PB_BATCH];
	uint32_t zone[FLOW_PB_BATCH];
	uint32_t port[FLOW_PB_BATCH * 4];
	uint32_t addr4[FLOW_PB_BATCH * 4];
	uint64_t addr6[FLOW_PB_BATCH * 8];
	struct flow_extra extra[FLOW_PB_BATCH];
	Statesync__FlowExtra *extras[FLOW_PB_BATCH]; /* for the message */
};

struct Statesync__Flows;

void flow_pb_clear(struct flow_pb_batch *b);
/* The batch must not be full (b->n < FLOW_PB_BATCH), the flow be flow_valid. */
void flow_pb_add(struct flow_pb_batch *b, enum flow_op op,
		 const struct flow *f);
/* Makes m a view of the batch, to be packed before the batch changes. */
void flow_pb_message(struct flow_pb_batch *b, struct Statesync__Flows *m);

/*
 * Unpacks a message into list, which has room for FLOW_PB_BATCH. False, with
 * *n = 0, when it does not decode, is too large, has shapes that we do not
 * know, values out of range, or columns that are longer or shorter than the
 * shapes say. The flows are in their ranges, but not yet flow_valid.
 */
bool flow_pb_unpack(struct arena *a, const uint8_t *data, size_t len,
		    struct flow_change *list, size_t *n);

#endif
