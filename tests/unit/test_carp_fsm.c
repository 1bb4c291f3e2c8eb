// SPDX-License-Identifier: GPL-3.0-or-later
/* The election as a table: each rule of OpenBSD's, and each of ours. */
#include "fsm.h"

#include <check.h>
#include <stdlib.h>

/* own: preempt, holding, ask first, second */
enum { P = 1, H = 2, A = 4, N = 8 };
enum { K = 1, ASKS = 2, WIN = 4 }; /* sender: known, asks, tie is ours */

static const struct row {
	const char *what;
	enum carp_state state;
	unsigned base, skew, demotion, flags;
	unsigned rx_base, rx_skew, rx_demote, sender;
	enum carp_step step;
	enum carp_cause cause;
} rows[] = {
#define INIT	 CARP_INIT
#define BACKUP	 CARP_BACKUP
#define MASTER	 CARP_MASTER
#define STAY	 CARP_STAY, CARP_CAUSE_NONE
#define REARM	 CARP_REARM, CARP_CAUSE_NONE
#define TAKE(c)	 CARP_TAKE, CARP_CAUSE_##c
#define YIELD(c) CARP_YIELD, CARP_CAUSE_##c
	/* clang-format off */
	{ "init ignores", INIT, 1, 0, 0, P, 255, 255, 255, 0, STAY },

	{ "better by skew", MASTER, 1, 100, 0, 0, 1, 99, 0, 0, YIELD(BETTER) },
	{ "better by base", MASTER, 2, 0, 0, 0, 1, 254, 0, 0, YIELD(BETTER) },
	{ "worse", MASTER, 1, 0, 0, 0, 1, 1, 0, 0, STAY },
	{ "better, more demoted", MASTER, 1, 9, 0, 0, 1, 0, 1, 0, STAY },
	{ "better, less demoted", MASTER, 1, 9, 2, 0, 1, 0, 1, 0,
	  YIELD(LESS_DEMOTED) },
	{ "worse, less demoted", MASTER, 1, 0, 1, 0, 1, 200, 0, 0,
	  YIELD(LESS_DEMOTED) },
	{ "equal, unknown", MASTER, 1, 5, 3, 0, 1, 5, 3, 0, YIELD(EQUAL) },
	{ "tie is nothing to unknown", MASTER, 1, 5, 3, 0, 1, 5, 3, WIN,
	  YIELD(EQUAL) },
	{ "equal, tie lost", MASTER, 1, 5, 3, 0, 1, 5, 3, K, YIELD(TIE) },
	{ "equal, tie won", MASTER, 1, 5, 3, 0, 1, 5, 3, K | WIN, STAY },
	{ "tie only if equal", MASTER, 1, 5, 0, 0, 1, 4, 0, K | WIN,
	  YIELD(BETTER) },
	{ "a master never holds", MASTER, 1, 0, 0, H, 1, 9, 0, 0, STAY },
	{ "master, bow-out, demoted", MASTER, 1, 0, 64, 0, 255, 255, 0, K,
	  STAY },

	{ "rearm", BACKUP, 1, 100, 0, 0, 1, 0, 0, 0, REARM },
	{ "rearm, better without preempt", BACKUP, 1, 0, 0, 0, 1, 100, 0, 0,
	  REARM },
	{ "preempt", BACKUP, 1, 0, 0, P, 1, 1, 0, 0, TAKE(PREEMPT) },
	{ "equal does not preempt", BACKUP, 1, 7, 0, P, 1, 7, 0, K | WIN,
	  REARM },
	{ "preempt, but demoted", BACKUP, 1, 0, 1, P, 1, 1, 0, 0, REARM },
	{ "preempt, both demoted", BACKUP, 1, 0, 1, P, 1, 1, 1, 0,
	  TAKE(PREEMPT) },
	{ "preempt by asking", BACKUP, 1, 0, 0, P | A, 1, 1, 0, K | ASKS,
	  CARP_ASK, CARP_CAUSE_PREEMPT },
	{ "cannot be asked", BACKUP, 1, 0, 0, P | A, 1, 1, 0, K,
	  TAKE(PREEMPT) },
	{ "unknown is not asked", BACKUP, 1, 0, 0, P | A, 1, 1, 0, ASKS,
	  TAKE(PREEMPT) },
	{ "demoted master", BACKUP, 1, 200, 0, 0, 1, 0, 1, 0, TAKE(DEMOTED) },
	{ "demoted master is not asked", BACKUP, 1, 0, 0, P | A, 1, 1, 1,
	  K | ASKS, TAKE(DEMOTED) },
	{ "less demoted master", BACKUP, 1, 0, 2, P, 1, 9, 1, 0, REARM },
	{ "slow master", BACKUP, 1, 10, 0, 0, 3, 11, 0, 0, TAKE(SLOW) },
	{ "just not slow", BACKUP, 1, 10, 0, 0, 3, 10, 0, 0, REARM },
	{ "slow, base 0", BACKUP, 0, 10, 0, 0, 3, 0, 0, 0, REARM },
	{ "slow, less demoted", BACKUP, 1, 10, 9, 0, 4, 0, 0, 0, TAKE(SLOW) },
	{ "bow-out", BACKUP, 1, 0, 0, 0, 255, 255, 0, 0, TAKE(BOW_OUT) },
	{ "bow-out, for another", BACKUP, 1, 0, 0, N, 255, 255, 0, K, REARM },
	{ "another, but demoted", BACKUP, 1, 0, 0, N, 1, 0, 1, K,
	  TAKE(DEMOTED) },
	{ "bow-out, base 0", BACKUP, 0, 9, 0, 0, 255, 255, 0, 0,
	  TAKE(BOW_OUT) },
	{ "nearly a bow-out, base 0", BACKUP, 0, 9, 0, 0, 255, 254, 0, 0,
	  REARM },
	{ "bow-out, we are demoted", BACKUP, 1, 0, 200, 0, 255, 255, 0, 0,
	  TAKE(BOW_OUT) },

	{ "hold: no preempt", BACKUP, 1, 0, 0, P | H, 1, 100, 0, K, REARM },
	{ "hold: no preempt, demoted", BACKUP, 1, 0, 0, P | H, 1, 100, 127, K,
	  REARM },
	{ "hold: not for 127", BACKUP, 1, 0, 0, H, 1, 0, 127, K, REARM },
	{ "hold: for 128", BACKUP, 1, 0, 0, H, 1, 0, 128, K, TAKE(DEMOTED) },
	{ "hold counts 32", BACKUP, 1, 0, 96, H, 1, 0, 128, K, REARM },
	{ "hold counts 32, not more", BACKUP, 1, 0, 96, H, 1, 0, 129, K,
	  TAKE(DEMOTED) },
	{ "no hold: for 1 more", BACKUP, 1, 0, 96, 0, 1, 0, 97, K,
	  TAKE(DEMOTED) },
	{ "hold: bow-out", BACKUP, 1, 0, 0, H, 255, 255, 0, K, TAKE(BOW_OUT) },
	{ "hold: slow master, known", BACKUP, 1, 0, 0, H, 3, 200, 0, K,
	  TAKE(SLOW) },
	{ "hold: skew 240 to unknown", BACKUP, 1, 0, 0, H, 3, 240, 0, 0,
	  REARM },
	{ "hold: beyond skew 240", BACKUP, 1, 0, 0, H, 3, 241, 0, 0,
	  TAKE(SLOW) },
	/* clang-format on */
};

