// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * core/engine: what a node is asked for by people, other programs and its
 * peer, and the reasons for which it refuses.
 */
#include "engine_node.h"

#include <errno.h>
#include <stdio.h>

#include "frame.h"
#include "session_msg.h"

static char why[SESSION_REASON_MAX];
static char verified[SESSION_REASON_MAX]; /* how it ended; "-": it did not */

static void settle(mono_t at)
{
	struct engine_action a;

	strcpy(verified, "-");
	while (engine_poll(e, &a, at))
		if (a.what == ENGINE_VERIFIED)
			strcpy(verified, a.log.text);
}

/* --- verify ------------------------------------------------------------------ */

static int verify(void)
{
	why[0] = '\0';
	return engine_verify(e, 0, why, now);
}

/* The peer is master and can compare, and somebody here wants to know. */
static void wanted(void)
{
	says(CARP_MASTER);
	e->peers[0].hello.capabilities = SESSION_CAN_AUDIT;
	ck_assert_int_eq(verify(), 0);
	settle(now);
	ck_assert_str_eq(verified, "-");
}

static void audit_said(enum session_audit_kind kind, const char *text)
{
	struct session_audit m = { .kind = kind };
	struct session_event ev = { .type = SESSION_AUDIT };

	if (text) {
		m.ntexts = 1;
		strcpy(m.texts[0], text);
	}
	ev.audit.said = &m;
	engine_verify_heard(e, 0, &ev, now);
	settle(now);
}

START_TEST(why_not_compared)
{
	ck_assert_int_eq(verify(), -EAGAIN);
	ck_assert_str_eq(why, "no link to fw1");
	says(CARP_BACKUP);
	ck_assert_int_eq(verify(), -EAGAIN);
	ck_assert_str_eq(why, "fw1 runs a version that cannot compare");
	e->peers[0].hello.capabilities = SESSION_CAN_AUDIT;
	ck_assert_int_eq(verify(), -ENOENT);
	ck_assert_str_eq(why, "neither fw1 nor this node is master of "
			      "anything");
	masters(); /* who has to give it a bulk first */
	ck_assert_int_eq(verify(), -EAGAIN);
	ck_assert_str_eq(why, "fw1 is not in sync. statesync wait in-sync");
	ck_assert(!e->peers[0].audit.wanted);
}
END_TEST

START_TEST(a_comparison_that_does_not_come)
{
	wanted();
	e->peers[0].live = false;
	settle(now);
	ck_assert_str_eq(verified, "the link was lost");
	settle(now); /* said once */
	ck_assert_str_eq(verified, "-");
	wanted();
	settle(mono_add(now, 3600 * MONO_S));
	ck_assert_str_eq(verified, "the peer does not answer");
	wanted();
	audit_said(SESSION_AUDIT_REFUSED, "the two are not in sync");
	ck_assert_str_eq(verified, "the two are not in sync");
	wanted();
	audit_said(SESSION_AUDIT_REFUSED, NULL);
	ck_assert_str_eq(verified, "refused");
	/* nobody wants to know any more */
	audit_said(SESSION_AUDIT_REFUSED, "late");
	ck_assert_str_eq(verified, "-");
}
END_TEST

/* The owner's words, from this side. */
START_TEST(a_report_of_the_owner)
{
	struct session_audit m = { .kind = SESSION_AUDIT_REPORT,
				   .urgent = true,
				   .ntexts = 3 };
	struct session_event ev = { .type = SESSION_AUDIT };
	const struct audit_report *r = &e->peers[0].audit.last;

	m.count[AUDIT_COMPARED] = 100;
	m.count[AUDIT_MISSING] = 2;
	m.count[AUDIT_EXTRA] = 5;
	m.examples[0] = AUDIT_MISSING;
	m.examples[1] = AUDIT_EXTRA;
	m.examples[2] = AUDIT_MARK;
	wanted();
	ev.audit.said = &m;
	engine_verify_heard(e, 0, &ev, now);
	settle(now);
	ck_assert_str_eq(verified, "");
	ck_assert_uint_eq(r->count[AUDIT_COMPARED], 100);
	ck_assert_uint_eq(r->count[AUDIT_EXTRA], 2);
	ck_assert_uint_eq(r->count[AUDIT_MISSING], 5);
	ck_assert_uint_eq(r->examples[0], AUDIT_EXTRA);
	ck_assert_uint_eq(r->examples[1], AUDIT_MISSING);
	ck_assert_uint_eq(r->examples[2], AUDIT_MARK);
	/* a master has its own */
	masters();
	m.count[AUDIT_COMPARED] = 7;
	engine_verify_heard(e, 0, &ev, now);
	ck_assert_uint_eq(r->count[AUDIT_COMPARED], 100);
}
END_TEST

