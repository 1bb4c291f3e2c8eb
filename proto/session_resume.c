// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A stream that outlives its connection: parked by its sender, offered by its
 * receiver, resumed where that one has got to. Not when that may be: the
 * caller knows whether the two tables were let alone meanwhile.
 *
 * Text: statesync.proto, Hello and Resume; rules 5.
 *
 * Invariant: a receiver that resumes hears each number once, in order, and
 * none is missing.
 */
#include <assert.h>
#include <errno.h>

#include "session_int.h"
#include "statesync.pb-c.h"

/* --- the sender --------------------------------------------------------- */

void session_set_resume(struct session *s, size_t bytes)
{
	s->tx.flows_max = bytes;
	outbox_trim(&s->tx.flows, bytes);
}

bool session_park(struct session *s)
{
	struct session_tx *tx = &s->tx;

	session_tx_empty_control(tx);
	/* the connection may have ended before it was decided */
	tx->parked = !tx->bulk.running && tx->flows_max > 0 &&
		     outbox_bytes(&tx->flows) <= tx->flows_max;
	if (!tx->parked)
		session_tx_forget_flows(tx, 0);
	return tx->parked;
}

bool session_parked(const struct session *s)
{
	return s->tx.parked;
}

void session_adopt(struct session *s, uint64_t seq)
{
	session_tx_forget_flows(&s->tx, seq);
	s->tx.parked = true;
}

static int answer(struct session *s, const struct session_place *from)
{
	Statesync__Resume m;

	statesync__resume__init(&m);
	m.epoch = from->epoch;
	m.seq = from->seq;
	m.last = from->epoch ? s->tx.flows.seq : 0;
	return frame_add(session_control(s), FRAME_RESUME, 0, &m.base);
}

/* Without decoding all of it: the shapes come first, a flow each, and are
 * numbers of one or two bytes (statesync.proto, Flows). */
static uint64_t count_changes(const struct frame *f)
{
	const uint8_t *p = f->payload, *end = p + f->len;
	uint64_t n = 0, len = 0;

	if (f->type != FRAME_FLOWS || f->len < 2 || *p++ != (1 << 3 | 2))
		return 0;
	for (unsigned shift = 0; p < end && shift < 32; shift += 7) {
		len |= (uint64_t)(*p & 0x7f) << shift;
		if (!(*p++ & 0x80))
			break;
	}
	for (; p < end && len > 0; len--)
		n += !(*p++ & 0x80);
	return n;
}

int session_resume(struct session *s, const struct session_place *from,
		   uint64_t *changes)
{
	struct session_tx *tx = &s->tx;
	int r;

	assert(s->state == SESSION_STATE_LIVE);
	if (!tx->parked || !outbox_rewind(&tx->flows, from->seq))
		return -ENOENT;
	r = answer(s, from);
	if (r < 0)
		return r;
	lag_acked(&tx->lag, from->seq);
	tx->acked = from->seq;
	tx->parked = s->peer_offers = false;
	*changes = outbox_sum(&tx->flows, count_changes) + tx->stream_batch.n;
	return 0;
}

int session_restart(struct session *s)
{
	const struct session_place none = { 0 };

	session_tx_forget_flows(&s->tx, 0);
	if (s->state != SESSION_STATE_LIVE || !s->peer_offers)
		return 0;
	s->peer_offers = false;
	return answer(s, &none);
}

/* --- the receiver ------------------------------------------------------- */

void session_offer(struct session *s, const struct session_place *have)
{
	s->hello.resume = *have;
}

bool session_offered(const struct session *s)
{
	return s->rx.awaiting;
}

enum session_error session_hear_resume(struct session *s, const struct frame *f,
				       struct session_event *e)
{
	const struct session_place *have = &s->hello.resume;
	const Statesync__Resume *m = (const Statesync__Resume *)arena_unpack(
		&s->rx.arena, &statesync__resume__descriptor, f->payload,
		f->len);

	e->type = SESSION_RESUME;
	if (!m)
		return SESSION_BAD_MESSAGE;
	if (!s->rx.awaiting)
		return SESSION_BAD_FRAME;
	s->rx.awaiting = false;
	if (!m->epoch)
		return SESSION_OK;
	if (m->epoch != have->epoch || m->seq != have->seq || m->last < m->seq)
		return SESSION_BAD_MESSAGE;
	s->rx.seq = m->seq;
	e->resume.epoch = m->epoch;
	e->resume.last = m->last;
	return SESSION_OK;
}
