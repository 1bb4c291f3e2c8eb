/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One expectation as a value: a connection that a helper read the announcement
 * of in its master (PORT of FTP, SDP of SIP), and that counts as related when
 * it comes. Pure.
 *
 * The kernel does not say in which zone it is; that of a master outside of
 * zone 0 cannot be told (ctnetlink_exp_dump_expect).
 */
#ifndef STATESYNC_EXPECT_H
#define STATESYNC_EXPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "flow.h"

#define EXPECT_FN_MAX 24 /* bytes of a function's name, with its NUL */
#define EXPECT_BATCH  64 /* expectations in one message */

/* NF_CT_EXPECT_PERMANENT, INACTIVE: what another kernel can be told */
#define EXPECT_FLAGS 0x3

struct expect {
	uint8_t family;	 /* AF_INET, AF_INET6; of all addresses here */
	uint8_t l4proto; /* of the connection that is expected */
	uint8_t master_l4proto;
	uint8_t nat_dir;	   /* enum ip_conntrack_dir */
	struct flow_tuple tuple;   /* of its first packet */
	struct flow_addr mask;	   /* which bits of its source count */
	uint16_t mask_sport;	   /* and of its source's port */
	struct flow_tuple master;  /* original tuple */
	struct flow_addr nat_addr; /* what it is translated to, with fn */
	uint16_t nat_port;
	uint32_t flags, class; /* NF_CT_EXPECT_*; of the helper's policies */
	uint32_t timeout_s;
	char helper[FLOW_HELPER_MAX]; /* of the master */
	char fn[EXPECT_FN_MAX];	      /* run on its first packet; "": none */
};

enum expect_op {
	EXPECT_NEW,  /* replaces what has its tuple */
	EXPECT_COPY, /* as found in a table; what is there gets its timeout */
	EXPECT_END,  /* fulfilled, timed out or withdrawn */
	EXPECT_OPS
};

struct expect_change {
	enum expect_op op;
	struct expect expect;
};

/* What became of one that was given to a kernel. */
enum expect_result {
	EXPECT_APPLIED,
	EXPECT_GONE,	  /* nothing there to end */
	EXPECT_NO_MASTER, /* the flow that expects it is not there */
	EXPECT_HELPER,	  /* the helper is unknown, or the flow has none */
	EXPECT_LIMIT,	  /* too many, or another flow expects the same */
	EXPECT_INVALID,
	EXPECT_OTHER,
	EXPECT_RESULTS
};

/* "applied", "gone", "no_master", "helper", "limit", "invalid", "other". */
const char *expect_result_name(enum expect_result r);

/* Fields in their ranges, names that are names, no stray bytes of addresses:
 * only such a one may go to a kernel. */
bool expect_valid(const struct expect *e);

/* Its master's tuple as a flow, as far as it is known: for the filter. */
void expect_master(const struct expect *e, struct flow *f);

/* --- the message Expects -------------------------------------------------- */

struct expect_batch {
	size_t n;
	struct expect_change list[EXPECT_BATCH];
};

struct outbox;

/* A frame with the batch, which is not empty. 0 or -ENOMEM. */
int expect_put(struct outbox *o, const struct expect_batch *b)
	__attribute__((warn_unused_result));

/*
 * Those of a message that are expect_valid, into b; *skipped: how many were
 * not. False, with none, when it does not decode or has more than a batch.
 */
bool expect_get(struct arena *a, const uint8_t *bytes, size_t len,
		struct expect_batch *b, size_t *skipped);

#endif
