/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * os/ct_refuse and the needs of ct_dump against the kernel: it leaves out what
 * a filter would skip, and nothing else.
 */
#include "ct_events.h"
#include "ct_lab.h"
#include "ct_refuse.h"

static struct ct_inject in;
static struct ct_events ev;
static unsigned seen[256];

static void setup(void)
{
	lab_setup();
	ck_assert_int_eq(ct_inject_open(&in), 0);
	ck_assert_int_eq(ct_events_open(&ev, 32u << 20), 0);
	ck_assert_int_eq(ct_events_subscribe(&ev), 0);
}

static void teardown(void)
{
	ct_events_close(&ev);
	ct_inject_close(&in);
}

static void take(const struct ct_event *event, void *arg)
{
	(void)arg;
	seen[event->flow.l4proto]++;
}

/* A NEW and a DESTROY of each protocol. */
static void play(void)
{
	struct flow list[] = { lab_tcp(1), lab_udp(2), lab_ping(3) };

	memset(seen, 0, sizeof(seen));
	for (size_t i = 0; i < 3; i++) {
		ck_assert_int_eq(lab_apply(&in, FLOW_NEW, list[i]),
				 FLOW_APPLIED);
		ck_assert_int_eq(lab_apply(&in, FLOW_DESTROY, list[i]),
				 FLOW_APPLIED);
	}
	ck_assert_int_eq(ct_events_read(&ev, take, NULL, 0), CT_EVENTS_DRAINED);
}

static void expect(unsigned tcp, unsigned udp, unsigned icmp)
{
	play();
	ck_assert_uint_eq(seen[IPPROTO_TCP], tcp);
	ck_assert_uint_eq(seen[IPPROTO_UDP], udp);
	ck_assert_uint_eq(seen[IPPROTO_ICMP], icmp);
}

START_TEST(listed_protocols)
{
	const uint64_t none[4] = { 0 };
	uint64_t some[4] = { UINT64_C(1) << IPPROTO_UDP |
			     UINT64_C(1) << IPPROTO_ICMP };

	expect(2, 2, 2);
	ck_assert_int_eq(ct_events_refuse(&ev, some), 0);
	expect(2, 0, 0);
	/* beside the port, whichever comes first */
	ck_assert_int_eq(ct_events_ignore_portid(&ev, ct_inject_portid(&in)),
			 0);
	expect(0, 0, 0);
	ck_assert_int_eq(ct_events_ignore_portid(&ev, 0), 0);
	expect(2, 0, 0);
	some[0] = UINT64_C(1) << IPPROTO_TCP;
	ck_assert_int_eq(ct_events_refuse(&ev, some), 0);
	expect(0, 2, 2);
	ck_assert_int_eq(ct_events_refuse(&ev, none), 0);
	expect(2, 2, 2);
}
END_TEST

/* All but a few: those are compared. */
START_TEST(all_but)
{
	uint64_t most[4] = { ~(UINT64_C(1) << IPPROTO_TCP), UINT64_MAX,
			     UINT64_MAX, UINT64_MAX };

	ck_assert_int_eq(ct_events_refuse(&ev, most), 0);
	expect(2, 0, 0);
	most[0] = UINT64_MAX;
	ck_assert_int_eq(ct_events_refuse(&ev, most), 0);
	expect(0, 0, 0);
	/* too many either way: left to the daemon */
	most[0] = most[1] = UINT64_MAX;
	most[2] = most[3] = 0;
	ck_assert_int_eq(ct_events_refuse(&ev, most), 0);
	expect(2, 2, 2);
}
END_TEST

/* What could not be done is tried again, and until then nothing is lost. */
START_TEST(failure)
{
	uint64_t some[4] = { UINT64_C(1) << IPPROTO_UDP };
	int fd = ev.sock.fd;

	ev.sock.fd = -1;
	ck_assert_int_eq(ct_events_refuse(&ev, some), -EBADF);
	ev.sock.fd = fd;
	expect(2, 2, 2);
	ck_assert_int_eq(ct_events_refuse(&ev, some), 0);
	expect(2, 0, 2);
}
END_TEST

START_TEST(never_longer_than_promised)
{
	struct sock_filter code[CT_REFUSE_MAX];
	const uint64_t none[4] = { 0 };
	uint64_t list[4] = { 0 };
	size_t n;

	ck_assert_uint_eq(ct_refuse_program(code, 0, none), 0);
	for (unsigned i = 0; i < 256; i++) {
		list[i / 64] |= UINT64_C(1) << i % 64;
		n = ct_refuse_program(code, 1, list);
		ck_assert_uint_le(n, CT_REFUSE_MAX);
	}
}
END_TEST

static size_t dumped(struct filter_need need)
{
	static struct lab_table table;
	struct ct_dump d;
	int ret;

	table.n = 0;
	ck_assert_int_eq(ct_dump_open(&d), 0);
	d.need = need;
	ck_assert_int_eq(ct_dump_start(&d, AF_UNSPEC), 0);
	do
		ret = ct_dump_read(&d, lab_table_add, &table);
	while (ret == CT_DUMP_MORE);
	ck_assert_int_eq(ret, CT_DUMP_DONE);
	ct_dump_close(&d);
	return table.n;
}

START_TEST(dumps)
{
	for (unsigned i = 0; i < 40; i++) {
		struct flow f = lab_udp(i);

		f.mark = i % 4; /* 0 .. 3 */
		if (i >= 30)
			f.status &= ~(uint32_t)IPS_ASSURED;
		ck_assert_int_eq(lab_apply(&in, FLOW_NEW, f), FLOW_APPLIED);
	}
	ck_assert_uint_eq(dumped((struct filter_need){ 0 }), 40);
	ck_assert_uint_eq(dumped((struct filter_need){ .status = IPS_ASSURED }),
			  30);
	ck_assert_uint_eq(
		dumped((struct filter_need){ .mark = 1, .mark_mask = 1 }), 20);
	ck_assert_uint_eq(
		dumped((struct filter_need){ .mark = 0, .mark_mask = 3 }), 10);
	ck_assert_uint_eq(dumped((struct filter_need){ .status = IPS_ASSURED,
						       .mark = 2,
						       .mark_mask = 3 }),
			  7);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ct_refuse");
	TCase *t = tcase_create("ct_refuse");

	lab_require();
	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, listed_protocols);
	tcase_add_test(t, all_but);
	tcase_add_test(t, failure);
	tcase_add_test(t, never_longer_than_promised);
	tcase_add_test(t, dumps);
	suite_add_tcase(s, t);
	return lab_run_suite(s);
}
