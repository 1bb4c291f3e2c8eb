/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A balanced address: which node lets in which flows, as sets and rules. It
 * sends nothing and does not know who is master; the lease of each share does.
 *
 * Implements LINUX-VIP.md, "balancing of one address", and OpenBSD's hash
 * (carp_lsdrop): ntohl(src ^ dst) mod n, for IPv6 of all eight words. A rule
 * cannot xor two registers before 6.13, but for n = 2^k the low k bits do, and
 * of src and dst each by itself: a = f(src), b = f(dst), and the share is
 * a ^ b. What f needs for IPv6, four words xored, are sets of the masked
 * addresses of each value, and a rule for each a. (Not a map: nft 1.0.6 dies
 * of it when it lists the rules.) For other n f is jhash mod n and the share
 * (a + b) mod n: as symmetric, so that both directions of a flow are of one
 * share.
 *
 *   set fold_N_A { type ipv6_addr }		      low bits whose xor is A
 *   set pair_N_I { type mark . mark }		      all a . b of share I
 *   counter shareVHID_IF
 *   chain in_IF, before all others, S the shared MAC:
 *     ether daddr S ip daddr >= 224.0.0.0 or ip6 daddr ff00::/8: host accept
 *     ether daddr S arp or neighbour discovery, first share held: host accept
 *     ether daddr S, f(src) . f(dst) in @pair_N_I, (V_I in @lease_IF):
 *         counter host accept				 (each share)
 *     ether daddr S drop
 *
 * Invariant: a frame to S passes only by one of these rules.
 */
#include "lease_expr.h"

#include <errno.h>
#include <libnftnl/object.h>
#include <libnftnl/set.h>
#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <string.h>

#define MAC_LEN	     6
#define IP_SRC	     12
#define IP_DST	     16
#define IP6_SRC	     8
#define IP6_DST	     24
#define TYPE_IP6ADDR 8 /* what nft calls them in listings */
#define TYPE_MARK    19
#define TYPE_PAIR    (TYPE_MARK << 6 | TYPE_MARK)
#define FOLDED_MAX   4 /* nodes; above, the map would be too large */
/* Where a and b are put together. */
#define REG_PAIR NFT_REG_3
#define REG_A	 NFT_REG32_08
#define REG_B	 NFT_REG32_09

/* True where the hash is OpenBSD's. */
static bool is_folded(unsigned n)
{
	return n == 2 || n == FOLDED_MAX;
}

const char *lease_share_hash(unsigned shares)
{
	return is_folded(shares) ? "xor" : "jhash";
}

static struct lease_label pair_label(const struct lease_vhost *h)
{
	struct lease_label n;

	snprintf(n.s, sizeof(n.s), "pair_%u_%u", h->shares, h->share);
	return n;
}

static struct lease_label fold_label(unsigned n, unsigned a)
{
	struct lease_label l;

	snprintf(l.s, sizeof(l.s), "fold_%u_%u", n, a);
	return l;
}

static struct lease_label counter_label(const struct lease_vhost *h)
{
	char what[16];

	snprintf(what, sizeof(what), "share%u", h->mac[MAC_LEN - 1]);
	return lease_label(what, h->ifname);
}

/* --- sets --------------------------------------------------------------- */

/* f's value as it stands in a register. */
static void put_value(unsigned n, unsigned v, uint8_t bytes[4])
{
	const uint32_t host = v;

	memcpy(bytes, &host, sizeof(host));
	if (!is_folded(n))
		return;
	memset(bytes, 0, 3);
	bytes[3] = (uint8_t)v;
}

static bool elem_put(struct nftnl_set *s, const void *key, uint32_t key_len)
{
	struct nftnl_set_elem *e = nftnl_set_elem_alloc();

	if (!e)
		return false;
	nftnl_set_elem_set(e, NFTNL_SET_ELEM_KEY, key, key_len);
	nftnl_set_elem_add(s, e);
	return true;
}

/* Takes s over. */
static void elems_done(struct lease_txn *t, struct nftnl_set *s, bool ok)
{
	if (ok) {
		nftnl_set_elems_nlmsg_build_payload(
			lease_txn_msg(t, NFT_MSG_NEWSETELEM, NLM_F_CREATE), s);
		lease_txn_done(t);
	} else {
		t->err = -ENOMEM;
	}
	nftnl_set_free(s);
}

static void set_done(struct lease_txn *t, struct nftnl_set *s, uint32_t type,
		     uint32_t len, uint32_t id)
{
	nftnl_set_set_u32(s, NFTNL_SET_FAMILY, NFPROTO_NETDEV);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_TYPE, type);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_LEN, len);
	nftnl_set_set_u32(s, NFTNL_SET_ID, id);
	nftnl_set_nlmsg_build_payload(
		lease_txn_msg(t, NFT_MSG_NEWSET, NLM_F_CREATE), s);
	lease_txn_done(t);
	nftnl_set_free(s);
}

