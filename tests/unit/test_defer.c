/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/defer: which packets wait, for whom, and how long. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core_flow.h"
#include "defer.h"

static struct defer d;
static uint64_t acked[DEFER_PEERS];
static mono_t now;

static void setup(void)
{
	memset(&d, 0, sizeof(d));
	for (size_t i = 0; i < DEFER_PEERS; i++)
		acked[i] = UINT64_MAX;
	now = (mono_t){ 1000 * MONO_S };
}

/* One that waits for this number of peer 0. */
static struct defer_packet *held(uint32_t id, uint64_t seq)
{
	struct flow f = tcp_flow((uint16_t)id);
	struct defer_packet *p = defer_hold(&d, id, &f, now);

	ck_assert_ptr_nonnull(p);
	p->told = 1;
	p->seq[0] = seq;
	return p;
}

static bool release(uint32_t *id)
{
	return defer_release(&d, acked, now, id);
}

START_TEST(released_by_acknowledgement)
{
	uint32_t id;

	acked[0] = 4;
	held(1, 5);
	held(2, 6);
	ck_assert(!release(&id));
	acked[0] = 5;
	ck_assert(release(&id));
	ck_assert_uint_eq(id, 1);
	ck_assert(!release(&id));
	acked[0] = 9;
	ck_assert(release(&id));
	ck_assert_uint_eq(id, 2);
	ck_assert(!release(&id));
	ck_assert_uint_eq(d.ends[DEFER_ACKED], 2);
	ck_assert_uint_eq(d.waiting, 0);
	ck_assert(mono_is_never(defer_deadline(&d)));
}
END_TEST

START_TEST(released_by_time)
{
	mono_t start = now;
	uint32_t id;

	acked[0] = 0;
	held(1, 5);
	now = mono_add(now, 5 * MONO_MS);
	held(2, 6);
	ck_assert_int_eq(mono_diff(defer_deadline(&d), start), DEFER_WAIT_NS);
	now = mono_add(start, DEFER_WAIT_NS - 1);
	ck_assert(!release(&id));
	now = mono_add(start, DEFER_WAIT_NS);
	ck_assert(release(&id));
	ck_assert_uint_eq(id, 1);
	ck_assert(!release(&id));
	ck_assert_int_eq(mono_diff(defer_deadline(&d), start),
			 DEFER_WAIT_NS + 5 * MONO_MS);
	now = defer_deadline(&d);
	ck_assert(release(&id));
	ck_assert_uint_eq(d.ends[DEFER_LATE], 2);
}
END_TEST

/* Every peer that was told; one that is gone is not waited for. */
START_TEST(all_peers)
{
	struct defer_packet *p = held(1, 5);
	uint32_t id;

	p->told = 1 | 4;
	p->seq[2] = 70;
	acked[0] = acked[2] = 5;
	ck_assert(!release(&id));
	acked[2] = 70;
	ck_assert(release(&id));
	p = held(2, 6);
	p->told = 1 | 4;
	p->seq[2] = 71;
	acked[0] = 6;
	ck_assert(!release(&id));
	acked[2] = UINT64_MAX;
	ck_assert(release(&id));
	/* told to nobody: nothing to wait for */
	held(3, 7)->told = 0;
	acked[0] = 0;
	ck_assert(release(&id));
}
END_TEST

START_TEST(bounded)
{
	struct flow f = tcp_flow(1);
	uint32_t id, next = 0;

	acked[0] = 0;
	for (uint32_t i = 0; i < DEFER_MAX; i++)
		held(i, 1);
	ck_assert_ptr_null(defer_hold(&d, 999, &f, now));
	ck_assert_uint_eq(d.waiting, DEFER_MAX);
	now = mono_add(now, DEFER_WAIT_NS);
	while (release(&id))
		ck_assert_uint_eq(id, next++); /* in their order */
	ck_assert_uint_eq(next, DEFER_MAX);
	ck_assert_ptr_nonnull(defer_hold(&d, 999, &f, now));
}
END_TEST

START_TEST(remembers_for_a_moment)
{
	struct flow f = tcp_flow(1);
	const struct defer_packet *p;
	uint32_t id;

	held(1, 1);
	p = defer_find(&d, &f);
	ck_assert_ptr_nonnull(p);
	acked[0] = 1;
	ck_assert(release(&id));
	ck_assert_ptr_eq(defer_find(&d, &f), p);
	ck_assert(!p->waits);
	f.zone = 3;
	ck_assert_ptr_null(defer_find(&d, &f));
	f = tcp_flow(2);
	ck_assert_ptr_null(defer_find(&d, &f));
	/* the newest of several */
	held(1, 7);
	f = tcp_flow(1);
	ck_assert_uint_eq(defer_find(&d, &f)->seq[0], 7);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("defer");
	TCase *t = tcase_create("defer");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, released_by_acknowledgement);
	tcase_add_test(t, released_by_time);
	tcase_add_test(t, all_peers);
	tcase_add_test(t, bounded);
	tcase_add_test(t, remembers_for_a_moment);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
