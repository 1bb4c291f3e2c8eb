/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The lease's table, sets, chains and elements as messages of nf_tables, and
 * the transaction that carries them. It sends nothing; the rules are in
 * lease_rules.c.
 *
 * Implements LINUX-VIP.md, "The parts". For one interface IF:
 *   set vmac_IF  { type ether_addr }
 *   set lease_IF { type ether_addr; flags timeout,dynamic }
 *   chain in_IF  { type filter hook ingress device IF priority -500 }
 *   chain out_IF { type filter hook egress device IF priority -500 }
 *
 * Invariant: after an error every put does nothing and the transaction is
 * never sent.
 */
#include "lease_txn.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOOK_INGRESS   0 /* NF_NETDEV_INGRESS */
#define HOOK_EGRESS    1 /* NF_NETDEV_EGRESS, not in older headers */
#define PRIORITY       (-500)
#define TYPE_ETHERADDR 9 /* what nft calls ether_addr in listings */
#define MAC_LEN	       6
#define LEASE_SET_SIZE 1024 /* counts those run out but not collected */
#define MESSAGE_MAX    4096 /* none of ours is longer than a quarter */

enum { SET_LEASE = 1, SET_VMAC };

struct lease_label lease_label(const char *what, const char *ifname)
{
	struct lease_label n;

	snprintf(n.s, sizeof(n.s), "%s_%.*s", what, IF_NAMESIZE - 1, ifname);
	return n;
}

/* --- transaction -------------------------------------------------------- */

bool lease_txn_room(struct lease_txn *t)
{
	size_t tail = t->tail ? (size_t)((char *)t->tail - t->buf) : 0;
	char *buf;

	if (t->err)
		return false;
	if (t->size - t->used >= MESSAGE_MAX)
		return true;
	buf = realloc(t->buf, t->size + 8 * MESSAGE_MAX);
	if (!buf) {
		t->err = -ENOMEM;
		return false;
	}
	if (t->tail)
		t->tail = (void *)(buf + tail);
	t->buf = buf;
	t->size += 8 * MESSAGE_MAX;
	return true;
}

void lease_txn_begin(struct lease_txn *t, const char *table, uint32_t mark)
{
	struct nlmsghdr *nlh;

	memset(t, 0, sizeof(*t));
	t->table = table;
	t->mark = mark;
	if (!lease_txn_room(t))
		return;
	nlh = nftnl_batch_begin(t->buf, 0);
	t->used = NLMSG_ALIGN(nlh->nlmsg_len);
}

struct nlmsghdr *lease_txn_msg(struct lease_txn *t, uint16_t type,
			       uint16_t flags)
{
	t->tail = nftnl_nlmsg_build_hdr(t->buf + t->used, type, NFPROTO_NETDEV,
					flags, 0);
	return t->tail;
}

/* After the payload of txn_msg's message is in. */
void lease_txn_done(struct lease_txn *t)
{
	t->used += NLMSG_ALIGN(t->tail->nlmsg_len);
}

void lease_txn_end(struct lease_txn *t)
{
	struct nlmsghdr *nlh;

	if (!lease_txn_room(t))
		return;
	if (t->tail)
		t->tail->nlmsg_flags |= NLM_F_ACK;
	nlh = nftnl_batch_end(t->buf + t->used, 0);
	t->used += NLMSG_ALIGN(nlh->nlmsg_len);
}

void lease_txn_free(struct lease_txn *t)
{
	free(t->buf);
	t->buf = NULL;
}

/* --- table, sets, chains ------------------------------------------------ */

void lease_put_table(struct lease_txn *t)
{
	struct nftnl_table *n = lease_txn_room(t) ? nftnl_table_alloc() : NULL;
	struct nlmsghdr *nlh;

	if (!n) {
		t->err = -ENOMEM;
		return;
	}
	nftnl_table_set_str(n, NFTNL_TABLE_NAME, t->table);
	nftnl_table_set_u32(n, NFTNL_TABLE_FLAGS, NFT_TABLE_F_OWNER);
	nlh = lease_txn_msg(t, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
	nftnl_table_nlmsg_build_payload(nlh, n);
	lease_txn_done(t);
	nftnl_table_free(n);
}

struct nftnl_set *lease_txn_set(struct lease_txn *t, const char *name)
{
	struct nftnl_set *s = lease_txn_room(t) ? nftnl_set_alloc() : NULL;

	if (!s) {
		t->err = -ENOMEM;
		return NULL;
	}
	nftnl_set_set_str(s, NFTNL_SET_TABLE, t->table);
	nftnl_set_set_str(s, NFTNL_SET_NAME, name);
	return s;
}

static struct nftnl_set *set_new(struct lease_txn *t, const char *what,
				 const char *ifname)
{
	return lease_txn_set(t, lease_label(what, ifname).s);
}

static void set_send(struct lease_txn *t, struct nftnl_set *s, uint16_t type,
		     uint16_t flags)
{
	nftnl_set_nlmsg_build_payload(lease_txn_msg(t, type, flags), s);
	lease_txn_done(t);
	nftnl_set_free(s);
}

static void put_set_key(struct nftnl_set *s, uint32_t id)
{
	nftnl_set_set_u32(s, NFTNL_SET_FAMILY, NFPROTO_NETDEV);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_TYPE, TYPE_ETHERADDR);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_LEN, MAC_LEN);
	nftnl_set_set_u32(s, NFTNL_SET_ID, id);
}

