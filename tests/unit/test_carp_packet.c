// SPDX-License-Identifier: GPL-3.0-or-later
/* IP and Ethernet around an advert, both families, byte for byte; every
 * refusal. */
#include "packet.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define V1                                 \
	"21010007000173110102030405060708" \
	"87221aab07f5a13e3032e0e2233d3519b55af209"
/* from 10.0.0.1 to 224.0.0.18, as another implementation builds it */
#define FRAME_V1                       \
	"01005e00001200005e0001010800" \
	"4510003812344000ff707efe0a000001e0000012" V1
/* from fe80::ff:fe00:aa to ff02::12, written down from RFC 8200 and RFC 2464 */
#define FRAME6_V1                          \
	"33330000001200005e00010186dd"     \
	"60000000"                         \
	"0024"                             \
	"70"                               \
	"ff"                               \
	"fe80000000000000000000fffe0000aa" \
	"ff020000000000000000000000000012" V1

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

static const struct carp_address own4 = { .v4 = 0x0a000001 };
static const struct carp_address own6 = {
	.family = CARP_V6,
	.v6 = { { 0xfe, 0x80, [11] = 0xff, 0xfe, 0, 0, 0xaa } },
};

static struct carp_frame frame_to(const struct carp_address *src)
{
	struct carp_frame f = {
		.src_mac = { 0x00, 0x00, 0x5e, 0x00, 0x01, 0x01 },
		.src = *src,
		.dst = carp_group(src->family),
		.id = 0x1234,
	};

	carp_group_mac(&f.dst, f.dst_mac);
	return f;
}

START_TEST(test_frame)
{
	struct carp_frame f = frame_to(&own4);
	uint8_t advert[CARP_ADVERT_LEN], frame[CARP_FRAME_LEN],
		packet[CARP_IPV4_LEN];
	struct carp_packet ip;

	unhex(V1, advert);
	ck_assert_uint_eq(carp_frame_build(&f, advert, frame, sizeof(frame)),
			  sizeof(frame));
	hex_eq(frame, sizeof(frame), FRAME_V1);
	ck_assert_uint_eq(carp_packet_build(&f, advert, packet, sizeof(packet)),
			  sizeof(packet));
	ck_assert_mem_eq(packet, frame + 14, sizeof(packet));

	ck_assert_int_eq(carp_packet_parse_v4(packet, sizeof(packet), 255, &ip),
			 CARP_OK);
	ck_assert(carp_address_equal(&ip.src, &f.src));
	ck_assert(carp_address_equal(&ip.dst, &f.dst));
	ck_assert_uint_eq(ip.ttl, 255);
	ck_assert_ptr_eq(ip.payload, packet + 20);
	ck_assert_uint_eq(ip.len, CARP_ADVERT_LEN);
}
END_TEST

START_TEST(test_frame6)
{
	struct carp_frame f = frame_to(&own6);
	uint8_t advert[CARP_ADVERT_LEN], frame[CARP_FRAME6_LEN],
		packet[CARP_IPV6_LEN];
	struct carp_packet ip;
	struct carp_advert a;

	unhex(V1, advert);
	ck_assert_uint_eq(carp_frame_build(&f, advert, frame, sizeof(frame)),
			  sizeof(frame));
	hex_eq(frame, sizeof(frame), FRAME6_V1);
	ck_assert_uint_eq(carp_packet_build(&f, advert, packet, sizeof(packet)),
			  sizeof(packet));
	ck_assert_mem_eq(packet, frame + 14, sizeof(packet));

	ck_assert_int_eq(carp_packet_parse_v6(packet, sizeof(packet), 255, &ip),
			 CARP_OK);
	ck_assert(carp_address_equal(&ip.src, &own6));
	ck_assert(carp_address_equal(&ip.dst, &f.dst));
	ck_assert_uint_eq(ip.ttl, 255);
	ck_assert_ptr_eq(ip.payload, packet + 40);
	ck_assert_uint_eq(ip.len, CARP_ADVERT_LEN);
	/* the sum is over the 36 bytes, as in IPv4: no pseudo header */
	ck_assert_int_eq(carp_wire_parse(ip.payload, ip.len, &a), CARP_OK);
}
END_TEST

