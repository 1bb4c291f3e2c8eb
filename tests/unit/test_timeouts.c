/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core/timeouts: by protocol and state (rules 7). */
#include <check.h>
#include <stdlib.h>

#include "core_flow.h"
#include "timeouts.h"

static struct flow_timeouts timeouts;

static void setup(void)
{
	timeouts_default(&timeouts);
}

START_TEST(nominal_is_the_kernels)
{
	struct flow f = tcp_flow(1);

	ck_assert_uint_eq(timeouts_nominal(&timeouts, &f), 432000);
	f.tcp_state = TCP_CONNTRACK_TIME_WAIT;
	ck_assert_uint_eq(timeouts_nominal(&timeouts, &f), 120);
	f.tcp_state = 200;
	ck_assert_uint_eq(timeouts_nominal(&timeouts, &f), 600);
	f.l4proto = IPPROTO_UDP;
	ck_assert_uint_eq(timeouts_nominal(&timeouts, &f), 120);
	f.status &= ~(uint32_t)IPS_ASSURED;
	ck_assert_uint_eq(timeouts_nominal(&timeouts, &f), 30);
	f.l4proto = IPPROTO_ICMP;
	ck_assert_uint_eq(timeouts_nominal(&timeouts, &f), 30);
	f.l4proto = IPPROTO_ESP;
	ck_assert_uint_eq(timeouts_nominal(&timeouts, &f), 600);
	f.l4proto = IPPROTO_UDPLITE;
	ck_assert_uint_eq(timeouts_nominal(&timeouts, &f), 30);
	f.l4proto = IPPROTO_GRE;
	ck_assert_uint_eq(timeouts_nominal(&timeouts, &f), 180);
	f.status = IPS_CONFIRMED;
	ck_assert_uint_eq(timeouts_nominal(&timeouts, &f), 30);
	f.status |= IPS_FIXED_TIMEOUT;
	ck_assert_uint_eq(timeouts_nominal(&timeouts, &f), 86400);
	f = sctp_flow(SCTP_CONNTRACK_ESTABLISHED, 1, 2);
	ck_assert_uint_eq(timeouts_nominal(&timeouts, &f), 210);
	f.sctp_state = SCTP_CONNTRACK_HEARTBEAT_SENT;
	ck_assert_uint_eq(timeouts_nominal(&timeouts, &f), 30);
	for (unsigned state = 0; state < 256; state++) {
		f.sctp_state = (uint8_t)state;
		ck_assert_uint_gt(timeouts_nominal(&timeouts, &f), 0);
	}
	/* The day of a flowtable is not ours. */
	f = tcp_flow(1);
	f.status |= IPS_OFFLOAD;
	f.timeout_s = 86400;
	ck_assert_uint_eq(timeouts_nominal(&timeouts, &f), 432000);
}
END_TEST

START_TEST(a_standby_keeps_for_an_hour_at_least)
{
	struct flow f = tcp_flow(1);

	ck_assert_uint_eq(timeouts_standby(&timeouts, &f, TIMEOUT_STANDBY_S),
			  432000);
	f.tcp_state = TCP_CONNTRACK_CLOSE;
	ck_assert_uint_eq(timeouts_standby(&timeouts, &f, TIMEOUT_STANDBY_S),
			  3600);
	f.l4proto = IPPROTO_UDP;
	ck_assert_uint_eq(timeouts_standby(&timeouts, &f, TIMEOUT_STANDBY_S),
			  3600);
}
END_TEST

/* The mark must not be mistaken for a standby's timeout, or the sweep after a
 * bulk removes what the bulk brought. A SYN_SENT is in no bulk, and neither
 * marked nor swept (filter.c): it ends as it does at its owner. Where several
 * nodes work it is in all of that. */
START_TEST(the_mark_is_shorter_than_any_copy)
{
	for (unsigned state = 0; state < TIMEOUT_TCP_STATES; state++) {
		struct flow f = tcp_flow(1);

		f.tcp_state = (uint8_t)state;
		if (state == TCP_CONNTRACK_SYN_SENT) {
			ck_assert_uint_eq(timeouts_standby(&timeouts, &f, 0),
					  timeouts_nominal(&timeouts, &f));
			ck_assert_uint_gt(timeouts_copy(&timeouts, &f),
					  2 * TIMEOUT_SUSPECT_S);
			continue;
		}
		ck_assert_uint_gt(
			timeouts_standby(&timeouts, &f, TIMEOUT_STANDBY_S),
			2 * TIMEOUT_SUSPECT_S);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("timeouts");
	TCase *t = tcase_create("timeouts");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, nominal_is_the_kernels);
	tcase_add_test(t, a_standby_keeps_for_an_hour_at_least);
	tcase_add_test(t, the_mark_is_shorter_than_any_copy);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
