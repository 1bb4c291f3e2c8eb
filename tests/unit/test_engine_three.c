// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * core/engine: what one node of three decides from what the other two say:
 * whether it holds, who goes before it, to whom it hands over, and whether its
 * own table is known elsewhere.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine_int.h"

#define FW1 0 /* the peers of fw2 */
#define FW3 1

static struct engine *e;
static const mono_t now = { 5 * MONO_S };

static void setup(void)
{
	static const uint32_t address = 0x0a010001;
	const char *peers[2] = { "fw1", "fw3" }, *why;
	const struct engine_vhost_conf vhost = {
		.name = "lan",
		.carp = { .vhid = 1,
			  .advbase = 1,
			  .advskew = 50,
			  .pass = "secret",
			  .v4 = &address,
			  .v4_count = 1 },
	};
	const struct engine_conf conf = {
		.node = "fw2",
		.version = "1",
		.boot_id = 1,
		.nvhosts = 1,
		.npeers = 2,
		.vhosts = &vhost,
		.peers = peers,
	};

	e = calloc(1, sizeof(*e));
	ck_assert_int_eq(engine_init(e, &conf, &why, (mono_t){ MONO_S }), 0);
	e->vhosts[0].carp.state = CARP_BACKUP;
}

static void teardown(void)
{
	engine_free(e);
	free(e);
}

/* A peer is on the link and says this of itself; nothing is told by a BACKUP. */
static void says(unsigned peer, enum carp_state state, unsigned advskew)
{
	struct engine_peer *p = &e->peers[peer];

	p->up = p->live = p->heard = true;
	p->word = (struct session_word){ .ready = true, .nvhosts = 1 };
	p->word.tx_epoch = state == CARP_MASTER ? 7 : 0;
	p->rx.epoch = p->word.tx_epoch;
	p->word.vhosts[0] = (struct session_vhost){
		.name = "lan",
		.vhid = 1,
		.state = (uint8_t)state,
		.interval_us = 1000000 + advskew * 1000000 / 256,
	};
}

START_TEST(a_dead_peer_holds_only_whose_master_is_not_heard)
{
	ck_assert_uint_eq(engine_peer_holds(e), HOLD_LINK);
	says(FW1, CARP_MASTER, 0);
	ck_assert_uint_eq(engine_peer_holds(e), 0);
	/* the master is lost: who has heard the rest of it nobody knows */
	e->peers[FW1].live = false;
	says(FW3, CARP_BACKUP, 100);
	ck_assert_uint_eq(engine_peer_holds(e), HOLD_LINK);
	/* there is a new one, which we lack a bulk of */
	says(FW3, CARP_MASTER, 100);
	e->peers[FW3].rx.epoch = 0;
	ck_assert_uint_eq(engine_peer_holds(e), HOLD_BULK);
	e->peers[FW3].rx.epoch = 7;
	ck_assert_uint_eq(engine_peer_holds(e), 0);
}
END_TEST

START_TEST(one_heir_of_a_bow_out)
{
	says(FW1, CARP_MASTER, 0);
	says(FW3, CARP_BACKUP, 100);
	ck_assert(!engine_is_second(e, 0, -1, now));
	says(FW3, CARP_BACKUP, 20);
	ck_assert(engine_is_second(e, 0, -1, now));
	/* but for the one that gives it up */
	ck_assert(!engine_is_second(e, 0, FW3, now));
	/* equal: the smaller name */
	says(FW3, CARP_BACKUP, 50);
	ck_assert(!engine_is_second(e, 0, -1, now));
	/* not for one that is more demoted, is not ready or is away */
	says(FW3, CARP_BACKUP, 20);
	e->peers[FW3].word.vhosts[0].demotion = 1;
	ck_assert(!engine_is_second(e, 0, -1, now));
	says(FW3, CARP_BACKUP, 20);
	e->peers[FW3].word.ready = false;
	ck_assert(!engine_is_second(e, 0, -1, now));
	says(FW3, CARP_BACKUP, 20);
	e->peers[FW3].live = false;
	ck_assert(!engine_is_second(e, 0, -1, now));
	/* we hold, and it does not */
	says(FW3, CARP_BACKUP, 100);
	e->gate.holds = HOLD_LINK;
	ck_assert(engine_is_second(e, 0, -1, now));
	/* it is handed over to another one, for a moment */
	e->gate.holds = 0;
	ck_assert(!engine_is_second(e, 0, -1, now));
	e->elsewhere = 1;
	e->elsewhere_until = mono_add(now, MONO_S);
	ck_assert(engine_is_second(e, 0, -1, now));
	ck_assert(!engine_is_second(e, 0, -1, mono_add(now, MONO_S)));
}
END_TEST

