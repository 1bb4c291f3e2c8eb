/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From the deadline of an advert to the wire, and again by the stand-in:
 * nothing is allocated, so that a machine that is short of memory keeps its
 * master. The linker puts the functions below in the place of the real ones
 * (--wrap). */
#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "carpsock.h"
#include "engine.h"
#include "standin.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

static unsigned allocated;

void *__wrap_malloc(size_t size)
{
	allocated++;
	return __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	allocated++;
	return __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	allocated++;
	return __real_realloc(p, size);
}

static struct engine e;
static mono_t now = { 1 * MONO_S };
static struct standin *standin;
static int wire[2];

static void begin(void)
{
	static const struct carp_addr6 v6 = { .b = { 0xfe, 0x80, [15] = 1 } };
	static const uint32_t v4 = 0x0a010001;
	struct engine_vhost_conf v = { .name = "lan" };
	const struct engine_conf conf = { .node = "fw1",
					  .version = "1",
					  .boot_id = 1,
					  .nvhosts = 1,
					  .vhosts = &v };
	const char *why = NULL;

	v.carp.vhid = 1;
	v.carp.advskew = 2;
	v.carp.pass = "secret";
	v.carp.v4 = &v4;
	v.carp.v6 = &v6;
	v.carp.v4_count = v.carp.v6_count = 1;
	v.carp.seed = 7;
	ck_assert_msg(engine_init(&e, &conf, &why, now) == 0, "%s", why);
	engine_link(&e, 0, true, now);
	standin = standin_new();
	ck_assert_ptr_nonnull(standin);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, wire), 0);
}

/* As node_advert() does it, for a packet socket. No assertions here: these
 * allocate. */
static bool put_out(const uint8_t advert[CARP_ADVERT_LEN])
{
	const struct carpsock s = { .tx = wire[0] };
	struct carpsock_out out[2];
	uint8_t bytes[256];
	bool good = true;

	for (unsigned i = 0; i < 2; i++) {
		struct carp_frame frame = {
			.src = { .family = (enum carp_family)i },
			.dst = carp_group((enum carp_family)i)
		};

		carpsock_frame(&s, &frame, advert, &out[i]);
		good &= carpsock_send(&out[i]) == 0 &&
			read(wire[1], bytes, sizeof(bytes)) > 0;
	}
	standin_sent(standin, 0, out, 2, carp_vhost_auth(&e.vhosts[0].carp),
		     carp_vhost_interval_ns(&e.vhosts[0].carp), now);
	return good;
}

/* Adverts within ns. */
static unsigned turn(int64_t ns)
{
	static const int64_t us[3];
	mono_t end = mono_add(now, ns);
	struct engine_action a;
	unsigned adverts = 0;

	while (mono_diff(end, now) > 0) {
		engine_tick(&e, now);
		while (engine_poll(&e, &a, now)) {
			if (a.what == ENGINE_TAKE)
				engine_taken(&e, 0, us, now);
			if (a.what != ENGINE_ADVERT)
				continue;
			adverts += put_out(a.advert.bytes);
			engine_advert_sent(&e, 0, true);
		}
		now = mono_add(now, MONO_MS);
	}
	return adverts;
}

START_TEST(nothing_is_allocated)
{
	struct standin_stats stats;
	struct timespec ts;
	uint8_t bytes[256];
	unsigned adverts, before;

	begin();
	ck_assert_uint_gt(turn(1 * MONO_S), 10); /* it is master */
	before = allocated;
	adverts = turn(1 * MONO_S);
	ck_assert_uint_eq(allocated, before);
	ck_assert_uint_gt(adverts, 100);
	before = allocated;
	/* the loop is late: two packets each time */
	clock_gettime(CLOCK_MONOTONIC, &ts);
	standin_alive(standin, (mono_t){ ts.tv_sec * MONO_S + ts.tv_nsec });
	for (int i = 0; i < 2; i++)
		adverts += read(wire[1], bytes, sizeof(bytes)) > 0;
	standin_clear(standin, 0);
	ck_assert_uint_eq(allocated, before);
	standin_stats(standin, 0, &stats);
	ck_assert_uint_ge(stats.late, 1);
	ck_assert_uint_gt(adverts, 102);
	standin_free(standin);
	engine_free(&e);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("advert_path");
	TCase *tc = tcase_create("advert_path");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, nothing_is_allocated);
	suite_add_tcase(suite, tc);
	sr = srunner_create(suite);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
