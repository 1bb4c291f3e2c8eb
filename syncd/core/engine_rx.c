/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a peer tells us about its flows: into our kernel with it, the answer
 * back, and the whole table again when anything is missing.
 *
 * A bulk in three steps. Before it, every copy that we have is marked: its
 * timeout is cut (TIMEOUT_SUSPECT_S). The bulk, and the stream beside it, set
 * the timeouts of all that lives. After it, what still bears the mark is gone
 * at the owner and is removed, also where the table was full: that makes room.
 * So the kernel's own table is the memory of what the bulk has confirmed. Where
 * several peers tell, none of them has all, and
 * nothing is removed until one alone tells.
 *
 * Invariant: rx.epoch names an epoch of which this kernel has everything.
 */
#include "engine_sets_int.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <stdio.h>
#include <string.h>

#define RETRY_SOON_NS	  (500 * MONO_MS)
#define RETRY_SOON_MAX_NS (30 * MONO_S)
#define RETRY_FORGET_NS	  (60 * MONO_S)
#define RETRY_FULL_NS	  (10 * MONO_S)
#define RETRY_FULL_MAX_NS (300 * MONO_S)

const char engine_rx_differently[] = "several nodes told different things";

bool engine_rx_in_sync(const struct engine *e, unsigned peer)
{
	const struct engine_peer *p = &e->peers[peer];

	if (!p->live || !p->heard || p->rx.gap[0])
		return false;
	return !p->word.tx_epoch || p->rx.epoch == p->word.tx_epoch;
}

bool engine_tx_in_sync(const struct engine *e, unsigned peer)
{
	const struct engine_peer *p = &e->peers[peer];

	if (!p->live || !p->heard)
		return false;
	if (!p->tx.epoch)
		return true;
	return p->tx.state == TX_STREAM && p->word.rx_epoch == p->tx.epoch;
}

/* --- a bulk ends ---------------------------------------------------------- */

static void answer(struct engine *e, unsigned peer, bool ok, const char *why)
{
	struct engine_rx *rx = &e->peers[peer].rx;
	struct engine_action *a;

	if (!rx->asked)
		return;
	rx->asked = false;
	a = engine_push(e, ENGINE_BULK_ENDED, peer);
	a->ok = ok;
	snprintf(a->log.text, sizeof(a->log.text), "%s", why);
}

/* A master has some from one that was: the others were not told of that. */
static void tell_the_others(struct engine *e, unsigned peer, mono_t now)
{
	if (!e->masters || engine_peer_is_master(&e->peers[peer]))
		return;
	for (unsigned i = 0; i < e->npeers; i++)
		if (i != peer)
			engine_sync_gap(e, i, engine_rx_differently, now);
}

void engine_rx_failed(struct engine *e, unsigned peer, const char *why,
		      int64_t retry_ns, mono_t now)
{
	struct engine_rx *rx = &e->peers[peer].rx;

	engine_dump_cancel(e, DUMP_MARK, peer);
	engine_dump_cancel(e, DUMP_SWEEP, peer);
	/* what was marked for it gets a copy's timeout again */
	if (rx->suspects && !e->masters)
		e->raise = true;
	if (rx->state == RX_RUNNING && rx->entries)
		tell_the_others(e, peer, now);
	rx->state = RX_IDLE;
	rx->result = BULK_FAILED;
	e->peers[peer].bulks[BULK_FAILED]++;
	rx->retry_at = mono_add(now, retry_ns);
	snprintf(rx->why, sizeof(rx->why), "%s", why);
	engine_log(e, LEVEL_WARNING, "bulk from %s failed: %s",
		   e->peers[peer].name, why);
	answer(e, peer, false, why);
}

/* What a bulk costs may be what makes it fail: each failure within a minute of
 * the one before doubles the wait. */
static int64_t retry_soon(struct engine_rx *rx, mono_t now)
{
	bool again = rx->retry_soon_ns &&
		     mono_diff(now, rx->failed_at) < RETRY_FORGET_NS;

	rx->retry_soon_ns = again ? 2 * rx->retry_soon_ns : RETRY_SOON_NS;
	if (rx->retry_soon_ns > RETRY_SOON_MAX_NS)
		rx->retry_soon_ns = RETRY_SOON_MAX_NS;
	rx->failed_at = now;
	return rx->retry_soon_ns;
}

