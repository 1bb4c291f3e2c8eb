// SPDX-License-Identifier: GPL-3.0-or-later
/* Bytes and HMAC of adverts: the published vectors, a packet captured from
 * ucarp, every refusal. */
#include "auth.h"
#include "wire.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COUNTER	    0x0102030405060708ULL
#define HEX_COUNTER "0102030405060708"
#define V4_12	    0x0a00000cU /* 10.0.0.12 */
#define V4_2	    0x0a000002U /* 10.0.0.2 */
#define DIGEST_V1   "87221aab07f5a13e3032e0e2233d3519b55af209"
#define V1	    "2101000700017311" HEX_COUNTER DIGEST_V1

static size_t unhex(const char *text, uint8_t *out)
{
	size_t n = strlen(text) / 2;

	for (size_t i = 0; i < n; i++) {
		char two[3] = { text[2 * i], text[2 * i + 1], '\0' };

		out[i] = (uint8_t)strtoul(two, NULL, 16);
	}
	return n;
}

static void hex_eq(const uint8_t *got, size_t len, const char *want)
{
	uint8_t bytes[256];

	ck_assert_uint_eq(unhex(want, bytes), len);
	ck_assert_mem_eq(got, bytes, len);
}

static const struct carp_addr6 v6_global = { { 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0,
					       0, 0, 0, 0, 0, 0, 0, 0, 0x12 } };
static const struct carp_addr6 v6_local = {
	{ 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x02, 0, 0x5e, 0xff, 0xfe, 0, 1, 1 }
};

/* One vector: vhid 1, counter COUNTER. V5b is V5's addresses as sent. */
static const struct vector {
	const char *pass, *head, *digest; /* the packet around the counter */
	uint32_t v4[3];
	const struct carp_addr6 *v6[2];
	enum carp_auth_variant variant;
	uint8_t advbase, advskew, demote;
} vectors[] = {
	/* V1, and V2 whose addresses are neither sorted nor unique */
	{ .pass = "secret",
	  .head = "2101000700017311",
	  .digest = DIGEST_V1,
	  .v4 = { V4_12 },
	  .advbase = 1 },
	{ .pass = "secret",
	  .head = "21010007000108b7",
	  .digest = "ddfa4f347568423f19ee9468f1763469f83a14e3",
	  .v4 = { V4_12, V4_2, V4_12 },
	  .advbase = 1 },
	/* V4, V5 and V5b: both families, with a link-local address */
	{ .pass = "secret",
	  .head = "210100070001667d",
	  .digest = "6336698316e821832582591b41956cd1dba05a9b",
	  .v4 = { V4_12 },
	  .v6 = { &v6_global },
	  .advbase = 1 },
	{ .pass = "secret",
	  .head = "210100070001e016",
	  .digest = "d7e53fc8bcf4e919d157a2463b2a13455ef2100f",
	  .v4 = { V4_12 },
	  .v6 = { &v6_local, &v6_global },
	  .variant = CARP_AUTH_ORIG,
	  .advbase = 1 },
	{ .pass = "secret",
	  .head = "210100070001667d",
	  .digest = "6336698316e821832582591b41956cd1dba05a9b",
	  .v4 = { V4_12 },
	  .v6 = { &v6_local, &v6_global },
	  .advbase = 1 },
	/* V7: no address */
	{ .pass = "secret",
	  .head = "2101000700018d8a",
	  .digest = "9fe1fb2357052d833ee9de4754411d9e54da3ddf",
	  .advbase = 1 },
	/* V8 and V9: the same digest as V1 */
	{ .pass = "secret",
	  .head = "210164072001ef10",
	  .digest = DIGEST_V1,
	  .v4 = { V4_12 },
	  .advbase = 1,
	  .advskew = 100,
	  .demote = 32 },
	{ .pass = "secret",
	  .head = "2101ff0700ff7312",
	  .digest = DIGEST_V1,
	  .v4 = { V4_12 },
	  .advbase = 255,
	  .advskew = 255 },
	/* V10: no password */
	{ .head = "2101000700010adb",
	  .digest = "62042797a83fc1e5efbd7d5a08bdf108632b063d",
	  .v4 = { V4_12 },
	  .advbase = 1 },
};

static void auth_of(const struct vector *t, struct carp_auth *auth)
{
	ck_assert(!carp_auth_init(auth, 1, t->pass));
	for (size_t i = 0; i < 3 && t->v4[i]; i++)
		ck_assert(!carp_auth_add_v4(auth, t->v4[i]));
	for (size_t i = 0; i < 2 && t->v6[i]; i++)
		ck_assert(!carp_auth_add_v6(auth, t->v6[i]));
}

