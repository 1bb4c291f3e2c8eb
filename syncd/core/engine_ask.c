/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * When this node asks a peer for its whole table, and whether its copies are
 * marked for that (engine_rx.c says what for). What comes then is engine_rx.c's.
 *
 * Invariant: copies are marked for one bulk at a time, of a peer that alone tells.
 */
#include "engine_sets_int.h"

#include <errno.h>

/* A request overtakes flows. What is being filled is in one of so many frames. */
#define FILLING_FRAMES 3
#define ASKED_MAX_NS   (120 * MONO_S) /* a peer serves one after another */
#define RETRY_SOON_NS  (500 * MONO_MS)

/* --- who tells ------------------------------------------------------------ */

bool engine_peer_tells(const struct engine_peer *p)
{
	return p->live && p->heard && p->word.tx_epoch;
}

bool engine_others_tell(const struct engine *e, unsigned peer)
{
	for (unsigned i = 0; i < e->npeers; i++)
		if (i != peer && engine_peer_tells(&e->peers[i]))
			return true;
	return false;
}

/* --- asking ------------------------------------------------------------------------- */

/* What a master told ended before it asked must have ended over there, or the
 * bulk brings it back; what ends from now on is remembered (rx.ended). */
static void request(struct engine *e, unsigned peer, mono_t now)
{
	struct engine_peer *p = &e->peers[peer];
	struct engine_rx *rx = &p->rx;

	if (rx->requested || (e->masters && !engine_epoch_acked(p) &&
			      session_seq_acked(p->session) < rx->told_seq))
		return;
	rx->requested = true;
	rx->asked_at = now;
	if (session_send_bulk_request(p->session, rx->id))
		engine_rx_failed(e, peer, "memory is short", RETRY_SOON_NS,
				 now);
}

static void ask(struct engine *e, unsigned peer, mono_t now)
{
	struct engine_peer *p = &e->peers[peer];

	p->rx.bulk_epoch = p->word.tx_epoch;
	p->rx.state = RX_ASKED;
	p->rx.requested = false;
	p->rx.told_seq = session_seq_sent(p->session) + FILLING_FRAMES;
	request(e, peer, now);
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

/* Copies are marked for it. A master's entries are its own, and those of one
 * that was; who has nothing to tell confirms nothing, and who is not alone not
 * all; an empty table has nothing to mark. */
static bool marks(const struct engine *e, unsigned peer)
{
	return !engine_telling(e) && e->peers[peer].word.tx_epoch &&
	       !engine_others_tell(e, peer) && (e->table || e->touched);
}

/* Copies are being marked or swept for another bulk. */
static bool marks_other(const struct engine *e, unsigned peer)
{
	for (unsigned i = 0; i < e->npeers; i++) {
		enum rx_state state = e->peers[i].rx.state;

		if (i != peer && (state == RX_MARK || state == RX_SWEEP))
			return true;
	}
	return false;
}

static bool wants_bulk(const struct engine *e, unsigned peer)
{
	const struct engine_peer *p = &e->peers[peer];

	/* who was master waits until what it told last is in the peer's table */
	if (!p->rx.asked &&
	    ((!e->masters && !engine_epoch_acked(p)) || !engine_sets_ready(e)))
		return false;
	if (marks(e, peer) && marks_other(e, peer))
		return false;
	return p->live && p->heard && p->rx.state == RX_IDLE && !e->stopping &&
	       !p->rx.adopt && !engine_resume_running(e, peer) &&
	       (p->rx.asked || !engine_rx_in_sync(e, peer) ||
		(p->rx.unswept && engine_peer_tells(p) &&
		 !engine_others_tell(e, peer) &&
		 engine_live_peers(e) == e->npeers));
}

/* What a peer was handed is being made copies of its own. */
static bool adopts(const struct engine *e)
{
	for (size_t i = 0; i < e->npeers; i++)
		if (e->peers[i].rx.adopting)
			return true;
	return false;
}

/* We are master, and who handed over to us has less than we. */
static void tell_unswept(struct engine *e, mono_t now)
{
	for (unsigned i = 0; i < e->npeers; i++) {
		e->peers[i].rx.unswept = false;
		engine_sync_gap(e, i, engine_rx_differently, now);
	}
}

void engine_rx_settle(struct engine *e, unsigned peer, mono_t now)
{
	struct engine_rx *rx = &e->peers[peer].rx;

	if (rx->unswept && e->masters)
		tell_unswept(e, now);
	engine_resume_settle(e, peer, now);
	if (rx->state == RX_ASKED)
		request(e, peer, now);
	if (rx->state == RX_ASKED && rx->requested &&
	    mono_diff(now, rx->asked_at) > ASKED_MAX_NS)
		engine_rx_failed(e, peer,
				 "the peer does not answer the request", 0,
				 now);
	if (rx->state == RX_SWEEP && !e->nops &&
	    (rx->swept || (rx->open_failure && rx->refused)))
		engine_rx_ended(e, peer, now);
	if (!wants_bulk(e, peer) || !mono_due(rx->retry_at, now))
		return;
	rx->id = ++e->ids;
	rx->started = now;
	rx->result = BULK_RUNNING;
	rx->entries = rx->total = rx->suspects = rx->missing = 0;
	rx->alone = !engine_others_tell(e, peer);
	/* it sets timeouts anew, but not of what was handed to another one */
	e->raise &= e->masters > 0 || adopts(e);
	if (marks(e, peer))
		rx->state = RX_MARK;
	else
		ask(e, peer, now);
}

mono_t engine_rx_deadline(const struct engine *e, unsigned peer)
{
	const struct engine_rx *rx = &e->peers[peer].rx;

	if (rx->state == RX_ASKED)
		return rx->requested ? mono_add(rx->asked_at, ASKED_MAX_NS + 1)
				     : MONO_NEVER;
	return wants_bulk(e, peer) ? rx->retry_at : MONO_NEVER;
}
