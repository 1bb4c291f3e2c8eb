// SPDX-License-Identifier: GPL-3.0-or-later
/* Neighbour discovery: bytes as another implementation builds them, questions
 * that are answered and those that are not, each rule of RFC 4861 broken. */
#include "nd.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t vmac[CARP_MAC_LEN] = { 0, 0, 0x5e, 0, 1, 7 };
static const uint8_t client[CARP_MAC_LEN] = { 2, 0, 0, 0, 0, 0xaa };
static const struct carp_addr6 any6;
static const struct carp_addr6 vip = { { 0x20, 1, 0x0d, 0xb8, 0, 1, 0, 0, 0, 0,
					 0, 0, 0, 0, 0, 1 } };
static const struct carp_addr6 host = { { 0x20, 1, 0x0d, 0xb8, 0, 1, 0, 0, 0, 0,
					  0, 0, 0, 0, 1, 0 } };
static const struct carp_addr6 nodes = { { 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0,
					   0, 0, 0, 0, 1 } };

static const uint8_t want_announce[] = {
	0x33, 0x33, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x5e, 0x00, 0x01,
	0x07, 0x86, 0xdd, 0x60, 0x00, 0x00, 0x00, 0x00, 0x20, 0x3a, 0xff,
	0x20, 0x01, 0x0d, 0xb8, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x01, 0xff, 0x02, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x88,
	0x00, 0x1c, 0x22, 0xa0, 0x00, 0x00, 0x00, 0x20, 0x01, 0x0d, 0xb8,
	0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x01, 0x02, 0x01, 0x00, 0x00, 0x5e, 0x00, 0x01, 0x07,
};

static const uint8_t want_question[] = {
	0x33, 0x33, 0xff, 0x00, 0x00, 0x01, 0x02, 0x00, 0x00, 0x00, 0x00,
	0xaa, 0x86, 0xdd, 0x60, 0x00, 0x00, 0x00, 0x00, 0x20, 0x3a, 0xff,
	0x20, 0x01, 0x0d, 0xb8, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x01, 0x00, 0xff, 0x02, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0xff, 0x00, 0x00, 0x01, 0x87,
	0x00, 0x1a, 0x7f, 0x00, 0x00, 0x00, 0x00, 0x20, 0x01, 0x0d, 0xb8,
	0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x01, 0x01, 0x01, 0x02, 0x00, 0x00, 0x00, 0x00, 0xaa,
};

static const uint8_t want_answer[] = {
	0x02, 0x00, 0x00, 0x00, 0x00, 0xaa, 0x00, 0x00, 0x5e, 0x00, 0x01,
	0x07, 0x86, 0xdd, 0x60, 0x00, 0x00, 0x00, 0x00, 0x20, 0x3a, 0xff,
	0x20, 0x01, 0x0d, 0xb8, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x01, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x01,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x88,
	0x00, 0x2c, 0x6c, 0x60, 0x00, 0x00, 0x00, 0x20, 0x01, 0x0d, 0xb8,
	0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x01, 0x02, 0x01, 0x00, 0x00, 0x5e, 0x00, 0x01, 0x07,
};

static const uint8_t want_ra[] = {
	0x33, 0x33, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x5e, 0x00, 0x01, 0x07,
	0x86, 0xdd, 0x60, 0x00, 0x00, 0x00, 0x00, 0x40, 0x3a, 0xff, 0xfe, 0x80,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x5e, 0xff, 0xfe, 0x00,
	0x01, 0x07, 0xff, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x86, 0x00, 0x31, 0x40, 0x40, 0x00,
	0x07, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x01,
	0x00, 0x00, 0x5e, 0x00, 0x01, 0x07, 0x05, 0x01, 0x00, 0x00, 0x00, 0x00,
	0x05, 0x78, 0x03, 0x04, 0x40, 0xc0, 0x00, 0x27, 0x8d, 0x00, 0x00, 0x09,
	0x3a, 0x80, 0x00, 0x00, 0x00, 0x00, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x01,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};

/* A client's question for the shared address. */
static struct carp_nd question(void)
{
	struct carp_nd q = {
		.src = host,
		.dst = carp_nd_group(&vip),
		.type = CARP_ND_NS,
		.target = vip,
		.has_mac = true,
	};

