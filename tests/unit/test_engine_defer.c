/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `defer` between two engines: a first packet goes when the other kernel has
 * the entry, and in 20 ms whatever happens.
 */
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>

#include "core_flow.h"
#include "engine_scene.h"

static uint32_t packets;

static void deferring(bool a, bool b)
{
	pair();
	engine(A)->defers = a;
	engine(B)->defers = b;
	sim->traffic = false; /* which would answer */
	run(1 * S);
	packets = 0;
}

static struct flow first_flow(uint16_t port)
{
	struct flow f = tcp_flow(port);

	f.orig.src = f.reply.dst = v4(10, 77, 0, 1);
	f.tcp_state = TCP_CONNTRACK_SYN_SENT;
	f.status = IPS_CONFIRMED;
	return f;
}

static struct flow first_udp(uint16_t port)
{
	struct flow f = first_flow(port);

	f.l4proto = IPPROTO_UDP;
	f.has = 0;
	f.tcp_state = 0;
	return f;
}

/* The kernel of A holds a packet; its number. */
static uint32_t packet(const struct flow *f)
{
	uint32_t id = packets++;

	engine_packet(engine(A), id, f, sim->now);
	sim->node[A].any = true;
	return id;
}

static struct kernel_entry *find(unsigned i, const struct flow *f)
{
	return kernel_find(&sim->node[i].kernel, f);
}

static uint64_t ends(enum defer_end e)
{
	return engine(A)->defer.ends[e];
}

START_TEST(waits_for_the_peer)
{
	struct flow f = first_flow(1), copy;
	mono_t start;
	uint32_t id;

	deferring(true, true);
	ck_assert(engine_defers(engine(A)));
	ck_assert(!engine_defers(engine(B)));
	start = sim->now;
	id = packet(&f);
	ck_assert_uint_eq(sim->node[A].passed, 0);
	run(50 * MS);
	ck_assert_uint_eq(ends(DEFER_ACKED), 1);
	/* there and back, and not before the entry was in */
	ck_assert_int_ge(mono_diff(sim->node[A].passed_at[id], start), 1 * MS);
	ck_assert_int_lt(mono_diff(sim->node[A].passed_at[id], start), 15 * MS);
	ck_assert_ptr_nonnull(find(B, &f));
	ck_assert_uint_eq(find(B, &f)->flow.tcp_state, TCP_CONNTRACK_SYN_SENT);
	/* it is there for as long as an opening one is */
	ck_assert_int_le(mono_diff(find(B, &f)->expires, sim->now), 120 * S);
	/* the answer came through B, and only then our kernel's NEW is read */
	copy = f;
	find(B, &f)->flow.status |= IPS_SEEN_REPLY;
	find(B, &f)->flow.tcp_state = TCP_CONNTRACK_SYN_RECV;
	ck_assert(kernel_create(&sim->node[A].kernel, &copy, sim->now));
	run(1 * S);
	ck_assert_uint_eq(find(B, &f)->flow.tcp_state, TCP_CONNTRACK_SYN_RECV);
	/* and what follows here is told as of any flow */
	find(A, &f)->flow.status |= IPS_SEEN_REPLY | IPS_ASSURED;
	find(A, &f)->flow.tcp_state = TCP_CONNTRACK_ESTABLISHED;
	kernel_changed(&sim->node[A].kernel, find(A, &f), sim->now);
	run(1 * S);
	ck_assert_uint_eq(find(B, &f)->flow.tcp_state,
			  TCP_CONNTRACK_ESTABLISHED);
}
END_TEST

/* Nor does the NEW of a protocol without states replace what B has seen. */
START_TEST(new_is_told_once)
{
	struct flow f = first_udp(2), other = first_udp(3);

	deferring(true, true);
	packet(&f);
	run(30 * MS);
	find(B, &f)->flow.status |= IPS_SEEN_REPLY;
	ck_assert(kernel_create(&sim->node[A].kernel, &f, sim->now));
	ck_assert(kernel_create(&sim->node[A].kernel, &other, sim->now));
	run(1 * S);
	ck_assert(find(B, &f)->flow.status & IPS_SEEN_REPLY);
	/* one that did not wait is told as ever */
	ck_assert_ptr_nonnull(find(B, &other));
}
END_TEST

/* The answer comes through us: the peer's copy goes on with ours. */
START_TEST(the_handshake_is_told)
{
	struct flow f = first_flow(10);

	deferring(true, true);
	packet(&f);
	run(30 * MS);
	ck_assert(kernel_create(&sim->node[A].kernel, &f, sim->now));
	find(A, &f)->flow.status |= IPS_SEEN_REPLY;
	find(A, &f)->flow.tcp_state = TCP_CONNTRACK_SYN_RECV;
	kernel_changed(&sim->node[A].kernel, find(A, &f), sim->now);
	run(20 * MS);
	ck_assert_uint_eq(find(B, &f)->flow.tcp_state, TCP_CONNTRACK_SYN_RECV);
}
END_TEST

