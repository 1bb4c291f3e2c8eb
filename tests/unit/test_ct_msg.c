/* SPDX-License-Identifier: GPL-3.0-or-later */
/* os/ct_put, ct_msg and ct_order: without a kernel. */
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "ct_lab.h"
#include "ct_msg.h"
#include "ct_order.h"
#include "ct_put.h"

typedef size_t put_function(void *buf, size_t size, uint32_t seq,
			    uint16_t flags, const struct flow *f);

static size_t put_update(void *buf, size_t size, uint32_t seq, uint16_t flags,
			 const struct flow *f)
{
	return ct_put_update(buf, size, seq, flags, f, 0);
}

static put_function *const puts_[] = {
	ct_put_create,	    put_update,		 ct_put_timeout,
	ct_put_delete_orig, ct_put_delete_reply, ct_put_get,
};

#define PUTS (sizeof(puts_) / sizeof(puts_[0]))

static struct flow busy_flow(void)
{
	struct flow f = lab_dnat(lab_snat(lab_tcp(5), 9));

	f.zone = 3;
	f.mark = 0x01020304;
	return f;
}

/* What was built reads back; libmnl finds every attribute well-formed. */
START_TEST(create_reads_back)
{
	_Alignas(8) uint8_t buf[CT_PUT_MAX];
	struct flow f = busy_flow(), g;
	struct nlmsghdr *nlh = (void *)buf;
	size_t len = ct_put_create(buf, sizeof(buf), 77, NLM_F_ACK, &f);

	ck_assert_uint_gt(len, 0);
	ck_assert_uint_eq(nlh->nlmsg_len, len);
	ck_assert_uint_eq(nlh->nlmsg_seq, 77);
	ck_assert_uint_eq(nlh->nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK |
						    NLM_F_CREATE | NLM_F_EXCL);
	ck_assert_int_eq(ct_msg_parse(nlh, &g), 0);
	ck_assert(flow_tuple_equal(&g.orig, &f.orig));
	/* The reply goes as the inverse, the translation as attributes. */
	ck_assert(!flow_has_snat(&g));
	ck_assert(!flow_has_dnat(&g));
	ck_assert_uint_eq(g.zone, 3);
	ck_assert_uint_eq(g.mark, 0x01020304);
	ck_assert_uint_eq(g.timeout_s, 3600);
	ck_assert_uint_eq(g.status, SEEN);
	ck_assert_uint_eq(g.tcp_state, TCP_CONNTRACK_ESTABLISHED);
	ck_assert_uint_eq(g.tcp_flags[0], 0x0b);
	ck_assert_uint_eq(g.tcp_flags[1], 0x0b);
	ck_assert_uint_eq(g.tcp_wscale[1], 9);
}
END_TEST

static unsigned top_attrs(const struct nlmsghdr *nlh)
{
	const struct nlattr *a;
	unsigned set = 0;

	a = mnl_nlmsg_get_payload_offset(nlh, sizeof(struct nfgenmsg));
	while (mnl_attr_ok(a,
			   (int)((const char *)mnl_nlmsg_get_payload_tail(nlh) -
				 (const char *)a))) {
		set |= 1u << mnl_attr_get_type(a);
		a = mnl_attr_next(a);
	}
	return set;
}

/* Which attributes each message has, and none that the kernel would refuse. */
START_TEST(attributes)
{
	_Alignas(8) uint8_t buf[CT_PUT_MAX];
	struct nlmsghdr *nlh = (void *)buf;
	const unsigned key = 1u << CTA_TUPLE_ORIG | 1u << CTA_ZONE;
	const unsigned state = 1u << CTA_STATUS | 1u << CTA_TIMEOUT |
			       1u << CTA_MARK | 1u << CTA_PROTOINFO;
	const unsigned nat = 1u << CTA_NAT_SRC | 1u << CTA_NAT_DST;
	const unsigned want[PUTS] = {
		key | state | nat | 1u << CTA_TUPLE_REPLY,     key | state,
		key | 1u << CTA_TIMEOUT | 1u << CTA_PROTOINFO, key,
		1u << CTA_TUPLE_REPLY | 1u << CTA_ZONE,	       key,
	};
	struct flow f = busy_flow(), g = lab_udp(1);

	ck_assert_uint_gt(puts_[_i](buf, sizeof(buf), 1, 0, &f), 0);
	ck_assert_uint_eq(top_attrs(nlh), want[_i]);
	ck_assert_uint_gt(puts_[_i](buf, sizeof(buf), 1, 0, &g), 0);
	ck_assert_uint_eq(top_attrs(nlh), want[_i] & ~nat & ~(1u << CTA_ZONE) &
						  ~(1u << CTA_PROTOINFO));
}
END_TEST

