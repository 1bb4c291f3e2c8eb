/* SPDX-License-Identifier: GPL-3.0-or-later */
/* proto/digest: reference vectors, and the sum as a set's digest. */
#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "digest.h"
#include "flow.h"

/* The authors' vectors_sip128: key 00..0f, input 00 01 .. len-1. */
static const struct {
	size_t len;
	uint8_t out[16];
} vectors[] = {
	{ 0,
	  { 0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72,
	    0x14, 0xc7, 0x55, 0x02, 0x93 } },
	{ 1,
	  { 0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59,
	    0x11, 0x9b, 0x22, 0xfc, 0x45 } },
	{ 7,
	  { 0xa1, 0xf1, 0xeb, 0xbe, 0xd8, 0xdb, 0xc1, 0x53, 0xc0, 0xb8, 0x4a,
	    0xa6, 0x1f, 0xf0, 0x82, 0x39 } },
	{ 8,
	  { 0x3b, 0x62, 0xa9, 0xba, 0x62, 0x58, 0xf5, 0x61, 0x0f, 0x83, 0xe2,
	    0x64, 0xf3, 0x14, 0x97, 0xb4 } },
	{ 15,
	  { 0x54, 0x93, 0xe9, 0x99, 0x33, 0xb0, 0xa8, 0x11, 0x7e, 0x08, 0xec,
	    0x0f, 0x97, 0xcf, 0xc3, 0xd9 } },
	{ 16,
	  { 0x6e, 0xe2, 0xa4, 0xca, 0x67, 0xb0, 0x54, 0xbb, 0xfd, 0x33, 0x15,
	    0xbf, 0x85, 0x23, 0x05, 0x77 } },
	{ 63,
	  { 0x51, 0x50, 0xd1, 0x77, 0x2f, 0x50, 0x83, 0x4a, 0x50, 0x3e, 0x06,
	    0x9a, 0x97, 0x3f, 0xbd, 0x7c } },
};

static uint64_t le64(const uint8_t *p)
{
	uint64_t v = 0;

	for (int i = 7; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

static const uint8_t key[DIGEST_KEY_LEN] = { 0, 1, 2,  3,  4,  5,  6,  7,
					     8, 9, 10, 11, 12, 13, 14, 15 };

START_TEST(reference_vectors)
{
	uint8_t in[64];
	uint64_t hi, lo;

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)i;
	siphash128(key, in, vectors[_i].len, &hi, &lo);
	ck_assert_uint_eq(lo, le64(vectors[_i].out));
	ck_assert_uint_eq(hi, le64(vectors[_i].out + 8));
}
END_TEST

static struct flow some_flow(uint16_t port)
{
	struct flow f = {
		.family = AF_INET,
		.l4proto = IPPROTO_UDP,
		.orig = { .src = { { 10, 0, 0, 1 } },
			  .dst = { { 10, 0, 0, 2 } },
			  .sport = port,
			  .dport = 53 },
	};

	flow_tuple_invert(&f, &f.orig, &f.reply);
	return f;
}

START_TEST(order_does_not_matter)
{
	struct digest up = { 0 }, down = { 0 };

	for (uint16_t i = 0; i < 1000; i++) {
		struct flow a = some_flow(i),
			    b = some_flow((uint16_t)(999 - i));

		digest_add(&up, key, &a);
		digest_add(&down, key, &b);
	}
	ck_assert_uint_eq(up.count, 1000);
	ck_assert(digest_equal(&up, &down));
}
END_TEST

START_TEST(every_difference_shows)
{
	struct flow f = some_flow(1), g = some_flow(2);
	struct digest a = { 0 }, b = { 0 }, c = { 0 };
	uint8_t other[DIGEST_KEY_LEN] = { 1 };

	digest_add(&a, key, &f);
	digest_add(&b, key, &g);
	ck_assert(!digest_equal(&a, &b));
	digest_add(&c, other, &f);
	ck_assert(!digest_equal(&a, &c));
	/* Twice the same flow is not once. */
	digest_add(&c, key, &f);
	b = a;
	digest_add(&b, key, &f);
	ck_assert(!digest_equal(&a, &b));
	b = a;
	b.count++;
	ck_assert(!digest_equal(&a, &b));
}
END_TEST

/* The carry from the low into the high word is part of the sum. */
START_TEST(sum_carries)
{
	struct flow f = some_flow(7);
	struct digest one = { 0 }, full = { .hi = 5, .lo = UINT64_MAX };

	digest_add(&one, key, &f);
	digest_add(&full, key, &f);
	ck_assert_uint_ne(one.lo, 0);
	ck_assert_uint_eq(full.lo, one.lo - 1);
	ck_assert_uint_eq(full.hi, one.hi + 6);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("digest");
	TCase *t = tcase_create("digest");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, reference_vectors, 0,
			    sizeof(vectors) / sizeof(vectors[0]));
	tcase_add_test(t, order_does_not_matter);
	tcase_add_test(t, every_difference_shows);
	tcase_add_test(t, sum_carries);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
