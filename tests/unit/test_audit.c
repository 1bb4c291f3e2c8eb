/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/audit, core/audit_set: sets, lists, and in what flows differ. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "core_flow.h"

static const uint8_t key[DIGEST_KEY_LEN] = "sixteen bytes..";

static struct audit_entry entry_of(const struct flow *f)
{
	return (struct audit_entry){
		.tuple = digest_tuple(key, f),
		.identity = digest_identity(key, f),
		.mark = f->mark,
		.state = audit_state(f),
	};
}

START_TEST(a_small_table_costs_little)
{
	ck_assert_uint_eq(audit_bits(0, 20), 8);
	ck_assert_uint_eq(audit_bits(100, 20), 9);
	ck_assert_uint_eq(audit_bits(10000000, 16), 16);
	ck_assert_uint_eq(audit_bits(60000, 20), 16);
	ck_assert_uint_eq(audit_bits(10000000, 20), 20);
}
END_TEST

START_TEST(a_set_counts_what_it_has)
{
	static struct audit_set s, other;

	audit_set_add(&s, 7);
	audit_set_add(&s, 7);
	audit_set_add(&s, 255);
	ck_assert_uint_eq(s.count, 2);
	ck_assert_uint_eq(audit_set_next(&s, 0, 8), 7);
	ck_assert_uint_eq(audit_set_next(&s, 8, 8), 255);
	ck_assert_uint_eq(audit_set_next(&s, 256, 8), 256);
	audit_set_remove(&s, 7);
	audit_set_remove(&s, 7);
	ck_assert_uint_eq(s.count, 1);
	audit_set_add(&other, 3);
	audit_set_join(&s, &other, 8);
	ck_assert_uint_eq(s.count, 2);
	ck_assert_uint_eq(audit_set_next(&s, 0, 8), 3);
	audit_set_clear(&s);
	ck_assert_uint_eq(audit_set_next(&s, 0, 20), AUDIT_BUCKETS_MAX);
}
END_TEST

START_TEST(a_set_goes_in_words)
{
	static struct audit_set s, other;

	audit_set_add(&s, 32);
	audit_set_add(&s, 63);
	ck_assert_uint_eq(audit_set_word(&s, 0), 0);
	ck_assert_uint_eq(audit_set_word(&s, 1), 0x80000001);
	audit_set_add(&other, 63);
	audit_set_add_word(&other, 1, audit_set_word(&s, 1));
	ck_assert_uint_eq(other.count, 2);
	ck_assert(audit_set_has(&other, 32) && audit_set_has(&other, 63));
}
END_TEST

/* Rules 8: between the look before and this one. */
START_TEST(touched_is_forgotten_after_two_looks)
{
	static struct audit_touched t;
	const struct flow f = tcp_flow(1), g = tcp_flow(2);
	uint64_t a = digest_tuple(key, &f), b = digest_tuple(key, &g);

	audit_touch(&t, a, 8);
	ck_assert(audit_is_touched(&t, a));
	ck_assert(!audit_is_touched(&t, b));
	ck_assert(audit_set_has(&t.buckets, audit_bucket(a, 8)));
	audit_touched_turn(&t);
	ck_assert(audit_is_touched(&t, a));
	audit_touch(&t, b, 8);
	audit_touched_turn(&t);
	ck_assert(!audit_is_touched(&t, a));
	ck_assert(audit_is_touched(&t, b));
}
END_TEST

START_TEST(tuples_of_some_buckets_are_dropped)
{
	static struct audit_tuples t;
	static struct audit_set s;

	for (uint64_t i = 0; i < AUDIT_TUPLES_MAX; i++)
		ck_assert(audit_tuples_add(&t, (i % 256) << 56 | i));
	ck_assert(!audit_tuples_add(&t, 1));
	audit_set_add(&s, 5);
	audit_tuples_drop(&t, &s, 8);
	ck_assert_uint_eq(t.n, AUDIT_TUPLES_MAX - AUDIT_TUPLES_MAX / 256);
	audit_tuples_sort(&t);
	ck_assert(!audit_tuples_has(&t, 5ULL << 56 | 5));
	ck_assert(audit_tuples_has(&t, 6ULL << 56 | 6));
}
END_TEST

