// SPDX-License-Identifier: GPL-3.0-or-later
/* Two sessions in one process, and one against a hostile peer. */
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
static const struct session_conf conf_a = { "fw1", "fw2", "0.1", 11 };
static const struct session_conf conf_b = { "fw2", "fw1", "0.2", 22 };
static struct session *a, *b;
static struct session_event ev;
static struct queue raw; /* frames made by hand */
static uint8_t *wire;
static uint64_t seed;
static mono_t now;

static void setup(void)
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

static void teardown(void)
{
	session_free(a);
	session_free(b);
	session_free(NULL);
	queue_free(&raw);
	free(wire);
}

static uint32_t rnd(void)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(seed >> 33);
}

/* Everything that from has to say, into wire. */
static size_t collect(struct session *from)
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

static void carry(struct session *from, struct session *to)
{
	size_t len = collect(from);

	ck_assert_int_eq(session_input(to, wire, len, now), 0);
}

static bool next(struct session *s, enum session_event_type type)
{
	return session_poll(s, &ev) && ev.type == type;
}

static void assert_broken(struct session *s, enum session_error error)
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

static void connect_both(void)
{
	carry(a, b);
	carry(b, a);
	ck_assert(next(a, SESSION_HELLO));
	ck_assert(next(b, SESSION_HELLO));
	ck_assert(session_live(a) && session_live(b));
}

/* Feeds the frames made by hand to a. */
static void feed_raw(void)
{
	session_input(a, queue_data(&raw), raw.len, now);
	queue_cut(&raw, 0);
}

static void numbered_flow(struct flow *f, uint32_t i)
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

static void tell(struct session *s, uint32_t i)
{
	struct flow_change c = { .op = FLOW_NEW };

	numbered_flow(&c.flow, i);
	ck_assert_int_eq(session_tell(s, &c, now), 0);
}

static void bulk_tell(struct session *s, uint32_t i)
{
	struct flow f;

	numbered_flow(&f, i);
	ck_assert_int_eq(session_bulk_tell(s, &f, now), 0);
}

/* --- hello ---------------------------------------------------------------- */

START_TEST(test_hello)
{
	connect_both();
	carry(a, b);
	ck_assert(!session_poll(b, &ev));
	session_down(a);
	session_down(b);
	ck_assert(!session_live(a));
	session_up(a, now);
	session_up(b, now);
	carry(a, b);
	ck_assert(next(b, SESSION_HELLO));
	ck_assert_str_eq(ev.hello.version, "0.1");
	ck_assert_uint_eq(ev.hello.boot_id, 11);
}
END_TEST

static void meet(const char *node, const char *peer, enum session_error error)
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

START_TEST(test_hello_names)
{
	meet("fw2", "fw1", SESSION_OK);
	meet("fw1", "fw2", SESSION_BAD_NAME); /* ourselves, reflected */
	meet("fw3", "fw1", SESSION_BAD_NAME);
	meet("fw2", "fw3", SESSION_BAD_NAME);
	meet("fw2", "", SESSION_BAD_NAME);
	meet("fw22", "fw1", SESSION_BAD_NAME);
}
END_TEST

START_TEST(test_hello_protocol)
{
	/* protocol = 2, node fw2, peer fw1 */
	static const uint8_t bad[] = "\0\0\0\x0c\1\0\0\0\0\0\0\0\0"
				     "\x08\x02\x1a\x03"
				     "fw2\x22\x03"
				     "fw1";

	session_input(a, bad, sizeof(bad) - 1, now);
	assert_broken(a, SESSION_BAD_PROTOCOL);
}
END_TEST

START_TEST(test_hello_first_and_once)
{
	struct session_word w = { 0 };

	session_msg_put_word(&raw, &w);
	feed_raw();
	assert_broken(a, SESSION_BAD_FRAME);

	session_up(a, now);
	session_msg_put_bulk_begin(&raw, 1, &(struct session_bulk_begin){ 0 });
	feed_raw();
	assert_broken(a, SESSION_BAD_FRAME);

	meet("fw2", "fw1", SESSION_OK);
	session_msg_put_hello(&raw, &(struct session_hello){ 0 },
			      &(struct session_hello_names){ "fw2", "fw1" });
	feed_raw();
	assert_broken(a, SESSION_BAD_FRAME);
}
END_TEST

/* --- small messages ------------------------------------------------------- */

START_TEST(test_word)
{
	struct session_word w = {
		.demotion = 7,
		.ready = true,
		.holds = 5,
		.tx_epoch = UINT64_MAX,
		.rx_epoch = 3,
		.nvhosts = SESSION_VHOSTS_MAX,
	};

	connect_both();
	for (size_t i = 0; i < w.nvhosts; i++) {
		memset(w.vhosts[i].name, 'a' + (int)i % 26, 63);
		w.vhosts[i].vhid = (uint8_t)(i + 1);
		w.vhosts[i].state = 2;
		w.vhosts[i].advskew = 254;
		w.vhosts[i].interval_us = 1000000;
		w.vhosts[i].master_ms = 1ULL << 40;
	}
	ck_assert_int_eq(session_send_word(a, &w), 0);
	carry(a, b);
	ck_assert(next(b, SESSION_WORD));
	ck_assert_uint_eq(ev.word->demotion, 7);
	ck_assert(ev.word->ready);
	ck_assert_uint_eq(ev.word->holds, 5);
	ck_assert(ev.word->tx_epoch == UINT64_MAX && ev.word->rx_epoch == 3);
	ck_assert_uint_eq(ev.word->nvhosts, w.nvhosts);
	for (size_t i = 0; i < w.nvhosts; i++) {
		const struct session_vhost *v = &ev.word->vhosts[i];

		ck_assert_str_eq(v->name, w.vhosts[i].name);
		ck_assert_uint_eq(v->vhid, i + 1);
		ck_assert(v->state == 2 && v->advskew == 254);
		ck_assert(v->interval_us == 1000000 &&
			  v->master_ms == 1ULL << 40);
	}
}
END_TEST