START_TEST(the_peer_wants_to_know)
{
	says(CARP_BACKUP);
	masters();
	audit_said(SESSION_AUDIT_WANTED, NULL); /* it lacks a bulk */
	ck_assert(!e->peers[0].audit.asked);
}
END_TEST

/* --- another elector -------------------------------------------------------------- */

START_TEST(only_an_elector_moves_what_is_its)
{
	says(CARP_BACKUP);
	ck_assert(!engine_is_external(e));
	ck_assert_int_eq(engine_role(e, LAN, true, now), -EINVAL);
	e->vhosts[LAN].carp.external = true;
	ck_assert(engine_is_external(e));
	ck_assert_int_eq(engine_role(e, LAN, true, now), 0);
	ck_assert_int_eq(e->vhosts[LAN].carp.state, CARP_MASTER);
	/* it is not given away from here */
	ck_assert_str_eq(engine_handover_refusal(e, 0, 0, true),
			 "another program elects; it has to move");
	ck_assert_int_eq(engine_role(e, LAN, false, now), 0);
	ck_assert_int_eq(e->vhosts[LAN].carp.state, CARP_BACKUP);
	e->stopping = true;
	ck_assert_int_eq(engine_role(e, LAN, true, now), -EBUSY);
	e->stopping = false;
	e->vhosts[LAN].gone = true;
	ck_assert_int_eq(engine_role(e, LAN, true, now), -EINVAL);
	ck_assert(!engine_is_external(e));
	ck_assert_int_eq(e->vhosts[LAN].carp.state, CARP_BACKUP);
}
END_TEST

/* --- another configuration ---------------------------------------------------------- */

START_TEST(values_of_a_reload)
{
	const struct engine_conf conf = { .independent = true,
					  .require = REQUIRE_SYNC_LIMIT,
					  .require_ns = 30 * MONO_S,
					  .audit_period_ns = 60 * MONO_S };

	settle(now);
	ck_assert(e->vhosts[LAN].carp.env.holding); /* the link is down */
	engine_change(e, &conf);
	settle(mono_add(now, 29 * MONO_S));
	ck_assert(e->vhosts[LAN].carp.env.holding);
	settle(mono_add(now, 31 * MONO_S));
	ck_assert(!e->vhosts[LAN].carp.env.holding);
	ck_assert(engine_all_work(e));
}
END_TEST

START_TEST(a_vhost_that_cannot_be)
{
	static const uint32_t address = 0x0a030001;
	struct engine_vhost_conf conf = {
		.name = "new",
		.carp = { .vhid = 9,
			  .advbase = 1,
			  .pass = "a password of twenty",
			  .v4 = &address,
			  .v4_count = 1 },
	};
	const char *said = "";

	ck_assert_int_eq(engine_vhost_set(e, VHOSTS, &conf, &said, now),
			 -EINVAL);
	ck_assert_str_eq(said, "the password is longer than 19 bytes");
	ck_assert_uint_eq(e->nvhosts, VHOSTS);
	ck_assert_int_eq(engine_vhost_set(e, LAN, &conf, &said, now), -EINVAL);
	ck_assert_uint_eq(e->vhosts[LAN].carp.auth.vhid, LAN + 1);
	ck_assert_str_eq(e->vhosts[LAN].name, "lan");
	conf.carp.pass = "secret";
	ck_assert_int_eq(engine_vhost_set(e, VHOSTS, &conf, &said, now), 0);
	ck_assert_uint_eq(e->nvhosts, VHOSTS + 1);
}
END_TEST

