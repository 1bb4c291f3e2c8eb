// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * CARP: packets of both families as the sockets give them, through parser,
 * HMAC and a virtual host's rules, among passing time and everything else that
 * a virtual host can be told. Not who may send what (fuzz_engine).
 *
 * Checksums, the HMAC and lengths are made right where the input asks for
 * that. Invariant: whoever speaks with the virtual MAC has the right to; no
 * counter is used twice; nothing is due again at once without an end.
 */
#include <string.h>

#include "fuzz.h"
#include "packet.h"
#include "vhost.h"

#define STEPS_MAX 300
#define TICKS_MAX 3000
#define STEP_NS	  (10 * MONO_MS)

/* What is made right in a packet. */
enum mend {
	MEND_SIGN = 1,	 /* version, vhid, HMAC and checksum of the advert */
	MEND_ORIG = 2,	 /* ... of the other variant */
	MEND_SUM = 4,	 /* its checksum alone */
	MEND_IP = 8,	 /* version, protocol, lengths, checksum */
	MEND_GROUP = 16, /* hop limit 255 */
	MEND_CUT = 32,	 /* but it says that it is longer */
};

struct scene {
	struct reader in;
	struct carp_vhost v;
	struct carp_vhost_conf conf;
	mono_t now;
	bool right; /* a TAKE without a RELEASE after it */
	bool any;   /* it has advertised: */
	struct carp_advert said;
	unsigned ticks;
};

/* --- the virtual host ------------------------------------------------------- */

static const uint32_t v4[] = { 0x0a000001, 0xc0a80101 };
static const struct carp_addr6 v6[] = {
	{ { 0xfd, [15] = 1 } },
	{ { 0xfe, 0x80, [15] = 7 } },
};

static void configure(struct scene *s)
{
	uint8_t how = reader_u8(&s->in);

	s->conf = (struct carp_vhost_conf){
		.vhid = reader_u8(&s->in),
		.advbase = reader_u8(&s->in),
		.advskew = reader_u8(&s->in),
		.preempt = how & 1,
		.pass = how & 2 ? "secret" : NULL,
		.v4 = v4,
		.v4_count = how >> 2 & 1,
		.v6 = v6,
		.v6_count = (how >> 3 & 3) % 3,
		.preempt_delay_ns = how & 32 ? MONO_S : 0,
		.announce_ns = how & 64 ? MONO_S : 0,
		.witness_limit = how & 128 ? 3 : 0,
		.seed = reader_u8(&s->in),
	};
	s->conf.v4_count += s->conf.v4_count && how & 64;
}

static void advert(struct scene *s, const struct carp_action *a)
{
	struct carp_advert said;
	uint8_t bytes[CARP_ADVERT_LEN];

	assert(s->right || a->advert.own_mac);
	assert(!carp_wire_parse(a->advert.bytes, CARP_ADVERT_LEN, &said));
	carp_wire_build(&said, bytes);
	assert(!memcmp(bytes, a->advert.bytes, sizeof(bytes)));
	assert(carp_auth_verify(carp_vhost_auth(&s->v), said.counter,
				said.digest));
	assert(!s->any ||
	       said.counter - s->said.counter - 1 < CARP_COUNTER_RANGE);
	s->said = said;
	s->any = true;
}

static void drain(struct scene *s)
{
	struct carp_action a;

	while (carp_vhost_poll(&s->v, &a)) {
		if (a.what == CARP_DO_TAKE)
			s->right = true;
		if (a.what == CARP_DO_RELEASE) {
			assert(s->right);
			s->right = false;
		}
		if (a.what == CARP_DO_ADVERT)
			advert(s, &a);
	}
	assert(s->right == (s->v.state == CARP_MASTER));
	assert(s->v.state == CARP_INIT || s->v.external ||
	       s->v.fence != CARP_UNFENCED ||
	       !mono_is_never(carp_vhost_deadline(&s->v)));
}

/* Everything that is due until then. */
static void pass(struct scene *s, int64_t ns)
{
	mono_t end = mono_add(s->now, ns);
	unsigned again = 0;

	while (s->ticks++ < TICKS_MAX) {
		mono_t next = carp_vhost_deadline(&s->v);

		if (next.ns > end.ns)
			break;
		again = next.ns > s->now.ns ? 0 : again + 1;
		assert(again < 10);
		if (next.ns > s->now.ns)
			s->now = next;
		carp_vhost_tick(&s->v, s->now);
		drain(s);
	}
	s->now = end;
}

/* --- packets ------------------------------------------------------------------ */

