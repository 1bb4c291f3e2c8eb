/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The classic BPF program of ct_refuse.h. It attaches nothing.
 *
 * Text: net/core/filter.c (bpf_skb_get_nlattr and ..._nest: from the offset in
 * A they look for the attribute of the type in X, 0 where there is none),
 * nf_conntrack_netlink.c (ctnetlink_conntrack_event: one event in each skb).
 *
 * Invariant: an event that does not look as expected is passed on.
 */
#include "ct_refuse.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <stdbool.h>

#define COMPARED_MAX 32
#define ATTRS	     (NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(struct nfgenmsg)))

#define PASS BPF_STMT(BPF_RET | BPF_K, UINT32_MAX)
#define DROP BPF_STMT(BPF_RET | BPF_K, 0)

struct program {
	struct sock_filter *code;
	size_t n;
};

static void put(struct program *p, struct sock_filter f)
{
	p->code[p->n++] = f;
}

static struct sock_filter stmt(uint16_t code, uint32_t k)
{
	return (struct sock_filter)BPF_STMT(code, k);
}

static struct sock_filter equal(uint32_t k, size_t yes, size_t no)
{
	return (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k,
					    (uint8_t)yes, (uint8_t)no);
}

/* A becomes the place of an attribute; none: passed on. */
static void find(struct program *p, uint16_t type, bool nested)
{
	put(p, stmt(BPF_LDX | BPF_IMM, type));
	put(p, stmt(BPF_LD | BPF_B | BPF_ABS,
		    (uint32_t)SKF_AD_OFF +
			    (nested ? SKF_AD_NLATTR_NEST : SKF_AD_NLATTR)));
	put(p, equal(0, 0, 1));
	put(p, (struct sock_filter)PASS);
}

static bool has(const uint64_t protocols[4], unsigned i)
{
	return protocols[i / 64] >> i % 64 & 1;
}

static void put_protocols(struct program *p, const uint64_t protocols[4])
{
	size_t refused = 0, left;
	bool listed; /* those that are compared are refused */

	for (unsigned i = 0; i < 256; i++)
		refused += has(protocols, i);
	listed = refused <= COMPARED_MAX;
	left = listed ? refused : 256 - refused;
	if (!refused || left > COMPARED_MAX)
		return;
	put(p, stmt(BPF_LD | BPF_IMM, ATTRS));
	find(p, CTA_TUPLE_ORIG, false);
	find(p, CTA_TUPLE_PROTO, true);
	find(p, CTA_PROTO_NUM, true);
	put(p, stmt(BPF_MISC | BPF_TAX, 0));
	put(p, stmt(BPF_LD | BPF_B | BPF_IND, NLA_HDRLEN));
	for (unsigned i = 0; i < 256; i++)
		if (has(protocols, i) == listed)
			put(p, equal(i, left--, 0));
	put(p, listed ? (struct sock_filter)PASS : (struct sock_filter)DROP);
	put(p, listed ? (struct sock_filter)DROP : (struct sock_filter)PASS);
}

size_t ct_refuse_program(struct sock_filter code[CT_REFUSE_MAX],
			 uint32_t portid, const uint64_t protocols[4])
{
	struct program p = { .code = code };

	if (portid) {
		/* loads are big endian; nlmsg_pid is in host byte order */
		put(&p, stmt(BPF_LD | BPF_W | BPF_ABS,
			     offsetof(struct nlmsghdr, nlmsg_pid)));
		put(&p, equal(htonl(portid), 0, 1));
		put(&p, (struct sock_filter)DROP);
	}
	put_protocols(&p, protocols);
	if (p.n)
		put(&p, (struct sock_filter)PASS);
	return p.n;
}
