/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * proto/set, proto/set_pb and core/set_memo: what an element is, how it
 * travels, and what is remembered of it.
 */
#include <check.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>

#include "set_memo.h"
#include "set_pb.h"

#define S  MONO_S
#define MS MONO_MS

static const uint8_t seed[DIGEST_KEY_LEN] = "0123456789abcde";
static const struct set_kind hash = {
	.present = true, .key_type = 7, .key_len = 4, .flags = NFT_SET_TIMEOUT
};
static const struct set_kind ranges = {
	.present = true, .key_type = 7, .key_len = 4, .flags = NFT_SET_INTERVAL
};
static mono_t now;
static struct set_memo memo;

static void setup(void)
{
	now = (mono_t){ 1000 * S };
	set_memo_init(&memo, seed, 4, false);
}

static void teardown(void)
{
	set_memo_clear(&memo);
}

static struct set_elem elem(uint32_t key, uint64_t timeout_ms)
{
	struct set_elem e = { .key_len = 4,
			      .timeout_ms = timeout_ms,
			      .expires_ms = timeout_ms };

	memcpy(e.key, &key, sizeof(key));
	return e;
}

/* --- elements ------------------------------------------------------------------ */

START_TEST(what_is_valid)
{
	struct set_elem e = elem(1, 5000);

	ck_assert(set_elem_valid(&e, &hash));
	ck_assert(!set_elem_valid(&e, &ranges)); /* no timeouts, no end */
	e.expires_ms = 5001;
	ck_assert(!set_elem_valid(&e, &hash));
	e = elem(1, 0);
	e.key_len = 3;
	ck_assert(!set_elem_valid(&e, &hash));
	e = elem(1, 0);
	e.data_len = 4;
	ck_assert(!set_elem_valid(&e, &hash)); /* no map */
	e = elem(1, 0);
	e.end_len = 4;
	ck_assert(set_elem_valid(&e, &ranges));
	ck_assert(!set_elem_valid(&e, &hash));
	e.end_len = 0;
	e.flags = SET_ELEM_OPEN;
	ck_assert(set_elem_valid(&e, &ranges));
	e = (struct set_elem){ .flags = SET_ELEM_CATCHALL };
	ck_assert(set_elem_valid(&e, &hash));
	e.key_len = 4;
	ck_assert(!set_elem_valid(&e, &hash));
}
END_TEST

START_TEST(expressions)
{
	static const uint8_t counter[] = {
		SET_EXPR_COUNTER, 2, 1, 2, 0, 7, 2, 1, 9
	};
	struct set_elem e = elem(1, 0), other;

	memcpy(e.expr, counter, sizeof(counter));
	e.expr_len = sizeof(counter);
	ck_assert(set_elem_valid(&e, &hash));
	other = e;
	other.expr[5] = 8; /* it counted on */
	ck_assert_uint_eq(set_elem_digest(&e, seed),
			  set_elem_digest(&other, seed));
	other.expr[0] = SET_EXPR_LIMIT; /* a limit does not */
	e.expr[0] = SET_EXPR_LIMIT;
	ck_assert_uint_ne(set_elem_digest(&e, seed),
			  set_elem_digest(&other, seed));
	for (uint8_t len = 1; len < sizeof(counter); len++) {
		e.expr_len = len;
		ck_assert(!set_elem_valid(&e, &hash));
	}
	e.expr_len = sizeof(counter);
	e.expr[0] = SET_EXPR_COUNT;
	ck_assert(!set_elem_valid(&e, &hash));
	ck_assert_uint_eq(set_expr_find("limit"), SET_EXPR_LIMIT);
	ck_assert_uint_eq(set_expr_find("log"), 0);
	for (int i = 1; i < SET_EXPR_COUNT; i++)
		ck_assert_int_eq(set_expr_find(set_expr_name(i)), i);
}
END_TEST

/* --- on the wire ------------------------------------------------------------------- */

static bool through(const struct set_elements *in, struct set_elements *out)
{
	struct arena *a = malloc(sizeof(*a));
	struct outbox o = { 0 };
	const uint8_t *bytes;
	struct frame f;
	size_t len;
	bool good;

	arena_init(a);
	ck_assert_int_eq(set_pb_put_elements(&o, in), 0);
	len = outbox_offer(&o, 1, &bytes);
	ck_assert_int_eq(frame_look(bytes, len, &f), FRAME_OK);
	ck_assert_int_eq(f.type, FRAME_SET_ELEMENTS);
	good = set_pb_get_elements(a, &f, out);
	outbox_clear(&o, 0);
	free(a);
	return good;
}