START_TEST(test_addresses)
{
	struct session_address list[SESSION_ADDRESSES_MAX];

	connect_both();
	memset(list, 0, sizeof(list));
	for (size_t i = 0; i < SESSION_ADDRESSES_MAX; i++) {
		list[i].family = i % 2 ? AF_INET6 : AF_INET;
		memset(list[i].addr.b, (int)i, i % 2 ? 16 : 4);
	}
	session_send_addresses(a, list, SESSION_ADDRESSES_MAX);
	session_send_addresses(a, NULL, 0);
	carry(a, b);
	ck_assert(next(b, SESSION_ADDRESSES));
	ck_assert_uint_eq(ev.addresses.n, SESSION_ADDRESSES_MAX);
	for (size_t i = 0; i < SESSION_ADDRESSES_MAX; i++) {
		ck_assert_int_eq(ev.addresses.list[i].family, list[i].family);
		ck_assert(flow_addr_equal(&ev.addresses.list[i].addr,
					  &list[i].addr));
	}
	ck_assert(next(b, SESSION_ADDRESSES));
	ck_assert_uint_eq(ev.addresses.n, 0);
}
END_TEST

START_TEST(test_gap_request_handover)
{
	static const uint32_t steps[3] = { 1, 2, UINT32_MAX };
	char reason[3 * SESSION_REASON_MAX];

	connect_both();
	memset(reason, 'r', sizeof(reason) - 1);
	reason[sizeof(reason) - 1] = '\0';
	reason[1] = '\n';
	session_send_gap(a, 99, reason);
	session_send_bulk_request(a, 7);
	session_send_handover(a, SESSION_HANDOVER_REQUEST, "please", NULL);
	session_send_handover(a, SESSION_HANDOVER_BACK, NULL, steps);
	carry(a, b);
	ck_assert(next(b, SESSION_GAP));
	ck_assert_uint_eq(ev.gap.epoch, 99);
	ck_assert_uint_eq(strlen(ev.gap.reason), SESSION_REASON_MAX - 1);
	ck_assert_int_eq(ev.gap.reason[1], '?');
	ck_assert(next(b, SESSION_BULK_REQUEST));
	ck_assert_uint_eq(ev.bulk.id, 7);
	ck_assert(next(b, SESSION_HANDOVER));
	ck_assert_int_eq(ev.handover.kind, SESSION_HANDOVER_REQUEST);
	ck_assert_str_eq(ev.handover.reason, "please");
	ck_assert_uint_eq(ev.handover.step_us[2], 0);
	ck_assert(next(b, SESSION_HANDOVER));
	ck_assert_int_eq(ev.handover.kind, SESSION_HANDOVER_BACK);
	ck_assert_str_eq(ev.handover.reason, "");
	ck_assert_mem_eq(ev.handover.step_us, steps, sizeof(steps));
	ck_assert(!session_poll(b, &ev));
}
END_TEST

/* A frame by hand: type and payload. */
static void feed_payload(uint8_t type, const char *payload, size_t len)
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

#define BAD(type, payload)                                        \
	do {                                                      \
		feed_payload(type, payload, sizeof(payload) - 1); \
		assert_broken(a, SESSION_BAD_MESSAGE);            \
	} while (0)

START_TEST(test_message_limits)
{
	char many[8192];
	size_t n = 0;

	BAD(FRAME_WORD, "\x32\x03\x10\x80\x02"); /* vhid 256 */
	BAD(FRAME_WORD, "\x32\x03\x18\x80\x02"); /* state 256 */
	BAD(FRAME_WORD, "\x32\x03\x28\x80\x02"); /* advskew 256 */
	BAD(FRAME_WORD, "\x32\x7f\x10\x01");	 /* longer than the frame */
	BAD(FRAME_ADDRESSES, "\x0a\x03"
			     "abc");
	BAD(FRAME_ADDRESSES, "\x0a\x00");
	BAD(FRAME_HANDOVER, "");			 /* kind missing */
	BAD(FRAME_HANDOVER, "\x08\x06");		 /* kind unknown */
	BAD(FRAME_HANDOVER, "\x08\x01\x1a\x04\1\2\3\4"); /* four steps */
	BAD(FRAME_BULK_BEGIN, "\x22\x04"
			      "abcd"); /* key too short */
	BAD(FRAME_BULK_BEGIN, "");
	BAD(FRAME_FLOWS, "\x0a\x01\x01");
	BAD(FRAME_FLOWS, "garbage");

	for (int i = 0; i < SESSION_VHOSTS_MAX + 1; i++, n += 4)
		memcpy(many + n, "\x32\x02\x10\x01", 4);
	feed_payload(FRAME_WORD, many, n);
	assert_broken(a, SESSION_BAD_MESSAGE);
	feed_payload(FRAME_WORD, many, n - 4);
	ck_assert(next(a, SESSION_WORD));

	for (n = 0; n < 6 * (SESSION_ADDRESSES_MAX + 1); n += 6)
		memcpy(many + n, "\x0a\x04\1\2\3\4", 6);
	feed_payload(FRAME_ADDRESSES, many, n);
	assert_broken(a, SESSION_BAD_MESSAGE);

	memset(many, 1, sizeof(many));
	memcpy(many, "\x12\x11", 2);
	feed_payload(FRAME_ACK, many, 2 + SESSION_REFUSALS_MAX + 1);
	assert_broken(a, SESSION_BAD_MESSAGE);

	memcpy(many, "\x32\x42\x0a\x40", 4);
	feed_payload(FRAME_WORD, many, 4 + 64); /* name of 64 bytes */
	assert_broken(a, SESSION_BAD_MESSAGE);
}
END_TEST

