// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * core/engine: nftables sets on a standby and on a master, with the kernel's
 * and the peer's answers by hand: above all those that nobody wants.
 */
#include <check.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>

#include "engine_sets_int.h"

#define NAME "inet filter blocked"

static struct engine *e;
static mono_t now;
static char logged[8192]; /* since it was emptied */

static const struct set_kind kind = { .present = true,
				      .key_type = 7,
				      .key_len = 4,
				      .flags = NFT_SET_TIMEOUT,
				      .handle = 1 };

static void drain(void)
{
	struct engine_action a;

	while (engine_poll(e, &a, now))
		if (a.what == ENGINE_LOG)
			strncat(logged, a.log.text,
				sizeof(logged) - strlen(logged) - 1);
}

static bool said(const char *words)
{
	bool there;

	drain();
	there = strstr(logged, words);
	logged[0] = '\0';
	return there;
}

static struct engine_set *set(void)
{
	return &e->sets->set[0];
}

static void setup(void)
{
	static const uint32_t address = 0x0a010001;
	static const char *const sets[] = { NAME };
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
		.nsets = 1,
		.sets = sets,
		.sets_period_ns = 10 * MONO_S,
	};

	now = (mono_t){ 5 * MONO_S };
	e = calloc(1, sizeof(*e));
	ck_assert_int_eq(engine_init(e, &conf, &why, now), 0);
	logged[0] = '\0';
}

static void teardown(void)
{
	engine_free(e);
	free(e);
}

static enum sets_work piece(void)
{
	drain();
	engine_sets_work(e, now);
	return engine_sets_piece(e);
}

static struct set_elem elem(uint32_t key)
{
	struct set_elem el = { .key_len = 4 };

	memcpy(el.key, &key, sizeof(key));
	return el;
}

/* The set is there, and has these elements. */
static void is_read(const struct set_elem *list, size_t n)
{
	ck_assert_int_eq(piece(), SETS_KIND);
	engine_set_is(e, 0, &kind, 0, now);
	ck_assert_int_eq(piece(), SETS_START);
	engine_set_looking(e, 0, now);
	ck_assert_int_eq(piece(), SETS_READ);
	engine_set_looked(e, list, n, 0, false, 0, now);
	ck_assert(set()->read);
}

/* The peer is master, and has the same set. */
static void peer_is(const struct set_kind *k)
{
	static struct set_word word = { .name = NAME };
	struct engine_peer *p = &e->peers[0];
	struct session_event ev = { .type = SESSION_SETS };

	p->up = p->live = p->heard = true;
	p->word.tx_epoch = p->rx.epoch = 7;
	p->hello.capabilities = SESSION_CAN_SETS;
	word.kind = *k;
	ev.sets.list = &word;
	ev.sets.n = 1;
	engine_sets_words(e, 0, &ev);
}

static void tells(enum set_part part, const struct set_elem *list, size_t n)
{
	static struct set_elements m = { .name = NAME };
	struct session_event ev = { .type = SESSION_SET_ELEMENTS };

	m.part = part;
	m.want = set()->want;
	m.n = n;
	for (size_t i = 0; i < n; i++)
		m.list[i] = list[i];
	ev.elements.seq = 1;
	ev.elements.m = &m;
	engine_sets_heard(e, 0, &ev, now);
}

static void applied(enum set_result r)
{
	uint8_t results[SET_FRAME_MAX];

	ck_assert_int_eq(piece(), SETS_APPLY);
	memset(results, r, sizeof(results));
	engine_set_applied(e, results, now);
}

static void standby(void)
{
	is_read(NULL, 0);
	peer_is(&kind);
}

/* --- what the kernel says ------------------------------------------------------ */

START_TEST(a_set_that_is_missing)
{
	const struct set_kind none = { 0 };

	ck_assert_int_eq(piece(), SETS_KIND);
	engine_set_is(e, 0, &none, 0, now);
	ck_assert(said("no such set here"));
	ck_assert_int_eq(piece(), SETS_NOTHING);
	engine_set_renewed(e, 0);
	ck_assert_int_eq(piece(), SETS_KIND);
	engine_set_is(e, 0, &none, 0, now);
	ck_assert(!said("no such set here")); /* once is enough */
	engine_set_renewed(e, 0);
	is_read(NULL, 0);
	ck_assert(said("is there"));
}
END_TEST

