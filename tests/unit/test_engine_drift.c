// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * core/engine: what becomes history of the differences between two nodes, and
 * what follows of them. How facts are compared is in test_drift.c.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "engine_int.h"

static struct engine *e;
static mono_t now;

static void setup(void)
{
	static const uint32_t address = 0x0a010001;
	const char *peers[1] = { "fw1" }, *why;
	const struct engine_vhost_conf vhost = {
		.name = "lan",
		.carp = { .vhid = 1,
			  .advbase = 1,
			  .pass = "secret",
			  .v4 = &address,
			  .v4_count = 1 },
	};
	const struct engine_conf conf = {
		.node = "fw2",
		.version = "1",
		.boot_id = 1,
		.nvhosts = 1,
		.npeers = 1,
		.vhosts = &vhost,
		.peers = peers,
	};

	now = (mono_t){ MONO_S };
	e = calloc(1, sizeof(*e));
	ck_assert_int_eq(engine_init(e, &conf, &why, now), 0);
	e->peers[0].up = e->peers[0].live = true;
}

static void teardown(void)
{
	engine_free(e);
	free(e);
}

static const struct fact head_files = { DRIFT_FILES, "", "all", "" },
			 head_sysctls = { DRIFT_SYSCTLS, "", "all", "" },
			 a1 = { DRIFT_FILES, "/a", "1", "" },
			 a2 = { DRIFT_FILES, "/a", "2", "" },
			 a3 = { DRIFT_FILES, "/a", "3", "" },
			 b1 = { DRIFT_FILES, "/b", "1", "" },
			 s1 = { DRIFT_SYSCTLS, "x.y", "1", "" },
			 s2 = { DRIFT_SYSCTLS, "x.y", "2", "" },
			 lost = { DRIFT_FILES, "", "", "no right" };

#define LIST(...)                                                     \
	((const struct fact *const[]){ __VA_ARGS__, NULL }),          \
		sizeof((const struct fact *const[]){ __VA_ARGS__ }) / \
			sizeof(struct fact *)

static void drain(void)
{
	struct engine_action a;

	while (engine_poll(e, &a, now))
		;
}

static void ours(const struct fact *const *list, size_t n)
{
	struct fact *copy = calloc(n, sizeof(*copy));

	for (size_t i = 0; i < n; i++)
		copy[i] = *list[i];
	now = mono_add(now, MONO_S);
	engine_drift_facts(e, copy, n, now);
	drain();
}

static void theirs(const struct fact *const *list, size_t n)
{
	struct session_event ev = { .type = SESSION_FACTS };
	struct fact copy[8];

	for (size_t i = 0; i < n; i++)
		copy[i] = *list[i];
	ev.facts.list = copy;
	ev.facts.n = n;
	ev.facts.first = ev.facts.last = true;
	now = mono_add(now, MONO_S);
	engine_drift_heard(e, 0, &ev, now);
	drain();
}

static uint64_t notes(void)
{
	return e->history.count;
}

static const char *last(void)
{
	const struct history_entry *h = history_get(&e->history, 0);

	ck_assert_ptr_nonnull(h);
	ck_assert(history_is_note(h));
	ck_assert_str_eq(h->vhost, "fw1");
	ck_assert_int_eq(h->at.ns, now.ns);
	return h->cause;
}

START_TEST(a_difference_is_noted_when_it_begins_and_ends)
{
	ours(LIST(&head_files, &a1));
	theirs(LIST(&head_files, &a1));
	ck_assert_uint_eq(notes(), 0);
	theirs(LIST(&head_files, &a2));
	ck_assert_str_eq(last(), "drift begins: files /a");
	/* it differs still, each time that somebody looks */
	theirs(LIST(&head_files, &a2));
	theirs(LIST(&head_files, &a3));
	ours(LIST(&head_files, &a1));
	ck_assert_uint_eq(notes(), 1);
	ours(LIST(&head_files, &a3));
	ck_assert_str_eq(last(), "drift is over");
	ck_assert_uint_eq(notes(), 2);
}
END_TEST

