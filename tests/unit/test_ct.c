/* SPDX-License-Identifier: GPL-3.0-or-later */
/* os/ct_events, ct_dump and ct_timeouts against the kernel. */
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <poll.h>

#include "ct_events.h"
#include "ct_lab.h"
#include "ct_timeouts.h"

static struct ct_inject in, other;
static struct ct_events ev;

/* The last events read. */
#define EVENTS_MAX 4096
static struct ct_event events[EVENTS_MAX];
static size_t num_events;

static void take(const struct ct_event *event, void *arg)
{
	ck_assert_ptr_eq(arg, &num_events);
	ck_assert_uint_lt(num_events, EVENTS_MAX);
	events[num_events++] = *event;
}

static int read_events(unsigned max)
{
	num_events = 0;
	return ct_events_read(&ev, take, &num_events, max);
}

static void setup(void)
{
	lab_setup();
	ck_assert_int_eq(ct_inject_open(&in), 0);
	ck_assert_int_eq(ct_inject_open(&other), 0);
	ck_assert_int_eq(ct_events_open(&ev, 32u << 20), 0);
	ck_assert_int_eq(ct_events_subscribe(&ev), 0);
}

static void teardown(void)
{
	ct_events_close(&ev);
	ct_events_close(&ev);
	ct_inject_close(&other);
	ct_inject_close(&in);
}

static bool readable(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) > 0;
}

START_TEST(each_op_is_told)
{
	struct flow f = lab_dnat(lab_snat(lab_tcp(1), 1));

	f.mark = 5;
	ck_assert_int_eq(lab_apply(&other, FLOW_NEW, f), FLOW_APPLIED);
	ck_assert_int_eq(lab_apply(&other, FLOW_UPDATE, f), FLOW_APPLIED);
	ck_assert_int_eq(lab_apply(&other, FLOW_DESTROY, f), FLOW_APPLIED);
	ck_assert(readable(ct_events_fd(&ev), 0));
	ck_assert_int_eq(read_events(0), CT_EVENTS_DRAINED);
	ck_assert_uint_eq(num_events, 3);
	ck_assert_int_eq(events[0].op, FLOW_NEW);
	ck_assert_int_eq(events[1].op, FLOW_UPDATE);
	ck_assert_int_eq(events[2].op, FLOW_DESTROY);
	for (int i = 0; i < 3; i++) {
		const struct flow *g = &events[i].flow;

		ck_assert_uint_eq(events[i].portid, ct_inject_portid(&other));
		ck_assert(flow_tuple_equal(&g->orig, &f.orig));
		ck_assert(flow_tuple_equal(&g->reply, &f.reply));
		ck_assert_uint_eq(g->tcp_state, TCP_CONNTRACK_ESTABLISHED);
		/* Also the DESTROY: it was forced, with time left. */
		ck_assert(g->has & FLOW_HAS_TIMEOUT);
		ck_assert(flow_valid(g));
	}
	ck_assert(lab_same(&f, &events[0].flow));
	ck_assert(lab_same(&f, &events[1].flow));
	ck_assert(!readable(ct_events_fd(&ev), 0));
}
END_TEST

START_TEST(natural_end_has_no_timeout)
{
	struct flow f = lab_udp(1);

	f.timeout_s = 1;
	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, f), FLOW_APPLIED);
	ck_assert_int_eq(read_events(0), CT_EVENTS_DRAINED);
	sleep(2);
	lab_assert_table(NULL, 0); /* the dump finds it expired */
	ck_assert_int_eq(read_events(0), CT_EVENTS_DRAINED);
	ck_assert_uint_eq(num_events, 1);
	ck_assert_int_eq(events[0].op, FLOW_DESTROY);
	ck_assert_uint_eq(events[0].portid, 0);
	ck_assert(!(events[0].flow.has & FLOW_HAS_TIMEOUT));
}
END_TEST

