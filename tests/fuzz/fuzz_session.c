// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The talk with a peer as a whole: two sessions and the wire between them,
 * which is cut, delayed, tampered with, and on which frames come that nobody
 * sent.
 *
 * Invariant: as long as nothing was tampered with, nothing breaks but by
 * silence, and every bulk is complete. What a session hands on keeps its
 * limits; it ends live, or with a reason.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "say.h"
#include "session_int.h"

#define STEPS_MAX 400
#define TELLS_MAX 300
#define HELD_MAX  (64 * 1024)

struct side {
	struct session *s;
	struct queue *wire; /* on its way to it */
	uint64_t got, bulk; /* the last number; id of its own next bulk */
	bool up, told;	    /* told: it broke, and said so */
	bool offers;	    /* the next time */
};

struct scene {
	struct reader in;
	struct side side[2];
	mono_t now;
	bool tampered; /* with what is on this connection */
	unsigned tells;
};

/* --- what is heard ----------------------------------------------------------------- */

static void check_text(const char *text, size_t size)
{
	size_t len = strnlen(text, size);

	assert(len < size);
	for (size_t i = 0; i < len; i++)
		assert((unsigned char)text[i] >= ' ' && text[i] != 0x7f);
}

static void check_flows(const struct session_event *e)
{
	assert(e->flows.n <= SESSION_BATCH_MAX);
	for (size_t i = 0; i < e->flows.n; i++) {
		const struct flow_change *c = &e->flows.list[i];

		assert(flow_valid(&c->flow));
		assert(c->op >= FLOW_NEW && c->op <= FLOW_DESTROY);
	}
}

static void check_word(const struct session_word *w)
{
	assert(w->nvhosts <= SESSION_VHOSTS_MAX);
	for (size_t i = 0; i < w->nvhosts; i++)
		check_text(w->vhosts[i].name, SESSION_NAME_MAX);
}

static void check_facts(const struct session_event *e)
{
	assert(e->facts.n <= FACTS_FRAME);
	for (size_t i = 0; i < e->facts.n; i++) {
		check_text(e->facts.list[i].name, FACT_NAME_MAX);
		check_text(e->facts.list[i].value, FACT_VALUE_MAX);
		check_text(e->facts.list[i].note, FACT_NOTE_MAX);
	}
}

/* As the engine answers to it: the stream goes on, or anew. */
static void hello(struct side *me, const struct session_event *e)
{
	uint64_t changes;

	check_text(e->hello.version, sizeof(e->hello.version));
	if (!e->hello.resume.epoch ||
	    session_resume(me->s, &e->hello.resume, &changes))
		assert(!session_restart(me->s));
}

static void heard(struct scene *c, struct side *me,
		  const struct session_event *e)
{
	switch (e->type) {
	case SESSION_HELLO:
		hello(me, e);
		break;
	case SESSION_WORD:
		check_word(e->word);
		break;
	case SESSION_ADVERT:
		assert(e->advert.vhost < SESSION_VHOSTS_MAX);
		break;
	case SESSION_ADDRESSES:
		assert(e->addresses.n <= SESSION_ADDRESSES_MAX);
		break;
	case SESSION_FLOWS:
		check_flows(e);
		me->got = e->flows.seq;
		break;
	case SESSION_EXPECTS:
		for (size_t i = 0; i < e->expects.batch->n; i++)
			assert(expect_valid(&e->expects.batch->list[i].expect));
		me->got = e->expects.seq;
		break;
	case SESSION_BULK_END:
		assert(c->tampered ||
		       (e->bulk_end.complete &&
			e->bulk_end.sent == e->bulk_end.arrived));
		me->got = e->bulk_end.seq;
		break;
	case SESSION_GAP:
		check_text(e->gap.reason, SESSION_REASON_MAX);
		break;
	case SESSION_HANDOVER:
		check_text(e->handover.reason, SESSION_REASON_MAX);
		break;
	case SESSION_AUDIT:
		assert(e->audit.said->nbuckets <= SESSION_AUDIT_BUCKETS_MAX);
		for (size_t i = 0; i < e->audit.said->ntexts; i++)
			check_text(e->audit.said->texts[i],
				   SESSION_AUDIT_TEXT_SIZE);
		me->got = e->audit.seq;
		break;
	case SESSION_RESUME:
		me->got = e->resume.epoch ? me->s->rx.seq : 0;
		break;
	case SESSION_FACTS:
		check_facts(e);
		break;
	case SESSION_SETS:
		assert(e->sets.n <= SETS_MAX);
		break;
	case SESSION_SET_ELEMENTS:
		assert(e->elements.m->n <= SET_FRAME_MAX);
		me->got = e->elements.seq;
		break;
	case SESSION_BULK_REQUEST:
	case SESSION_BULK_BEGIN:
	case SESSION_ACK:
		break;
	case SESSION_BROKEN:
		assert(e->error > SESSION_OK && e->error < SESSION_ERROR_COUNT);
		assert(c->tampered || e->error == SESSION_SILENT);
		assert(!me->told && !session_live(me->s));
		me->told = true;
		break;
	}
}

