/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/filter: which flows can move to another node (rules 2). */
#include <check.h>
#include <stdlib.h>

#include "core_flow.h"
#include "filter.h"

static struct filter filter;

static void setup(void)
{
	/* unsorted, on purpose */
	const struct session_address ours[] = {
		{ AF_INET, v4(203, 0, 113, 1) }, /* shared */
		{ AF_INET, v4(10, 0, 0, 2) },
		{ AF_INET, v4(10, 0, 0, 1) },
	};
	const struct session_address theirs[] = {
		{ AF_INET, v4(10, 0, 0, 3) },
	};

	ck_assert_int_eq(filter_set(&filter, FILTER_OURS, ours, 3), 0);
	ck_assert_int_eq(filter_set(&filter, FILTER_PEERS, theirs, 1), 0);
}

static void teardown(void)
{
	filter_free(&filter);
}

static void expect(const struct flow *f, enum filter_verdict v)
{
	ck_assert_str_eq(filter_verdict_name(filter_flow(&filter, f)),
			 filter_verdict_name(v));
}

START_TEST(forwarded_passes)
{
	struct flow f = tcp_flow(1);

	expect(&f, FILTER_PASS);
}
END_TEST

/* Through the shared address, in either direction: that is the job. */
START_TEST(translated_through_a_shared_address_passes)
{
	struct flow snat = snat_flow(1, v4(203, 0, 113, 1));
	struct flow dnat = tcp_flow(2);

	expect(&snat, FILTER_PASS);
	dnat.orig.dst = v4(203, 0, 113, 1);
	dnat.reply.src = v4(10, 0, 0, 80);
	expect(&dnat, FILTER_PASS);
}
END_TEST

/* Begun by a node, or served by one: of either node, shared or not. */
START_TEST(own_connections_stay)
{
	static const uint8_t last[] = { 1, 2, 3 };
	struct flow f;

	for (size_t i = 0; i < sizeof(last); i++) {
		f = snat_flow(1, v4(203, 0, 113, 1));
		f.orig.src = v4(10, 0, 0, last[i]);
		expect(&f, FILTER_OWN);
		f = tcp_flow(1);
		f.reply.src = v4(10, 0, 0, last[i]);
		expect(&f, FILTER_OWN);
	}
	f = tcp_flow(1);
	f.orig.src = v4(203, 0, 113, 1);
	expect(&f, FILTER_OWN);
	f = tcp_flow(1);
	f.reply.src = v4(203, 0, 113, 1);
	expect(&f, FILTER_OWN);
}
END_TEST

START_TEST(an_old_list_is_replaced)
{
	struct flow f = tcp_flow(1);

	f.orig.src = v4(10, 0, 0, 3);
	expect(&f, FILTER_OWN);
	ck_assert_int_eq(filter_set(&filter, FILTER_PEERS, NULL, 0), 0);
	expect(&f, FILTER_PASS);
}
END_TEST

START_TEST(loopback_and_multicast_stay)
{
	struct flow f = tcp_flow(1);

	f.orig.src = v4(127, 0, 0, 1);
	expect(&f, FILTER_LOOPBACK);
	f = tcp_flow(1);
	f.orig.dst = v4(224, 0, 0, 18);
	expect(&f, FILTER_MULTICAST);
	f = tcp_flow(1);
	f.orig.dst = v4(255, 255, 255, 255);
	expect(&f, FILTER_MULTICAST);
}
END_TEST

/* An entry that the other kernel could not go on with. */
START_TEST(useless_states_stay)
{
	static const uint8_t states[] = { TCP_CONNTRACK_NONE,
					  TCP_CONNTRACK_SYN_SENT,
					  TCP_CONNTRACK_SYN_SENT2 };
	static const uint32_t bits[] = { IPS_DYING, IPS_TEMPLATE,
					 IPS_UNTRACKED };
	struct flow f = tcp_flow(1);

	for (size_t i = 0; i < sizeof(states); i++) {
		f.tcp_state = states[i];
		expect(&f, FILTER_STATE);
		/* its end is told: the peer may have it from earlier */
		ck_assert_int_eq(filter_ends(&filter, &f), FILTER_PASS);
	}
	for (size_t i = 0; i < 3; i++) {
		f = tcp_flow(1);
		f.status |= bits[i];
		expect(&f, FILTER_STATE);
	}
}
END_TEST

/* A tag that is not known yet makes the other node drop what follows. */
START_TEST(half_an_association_stays)
{
	struct flow f = sctp_flow(SCTP_CONNTRACK_COOKIE_WAIT, 0, 7);

	expect(&f, FILTER_STATE);
	f.sctp_vtag[0] = 8;
	expect(&f, FILTER_PASS);
	f = sctp_flow(SCTP_CONNTRACK_HEARTBEAT_SENT, 8, 0);
	expect(&f, FILTER_PASS);
	f = sctp_flow(SCTP_CONNTRACK_NONE, 8, 7);
	expect(&f, FILTER_STATE);
	f = sctp_flow(SCTP_CONNTRACK_ESTABLISHED, 8, 7);
	expect(&f, FILTER_PASS);
	f.has = 0;
	expect(&f, FILTER_STATE);
}
END_TEST

/* Masqueraded to this node's own address: it goes over in vain. */
START_TEST(what_is_tied_to_a_node)
{
	struct flow f = tcp_flow(1);
	const struct session_address both[] = {
		{ AF_INET, v4(203, 0, 113, 1) },
		{ AF_INET, v4(10, 0, 0, 3) },
	};

	ck_assert_ptr_null(filter_tied(&filter, &f));
	f = snat_flow(1, v4(10, 0, 0, 2));
	ck_assert_ptr_eq(filter_tied(&filter, &f), &f.reply.dst);
	f = snat_flow(1, v4(192, 0, 2, 9)); /* nobody's: routed to whoever */
	ck_assert_ptr_null(filter_tied(&filter, &f));
	f = snat_flow(1, v4(203, 0, 113, 1)); /* not said by the peer, yet */
	ck_assert_ptr_eq(filter_tied(&filter, &f), &f.reply.dst);
	ck_assert_int_eq(filter_set(&filter, FILTER_PEERS, both, 2), 0);
	ck_assert_ptr_null(filter_tied(&filter, &f));
	f = tcp_flow(2);
	f.orig.dst = v4(10, 0, 0, 1);
	f.reply.src = v4(10, 0, 0, 80);
	ck_assert_ptr_eq(filter_tied(&filter, &f), &f.orig.dst);
	ck_assert_int_eq(filter_set(&filter, FILTER_PEERS, NULL, 0), 0);
	ck_assert_ptr_null(filter_tied(&filter, &f));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("filter");
	TCase *t = tcase_create("filter");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, forwarded_passes);
	tcase_add_test(t, translated_through_a_shared_address_passes);
	tcase_add_test(t, own_connections_stay);
	tcase_add_test(t, an_old_list_is_replaced);
	tcase_add_test(t, loopback_and_multicast_stay);
	tcase_add_test(t, useless_states_stay);
	tcase_add_test(t, half_an_association_stays);
	tcase_add_test(t, what_is_tied_to_a_node);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
