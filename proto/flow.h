/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One tracked connection as a value of fixed size: what a kernel's
 * conntrack entry is, without counters and without a kernel. Pure.
 *
 * The reply tuple is the real, translated one. Whether a flow is translated
 * is not stored but seen: source NAT where the reply does not go to the
 * original source, destination NAT where it does not come from the original
 * destination (nf_nat_setup_info sets IPS_SRC_NAT and IPS_DST_NAT by the same
 * comparison).
 */
#ifndef STATESYNC_FLOW_H
#define STATESYNC_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An IPv4 address lies in the first four bytes, the others are zero. */
struct flow_addr {
	uint8_t b[16];
};

/*
 * Ports in host byte order. For ICMP and ICMPv6 sport is the identifier and
 * dport is type << 8 | code.
 */
struct flow_tuple {
	struct flow_addr src, dst;
	uint16_t sport, dport;
};

/* Which optional parts of a struct flow carry a value. */
enum flow_has {
	FLOW_HAS_TIMEOUT = 1 << 0,
	FLOW_HAS_TCP = 1 << 1,
	FLOW_HAS_SCTP = 1 << 2,
	FLOW_HAS_LABELS = 1 << 3,
	FLOW_HAS_HELPER = 1 << 4,
	FLOW_HAS_MASTER = 1 << 5,
	FLOW_HAS_SEQADJ = 1 << 6,
	FLOW_HAS_SYNPROXY = 1 << 7,
	/* what few flows have, and what travels in FlowExtra */
	FLOW_HAS_EXTRA = FLOW_HAS_SCTP | FLOW_HAS_LABELS | FLOW_HAS_HELPER |
			 FLOW_HAS_MASTER | FLOW_HAS_SEQADJ | FLOW_HAS_SYNPROXY,
};

#define FLOW_HELPER_MAX	  16 /* bytes of a name, NF_CT_HELPER_NAME_LEN */
#define FLOW_LABELS_BYTES 16 /* of the bit set, NF_CT_LABELS_MAX_SIZE */

/* How a helper changed the lengths of one direction (struct nf_ct_seqadj). */
struct flow_seqadj {
	uint32_t correction_pos;
	int32_t offset_before, offset_after;
};

/* struct nf_conn_synproxy */
struct flow_synproxy {
	uint32_t isn, its, tsoff;
};

/* In which direction a flow is in its zone (NF_CT_ZONE_DIR_*). */
enum flow_zone_dir { FLOW_ZONE_BOTH, FLOW_ZONE_ORIG, FLOW_ZONE_REPLY };

struct flow {
	struct flow_tuple orig, reply;
	uint8_t family;	       /* AF_INET or AF_INET6 */
	uint8_t l4proto;       /* IPPROTO_* */
	uint8_t has;	       /* FLOW_HAS_* */
	uint8_t tcp_state;     /* enum tcp_conntrack */
	uint8_t tcp_flags[2];  /* IP_CT_TCP_FLAG_*, original and reply */
	uint8_t tcp_wscale[2]; /* 0..14 */
	uint16_t zone;
	uint32_t status;    /* enum ip_conntrack_status, IPS_* */
	uint32_t timeout_s; /* seconds left, with FLOW_HAS_TIMEOUT */
	uint32_t mark;
	bool secmark;	    /* it has one, which no kernel takes: not told */
	uint8_t zone_dir;   /* enum flow_zone_dir; 0 without a zone */
	uint8_t sctp_state; /* enum sctp_conntrack */
	uint8_t master_l4proto; /* of the flow that expected this one */
	char helper[FLOW_HELPER_MAX];
	uint8_t labels[FLOW_LABELS_BYTES];
	uint32_t sctp_vtag[2];
	struct flow_tuple master; /* its original tuple, of the same family */
	struct flow_seqadj seqadj[2];
	struct flow_synproxy synproxy;
};

/* What the kernel, or the peer, says about a flow. */
enum flow_op {
	FLOW_NEW = 1, /* a new incarnation: replaces what has its tuples */
	FLOW_UPDATE,  /* the incarnation known before, changed */
	FLOW_COPY,    /* as found in a table; may be known or not */
	FLOW_DESTROY,
	FLOW_TIMEOUT, /* set the timeout of what is there, and make TCP liberal
			about windows, as every copy is; never sent */
};

/*
 * Do packets pass through the table that a change is for, and is it merged
 * then (core/merge.h)? And where two connections clash, whose goes? Never
 * sent.
 */