START_TEST(test_addresses)
{
	struct carp_address a = { .v4 = 0xefffffff }, b = own6;
	uint8_t mac[CARP_MAC_LEN];

	carp_group_mac(&a, mac);
	ck_assert_mem_eq(mac, "\x01\x00\x5e\x7f\xff\xff", 6);
	carp_group_mac(&own6, mac);
	ck_assert_mem_eq(mac, "\x33\x33\xfe\x00\x00\xaa", 6);
	ck_assert(!carp_address_equal(&a, &own4));
	ck_assert(!carp_address_equal(&own4, &own6));
	ck_assert(carp_address_equal(&b, &own6));
	b.v6.b[15] ^= 1;
	ck_assert(!carp_address_equal(&b, &own6));
	ck_assert(carp_address_is_link_local(&b));
	b.v6.b[1] = 0xbf;
	ck_assert(carp_address_is_link_local(&b));
	b.v6.b[1] = 0xc0;
	ck_assert(!carp_address_is_link_local(&b));
	a.v4 = 0xfe800000;
	ck_assert(!carp_address_is_link_local(&a));
}
END_TEST

/* Puts a right header checksum on a packet that was edited. */
static void ipv4_seal(uint8_t *p, size_t header)
{
	uint16_t sum;

	p[10] = p[11] = 0;
	sum = carp_wire_checksum(p, header);
	p[10] = (uint8_t)(sum >> 8);
	p[11] = (uint8_t)sum;
}

static enum carp_refusal ipv4_edited(size_t at, uint8_t value, size_t len,
				     uint8_t least_ttl)
{
	uint8_t frame[CARP_FRAME_LEN], *p;
	enum carp_refusal why;
	struct carp_packet ip;

	unhex(FRAME_V1, frame);
	p = malloc(len ? len : 1);
	memcpy(p, frame + 14, len);
	if (at < len && len >= 20) {
		p[at] = value;
		ipv4_seal(p, 20);
	}
	why = carp_packet_parse_v4(p, len, least_ttl, &ip);
	ck_assert(why == CARP_OK
			  ? ip.payload != NULL
			  : ip.payload == NULL || why == CARP_REFUSED_SHORT);
	if (len >= 20)
		ck_assert_uint_eq(ip.src.v4, own4.v4);
	free(p);
	return why;
}

