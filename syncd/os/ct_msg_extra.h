/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What few entries have, read from ctnetlink messages: ct_msg.c calls these for
 * what it does not know itself. Text: nf_conntrack_netlink.c, and sctp_to_nlattr
 * of nf_conntrack_proto_sctp.c.
 *
 * Each returns false where an attribute has not the length that it must have.
 */
#ifndef STATESYNC_CT_MSG_EXTRA_H
#define STATESYNC_CT_MSG_EXTRA_H

#include <stdbool.h>
#include <stdint.h>

struct flow;
struct flow_tuple;
struct nl_attrs;

/* The attribute at hand, of the message itself; an unknown one is no error. */
__attribute__((warn_unused_result)) bool ct_msg_extra(const struct nl_attrs *a,
						      struct flow *f);

/* CTA_PROTOINFO_SCTP. */
__attribute__((warn_unused_result)) bool ct_msg_sctp(
	const struct nl_attrs *parent, struct flow *f);

/*
 * A tuple of any name (in ct_msg.c). Not changed: the protocol and the zone
 * where the tuple has none.
 */
__attribute__((warn_unused_result)) bool ct_msg_tuple(
	const struct nl_attrs *parent, struct flow_tuple *t, uint8_t *l4proto,
	uint16_t *zone);

#endif
