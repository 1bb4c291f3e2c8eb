// SPDX-License-Identifier: GPL-3.0-or-later
/* ARP: bytes as another implementation builds them, questions that are
 * answered and those that are not. */
#include "announce.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define VIP    0x0a00000cU /* 10.0.0.12 */
#define CLIENT 0x0a000032U /* 10.0.0.50 */

static const uint8_t vmac[CARP_MAC_LEN] = { 0, 0, 0x5e, 0, 1, 7 };
static const uint8_t client[CARP_MAC_LEN] = { 2, 0, 0, 0, 0, 0xaa };

static const uint8_t want_gratuitous[CARP_ARP_FRAME_LEN] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x5e, 0x00, 0x01,
	0x07, 0x08, 0x06, 0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01,
	0x00, 0x00, 0x5e, 0x00, 0x01, 0x07, 0x0a, 0x00, 0x00, 0x0c, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x0a, 0x00, 0x00, 0x0c,
};

static const uint8_t want_reply[CARP_ARP_FRAME_LEN] = {
	0x02, 0x00, 0x00, 0x00, 0x00, 0xaa, 0x00, 0x00, 0x5e, 0x00, 0x01,
	0x07, 0x08, 0x06, 0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x02,
	0x00, 0x00, 0x5e, 0x00, 0x01, 0x07, 0x0a, 0x00, 0x00, 0x0c, 0x02,
	0x00, 0x00, 0x00, 0x00, 0xaa, 0x0a, 0x00, 0x00, 0x32,
};

/* A client's broadcast question for the shared address. */
static struct carp_arp question(void)
{
	struct carp_arp q = {
		.op = CARP_ARP_REQUEST,
		.sender = CLIENT,
		.target = VIP,
	};

	memset(q.eth_dst, 0xff, CARP_MAC_LEN);
	memcpy(q.eth_src, client, CARP_MAC_LEN);
	memcpy(q.sender_mac, client, CARP_MAC_LEN);
	return q;
}

START_TEST(test_vmac)
{
	uint8_t mac[CARP_MAC_LEN];

	carp_vmac(7, mac);
	ck_assert_mem_eq(mac, vmac, CARP_MAC_LEN);
	carp_vmac(255, mac);
	ck_assert_mem_eq(mac, "\0\0\x5e\0\x01\xff", CARP_MAC_LEN);
}
END_TEST

START_TEST(test_gratuitous)
{
	uint8_t out[CARP_ARP_FRAME_LEN];
	struct carp_arp a;

	ck_assert_uint_eq(carp_arp_gratuitous(VIP, vmac, out), sizeof(out));
	ck_assert_mem_eq(out, want_gratuitous, sizeof(out));
	ck_assert_int_eq(carp_arp_parse(out, sizeof(out), &a), CARP_ARP_OK);
	/* nobody answers it, and to ourselves it is no conflict */
	ck_assert(!carp_arp_asks(&a, VIP));
	ck_assert(!carp_arp_claims(&a, VIP, vmac));
	/* to one who has that address elsewhere it is */
	ck_assert(carp_arp_claims(&a, VIP, client));
	ck_assert(!carp_arp_claims(&a, CLIENT, client));
}
END_TEST

START_TEST(test_reply)
{
	uint8_t frame[60] = { 0 }, out[CARP_ARP_FRAME_LEN];
	struct carp_arp q = question(), in, answer;

	/* padded as it comes from a wire */
	ck_assert_uint_eq(carp_arp_build(&q, frame), CARP_ARP_FRAME_LEN);
	ck_assert_int_eq(carp_arp_parse(frame, sizeof(frame), &in),
			 CARP_ARP_OK);
	ck_assert(carp_arp_asks(&in, VIP));
	ck_assert(!carp_arp_asks(&in, VIP + 1));
	ck_assert_uint_eq(carp_arp_reply(&in, vmac, out), sizeof(out));
	ck_assert_mem_eq(out, want_reply, sizeof(out));

	ck_assert_int_eq(carp_arp_parse(out, sizeof(out), &answer),
			 CARP_ARP_OK);
	ck_assert_uint_eq(answer.op, CARP_ARP_REPLY);
	ck_assert_uint_eq(answer.sender, VIP);
	ck_assert_uint_eq(answer.target, CLIENT);
	ck_assert_mem_eq(answer.target_mac, client, CARP_MAC_LEN);
	ck_assert(!carp_arp_asks(&answer, VIP));
	ck_assert(!carp_arp_asks(&answer, CLIENT));
}
END_TEST

