// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A session's life and its hearing half: bytes to frames to events, in the
 * only order that is allowed. Not the sending half (session_out.c), and not
 * what to do about an event.
 *
 * Text: statesync.proto, session.h; rules 5 and 13.
 *
 * Invariant: an event is told only if every frame before it, from the hello
 * on, was right; after the first wrong one nothing but SESSION_BROKEN comes.
 */
#include "session.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "session_int.h"

_Static_assert(SESSION_BATCH_MAX == FLOW_PB_BATCH, "one batch, one frame");

const char *session_error_name(enum session_error e)
{
	switch (e) {
	case SESSION_OK:
		return "ok";
	case SESSION_BAD_FRAME:
		return "frame";
	case SESSION_BAD_MESSAGE:
		return "message";
	case SESSION_BAD_PROTOCOL:
		return "protocol";
	case SESSION_BAD_NAME:
		return "name";
	case SESSION_SILENT:
		return "silent";
	case SESSION_STUCK:
		return "stuck";
	case SESSION_ERROR_COUNT:
		break;
	}
	return "?";
}

/* --- life --------------------------------------------------------------- */

static void text_set(char *out, size_t size, const char *text)
{
	size_t len = strlen(text);

	if (len >= size)
		len = size - 1;
	memcpy(out, text, len);
	out[len] = '\0';
}

struct session *session_new(const struct session_conf *conf)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	assert(strlen(conf->node) < SESSION_NAME_MAX);
	assert(strlen(conf->peer) < SESSION_NAME_MAX);
	text_set(s->names.node, sizeof(s->names.node), conf->node);
	text_set(s->names.peer, sizeof(s->names.peer), conf->peer);
	text_set(s->hello.version, sizeof(s->hello.version), conf->version);
	s->hello.boot_id = conf->boot_id;
	s->started = conf->started;
	s->hello.capabilities = SESSION_CAN_AUDIT | SESSION_CAN_EXPECTS |
				SESSION_CAN_RESUME | SESSION_CAN_SETS |
				SESSION_CAN_FACTS | SESSION_CAN_AUDIT_FINE;
	s->tx.flows_max = conf->resume_bytes;
	arena_init(&s->rx.arena);
	if (session_tx_init(&s->tx) < 0 || queue_init(&s->rx.q) < 0) {
		session_free(s);
		return NULL;
	}
	return s;
}

void session_free(struct session *s)
{
	if (!s)
		return;
	session_tx_free(&s->tx);
	queue_free(&s->rx.q);
	free(s);
}

void session_clock(struct session *s, mono_t now)
{
	if (mono_diff(now, s->now) > 0)
		s->now = now;
}

bool session_is_open(const struct session *s)
{
	return s->state == SESSION_STATE_HELLO ||
	       s->state == SESSION_STATE_LIVE;
}

bool session_live(const struct session *s)
{
	return s->state == SESSION_STATE_LIVE;
}

void session_down(struct session *s)
{
	session_tx_reset(&s->tx);
	queue_cut(&s->rx.q, 0);
	s->rx.seq = 0;
	s->peer_can = 0;
	s->rx.awaiting = s->peer_offers = false;
	s->rx.bulk = (struct session_bulk){ 0 };
	s->state = SESSION_STATE_DOWN;
	s->error = SESSION_OK;
}

static void session_fail(struct session *s, enum session_error error)
{
	s->state = SESSION_STATE_FAILED;
	s->error = error;
	queue_cut(&s->rx.q, 0);
}

void session_up(struct session *s, mono_t now)
{
	int r;

	session_down(s);
	session_clock(s, now);
	s->heard = s->now;
	s->state = SESSION_STATE_HELLO;
	s->hello.uptime_ms =
		(uint64_t)(mono_diff(s->now, s->started) / MONO_MS);
	r = session_send_hello(s);
	assert(r == 0); /* an empty queue has room for it */
	(void)r;
}

