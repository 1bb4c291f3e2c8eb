/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Expectations, out and in. They are few, they live for minutes, and the
 * kernel does not tell when one lives longer than it was to, or becomes active
 * (SIP). So all are told again every half minute: what was lost on the way is
 * there again, and ends where nobody tells of it any more. None of them opens
 * a gap.
 *
 * Invariant: a peer is told of an expectation after its master, and never
 * between the chunks of a bulk: a bulk ends with them.
 */
#include "engine_int.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <netinet/in.h>
#include <string.h>

#define AGAIN_NS (30 * MONO_S)
/* After a word about a flow of SIP: an answer may have made one active. */
#define SOON_NS (2 * MONO_S)
/* From the word about an expectation to that about its master's beginning. */
#define EARLY_NS (10 * MONO_MS)

/* --- out ------------------------------------------------------------------ */

/* What is told one by one; a bulk under way is told all of them at its end. */
static bool streams(const struct engine_peer *p)
{
	return p->live && p->tx.state == TX_STREAM;
}

static void tell(struct engine *e, const struct expect_change *c, mono_t now)
{
	bool told = false;

	for (unsigned i = 0; i < e->npeers; i++) {
		struct engine_peer *p = &e->peers[i];

		if (!streams(p) && !p->tx.expects)
			continue;
		told |= session_hears_expects(p->session);
		if (session_tell_expect(p->session, c, now))
			engine_sync_gap(e, i, "memory is short", now);
	}
	e->expects.told += told;
}

static void told_with(struct engine *e, const struct expect_change *c,
		      const struct flow *master, mono_t now)
{
	if (filter_flow(&e->filter, master) != FILTER_PASS) {
		e->expects.filtered++;
		return;
	}
	/* no event of the kernel says that a helper changed lengths */
	if (master->has & FLOW_HAS_SEQADJ)
		engine_sync_tell(e, FLOW_UPDATE, master, now);
	if (engine_sync_silent(e))
		e->handover_missed = true;
	else
		tell(e, c, now);
}

/*
 * The first packet of a UDP flow may announce already (SIP, TFTP). Its helper
 * reads it before the flow is in the table, so the flow is told after it, and
 * a new flow replaces what was there with all that it expected: this waits for
 * the flow, or until it is clear that it was told long ago.
 */
static bool is_early(const struct expect_change *c, const struct flow *master)
{
	return c->op == EXPECT_NEW &&
	       (!master || (c->expect.master_l4proto != IPPROTO_TCP &&
			    !(master->status & IPS_SEEN_REPLY)));
}

/* Its master is f, or the one found at first; without one it is nobody's. */
static void early_end(struct engine *e, size_t i, const struct flow *f,
		      mono_t now)
{
	struct engine_expects *x = &e->expects;
	struct engine_early early = x->early[i];

	memmove(&x->early[i], &x->early[i + 1],
		(--x->early_count - i) * sizeof(x->early[0]));
	if (f || early.has_master)
		told_with(e, &early.change, f ? f : &early.master, now);
	else
		x->orphans++;
}

static void early_add(struct engine *e, const struct expect_change *c,
		      const struct flow *master, mono_t now)
{
	struct engine_expects *x = &e->expects;
	struct engine_early *early;

	if (x->early_count == ENGINE_EXPECTS_EARLY)
		early_end(e, 0, NULL, now);
	early = &x->early[x->early_count++];
	*early = (struct engine_early){
		.change = *c,
		.has_master = master,
		.due = mono_add(now, EARLY_NS),
	};
	if (master)
		early->master = *master;
}

void engine_expect_master(struct engine *e, const struct flow *f, mono_t now)
{
	struct engine_expects *x = &e->expects;
	size_t i = 0;

	if (!strcmp(f->helper, "sip"))
		x->again = mono_min(x->again, mono_add(now, SOON_NS));
	while (i < x->early_count) {
		const struct expect *ex = &x->early[i].change.expect;

		if (ex->family == f->family &&
		    ex->master_l4proto == f->l4proto &&
		    flow_tuple_equal(&ex->master, &f->orig))
			early_end(e, i, f, now);
		else
			i++;
	}
}

void engine_expects_tick(struct engine *e, mono_t now)
{
	while (e->expects.early_count && mono_due(e->expects.early[0].due, now))
		early_end(e, 0, NULL, now);
}

void engine_expect(struct engine *e, const struct expect_change *c,
		   const struct flow *master, mono_t now)
{
	if (!e->masters)
		return;
	if (is_early(c, master))
		early_add(e, c, master, now);
	else if (master) /* else it ends with its master, there, too */
		told_with(e, c, master, now);
}

/* Somebody could use them: after a bulk at once, else every half minute. */
bool engine_expects_due(const struct engine *e, mono_t now)
{
	bool wanted = false;

	if (!engine_telling(e) || engine_sync_silent(e) || e->dump_running)
		return false;
	for (unsigned i = 0; i < e->npeers; i++) {
		const struct engine_peer *p = &e->peers[i];

		if (p->tx.expects)
			return true;
		wanted |= streams(p) && session_hears_expects(p->session);
	}
	return wanted && e->masters && mono_due(e->expects.again, now);
}

mono_t engine_expects_deadline(const struct engine *e)
{
	if (e->expects.early_count)
		return e->expects.early[0].due;
	if (!e->masters || engine_sync_silent(e) || e->dump_running)
		return MONO_NEVER;
	for (unsigned i = 0; i < e->npeers; i++)
		if (streams(&e->peers[i]) &&
		    session_hears_expects(e->peers[i].session))
			return e->expects.again;
	return MONO_NEVER;
}

void engine_expects_dumped(struct engine *e, bool whole, mono_t now)
{
	e->expects.again = mono_add(now, AGAIN_NS);
	e->expects.failures += !whole;
	for (unsigned i = 0; i < e->npeers; i++) {
		struct engine_peer *p = &e->peers[i];

		if (!p->tx.expects)
			continue;
		p->tx.expects = false;
		engine_sync_bulk_ends(e, i, now);
	}
}

/* --- in -------------------------------------------------------------------- */

void engine_rx_expects(struct engine *e, unsigned peer,
		       const struct session_event *ev)
{
	const struct expect_batch *b = ev->expects.batch;
	struct engine_peer *p = &e->peers[peer];
	struct expect_batch *in = &e->expects.batch;

	for (size_t i = 0; i < b->n; i++) {
		const struct expect *x = &b->list[i].expect;

		/* of the master's answers nothing is known here: where they
		 * come from an own address there is no such flow (rules 2) */
		if (filter_is_own(&e->filter, x->family, &x->master.src))
			e->expects.refused_own++;
		else
			in->list[in->n++] = b->list[i];
	}
	e->expects.peer = (int)peer;
	e->expects.seq = ev->expects.seq;
	if (in->n)
		return;
	p->ack_seq = ev->expects.seq;
	p->say_ack = true;
}

void engine_expects_injected(struct engine *e, const uint8_t *results)
{
	struct engine_expects *x = &e->expects;

	for (size_t i = 0; i < x->batch.n; i++)
		x->results[results[i]]++;
	x->batch.n = 0;
	if (x->peer < 0)
		return;
	e->peers[x->peer].ack_seq = x->seq;
	e->peers[x->peer].say_ack = true;
}