/* Too small a buffer, or no family: no message, and nothing written past. */
START_TEST(nothing_by_halves)
{
	_Alignas(8) uint8_t buf[CT_PUT_MAX];
	struct flow f = busy_flow();
	size_t len = puts_[_i](buf, sizeof(buf), 1, 0, &f);

	ck_assert_uint_gt(len, 40);
	for (size_t size = 0; size < len; size++) {
		uint8_t *small = malloc(size + 1);

		ck_assert_ptr_nonnull(small);
		small[size] = 0x5a;
		ck_assert_uint_eq(puts_[_i](small, size, 1, 0, &f), 0);
		ck_assert_uint_eq(small[size], 0x5a);
		free(small);
	}
	f.family = AF_UNSPEC;
	ck_assert_uint_eq(puts_[_i](buf, sizeof(buf), 1, 0, &f), 0);
	f.family = AF_INET6;
	ck_assert_uint_gt(puts_[_i](buf, sizeof(buf), 1, 0, &f), 0);
}
END_TEST

START_TEST(expected_is_not_created_but_kept)
{
	_Alignas(8) uint8_t buf[CT_PUT_MAX];
	struct flow f = lab_tcp(1), g;

	f.status |= IPS_EXPECTED | IPS_OFFLOAD | IPS_DYING;
	ck_assert_uint_gt(ct_put_create(buf, sizeof(buf), 1, 0, &f), 0);
	ck_assert_int_eq(ct_msg_parse((void *)buf, &g), 0);
	ck_assert_uint_eq(g.status, SEEN);
	ck_assert_uint_gt(
		ct_put_update(buf, sizeof(buf), 1, 0, &f, IPS_EXPECTED), 0);
	/* One tuple is no flow, but the status is read. */
	ck_assert_int_eq(ct_msg_parse((void *)buf, &g), CT_MSG_FOREIGN);
	ck_assert_uint_eq(g.status, SEEN | IPS_EXPECTED);
}
END_TEST

/* Any byte wrong, any length short: an answer, and no byte read outside. */
START_TEST(parse_survives)
{
	_Alignas(8) uint8_t whole[CT_PUT_MAX];
	struct flow f = busy_flow(), g;
	size_t len = ct_put_create(whole, sizeof(whole), 1, 0, &f);

	for (size_t cut = sizeof(struct nlmsghdr); cut <= len; cut++) {
		uint8_t *copy = malloc(cut);

		ck_assert_ptr_nonnull(copy);
		memcpy(copy, whole, cut);
		((struct nlmsghdr *)(void *)copy)->nlmsg_len = (uint32_t)cut;
		ck_assert_int_ne(ct_msg_parse((void *)copy, &g), 2);
		for (size_t at = sizeof(struct nlmsghdr); at < cut; at++) {
			for (int bit = 0; bit < 8; bit++) {
				copy[at] ^= (uint8_t)(1 << bit);
				if (ct_msg_parse((void *)copy, &g) == 0)
					flow_valid(&g);
				copy[at] ^= (uint8_t)(1 << bit);
			}
		}
		free(copy);
	}
}
END_TEST