	carp_nd_group_mac(&q.dst, q.eth_dst);
	memcpy(q.eth_src, client, CARP_MAC_LEN);
	memcpy(q.mac, client, CARP_MAC_LEN);
	return q;
}

/* The same of one who wants to have it. */
static struct carp_nd probe(void)
{
	struct carp_nd q = question();

	q.src = any6;
	q.has_mac = false;
	memset(q.mac, 0, sizeof(q.mac));
	return q;
}

/* What comes of it on a wire. */
static enum carp_nd_refusal through(const struct carp_nd *in,
				    struct carp_nd *out)
{
	uint8_t frame[CARP_ND_FRAME_MAX];

	return carp_nd_parse(frame, carp_nd_build(in, frame), out);
}

START_TEST(test_bytes)
{
	uint8_t out[CARP_ND_FRAME_MAX];
	struct carp_nd q = question();

	ck_assert_uint_eq(carp_nd_announce(&vip, vmac, true, out),
			  sizeof(want_announce));
	ck_assert_mem_eq(out, want_announce, sizeof(want_announce));
	ck_assert_uint_eq(carp_nd_build(&q, out), sizeof(want_question));
	ck_assert_mem_eq(out, want_question, sizeof(want_question));
	ck_assert_uint_eq(carp_nd_answer(&q, vmac, false, out),
			  sizeof(want_answer));
	ck_assert_mem_eq(out, want_answer, sizeof(want_answer));
}
END_TEST

START_TEST(test_router_advertisement)
{
	uint8_t out[CARP_RA_FRAME_MAX];
	struct carp_nd a;
	struct carp_ra ra = {
		.src = { { 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0x5e, 0xff, 0xfe,
			   0, 1, 7 } },
		.lifetime_s = 1800,
		.mtu = 1400,
		.prefix_count = 1,
		.prefixes = { vip }, /* its last 64 bits are not told */
	};

	memcpy(ra.mac, vmac, CARP_MAC_LEN);
	ck_assert_uint_eq(carp_nd_advertise(&ra, out), sizeof(want_ra));
	ck_assert_mem_eq(out, want_ra, sizeof(want_ra));
	ck_assert_int_eq(carp_nd_parse(out, sizeof(want_ra), &a),
			 CARP_ND_NOT_ND);
	ra.mtu = 0;
	ra.prefix_count = CARP_RA_PREFIXES;
	ck_assert_uint_le(carp_nd_advertise(&ra, out), sizeof(out));
	ra.prefix_count = 0;
	ck_assert_uint_eq(carp_nd_advertise(&ra, out), 78);
}
END_TEST

static void expect_same(const struct carp_nd *a, const struct carp_nd *b)
{
	ck_assert_int_eq(a->type, b->type);
	ck_assert_mem_eq(a->eth_dst, b->eth_dst, CARP_MAC_LEN);
	ck_assert_mem_eq(a->eth_src, b->eth_src, CARP_MAC_LEN);
	ck_assert_mem_eq(a->src.b, b->src.b, 16);
	ck_assert_mem_eq(a->dst.b, b->dst.b, 16);
	ck_assert_mem_eq(a->target.b, b->target.b, 16);
	ck_assert_int_eq(a->router, b->router);
	ck_assert_int_eq(a->solicited, b->solicited);
	ck_assert_int_eq(a->override, b->override);
	ck_assert_int_eq(a->has_mac, b->has_mac);
	ck_assert_mem_eq(a->mac, b->mac, CARP_MAC_LEN);
}

START_TEST(test_there_and_back)
{
	struct carp_nd a = question(), b;

	ck_assert_int_eq(through(&a, &b), CARP_ND_OK);
	expect_same(&a, &b);
	a = probe();
	ck_assert_int_eq(through(&a, &b), CARP_ND_OK);
	expect_same(&a, &b);
	a = question();
	a.type = CARP_ND_RS;
	a.target = any6;
	ck_assert_int_eq(through(&a, &b), CARP_ND_OK);
	expect_same(&a, &b);
	for (int flags = 0; flags < 8; flags++) {
		a = question();
		a.type = CARP_ND_NA;
		a.dst = host;
		a.router = flags & 1;
		a.solicited = flags & 2;
		a.override = flags & 4;
		ck_assert_int_eq(through(&a, &b), CARP_ND_OK);
		expect_same(&a, &b);
	}
}
END_TEST