START_TEST(a_set_that_cannot_be_told)
{
	struct set_kind constant = kind;

	constant.flags |= NFT_SET_CONSTANT;
	ck_assert_int_eq(piece(), SETS_KIND);
	engine_set_is(e, 0, &constant, 0, now);
	ck_assert(said("it is constant"));
	ck_assert_int_eq(piece(), SETS_NOTHING);
	/* nor does it take anything */
	peer_is(&constant);
	tells(SET_PART_STREAM, &(struct set_elem){ .key_len = 4 }, 1);
	ck_assert_uint_eq(set()->results[SET_MISSING], 1);
	ck_assert(e->peers[0].say_ack);
}
END_TEST

START_TEST(a_kernel_that_does_not_answer)
{
	ck_assert_int_eq(piece(), SETS_KIND);
	engine_set_is(e, 0, &kind, -EPERM, now);
	ck_assert_int_eq(piece(), SETS_NOTHING);
	now = set()->due;
	ck_assert_int_eq(piece(), SETS_KIND);
	engine_set_is(e, 0, &kind, 0, now);
	ck_assert_int_eq(piece(), SETS_START);
	engine_set_looking(e, -ENOBUFS, now);
	ck_assert_int_eq(set()->error, -ENOBUFS);
	now = set()->due;
	ck_assert_int_eq(piece(), SETS_KIND);
	is_read(NULL, 0);
}
END_TEST

/* A look that breaks off: told, tried again; one that went is asked for. */
START_TEST(a_look_that_breaks_off)
{
	ck_assert_int_eq(piece(), SETS_KIND);
	engine_set_is(e, 0, &kind, 0, now);
	ck_assert_int_eq(piece(), SETS_START);
	engine_set_looking(e, 0, now);
	engine_set_looked(e, NULL, 0, 0, true, -EIO, now);
	ck_assert(said("cannot be read: error 5"));
	ck_assert(!set()->read);
	now = set()->due;
	ck_assert_int_eq(piece(), SETS_KIND);
	engine_set_is(e, 0, &kind, 0, now);
	ck_assert_int_eq(piece(), SETS_START);
	engine_set_looking(e, 0, now);
	engine_set_looked(e, NULL, 0, 0, true, -ENOENT, now);
	ck_assert(!said("cannot be read"));
	ck_assert(set()->renew);
	ck_assert_int_eq(set()->error, 0);
	/* made anew in the middle of it */
	is_read(NULL, 0);
	engine_set_stirred(e, 0, now);
	now = set()->due;
	ck_assert_int_eq(piece(), SETS_START);
	engine_set_looking(e, 0, now);
	engine_set_renewed(e, 0);
	ck_assert_int_eq(piece(), SETS_ABORT);
	engine_set_looked(e, NULL, 0, 0, false, -ECANCELED, now);
	ck_assert_int_eq(piece(), SETS_KIND);
}
END_TEST

START_TEST(lost_news_are_a_new_look)
{
	is_read(NULL, 0);
	ck_assert_int_eq(piece(), SETS_NOTHING);
	engine_sets_overrun(e, now);
	ck_assert_int_eq(piece(), SETS_KIND);
}
END_TEST

/* A peer that is told all of a set hears also what the look at it finds gone:
 * it may have been told of that element since the look began. */
START_TEST(who_is_told_all_is_told_what_is_gone)
{
	const struct set_elem list[] = { elem(1), elem(2) };

	is_read(list, 2);
	peer_is(&kind);
	e->sets->peers[0].of[0].want = 1;
	drain();
	e->masters = 1;
	for (int looks = 0; looks < 2; looks++) {
		engine_set_looking(e, 0, now);
		engine_set_looked(e, list, 1, 0, false, 0, now);
	}
	ck_assert_uint_eq(e->sets->peers[0].of[0].served, 1);
	ck_assert_uint_eq(set()->sent, 2);
}
END_TEST

