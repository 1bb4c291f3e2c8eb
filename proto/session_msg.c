// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Small messages of statesync.proto to and from what the session's callers
 * know. Not their order and not their consequences.
 *
 * Text: statesync.proto; limits: session.h.
 *
 * Invariant: what reading yields keeps every limit of session.h, its texts
 * are terminated, and nothing of it points into the message.
 */
#include "session_msg.h"

#include <assert.h>
#include <string.h>
#include <sys/socket.h>

#include "statesync.pb-c.h"
#include "text.h"

static const ProtobufCMessage *unpack(struct arena *a, const struct frame *f,
				      const ProtobufCMessageDescriptor *type)
{
	return arena_unpack(a, type, f->payload, f->len);
}

/* --- texts -------------------------------------------------------------- */

/* Without the NUL, at most size - 1. */
static size_t text_len(const char *text, size_t size)
{
	size_t len = text ? strlen(text) : 0;

	return len < size ? len : size - 1;
}

/* Copies for packing: protobuf-c wants a pointer to non-const. */
static char *text_put(char *out, size_t size, const char *text)
{
	size_t len = text_len(text, size);

	if (len > 0)
		memcpy(out, text, len);
	out[len] = '\0';
	return out;
}

void session_text_get(char *out, size_t size, const char *text)
{
	text_put(out, size, text);
	text_clean(out);
}

static bool name_get(char out[SESSION_NAME_MAX], const char *text)
{
	session_text_get(out, SESSION_NAME_MAX, text);
	return strlen(text) < SESSION_NAME_MAX;
}

/* --- hello -------------------------------------------------------------- */

int session_msg_put_hello(struct queue *q, const struct session_hello *h,
			  const struct session_hello_names *names)
{
	char version[sizeof(h->version)];
	char node[SESSION_NAME_MAX], peer[SESSION_NAME_MAX];
	Statesync__Hello m;

	statesync__hello__init(&m);
	m.protocol = SESSION_PROTOCOL;
	m.version = text_put(version, sizeof(version), h->version);
	m.node = text_put(node, sizeof(node), names->node);
	m.peer = text_put(peer, sizeof(peer), names->peer);
	m.boot_id = h->boot_id;
	m.capabilities = h->capabilities;
	m.uptime_ms = h->uptime_ms;
	m.resume_epoch = h->resume.epoch;
	m.resume_seq = h->resume.seq;
	return frame_add(q, FRAME_HELLO, 0, &m.base);
}

bool session_msg_get_hello(struct arena *a, const struct frame *f,
			   uint32_t *protocol, struct session_hello *h,
			   struct session_hello_names *names)
{
	const Statesync__Hello *m = (const Statesync__Hello *)unpack(
		a, f, &statesync__hello__descriptor);

	if (!m)
		return false;
	if (m->uptime_ms > SESSION_MS_MAX)
		return false;
	*protocol = m->protocol;
	session_text_get(h->version, sizeof(h->version), m->version);
	h->boot_id = m->boot_id;
	h->capabilities = m->capabilities;
	h->uptime_ms = m->uptime_ms;
	h->resume.epoch = m->resume_epoch;
	h->resume.seq = m->resume_seq;
	if (!name_get(names->node, m->node))
		names->node[0] = '\0';
	if (!name_get(names->peer, m->peer))
		names->peer[0] = '\0';
	return true;
}

/* --- word --------------------------------------------------------------- */