static void mend_advert(const struct scene *s, uint8_t *p, unsigned mend)
{
	struct carp_advert a = { .vhid = s->v.auth.vhid };
	struct reader r;

	if (mend & MEND_SIGN) {
		reader_init(&r, p, CARP_ADVERT_LEN);
		reader_u16(&r);
		a.advskew = reader_u8(&r);
		a.authlen = reader_u8(&r);
		a.demote = reader_u8(&r);
		a.advbase = reader_u8(&r);
		reader_u16(&r);
		a.counter = reader_u64(&r);
		carp_auth_sign(carp_vhost_auth(&s->v),
			       mend & MEND_ORIG ? CARP_AUTH_ORIG
						: CARP_AUTH_NOV6LL,
			       a.counter, a.digest);
		carp_wire_build(&a, p);
	} else if (mend & MEND_SUM) {
		uint16_t sum;

		p[6] = p[7] = 0;
		sum = carp_wire_checksum(p, CARP_ADVERT_LEN);
		p[6] = (uint8_t)(sum >> 8);
		p[7] = (uint8_t)sum;
	}
}

/* Where the advert begins. */
static size_t mend_v4(uint8_t *p, size_t len, unsigned mend)
{
	size_t header = 4 * (size_t)(p[0] & 0xf), total;
	uint16_t sum;

	if (!(mend & MEND_IP) || header < 20 || header > len)
		return header;
	p[0] = (uint8_t)(4 << 4 | (p[0] & 0xf));
	total = len + (mend & MEND_CUT ? CARP_ADVERT_LEN : 0);
	p[2] = (uint8_t)(total >> 8);
	p[3] = (uint8_t)total;
	p[6] &= 0x40;
	p[7] = 0;
	p[9] = CARP_IP_PROTOCOL;
	if (mend & MEND_GROUP)
		p[8] = CARP_TTL;
	p[10] = p[11] = 0;
	sum = carp_wire_checksum(p, header);
	p[10] = (uint8_t)(sum >> 8);
	p[11] = (uint8_t)sum;
	return header;
}

static size_t mend_v6(uint8_t *p, size_t len, unsigned mend)
{
	size_t total = len - 40 + (mend & MEND_CUT ? CARP_ADVERT_LEN : 0);

	if (mend & MEND_IP) {
		p[0] = 6 << 4;
		p[4] = (uint8_t)(total >> 8);
		p[5] = (uint8_t)total;
		p[6] = CARP_IP_PROTOCOL;
	}
	if (mend & MEND_GROUP)
		p[7] = CARP_TTL;
	return 40;
}

static struct carp_sender sender(struct scene *s, const struct carp_packet *p)
{
	uint8_t how = reader_u8(&s->in);

	return (struct carp_sender){
		.addr = p->src,
		.known = how & 1,
		.asks = how & 2,
		.tie = how & 4 ? CARP_TIE_WIN : CARP_TIE_LOSE,
		.refused = how & 8    ? CARP_REFUSED_REPLAY
			   : how & 16 ? CARP_REFUSED_SOURCE
				      : CARP_OK,
	};
}

static void receive(struct scene *s, const struct carp_packet *p,
		    enum carp_refusal why)
{
	struct carp_sender from = sender(s, p);
	struct carp_advert a, again;
	uint8_t bytes[CARP_ADVERT_LEN];

	if (why == CARP_OK)
		why = carp_wire_parse(p->payload, p->len, &a);
	if (why != CARP_OK) {
		carp_vhost_count(&s->v, why);
		return;
	}
	carp_wire_build(&a, bytes);
	assert(!carp_wire_parse(bytes, sizeof(bytes), &again));
	assert(!memcmp(&a, &again, sizeof(a)));
	(void)carp_vhost_receive(&s->v, &a, &from, s->now);
}

/* As carpsock_read() has it from the raw socket, and from a packet socket. */
static void packet(struct scene *s, enum carp_family family, bool raw)
{
	uint8_t bytes[256] = { 0 }, ttl = reader_u8(&s->in);
	unsigned mend = reader_u8(&s->in);
	size_t len, at = 0;
	const uint8_t *part = fuzz_part(&s->in, &len);
	struct carp_packet p = { .ttl = ttl,
				 .src = { .family = family },
				 .dst = { .family = family } };
	enum carp_refusal why;

	if (len > sizeof(bytes))
		len = sizeof(bytes);
	if (len)
		memcpy(bytes, part, len);
	if (family == CARP_V4 && len >= 20)
		at = mend_v4(bytes, len, mend);
	if (family == CARP_V6 && !raw && len >= 40)
		at = mend_v6(bytes, len, mend);
	if (at + CARP_ADVERT_LEN <= len)
		mend_advert(s, bytes + at, mend);
	if (family == CARP_V4)
		why = carp_packet_parse_v4(bytes, len, ttl, &p);
	else if (!raw)
		why = carp_packet_parse_v6(bytes, len, ttl, &p);
	else
		why = carp_packet_payload_v6(bytes, len, CARP_TTL, &p);
	if (p.payload)
		assert(p.payload >= bytes && p.len <= len &&
		       p.payload + p.len <= bytes + len);
	receive(s, &p, why);
}

