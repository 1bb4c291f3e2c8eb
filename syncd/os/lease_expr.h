/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One rule of the lease's table, written expression by expression as nft -a
 * --debug=netlink shows them. For lease_rules.c and lease_share.c. A failed
 * allocation is kept in the transaction (lease_txn.err); no call returns it.
 *
 * Registers: NFT_REG_1 to NFT_REG_4 hold 16 bytes, NFT_REG32_xx 4 of them.
 */
#ifndef STATESYNC_LEASE_EXPR_H
#define STATESYNC_LEASE_EXPR_H

#include "lease_txn.h"

struct nftnl_rule;

struct lease_rule {
	struct lease_txn *t;
	struct nftnl_rule *r;
	bool egress;
};

/* Begins a rule at the end of ifname's chain; false when there is no memory,
 * then nothing else may be called. rule_end sends it. */
bool rule_begin(struct lease_rule *w, struct lease_txn *t, const char *ifname,
		bool egress);
void rule_end(struct lease_rule *w);

/* Loads len bytes of the packet into a register. */
void expr_payload(struct lease_rule *w, uint32_t base, uint32_t offset,
		  uint32_t len, uint32_t dreg);
/* Writes a register into the packet; no checksum is mended. */
void expr_payload_set(struct lease_rule *w, uint32_t base, uint32_t offset,
		      uint32_t len, uint32_t sreg);
void expr_meta(struct lease_rule *w, uint32_t key, uint32_t dreg);
void expr_meta_set(struct lease_rule *w, uint32_t key, uint32_t sreg);
/* Goes on only where the register compares (NFT_CMP_*, as memcmp). */
void expr_cmp(struct lease_rule *w, uint32_t sreg, uint32_t op,
	      const void *data, uint32_t len);
void expr_load(struct lease_rule *w, uint32_t dreg, const void *data,
	       uint32_t len);
/* reg &= mask */
void expr_mask(struct lease_rule *w, uint32_t reg, const void *mask,
	       uint32_t len);
/* dreg = jhash(len bytes of sreg) mod modulus, in host order; the seed is the
 * same on all nodes */
void expr_jhash(struct lease_rule *w, uint32_t sreg, uint32_t len,
		uint32_t modulus, uint32_t dreg);
/* Goes on only where the set has the register (or not: NFT_LOOKUP_F_INV). */
void expr_lookup(struct lease_rule *w, uint32_t sreg, const char *set,
		 uint32_t flags);
/* Makes the element anew in the set, with a timeout. */
void expr_update(struct lease_rule *w, uint32_t sreg, const char *set,
		 uint32_t timeout_ms);
/* Counts in a counter object of that name. */
void expr_counter(struct lease_rule *w, const char *name);
void expr_verdict(struct lease_rule *w, uint32_t verdict);

/* Words of several expressions; all use NFT_REG_1. */
void expr_protocol(struct lease_rule *w, uint16_t ethertype);
void expr_l4proto(struct lease_rule *w, uint8_t protocol);
/* len bytes of the packet are these. */
void expr_is(struct lease_rule *w, uint32_t base, uint32_t offset,
	     const void *data, uint32_t len);
/* An ICMPv6 type from first to last. */
void expr_icmp6(struct lease_rule *w, uint8_t first, uint8_t last);
/* The lease of h is held; its mac is in NFT_REG_1 then. */
void expr_held(struct lease_rule *w, const struct lease_vhost *h);

#endif
