/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The expressions of nf_tables that the lease's rules are made of, one function
 * each. It knows nothing of leases, and sends nothing.
 *
 * Text: kernel net/netfilter/nft_*.c; libnftnl.
 *
 * Invariant: without memory the transaction bears the error, and is never
 * sent.
 */
#include "lease_expr.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/expr.h>
#include <libnftnl/object.h>
#include <libnftnl/rule.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>
#include <string.h>

#define MAC_LEN	  6
#define HASH_SEED 112

static struct nftnl_expr *expr_new(struct lease_rule *w, const char *name)
{
	struct nftnl_expr *e = nftnl_expr_alloc(name);

	if (!e)
		w->t->err = -ENOMEM;
	else
		nftnl_rule_add_expr(w->r, e);
	return e;
}

void expr_payload(struct lease_rule *w, uint32_t base, uint32_t offset,
		  uint32_t len, uint32_t dreg)
{
	struct nftnl_expr *e = expr_new(w, "payload");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, len);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, dreg);
}

void expr_payload_set(struct lease_rule *w, uint32_t base, uint32_t offset,
		      uint32_t len, uint32_t sreg)
{
	struct nftnl_expr *e = expr_new(w, "payload");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, len);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_SREG, sreg);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_CSUM_TYPE,
			   NFT_PAYLOAD_CSUM_NONE);
}

void expr_meta(struct lease_rule *w, uint32_t key, uint32_t dreg)
{
	struct nftnl_expr *e = expr_new(w, "meta");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, dreg);
}

void expr_meta_set(struct lease_rule *w, uint32_t key, uint32_t sreg)
{
	struct nftnl_expr *e = expr_new(w, "meta");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_SREG, sreg);
}

void expr_cmp(struct lease_rule *w, uint32_t sreg, uint32_t op,
	      const void *data, uint32_t len)
{
	struct nftnl_expr *e = expr_new(w, "cmp");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, sreg);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, op);
	nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, data, len);
}

void expr_load(struct lease_rule *w, uint32_t dreg, const void *data,
	       uint32_t len)
{
	struct nftnl_expr *e = expr_new(w, "immediate");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, dreg);
	nftnl_expr_set(e, NFTNL_EXPR_IMM_DATA, data, len);
}

void expr_verdict(struct lease_rule *w, uint32_t verdict)
{
	struct nftnl_expr *e = expr_new(w, "immediate");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, verdict);
}

void expr_lookup(struct lease_rule *w, uint32_t sreg, const char *set,
		 uint32_t flags)
{
	struct nftnl_expr *e = expr_new(w, "lookup");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, sreg);
	nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, set);
	if (flags)
		nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_FLAGS, flags);
}

void expr_update(struct lease_rule *w, uint32_t sreg, const char *set,
		 uint32_t timeout_ms)
{
	struct nftnl_expr *e = expr_new(w, "dynset");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_SREG_KEY, sreg);
	nftnl_expr_set_str(e, NFTNL_EXPR_DYNSET_SET_NAME, set);
	nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_UPDATE);
	nftnl_expr_set_u64(e, NFTNL_EXPR_DYNSET_TIMEOUT, timeout_ms);
}

void expr_protocol(struct lease_rule *w, uint16_t ethertype)
{
	uint8_t be[2] = { (uint8_t)(ethertype >> 8), (uint8_t)ethertype };

	expr_meta(w, NFT_META_PROTOCOL, NFT_REG_1);
	expr_cmp(w, NFT_REG_1, NFT_CMP_EQ, be, sizeof(be));
}

void expr_l4proto(struct lease_rule *w, uint8_t protocol)
{
	expr_meta(w, NFT_META_L4PROTO, NFT_REG_1);
	expr_cmp(w, NFT_REG_1, NFT_CMP_EQ, &protocol, 1);
}

void expr_is(struct lease_rule *w, uint32_t base, uint32_t offset,
	     const void *data, uint32_t len)
{
	expr_payload(w, base, offset, len, NFT_REG_1);
	expr_cmp(w, NFT_REG_1, NFT_CMP_EQ, data, len);
}

void expr_icmp6(struct lease_rule *w, uint8_t first, uint8_t last)
{
	expr_l4proto(w, IPPROTO_ICMPV6);
	expr_payload(w, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, NFT_REG_1);
	expr_cmp(w, NFT_REG_1, NFT_CMP_GTE, &first, 1);
	expr_cmp(w, NFT_REG_1, NFT_CMP_LTE, &last, 1);
}

void expr_held(struct lease_rule *w, const struct lease_vhost *h)
{
	struct lease_label lease = lease_label("lease", h->ifname);

	expr_load(w, NFT_REG_1, h->mac, MAC_LEN);
	expr_lookup(w, NFT_REG_1, lease.s, 0);
}

void expr_mask(struct lease_rule *w, uint32_t reg, const void *mask,
	       uint32_t len)
{
	static const uint8_t zero[16];
	struct nftnl_expr *e = expr_new(w, "bitwise");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, reg);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, reg);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, len);
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, mask, len);
	nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, zero, len);
}

void expr_jhash(struct lease_rule *w, uint32_t sreg, uint32_t len,
		uint32_t modulus, uint32_t dreg)
{
	struct nftnl_expr *e = expr_new(w, "hash");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_HASH_TYPE, NFT_HASH_JENKINS);
	nftnl_expr_set_u32(e, NFTNL_EXPR_HASH_SREG, sreg);
	nftnl_expr_set_u32(e, NFTNL_EXPR_HASH_DREG, dreg);
	nftnl_expr_set_u32(e, NFTNL_EXPR_HASH_LEN, len);
	nftnl_expr_set_u32(e, NFTNL_EXPR_HASH_MODULUS, modulus);
	/* without one the kernel draws it */
	nftnl_expr_set_u32(e, NFTNL_EXPR_HASH_SEED, HASH_SEED);
}

void expr_counter(struct lease_rule *w, const char *name)
{
	struct nftnl_expr *e = expr_new(w, "objref");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
	nftnl_expr_set_str(e, NFTNL_EXPR_OBJREF_IMM_NAME, name);
}

bool rule_begin(struct lease_rule *w, struct lease_txn *t, const char *ifname,
		bool egress)
{
	struct lease_label chain = lease_label(egress ? "out" : "in", ifname);

	w->t = t;
	w->egress = egress;
	w->r = NULL;
	if (!lease_txn_room(t))
		return false;
	w->r = nftnl_rule_alloc();
	if (!w->r) {
		t->err = -ENOMEM;
		return false;
	}
	nftnl_rule_set_str(w->r, NFTNL_RULE_TABLE, t->table);
	nftnl_rule_set_str(w->r, NFTNL_RULE_CHAIN, chain.s);
	return true;
}

void rule_end(struct lease_rule *w)
{
	struct nlmsghdr *nlh;

	nlh = lease_txn_msg(w->t, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	nftnl_rule_nlmsg_build_payload(nlh, w->r);
	lease_txn_done(w->t);
	w->t->rules[w->egress]++;
	nftnl_rule_free(w->r);
}
