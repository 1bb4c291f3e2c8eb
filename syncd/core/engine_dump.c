/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Heavy work, one piece at a time: dumps of our own table, each for one
 * purpose, and the changes for our kernel that come out of them. Invariant: at
 * most one dump runs, and it is not read on while changes wait to be injected.
 */
#include "engine_sets_int.h"

#include <assert.h>

/* A peer's queue above this holds the dump behind a bulk back. */
#define BULK_QUEUE_BYTES (128 * 1024)
#define RETRY_NS	 (1 * MONO_S)
#define LOWER_AGAIN_NS	 (5 * MONO_S)

void engine_op(struct engine *e, enum flow_op op, const struct flow *f,
	       uint32_t timeout_s)
{
	struct flow_change *c;

	assert(e->nops < ENGINE_OPS_MAX);
	c = &e->ops[e->nops++];
	c->op = op;
	c->merge = FLOW_MERGE_NOT;
	c->raised = c->late = false;
	c->flow = *f;
	c->flow.timeout_s = timeout_s;
	c->flow.has |= FLOW_HAS_TIMEOUT;
}

/* --- pace ------------------------------------------------------------------- */

static bool is_audit(const struct engine *e)
{
	return e->dump == DUMP_AUDIT || e->dump == DUMP_ANSWER;
}

static bool is_urgent(const struct engine *e)
{
	if (e->dump == DUMP_AUDIT)
		return !e->round || e->round->verify;
	return e->peers[e->dump_peer].audit.answer->urgent;
}

/* Nothing waits for it: it may take a tenth of a core, the audit half of one
 * to look and a fifth to set timeouts. Of processor time, that is: on a busy
 * machine a pass by the clock would not end before the next takeover. */
static bool is_paced(const struct engine *e)
{
	return e->dump == DUMP_LOWER || (e->dump == DUMP_RAISE && e->masters) ||
	       (is_audit(e) && !is_urgent(e));
}

void engine_dump_rest(struct engine *e, bool injected, int64_t cost_ns,
		      mono_t now)
{
	/* half of what DUMP_LOWER costs is what it tells */
	int64_t factor = !is_audit(e) ? 19 : injected ? 4 : 1;

	e->dump_cost_ns = cost_ns + (injected ? e->dump_cost_ns : 0);
	/* not while connections stand still for it */
	if (is_paced(e) && (is_audit(e) || !e->windows_old))
		e->dump_after = mono_add(now, factor * e->dump_cost_ns);
}

void engine_dump_cancel(struct engine *e, enum engine_dump what, unsigned peer)
{
	if (e->dump_running && e->dump == what && e->dump_peer == peer)
		e->dump_abort = true;
}

/* --- what is to be done ----------------------------------------------------- */

/* A bulk tells copies by their times from what is gone. */
static bool may_raise_again(const struct engine *e)
{
	for (unsigned i = 0; i < e->npeers; i++)
		if (e->peers[i].rx.state != RX_IDLE)
			return false;
	return !e->masters || engine_all_work(e);
}

static enum engine_dump next_dump(const struct engine *e, unsigned *peer,
				  mono_t now)
{
	/* none during a handover, which tells all it can without order; nor
	 * while events are lost in silence (af_netlink.c: a socket that
	 * overran stays congested until it is empty). In turns: a peer that
	 * asks again and again keeps no other one waiting. */
	for (unsigned i = 1; i <= e->npeers; i++) {
		*peer = (unsigned)((e->bulk_peer + i) % e->npeers);
		if (e->peers[*peer].live && e->peers[*peer].tx.want_bulk &&
		    engine_telling(e) && !e->congested &&
		    !engine_sets_owed(e, *peer) &&
		    e->handover.state == HANDOVER_IDLE)
			return DUMP_BULK;
	}
	for (*peer = 0; *peer < e->npeers; (*peer)++)
		if (e->peers[*peer].rx.state == RX_MARK)
			return DUMP_MARK;
	for (*peer = 0; *peer < e->npeers; (*peer)++)
		if (e->peers[*peer].rx.state == RX_SWEEP &&
		    !e->peers[*peer].rx.swept)
			return DUMP_SWEEP;
	*peer = 0;
	if ((e->raise && (!e->masters || engine_all_work(e))) ||
	    (mono_due(e->raise_at, now) && may_raise_again(e)))
		return DUMP_RAISE;
	if (mono_due(e->lower_at, now) && e->masters)
		return DUMP_LOWER;
	/* one that runs goes on before another of the two begins */
	if (engine_audit_wants_dump(e) &&
	    !(e->dump_running && e->dump == DUMP_ANSWER &&
	      engine_answer_wants_dump(e, peer)))
		return DUMP_AUDIT;
	return engine_answer_wants_dump(e, peer) ? DUMP_ANSWER : DUMP_NONE;
}

static bool any_backlog(const struct engine *e)
{
	for (unsigned i = 0; i < e->npeers; i++)
		if (e->peers[i].live &&
		    session_backlog(e->peers[i].session) >= BULK_QUEUE_BYTES)
			return true;
	return false;
}

