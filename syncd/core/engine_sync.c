/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What we tell our peers about the flows of our kernel: events as a stream,
 * the whole table as a bulk, and the word that something is missing. A node
 * tells while it is master of anything and nothing otherwise (rules 5).
 *
 * Invariant: what a peer was told since the epoch began, in that order, makes
 * its table equal to ours. Whatever breaks that begins a new epoch.
 */
#include "engine_sets_int.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>
#include <string.h>

/* A queue beyond this means that the link is slower than the events. */
#define QUEUE_MAX_BYTES (4 * 1024 * 1024)
/* Below this a batch leaves at once, above it is filled first; so it is while
 * the peer has so many frames still to acknowledge. */
#define QUEUE_BUSY_BYTES (64 * 1024)
#define FRAMES_AHEAD	 4

static bool told(const struct engine_peer *p)
{
	return (p->live || session_parked(p->session)) &&
	       p->tx.state != TX_NONE;
}

static void say_gap(struct engine_peer *p, const char *reason)
{
	p->tx.gap = reason;
	(void)session_send_gap(p->session, p->tx.epoch, reason);
}

void engine_sync_peer_live(struct engine *e, unsigned peer, mono_t now)
{
	struct engine_peer *p = &e->peers[peer];
	const char *why;

	p->rx.retry_at = now;
	if (engine_resume_tell(e, peer, &why, now))
		return;
	(void)session_restart(p->session);
	engine_epoch_new(e, p, TX_NONE);
	if (why && p->tx.epoch)
		say_gap(p, why);
}

void engine_sync_forget_peer(struct engine *e, unsigned peer)
{
	struct engine_peer *p = &e->peers[peer];
	bool unheard = !engine_telling(e) &&
		       session_seq_acked(p->session) < p->tx.left_seq;

	p->tx.left_seq = 0;
	engine_dump_cancel(e, DUMP_BULK, peer);
	p->tx.want_bulk = false;
	if (!engine_resume_park(e, peer))
		engine_epoch_new(e, p, TX_NONE);
	if (unheard)
		engine_epoch_legacy(e);
}

void engine_sync_unpark(struct engine *e)
{
	for (unsigned i = 0; i < e->npeers; i++)
		if (session_parked(e->peers[i].session))
			engine_epoch_new(e, &e->peers[i], TX_NONE);
}

void engine_sync_gap(struct engine *e, unsigned peer, const char *reason,
		     mono_t now)
{
	struct engine_peer *p = &e->peers[peer];

	(void)now;
	if (!told(p))
		return;
	if (!p->live) {
		engine_resume_lost(e, peer, reason);
		engine_epoch_new(e, p, TX_NONE);
		return;
	}
	session_drop_flows(p->session);
	engine_dump_cancel(e, DUMP_BULK, peer);
	engine_epoch_new(e, p, TX_NONE);
	engine_sets_lost(e, peer);
	say_gap(p, reason);
	engine_log(e, LEVEL_WARNING,
		   "%s: %s is on hold (gap) until a new bulk is in", reason,
		   p->name);
}

/* --- the stream ------------------------------------------------------------- */

/* The new master knows better by now, if it gets all. */
bool engine_sync_silent(const struct engine *e)
{
	return e->handover_drained && !engine_handover_partial(e);
}

/* had: peers that know it already, a bit each. */
static void tell_others(struct engine *e, uint32_t had, enum flow_op op,
			const struct flow *f, mono_t now)
{
	struct flow_change c = { .op = op, .flow = *f };

	if (engine_sync_silent(e)) {
		e->handover_missed = true;
		return;
	}
	for (unsigned i = 0; i < e->npeers; i++) {
		struct engine_peer *p = &e->peers[i];
		int err;

		/* a bulk, or the rest of one that failed, may be on its way */
		if (op == FLOW_DESTROY && p->live &&
		    (p->rx.state != RX_IDLE || p->rx.ended.slots))
			ended_note(&p->rx.ended, f);
		else if (op == FLOW_NEW)
			ended_forget(&p->rx.ended, f);
		if (!told(p) || had >> i & 1)
			continue;
		err = session_tell(p->session, &c, now);
		if (err)
			engine_sync_gap(e, i,
					err == -ENOBUFS
						? engine_resume_too_long()
						: "memory is short",
					now);
	}
}

void engine_sync_tell(struct engine *e, enum flow_op op, const struct flow *f,
		      mono_t now)
{
	tell_others(e, 0, op, f, now);
}

/* A flow that the filter skips now may be known to the peers: from another
 * mark or state. It goes there like one that nobody used. */
static void skipped(struct engine *e, enum flow_op op, const struct flow *f,
		    enum filter_verdict why, mono_t now)
{
	struct flow gone;

