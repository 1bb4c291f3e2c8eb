// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * proto/session on a machine that is short of memory: any one allocation of a
 * long conversation may fail. Then somebody is told, or nothing is missing;
 * and the next connection has everything.
 */
#include "session_pair.h"

#include "expect_sample.h"
#include "session_audit.h"
#include "short_memory.h"

#define FLOWS	 30000
#define COPIES	 20000
#define EXPECTS	 40
#define ELEMENTS 50

static struct {
	size_t flows, copies, expects, elements, audits, facts, words, sets;
	bool complete, hello;
} got;

static void hear(struct session *s)
{
	while (session_poll(s, &ev)) {
		got.hello |= ev.type == SESSION_HELLO;
		got.words += ev.type == SESSION_WORD;
		got.sets += ev.type == SESSION_SETS;
		got.audits += ev.type == SESSION_AUDIT;
		if (ev.type == SESSION_FLOWS)
			*(ev.flows.bulk ? &got.copies : &got.flows) +=
				ev.flows.n;
		if (ev.type == SESSION_EXPECTS)
			got.expects += ev.expects.batch->n;
		if (ev.type == SESSION_SET_ELEMENTS)
			got.elements += ev.elements.m->n;
		if (ev.type == SESSION_FACTS)
			got.facts += ev.facts.n;
		if (ev.type == SESSION_BULK_END)
			got.complete = ev.bulk_end.complete;
	}
}

/* False: memory is short on the way. Checks nothing: Check wants memory, too. */
static bool bring(struct session *from, struct session *to)
{
	const uint8_t *p;
	size_t len;

	while ((len = session_output(from, &p)) > 0) {
		if (session_input(to, p, len, now))
			return false;
		session_sent(from, len);
	}
	hear(to);
	return true;
}

/* Some of everything that a node says. False: it says that it cannot. */
static bool say(void)
{
	static const struct session_word word = { .nvhosts = 8 };
	static struct set_elements elements = { .name = "inet a b",
						.n = ELEMENTS };
	static const struct set_word set = { .name = "inet a b" };
	static struct fact facts[3 * FACTS_FRAME];
	const struct session_audit look = { .kind = SESSION_AUDIT_WANTED };
	struct flow_change c = { .op = FLOW_NEW };
	struct expect_change x = { .op = EXPECT_NEW };
	struct flow copy;
	int err = 0;

	for (uint32_t i = 0; i < FLOWS && !err; i++) {
		numbered_flow(&c.flow, i);
		err = session_tell(a, &c, now);
	}
	for (uint16_t i = 0; i < EXPECTS && !err; i++) {
		x.expect = expect_sample(&c.flow, i);
		err = session_tell_expect(a, &x, now);
	}
	err = err ? err : session_flush(a, now);
	err = err ? err : session_bulk_begin(a, 1, 5, COPIES, key, now);
	for (uint32_t i = 0; i < COPIES && !err; i++) {
		numbered_flow(&copy, i);
		err = session_bulk_tell(a, &copy, now);
	}
	err = err ? err : session_bulk_end(a, now);
	err = err ? err : session_send_audit(a, &look, now);
	err = err ? err : session_tell_elements(a, &elements, now);
	err = err ? err : session_send_word(a, &word);
	err = err ? err : session_send_sets(a, &set, 1, false);
	err = err ? err : session_send_facts(a, facts, 3 * FACTS_FRAME);
	return !err;
}

static void all_is_there(void)
{
	ck_assert(got.complete);
	ck_assert_uint_eq(got.flows, FLOWS);
	ck_assert_uint_eq(got.copies, COPIES);
	ck_assert_uint_eq(got.expects, EXPECTS);
	ck_assert_uint_eq(got.elements, ELEMENTS);
	ck_assert_uint_eq(got.audits, 1);
	ck_assert_uint_eq(got.facts, 3 * FACTS_FRAME);
	ck_assert_uint_eq(got.words, 1);
	ck_assert_uint_eq(got.sets, 1);
}

static bool talk(void)
{
	memset(&got, 0, sizeof(got));
	session_up(a, now);
	session_up(b, now);
	return bring(a, b) && bring(b, a) && session_live(a) &&
	       session_live(b) && say() && bring(a, b);
}

static void begin(void)
{
	seed = 1;
	now = (mono_t){ 1000 * MONO_S };
	a = b = NULL;
}

static void end(void)
{
	session_free(a);
	session_free(b);
}

START_TEST(any_allocation_may_fail)
{
	bool told;

	for (fails = 1;; fails++) {
		begin();
		asked = 0;
		armed = true;
		a = session_new(&conf_a);
		b = session_new(&conf_b);
		told = a && b && talk();
		armed = false;
		if (!a || !b) {
			ck_assert_uint_ge(asked, fails);
			end();
			continue;
		}
		if (asked < fails)
			break;
		if (!told) /* the link is closed and comes back */
			ck_assert(talk());
		all_is_there();
		end();
	}
	ck_assert(told);
	all_is_there();
	ck_assert_uint_gt(asked, 10);
	end();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("session_memory");
	TCase *t = tcase_create("memory");
	SRunner *r;
	int failed;

	tcase_add_test(t, any_allocation_may_fail);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