START_TEST(another_one_of_the_same_kind_is_noted)
{
	ours(LIST(&head_files, &head_sysctls, &a1, &b1, &s1));
	theirs(LIST(&head_files, &head_sysctls, &a2, &b1, &s1));
	ck_assert_str_eq(last(), "drift begins: files /a");
	theirs(LIST(&head_files, &head_sysctls, &a2, &s2));
	ck_assert_str_eq(last(),
			 "drift is now: sysctls x.y, files /a and 1 more");
	theirs(LIST(&head_files, &head_sysctls, &a1, &s2));
	ck_assert_str_eq(last(), "drift is now: sysctls x.y, files /b");
	ck_assert_uint_eq(notes(), 3);
}
END_TEST

/* Who does not know does not say that they are alike. */
START_TEST(what_is_not_known_is_not_over)
{
	ours(LIST(&head_files, &a1));
	theirs(LIST(&head_files, &a2));
	ours(LIST(&lost));
	ck_assert_str_eq(last(),
			 "drift is over, but not all could be compared");
}
END_TEST

/* The link's end is noted as such, and its return tells nothing new. */
START_TEST(a_link_that_comes_back_tells_nothing_new)
{
	ours(LIST(&head_files, &a1));
	theirs(LIST(&head_files, &a2));
	engine_drift_peer_down(e, 0);
	engine_drift_peer_live(e, 0);
	theirs(LIST(&head_files, &a2));
	ck_assert_uint_eq(notes(), 1);
}
END_TEST

static unsigned differences;

static void count(void *arg, const struct drift_difference *d)
{
	(void)arg;
	(void)d;
	differences++;
}

static unsigned seen(void)
{
	differences = 0;
	engine_drift_each(e, 0, count, NULL);
	return differences;
}

/* Of a kind, a name, or all names that begin so. */
START_TEST(what_is_ignored_is_not_told)
{
	static const char *const other[] = { "files /b", "sysctls /a", "filesx",
					     "files" },
				 *const exact[] = { "files /b", "files /a" },
				 *const begins[] = { "files /*" };
	enum drift_effect effects[DRIFT_KINDS] = { 0 };
	char words[SESSION_REASON_MAX];

	ours(LIST(&head_files, &a1));
	theirs(LIST(&head_files, &a2));
	ck_assert_uint_eq(seen(), 1);
	engine_drift_words(e, 0, false, words, sizeof(words));
	ck_assert_str_eq(words, "files");
	engine_drift_words(e, 0, true, words, sizeof(words));
	ck_assert_str_eq(words, ""); /* it warns only */
	effects[DRIFT_FILES] = DRIFT_BLOCK;
	engine_drift_effects(e, effects, other, 4, now);
	ck_assert_uint_eq(seen(), 1);
	engine_drift_words(e, 0, true, words, sizeof(words));
	ck_assert_str_eq(words, "files");
	engine_drift_effects(e, effects, exact, 2, now);
	ck_assert_uint_eq(seen(), 0);
	engine_drift_words(e, 0, false, words, sizeof(words));
	ck_assert_str_eq(words, "");
	engine_drift_effects(e, effects, begins, 1, now);
	ck_assert_uint_eq(seen(), 0);
	effects[DRIFT_FILES] = DRIFT_IGNORE;
	engine_drift_effects(e, effects, NULL, 0, now);
	ck_assert_uint_eq(seen(), 0);
	effects[DRIFT_FILES] = DRIFT_WARN;
	engine_drift_effects(e, effects, NULL, 0, now);
	ck_assert_uint_eq(seen(), 1);
	e->peers[0].live = false; /* what it is now nobody knows */
	ck_assert_uint_eq(seen(), 0);
}
END_TEST

/* The same place in the network, which the peer calls otherwise. */
START_TEST(interfaces_have_names_of_their_own)
{
	static const struct fact head = { DRIFT_INTERFACES, "", "all", "" },
				 eth0 = { DRIFT_INTERFACES, "lan", "eth0", "" },
				 ens3 = { DRIFT_INTERFACES, "lan", "ens3", "" };
	static const struct drift_alias aliases[] = { { "eth1", "ens4" },
						      { "eth0", "ens3" } };
	struct drift_names names = { .interfaces = aliases, .n = 2 };

	ours(LIST(&head, &eth0));
	theirs(LIST(&head, &ens3));
	ck_assert_uint_eq(seen(), 1);
	engine_drift_names(e, 0, &names, now);
	ck_assert_uint_eq(seen(), 0);
	names.n = 1;
	engine_drift_names(e, 0, &names, now);
	ck_assert_uint_eq(seen(), 1);
	names.n = 0;
	engine_drift_names(e, 0, &names, now);
	ck_assert_uint_eq(seen(), 1);
}
END_TEST

