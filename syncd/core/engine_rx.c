/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a peer tells us about its flows: into our kernel with it, the answer
 * back, and the whole table again when anything is missing.
 *
 * A bulk in three steps. Before it, every copy that we have is marked: its
 * timeout is cut (TIMEOUT_SUSPECT_S). The bulk, and the stream beside it, set
 * the timeouts of all that lives. After it, what still bears the mark is gone
 * at the owner and is removed. So the kernel's own table is the memory of what
 * the bulk has confirmed.
 *
 * Invariant: rx.epoch names an epoch of which this kernel has everything.
 */
#include "engine_sets_int.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <stdio.h>
#include <string.h>

#define ASKED_MAX_NS	  (10 * MONO_S)
#define RETRY_SOON_NS	  (500 * MONO_MS)
#define RETRY_FULL_NS	  (10 * MONO_S)
#define RETRY_FULL_MAX_NS (300 * MONO_S)

bool engine_rx_in_sync(const struct engine *e, unsigned peer)
{
	const struct engine_peer *p = &e->peers[peer];

	if (!p->live || !p->heard || p->rx.gap[0])
		return false;
	return !p->word.tx_epoch || p->rx.epoch == p->word.tx_epoch;
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

static void failed(struct engine *e, unsigned peer, const char *why,
		   int64_t retry_ns, mono_t now)
{
	struct engine_rx *rx = &e->peers[peer].rx;

	engine_dump_cancel(e, DUMP_MARK, peer);
	engine_dump_cancel(e, DUMP_SWEEP, peer);
	/* what was marked for it gets a copy's timeout again */
	if (rx->suspects && !e->masters)
		e->raise = true;
	rx->state = RX_IDLE;
	rx->result = BULK_FAILED;
	e->peers[peer].bulks[BULK_FAILED]++;
	rx->retry_at = mono_add(now, retry_ns);
	snprintf(rx->why, sizeof(rx->why), "%s", why);
	engine_log(e, LEVEL_WARNING, "bulk from %s failed: %s",
		   e->peers[peer].name, why);
	answer(e, peer, false, why);
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
	failed(e, peer, why, rx->retry_full_ns, now);
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

void engine_rx_again(struct engine *e, unsigned peer, const char *why,
		     mono_t now)
{
	struct engine_rx *rx = &e->peers[peer].rx;

	if (rx->state != RX_IDLE)
		failed(e, peer, why, 0, now);
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

	if (rx->state != RX_IDLE)
		failed(e, peer, why, 0, now);
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

void engine_rx_torn(struct engine *e)
{
	e->torn = true;
	engine_resume_void(e);
	for (unsigned i = 0; !e->masters && i < e->npeers; i++) {
		e->peers[i].rx.epoch = 0;
		e->peers[i].say_word = true;
	}
}

void engine_rx_role_changed(struct engine *e, bool master, mono_t now)
{
	for (unsigned i = 0; i < e->npeers; i++) {
		struct engine_rx *rx = &e->peers[i].rx;

		if (master && (rx->state == RX_MARK || rx->state == RX_SWEEP))
			failed(e, i, "this node became master", 0, now);
		if (!master && bulk_expected(rx))
			failed(e, i, "this node was master", 0, now);
		if (master)
			adopt_not(rx);
		else
			rx->epoch = 0;
		adopt(e, i);
	}
}

void engine_rx_word(struct engine *e, unsigned peer, mono_t now)
{
	struct engine_peer *p = &e->peers[peer];
	struct engine_rx *rx = &p->rx;

	adopt(e, peer);
	if (bulk_expected(rx) && rx->bulk_epoch != p->word.tx_epoch)
		failed(e, peer, "it was interrupted at the peer", RETRY_SOON_NS,
		       now);
}

void engine_rx_gap(struct engine *e, unsigned peer, const char *reason,
		   mono_t now)
{
	struct engine_peer *p = &e->peers[peer];

	snprintf(p->rx.gap, sizeof(p->rx.gap), "%s", reason);
	adopt_not(&p->rx);
	engine_resume_void_peer(e, peer);
	p->say_word = true;
	if (bulk_expected(&p->rx))
		failed(e, peer, reason, RETRY_SOON_NS, now);
}

void engine_rx_bulk_begin(struct engine *e, unsigned peer,
			  const struct session_event *ev, mono_t now)
{
	struct engine_rx *rx = &e->peers[peer].rx;

	(void)now;
	if (rx->state != RX_ASKED || ev->bulk.id != rx->id)
		return;
	rx->state = RX_RUNNING;
	rx->bulk_epoch = ev->bulk.epoch;
	rx->total = ev->bulk.expected;
	rx->entries = 0;
	rx->open_failure = false;
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
		failed(e, peer, why, RETRY_SOON_NS, now);
		return;
	}
	if (rx->open_failure) {
		snprintf(why, sizeof(why), "%.90s (%llu missing)", rx->gap,
			 (unsigned long long)rx->missing);
		failed_full(e, peer, why, now);
		return;
	}
	/* who is master of nothing sends nothing: that confirms nothing */
	if (rx->suspects && rx->bulk_epoch && !e->masters) {
		rx->state = RX_SWEEP;
		rx->swept = false;
		return;
	}
	complete(e, peer, now);
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
		if (ev->flows.bulk && ended_has(&p->rx.ended, &c->flow))
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

/* The kernel did not take an entry, and may take it later (rules 5). */
static const char *open_reason(enum flow_result r)
{
	switch (r) {
	case FLOW_TABLE_FULL:
		return "the connection table is full";
	case FLOW_CHAIN:
		return "a hash chain of the connection table is too long";
	case FLOW_ACK_LOST:
		return "the kernel's answers were lost";
	case FLOW_INVALID:
	case FLOW_OTHER:
		return "the kernel refuses flows";
	case FLOW_APPLIED:
	case FLOW_GONE:
	case FLOW_CLASH:
	case FLOW_HELPER:
	case FLOW_LABELS:
	case FLOW_KEPT:
	case FLOW_OUSTED:
	case FLOW_RESULT_COUNT:
		break;
	}
	return NULL;
}

static const char *remedy(enum flow_result r)
{
	if (r == FLOW_INVALID || r == FLOW_OTHER)
		return "it lacks what the peer's has: the same nat chains, "
		       "helpers and modules (nf_nat) on both nodes";
	return "sysctl -w net.netfilter.nf_conntrack_max (and _buckets) to "
	       "more than the peer has";
}

static void count_result(struct engine *e, struct engine_peer *p,
			 enum flow_result r, mono_t now)
{
	const char *open = open_reason(r);

	e->results[r]++;
	p->refused[r]++;
	if (r == FLOW_LABELS)
		p->rx.labels_at = now;
	if (e->ops_bulk && r != FLOW_APPLIED && r != FLOW_GONE &&
	    r != FLOW_HELPER && r != FLOW_LABELS && r < FLOW_KEPT)
		p->rx.missing++;
	if (!open)
		return;
	if (!p->rx.gap[0])
		engine_log(e, LEVEL_WARNING,
			   "%s: flows of %s are missing here. %s", open,
			   p->name, remedy(r));
	snprintf(p->rx.gap, sizeof(p->rx.gap), "%s", open);
	p->rx.open_failure = true;
	p->say_word = true;
}

void engine_injected(struct engine *e, const uint8_t *results, int64_t cost_ns,
		     mono_t now)
{
	struct engine_peer *p;
	bool had_gap;

	if (e->ops_peer < 0) {
		engine_dump_rest(e, true, cost_ns, now);
	} else {
		p = &e->peers[e->ops_peer];
		had_gap = p->rx.gap[0];
		for (size_t i = 0; i < e->nops; i++)
			count_result(e, p, (enum flow_result)results[i], now);
		if (p->rx.gap[0] && !had_gap && p->rx.state == RX_IDLE)
			p->rx.retry_at = mono_add(now, RETRY_FULL_NS);
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

/* --- asking ------------------------------------------------------------------------- */

static void ask(struct engine *e, unsigned peer, mono_t now)
{
	struct engine_peer *p = &e->peers[peer];

	p->rx.bulk_epoch = p->word.tx_epoch;
	p->rx.state = RX_ASKED;
	p->rx.asked_at = now;
	if (session_send_bulk_request(p->session, p->rx.id))
		failed(e, peer, "memory is short", RETRY_SOON_NS, now);
}

void engine_rx_marked(struct engine *e, unsigned peer, mono_t now)
{
	ask(e, peer, now);
}

int engine_bulk(struct engine *e, unsigned peer, mono_t now)
{
	struct engine_peer *p = &e->peers[peer];

	if (!p->live)
		return -ENOTCONN;
	p->rx.asked = true;
	p->rx.retry_at = now;
	return 0;
}

/* Who was master waits until the peer's kernel has what it was told last: it is
 * in the peer's table then. */
static bool all_acked(const struct engine *e, const struct engine_peer *p)
{
	return e->masters ||
	       (!session_filling(p->session) &&
		session_seq_acked(p->session) == session_seq_sent(p->session));
}

static bool wants_bulk(const struct engine *e, unsigned peer)
{
	const struct engine_peer *p = &e->peers[peer];

	if (!p->rx.asked && (!all_acked(e, p) || !engine_sets_ready(e)))
		return false;
	return p->live && p->heard && p->rx.state == RX_IDLE && !e->stopping &&
	       !p->rx.adopt && !engine_resume_running(e, peer) &&
	       (p->rx.asked || !engine_rx_in_sync(e, peer));
}

void engine_rx_settle(struct engine *e, unsigned peer, mono_t now)
{
	struct engine_rx *rx = &e->peers[peer].rx;

	engine_resume_settle(e, peer, now);
	if (rx->state == RX_ASKED &&
	    mono_diff(now, rx->asked_at) > ASKED_MAX_NS)
		failed(e, peer, "the peer does not answer the request", 0, now);
	if (rx->state == RX_SWEEP && rx->open_failure)
		failed_full(e, peer, rx->gap, now);
	if (rx->state == RX_SWEEP && rx->swept && !e->nops)
		complete(e, peer, now);
	if (!wants_bulk(e, peer) || !mono_due(rx->retry_at, now))
		return;
	rx->id = ++e->ids;
	rx->started = now;
	rx->result = BULK_RUNNING;
	rx->entries = rx->total = rx->suspects = rx->missing = 0;
	e->raise &= e->masters > 0; /* it sets timeouts anew */
	/* a master's entries are its own, and those of one that was; who has
	 * nothing to tell confirms nothing; an empty table has nothing to
	 * mark */
	if (engine_telling(e) || !e->peers[peer].word.tx_epoch ||
	    (!e->table && !e->touched))
		ask(e, peer, now);
	else
		rx->state = RX_MARK;
}

mono_t engine_rx_deadline(const struct engine *e, unsigned peer)
{
	const struct engine_rx *rx = &e->peers[peer].rx;

	if (rx->state == RX_ASKED)
		return mono_add(rx->asked_at, ASKED_MAX_NS + 1);
	return wants_bulk(e, peer) ? rx->retry_at : MONO_NEVER;
}