static void poll(struct scene *c, struct side *me)
{
	struct session_event e;

	while (session_poll(me->s, &e))
		heard(c, me, &e);
	assert(session_unread(me->s) < FRAME_HEADER_BYTES + FRAME_PAYLOAD_MAX);
}

/* --- the wire ------------------------------------------------------------------------- */

static void to_wire(struct side *to, const uint8_t *bytes, size_t len)
{
	uint8_t *room = queue_room(to->wire, len);

	assert(room);
	memcpy(room, bytes, len);
	queue_added(to->wire, len);
}

/* Some of what it has to say, or all. */
static void send(struct side *from, struct side *to, size_t most)
{
	const uint8_t *bytes;
	size_t len;

	while (from->up && most && (len = session_output(from->s, &bytes))) {
		len = len < most ? len : most;
		to_wire(to, bytes, len);
		session_sent(from->s, len);
		most -= len;
	}
}

static void deliver(struct scene *c, struct side *to, size_t most)
{
	size_t len = to->wire->len < most ? to->wire->len : most;

	if (!to->up || !len)
		return;
	assert(!session_input(to->s, queue_data(to->wire), len, c->now));
	queue_take(to->wire, len);
	poll(c, to);
}

static void tamper(struct scene *c, struct side *to)
{
	uint16_t at = reader_u16(&c->in);
	uint8_t with = reader_u8(&c->in);

	if (!to->wire->len || !with)
		return;
	at = (uint16_t)(at % to->wire->len);
	to->wire->p[to->wire->head + at] ^= with;
	c->tampered = true;
}

/* A frame that its peer did not send, of the next number, or another. */
static void forge(struct scene *c, struct side *to)
{
	uint8_t head[FRAME_HEADER_BYTES], how = reader_u8(&c->in);
	enum frame_type type = (enum frame_type)reader_u8(&c->in);
	uint64_t seq = 0;
	struct writer w;
	const uint8_t *payload;
	size_t len;

	if (how & 1)
		seq = reader_u64(&c->in);
	else if (frame_type_numbered(type))
		seq = to->s->rx.seq + 1;
	payload = fuzz_part(&c->in, &len);
	writer_init(&w, head, sizeof(head));
	writer_u32(&w, how & 2 ? (uint32_t)len << 8 : (uint32_t)len);
	writer_u8(&w, (uint8_t)type);
	writer_u64(&w, seq);
	to_wire(to, head, sizeof(head));
	if (len)
		to_wire(to, payload, len);
	c->tampered = true;
	if (how & 4)
		deliver(c, to, SIZE_MAX);
}

/* --- what is said ------------------------------------------------------------------------ */

static void bulk(struct scene *c, struct side *me)
{
	static const uint8_t key[DIGEST_KEY_LEN] = "0123456789abcdef";
	struct flow f = say_flow(reader_u16(&c->in));

	switch (fuzz_below(&c->in, 4)) {
	case 0:
		assert(!session_bulk_begin(me->s, ++me->bulk, 5, 3, key,
					   c->now));
		break;
	case 1:
		assert(!session_bulk_tell(me->s, &f, c->now));
		break;
	case 2:
		assert(!session_bulk_flush(me->s, c->now));
		break;
	case 3:
		assert(!session_bulk_end(me->s, c->now));
		break;
	}
}

static void tell(struct scene *c, struct side *me)
{
	struct flow_change f = { .op = FLOW_NEW };
	unsigned n = reader_u8(&c->in);
	int r;

	for (unsigned i = 0; i < n && c->tells < TELLS_MAX; i++, c->tells++) {
		f.flow = say_flow((uint16_t)c->tells);
		f.op = (enum flow_op)(FLOW_NEW + c->tells % 4);
		r = session_tell(me->s, &f, c->now);
		assert(r == 0 || (r == -ENOBUFS && session_parked(me->s)));
	}
}

/* --- the connection ------------------------------------------------------------------------- */

static void cut(struct scene *c, uint8_t how)
{
	for (int i = 0; i < 2; i++) {
		struct side *me = &c->side[i];

		if (!me->up)
			continue;
		/* what has come is heard yet, as engine_peer_down() does it */
		if (how >> i & 1)
			(void)session_park(me->s);
		if (how >> i & 4)
			poll(c, me);
		/* nor is half a bulk gone on with */
		me->offers = how >> i & 16 && !me->s->rx.bulk.running;
		session_down(me->s);
		queue_cut(me->wire, 0);
		me->up = me->told = false;
		assert(!session_live(me->s));
		assert(session_held(me->s) <= HELD_MAX);
	}
}