START_TEST(maintenance_is_a_demotion)
{
	engine_maintenance(e, true, now);
	settle(now);
	ck_assert_uint_eq(e->vhosts[WAN].carp.env.demotion,
			  DEMOTION_MAINTAINED);
	engine_maintenance(e, false, now);
	settle(now);
	ck_assert_uint_eq(e->vhosts[WAN].carp.env.demotion, 0);
}
END_TEST

/* --- handover ---------------------------------------------------------------------- */

static void handover_said(enum session_handover kind, uint32_t vhosts)
{
	struct session_event ev = { .type = SESSION_HANDOVER };

	ev.handover.kind = kind;
	ev.handover.reason = "a test";
	ev.handover.vhosts = vhosts;
	engine_handover_received(e, 0, &ev, now);
}

/* All of it is known to the peer. */
static void told_all(void)
{
	e->peers[0].tx.state = TX_STREAM;
	e->peers[0].tx.epoch = 3;
	e->peers[0].word.rx_epoch = 3;
}

START_TEST(a_request_of_the_peer)
{
	says(CARP_BACKUP);
	handover_said(SESSION_HANDOVER_REQUEST, 0); /* there is nothing */
	ck_assert_int_eq(e->handover.state, HANDOVER_IDLE);
	masters();
	told_all();
	handover_said(SESSION_HANDOVER_REQUEST, 1U << 20); /* its own */
	ck_assert_int_eq(e->handover.state, HANDOVER_IDLE);
	e->peers[0].word.ready = false;
	handover_said(SESSION_HANDOVER_REQUEST, 0);
	ck_assert_int_eq(e->handover.state, HANDOVER_IDLE);
	e->peers[0].word.ready = true;
	handover_said(SESSION_HANDOVER_REQUEST, 1U << WAN);
	ck_assert_int_eq(e->handover.state, HANDOVER_DRAIN);
	ck_assert_uint_eq(e->handover_set, 1U << WAN);
	/* a second wish does not begin it anew */
	handover_said(SESSION_HANDOVER_REQUEST, 0);
	ck_assert_uint_eq(e->handover_set, 1U << WAN);
	ck_assert(!e->handover_refused);
	handover_said(SESSION_HANDOVER_REFUSED, 0);
	ck_assert(e->handover_refused);
}
END_TEST

/* One that is for another node is left alone for a moment. */
START_TEST(it_goes_elsewhere)
{
	says(CARP_MASTER);
	handover_said(SESSION_HANDOVER_ELSEWHERE, 1U << LAN | 1U << WAN);
	ck_assert(engine_is_second(e, LAN, -1, now));
	ck_assert(!engine_is_second(e, DMZ, -1, now));
	ck_assert(!engine_is_second(e, LAN, -1, mono_add(now, MONO_S)));
}
END_TEST

START_TEST(who_is_the_heir)
{
	const char *reason = NULL;

	ck_assert_int_eq(engine_handover_heir(e, &reason), 0);
	ck_assert_str_eq(reason, "the link to it is down");
	says(CARP_BACKUP);
	masters();
	ck_assert_str_eq(engine_handover_hinders(e, 0), "it is not in sync");
	told_all();
	e->peers[0].word.demotion = 1;
	ck_assert_str_eq(engine_handover_hinders(e, 0),
			 "it is more demoted than this node");
	e->peers[0].word.demotion = 0;
	ck_assert_ptr_null(engine_handover_hinders(e, 0));
	ck_assert_int_eq(engine_handover_heir(e, &reason), 0);
	ck_assert_ptr_null(reason);
	e->npeers = 0;
	ck_assert_int_eq(engine_handover_heir(e, &reason), -1);
	ck_assert_str_eq(reason, "there is no peer");
	e->npeers = 1;
}
END_TEST