	if (why != FILTER_RULE) {
		e->filtered[why]++;
		return;
	}
	engine_filter_skipped(e, f);
	if (op != FLOW_UPDATE || filter_ends(&e->filter, f) != FILTER_PASS)
		return;
	gone = *f;
	gone.has &= (uint8_t)~FLOW_HAS_TIMEOUT;
	engine_sync_tell(e, FLOW_DESTROY, &gone, now);
}

static bool any_interface_down(const struct engine *e)
{
	for (size_t i = 0; i < e->nvhosts; i++)
		if (!e->vhosts[i].link_up && !e->vhosts[i].gone)
			return true;
	return false;
}

static void destroyed(struct engine *e, const struct flow *f, uint32_t portid,
		      mono_t now)
{
	uint64_t flushes = e->destroys.flushes;
	enum filter_verdict ends = filter_ends(&e->filter, f);
	enum destroys_verdict verdict;

	if (ends != FILTER_PASS) {
		skipped(e, FLOW_DESTROY, f, ends, now);
		return;
	}
	/* it was never told */
	if (filter_is_opening(f) && !e->filter.opening && !e->defers)
		return;
	/* torn away with it; what ran out is told as ever */
	if (destroys_early(f) && any_interface_down(e)) {
		e->destroys.counters[DESTROYS_FORCED]++;
		e->torn = true;
		return;
	}
	verdict = destroys_offer(&e->destroys, f, portid, e->table, now);
	if (verdict == DESTROYS_TELL)
		engine_sync_tell(e, FLOW_DESTROY, f, now);
	e->torn |= (verdict == DESTROYS_FORCED && !destroys_droppable(f)) ||
		   e->destroys.flushes != flushes;
	if (e->destroys.flushes != flushes)
		engine_log(e, LEVEL_NOTICE,
			   "somebody flushes the connection table (netlink "
			   "port %u): not told to the peers",
			   portid);
}

void engine_event(struct engine *e, enum flow_op op, const struct flow *f,
		  uint32_t portid, mono_t now)
{
	enum filter_verdict v;
	uint32_t had;

	if (!e->masters)
		return;
	engine_audit_touch(e, f);
	engine_lower_changed(e, f);
	if (op == FLOW_DESTROY) {
		destroyed(e, f, portid, now);
		return;
	}
	e->table += op == FLOW_NEW; /* until it is counted again */
	v = filter_flow(&e->filter, f);
	if (v != FILTER_PASS) {
		skipped(e, op, f, v, now);
		return;
	}
	destroys_revive(&e->destroys, f, DESTROYS_ALL);
	had = engine_defer_told(e, f);
	/* the first that a peer hears of a TCP flow: its NEW was a SYN_SENT */
	if (!had && f->l4proto == IPPROTO_TCP &&
	    f->tcp_state == TCP_CONNTRACK_SYN_RECV && !e->filter.opening)
		op = FLOW_NEW;
	engine_filter_lacks(e, op, f, portid, now);
	e->answered += !!(f->status & IPS_SEEN_REPLY);
	tell_others(e, op == FLOW_NEW ? had : 0, op, f, now);
	if (f->has & FLOW_HAS_HELPER)
		engine_expect_master(e, f, now);
}

void engine_overrun(struct engine *e, mono_t now)
{
	e->overruns++;
	e->congested = true;
	destroys_clear(&e->destroys);
	for (unsigned i = 0; i < e->npeers; i++)
		engine_sync_gap(e, i, "the kernel dropped events", now);
}

/* Rules 4: what is read now is sent after the chunk that the kernel has filled
 * already; it waits in the batch, which must not overflow. */
size_t engine_events_room(const struct engine *e)
{
	const struct session *s;

	if (!e->dump_running || e->dump != DUMP_BULK || e->dump_abort)
		return SESSION_BATCH_MAX;
	s = e->peers[e->dump_peer].session;
	/* one short: the last one would close the batch */
	return SESSION_BATCH_MAX - 1 - session_filling(s);
}

/* --- bulks -------------------------------------------------------------------- */

void engine_sync_requested(struct engine *e, unsigned peer, uint64_t id)
{
	/* one that runs is not wanted any more */
	engine_dump_cancel(e, DUMP_BULK, peer);
	e->peers[peer].tx.want_bulk = true;
	e->peers[peer].tx.want_id = id;
}

static int bulk_begin(struct engine *e, struct engine_peer *p, uint64_t entries,
		      mono_t now)
{
	uint8_t key[DIGEST_KEY_LEN];
	uint64_t r[2] = { engine_random(e), engine_random(e) };

	memcpy(key, r, sizeof(key));
	p->tx.want_bulk = false;
	return session_bulk_begin(p->session, p->tx.want_id, p->tx.epoch,
				  entries, key, now);
}