START_TEST(test_ipv4_refused)
{
	static const struct {
		size_t at;
		uint8_t value;
		enum carp_refusal want;
	} t[] = {
		{ 0, 0x45, CARP_OK },
		{ 0, 0x65, CARP_REFUSED_VERSION },
		{ 0, 0x44, CARP_REFUSED_SHORT },   /* IHL below 5 */
		{ 0, 0x46, CARP_REFUSED_SHORT },   /* no room left */
		{ 0, 0x4f, CARP_REFUSED_SHORT },   /* header past the end */
		{ 2, 0x01, CARP_REFUSED_SHORT },   /* longer than is there */
		{ 3, 55, CARP_REFUSED_SHORT },	   /* 35 bytes of advert */
		{ 3, 10, CARP_REFUSED_SHORT },	   /* less than the header */
		{ 6, 0x20, CARP_REFUSED_VERSION }, /* more fragments */
		{ 7, 0x01, CARP_REFUSED_VERSION }, /* a later fragment */
		{ 8, 254, CARP_REFUSED_TTL },
		{ 8, 0, CARP_REFUSED_TTL },
		{ 9, 17, CARP_REFUSED_VERSION }, /* UDP */
		{ 1, 0, CARP_OK },		 /* TOS is free */
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		ck_assert_msg(ipv4_edited(t[i].at, t[i].value, CARP_IPV4_LEN,
					  255) == t[i].want,
			      "row %zu", i);
	for (size_t len = 0; len < CARP_IPV4_LEN; len++)
		ck_assert_int_eq(ipv4_edited(99, 0, len, 255),
				 CARP_REFUSED_SHORT);
	/* across a router, where that is allowed */
	ck_assert_int_eq(ipv4_edited(8, 254, CARP_IPV4_LEN, 254), CARP_OK);
	ck_assert_int_eq(ipv4_edited(8, 253, CARP_IPV4_LEN, 254),
			 CARP_REFUSED_TTL);
}
END_TEST

START_TEST(test_ipv4_checksum_options_padding)
{
	uint8_t frame[CARP_FRAME_LEN], p[CARP_IPV4_LEN + 12] = { 0 };
	struct carp_packet ip;

	unhex(FRAME_V1, frame);
	memcpy(p, frame + 14, CARP_IPV4_LEN);
	/* bytes after the total length are padding */
	ck_assert_int_eq(carp_packet_parse_v4(p, sizeof(p), 255, &ip), CARP_OK);
	ck_assert_uint_eq(ip.len, CARP_ADVERT_LEN);
	p[12] ^= 1;
	ck_assert_int_eq(carp_packet_parse_v4(p, sizeof(p), 255, &ip),
			 CARP_REFUSED_CHECKSUM);
	/* eight bytes of options, four bytes after the advert */
	memcpy(p, frame + 14, 20);
	memset(p + 20, 1, 8);
	unhex(V1, p + 28);
	p[0] = 0x47;
	p[3] = sizeof(p);
	ipv4_seal(p, 28);
	ck_assert_int_eq(carp_packet_parse_v4(p, sizeof(p), 255, &ip), CARP_OK);
	ck_assert_ptr_eq(ip.payload, p + 28);
	ck_assert_uint_eq(ip.len, CARP_ADVERT_LEN + 4);
}
END_TEST

static enum carp_refusal ipv6_edited(size_t at, uint8_t value, size_t len,
				     uint8_t least_ttl)
{
	uint8_t frame[CARP_FRAME6_LEN], *p;
	enum carp_refusal why;
	struct carp_packet ip;

	unhex(FRAME6_V1, frame);
	p = malloc(len ? len : 1);
	memcpy(p, frame + 14, len);
	if (at < len)
		p[at] = value;
	why = carp_packet_parse_v6(p, len, least_ttl, &ip);
	ck_assert(why == CARP_OK ? ip.payload != NULL : ip.payload == NULL);
	if (len >= 40)
		ck_assert(carp_address_equal(&ip.src, &own6));
	free(p);
	return why;
}

START_TEST(test_ipv6_refused)
{
	static const struct {
		size_t at;
		uint8_t value;
		enum carp_refusal want;
	} t[] = {
		{ 0, 0x6f, CARP_OK }, /* traffic class is free */
		{ 3, 0x01, CARP_OK }, /* and the flow label */
		{ 0, 0x40, CARP_REFUSED_VERSION },
		{ 4, 0x01, CARP_REFUSED_SHORT }, /* longer than is there */
		{ 5, 35, CARP_REFUSED_SHORT },
		{ 5, 37, CARP_REFUSED_SHORT },
		{ 5, 0, CARP_REFUSED_SHORT },	 /* a jumbogram */
		{ 6, 0, CARP_REFUSED_VERSION },	 /* hop-by-hop options */
		{ 6, 44, CARP_REFUSED_VERSION }, /* a fragment */
		{ 6, 60, CARP_REFUSED_VERSION }, /* destination options */
		{ 6, 17, CARP_REFUSED_VERSION },
		{ 7, 254, CARP_REFUSED_TTL },
		{ 7, 0, CARP_REFUSED_TTL },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		ck_assert_msg(ipv6_edited(t[i].at, t[i].value, CARP_IPV6_LEN,
					  255) == t[i].want,
			      "row %zu", i);
	for (size_t len = 0; len < CARP_IPV6_LEN; len++)
		ck_assert_int_eq(ipv6_edited(99, 0, len, 255),
				 CARP_REFUSED_SHORT);
	ck_assert_int_eq(ipv6_edited(7, 60, CARP_IPV6_LEN, 60), CARP_OK);
	ck_assert_int_eq(ipv6_edited(7, 59, CARP_IPV6_LEN, 60),
			 CARP_REFUSED_TTL);
}
END_TEST

/* What a raw socket delivers has lost its header. */
START_TEST(test_ipv6_payload)
{
	uint8_t b[CARP_ADVERT_LEN];
	struct carp_packet ip = { .src = own6, .ttl = 255 };

	unhex(V1, b);
	ck_assert_int_eq(carp_packet_payload_v6(b, sizeof(b) - 1, 255, &ip),
			 CARP_REFUSED_SHORT);
	ck_assert_ptr_null(ip.payload);
	ck_assert_int_eq(carp_packet_payload_v6(b, sizeof(b), 255, &ip),
			 CARP_OK);
	ck_assert_ptr_eq(ip.payload, b);
	ck_assert_uint_eq(ip.len, sizeof(b));
	ck_assert(carp_address_equal(&ip.src, &own6));
	ip.ttl = 254;
	ck_assert_int_eq(carp_packet_payload_v6(b, sizeof(b), 255, &ip),
			 CARP_REFUSED_TTL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("carp_packet");
	TCase *tc = tcase_create("carp_packet");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, test_frame);
	tcase_add_test(tc, test_frame6);
	tcase_add_test(tc, test_addresses);
	tcase_add_test(tc, test_ipv4_refused);
	tcase_add_test(tc, test_ipv4_checksum_options_padding);
	tcase_add_test(tc, test_ipv6_refused);
	tcase_add_test(tc, test_ipv6_payload);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
