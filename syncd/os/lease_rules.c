/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the lease's table says, rule by rule. It sends nothing and knows no
 * kernel; lease.c does.
 *
 * Implements LINUX-VIP.md. For one interface IF with virtual MACs V, their
 * vhids N, lengths T and addresses A:
 *
 *   chain in_IF  { hook ingress device IF priority -500
 *     meta pkttype != other accept
 *     ether type != { 802.1Q, 802.1ad } ether daddr @lease_IF
 *         meta pkttype set host accept
 *     ether type { 802.1Q, 802.1ad } accept
 *     ether daddr @vmac_IF drop }
 *   chain out_IF { hook egress device IF priority -500
 *     meta mark != M ip, or ip6 that is not ICMPv6, ether saddr not
 *         00:00:5e:00:01:* accept (unless source-mac)
 *     ether type { 802.1Q, 802.1ad } accept
 *     meta mark M meta l4proto 112 @th,8,8 N (V in @lease_IF)
 *         update @lease_IF { V timeout T } accept		 (each V)
 *     meta mark M meta l4proto 112 drop
 *     ether saddr @vmac_IF ether saddr != @lease_IF drop
 *     arp saddr ip A (V in @lease_IF) arp saddr ether set V
 *         ether saddr set V accept				 (each A)
 *     arp saddr ip A drop					 (each A)
 *     the same for neighbour discovery of IPv6, see rules_out_nd
 *     meta skuid >= 0 accept		   (source-mac = "virtual")
 *     ether saddr OWN ip or ip6 (V in @lease_IF) ether saddr set V accept }
 *
 * Tagged frames belong to a VLAN device, which may have the same vhid and its
 * own chains. Rules of one balanced address: lease_share.c.
 *
 * Invariant: a renewing rule looks before it updates, so an advert never
 * grants what has run out.
 */
#include "lease_expr.h"

#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <string.h>

#define MAC_LEN	       6
#define IPPROTO_CARP   112
#define CARP_VHID      1 /* offset in the advert */
#define ETHER_DST      0
#define ETHER_SRC      6
#define ETHER_TYPE     12
#define ARP_SENDER_MAC 8
#define ARP_SENDER_IP  14
#define IP6_SRC	       8
#define ND_TARGET      8  /* RFC 4861, 4.4 */
#define ND_OPTIONS     24 /* of solicitation and advertisement */

static bool on_iface(const struct lease_vhost *h, const char *ifname)
{
	return !strcmp(h->ifname, ifname);
}

/* The bearer of the addresses of a balanced vhost is its first share. */
static bool has_addresses(const struct lease_vhost *h)
{
	return !h->share;
}

/* --- in and out --------------------------------------------------------- */

static const uint8_t tag_type[2][2] = { { 0x81, 0x00 }, { 0x88, 0xa8 } };

/* ether type 802.1Q accept; 802.1ad the same */
static void rules_tagged(struct lease_txn *t, const char *ifname, bool egress)
{
	struct lease_rule w;

	for (int i = 0; i < 2; i++) {
		if (!rule_begin(&w, t, ifname, egress))
			return;
		expr_is(&w, NFT_PAYLOAD_LL_HEADER, ETHER_TYPE, tag_type[i], 2);
		expr_verdict(&w, NF_ACCEPT);
		rule_end(&w);
	}
}

/* --- in ----------------------------------------------------------------- */

/* meta pkttype != other accept */
static void rule_in_others(struct lease_txn *t, const char *ifname)
{
	static const uint8_t otherhost = PACKET_OTHERHOST;
	struct lease_rule w;

	if (!rule_begin(&w, t, ifname, false))
		return;
	expr_meta(&w, NFT_META_PKTTYPE, NFT_REG_1);
	expr_cmp(&w, NFT_REG_1, NFT_CMP_NEQ, &otherhost, 1);
	expr_verdict(&w, NF_ACCEPT);
	rule_end(&w);
}

/* Before rules_tagged(), because nearly all that comes here is this:
 * ether type != { 802.1Q, 802.1ad } ether daddr @lease meta pkttype set host
 * accept */
static void rule_in_held(struct lease_txn *t, const char *ifname)
{
	static const uint8_t host = PACKET_HOST;
	struct lease_label lease = lease_label("lease", ifname);
	struct lease_rule w;

	if (!rule_begin(&w, t, ifname, false))
		return;
	expr_payload(&w, NFT_PAYLOAD_LL_HEADER, ETHER_TYPE, 2, NFT_REG_1);
	expr_cmp(&w, NFT_REG_1, NFT_CMP_NEQ, tag_type[0], 2);
	expr_cmp(&w, NFT_REG_1, NFT_CMP_NEQ, tag_type[1], 2);
	expr_payload(&w, NFT_PAYLOAD_LL_HEADER, ETHER_DST, MAC_LEN, NFT_REG_1);
	expr_lookup(&w, NFT_REG_1, lease.s, 0);
	expr_load(&w, NFT_REG_1, &host, 1);
	expr_meta_set(&w, NFT_META_PKTTYPE, NFT_REG_1);
	expr_verdict(&w, NF_ACCEPT);
	rule_end(&w);
}