static bool dump_may_go_on(const struct engine *e, mono_t now)
{
	switch (e->dump) {
	case DUMP_BULK:
		/* a full batch of events waits for the next chunk */
		return !engine_events_room(e) ||
		       session_backlog(e->peers[e->dump_peer].session) <
			       BULK_QUEUE_BYTES;
	case DUMP_ANSWER: /* what it lists goes to the peer */
		if (session_backlog(e->peers[e->dump_peer].session) >=
		    BULK_QUEUE_BYTES)
			return false;
		return !is_paced(e) || mono_due(e->dump_after, now);
	case DUMP_LOWER:
		if (any_backlog(e))
			return false;
		return !is_paced(e) || mono_due(e->dump_after, now);
	case DUMP_RAISE:
	case DUMP_AUDIT:
		return !is_paced(e) || mono_due(e->dump_after, now);
	case DUMP_MARK:
	case DUMP_SWEEP:
	case DUMP_NONE:
		return true;
	}
	return true;
}

static enum engine_work dump_work(struct engine *e, mono_t now)
{
	unsigned peer;
	enum engine_dump next = next_dump(e, &peer, now);

	if (e->dump_running) {
		if ((is_paced(e) && next != DUMP_NONE && next != e->dump) ||
		    (is_audit(e) && next != e->dump) ||
		    (e->dump == DUMP_LOWER && !e->masters) ||
		    (e->dump == DUMP_RAISE && !e->raise))
			e->dump_abort = true;
		if (e->dump_abort)
			return WORK_DUMP_ABORT;
		if (!dump_may_go_on(e, now))
			return WORK_NONE;
		return WORK_DUMP_READ;
	}
	if (next == DUMP_NONE || e->dump_after.ns > now.ns)
		return WORK_NONE;
	e->dump = next;
	e->dump_peer = peer;
	return WORK_DUMP_START;
}

static enum engine_work next_work(struct engine *e, mono_t now)
{
	if (e->nops)
		return WORK_INJECT;
	if (e->expects.batch.n)
		return WORK_EXPECTS;
	if (engine_sets_busy(e) && engine_sets_work(e, now))
		return WORK_SETS;
	/* what was just heard comes first */
	if (e->queued)
		return WORK_NONE;
	if (engine_expects_due(e, now))
		return WORK_EXPECTS_DUMP;
	return engine_sets_work(e, now) ? WORK_SETS : dump_work(e, now);
}

enum engine_work engine_work(struct engine *e, mono_t now)
{
	enum engine_work work;
	bool more = false;

	/* a chunk that waits must not be older than one batch (sweep) */
	for (unsigned i = 0;
	     i < e->npeers && !e->nops && !e->expects.batch.n && !e->fresh; i++)
		more |= engine_peer_pump(e, i, now);
	work = next_work(e, now);
	return work == WORK_NONE && more ? WORK_HEAR : work;
}

mono_t engine_dump_deadline(const struct engine *e)
{
	mono_t d = e->masters ? e->lower_at : MONO_NEVER;
	unsigned peer;

	if (e->dump_running)
		return is_paced(e) ? e->dump_after : MONO_NEVER;
	if (next_dump(e, &peer, (mono_t){ INT64_MIN }) != DUMP_NONE)
		return e->dump_after;
	if (may_raise_again(e))
		d = mono_min(d, e->raise_at);
	return d.ns > e->dump_after.ns ? d : e->dump_after;
}

/* --- what was found ------------------------------------------------------------- */

void engine_dumping(struct engine *e, bool running, mono_t now)
{
	bool started = running && !e->dump_running;
	enum engine_dump what = e->dump;

	if (!running && e->dump_running && e->dump == DUMP_LOWER)
		e->lower_at = mono_add(now, LOWER_AGAIN_NS);
	if (!running && !e->dump_running) /* it could not be started */
		e->dump_after = mono_add(now, RETRY_NS);
	e->dump_running = running;
	e->dump_abort = false;
	e->fresh = 0;
	engine_lower_chunk(e);
	e->chunk_offered = e->destroys.offered;
	if (what == DUMP_AUDIT)
		engine_audit_dumping(e, started, now);
	if (!started) {
		e->dump = DUMP_NONE;
		return;
	}
	if (what == DUMP_ANSWER)
		engine_answer_dumping(e, e->dump_peer);
	if (what == DUMP_RAISE) {
		e->raise = true;
		e->raise_last = mono_due(e->raise_at, now);
		e->raise_at = MONO_NEVER;
	}
	if (e->dump == DUMP_BULK) {
		e->bulk_peer = e->dump_peer;
		e->bulk_lowers = e->masters && !mono_is_never(e->lower_at);
		engine_sync_bulk_begins(e, e->dump_peer, now);
	}
}

