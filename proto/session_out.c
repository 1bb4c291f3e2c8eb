// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The sending half of a session: batches, numbers, queues, and what has been
 * acknowledged. Not a socket: the bytes wait here until they are taken.
 *
 * Invariant: flows are offered in the order of their numbers, and those that
 * were not begun to be taken can be thrown away: their numbers are given
 * again, and the peer never sees a hole.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "session_int.h"
#include "statesync.pb-c.h"

#define OUTPUT_MAX (64 * 1024) /* offered at once, unless one frame is more */
/*
 * What may wait for a peer. Of control all facts of a node are the most, a
 * quarter of this; of flows a gap comes long before (engine_sync.c), but
 * answers to a peer that asks and never reads have no other bound.
 */
#define CONTROL_MAX (2 * 1024 * 1024)
#define FLOWS_MAX   (16 * 1024 * 1024)

/* --- life --------------------------------------------------------------- */

int session_tx_init(struct session_tx *tx)
{
	return queue_init(&tx->control.q);
}

void session_tx_free(struct session_tx *tx)
{
	queue_free(&tx->control.q);
	outbox_clear(&tx->flows, 0);
}

void session_tx_empty_control(struct session_tx *tx)
{
	queue_cut(&tx->control.q, 0);
	tx->control.part = 0;
	tx->offered_len = 0;
	tx->last_ack = 0;
}

void session_tx_forget_flows(struct session_tx *tx, uint64_t seq)
{
	outbox_clear(&tx->flows, seq);
	tx->parked = false;
	tx->offered_len = 0;
	tx->acked = seq;
	tx->lag = (struct lag){ 0 };
	tx->bulk = (struct session_bulk){ 0 };
	flow_pb_clear(&tx->stream_batch);
	flow_pb_clear(&tx->bulk_batch);
	tx->expects.n = 0;
}

void session_tx_reset(struct session_tx *tx)
{
	session_tx_empty_control(tx);
	if (!tx->parked)
		session_tx_forget_flows(tx, 0);
}

/* More waits than for any peer that reads. */
bool session_tx_is_stuck(const struct session_tx *tx)
{
	return tx->control.q.len > CONTROL_MAX ||
	       tx->flows.waiting > FLOWS_MAX + tx->flows_max;
}

/* --- control ------------------------------------------------------------ */

struct queue *session_control(struct session *s)
{
	s->tx.offered_len = 0;
	s->tx.last_ack = 0;
	return &s->tx.control.q;
}

int session_send_hello(struct session *s)
{
	return session_msg_put_hello(session_control(s), &s->hello, &s->names);
}

int session_send_word(struct session *s, const struct session_word *w)
{
	if (!session_is_open(s))
		return 0;
	return session_msg_put_word(session_control(s), w);
}

int session_send_advert(struct session *s, const struct session_advert *ad)
{
	if (!session_is_open(s))
		return 0;
	return session_msg_put_advert(session_control(s), ad);
}

int session_send_addresses(struct session *s,
			   const struct session_address *list, size_t n)
{
	if (!session_is_open(s))
		return 0;
	return session_msg_put_addresses(session_control(s), list, n);
}

int session_send_bulk_request(struct session *s, uint64_t id)
{
	if (!session_is_open(s))
		return 0;
	return session_msg_put_bulk_request(session_control(s), id);
}

int session_send_gap(struct session *s, uint64_t epoch, const char *reason)
{
	if (!session_is_open(s))
		return 0;
	return session_msg_put_gap(session_control(s), epoch, reason);
}

int session_send_handover(struct session *s, const struct session_switch *h)
{
	if (!session_is_open(s))
		return 0;
	return session_msg_put_handover(session_control(s), h);
}

/*
 * An acknowledgement that still waits as the last of its queue is replaced,
 * so that a peer which sends and never reads cannot pile them up.
 */
int session_send_ack(struct session *s, uint64_t seq, const uint64_t *refused,
		     size_t n)
{
	size_t replaced = s->tx.last_ack, before;
	struct queue *q;
	int r;

	if (!session_is_open(s))
		return 0;
	assert(seq <= s->rx.seq);
	q = session_control(s);
	queue_cut(q, q->len - replaced);
	before = q->len;
	r = session_msg_put_ack(q, seq, refused, n);
	s->tx.last_ack = q->len - before;
	return r;
}

/* --- flows -------------------------------------------------------------- */