START_TEST(test_questions)
{
	uint8_t out[CARP_ND_FRAME_MAX];
	struct carp_nd q = question(), a;

	ck_assert(carp_nd_asks(&q, &vip));
	ck_assert(!carp_nd_asks(&q, &host));
	/* unicast, without the option: to where it came from */
	q.dst = vip;
	memcpy(q.eth_dst, vmac, CARP_MAC_LEN);
	q.has_mac = false;
	ck_assert(carp_nd_asks(&q, &vip));
	ck_assert_int_eq(
		carp_nd_parse(out, carp_nd_answer(&q, vmac, true, out), &a),
		CARP_ND_OK);
	ck_assert_mem_eq(a.eth_dst, client, CARP_MAC_LEN);
	ck_assert(a.solicited && a.override && a.router);
	ck_assert_mem_eq(a.mac, vmac, CARP_MAC_LEN);
	/* a probe: to all, not solicited */
	q = probe();
	ck_assert(carp_nd_asks(&q, &vip));
	ck_assert_int_eq(
		carp_nd_parse(out, carp_nd_answer(&q, vmac, true, out), &a),
		CARP_ND_OK);
	ck_assert_mem_eq(a.eth_dst, "\x33\x33\0\0\0\1", CARP_MAC_LEN);
	ck_assert_mem_eq(a.dst.b, nodes.b, 16);
	ck_assert(!a.solicited && a.override);
	/* nobody who could be told, and one who says it is his */
	q = question();
	q.mac[0] = 1;
	ck_assert(!carp_nd_asks(&q, &vip));
	memset(q.mac, 0, sizeof(q.mac));
	ck_assert(!carp_nd_asks(&q, &vip));
	q = question();
	q.src = vip;
	ck_assert(!carp_nd_asks(&q, &vip));
	q = question();
	q.type = CARP_ND_NA;
	ck_assert(!carp_nd_asks(&q, &vip));
}
END_TEST

START_TEST(test_claims)
{
	uint8_t other[CARP_MAC_LEN], out[CARP_ND_FRAME_MAX];
	struct carp_nd a;

	ck_assert_int_eq(
		carp_nd_parse(out, carp_nd_announce(&vip, vmac, true, out), &a),
		CARP_ND_OK);
	ck_assert(!carp_nd_claims(&a, &vip, vmac, other));
	ck_assert(carp_nd_claims(&a, &vip, client, other));
	ck_assert_mem_eq(other, vmac, CARP_MAC_LEN);
	ck_assert(!carp_nd_claims(&a, &host, client, other));
	/* a question in its name */
	a = question();
	ck_assert(!carp_nd_claims(&a, &vip, vmac, other));
	a.src = vip;
	a.target = host;
	ck_assert(carp_nd_claims(&a, &vip, vmac, other));
	ck_assert_mem_eq(other, client, CARP_MAC_LEN);
	a.has_mac = false;
	ck_assert(carp_nd_claims(&a, &vip, vmac, other));
	/* one who wants to have it */
	a = probe();
	ck_assert(!carp_nd_claims(&a, &vip, vmac, other));
	ck_assert(carp_nd_probes(&a, &vip, vmac));
	ck_assert(!carp_nd_probes(&a, &vip, client));
	ck_assert(!carp_nd_probes(&a, &host, vmac));
	a = question();
	ck_assert(!carp_nd_probes(&a, &vip, vmac));
}
END_TEST

/* --- what is not valid ---------------------------------------------------- */

static enum carp_nd_refusal broken(size_t at, uint8_t value)
{
	uint8_t frame[sizeof(want_question)];
	struct carp_nd a;

	memcpy(frame, want_question, sizeof(frame));
	frame[at] = value;
	return carp_nd_parse(frame, sizeof(frame), &a);
}

/* The question with a byte of the message changed and a right checksum. */
static enum carp_nd_refusal changed(size_t at, uint8_t value)
{
	uint8_t frame[sizeof(want_question)];
	uint32_t sum;
	struct carp_nd a;
	size_t even = at & ~(size_t)1;