START_TEST(test_probe_is_answered)
{
	uint8_t out[CARP_ARP_FRAME_LEN];
	struct carp_arp q = question(), a;

	q.sender = 0;
	ck_assert(carp_arp_asks(&q, VIP));
	ck_assert(!carp_arp_claims(&q, VIP, vmac));
	carp_arp_reply(&q, vmac, out);
	ck_assert_int_eq(carp_arp_parse(out, sizeof(out), &a), CARP_ARP_OK);
	ck_assert_uint_eq(a.target, 0);
	ck_assert_mem_eq(a.eth_dst, client, CARP_MAC_LEN);
}
END_TEST

START_TEST(test_unicast_question_is_answered)
{
	struct carp_arp q = question();

	memcpy(q.eth_dst, vmac, CARP_MAC_LEN);
	memcpy(q.target_mac, vmac, CARP_MAC_LEN);
	ck_assert(carp_arp_asks(&q, VIP));
}
END_TEST

START_TEST(test_not_answered)
{
	struct carp_arp q = question();

	/* the answer would go to a group or to nobody */
	memset(q.sender_mac, 0xff, CARP_MAC_LEN);
	ck_assert(!carp_arp_asks(&q, VIP));
	memset(q.sender_mac, 0, CARP_MAC_LEN);
	ck_assert(!carp_arp_asks(&q, VIP));
	q = question();
	q.op = CARP_ARP_REPLY;
	ck_assert(!carp_arp_asks(&q, VIP));
	/* somebody else announces our address: a conflict, no question */
	q = question();
	q.sender = VIP;
	ck_assert(!carp_arp_asks(&q, VIP));
	ck_assert(carp_arp_claims(&q, VIP, vmac));
	q.op = CARP_ARP_REPLY;
	ck_assert(carp_arp_claims(&q, VIP, vmac));
}
END_TEST

START_TEST(test_refused)
{
	static const struct {
		size_t at;
		uint8_t value;
		enum carp_arp_refusal want;
	} t[] = {
		{ 12, 0x08, CARP_ARP_OK },
		{ 13, 0x00, CARP_ARP_NOT_ARP }, /* IPv4 */
		{ 12, 0x81, CARP_ARP_NOT_ARP },
		{ 15, 0x06, CARP_ARP_FORMAT }, /* IEEE 802 */
		{ 17, 0x06, CARP_ARP_FORMAT },
		{ 18, 0x08, CARP_ARP_FORMAT },
		{ 19, 0x10, CARP_ARP_FORMAT },
		{ 20, 0x01, CARP_ARP_OP },
		{ 21, 0x00, CARP_ARP_OP },
		{ 21, 0x03, CARP_ARP_OP }, /* RARP */
	};
	uint8_t frame[CARP_ARP_FRAME_LEN];
	struct carp_arp a;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		carp_arp_gratuitous(VIP, vmac, frame);
		frame[t[i].at] = t[i].value;
		ck_assert_msg(carp_arp_parse(frame, sizeof(frame), &a) ==
				      t[i].want,
			      "row %zu", i);
	}
	for (size_t len = 0; len < CARP_ARP_FRAME_LEN; len++) {
		uint8_t *exact = malloc(len ? len : 1);

		memcpy(exact, want_gratuitous, len);
		ck_assert_int_eq(carp_arp_parse(exact, len, &a),
				 CARP_ARP_SHORT);
		free(exact);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("carp_announce");
	TCase *tc = tcase_create("carp_announce");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, test_vmac);
	tcase_add_test(tc, test_gratuitous);
	tcase_add_test(tc, test_reply);
	tcase_add_test(tc, test_probe_is_answered);
	tcase_add_test(tc, test_unicast_question_is_answered);
	tcase_add_test(tc, test_not_answered);
	tcase_add_test(tc, test_refused);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