START_TEST(test_bad_headers)
{
	static const char *const bad[] = {
		"\0\1\0\1",	    /* 64 KiB + 1, refused at the 4th byte */
		"\xff\xff\xff\xff", /* refused before anything is allocated */
		"\0\0\0\0\0",	    /* type 0 */
		"\0\0\0\0\x08",	    /* unknown types */
		"\0\0\0\0\x14",
		"\0\0\0\0\xff",
		"\0\0\0\0\x02\0\0\0\0\0\0\0\1", /* a number on a word */
		"\0\0\0\0\x10\0\0\0\0\0\0\0\0", /* flows without */
	};
	static const uint8_t len[] = { 4, 4, 5, 5, 5, 5, 13, 13 };

	for (size_t i = 0; i < sizeof(len); i++) {
		meet("fw2", "fw1", SESSION_OK);
		session_input(a, bad[i], len[i] - 1u, now);
		ck_assert(!session_poll(a, &ev));
		session_input(a, bad[i] + len[i] - 1, 1, now);
		assert_broken(a, SESSION_BAD_FRAME);
	}
	/* the largest length is fine */
	meet("fw2", "fw1", SESSION_OK);
	session_input(a, "\0\1\0\0\x10\0\0\0\0\0\0\0\1", 13, now);
	ck_assert(!session_poll(a, &ev));
	ck_assert(session_live(a));
}
END_TEST

/* --- stream ---------------------------------------------------------------- */

START_TEST(test_stream)
{
	struct flow f;

	connect_both();
	tell(a, 1);
	ck_assert_uint_eq(session_filling(a), 1);
	ck_assert_uint_eq(session_backlog(a), 0);
	carry(a, b);
	ck_assert(!session_poll(b, &ev));
	ck_assert_int_eq(session_flush(a, now), 0);
	ck_assert_int_eq(session_flush(a, now), 0);
	ck_assert_uint_eq(session_filling(a), 0);
	ck_assert_uint_gt(session_backlog(a), 0);
	ck_assert_uint_eq(session_seq_sent(a), 1);
	for (uint32_t i = 2; i < 2 + SESSION_BATCH_MAX; i++)
		tell(a, i);
	ck_assert_uint_eq(session_filling(a), 0);
	ck_assert_uint_eq(session_seq_sent(a), 2);
	carry(a, b);
	ck_assert_uint_eq(session_backlog(a), 0);
	ck_assert(next(b, SESSION_FLOWS));
	ck_assert(ev.flows.seq == 1 && ev.flows.n == 1 && !ev.flows.bulk);
	numbered_flow(&f, 1);
	ck_assert_int_eq(ev.flows.list[0].op, FLOW_NEW);
	ck_assert_mem_eq(&ev.flows.list[0].flow, &f, sizeof(f));
	ck_assert(next(b, SESSION_FLOWS));
	ck_assert(ev.flows.seq == 2 && ev.flows.n == SESSION_BATCH_MAX);
	ck_assert(!session_poll(b, &ev));
	ck_assert_uint_eq(session_stats(a)->flows_sent, 257);
	ck_assert_uint_eq(session_stats(b)->flows_received, 257);
	ck_assert_uint_eq(session_stats(b)->bytes_received,
			  session_stats(a)->bytes_sent);
}
END_TEST

START_TEST(test_hole_in_the_numbers)
{
	static const uint8_t wrong[] = { 1, 3, 0xff };

	for (size_t i = 0; i < sizeof(wrong); i++) {
		uint8_t head[] = { 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 1 };

		meet("fw2", "fw1", SESSION_OK);
		session_input(a, head, sizeof(head), now);
		ck_assert(next(a, SESSION_FLOWS));
		ck_assert_uint_eq(ev.flows.n, 0);
		head[12] = wrong[i];
		session_input(a, head, sizeof(head), now);
		assert_broken(a, SESSION_BAD_FRAME);
	}
}
END_TEST

