// SPDX-License-Identifier: GPL-3.0-or-later
/* Flows to columns and back: nothing lost, nothing hostile accepted. */
#include "flow_pb.h"

#include <arpa/inet.h>
#include <check.h>
#include <linux/netfilter/nf_conntrack_sctp.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "frame.h"
#include "statesync.pb-c.h"

static uint64_t seed;
static struct arena *arena;
static struct flow_pb_batch *batch;
static struct flow_change in[FLOW_PB_BATCH], out[FLOW_PB_BATCH];
static uint8_t wire[2 * FRAME_PAYLOAD_MAX];

static void setup(void)
{
	seed = 42;
	arena = malloc(sizeof(*arena));
	arena_init(arena);
	batch = calloc(1, sizeof(*batch));
	memset(in, 0, sizeof(in));
	memset(out, 0x55, sizeof(out));
}

static void teardown(void)
{
	free(arena);
	free(batch);
}

static uint32_t rnd(void)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(seed >> 33);
}

static void random_addr(struct flow_addr *a, size_t len)
{
	memset(a, 0, sizeof(*a));
	for (size_t i = 0; i < len; i++)
		a->b[i] = (uint8_t)rnd();
}

/* Of all that few flows have, some. */
static void random_extra(struct flow *f, size_t len)
{
	f->has |= (uint8_t)(rnd() & FLOW_HAS_EXTRA);
	if (f->l4proto != IPPROTO_SCTP)
		f->has &= (uint8_t)~FLOW_HAS_SCTP;
	if (f->zone)
		f->zone_dir = (uint8_t)(rnd() % 3);
	if (f->has & FLOW_HAS_SCTP) {
		f->sctp_state = (uint8_t)(rnd() % SCTP_CONNTRACK_MAX);
		f->sctp_vtag[0] = rnd();
		f->sctp_vtag[1] = rnd();
	}
	for (size_t i = 0; f->has & FLOW_HAS_LABELS && i < 16; i++)
		f->labels[i] = (uint8_t)rnd();
	if (f->has & FLOW_HAS_HELPER)
		strcpy(f->helper, "netbios-ns-long");
	if (f->has & FLOW_HAS_MASTER) {
		random_addr(&f->master.src, len);
		random_addr(&f->master.dst, len);
		f->master.sport = (uint16_t)rnd();
		f->master.dport = (uint16_t)rnd();
		f->master_l4proto = (uint8_t)rnd();
	}
	for (int i = 0; f->has & FLOW_HAS_SEQADJ && i < 2; i++)
		f->seqadj[i] = (struct flow_seqadj){ rnd(), -(int32_t)rnd(),
						     (int32_t)rnd() };
	if (f->has & FLOW_HAS_SYNPROXY)
		f->synproxy = (struct flow_synproxy){ rnd(), rnd(), rnd() };
}

static void random_flow(struct flow *f)
{
	static const uint8_t protos4[] = { IPPROTO_TCP, IPPROTO_UDP,
					   IPPROTO_ICMP, IPPROTO_GRE, 255 };
	static const uint8_t protos6[] = { IPPROTO_TCP, IPPROTO_UDP,
					   IPPROTO_ICMPV6, IPPROTO_SCTP, 0 };
	bool v6 = rnd() % 3 == 0;
	size_t len = v6 ? 16 : 4;

	memset(f, 0, sizeof(*f));
	f->family = v6 ? AF_INET6 : AF_INET;
	f->l4proto = (v6 ? protos6 : protos4)[rnd() % 5];
	random_addr(&f->orig.src, len);
	random_addr(&f->orig.dst, len);
	f->orig.sport = (uint16_t)rnd();
	f->orig.dport = (uint16_t)rnd();
	flow_tuple_invert(f, &f->orig, &f->reply);
	if (rnd() % 2)
		random_addr(&f->reply.dst, len);
	if (rnd() % 2)
		f->reply.dport = (uint16_t)rnd();
	if (rnd() % 2)
		random_addr(&f->reply.src, len);
	if (rnd() % 2)
		f->reply.sport = (uint16_t)rnd();
	f->status = rnd() & FLOW_PB_STATUS;
	f->zone = rnd() % 2 ? (uint16_t)rnd() : 0;
	f->mark = rnd() % 2 ? rnd() : 0;
	if (rnd() % 2) {
		f->has |= FLOW_HAS_TIMEOUT;
		f->timeout_s = rnd();
	}
	if (rnd() % 4 == 0)
		random_extra(f, len);
	if (f->l4proto != IPPROTO_TCP)
		return;
	f->has |= FLOW_HAS_TCP;
	f->tcp_state = (uint8_t)(rnd() % TCP_CONNTRACK_MAX);
	for (int i = 0; i < 2; i++) {
		f->tcp_flags[i] = rnd() & FLOW_PB_TCP_FLAGS;
		f->tcp_wscale[i] = (uint8_t)(rnd() % 15);
	}
}

