// SPDX-License-Identifier: GPL-3.0-or-later
/* proto/set: which sets are alike, and what their elements look like. */
#include <check.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>

#include "set.h"

static const struct set_kind hash = {
	.present = true, .key_type = 7, .key_len = 4, .flags = NFT_SET_TIMEOUT
};
static const struct set_kind ranges = {
	.present = true, .key_type = 7, .key_len = 4, .flags = NFT_SET_INTERVAL
};

/* Of a quota what was used runs on, its size does not; nothing of a limit. */
START_TEST(what_counts_on)
{
	ck_assert(set_expr_volatile(SET_EXPR_COUNTER, 1));
	ck_assert(set_expr_volatile(SET_EXPR_LAST, 1));
	ck_assert(set_expr_volatile(SET_EXPR_QUOTA, NFTA_QUOTA_CONSUMED));
	ck_assert(!set_expr_volatile(SET_EXPR_QUOTA, NFTA_QUOTA_BYTES));
	ck_assert(!set_expr_volatile(SET_EXPR_LIMIT, 1));
	ck_assert(!set_expr_volatile(SET_EXPR_CONNLIMIT, 1));
}
END_TEST

START_TEST(elements_of_maps)
{
	struct set_kind map = { .present = true,
				.key_type = 7,
				.key_len = 4,
				.data_type = 7,
				.data_len = 16,
				.flags = NFT_SET_MAP };
	struct set_elem e = { .key_len = 4 };

	ck_assert(!set_elem_valid(&e, &map)); /* it leads nowhere */
	e.data_len = 16;
	ck_assert(set_elem_valid(&e, &map));
	e.data_len = 15;
	ck_assert(!set_elem_valid(&e, &map));
	e.flags = SET_ELEM_DELETED; /* then its key is enough */
	ck_assert(set_elem_valid(&e, &map));
	e.flags = 0;
	map.data_len = e.data_len = NFT_DATA_VALUE_MAXLEN + 1;
	ck_assert(!set_elem_valid(&e, &map));
	map.data_type = NFT_DATA_VERDICT;
	e.data_len = 4;
	ck_assert(set_elem_valid(&e, &map));
	e.data_len = 3;
	ck_assert(!set_elem_valid(&e, &map));
}
END_TEST

/* Two fields, one of them an interval. */
START_TEST(elements_of_several_fields)
{
	const struct set_kind pairs = { .present = true,
					.key_len = 4,
					.flags = NFT_SET_INTERVAL |
						 (uint32_t)NFT_SET_CONCAT };
	struct set_elem e = { .key_len = 4 };

	ck_assert(!set_kind_ranges(&pairs));
	ck_assert(set_elem_valid(&e, &pairs));
	e.end_len = 4;
	ck_assert(set_elem_valid(&e, &pairs));
	e.end_len = 3;
	ck_assert(!set_elem_valid(&e, &pairs));
	e.end_len = 0;
	e.flags = SET_ELEM_OPEN;
	ck_assert(!set_elem_valid(&e, &pairs));
	e = (struct set_elem){ .flags = SET_ELEM_CATCHALL | SET_ELEM_OPEN };
	ck_assert(!set_elem_valid(&e, &pairs));
	e = (struct set_elem){ .flags = SET_ELEM_CATCHALL, .end_len = 4 };
	ck_assert(!set_elem_valid(&e, &pairs));
}
END_TEST

START_TEST(kinds)
{
	struct set_kind k = hash;

	ck_assert_ptr_null(set_kind_differs(&k, &hash));
	k.flags |= NFT_SET_EVAL; /* how it is kept, not what is in it */
	ck_assert_ptr_null(set_kind_differs(&k, &hash));
	ck_assert_ptr_nonnull(set_kind_differs(&ranges, &hash));
	k.key_len = 16;
	ck_assert_ptr_nonnull(set_kind_differs(&k, &hash));
	k.flags = NFT_SET_OBJECT | NFT_SET_MAP;
	ck_assert_ptr_nonnull(set_kind_refused(&k));
	ck_assert_ptr_null(set_kind_refused(&hash));
	k = hash;
	k.key_type = 8;
	ck_assert_ptr_nonnull(set_kind_differs(&k, &hash));
	k = hash;
	k.data_type = 7;
	ck_assert_ptr_nonnull(set_kind_differs(&k, &hash));
	k = hash;
	k.data_len = 4;
	ck_assert_ptr_nonnull(set_kind_differs(&k, &hash));
	k = hash;
	k.big_endian = true;
	ck_assert_ptr_nonnull(set_kind_differs(&k, &hash));
	k = hash;
	k.flags = NFT_SET_CONSTANT;
	ck_assert_ptr_nonnull(set_kind_refused(&k));
	k = hash;
	k.key_len = 0;
	ck_assert_ptr_nonnull(set_kind_refused(&k));
	k.key_len = SET_KEY_MAX + 1;
	ck_assert_ptr_nonnull(set_kind_refused(&k));
	/* of those that rules fill the kernel tells nobody */
	ck_assert(set_kind_silent(&hash));
	ck_assert(!set_kind_silent(&ranges));
	k.flags = NFT_SET_EVAL;
	ck_assert(set_kind_silent(&k));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("set_kinds");
	TCase *tc = tcase_create("set_kinds");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, what_counts_on);
	tcase_add_test(tc, elements_of_maps);
	tcase_add_test(tc, elements_of_several_fields);
	tcase_add_test(tc, kinds);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
