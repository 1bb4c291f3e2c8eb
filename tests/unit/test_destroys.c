/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/destroys: natural ends, deletes, flushes, torn devices (rules 3). */
#include <check.h>
#include <stdlib.h>

#include "core_flow.h"
#include "destroys.h"

#define PID   4242
#define TABLE 1000000

static struct destroys *d;
static mono_t now = { 100 * MONO_S };

static void setup(void)
{
	d = malloc(sizeof(*d));
	ck_assert_ptr_nonnull(d);
	destroys_init(d);
}

static void teardown(void)
{
	free(d);
}

static struct flow forced(uint16_t port)
{
	struct flow f = tcp_flow(port);

	f.has |= FLOW_HAS_TIMEOUT;
	f.timeout_s = 300;
	return f;
}

static enum destroys_verdict offer(uint16_t port, uint32_t portid,
				   uint64_t table)
{
	struct flow f = forced(port);

	return destroys_offer(d, &f, portid, table, now);
}

static mono_t later(int64_t ms)
{
	return mono_add(now, ms * MONO_MS);
}

START_TEST(a_natural_end_is_told)
{
	struct flow f = tcp_flow(1);

	ck_assert_int_eq(destroys_offer(d, &f, 0, TABLE, now), DESTROYS_TELL);
}
END_TEST

/* Early drop, a device or an address gone: the peer keeps it. */
START_TEST(torn_away_by_the_kernel_is_not)
{
	struct flow f = forced(1);

	ck_assert_int_eq(offer(1, 0, TABLE), DESTROYS_FORCED);
	f.tcp_state = TCP_CONNTRACK_FIN_WAIT;
	ck_assert_int_eq(destroys_offer(d, &f, 0, TABLE, now), DESTROYS_FORCED);
	/* but its port was used again */
	f.tcp_state = TCP_CONNTRACK_TIME_WAIT;
	ck_assert_int_eq(destroys_offer(d, &f, 0, TABLE, now), DESTROYS_TELL);
	f.tcp_state = TCP_CONNTRACK_CLOSE;
	ck_assert_int_eq(destroys_offer(d, &f, 0, TABLE, now), DESTROYS_TELL);
}
END_TEST

/* Where the table is full the kernel drops these first. */
START_TEST(an_early_drop_is_no_loss)
{
	struct flow f = forced(1);

	ck_assert(!destroys_droppable(&f));
	f.tcp_state = TCP_CONNTRACK_FIN_WAIT;
	ck_assert(destroys_droppable(&f));
	f = forced(1);
	f.status &= ~(uint32_t)IPS_ASSURED;
	ck_assert(destroys_droppable(&f));
}
END_TEST

START_TEST(one_delete_waits_100_ms)
{
	struct flow f;

	ck_assert_int_eq(offer(1, PID, TABLE), DESTROYS_WAIT);
	ck_assert_int_eq(destroys_deadline(d).ns, later(100).ns);
	ck_assert(!destroys_next(d, later(99), &f));
	ck_assert(destroys_next(d, later(100), &f));
	ck_assert_uint_eq(f.orig.sport, 1);
	ck_assert(!destroys_next(d, later(200), &f));
	ck_assert(mono_is_never(destroys_deadline(d)));
}
END_TEST

START_TEST(a_quarter_of_the_table_is_a_flush)
{
	struct flow f;

	for (uint16_t i = 1; i < 16; i++)
		ck_assert_int_eq(offer(i, PID, 60), DESTROYS_WAIT);
	ck_assert_int_eq(offer(99, PID + 1, 60), DESTROYS_WAIT);
	ck_assert_int_eq(offer(16, PID, 60), DESTROYS_FLUSH);
	ck_assert_int_eq(offer(17, PID, 60), DESTROYS_FLUSH);
	ck_assert_uint_eq(d->flushes, 1);
	ck_assert_uint_eq(d->flushed, 17);
	/* what another process deleted is told all the same */
	ck_assert(destroys_next(d, later(100), &f));
	ck_assert_uint_eq(f.orig.sport, 99);
	ck_assert(!destroys_next(d, later(100), &f));
}
END_TEST

START_TEST(sixteen_of_a_large_table_are_none)
{
	for (uint16_t i = 0; i < 16; i++)
		ck_assert_int_eq(offer(i, PID, 64), DESTROYS_WAIT);
	ck_assert_int_eq(offer(16, PID, 100), DESTROYS_WAIT);
}
END_TEST

