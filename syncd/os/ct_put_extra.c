/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Labels, synproxy and SCTP of a struct flow to ctnetlink attributes. Not what
 * every entry has, which is ct_put's.
 *
 * Text: nf_conntrack_netlink.c (ctnetlink_attach_labels,
 * ctnetlink_change_synproxy), nf_conntrack_proto_sctp.c (nlattr_to_sctp).
 *
 * Invariant: nothing is written that the flow has not.
 */
#include "ct_put_extra.h"

#include <linux/netfilter/nfnetlink_conntrack.h>

#include "flow.h"
#include "nl_attr.h"

void ct_put_labels(struct nl_msg *m, const struct flow *f)
{
	/* Without CTA_LABELS_MASK all bits are replaced. */
	if (f->has & FLOW_HAS_LABELS)
		nl_msg_put(m, CTA_LABELS, f->labels, sizeof(f->labels));
}

static void put_synproxy(struct nl_msg *m, const struct flow_synproxy *s)
{
	size_t nest = nl_msg_nest(m, CTA_SYNPROXY);

	nl_msg_be32(m, CTA_SYNPROXY_ISN, s->isn);
	nl_msg_be32(m, CTA_SYNPROXY_ITS, s->its);
	nl_msg_be32(m, CTA_SYNPROXY_TSOFF, s->tsoff);
	nl_msg_nest_end(m, nest);
}

void ct_put_sctp(struct nl_msg *m, const struct flow *f)
{
	size_t info, sctp;

	if (!(f->has & FLOW_HAS_SCTP))
		return;
	info = nl_msg_nest(m, CTA_PROTOINFO);
	sctp = nl_msg_nest(m, CTA_PROTOINFO_SCTP);
	nl_msg_u8(m, CTA_PROTOINFO_SCTP_STATE, f->sctp_state);
	nl_msg_be32(m, CTA_PROTOINFO_SCTP_VTAG_ORIGINAL, f->sctp_vtag[0]);
	nl_msg_be32(m, CTA_PROTOINFO_SCTP_VTAG_REPLY, f->sctp_vtag[1]);
	nl_msg_nest_end(m, sctp);
	nl_msg_nest_end(m, info);
}

void ct_put_extra(struct nl_msg *m, const struct flow *f)
{
	if (f->has & FLOW_HAS_SYNPROXY)
		put_synproxy(m, &f->synproxy);
	ct_put_labels(m, f);
}
