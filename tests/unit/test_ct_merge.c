/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * os/ct_inject where flows pass, too: what a peer tells is merged with what
 * the kernel has (rules 9). The decisions are test_merge.c's; here is what
 * becomes of them in a table.
 */
#include "ct_lab.h"
#include "timeouts.h"

static struct ct_inject in;
static struct flow_timeouts timeouts;

static void setup(void)
{
	lab_setup();
	timeouts_default(&timeouts);
	ck_assert_int_eq(ct_inject_open(&in), 0);
	in.timeouts = &timeouts;
}

static void teardown(void)
{
	ct_inject_close(&in);
}

/* As if a packet had left it there. */
static void ours(struct flow f)
{
	f.timeout_s = timeouts_nominal(&timeouts, &f) - 1;
	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, f), FLOW_APPLIED);
}

static struct flow_change word(enum flow_op op, enum flow_merge merge,
			       struct flow f)
{
	struct flow_change c = { .op = op, .merge = merge, .flow = f };

	if (op != FLOW_DESTROY)
		c.flow.timeout_s = timeouts_copy(&timeouts, &f);
	return c;
}

static enum flow_result told(enum flow_op op, enum flow_merge merge,
			     struct flow f)
{
	struct flow_change c = word(op, merge, f);
	uint8_t result;

	ck_assert_int_eq(ct_inject_apply(&in, &c, 1, &result), 0);
	return (enum flow_result)result;
}

static struct flow in_state(uint8_t state)
{
	struct flow f = lab_tcp(1);

	f.tcp_state = state;
	return f;
}

START_TEST(what_is_not_there_is_made)
{
	struct flow f[3] = { in_state(TCP_CONNTRACK_SYN_SENT),
			     lab_snat(lab_tcp(2), 2), lab_snat(lab_udp(3), 3) };

	f[0].status = IPS_CONFIRMED;
	ck_assert_int_eq(told(FLOW_NEW, FLOW_MERGE_YIELD, f[0]), FLOW_APPLIED);
	ck_assert_int_eq(told(FLOW_UPDATE, FLOW_MERGE_YIELD, f[1]),
			 FLOW_APPLIED);
	ck_assert_int_eq(told(FLOW_COPY, FLOW_MERGE_YIELD, f[2]), FLOW_APPLIED);
	lab_assert_table(f, 3);
	ck_assert_int_eq(told(FLOW_DESTROY, FLOW_MERGE_YIELD, lab_tcp(4)),
			 FLOW_GONE);
}
END_TEST

/* The handshake of a path that is not the same both ways. */
START_TEST(a_handshake_by_two_nodes)
{
	struct flow f = in_state(TCP_CONNTRACK_SYN_SENT);
	const struct flow *have;

	f.status = IPS_CONFIRMED;
	f.tcp_flags[0] = 0x03;
	f.tcp_flags[1] = 0;
	ours(f);
	f.status |= IPS_SEEN_REPLY;
	f.tcp_state = TCP_CONNTRACK_SYN_RECV;
	f.tcp_flags[0] = f.tcp_flags[1] = 0x03;
	ck_assert_int_eq(told(FLOW_UPDATE, FLOW_MERGE_YIELD, f), FLOW_APPLIED);
	have = lab_find(lab_table(), &f);
	ck_assert_uint_eq(have->tcp_state, TCP_CONNTRACK_SYN_RECV);
	ck_assert_uint_eq(have->tcp_flags[0], 0x0b);
	ck_assert_uint_eq(have->tcp_flags[1], 0x0b);
	ck_assert_uint_eq(have->tcp_wscale[1], f.tcp_wscale[1]);
	lab_assert_table(&f, 1);
}
END_TEST

/* An older word changes neither state nor timeout, and takes no bit away. */
START_TEST(nothing_goes_back)
{
	struct flow here = in_state(TCP_CONNTRACK_FIN_WAIT), late;
	const struct flow *have;

	late = in_state(TCP_CONNTRACK_ESTABLISHED);
	late.status = IPS_CONFIRMED | IPS_SEEN_REPLY;
	ours(here);
	for (int op = FLOW_NEW; op <= FLOW_COPY; op++)
		ck_assert_int_eq(told((enum flow_op)op, FLOW_MERGE_YIELD, late),
				 FLOW_KEPT);
	have = lab_find(lab_table(), &here);
	ck_assert_uint_eq(have->tcp_state, TCP_CONNTRACK_FIN_WAIT);
	ck_assert_uint_le(have->timeout_s, 120);
	lab_assert_table(&here, 1);
}
END_TEST

START_TEST(what_is_equal_stays_whose_it_is)
{
	struct flow f = lab_tcp(1);

	ours(f);
	ck_assert_int_eq(told(FLOW_COPY, FLOW_MERGE_YIELD, f), FLOW_APPLIED);
	ck_assert_uint_le(lab_find(lab_table(), &f)->timeout_s, 432000);
	ck_assert_int_eq(told(FLOW_UPDATE, FLOW_MERGE_YIELD, f), FLOW_APPLIED);
	ck_assert_uint_gt(lab_find(lab_table(), &f)->timeout_s, 432000);
	lab_assert_table(&f, 1);
}
END_TEST

static bool there(const struct flow *f)
{
	const struct flow *have = lab_find(lab_table(), f);

	return have && lab_same(have, f);
}

