// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * core/engine: every message that a peer can make, with any values in it, in
 * any order. Asserts are for bugs of our own: none fails.
 */
#include "hostile_peer.h"

#define STEPS 60000

static void any_flow(struct flow *f)
{
	static const uint32_t ends[] = { 0x0a010001, 0x7f000001, 0xe0000001,
					 0x0a090001, 0 };

	numbered(f, rnd(200));
	if (!rnd(4))
		with_source(f, rnd(200), ends[rnd(5)]);
	f->status = rnd(UINT32_MAX);
	f->mark = rnd(4);
	f->timeout_s = rnd(2) ? rnd(UINT32_MAX) : 0;
	f->tcp_state = (uint8_t)rnd(16);
	f->zone = (uint16_t)(rnd(8) ? 0 : rnd(65536));
}

static void any_word(void)
{
	struct session_word w = { .demotion = rnd(300),
				  .ready = rnd(2),
				  .holds = rnd(16),
				  .tx_epoch = rnd(4),
				  .rx_epoch = rnd(2) ? e->peers[0].tx.epoch
						     : rnd(4),
				  .number = rnd(100),
				  .heard = rnd(100),
				  .answer = rnd(2),
				  .owner = rnd(5),
				  .nvhosts = rnd(SESSION_VHOSTS_MAX + 1) };

	for (size_t i = 0; i < w.nvhosts; i++) {
		struct session_vhost *v = &w.vhosts[i];

		strcpy(v->name, rnd(2) ? "lan" : "");
		v->vhid = (uint8_t)rnd(256);
		v->state = (uint8_t)(rnd(4) ? rnd(3) : rnd(256));
		v->advskew = (uint8_t)rnd(256);
		v->interval_us = rnd(UINT32_MAX);
		v->master_ms = rnd(2) ? rnd(1000) : SESSION_MS_MAX;
		v->first = rnd(2) ? rnd(10) : UINT64_MAX;
		v->last = rnd(2) ? rnd(10) : UINT64_MAX;
		v->identity = rnd(3);
		v->unheard = rnd(2);
		v->mute = rnd(2);
		v->demotion = rnd(300);
	}
	session_send_word(h, &w);
}

static void any_audit(void)
{
	static uint32_t sums[SESSION_AUDIT_SUMS_MAX],
		buckets[SESSION_AUDIT_BUCKETS_MAX],
		some[SESSION_AUDIT_ENTRIES_MAX];
	static uint64_t tuples[SESSION_AUDIT_TUPLES_MAX];
	struct session_audit m = {
		.kind = (enum session_audit_kind)(1 + rnd(10)),
		.round = e->round && rnd(4) ? e->round->id : rnd(3),
		.bits = SESSION_AUDIT_BITS_MIN + rnd(9),
		.period_ms = rnd(2) ? rnd(UINT32_MAX) : 0,
		.urgent = rnd(2),
		.last = rnd(2),
		.repair = rnd(2),
		.first = rnd(2) ? 0 : rnd(UINT32_MAX),
		.sums = sums,
		.buckets = buckets,
		.tuples = tuples,
		.nsums = rnd(100),
		.nbuckets = rnd(2) ? rnd(300) : SESSION_AUDIT_BUCKETS_MAX,
		.ntuples = rnd(2) ? rnd(30) : SESSION_AUDIT_ENTRIES_MAX,
		.ntexts = rnd(SESSION_AUDIT_TEXTS_MAX + 1),
	};

	for (size_t i = 0; i < SESSION_AUDIT_BUCKETS_MAX; i++)
		buckets[i] = rnd(1 << SESSION_AUDIT_BITS_MAX);
	for (size_t i = 0; i < 100; i++)
		sums[i] = rnd(UINT32_MAX);
	for (size_t i = 0; i < m.ntuples; i++)
		tuples[i] = rnd(UINT32_MAX) * 4294967296ULL;
	if (m.kind == SESSION_AUDIT_ENTRIES)
		m.identities = m.states = m.marks = some;
	for (size_t i = 0; i < AUDIT_COUNTS; i++)
		m.count[i] = rnd(2) ? rnd(100) : SESSION_MS_MAX;
	for (size_t i = 0; i < m.ntexts; i++) {
		m.examples[i] = rnd(2) ? rnd(12) : rnd(UINT32_MAX);
		strcpy(m.texts[i], "\x1b[2J a text");
	}
	session_send_audit(h, &m, now);
}

static void any_handover(void)
{
	static const enum session_handover kinds[] = {
		SESSION_HANDOVER_REQUEST, SESSION_HANDOVER_REFUSED,
		SESSION_HANDOVER_GO,	  SESSION_HANDOVER_DONE,
		SESSION_HANDOVER_BACK,	  SESSION_HANDOVER_ELSEWHERE
	};
	const struct session_switch m = {
		.kind = kinds[rnd(6)],
		.reason = rnd(2) ? "because" : NULL,
		.step_us = { rnd(UINT32_MAX), rnd(UINT32_MAX), 0 },
		.vhosts = rnd(2) ? 0 : rnd(UINT32_MAX),
	};

	session_send_handover(h, &m);
}

static void any_facts(void)
{
	static struct fact list[FACTS_MAX];
	size_t n = rnd(20) ? rnd(10) : FACTS_MAX;

	for (size_t i = 0; i < n; i++) {
		list[i].kind = rnd(2) ? rnd(12) : rnd(UINT32_MAX);
		snprintf(list[i].name, FACT_NAME_MAX, "%s", rnd(3) ? "" : "x");
		snprintf(list[i].value, FACT_VALUE_MAX, "%u", rnd(3));
	}
	session_send_facts(h, list, n);
}