/* --- what a peer tells ------------------------------------------------------------- */

START_TEST(what_is_told_is_applied)
{
	struct set_elem el = elem(1), gone = elem(2);

	standby();
	tells(SET_PART_STREAM, &el, 1);
	ck_assert(engine_sets_busy(e));
	ck_assert(!e->peers[0].say_ack); /* not before the kernel has it */
	ck_assert_uint_eq(e->sets->nops, 1);
	ck_assert_int_eq(e->sets->ops[0].what, SET_ADD);
	applied(SET_APPLIED);
	ck_assert(e->peers[0].say_ack);
	ck_assert_uint_eq(set()->applied, 1);
	tells(SET_PART_STREAM, &el, 1); /* it is there */
	ck_assert(!engine_sets_busy(e));
	el.flags = SET_ELEM_DELETED;
	tells(SET_PART_STREAM, &el, 1);
	ck_assert_int_eq(e->sets->ops[0].what, SET_DELETE);
	applied(SET_APPLIED);
	ck_assert_uint_eq(set()->removed, 1);
	gone.flags = SET_ELEM_DELETED;
	tells(SET_PART_STREAM, &gone, 1); /* it never was */
	ck_assert(!engine_sets_busy(e));
}
END_TEST

START_TEST(what_cannot_be_applied)
{
	static const struct {
		enum set_result r;
		const char *words;
	} t[] = { { SET_FULL, "it is full" },
		  { SET_OVERLAP, "an interval overlaps" },
		  { SET_CHAIN, "a chain that its elements name" },
		  { SET_INVALID, "declared in the same way" },
		  { SET_FAILED, "short of memory" },
		  { SET_MISSING, "not here any more" } };
	struct set_elem el = elem(1);

	standby();
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		logged[0] = '\0';
		tells(SET_PART_STREAM, &el, 1);
		applied(t[i].r);
		ck_assert_msg(said(t[i].words), "%s", t[i].words);
		ck_assert_uint_eq(set()->results[t[i].r], 1);
	}
	/* the last one says that the set itself is gone */
	ck_assert_int_eq(piece(), SETS_KIND);
	engine_set_is(e, 0, &kind, 0, now);
	/* what was refused is no part of it, and may come again */
	tells(SET_PART_STREAM, &el, 1);
	applied(SET_FULL);
	ck_assert(!said("it is full")); /* once is enough */
	ck_assert_uint_eq(set()->results[SET_FULL], 2);
}
END_TEST

/* What overlaps may fit once something went: then all is asked for. */
START_TEST(room_for_what_overlapped)
{
	struct set_elem a = elem(1), b = elem(2);

	standby();
	tells(SET_PART_STREAM, &a, 1);
	applied(SET_APPLIED);
	tells(SET_PART_STREAM, &b, 1);
	applied(SET_OVERLAP);
	ck_assert(set()->crossed);
	ck_assert(mono_is_never(set()->wish));
	a.flags = SET_ELEM_DELETED;
	tells(SET_PART_STREAM, &a, 1);
	applied(SET_APPLIED);
	ck_assert(!set()->crossed);
	ck_assert(!mono_is_never(set()->wish));
}
END_TEST

START_TEST(what_does_not_fit_is_not_taken)
{
	struct set_elem el = elem(1), wrong = elem(1);
	struct set_kind other = kind;
	struct session_event ev = { .type = SESSION_SETS };

	is_read(NULL, 0);
	other.key_type = 8;
	peer_is(&other);
	ck_assert(said("the type of its keys differs"));
	tells(SET_PART_STREAM, &el, 1);
	ck_assert_uint_eq(set()->results[SET_UNFIT], 1);
	other = (struct set_kind){ 0 };
	peer_is(&kind);
	peer_is(&other);
	ck_assert(said("it has no such set"));
	peer_is(&kind);
	engine_sets_words(e, 0, &ev);
	ck_assert(said("it does not name the set"));
	peer_is(&kind);
	wrong.key_len = 3;
	tells(SET_PART_STREAM, &wrong, 1);
	ck_assert_uint_eq(set()->results[SET_INVALID], 1);
	/* it ran out on the way */
	el.timeout_ms = 1000;
	tells(SET_PART_STREAM, &el, 1);
	ck_assert(!engine_sets_busy(e));
}
END_TEST