static void random_batch(size_t n)
{
	flow_pb_clear(batch);
	for (size_t i = 0; i < n; i++) {
		random_flow(&in[i].flow);
		in[i].op = (enum flow_op)(FLOW_NEW + rnd() % 4);
		ck_assert(flow_valid(&in[i].flow));
		flow_pb_add(batch, in[i].op, &in[i].flow);
	}
}

static size_t pack(void)
{
	Statesync__Flows m;

	flow_pb_message(batch, &m);
	ck_assert(statesync__flows__get_packed_size(&m) <= FRAME_PAYLOAD_MAX);
	return statesync__flows__pack(&m, wire);
}

/* From memory of exactly that size, so that the sanitizer sees a slip. */
static bool unpack(const uint8_t *data, size_t len, size_t *n)
{
	uint8_t *copy = malloc(len + !len);
	bool ok;

	memcpy(copy, data, len);
	ok = flow_pb_unpack(arena, copy, len, out, n);
	free(copy);
	return ok;
}

static void assert_round_trip(size_t n)
{
	size_t len = pack(), got;

	ck_assert(unpack(wire, len, &got));
	ck_assert_uint_eq(got, n);
	for (size_t i = 0; i < n; i++) {
		ck_assert_int_eq(out[i].op, in[i].op);
		ck_assert_mem_eq(&out[i].flow, &in[i].flow, sizeof(in[i].flow));
	}
}

START_TEST(test_round_trip)
{
	for (int i = 0; i < 400; i++) {
		size_t n = rnd() % (FLOW_PB_BATCH + 1);

		random_batch(n);
		assert_round_trip(n);
	}
	random_batch(FLOW_PB_BATCH);
	assert_round_trip(FLOW_PB_BATCH);
}
END_TEST

/* All that a flow can have, in a full batch: it must fit into a frame. */
START_TEST(test_largest)
{
	struct flow f;
	size_t len;

	do
		random_flow(&f);
	while (f.family != AF_INET6 || f.l4proto != IPPROTO_TCP);
	memset(f.reply.src.b, 0xff, 16);
	memset(f.reply.dst.b, 0xfe, 16);
	f.orig.sport = f.orig.dport = 0xffff;
	f.reply.sport = f.reply.dport = 0xfffe;
	f.status = FLOW_PB_STATUS;
	f.has |= FLOW_HAS_TIMEOUT;
	f.timeout_s = f.mark = UINT32_MAX;
	f.zone = UINT16_MAX;
	f.zone_dir = FLOW_ZONE_REPLY;
	f.has = 0xff & ~FLOW_HAS_TCP; /* a TCP state takes less than SCTP's */
	f.l4proto = IPPROTO_SCTP;
	f.sctp_state = SCTP_CONNTRACK_MAX - 1;
	f.tcp_state = 0;
	memset(f.tcp_flags, 0, sizeof(f.tcp_flags));
	memset(f.tcp_wscale, 0, sizeof(f.tcp_wscale));
	memset(f.labels, 0xff, sizeof(f.labels));
	memset(f.sctp_vtag, 0xff, sizeof(f.sctp_vtag));
	memset(&f.master, 0xff, sizeof(f.master));
	memset(f.seqadj, 0xff, sizeof(f.seqadj));
	memset(&f.synproxy, 0xff, sizeof(f.synproxy));
	f.master_l4proto = 0xff;
	strcpy(f.helper, "netbios-ns-long");
	ck_assert(flow_valid(&f));
	for (size_t i = 0; i < FLOW_PB_BATCH; i++) {
		in[i] = (struct flow_change){ FLOW_NEW, f };
		flow_pb_add(batch, FLOW_NEW, &f);
	}
	assert_round_trip(FLOW_PB_BATCH);
	len = pack();
	ck_assert_uint_lt(len, FRAME_PAYLOAD_MAX);
}
END_TEST