START_TEST(what_cannot_be_handed_over)
{
	ck_assert_int_eq(engine_handover(e, 0, false, 0, "", why, now),
			 -EAGAIN);
	ck_assert_str_eq(why, "this node is master of nothing");
	says(CARP_BACKUP);
	masters();
	told_all();
	e->vhosts[WAN].carp.state = CARP_BACKUP;
	ck_assert_int_eq(engine_handover(e, 0, false, 1U << WAN, "", why, now),
			 -EAGAIN);
	ck_assert_str_eq(why, "this node is master of none of them");
	e->peers[0].word.ready = false;
	ck_assert_int_eq(engine_handover(e, 0, false, 0, "", why, now),
			 -EAGAIN);
	ck_assert_str_eq(why, "fw1: it is not ready");
	ck_assert_int_eq(engine_handover(e, 0, true, 0, "", why, now), 0);
	ck_assert_int_eq(engine_handover(e, 0, true, 0, "", why, now),
			 -EALREADY);
	ck_assert_str_eq(why, "one is already going on");
}
END_TEST

/* --- the link ------------------------------------------------------------------------ */

/* Why the link is closed after these bytes. */
static const char *closed(const void *bytes, size_t len)
{
	static char text[ENGINE_TEXT_MAX];
	struct engine_action a;

	engine_peer_up(e, 0, now);
	engine_peer_data(e, 0, bytes, len, now);
	(void)engine_work(e, now); /* hears it */
	text[0] = '\0';
	while (engine_poll(e, &a, now))
		if (a.what == ENGINE_CLOSE)
			snprintf(text, sizeof(text), "%s", a.log.text);
	engine_peer_down(e, 0, "a test", now);
	return text;
}

static const char *hello(const char *from, const char *to)
{
	struct session_hello h = { .version = "x" };
	struct session_hello_names names = { 0 };
	static char text[ENGINE_TEXT_MAX];
	struct queue q;

	strcpy(names.node, from);
	strcpy(names.peer, to);
	ck_assert_int_eq(queue_init(&q), 0);
	session_msg_put_hello(&q, &h, &names);
	snprintf(text, sizeof(text), "%s", closed(queue_data(&q), q.len));
	queue_free(&q);
	return text;
}

START_TEST(why_the_link_is_closed)
{
	ck_assert_str_eq(hello("fw7", "fw2"),
			 "its hello names other nodes than \"fw1\" and "
			 "\"fw2\"; see node and peer in both configurations");
	ck_assert_str_eq(hello("fw2", "fw1"),
			 "its hello names other nodes than \"fw1\" and "
			 "\"fw2\"; see node and peer in both configurations");
	ck_assert_str_eq(closed("GET / HTTP/1.1\r\n\r\n", 18),
			 "it sent what this version does not understand "
			 "(frame)");
	ck_assert_uint_eq(e->peers[0].broken[SESSION_BAD_NAME], 2);
	ck_assert_uint_eq(e->peers[0].broken[SESSION_BAD_FRAME], 1);
	ck_assert_str_eq(hello("fw1", "fw2"), "");
}
END_TEST

/* A reason is logged when it is another one, not with each attempt. */
START_TEST(why_there_is_no_link)
{
	static const char *const reasons[] = { "refused", "refused", "no key",
					       "refused" };
	struct engine_action a;
	unsigned said = 0;

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		engine_peer_up(e, 0, now);
		engine_peer_down(e, 0, reasons[i], now);
		engine_peer_down(e, 0, "it is down", now);
		while (engine_poll(e, &a, now))
			said += a.what == ENGINE_LOG &&
				strstr(a.log.text, "peer \"fw1\": ");
	}
	ck_assert_uint_eq(said, 3);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("engine_asked");
	TCase *t = tcase_create("all");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, why_not_compared);
	tcase_add_test(t, a_comparison_that_does_not_come);
	tcase_add_test(t, a_report_of_the_owner);
	tcase_add_test(t, the_peer_wants_to_know);
	tcase_add_test(t, only_an_elector_moves_what_is_its);
	tcase_add_test(t, values_of_a_reload);
	tcase_add_test(t, a_vhost_that_cannot_be);
	tcase_add_test(t, maintenance_is_a_demotion);
	tcase_add_test(t, a_request_of_the_peer);
	tcase_add_test(t, it_goes_elsewhere);
	tcase_add_test(t, who_is_the_heir);
	tcase_add_test(t, what_cannot_be_handed_over);
	tcase_add_test(t, why_the_link_is_closed);
	tcase_add_test(t, why_there_is_no_link);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