/* Its own word, or one that who stands in for it sent. */
static void echo(struct scene *s, bool again)
{
	uint8_t bytes[CARP_ADVERT_LEN];
	struct carp_packet p = { .payload = bytes, .len = sizeof(bytes) };

	if (!s->any)
		return;
	carp_wire_build(&s->said, bytes);
	if (again)
		carp_vhost_again(carp_vhost_auth(&s->v), bytes);
	receive(s, &p, CARP_OK);
}

/* --- what else it is told ------------------------------------------------------- */

static void environment(struct scene *s)
{
	uint8_t how = reader_u8(&s->in);
	const struct carp_env env = {
		.demotion = reader_u8(&s->in) * 2u,
		.holding = how & 1,
		.may_preempt = how & 2,
		.ask_first = how & 4,
		.second = how & 8,
		.others = how & 16,
		.behind = how & 32,
	};

	carp_vhost_env(&s->v, &env, s->now);
}

static void change(struct scene *s)
{
	bool says_old = reader_u8(&s->in) & 1;
	uint8_t vhid = s->conf.vhid;

	configure(s);
	s->conf.vhid = vhid;
	if (!carp_vhost_change(&s->v, &s->conf, says_old, s->now))
		drain(s);
}

/* Another process goes on as this node. */
static void upgrade(struct scene *s)
{
	struct carp_vhost next;
	struct carp_kept kept;

	if (!carp_vhost_keep(&s->v, &kept))
		return;
	if (reader_u8(&s->in) & 1) {
		carp_vhost_kept_not(&s->v, s->now);
		return;
	}
	if (carp_vhost_init(&next, &s->conf, s->now))
		return;
	if (kept.state != CARP_INIT)
		carp_vhost_link(&next, true, s->now);
	s->v = next;
	s->right = false;
	drain(s);
	carp_vhost_restore(&s->v, &kept, s->now);
	s->right = s->v.state == CARP_MASTER;
}

static void handover(struct scene *s)
{
	switch (fuzz_below(&s->in, 5)) {
	case 0:
		carp_vhost_fence(&s->v);
		break;
	case 1:
		carp_vhost_bow_out(&s->v);
		break;
	case 2:
		carp_vhost_resume(&s->v, s->now);
		break;
	case 3:
		carp_vhost_give_up(&s->v, s->now);
		break;
	case 4:
		carp_vhost_take(&s->v, CARP_CAUSE_HANDOVER, s->now);
		break;
	}
}

static void told(struct scene *s)
{
	uint8_t how;

	switch (fuzz_below(&s->in, 9)) {
	case 0:
		carp_vhost_link(&s->v, reader_u8(&s->in) & 1, s->now);
		break;
	case 1:
		environment(s);
		break;
	case 2:
		how = reader_u8(&s->in);
		carp_vhost_vouch(&s->v, mono_add(s->now, how * STEP_NS),
				 how & 1, s->now);
		break;
	case 3:
		carp_vhost_obey(&s->v, s->now);
		break;
	case 4:
		carp_vhost_lease_lost(&s->v, s->now);
		break;
	case 5:
		change(s);
		break;
	case 6:
		upgrade(s);
		break;
	case 7:
		how = reader_u8(&s->in);
		carp_vhost_changed(&s->v, how & 1 && s->v.has_old,
				   how & 2 && s->v.has_old);
		carp_vhost_no_foreign(&s->v);
		break;
	case 8:
		carp_vhost_stop(&s->v, s->now);
		break;
	}
}

static void step(struct scene *s)
{
	switch (fuzz_below(&s->in, 8)) {
	case 0:
		packet(s, CARP_V4, false);
		break;
	case 1:
		packet(s, CARP_V6, false);
		break;
	case 2:
		packet(s, CARP_V6, true);
		break;
	case 3:
	case 4:
		pass(s, reader_u8(&s->in) * STEP_NS);
		break;
	case 5:
		echo(s, reader_u8(&s->in) & 1);
		break;
	case 6:
		handover(s);
		break;
	case 7:
		told(s);
		break;
	}
	drain(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scene s = { .now = { MONO_S } };

	reader_init(&s.in, data, size);
	configure(&s);
	if (carp_vhost_init(&s.v, &s.conf, s.now))
		return 0;
	carp_vhost_link(&s.v, true, s.now);
	drain(&s);
	for (int i = 0; i < STEPS_MAX && fuzz_more(&s.in); i++)
		step(&s);
	return 0;
}