/* --- what the frames say ------------------------------------------------ */

static enum session_error hear_hello(struct session *s, const struct frame *f,
				     struct session_event *e)
{
	struct session_hello_names names;
	uint32_t protocol;

	if (f->type != FRAME_HELLO)
		return SESSION_BAD_FRAME;
	e->type = SESSION_HELLO;
	if (!session_msg_get_hello(&s->rx.arena, f, &protocol, &e->hello,
				   &names))
		return SESSION_BAD_MESSAGE;
	if (protocol != SESSION_PROTOCOL)
		return SESSION_BAD_PROTOCOL;
	if (strcmp(names.node, s->names.peer) != 0 ||
	    strcmp(names.peer, s->names.node) != 0)
		return SESSION_BAD_NAME;
	s->peer_offers = e->hello.resume.epoch;
	s->rx.awaiting = s->hello.resume.epoch &&
			 e->hello.capabilities & SESSION_CAN_RESUME;
	s->state = SESSION_STATE_LIVE;
	s->peer_can = e->hello.capabilities;
	return SESSION_OK;
}

static enum session_error hear_word(struct session *s, const struct frame *f,
				    struct session_event *e)
{
	e->type = SESSION_WORD;
	if (!session_msg_get_word(&s->rx.arena, f, &s->rx.word))
		return SESSION_BAD_MESSAGE;
	e->word = &s->rx.word;
	return SESSION_OK;
}

static enum session_error hear_advert(struct session *s, const struct frame *f,
				      struct session_event *e)
{
	e->type = SESSION_ADVERT;
	return session_msg_get_advert(&s->rx.arena, f, &e->advert)
		       ? SESSION_OK
		       : SESSION_BAD_MESSAGE;
}

static enum session_error hear_addresses(struct session *s,
					 const struct frame *f,
					 struct session_event *e)
{
	e->type = SESSION_ADDRESSES;
	return session_msg_get_addresses(&s->rx.arena, f, s->rx.addresses, e)
		       ? SESSION_OK
		       : SESSION_BAD_MESSAGE;
}

static enum session_error hear_bulk_request(struct session *s,
					    const struct frame *f,
					    struct session_event *e)
{
	e->type = SESSION_BULK_REQUEST;
	if (!session_msg_get_bulk_request(&s->rx.arena, f, &e->bulk.id))
		return SESSION_BAD_MESSAGE;
	return SESSION_OK;
}

static enum session_error hear_ack(struct session *s, const struct frame *f,
				   struct session_event *e)
{
	struct session_ack ack;

	e->type = SESSION_ACK;
	if (!session_msg_get_ack(&s->rx.arena, f, &ack))
		return SESSION_BAD_MESSAGE;
	if (!session_tx_acked(s, ack.seq))
		return SESSION_BAD_FRAME;
	e->ack.seq = ack.seq;
	memcpy(e->ack.refused, ack.refused, sizeof(e->ack.refused));
	return SESSION_OK;
}

static enum session_error hear_gap(struct session *s, const struct frame *f,
				   struct session_event *e)
{
	e->type = SESSION_GAP;
	if (!session_msg_get_gap(&s->rx.arena, f, &e->gap.epoch, s->rx.reason))
		return SESSION_BAD_MESSAGE;
	e->gap.reason = s->rx.reason;
	return SESSION_OK;
}

static enum session_error hear_handover(struct session *s,
					const struct frame *f,
					struct session_event *e)
{
	e->type = SESSION_HANDOVER;
	if (!session_msg_get_handover(&s->rx.arena, f, &e->handover,
				      s->rx.reason))
		return SESSION_BAD_MESSAGE;
	return SESSION_OK;
}

/* A bulk that did not come to its end is forgotten: its sender gave it up. */
static enum session_error hear_bulk_begin(struct session *s,
					  const struct frame *f,
					  struct session_event *e)
{
	struct session_bulk *bulk = &s->rx.bulk;
	struct session_bulk_begin b;