/* A sender never tells an invalid flow; a receiver drops it and goes on. */
START_TEST(test_invalid_flows)
{
	struct flow_change c = { .op = FLOW_NEW };
	/* shape: UDP+TCP part; TCP state 15; and a good UDP one */
	static const char payload[] = "\x0a\x06\xc0\x22\xc0\x0c\x80\x22"
				      "\x12\x18\1\1\1\1\2\2\2\2\1\1\1\1\2\2\2\2"
				      "\1\1\1\1\2\2\2\2"
				      "\x22\x06\1\2\1\2\1\2"
				      "\x2a\x03\x0e\x0e\x0e"
				      "\x3a\x02\x01\x0f";

	numbered_flow(&c.flow, 3);
	c.flow.tcp_state = 99;
	connect_both();
	ck_assert_int_eq(session_tell(a, &c, now), 0);
	ck_assert_uint_eq(session_filling(a), 0);
	ck_assert_uint_eq(session_stats(a)->frames_invalid_flows, 1);

	feed_payload(FRAME_FLOWS, payload, sizeof(payload) - 1);
	ck_assert(session_poll(a, &ev));
	ck_assert_int_eq(ev.type, SESSION_FLOWS);
	ck_assert_uint_eq(ev.flows.n, 1);
	ck_assert_int_eq(ev.flows.list[0].flow.l4proto, IPPROTO_UDP);
	ck_assert_uint_eq(session_stats(a)->frames_invalid_flows, 3);
	ck_assert(session_live(a));
}
END_TEST

START_TEST(test_acks)
{
	static const uint64_t refused[3] = { 1, 0, 1ULL << 40 };

	connect_both();
	for (uint32_t i = 0; i < 3; i++) {
		tell(a, i);
		session_flush(a, now);
	}
	carry(a, b);
	while (session_poll(b, &ev))
		;
	session_send_ack(b, 1, NULL, 0);
	session_send_ack(b, 2, refused, 3); /* replaces the one before */
	carry(b, a);
	ck_assert(next(a, SESSION_ACK));
	ck_assert_uint_eq(ev.ack.seq, 2);
	ck_assert(ev.ack.refused[2] == 1ULL << 40 && ev.ack.refused[3] == 0);
	ck_assert(!session_poll(a, &ev));
	ck_assert_uint_eq(session_seq_acked(a), 2);
	session_send_ack(b, 2, NULL, 0);
	carry(b, a);
	ck_assert(next(a, SESSION_ACK));

	/* back */
	session_msg_put_ack(&raw, 1, NULL, 0);
	feed_raw();
	assert_broken(a, SESSION_BAD_FRAME);
}
END_TEST

START_TEST(test_ack_of_what_was_not_sent)
{
	connect_both();
	tell(a, 1);
	session_flush(a, now);
	session_msg_put_ack(&raw, 1, NULL, 0);
	feed_raw(); /* the frame exists, but no byte of it left */
	assert_broken(a, SESSION_BAD_FRAME);
}
END_TEST

START_TEST(test_acks_do_not_pile_up)
{
	struct session_word w = { 0 };
	const uint8_t *p;
	size_t len;

	connect_both();
	for (uint32_t i = 0; i < 100; i++) {
		tell(a, i);
		session_flush(a, now);
		carry(a, b);
		ck_assert(next(b, SESSION_FLOWS));
		session_send_ack(b, ev.flows.seq, NULL, 0);
		if (i == 50)
			session_send_word(b, &w);
		if (i == 70) { /* begun: must not be replaced */
			len = session_output(b, &p);
			session_input(a, p, len - 1, now);
			session_sent(b, len - 1);
		}
	}
	carry(b, a);
	ck_assert(next(a, SESSION_ACK) && ev.ack.seq == 51);
	ck_assert(next(a, SESSION_WORD));
	ck_assert(next(a, SESSION_ACK) && ev.ack.seq == 71);
	ck_assert(next(a, SESSION_ACK) && ev.ack.seq == 100);
	ck_assert(!session_poll(a, &ev));
}
END_TEST

START_TEST(test_lag)
{
	connect_both();
	ck_assert_int_eq(session_lag_ns(a, now), 0);
	for (uint32_t i = 1; i <= 1000; i++) {
		now = mono_add(now, MONO_MS);
		tell(a, i);
		session_flush(a, now);
		carry(a, b);
		ck_assert(next(b, SESSION_FLOWS));
	}
	ck_assert_int_eq(session_lag_ns(a, now), 999 * MONO_MS);
	for (uint64_t seq = 1; seq <= 1000; seq++) {
		int64_t want = (999 - (int64_t)seq) * MONO_MS;

		session_send_ack(b, seq, NULL, 0);
		carry(b, a);
		ck_assert(next(a, SESSION_ACK));
		/* never too little, and not much too much */
		ck_assert_int_ge(session_lag_ns(a, now), want > 0 ? want : 0);
		ck_assert_int_le(session_lag_ns(a, now), want + 70 * MONO_MS);
	}
	ck_assert_int_eq(session_lag_ns(a, now), 0);
}
END_TEST

/* --- bulk ----------------------------------------------------------------- */

static void bulk_of(struct session *s, uint64_t id, uint32_t n)
{
	session_bulk_begin(s, id, 5, n, key, now);
	for (uint32_t i = 0; i < n; i++)
		bulk_tell(s, i);
	session_bulk_end(s, now);
}