START_TEST(own_events_are_dropped_by_the_kernel)
{
	ck_assert_int_eq(ct_events_ignore_portid(&ev, ct_inject_portid(&in)),
			 0);
	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, lab_tcp(1)), FLOW_APPLIED);
	ck_assert_int_eq(lab_apply(&in, FLOW_DESTROY, lab_tcp(1)),
			 FLOW_APPLIED);
	ck_assert(!readable(ct_events_fd(&ev), 0));
	ck_assert_int_eq(lab_apply(&other, FLOW_NEW, lab_tcp(2)), FLOW_APPLIED);
	ck_assert_int_eq(read_events(0), CT_EVENTS_DRAINED);
	ck_assert_uint_eq(num_events, 1);
	ck_assert_uint_eq(events[0].portid, ct_inject_portid(&other));
	/* And back. */
	ck_assert_int_eq(ct_events_ignore_portid(&ev, 0), 0);
	ck_assert_int_eq(ct_events_ignore_portid(&ev, 0), 0);
	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, lab_tcp(1)), FLOW_APPLIED);
	ck_assert_int_eq(read_events(0), CT_EVENTS_DRAINED);
	ck_assert_uint_eq(num_events, 1);
}
END_TEST

START_TEST(own_events_are_dropped_here_too)
{
	ev.own_portid = ct_inject_portid(&in); /* without the filter */
	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, lab_tcp(1)), FLOW_APPLIED);
	ck_assert(readable(ct_events_fd(&ev), 0));
	ck_assert_int_eq(read_events(0), CT_EVENTS_DRAINED);
	ck_assert_uint_eq(num_events, 0);
}
END_TEST

START_TEST(loss_shows_and_ends)
{
	struct ct_events tiny;

	ck_assert_int_eq(ct_events_open(&tiny, 16384), 0);
	ck_assert_int_eq(ct_events_subscribe(&tiny), 0);
	for (unsigned i = 0; i < 300; i++)
		ck_assert_int_eq(lab_apply(&in, FLOW_NEW, lab_tcp(i)),
				 FLOW_APPLIED);
	num_events = 0;
	ck_assert_int_eq(ct_events_read(&tiny, take, &num_events, 0),
			 CT_EVENTS_OVERRUN);
	ck_assert_int_eq(ct_events_read(&tiny, take, &num_events, 0),
			 CT_EVENTS_DRAINED);
	ck_assert_uint_gt(num_events, 0);
	ck_assert_uint_lt(num_events, 300);
	num_events = 0;
	ck_assert_int_eq(lab_apply(&in, FLOW_DESTROY, lab_tcp(1)),
			 FLOW_APPLIED);
	ck_assert_int_eq(ct_events_read(&tiny, take, &num_events, 0),
			 CT_EVENTS_DRAINED);
	ck_assert_uint_eq(num_events, 1);
	/* Subscribing again forgets an old overrun. */
	for (unsigned i = 2; i < 300; i++)
		ck_assert_int_eq(lab_apply(&in, FLOW_DESTROY, lab_tcp(i)),
				 FLOW_APPLIED);
	ct_events_unsubscribe(&tiny);
	ck_assert_int_eq(ct_events_subscribe(&tiny), 0);
	num_events = 0;
	ck_assert_int_eq(ct_events_read(&tiny, take, &num_events, 0),
			 CT_EVENTS_DRAINED);
	ck_assert_uint_eq(num_events, 0);
	ct_events_close(&tiny);
}
END_TEST

START_TEST(at_most_max)
{
	for (unsigned i = 0; i < 200; i++)
		ck_assert_int_eq(lab_apply(&in, FLOW_NEW, lab_tcp(i)),
				 FLOW_APPLIED);
	ck_assert_int_eq(read_events(150), CT_EVENTS_MORE);
	ck_assert_uint_eq(num_events, 150);
	ck_assert_int_eq(read_events(150), CT_EVENTS_DRAINED);
	ck_assert_uint_eq(num_events, 50);
}
END_TEST

