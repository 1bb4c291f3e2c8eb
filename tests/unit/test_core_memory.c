// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * syncd/core on a machine that is short of memory: whatever needs some is done
 * as a whole or refused, and what was before is as it was.
 */
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "audit.h"
#include "engine.h"
#include "policy_run.h"
#include "short_memory.h"

static const mono_t now = { MONO_S };
static const uint32_t shared = 0x0a010001;

/* The next allocations, up to the one that fails. */
static void arm(unsigned which)
{
	fails = which;
	asked = 0;
	armed = true;
}

/* Did it fail? */
static bool disarm(void)
{
	armed = false;
	return asked >= fails;
}

static int begin(struct engine *e, const char **why)
{
	static const char *const peers[] = { "fw1", "fw3" }, *const sets[] = {
		"ip a b"
	};
	const struct engine_vhost_conf vhost = {
		.name = "lan",
		.carp = { .vhid = 1,
			  .advbase = 1,
			  .v4 = &shared,
			  .v4_count = 1 },
	};
	const struct engine_conf conf = { .node = "fw2",
					  .version = "1",
					  .boot_id = 1,
					  .nvhosts = 1,
					  .npeers = 2,
					  .vhosts = &vhost,
					  .peers = peers,
					  .nsets = 1,
					  .sets = sets };

	memset(e, 0, sizeof(*e));
	return engine_init(e, &conf, why, now);
}

START_TEST(a_node_begins_or_says_why_not)
{
	struct engine *e = malloc(sizeof(*e));
	const char *why;
	unsigned i;
	int rc;

	for (i = 1;; i++) {
		arm(i);
		rc = begin(e, &why);
		if (!disarm())
			break;
		ck_assert_int_eq(rc, -ENOMEM);
		ck_assert_str_eq(why, "not enough memory");
	}
	ck_assert_int_eq(rc, 0);
	ck_assert_uint_gt(i, 5);
	engine_free(e);
	free(e);
}
END_TEST

static struct flow_addr addr(uint8_t last)
{
	return (struct flow_addr){ .b = { 192, 0, 2, last } };
}

static bool is_own(const struct engine *e, uint8_t last)
{
	const struct flow_addr a = addr(last);

	return filter_is_own(&e->filter, AF_INET, &a);
}

START_TEST(addresses_stay_as_they_were)
{
	const struct session_address before = { AF_INET, addr(1) },
				     after = { AF_INET, addr(2) };
	struct engine *e = malloc(sizeof(*e));
	const char *why;
	unsigned i;
	int rc;

	ck_assert_int_eq(begin(e, &why), 0);
	ck_assert_int_eq(engine_addresses(e, &before, 1), 0);
	for (i = 1;; i++) {
		arm(i);
		rc = engine_addresses(e, &after, 1);
		if (!disarm())
			break;
		ck_assert_int_eq(rc, -ENOMEM);
		ck_assert(is_own(e, 1) && !is_own(e, 2));
	}
	ck_assert_int_eq(rc, 0);
	ck_assert_uint_eq(i, 3);
	ck_assert(!is_own(e, 1) && is_own(e, 2));
	engine_free(e);
	free(e);
}
END_TEST

START_TEST(rules_are_copied_as_a_whole)
{
	struct filter_rules from = { 0 }, to = { 0 };
	const struct filter_rule rule = { .skip = true };
	const struct filter_prefix prefix = { .family = AF_INET, .len = 8 };
	unsigned i;
	int rc;

	for (int k = 0; k < 2; k++) {
		ck_assert_int_eq(filter_rules_add(&from, &rule), 0);
		ck_assert_int_eq(filter_rule_add(&from.list[k], &prefix), 0);
	}
	for (i = 1;; i++) {
		arm(i);
		rc = filter_rules_copy(&to, &from);
		if (!disarm())
			break;
		ck_assert_int_eq(rc, -ENOMEM);
		ck_assert_uint_eq(to.n, 0);
		ck_assert_ptr_null(to.list);
	}
	ck_assert_int_eq(rc, 0);
	ck_assert_uint_eq(i, 5);
	ck_assert_uint_eq(to.n, 2);
	filter_rules_free(&to);
	filter_rules_free(&from);
}
END_TEST

