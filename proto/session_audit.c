/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The message Audit to and from what the session's callers know. Not its
 * order and not its meaning.
 *
 * Text: statesync.proto; limits: session_audit.h.
 *
 * Invariant: what reading yields keeps every limit of session_audit.h; its
 * arrays lie in the arena, until the next message is read.
 */
#include "session_audit.h"

#include <assert.h>
#include <string.h>

#include "session_int.h"
#include "session_msg.h"
#include "statesync.pb-c.h"

static void texts_put(Statesync__Audit *m, const struct session_audit *a,
		      char texts[][SESSION_AUDIT_TEXT_SIZE], char **list,
		      uint32_t *examples)
{
	memcpy(examples, a->examples, sizeof(a->examples));
	for (size_t i = 0; i < a->ntexts; i++) {
		memcpy(texts[i], a->texts[i], sizeof(a->texts[i]));
		list[i] = texts[i];
	}
	m->text = list;
	m->n_text = a->ntexts;
	m->example = examples;
	m->n_example = a->ntexts;
}

static void arrays_put(Statesync__Audit *m, const struct session_audit *a)
{
	/* protobuf-c wants pointers to non-const; packing only reads */
	union {
		const uint32_t *in;
		uint32_t *out;
	} sum = { a->sums }, bucket = { a->buckets },
	  identity = { a->identities }, state = { a->states },
	  mark = { a->marks };
	union {
		const uint64_t *in;
		uint64_t *out;
	} tuple = { a->tuples };

	m->sum = sum.out;
	m->n_sum = a->nsums;
	m->bucket = bucket.out;
	m->n_bucket = a->nbuckets;
	m->tuple = tuple.out;
	m->n_tuple = a->ntuples;
	if (!a->identities)
		return;
	m->identity = identity.out;
	m->state = state.out;
	m->mark = mark.out;
	m->n_identity = m->n_state = m->n_mark = a->ntuples;
}

int session_send_audit(struct session *s, const struct session_audit *a,
		       mono_t now)
{
	char texts[SESSION_AUDIT_TEXTS_MAX][SESSION_AUDIT_TEXT_SIZE];
	char *list[SESSION_AUDIT_TEXTS_MAX];
	uint32_t examples[SESSION_AUDIT_TEXTS_MAX];
	uint64_t count[AUDIT_COUNTS];
	uint8_t key[DIGEST_KEY_LEN];
	Statesync__Audit m;
	int r;

	assert(a->nsums <= SESSION_AUDIT_SUMS_MAX);
	assert(a->nbuckets <= SESSION_AUDIT_BUCKETS_MAX);
	assert(a->ntuples <= (a->identities ? SESSION_AUDIT_ENTRIES_MAX
					    : SESSION_AUDIT_TUPLES_MAX));
	assert(a->ntexts <= SESSION_AUDIT_TEXTS_MAX);
	/* with the flows, in order; but a wish and its refusal may come during a
	 * bulk, where events wait for the chunk before them (rules 4) */
	if (a->kind != SESSION_AUDIT_WANTED &&
	    a->kind != SESSION_AUDIT_REFUSED) {
		r = session_flush(s, now);
		if (r < 0)
			return r;
	}
	if (!session_is_open(s))
		return 0;
	statesync__audit__init(&m);
	m.kind = (Statesync__Audit__Kind)a->kind;
	m.round = a->round;
	if (a->kind == SESSION_AUDIT_BEGIN) {
		memcpy(key, a->key, sizeof(key));
		m.key.data = key;
		m.key.len = sizeof(key);
	}
	m.bits = a->bits;
	m.period_ms = a->period_ms;
	m.urgent = a->urgent;
	m.last = a->last;
	m.repair = a->repair;
	m.first = a->first;
	m.set = a->set;
	memcpy(count, a->count, sizeof(count));
	m.count = count;
	m.n_count = AUDIT_COUNTS;
	arrays_put(&m, a);
	texts_put(&m, a, texts, list, examples);
	r = outbox_add(&s->tx.flows, FRAME_AUDIT, &m.base);
	if (r == 0)
		session_frame_added(s);
	return r;
}

static bool within_limits(const Statesync__Audit *m)
{
	if (m->kind < STATESYNC__AUDIT__KIND__BEGIN ||
	    m->kind > STATESYNC__AUDIT__KIND__REFUSED)
		return false;
	if (m->kind == STATESYNC__AUDIT__KIND__BEGIN &&
	    (m->key.len != DIGEST_KEY_LEN || m->bits < SESSION_AUDIT_BITS_MIN ||
	     m->bits > SESSION_AUDIT_BITS_MAX))
		return false;
	for (size_t i = 0; i < m->n_bucket; i++)
		if (m->bucket[i] >> SESSION_AUDIT_BITS_MAX)
			return false;
	if (m->kind == STATESYNC__AUDIT__KIND__ENTRIES &&
	    (m->n_tuple > SESSION_AUDIT_ENTRIES_MAX ||
	     m->n_identity != m->n_tuple || m->n_state != m->n_tuple ||
	     m->n_mark != m->n_tuple))
		return false;
	return m->n_sum <= SESSION_AUDIT_SUMS_MAX &&
	       m->n_bucket <= SESSION_AUDIT_BUCKETS_MAX &&
	       m->n_tuple <= SESSION_AUDIT_TUPLES_MAX &&
	       m->n_text <= SESSION_AUDIT_TEXTS_MAX &&
	       m->n_example == m->n_text;
}

bool session_audit_get(struct arena *arena, const struct frame *f,
		       struct session_audit *a)
{
	const Statesync__Audit *m = (const Statesync__Audit *)arena_unpack(
		arena, &statesync__audit__descriptor, f->payload, f->len);

	if (!m || !within_limits(m))
		return false;
	*a = (struct session_audit){
		.kind = (enum session_audit_kind)m->kind,
		.round = m->round,
		.bits = m->bits,
		.period_ms = m->period_ms,
		.urgent = m->urgent,
		.last = m->last,
		.repair = m->repair,
		.first = m->first,
		.set = m->set,
		.sums = m->sum,
		.nsums = m->n_sum,
		.buckets = m->bucket,
		.nbuckets = m->n_bucket,
		.tuples = m->tuple,
		.identities = m->identity,
		.states = m->state,
		.marks = m->mark,
		.ntuples = m->n_tuple,
		.ntexts = m->n_text,
	};
	if (m->key.len == sizeof(a->key))
		memcpy(a->key, m->key.data, sizeof(a->key));
	for (size_t i = 0; i < AUDIT_COUNTS && i < m->n_count; i++)
		a->count[i] = m->count[i];
	if (a->count[AUDIT_TOOK_MS] > SESSION_MS_MAX)
		return false;
	for (size_t i = 0; i < m->n_text; i++) {
		a->examples[i] = m->example[i];
		session_text_get(a->texts[i], sizeof(a->texts[i]), m->text[i]);
	}
	return true;
}

/* The numbers of the interface are those of the schema. */
_Static_assert((int)SESSION_AUDIT_BEGIN == (int)STATESYNC__AUDIT__KIND__BEGIN,
	       "kind");
_Static_assert((int)SESSION_AUDIT_REFUSED ==
		       (int)STATESYNC__AUDIT__KIND__REFUSED,
	       "kind");