START_TEST(only_while_subscribed)
{
	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, lab_tcp(1)), FLOW_APPLIED);
	ct_events_unsubscribe(&ev);
	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, lab_tcp(2)), FLOW_APPLIED);
	ck_assert(!readable(ct_events_fd(&ev), 0));
	ck_assert_int_eq(read_events(0), CT_EVENTS_DRAINED);
	ck_assert_uint_eq(num_events, 0);
	ck_assert_int_eq(ct_events_subscribe(&ev), 0);
	ck_assert_int_eq(ct_events_subscribe(&ev), 0);
	ck_assert_int_eq(read_events(0), CT_EVENTS_DRAINED);
	ck_assert_uint_eq(num_events, 0);
	ck_assert_int_eq(lab_apply(&in, FLOW_NEW, lab_tcp(3)), FLOW_APPLIED);
	ck_assert_int_eq(read_events(0), CT_EVENTS_DRAINED);
	ck_assert_uint_eq(num_events, 1);
}
END_TEST

static int tcp_pair(int *server)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(4242) };
	int l = socket(AF_INET, SOCK_STREAM, 0);
	int c = socket(AF_INET, SOCK_STREAM, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(l, (void *)&to, sizeof(to)), 0);
	ck_assert_int_eq(listen(l, 1), 0);
	ck_assert_int_eq(connect(c, (void *)&to, sizeof(to)), 0);
	*server = accept(l, NULL, NULL);
	ck_assert_int_ge(*server, 0);
	close(l);
	return c;
}

/*
 * Real packets: pid 0, and a change of the mark alone, in which the kernel
 * leaves out the TCP state, is still a whole flow.
 */
START_TEST(packets_and_marks)
{
	int server, client = tcp_pair(&server);

	ck_assert_int_eq(read_events(0), CT_EVENTS_DRAINED);
	ck_assert_uint_ge(num_events, 3);
	ck_assert_int_eq(events[0].op, FLOW_NEW);
	ck_assert_int_eq(events[0].flow.tcp_state, TCP_CONNTRACK_SYN_SENT);
	for (size_t i = 0; i < num_events; i++)
		ck_assert_uint_eq(events[i].portid, 0);
	ck_assert_int_eq(events[num_events - 1].flow.tcp_state,
			 TCP_CONNTRACK_ESTABLISHED);
	ck_assert_uint_eq(ev.completed, 0);
	ck_assert_int_eq(write(client, "x", 1), 1);
	ck_assert_int_eq(read_events(0), CT_EVENTS_DRAINED);
	ck_assert_uint_eq(num_events, 1);
	ck_assert_uint_eq(ev.completed, 1);
	ck_assert_int_eq(events[0].op, FLOW_UPDATE);
	ck_assert_uint_eq(events[0].flow.mark, 7);
	ck_assert(flow_valid(&events[0].flow));
	ck_assert_int_eq(events[0].flow.tcp_state, TCP_CONNTRACK_ESTABLISHED);
	ck_assert(events[0].flow.status & IPS_ASSURED);
	close(client);
	close(server);
}
END_TEST

/* The entry behind such a change is gone: its DESTROY is told, that is all. */
START_TEST(mark_of_the_dead)
{
	int server, client = tcp_pair(&server);
	struct flow f;

	ck_assert_int_eq(read_events(0), CT_EVENTS_DRAINED);
	f = events[num_events - 1].flow;
	ck_assert_int_eq(write(client, "x", 1), 1);
	ck_assert_int_eq(lab_apply(&in, FLOW_DESTROY, f), FLOW_APPLIED);
	ck_assert_int_eq(read_events(0), CT_EVENTS_DRAINED);
	ck_assert_uint_eq(num_events, 1);
	ck_assert_uint_eq(ev.completed, 1);
	ck_assert_int_eq(events[0].op, FLOW_DESTROY);
	close(client);
	close(server);
}
END_TEST

static void fill(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		ck_assert_int_eq(lab_apply(&in, FLOW_NEW, lab_tcp(i)),
				 FLOW_APPLIED);
}

static struct lab_table seen;

