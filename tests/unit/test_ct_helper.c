/* SPDX-License-Identifier: GPL-3.0-or-later */
/* os/ct_helper against the kernel: helper, master and changed lengths. */
#include "ct_events.h"
#include "ct_lab.h"
#include "timeouts.h"

static struct ct_inject in;
static struct flow_timeouts timeouts;

static void setup(void)
{
	lab_setup();
	ck_assert_int_eq(ct_inject_open(&in), 0);
	timeouts_default(&timeouts);
	in.timeouts = &timeouts;
}

static void teardown(void)
{
	ct_inject_close(&in);
}

/* The i-th control connection of FTP. */
static struct flow control(unsigned i)
{
	struct flow f = lab_snat(lab_tcp(i), i);

	f.has |= FLOW_HAS_HELPER | FLOW_HAS_SEQADJ;
	strcpy(f.helper, "ftp");
	f.seqadj[0] = (struct flow_seqadj){ 0xfffffff0, -2, -4 };
	f.seqadj[1] = (struct flow_seqadj){ 7, 0, 3 };
	return f;
}

/* The i-th data connection, of that control connection. */
static struct flow data(unsigned i, const struct flow *master)
{
	struct flow f = lab_tcp(i + 1000);

	f.has |= FLOW_HAS_MASTER;
	f.status |= IPS_EXPECTED;
	f.master = master->orig;
	f.master_l4proto = master->l4proto;
	return f;
}

static const struct flow *there(const struct flow *f)
{
	const struct flow *g = lab_find(lab_table(), f);

	ck_assert_ptr_nonnull(g);
	return g;
}

START_TEST(all_of_it_is_there)
{
	struct flow f = control(1), d = data(1, &f);
	const struct flow *g;

	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, f), FLOW_APPLIED);
	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, d), FLOW_APPLIED);
	g = there(&f);
	ck_assert_str_eq(g->helper, "ftp");
	ck_assert(g->status & IPS_HELPER && g->status & IPS_SEQ_ADJUST);
	ck_assert_mem_eq(g->seqadj, f.seqadj, sizeof(f.seqadj));
	g = there(&d);
	ck_assert(g->status & IPS_EXPECTED && g->has & FLOW_HAS_MASTER);
	ck_assert(flow_tuple_equal(&g->master, &f.orig));
	ck_assert_uint_eq(g->master_l4proto, IPPROTO_TCP);
	ck_assert(lab_same(g, &d));
	ck_assert_uint_eq(in.orphans, 0);
}
END_TEST

START_TEST(an_update_takes_nothing_away)
{
	struct flow f = control(1), d = data(1, &f);
	const struct flow *g;

	lab_apply(&in, FLOW_NEW, f);
	lab_apply(&in, FLOW_NEW, d);
	for (int full = 0; full < 2; full++) {
		f.mark = d.mark = 5u + (unsigned)full;
		f.seqadj[0].offset_after = -8;
		if (!full) /* as events tell what did not change */
			f.has &= ~(FLOW_HAS_HELPER | FLOW_HAS_SEQADJ);
		else
			f = control(1);
		d.has &= ~FLOW_HAS_MASTER;
		ck_assert_int_eq(lab_apply(&in, FLOW_UPDATE, f), FLOW_APPLIED);
		ck_assert_int_eq(lab_apply(&in, FLOW_UPDATE, d), FLOW_APPLIED);
		ck_assert_int_eq(lab_apply(&in, FLOW_COPY, d), FLOW_APPLIED);
		g = there(&f);
		ck_assert_str_eq(g->helper, "ftp");
		ck_assert_int_eq(g->seqadj[0].offset_after, -4);
		g = there(&d);
		ck_assert(flow_tuple_equal(&g->master, &f.orig));
		ck_assert_uint_eq(g->mark, 5u + (unsigned)full);
	}
	f.seqadj[0].offset_after = -6;
	ck_assert_int_eq(lab_apply(&in, FLOW_UPDATE, f), FLOW_APPLIED);
	ck_assert_int_eq(there(&f)->seqadj[0].offset_after, -6);
}
END_TEST

START_TEST(a_flow_outlives_a_helper_that_is_unknown)
{
	struct flow f = control(1);
	uint64_t before = in.orphans;

	strcpy(f.helper, "nobody-knows");
	for (int op = FLOW_NEW; op <= FLOW_COPY; op++) {
		ck_assert_int_eq(lab_apply(&in, (enum flow_op)op, f),
				 FLOW_HELPER);
		ck_assert_str_eq(in.helper, "nobody-knows");
		ck_assert(!(there(&f)->has & FLOW_HAS_HELPER));
		ck_assert_int_eq(there(&f)->seqadj[0].offset_after, -4);
	}
	ck_assert_uint_eq(in.orphans, before);
}
END_TEST