START_TEST(not_longer_than_20_ms)
{
	struct flow f = first_flow(4);
	mono_t start;
	uint32_t id;

	deferring(true, true);
	sim_freeze(sim, B, 300 * MS);
	run(1 * MS);
	start = sim->now;
	id = packet(&f);
	run(100 * MS);
	ck_assert_uint_eq(sim->node[A].passed, 1);
	ck_assert_uint_eq(ends(DEFER_LATE), 1);
	ck_assert_int_ge(mono_diff(sim->node[A].passed_at[id], start),
			 DEFER_WAIT_NS);
	ck_assert_int_lt(mono_diff(sim->node[A].passed_at[id], start),
			 DEFER_WAIT_NS + 5 * MS);
}
END_TEST

START_TEST(those_that_need_not_wait)
{
	struct flow f = first_flow(5);

	deferring(true, true);
	packet(NULL);
	ck_assert_uint_eq(ends(DEFER_BLIND), 1);
	f.orig.src = v4(127, 0, 0, 1);
	packet(&f);
	ck_assert_uint_eq(ends(DEFER_FILTER), 1);
	for (unsigned i = 0; i < DEFER_MAX + 5; i++) {
		f = first_flow((uint16_t)(1000 + i));
		packet(&f);
	}
	ck_assert_uint_eq(ends(DEFER_FULL), 5);
	run(50 * MS);
	ck_assert_uint_eq(sim->node[A].passed, packets);
	/* alone */
	sim_kill(sim, B);
	run(5 * S);
	ck_assert(!engine_defers(engine(A)));
	packet(&f);
	ck_assert_uint_eq(ends(DEFER_ALONE), 1);
	run(1 * MS);
	ck_assert_uint_eq(sim->node[A].passed, packets);
}
END_TEST

/* The link is cut while one waits. */
START_TEST(a_lost_peer_lets_go)
{
	struct flow f = first_flow(6);
	mono_t start;
	uint32_t id;

	deferring(true, true);
	start = sim->now;
	id = packet(&f);
	sim_reset_link(sim);
	run(10 * MS);
	ck_assert_uint_eq(sim->node[A].passed, 1);
	ck_assert_int_le(mono_diff(sim->node[A].passed_at[id], start),
			 DEFER_WAIT_NS);
}
END_TEST

/* The second packet of a flow waits with the first and tells nothing. */
START_TEST(a_second_packet_waits_too)
{
	struct flow f = first_udp(7);
	uint64_t sent;

	deferring(true, true);
	packet(&f);
	sent = session_stats(engine_session(engine(A), 0))->flows_sent;
	packet(&f);
	ck_assert_uint_eq(
		session_stats(engine_session(engine(A), 0))->flows_sent, sent);
	run(50 * MS);
	ck_assert_uint_eq(ends(DEFER_ACKED), 2);
}
END_TEST

/* A peer without defer refuses what is not yet open; nobody waits for ever,
 * and the words tell the difference. */
START_TEST(only_one_defers)
{
	struct flow f = first_flow(8);

	deferring(true, false);
	packet(&f);
	run(50 * MS);
	ck_assert_uint_eq(ends(DEFER_ACKED), 1);
	ck_assert_ptr_null(find(B, &f));
	ck_assert_uint_ne(engine(A)->peers[0].word.filter,
			  engine_filter_digest(engine(A), 0));
	ck_assert(engine_tx_in_sync(engine(A), 0));
}
END_TEST

/* What never was answered ends on both. */
START_TEST(an_end_is_told)
{
	struct flow f = first_flow(9);

	deferring(true, true);
	packet(&f);
	run(30 * MS);
	ck_assert(kernel_create(&sim->node[A].kernel, &f, sim->now));
	run(1 * S);
	ck_assert_ptr_nonnull(find(B, &f));
	kernel_remove(&sim->node[A].kernel, find(A, &f), false, 0, sim->now);
	sim->node[A].any = true;
	run(1 * S);
	ck_assert_ptr_null(find(B, &f));
}
END_TEST

int main(void)
{
	const TTest *const list[] = { waits_for_the_peer,
				      new_is_told_once,
				      the_handshake_is_told,
				      not_longer_than_20_ms,
				      those_that_need_not_wait,
				      a_lost_peer_lets_go,
				      a_second_packet_waits_too,
				      only_one_defers,
				      an_end_is_told };
	Suite *s = suite_create("engine_defer");
	SRunner *sr;
	int failed;

	SCENES(s, "defer", list);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