/* As many as there may be, each as long as it may be. */
START_TEST(the_longest_frame)
{
	struct set_elements *in = calloc(2, sizeof(*in)), *out = in + 1;

	strcpy(in->name, "inet filter blocklist");
	in->part = SET_PART_END;
	in->want = UINT64_MAX;
	in->n = SET_FRAME_MAX;
	for (size_t i = 0; i < in->n; i++) {
		struct set_elem *e = &in->list[i];

		memset(e->key, 0xff,
		       sizeof(*e) - offsetof(struct set_elem, key));
		e->timeout_ms = e->expires_ms = UINT64_MAX;
		e->key_len = e->end_len = SET_KEY_MAX;
		e->data_len = SET_DATA_MAX;
		e->userdata_len = SET_USERDATA_MAX;
		e->expr_len = SET_EXPR_MAX;
	}
	ck_assert(through(in, out));
	ck_assert_str_eq(out->name, in->name);
	ck_assert_int_eq(out->part, SET_PART_END);
	ck_assert_uint_eq(out->want, UINT64_MAX);
	ck_assert_uint_eq(out->n, SET_FRAME_MAX);
	ck_assert_mem_eq(out->list, in->list, sizeof(in->list));
	in->list[3].flags = SET_ELEM_DELETED; /* its key is enough */
	ck_assert(through(in, out));
	ck_assert_uint_eq(out->list[3].data_len, 0);
	ck_assert_uint_eq(out->list[3].key_len, SET_KEY_MAX);
	strcpy(in->name, "");
	ck_assert(!through(in, out));
	strcpy(in->name, "a\nb");
	ck_assert(!through(in, out));
	free(in);
}
END_TEST

START_TEST(words)
{
	static struct set_word in[SETS_MAX], out[SETS_MAX];
	struct arena *a = malloc(sizeof(*a));
	struct frame f;
	struct queue q;
	bool answer;
	size_t n;

	for (size_t i = 0; i < SETS_MAX; i++) {
		memset(in[i].name, 'x', SET_NAME_MAX - 1);
		in[i].kind = ranges;
		in[i].want = i + 1;
		in[i].elements = 131072;
	}
	arena_init(a);
	ck_assert_int_eq(queue_init(&q), 0);
	ck_assert_int_eq(set_pb_put_words(&q, in, SETS_MAX, true), 0);
	ck_assert_int_eq(frame_look(queue_data(&q), q.len, &f), FRAME_OK);
	ck_assert(set_pb_get_words(a, &f, out, &n, &answer));
	ck_assert_uint_eq(n, SETS_MAX);
	ck_assert(answer);
	ck_assert_mem_eq(in, out, sizeof(in));
	queue_free(&q);
	free(a);
}
END_TEST

/* --- memory ------------------------------------------------------------------------ */

static unsigned gone;

static void on_gone(void *arg, const struct set_elem *e)
{
	(void)arg;
	ck_assert(e->flags & SET_ELEM_DELETED);
	gone++;
}

static enum set_news look(uint32_t key, uint64_t timeout_ms,
			  uint64_t expires_ms)
{
	struct set_elem e = elem(key, timeout_ms);

	e.expires_ms = expires_ms;
	return set_memo_see(&memo, &e, SET_BY_LOOK, now);
}

START_TEST(what_is_new)
{
	struct set_elem e = elem(1, 0);

	ck_assert_int_eq(look(1, 0, 0), SET_NEW);
	ck_assert_int_eq(look(1, 0, 0), SET_SAME);
	e.userdata_len = 1;
	ck_assert_int_eq(set_memo_see(&memo, &e, SET_BY_LOOK, now),
			 SET_CHANGED);
	ck_assert_int_eq(look(2, 60000, 60000), SET_NEW);
	now = mono_add(now, 30 * S);
	ck_assert_int_eq(look(2, 60000, 30000), SET_SAME);   /* time goes by */
	ck_assert_int_eq(look(2, 60000, 20000), SET_LONGER); /* cut: at once */
	ck_assert_uint_eq(set_memo_count(&memo), 2);
}
END_TEST

/* Renewed by each packet: now and then; and exactly, once it rests. */
START_TEST(what_is_renewed)
{
	unsigned told = 0;

	ck_assert_int_eq(look(1, 600000, 600000), SET_NEW);
	for (int i = 0; i < 60; i++) {
		now = mono_add(now, 5 * S);
		told += look(1, 600000, 600000) != SET_SAME;
	}
	ck_assert_uint_eq(told, 3); /* 300 s, one for each 75 s and more */
	now = mono_add(now, 5 * S);
	ck_assert_int_eq(look(1, 600000, 595000), SET_LONGER);
	now = mono_add(now, 5 * S);
	ck_assert_int_eq(look(1, 600000, 590000), SET_SAME);
}
END_TEST