START_TEST(test_bulk)
{
	struct flow f;
	size_t n = 0;

	connect_both();
	tell(a, 7000); /* goes before the bulk */
	bulk_of(a, 77, 1000);
	carry(a, b);
	ck_assert(next(b, SESSION_FLOWS) && !ev.flows.bulk);
	ck_assert(next(b, SESSION_BULK_BEGIN));
	ck_assert(ev.bulk.id == 77 && ev.bulk.epoch == 5);
	ck_assert_uint_eq(ev.bulk.expected, 1000);
	while (next(b, SESSION_FLOWS)) {
		ck_assert(ev.flows.bulk);
		for (size_t i = 0; i < ev.flows.n; i++) {
			numbered_flow(&f, (uint32_t)n++);
			ck_assert_int_eq(ev.flows.list[i].op, FLOW_COPY);
			ck_assert_mem_eq(&ev.flows.list[i].flow, &f, sizeof(f));
		}
	}
	ck_assert_uint_eq(n, 1000);
	ck_assert_int_eq(ev.type, SESSION_BULK_END);
	ck_assert(ev.bulk_end.complete && ev.bulk_end.id == 77);
	ck_assert(ev.bulk_end.arrived == 1000 && ev.bulk_end.sent == 1000);
	ck_assert_uint_eq(ev.bulk_end.seq, session_seq_sent(a));
	/* an empty one */
	bulk_of(a, 78, 0);
	carry(a, b);
	ck_assert(next(b, SESSION_BULK_BEGIN));
	ck_assert(next(b, SESSION_BULK_END));
	ck_assert(ev.bulk_end.complete);
}
END_TEST

/* What is told of the bulk first goes first, whoever fills its batch. */
START_TEST(test_copy_never_after_later_change)
{
	connect_both();
	session_bulk_begin(a, 1, 1, 1, key, now);
	bulk_tell(a, 1);
	tell(a, 1);
	session_flush(a, now);
	session_bulk_end(a, now);
	carry(a, b);
	ck_assert(next(b, SESSION_BULK_BEGIN));
	ck_assert(next(b, SESSION_FLOWS) && ev.flows.bulk);
	ck_assert(next(b, SESSION_FLOWS) && !ev.flows.bulk);
	ck_assert(next(b, SESSION_BULK_END) && ev.bulk_end.complete);
}
END_TEST

/* A bulk by hand: count flows told in the end, and what came in between. */
static void bulk_by_hand(const uint32_t *flows, size_t n, uint32_t promised)
{
	struct session_bulk_begin begin = { .id = 1 };
	struct session_bulk_end end = { .id = 1 };
	struct flow f;

	memcpy(begin.key, key, sizeof(key));
	session_down(b);
	session_up(b, now);
	collect(b);
	session_input(b, queue_data(&raw), 0, now);
	meet("fw2", "fw1", SESSION_OK);
	session_input(b, "", 0, now);
	for (uint32_t i = 0; i < promised; i++) {
		numbered_flow(&f, i);
		digest_add(&end.digest, key, &f);
	}
	/* b says it, but with a begin and an end of ours */
	session_bulk_begin(b, 1, 1, promised, key, now);
	for (size_t i = 0; i < n; i++)
		bulk_tell(b, flows[i]);
	session_bulk_flush(b, now);
	carry(b, a);
	session_msg_put_bulk_end(&raw, session_seq_sent(b) + 1, &end);
	feed_raw();
	ck_assert(next(a, SESSION_BULK_BEGIN));
	while (next(a, SESSION_FLOWS))
		;
	ck_assert_int_eq(ev.type, SESSION_BULK_END);
	ck_assert_uint_eq(ev.bulk_end.arrived, n);
	ck_assert_uint_eq(ev.bulk_end.sent, promised);
	ck_assert(session_live(a));
}

START_TEST(test_bulk_incomplete)
{
	static const uint32_t right[] = { 3, 1, 0, 2 };
	static const uint32_t missing[] = { 0, 1, 2 };
	static const uint32_t doubled[] = { 0, 1, 2, 3, 3 };
	static const uint32_t swapped[] = { 0, 1, 2, 2 };
	static const uint32_t changed[] = { 0, 1, 2, 4 };

	bulk_by_hand(right, 4, 4);
	ck_assert(ev.bulk_end.complete);
	bulk_by_hand(missing, 3, 4);
	ck_assert(!ev.bulk_end.complete);
	bulk_by_hand(doubled, 5, 4);
	ck_assert(!ev.bulk_end.complete);
	bulk_by_hand(swapped, 4, 4);
	ck_assert(!ev.bulk_end.complete);
	bulk_by_hand(changed, 4, 4);
	ck_assert(!ev.bulk_end.complete);
}
END_TEST

