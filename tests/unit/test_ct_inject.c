/* SPDX-License-Identifier: GPL-3.0-or-later */
/* os/ct_inject against the kernel: what ends up in the table, and in order. */
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "ct_events.h"
#include "ct_lab.h"
#include "ct_put.h"
#include "ct_result.h"

static struct ct_inject in;

static void setup(void)
{
	lab_setup();
	ck_assert_int_eq(ct_inject_open(&in), 0);
}

static void teardown(void)
{
	ct_inject_close(&in);
	ct_inject_close(&in);
}

static uint8_t results[INJECT_OPS_MAX];

static void apply(const struct flow_change *ops, size_t n)
{
	memset(results, 0xff, sizeof(results));
	ck_assert_int_eq(ct_inject_apply(&in, ops, n, results), 0);
}

static void apply_all(const struct flow_change *ops, size_t n)
{
	apply(ops, n);
	for (size_t i = 0; i < n; i++)
		ck_assert_msg(results[i] == FLOW_APPLIED, "op %zu: %s", i,
			      ct_result_name(results[i]));
}

/* --- what is injected is what is there --- */

static struct flow variety(unsigned i)
{
	struct flow f = lab_tcp(i);

	switch (i % 8) {
	case 1:
		f = lab_snat(f, i);
		break;
	case 2:
		f = lab_dnat(f);
		break;
	case 3:
		f = lab_dnat(lab_snat(f, i));
		break;
	case 4:
		f = lab_udp(i);
		f.reply.dport = (uint16_t)(30000 + i); /* port only */
		break;
	case 5:
		f = lab_snat(lab_ping(i), i);
		break;
	case 6:
		f = lab_dnat(lab_ping(i));
		break;
	case 7:
		f = lab_udp(i);
		f.status = IPS_CONFIRMED;
		f.zone = 5;
		f.mark = 0x80000000 | i;
		break;
	default:
		f.tcp_state = (uint8_t)(TCP_CONNTRACK_SYN_RECV + i / 8 % 7);
		break;
	}
	return f;
}

static struct flow v6(unsigned i)
{
	struct flow f = lab_tcp(i);
	struct flow_addr addr = { { 0xfd } };

	if (i % 2) {
		f = lab_udp(i);
		f.l4proto = IPPROTO_ICMPV6;
		f.orig.dport = 128 << 8;
	}
	f.family = AF_INET6;
	f.orig.src = f.orig.dst = addr;
	f.orig.src.b[15] = (uint8_t)i;
	f.orig.dst.b[14] = 1;
	flow_tuple_invert(&f, &f.orig, &f.reply);
	if (i % 4 > 1)
		f.reply.dst.b[13] = 9;
	return f;
}

#define VARIETY 2048

static struct flow all[VARIETY];

START_TEST(table_is_what_was_injected)
{
	static struct flow_change ops[VARIETY];
	const struct lab_table *t;

	for (unsigned i = 0; i < VARIETY; i++) {
		all[i] = i < VARIETY - 128 ? variety(i) : v6(i);
		ops[i] = lab_change(_i ? FLOW_COPY : FLOW_NEW, all[i]);
	}
	for (size_t i = 0; i < VARIETY; i += INJECT_OPS_MAX)
		apply_all(ops + i, INJECT_OPS_MAX);
	lab_assert_table(all, VARIETY);
	t = lab_table();
	for (size_t i = 0; i < VARIETY; i++) {
		const struct flow *f = &all[i], *g = lab_find(t, f);

		ck_assert_int_eq(!!(g->status & IPS_SRC_NAT), flow_has_snat(f));
		ck_assert_int_eq(!!(g->status & IPS_DST_NAT), flow_has_dnat(f));
		ck_assert_uint_le(g->timeout_s, 3600);
		ck_assert_uint_ge(g->timeout_s, 3590);
		if (f->l4proto != IPPROTO_TCP)
			continue;
		ck_assert_uint_eq(g->tcp_state, f->tcp_state);
		ck_assert_uint_eq(g->tcp_flags[0], 0x0b);
		ck_assert_uint_eq(g->tcp_flags[1], 0x0b);
		ck_assert_mem_eq(g->tcp_wscale, f->tcp_wscale, 2);
	}
	/* Once more, as a second bulk: all there, nothing changes. */
	for (size_t i = 0; i < VARIETY; i++)
		ops[i].op = FLOW_COPY;
	for (size_t i = 0; i < VARIETY; i += INJECT_OPS_MAX)
		apply_all(ops + i, INJECT_OPS_MAX);
	lab_assert_table(all, VARIETY);
}
END_TEST

