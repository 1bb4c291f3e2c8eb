// SPDX-License-Identifier: GPL-3.0-or-later
/* Flows to columns and back: nothing is lost. */
#include "flow_pb_batch.h"

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
		in[i] = (struct flow_change){ .op = FLOW_NEW, .flow = f };
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

int main(void)
{
	Suite *s = suite_create("flow_pb");
	TCase *tc = tcase_create("flow_pb");

	tcase_add_test(tc, test_round_trip);
	tcase_add_test(tc, test_largest);
	tcase_add_test(tc, test_useless_bits_stay_home);
	tcase_add_test(tc, test_bytes_per_flow);
	return run_suite(s, tc);
}
