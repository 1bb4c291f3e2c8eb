/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The kernel's expectations: read from events and dumps, put into another
 * kernel. Rare beside flows, so each is a conversation of its own. Text:
 * nf_conntrack_netlink.c (ctnetlink_new_expect and below).
 */
#ifndef STATESYNC_CT_EXPECT_H
#define STATESYNC_CT_EXPECT_H

#include "ct_inject.h"
#include "expect.h"
#include "nl.h"

/*
 * An expectation that is over lives so long on: the connection that fulfilled
 * it may not have been told yet, and its first packet is sent again after a
 * failover.
 */
#define EXPECT_LINGER_S 10

struct ct_expect_event {
	struct expect_change change;
	bool has_master; /* else it is gone, or in another zone */
	struct flow master;
};

typedef void ct_expect_cb(const struct ct_expect_event *event, void *arg);

/* Reads EXP_NEW, EXP_DELETE or a dump's message. 0, -EBADMSG, or
 * CT_MSG_FOREIGN: no helper that moves, or another family. */
__attribute__((warn_unused_result)) int ct_expect_parse(
	const struct nlmsghdr *nlh, struct expect *e);

/*
 * An event or a dump's message with the master as it is now, asked for on s,
 * which is member of no group. 0, CT_MSG_FOREIGN or -errno.
 */
__attribute__((warn_unused_result)) int ct_expect_read(
	const struct nlmsghdr *nlh, struct nl_sock *s,
	struct ct_expect_event *event);

/*
 * All expectations of this namespace to cb(event, arg), as EXPECT_COPY; those
 * that cannot be read are left out. dump and ask are two sockets. 0 or -errno:
 * then it is incomplete.
 */
__attribute__((warn_unused_result)) int ct_expect_dump(struct nl_sock *dump,
						       struct nl_sock *ask,
						       ct_expect_cb *cb,
						       void *arg);

/*
 * Applies a batch in order, by the socket of in, whose events are not told;
 * writes one enum expect_result for each. An EXPECT_END leaves it
 * EXPECT_LINGER_S, which need not have been its time left.
 */
void ct_expect_apply(struct ct_inject *in, const struct expect_batch *b,
		     uint8_t *results);

/* The kernel's entry with f's original tuple: 0, -ENOENT (none, or another
 * one's) or -errno. now may be f. */
__attribute__((warn_unused_result)) int ct_flow_ask(struct nl_sock *s,
						    const struct flow *f,
						    struct flow *now);

#endif
