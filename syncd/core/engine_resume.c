/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Streams that go on after their link was down: whether they may, on either
 * side, and what is said of it. The bytes are the session's
 * (session_resume.c).
 *
 * A stream is void, and a bulk has to follow, as soon as one of the two tables
 * may have changed otherwise: a mastership began or ended, entries were torn
 * away or did not fit, a bulk was under way, events were lost; or when copies
 * may have run out, since nothing refreshed them.
 *
 * Implements rules 5.
 *
 * Invariant: resume.epoch is 0, or names an epoch of which this kernel has
 * everything up to number ack_seq, and what is injected now.
 */
#include "engine_int.h"

#include <stdio.h>
#include <string.h>

/* Copies live twice as long as this at least. */
#define RESUME_MAX_NS (TIMEOUT_STANDBY_S * MONO_S / 2)

static const char too_long[] =
	"the link was down for longer than the resume buffer holds";

/* --- what we tell ------------------------------------------------------- */

static bool going_on(const struct engine_peer *p)
{
	return p->tx.epoch && p->tx.state == TX_STREAM;
}

bool engine_resume_park(struct engine *e, unsigned peer)
{
	struct engine_peer *p = &e->peers[peer];

	p->resume.lost = NULL;
	if (!going_on(p)) {
		(void)session_restart(p->session);
		return false;
	}
	if (session_park(p->session))
		return true;
	if (e->resume_bytes)
		engine_resume_lost(e, peer, too_long);
	return false;
}

/* Into history, and the log. */
static void remember(struct engine *e, const struct engine_peer *p,
		     const char *what, mono_t now)
{
	int64_t ms = mono_diff(now, p->down_since) / MONO_MS;
	char text[SESSION_REASON_MAX];

	snprintf(text, sizeof(text), "link was down %lld.%lld s, %s",
		 (long long)(ms / 1000), (long long)(ms % 1000 / 100), what);
	history_note(&e->history, now, p->name, text);
	engine_log(e, LEVEL_NOTICE, "peer \"%s\": %s", p->name, text);
}

static void went_on(struct engine *e, struct engine_peer *p, uint64_t changes,
		    const char *how, mono_t now)
{
	char text[64];

	p->resume.at = now;
	p->say_word = true;
	snprintf(text, sizeof(text), "resumed, %llu changes %s",
		 (unsigned long long)changes, how);
	remember(e, p, text, now);
}

/* Does the peer's offer fit, and is all there that it lacks? */
static bool try_resume(struct engine_peer *p, uint64_t *changes)
{
	const struct session_place *from = &p->hello.resume;

	if (!session_parked(p->session) || from->epoch != p->tx.epoch)
		return false;
	if (session_resume(p->session, from, changes) == 0)
		return true;
	/* some of it was sent, too, and not kept */
	p->resume.dropped++;
	p->resume.lost = too_long;
	return false;
}

bool engine_resume_tell(struct engine *e, unsigned peer, const char **why,
			mono_t now)
{
	struct engine_peer *p = &e->peers[peer];
	bool offered = p->hello.resume.epoch, ok;
	uint64_t changes;

	ok = try_resume(p, &changes);
	*why = offered ? p->resume.lost : NULL;
	p->resume.lost = NULL;
	if (ok) {
		p->resume.told++;
		p->tx.behind = session_backlog(p->session);
		p->resume.again += changes;
		went_on(e, p, changes, "sent again", now);
	} else if (*why) {
		char text[SESSION_REASON_MAX];

		snprintf(text, sizeof(text), "a bulk follows: %s", *why);
		remember(e, p, text, now);
	}
	return ok;
}

void engine_resume_lost(struct engine *e, unsigned peer, const char *why)
{
	struct engine_peer *p = &e->peers[peer];

	(void)session_restart(p->session);
	p->resume.dropped++;
	p->resume.lost = why;
}

const char *engine_resume_too_long(void)
{
	return too_long;
}

/* --- what we are told --------------------------------------------------- */

static void void_rx(struct engine_peer *p)
{
	p->resume.epoch = p->resume.last = 0;
	p->resume.running = false;
}

void engine_resume_void(struct engine *e)
{
	for (unsigned i = 0; i < e->npeers; i++)
		void_rx(&e->peers[i]);
}

void engine_resume_void_peer(struct engine *e, unsigned peer)
{
	void_rx(&e->peers[peer]);
}

/* Flows have passed elsewhere since: what was told before may be older than
 * what is there. */
void engine_resume_masters(struct engine *e)
{
	uint32_t set = engine_masters(e);

	if (set == e->master_set)
		return;
	e->master_set = set;
	engine_resume_void(e);
	engine_sync_unpark(e);
}

void engine_resume_keep(struct engine *e, unsigned peer, mono_t now)
{
	struct engine_peer *p = &e->peers[peer];

	/* else it is as it was: this connection did not get so far */
	if (p->rx.epoch) {
		void_rx(p);
		p->resume.since = now;
		if (p->rx.state == RX_IDLE && !p->rx.gap[0])
			p->resume.epoch = p->rx.epoch;
	}
	p->resume.running = false;
}

/* The number of this peer's frame that is being put into our kernel, or 0. It
 * will be there before anything that is told next. */
