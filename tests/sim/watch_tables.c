// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What must be true of tables: what one node has and another one must have, and
 * what a peer's word may not do. Text: rules 2, 8, 9, 12. It only looks.
 * Invariant: what is excused here is excused for a reason that is said.
 */
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <string.h>

#include "sim.h"

/* Of fewer flows half is soon on its way. */
#define TAKEN_LEAST 20

static bool same_identity(const struct flow *a, const struct flow *b)
{
	uint8_t x[FLOW_IDENTITY_MAX], y[FLOW_IDENTITY_MAX];
	size_t n = flow_identity(a, x);

	return n == flow_identity(b, y) && memcmp(x, y, n) == 0;
}

/* Of the same client: what is left of the old one may get the new one's
 * updates. */
static bool untold(const struct sim *s, const struct flow *f)
{
	for (size_t i = 0; i < s->nuntold; i++)
		if (s->untold[i].l4proto == f->l4proto &&
		    flow_tuple_equal(&s->untold[i].orig, &f->orig))
			return true;
	return false;
}

static void complain(struct sim *s, const char *what, const struct flow *f,
		     unsigned where)
{
	char text[160];

	flow_format(f, text, sizeof(text));
	sim_fail(s, "%s at %s: %s", what, s->node[where].name, text);
}

/* A packet may prolong it at the owner, and the audit does not look at it. */
static bool over(const struct sim *s, const struct flow *f)
{
	return s->conf.audit_ns &&
	       (destroys_ended(f) ||
		(s->tampered_once && flow_class(f) == FLOW_CLOSING));
}

/* Everything of the owner's is there, as it is; but an owner may have been
 * the standby of one that lost a flow and did not tell. */
static void watch_missing(struct sim *s, unsigned owner, unsigned other)
{
	const struct sim_node *n = &s->node[owner];

	for (size_t i = 0; i < n->kernel.n; i++) {
		const struct flow *f = &n->kernel.entries[i].flow;
		const struct kernel_entry *e;

		if (filter_flow(&n->engine->filter, f) != FILTER_PASS ||
		    untold(s, f))
			continue;
		e = kernel_look(&s->node[other].kernel, f);
		if (over(s, f) || (e && s->conf.active && over(s, &e->flow)))
			continue;
		if (!e)
			complain(s, "missing", f, other);
		else if (!same_identity(&e->flow, f))
			complain(s, "another than the owner's", &e->flow,
				 other);
	}
}

static void watch_stale(struct sim *s, unsigned owner, unsigned other)
{
	const struct sim_node *n = &s->node[other];

	for (size_t i = 0; i < n->kernel.n; i++) {
		const struct flow *f = &n->kernel.entries[i].flow;

		if (filter_flow(&n->engine->filter, f) != FILTER_PASS ||
		    untold(s, f) || over(s, f))
			continue;
		if (!kernel_look(&s->node[owner].kernel, f))
			complain(s, "stale copy", f, other);
	}
}

/* What is on its way is less than half of it. */
void sim_watch_taken(struct sim *s, unsigned from, unsigned to)
{
	const struct sim_node *n = &s->node[from];
	size_t all = 0, missing = 0;

	for (size_t i = 0; i < n->kernel.n; i++) {
		const struct flow *f = &n->kernel.entries[i].flow;

		if (filter_flow(&n->engine->filter, f) != FILTER_PASS ||
		    untold(s, f))
			continue;
		all++;
		missing += !kernel_look(&s->node[to].kernel, f);
	}
	if (all >= TAKEN_LEAST && 2 * missing > all && !s->tampered)
		sim_fail(s, "%s takes over and lacks %zu of %zu flows of %s",
			 s->node[to].name, missing, all, n->name);
}

void sim_watch_handover(struct sim *s, unsigned from, unsigned to)
{
	if (!s->tampered)
		watch_missing(s, from, to);
}

void sim_watch_tables(struct sim *s, unsigned master)
{
	for (unsigned i = 0; i < s->nodes; i++) {
		if (i == master)
			continue;
		watch_missing(s, master, i);
		watch_stale(s, master, i);
	}
}

void sim_watch_both(struct sim *s)
{
	watch_missing(s, 0, 1);
	watch_missing(s, 1, 0);
}

/* Rules 9: what a packet has brought forward here no word takes back, but for
 * a SYN, or a delete, that was seen there. */
void sim_watch_merge(struct sim *s, unsigned i, const struct flow_change *c,
		     const struct kernel_entry *before)
{
	const struct flow *f = &before->flow;
	const struct kernel_entry *e = kernel_look(&s->node[i].kernel, f);
	bool over = f->tcp_state > TCP_CONNTRACK_ESTABLISHED;

	if (!before->passed || c->merge != FLOW_MERGE_PREVAIL)
		return;
	if (c->op == FLOW_DESTROY && c->flow.has & FLOW_HAS_TIMEOUT)
		return;
	/* whose tuples or translation another one has now */
	if (over &&
	    (c->op == FLOW_NEW || !flow_tuple_equal(&c->flow.reply, &f->reply)))
		return;
	if (!e)
		complain(s, "a peer's word ended", f, i);
	else if (f->status & ~e->flow.status)
		complain(s, "a peer's word took a bit from", f, i);
	else if (e->flow.tcp_state < f->tcp_state)
		complain(s, "a peer's word took back", f, i);
}

/* Who was silent for longer does not know what has ended meanwhile. */
#define KEPT_NS (10 * MONO_S)

void sim_watch_only(struct sim *s, unsigned i, const struct flow_change *c,
		    const struct kernel_entry *before)
{
	const struct flow *f = &before->flow;
	bool clash = false;

	for (unsigned k = 0; k < s->nodes; k++) {
		struct kernel_entry *e =
			kernel_find(&s->node[k].kernel, &c->flow);

		if (k == i)
			continue;
		clash |= e || kernel_find_reply(&s->node[k].kernel, f);
		if (e && c->op != FLOW_DESTROY)
			e->only_since.ns = 0;
	}
	if (c->op == FLOW_DESTROY && s->node[i].engine->ops_peer < 0 &&
	    before->only_since.ns && !clash &&
	    mono_diff(sim_clock(s, i), before->only_since) < KEPT_NS &&
	    f->tcp_state == TCP_CONNTRACK_ESTABLISHED &&
	    f->status & IPS_ASSURED && !untold(s, f) && !s->lossy &&
	    !s->tampered_once &&
	    filter_flow(&s->node[i].engine->filter, f) == FILTER_PASS)
		complain(s, "ended, and nobody else was given it,", f, i);
}