START_TEST(test_election)
{
	const struct row *r = &rows[_i];
	struct carp_self self = {
		.state = r->state,
		.advbase = (uint8_t)r->base,
		.advskew = (uint8_t)r->skew,
		.demotion = (uint8_t)r->demotion,
		.preempt = r->flags & P,
		.holding = r->flags & H,
		.ask_first = r->flags & A,
		.second = r->flags & N,
	};
	struct carp_advert rx = {
		.advbase = (uint8_t)r->rx_base,
		.advskew = (uint8_t)r->rx_skew,
		.demote = (uint8_t)r->rx_demote,
	};
	struct carp_sender from = {
		.known = r->sender & K,
		.asks = r->sender & ASKS,
		.tie = r->sender & WIN ? CARP_TIE_WIN : CARP_TIE_LOSE,
	};
	struct carp_verdict v = carp_fsm_decide(&self, &rx, &from);

	ck_assert_msg(v.step == r->step && v.cause == r->cause,
		      "%s: step %d, cause %s", r->what, v.step,
		      carp_cause_name(v.cause));
}
END_TEST

/* Whatever two masters are: the pair never ends up with none, nor both. */
START_TEST(test_two_masters_one_yields)
{
	for (unsigned i = 0; i < 4 * 4 * 4 * 4; i++) {
		struct carp_self a = { .state = CARP_MASTER,
				       .advbase = 1,
				       .advskew = (uint8_t)(i & 3),
				       .demotion = (uint8_t)(i >> 2 & 3) };
		struct carp_self b = { .state = CARP_MASTER,
				       .advbase = 1,
				       .advskew = (uint8_t)(i >> 4 & 3),
				       .demotion = (uint8_t)(i >> 6 & 3) };
		struct carp_advert of_a = { .advbase = 1,
					    .advskew = a.advskew,
					    .demote = a.demotion };
		struct carp_advert of_b = { .advbase = 1,
					    .advskew = b.advskew,
					    .demote = b.demotion };
		struct carp_sender win = { .known = true, .tie = CARP_TIE_WIN };
		struct carp_sender lose = { .known = true,
					    .tie = CARP_TIE_LOSE };
		bool a_yields =
			carp_fsm_decide(&a, &of_b, &win).step == CARP_YIELD;
		bool b_yields =
			carp_fsm_decide(&b, &of_a, &lose).step == CARP_YIELD;

		ck_assert_msg(a_yields != b_yields, "case %u", i);
	}
}
END_TEST

START_TEST(test_names)
{
	ck_assert_str_eq(carp_state_name(CARP_INIT), "INIT");
	ck_assert_str_eq(carp_state_name(CARP_BACKUP), "BACKUP");
	ck_assert_str_eq(carp_state_name(CARP_MASTER), "MASTER");
	for (int c = CARP_CAUSE_NONE; c <= CARP_CAUSE_ELECTOR; c++)
		ck_assert_str_ne(carp_cause_name((enum carp_cause)c),
				 "unknown");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("carp_fsm");
	TCase *tc = tcase_create("carp_fsm");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_loop_test(tc, test_election, 0,
			    sizeof(rows) / sizeof(rows[0]));
	tcase_add_test(tc, test_two_masters_one_yields);
	tcase_add_test(tc, test_names);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
