/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Flows into the kernel's conntrack table, in order, with a result for each.
 * One injector for a process: two are slower (spec/ctnetlink.md 2).
 */
#ifndef STATESYNC_CT_INJECT_H
#define STATESYNC_CT_INJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flow.h"
#include "nl.h"

enum inject_op_kind {
	INJECT_CREATE_NEW = 1, /* FLOW_NEW: replaces what has its tuples */
	INJECT_UPDATE,	       /* FLOW_UPDATE: created if it is not there */
	INJECT_COPY,	       /* FLOW_COPY: updated if it is the same */
	INJECT_DESTROY,	       /* FLOW_DESTROY: by the original tuple */
	INJECT_TIMEOUT,	       /* sets the timeout of what is there */
};

/*
 * All but DESTROY need FLOW_HAS_TIMEOUT; the caller chooses it. NEW, UPDATE
 * and COPY need a flow_valid() that is not in SYN_SENT.
 */
struct inject_op {
	enum inject_op_kind kind;
	struct flow flow;
};

enum inject_result {
	INJECT_APPLIED,
	INJECT_GONE,	   /* DESTROY, TIMEOUT: not there (any more); fine */
	INJECT_TABLE_FULL, /* ENOMEM: nf_conntrack_max */
	INJECT_CHAIN,	   /* ENOSPC: too few hash buckets */
	INJECT_CLASH,	   /* its tuples were taken again and again */
	INJECT_HELPER,	   /* its helper is unknown here */
	INJECT_INVALID,	   /* refused before or by the kernel (EINVAL) */
	INJECT_ACK_LOST,   /* no word from the kernel: unknown */
	INJECT_OTHER,	   /* see last_errno */
	INJECT_RESULT_COUNT,
};

/* Longest list that one call takes. */
#define INJECT_OPS_MAX 256

struct inject_work;

struct ct_inject {
	struct nl_sock sock;
	struct inject_work *work; /* owned, some 250 KiB, fixed */
	int last_errno;		  /* of the last INJECT_OTHER, positive */
	bool copies_known;	  /* the last INJECT_COPY found its entry */
};

/* 0 or -errno; on failure all closed. */
__attribute__((warn_unused_result)) int ct_inject_open(struct ct_inject *in);
void ct_inject_close(struct ct_inject *in);

/* The port id that events of our own doing carry (ct_events_ignore_portid). */
uint32_t ct_inject_portid(const struct ct_inject *in);

/*
 * Applies ops[0..n) and writes one enum inject_result for each to results; n
 * at most INJECT_OPS_MAX. Synchronous: on return the kernel has them. Ops that
 * share a tuple take effect in the order given, also where one of them needed
 * several attempts; others may overtake each other.
 * Returns 0, or -errno when the socket failed: results are then right as far
 * as known, the others INJECT_ACK_LOST.
 */
__attribute__((warn_unused_result)) int ct_inject_apply(
	struct ct_inject *in, const struct inject_op *ops, size_t n,
	uint8_t *results);

/* "applied", "gone", "table_full", "chain", "clash", "helper", "invalid",
 * "ack_lost", "other" (operating.md 3.2); never NULL. */
const char *inject_result_name(enum inject_result result);

#endif