	memcpy(frame, want_question, sizeof(frame));
	sum = (uint32_t)(frame[56] << 8 | frame[57]);
	/* RFC 1624: HC' = ~(~HC + ~m + m') */
	sum = (~sum & 0xffff) +
	      (~(uint32_t)(frame[even] << 8 | frame[even + 1]) & 0xffff);
	frame[at] = value;
	sum += (uint32_t)(frame[even] << 8 | frame[even + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum;
	frame[56] = (uint8_t)(sum >> 8);
	frame[57] = (uint8_t)sum;
	return carp_nd_parse(frame, sizeof(frame), &a);
}

START_TEST(test_refusals)
{
	struct carp_nd a;

	for (size_t len = 0; len < sizeof(want_question); len++)
		ck_assert_int_eq(carp_nd_parse(want_question, len, &a),
				 CARP_ND_SHORT);
	ck_assert_int_eq(broken(13, 0x00), CARP_ND_NOT_ND);
	ck_assert_int_eq(broken(14, 0x40), CARP_ND_NOT_ND);
	ck_assert_int_eq(broken(20, 17), CARP_ND_NOT_ND);
	ck_assert_int_eq(broken(54, 128), CARP_ND_NOT_ND);
	ck_assert_int_eq(broken(54, CARP_ND_RA), CARP_ND_NOT_ND);
	ck_assert_int_eq(broken(21, 254), CARP_ND_HOPLIMIT);
	ck_assert_int_eq(broken(85, 0xab), CARP_ND_CHECKSUM);
	ck_assert_int_eq(broken(37, 0x01), CARP_ND_CHECKSUM); /* address */
	ck_assert_int_eq(broken(57, 0x00), CARP_ND_CHECKSUM);
	ck_assert_int_eq(broken(19, 23), CARP_ND_SHORT); /* length */
	ck_assert_int_eq(changed(85, 0xab), CARP_ND_OK);
	ck_assert_int_eq(changed(58, 0xff), CARP_ND_OK);  /* reserved */
	ck_assert_int_eq(changed(55, 1), CARP_ND_FORMAT); /* code */
	ck_assert_int_eq(changed(79, 0), CARP_ND_FORMAT);
	ck_assert_int_eq(changed(79, 2), CARP_ND_FORMAT);
	ck_assert_int_eq(changed(78, 99), CARP_ND_OK); /* unknown option */
	ck_assert_int_eq(changed(62, 0xff), CARP_ND_RULES);
	ck_assert_int_eq(changed(22, 0xff), CARP_ND_RULES);
}
END_TEST

START_TEST(test_rules)
{
	struct carp_nd a = probe(), b;

	a.has_mac = true;
	ck_assert_int_eq(through(&a, &b), CARP_ND_RULES);
	a = probe();
	a.dst = vip;
	ck_assert_int_eq(through(&a, &b), CARP_ND_RULES);
	a = question();
	a.type = CARP_ND_RS;
	a.src = any6;
	ck_assert_int_eq(through(&a, &b), CARP_ND_RULES);
	a.has_mac = false;
	ck_assert_int_eq(through(&a, &b), CARP_ND_OK);
	a = question();
	a.type = CARP_ND_NA;
	a.dst = nodes;
	a.solicited = true;
	ck_assert_int_eq(through(&a, &b), CARP_ND_RULES);
	a.solicited = false;
	ck_assert_int_eq(through(&a, &b), CARP_ND_OK);
	a.src = any6;
	ck_assert_int_eq(through(&a, &b), CARP_ND_RULES);
	a.src = host;
	a.target = nodes;
	ck_assert_int_eq(through(&a, &b), CARP_ND_RULES);
}
END_TEST

/* Padding, and an option that is cut. */
START_TEST(test_lengths)
{
	uint8_t frame[200] = { 0 };
	struct carp_nd a;

	memcpy(frame, want_question, sizeof(want_question));
	ck_assert_int_eq(carp_nd_parse(frame, sizeof(frame), &a), CARP_ND_OK);
	ck_assert_mem_eq(a.mac, client, CARP_MAC_LEN);
	frame[19] = 25; /* one byte of the option */
	ck_assert_int_ne(carp_nd_parse(frame, sizeof(frame), &a), CARP_ND_OK);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("carp_nd");
	TCase *t = tcase_create("bytes");
	SRunner *r;
	int failed;

	tcase_add_test(t, test_bytes);
	tcase_add_test(t, test_router_advertisement);
	tcase_add_test(t, test_there_and_back);
	tcase_add_test(t, test_questions);
	tcase_add_test(t, test_claims);
	tcase_add_test(t, test_refusals);
	tcase_add_test(t, test_rules);
	tcase_add_test(t, test_lengths);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