/* The low bits of four words, one word a digit of x in base n. */
static unsigned fold(unsigned n, unsigned x, uint8_t key[16])
{
	unsigned sum = 0;

	memset(key, 0, 16);
	for (unsigned word = 0; word < 4; word++, x /= n) {
		key[4 * word + 3] = (uint8_t)(x % n);
		sum ^= x % n;
	}
	return sum;
}

/* All keys whose words give a: at most 64. */
static void put_fold(struct lease_txn *t, unsigned n, unsigned a)
{
	struct lease_label name = fold_label(n, a);
	struct nftnl_set *s = lease_txn_set(t, name.s);
	bool ok = true;

	if (!s)
		return;
	set_done(t, s, TYPE_IP6ADDR, 16, LEASE_SET_FOLD + a);
	s = lease_txn_set(t, name.s);
	if (!s)
		return;
	for (unsigned x = 0; ok && x < n * n * n * n; x++) {
		uint8_t key[16];

		if (fold(n, x, key) == a)
			ok = elem_put(s, key, sizeof(key));
	}
	elems_done(t, s, ok);
}

static void put_pairs(struct lease_txn *t, const struct lease_vhost *h)
{
	struct lease_label name = pair_label(h);
	struct nftnl_set *s = lease_txn_set(t, name.s);
	unsigned n = h->shares;
	bool ok = true;

	if (!s)
		return;
	set_done(t, s, TYPE_PAIR, 8, LEASE_SET_PAIR + h->share);
	s = lease_txn_set(t, name.s);
	if (!s)
		return;
	for (unsigned a = 0; ok && a < n; a++) {
		uint8_t key[8];
		unsigned b = (n + h->share - a) % n;

		put_value(n, a, key);
		put_value(n, is_folded(n) ? a ^ h->share : b, key + 4);
		ok = elem_put(s, key, sizeof(key));
	}
	elems_done(t, s, ok);
}

static void put_counter(struct lease_txn *t, const struct lease_vhost *h)
{
	struct lease_label name = counter_label(h);
	struct nftnl_obj *o = lease_txn_room(t) ? nftnl_obj_alloc() : NULL;

	if (!o) {
		t->err = -ENOMEM;
		return;
	}
	nftnl_obj_set_str(o, NFTNL_OBJ_TABLE, t->table);
	nftnl_obj_set_str(o, NFTNL_OBJ_NAME, name.s);
	nftnl_obj_set_u32(o, NFTNL_OBJ_TYPE, NFT_OBJECT_COUNTER);
	nftnl_obj_nlmsg_build_payload(
		lease_txn_msg(t, NFT_MSG_NEWOBJ, NLM_F_CREATE), o);
	lease_txn_done(t);
	nftnl_obj_free(o);
}

void lease_put_share_sets(struct lease_txn *t, const struct lease_vhost *h)
{
	for (unsigned a = 0; is_folded(h->shares) && a < h->shares; a++)
		put_fold(t, h->shares, a);
	put_pairs(t, h);
	put_counter(t, h);
}

size_t lease_build_get_counter(char *buf, const char *table,
			       const struct lease_vhost *h)
{
	struct lease_label name = counter_label(h);
	struct nlmsghdr *nlh = nftnl_nlmsg_build_hdr(
		buf, NFT_MSG_GETOBJ, NFPROTO_NETDEV, NLM_F_ACK, 0);
	struct nftnl_obj *o = nftnl_obj_alloc();

	if (!o)
		return 0;
	nftnl_obj_set_str(o, NFTNL_OBJ_TABLE, table);
	nftnl_obj_set_str(o, NFTNL_OBJ_NAME, name.s);
	nftnl_obj_set_u32(o, NFTNL_OBJ_TYPE, NFT_OBJECT_COUNTER);
	nftnl_obj_nlmsg_build_payload(nlh, o);
	nftnl_obj_free(o);
	return nlh->nlmsg_len;
}

/* --- rules -------------------------------------------------------------- */

/* ether daddr S */
static bool share_begin(struct lease_rule *w, struct lease_txn *t,
			const struct lease_vhost *h)
{
	if (!rule_begin(w, t, h->ifname, false))
		return false;
	expr_is(w, NFT_PAYLOAD_LL_HEADER, 0, h->shared_mac, MAC_LEN);
	return true;
}

/* meta pkttype set host accept */
static void share_accept(struct lease_rule *w)
{
	static const uint8_t host = PACKET_HOST;

	expr_load(w, NFT_REG_1, &host, 1);
	expr_meta_set(w, NFT_META_PKTTYPE, NFT_REG_1);
	expr_verdict(w, NF_ACCEPT);
	rule_end(w);
}

/* To all of them: OpenBSD drops no broadcast or multicast. */
static void rules_to_all(struct lease_txn *t, const struct lease_vhost *h)
{
	static const uint8_t class_d = 224, multicast = 0xff;
	struct lease_rule w;

	if (!share_begin(&w, t, h))
		return;
	expr_protocol(&w, ETHERTYPE_IP);
	expr_payload(&w, NFT_PAYLOAD_NETWORK_HEADER, IP_DST, 1, NFT_REG_1);
	expr_cmp(&w, NFT_REG_1, NFT_CMP_GTE, &class_d, 1);
	share_accept(&w);
	if (!share_begin(&w, t, h))
		return;
	expr_protocol(&w, ETHERTYPE_IPV6);
	expr_is(&w, NFT_PAYLOAD_NETWORK_HEADER, IP6_DST, &multicast, 1);
	share_accept(&w);
}