/* Between two marks all of it: what was not among it goes. */
START_TEST(what_is_not_mentioned_goes)
{
	struct set_elem list[] = { elem(1), elem(2) };

	is_read(list, 2);
	peer_is(&kind);
	ck_assert_uint_ne(set()->want, 0);
	tells(SET_PART_BEGIN, NULL, 0);
	tells(SET_PART_STREAM, &list[0], 1);
	tells(SET_PART_END, NULL, 0);
	ck_assert(set()->sweep);
	ck_assert_int_eq(piece(), SETS_APPLY);
	ck_assert_uint_eq(e->sets->nops, 1);
	ck_assert_int_eq(e->sets->ops[0].what, SET_DELETE);
	ck_assert_mem_eq(e->sets->ops[0].elem.key, list[1].key, 4);
	applied(SET_APPLIED);
	ck_assert_int_eq(piece(), SETS_NOTHING);
	/* an end without its beginning is none */
	tells(SET_PART_END, NULL, 0);
	ck_assert(!set()->sweep);
}
END_TEST

/* --- as master ------------------------------------------------------------------------ */

static void master(void)
{
	static const int64_t us[3] = { 1, 1, 1 };

	engine_link(e, 0, true, now);
	carp_vhost_take(&e->vhosts[0].carp, CARP_CAUSE_MASTER_DOWN, now);
	drain();
	engine_taken(e, 0, us, now);
	drain();
}

/* Both have a right where both work: what is here longer stays so. */
START_TEST(ours_stays_where_it_lasts)
{
	struct set_elem mine = elem(1), theirs = elem(1);

	mine.timeout_ms = mine.expires_ms = 60000;
	theirs.timeout_ms = 60000;
	theirs.expires_ms = 30000;
	is_read(&mine, 1);
	master();
	peer_is(&kind);
	tells(SET_PART_STREAM, &theirs, 1);
	ck_assert(!engine_sets_busy(e));
}
END_TEST

START_TEST(other_names_after_a_reload)
{
	static const char *const names[] = { "ip a b", "ip a c" };
	struct set_elem el = elem(1);

	standby();
	tells(SET_PART_STREAM, &el, 1);
	/* what waited is answered: nobody waits for it for ever */
	ck_assert_int_eq(engine_sets_name(e, names, 2, MONO_S, now), 0);
	ck_assert(e->peers[0].say_ack);
	ck_assert(!engine_sets_busy(e));
	ck_assert_uint_eq(e->sets->n, 2);
	ck_assert_int_eq(piece(), SETS_KIND);
	ck_assert_int_eq(engine_sets_name(e, NULL, 0, 0, now), 0);
	ck_assert_ptr_null(e->sets);
	engine_sets_overrun(e, now);
	ck_assert(!engine_sets_work(e, now));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("engine_sets");
	TCase *t = tcase_create("sets");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_set_that_is_missing);
	tcase_add_test(t, a_set_that_cannot_be_told);
	tcase_add_test(t, a_kernel_that_does_not_answer);
	tcase_add_test(t, a_look_that_breaks_off);
	tcase_add_test(t, lost_news_are_a_new_look);
	tcase_add_test(t, who_is_told_all_is_told_what_is_gone);
	tcase_add_test(t, what_is_told_is_applied);
	tcase_add_test(t, what_cannot_be_applied);
	tcase_add_test(t, room_for_what_overlapped);
	tcase_add_test(t, what_does_not_fit_is_not_taken);
	tcase_add_test(t, what_is_not_mentioned_goes);
	tcase_add_test(t, ours_stays_where_it_lasts);
	tcase_add_test(t, other_names_after_a_reload);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
