// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What a message for the kernel has to look like. Text: the policies of
 * nf_conntrack_netlink.c, nf_conntrack_proto_*.c, nf_nat_core.c and
 * nf_tables_api.c. Invariant: an attribute that is not written down here is
 * an error.
 */
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "netlink.h"

struct attr {
	uint16_t type;
	enum mnl_attr_data_type is; /* UNSPEC: the end of the list */
	uint16_t len, most;	    /* of BINARY; of a string with its NUL */
	const struct attr *in;	    /* of NESTED */
};

#define IS(name, kind, ...)                                      \
	{                                                        \
		.type = name, .is = MNL_TYPE_##kind, __VA_ARGS__ \
	}
#define NEST(name, list) IS(name, NESTED, .in = list)
#define U8(name)	 IS(name, U8, .len = 1)
#define U16(name)	 IS(name, U16, .len = 2)
#define U32(name)	 IS(name, U32, .len = 4)
#define U64(name)	 IS(name, U64, .len = 8)
#define BYTES(name, n)	 IS(name, BINARY, .len = n, .most = n)
#define UPTO(name, n)	 IS(name, BINARY, .len = 1, .most = n)
#define TEXT(name, n)	 IS(name, NUL_STRING, .most = n)
#define END		 IS(0, UNSPEC, .len = 0)

/* --- conntrack --------------------------------------------------------------- */

static const struct attr ip[] = { BYTES(CTA_IP_V4_SRC, 4),
				  BYTES(CTA_IP_V4_DST, 4),
				  BYTES(CTA_IP_V6_SRC, 16),
				  BYTES(CTA_IP_V6_DST, 16), END };
static const struct attr proto[] = {
	U8(CTA_PROTO_NUM),	   U16(CTA_PROTO_SRC_PORT),
	U16(CTA_PROTO_DST_PORT),   U16(CTA_PROTO_ICMP_ID),
	U8(CTA_PROTO_ICMP_TYPE),   U8(CTA_PROTO_ICMP_CODE),
	U16(CTA_PROTO_ICMPV6_ID),  U8(CTA_PROTO_ICMPV6_TYPE),
	U8(CTA_PROTO_ICMPV6_CODE), END,
};
static const struct attr tuple[] = { NEST(CTA_TUPLE_IP, ip),
				     NEST(CTA_TUPLE_PROTO, proto),
				     U16(CTA_TUPLE_ZONE), END };
static const struct attr tcp[] = {
	U8(CTA_PROTOINFO_TCP_STATE),
	U8(CTA_PROTOINFO_TCP_WSCALE_ORIGINAL),
	U8(CTA_PROTOINFO_TCP_WSCALE_REPLY),
	BYTES(CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, 2),
	BYTES(CTA_PROTOINFO_TCP_FLAGS_REPLY, 2),
	END,
};
static const struct attr sctp[] = { U8(CTA_PROTOINFO_SCTP_STATE),
				    U32(CTA_PROTOINFO_SCTP_VTAG_ORIGINAL),
				    U32(CTA_PROTOINFO_SCTP_VTAG_REPLY), END };
static const struct attr protoinfo[] = { NEST(CTA_PROTOINFO_TCP, tcp),
					 NEST(CTA_PROTOINFO_SCTP, sctp), END };
static const struct attr nat_port[] = { U16(CTA_PROTONAT_PORT_MIN),
					U16(CTA_PROTONAT_PORT_MAX), END };
static const struct attr nat[] = {
	BYTES(CTA_NAT_V4_MINIP, 4),    BYTES(CTA_NAT_V4_MAXIP, 4),
	BYTES(CTA_NAT_V6_MINIP, 16),   BYTES(CTA_NAT_V6_MAXIP, 16),
	NEST(CTA_NAT_PROTO, nat_port), END
};
static const struct attr help[] = { TEXT(CTA_HELP_NAME, 16), END };
static const struct attr seqadj[] = { U32(CTA_SEQADJ_CORRECTION_POS),
				      U32(CTA_SEQADJ_OFFSET_BEFORE),
				      U32(CTA_SEQADJ_OFFSET_AFTER), END };
static const struct attr synproxy[] = { U32(CTA_SYNPROXY_ISN),
					U32(CTA_SYNPROXY_ITS),
					U32(CTA_SYNPROXY_TSOFF), END };
static const struct attr conntrack[] = {
	NEST(CTA_TUPLE_ORIG, tuple),
	NEST(CTA_TUPLE_REPLY, tuple),
	NEST(CTA_TUPLE_MASTER, tuple),
	U32(CTA_STATUS),
	U32(CTA_TIMEOUT),
	U32(CTA_MARK),
	U16(CTA_ZONE),
	NEST(CTA_PROTOINFO, protoinfo),
	NEST(CTA_NAT_SRC, nat),
	NEST(CTA_NAT_DST, nat),
	NEST(CTA_HELP, help),
	NEST(CTA_SEQ_ADJ_ORIG, seqadj),
	NEST(CTA_SEQ_ADJ_REPLY, seqadj),
	NEST(CTA_SYNPROXY, synproxy),
	BYTES(CTA_LABELS, 16),
	END,
};

static const struct attr exp_nat[] = { U32(CTA_EXPECT_NAT_DIR),
				       NEST(CTA_EXPECT_NAT_TUPLE, tuple), END };
