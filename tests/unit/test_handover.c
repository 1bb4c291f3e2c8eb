/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/handover: the old master's steps, and every way out (rules 12). */
#include <check.h>
#include <stdlib.h>

#include "handover.h"

static const mono_t t0 = { 100 * MONO_S };
static struct handover h;
static struct handover_facts facts;

static void setup(void)
{
	handover_start(&h, false, MONO_S, t0);
	facts = (struct handover_facts){
		.peer_live = true,
		.peer_in_sync = true,
		.events_read = true,
	};
}

static enum handover_step next(int64_t ms)
{
	return handover_next(&h, &facts, mono_add(t0, ms * MONO_MS));
}

static void fenced_at(int64_t ms)
{
	ck_assert_int_eq(next(ms), HANDOVER_DO_FENCE);
}

static void said_at(int64_t ms)
{
	fenced_at(ms);
	facts.events_drained = facts.acked = true;
	ck_assert_int_eq(next(ms), HANDOVER_DO_GO);
}

START_TEST(all_goes_well)
{
	facts.backlog = HANDOVER_BATCH_BYTES;
	ck_assert_int_eq(next(0), HANDOVER_WAIT);
	facts.backlog--;
	facts.events_read = false;
	ck_assert_int_eq(next(1), HANDOVER_WAIT);
	facts.events_read = true;
	facts.lag_ns = HANDOVER_LAG_NS + 1;
	ck_assert_int_eq(next(2), HANDOVER_WAIT);
	facts.lag_ns--;
	fenced_at(5);
	ck_assert_int_eq(next(6), HANDOVER_WAIT);
	facts.events_drained = true;
	ck_assert_int_eq(next(7), HANDOVER_WAIT);
	facts.acked = true;
	ck_assert_int_eq(next(10), HANDOVER_DO_GO);
	ck_assert_int_eq(next(11), HANDOVER_WAIT);
	facts.peer_master = true;
	ck_assert_int_eq(next(12), HANDOVER_DO_END);
	ck_assert_int_eq(next(13), HANDOVER_WAIT);
	ck_assert_int_eq(h.drain_ns, 5 * MONO_MS);
	ck_assert_int_eq(h.fence_ns, 2 * MONO_MS);
	ck_assert_int_eq(h.ack_ns, 3 * MONO_MS);
	ck_assert(mono_is_never(handover_deadline(&h)));
}
END_TEST

/* What was acknowledged before the last events were read counts nothing. */
START_TEST(an_early_acknowledgement_is_not_enough)
{
	fenced_at(0);
	facts.acked = true;
	ck_assert_int_eq(next(1), HANDOVER_WAIT);
}
END_TEST

START_TEST(before_the_fence_nothing_is_lost_by_giving_up)
{
	facts.backlog = HANDOVER_BATCH_BYTES;
	ck_assert_int_eq(next(1999), HANDOVER_WAIT);
	ck_assert_int_eq(handover_deadline(&h).ns, mono_add(t0, 2 * MONO_S).ns);
	ck_assert_int_eq(next(2000), HANDOVER_DO_FAIL);
	setup();
	facts.lag_ns = HANDOVER_LAG_MAX_NS + 1;
	ck_assert_int_eq(next(2000), HANDOVER_DO_FAIL);
	setup();
	facts.lag_ns = HANDOVER_LAG_MAX_NS;
	ck_assert_int_eq(next(1999), HANDOVER_WAIT);
	ck_assert_int_eq(next(2000), HANDOVER_DO_FENCE);
	setup();
	facts.peer_in_sync = false;
	ck_assert_int_eq(next(0), HANDOVER_DO_FAIL);
	setup();
	facts.peer_live = false;
	ck_assert_int_eq(next(0), HANDOVER_DO_FAIL);
}
END_TEST

START_TEST(fenced_for_50_ms_at_most)
{
	fenced_at(0);
	ck_assert_int_eq(next(49), HANDOVER_WAIT);
	ck_assert_int_eq(next(50), HANDOVER_DO_BACK);
	setup();
	fenced_at(0);
	facts.peer_live = false;
	ck_assert_int_eq(next(1), HANDOVER_DO_BACK);
	setup();
	fenced_at(0);
	facts.events_drained = facts.acked = true;
	facts.peer_in_sync = false;
	ck_assert_int_eq(next(1), HANDOVER_DO_BACK);
	ck_assert_str_eq(h.why, "the peer lost its synchronisation");
}
END_TEST

