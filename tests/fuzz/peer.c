// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Frames for an engine: a payload of the input, decoded, made to fit what the
 * engine waits for, and encoded again. It looks into the engine for that.
 * Invariant: what it is not asked to make right stays as it was.
 */
#include "peer.h"

#include <string.h>

#include "flows_fit.h"
#include "session_int.h"
#include "statesync.pb-c.h"

#define NAMES 2

static char *const vhosts[NAMES] = { (char[]){ "lan" }, (char[]){ "wan" } };
static char *const sets[NAMES] = { (char[]){ "inet t silent" },
				   (char[]){ "inet t ranges" } };
static struct arena arena;

/* --- one message each ------------------------------------------------------- */

static void hello(Statesync__Hello *m, const struct engine *e)
{
	static char node[] = PEER_NAME, peer[] = PEER_OF;

	m->protocol = SESSION_PROTOCOL;
	m->node = node;
	m->peer = peer;
	if (m->resume_epoch) {
		m->resume_epoch = e->peers[0].tx.epoch;
		m->resume_seq = session_seq_acked(e->peers[0].session);
	}
}

static void word(Statesync__Word *m, const struct engine *e)
{
	if (m->rx_epoch)
		m->rx_epoch = e->peers[0].tx.epoch;
	if (m->heard)
		m->heard = e->peers[0].words;
	for (size_t i = 0; i < m->n_vhost; i++) {
		m->vhost[i]->name = vhosts[i % NAMES];
		m->vhost[i]->vhid &= UINT8_MAX;
		m->vhost[i]->state &= 3;
		m->vhost[i]->advskew &= UINT8_MAX;
	}
}

static void bulk_begin(Statesync__BulkBegin *m, const struct engine *e)
{
	static uint8_t key[DIGEST_KEY_LEN] = "0123456789abcdef";

	m->id = e->peers[0].rx.id;
	m->epoch = e->peers[0].word.tx_epoch;
	m->digest_key.data = key;
	m->digest_key.len = sizeof(key);
}

static void bulk_end(Statesync__BulkEnd *m, const struct engine *e)
{
	const struct session_bulk *bulk = &e->peers[0].session->rx.bulk;

	m->id = bulk->id;
	m->count = bulk->digest.count;
	m->digest_hi = bulk->digest.hi;
	m->digest_lo = bulk->digest.lo;
}

static void resume(Statesync__Resume *m, const struct engine *e)
{
	const struct session_place *have = &e->peers[0].session->hello.resume;

	m->epoch = m->epoch ? have->epoch : 0;
	m->seq = have->seq;
	m->last = have->seq + m->last % 3;
}

static void ack(Statesync__Ack *m, const struct engine *e)
{
	uint64_t taken = e->peers[0].session->tx.flows.taken;

	if (m->seq > taken || m->seq < session_seq_acked(e->peers[0].session))
		m->seq = taken;
}

/* Whose round it is. */
static uint64_t round_of(const struct engine *e, Statesync__Audit__Kind kind)
{
	const struct audit_answer *a = e->peers[0].audit.answer;

	if (kind == STATESYNC__AUDIT__KIND__SUMS ||
	    kind == STATESYNC__AUDIT__KIND__ENTRIES ||
	    kind == STATESYNC__AUDIT__KIND__FOUND)
		return e->round ? e->round->id : 0;
	return a ? a->round : 1;
}

/* Entries of the engine's own table, as far as it has told them. */
static void entries(Statesync__Audit *m, const struct engine *e)
{
	static uint64_t tuples[64];
	static uint32_t values[64];

	for (size_t i = 0; i < 64; i++) {
		struct flow f = e->ops[i].flow;

		tuples[i] = e->round ? digest_tuple(e->round->key, &f) : i;
		values[i] = (uint32_t)i;
	}
	m->n_tuple = m->n_identity = m->n_state = m->n_mark = 64;
	m->tuple = tuples;
	m->identity = m->state = m->mark = values;
}

static void audit(Statesync__Audit *m, const struct engine *e)
{
	static uint8_t key[DIGEST_KEY_LEN] = "0123456789abcdef";
	static uint32_t sums[1 << SESSION_AUDIT_BITS_MIN];

	m->round = round_of(e, m->kind);
	m->n_example = m->n_text;
	if (m->n_text && !m->example) {
		m->example = sums;
		m->n_text = m->n_example = 1;
	}
	if (m->kind == STATESYNC__AUDIT__KIND__BEGIN) {
		m->key.data = key;
		m->key.len = sizeof(key);
		m->bits = SESSION_AUDIT_BITS_MIN;
	}
	if (m->kind == STATESYNC__AUDIT__KIND__SUMS && !m->n_sum) {
		m->n_sum = sizeof(sums) / sizeof(sums[0]);
		m->sum = sums;
	}
	if (m->kind == STATESYNC__AUDIT__KIND__ENTRIES &&
	    m->n_identity != m->n_tuple)
		entries(m, e);
}