/* ether daddr @vmac drop */
static void rule_in_ours(struct lease_txn *t, const char *ifname)
{
	struct lease_label vmac = lease_label("vmac", ifname);
	struct lease_rule w;

	if (!rule_begin(&w, t, ifname, false))
		return;
	expr_payload(&w, NFT_PAYLOAD_LL_HEADER, ETHER_DST, MAC_LEN, NFT_REG_1);
	expr_lookup(&w, NFT_REG_1, vmac.s, 0);
	expr_verdict(&w, NF_DROP);
	rule_end(&w);
}

/* --- out: all but adverts, shared MACs and what neighbours learn ---------- */

static bool plain_begin(struct lease_rule *w, struct lease_txn *t,
			const char *ifname, uint16_t protocol)
{
	if (!rule_begin(w, t, ifname, true))
		return false;
	expr_meta(w, NFT_META_MARK, NFT_REG_1);
	expr_cmp(w, NFT_REG_1, NFT_CMP_NEQ, &t->mark, sizeof(t->mark));
	expr_protocol(w, protocol);
	return true;
}

static void plain_end(struct lease_rule *w)
{
	static const uint8_t carp[5] = { 0x00, 0x00, 0x5e, 0x00, 0x01 };

	expr_payload(w, NFT_PAYLOAD_LL_HEADER, ETHER_SRC, sizeof(carp),
		     NFT_REG_1);
	expr_cmp(w, NFT_REG_1, NFT_CMP_NEQ, carp, sizeof(carp));
	expr_verdict(w, NF_ACCEPT);
	rule_end(w);
}

/* What no other rule would stop, said before them: it is nearly all that is
 * forwarded. */
static void rules_out_plain(struct lease_txn *t, const char *ifname)
{
	static const uint8_t icmp6 = IPPROTO_ICMPV6;
	struct lease_rule w;

	if (plain_begin(&w, t, ifname, ETHERTYPE_IP))
		plain_end(&w);
	if (!plain_begin(&w, t, ifname, ETHERTYPE_IPV6))
		return;
	expr_meta(&w, NFT_META_L4PROTO, NFT_REG_1);
	expr_cmp(&w, NFT_REG_1, NFT_CMP_NEQ, &icmp6, 1);
	plain_end(&w);
}

/* --- out: adverts ------------------------------------------------------- */

static void expr_marked_advert(struct lease_rule *w)
{
	expr_meta(w, NFT_META_MARK, NFT_REG_1);
	expr_cmp(w, NFT_REG_1, NFT_CMP_EQ, &w->t->mark, sizeof(w->t->mark));
	expr_l4proto(w, IPPROTO_CARP);
}

/* meta mark M, protocol 112 of vhid N, held: update, accept. Both families
 * and every source MAC: unicast adverts leave from our own. */
static void rule_out_advert(struct lease_txn *t, const struct lease_vhost *h)
{
	struct lease_label lease = lease_label("lease", h->ifname);
	struct lease_rule w;

	if (!rule_begin(&w, t, h->ifname, true))
		return;
	expr_marked_advert(&w);
	expr_is(&w, NFT_PAYLOAD_TRANSPORT_HEADER, CARP_VHID,
		&h->mac[MAC_LEN - 1], 1);
	expr_held(&w, h);
	expr_update(&w, NFT_REG_1, lease.s, h->timeout_ms);
	expr_verdict(&w, NF_ACCEPT);
	rule_end(&w);
}

/* meta mark M, protocol 112: drop */
static void rule_out_unheld(struct lease_txn *t, const char *ifname)
{
	struct lease_rule w;

	if (!rule_begin(&w, t, ifname, true))
		return;
	expr_marked_advert(&w);
	expr_verdict(&w, NF_DROP);
	rule_end(&w);
}

/* ether saddr @vmac ether saddr != @lease drop */
static void rule_out_held(struct lease_txn *t, const char *ifname)
{
	struct lease_label vmac = lease_label("vmac", ifname);
	struct lease_label lease = lease_label("lease", ifname);
	struct lease_rule w;

	if (!rule_begin(&w, t, ifname, true))
		return;
	expr_payload(&w, NFT_PAYLOAD_LL_HEADER, ETHER_SRC, MAC_LEN, NFT_REG_1);
	expr_lookup(&w, NFT_REG_1, vmac.s, 0);
	expr_lookup(&w, NFT_REG_1, lease.s, NFT_LOOKUP_F_INV);
	expr_verdict(&w, NF_DROP);
	rule_end(&w);
}