static const struct attr expect[] = {
	NEST(CTA_EXPECT_MASTER, tuple), NEST(CTA_EXPECT_TUPLE, tuple),
	NEST(CTA_EXPECT_MASK, tuple),	NEST(CTA_EXPECT_NAT, exp_nat),
	U32(CTA_EXPECT_TIMEOUT),	U32(CTA_EXPECT_FLAGS),
	U32(CTA_EXPECT_CLASS),		TEXT(CTA_EXPECT_HELP_NAME, 16),
	TEXT(CTA_EXPECT_FN, 32),	END,
};

/* --- nftables ------------------------------------------------------------------ */

static const struct attr verdict[] = { U32(NFTA_VERDICT_CODE),
				       TEXT(NFTA_VERDICT_CHAIN, 256), END };
static const struct attr value[] = { UPTO(NFTA_DATA_VALUE, 64),
				     NEST(NFTA_DATA_VERDICT, verdict), END };
static const struct attr any[] = { END };
static const struct attr expr[] = { TEXT(NFTA_EXPR_NAME, 128),
				    NEST(NFTA_EXPR_DATA, any), END };
static const struct attr exprs[] = { NEST(NFTA_LIST_ELEM, expr), END };
static const struct attr elem[] = {
	NEST(NFTA_SET_ELEM_KEY, value),
	NEST(NFTA_SET_ELEM_KEY_END, value),
	NEST(NFTA_SET_ELEM_DATA, value),
	U32(NFTA_SET_ELEM_FLAGS),
	U64(NFTA_SET_ELEM_TIMEOUT),
	U64(NFTA_SET_ELEM_EXPIRATION),
	UPTO(NFTA_SET_ELEM_USERDATA, 256),
	NEST(NFTA_SET_ELEM_EXPR, expr),
	NEST(NFTA_SET_ELEM_EXPRESSIONS, exprs),
	END,
};
static const struct attr elems[] = { NEST(NFTA_LIST_ELEM, elem), END };
static const struct attr elem_list[] = {
	TEXT(NFTA_SET_ELEM_LIST_TABLE, 256), TEXT(NFTA_SET_ELEM_LIST_SET, 256),
	NEST(NFTA_SET_ELEM_LIST_ELEMENTS, elems), END
};

/* --- looking -------------------------------------------------------------------- */

static void check_attrs(const struct nlattr *a, const void *end,
			const struct attr *list);

static void check(const struct nlattr *a, const struct attr *is)
{
	size_t len = mnl_attr_get_payload_len(a);

	assert(mnl_attr_validate(a, is->is) == 0);
	if (is->is == MNL_TYPE_BINARY)
		assert(len >= is->len && len <= is->most);
	if (is->is == MNL_TYPE_NUL_STRING)
		assert(len > 1 && len <= is->most);
	if (is->is == MNL_TYPE_NESTED)
		check_attrs(mnl_attr_get_payload(a),
			    (const char *)a + mnl_attr_get_len(a), is->in);
}

/* Up to the end, which is where the last one's padding ends. */
static void check_attrs(const struct nlattr *a, const void *end,
			const struct attr *list)
{
	while ((const char *)a < (const char *)end) {
		const struct attr *is = list;

		assert(mnl_attr_ok(a,
				   (int)((const char *)end - (const char *)a)));
		while (is->is != MNL_TYPE_UNSPEC &&
		       is->type != mnl_attr_get_type(a))
			is++;
		assert(list == any || is->is != MNL_TYPE_UNSPEC);
		if (list != any)
			check(a, is);
		a = mnl_attr_next(a);
	}
	assert((const void *)a == end ||
	       (const char *)a - (const char *)end < MNL_ALIGNTO);
}

static const struct attr *attrs_of(const struct nlmsghdr *nlh)
{
	switch (NFNL_SUBSYS_ID(nlh->nlmsg_type)) {
	case NFNL_SUBSYS_CTNETLINK:
		return conntrack;
	case NFNL_SUBSYS_CTNETLINK_EXP:
		return expect;
	case NFNL_SUBSYS_NFTABLES:
		return elem_list;
	default:
		return NULL;
	}
}

void netlink_check(const struct nlmsghdr *nlh)
{
	const struct attr *list = attrs_of(nlh);
	const char *p = (const char *)nlh;
	unsigned what = NFNL_MSG_TYPE(nlh->nlmsg_type);

	assert(nlh->nlmsg_flags & NLM_F_REQUEST);
	if (!list) { /* the marks of a batch */
		assert(nlh->nlmsg_type == NFNL_MSG_BATCH_BEGIN ||
		       nlh->nlmsg_type == NFNL_MSG_BATCH_END);
		return;
	}
	check_attrs(mnl_nlmsg_get_payload_offset(nlh, sizeof(struct nfgenmsg)),
		    p + nlh->nlmsg_len, list);
	/* a delete without a tuple empties the table */
	if ((list == conntrack && what == IPCTNL_MSG_CT_DELETE) ||
	    (list == expect && what == IPCTNL_MSG_EXP_DELETE))
		assert(nlh->nlmsg_len > NLMSG_HDRLEN + sizeof(struct nfgenmsg) +
						MNL_ATTR_HDRLEN);
}