START_TEST(a_list_has_an_end)
{
	struct audit_list l = { 0 };
	struct audit_entry e = { 0 };

	for (uint64_t i = AUDIT_ENTRIES_MAX; i > 0; i--) {
		e.tuple = i;
		ck_assert_int_eq(audit_list_add(&l, &e), 0);
	}
	ck_assert_int_eq(audit_list_add(&l, &e), -E2BIG);
	audit_list_sort(&l);
	ck_assert_ptr_null(audit_list_find(&l, 0));
	ck_assert_uint_eq(audit_list_find(&l, 77)->tuple, 77);
	audit_list_free(&l);
	ck_assert_ptr_null(audit_list_find(&l, 77));
}
END_TEST

/* What rules 8 leaves out makes no difference, what it names does. */
START_TEST(in_what_two_differ)
{
	struct flow f = tcp_flow(1), g = f;
	struct audit_entry e;
	char text[SESSION_AUDIT_TEXT_SIZE];

	g.timeout_s = 5;
	g.tcp_flags[0] ^= 8;
	e = entry_of(&g);
	ck_assert_uint_eq(e.identity, digest_identity(key, &f));

	g = f;
	g.tcp_state = TCP_CONNTRACK_SYN_RECV;
	e = entry_of(&g);
	ck_assert_uint_ne(e.identity, digest_identity(key, &f));
	ck_assert_int_eq(audit_difference(&f, &e), AUDIT_STATE);
	audit_format(&f, &e, text);
	ck_assert_ptr_nonnull(strstr(text, "ESTABLISHED"));
	ck_assert_ptr_nonnull(strstr(text, " | SYN_RECV"));

	g = f;
	g.status ^= IPS_ASSURED;
	e = entry_of(&g);
	ck_assert_int_eq(audit_difference(&f, &e), AUDIT_STATUS);
	g = f;
	g.status ^= IPS_SEEN_REPLY;
	e = entry_of(&g);
	ck_assert_int_eq(audit_difference(&f, &e), AUDIT_STATUS);
	g = f;
	g.mark = 99;
	e = entry_of(&g);
	ck_assert_int_eq(audit_difference(&f, &e), AUDIT_MARK);
	audit_format(&f, &e, text);
	ck_assert_ptr_nonnull(strstr(text, " mark 0 | 99"));
	g = f;
	g.reply.dport ^= 1;
	e = entry_of(&g);
	ck_assert_uint_eq(e.tuple, digest_tuple(key, &f));
	ck_assert_int_eq(audit_difference(&f, &e), AUDIT_OTHER);
	audit_format(&f, &e, text);
	ck_assert_ptr_nonnull(strstr(text, " | another translation"));
	f.mark = 7;
	audit_format(&f, NULL, text);
	ck_assert_ptr_nonnull(strstr(text, " mark 7"));
}
END_TEST

START_TEST(each_difference_has_a_word)
{
	for (int i = AUDIT_MISSING; i <= AUDIT_OTHER; i++)
		ck_assert_str_ne(audit_kind_name((enum session_audit_count)i),
				 "?");
	ck_assert_str_eq(audit_kind_name(AUDIT_COUNTS), "?");
}
END_TEST

START_TEST(what_closes_is_left_out)
{
	struct flow f = tcp_flow(1);
	struct audit_entry e = entry_of(&f);

	ck_assert(audit_compares(&f));
	ck_assert(audit_entry_compares(&e));
	f.tcp_state = TCP_CONNTRACK_FIN_WAIT;
	e = entry_of(&f);
	ck_assert(!audit_compares(&f));
	ck_assert(!audit_entry_compares(&e));
	f.l4proto = IPPROTO_UDP;
	f.tcp_state = 0;
	f.has = 0;
	e = entry_of(&f);
	ck_assert(audit_entry_compares(&e));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("audit");
	TCase *t = tcase_create("audit");
	SRunner *sr;
	int failed;

	tcase_add_test(t, a_small_table_costs_little);
	tcase_add_test(t, each_difference_has_a_word);
	tcase_add_test(t, a_set_counts_what_it_has);
	tcase_add_test(t, a_set_goes_in_words);
	tcase_add_test(t, touched_is_forgotten_after_two_looks);
	tcase_add_test(t, tuples_of_some_buckets_are_dropped);
	tcase_add_test(t, a_list_has_an_end);
	tcase_add_test(t, in_what_two_differ);
	tcase_add_test(t, what_closes_is_left_out);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