static void any_addresses(void)
{
	struct session_address list[SESSION_ADDRESSES_MAX];
	size_t n = rnd(4) ? rnd(4) : SESSION_ADDRESSES_MAX;

	memset(list, 0, sizeof(list));
	for (size_t i = 0; i < n; i++) {
		list[i].family = rnd(2) ? AF_INET : AF_INET6;
		list[i].addr.b[0] = (uint8_t)rnd(256);
		list[i].addr.b[3] = 1; /* not that of a flow below */
	}
	session_send_addresses(h, list, n);
}

static void any_expectation(void)
{
	struct expect_change c = { .op = (enum expect_op)rnd(EXPECT_OPS) };

	c.expect.family = AF_INET;
	c.expect.l4proto = c.expect.master_l4proto = IPPROTO_TCP;
	c.expect.tuple.src.b[0] = c.expect.master.src.b[0] = (uint8_t)rnd(256);
	c.expect.timeout_s = rnd(UINT32_MAX);
	strcpy(c.expect.helper, "ftp");
	session_tell_expect(h, &c, now);
}

static void any_set(void)
{
	static struct set_elements m;
	struct set_word word = { .name = "inet filter x",
				 .kind = { .present = rnd(2),
					   .key_len = rnd(100) },
				 .want = rnd(3) };

	session_send_sets(h, &word, rnd(2), rnd(2));
	m.n = rnd(SET_FRAME_MAX + 1);
	m.part = (enum set_part)rnd(3);
	strcpy(m.name, "inet filter x");
	for (size_t i = 0; i < m.n; i++)
		m.list[i].key_len = (uint8_t)rnd(SET_KEY_MAX + 1);
	session_tell_elements(h, &m, now);
}

static void any_bulk(void)
{
	const uint8_t key[DIGEST_KEY_LEN] = "whatever";
	uint64_t id = rnd(2) ? e->peers[0].rx.id : rnd(5);
	struct flow f;

	session_bulk_begin(h, id, rnd(5), rnd(2) ? rnd(9) : UINT64_MAX, key,
			   now);
	for (uint32_t i = rnd(300); i > 0; i--) {
		any_flow(&f);
		session_bulk_tell(h, &f, now);
	}
	if (rnd(4))
		session_bulk_end(h, now);
}

static void any_change(void)
{
	struct flow_change c = { .op = (enum flow_op)(1 + rnd(4)) };

	for (uint32_t i = rnd(20); i > 0; i--) {
		any_flow(&c.flow);
		session_tell(h, &c, now);
	}
	session_flush(h, now);
}

static void anything(void)
{
	switch (rnd(14)) {
	case 0:
		any_word();
		return;
	case 1:
		session_send_advert(
			h, &(struct session_advert){ rnd(SESSION_VHOSTS_MAX),
						     rnd(UINT32_MAX) });
		return;
	case 2:
		any_addresses();
		return;
	case 3:
		session_send_bulk_request(h, rnd(10));
		return;
	case 4:
		session_send_gap(h, rnd(5), "\x1b]0;a gap\a");
		return;
	case 5:
		any_handover();
		return;
	case 6:
		any_audit();
		return;
	case 7:
		any_facts();
		return;
	case 8:
		any_set();
		return;
	case 9:
		any_expectation();
		return;
	case 10:
		any_bulk();
		return;
	case 11:
		session_send_ack(h,
				 h->rx.seq ? rnd((uint32_t)h->rx.seq + 1) : 0,
				 NULL, 0);
		return;
	default:
		any_change();
		return;
	}
}

static void reconnect(void)
{
	const struct session_place place = { rnd(2) ? e->peers[0].tx.epoch
						    : rnd(5),
					     rnd(100) };

	if (e->peers[0].up)
		engine_peer_down(e, 0, "the test", now);
	settle();
	if (rnd(2))
		session_park(h);
	session_down(h);
	session_offer(h, &place);
	connect_them();
	*closed = '\0';
}

/* In any order, read or not, from a backup and a master: asserts are for bugs
 * of our own, and none fails. */
START_TEST(anything_in_any_order)
{
	struct flow f;

	for (int i = 0; i < STEPS; i++) {
		anything();
		if (rnd(3))
			give();
		for (uint32_t k = rnd(4); k > 0; k--)
			(void)work();
		if (rnd(2))
			read_it();
		now = mono_add(now, rnd(2) ? rnd(20) * MONO_MS : 0);
		engine_tick(e, now);
		settle();
		if (*closed || !session_is_open(h) || !rnd(200))
			reconnect();
		ck_assert_uint_le(kept(), 40 << 20);
	}
	printf("%u frames back, %llu sessions, %llu changes injected\n", frames,
	       (unsigned long long)e->peers[0].sessions,
	       (unsigned long long)e->injected);
	ck_assert_uint_ge(e->peers[0].sessions, 100);
	ck_assert_uint_ge(e->injected, 1000);
	/* and then one that is right is heard as ever */
	(void)session_restart(h);
	session_offer(h, &(struct session_place){ 0 });
	reconnect();
	session_down(h);
	(void)session_restart(h); /* it keeps nothing of before for us */
	session_offer(h, &(struct session_place){ 0 });
	engine_peer_down(e, 0, "the test", now);
	settle();
	connect_them();
	give();
	work_off();
	read_it();
	ck_assert(e->peers[0].live);
	numbered(&f, 60000);
	ck_assert_uint_ge(told(&f, FLOW_NEW), 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("engine_anything");
	TCase *t = tcase_create("engine_anything");

	tcase_add_test(t, anything_in_any_order);
	return run_suite(s, t);
}