START_TEST(test_useless_bits_stay_home)
{
	struct flow f;
	size_t n;

	do
		random_flow(&f);
	while (f.l4proto != IPPROTO_TCP);
	f.status = UINT32_MAX;
	f.tcp_flags[0] = 0x3f;
	f.tcp_flags[1] = 0xf1;
	flow_pb_add(batch, FLOW_COPY, &f);
	ck_assert_uint_eq(batch->status[0], FLOW_PB_STATUS);
	batch->status[0] = UINT32_MAX; /* nor does a peer bring them in */
	ck_assert(unpack(wire, pack(), &n));
	ck_assert_uint_eq(out[0].flow.status, FLOW_PB_STATUS);
	ck_assert_uint_eq(out[0].flow.status & (IPS_DYING | IPS_OFFLOAD), 0);
	ck_assert_uint_eq(out[0].flow.tcp_flags[0], 0x0f);
	ck_assert_uint_eq(out[0].flow.tcp_flags[1], 0x01);
}
END_TEST

static void snat_flow(struct flow *f)
{
	memset(f, 0, sizeof(*f));
	f->family = AF_INET;
	f->l4proto = IPPROTO_TCP;
	random_addr(&f->orig.src, 4);
	random_addr(&f->orig.dst, 4);
	f->orig.sport = (uint16_t)(32768 + rnd() % 28000);
	f->orig.dport = 443;
	flow_tuple_invert(f, &f->orig, &f->reply);
	random_addr(&f->reply.dst, 4);
	f->reply.dport = (uint16_t)(1024 + rnd() % 64000);
	f->status = IPS_CONFIRMED | IPS_ASSURED | IPS_SEEN_REPLY | IPS_SRC_NAT |
		    IPS_SRC_NAT_DONE | IPS_DST_NAT_DONE;
	f->has = FLOW_HAS_TIMEOUT | FLOW_HAS_TCP;
	f->timeout_s = 431000 + rnd() % 1000;
	f->tcp_state = TCP_CONNTRACK_ESTABLISHED;
	f->tcp_flags[0] = f->tcp_flags[1] = 0x23;
	f->tcp_wscale[0] = f->tcp_wscale[1] = 7;
}

START_TEST(test_bytes_per_flow)
{
	struct flow f;
	size_t len;

	for (int i = 0; i < FLOW_PB_BATCH; i++) {
		snat_flow(&f);
		flow_pb_add(batch, FLOW_COPY, &f);
	}
	len = pack() + FRAME_HEADER_BYTES;
	ck_assert_uint_le(len, 32 * FLOW_PB_BATCH);
}
END_TEST

/* --- what must be refused ------------------------------------------------ */

static void assert_refused(const Statesync__Flows *m)
{
	size_t len = statesync__flows__pack(m, wire), n = 77;

	ck_assert(!unpack(wire, len, &n));
	ck_assert_uint_eq(n, 0);
}

/* One column one value longer or shorter than the shapes say. */
START_TEST(test_columns_must_fit)
{
	Statesync__Flows m;
	size_t *const counts[] = {
		&m.n_shape,	&m.n_addr4, &m.n_addr6, &m.n_port, &m.n_status,
		&m.n_timeout_s, &m.n_tcp,   &m.n_mark,	&m.n_zone, &m.n_extra,
	};

	random_batch(100);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		for (int step = -1; step <= 1; step += 2) {
			flow_pb_message(batch, &m);
			ck_assert(*counts[i] > 0);
			*counts[i] += (size_t)step;
			assert_refused(&m);
		}
	}
	assert_round_trip(100);
}
END_TEST

