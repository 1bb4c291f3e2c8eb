// SPDX-License-Identifier: GPL-3.0-or-later
/* Reader and writer: byte order, bounds, and a failure that stays. */
#include "buf.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(test_read_all_sizes)
{
	static const uint8_t in[] = { 0x01, 0x02, 0x03, 0x04, 0x05, 0x06,
				      0x07, 0x88, 0x89, 0x8a, 0x8b, 0x8c,
				      0x8d, 0x8e, 0x8f, 0xaa, 0xbb, 0xcc };
	uint8_t two[2];
	struct reader r;

	reader_init(&r, in, sizeof(in));
	ck_assert_uint_eq(reader_u8(&r), 0x01);
	ck_assert_uint_eq(reader_u16(&r), 0x0203);
	ck_assert_uint_eq(reader_u32(&r), 0x04050607);
	ck_assert(reader_u64(&r) == 0x88898a8b8c8d8e8fULL);
	ck_assert_ptr_eq(reader_skip(&r, 1), in + 15);
	reader_bytes(&r, two, sizeof(two));
	ck_assert_mem_eq(two, "\xbb\xcc", 2);
	ck_assert(reader_ok(&r));
	ck_assert_uint_eq(r.left, 0);
}
END_TEST

START_TEST(test_read_too_far)
{
	/* Heap memory of exactly that size: the sanitizer sees a slip. */
	uint8_t *in = calloc(1, 3), out[4];
	struct reader r;

	memset(in, 0xff, 3);
	reader_init(&r, in, 3);
	ck_assert_uint_eq(reader_u32(&r), 0);
	ck_assert(!reader_ok(&r));
	/* what would have fitted fails now as well */
	ck_assert_uint_eq(reader_u8(&r), 0);
	ck_assert_ptr_null(reader_skip(&r, 1));
	ck_assert_ptr_null(reader_skip(&r, 0));
	memset(out, 0x55, sizeof(out));
	reader_bytes(&r, out, sizeof(out));
	ck_assert_mem_eq(out, "\0\0\0\0", 4);
	ck_assert(!reader_ok(&r));

	reader_init(&r, in, 3);
	ck_assert_ptr_null(reader_skip(&r, SIZE_MAX));
	ck_assert(!reader_ok(&r));
	free(in);
}
END_TEST

START_TEST(test_read_nothing)
{
	struct reader r;

	reader_init(&r, NULL, 0);
	reader_bytes(&r, NULL, 0);
	ck_assert(reader_ok(&r));
	ck_assert_uint_eq(reader_u8(&r), 0);
	ck_assert(!reader_ok(&r));
}
END_TEST

START_TEST(test_write_all_sizes)
{
	static const uint8_t want[] = { 0x01, 0xbe, 0xef, 0x04, 0x05, 0x06,
					0x07, 0x88, 0x89, 0x8a, 0x8b, 0x8c,
					0x8d, 0x8e, 0x8f, 'a',	'b' };
	uint8_t *out = calloc(1, sizeof(want));
	struct writer w;

	writer_init(&w, out, sizeof(want));
	writer_u8(&w, 0x01);
	writer_u16(&w, 0x0203);
	writer_u32(&w, 0x04050607);
	writer_u64(&w, 0x88898a8b8c8d8e8fULL);
	writer_bytes(&w, "ab", 2);
	writer_patch_u16(&w, 1, 0xbeef);
	ck_assert(writer_ok(&w));
	ck_assert_uint_eq(w.used, sizeof(want));
	ck_assert_mem_eq(out, want, sizeof(want));
	free(out);
}
END_TEST

START_TEST(test_write_too_far)
{
	uint8_t *out = calloc(1, 3);
	struct writer w;

	writer_init(&w, out, 3);
	writer_u16(&w, 0x1122);
	writer_u16(&w, 0x3344);
	ck_assert(!writer_ok(&w));
	ck_assert_mem_eq(out, "\x11\x22\0", 3);
	writer_u8(&w, 0x55); /* would fit, does not count any more */
	writer_bytes(&w, "x", 1);
	writer_patch_u16(&w, 0, 0x9999);
	ck_assert(!writer_ok(&w));
	ck_assert_uint_eq(w.used, 2);
	ck_assert_mem_eq(out, "\x11\x22\0", 3);
	free(out);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("buf");
	TCase *tc = tcase_create("buf");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, test_read_all_sizes);
	tcase_add_test(tc, test_read_too_far);
	tcase_add_test(tc, test_read_nothing);
	tcase_add_test(tc, test_write_all_sizes);
	tcase_add_test(tc, test_write_too_far);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