START_TEST(test_vector)
{
	const struct vector *t = &vectors[_i];
	struct carp_auth auth;
	struct carp_advert out = {
		.vhid = 1,
		.advskew = t->advskew,
		.authlen = 7,
		.demote = t->demote,
		.advbase = t->advbase,
		.counter = COUNTER,
	};
	struct carp_advert in;
	uint8_t bytes[CARP_ADVERT_LEN];

	auth_of(t, &auth);
	carp_auth_sign(&auth, t->variant, COUNTER, out.digest);
	carp_wire_build(&out, bytes);
	hex_eq(bytes, 8, t->head);
	hex_eq(bytes + 8, 8, HEX_COUNTER);
	hex_eq(bytes + 16, CARP_DIGEST_LEN, t->digest);

	ck_assert_int_eq(carp_wire_parse(bytes, sizeof(bytes), &in), CARP_OK);
	ck_assert_uint_eq(in.vhid, 1);
	ck_assert_uint_eq(in.advskew, t->advskew);
	ck_assert_uint_eq(in.authlen, 7);
	ck_assert_uint_eq(in.demote, t->demote);
	ck_assert_uint_eq(in.advbase, t->advbase);
	ck_assert(in.counter == COUNTER);
	ck_assert(carp_auth_verify(&auth, in.counter, in.digest));

	/* one bit of anything that is covered */
	ck_assert(!carp_auth_verify(&auth, in.counter ^ 1, in.digest));
	in.digest[19] ^= 1;
	ck_assert(!carp_auth_verify(&auth, in.counter, in.digest));
	in.digest[19] ^= 1;
	auth.vhid = 2;
	ck_assert(!carp_auth_verify(&auth, in.counter, in.digest));
}
END_TEST

START_TEST(test_captured_from_ucarp)
{
	uint8_t bytes[CARP_ADVERT_LEN];
	struct carp_advert in;
	struct carp_auth auth;

	unhex("2101000700012b7285d3bd9fef6505c6eb9784e02b8bacc752a8499712bf062b"
	      "7d4bffa4",
	      bytes);
	auth_of(&vectors[0], &auth);
	ck_assert_int_eq(carp_wire_parse(bytes, sizeof(bytes), &in), CARP_OK);
	ck_assert_uint_eq(in.advbase, 1);
	ck_assert(in.counter == 0x85d3bd9fef6505c6ULL);
	ck_assert(carp_auth_verify(&auth, in.counter, in.digest));
}
END_TEST

START_TEST(test_other_addresses_or_password)
{
	struct carp_auth a, b;
	uint8_t digest[CARP_DIGEST_LEN];

	auth_of(&vectors[0], &a);
	carp_auth_sign(&a, CARP_AUTH_NOV6LL, COUNTER, digest);
	ck_assert(!carp_auth_init(&b, 1, "secreT"));
	ck_assert(!carp_auth_add_v4(&b, V4_12));
	ck_assert(!carp_auth_verify(&b, COUNTER, digest));
	ck_assert(!carp_auth_add_v4(&a, V4_2));
	ck_assert(!carp_auth_verify(&a, COUNTER, digest));
	/* both nodes may list the addresses in any order, twice even */
	ck_assert(!carp_auth_init(&b, 1, "secret"));
	ck_assert(!carp_auth_add_v4(&b, V4_2));
	ck_assert(!carp_auth_add_v4(&b, V4_12));
	ck_assert(!carp_auth_add_v4(&b, V4_2));
	ck_assert_uint_eq(b.v4_count, 2);
	carp_auth_sign(&b, CARP_AUTH_NOV6LL, COUNTER, digest);
	ck_assert(carp_auth_verify(&a, COUNTER, digest));
}
END_TEST

START_TEST(test_configuration_refused)
{
	static const struct carp_addr6 any = { { 0 } };
	struct carp_addr6 ones, scoped = v6_local;
	struct carp_auth a;

	ck_assert_int_eq(carp_auth_init(&a, 0, "x"), CARP_CONF_VHID);
	ck_assert_int_eq(carp_auth_init(&a, 1, "1234567890123456789"),
			 CARP_CONF_OK);
	ck_assert_int_eq(carp_auth_init(&a, 1, "12345678901234567890"),
			 CARP_CONF_PASS);
	ck_assert_int_eq(carp_auth_init(&a, 1, ""), CARP_CONF_OK);
	ck_assert_int_eq(carp_auth_add_v4(&a, 0), CARP_CONF_ADDRESS);
	ck_assert_int_eq(carp_auth_add_v4(&a, 0xffffffff), CARP_CONF_ADDRESS);
	memset(&ones, 0xff, sizeof(ones));
	ck_assert_int_eq(carp_auth_add_v6(&a, &any), CARP_CONF_ADDRESS);
	ck_assert_int_eq(carp_auth_add_v6(&a, &ones), CARP_CONF_ADDRESS);
	for (uint32_t i = CARP_ADDR_MAX; i > 0; i--)
		ck_assert(!carp_auth_add_v4(&a, i));
	ck_assert_int_eq(carp_auth_add_v4(&a, 77), CARP_CONF_TOO_MANY);
	ck_assert_int_eq(carp_auth_add_v4(&a, 7), CARP_CONF_OK);
	for (uint32_t i = 0; i < CARP_ADDR_MAX; i++)
		ck_assert_uint_eq(a.v4[i], i + 1);

	/* a scope inside a link-local address is not hashed */
	scoped.b[3] = 5;
	ck_assert(!carp_auth_add_v6(&a, &v6_local));
	ck_assert(!carp_auth_add_v6(&a, &scoped));
	ck_assert_uint_eq(a.v6_count, 1);
	for (int e = CARP_CONF_OK; e <= CARP_CONF_NO_ADDRESS; e++)
		ck_assert_str_ne(carp_conf_error_text((enum carp_conf_error)e),
				 "unknown");
}
END_TEST