	e->type = SESSION_BULK_BEGIN;
	if (!session_msg_get_bulk_begin(&s->rx.arena, f, &b))
		return SESSION_BAD_MESSAGE;
	*bulk = (struct session_bulk){ .running = true, .id = b.id };
	memcpy(bulk->key, b.key, sizeof(bulk->key));
	e->bulk.id = b.id;
	e->bulk.epoch = b.epoch;
	e->bulk.expected = b.expected;
	return SESSION_OK;
}

static enum session_error hear_bulk_end(struct session *s,
					const struct frame *f,
					struct session_event *e)
{
	struct session_bulk *bulk = &s->rx.bulk;
	struct session_bulk_end b;

	e->type = SESSION_BULK_END;
	if (!session_msg_get_bulk_end(&s->rx.arena, f, &b))
		return SESSION_BAD_MESSAGE;
	if (!bulk->running || bulk->id != b.id)
		return SESSION_BAD_FRAME;
	bulk->running = false;
	e->bulk_end.id = b.id;
	e->bulk_end.seq = f->seq;
	e->bulk_end.complete = digest_equal(&bulk->digest, &b.digest);
	e->bulk_end.arrived = bulk->digest.count;
	e->bulk_end.sent = b.digest.count;
	return SESSION_OK;
}

static enum session_error hear_audit(struct session *s, const struct frame *f,
				     struct session_event *e)
{
	e->type = SESSION_AUDIT;
	if (!session_audit_get(&s->rx.arena, f, &s->rx.audit))
		return SESSION_BAD_MESSAGE;
	e->audit.seq = f->seq;
	e->audit.said = &s->rx.audit;
	return SESSION_OK;
}

/* Sums what came, then drops what no kernel may see; the rest stays in
 * order. Returns how many are left. */
static size_t flows_sift(struct session *s, size_t n, bool bulk)
{
	struct flow_change *list = s->rx.flows;
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (bulk)
			digest_add(&s->rx.bulk.digest, s->rx.bulk.key,
				   &list[i].flow);
		if (!flow_valid(&list[i].flow))
			continue;
		if (kept != i)
			list[kept] = list[i];
		kept++;
	}
	return kept;
}

static enum session_error hear_flows(struct session *s, const struct frame *f,
				     struct session_event *e)
{
	bool bulk = f->type == FRAME_BULK_FLOWS;
	size_t n;

	e->type = SESSION_FLOWS;
	if (bulk && !s->rx.bulk.running)
		return SESSION_BAD_FRAME;
	if (!flow_pb_unpack(&s->rx.arena, f->payload, f->len, s->rx.flows, &n))
		return SESSION_BAD_MESSAGE;
	e->flows.seq = f->seq;
	e->flows.bulk = bulk;
	e->flows.list = s->rx.flows;
	e->flows.n = flows_sift(s, n, bulk);
	s->stats.flows_received += n;
	s->stats.bulk_received += bulk ? n : 0;
	s->stats.frames_invalid_flows += n - e->flows.n;
	return SESSION_OK;
}

static enum session_error hear_expects(struct session *s, const struct frame *f,
				       struct session_event *e)
{
	size_t skipped;

	e->type = SESSION_EXPECTS;
	if (!expect_get(&s->rx.arena, f->payload, f->len, &s->rx.expects,
			&skipped))
		return SESSION_BAD_MESSAGE;
	e->expects.seq = f->seq;
	e->expects.batch = &s->rx.expects;
	s->stats.frames_invalid_flows += skipped;
	return SESSION_OK;
}