START_TEST(test_bulk_order)
{
	struct session_bulk_begin begin = { .id = 4 };
	struct session_bulk_end end = { .id = 5 };

	meet("fw2", "fw1", SESSION_OK);
	session_msg_put_bulk_end(&raw, 1, &end); /* no begin */
	feed_raw();
	assert_broken(a, SESSION_BAD_FRAME);

	meet("fw2", "fw1", SESSION_OK);
	session_msg_put_bulk_begin(&raw, 1, &begin);
	session_msg_put_bulk_end(&raw, 2, &end); /* another id */
	feed_raw();
	ck_assert(next(a, SESSION_BULK_BEGIN));
	assert_broken(a, SESSION_BAD_FRAME);

	meet("fw2", "fw1", SESSION_OK);
	session_msg_put_bulk_begin(&raw, 1, &begin);
	end.id = 4;
	session_msg_put_bulk_end(&raw, 2, &end);
	session_msg_put_bulk_end(&raw, 3, &end); /* twice */
	feed_raw();
	ck_assert(next(a, SESSION_BULK_BEGIN));
	ck_assert(next(a, SESSION_BULK_END));
	assert_broken(a, SESSION_BAD_FRAME);

	feed_payload(FRAME_BULK_FLOWS, "", 0); /* outside */
	assert_broken(a, SESSION_BAD_FRAME);
}
END_TEST

/* --- queues --------------------------------------------------------------- */

START_TEST(test_control_overtakes)
{
	struct session_word w = { .demotion = 9 };
	const uint8_t *p;
	size_t len, part;

	connect_both();
	for (uint32_t i = 0; i < 40 * SESSION_BATCH_MAX; i++)
		tell(a, i);
	len = session_output(a, &p);
	ck_assert_uint_le(len, 128 * 1024);
	part = 100; /* in the middle of the first frame */
	session_input(b, p, part, now);
	session_sent(a, part);
	session_send_word(a, &w);
	carry(a, b);
	ck_assert(next(b, SESSION_FLOWS)); /* was not split */
	ck_assert(next(b, SESSION_WORD));
	ck_assert_uint_eq(ev.word->demotion, 9);
	for (int i = 1; i < 40; i++)
		ck_assert(next(b, SESSION_FLOWS));
	ck_assert(!session_poll(b, &ev));
}
END_TEST

static void drop_after(size_t part)
{
	const uint8_t *p;
	size_t len;

	session_up(a, now);
	session_up(b, now);
	connect_both();
	now = mono_add(now, MONO_S);
	session_bulk_begin(a, 1, 1, 1, key, now);
	for (uint32_t i = 0; i < 3 * SESSION_BATCH_MAX + 9; i++)
		bulk_tell(a, i);
	tell(a, 1);
	len = session_output(a, &p);
	ck_assert_uint_le(part, len);
	session_input(b, p, part, now);
	session_sent(a, part);
	session_drop_flows(a);
	ck_assert_uint_eq(session_filling(a), 0);
	if (part == 0) {
		ck_assert_uint_eq(session_backlog(a), 0);
		ck_assert_int_eq(session_lag_ns(a, mono_add(now, 1)), 0);
	}
	/* told outside of a bulk now: nothing */
	bulk_tell(a, 1);
	session_bulk_end(a, now);
	session_send_gap(a, 2, "full");
	now = mono_add(now, MONO_S);
	tell(a, 5);
	session_flush(a, now);
	bulk_of(a, 2, 300);
	carry(a, b);
	while (session_poll(b, &ev) && ev.type != SESSION_BULK_END)
		ck_assert_int_ne(ev.type, SESSION_BROKEN);
	ck_assert(ev.bulk_end.complete && ev.bulk_end.id == 2);
	ck_assert_uint_eq(ev.bulk_end.seq, session_seq_sent(a));
	session_send_ack(b, ev.bulk_end.seq, NULL, 0);
	carry(b, a);
	ck_assert(next(a, SESSION_ACK));
	ck_assert_int_eq(session_lag_ns(a, now), 0);
}

START_TEST(test_drop_keeps_frames_whole)
{
	drop_after(0);
	drop_after(1);
	drop_after(12);
	drop_after(13);
	for (int i = 0; i < 200; i++)
		drop_after(rnd() % 15000);
}
END_TEST

START_TEST(test_queue_shrinks)
{
	const uint8_t *p;
	struct queue q;
	uint64_t in = 0, out = 0;

	ck_assert_int_eq(queue_init(&q), 0);
	for (int round = 0; round < 50000; round++) {
		bool fill = round / 5000 % 2 == 0;
		size_t n = rnd() % 3000;

		if (fill || rnd() % 4 == 0) {
			uint8_t *room = queue_room(&q, n);

			for (size_t i = 0; i < n; i++)
				room[i] = (uint8_t)(in++ * 7);
			queue_added(&q, n);
		} else {
			p = queue_data(&q);
			n = n < q.len ? n : q.len;
			for (size_t i = 0; i < n; i++)
				if (p[i] != (uint8_t)(out++ * 7))
					ck_abort_msg("byte %lu", out);
			queue_take(&q, n);
		}
		ck_assert(q.size <= QUEUE_SHRINK_BYTES || q.size <= 8 * q.len);
		ck_assert_uint_eq(q.len, in - out);
	}
	queue_free(&q);
}
END_TEST

/* --- time ------------------------------------------------------------------ */

START_TEST(test_silence)
{
	struct session_word w = { 0 };

	ck_assert(mono_is_never(session_deadline(
		(session_down(b), (const struct session *)b))));
	session_up(b, now);
	connect_both();
	now = mono_add(now, MONO_S);
	session_send_word(b, &w);
	carry(b, a);
	ck_assert(next(a, SESSION_WORD));
	now = mono_add(now, SESSION_SILENCE_NS - 1);
	session_tick(a, now);
	ck_assert(!session_poll(a, &ev));
	ck_assert(session_live(a));
	/* half a frame does not count */
	session_input(a, "\0\0\0\0", 4, now);
	now = mono_add(now, 1);
	ck_assert(mono_due(session_deadline(a), now));
	session_tick(a, now);
	assert_broken(a, SESSION_SILENT);
	ck_assert(mono_is_never(session_deadline(a)));
}
END_TEST