/* Its kernel did not take all: later perhaps, and each try costs a bulk. */
static void failed_full(struct engine *e, unsigned peer, const char *why,
			mono_t now)
{
	struct engine_rx *rx = &e->peers[peer].rx;

	rx->retry_full_ns *= 2;
	if (rx->retry_full_ns < RETRY_FULL_NS)
		rx->retry_full_ns = RETRY_FULL_NS;
	if (rx->retry_full_ns > RETRY_FULL_MAX_NS)
		rx->retry_full_ns = RETRY_FULL_MAX_NS;
	engine_rx_failed(e, peer, why, rx->retry_full_ns, now);
}

/* What came too late from one that tells nothing any more came with the whole
 * of another one. */
static void fill_gaps(struct engine *e)
{
	for (size_t i = 0; i < e->npeers; i++)
		if (e->peers[i].heard && !e->peers[i].word.tx_epoch)
			e->peers[i].rx.gap[0] = '\0';
}

static void complete(struct engine *e, unsigned peer, mono_t now)
{
	struct engine_peer *p = &e->peers[peer];
	struct engine_rx *rx = &p->rx;

	if (rx->state == RX_SWEEP)
		e->marked = false;
	if (!e->masters)
		e->torn = e->windows_old = false;
	rx->state = RX_IDLE;
	rx->result = BULK_DONE;
	ended_clear(&rx->ended);
	p->bulks[BULK_DONE]++;
	rx->epoch = rx->bulk_epoch;
	rx->gap[0] = '\0';
	if (rx->bulk_epoch) {
		fill_gaps(e);
		tell_the_others(e, peer, now);
	}
	rx->total = rx->entries;
	rx->retry_full_ns = 0;
	rx->took_ns = mono_diff(now, rx->started);
	rx->retry_at = now;
	p->say_word = true;
	engine_log(e, LEVEL_NOTICE, "bulk from %s: %llu flows in %lld.%03lld s",
		   p->name, (unsigned long long)rx->entries,
		   (long long)(rx->took_ns / MONO_S),
		   (long long)(rx->took_ns % MONO_S / MONO_MS));
	answer(e, peer, true, "");
}

void engine_rx_ended(struct engine *e, unsigned peer, mono_t now)
{
	struct engine_rx *rx = &e->peers[peer].rx;
	char why[SESSION_REASON_MAX];

	if (!rx->open_failure) {
		complete(e, peer, now);
		return;
	}
	snprintf(why, sizeof(why), "%.90s (%llu missing)", rx->gap,
		 (unsigned long long)rx->missing);
	failed_full(e, peer, why, now);
}

void engine_rx_again(struct engine *e, unsigned peer, const char *why,
		     mono_t now)
{
	struct engine_rx *rx = &e->peers[peer].rx;

	if (rx->state != RX_IDLE)
		engine_rx_failed(e, peer, why, 0, now);
	rx->epoch = 0;
	engine_resume_void_peer(e, peer);
}

static void adopt_not(struct engine_rx *rx)
{
	rx->adopt = false;
	rx->adopting = 0;
}

void engine_rx_forget(struct engine *e, unsigned peer, const char *why,
		      mono_t now)
{
	struct engine_rx *rx = &e->peers[peer].rx;

	rx->last_epoch = 0;
	if (rx->state != RX_IDLE)
		engine_rx_failed(e, peer, why, 0, now);
	answer(e, peer, false, why);
	rx->epoch = 0;
	rx->gap[0] = '\0';
	adopt_not(rx);
}

/* --- what the peer says ------------------------------------------------------- */

/* It was asked for, and what breaks the peer's epoch breaks it too. */
static bool bulk_expected(const struct engine_rx *rx)
{
	return rx->state == RX_ASKED || rx->state == RX_RUNNING ||
	       rx->state == RX_SWEEP;
}

/* We handed over to it: it is master, and we are no more. We are in sync when
 * our own entries are copies like any others. */
static void adopt(struct engine *e, unsigned peer)
{
	struct engine_peer *p = &e->peers[peer];

	if (!p->rx.adopt || e->masters || !p->heard || !p->word.tx_epoch)
		return;
	/* it has more than we, or has lost some of it meanwhile */
	if (e->torn || (p->rx.adopting && p->rx.adopting != p->word.tx_epoch)) {
		adopt_not(&p->rx);
		return;
	}
	if (p->rx.adopting)
		return;
	p->rx.adopting = p->word.tx_epoch;
	p->rx.gap[0] = '\0';
	e->raise = true;
}

