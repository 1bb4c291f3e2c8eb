/* SPDX-License-Identifier: GPL-3.0-or-later */
/* os/ct_expect against the kernel. */
#include "ct_events.h"
#include "ct_expect.h"
#include "ct_lab.h"
#include "expect_sample.h"

static struct ct_inject in;
static struct nl_sock ask, dump;
static struct flow master;

static struct flow control(unsigned i, const char *helper)
{
	struct flow f = lab_snat(lab_tcp(i), i);

	f.has |= FLOW_HAS_HELPER;
	snprintf(f.helper, sizeof(f.helper), "%s", helper);
	return f;
}

static void setup(void)
{
	lab_setup();
	ck_assert_int_eq(ct_inject_open(&in), 0);
	ck_assert_int_eq(nl_open(&ask, NETLINK_NETFILTER, 0, 0), 0);
	ck_assert_int_eq(nl_open(&dump, NETLINK_NETFILTER, 0, 0), 0);
	master = control(1, "ftp");
	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, master), FLOW_APPLIED);
}

static void teardown(void)
{
	ct_inject_close(&in);
	nl_close(&ask);
	nl_close(&dump);
}

static enum expect_result apply(enum expect_op op, const struct expect *e)
{
	struct expect_batch b = { .n = 1 };
	uint8_t result = 0xff;

	b.list[0] = (struct expect_change){ .op = op, .expect = *e };
	ct_expect_apply(&in, &b, &result);
	return (enum expect_result)result;
}

static struct ct_expect_event found[EXPECT_BATCH];
static size_t nfound;

static void take(const struct ct_expect_event *event, void *arg)
{
	(void)arg;
	ck_assert_uint_lt(nfound, EXPECT_BATCH);
	found[nfound++] = *event;
}

static void named(char *field, size_t size, const char *name)
{
	memset(field, 0, size);
	snprintf(field, size, "%s", name);
}

/* How many there are; they are in found. */
static size_t table(void)
{
	nfound = 0;
	ck_assert_int_eq(ct_expect_dump(&dump, &ask, take, NULL), 0);
	return nfound;
}

static void assert_there(const struct expect *e, uint32_t least, uint32_t most)
{
	for (size_t i = 0; i < table(); i++) {
		struct expect g = found[i].change.expect;

		if (!flow_tuple_equal(&g.tuple, &e->tuple))
			continue;
		ck_assert_uint_ge(g.timeout_s, least);
		ck_assert_uint_le(g.timeout_s, most);
		g.timeout_s = e->timeout_s;
		ck_assert_mem_eq(&g, e, sizeof(g));
		ck_assert_int_eq(found[i].change.op, EXPECT_COPY);
		ck_assert(found[i].has_master);
		ck_assert(flow_tuple_equal(&found[i].master.reply,
					   &master.reply));
		return;
	}
	ck_abort_msg("not there");
}

START_TEST(what_is_put_is_there)
{
	struct expect e = expect_sample(&master, 1);

	e.timeout_s = 200; /* the helper's are 300 */
	ck_assert_int_eq(apply(EXPECT_NEW, &e), EXPECT_APPLIED);
	assert_there(&e, 198, 200);
	e.timeout_s = 100;
	ck_assert_int_eq(apply(EXPECT_COPY, &e), EXPECT_APPLIED);
	assert_there(&e, 98, 100);
	/* another port: there is room for one, and the new one counts */
	e = expect_sample(&master, 2);
	named(e.fn, sizeof(e.fn), "");
	e.nat_port = 0;
	e.nat_dir = 0;
	ck_assert_int_eq(apply(EXPECT_NEW, &e), EXPECT_APPLIED);
	assert_there(&e, 298, 300);
	ck_assert_uint_eq(table(), 1);
	e.flags = 1; /* PERMANENT */
	ck_assert_int_eq(apply(EXPECT_NEW, &e), EXPECT_APPLIED);
	assert_there(&e, 298, 300);
}
END_TEST

START_TEST(over_ipv6)
{
	struct flow f = control(2, "ftp");
	struct expect e;

	f.family = AF_INET6;
	memset(f.orig.src.b, 0x20, 16);
	memset(f.orig.dst.b, 0x30, 16);
	flow_tuple_invert(&f, &f.orig, &f.reply);
	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, f), FLOW_APPLIED);
	master = f;
	e = expect_sample(&f, 1);
	ck_assert_int_eq(apply(EXPECT_NEW, &e), EXPECT_APPLIED);
	assert_there(&e, 298, 300);
}
END_TEST

START_TEST(one_that_ended_lingers)
{
	struct expect e = expect_sample(&master, 1);

	ck_assert_int_eq(apply(EXPECT_END, &e), EXPECT_GONE);
	apply(EXPECT_NEW, &e);
	ck_assert_int_eq(apply(EXPECT_END, &e), EXPECT_APPLIED);
	assert_there(&e, EXPECT_LINGER_S - 2, EXPECT_LINGER_S);
	/* announced again meanwhile */
	ck_assert_int_eq(apply(EXPECT_NEW, &e), EXPECT_APPLIED);
	assert_there(&e, 298, 300);
	e.timeout_s = 0;
	ck_assert_int_eq(apply(EXPECT_COPY, &e), EXPECT_APPLIED);
	sleep(2);
	ck_assert_uint_eq(table(), 0);
}
END_TEST

