/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * os/ct_inject: many changes in one call end as they would one by one,
 * whatever was in the table before.
 */
#include "ct_lab.h"
#include "ct_result.h"

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

static void apply_all(const struct flow_change *ops, size_t n)
{
	ck_assert_int_eq(ct_inject_apply(&in, ops, n, results), 0);
	for (size_t i = 0; i < n; i++)
		ck_assert_msg(results[i] == FLOW_APPLIED, "op %zu: %s", i,
			      ct_result_name(results[i]));
}

/* A tuple that dies and comes back translated otherwise, over a stale one. */
START_TEST(reincarnation_in_one_batch)
{
	struct flow stale = lab_snat(lab_tcp(1), 1);
	struct flow first = lab_snat(lab_tcp(1), 2);
	struct flow second = lab_snat(lab_tcp(1), 3), changed = second;
	struct flow_change ops[4];

	changed.mark = 5;
	changed.tcp_state = TCP_CONNTRACK_FIN_WAIT;
	ops[0] = lab_change(FLOW_NEW, first);
	ops[1] = lab_change(FLOW_DESTROY, first);
	ops[2] = lab_change(FLOW_NEW, second);
	ops[3] = lab_change(FLOW_UPDATE, changed);
	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, stale), FLOW_APPLIED);
	apply_all(ops, 4);
	lab_assert_table(&changed, 1);
	/* And the destroy last, after a creation that takes two attempts. */
	ops[3] = lab_change(FLOW_DESTROY, second);
	apply_all(ops, 4);
	lab_assert_table(NULL, 0);
}
END_TEST

/* A translated port handed from one connection to the next and back. */
START_TEST(reply_tuple_passed_on)
{
	struct flow stale = lab_snat(lab_tcp(9), 1);
	struct flow a = lab_snat(lab_tcp(1), 1), b = lab_snat(lab_tcp(2), 1);
	struct flow_change ops[] = {
		lab_change(FLOW_COPY, a),    lab_change(FLOW_DESTROY, a),
		lab_change(FLOW_UPDATE, b),  lab_change(FLOW_DESTROY, b),
		lab_change(FLOW_COPY, a),    lab_change(FLOW_UPDATE, a),
		lab_change(FLOW_TIMEOUT, a), lab_change(FLOW_NEW, b),
	};

	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, stale), FLOW_APPLIED);
	apply_all(ops, 8);
	lab_assert_table(&b, 1);
}
END_TEST

/* Long chains on one tuple, among others that go their way. */
START_TEST(chains)
{
	struct flow_change ops[INJECT_OPS_MAX];
	struct flow want[64];

	for (unsigned i = 0; i < INJECT_OPS_MAX; i++) {
		struct flow f = lab_snat(lab_tcp(i % 64), i % 64);

		f.mark = i;
		ops[i] = lab_change(i < 64 ? FLOW_NEW : FLOW_UPDATE, f);
		want[i % 64] = f;
	}
	apply_all(ops, INJECT_OPS_MAX);
	lab_assert_table(want, 64);
	for (unsigned i = 0; i < INJECT_OPS_MAX; i++) {
		ops[i] = lab_change(i % 2 ? FLOW_DESTROY : FLOW_NEW,
				    lab_snat(lab_tcp(0), 100 + i / 2));
	}
	ops[INJECT_OPS_MAX - 1].op = FLOW_UPDATE;
	apply_all(ops, INJECT_OPS_MAX);
	want[0] = ops[INJECT_OPS_MAX - 1].flow;
	lab_assert_table(want, 64);
}
END_TEST

/*
 * A source whose connections come and go: 24 original tuples, 8 translated
 * ports. It tells what a kernel would, now and then loses a DESTROY, and
 * copies what it has.
 */
#define TUPLES 24
#define PORTS  8

struct source {
	unsigned seed;
	bool live[TUPLES];
	struct flow flows[TUPLES];
};

static unsigned dice(struct source *s, unsigned sides)
{
	s->seed = s->seed * 1103515245 + 12345;
	return (s->seed >> 16) % sides;
}

static bool port_taken(const struct source *s, unsigned port)
{
	for (unsigned i = 0; i < TUPLES; i++)
		if (s->live[i] && s->flows[i].reply.dport == 2000 + port)
			return true;
	return false;
}

static struct flow_change source_step(struct source *s)
{
	unsigned i = dice(s, TUPLES), port = dice(s, PORTS);
	struct flow *f = &s->flows[i];

	if (!s->live[i]) {
		*f = lab_tcp(i);
		if (!port_taken(s, port))
			*f = lab_snat(*f, port);
		f->status = IPS_CONFIRMED | IPS_SEEN_REPLY;
		f->tcp_state = TCP_CONNTRACK_SYN_RECV;
		s->live[i] = true;
		return lab_change(dice(s, 4) ? FLOW_NEW : FLOW_COPY, *f);
	}
	if (dice(s, 3) == 0) {
		s->live[i] = false;
		if (dice(s, 4))
			return lab_change(FLOW_DESTROY, *f);
		return source_step(s); /* the DESTROY was lost */
	}
	f->status |= IPS_ASSURED;
	f->tcp_state = TCP_CONNTRACK_ESTABLISHED;
	f->mark++;
	return lab_change(dice(s, 4) ? FLOW_UPDATE : FLOW_COPY, *f);
}

#define STEPS 1280

START_TEST(batches_end_like_single_steps)
{
	static struct flow_change ops[STEPS];
	struct source s = { .seed = 1000 + (unsigned)_i };
	static struct flow want[LAB_TABLE_MAX];
	const struct lab_table *t;
	size_t n, part = 1 + dice(&s, INJECT_OPS_MAX);

	for (size_t i = 0; i < STEPS; i++)
		ops[i] = source_step(&s);
	for (size_t i = 0; i < STEPS; i++) {
		ck_assert_int_eq(ct_inject_apply(&in, &ops[i], 1, results), 0);
		ck_assert_int_le(results[0], FLOW_GONE);
	}
	t = lab_table();
	n = t->n;
	ck_assert_uint_gt(n, 0);
	memcpy(want, t->flows, n * sizeof(want[0]));
	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(lab_apply(&in, FLOW_DESTROY, want[i]),
				 FLOW_APPLIED);
	for (size_t i = 0; i < STEPS; i += part) {
		size_t m = STEPS - i < part ? STEPS - i : part;

		ck_assert_int_eq(ct_inject_apply(&in, &ops[i], m, results), 0);
		for (size_t j = 0; j < m; j++)
			ck_assert_msg(results[j] <= FLOW_GONE, "%s",
				      ct_result_name(results[j]));
	}
	lab_assert_table(want, n);
	/* And what the source has is there. */
	t = lab_table();
	for (size_t i = 0; i < TUPLES; i++) {
		const struct flow *g;

		if (!s.live[i])
			continue;
		g = lab_find(t, &s.flows[i]);
		ck_assert_ptr_nonnull(g);
		ck_assert(lab_same(g, &s.flows[i]));
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ct_sequence");
	TCase *t = tcase_create("ct_sequence");

	lab_require();
	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, reincarnation_in_one_batch);
	tcase_add_test(t, reply_tuple_passed_on);
	tcase_add_test(t, chains);
	tcase_add_loop_test(t, batches_end_like_single_steps, 0, 12);
	suite_add_tcase(s, t);
	return lab_run_suite(s);
}
