/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Two sessions, the wire between them in the test's hands, frames by hand. */
#ifndef STATESYNC_TEST_SESSION_PAIR_H
#define STATESYNC_TEST_SESSION_PAIR_H

#include "session.h"

#include <check.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "frame.h"
#include "session_msg.h"

#define WIRE_MAX (4 * 1024 * 1024)

static const uint8_t key[DIGEST_KEY_LEN] = "0123456789abcdef";
static const struct session_conf conf_a = { "fw1", "fw2",   "0.1",
					    11,	   1 << 20, { 900 * MONO_S } };
static const struct session_conf conf_b = { "fw2", "fw1",   "0.2",
					    22,	   1 << 20, { 0 } };
static struct session *a, *b;
static struct session_event ev;
static struct queue raw; /* frames made by hand */
static uint8_t *wire;
static uint64_t seed;
static mono_t now;

static inline void setup(void)
{
	seed = 4711;
	now = (mono_t){ 1000 * MONO_S };
	a = session_new(&conf_a);
	b = session_new(&conf_b);
	wire = malloc(WIRE_MAX);
	ck_assert_int_eq(queue_init(&raw), 0);
	session_up(a, now);
	session_up(b, now);
}

static inline void teardown(void)
{
	session_free(a);
	session_free(b);
	session_free(NULL);
	queue_free(&raw);
	free(wire);
}

static inline uint32_t rnd(void)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(seed >> 33);
}

/* Everything that from has to say, into wire. */
static inline size_t collect(struct session *from)
{
	const uint8_t *p;
	size_t len, total = 0;

	while ((len = session_output(from, &p)) > 0) {
		ck_assert_uint_le(total + len, WIRE_MAX);
		memcpy(wire + total, p, len);
		total += len;
		session_sent(from, len);
	}
	return total;
}

static inline void carry(struct session *from, struct session *to)
{
	size_t len = collect(from);

	ck_assert_int_eq(session_input(to, wire, len, now), 0);
}

static inline bool next(struct session *s, enum session_event_type type)
{
	return session_poll(s, &ev) && ev.type == type;
}

static inline void assert_broken(struct session *s, enum session_error error)
{
	ck_assert(session_poll(s, &ev));
	ck_assert_int_eq(ev.type, SESSION_BROKEN);
	ck_assert_str_eq(session_error_name(ev.error),
			 session_error_name(error));
	ck_assert(!session_live(s));
	ck_assert(!session_poll(s, &ev));
	/* and nothing brings it back but session_up */
	session_input(s, "xxxxxxxxxxxxxxxxxxxxxxx", 23, now);
	ck_assert(!session_poll(s, &ev));
	ck_assert_uint_eq(session_unread(s), 0);
}

static inline void connect_both(void)
{
	carry(a, b);
	carry(b, a);
	ck_assert(next(a, SESSION_HELLO));
	ck_assert(next(b, SESSION_HELLO));
	ck_assert(session_live(a) && session_live(b));
}

/* Feeds the frames made by hand to a. */
static inline void feed_raw(void)
{
	session_input(a, queue_data(&raw), raw.len, now);
	queue_cut(&raw, 0);
}

/* A numbered frame by hand: the message through an outbox of that number. */
static inline void raw_numbered(struct outbox *o)
{
	const uint8_t *bytes;
	size_t len = outbox_offer(o, SIZE_MAX, &bytes);

	memcpy(queue_room(&raw, len), bytes, len);
	queue_added(&raw, len);
	outbox_clear(o, 0);
}

static inline void raw_bulk_begin(uint64_t seq,
				  const struct session_bulk_begin *m)
{
	struct outbox o = { 0 };

	outbox_clear(&o, seq - 1);
	session_msg_put_bulk_begin(&o, m);
	raw_numbered(&o);
}

static inline void raw_bulk_end(uint64_t seq, const struct session_bulk_end *m)
{
	struct outbox o = { 0 };

	outbox_clear(&o, seq - 1);
	session_msg_put_bulk_end(&o, m);
	raw_numbered(&o);
}

static inline void numbered_flow(struct flow *f, uint32_t i)
{
	memset(f, 0, sizeof(*f));
	f->family = AF_INET;
	f->l4proto = i % 2 ? IPPROTO_TCP : IPPROTO_UDP;
	f->orig.src.b[0] = 10;
	f->orig.src.b[2] = (uint8_t)(i >> 8);
	f->orig.src.b[3] = (uint8_t)i;
	f->orig.dst.b[0] = 198;
	f->orig.sport = (uint16_t)i;
	f->orig.dport = 443;
	flow_tuple_invert(f, &f->orig, &f->reply);
	f->reply.dst.b[0] = 203;
	f->mark = i;
	f->status = 0xe;
	f->has = FLOW_HAS_TIMEOUT;
	f->timeout_s = 600;
	if (f->l4proto == IPPROTO_TCP) {
		f->has |= FLOW_HAS_TCP;
		f->tcp_state = TCP_CONNTRACK_ESTABLISHED;
	}
}

static inline void tell(struct session *s, uint32_t i)
{
	struct flow_change c = { .op = FLOW_NEW };

	numbered_flow(&c.flow, i);
	ck_assert_int_eq(session_tell(s, &c, now), 0);
}

static inline void bulk_tell(struct session *s, uint32_t i)
{
	struct flow f;

	numbered_flow(&f, i);
	ck_assert_int_eq(session_bulk_tell(s, &f, now), 0);
}

static inline void meet(const char *node, const char *peer,
			enum session_error error)
{
	struct session_hello h = { .version = "x" };
	struct session_hello_names names = { 0 };

	strcpy(names.node, node);
	strcpy(names.peer, peer);
	session_up(a, now);
	session_msg_put_hello(&raw, &h, &names);
	feed_raw();
	if (error == SESSION_OK)
		ck_assert(next(a, SESSION_HELLO));
	else
		assert_broken(a, error);
}
/* A frame by hand: type and payload. */
static inline void feed_payload(uint8_t type, const char *payload, size_t len)
{
	uint8_t head[FRAME_HEADER_BYTES] = { 0 };

	meet("fw2", "fw1", SESSION_OK);
	head[2] = (uint8_t)(len >> 8);
	head[3] = (uint8_t)len;
	head[4] = type;
	head[12] = type >= FRAME_FLOWS;
	session_input(a, head, sizeof(head), now);
	if (len == 0)
		return;
	ck_assert(!session_poll(a, &ev));
	session_input(a, payload, len, now);
}
static inline void bulk_of(struct session *s, uint64_t id, uint32_t n)
{
	session_bulk_begin(s, id, 5, n, key, now);
	for (uint32_t i = 0; i < n; i++)
		bulk_tell(s, i);
	session_bulk_end(s, now);
}

static inline int run_tests(const char *name, const TTest *const *tests,
			    size_t n)
{
	Suite *s = suite_create(name);
	TCase *tc = tcase_create(name);
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	for (size_t i = 0; i < n; i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
