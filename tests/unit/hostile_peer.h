/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A node whose peer is in the test's hands: it has the key, and says what it
 * likes.
 */
#ifndef STATESYNC_TEST_HOSTILE_PEER_H
#define STATESYNC_TEST_HOSTILE_PEER_H

#include <check.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "engine_int.h"
#include "session_int.h"

static struct engine *e;  /* fw2, a backup */
static struct session *h; /* who says that it is fw1 */
static mono_t now;
static uint64_t seed;
static char closed[ENGINE_TEXT_MAX]; /* why */
static unsigned frames;

static inline uint32_t rnd(uint32_t below)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(seed >> 33) % below;
}

/* --- the node ------------------------------------------------------------- */

static inline void act(const struct engine_action *a)
{
	const int64_t us[3] = { 1, 1, 1 };

	switch (a->what) {
	case ENGINE_TAKE:
		engine_taken(e, a->index, us, now);
		return;
	case ENGINE_ADVERT:
		engine_advert_sent(e, a->index, true);
		return;
	case ENGINE_DRAIN:
		engine_drained(e, now);
		return;
	case ENGINE_UNSUBSCRIBE:
		engine_unsubscribed(e, true, now);
		return;
	case ENGINE_CLOSE:
		snprintf(closed, sizeof(closed), "%s", a->log.text);
		engine_peer_down(e, 0, closed, now);
		return;
	case ENGINE_RELEASE:
	case ENGINE_FENCE:
	case ENGINE_ANNOUNCE:
	case ENGINE_SUBSCRIBE:
	case ENGINE_LEASE_TIME:
	case ENGINE_LOG:
	case ENGINE_TRANSITION:
	case ENGINE_BULK_ENDED:
	case ENGINE_HANDOVER_ENDED:
	case ENGINE_PASS:
	case ENGINE_VERIFIED:
	case ENGINE_STOPPED:
		return;
	}
}

static inline void settle(void)
{
	struct engine_action a;

	while (engine_poll(e, &a, now))
		act(&a);
}

static inline void numbered(struct flow *f, uint32_t i)
{
	memset(f, 0, sizeof(*f));
	f->family = AF_INET;
	f->l4proto = IPPROTO_TCP;
	f->orig.src.b[0] = 10;
	f->orig.src.b[1] = 9;
	f->orig.src.b[2] = (uint8_t)(i >> 8);
	f->orig.src.b[3] = (uint8_t)i;
	f->orig.dst.b[0] = 198;
	f->orig.sport = (uint16_t)i;
	f->orig.dport = 443;
	flow_tuple_invert(f, &f->orig, &f->reply);
	f->status = IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED;
	f->has = FLOW_HAS_TIMEOUT | FLOW_HAS_TCP;
	f->timeout_s = 600;
	f->tcp_state = TCP_CONNTRACK_ESTABLISHED;
}

/* The kernel takes everything; its table has a hundred entries. */
static inline enum engine_work work(void)
{
	uint8_t results[ENGINE_OPS_MAX] = { FLOW_APPLIED };
	struct flow list[100];
	enum engine_work what = engine_work(e, now);

	switch (what) {
	case WORK_INJECT:
		engine_injected(e, results, 1, now);
		break;
	case WORK_EXPECTS:
		engine_expects_injected(e, results);
		break;
	case WORK_EXPECTS_DUMP:
		engine_expects_dumped(e, true, now);
		break;
	case WORK_DUMP_START:
		engine_dumping(e, true, now);
		break;
	case WORK_DUMP_ABORT:
		engine_dumping(e, false, now);
		break;
	case WORK_DUMP_READ:
		for (uint32_t i = 0; i < 100; i++)
			numbered(&list[i], i);
		engine_dumped(e, list, 100, false, false, 1, now);
		break;
	case WORK_NONE:
	case WORK_SETS:
	case WORK_HEAR:
		break;
	}
	settle();
	return what;
}

static inline void work_off(void)
{
	for (int i = 0; i < 10000; i++)
		if (work() == WORK_NONE)
			return;
	ck_abort_msg("its work has no end");
}

static inline void connect_them(void)
{
	engine_peer_up(e, 0, now);
	session_up(h, now);
}

static inline void give(void)
{
	const uint8_t *bytes;
	size_t len;

	while ((len = session_output(h, &bytes)) > 0) {
		engine_peer_data(e, 0, bytes, len, now);
		session_sent(h, len);
	}
	settle();
}

/* It reads what it was told. */
static inline void read_it(void)
{
	struct session *s = engine_session(e, 0);
	struct session_event ev;
	const uint8_t *bytes;
	size_t len;

	while ((len = session_output(s, &bytes)) > 0) {
		(void)!session_input(h, bytes, len, now);
		session_sent(s, len);
	}
	while (session_poll(h, &ev))
		frames++;
}

/* What the engine keeps for it, in bytes. */
static inline size_t kept(void)
{
	const struct session *s = engine_session(e, 0);

	return s->tx.control.q.size + session_held(s) + s->rx.q.size;
}

static inline void setup(void)
{
	static const uint32_t address = 0x0a010001;
	const char *peers[1] = { "fw1" }, *why;
	const struct engine_vhost_conf vhost = {
		.name = "lan",
		.carp = { .vhid = 1,
			  .advbase = 1,
			  .advskew = 50,
			  .pass = "secret",
			  .v4 = &address,
			  .v4_count = 1 },
	};
	const struct engine_conf conf = {
		.node = "fw2",
		.version = "1",
		.boot_id = 1,
		.resume_bytes = 1 << 20,
		.audit_period_ns = 60 * MONO_S,
		.nvhosts = 1,
		.npeers = 1,
		.vhosts = &vhost,
		.peers = peers,
	};
	const struct session_conf theirs = { .node = "fw1",
					     .peer = "fw2",
					     .version = "666",
					     .boot_id = 2,
					     .resume_bytes = 1 << 20 };

	now = (mono_t){ 100 * MONO_S };
	seed = 4711;
	e = calloc(1, sizeof(*e));
	ck_assert_int_eq(engine_init(e, &conf, &why, now), 0);
	engine_table(e, 100);
	engine_link(e, 0, true, now);
	h = session_new(&theirs);
	settle();
	connect_them();
	give();
	work_off();
	read_it();
	ck_assert(e->peers[0].live && session_live(h));
}

static inline void teardown(void)
{
	engine_free(e);
	free(e);
	session_free(h);
}

/* An address of each kind at the end of a flow that says so. */
static inline void with_source(struct flow *f, uint32_t i, uint32_t source)
{
	const uint32_t v4 = htonl(source);

	numbered(f, i);
	memcpy(f->orig.src.b, &v4, sizeof(v4));
	flow_tuple_invert(f, &f->orig, &f->reply);
}

static inline void with_destination(struct flow *f, uint32_t i,
				    uint32_t destination)
{
	const uint32_t v4 = htonl(destination);

	numbered(f, i);
	memcpy(f->orig.dst.b, &v4, sizeof(v4));
	flow_tuple_invert(f, &f->orig, &f->reply);
}

static inline size_t told(const struct flow *f, enum flow_op op)
{
	const struct flow_change c = { .op = op, .flow = *f };
	uint64_t before = e->injected;

	ck_assert_int_eq(session_tell(h, &c, now), 0);
	ck_assert_int_eq(session_flush(h, now), 0);
	give();
	work_off();
	read_it();
	return (size_t)(e->injected - before);
}

static inline int run_suite(Suite *s, TCase *t)
{
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