/* Two flows with one translated port: who has it, and who is told. */
START_TEST(a_clash_of_translations)
{
	struct flow here = lab_snat(lab_udp(1), 7);
	struct flow other = lab_snat(lab_udp(2), 7);

	ours(here);
	ck_assert_int_eq(told((enum flow_op)_i, FLOW_MERGE_PREVAIL, other),
			 FLOW_CLASH);
	ck_assert(there(&here) && !there(&other));
	ck_assert_int_eq(told((enum flow_op)_i, FLOW_MERGE_YIELD, other),
			 FLOW_OUSTED);
	ck_assert(!there(&here) && there(&other));
	/* it is a copy now, of which the peer says that it is over */
	ck_assert_int_eq(told((enum flow_op)_i, FLOW_MERGE_PREVAIL, here),
			 FLOW_APPLIED);
	ck_assert(there(&here) && !there(&other));
	ck_assert_uint_eq(lab_table()->n, 1);
}
END_TEST

/* One flow, translated by both, each in its way. */
START_TEST(a_clash_of_one_with_itself)
{
	struct flow here = lab_snat(lab_udp(1), 7);
	struct flow other = lab_snat(lab_udp(1), 8);

	ours(here);
	ck_assert_int_eq(told((enum flow_op)_i, FLOW_MERGE_PREVAIL, other),
			 FLOW_CLASH);
	lab_assert_table(&here, 1);
	ck_assert_int_eq(told((enum flow_op)_i, FLOW_MERGE_YIELD, other),
			 FLOW_OUSTED);
	lab_assert_table(&other, 1);
}
END_TEST

static struct flow ran_out(struct flow f)
{
	f.has &= (uint8_t)~FLOW_HAS_TIMEOUT;
	return f;
}

START_TEST(ends)
{
	struct flow f[2] = { lab_udp(1), lab_udp(2) };

	ours(f[0]);
	ck_assert_int_eq(told(FLOW_NEW, FLOW_MERGE_YIELD, f[1]), FLOW_APPLIED);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(
			told(FLOW_DESTROY, FLOW_MERGE_YIELD, ran_out(f[i])),
			i ? FLOW_APPLIED : FLOW_KEPT);
	lab_assert_table(f, 1);
	/* by hand */
	ck_assert_int_eq(told(FLOW_DESTROY, FLOW_MERGE_YIELD, f[0]),
			 FLOW_APPLIED);
	lab_assert_table(NULL, 0);
}
END_TEST

/* Words about one tuple in one list take effect in their order. */
START_TEST(in_order)
{
	struct flow old = in_state(TCP_CONNTRACK_TIME_WAIT);
	struct flow now = lab_snat(in_state(TCP_CONNTRACK_SYN_RECV), 3), on;
	uint8_t results[5];
	struct flow_change ops[5];

	on = now;
	on.tcp_state = TCP_CONNTRACK_ESTABLISHED;
	ours(old);
	ops[0] = word(FLOW_DESTROY, FLOW_MERGE_YIELD, old);
	ops[1] = word(FLOW_NEW, FLOW_MERGE_YIELD, now);
	ops[2] = word(FLOW_UPDATE, FLOW_MERGE_YIELD, on);
	ops[3] = word(FLOW_DESTROY, FLOW_MERGE_YIELD, ran_out(on));
	ops[4] = ops[1];
	ck_assert_int_eq(ct_inject_apply(&in, ops, 5, results), 0);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(results[i], FLOW_APPLIED);
	lab_assert_table(&now, 1);
}
END_TEST

/* Nothing is asked twice as often as need be, whatever is answered. */
START_TEST(the_cost_has_a_bound)
{
	static struct flow_change ops[INJECT_OPS_MAX];
	static uint8_t results[INJECT_OPS_MAX];
	uint32_t before;

	for (unsigned i = 0; i < INJECT_OPS_MAX; i++) {
		struct flow f = lab_snat(lab_udp(i), i);

		ours(lab_snat(lab_udp(1000 + i), i));
		ops[i] = word(FLOW_NEW, FLOW_MERGE_YIELD, f);
	}
	before = in.sock.seq;
	ck_assert_int_eq(ct_inject_apply(&in, ops, INJECT_OPS_MAX, results), 0);
	for (unsigned i = 0; i < INJECT_OPS_MAX; i++)
		ck_assert_int_eq(results[i], FLOW_OUSTED);
	/* look, create, look, look for the other, three to replace it */
	ck_assert_uint_le(in.sock.seq - before, 7 * INJECT_OPS_MAX);
	/* the same word again: a look, and the timeout */
	for (unsigned i = 0; i < INJECT_OPS_MAX; i++)
		ops[i].op = FLOW_UPDATE;
	before = in.sock.seq;
	ck_assert_int_eq(ct_inject_apply(&in, ops, INJECT_OPS_MAX, results), 0);
	ck_assert_uint_le(in.sock.seq - before, 2 * INJECT_OPS_MAX);
}
END_TEST

START_TEST(without_timeouts_nothing_is_merged)
{
	in.timeouts = NULL;
	ck_assert_int_eq(told(FLOW_NEW, FLOW_MERGE_YIELD, lab_tcp(1)),
			 FLOW_INVALID);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ct_merge");
	TCase *t = tcase_create("ct_merge");

	lab_require();
	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, what_is_not_there_is_made);
	tcase_add_test(t, a_handshake_by_two_nodes);
	tcase_add_test(t, nothing_goes_back);
	tcase_add_test(t, what_is_equal_stays_whose_it_is);
	tcase_add_loop_test(t, a_clash_of_translations, FLOW_NEW,
			    FLOW_COPY + 1);
	tcase_add_loop_test(t, a_clash_of_one_with_itself, FLOW_NEW,
			    FLOW_COPY + 1);
	tcase_add_test(t, ends);
	tcase_add_test(t, in_order);
	tcase_add_test(t, the_cost_has_a_bound);
	tcase_add_test(t, without_timeouts_nothing_is_merged);
	suite_add_tcase(s, t);
	return lab_run_suite(s);
}