static int udp_socket(const char *addr, uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	inet_pton(AF_INET, addr, &a.sin_addr);
	ck_assert_int_eq(bind(fd, (void *)&a, sizeof(a)), 0);
	return fd;
}

/* An injected translation translates real packets, both ways. */
START_TEST(translation_works)
{
	struct flow f = lab_udp(1);
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(2000) };
	int a = udp_socket("127.0.0.1", 1000),
	    b = udp_socket("127.0.0.2", 2000);
	char text[INET_ADDRSTRLEN], c;

	f.orig = (struct flow_tuple){ .src = lab_addr(0x7f000001),
				      .dst = lab_addr(0x7f000002),
				      .sport = 1000,
				      .dport = 2000 };
	flow_tuple_invert(&f, &f.orig, &f.reply);
	f.reply.dst = lab_addr(0x7f000009);
	f.reply.dport = 3000;
	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, f), FLOW_APPLIED);
	inet_pton(AF_INET, "127.0.0.2", &to.sin_addr);
	ck_assert_int_eq(sendto(a, "x", 1, 0, (void *)&to, sizeof(to)), 1);
	ck_assert_int_eq(recvfrom(b, &c, 1, MSG_DONTWAIT, (void *)&from, &len),
			 1);
	inet_ntop(AF_INET, &from.sin_addr, text, sizeof(text));
	ck_assert_str_eq(text, "127.0.0.9");
	ck_assert_uint_eq(ntohs(from.sin_port), 3000);
	ck_assert_int_eq(sendto(b, "y", 1, 0, (void *)&from, len), 1);
	ck_assert_int_eq(recv(a, &c, 1, MSG_DONTWAIT), 1);
}
END_TEST

/* --- each op on what may be there --- */

START_TEST(new_replaces)
{
	struct flow old = lab_snat(lab_tcp(1), 1), f = lab_snat(lab_tcp(1), 2);
	struct flow thief = lab_snat(lab_tcp(3), 2);

	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, old), FLOW_APPLIED);
	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, f), FLOW_APPLIED);
	lab_assert_table(&f, 1);
	/* Another flow with the same translated port: the newer one wins. */
	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, thief), FLOW_APPLIED);
	lab_assert_table(&thief, 1);
	/* One whose original tuple is the other's reply. */
	f.orig = thief.reply;
	flow_tuple_invert(&f, &f.orig, &f.reply);
	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, f), FLOW_APPLIED);
	lab_assert_table(&f, 1);
}
END_TEST

START_TEST(copy_replaces_another)
{
	struct flow old = lab_snat(lab_tcp(1), 1), f = lab_snat(lab_tcp(1), 2);
	struct flow thief = lab_snat(lab_tcp(3), 2);

	in.copies_known = _i;
	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, old), FLOW_APPLIED);
	ck_assert_int_eq(lab_apply(&in, FLOW_COPY, f), FLOW_APPLIED);
	lab_assert_table(&f, 1);
	in.copies_known = _i;
	ck_assert_int_eq(lab_apply(&in, FLOW_COPY, thief), FLOW_APPLIED);
	lab_assert_table(&thief, 1);
}
END_TEST

/*
 * Only the destination is translated and the translated tuple is taken: the
 * kernel must not make room by a translation of the source of its own.
 */
START_TEST(clash_of_destinations)
{
	struct flow f = lab_dnat(lab_tcp(1)), plain = lab_tcp(1);

	plain.orig.dst = f.reply.src;
	plain.orig.dport = f.reply.sport;
	flow_tuple_invert(&plain, &plain.orig, &plain.reply);
	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, plain), FLOW_APPLIED);
	ck_assert_int_eq(lab_apply(&in, (enum flow_op)_i, f), FLOW_APPLIED);
	lab_assert_table(&f, 1);
}
END_TEST

/* The way back of a ping is taken, and its identifier must stay anyway. */
START_TEST(clash_of_sources)
{
	struct flow f[2] = { lab_snat(lab_ping(1), 1), lab_ping(1) };

	flow_tuple_invert(&f[0], &f[0].orig, &f[1].orig);
	flow_tuple_invert(&f[1], &f[1].orig, &f[1].reply);
	f[1] = lab_snat(f[1], 7);
	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, f[1]), FLOW_APPLIED);
	ck_assert_int_eq(lab_apply(&in, (enum flow_op)_i, f[0]), FLOW_APPLIED);
	lab_assert_table(f, 2);
}
END_TEST

