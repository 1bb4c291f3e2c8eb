/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The table of ct_queue_rule.h:
 *
 *   table inet statesync_defer {
 *     flags owner
 *     chain first {
 *       type filter hook postrouting priority srcnat + 10
 *       meta iif != 0 ct state new ct status & confirmed == 0 \
 *         queue flags bypass to 3790
 *     }
 *   }
 *
 * Text: kernel net/netfilter/nft_queue.c, nft_compat.c, xt_NFQUEUE.c; packets of
 * this machine have no interface that they came in by (ip_output).
 *
 * Invariant: the table is there as a whole or not at all.
 */
#include "ct_queue_rule.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <linux/netfilter_ipv4.h>
#include <stdlib.h>
#include <string.h>

#include "ct_queue.h"

#define CHAIN	   "first"
#define PRIORITY   (NF_IP_PRI_NAT_SRC + 10)
#define BATCH_SIZE 8192 /* ours is an eighth of it */
#define STATE_NEW  8	/* NF_CT_STATE_BIT(IP_CT_NEW) */

static struct nftnl_expr *add(struct nftnl_rule *r, const char *name)
{
	struct nftnl_expr *e = r ? nftnl_expr_alloc(name) : NULL;

	if (e)
		nftnl_rule_add_expr(r, e);
	return e;
}

static bool add_cmp(struct nftnl_rule *r, uint32_t op)
{
	const uint32_t zero = 0;
	struct nftnl_expr *e = add(r, "cmp");

	if (!e)
		return false;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, op);
	nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, &zero, sizeof(zero));
	return true;
}

static bool add_iif(struct nftnl_rule *r)
{
	struct nftnl_expr *e = add(r, "meta");

	if (!e)
		return false;
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, NFT_META_IIF);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, NFT_REG_1);
	return add_cmp(r, NFT_CMP_NEQ);
}

/* Goes on where one of the bits is set, or none is. */
static bool add_ct(struct nftnl_rule *r, uint32_t key, uint32_t bits, bool set)
{
	const uint32_t zero = 0;
	struct nftnl_expr *ct = add(r, "ct"), *mask = add(r, "bitwise");

	if (!ct || !mask)
		return false;
	nftnl_expr_set_u32(ct, NFTNL_EXPR_CT_KEY, key);
	nftnl_expr_set_u32(ct, NFTNL_EXPR_CT_DREG, NFT_REG_1);
	nftnl_expr_set_u32(mask, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(mask, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(mask, NFTNL_EXPR_BITWISE_LEN, sizeof(bits));
	nftnl_expr_set(mask, NFTNL_EXPR_BITWISE_MASK, &bits, sizeof(bits));
	nftnl_expr_set(mask, NFTNL_EXPR_BITWISE_XOR, &zero, sizeof(zero));
	return add_cmp(r, set ? NFT_CMP_NEQ : NFT_CMP_EQ);
}

static bool add_queue(struct nftnl_rule *r)
{
	struct nftnl_expr *e = add(r, "queue");

	if (!e)
		return false;
	nftnl_expr_set_u16(e, NFTNL_EXPR_QUEUE_NUM, CT_QUEUE_NUMBER);
	nftnl_expr_set_u16(e, NFTNL_EXPR_QUEUE_TOTAL, 1);
	nftnl_expr_set_u16(e, NFTNL_EXPR_QUEUE_FLAGS, NFT_QUEUE_FLAG_BYPASS);
	return true;
}

static bool add_target(struct nftnl_rule *r)
{
	struct nftnl_expr *e = add(r, "target");
	struct xt_NFQ_info_v3 *info;

	if (!e)
		return false;
	/* padded as the kernel's XT_ALIGN wants it; e frees it */
	info = calloc(1, sizeof(*info) + 8 - sizeof(*info) % 8);
	if (!info)
		return false;
	info->queuenum = CT_QUEUE_NUMBER;
	info->queues_total = 1;
	info->flags = NFQ_FLAG_BYPASS;
	nftnl_expr_set_str(e, NFTNL_EXPR_TG_NAME, "NFQUEUE");
	nftnl_expr_set_u32(e, NFTNL_EXPR_TG_REV, 3);
	nftnl_expr_set(e, NFTNL_EXPR_TG_INFO, info,
		       sizeof(*info) + 8 - sizeof(*info) % 8);
	return true; /* NOLINT(clang-analyzer-unix.Malloc): it is e's now */
}

static struct nftnl_rule *make_rule(bool compat)
{
	struct nftnl_rule *r = nftnl_rule_alloc();

	if (!r || !add_iif(r) || !add_ct(r, NFT_CT_STATE, STATE_NEW, true) ||
	    !add_ct(r, NFT_CT_STATUS, IPS_CONFIRMED, false) ||
	    !(compat ? add_target(r) : add_queue(r))) {
		if (r)
			nftnl_rule_free(r);
		return NULL;
	}
	nftnl_rule_set_str(r, NFTNL_RULE_TABLE, CT_QUEUE_TABLE);
	nftnl_rule_set_str(r, NFTNL_RULE_CHAIN, CHAIN);
	return r;
}

static struct nftnl_table *make_table(void)
{
	struct nftnl_table *t = nftnl_table_alloc();

	if (!t)
		return NULL;
	nftnl_table_set_str(t, NFTNL_TABLE_NAME, CT_QUEUE_TABLE);
	nftnl_table_set_u32(t, NFTNL_TABLE_FLAGS, NFT_TABLE_F_OWNER);
	return t;
}

static struct nftnl_chain *make_chain(void)
{
	struct nftnl_chain *c = nftnl_chain_alloc();

	if (!c)
		return NULL;
	nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, CT_QUEUE_TABLE);
	nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, CHAIN);
	nftnl_chain_set_str(c, NFTNL_CHAIN_TYPE, "filter");
	nftnl_chain_set_u32(c, NFTNL_CHAIN_HOOKNUM, NF_INET_POST_ROUTING);
	nftnl_chain_set_s32(c, NFTNL_CHAIN_PRIO, PRIORITY);
	nftnl_chain_set_u32(c, NFTNL_CHAIN_POLICY, NF_ACCEPT);
	return c;
}