void session_frame_added(struct session *s)
{
	s->tx.offered_len = 0;
	lag_add(&s->tx.lag, s->tx.flows.seq, s->now);
	outbox_trim(&s->tx.flows, s->tx.flows_max);
}

static int batch_close(struct session *s, struct flow_pb_batch *b,
		       enum frame_type type)
{
	Statesync__Flows m;
	int r;

	if (b->n == 0)
		return 0;
	flow_pb_message(b, &m);
	r = outbox_add(&s->tx.flows, type, &m.base);
	if (r < 0)
		return r;
	session_frame_added(s);
	s->stats.flows_sent += b->n;
	s->stats.bulk_sent += type == FRAME_BULK_FLOWS ? b->n : 0;
	flow_pb_clear(b);
	return 0;
}

static int bulk_close(struct session *s)
{
	return batch_close(s, &s->tx.bulk_batch, FRAME_BULK_FLOWS);
}

static int expects_close(struct session *s)
{
	int r;

	if (s->tx.expects.n == 0)
		return 0;
	r = expect_put(&s->tx.flows, &s->tx.expects);
	if (r < 0)
		return r;
	session_frame_added(s);
	s->tx.expects.n = 0;
	return 0;
}

/*
 * A copy of the bulk never leaves after a change that was told later: what
 * waits of the bulk goes first (rules 4).
 */
static int stream_close(struct session *s)
{
	int r = s->tx.stream_batch.n > 0 ? bulk_close(s) : 0;

	if (r == 0)
		r = expects_close(s);
	if (r < 0)
		return r;
	return batch_close(s, &s->tx.stream_batch, FRAME_FLOWS);
}

int session_tell(struct session *s, const struct flow_change *c, mono_t now)
{
	struct flow_pb_batch *b = &s->tx.stream_batch;
	int r;

	session_clock(s, now);
	/* where it has failed it may be parked yet, and go on */
	if (s->state == SESSION_STATE_DOWN && !s->tx.parked)
		return 0;
	if (!flow_valid(&c->flow)) {
		s->stats.frames_invalid_flows++;
		return 0;
	}
	r = expects_close(s);
	if (r < 0)
		return r;
	if (b->n == FLOW_PB_BATCH) { /* was full when memory was short */
		r = stream_close(s);
		if (r < 0)
			return r;
	}
	flow_pb_add(b, c->op, &c->flow);
	if (b->n == FLOW_PB_BATCH)
		(void)stream_close(s); /* if it fails, the next call tells */
	if (s->tx.parked && outbox_bytes(&s->tx.flows) > s->tx.flows_max)
		return -ENOBUFS;
	return 0;
}

bool session_hears_expects(const struct session *s)
{
	return session_is_open(s) && s->peer_can & SESSION_CAN_EXPECTS;
}

int session_tell_expect(struct session *s, const struct expect_change *c,
			mono_t now)
{
	struct expect_batch *b = &s->tx.expects;
	int r = 0;

	session_clock(s, now);
	if (!session_hears_expects(s))
		return 0;
	if (!expect_valid(&c->expect)) {
		s->stats.frames_invalid_flows++;
		return 0;
	}
	if (s->tx.stream_batch.n > 0 || b->n == EXPECT_BATCH)
		r = stream_close(s);
	if (r < 0)
		return r;
	b->list[b->n++] = *c;
	return 0;
}

int session_flush(struct session *s, mono_t now)
{
	session_clock(s, now);
	return stream_close(s);
}

size_t session_filling(const struct session *s)
{
	return s->tx.stream_batch.n + s->tx.expects.n;
}

/* --- bulk --------------------------------------------------------------- */

int session_bulk_begin(struct session *s, uint64_t id, uint64_t epoch,
		       uint64_t expected, const uint8_t key[DIGEST_KEY_LEN],
		       mono_t now)
{
	struct session_bulk_begin b = {
		.id = id,
		.epoch = epoch,
		.expected = expected,
	};
	int r;

	session_clock(s, now);
	if (!session_is_open(s))
		return 0;
	r = stream_close(s);
	if (r < 0)
		return r;
	r = bulk_close(s);
	if (r < 0)
		return r;
	memcpy(b.key, key, sizeof(b.key));
	r = session_msg_put_bulk_begin(&s->tx.flows, &b);
	if (r < 0)
		return r;
	session_frame_added(s);
	s->tx.bulk = (struct session_bulk){ .running = true, .id = id };
	memcpy(s->tx.bulk.key, key, sizeof(s->tx.bulk.key));
	return 0;
}