/* A policy of several of each; NULL: there was no memory. */
static struct policy *policy(void)
{
	static const char *const names[] = { "a", "b", "c", "d", "e" };
	const struct policy_place at = { 1, 1 };
	struct policy *p = policy_new();
	bool good = p && policy_alloc(p, 10);

	for (int i = 0; good && i < 5; i++)
		good = policy_add_state(p, names[i], at) == i + 1 &&
		       policy_add_link(p, names[i], at) == i &&
		       policy_add_test(p, 1, names[i], 5) == i;
	if (good)
		return p;
	policy_free(p);
	return NULL;
}

START_TEST(a_policy_is_read_or_not)
{
	struct policy_run *run;
	struct policy *p;
	unsigned i;

	for (i = 1;; i++) {
		arm(i);
		p = policy();
		if (!disarm())
			break;
		ck_assert_ptr_null(p);
	}
	ck_assert_ptr_nonnull(p);
	ck_assert_uint_gt(i, 8);
	for (i = 1;; i++) {
		arm(i);
		run = policy_run_new(p);
		if (!disarm())
			break;
		ck_assert_ptr_null(run);
	}
	ck_assert_ptr_nonnull(run);
	/* what it has to do and cannot remember is counted */
	arm(1);
	policy_start(run, 1, now);
	ck_assert(disarm());
	ck_assert_uint_gt(policy_lost(run), 0);
	policy_run_free(run);
	policy_run_free(NULL);
	policy_free(p);
	policy_free(NULL);
}
END_TEST

START_TEST(a_list_keeps_what_it_has)
{
	struct audit_list l = { 0 };
	uint64_t n = 0;
	int err;

	do {
		const struct audit_entry e = { .tuple = n };

		arm(2); /* the first one is granted */
		err = n ? 0 : audit_list_add(&l, &e);
		disarm();
		if (n) {
			arm(1);
			err = audit_list_add(&l, &e);
			disarm();
		}
		n += !err;
	} while (!err);
	ck_assert_int_eq(err, -ENOMEM);
	ck_assert_uint_eq(n, 256);
	audit_list_sort(&l);
	for (uint64_t i = 0; i < n; i++)
		ck_assert_ptr_nonnull(audit_list_find(&l, i));
	ck_assert_ptr_null(audit_list_find(&l, n));
	audit_list_free(&l);
}
END_TEST

START_TEST(elements_that_find_no_room)
{
	static const uint8_t seed[DIGEST_KEY_LEN] = "0123456789abcde";
	struct set_elem el = { .key_len = 4 };
	enum set_news news = SET_NEW;
	struct set_memo m;
	uint32_t n;

	set_memo_init(&m, seed, 4, false);
	memcpy(el.key, "\0\0\0\0", 4);
	ck_assert_int_eq(set_memo_see(&m, &el, SET_BY_PEER, now), SET_NEW);
	for (n = 1; news == SET_NEW; n++) {
		memcpy(el.key, &n, sizeof(n));
		arm(n % 2 + 1);
		news = set_memo_see(&m, &el, SET_BY_PEER, now);
		disarm();
	}
	ck_assert_int_eq(news, SET_TOO_MANY);
	ck_assert_uint_eq(set_memo_count(&m), n - 1);
	for (uint32_t i = 0; i < n - 1; i++) {
		memcpy(el.key, &i, sizeof(i));
		ck_assert_ptr_nonnull(set_memo_find(&m, &el));
	}
	/* with memory there is room again */
	memcpy(el.key, &n, sizeof(n));
	ck_assert_int_eq(set_memo_see(&m, &el, SET_BY_PEER, now), SET_NEW);
	set_memo_clear(&m);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("core_memory");
	TCase *t = tcase_create("memory");
	SRunner *r;
	int failed;

	tcase_add_test(t, a_node_begins_or_says_why_not);
	tcase_add_test(t, addresses_stay_as_they_were);
	tcase_add_test(t, rules_are_copied_as_a_whole);
	tcase_add_test(t, a_policy_is_read_or_not);
	tcase_add_test(t, a_list_keeps_what_it_has);
	tcase_add_test(t, elements_that_find_no_room);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
