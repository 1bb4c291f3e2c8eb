/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * os/ct_op: which result comes of which answers of a kernel, also of those
 * that no kernel gives at will. No kernel is asked.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "core_flow.h"
#include "ct_inject.h"
#include "ct_op.h"
#include "timeouts.h"

static struct flow_timeouts timeouts;
static struct ct_inject in;
static struct ct_op s;
static struct flow_change c;

static void setup(void)
{
	timeouts_default(&timeouts);
	in = (struct ct_inject){ .timeouts = &timeouts };
}

static void begin(enum flow_op op, enum flow_merge merge)
{
	c = (struct flow_change){ .op = op, .merge = merge };
	c.flow = tcp_flow(1);
	c.flow.has |= FLOW_HAS_TIMEOUT;
	c.flow.timeout_s = timeouts_copy(&timeouts, &c.flow);
	in.copies_known = false;
	ct_op_begin(&s, &c, &in);
}

/* The answer to the message that was due. */
static enum ct_stage answer(enum ct_stage due, int error)
{
	ck_assert_int_eq(s.stage, due);
	s.error = error;
	s.found = false;
	ct_op_answered(&s, &c, &in);
	return s.stage;
}

/* And an entry, as a packet left it. */
static enum ct_stage finds(enum ct_stage due, uint16_t reply_port)
{
	ck_assert_int_eq(s.stage, due);
	s.error = 0;
	s.found = true;
	s.entry = c.flow;
	s.entry.reply.dport = reply_port;
	s.entry.timeout_s = timeouts_nominal(&timeouts, &s.entry);
	ct_op_answered(&s, &c, &in);
	return s.stage;
}

static void ends(enum flow_result result)
{
	ck_assert_int_eq(s.stage, CT_DONE);
	ck_assert_int_eq(s.result, result);
}

START_TEST(reasons)
{
	const struct {
		int error;
		enum flow_result result;
	} list[] = {
		{ 0, FLOW_APPLIED },	     { -ENOSPC, FLOW_CHAIN },
		{ -EINVAL, FLOW_INVALID },   { -ERANGE, FLOW_INVALID },
		{ -EOPNOTSUPP, FLOW_OTHER },
	};

	for (int merge = 0; merge <= FLOW_MERGE_PREVAIL; merge++)
		for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
			begin(FLOW_NEW, (enum flow_merge)merge);
			if (merge)
				answer(CT_LOOK, -ENOENT);
			answer(CT_CREATE, list[i].error);
			ends(list[i].result);
		}
	ck_assert_int_eq(in.last_errno, EOPNOTSUPP);
}
END_TEST

/* A full table has room for what is there, and in the place of it. */
START_TEST(full)
{
	begin(FLOW_NEW, FLOW_MERGE_NOT);
	answer(CT_CREATE, -ENOMEM);
	answer(CT_REPLACE, -ENOMEM);
	ends(FLOW_TABLE_FULL);
	begin(FLOW_COPY, FLOW_MERGE_NOT);
	answer(CT_CREATE, -ENOMEM);
	ck_assert(!in.copies_known);
	answer(CT_LOOK, -ENOENT);
	ends(FLOW_TABLE_FULL);
	begin(FLOW_COPY, FLOW_MERGE_NOT);
	answer(CT_CREATE, -ENOMEM);
	finds(CT_LOOK, c.flow.reply.dport);
	answer(CT_UPDATE, 0);
	ends(FLOW_APPLIED);
	begin(FLOW_UPDATE, FLOW_MERGE_NOT);
	answer(CT_UPDATE, -ENOENT);
	answer(CT_CREATE, -ENOMEM);
	ends(FLOW_TABLE_FULL);
	begin(FLOW_COPY, FLOW_MERGE_YIELD);
	answer(CT_LOOK, -ENOENT);
	answer(CT_CREATE, -ENOMEM);
	ends(FLOW_TABLE_FULL);
}
END_TEST