START_TEST(test_values_out_of_range)
{
	Statesync__Flows m;

	random_batch(100);
	flow_pb_message(batch, &m);
	for (int bit = 18; bit < 32; bit++) {
		batch->shape[50] ^= 1u << bit;
		assert_refused(&m);
		batch->shape[50] ^= 1u << bit;
	}
	batch->port[77] ^= 1u << 16;
	assert_refused(&m);
	batch->port[77] ^= 1u << 16;
	batch->zone[3] ^= 1u << 16;
	assert_refused(&m);
	batch->zone[3] ^= 1u << 16;
	batch->tcp[3] ^= 1u << 20;
	assert_refused(&m);
	batch->tcp[3] ^= 1u << 20;
	assert_round_trip(100);
}
END_TEST

/* A field of FlowExtra of another length than it must have. */
START_TEST(test_extra_out_of_range)
{
	Statesync__FlowExtra *x;
	Statesync__Flows m;
	char long_name[] = "a name too long!";
	struct flow f = { .family = AF_INET, .l4proto = IPPROTO_SCTP };

	flow_tuple_invert(&f, &f.orig, &f.reply);
	f.has = FLOW_HAS_EXTRA;
	strcpy(f.helper, "ftp");
	flow_pb_add(batch, FLOW_NEW, &f);
	in[0] = (struct flow_change){ FLOW_NEW, f };
	assert_round_trip(1);
	x = &batch->extra[0].m;
	flow_pb_message(batch, &m);
#define REFUSE(field, value, good) \
	x->field = value;          \
	assert_refused(&m);        \
	x->field = good
	REFUSE(labels.len, 15, 16);
	REFUSE(master_src.len, 3, 4);
	REFUSE(master_dst.len, 0, 4);
	REFUSE(master_l4proto, 256, 0);
	REFUSE(n_seqadj, 5, 6);
	REFUSE(n_synproxy, 1, 3);
	REFUSE(n_sctp_vtag, 1, 2);
	REFUSE(sctp_state, 256, 0);
	REFUSE(zone_dir, 3, 0);
	REFUSE(helper, long_name, batch->extra[0].helper);
#undef REFUSE
	assert_round_trip(1);
}
END_TEST

static void simple_columns(Statesync__Flows *m, size_t n)
{
	uint32_t *shape = calloc(n, 4), *addr4 = calloc(2 * n, 4);
	uint32_t *port = calloc(2 * n, 4), *status = calloc(n, 4);

	statesync__flows__init(m);
	for (size_t i = 0; i < n; i++)
		shape[i] = IPPROTO_UDP << 8;
	m->n_shape = m->n_status = n;
	m->n_addr4 = m->n_port = 2 * n;
	m->shape = shape;
	m->addr4 = addr4;
	m->port = port;
	m->status = status;
}

static void simple_free(Statesync__Flows *m)
{
	free(m->shape);
	free(m->addr4);
	free(m->port);
	free(m->status);
}

START_TEST(test_too_many)
{
	Statesync__Flows m;
	size_t n, len;

	simple_columns(&m, FLOW_PB_BATCH);
	len = statesync__flows__pack(&m, wire);
	ck_assert(unpack(wire, len, &n));
	ck_assert_uint_eq(n, FLOW_PB_BATCH);
	simple_free(&m);
	simple_columns(&m, FLOW_PB_BATCH + 1);
	assert_refused(&m);
	simple_free(&m);
}
END_TEST

/* Small on the wire, large in memory: the arena says no. */
START_TEST(test_memory_is_bounded)
{
	size_t n, len = 60000;

	wire[0] = 1 << 3 | 2; /* shape, packed */
	wire[1] = (len & 0x7f) | 0x80;
	wire[2] = (len >> 7 & 0x7f) | 0x80;
	wire[3] = (uint8_t)(len >> 14);
	memset(wire + 4, 0, len);
	ck_assert(!unpack(wire, len + 4, &n));
	ck_assert_uint_le(arena->used, ARENA_BYTES);
	/* the same, each value a field of its own */
	for (size_t i = 0; i < len; i += 2) {
		wire[i] = 1 << 3;
		wire[i + 1] = 0;
	}
	ck_assert(!unpack(wire, len, &n));
	ck_assert_uint_le(arena->used, ARENA_BYTES);
	random_batch(FLOW_PB_BATCH);
	assert_round_trip(FLOW_PB_BATCH);
}
END_TEST

