/* SPDX-License-Identifier: GPL-3.0-or-later */
/* os/ct_inject: what the kernel refuses, and answers that are lost. */
#include <libmnl/libmnl.h>

#include "ct_lab.h"
#include "ct_put.h"

static struct ct_inject in;
static uint8_t results[INJECT_OPS_MAX];

static void setup(void)
{
	lab_setup();
	ck_assert_int_eq(ct_inject_open(&in), 0);
}

static void teardown(void)
{
	ct_inject_close(&in);
}

static void apply(const struct flow_change *ops, size_t n)
{
	memset(results, 0xff, sizeof(results));
	ck_assert_int_eq(ct_inject_apply(&in, ops, n, results), 0);
}

/* Somebody fixed its timeout, and nothing can be told it any more. */
START_TEST(fixed_timeout_is_replaced)
{
	struct flow f = lab_tcp(1);
	_Alignas(8) uint8_t buf[CT_PUT_MAX];

	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, f), FLOW_APPLIED);
	ck_assert_uint_gt(ct_put_update(buf, sizeof(buf), 0, NLM_F_ACK, &f,
					IPS_FIXED_TIMEOUT),
			  0);
	ck_assert_int_eq(nl_talk(&in.sock, buf,
				 ((struct nlmsghdr *)(void *)buf)->nlmsg_len,
				 NULL, NULL),
			 0);
	ck_assert(lab_table()->flows[0].status & IPS_FIXED_TIMEOUT);
	f.mark = 4;
	ck_assert_int_eq(lab_apply(&in, (enum flow_op)_i, f), FLOW_APPLIED);
	lab_assert_table(&f, 1);
	ck_assert(!(lab_table()->flows[0].status & IPS_FIXED_TIMEOUT));
}
END_TEST

/* More errors than the socket can hold: unknown is not called done. */
START_TEST(lost_answers_are_not_success)
{
	struct flow_change ops[200];
	unsigned n[FLOW_RESULT_COUNT] = { 0 };
	int small = 4096;

	ck_assert_int_eq(setsockopt(in.sock.fd, SOL_SOCKET, SO_RCVBUF, &small,
				    sizeof(small)),
			 0);
	for (unsigned i = 0; i < 200; i++)
		ops[i] = lab_change(FLOW_DESTROY, lab_tcp(i));
	apply(ops, 200);
	for (unsigned i = 0; i < 200; i++)
		n[results[i]]++;
	ck_assert_uint_gt(n[FLOW_GONE], 0);
	ck_assert_uint_gt(n[FLOW_ACK_LOST], 100);
	ck_assert_uint_eq(n[FLOW_GONE] + n[FLOW_ACK_LOST], 200);
	/* The next call is not confused by it. */
	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, lab_tcp(1)), FLOW_APPLIED);
	ck_assert_int_eq(lab_apply(&in, FLOW_DESTROY, lab_tcp(2)), FLOW_GONE);
}
END_TEST

START_TEST(socket_failure)
{
	struct flow_change ops[100];
	int small = 4096;

	ck_assert_int_eq(setsockopt(in.sock.fd, SOL_SOCKET, SO_SNDBUF, &small,
				    sizeof(small)),
			 0);
	for (unsigned i = 0; i < 100; i++)
		ops[i] = lab_change(FLOW_NEW, lab_tcp(i));
	ck_assert_int_eq(ct_inject_apply(&in, ops, 100, results), -EMSGSIZE);
	for (unsigned i = 0; i < 100; i++)
		ck_assert_int_eq(results[i], FLOW_ACK_LOST);
	ck_assert_uint_eq(lab_table()->n, 0);
}
END_TEST

/* The first of those that full_table made. */
static struct flow in_table(void)
{
	struct flow f = lab_udp(0);

	f.orig.dst = f.reply.src = lab_addr(0);
	return f;
}

/* A table filled to its limit: refused with its reason, updates still work. */
START_TEST(full_table)
{
	static struct flow_change ops[INJECT_OPS_MAX];
	uint32_t max, n;

	ck_assert_int_eq(ct_count(&n, &max), 0);
	if (max > 600000) {
		printf("SKIP full_table: nf_conntrack_max is %u\n", max);
		return;
	}
	for (unsigned i = 0; n <= max + INJECT_OPS_MAX; i++) {
		for (unsigned j = 0; j < INJECT_OPS_MAX; j++, n++) {
			ops[j] = lab_change(FLOW_NEW, lab_udp(n));
			ops[j].flow.orig.dst = lab_addr(n >> 8);
			ops[j].flow.reply.src = lab_addr(n >> 8);
		}
		apply(ops, INJECT_OPS_MAX);
	}
	for (unsigned j = 0; j < INJECT_OPS_MAX; j++)
		ck_assert_int_eq(results[j], FLOW_TABLE_FULL);
	/* Those that are there already need no room, nor does what goes in the
	 * place of one. */
	for (int op = FLOW_NEW; op <= FLOW_COPY; op++) {
		in.copies_known = false;
		ck_assert_int_eq(lab_apply(&in, (enum flow_op)op, in_table()),
				 FLOW_APPLIED);
	}
	ck_assert_int_eq(ct_count(&n, &max), 0);
	ck_assert_uint_ge(n, max);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ct_refusals");
	TCase *t = tcase_create("ct_refusals");

	lab_require();
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, fixed_timeout_is_replaced, FLOW_UPDATE,
			    FLOW_COPY + 1);
	tcase_add_test(t, lost_answers_are_not_success);
	tcase_add_test(t, socket_failure);
	tcase_add_test(t, full_table);
	suite_add_tcase(s, t);
	return lab_run_suite(s);
}