START_TEST(what_cannot_be)
{
	struct flow other = control(2, "ftp"), plain = lab_tcp(3);
	struct expect e = expect_sample(&other, 1);

	ck_assert_int_eq(apply(EXPECT_NEW, &e), EXPECT_NO_MASTER);
	ck_assert_int_eq(apply(EXPECT_COPY, &e), EXPECT_NO_MASTER);
	lab_apply(&in, FLOW_NEW, plain);
	e = expect_sample(&plain, 1);
	ck_assert_int_eq(apply(EXPECT_NEW, &e), EXPECT_HELPER);
	e = expect_sample(&master, 1);
	e.class = 9;
	ck_assert_int_eq(apply(EXPECT_NEW, &e), EXPECT_INVALID);
	e = expect_sample(&master, 1);
	strcpy(e.fn, "nobody-knows");
	ck_assert_int_eq(apply(EXPECT_NEW, &e), EXPECT_INVALID);
	e = expect_sample(&master, 1);
	e.family = AF_UNIX;
	ck_assert_int_eq(apply(EXPECT_NEW, &e), EXPECT_INVALID);
	ck_assert_uint_eq(table(), 0);
}
END_TEST

/* The first master's end was not told: its tuple is another one's now. */
START_TEST(another_master_expects_the_same)
{
	struct flow other = control(2, "ftp");
	struct expect e = expect_sample(&master, 1), f;

	lab_apply(&in, FLOW_NEW, other);
	f = e;
	f.master = other.orig;
	for (int op = EXPECT_NEW; op <= EXPECT_COPY; op++) {
		apply(EXPECT_NEW, &e);
		ck_assert_int_eq(apply((enum expect_op)op, &f), EXPECT_APPLIED);
		ck_assert_uint_eq(table(), 1);
		ck_assert(flow_tuple_equal(&found[0].change.expect.master,
					   &other.orig));
	}
}
END_TEST

/* Signalling of SIP is read by the helper, too; the audio of class 1 needs the
 * name for its class. */
START_TEST(classes)
{
	struct flow f = lab_udp(5);
	struct expect e;

	f.has |= FLOW_HAS_HELPER;
	strcpy(f.helper, "sip");
	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, f), FLOW_APPLIED);
	master = f;
	for (uint16_t i = 0; i < 4; i++) { /* so many may be */
		e = expect_sample(&f, i);
		e.l4proto = IPPROTO_UDP;
		named(e.helper, sizeof(e.helper), "sip");
		named(e.fn, sizeof(e.fn), "sip");
		e.class = 1;
		e.timeout_s = 180;
		ck_assert_int_eq(apply(EXPECT_NEW, &e), EXPECT_APPLIED);
		assert_there(&e, 178, 180);
	}
	ck_assert_uint_eq(table(), 4);
	e.class = 0;
	e.tuple.dport = 5060;
	e.timeout_s = 3600;
	ck_assert_int_eq(apply(EXPECT_NEW, &e), EXPECT_APPLIED);
	assert_there(&e, 3598, 3600);
}
END_TEST

static struct ct_expect_event told[8];
static size_t ntold;

static void take_event(const struct ct_expect_event *event, void *arg)
{
	(void)arg;
	ck_assert_uint_lt(ntold, 8);
	told[ntold++] = *event;
}

static void take_flow(const struct ct_event *event, void *arg)
{
	(void)event;
	(void)arg;
}

START_TEST(events)
{
	struct expect e = expect_sample(&master, 1);
	struct ct_inject other;
	struct ct_events ev;

	ck_assert_int_eq(ct_inject_open(&other), 0);
	ck_assert_int_eq(ct_events_open(&ev, 1 << 20), 0);
	ev.expect_cb = take_event;
	ck_assert_int_eq(ct_events_ignore_portid(&ev, ct_inject_portid(&other)),
			 0);
	ck_assert_int_eq(ct_events_subscribe(&ev), 0);
	apply(EXPECT_NEW, &e);
	lab_apply(&in, FLOW_DESTROY, master);
	ck_assert_int_eq(ct_events_read(&ev, take_flow, NULL, 0),
			 CT_EVENTS_DRAINED);
	ck_assert_uint_eq(ntold, 2);
	ck_assert_int_eq(told[0].change.op, EXPECT_NEW);
	ck_assert_int_eq(told[1].change.op, EXPECT_END);
	/* both were read after the master was gone */
	ck_assert(!told[0].has_master && !told[1].has_master);
	lab_apply(&in, FLOW_NEW, master);
	apply(EXPECT_NEW, &e);
	ck_assert_int_eq(ct_events_read(&ev, take_flow, NULL, 0),
			 CT_EVENTS_DRAINED);
	ck_assert_uint_eq(ntold, 3);
	ck_assert(told[2].has_master && lab_same(&told[2].master, &master));
	ct_events_close(&ev);
	ct_inject_close(&other);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_is_put_is_there,
		over_ipv6,
		one_that_ended_lingers,
		what_cannot_be,
		another_master_expects_the_same,
		classes,
		events,
	};
	Suite *s = suite_create("ct_expect");
	TCase *tc = tcase_create("kernel");

	lab_require();
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(s, tc);
	return lab_run_suite(s);
}