void engine_rx_raised(struct engine *e)
{
	for (unsigned i = 0; i < e->npeers; i++) {
		struct engine_peer *p = &e->peers[i];

		if (!p->rx.adopting)
			continue;
		p->rx.epoch = p->rx.adopting;
		p->say_word = true;
		adopt_not(&p->rx);
	}
}

void engine_rx_torn(struct engine *e, mono_t now)
{
	e->torn = true;
	engine_resume_void(e);
	for (unsigned i = 0; !e->masters && i < e->npeers; i++) {
		struct engine_rx *rx = &e->peers[i].rx;

		/* it may have confirmed what is gone now */
		if (bulk_expected(rx))
			engine_rx_failed(e, i, "entries were torn away",
					 retry_soon(rx, now), now);
		adopt_not(rx);
		rx->epoch = 0;
		e->peers[i].say_word = true;
	}
}

void engine_rx_role_changed(struct engine *e, bool master, mono_t now)
{
	for (unsigned i = 0; i < e->npeers; i++) {
		struct engine_rx *rx = &e->peers[i].rx;

		if (master && (rx->state == RX_MARK || rx->state == RX_SWEEP))
			engine_rx_failed(e, i, "this node became master", 0,
					 now);
		if (!master && bulk_expected(rx))
			engine_rx_failed(e, i, "this node was master", 0, now);
		if (master)
			adopt_not(rx);
		else
			rx->epoch = 0;
		adopt(e, i);
	}
}

/* It tells no more. If we do not have it all, or some that is over, who goes on
 * telling knows by now. */
static void ceased(struct engine *e, unsigned peer, mono_t now)
{
	struct engine_rx *rx = &e->peers[peer].rx;

	engine_sets_ceased(e, now);
	if (rx->streamed)
		tell_the_others(e, peer, now);
	rx->streamed = false;
	if (rx->epoch == rx->last_epoch && !rx->unswept)
		return;
	rx->unswept = false;
	for (unsigned i = 0; i < e->npeers; i++)
		if (i != peer &&
		    (engine_peer_tells(&e->peers[i]) || !e->peers[i].live))
			engine_rx_again(e, i, "it has more by now", now);
}

void engine_rx_word(struct engine *e, unsigned peer, mono_t now)
{
	struct engine_peer *p = &e->peers[peer];
	struct engine_rx *rx = &p->rx;

	if (rx->last_epoch && !p->word.tx_epoch)
		ceased(e, peer, now);
	rx->last_epoch = p->word.tx_epoch;
	for (size_t i = 0; i < e->nvhosts; i++) {
		const struct session_vhost *v =
			engine_peer_vhost(p, e->vhosts[i].name);

		if (v && v->state == CARP_MASTER)
			engine_handover_taken(e, i, peer);
	}
	adopt(e, peer);
	if (bulk_expected(rx) && rx->bulk_epoch != p->word.tx_epoch)
		engine_rx_failed(e, peer, "it was interrupted at the peer",
				 retry_soon(rx, now), now);
}

void engine_rx_gap(struct engine *e, unsigned peer, const char *reason,
		   mono_t now)
{
	struct engine_peer *p = &e->peers[peer];
	int64_t wait = retry_soon(&p->rx, now);

	snprintf(p->rx.gap, sizeof(p->rx.gap), "%s", reason);
	adopt_not(&p->rx);
	engine_resume_void_peer(e, peer);
	p->say_word = true;
	if (bulk_expected(&p->rx))
		engine_rx_failed(e, peer, reason, wait, now);
	else if (wait > RETRY_SOON_NS) /* the first is closed at once */
		p->rx.retry_at = mono_add(now, wait);
}

void engine_rx_open(struct engine_peer *p, const char *why, bool no_room,
		    mono_t now)
{
	if (!p->rx.gap[0] && p->rx.state == RX_IDLE)
		p->rx.retry_at = mono_add(now, RETRY_FULL_NS);
	snprintf(p->rx.gap, sizeof(p->rx.gap), "%s", why);
	p->rx.open_failure = true;
	p->rx.refused |= !no_room;
	p->say_word = true;
}