static void connect(struct scene *c)
{
	if (c->side[0].up)
		return;
	/* what is resumed has what was forged */
	c->tampered &= c->side[0].offers || c->side[1].offers;
	for (int i = 0; i < 2; i++) {
		struct side *me = &c->side[i];
		const struct session_place have = {
			.epoch = me->offers ? 5 : 0,
			.seq = me->offers ? me->got : 0,
		};

		queue_cut(me->wire, 0);
		session_offer(me->s, &have);
		session_up(me->s, c->now);
		me->up = true;
		if (!me->offers)
			me->got = 0;
	}
}

static void pass(struct scene *c, int64_t ns)
{
	c->now = mono_add(c->now, ns);
	for (int i = 0; i < 2; i++) {
		session_tick(c->side[i].s, c->now);
		if (c->side[i].up)
			poll(c, &c->side[i]);
		assert(session_lag_ns(c->side[i].s, c->now) >= 0);
	}
}

static void both_ways(struct scene *c)
{
	for (int i = 0; i < 4; i++) {
		send(&c->side[i & 1], &c->side[1 - (i & 1)], SIZE_MAX);
		deliver(c, &c->side[1 - (i & 1)], SIZE_MAX);
	}
}

/* What has a number is not said before the peer's hello came, unless to what is
 * parked. */
static bool may_tell(const struct side *me)
{
	return session_live(me->s) || session_parked(me->s);
}

static void step(struct scene *c)
{
	uint8_t op = reader_u8(&c->in);
	struct side *me = &c->side[op & 1], *other = &c->side[1 - (op & 1)];

	switch (op / 2 % 14) {
	case 0:
		both_ways(c);
		break;
	case 1:
		send(me, other, 1u + reader_u8(&c->in) * 16u);
		break;
	case 2:
		deliver(c, me, 1u + reader_u8(&c->in) * 16u);
		break;
	case 3:
		tamper(c, me);
		break;
	case 4:
		forge(c, me);
		break;
	case 5:
		pass(c, reader_u8(&c->in) * 10 * MONO_MS);
		break;
	case 6:
		if (may_tell(me))
			tell(c, me);
		break;
	case 7:
		if (session_live(me->s))
			bulk(c, me);
		break;
	case 8:
		assert(!say_small(me->s, &c->in, me->got));
		break;
	case 9:
		if (session_live(me->s))
			assert(!say_large(me->s, &c->in, c->now));
		break;
	case 10:
		assert(!session_flush(me->s, c->now));
		break;
	case 11:
		cut(c, reader_u8(&c->in));
		break;
	case 12:
		connect(c);
		break;
	case 13:
		if (reader_u8(&c->in) & 1)
			session_drop_flows(me->s);
		else
			session_set_resume(me->s,
					   reader_u16(&c->in) % (HELD_MAX + 1));
		break;
	}
}

/* Live, or with a reason: a peer that is silent from now on is given up. */
static void end(struct scene *c)
{
	pass(c, 3 * SESSION_SILENCE_NS);
	pass(c, 1);
	for (int i = 0; i < 2; i++) {
		struct side *me = &c->side[i];

		assert(!session_live(me->s) && me->told == me->up);
		session_down(me->s);
	}
}

/* As from session_new(), which would take most of the time. */
static void renew(struct side *me, int i)
{
	static const struct session_conf conf[2] = {
		{ .node = "fw1",
		  .peer = "fw2",
		  .version = "0.1",
		  .boot_id = 11,
		  .resume_bytes = HELD_MAX },
		{ .node = "fw2",
		  .peer = "fw1",
		  .version = "0.2",
		  .boot_id = 22,
		  .resume_bytes = HELD_MAX },
	};
	static struct session *s[2];
	static struct queue wire[2];

	if (!s[i]) {
		s[i] = session_new(&conf[i]);
		assert(s[i] && !queue_init(&wire[i]));
	}
	session_tx_forget_flows(&s[i]->tx, 0);
	session_set_resume(s[i], HELD_MAX);
	s[i]->now = (mono_t){ 0 };
	s[i]->stats = (struct session_stats){ 0 };
	*me = (struct side){ .s = s[i], .wire = &wire[i] };
	queue_cut(me->wire, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scene c = { .now = { MONO_S } };

	reader_init(&c.in, data, size);
	for (int i = 0; i < 2; i++)
		renew(&c.side[i], i);
	connect(&c);
	for (int i = 0; i < STEPS_MAX && fuzz_more(&c.in); i++)
		step(&c);
	end(&c);
	return 0;
}
