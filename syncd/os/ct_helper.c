/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Helper, master and changed lengths of an entry as ctnetlink attributes. Not
 * expectations (ct_expect), and not the order of master and child.
 *
 * Text: nf_conntrack_netlink.c (ctnetlink_create_conntrack,
 * ctnetlink_change_helper, ctnetlink_change_seq_adj), nf_conntrack_seqadj.c.
 *
 * Invariant: what is left out for a kernel that lacks it is one thing at a
 * time, so that the rest of the flow is not lost with it.
 */
#include "ct_helper.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "ct_tuple.h"

/* --- reading --------------------------------------------------------------- */

bool ct_helper_parse_name(const struct nl_attrs *a, char name[FLOW_HELPER_MAX])
{
	size_t len = a->head.nla_len - NLA_HDRLEN;

	if (len == 0 || len > FLOW_HELPER_MAX)
		return false;
	memset(name, 0, FLOW_HELPER_MAX);
	memcpy(name, a->at + NLA_HDRLEN, len);
	return name[FLOW_HELPER_MAX - 1] == '\0';
}

/*
 * Of PPTP the helper has what it knows of the session, and the keys of GRE,
 * where nobody can put them; and on a translated connection that was not made
 * by packets it drops each packet (nf_nat_pptp wants NF_CT_EXT_NAT). The
 * control connection lives on without it.
 */
bool ct_helper_moves(const char *name)
{
	return name[0] != '\0' && strcmp(name, "pptp") != 0;
}

static bool parse_help(const struct nl_attrs *parent, struct flow *f)
{
	struct nl_attrs a = nl_attrs_nest(parent);

	for (; nl_attrs_ok(&a); nl_attrs_next(&a)) {
		if (nl_attrs_type(&a) != CTA_HELP_NAME)
			continue;
		if (!ct_helper_parse_name(&a, f->helper))
			return false;
		if (ct_helper_moves(f->helper))
			f->has |= FLOW_HAS_HELPER;
		else
			memset(f->helper, 0, sizeof(f->helper));
	}
	return true;
}

static bool parse_seqadj(const struct nl_attrs *parent, struct flow *f,
			 struct flow_seqadj *s)
{
	struct nl_attrs a = nl_attrs_nest(parent);
	uint32_t value[CTA_SEQADJ_MAX + 1] = { 0 };

	for (; nl_attrs_ok(&a); nl_attrs_next(&a)) {
		unsigned type = nl_attrs_type(&a);

		if (type <= CTA_SEQADJ_MAX && !nl_attrs_be32(&a, &value[type]))
			return false;
	}
	s->correction_pos = value[CTA_SEQADJ_CORRECTION_POS];
	s->offset_before = (int32_t)value[CTA_SEQADJ_OFFSET_BEFORE];
	s->offset_after = (int32_t)value[CTA_SEQADJ_OFFSET_AFTER];
	f->has |= FLOW_HAS_SEQADJ;
	return true;
}

bool ct_helper_parse(const struct nl_attrs *a, struct flow *f)
{
	switch (nl_attrs_type(a)) {
	case CTA_HELP:
		return parse_help(a, f);
	case CTA_TUPLE_MASTER:
		f->has |= FLOW_HAS_MASTER;
		return ct_tuple_parse(a, &f->master_l4proto, &f->master);
	case CTA_SEQ_ADJ_ORIG:
		return parse_seqadj(a, f, &f->seqadj[0]);
	case CTA_SEQ_ADJ_REPLY:
		return parse_seqadj(a, f, &f->seqadj[1]);
	default:
		return true;
	}
}

bool ct_helper_lacks(const struct flow *f)
{
	/* of those that synproxy adjusts each change is told */
	bool adjusted = f->status & IPS_SEQ_ADJUST && f->has & FLOW_HAS_HELPER;

	return (f->status & IPS_EXPECTED && !(f->has & FLOW_HAS_MASTER)) ||
	       (adjusted && !(f->has & FLOW_HAS_SEQADJ));
}

/* --- writing ---------------------------------------------------------------- */

static void put_seqadj(struct nl_msg *m, uint16_t type,
		       const struct flow_seqadj *s)
{
	size_t nest = nl_msg_nest(m, type);

	nl_msg_be32(m, CTA_SEQADJ_CORRECTION_POS, s->correction_pos);
	nl_msg_be32(m, CTA_SEQADJ_OFFSET_BEFORE, (uint32_t)s->offset_before);
	nl_msg_be32(m, CTA_SEQADJ_OFFSET_AFTER, (uint32_t)s->offset_after);
	nl_msg_nest_end(m, nest);
}

void ct_helper_put_name(struct nl_msg *m, const struct flow *f)
{
	size_t nest;

	if (!(f->has & FLOW_HAS_HELPER) || !ct_helper_moves(f->helper))
		return;
	nest = nl_msg_nest(m, CTA_HELP);
	nl_msg_put(m, CTA_HELP_NAME, f->helper, strlen(f->helper) + 1);
	nl_msg_nest_end(m, nest);
}

void ct_helper_put(struct nl_msg *m, const struct flow *f)
{
	ct_helper_put_name(m, f);
	if (f->has & FLOW_HAS_SEQADJ) {
		put_seqadj(m, CTA_SEQ_ADJ_ORIG, &f->seqadj[0]);
		put_seqadj(m, CTA_SEQ_ADJ_REPLY, &f->seqadj[1]);
	}
}

void ct_helper_put_new(struct nl_msg *m, const struct flow *f)
{
	ct_helper_put(m, f);
	if (f->has & FLOW_HAS_MASTER)
		ct_tuple_put(m, CTA_TUPLE_MASTER, f->family, f->master_l4proto,
			     &f->master);
}

/* --- what another kernel lacks ---------------------------------------------- */

bool ct_helper_do_without(struct ct_helper_less *l, const struct flow *f,
			  bool create, int error)
{
	uint8_t excess = 0;

	/* the helper is unknown, or the entry was made without it */
	if (error == -EOPNOTSUPP)
		excess = f->has & FLOW_HAS_HELPER & ~l->without;
	if (error == -ENOENT && create)
		excess = f->has & FLOW_HAS_MASTER & ~l->without;
	if (excess == FLOW_HAS_MASTER && !l->patient)
		l->patient = true;
	else
		l->without |= excess;
	return excess != 0;
}

const struct flow *ct_helper_without(const struct ct_helper_less *l,
				     const struct flow *f, struct flow *less)
{
	if (l->without == 0)
		return f;
	*less = *f;
	less->has &= (uint8_t)~l->without;
	return less;
}

bool ct_helper_same(const struct flow *f, const struct flow *found)
{
	uint8_t both = FLOW_HAS_HELPER | FLOW_HAS_MASTER;

	return !(f->has & both & ~found->has);
}