int session_msg_put_word(struct queue *q, const struct session_word *w)
{
	char name[SESSION_VHOSTS_MAX][SESSION_NAME_MAX];
	Statesync__Vhost vhost[SESSION_VHOSTS_MAX];
	Statesync__Vhost *list[SESSION_VHOSTS_MAX];
	Statesync__Word m;

	assert(w->nvhosts <= SESSION_VHOSTS_MAX);
	statesync__word__init(&m);
	m.demotion = w->demotion;
	m.ready = w->ready;
	m.holds = w->holds;
	m.stale_ms = w->stale_ms;
	m.tx_epoch = w->tx_epoch;
	m.rx_epoch = w->rx_epoch;
	m.number = w->number;
	m.heard = w->heard;
	m.answer = w->answer;
	m.filter = w->filter;
	m.zones = w->zones;
	m.owner = w->owner;
	m.n_vhost = w->nvhosts;
	m.vhost = list;
	for (size_t i = 0; i < w->nvhosts; i++) {
		const struct session_vhost *v = &w->vhosts[i];

		list[i] = &vhost[i];
		statesync__vhost__init(&vhost[i]);
		vhost[i].name = text_put(name[i], sizeof(name[i]), v->name);
		vhost[i].vhid = v->vhid;
		vhost[i].state = v->state;
		vhost[i].interval_us = v->interval_us;
		vhost[i].advskew = v->advskew;
		vhost[i].master_ms = v->master_ms;
		vhost[i].first = v->first;
		vhost[i].last = v->last;
		vhost[i].identity = v->identity;
		vhost[i].unheard = v->unheard;
		vhost[i].mute = v->mute;
		vhost[i].demotion = v->demotion;
	}
	return frame_add(q, FRAME_WORD, 0, &m.base);
}

static bool vhost_get(struct session_vhost *v, const Statesync__Vhost *m)
{
	if (m->vhid > UINT8_MAX || m->state > UINT8_MAX ||
	    m->advskew > UINT8_MAX || m->master_ms > SESSION_MS_MAX)
		return false;
	v->vhid = (uint8_t)m->vhid;
	v->state = (uint8_t)m->state;
	v->advskew = (uint8_t)m->advskew;
	v->interval_us = m->interval_us;
	v->master_ms = m->master_ms;
	v->first = m->first;
	v->last = m->last;
	v->identity = m->identity;
	v->unheard = m->unheard;
	v->mute = m->mute;
	v->demotion = m->demotion;
	return name_get(v->name, m->name);
}

bool session_msg_get_word(struct arena *a, const struct frame *f,
			  struct session_word *w)
{
	const Statesync__Word *m = (const Statesync__Word *)unpack(
		a, f, &statesync__word__descriptor);

	if (!m || m->n_vhost > SESSION_VHOSTS_MAX)
		return false;
	*w = (struct session_word){
		.demotion = m->demotion,
		.ready = m->ready,
		.holds = m->holds,
		.stale_ms = m->stale_ms,
		.tx_epoch = m->tx_epoch,
		.rx_epoch = m->rx_epoch,
		.number = m->number,
		.heard = m->heard,
		.answer = m->answer,
		.filter = m->filter,
		.zones = m->zones,
		.owner = m->owner,
		.nvhosts = m->n_vhost,
	};
	for (size_t i = 0; i < m->n_vhost; i++)
		if (!vhost_get(&w->vhosts[i], m->vhost[i]))
			return false;
	return true;
}

int session_msg_put_advert(struct queue *q, const struct session_advert *ad)
{
	Statesync__Advert m;

	statesync__advert__init(&m);
	m.vhost = ad->vhost;
	m.counter = ad->counter;
	return frame_add(q, FRAME_ADVERT, 0, &m.base);
}

bool session_msg_get_advert(struct arena *a, const struct frame *f,
			    struct session_advert *ad)
{
	const Statesync__Advert *m = (const Statesync__Advert *)unpack(
		a, f, &statesync__advert__descriptor);

	if (!m || m->vhost >= SESSION_VHOSTS_MAX)
		return false;
	*ad = (struct session_advert){ m->vhost, m->counter };
	return true;
}

/* --- addresses ---------------------------------------------------------- */

static int put_some(struct queue *q, const struct session_address *list,
		    size_t n, bool more, bool rest)
{
	ProtobufCBinaryData data[SESSION_ADDRESSES_MAX];
	struct flow_addr copy[SESSION_ADDRESSES_MAX];
	Statesync__Addresses m;

	assert(n <= SESSION_ADDRESSES_MAX);
	statesync__addresses__init(&m);
	m.n_address = n;
	m.address = data;
	m.more = more;
	m.rest = rest;
	for (size_t i = 0; i < n; i++) {
		copy[i] = list[i].addr;
		data[i].data = copy[i].b;
		data[i].len = flow_addr_len(list[i].family);
		assert(data[i].len > 0);
	}
	return frame_add(q, FRAME_ADDRESSES, 0, &m.base);
}

