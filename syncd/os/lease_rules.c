/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the lease's table looks like, as messages of nf_tables. It sends
 * nothing and knows no kernel; lease.c does.
 *
 * Implements spec/linux-vip.md. For one interface IF with virtual MACs V and
 * their addresses A:
 *
 *   set vmac_IF  { type ether_addr }
 *   set lease_IF { type ether_addr; flags timeout,dynamic }
 *   chain in_IF  { hook ingress device IF priority -500
 *     meta pkttype != other accept
 *     ether daddr @lease_IF meta pkttype set host accept
 *     ether daddr @vmac_IF drop }
 *   chain out_IF { hook egress device IF priority -500
 *     ether saddr V ip protocol 112 meta mark M ether saddr @lease_IF
 *         update @lease_IF { ether saddr timeout T } accept	 (each V)
 *     ether saddr @vmac_IF ether saddr != @lease_IF drop
 *     arp saddr ip A (V in @lease_IF) arp saddr ether set V
 *         ether saddr set V accept				 (each A)
 *     arp saddr ip A drop }					 (each A)
 *
 * Invariant: a renewing rule looks before it updates, so an advert never
 * grants what has run out.
 */
#include "lease_txn.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <net/ethernet.h>
#include <string.h>

#define MAC_LEN		6
#define IPPROTO_CARP	112
#define ETHER_DST	0
#define ETHER_SRC	6
#define IP_PROTO_OFFSET 9
#define ARP_SENDER_MAC	8
#define ARP_SENDER_IP	14

/* --- expressions -------------------------------------------------------- */

/* A rule being written; what does not fit into memory is remembered in the
 * transaction. */
struct rule {
	struct lease_txn *t;
	struct nftnl_rule *r;
};

static struct nftnl_expr *expr_new(struct rule *w, const char *name)
{
	struct nftnl_expr *e = nftnl_expr_alloc(name);

	if (!e)
		w->t->err = -ENOMEM;
	else
		nftnl_rule_add_expr(w->r, e);
	return e;
}

static void put_payload(struct rule *w, uint32_t base, uint32_t offset,
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

static void put_payload_set(struct rule *w, uint32_t base, uint32_t offset,
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

static void put_meta(struct rule *w, uint32_t key, uint32_t dreg)
{
	struct nftnl_expr *e = expr_new(w, "meta");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, dreg);
}

static void put_meta_set(struct rule *w, uint32_t key, uint32_t sreg)
{
	struct nftnl_expr *e = expr_new(w, "meta");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_SREG, sreg);
}

static void put_cmp(struct rule *w, uint32_t sreg, uint32_t op,
		    const void *data, uint32_t len)
{
	struct nftnl_expr *e = expr_new(w, "cmp");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, sreg);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, op);
	nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, data, len);
}

static void put_load(struct rule *w, uint32_t dreg, const void *data,
		     uint32_t len)
{
	struct nftnl_expr *e = expr_new(w, "immediate");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, dreg);
	nftnl_expr_set(e, NFTNL_EXPR_IMM_DATA, data, len);
}

static void put_verdict(struct rule *w, uint32_t verdict)
{
	struct nftnl_expr *e = expr_new(w, "immediate");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, verdict);
}