/* Full lists of both families still fit the message. */
START_TEST(test_many_addresses)
{
	struct carp_auth a;
	uint8_t digest[CARP_DIGEST_LEN];

	ck_assert(!carp_auth_init(&a, 255, "secret"));
	for (uint8_t i = 0; i < CARP_ADDR_MAX; i++) {
		struct carp_addr6 v6 = v6_global;

		v6.b[15] = i;
		ck_assert(!carp_auth_add_v4(&a, 0x0a000001U + i));
		ck_assert(!carp_auth_add_v6(&a, &v6));
	}
	carp_auth_sign(&a, CARP_AUTH_ORIG, COUNTER, digest);
	ck_assert(carp_auth_verify(&a, COUNTER, digest));
}
END_TEST

START_TEST(test_advert_refused)
{
	uint8_t b[CARP_ADVERT_LEN + 8] = { 0 };
	struct carp_advert a;

	unhex(V1, b);
	/* every length, in memory of just that size */
	for (size_t len = 0; len <= sizeof(b); len++) {
		uint8_t *exact = malloc(len ? len : 1);
		enum carp_refusal want =
			len < CARP_ADVERT_LEN ? CARP_REFUSED_SHORT : CARP_OK;

		memcpy(exact, b, len);
		ck_assert_int_eq(carp_wire_parse(exact, len, &a), want);
		ck_assert_uint_eq(a.vhid, len >= 2);
		if (want)
			ck_assert_uint_eq(a.counter, 0);
		free(exact);
	}
	for (size_t bit = 0; bit < 8 * CARP_ADVERT_LEN; bit++) {
		b[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_int_eq(carp_wire_parse(b, CARP_ADVERT_LEN, &a),
				 CARP_REFUSED_CHECKSUM);
		b[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	/* version 3 with a right checksum; vhid is told for the counter */
	b[0] = 0x31;
	b[6] = (uint8_t)(b[6] - 0x10);
	ck_assert_int_eq(carp_wire_parse(b, CARP_ADVERT_LEN, &a),
			 CARP_REFUSED_VERSION);
	ck_assert_uint_eq(a.vhid, 1);
	ck_assert_uint_eq(a.authlen, 0);
}
END_TEST

START_TEST(test_checksum)
{
	/* RFC 1071, section 3 */
	static const uint8_t in[] = { 0x00, 0x01, 0xf2, 0x03,
				      0xf4, 0xf5, 0xf6, 0xf7 };

	ck_assert_uint_eq(carp_wire_checksum(in, 8), 0xffff & ~0xddf2U);
	ck_assert_uint_eq(carp_wire_checksum(in + 3, 1), 0xffff & ~0x0300U);
	ck_assert_uint_eq(carp_wire_checksum(in, 0), 0xffff);
}
END_TEST

START_TEST(test_refusal_names)
{
	static const char *const want[CARP_REFUSAL_COUNT] = {
		"accepted",  "ttl",    "short", "version",
		"checksum",  "vhid",   "auth",	"replay",
		"interface", "source", "loop",
	};

	for (int i = 0; i < CARP_REFUSAL_COUNT; i++)
		ck_assert_str_eq(carp_refusal_name((enum carp_refusal)i),
				 want[i]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("carp_wire");
	TCase *tc = tcase_create("carp_wire");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_loop_test(tc, test_vector, 0,
			    sizeof(vectors) / sizeof(vectors[0]));
	tcase_add_test(tc, test_captured_from_ucarp);
	tcase_add_test(tc, test_other_addresses_or_password);
	tcase_add_test(tc, test_configuration_refused);
	tcase_add_test(tc, test_many_addresses);
	tcase_add_test(tc, test_advert_refused);
	tcase_add_test(tc, test_checksum);
	tcase_add_test(tc, test_refusal_names);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
