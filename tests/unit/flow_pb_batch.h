/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Batches of flows of every kind, for the tests of flow_pb: made by chance,
 * packed, and taken apart again.
 */
#ifndef STATESYNC_TEST_FLOW_PB_BATCH_H
#define STATESYNC_TEST_FLOW_PB_BATCH_H

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

static inline void setup(void)
{
	seed = 42;
	arena = malloc(sizeof(*arena));
	arena_init(arena);
	batch = calloc(1, sizeof(*batch));
	memset(in, 0, sizeof(in));
	memset(out, 0x55, sizeof(out));
}

static inline void teardown(void)
{
	free(arena);
	free(batch);
}

static inline uint32_t rnd(void)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(seed >> 33);
}

static inline void random_addr(struct flow_addr *a, size_t len)
{
	memset(a, 0, sizeof(*a));
	for (size_t i = 0; i < len; i++)
		a->b[i] = (uint8_t)rnd();
}

/* Of all that few flows have, some. */
static inline void random_extra(struct flow *f, size_t len)
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

static inline void random_flow(struct flow *f)
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

static inline void random_batch(size_t n)
{
	flow_pb_clear(batch);
	for (size_t i = 0; i < n; i++) {
		random_flow(&in[i].flow);
		in[i].op = (enum flow_op)(FLOW_NEW + rnd() % 4);
		ck_assert(flow_valid(&in[i].flow));
		flow_pb_add(batch, in[i].op, &in[i].flow);
	}
}

static inline size_t pack(void)
{
	Statesync__Flows m;

	flow_pb_message(batch, &m);
	ck_assert(statesync__flows__get_packed_size(&m) <= FRAME_PAYLOAD_MAX);
	return statesync__flows__pack(&m, wire);
}

/* From memory of exactly that size, so that the sanitizer sees a slip. */
static inline bool unpack(const uint8_t *data, size_t len, size_t *n)
{
	uint8_t *copy = malloc(len + !len);
	bool ok;

	memcpy(copy, data, len);
	ok = flow_pb_unpack(arena, copy, len, out, n);
	free(copy);
	return ok;
}

static inline void assert_round_trip(size_t n)
{
	size_t len = pack(), got;

	ck_assert(unpack(wire, len, &got));
	ck_assert_uint_eq(got, n);
	for (size_t i = 0; i < n; i++) {
		ck_assert_int_eq(out[i].op, in[i].op);
		ck_assert_mem_eq(&out[i].flow, &in[i].flow, sizeof(in[i].flow));
	}
}

/* Every test of a suite with a batch of its own; the exit status. */
static inline int run_suite(Suite *s, TCase *tc)
{
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 100);
	tcase_add_checked_fixture(tc, setup, teardown);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