START_TEST(dump_aborted_and_started_again)
{
	struct ct_dump d;
	int ret, chunks = 0;

	fill(1000);
	ck_assert_int_eq(ct_dump_open(&d), 0);
	ck_assert_int_eq(ct_dump_read(&d, lab_table_add, &seen), CT_DUMP_DONE);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(ct_dump_start(&d, AF_INET), 0);
		seen.n = 0;
		ret = ct_dump_read(&d, lab_table_add, &seen);
		ck_assert_int_eq(ret, CT_DUMP_MORE);
		ck_assert_uint_gt(seen.n, 0);
		if (i == 1)
			ct_dump_abort(&d);
	}
	seen.n = 0;
	ck_assert_int_eq(ct_dump_start(&d, AF_INET), 0);
	while ((ret = ct_dump_read(&d, lab_table_add, &seen)) == CT_DUMP_MORE)
		chunks++;
	ck_assert_int_eq(ret, CT_DUMP_DONE);
	ck_assert_uint_eq(seen.n, 1000);
	ck_assert_int_ge(chunks, 8);
	/* Ended is ended; and the next family has none. */
	ck_assert_int_eq(ct_dump_read(&d, lab_table_add, &seen), CT_DUMP_DONE);
	ck_assert_int_eq(ct_dump_start(&d, AF_INET6), 0);
	while ((ret = ct_dump_read(&d, lab_table_add, &seen)) == CT_DUMP_MORE)
		;
	ck_assert_int_eq(ret, CT_DUMP_DONE);
	ck_assert_uint_eq(seen.n, 1000);
	ct_dump_close(&d);
}
END_TEST

static int count_chunks(struct ct_dump *d, bool small)
{
	int ret, n = 0;

	seen.n = 0;
	ck_assert_int_eq(ct_dump_start(d, AF_INET), 0);
	if (small)
		ct_dump_small(d);
	while ((ret = ct_dump_read(d, lab_table_add, &seen)) == CT_DUMP_MORE)
		n++;
	ck_assert_int_eq(ret, CT_DUMP_DONE);
	ck_assert_uint_eq(seen.n, 1000);
	return n;
}

/* Of this dump alone, whatever the socket read before. */
START_TEST(dump_in_small_chunks)
{
	struct ct_dump d;
	int large;

	fill(1000);
	ck_assert_int_eq(ct_dump_open(&d), 0);
	large = count_chunks(&d, false);
	ck_assert_int_ge(count_chunks(&d, true), 3 * large);
	ck_assert_int_eq(count_chunks(&d, false), large);
	ct_dump_close(&d);
}
END_TEST

static void abort_at_ten(const struct flow *f, void *arg)
{
	(void)f;
	if (++seen.n == 10)
		ct_dump_abort(arg);
}

START_TEST(dump_aborted_by_its_reader)
{
	struct ct_dump d;

	fill(300);
	ck_assert_int_eq(ct_dump_open(&d), 0);
	ck_assert_int_eq(ct_dump_start(&d, AF_INET), 0);
	ck_assert_int_eq(ct_dump_read(&d, abort_at_ten, &d), CT_DUMP_DONE);
	ck_assert_uint_eq(seen.n, 10);
	ck_assert_int_eq(ct_dump_start(&d, AF_INET), 0);
	ck_assert_int_eq(ct_dump_read(&d, lab_table_add, &seen), CT_DUMP_MORE);
	ct_dump_close(&d);
}
END_TEST

/*
 * Rules 4: what is destroyed after a chunk was read can only be in the next
 * one, which the kernel had filled, never in a later one.
 */
START_TEST(dump_is_one_chunk_ahead)
{
	size_t after[64] = { 0 }, chunks = 0;
	struct ct_dump d;
	int ret;

	fill(2000);
	ck_assert_int_eq(ct_dump_open(&d), 0);
	ck_assert_int_eq(ct_dump_start(&d, AF_INET), 0);
	seen.n = 0;
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(ct_dump_read(&d, lab_table_add, &seen),
				 CT_DUMP_MORE);
	ck_assert_uint_lt(seen.n, 500);
	for (unsigned i = 0; i < 2000; i++)
		ck_assert_int_eq(lab_apply(&in, FLOW_DESTROY, lab_tcp(i)),
				 FLOW_APPLIED);
	do {
		ck_assert_uint_lt(chunks, 64);
		seen.n = 0;
		ret = ct_dump_read(&d, lab_table_add, &seen);
		after[chunks++] = seen.n;
	} while (ret == CT_DUMP_MORE);
	ck_assert_int_eq(ret, CT_DUMP_DONE);
	ck_assert_uint_gt(after[0], 0); /* the chunk that was ready */
	for (size_t i = 1; i < chunks; i++)
		ck_assert_uint_eq(after[i], 0);
	ct_dump_close(&d);
}
END_TEST