/* The master is lost to both, to one of them long before. */
START_TEST(the_better_copy_goes_first)
{
	const mono_t later = mono_add(now, 60 * MONO_S);

	says(FW3, CARP_BACKUP, 100);
	e->peers[FW3].word.ready = false;
	e->peers[FW3].word.holds = HOLD_LINK;
	e->gate.holds = HOLD_LINK;
	ck_assert_uint_eq(engine_stale_ms(e, later), UINT32_MAX);
	e->whole = true;
	e->whole_at = now;
	ck_assert_uint_eq(engine_stale_ms(e, later), 60000);
	e->peers[FW3].word.stale_ms = 2000;
	ck_assert(engine_is_behind(e, 0, later));
	ck_assert(engine_is_second(e, 0, -1, later));
	/* about the same time: the election decides */
	e->whole_at = mono_add(now, 56 * MONO_S);
	ck_assert(!engine_is_behind(e, 0, later));
	e->whole_at = now;
	e->peers[FW3].word.stale_ms = 58000;
	ck_assert(!engine_is_behind(e, 0, later));
	/* one that cannot be master is no better */
	e->peers[FW3].word.stale_ms = 0;
	e->peers[FW3].word.holds = 0;
	ck_assert(!engine_is_behind(e, 0, later));
	e->peers[FW3].word.ready = true;
	ck_assert(engine_is_behind(e, 0, later));
	e->gate.holds = 0;
	ck_assert(!engine_is_behind(e, 0, later));
}
END_TEST

/* We are master, and both have all of it. */
static void master(void)
{
	e->vhosts[0].carp.state = CARP_MASTER;
	e->masters = 1;
	for (unsigned i = 0; i < 2; i++) {
		e->peers[i].tx.state = TX_STREAM;
		e->peers[i].tx.epoch = 3;
		e->peers[i].word.rx_epoch = 3;
	}
}

static int heir(int wanted)
{
	char why[SESSION_REASON_MAX];
	int rc = engine_handover(e, wanted, false, 0, "", why, now);

	e->handover.state = HANDOVER_IDLE;
	return rc ? rc : (int)e->handover_peer;
}

START_TEST(a_handover_goes_to_the_best)
{
	says(FW1, CARP_BACKUP, 100);
	says(FW3, CARP_BACKUP, 20);
	master();
	ck_assert_int_eq(heir(-1), FW3);
	ck_assert_int_eq(heir(FW1), FW1);
	says(FW3, CARP_BACKUP, 100);
	master();
	ck_assert_int_eq(heir(-1), FW1);
	e->demotion.by[DEMOTION_OPERATOR] = 2;
	e->peers[FW1].word.demotion = 1;
	ck_assert_int_eq(heir(-1), FW3);
	e->peers[FW3].word.rx_epoch = 0; /* not in sync */
	ck_assert_int_eq(heir(-1), FW1);
	ck_assert_int_eq(heir(FW3), -EAGAIN);
	e->peers[FW1].word.ready = false;
	ck_assert_int_eq(heir(-1), -EAGAIN);
}
END_TEST

START_TEST(what_is_told_on_the_way_out)
{
	says(FW1, CARP_MASTER, 0);
	says(FW3, CARP_BACKUP, 100);
	master();
	/* fw3 lacks some, and who is master now has it */
	e->peers[FW3].word.rx_epoch = 0;
	engine_sync_telling_changed(e, false, now);
	ck_assert(!e->legacy);
	/* the other way round nobody will hear it from fw3 */
	says(FW1, CARP_MASTER, 0);
	master();
	e->peers[FW1].word.rx_epoch = 0;
	engine_sync_telling_changed(e, false, now);
	ck_assert(e->legacy);
	e->legacy = false;
	/* nobody is master yet */
	says(FW1, CARP_BACKUP, 0);
	master();
	engine_sync_telling_changed(e, false, now);
	ck_assert(!e->legacy);
	master();
	e->peers[FW1].word.rx_epoch = 0;
	engine_sync_telling_changed(e, false, now);
	ck_assert(e->legacy);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("engine_three");
	TCase *t = tcase_create("all");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_dead_peer_holds_only_whose_master_is_not_heard);
	tcase_add_test(t, one_heir_of_a_bow_out);
	tcase_add_test(t, the_better_copy_goes_first);
	tcase_add_test(t, a_handover_goes_to_the_best);
	tcase_add_test(t, what_is_told_on_the_way_out);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