int session_msg_put_addresses(struct queue *q,
			      const struct session_address *list, size_t n)
{
	size_t at = 0;
	int r;

	do {
		size_t left = n - at, some = left;

		if (some > SESSION_ADDRESSES_MAX)
			some = SESSION_ADDRESSES_MAX;
		r = put_some(q, list + at, some, left != some, at != 0);
		at += some;
	} while (r == 0 && at < n);
	return r;
}

bool session_msg_get_addresses(struct arena *a, const struct frame *f,
			       struct session_address *list,
			       struct session_event *e)
{
	const Statesync__Addresses *m = (const Statesync__Addresses *)unpack(
		a, f, &statesync__addresses__descriptor);

	if (!m || m->n_address > SESSION_ADDRESSES_MAX)
		return false;
	for (size_t i = 0; i < m->n_address; i++) {
		const ProtobufCBinaryData *d = &m->address[i];

		if (d->len == flow_addr_len(AF_INET))
			list[i].family = AF_INET;
		else if (d->len == flow_addr_len(AF_INET6))
			list[i].family = AF_INET6;
		else
			return false;
		list[i].addr = (struct flow_addr){ 0 };
		memcpy(list[i].addr.b, d->data, d->len);
	}
	e->addresses.list = list;
	e->addresses.n = m->n_address;
	e->addresses.more = m->more;
	e->addresses.rest = m->rest;
	return true;
}

/* --- bulk --------------------------------------------------------------- */

int session_msg_put_bulk_request(struct queue *q, uint64_t id)
{
	Statesync__BulkRequest m;

	statesync__bulk_request__init(&m);
	m.id = id;
	return frame_add(q, FRAME_BULK_REQUEST, 0, &m.base);
}

bool session_msg_get_bulk_request(struct arena *a, const struct frame *f,
				  uint64_t *id)
{
	const Statesync__BulkRequest *m =
		(const Statesync__BulkRequest *)unpack(
			a, f, &statesync__bulk_request__descriptor);

	if (!m)
		return false;
	*id = m->id;
	return true;
}

int session_msg_put_bulk_begin(struct outbox *o,
			       const struct session_bulk_begin *b)
{
	uint8_t key[DIGEST_KEY_LEN];
	Statesync__BulkBegin m;

	memcpy(key, b->key, sizeof(key));
	statesync__bulk_begin__init(&m);
	m.id = b->id;
	m.epoch = b->epoch;
	m.expected = b->expected;
	m.digest_key.data = key;
	m.digest_key.len = sizeof(key);
	return outbox_add(o, FRAME_BULK_BEGIN, &m.base);
}

bool session_msg_get_bulk_begin(struct arena *a, const struct frame *f,
				struct session_bulk_begin *b)
{
	const Statesync__BulkBegin *m = (const Statesync__BulkBegin *)unpack(
		a, f, &statesync__bulk_begin__descriptor);

	if (!m || m->digest_key.len != sizeof(b->key))
		return false;
	b->id = m->id;
	b->epoch = m->epoch;
	b->expected = m->expected;
	memcpy(b->key, m->digest_key.data, sizeof(b->key));
	return true;
}

int session_msg_put_bulk_end(struct outbox *o, const struct session_bulk_end *b)
{
	Statesync__BulkEnd m;

	statesync__bulk_end__init(&m);
	m.id = b->id;
	m.count = b->digest.count;
	m.digest_hi = b->digest.hi;
	m.digest_lo = b->digest.lo;
	return outbox_add(o, FRAME_BULK_END, &m.base);
}

bool session_msg_get_bulk_end(struct arena *a, const struct frame *f,
			      struct session_bulk_end *b)
{
	const Statesync__BulkEnd *m = (const Statesync__BulkEnd *)unpack(
		a, f, &statesync__bulk_end__descriptor);