/* Without it a peer would lack an entry, and nobody would know. */
START_TEST(dump_ends_at_what_cannot_be_read)
{
	const uint16_t zone = CTA_ZONE;
	struct nlmsghdr first;
	struct ct_dump d;
	int fd[2];
	ssize_t n;

	fill(40);
	ck_assert_int_eq(ct_dump_open(&d), 0);
	ck_assert_int_eq(ct_dump_start(&d, AF_INET), 0);
	/* what the kernel says, but for the second one: a tuple for a zone */
	n = recv(d.sock.fd, d.chunk, CT_DUMP_CHUNK, 0);
	ck_assert_int_gt(n, 1000);
	memcpy(&first, d.chunk, sizeof(first));
	memcpy(d.chunk + first.nlmsg_len + NLMSG_HDRLEN +
		       sizeof(struct nfgenmsg) +
		       offsetof(struct nlattr, nla_type),
	       &zone, sizeof(zone));
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd), 0);
	ck_assert_int_eq(send(fd[1], d.chunk, (size_t)n, 0), n);
	ck_assert_int_ge(dup2(fd[0], d.sock.fd), 0);
	ck_assert_int_eq(ct_dump_read(&d, lab_table_add, &seen), -EBADMSG);
	ck_assert_uint_eq(seen.n, 1);
	ck_assert(!d.running);
	ck_assert_str_ne(ct_dump_why(-EBADMSG), ct_dump_why(-EINTR));
	ck_assert_ptr_null(ct_dump_why(CT_DUMP_MORE));
	close(fd[0]);
	close(fd[1]);
	ct_dump_close(&d);
}
END_TEST

START_TEST(count)
{
	uint32_t entries = 99, max = 0;

	ck_assert_int_eq(ct_count(&entries, &max), 0);
	ck_assert_uint_eq(entries, 0);
	ck_assert_uint_gt(max, 0);
	fill(40);
	ck_assert_int_eq(ct_count(&entries, NULL), 0);
	ck_assert_uint_eq(entries, 40);
}
END_TEST

/* By their names, each into its place: none keeps what it was. */
START_TEST(timeouts_are_the_kernels)
{
	struct flow_timeouts t = { 0 }, want;

	timeouts_default(&want);
	want.tcp[TCP_CONNTRACK_SYN_SENT2] = 0; /* has no sysctl */
	ct_timeouts_read(&t);
	t.flowtable = want.flowtable; /* not in every kernel */
	ck_assert_mem_eq(&t, &want, sizeof(t));
	lab_write("/proc/sys/net/netfilter/nf_conntrack_udp_timeout_stream",
		  "333\n");
	ct_timeouts_read(&t);
	ck_assert_uint_eq(t.udp_stream, 333);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ct");
	TCase *t = tcase_create("ct");

	lab_require();
	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, each_op_is_told);
	tcase_add_test(t, natural_end_has_no_timeout);
	tcase_add_test(t, own_events_are_dropped_by_the_kernel);
	tcase_add_test(t, own_events_are_dropped_here_too);
	tcase_add_test(t, loss_shows_and_ends);
	tcase_add_test(t, at_most_max);
	tcase_add_test(t, only_while_subscribed);
	tcase_add_test(t, packets_and_marks);
	tcase_add_test(t, mark_of_the_dead);
	tcase_add_test(t, dump_aborted_and_started_again);
	tcase_add_test(t, dump_in_small_chunks);
	tcase_add_test(t, dump_aborted_by_its_reader);
	tcase_add_test(t, dump_is_one_chunk_ahead);
	tcase_add_test(t, dump_ends_at_what_cannot_be_read);
	tcase_add_test(t, count);
	tcase_add_test(t, timeouts_are_the_kernels);
	suite_add_tcase(s, t);
	return lab_run_suite(s);
}