static void put_sets(struct lease_txn *t, const char *ifname)
{
	struct nftnl_set *s = set_new(t, "vmac", ifname);

	if (!s)
		return;
	put_set_key(s, SET_VMAC);
	set_send(t, s, NFT_MSG_NEWSET, NLM_F_CREATE);
	s = set_new(t, "lease", ifname);
	if (!s)
		return;
	put_set_key(s, SET_LEASE);
	nftnl_set_set_u32(s, NFTNL_SET_FLAGS, NFT_SET_TIMEOUT | NFT_SET_EVAL);
	nftnl_set_set_u32(s, NFTNL_SET_DESC_SIZE, LEASE_SET_SIZE);
	set_send(t, s, NFT_MSG_NEWSET, NLM_F_CREATE);
}

/* Takes s over. */
static void elems_send(struct lease_txn *t, struct nftnl_set *s, uint16_t type,
		       uint16_t flags)
{
	nftnl_set_elems_nlmsg_build_payload(lease_txn_msg(t, type, flags), s);
	lease_txn_done(t);
	nftnl_set_free(s);
}

static bool set_add_mac(struct nftnl_set *s, const uint8_t mac[MAC_LEN],
			uint32_t timeout_ms)
{
	struct nftnl_set_elem *e = nftnl_set_elem_alloc();

	if (!e)
		return false;
	nftnl_set_elem_set(e, NFTNL_SET_ELEM_KEY, mac, MAC_LEN);
	if (timeout_ms)
		nftnl_set_elem_set_u64(e, NFTNL_SET_ELEM_TIMEOUT, timeout_ms);
	nftnl_set_elem_add(s, e);
	return true;
}

static void put_mac(struct lease_txn *t, const char *what,
		    const struct lease_vhost *h, uint16_t type, uint16_t flags,
		    uint32_t timeout_ms)
{
	struct nftnl_set *s = set_new(t, what, h->ifname);

	if (!s)
		return;
	if (set_add_mac(s, h->mac, timeout_ms)) {
		elems_send(t, s, type, flags);
	} else {
		t->err = -ENOMEM;
		nftnl_set_free(s);
	}
}

void lease_put_elem(struct lease_txn *t, const struct lease_vhost *h, bool add)
{
	if (add)
		put_mac(t, "lease", h, NFT_MSG_NEWSETELEM,
			NLM_F_CREATE | NLM_F_EXCL, h->timeout_ms);
	else
		put_mac(t, "lease", h, NFT_MSG_DELSETELEM, 0, 0);
}

/* The virtual MACs of the interface, all anew. */
static void put_vmacs(struct lease_txn *t, const char *ifname,
		      const struct lease_vhost *vhosts)
{
	const struct lease_vhost *h;
	struct nftnl_set *s = set_new(t, "vmac", ifname);

	if (!s)
		return;
	elems_send(t, s, NFT_MSG_DELSETELEM, 0); /* no element: all */
	for (h = vhosts; h; h = h->next)
		if (!strcmp(h->ifname, ifname))
			put_mac(t, "vmac", h, NFT_MSG_NEWSETELEM, NLM_F_CREATE,
				0);
}

static void put_chain(struct lease_txn *t, const char *ifname, bool egress,
		      uint16_t type)
{
	struct lease_label name = lease_label(egress ? "out" : "in", ifname);
	struct nftnl_chain *c = lease_txn_room(t) ? nftnl_chain_alloc() : NULL;

	if (!c) {
		t->err = -ENOMEM;
		return;
	}
	nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, t->table);
	nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, name.s);
	if (type == NFT_MSG_NEWCHAIN) {
		nftnl_chain_set_str(c, NFTNL_CHAIN_TYPE, "filter");
		nftnl_chain_set_u32(c, NFTNL_CHAIN_HOOKNUM,
				    egress ? HOOK_EGRESS : HOOK_INGRESS);
		nftnl_chain_set_s32(c, NFTNL_CHAIN_PRIO, PRIORITY);
		nftnl_chain_set_u32(c, NFTNL_CHAIN_POLICY, NF_ACCEPT);
		nftnl_chain_set_str(c, NFTNL_CHAIN_DEV, ifname);
	}
	nftnl_chain_nlmsg_build_payload(
		lease_txn_msg(t, type,
			      type == NFT_MSG_NEWCHAIN ? NLM_F_CREATE : 0),
		c);
	lease_txn_done(t);
	nftnl_chain_free(c);
}

