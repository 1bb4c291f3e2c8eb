/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An engine that goes on in another process (engine_keep.c, vhost_keep.c). */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"

#define LAN 0
#define WAN 1

static const uint32_t address[2] = { 0x0a010001, 0x0a020001 };
static mono_t now;
static uint8_t kept[ENGINE_KEPT_MAX];

static struct engine *engine_of(uint64_t boot_id, size_t nvhosts)
{
	const char *peers[1] = { "fw2" }, *why;
	struct engine *e = calloc(1, sizeof(*e));
	struct engine_vhost_conf vhosts[2];
	const struct engine_conf conf = {
		.node = "fw1",
		.version = "1",
		.boot_id = boot_id,
		.nvhosts = nvhosts,
		.npeers = 1,
		.vhosts = vhosts,
		.peers = peers,
	};

	for (unsigned i = 0; i < 2; i++)
		vhosts[i] = (struct engine_vhost_conf){
			.name = i ? "wan" : "lan",
			.interface = i,
			.carp = { .vhid = (uint8_t)(i + 1),
				  .advbase = 1,
				  .pass = "secret",
				  .v4 = &address[i],
				  .v4_count = 1 },
		};
	ck_assert_int_eq(engine_init(e, &conf, &why, now), 0);
	return e;
}

static void end(struct engine *e)
{
	engine_free(e);
	free(e);
}

struct seen {
	unsigned takes, releases, adverts, subscribed, transitions;
	uint64_t counter[2];
	unsigned demotion; /* of the last advert */
};

static struct seen settle(struct engine *e)
{
	static const int64_t us[3];
	struct seen seen = { 0 };
	struct engine_action a;
	struct carp_advert advert;

	while (engine_poll(e, &a, now)) {
		seen.takes += a.what == ENGINE_TAKE;
		seen.releases += a.what == ENGINE_RELEASE;
		seen.subscribed += a.what == ENGINE_SUBSCRIBE;
		seen.transitions += a.what == ENGINE_TRANSITION;
		if (a.what == ENGINE_TAKE)
			engine_taken(e, a.index, us, now);
		if (a.what != ENGINE_ADVERT)
			continue;
		seen.adverts++;
		ck_assert_int_eq(carp_wire_parse(a.advert.bytes,
						 CARP_ADVERT_LEN, &advert),
				 CARP_OK);
		seen.demotion = advert.demote;
		seen.counter[a.index] = advert.counter;
	}
	return seen;
}

static struct seen run(struct engine *e, int64_t ns)
{
	struct seen seen = { 0 };
	mono_t until = mono_add(now, ns);

	while (mono_diff(until, now) > 0) {
		now = mono_min(mono_add(now, 10 * MONO_MS), until);
		engine_tick(e, now);
		seen = settle(e);
	}
	return seen;
}

/* Its interfaces are up and it has been told nothing else. */
static struct engine *fresh(size_t nvhosts)
{
	struct engine *e = engine_of(77, nvhosts);

	for (unsigned i = 0; i < nvhosts; i++)
		engine_link(e, i, true, now);
	(void)settle(e);
	return e;
}

/* Master of lan for a while, and backup of wan, which is down. */
static struct engine *old_one(void)
{
	struct engine *e = engine_of(5, 2);

	engine_link(e, LAN, true, now);
	engine_demote(e, DEMOTION_OPERATOR, "the operator", 3);
	(void)run(e, 20 * MONO_S);
	ck_assert_int_eq(e->vhosts[LAN].carp.state, CARP_MASTER);
	e->vhosts[LAN].counters[0] = (struct engine_counters){
		.first = 1000, .told = 2048, .heard = { 2048, 1024 }
	};
	return e;
}

static int keep(const struct engine *e)
{
	const char *why;
	int len = engine_keep(e, kept, sizeof(kept), &why);

	ck_assert_msg(len > 0, "%d: %s", len, why);
	return len;
}