/* The kernel's own retry, and what older ones leave to us. */
START_TEST(again)
{
	begin(FLOW_NEW, FLOW_MERGE_NOT);
	answer(CT_CREATE, -ETIMEDOUT);
	answer(CT_CREATE, -EAGAIN);
	answer(CT_CREATE, 0);
	ends(FLOW_APPLIED);
	begin(FLOW_NEW, FLOW_MERGE_NOT);
	for (int i = 0; s.stage != CT_DONE; i++) {
		ck_assert_int_lt(i, 20);
		answer(CT_CREATE, -EAGAIN);
	}
	ends(FLOW_OTHER);
}
END_TEST

START_TEST(a_clash)
{
	for (int merge = FLOW_MERGE_YIELD; merge <= FLOW_MERGE_PREVAIL;
	     merge++) {
		begin(FLOW_NEW, (enum flow_merge)merge);
		answer(CT_LOOK, -ENOENT);
		answer(CT_CREATE, -EEXIST);
		answer(CT_LOOK, -ENOENT);
		finds(CT_LOOK_REPLY, 7);
		if (merge == FLOW_MERGE_PREVAIL) {
			ends(FLOW_CLASH);
			continue;
		}
		answer(CT_REPLACE, 0);
		ends(FLOW_OUSTED);
	}
	/* gone before one looks */
	begin(FLOW_NEW, FLOW_MERGE_PREVAIL);
	answer(CT_LOOK, -ENOENT);
	answer(CT_CREATE, -EEXIST);
	answer(CT_LOOK, -ENOENT);
	answer(CT_LOOK_REPLY, -ENOENT);
	answer(CT_CREATE, 0);
	ends(FLOW_APPLIED);
}
END_TEST

/* Of who was master: what is not here any more has ended. */
START_TEST(late)
{
	begin(FLOW_UPDATE, FLOW_MERGE_YIELD);
	c.late = true;
	answer(CT_LOOK, -ENOENT);
	ends(FLOW_GONE);
	begin(FLOW_UPDATE, FLOW_MERGE_YIELD);
	answer(CT_LOOK, -ENOENT);
	answer(CT_CREATE, 0);
	ends(FLOW_APPLIED);
}
END_TEST

/* A packet changes it between the look and what follows. */
START_TEST(a_moving_target)
{
	begin(FLOW_UPDATE, FLOW_MERGE_YIELD);
	finds(CT_LOOK, c.flow.reply.dport);
	answer(CT_UPDATE, -EBUSY);
	finds(CT_LOOK, c.flow.reply.dport);
	answer(CT_UPDATE, -ENOENT);
	answer(CT_LOOK, -ENOENT);
	answer(CT_CREATE, 0);
	ends(FLOW_APPLIED);
}
END_TEST

/* Whatever a kernel answers, it ends, and soon. */
START_TEST(there_is_always_an_end)
{
	static const int errors[] = { 0,       -ENOENT, -EEXIST, -EBUSY,
				      -ENOMEM, -ETIME,	-EPERM,	 -EAGAIN,
				      -ENOSPC, -EINVAL, -ENOTSUP };
	const size_t n = sizeof(errors) / sizeof(errors[0]);

	srand(5);
	for (unsigned i = 0; i < 20000; i++) {
		unsigned steps = 0;

		begin((enum flow_op)(FLOW_NEW + i % 5),
		      (enum flow_merge)(i / 5 % 3));
		/* one answer for ever, or any */
		while (s.stage != CT_DONE) {
			size_t k = i % 2 ? (size_t)rand() : i / 15;

			ck_assert_uint_lt(++steps, 9);
			if (errors[k % n] || s.stage > CT_LOOK_REPLY ||
			    s.stage < CT_LOOK)
				answer(s.stage, errors[k % n]);
			else
				finds(s.stage, (uint16_t)(rand() % 2));
		}
		ck_assert_int_lt(s.result, FLOW_RESULT_COUNT);
	}
}
END_TEST

int main(void)
{
	const TTest *const list[] = {
		reasons,
		full,
		again,
		late,
		a_clash,
		a_moving_target,
		there_is_always_an_end,
	};
	Suite *suite = suite_create("ct_op");
	TCase *t = tcase_create("ct_op");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, setup, NULL);
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		tcase_add_test(t, list[i]);
	suite_add_tcase(suite, t);
	sr = srunner_create(suite);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