START_TEST(test_slow_reader_is_not_silence)
{
	struct session_word w = { 0 };

	connect_both();
	session_send_word(b, &w);
	carry(b, a);
	now = mono_add(now, 3 * SESSION_SILENCE_NS);
	session_tick(a, now);
	ck_assert(next(a, SESSION_WORD));
	session_tick(a, now);
	ck_assert(!session_poll(a, &ev));
	now = mono_add(now, SESSION_SILENCE_NS);
	session_tick(a, now);
	assert_broken(a, SESSION_SILENT);
}
END_TEST

START_TEST(test_down_forgets)
{
	connect_both();
	tell(a, 1);
	session_flush(a, now);
	tell(a, 2);
	session_bulk_begin(a, 1, 1, 1, key, now);
	bulk_tell(a, 2);
	session_down(a);
	ck_assert_uint_eq(collect(a), 0);
	ck_assert(session_filling(a) == 0 && session_backlog(a) == 0);
	tell(a, 3); /* nobody to tell */
	session_send_gap(a, 1, "x");
	session_flush(a, now);
	ck_assert_uint_eq(collect(a), 0);
	ck_assert_uint_eq(session_seq_sent(a), 0);
	session_up(a, now);
	session_up(b, now);
	connect_both();
	bulk_of(a, 1, 3);
	carry(a, b);
	ck_assert(next(b, SESSION_BULK_BEGIN));
	ck_assert(next(b, SESSION_FLOWS) && ev.flows.seq == 2);
	ck_assert(next(b, SESSION_BULK_END) && ev.bulk_end.complete);
}
END_TEST

/* --- pipes and garbage ---------------------------------------------------- */

START_TEST(test_byte_by_byte)
{
	struct session_word w = { .nvhosts = 1, .vhosts = { { "lan" } } };
	size_t len, events = 0;

	bulk_of(a, 3, 600);
	session_send_word(a, &w);
	len = collect(a);
	for (size_t i = 0; i < len; i++) {
		uint8_t *one = malloc(1);

		*one = wire[i];
		session_input(b, one, 1, now);
		free(one);
		while (session_poll(b, &ev)) {
			ck_assert_int_ne(ev.type, SESSION_BROKEN);
			events++;
		}
		ck_assert_uint_le(session_unread(b), 32 * 1024);
	}
	ck_assert_uint_eq(events, 7); /* hello, word, begin, 3, end */
	ck_assert(ev.type == SESSION_BULK_END && ev.bulk_end.complete);
	ck_assert_uint_eq(session_unread(b), 0);
}
END_TEST

/* Takes some bytes of what from offers, gives them to the other. */
static void trickle(struct session *from, struct session *to)
{
	const uint8_t *p;
	size_t len = session_output(from, &p);

	if (len == 0)
		return;
	len = 1 + rnd() % len;
	if (rnd() % 2 && len > 50)
		len = 50;
	ck_assert_int_eq(session_input(to, p, len, now), 0);
	session_sent(from, len);
}

/* What one side has seen of the other. */
struct seen {
	uint64_t seq;
	uint32_t flow; /* number of the last flow of the stream */
	unsigned bulks, words;
};

static void hear(struct session *s, struct seen *seen)
{
	while (rnd() % 4 && session_poll(s, &ev)) {
		ck_assert_int_ne(ev.type, SESSION_BROKEN);
		if (ev.type == SESSION_FLOWS) {
			seen->seq = ev.flows.seq;
			for (size_t i = 0; i < ev.flows.n && !ev.flows.bulk;
			     i++) {
				uint32_t mark = ev.flows.list[i].flow.mark;

				ck_assert_uint_gt(mark, seen->flow);
				seen->flow = mark;
			}
			session_send_ack(s, seen->seq, NULL, 0);
		} else if (ev.type == SESSION_BULK_END) {
			ck_assert(ev.bulk_end.complete);
			seen->bulks++;
		} else if (ev.type == SESSION_WORD) {
			seen->words++;
		}
	}
}

static void talk(struct session *s, uint32_t *flow, bool *bulk)
{
	struct session_word w = { .demotion = 1 };

	switch (rnd() % 12) {
	case 0:
		session_send_word(s, &w);
		break;
	case 1:
		session_flush(s, now);
		break;
	case 2:
		if (*bulk)
			session_bulk_end(s, now);
		else
			session_bulk_begin(s, rnd(), 1, 1, key, now);
		*bulk = !*bulk;
		break;
	case 3:
		if (rnd() % 20 == 0) {
			session_drop_flows(s);
			*bulk = false;
		}
		break;
	case 4:
		for (uint32_t n = rnd() % 300; n > 0; n--)
			bulk_tell(s, rnd());
		break;
	default:
		for (uint32_t n = rnd() % 30; n > 0; n--)
			tell(s, ++*flow);
		break;
	}
}