START_TEST(test_goes_on)
{
	struct engine *old = old_one(), *new;
	const struct carp_vhost *was = &old->vhosts[LAN].carp, *is;
	struct seen seen;
	int len;

	for (int i = 0; i < HISTORY_MAX + 6; i++)
		history_note(&old->history, now, "fw2", i ? "later" : "first");
	now = mono_add(now, 300 * MONO_MS);
	len = keep(old);
	now = mono_add(now, 5 * MONO_MS);
	new = fresh(2);
	ck_assert_int_eq(engine_restore(new, kept, (size_t)len, false, now), 0);
	is = &new->vhosts[LAN].carp;
	ck_assert_int_eq(is->state, CARP_MASTER);
	ck_assert_int_eq(is->since.ns, was->since.ns);
	ck_assert_uint_eq(is->base, was->base);
	ck_assert_uint_eq(is->transitions, was->transitions);
	ck_assert_int_eq(new->vhosts[LAN].lease_ns, old->vhosts[LAN].lease_ns);
	ck_assert_mem_eq(new->vhosts[LAN].counters, old->vhosts[LAN].counters,
			 sizeof(new->vhosts[LAN].counters));
	ck_assert_int_eq(new->demotion.by[DEMOTION_OPERATOR], 3);
	ck_assert_uint_eq(new->history.count, old->history.count);
	ck_assert_str_eq(history_get(&new->history, 0)->cause,
			 history_get(&old->history, 0)->cause);
	ck_assert_str_eq(history_get(&new->history, HISTORY_MAX - 1)->vhost,
			 "fw2");
	ck_assert_int_eq(new->vhosts[WAN].carp.state, CARP_BACKUP);

	/* the next advert is due, and nothing else happens */
	seen = settle(new);
	engine_tick(new, now);
	(void)settle(new);
	ck_assert_uint_eq(seen.adverts, 1);
	ck_assert_uint_eq(seen.demotion, 3);
	ck_assert_uint_eq(seen.counter[LAN], was->counter + CARP_COUNTER_STEP);
	ck_assert_uint_eq(seen.takes + seen.releases + seen.transitions, 0);
	ck_assert_uint_eq(seen.subscribed, 1);
	ck_assert_uint_eq(new->masters, 1);

	/* and it can be handed on in the same way */
	(void)keep(new);
	end(old);
	end(new);
}
END_TEST

/* Whoever heard the new one must hear the old one, too. */
START_TEST(test_goes_on_not)
{
	struct engine *old = old_one(), *new;
	struct seen other, seen;
	int len = keep(old);

	new = fresh(2);
	ck_assert_int_eq(engine_restore(new, kept, (size_t)len, false, now), 0);
	other = run(new, 2 * MONO_S + 10 * MONO_MS);
	ck_assert(mono_diff(old->vhosts[LAN].carp.next_advert, now) <= 0);
	engine_kept_not(old, now);
	engine_tick(old, now);
	seen = settle(old);
	ck_assert_uint_eq(seen.adverts, 1);
	ck_assert_uint_eq(other.adverts, 1);
	ck_assert_uint_gt(seen.counter[LAN], other.counter[LAN]);
	end(old);
	end(new);
}
END_TEST

/* The interface went down between the two. */
START_TEST(test_link_went_down)
{
	struct engine *old = old_one(), *new;
	int len = keep(old);
	struct seen seen;

	new = fresh(2);
	engine_link(new, LAN, false, now);
	(void)settle(new);
	ck_assert_int_eq(engine_restore(new, kept, (size_t)len, false, now), 0);
	seen = settle(new);
	ck_assert_int_eq(new->vhosts[LAN].carp.state, CARP_INIT);
	ck_assert_uint_eq(seen.releases, 1);
	ck_assert_uint_eq(seen.adverts, 0);
	end(old);
	end(new);
}
END_TEST