static void mark(struct engine *e, const struct flow *f)
{
	e->peers[e->dump_peer].rx.suspects++;
	e->marked = true;
	/* up, too: what the audit kept must outlast the bulk */
	if (f->timeout_s != TIMEOUT_SUSPECT_S)
		engine_op(e, FLOW_TIMEOUT, f, TIMEOUT_SUSPECT_S);
}

static void sweep(struct engine *e, const struct flow *f)
{
	if (f->timeout_s <= TIMEOUT_SUSPECT_S)
		engine_op(e, FLOW_DESTROY, f, 0);
}

/*
 * The chunk was filled before its predecessor was handled; a peer may have
 * told of this flow since. Then it is not what the chunk says (rules 4).
 */
static bool outdated(const struct engine *e, const struct flow *f)
{
	for (size_t i = 0; i < e->fresh; i++)
		if (flow_same_key(&e->ops[i].flow, f))
			return true;
	return false;
}

static void visit(struct engine *e, const struct flow *f, mono_t now)
{
	if (filter_flow(&e->filter, f) != FILTER_PASS)
		return;
	switch (e->dump) {
	case DUMP_MARK:
		engine_raise_again(e, f, now);
		mark(e, f);
		return;
	case DUMP_SWEEP:
		sweep(e, f);
		return;
	case DUMP_RAISE:
		engine_raise(e, f, now);
		return;
	case DUMP_LOWER:
		engine_lower_tell(e, f, now);
		engine_lower(e, f);
		return;
	case DUMP_BULK:
		engine_lower(e, f);
		return;
	case DUMP_AUDIT:
	case DUMP_ANSWER:
	case DUMP_NONE:
		return;
	}
}

static void visit_all(struct engine *e, const struct flow *list, size_t n,
		      mono_t now)
{
	bool skip[ENGINE_OPS_MAX];

	/* all of them before the first op: they share the memory */
	for (size_t i = 0; i < n; i++)
		skip[i] = outdated(e, &list[i]);
	for (size_t i = 0; i < n; i++)
		if (!skip[i])
			visit(e, &list[i], now);
}

static void lowered(struct engine *e)
{
	e->lower_at = MONO_NEVER;
	e->marked = e->windows_old = e->bulk_lowers = false;
}

static void finished(struct engine *e, enum engine_dump what, unsigned peer,
		     mono_t now)
{
	bool again;

	switch (what) {
	case DUMP_MARK:
		engine_rx_marked(e, peer, now);
		return;
	case DUMP_SWEEP:
		e->peers[peer].rx.swept = true;
		return;
	case DUMP_RAISE:
		e->raise = e->windows_old = false;
		engine_rx_raised(e);
		return;
	case DUMP_LOWER:
		again = e->windows_old; /* it told nobody, in its haste */
		lowered(e);
		if (again)
			e->lower_at = now;
		return;
	case DUMP_AUDIT:
		engine_audit_dumped(e, now);
		return;
	case DUMP_ANSWER:
		engine_answer_dumped(e, peer, now);
		return;
	case DUMP_BULK:
		if (e->bulk_lowers)
			lowered(e);
		return;
	case DUMP_NONE:
		return;
	}
}

static void broke_off(struct engine *e, enum engine_dump what, unsigned peer,
		      const char *why, mono_t now)
{
	engine_log(e, LEVEL_WARNING,
		   "reading the connection table broke off (%s); it is read "
		   "again",
		   why);
	e->dump_after = mono_add(now, RETRY_NS);
	if (what == DUMP_BULK)
		engine_sync_gap(e, peer, "reading the table broke off", now);
	if (what == DUMP_LOWER)
		e->lower_at = mono_add(now, LOWER_AGAIN_NS);
	if (what == DUMP_AUDIT)
		engine_audit_dumping(e, false, now);
}

void engine_dumped(struct engine *e, const struct flow *list, size_t n,
		   bool more, const char *broke, int64_t cost_ns, mono_t now)
{
	enum engine_dump what = e->dump;
	unsigned peer = e->dump_peer;

	if (e->dump_abort)
		return;
	assert(n <= ENGINE_OPS_MAX);
	audit_tuples_sort(&e->changed);
	if (what == DUMP_BULK && !broke) {
		engine_sync_chunk(e, peer, list, n, more, now);
		if (e->bulk_lowers)
			visit_all(e, list, n, now);
	} else if (what == DUMP_AUDIT && !broke) {
		engine_audit_chunk(e, list, n);
	} else if (what == DUMP_ANSWER && !broke) {
		engine_answer_chunk(e, peer, list, n, now);
	} else if (!broke) {
		visit_all(e, list, n, now);
	}
	e->fresh = 0;
	engine_lower_chunk(e);
	e->chunk_offered = e->destroys.offered;
	engine_dump_rest(e, false, cost_ns, now);
	if (more && !broke)
		return;
	e->dump_running = false;
	e->dump = DUMP_NONE;
	if (broke)
		broke_off(e, what, peer, broke, now);
	else
		finished(e, what, peer, now);
}