static void expr_discovery(struct lease_rule *w)
{
	expr_icmp6(w, ND_ROUTER_SOLICIT, ND_REDIRECT);
}

/* Questions about the address: for who holds the first share. */
static void rules_to_first(struct lease_txn *t, const struct lease_vhost *h)
{
	struct lease_rule w;

	if (!share_begin(&w, t, h))
		return;
	expr_protocol(&w, ETHERTYPE_ARP);
	expr_held(&w, h);
	share_accept(&w);
	if (!share_begin(&w, t, h))
		return;
	expr_discovery(&w);
	expr_held(&w, h);
	share_accept(&w);
	if (!share_begin(&w, t, h))
		return;
	expr_discovery(&w);
	expr_verdict(&w, NF_DROP);
	rule_end(&w);
}

/* f of the address at offset goes to reg; not of a folded IPv6 one. */
static void expr_f(struct lease_rule *w, unsigned n, bool v6, uint32_t offset,
		   uint32_t reg)
{
	const uint8_t mask[4] = { 0, 0, 0, (uint8_t)(n - 1) };
	uint32_t load = v6 ? NFT_REG_1 : reg;
	uint32_t len = v6 ? 16 : 4;

	expr_payload(w, NFT_PAYLOAD_NETWORK_HEADER, offset, len, load);
	if (is_folded(n))
		expr_mask(w, reg, mask, len);
	else
		expr_jhash(w, load, len, n, reg);
}

/* The words of the IPv6 address at offset give a. */
static void expr_folds(struct lease_rule *w, unsigned n, uint32_t offset,
		       unsigned a)
{
	struct lease_label set = fold_label(n, a);
	uint8_t mask[16] = { 0 };

	for (unsigned i = 3; i < sizeof(mask); i += 4)
		mask[i] = (uint8_t)(n - 1);
	expr_payload(w, NFT_PAYLOAD_NETWORK_HEADER, offset, sizeof(mask),
		     NFT_REG_1);
	expr_mask(w, NFT_REG_1, mask, sizeof(mask));
	expr_lookup(w, NFT_REG_1, set.s, 0);
}

/* V is held: counter host accept */
static void share_pass(struct lease_rule *w, const struct lease_vhost *h)
{
	struct lease_label counter = counter_label(h);

	expr_held(w, h);
	expr_counter(w, counter.s);
	share_accept(w);
}

static void rule_pair(struct lease_txn *t, const struct lease_vhost *h, bool v6)
{
	struct lease_label pairs = pair_label(h);
	struct lease_rule w;

	if (!share_begin(&w, t, h))
		return;
	expr_protocol(&w, v6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP);
	expr_f(&w, h->shares, v6, v6 ? IP6_SRC : IP_SRC, REG_A);
	expr_f(&w, h->shares, v6, v6 ? IP6_DST : IP_DST, REG_B);
	expr_lookup(&w, REG_PAIR, pairs.s, 0);
	share_pass(&w, h);
}

static void rules_folded(struct lease_txn *t, const struct lease_vhost *h)
{
	struct lease_rule w;

	for (unsigned a = 0; a < h->shares; a++) {
		if (!share_begin(&w, t, h))
			return;
		expr_protocol(&w, ETHERTYPE_IPV6);
		expr_folds(&w, h->shares, IP6_SRC, a);
		expr_folds(&w, h->shares, IP6_DST, a ^ h->share);
		share_pass(&w, h);
	}
}

static void rules_share(struct lease_txn *t, const struct lease_vhost *h)
{
	rule_pair(t, h, false);
	if (is_folded(h->shares))
		rules_folded(t, h);
	else
		rule_pair(t, h, true);
}

/* ether daddr S drop */
static void rule_others(struct lease_txn *t, const struct lease_vhost *h)
{
	struct lease_rule w;

	if (!share_begin(&w, t, h))
		return;
	expr_verdict(&w, NF_DROP);
	rule_end(&w);
}

static bool is_share(const struct lease_vhost *h, const char *ifname)
{
	return h->shares && !strcmp(h->ifname, ifname);
}

void lease_put_share_rules(struct lease_txn *t, const char *ifname,
			   const struct lease_vhost *vhosts)
{
	const struct lease_vhost *h;

	for (h = vhosts; h; h = h->next)
		if (is_share(h, ifname) && !h->share) {
			rules_to_all(t, h);
			rules_to_first(t, h);
		}
	for (h = vhosts; h; h = h->next)
		if (is_share(h, ifname))
			rules_share(t, h);
	for (h = vhosts; h; h = h->next)
		if (is_share(h, ifname) && !h->share)
			rule_others(t, h);
}