START_TEST(test_not_now)
{
	struct engine *e = old_one();
	const char *why;

	e->handover.state = HANDOVER_DRAIN;
	ck_assert_int_eq(engine_keep(e, kept, sizeof(kept), &why), -EBUSY);
	ck_assert_str_eq(why, "a handover is going on");
	e->handover.state = HANDOVER_IDLE;
	e->vhosts[LAN].carp.has_old = true;
	ck_assert_int_eq(engine_keep(e, kept, sizeof(kept), &why), -EBUSY);
	e->vhosts[LAN].carp.has_old = false;
	e->vhosts[LAN].taking = true;
	ck_assert_int_eq(engine_keep(e, kept, sizeof(kept), &why), -EBUSY);
	e->vhosts[LAN].taking = false;
	ck_assert_int_eq(engine_keep(e, kept, 100, &why), -ENOBUFS);
	(void)keep(e);
	end(e);
}
END_TEST

/* A vhost that this one has not: its right would be nobody's. */
START_TEST(test_vhost_is_missing)
{
	struct engine *old = engine_of(5, 2), *new;
	int len;

	engine_link(old, LAN, true, now);
	engine_link(old, WAN, true, now);
	(void)run(old, 20 * MONO_S);
	len = keep(old);
	new = fresh(1);
	ck_assert_int_eq(engine_restore(new, kept, (size_t)len, false, now),
			 -ENOENT);
	end(old);
	end(new);
}
END_TEST

/* A later version has more to say at the end of a record. */
START_TEST(test_later_version)
{
	struct engine *old = old_one(), *new;
	int len = keep(old);
	size_t node = (size_t)kept[0] << 8 | kept[1];

	memmove(kept + 2 + node + 3, kept + 2 + node, (size_t)len - 2 - node);
	memset(kept + 2 + node, 0xff, 3);
	kept[1] = (uint8_t)(node + 3);
	new = fresh(2);
	ck_assert_int_eq(engine_restore(new, kept, (size_t)len + 3, false, now),
			 0);
	ck_assert_int_eq(new->vhosts[LAN].carp.state, CARP_MASTER);
	end(old);
	end(new);
}
END_TEST

START_TEST(test_cut)
{
	struct engine *old = old_one();
	int len = keep(old);
	/* an older version knows nothing of streams: a number of peers, and of
	 * each its length, its name and four numbers */
	int older = len - 1 - 2 - 4 - 32;

	for (int i = 0; i < len; i++) {
		struct engine *new = fresh(2);
		/* exactly so much memory: a sanitizer sees what is beyond */
		uint8_t *copy = malloc((size_t)i ? (size_t)i : 1);

		memcpy(copy, kept, (size_t)i);
		ck_assert_int_eq(
			engine_restore(new, copy, (size_t)i, false, now),
			i == older ? 0 : -EBADMSG);
		free(copy);
		end(new);
	}
	end(old);
}
END_TEST

START_TEST(test_any_byte)
{
	struct engine *old = old_one();
	int len = keep(old);

	for (int i = 0; i < len; i++)
		for (int bit = 0; bit < 8; bit += 3) {
			struct engine *new = fresh(2);
			int err;

			kept[i] ^= (uint8_t)(1 << bit);
			err = engine_restore(new, kept, (size_t)len, false,
					     now);
			ck_assert(err == 0 || err == -EBADMSG ||
				  err == -ENOENT);
			kept[i] ^= (uint8_t)(1 << bit);
			end(new);
		}
	end(old);
}
END_TEST

static void setup(void)
{
	now = (mono_t){ 1000 * MONO_S };
}

int main(void)
{
	Suite *s = suite_create("engine_keep");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_goes_on);
	tcase_add_test(t, test_goes_on_not);
	tcase_add_test(t, test_link_went_down);
	tcase_add_test(t, test_not_now);
	tcase_add_test(t, test_vhost_is_missing);
	tcase_add_test(t, test_later_version);
	tcase_add_test(t, test_cut);
	tcase_add_test(t, test_any_byte);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
