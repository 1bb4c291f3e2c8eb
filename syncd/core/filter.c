/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The predicate of rules 2, with what the configuration adds to it. It does
 * not know where a flow came from. Invariant: both lists of addresses are
 * sorted, so that a look costs a few comparisons whatever their number.
 */
#include "filter.h"

#include <netinet/in.h> /* before linux/in.h */

#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_sctp.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[FILTER_VERDICTS] = {
	[FILTER_PASS] = "pass",		[FILTER_OWN] = "own",
	[FILTER_LOOPBACK] = "loopback", [FILTER_MULTICAST] = "multicast",
	[FILTER_STATE] = "state",	[FILTER_RULE] = "filter",
};

const char *filter_verdict_name(enum filter_verdict v)
{
	return names[v];
}

static int address_compare(const void *pa, const void *pb)
{
	const struct session_address *a = pa, *b = pb;

	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(&a->addr, &b->addr, sizeof(a->addr));
}

int filter_set(struct filter *f, int which, const struct session_address *list,
	       size_t n)
{
	struct session_address *copy = calloc(n ? n : 1, sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	if (n)
		memcpy(copy, list, n * sizeof(*copy));
	qsort(copy, n, sizeof(*copy), address_compare);
	free(f->list[which]);
	f->list[which] = copy;
	f->n[which] = n;
	return 0;
}

void filter_free(struct filter *f)
{
	for (int i = 0; i < FILTER_LISTS; i++)
		free(f->list[i]);
	filter_rules_free(&f->rules);
	memset(f, 0, sizeof(*f));
}

bool filter_lists(const struct filter *f, int which, uint8_t family,
		  const struct flow_addr *a)
{
	struct session_address key = { .family = family, .addr = *a };

	return f->n[which] && bsearch(&key, f->list[which], f->n[which],
				      sizeof(key), address_compare);
}

bool filter_is_own(const struct filter *f, uint8_t family,
		   const struct flow_addr *a)
{
	return filter_lists(f, FILTER_OURS, family, a) ||
	       filter_lists(f, FILTER_PEERS, family, a);
}

/* Only we have it. */
static bool is_tied(const struct filter *f, uint8_t family,
		    const struct flow_addr *a)
{
	return filter_lists(f, FILTER_OURS, family, a) &&
	       !filter_lists(f, FILTER_PEERS, family, a);
}

const struct flow_addr *filter_tied(const struct filter *f,
				    const struct flow *flow)
{
	if (f->n[FILTER_PEERS] == 0)
		return NULL;
	if (flow_has_snat(flow) && is_tied(f, flow->family, &flow->reply.dst))
		return &flow->reply.dst;
	if (flow_has_dnat(flow) && is_tied(f, flow->family, &flow->orig.dst))
		return &flow->orig.dst;
	return NULL;
}

static bool is_loopback(uint8_t family, const struct flow_addr *a)
{
	static const struct flow_addr one = { .b = { [15] = 1 } };

	if (family == AF_INET)
		return a->b[0] == 127;
	return flow_addr_equal(a, &one);
}

static bool is_multicast(uint8_t family, const struct flow_addr *a)
{
	static const uint8_t broadcast[4] = { 255, 255, 255, 255 };

	if (family == AF_INET)
		return (a->b[0] & 0xf0) == 0xe0 ||
		       memcmp(a->b, broadcast, sizeof(broadcast)) == 0;
	return a->b[0] == 0xff;
}

static enum filter_verdict addresses(const struct filter *f,
				     const struct flow *flow)
{
	if (is_loopback(flow->family, &flow->orig.src) ||
	    is_loopback(flow->family, &flow->reply.src))
		return FILTER_LOOPBACK;
	if (is_multicast(flow->family, &flow->orig.dst) ||
	    is_multicast(flow->family, &flow->reply.src))
		return FILTER_MULTICAST;
	if (filter_is_own(f, flow->family, &flow->orig.src) ||
	    filter_is_own(f, flow->family, &flow->reply.src))
		return FILTER_OWN;
	return FILTER_PASS;
}

bool filter_is_opening(const struct flow *f)
{
	return f->l4proto == IPPROTO_TCP && f->has & FLOW_HAS_TCP &&
	       (f->tcp_state == TCP_CONNTRACK_SYN_SENT ||
		f->tcp_state == TCP_CONNTRACK_SYN_SENT2);
}

/*
 * Has it an answer? As with SYN_SENT, an association whose tags are not both
 * known is INVALID on the other node, and nothing mends it (sctp_packet); only
 * a heartbeat's are learnt from packets.
 */
static bool sctp_begun(const struct flow *f)
{
	if (!(f->has & FLOW_HAS_SCTP) || f->sctp_state == SCTP_CONNTRACK_NONE)
		return false;
	return f->sctp_state != SCTP_CONNTRACK_COOKIE_WAIT ||
	       (f->sctp_vtag[0] && f->sctp_vtag[1]);
}

enum filter_verdict filter_ends(const struct filter *f, const struct flow *flow)
{
	enum filter_verdict v = addresses(f, flow);

	if (v == FILTER_PASS && f->rules.n &&
	    !filter_rules_may(&f->rules, flow))
		return FILTER_RULE;
	return v;
}

enum filter_verdict filter_first(const struct filter *f,
				 const struct flow *flow)
{
	const uint32_t never = IPS_DYING | IPS_TEMPLATE | IPS_UNTRACKED;
	enum filter_verdict v;

	if (flow->status & never)
		return FILTER_STATE;
	if (flow->l4proto == IPPROTO_TCP &&
	    (flow->tcp_state == TCP_CONNTRACK_NONE ||
	     (flow->tcp_state == TCP_CONNTRACK_SYN_SENT2 && !f->opening)))
		return FILTER_STATE;
	if (flow->l4proto == IPPROTO_SCTP && !sctp_begun(flow))
		return FILTER_STATE;
	v = addresses(f, flow);
	if (v == FILTER_PASS && f->rules.n &&
	    filter_rules_skip(&f->rules, flow))
		return FILTER_RULE;
	return v;
}

enum filter_verdict filter_flow(const struct filter *f, const struct flow *flow)
{
	if (flow->l4proto == IPPROTO_TCP && !f->opening &&
	    flow->tcp_state == TCP_CONNTRACK_SYN_SENT)
		return FILTER_STATE;
	return filter_first(f, flow);
}