static unsigned counts[FLOW_DESTROY + 1];

static void count_event(const struct ct_event *e, void *arg)
{
	(void)arg;
	counts[e->op]++;
}

/* The same connection is changed in place: no DESTROY, no NEW. */
START_TEST(copy_and_update_in_place)
{
	struct flow f = lab_snat(lab_tcp(1), 1);
	struct ct_events ev;

	ck_assert_int_eq(ct_events_open(&ev, 1 << 20), 0);
	ck_assert_int_eq(ct_events_subscribe(&ev), 0);
	f.status = IPS_CONFIRMED | IPS_SEEN_REPLY;
	f.tcp_state = TCP_CONNTRACK_SYN_RECV;
	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, f), FLOW_APPLIED);
	f.status |= IPS_ASSURED;
	f.tcp_state = TCP_CONNTRACK_ESTABLISHED;
	f.mark = 9;
	ck_assert_int_eq(lab_apply(&in, FLOW_COPY, f), FLOW_APPLIED);
	lab_assert_table(&f, 1);
	f.tcp_state = TCP_CONNTRACK_FIN_WAIT;
	f.mark = 0;
	ck_assert_int_eq(lab_apply(&in, FLOW_UPDATE, f), FLOW_APPLIED);
	lab_assert_table(&f, 1);
	ck_assert_int_eq(ct_events_read(&ev, count_event, NULL, 0),
			 CT_EVENTS_DRAINED);
	ck_assert_uint_eq(counts[FLOW_NEW], 1);
	ck_assert_uint_eq(counts[FLOW_UPDATE], 2);
	ck_assert_uint_eq(counts[FLOW_DESTROY], 0);
	ct_events_close(&ev);
}
END_TEST

START_TEST(update_of_nothing_creates)
{
	struct flow f = lab_dnat(lab_snat(lab_tcp(1), 1));
	struct flow thief = lab_snat(lab_tcp(2), 1);

	ck_assert_int_eq(lab_apply(&in, FLOW_UPDATE, f), FLOW_APPLIED);
	lab_assert_table(&f, 1);
	/* Also where its reply tuple is taken. */
	f = lab_snat(lab_tcp(1), 1);
	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, thief), FLOW_APPLIED);
	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, lab_tcp(1)), FLOW_APPLIED);
	ck_assert_int_eq(lab_apply(&in, FLOW_DESTROY, f), FLOW_APPLIED);
	ck_assert_int_eq(lab_apply(&in, FLOW_UPDATE, f), FLOW_APPLIED);
	lab_assert_table(&f, 1);
}
END_TEST

/* Bits cannot be cleared: who has seen less is another incarnation. */
START_TEST(seen_less_is_another)
{
	struct flow f = lab_tcp(1);

	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, f), FLOW_APPLIED);
	f.status = IPS_CONFIRMED | IPS_SEEN_REPLY;
	f.tcp_state = TCP_CONNTRACK_SYN_RECV;
	ck_assert_int_eq(lab_apply(&in, (enum flow_op)_i, f), FLOW_APPLIED);
	lab_assert_table(&f, 1);
}
END_TEST

/* Child of an expectation: EXPECTED stays, the master stays. */
START_TEST(expected_stays)
{
	_Alignas(8) uint8_t buf[1024], master[CT_PUT_MAX];
	struct flow m = lab_tcp(1), f = lab_tcp(2);
	struct nlmsghdr *nlh = (void *)buf;
	const struct nlattr *a;

	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, m), FLOW_APPLIED);
	ck_assert_uint_gt(ct_put_create(master, sizeof(master), 0, 0, &m), 0);
	a = mnl_nlmsg_get_payload_offset((void *)master,
					 sizeof(struct nfgenmsg));
	ck_assert_uint_gt(ct_put_create(buf, sizeof(buf), 0, NLM_F_ACK, &f), 0);
	mnl_attr_put(nlh, CTA_TUPLE_MASTER | NLA_F_NESTED,
		     mnl_attr_get_payload_len(a), mnl_attr_get_payload(a));
	ck_assert_int_eq(nl_talk(&in.sock, buf, nlh->nlmsg_len, NULL, NULL), 0);
	ck_assert(lab_find(lab_table(), &f)->status & IPS_EXPECTED);
	f.mark = 3;
	ck_assert_int_eq(lab_apply(&in, (enum flow_op)_i, f), FLOW_APPLIED);
	ck_assert(lab_find(lab_table(), &f)->status & IPS_EXPECTED);
	ck_assert_uint_eq(lab_find(lab_table(), &f)->mark, 3);
}
END_TEST