START_TEST(more_than_a_thousand_are_a_flush)
{
	struct flow f;

	for (uint16_t i = 0; i < 1000; i++)
		ck_assert_int_eq(offer(i, PID, TABLE), DESTROYS_WAIT);
	ck_assert_int_eq(offer(1000, PID, TABLE), DESTROYS_FLUSH);
	ck_assert(!destroys_next(d, later(1000), &f));
}
END_TEST

/* In any 100 ms: what is due and could not be told yet is not of those. */
START_TEST(a_thousand_in_each_wait_are_none)
{
	struct flow f;

	for (uint16_t i = 0; i < 1000; i++)
		ck_assert_int_eq(offer(i, PID, TABLE), DESTROYS_WAIT);
	now = later(100);
	for (uint16_t i = 1000; i < 2000; i++)
		ck_assert_int_eq(offer(i, PID, TABLE), DESTROYS_WAIT);
	for (uint16_t i = 0; i < 1000; i++)
		ck_assert(destroys_next(d, now, &f));
	ck_assert(!destroys_next(d, now, &f));
	ck_assert_uint_eq(d->flushes, 0);
}
END_TEST

/* A table counted in the middle of it lacks what was deleted already. */
START_TEST(a_quarter_is_of_what_was_before)
{
	for (uint16_t i = 1; i <= 15; i++)
		ck_assert_int_eq(offer(i, PID, 80), DESTROYS_WAIT);
	for (uint16_t i = 16; i <= 20; i++)
		ck_assert_int_eq(offer(i, PID, 60), DESTROYS_WAIT);
	ck_assert_int_eq(offer(21, PID, 60), DESTROYS_FLUSH);
}
END_TEST

START_TEST(a_flush_ends_when_it_was_quiet)
{
	for (uint16_t i = 0; i < 17; i++)
		(void)offer(i, PID, 20);
	now = later(99);
	ck_assert_int_eq(offer(50, PID, 20), DESTROYS_FLUSH);
	now = later(99); /* counted from the last one */
	ck_assert_int_eq(offer(51, PID, 20), DESTROYS_FLUSH);
	now = later(100);
	ck_assert_int_eq(offer(52, PID, 20), DESTROYS_WAIT);
}
END_TEST

START_TEST(a_full_list_is_a_flush)
{
	struct flow f;
	uint32_t pid = 1;

	for (unsigned i = 0; i < DESTROYS_LIST_MAX; i++)
		ck_assert_int_eq(offer((uint16_t)i, pid + i / 900, TABLE),
				 DESTROYS_WAIT);
	ck_assert_int_eq(offer(1, pid, TABLE), DESTROYS_FLUSH);
	/* in order of time, without those of the flushing process */
	ck_assert(destroys_next(d, later(100), &f));
	ck_assert_uint_eq(f.orig.sport, 900);
}
END_TEST

/* The peer replaces what it has when it hears of the new flow; a delete told
 * after that would end the new one. */
START_TEST(a_tuple_that_lives_again_is_not_deleted)
{
	struct flow again = snat_flow(2, v4(203, 0, 113, 1)), f;

	for (uint16_t i = 1; i <= 3; i++)
		(void)offer(i, PID, TABLE);
	destroys_revive(d, &again, DESTROYS_ALL);
	ck_assert(destroys_next(d, later(100), &f));
	ck_assert_uint_eq(f.orig.sport, 1);
	ck_assert(destroys_next(d, later(100), &f));
	ck_assert_uint_eq(f.orig.sport, 3);
	ck_assert(!destroys_next(d, later(100), &f));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("destroys");
	TCase *t = tcase_create("destroys");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_natural_end_is_told);
	tcase_add_test(t, torn_away_by_the_kernel_is_not);
	tcase_add_test(t, an_early_drop_is_no_loss);
	tcase_add_test(t, one_delete_waits_100_ms);
	tcase_add_test(t, a_quarter_of_the_table_is_a_flush);
	tcase_add_test(t, sixteen_of_a_large_table_are_none);
	tcase_add_test(t, more_than_a_thousand_are_a_flush);
	tcase_add_test(t, a_thousand_in_each_wait_are_none);
	tcase_add_test(t, a_quarter_is_of_what_was_before);
	tcase_add_test(t, a_flush_ends_when_it_was_quiet);
	tcase_add_test(t, a_full_list_is_a_flush);
	tcase_add_test(t, a_tuple_that_lives_again_is_not_deleted);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