int session_bulk_tell(struct session *s, const struct flow *f, mono_t now)
{
	struct flow_pb_batch *b = &s->tx.bulk_batch;
	int r;

	session_clock(s, now);
	if (!s->tx.bulk.running)
		return 0;
	if (!flow_valid(f)) {
		s->stats.frames_invalid_flows++;
		return 0;
	}
	if (b->n == FLOW_PB_BATCH) {
		r = bulk_close(s);
		if (r < 0)
			return r;
	}
	flow_pb_add(b, FLOW_COPY, f);
	digest_add(&s->tx.bulk.digest, s->tx.bulk.key, f);
	if (b->n == FLOW_PB_BATCH)
		(void)bulk_close(s);
	return 0;
}

int session_bulk_flush(struct session *s, mono_t now)
{
	session_clock(s, now);
	return bulk_close(s);
}

int session_bulk_end(struct session *s, mono_t now)
{
	struct session_bulk_end b = {
		.id = s->tx.bulk.id,
		.digest = s->tx.bulk.digest,
	};
	int r;

	session_clock(s, now);
	if (!s->tx.bulk.running)
		return 0;
	r = stream_close(s);
	if (r < 0)
		return r;
	r = bulk_close(s);
	if (r < 0)
		return r;
	r = session_msg_put_bulk_end(&s->tx.flows, &b);
	if (r < 0)
		return r;
	session_frame_added(s);
	s->tx.bulk.running = false;
	return 0;
}

/* --- bytes out ---------------------------------------------------------- */

static size_t frame_size_at(const struct queue *q, size_t at)
{
	struct frame f;
	enum frame_result r = frame_look(queue_data(q) + at, q->len - at, &f);

	assert(r == FRAME_OK);
	return frame_size(&f);
}

/* The rest of a begun frame alone, or as many whole ones as are sensible. */
static size_t lane_offer(const struct session_lane *lane)
{
	size_t len = lane->part, size;

	if (len > 0)
		return len;
	while (len < lane->q.len) {
		size = frame_size_at(&lane->q, len);
		if (len > 0 && len + size > OUTPUT_MAX)
			break;
		len += size;
	}
	return len;
}

static void lane_take(struct session_lane *lane, size_t len)
{
	size_t n;

	while (len > 0) {
		if (lane->part == 0)
			lane->part = frame_size_at(&lane->q, 0);
		n = len < lane->part ? len : lane->part;
		queue_take(&lane->q, n);
		lane->part -= n;
		len -= n;
	}
}

size_t session_output(struct session *s, const uint8_t **bytes)
{
	struct session_tx *tx = &s->tx;

	tx->offered_len = 0;
	if (!session_is_open(s))
		return 0;
	/* what is parked waits for session_resume or session_restart */
	tx->offered_flows =
		!tx->parked && (tx->flows.part > 0 || tx->control.q.len == 0);
	if (tx->offered_flows) {
		tx->offered_len = outbox_offer(&tx->flows, OUTPUT_MAX, bytes);
	} else {
		tx->offered_len = lane_offer(&tx->control);
		*bytes = queue_data(&tx->control.q);
	}
	return tx->offered_len;
}

/* What was sent is kept for another connection; not so a bulk's first part,
 * since one that is interrupted begins anew. */
static void flows_taken(struct session_tx *tx, size_t len)
{
	outbox_take(&tx->flows, len);
	outbox_trim(&tx->flows, tx->bulk.running ? 0 : tx->flows_max);
}

void session_sent(struct session *s, size_t len)
{
	struct session_tx *tx = &s->tx;

	assert(len <= tx->offered_len);
	tx->offered_len = 0;
	if (len == 0)
		return;
	if (tx->offered_flows) {
		flows_taken(tx, len);
	} else {
		lane_take(&tx->control, len);
		if (tx->control.q.len < tx->last_ack)
			tx->last_ack = 0;
	}
	s->stats.bytes_sent += len;
}

size_t session_backlog(const struct session *s)
{
	return s->tx.flows.waiting;
}

size_t session_held(const struct session *s)
{
	return outbox_bytes(&s->tx.flows);
}

void session_drop_flows(struct session *s)
{
	struct session_tx *tx = &s->tx;

	tx->offered_len = 0;
	outbox_cut(&tx->flows);
	lag_cut(&tx->lag, tx->flows.seq);
	lag_acked(&tx->lag, tx->acked);
	tx->bulk.running = false;
	flow_pb_clear(&tx->stream_batch);
	flow_pb_clear(&tx->bulk_batch);
	tx->expects.n = 0;
}