static void put_lookup(struct rule *w, uint32_t sreg, const char *set,
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

static void put_update(struct rule *w, uint32_t sreg, const char *set,
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

static void put_protocol(struct rule *w, uint16_t ethertype)
{
	uint8_t be[2] = { (uint8_t)(ethertype >> 8), (uint8_t)ethertype };

	put_meta(w, NFT_META_PROTOCOL, NFT_REG_1);
	put_cmp(w, NFT_REG_1, NFT_CMP_EQ, be, sizeof(be));
}

/* --- rules -------------------------------------------------------------- */

static bool rule_begin(struct rule *w, struct lease_txn *t, const char *ifname,
		       bool egress)
{
	struct lease_label chain = lease_label(egress ? "out" : "in", ifname);

	w->t = t;
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

static void rule_end(struct rule *w)
{
	struct nlmsghdr *nlh;

	nlh = lease_txn_msg(w->t, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	nftnl_rule_nlmsg_build_payload(nlh, w->r);
	lease_txn_done(w->t);
	nftnl_rule_free(w->r);
}

/* meta pkttype != other accept */
static void rule_in_others(struct lease_txn *t, const char *ifname)
{
	static const uint8_t otherhost = PACKET_OTHERHOST;
	struct rule w;

	if (!rule_begin(&w, t, ifname, false))
		return;
	put_meta(&w, NFT_META_PKTTYPE, NFT_REG_1);
	put_cmp(&w, NFT_REG_1, NFT_CMP_NEQ, &otherhost, 1);
	put_verdict(&w, NF_ACCEPT);
	rule_end(&w);
}

/* ether daddr @lease meta pkttype set host accept */
static void rule_in_held(struct lease_txn *t, const char *ifname)
{
	static const uint8_t host = PACKET_HOST;
	struct lease_label lease = lease_label("lease", ifname);
	struct rule w;

	if (!rule_begin(&w, t, ifname, false))
		return;
	put_payload(&w, NFT_PAYLOAD_LL_HEADER, ETHER_DST, MAC_LEN, NFT_REG_1);
	put_lookup(&w, NFT_REG_1, lease.s, 0);
	put_load(&w, NFT_REG_1, &host, 1);
	put_meta_set(&w, NFT_META_PKTTYPE, NFT_REG_1);
	put_verdict(&w, NF_ACCEPT);
	rule_end(&w);
}

/* ether daddr @vmac drop */
static void rule_in_ours(struct lease_txn *t, const char *ifname)
{
	struct lease_label vmac = lease_label("vmac", ifname);
	struct rule w;

	if (!rule_begin(&w, t, ifname, false))
		return;
	put_payload(&w, NFT_PAYLOAD_LL_HEADER, ETHER_DST, MAC_LEN, NFT_REG_1);
	put_lookup(&w, NFT_REG_1, vmac.s, 0);
	put_verdict(&w, NF_DROP);
	rule_end(&w);
}

/* ether saddr V ip protocol 112 meta mark M, held: update, accept */
static void rule_out_advert(struct lease_txn *t, const struct lease_vhost *h)
{
	static const uint8_t carp = IPPROTO_CARP;
	struct lease_label lease = lease_label("lease", h->ifname);
	struct rule w;

	if (!rule_begin(&w, t, h->ifname, true))
		return;
	put_meta(&w, NFT_META_MARK, NFT_REG_1);
	put_cmp(&w, NFT_REG_1, NFT_CMP_EQ, &t->mark, sizeof(t->mark));
	put_protocol(&w, ETHERTYPE_IP);
	put_payload(&w, NFT_PAYLOAD_NETWORK_HEADER, IP_PROTO_OFFSET, 1,
		    NFT_REG_1);
	put_cmp(&w, NFT_REG_1, NFT_CMP_EQ, &carp, 1);
	put_payload(&w, NFT_PAYLOAD_LL_HEADER, ETHER_SRC, MAC_LEN, NFT_REG_1);
	put_cmp(&w, NFT_REG_1, NFT_CMP_EQ, h->mac, MAC_LEN);
	put_lookup(&w, NFT_REG_1, lease.s, 0);
	put_update(&w, NFT_REG_1, lease.s, h->timeout_ms);
	put_verdict(&w, NF_ACCEPT);
	rule_end(&w);
}

/* ether saddr @vmac ether saddr != @lease drop */
static void rule_out_held(struct lease_txn *t, const char *ifname)
{
	struct lease_label vmac = lease_label("vmac", ifname);
	struct lease_label lease = lease_label("lease", ifname);
	struct rule w;

	if (!rule_begin(&w, t, ifname, true))
		return;
	put_payload(&w, NFT_PAYLOAD_LL_HEADER, ETHER_SRC, MAC_LEN, NFT_REG_1);
	put_lookup(&w, NFT_REG_1, vmac.s, 0);
	put_lookup(&w, NFT_REG_1, lease.s, NFT_LOOKUP_F_INV);
	put_verdict(&w, NF_DROP);
	rule_end(&w);
}

static void put_arp_sender(struct rule *w, const struct in_addr *a)
{
	put_protocol(w, ETHERTYPE_ARP);
	put_payload(w, NFT_PAYLOAD_NETWORK_HEADER, ARP_SENDER_IP, sizeof(*a),
		    NFT_REG_1);
	put_cmp(w, NFT_REG_1, NFT_CMP_EQ, a, sizeof(*a));
}

/* arp saddr ip A, held: arp saddr ether set V ether saddr set V accept */
static void rule_out_arp_held(struct lease_txn *t, const struct lease_vhost *h,
			      const struct in_addr *a)
{
	struct lease_label lease = lease_label("lease", h->ifname);
	struct rule w;

	if (!rule_begin(&w, t, h->ifname, true))
		return;
	put_arp_sender(&w, a);
	put_load(&w, NFT_REG_1, h->mac, MAC_LEN);
	put_lookup(&w, NFT_REG_1, lease.s, 0);
	put_payload_set(&w, NFT_PAYLOAD_NETWORK_HEADER, ARP_SENDER_MAC, MAC_LEN,
			NFT_REG_1);
	put_payload_set(&w, NFT_PAYLOAD_LL_HEADER, ETHER_SRC, MAC_LEN,
			NFT_REG_1);
	put_verdict(&w, NF_ACCEPT);
	rule_end(&w);
}

/* arp saddr ip A drop */
static void rule_out_arp(struct lease_txn *t, const struct lease_vhost *h,
			 const struct in_addr *a)
{
	struct rule w;

	if (!rule_begin(&w, t, h->ifname, true))
		return;
	put_arp_sender(&w, a);
	put_verdict(&w, NF_DROP);
	rule_end(&w);
}

static void rules_out_arp(struct lease_txn *t, const struct lease_vhost *h)
{
	size_t i;

	for (i = 0; i < h->addr_count; i++) {
		rule_out_arp_held(t, h, &h->addrs[i]);
		rule_out_arp(t, h, &h->addrs[i]);
	}
}

static bool on_iface(const struct lease_vhost *h, const char *ifname)
{
	return !strcmp(h->ifname, ifname);
}

uint32_t lease_rule_count(const char *ifname, const struct lease_vhost *vhosts,
			  bool egress)
{
	const struct lease_vhost *h;
	uint32_t n = egress ? 1 : 3;

	for (h = vhosts; egress && h; h = h->next)
		if (on_iface(h, ifname))
			n += 1 + 2 * (uint32_t)h->addr_count;
	return n;
}

/* The order within a chain is the order of these calls. */
void lease_put_rules(struct lease_txn *t, const char *ifname,
		     const struct lease_vhost *vhosts)
{
	const struct lease_vhost *h;

	rule_in_others(t, ifname);
	rule_in_held(t, ifname);
	rule_in_ours(t, ifname);
	for (h = vhosts; h; h = h->next)
		if (on_iface(h, ifname))
			rule_out_advert(t, h);
	rule_out_held(t, ifname);
	for (h = vhosts; h; h = h->next)
		if (on_iface(h, ifname))
			rules_out_arp(t, h);
}