START_TEST(test_too_long)
{
	size_t n, len;

	random_batch(10);
	len = pack();
	/* an unknown field fills it up; is skipped as long as it fits */
	wire[len] = 0x82;
	wire[len + 1] = 0x06; /* field 96, bytes */
	wire[len + 2] = 0x80;
	wire[len + 3] = 0x80;
	wire[len + 4] = 0x03; /* 49152 of them */
	memset(wire + len + 5, 0xaa, 49152);
	ck_assert(unpack(wire, len + 5 + 49152, &n));
	ck_assert_uint_eq(n, 10);
	ck_assert_mem_eq(&out[9].flow, &in[9].flow, sizeof(in[9].flow));
	ck_assert(!unpack(wire, FRAME_PAYLOAD_MAX + 1, &n));
}
END_TEST

/* Nothing is a batch of nothing; every other cut is refused. */
START_TEST(test_truncated)
{
	size_t n, len;

	random_batch(20);
	len = pack();
	ck_assert(unpack(wire, 0, &n));
	ck_assert_uint_eq(n, 0);
	for (size_t i = 1; i < len; i++)
		ck_assert(!unpack(wire, i, &n));
	ck_assert(unpack(wire, len, &n));
}
END_TEST

static void spoil(uint8_t *p, size_t *len)
{
	size_t at = rnd() % *len;

	switch (rnd() % 4) {
	case 0:
		p[at] = (uint8_t)rnd();
		break;
	case 1:
		p[at] ^= (uint8_t)(1 << rnd() % 8);
		break;
	case 2:
		memmove(p + at, p + at + 1, *len - at - 1);
		(*len)--;
		break;
	default:
		memmove(p + at + 1, p + at, *len - at);
		p[at] = (uint8_t)rnd();
		(*len)++;
		break;
	}
}

START_TEST(test_garbage)
{
	uint8_t good[16384], bad[16384];
	size_t len = 0, bad_len, n, accepted = 0;

	for (int i = 0; i < 200000; i++) {
		if (i % 1000 == 0) {
			random_batch(1 + rnd() % 40);
			len = pack();
			ck_assert(len < sizeof(good) - 16);
			memcpy(good, wire, len);
		}
		memcpy(bad, good, len);
		bad_len = len;
		for (uint32_t k = 1 + rnd() % 4; k > 0; k--)
			spoil(bad, &bad_len);
		if (!flow_pb_unpack(arena, bad, bad_len, out, &n))
			continue;
		accepted++;
		ck_assert_uint_le(n, FLOW_PB_BATCH);
		/* what was accepted is a batch like any other */
		flow_pb_clear(batch);
		for (size_t k = 0; k < n; k++)
			if (flow_valid(&out[k].flow))
				flow_pb_add(batch, out[k].op, &out[k].flow);
		memcpy(in, out, n * sizeof(in[0]));
		if (batch->n == n)
			assert_round_trip(n);
	}
	ck_assert_uint_gt(accepted, 1000);
	ck_assert_uint_lt(accepted, 199000);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("flow_pb");
	TCase *tc = tcase_create("flow_pb");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 100);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_round_trip);
	tcase_add_test(tc, test_largest);
	tcase_add_test(tc, test_useless_bits_stay_home);
	tcase_add_test(tc, test_bytes_per_flow);
	tcase_add_test(tc, test_columns_must_fit);
	tcase_add_test(tc, test_values_out_of_range);
	tcase_add_test(tc, test_extra_out_of_range);
	tcase_add_test(tc, test_too_many);
	tcase_add_test(tc, test_memory_is_bounded);
	tcase_add_test(tc, test_too_long);
	tcase_add_test(tc, test_truncated);
	tcase_add_test(tc, test_garbage);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