static uint64_t injecting(const struct engine *e, unsigned peer)
{
	if (e->nops && e->ops_peer == (int)peer)
		return e->ops_seq;
	if (e->expects.batch.n && e->expects.peer == (int)peer)
		return e->expects.seq;
	if (e->sets && e->sets->nops && e->sets->ops_peer == (int)peer)
		return e->sets->ops_seq;
	return 0;
}

static void begin_anew(struct engine *e, unsigned peer)
{
	struct engine_peer *p = &e->peers[peer];

	void_rx(p);
	/* what an earlier connection told is injected, but answered no more */
	if (e->ops_peer == (int)peer)
		e->ops_peer = -1;
	if (e->expects.peer == (int)peer)
		e->expects.peer = -1;
	if (e->sets && e->sets->ops_peer == (int)peer)
		e->sets->ops_peer = -1;
	p->ack_seq = 0;
	p->say_ack = false;
	memset(p->refused, 0, sizeof(p->refused));
}

void engine_resume_offer(struct engine *e, unsigned peer, mono_t now)
{
	struct engine_peer *p = &e->peers[peer];
	struct session_place have = { 0 };

	if (p->rx.gap[0] || mono_diff(now, p->resume.since) > RESUME_MAX_NS)
		void_rx(p);
	if (p->resume.epoch) {
		have.epoch = p->resume.epoch;
		have.seq = injecting(e, peer);
		if (!have.seq)
			have.seq = p->ack_seq;
	} else {
		begin_anew(e, peer);
	}
	session_offer(p->session, &have);
}

void engine_resume_hello(struct engine *e, unsigned peer)
{
	struct engine_peer *p = &e->peers[peer];

	if (!session_offered(p->session))
		begin_anew(e, peer);
}

void engine_resume_answered(struct engine *e, unsigned peer,
			    const struct session_event *ev)
{
	struct engine_peer *p = &e->peers[peer];

	/* void: it was, since the offer */
	if (!ev->resume.epoch) {
		begin_anew(e, peer);
		return;
	}
	p->resume.last = ev->resume.last;
	p->resume.running = p->resume.epoch == ev->resume.epoch;
	p->resume.heard_from = session_stats(p->session)->flows_received;
	p->say_ack = !injecting(e, peer);
}

bool engine_resume_running(const struct engine *e, unsigned peer)
{
	return e->peers[peer].resume.running;
}

void engine_resume_settle(struct engine *e, unsigned peer, mono_t now)
{
	struct engine_peer *p = &e->peers[peer];
	uint64_t changes;

	if (!p->resume.running)
		return;
	if (p->heard && p->word.tx_epoch != p->resume.epoch) {
		void_rx(p); /* it broke off over there */
		return;
	}
	if (p->ack_seq < p->resume.last)
		return;
	p->rx.epoch = p->resume.epoch;
	void_rx(p);
	changes = session_stats(p->session)->flows_received -
		  p->resume.heard_from;
	p->resume.heard++;
	went_on(e, p, changes, "came after it", now);
}

/* --- another process of this node goes on ------------------------------- */

/* Nothing that was read is still to be told. */
static bool all_told(const struct engine *e)
{
	return !e->congested && mono_is_never(destroys_deadline(&e->destroys));
}

bool engine_keep_settled(const struct engine *e)
{
	for (size_t i = 0; i < e->npeers; i++) {
		const struct engine_peer *p = &e->peers[i];

		if (p->live && going_on(p) &&
		    !(all_told(e) && engine_epoch_acked(p)))
			return false;
	}
	return true;
}

struct session_place engine_resume_told(const struct engine *e, unsigned peer)
{
	const struct engine_peer *p = &e->peers[peer];

	if (!p->live || !going_on(p) || !all_told(e) ||
	    !engine_epoch_acked(p) || !engine_tx_in_sync(e, peer))
		return (struct session_place){ 0 };
	return (struct session_place){ p->tx.epoch,
				       session_seq_sent(p->session) };
}

/* What is to be injected now will not be, and is not acknowledged. */
struct session_place engine_resume_heard(const struct engine *e, unsigned peer)
{
	const struct engine_peer *p = &e->peers[peer];
	uint64_t epoch = p->rx.epoch ? p->rx.epoch : p->resume.epoch;

	if (!epoch || p->rx.state != RX_IDLE || p->rx.gap[0] || e->torn ||
	    e->marked || e->raise)
		return (struct session_place){ 0 };
	return (struct session_place){ epoch, p->ack_seq };
}

void engine_resume_restore(struct engine *e, unsigned peer,
			   const struct session_place *told,
			   const struct session_place *heard, mono_t now)
{
	struct engine_peer *p = &e->peers[peer];

	if (told->epoch && e->resume_bytes) {
		session_adopt(p->session, told->seq);
		p->tx.state = TX_STREAM;
		p->tx.epoch = told->epoch;
	}
	if (heard->epoch && !e->torn) {
		p->resume.epoch = heard->epoch;
		p->resume.since = now;
		p->ack_seq = heard->seq;
		/* they had the time until the next look of a peer, and that
		 * looks twice before it keeps one alive */
		e->raise = true;
	}
}
