/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What few entries have, as attributes of ctnetlink messages: ct_put.c calls
 * these. Text: nf_conntrack_netlink.c (ctnetlink_create_conntrack,
 * ctnetlink_change_conntrack), nf_conntrack_proto_sctp.c (nlattr_to_sctp).
 *
 * Each adds what the flow has, and nothing where it has not.
 */
#ifndef STATESYNC_CT_PUT_EXTRA_H
#define STATESYNC_CT_PUT_EXTRA_H

struct flow;
struct nl_msg;

/* What a new entry and one that is there take. */
void ct_put_extra(struct nl_msg *m, const struct flow *f);

/* The bits as they are, none of the entry's own is kept. */
void ct_put_labels(struct nl_msg *m, const struct flow *f);

/* CTA_PROTOINFO: the state and both tags, without one of which it is EINVAL. */
void ct_put_sctp(struct nl_msg *m, const struct flow *f);

#endif