struct batch {
	char *buf;
	size_t used;
};

static struct nlmsghdr *message(struct batch *b, uint16_t type, uint16_t flags)
{
	return nftnl_nlmsg_build_hdr(b->buf + b->used, type, NFPROTO_INET,
				     NLM_F_CREATE | flags, 0);
}

static void done(struct batch *b, const struct nlmsghdr *nlh)
{
	b->used += NLMSG_ALIGN(nlh->nlmsg_len);
}

/* 0 or -errno. */
static int put_table(struct nl_sock *s, bool compat)
{
	struct nftnl_table *t = make_table();
	struct nftnl_chain *c = make_chain();
	struct nftnl_rule *r = make_rule(compat);
	struct batch b = { .buf = calloc(1, BATCH_SIZE) };
	struct nlmsghdr *nlh;
	int ret = -ENOMEM;

	if (!t || !c || !r || !b.buf)
		goto out;
	done(&b, nftnl_batch_begin(b.buf, 0));
	nlh = message(&b, NFT_MSG_NEWTABLE, NLM_F_EXCL);
	nftnl_table_nlmsg_build_payload(nlh, t);
	done(&b, nlh);
	nlh = message(&b, NFT_MSG_NEWCHAIN, 0);
	nftnl_chain_nlmsg_build_payload(nlh, c);
	done(&b, nlh);
	nlh = message(&b, NFT_MSG_NEWRULE, NLM_F_APPEND | NLM_F_ACK);
	nftnl_rule_nlmsg_build_payload(nlh, r);
	done(&b, nlh);
	done(&b, nftnl_batch_end(b.buf + b.used, 0));
	ret = nl_talk(s, b.buf, b.used, NULL, NULL);
out:
	if (t)
		nftnl_table_free(t);
	if (c)
		nftnl_chain_free(c);
	if (r)
		nftnl_rule_free(r);
	free(b.buf);
	return ret;
}

int ct_queue_rule_open(struct ct_queue_rule *r)
{
	int ret;

	*r = (struct ct_queue_rule){ .sock.fd = -1 };
	ret = nl_open(&r->sock, NETLINK_NETFILTER, 0, 0);
	if (ret)
		return ret;
	ret = put_table(&r->sock, false);
	if (ret == -ENOENT)
		ret = put_table(&r->sock, true);
	if (ret)
		nl_close(&r->sock);
	return ret;
}

void ct_queue_rule_close(struct ct_queue_rule *r)
{
	nl_close(&r->sock);
}