START_TEST(what_a_look_misses)
{
	ck_assert_int_eq(look(1, 0, 0), SET_NEW);
	ck_assert_int_eq(look(2, 0, 0), SET_NEW);
	ck_assert_int_eq(look(3, 5000, 5000), SET_NEW);
	gone = 0;
	set_memo_look(&memo);
	ck_assert_int_eq(look(1, 0, 0), SET_SAME);
	ck_assert_uint_eq(set_memo_looked(&memo, 2, now, on_gone, NULL), 2);
	ck_assert_uint_eq(gone, 0);
	set_memo_look(&memo);
	ck_assert_int_eq(look(1, 0, 0), SET_SAME);
	ck_assert_int_eq(look(2, 0, 0), SET_FOUND);
	now = mono_add(now, 4500 * MS); /* 3 has run out, or is about to */
	ck_assert_uint_eq(set_memo_looked(&memo, 2, now, on_gone, NULL), 0);
	ck_assert_uint_eq(gone, 0);
	set_memo_look(&memo);
	ck_assert_int_eq(look(1, 0, 0), SET_SAME);
	ck_assert_uint_eq(set_memo_looked(&memo, 1, now, on_gone, NULL), 0);
	ck_assert_uint_eq(gone, 1);
	now = mono_add(now, 1 * S);
	set_memo_look(&memo);
	ck_assert_int_eq(look(1, 0, 0), SET_SAME);
	(void)set_memo_looked(&memo, 1, now, on_gone, NULL);
	ck_assert_uint_eq(set_memo_count(&memo), 1);
}
END_TEST

/* The chunk was filled before the news: it brings nothing back. */
START_TEST(news_are_newer_than_a_look)
{
	struct set_elem one = elem(1, 0), two = elem(2, 60000);

	ck_assert_int_eq(look(1, 0, 0), SET_NEW);
	set_memo_look(&memo);
	ck_assert(set_memo_drop(&memo, &one));
	ck_assert(!set_memo_drop(&memo, &one));
	ck_assert_int_eq(set_memo_see(&memo, &two, SET_BY_PEER, now), SET_NEW);
	ck_assert_int_eq(look(1, 0, 0), SET_STALE);
	ck_assert_int_eq(look(2, 60000, 10000), SET_STALE);
	ck_assert_ptr_null(set_memo_find(&memo, &one));
	gone = 0;
	(void)set_memo_looked(&memo, 1, now, on_gone, NULL);
	ck_assert_uint_eq(gone, 0);
	set_memo_look(&memo);
	ck_assert_int_eq(look(1, 0, 0), SET_NEW);
}
END_TEST

START_TEST(what_was_not_mentioned)
{
	for (uint32_t i = 0; i < 100; i++)
		ck_assert_int_eq(look(i, 0, 0), SET_NEW);
	set_memo_mention(&memo);
	for (uint32_t i = 0; i < 100; i += 2) {
		struct set_elem e = elem(i, 0);

		set_memo_find(&memo, &e)->mention = memo.mention;
	}
	gone = 0;
	ck_assert_uint_eq(set_memo_unmentioned(&memo, 30, on_gone, NULL), 30);
	ck_assert_uint_eq(set_memo_unmentioned(&memo, 30, on_gone, NULL), 20);
	ck_assert_uint_eq(set_memo_unmentioned(&memo, 30, on_gone, NULL), 0);
	ck_assert_uint_eq(set_memo_count(&memo), 50);
}
END_TEST

/* No more than the bound; what ran out makes room. */
START_TEST(the_bound)
{
	for (uint32_t i = 0; i < SET_MEMO_MAX; i++)
		ck_assert_int_eq(look(i, i % 4 ? 0 : 5000, i % 4 ? 0 : 5000),
				 SET_NEW);
	ck_assert_int_eq(look(SET_MEMO_MAX, 0, 0), SET_TOO_MANY);
	ck_assert_int_eq(look(7, 0, 0), SET_SAME);
	now = mono_add(now, 6 * S);
	ck_assert_int_eq(look(SET_MEMO_MAX, 0, 0), SET_NEW);
	ck_assert_uint_eq(set_memo_count(&memo), SET_MEMO_MAX / 4 * 3 + 1);
	for (uint32_t i = 1; i < SET_MEMO_MAX; i += 4)
		ck_assert_int_eq(look(i, 0, 0), SET_SAME);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("set");
	TCase *tc = tcase_create("set");
	SRunner *r = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, what_is_valid);
	tcase_add_test(tc, expressions);
	tcase_add_test(tc, the_longest_frame);
	tcase_add_test(tc, words);
	tcase_add_test(tc, what_is_new);
	tcase_add_test(tc, what_is_renewed);
	tcase_add_test(tc, what_a_look_misses);
	tcase_add_test(tc, news_are_newer_than_a_look);
	tcase_add_test(tc, what_was_not_mentioned);
	tcase_add_test(tc, the_bound);
	suite_add_tcase(suite, tc);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