/* Several frames: they count when the last is there, and a new link begins
 * anew. */
START_TEST(facts_count_when_all_are_there)
{
	struct session_event ev = { .type = SESSION_FACTS };
	struct fact one[2] = { head_files, a2 };

	ours(LIST(&head_files, &a1));
	ev.facts.list = &one[0];
	ev.facts.n = 1;
	ev.facts.first = true;
	engine_drift_heard(e, 0, &ev, now);
	ck_assert(!engine_drift_known(e, 0));
	engine_drift_peer_down(e, 0);
	engine_drift_heard(e, 0, &ev, now);
	ev.facts.first = false;
	ev.facts.last = true;
	ev.facts.list = &one[1];
	engine_drift_heard(e, 0, &ev, now);
	ck_assert(engine_drift_known(e, 0));
	ck_assert_uint_eq(seen(), 1);
}
END_TEST

/* To who can hear it, once for each link. */
START_TEST(facts_are_told_once)
{
	ours(LIST(&head_files, &a1));
	ck_assert(e->drift.peers[0].say);
	engine_drift_say(e, 0);
	ck_assert(e->drift.peers[0].say);
	e->peers[0].hello.capabilities = SESSION_CAN_FACTS;
	engine_drift_say(e, 0);
	ck_assert(!e->drift.peers[0].say);
	engine_drift_peer_live(e, 0);
	ck_assert(e->drift.peers[0].say);
}
END_TEST

static uint32_t follows(enum drift_effect effect)
{
	e->drift.effects[DRIFT_FILES] = effect;
	engine_drift_settle(e);
	return engine_drift_holds(e) | (uint32_t)e->demotion.by[DEMOTION_DRIFT]
					       << 8;
}

/* Rules 1: what follows is for a standby that differs from the master. */
START_TEST(only_a_standby_is_held_or_demoted)
{
	struct session_word *w = &e->peers[0].word;

	ours(LIST(&head_files, &a1));
	theirs(LIST(&head_files, &a2));
	e->peers[0].heard = true;
	w->nvhosts = 1;
	w->vhosts[0].state = CARP_BACKUP;
	ck_assert_uint_eq(follows(DRIFT_BLOCK), 0);
	w->vhosts[0].state = CARP_MASTER;
	ck_assert_uint_eq(follows(DRIFT_BLOCK), HOLD_DRIFT);
	ck_assert_uint_eq(follows(DRIFT_DEMOTE), 1 << 8);
	ck_assert_uint_eq(follows(DRIFT_WARN), 0);
	e->masters = 1;
	ck_assert_uint_eq(follows(DRIFT_BLOCK), 0);
	ck_assert_uint_eq(follows(DRIFT_DEMOTE), 0);
	e->masters = 0;
	e->peers[0].live = false;
	ck_assert_uint_eq(follows(DRIFT_BLOCK), 0);
	e->peers[0].live = true;
	theirs(LIST(&head_files, &a1));
	ck_assert_uint_eq(follows(DRIFT_BLOCK), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("engine_drift");
	TCase *t = tcase_create("history");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_difference_is_noted_when_it_begins_and_ends);
	tcase_add_test(t, another_one_of_the_same_kind_is_noted);
	tcase_add_test(t, what_is_not_known_is_not_over);
	tcase_add_test(t, a_link_that_comes_back_tells_nothing_new);
	tcase_add_test(t, only_a_standby_is_held_or_demoted);
	tcase_add_test(t, what_is_ignored_is_not_told);
	tcase_add_test(t, interfaces_have_names_of_their_own);
	tcase_add_test(t, facts_count_when_all_are_there);
	tcase_add_test(t, facts_are_told_once);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
