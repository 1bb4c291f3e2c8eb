/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * First packets of new flows that the kernel holds for us (NFQUEUE), each with
 * the entry that is not in its table yet. What leads them here is
 * ct_queue_rule.h; what becomes of them is somebody else's.
 *
 * A queue that nobody listens to holds nothing (bypass), and a full one lets
 * packets pass (fail-open): a daemon that hangs delays CT_QUEUE_MAX packets.
 */
#ifndef STATESYNC_CT_QUEUE_H
#define STATESYNC_CT_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flow.h"
#include "nl.h"

#define CT_QUEUE_NUMBER 3790 /* one in each network namespace */
#define CT_QUEUE_MAX	128

struct ct_queue {
	struct nl_sock sock;
	bool bound;
	uint64_t malformed;
};

/* f: NULL where the kernel did not say, or it is no flow of ours. */
typedef void ct_queue_cb(uint32_t id, const struct flow *f, void *arg);

/* Conditions of ct_queue_read. */
enum { CT_QUEUE_DRAINED = 0, CT_QUEUE_MORE };

/* Not bound yet. 0 or -errno; on failure closed. */
__attribute__((warn_unused_result)) int ct_queue_open(struct ct_queue *q);
/* The kernel drops what it holds: let it pass before. */
void ct_queue_close(struct ct_queue *q);
int ct_queue_fd(const struct ct_queue *q);

/*
 * From now on packets wait here, with their entries or without (a flow is then
 * NULL). 0 or -errno: -EBUSY, another program has the
 * number; -EOPNOTSUPP, this kernel does not tell the entry (it was built
 * without NETFILTER_NETLINK_GLUE_CT) or has no queues.
 */
__attribute__((warn_unused_result)) int ct_queue_bind(struct ct_queue *q,
						      bool entries);

/*
 * Reads at most max packets, never waits, and calls cb(id, flow, arg) for
 * each; cb may let it pass at once. A flow bears no timeout: that begins when
 * it is confirmed. A condition from above, or -errno.
 */
__attribute__((warn_unused_result)) int ct_queue_read(struct ct_queue *q,
						      ct_queue_cb *cb,
						      void *arg, unsigned max);
/* Lets it go. 0 or -errno (-ENOENT: it is gone already). */
__attribute__((warn_unused_result)) int ct_queue_pass(struct ct_queue *q,
						      uint32_t id);

/* Pure. One NFQNL_MSG_PACKET: true and the id; flow_known tells whether *f is
 * one. False: it is something else or malformed. */
bool ct_queue_parse(const struct nlmsghdr *nlh, uint32_t *id, struct flow *f,
		    bool *flow_known);

#endif