	if (!m)
		return false;
	b->id = m->id;
	b->digest.count = m->count;
	b->digest.hi = m->digest_hi;
	b->digest.lo = m->digest_lo;
	return true;
}

/* --- acknowledgement, gap, handover ------------------------------------- */

int session_msg_put_ack(struct queue *q, uint64_t seq, const uint64_t *refused,
			size_t n)
{
	uint64_t copy[SESSION_REFUSALS_MAX];
	Statesync__Ack m;

	assert(n <= SESSION_REFUSALS_MAX);
	for (size_t i = 0; i < n; i++)
		copy[i] = refused[i];
	statesync__ack__init(&m);
	m.seq = seq;
	m.n_refused = n;
	m.refused = copy;
	return frame_add(q, FRAME_ACK, 0, &m.base);
}

bool session_msg_get_ack(struct arena *a, const struct frame *f,
			 struct session_ack *ack)
{
	const Statesync__Ack *m = (const Statesync__Ack *)unpack(
		a, f, &statesync__ack__descriptor);

	if (!m || m->n_refused > SESSION_REFUSALS_MAX)
		return false;
	*ack = (struct session_ack){ .seq = m->seq };
	for (size_t i = 0; i < m->n_refused; i++)
		ack->refused[i] = m->refused[i];
	return true;
}

int session_msg_put_gap(struct queue *q, uint64_t epoch, const char *reason)
{
	char text[SESSION_REASON_MAX];
	Statesync__Gap m;

	statesync__gap__init(&m);
	m.epoch = epoch;
	m.reason = text_put(text, sizeof(text), reason);
	return frame_add(q, FRAME_GAP, 0, &m.base);
}

bool session_msg_get_gap(struct arena *a, const struct frame *f,
			 uint64_t *epoch, char reason[SESSION_REASON_MAX])
{
	const Statesync__Gap *m = (const Statesync__Gap *)unpack(
		a, f, &statesync__gap__descriptor);

	if (!m)
		return false;
	*epoch = m->epoch;
	session_text_get(reason, SESSION_REASON_MAX, m->reason);
	return true;
}

int session_msg_put_handover(struct queue *q, const struct session_switch *h)
{
	uint32_t steps[SESSION_STEPS];
	char text[SESSION_REASON_MAX];
	Statesync__Handover m;

	memcpy(steps, h->step_us, sizeof(steps));
	statesync__handover__init(&m);
	m.kind = (Statesync__Handover__Kind)h->kind;
	m.reason = text_put(text, sizeof(text), h->reason);
	m.n_step_us = 3;
	m.step_us = steps;
	m.vhosts = h->vhosts;
	return frame_add(q, FRAME_HANDOVER, 0, &m.base);
}

bool session_msg_get_handover(struct arena *a, const struct frame *f,
			      struct session_switch *h,
			      char reason[SESSION_REASON_MAX])
{
	const Statesync__Handover *m = (const Statesync__Handover *)unpack(
		a, f, &statesync__handover__descriptor);
	int value = m ? (int)m->kind : 0;

	if ((value < SESSION_HANDOVER_REQUEST ||
	     value > SESSION_HANDOVER_BACK) &&
	    value != SESSION_HANDOVER_ELSEWHERE)
		return false;
	if (m->n_step_us > 3)
		return false;
	session_text_get(reason, SESSION_REASON_MAX, m->reason);
	*h = (struct session_switch){ .kind = (enum session_handover)value,
				      .reason = reason,
				      .vhosts = m->vhosts };
	for (size_t i = 0; i < m->n_step_us; i++)
		h->step_us[i] = m->step_us[i];
	return true;
}

/* The numbers of the interface are those of the schema. */
_Static_assert((int)SESSION_HANDOVER_REQUEST ==
		       (int)STATESYNC__HANDOVER__KIND__REQUEST,
	       "kind");
_Static_assert((int)SESSION_HANDOVER_BACK ==
		       (int)STATESYNC__HANDOVER__KIND__BACK,
	       "kind");
_Static_assert((int)SESSION_HANDOVER_ELSEWHERE ==
		       (int)STATESYNC__HANDOVER__KIND__ELSEWHERE,
	       "kind");