/* Nothing else may happen any more: each state has its own end. */
START_TEST(each_wait_has_a_deadline)
{
	ck_assert_int_eq(handover_deadline(&h).ns, mono_add(t0, 2 * MONO_S).ns);
	fenced_at(10);
	ck_assert_int_eq(handover_deadline(&h).ns,
			 mono_add(t0, 60 * MONO_MS).ns);
	facts.events_drained = facts.acked = true;
	ck_assert_int_eq(next(20), HANDOVER_DO_GO);
	ck_assert_int_eq(handover_deadline(&h).ns,
			 mono_add(t0, 3 * MONO_S + 20 * MONO_MS).ns);
}
END_TEST

/* The old master needs no bulk only from a peer that had everything. */
START_TEST(a_forced_one_is_complete_only_with_all)
{
	handover_start(&h, true, MONO_S, t0);
	fenced_at(0);
	facts.events_drained = facts.acked = true;
	ck_assert_int_eq(next(1), HANDOVER_DO_GO);
	ck_assert(h.complete);
	handover_start(&h, true, MONO_S, t0);
	facts.peer_in_sync = false;
	fenced_at(0);
	ck_assert_int_eq(next(1), HANDOVER_DO_GO);
	ck_assert(!h.complete);
	setup();
	handover_start(&h, true, MONO_S, t0);
	fenced_at(0);
	facts.events_drained = true;
	ck_assert_int_eq(next(50), HANDOVER_DO_GO);
	ck_assert(!h.complete);
}
END_TEST

START_TEST(nobody_takes_it)
{
	said_at(0);
	ck_assert_int_eq(next(2999), HANDOVER_WAIT);
	ck_assert_int_eq(next(3000), HANDOVER_DO_BACK);
	setup();
	said_at(0);
	facts.peer_refused = true;
	ck_assert_int_eq(next(1), HANDOVER_DO_BACK);
}
END_TEST

/* The peer's advert can still say that it took over. */
START_TEST(a_link_lost_at_the_end_is_waited_for)
{
	said_at(0);
	facts.peer_live = false;
	ck_assert_int_eq(next(10), HANDOVER_WAIT);
	facts.peer_master = true;
	ck_assert_int_eq(next(20), HANDOVER_DO_END);
}
END_TEST

/* Whoever forces it loses state rather than staying. */
START_TEST(forced_goes_on)
{
	handover_start(&h, true, MONO_S, t0);
	facts.peer_in_sync = false;
	facts.backlog = 1 << 20;
	ck_assert_int_eq(next(0), HANDOVER_WAIT);
	ck_assert_int_eq(next(2000), HANDOVER_DO_FENCE);
	ck_assert_int_eq(next(2049), HANDOVER_WAIT);
	ck_assert_int_eq(next(2050), HANDOVER_DO_GO);
}
END_TEST

/* Nor is a link needed, where nobody waits for what goes over it. */
START_TEST(forced_without_a_link)
{
	handover_start(&h, true, MONO_S, t0);
	facts.peer_live = facts.peer_in_sync = false;
	fenced_at(0);
	ck_assert_int_eq(next(1), HANDOVER_DO_GO);
	facts.peer_master = true;
	ck_assert_int_eq(next(2), HANDOVER_DO_END);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("handover");
	TCase *t = tcase_create("handover");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, all_goes_well);
	tcase_add_test(t, an_early_acknowledgement_is_not_enough);
	tcase_add_test(t, before_the_fence_nothing_is_lost_by_giving_up);
	tcase_add_test(t, fenced_for_50_ms_at_most);
	tcase_add_test(t, each_wait_has_a_deadline);
	tcase_add_test(t, a_forced_one_is_complete_only_with_all);
	tcase_add_test(t, nobody_takes_it);
	tcase_add_test(t, a_link_lost_at_the_end_is_waited_for);
	tcase_add_test(t, forced_goes_on);
	tcase_add_test(t, forced_without_a_link);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