static enum session_error hear(struct session *s, const struct frame *f,
			       struct session_event *e)
{
	if (s->state == SESSION_STATE_HELLO)
		return hear_hello(s, f, e);
	if (frame_type_numbered(f->type) &&
	    (s->rx.awaiting || f->seq != ++s->rx.seq))
		return SESSION_BAD_FRAME;
	switch (f->type) {
	case FRAME_HELLO: /* a second one */
		return SESSION_BAD_FRAME;
	case FRAME_WORD:
		return hear_word(s, f, e);
	case FRAME_ADVERT:
		return hear_advert(s, f, e);
	case FRAME_ADDRESSES:
		return hear_addresses(s, f, e);
	case FRAME_BULK_REQUEST:
		return hear_bulk_request(s, f, e);
	case FRAME_ACK:
		return hear_ack(s, f, e);
	case FRAME_GAP:
		return hear_gap(s, f, e);
	case FRAME_HANDOVER:
		return hear_handover(s, f, e);
	case FRAME_FLOWS:
	case FRAME_BULK_FLOWS:
		return hear_flows(s, f, e);
	case FRAME_EXPECTS:
		return hear_expects(s, f, e);
	case FRAME_BULK_BEGIN:
		return hear_bulk_begin(s, f, e);
	case FRAME_BULK_END:
		return hear_bulk_end(s, f, e);
	case FRAME_AUDIT:
		return hear_audit(s, f, e);
	case FRAME_RESUME:
		return session_hear_resume(s, f, e);
	case FRAME_FACTS:
		return session_hear_facts(s, f, e);
	case FRAME_SETS:
		return session_hear_sets(s, f, e);
	case FRAME_SET_ELEMENTS:
		return session_hear_elements(s, f, e);
	}
	return SESSION_BAD_FRAME;
}

/* --- bytes in, events out ----------------------------------------------- */

int session_input(struct session *s, const void *data, size_t len, mono_t now)
{
	uint8_t *room;

	session_clock(s, now);
	if (!session_is_open(s) || len == 0)
		return 0;
	room = queue_room(&s->rx.q, len);
	if (!room)
		return -ENOMEM;
	memcpy(room, data, len);
	queue_added(&s->rx.q, len);
	s->stats.bytes_received += len;
	return 0;
}

size_t session_unread(const struct session *s)
{
	return s->rx.q.len;
}

static bool poll_broken(struct session *s, struct session_event *e)
{
	if (s->state != SESSION_STATE_FAILED)
		return false;
	s->state = SESSION_STATE_CLOSED;
	*e = (struct session_event){ .type = SESSION_BROKEN };
	e->error = s->error;
	return true;
}

static enum frame_result rx_look(const struct session *s, struct frame *f)
{
	return frame_look(queue_data(&s->rx.q), s->rx.q.len, f);
}

bool session_poll(struct session *s, struct session_event *e)
{
	enum session_error error = SESSION_BAD_FRAME;
	enum frame_result r;
	struct frame f;

	if (session_is_open(s) && session_tx_is_stuck(&s->tx))
		session_fail(s, SESSION_STUCK);
	if (!session_is_open(s))
		return poll_broken(s, e);
	r = rx_look(s, &f);
	if (r == FRAME_PARTIAL)
		return false;
	*e = (struct session_event){ 0 };
	if (r == FRAME_OK)
		error = hear(s, &f, e);
	if (error != SESSION_OK) {
		session_fail(s, error);
		return poll_broken(s, e);
	}
	queue_take(&s->rx.q, frame_size(&f));
	s->heard = s->now;
	return true;
}

/* A frame that waits to be polled is not the peer's silence but ours. */
void session_tick(struct session *s, mono_t now)
{
	struct frame f;

	session_clock(s, now);
	if (!mono_due(session_deadline(s), s->now))
		return;
	if (rx_look(s, &f) == FRAME_OK)
		s->heard = s->now;
	else
		session_fail(s, SESSION_SILENT);
}

mono_t session_deadline(const struct session *s)
{
	if (!session_is_open(s))
		return MONO_NEVER;
	return mono_add(s->heard, SESSION_SILENCE_NS);
}

const struct session_stats *session_stats(const struct session *s)
{
	return &s->stats;
}