/* Once its module is loaded, a copy brings it. */
START_TEST(a_copy_brings_the_helper)
{
	struct flow f = control(1), plain = f, d;
	struct flow_change adds = lab_change(FLOW_COPY, f);
	uint8_t result;

	plain.has &= ~FLOW_HAS_HELPER;
	d = data(1, &f);
	d.has &= ~FLOW_HAS_MASTER;
	d.status &= ~IPS_EXPECTED;
	lab_apply(&in, FLOW_NEW, plain);
	lab_apply(&in, FLOW_NEW, d);
	d = data(1, &f);
	/* nothing that goes on here is replaced for it */
	ck_assert_int_eq(lab_apply(&in, FLOW_UPDATE, f), FLOW_HELPER);
	adds.merge = FLOW_MERGE_ADD;
	ck_assert_int_eq(ct_inject_apply(&in, &adds, 1, &result), 0);
	ck_assert_int_eq(result, FLOW_APPLIED);
	ck_assert(!(there(&f)->has & FLOW_HAS_HELPER));
	ck_assert_int_eq(lab_apply(&in, FLOW_COPY, f), FLOW_APPLIED);
	ck_assert_str_eq(there(&f)->helper, "ftp");
	ck_assert_int_eq(lab_apply(&in, FLOW_COPY, d), FLOW_APPLIED);
	ck_assert(there(&d)->has & FLOW_HAS_MASTER);
}
END_TEST

START_TEST(a_child_without_its_master_is_kept)
{
	struct flow f = control(1), d = data(1, &f);

	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, d), FLOW_APPLIED);
	ck_assert_uint_eq(in.orphans, 1);
	ck_assert(!(there(&d)->has & FLOW_HAS_MASTER));
	ck_assert(!(there(&d)->status & IPS_EXPECTED));
	ck_assert_int_eq(lab_apply(&in, FLOW_UPDATE, d), FLOW_APPLIED);
}
END_TEST

/* The master takes a second step, and its child of the same list waits. */
START_TEST(master_and_child_in_one_list)
{
	struct flow f[3] = { control(1), control(2), control(3) };
	struct flow_change ops[6];
	uint8_t results[6];

	lab_apply(&in, FLOW_COPY, f[2]);
	lab_apply(&in, FLOW_COPY, f[2]); /* copies are looked for first now */
	ops[0] = lab_change(FLOW_UPDATE, f[0]);
	ops[1] = lab_change(FLOW_NEW, data(1, &f[0]));
	ops[2] = lab_change(FLOW_COPY, f[1]);
	ops[3] = lab_change(FLOW_NEW, data(2, &f[1]));
	ops[4] = lab_change(FLOW_NEW, data(3, &f[1]));
	ops[5] = lab_change(FLOW_COPY, data(4, &f[2]));
	ck_assert_int_eq(ct_inject_apply(&in, ops, 6, results), 0);
	for (int i = 0; i < 6; i++)
		ck_assert_int_eq(results[i], FLOW_APPLIED);
	ck_assert_uint_eq(in.orphans, 0);
	for (int i = 1; i < 6; i += 1 + (i == 1 || i == 3 ? 1 : 0))
		if (ops[i].flow.has & FLOW_HAS_MASTER)
			ck_assert(there(&ops[i].flow)->has & FLOW_HAS_MASTER);
}
END_TEST

START_TEST(an_old_master_gets_a_timeout_only)
{
	struct flow f = control(1), d = data(1, &f);

	lab_apply(&in, FLOW_NEW, f);
	lab_apply(&in, FLOW_NEW, d);
	f.timeout_s = d.timeout_s = 77;
	ck_assert_int_eq(lab_apply(&in, FLOW_TIMEOUT, f), FLOW_APPLIED);
	ck_assert_int_eq(lab_apply(&in, FLOW_TIMEOUT, d), FLOW_APPLIED);
	ck_assert_uint_le(there(&d)->timeout_s, 77);
	ck_assert_int_eq(there(&f)->seqadj[0].offset_after, -4);
}
END_TEST

/* The kernel would drop its packets here. */
START_TEST(pptp_goes_without)
{
	struct flow f = control(1);

	strcpy(f.helper, "pptp");
	for (int op = FLOW_NEW; op <= FLOW_COPY; op++) {
		ck_assert_int_eq(lab_apply(&in, (enum flow_op)op, f),
				 FLOW_APPLIED);
		ck_assert(!(there(&f)->status & IPS_HELPER));
	}
}
END_TEST

static unsigned updates;
static struct flow last;

static void take(const struct ct_event *e, void *arg)
{
	(void)arg;
	updates += e->op == FLOW_UPDATE;
	last = e->flow;
}

/* Of two processes, the events of one: an update that tells no master. */
START_TEST(an_update_is_told_with_its_master)
{
	struct flow f = control(1), d = data(1, &f);
	struct ct_events ev;

	ck_assert_int_eq(ct_events_open(&ev, 1 << 20), 0);
	ck_assert_int_eq(ct_events_subscribe(&ev), 0);
	lab_apply(&in, FLOW_NEW, f);
	lab_apply(&in, FLOW_NEW, d);
	lab_apply(&in, FLOW_UPDATE, d);
	ck_assert_int_eq(ct_events_read(&ev, take, NULL, 0), CT_EVENTS_DRAINED);
	ck_assert_uint_eq(updates, 1);
	ck_assert_uint_eq(ev.completed, 1);
	ck_assert(last.has & FLOW_HAS_MASTER);
	ck_assert(flow_tuple_equal(&last.master, &f.orig));
	ct_events_close(&ev);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		all_of_it_is_there,
		an_update_takes_nothing_away,
		a_flow_outlives_a_helper_that_is_unknown,
		a_copy_brings_the_helper,
		a_child_without_its_master_is_kept,
		master_and_child_in_one_list,
		an_old_master_gets_a_timeout_only,
		pptp_goes_without,
		an_update_is_told_with_its_master,
	};
	Suite *s = suite_create("ct_helper");
	TCase *tc = tcase_create("kernel");

	lab_require();
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(s, tc);
	return lab_run_suite(s);
}