void engine_sync_bulk_begins(struct engine *e, unsigned peer, mono_t now)
{
	struct engine_peer *p = &e->peers[peer];

	p->tx.state = TX_BULK;
	p->tx.expects = false;
	p->tx.told_from = session_stats(p->session)->bulk_sent;
	if (bulk_begin(e, p, e->table, now))
		engine_sync_gap(e, peer, "memory is short", now);
}

void engine_sync_chunk(struct engine *e, unsigned peer, const struct flow *list,
		       size_t n, bool more, mono_t now)
{
	struct session *s = e->peers[peer].session;
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		if (filter_flow(&e->filter, &list[i]) != FILTER_PASS)
			continue;
		/* made anew since, and the event of that was lost */
		destroys_revive(&e->destroys, &list[i], e->chunk_offered);
		engine_filter_lacks(e, FLOW_COPY, &list[i], 0, now);
		err = session_bulk_tell(s, &list[i], now);
	}
	if (!err && (!more || session_filling(s)))
		err = session_bulk_flush(s, now);
	if (!err)
		err = session_flush(s, now);
	if (err)
		engine_sync_gap(e, peer, "memory is short", now);
	else if (!more)
		e->peers[peer].tx.expects = true;
}

void engine_sync_bulk_ends(struct engine *e, unsigned peer, mono_t now)
{
	struct engine_peer *p = &e->peers[peer];

	p->tx.state = TX_STREAM;
	if (session_bulk_end(p->session, now)) {
		engine_sync_gap(e, peer, "memory is short", now);
		return;
	}
	p->tx.told = session_stats(p->session)->bulk_sent - p->tx.told_from;
	p->tx.told_at = now;
}

/* --- settling ------------------------------------------------------------------ */

void engine_sync_settle(struct engine *e, unsigned peer, mono_t now)
{
	struct engine_peer *p = &e->peers[peer];
	bool dumping =
		e->dump_running && e->dump == DUMP_BULK && e->dump_peer == peer;

	if (!p->live)
		return;
	engine_epoch_settle(e, now);
	/* who is master of nothing has an empty table to tell */
	if (p->tx.want_bulk && !engine_telling(e)) {
		if (bulk_begin(e, p, 0, now) == 0)
			(void)session_bulk_end(p->session, now);
	}
	if (session_backlog(p->session) <= QUEUE_MAX_BYTES)
		p->tx.behind = 0;
	if (session_backlog(p->session) > QUEUE_MAX_BYTES + p->tx.behind)
		engine_sync_gap(e, peer, "the link is slower than the flows",
				now);
	if (!dumping && session_filling(p->session) &&
	    session_backlog(p->session) < QUEUE_BUSY_BYTES &&
	    session_seq_sent(p->session) - session_seq_acked(p->session) <
		    FRAMES_AHEAD &&
	    session_flush(p->session, now))
		engine_sync_gap(e, peer, "memory is short", now);
	engine_rx_settle(e, peer, now);
}

void engine_sync_tick(struct engine *e, mono_t now)
{
	struct flow f;

	engine_expects_tick(e, now);
	while (engine_events_room(e) && destroys_next(&e->destroys, now, &f))
		if (e->masters)
			engine_sync_tell(e, FLOW_DESTROY, &f, now);
}

void engine_sync_drained(struct engine *e, mono_t now)
{
	mono_t later = mono_add(now, DESTROYS_WAIT_NS);
	struct flow f;

	engine_expects_tick(e, later);
	while (destroys_next(&e->destroys, later, &f))
		engine_sync_tell(e, FLOW_DESTROY, &f, now);
	for (unsigned i = 0; i < e->npeers; i++)
		if (told(&e->peers[i]) &&
		    session_flush(e->peers[i].session, now))
			engine_sync_gap(e, i, "memory is short", now);
}

void engine_sync_interrupt(struct engine *e)
{
	for (unsigned i = 0; i < e->npeers; i++)
		engine_dump_cancel(e, DUMP_BULK, i);
}

void engine_sync_resume(struct engine *e, bool missed, mono_t now)
{
	for (unsigned i = 0; i < e->npeers; i++)
		if (missed || e->peers[i].tx.state == TX_BULK)
			engine_sync_gap(e, i, "a handover was taken back", now);
}

mono_t engine_sync_deadline(const struct engine *e)
{
	mono_t d =
		mono_min(engine_dump_deadline(e), engine_expects_deadline(e));

	if (engine_events_room(e))
		d = mono_min(d, destroys_deadline(&e->destroys));
	for (unsigned i = 0; i < e->npeers; i++)
		d = mono_min(d, engine_rx_deadline(e, i));
	return d;
}