START_TEST(parse_refuses)
{
	_Alignas(8) uint8_t buf[CT_PUT_MAX];
	struct nlmsghdr *nlh = (void *)buf;
	struct flow f = lab_tcp(1), g;
	uint16_t bad = 2;

	/* A mark of two bytes. */
	ck_assert_uint_gt(ct_put_create(buf, sizeof(buf), 1, 0, &f), 0);
	mnl_attr_put(nlh, CTA_MARK, sizeof(bad), &bad);
	ck_assert_int_eq(ct_msg_parse(nlh, &g), -EBADMSG);
	/* Another family. */
	ck_assert_uint_gt(ct_put_create(buf, sizeof(buf), 1, 0, &f), 0);
	buf[sizeof(*nlh)] = AF_BRIDGE;
	ck_assert_int_eq(ct_msg_parse(nlh, &g), CT_MSG_FOREIGN);
	/* No room for the family. */
	nlh->nlmsg_len = sizeof(*nlh) + 2;
	ck_assert_int_eq(ct_msg_parse(nlh, &g), -EBADMSG);
}
END_TEST

START_TEST(order_by_shared_tuples)
{
	static struct ct_order o;
	struct flow a = lab_snat(lab_tcp(1), 1), b = lab_snat(lab_tcp(2), 2);
	struct flow c = lab_snat(lab_tcp(3), 1); /* a's reply tuple */
	struct flow d = lab_tcp(4), e;
	uint16_t w[2];

	ct_order_clear(&o);
	ct_order_add(&o, &a, 0, w);
	ck_assert(w[0] == CT_ORDER_NONE && w[1] == CT_ORDER_NONE);
	ct_order_add(&o, &b, 1, w);
	ck_assert(w[0] == CT_ORDER_NONE && w[1] == CT_ORDER_NONE);
	ct_order_add(&o, &c, 2, w);
	ck_assert(w[0] == CT_ORDER_NONE && w[1] == 0);
	ct_order_add(&o, &a, 3, w);
	ck_assert(w[0] == 0 && w[1] == 2);
	/* One's original tuple is another's reply tuple. */
	d.orig = a.reply;
	flow_tuple_invert(&d, &d.orig, &d.reply);
	ct_order_add(&o, &d, 4, w);
	ck_assert(w[0] == 3);
	/* Same tuple of another zone or protocol is another one. */
	e = b;
	e.zone = 1;
	ct_order_add(&o, &e, 5, w);
	ck_assert(w[0] == CT_ORDER_NONE && w[1] == CT_ORDER_NONE);
	e = b;
	e.l4proto = IPPROTO_UDP;
	ct_order_add(&o, &e, 6, w);
	ck_assert(w[0] == CT_ORDER_NONE && w[1] == CT_ORDER_NONE);
	/* A zone of the other direction is none in this one. */
	e = b;
	e.zone = 1;
	e.zone_dir = FLOW_ZONE_REPLY;
	ct_order_add(&o, &e, 7, w);
	ck_assert(w[0] == 1 && w[1] == 5);
}
END_TEST

START_TEST(order_of_a_full_list)
{
	static struct ct_order o;
	uint16_t w[2];

	ct_order_clear(&o);
	for (uint16_t i = 0; i < CT_ORDER_MAX; i++) {
		struct flow f = lab_snat(lab_tcp(i), i);

		ct_order_add(&o, &f, i, w);
		ck_assert(w[0] == CT_ORDER_NONE && w[1] == CT_ORDER_NONE);
	}
	ct_order_clear(&o);
	for (uint16_t i = 0; i < CT_ORDER_MAX; i++) {
		struct flow f = lab_tcp(1);

		ct_order_add(&o, &f, i, w);
		ck_assert_uint_eq(w[0], i == 0 ? CT_ORDER_NONE : i - 1);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ct_msg");
	TCase *t = tcase_create("ct_msg");

	tcase_add_test(t, create_reads_back);
	tcase_add_loop_test(t, attributes, 0, PUTS);
	tcase_add_loop_test(t, nothing_by_halves, 0, PUTS);
	tcase_add_test(t, expected_is_not_created_but_kept);
	tcase_add_test(t, parse_survives);
	tcase_add_test(t, parse_refuses);
	tcase_add_test(t, order_by_shared_tuples);
	tcase_add_test(t, order_of_a_full_list);
	suite_add_tcase(s, t);
	return lab_run_suite(s);
}