enum flow_merge {
	FLOW_MERGE_NOT = 0, /* no: as told */
	FLOW_MERGE_YIELD,   /* what is there */
	FLOW_MERGE_PREVAIL, /* what is told */
	FLOW_MERGE_ADD,	    /* it only adds, what is there stays as it is */
};

/* What became of a change that was given to a kernel. The numbers are on the
 * wire (Ack in statesync.proto): none is another one's ever after. */
enum flow_result {
	FLOW_APPLIED = 0,
	FLOW_GONE,	 /* nothing there to destroy or to set */
	FLOW_TABLE_FULL, /* nf_conntrack_max reached */
	FLOW_CHAIN,	 /* hash chain too long: too few buckets */
	FLOW_CLASH,	 /* another flow has one of its tuples and stays */
	FLOW_HELPER,	 /* applied without its helper, unknown here */
	FLOW_LABELS,	 /* applied, but the kernel kept no labels */
	FLOW_INVALID,	 /* the kernel does not take such a flow */
	FLOW_ACK_LOST,	 /* the kernel's answer was lost: unknown */
	FLOW_OTHER,
	/* those are no failures */
	FLOW_KEPT,   /* merged: what is there is newer, and stays */
	FLOW_OUSTED, /* merged, and one that was alive lost its tuple to it */
	FLOW_RESULT_COUNT
};

struct flow_change {
	enum flow_op op;
	struct flow flow;
	enum flow_merge merge;
	/* no packet has passed there since its timeout was raised (FLOW_COPY
	 * that is merged); never sent */
	bool raised;
	/* merged, but nothing is made of it where it is not (never sent) */
	bool late;
};

/* Size in bytes of an address of that family; 0 for an unknown family. */
size_t flow_addr_len(uint8_t family);
/* What is behind these bytes is 0. */
bool flow_addr_valid(const struct flow_addr *a, size_t len);
/* Printable without blanks, and ended within size; "" is, too. */
bool flow_name_valid(const char *name, size_t size);

bool flow_addr_equal(const struct flow_addr *a, const struct flow_addr *b);

/* ICMP or ICMPv6: an identifier, type and code in place of ports. */
bool flow_is_icmp(uint8_t l4proto);

bool flow_tuple_equal(const struct flow_tuple *a, const struct flow_tuple *b);

/*
 * The tuple of an untranslated answer (nf_ct_invert_tuple): addresses and
 * ports swapped; ICMP keeps its identifier and turns its type around (a type
 * without a counterpart stays).
 */
void flow_tuple_invert(const struct flow *f, const struct flow_tuple *t,
		       struct flow_tuple *inverse);

bool flow_has_snat(const struct flow *f);
bool flow_has_dnat(const struct flow *f);

/*
 * The id of the zone in which the tuple of one direction (FLOW_ZONE_ORIG or
 * FLOW_ZONE_REPLY) is found: 0 where the flow's zone is the other direction's
 * (nf_ct_zone_id).
 */
uint16_t flow_zone_id(const struct flow *f, enum flow_zone_dir dir);

/* Would the kernel find one by the original tuple of the other? */
bool flow_same_key(const struct flow *a, const struct flow *b);

/* The three classes in which a comparison of tables sees TCP (rules 8). */
enum flow_class { FLOW_OPENING, FLOW_ESTABLISHED, FLOW_CLOSING };

/* UDP, ICMP and others: OPENING until a reply was seen, then ESTABLISHED. */
enum flow_class flow_class(const struct flow *f);

/*
 * True when the fields are in their ranges and fit together: known family,
 * no stray address bytes, TCP state known and present exactly for TCP, wscale
 * at most 14, SCTP state for SCTP only, a helper's name that is one. Only such
 * a flow may go to a kernel.
 */
bool flow_valid(const struct flow *f);

/* One line for people: "tcp 10.1.0.7:41022 -> 198.51.100.9:443 ESTABLISHED".
 * Writes at most size bytes with the terminating NUL; size >= 160 holds all. */
void flow_format(const struct flow *f, char *text, size_t size);

/*
 * Bytes of the identity of a flow, canonical across machines: family, protocol,
 * zone, original tuple, real reply tuple, mark, SEEN_REPLY, ASSURED, class; if
 * it has them the zone's direction, helper, master's tuple (rules 8). Returns
 * the length written, at most FLOW_IDENTITY_MAX.
 */
#define FLOW_IDENTITY_MAX 144
size_t flow_identity(const struct flow *f, uint8_t out[FLOW_IDENTITY_MAX]);

#endif