/* --- out: what neighbours learn ----------------------------------------- */

/* V is in NFT_REG_1. A shared MAC is never a source: see lease_share.c. */
static void expr_set_source(struct lease_rule *w, const struct lease_vhost *h)
{
	if (!h->shares)
		expr_payload_set(w, NFT_PAYLOAD_LL_HEADER, ETHER_SRC, MAC_LEN,
				 NFT_REG_1);
}

/* What neighbours are told the addresses are at. */
static const uint8_t *told_mac(const struct lease_vhost *h)
{
	return h->shares ? h->shared_mac : h->mac;
}

static void expr_arp_sender(struct lease_rule *w, const struct vip_addr *a)
{
	expr_protocol(w, ETHERTYPE_ARP);
	expr_is(w, NFT_PAYLOAD_NETWORK_HEADER, ARP_SENDER_IP, &a->addr,
		sizeof(a->addr));
}

/* arp saddr ip A, held: arp saddr ether set V ether saddr set V accept; then
 * arp saddr ip A drop */
static void rules_out_arp(struct lease_txn *t, const struct lease_vhost *h,
			  const struct vip_addr *a)
{
	struct lease_rule w;

	if (!rule_begin(&w, t, h->ifname, true))
		return;
	expr_arp_sender(&w, a);
	expr_held(&w, h);
	expr_set_source(&w, h);
	expr_load(&w, NFT_REG_1, told_mac(h), MAC_LEN);
	expr_payload_set(&w, NFT_PAYLOAD_NETWORK_HEADER, ARP_SENDER_MAC,
			 MAC_LEN, NFT_REG_1);
	expr_verdict(&w, NF_ACCEPT);
	rule_end(&w);
	if (!rule_begin(&w, t, h->ifname, true))
		return;
	expr_arp_sender(&w, a);
	expr_verdict(&w, NF_DROP);
	rule_end(&w);
}

/* An advertisement of A. */
static void expr_nd_target(struct lease_rule *w, const struct vip_addr *a)
{
	expr_icmp6(w, ND_NEIGHBOR_ADVERT, ND_NEIGHBOR_ADVERT);
	expr_is(w, NFT_PAYLOAD_TRANSPORT_HEADER, ND_TARGET, &a->addr6,
		sizeof(a->addr6));
}

/* Neighbour discovery, its types first to last, with the source A. */
static void expr_nd_from(struct lease_rule *w, const struct vip_addr *a,
			 uint8_t first, uint8_t last)
{
	expr_icmp6(w, first, last);
	expr_is(w, NFT_PAYLOAD_NETWORK_HEADER, IP6_SRC, &a->addr6,
		sizeof(a->addr6));
}

/*
 * An advertisement of A leaves only under the lease, from V and with V in it:
 * such are the daemon's own. A router advertisement from A, which another
 * program may send, leaves from V under the lease; its options are left to
 * who sent it. No other word of neighbour discovery comes from A: the kernel
 * asks with the interface's link-local address.
 */
static void rules_out_nd(struct lease_txn *t, const struct lease_vhost *h,
			 const struct vip_addr *a)
{
	uint8_t option[8] = { ND_OPT_TARGET_LINKADDR, 1 };
	struct lease_rule w;

	memcpy(option + 2, told_mac(h), MAC_LEN);
	if (!rule_begin(&w, t, h->ifname, true))
		return;
	expr_nd_target(&w, a);
	if (!h->shares)
		expr_is(&w, NFT_PAYLOAD_LL_HEADER, ETHER_SRC, h->mac, MAC_LEN);
	expr_is(&w, NFT_PAYLOAD_TRANSPORT_HEADER, ND_OPTIONS, option,
		sizeof(option));
	expr_held(&w, h);
	expr_verdict(&w, NF_ACCEPT);
	rule_end(&w);
	if (!rule_begin(&w, t, h->ifname, true))
		return;
	expr_nd_target(&w, a);
	expr_verdict(&w, NF_DROP);
	rule_end(&w);
	if (!rule_begin(&w, t, h->ifname, true))
		return;
	expr_nd_from(&w, a, ND_ROUTER_ADVERT, ND_ROUTER_ADVERT);
	expr_held(&w, h);
	expr_set_source(&w, h);
	expr_verdict(&w, NF_ACCEPT);
	rule_end(&w);
	if (!rule_begin(&w, t, h->ifname, true))
		return;
	expr_nd_from(&w, a, ND_ROUTER_SOLICIT, ND_REDIRECT);
	expr_verdict(&w, NF_DROP);
	rule_end(&w);
}