/* Deletes every rule of a chain. */
static void put_flush(struct lease_txn *t, const char *ifname, bool egress)
{
	struct lease_label name = lease_label(egress ? "out" : "in", ifname);
	struct nftnl_rule *r = lease_txn_room(t) ? nftnl_rule_alloc() : NULL;

	if (!r) {
		t->err = -ENOMEM;
		return;
	}
	nftnl_rule_set_str(r, NFTNL_RULE_TABLE, t->table);
	nftnl_rule_set_str(r, NFTNL_RULE_CHAIN, name.s);
	nftnl_rule_nlmsg_build_payload(lease_txn_msg(t, NFT_MSG_DELRULE, 0), r);
	lease_txn_done(t);
	nftnl_rule_free(r);
}

void lease_put_iface(struct lease_txn *t, const char *ifname,
		     const struct lease_vhost *vhosts)
{
	const struct lease_vhost *h;

	put_sets(t, ifname);
	for (h = vhosts; h; h = h->next)
		if (h->shares && !strcmp(h->ifname, ifname))
			lease_put_share_sets(t, h);
	put_vmacs(t, ifname, vhosts);
	put_chain(t, ifname, false, NFT_MSG_NEWCHAIN);
	put_chain(t, ifname, true, NFT_MSG_NEWCHAIN);
	put_flush(t, ifname, false);
	put_flush(t, ifname, true);
	lease_put_rules(t, ifname, vhosts);
}

void lease_put_drop(struct lease_txn *t, const char *ifname, bool chains)
{
	struct nftnl_set *s;

	if (chains) {
		put_chain(t, ifname, false, NFT_MSG_DELCHAIN);
		put_chain(t, ifname, true, NFT_MSG_DELCHAIN);
	}
	s = set_new(t, "lease", ifname);
	if (s)
		set_send(t, s, NFT_MSG_DELSET, 0);
	s = set_new(t, "vmac", ifname);
	if (s)
		set_send(t, s, NFT_MSG_DELSET, 0);
}

/* --- single requests ---------------------------------------------------- */

size_t lease_build_get_table(char *buf, const char *table)
{
	struct nlmsghdr *nlh = nftnl_nlmsg_build_hdr(
		buf, NFT_MSG_GETTABLE, NFPROTO_NETDEV, NLM_F_ACK, 0);
	struct nftnl_table *n = nftnl_table_alloc();

	if (!n)
		return 0;
	nftnl_table_set_str(n, NFTNL_TABLE_NAME, table);
	nftnl_table_nlmsg_build_payload(nlh, n);
	nftnl_table_free(n);
	return nlh->nlmsg_len;
}

size_t lease_build_get_elem(char *buf, const char *table,
			    const struct lease_vhost *h)
{
	struct lease_label name = lease_label("lease", h->ifname);
	struct nlmsghdr *nlh = nftnl_nlmsg_build_hdr(
		buf, NFT_MSG_GETSETELEM, NFPROTO_NETDEV, NLM_F_ACK, 0);
	struct nftnl_set *s = nftnl_set_alloc();

	if (!s)
		return 0;
	nftnl_set_set_str(s, NFTNL_SET_TABLE, table);
	nftnl_set_set_str(s, NFTNL_SET_NAME, name.s);
	if (set_add_mac(s, h->mac, 0))
		nftnl_set_elems_nlmsg_build_payload(nlh, s);
	nftnl_set_free(s);
	return nlh->nlmsg_len;
}

size_t lease_build_get_chain(char *buf, const char *table, const char *ifname,
			     bool egress)
{
	struct lease_label name = lease_label(egress ? "out" : "in", ifname);
	struct nlmsghdr *nlh = nftnl_nlmsg_build_hdr(
		buf, NFT_MSG_GETCHAIN, NFPROTO_NETDEV, NLM_F_ACK, 0);
	struct nftnl_chain *c = nftnl_chain_alloc();

	if (!c)
		return 0;
	nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, table);
	nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, name.s);
	nftnl_chain_nlmsg_build_payload(nlh, c);
	nftnl_chain_free(c);
	return nlh->nlmsg_len;
}
