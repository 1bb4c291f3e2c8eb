/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a peer told, as a change for our kernel: with which timeout, and by
 * which word where both have the flow. Implements rules 2 and 9.
 */
#include "engine_int.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <netinet/in.h>

#include "merge.h"

static bool wanted(const struct engine *e, const struct flow_change *c)
{
	if (c->op == FLOW_DESTROY)
		return filter_ends(&e->filter, &c->flow) == FILTER_PASS;
	/* a packet waits over there until we have it */
	if (c->op == FLOW_NEW && e->defers &&
	    filter_first(&e->filter, &c->flow) == FILTER_PASS)
		return true;
	return filter_flow(&e->filter, &c->flow) == FILTER_PASS;
}

static uint32_t timeout(const struct engine *e, const struct flow_change *c)
{
	const struct flow *f = &c->flow;

	/* of one that the audit adds the time goes on, or two nodes that work
	 * would bring a dead flow to life again and again; but what passed
	 * there is no more than a copy here. A fixed one does not say whether
	 * any packet has. */
	if (e->masters && c->op == FLOW_COPY && !e->ops_bulk &&
	    f->has & FLOW_HAS_TIMEOUT &&
	    !(engine_all_work(e) && !(f->status & IPS_FIXED_TIMEOUT) &&
	      merge_mine(f, &e->timeouts)))
		return f->timeout_s;
	/* no packet renews it here after a takeover (ct_put_create) */
	if (f->l4proto == IPPROTO_GRE)
		return TIMEOUT_FIXED_S;
	/* where several nodes work, it passes there and nothing refreshes it */
	if (engine_all_work(e))
		return timeouts_copy(&e->timeouts, f);
	return e->masters ? timeouts_nominal(&e->timeouts, f)
			  : timeouts_standby(&e->timeouts, f, e->standby_s);
}

/* It was master, and another one is: that one knows better. */
static bool was_master(const struct engine *e, unsigned peer)
{
	for (unsigned i = 0; i < e->npeers; i++)
		if (engine_peer_is_master(&e->peers[i]))
			return !engine_peer_is_master(&e->peers[peer]);
	return false;
}

/* Who is master no more tells what its kernel did until then. What began there
 * is new here, too; what goes on may have ended meanwhile. */
static bool is_late(const struct engine *e, unsigned peer,
		    const struct flow_change *c)
{
	return c->op == FLOW_UPDATE && !e->ops_bulk &&
	       (e->masters ? !engine_peer_is_master(&e->peers[peer])
			   : was_master(e, peer));
}

/* A table has also what it was told. That is no news of any packet, but of
 * those that are lacking here. */
static enum flow_merge merge(const struct engine *e, unsigned peer,
			     const struct flow_change *c)
{
	enum flow_merge m = engine_merge(e, peer);

	if (!m && was_master(e, peer))
		return e->ops_bulk ? FLOW_MERGE_ADD : FLOW_MERGE_YIELD;
	if (m && c->op == FLOW_COPY && engine_all_work(e) &&
	    !merge_mine(&c->flow, &e->timeouts))
		return FLOW_MERGE_ADD;
	return m;
}

bool engine_op_told(struct engine *e, const struct flow_change *c,
		    unsigned peer)
{
	struct flow_change *op;

	if (!wanted(e, c))
		return false;
	/* it is there again: a delete that waits is not told back */
	if (e->masters && c->op != FLOW_DESTROY)
		destroys_revive(&e->destroys, &c->flow, DESTROYS_ALL);
	op = &e->ops[e->nops];
	engine_op(e, c->op, &c->flow, timeout(e, c));
	op->merge = merge(e, peer, c);
	op->late = is_late(e, peer, c);
	op->raised = !merge_fresh(&c->flow, &e->timeouts);
	/* how it ended is told by whether it had time left */
	if (c->op == FLOW_DESTROY)
		op->flow.has = c->flow.has;
	return true;
}