void engine_rx_bulk_begin(struct engine *e, unsigned peer,
			  const struct session_event *ev, mono_t now)
{
	struct engine_rx *rx = &e->peers[peer].rx;

	(void)now;
	if (rx->state != RX_ASKED || ev->bulk.id != rx->id)
		return;
	/* the table is another one than the streams of those away have left */
	for (unsigned i = 0; i < e->npeers; i++)
		if (i != peer && !e->peers[i].live && ev->bulk.epoch)
			engine_resume_void_peer(e, i);
	rx->state = RX_RUNNING;
	rx->bulk_epoch = ev->bulk.epoch;
	rx->total = ev->bulk.expected;
	rx->entries = 0;
	rx->open_failure = false;
	rx->refused = false;
	rx->unfit = 0;
}

void engine_rx_bulk_end(struct engine *e, unsigned peer,
			const struct session_event *ev, mono_t now)
{
	struct engine_peer *p = &e->peers[peer];
	struct engine_rx *rx = &p->rx;
	char why[SESSION_REASON_MAX];

	p->ack_seq = ev->bulk_end.seq;
	p->say_ack = true;
	if (rx->state != RX_RUNNING || ev->bulk_end.id != rx->id)
		return;
	if (!ev->bulk_end.complete) {
		snprintf(why, sizeof(why),
			 "%llu entries were sent, %llu arrived, or they differ",
			 (unsigned long long)ev->bulk_end.sent,
			 (unsigned long long)ev->bulk_end.arrived);
		engine_rx_failed(e, peer, why, retry_soon(rx, now), now);
		return;
	}
	engine_rx_unfit(e, p, now);
	/* who is master of nothing sends nothing: that confirms nothing. Where
	 * there was no room, what goes now makes some. */
	rx->unswept = rx->bulk_epoch && !e->masters &&
		      (!rx->alone || engine_others_tell(e, peer));
	if (rx->suspects && rx->bulk_epoch && !e->masters && !rx->refused) {
		if (!rx->unswept) {
			rx->state = RX_SWEEP;
			rx->swept = false;
			return;
		}
		e->raise = true;
	}
	engine_rx_ended(e, peer, now);
}

/* --- flows into our kernel ------------------------------------------------------ */

void engine_rx_flows(struct engine *e, unsigned peer,
		     const struct session_event *ev)
{
	struct engine_peer *p = &e->peers[peer];
	struct flow_change here;

	e->ops_peer = (int)peer;
	e->ops_seq = ev->flows.seq;
	e->ops_bulk = ev->flows.bulk;
	for (size_t i = 0; i < ev->flows.n; i++) {
		const struct flow_change *c =
			engine_zone_here(p, &ev->flows.list[i], &here);

		p->answered += !ev->flows.bulk &&
			       (c->op == FLOW_NEW || c->op == FLOW_UPDATE) &&
			       c->flow.status & IPS_SEEN_REPLY;
		if (c->op == FLOW_NEW)
			ended_forget(&p->rx.ended, &c->flow);
		/* nobody would tell of what a bulk brought that was given up */
		if (ev->flows.bulk && (p->rx.state != RX_RUNNING ||
				       ended_has(&p->rx.ended, &c->flow)))
			continue;
		engine_audit_touch(e, &c->flow);
		engine_lower_changed(e, &c->flow);
		if (!engine_op_told(e, c, peer))
			engine_filter_refused(e, peer, c);
	}
	if (ev->flows.bulk && p->rx.state == RX_RUNNING)
		p->rx.entries += ev->flows.n;
	if (e->nops)
		return;
	e->ops_peer = -1;
	p->ack_seq = ev->flows.seq;
	p->say_ack = true;
}

void engine_injected(struct engine *e, const uint8_t *results, int64_t cost_ns,
		     mono_t now)
{
	struct engine_peer *p;

	if (e->ops_peer < 0) {
		engine_dump_rest(e, true, cost_ns, now);
	} else {
		p = &e->peers[e->ops_peer];
		for (size_t i = 0; i < e->nops; i++)
			engine_rx_result(e, p, (enum flow_result)results[i],
					 now);
		p->rx.streamed |= e->masters && !e->ops_bulk;
		p->ack_seq = e->ops_seq;
		p->say_ack = true;
	}
	e->injected += e->nops;
	e->touched = true;
	e->fresh = 0;
	if (e->ops_peer >= 0 && e->dump_running && e->dump == DUMP_SWEEP)
		e->fresh = e->nops;
	e->nops = 0;
	e->ops_peer = -1;
}