START_TEST(test_two_talk)
{
	struct seen seen_a = { 0 }, seen_b = { 0 };
	uint32_t flow_a = 0, flow_b = 0;
	bool bulk_a = false, bulk_b = false;

	connect_both();
	for (int i = 0; i < 20000; i++) {
		now = mono_add(now, MONO_MS);
		if (session_backlog(a) < 200000)
			talk(a, &flow_a, &bulk_a);
		if (session_backlog(b) < 200000)
			talk(b, &flow_b, &bulk_b);
		for (int k = 0; k < 3; k++) {
			trickle(a, b);
			trickle(b, a);
		}
		hear(a, &seen_a);
		hear(b, &seen_b);
	}
	ck_assert(session_live(a) && session_live(b));
	ck_assert(seen_a.bulks > 10 && seen_b.bulks > 10);
	ck_assert(seen_a.words > 100 && seen_b.words > 100);
	ck_assert_uint_gt(seen_b.flow, 1000);
	/* and at rest everything is acknowledged */
	for (int i = 0; i < 100; i++) {
		session_flush(a, now);
		carry(a, b);
		carry(b, a);
		hear(a, &seen_a);
		hear(b, &seen_b);
	}
	ck_assert_uint_ge(session_seq_acked(a) + 1, session_seq_sent(a));
}
END_TEST

/* Frames of all kinds, spoilt a little; only events and one end come of it. */
START_TEST(test_garbage)
{
	size_t len, start, broken = 0;
	uint8_t *good;

	session_send_word(b, &(struct session_word){ .nvhosts = 3 });
	session_send_gap(b, 4, "reason");
	session_send_handover(b, SESSION_HANDOVER_GO, "now", NULL);
	bulk_of(b, 9, 20);
	for (uint32_t i = 0; i < 10; i++)
		tell(b, i);
	session_flush(b, now);
	len = collect(b);
	good = malloc(len);
	memcpy(good, wire, len);
	for (int i = 0; i < 200000; i++) {
		memcpy(wire, good, len);
		start = rnd() % 8 ? 40 : 0; /* mostly behind the hello */
		for (uint32_t k = 1 + rnd() % 3; k > 0; k--)
			wire[start + rnd() % (len - start)] = (uint8_t)rnd();
		session_up(a, now);
		session_input(a, wire, 1 + rnd() % len, now);
		while (session_poll(a, &ev))
			broken += ev.type == SESSION_BROKEN;
	}
	free(good);
	ck_assert_uint_gt(broken, 10000);
}
END_TEST

START_TEST(test_noise)
{
	for (int i = 0; i < 200000; i++) {
		size_t len = 1 + rnd() % 64;

		for (size_t k = 0; k < len; k++)
			wire[k] = rnd() % 3 ? (uint8_t)rnd() : 0;
		meet("fw2", "fw1", SESSION_OK);
		session_input(a, wire, len, now);
		while (session_poll(a, &ev))
			;
	}
}
END_TEST

static TCase *small_tests(void)
{
	TCase *tc = tcase_create("messages");

	tcase_add_test(tc, test_hello);
	tcase_add_test(tc, test_hello_names);
	tcase_add_test(tc, test_hello_protocol);
	tcase_add_test(tc, test_hello_first_and_once);
	tcase_add_test(tc, test_word);
	tcase_add_test(tc, test_addresses);
	tcase_add_test(tc, test_gap_request_handover);
	tcase_add_test(tc, test_message_limits);
	tcase_add_test(tc, test_bad_headers);
	return tc;
}

static TCase *flow_tests(void)
{
	TCase *tc = tcase_create("flows");

	tcase_add_test(tc, test_stream);
	tcase_add_test(tc, test_hole_in_the_numbers);
	tcase_add_test(tc, test_invalid_flows);
	tcase_add_test(tc, test_acks);
	tcase_add_test(tc, test_ack_of_what_was_not_sent);
	tcase_add_test(tc, test_acks_do_not_pile_up);
	tcase_add_test(tc, test_lag);
	tcase_add_test(tc, test_bulk);
	tcase_add_test(tc, test_copy_never_after_later_change);
	tcase_add_test(tc, test_bulk_incomplete);
	tcase_add_test(tc, test_bulk_order);
	return tc;
}

static TCase *pipe_tests(void)
{
	TCase *tc = tcase_create("pipes");

	tcase_add_test(tc, test_control_overtakes);
	tcase_add_test(tc, test_drop_keeps_frames_whole);
	tcase_add_test(tc, test_queue_shrinks);
	tcase_add_test(tc, test_silence);
	tcase_add_test(tc, test_slow_reader_is_not_silence);
	tcase_add_test(tc, test_down_forgets);
	tcase_add_test(tc, test_byte_by_byte);
	tcase_add_test(tc, test_two_talk);
	tcase_add_test(tc, test_garbage);
	tcase_add_test(tc, test_noise);
	return tc;
}

int main(void)
{
	Suite *s = suite_create("session");
	TCase *tc[] = { small_tests(), flow_tests(), pipe_tests() };
	SRunner *sr = srunner_create(s);
	int failed;

	for (size_t i = 0; i < sizeof(tc) / sizeof(tc[0]); i++) {
		tcase_set_timeout(tc[i], 60);
		tcase_add_checked_fixture(tc[i], setup, teardown);
		suite_add_tcase(s, tc[i]);
	}
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