static void rules_out_told(struct lease_txn *t, const struct lease_vhost *h)
{
	for (size_t i = 0; has_addresses(h) && i < h->addr_count; i++)
		if (h->addrs[i].v6)
			rules_out_nd(t, h, &h->addrs[i]);
		else
			rules_out_arp(t, h, &h->addrs[i]);
}

/* --- out: what is forwarded ----------------------------------------------- */

/*
 * What has a socket is ours and leaves as it is, and so do the kernel's own
 * words of neighbour discovery. What has none, and leaves from the interface's
 * own MAC (a macvlan's guest does not), is forwarded.
 */
static void rules_out_local(struct lease_txn *t, const char *ifname)
{
	static const uint32_t root;
	struct lease_rule w;

	if (!rule_begin(&w, t, ifname, true))
		return;
	expr_meta(&w, NFT_META_SKUID, NFT_REG_1); /* none: no match */
	expr_cmp(&w, NFT_REG_1, NFT_CMP_GTE, &root, sizeof(root));
	expr_verdict(&w, NF_ACCEPT);
	rule_end(&w);
	if (!rule_begin(&w, t, ifname, true))
		return;
	expr_icmp6(&w, ND_ROUTER_SOLICIT, ND_REDIRECT);
	expr_verdict(&w, NF_ACCEPT);
	rule_end(&w);
}

static void rules_out_forwarded(struct lease_txn *t,
				const struct lease_vhost *h)
{
	static const uint16_t type[2] = { ETHERTYPE_IP, ETHERTYPE_IPV6 };
	struct lease_rule w;

	for (int i = 0; i < 2; i++) {
		if (!rule_begin(&w, t, h->ifname, true))
			return;
		expr_protocol(&w, type[i]);
		expr_is(&w, NFT_PAYLOAD_LL_HEADER, ETHER_SRC, h->own_mac,
			MAC_LEN);
		expr_held(&w, h);
		expr_payload_set(&w, NFT_PAYLOAD_LL_HEADER, ETHER_SRC, MAC_LEN,
				 NFT_REG_1);
		expr_verdict(&w, NF_ACCEPT);
		rule_end(&w);
	}
}

/* source-mac = "virtual" */
static bool has_source(const char *ifname, const struct lease_vhost *vhosts)
{
	const struct lease_vhost *h;

	for (h = vhosts; h; h = h->next)
		if (on_iface(h, ifname) && h->source_virtual && !h->shares)
			return true;
	return false;
}

/* The first one that is held gives the source: the caller's first. */
static void rules_out_source(struct lease_txn *t, const char *ifname,
			     const struct lease_vhost *vhosts)
{
	const struct lease_vhost *h;
	bool any = false;

	for (h = vhosts; h; h = h->next) {
		if (!on_iface(h, ifname) || !h->source_virtual || h->shares)
			continue;
		if (!any)
			rules_out_local(t, ifname);
		any = true;
		rules_out_forwarded(t, h);
	}
}

/* --- the two chains ----------------------------------------------------- */

static bool has_shares(const char *ifname, const struct lease_vhost *vhosts)
{
	const struct lease_vhost *h;

	for (h = vhosts; h; h = h->next)
		if (h->shares && on_iface(h, ifname))
			return true;
	return false;
}

static void put_rules_in(struct lease_txn *t, const char *ifname,
			 const struct lease_vhost *vhosts)
{
	bool shares = has_shares(ifname, vhosts);

	/* The multicast MAC of shares is not that of another host. */
	if (shares) {
		rules_tagged(t, ifname, false);
		lease_put_share_rules(t, ifname, vhosts);
	}
	rule_in_others(t, ifname);
	rule_in_held(t, ifname);
	if (!shares)
		rules_tagged(t, ifname, false);
	rule_in_ours(t, ifname);
}

static void put_rules_out(struct lease_txn *t, const char *ifname,
			  const struct lease_vhost *vhosts)
{
	const struct lease_vhost *h;

	if (!has_source(ifname, vhosts))
		rules_out_plain(t, ifname);
	rules_tagged(t, ifname, true);
	for (h = vhosts; h; h = h->next)
		if (on_iface(h, ifname))
			rule_out_advert(t, h);
	rule_out_unheld(t, ifname);
	rule_out_held(t, ifname);
	for (h = vhosts; h; h = h->next)
		if (on_iface(h, ifname))
			rules_out_told(t, h);
	rules_out_source(t, ifname, vhosts);
}

/* The order within a chain is the order of these calls. */
void lease_put_rules(struct lease_txn *t, const char *ifname,
		     const struct lease_vhost *vhosts)
{
	put_rules_in(t, ifname, vhosts);
	put_rules_out(t, ifname, vhosts);
}