static void set_elements(Statesync__SetElements *m, const struct engine *e)
{
	unsigned set = m->part >> 4 & 1;

	m->part %= 3;
	m->name = sets[set];
	if (e->sets && m->want)
		m->want = e->sets->set[set].want;
}

/* --- the payload ----------------------------------------------------------------- */

static const ProtobufCMessageDescriptor *message_of(enum frame_type type)
{
	switch (type) {
	case FRAME_HELLO:
		return &statesync__hello__descriptor;
	case FRAME_WORD:
		return &statesync__word__descriptor;
	case FRAME_BULK_BEGIN:
		return &statesync__bulk_begin__descriptor;
	case FRAME_BULK_END:
		return &statesync__bulk_end__descriptor;
	case FRAME_RESUME:
		return &statesync__resume__descriptor;
	case FRAME_ACK:
		return &statesync__ack__descriptor;
	case FRAME_AUDIT:
		return &statesync__audit__descriptor;
	case FRAME_SET_ELEMENTS:
		return &statesync__set_elements__descriptor;
	case FRAME_ADDRESSES:
	case FRAME_BULK_REQUEST:
	case FRAME_GAP:
	case FRAME_HANDOVER:
	case FRAME_ADVERT:
	case FRAME_FLOWS:
	case FRAME_BULK_FLOWS:
	case FRAME_EXPECTS:
	case FRAME_FACTS:
	case FRAME_SETS:
		break;
	}
	return NULL;
}

/* The message is not const: it lies in the arena. */
static void mend(ProtobufCMessage *m, const struct engine *e)
{
	if (m->descriptor == &statesync__hello__descriptor)
		hello((Statesync__Hello *)m, e);
	if (m->descriptor == &statesync__word__descriptor)
		word((Statesync__Word *)m, e);
	if (m->descriptor == &statesync__bulk_begin__descriptor)
		bulk_begin((Statesync__BulkBegin *)m, e);
	if (m->descriptor == &statesync__bulk_end__descriptor)
		bulk_end((Statesync__BulkEnd *)m, e);
	if (m->descriptor == &statesync__resume__descriptor)
		resume((Statesync__Resume *)m, e);
	if (m->descriptor == &statesync__ack__descriptor)
		ack((Statesync__Ack *)m, e);
	if (m->descriptor == &statesync__audit__descriptor)
		audit((Statesync__Audit *)m, e);
	if (m->descriptor == &statesync__set_elements__descriptor)
		set_elements((Statesync__SetElements *)m, e);
}

static size_t mended(enum frame_type type, const uint8_t *payload, size_t len,
		     const struct engine *e, uint8_t *out)
{
	const ProtobufCMessageDescriptor *of = message_of(type);
	ProtobufCMessage *m;

	if (type == FRAME_FLOWS || type == FRAME_BULK_FLOWS)
		return flows_fit(payload, len, out);
	if (!of)
		return 0;
	arena_init(&arena);
	m = protobuf_c_message_unpack(of, &arena.allocator, len, payload);
	if (!m)
		return 0;
	mend(m, e);
	if (protobuf_c_message_get_packed_size(m) > FRAME_PAYLOAD_MAX)
		return 0;
	return protobuf_c_message_pack(m, out);
}

size_t peer_frame(struct reader *in, const struct engine *e, uint8_t *bytes)
{
	uint8_t how = reader_u8(in);
	enum frame_type type = (enum frame_type)reader_u8(in);
	const struct session_rx *rx = &e->peers[0].session->rx;
	uint64_t seq = frame_type_numbered(type) ? rx->seq + 1 : 0;
	struct writer w;
	const uint8_t *payload;
	size_t len, n = 0;

	if (how & 2)
		seq = reader_u16(in);
	payload = fuzz_part(in, &len);
	if (how & 1)
		n = mended(type, payload, len, e, bytes + FRAME_HEADER_BYTES);
	if (n)
		len = n;
	else if (len)
		memcpy(bytes + FRAME_HEADER_BYTES, payload, len);
	writer_init(&w, bytes, FRAME_HEADER_BYTES);
	writer_u32(&w, (uint32_t)len);
	writer_u8(&w, (uint8_t)type);
	writer_u64(&w, seq);
	return FRAME_HEADER_BYTES + len;
}
