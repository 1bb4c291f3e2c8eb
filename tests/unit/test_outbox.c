// SPDX-License-Identifier: GPL-3.0-or-later
/* An outbox against a list of what it was given, by thousands of dice. */
#include "outbox.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "statesync.pb-c.h"

#define FRAMES_MAX 100000
#define SHAPES_MAX 60000

static struct outbox box;
static uint64_t seed;
/* of each frame by its number: how many shapes it has, and the first one */
static struct {
	uint32_t n, shape;
} given[FRAMES_MAX];
static uint8_t stream[1 << 20]; /* taken, not yet a whole frame */
static size_t nstream;
static uint64_t heard; /* the last number read out of it */

static uint32_t rnd(uint32_t below)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(seed >> 33) % below;
}

static void setup(void)
{
	seed = 4711;
	nstream = 0;
	heard = 0;
	outbox_clear(&box, 0);
}

static void teardown(void)
{
	outbox_clear(&box, 0);
}

static void add(uint32_t n)
{
	static uint32_t shapes[SHAPES_MAX];
	Statesync__Flows m;

	statesync__flows__init(&m);
	for (uint32_t i = 0; i < n; i++)
		shapes[i] = rnd(100);
	m.n_shape = n;
	m.shape = shapes;
	ck_assert_int_eq(outbox_add(&box, FRAME_FLOWS, &m.base), 0);
	ck_assert_uint_lt(box.seq, FRAMES_MAX);
	given[box.seq].n = n;
	given[box.seq].shape = shapes[0];
}

/* A whole frame at the front of the stream is the next one, as it was given. */
static void read_frames(void)
{
	struct frame f;

	while (frame_look(stream, nstream, &f) == FRAME_OK) {
		size_t size = frame_size(&f);
		Statesync__Flows *m;

		ck_assert_uint_eq(f.seq, ++heard);
		m = statesync__flows__unpack(NULL, f.len, f.payload);
		ck_assert(m && m->n_shape == given[f.seq].n);
		ck_assert_uint_eq(m->shape[0], given[f.seq].shape);
		statesync__flows__free_unpacked(m, NULL);
		nstream -= size;
		memmove(stream, stream + size, nstream);
	}
}

/* At most so many bytes of what is offered. */
static void take(size_t max)
{
	const uint8_t *p;
	size_t len = outbox_offer(&box, 64 * 1024, &p);

	ck_assert((len == 0) == (box.waiting == 0));
	if (len > max)
		len = max;
	ck_assert_uint_le(nstream + len, sizeof(stream));
	if (len)
		memcpy(stream + nstream, p, len);
	nstream += len;
	outbox_take(&box, len);
	read_frames();
}

static void rewind_to(uint64_t seq)
{
	bool there = seq >= box.gone && seq <= heard;
	size_t held = outbox_bytes(&box);

	ck_assert_int_eq(outbox_rewind(&box, seq), there);
	if (!there) {
		ck_assert_uint_eq(outbox_bytes(&box), held);
		return;
	}
	ck_assert_uint_eq(box.kept, 0);
	heard = seq;
	nstream = 0;
}

static uint64_t one(const struct frame *f)
{
	(void)f;
	return 1;
}

static void step(void)
{
	switch (rnd(12)) {
	case 0:
		outbox_forget(&box, box.gone + rnd(40));
		break;
	case 1:
		outbox_trim(&box, rnd(300000));
		break;
	case 2:
		if (rnd(20) == 0)
			outbox_cut(&box);
		break;
	case 3:
		if (rnd(10) == 0)
			rewind_to(box.gone - (box.gone > 0) + rnd(30));
		break;
	case 4:
		add(1 + rnd(rnd(10) ? 300 : SHAPES_MAX));
		break;
	case 5:
	case 6:
		take(SIZE_MAX);
		break;
	case 7:
		take(1 + rnd(70000));
		break;
	default:
		add(1 + rnd(5));
		break;
	}
	/* what was not taken is not forgotten */
	ck_assert_uint_le(box.gone, heard);
	ck_assert(box.taken == heard || box.taken == heard + 1);
	ck_assert_uint_eq(outbox_sum(&box, one), box.seq - box.gone);
}

START_TEST(test_dice)
{
	for (int i = 0; i < 60000; i++)
		step();
	while (box.waiting)
		take(SIZE_MAX);
	ck_assert_uint_eq(heard, box.seq);
	outbox_forget(&box, box.seq);
	ck_assert_uint_eq(outbox_bytes(&box), 0);
}
END_TEST

/* Of a frame that is begun the rest comes, whatever was thrown away. */
START_TEST(test_a_begun_frame_stays)
{
	add(50);
	add(50);
	take(5);
	outbox_trim(&box, 0);
	outbox_forget(&box, 2);
	outbox_cut(&box);
	ck_assert_uint_eq(box.seq, 1);
	ck_assert(!outbox_rewind(&box, 1));
	take(SIZE_MAX);
	ck_assert_uint_eq(heard, 1);
	ck_assert(outbox_rewind(&box, 1));
	ck_assert_uint_eq(box.waiting, 0);
	add(3);
	take(SIZE_MAX);
	ck_assert_uint_eq(heard, 2);
}
END_TEST

/* At a steady rate two blocks serve for ever; an empty one has its memory
 * back. */
START_TEST(test_memory)
{
	struct outbox_block *b;

	for (int i = 0; i < 50000; i++) {
		add(1 + (uint32_t)i % 50);
		take(SIZE_MAX);
		outbox_forget(&box, box.seq - (i % 7 ? 3 : 0));
		b = box.first;
		ck_assert(b == box.last || !box.spare || box.spare != b);
		ck_assert_uint_lt(outbox_bytes(&box), 2000);
	}
	outbox_clear(&box, 9);
	ck_assert(!box.first && !box.spare);
	add(1);
	ck_assert_uint_eq(box.seq, 10);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("outbox");
	TCase *tc = tcase_create("outbox");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_dice);
	tcase_add_test(tc, test_a_begun_frame_stays);
	tcase_add_test(tc, test_memory);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
