/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ctnetlink messages of the kernel to struct flow, by hand: the hot path of
 * events and dumps. Text: nf_conntrack_netlink.c (ctnetlink_fill_info).
 */
#ifndef STATESYNC_CT_MSG_H
#define STATESYNC_CT_MSG_H

#include <linux/netlink.h>

struct flow;

enum {
	/* A message that is no flow of ours: no tuples, another family. */
	CT_MSG_FOREIGN = 1,
};

/*
 * Reads an entry from a CT_NEW, CT_DELETE or dump message, kernel byte order
 * and attributes to struct flow. What is not there is not in f->has; an
 * absent mark, status or zone is 0 (the kernel leaves zero out). A TCP DESTROY
 * carries the state only: flags and window scales are then 0; so are the tags
 * of SCTP.
 * Returns 0, CT_MSG_FOREIGN, or -EBADMSG for a malformed message.
 */
__attribute__((warn_unused_result)) int ct_msg_parse(const struct nlmsghdr *nlh,
						     struct flow *f);

#endif
