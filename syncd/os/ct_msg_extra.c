/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Labels, synproxy and SCTP of ctnetlink messages to struct flow. Not what
 * every entry has, which is ct_msg's.
 *
 * Text: nf_conntrack_netlink.c (ctnetlink_dump_labels,
 * ctnetlink_dump_ct_synproxy, ctnetlink_dump_secctx),
 * nf_conntrack_proto_sctp.c (sctp_to_nlattr).
 *
 * Invariant: as ct_msg's, no byte is read that its attribute's length does not
 * cover.
 */
#include "ct_msg_extra.h"

#include <linux/netfilter/nfnetlink_conntrack.h>

#include "flow.h"
#include "nl_attr.h"

bool ct_msg_sctp(const struct nl_attrs *parent, struct flow *f)
{
	struct nl_attrs a = nl_attrs_nest(parent);
	bool ok = true;

	for (; nl_attrs_ok(&a); nl_attrs_next(&a)) {
		switch (nl_attrs_type(&a)) {
		case CTA_PROTOINFO_SCTP_STATE:
			ok = ok && nl_attrs_get(&a, &f->sctp_state, 1);
			f->has |= FLOW_HAS_SCTP;
			break;
		case CTA_PROTOINFO_SCTP_VTAG_ORIGINAL:
			ok = ok && nl_attrs_be32(&a, &f->sctp_vtag[0]);
			break;
		case CTA_PROTOINFO_SCTP_VTAG_REPLY:
			ok = ok && nl_attrs_be32(&a, &f->sctp_vtag[1]);
			break;
		default:
			break;
		}
	}
	return ok;
}

/* An entry made by ctnetlink has the attribute with zeroes: that is none. */
static bool parse_synproxy(const struct nl_attrs *parent, struct flow *f)
{
	struct nl_attrs a = nl_attrs_nest(parent);
	struct flow_synproxy *s = &f->synproxy;
	bool ok = true;

	for (; nl_attrs_ok(&a); nl_attrs_next(&a)) {
		switch (nl_attrs_type(&a)) {
		case CTA_SYNPROXY_ISN:
			ok = ok && nl_attrs_be32(&a, &s->isn);
			break;
		case CTA_SYNPROXY_ITS:
			ok = ok && nl_attrs_be32(&a, &s->its);
			break;
		case CTA_SYNPROXY_TSOFF:
			ok = ok && nl_attrs_be32(&a, &s->tsoff);
			break;
		default:
			break;
		}
	}
	if (s->isn | s->its | s->tsoff)
		f->has |= FLOW_HAS_SYNPROXY;
	return ok;
}

bool ct_msg_extra(const struct nl_attrs *a, struct flow *f)
{
	switch (nl_attrs_type(a)) {
	case CTA_LABELS:
		f->has |= FLOW_HAS_LABELS;
		return nl_attrs_get(a, f->labels, sizeof(f->labels));
	case CTA_SYNPROXY:
		return parse_synproxy(a, f);
	case CTA_SECCTX:
		f->secmark = true;
		return true;
	default:
		return true;
	}
}