/* --- results --- */

START_TEST(a_result_for_each)
{
	struct flow fixed = lab_tcp(9);
	_Alignas(8) uint8_t buf[CT_PUT_MAX];
	struct flow_change ops[9];

	ck_assert_uint_gt(ct_put_create(buf, sizeof(buf), 0, NLM_F_ACK, &fixed),
			  0);
	ck_assert_int_eq(nl_talk(&in.sock, buf,
				 ((struct nlmsghdr *)(void *)buf)->nlmsg_len,
				 NULL, NULL),
			 0);
	ck_assert_uint_gt(ct_put_update(buf, sizeof(buf), 0, NLM_F_ACK, &fixed,
					IPS_FIXED_TIMEOUT),
			  0);
	ck_assert_int_eq(nl_talk(&in.sock, buf,
				 ((struct nlmsghdr *)(void *)buf)->nlmsg_len,
				 NULL, NULL),
			 0);
	ops[0] = lab_change(FLOW_NEW, lab_tcp(1));
	ops[1] = lab_change(FLOW_DESTROY, lab_tcp(2));
	ops[2] = lab_change(FLOW_TIMEOUT, lab_tcp(3));
	ops[3] = lab_change(FLOW_UPDATE, lab_tcp(4));
	ops[3].flow.tcp_state = TCP_CONNTRACK_NONE;
	ops[4] = lab_change(FLOW_UPDATE, lab_tcp(5));
	ops[4].flow.has = FLOW_HAS_TCP; /* no timeout */
	ops[5] = lab_change(FLOW_DESTROY, lab_tcp(6));
	ops[5].flow.family = 0; /* must not flush the table */
	ops[6] = lab_change(FLOW_TIMEOUT, fixed);
	ops[7] = lab_change((enum flow_op)77, lab_tcp(7));
	ops[8] = lab_change(FLOW_NEW, lab_tcp(8));
	apply(ops, 9);
	ck_assert_int_eq(results[0], FLOW_APPLIED);
	ck_assert_int_eq(results[1], FLOW_GONE);
	ck_assert_int_eq(results[2], FLOW_GONE);
	ck_assert_int_eq(results[3], FLOW_INVALID);
	ck_assert_int_eq(results[4], FLOW_INVALID);
	ck_assert_int_eq(results[5], FLOW_INVALID);
	ck_assert_int_eq(results[6], FLOW_OTHER);
	ck_assert_int_eq(in.last_errno, EPERM);
	ck_assert_int_eq(results[7], FLOW_INVALID);
	ck_assert_int_eq(results[8], FLOW_APPLIED);
	ck_assert_uint_eq(lab_table()->n, 3);
	apply(ops, 0);
	ck_assert_int_eq(ct_inject_apply(&in, ops, INJECT_OPS_MAX + 1, results),
			 -EINVAL);
	for (int i = 0; i < FLOW_RESULT_COUNT; i++)
		ck_assert_str_ne(ct_result_name((enum flow_result)i), "?");
}
END_TEST

START_TEST(timeout_only)
{
	struct flow f = lab_tcp(1);

	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, f), FLOW_APPLIED);
	f.timeout_s = 50;
	ck_assert_int_eq(lab_apply(&in, FLOW_TIMEOUT, f), FLOW_APPLIED);
	lab_assert_table(&f, 1);
	ck_assert_uint_le(lab_table()->flows[0].timeout_s, 50);
	ck_assert_uint_ge(lab_table()->flows[0].timeout_s, 45);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ct_inject");
	TCase *t = tcase_create("ct_inject");

	lab_require();
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, table_is_what_was_injected, 0, 2);
	tcase_add_test(t, translation_works);
	tcase_add_test(t, new_replaces);
	tcase_add_loop_test(t, copy_replaces_another, 0, 2);
	tcase_add_loop_test(t, clash_of_destinations, FLOW_NEW, FLOW_COPY + 1);
	tcase_add_loop_test(t, clash_of_sources, FLOW_NEW, FLOW_COPY + 1);
	tcase_add_test(t, copy_and_update_in_place);
	tcase_add_test(t, update_of_nothing_creates);
	tcase_add_loop_test(t, seen_less_is_another, FLOW_NEW, FLOW_COPY + 1);
	tcase_add_loop_test(t, expected_stays, FLOW_UPDATE, FLOW_COPY + 1);
	tcase_add_test(t, a_result_for_each);
	tcase_add_test(t, timeout_only);
	suite_add_tcase(s, t);
	return lab_run_suite(s);
}
