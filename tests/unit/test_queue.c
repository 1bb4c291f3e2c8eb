// SPDX-License-Identifier: GPL-3.0-or-later
/* Bytes come out as they went in, and memory comes back. */
#include "queue.h"

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>

START_TEST(test_queue_shrinks)
{
	const uint8_t *p;
	struct queue q;
	uint64_t in = 0, out = 0, seed = 1;
	size_t largest = 0;

	ck_assert_int_eq(queue_init(&q), 0);
	for (int round = 0; round < 50000; round++) {
		bool fill = round / 5000 % 2 == 0;
		size_t n = (seed = seed * 6364136223846793005ULL + 1) >> 33;

		n %= 3000;

		if (fill || n % 4 == 0) {
			uint8_t *room = queue_room(&q, n);

			for (size_t i = 0; i < n; i++)
				room[i] = (uint8_t)(in++ * 7);
			queue_added(&q, n);
		} else {
			p = queue_data(&q);
			n = 3 * n < q.len ? 3 * n : q.len;
			for (size_t i = 0; i < n; i++)
				if (p[i] != (uint8_t)(out++ * 7))
					ck_abort_msg("byte %lu", out);
			queue_take(&q, n);
		}
		ck_assert(q.size <= QUEUE_SHRINK_BYTES || q.size <= 8 * q.len);
		ck_assert_uint_eq(q.len, in - out);
		largest = q.size > largest ? q.size : largest;
	}
	ck_assert_uint_gt(largest, 8 * QUEUE_SHRINK_BYTES);
	queue_take(&q, q.len);
	ck_assert_uint_le(q.size, QUEUE_SHRINK_BYTES);
	queue_free(&q);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("queue");
	TCase *tc = tcase_create("queue");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_queue_shrinks);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
