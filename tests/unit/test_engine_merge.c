/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * core/engine where both nodes forward: whose word counts, what is told, and
 * how the two tables become one (rules 9), in scenes.
 */
#include "engine_int.h"
#include "engine_scene.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>

/* A was master of all; B was given one of the two. */
static void crossed(void)
{
	struct sim_conf conf = conf_of();

	conf.crossed = conf.independent = conf.preempt = true;
	world(&conf);
	sim_start(sim, A);
	run(5 * S);
	sim_start(sim, B);
	run(20 * S);
	ck_assert(sim_holds(sim, A, LAN) && sim_holds(sim, B, WAN));
}

static struct flow flow(uint8_t l4proto, uint16_t port)
{
	struct flow f = {
		.family = AF_INET,
		.l4proto = l4proto,
		.status = IPS_CONFIRMED,
		.orig = { .src = { .b = { 10, 1, 0, 7 } },
			  .dst = { .b = { 198, 51, 100, 7 } },
			  .sport = port,
			  .dport = 53 },
	};

	if (l4proto == IPPROTO_TCP) {
		f.has = FLOW_HAS_TCP;
		f.tcp_state = TCP_CONNTRACK_SYN_SENT;
	}
	flow_tuple_invert(&f, &f.orig, &f.reply);
	return f;
}

static void opens(unsigned node, const struct flow *f)
{
	ck_assert(kernel_create(&sim->node[node].kernel, f, sim->now));
}

static struct kernel_entry *at(unsigned node, const struct flow *f)
{
	return kernel_find(&sim->node[node].kernel, f);
}

static void becomes(unsigned node, const struct flow *f, uint8_t state)
{
	struct kernel_entry *e = at(node, f);

	ck_assert_ptr_nonnull(e);
	e->flow.tcp_state = state;
	kernel_changed(&sim->node[node].kernel, e, sim->now);
}

START_TEST(the_later_master_prevails)
{
	crossed();
	ck_assert_int_eq(engine_merge(engine(A), 0), FLOW_MERGE_YIELD);
	ck_assert_int_eq(engine_merge(engine(B), 0), FLOW_MERGE_PREVAIL);
	sim_kill(sim, A);
	run(10 * S);
	sim_start(sim, A);
	run(20 * S);
	ck_assert(sim_holds(sim, A, LAN) && sim_holds(sim, B, WAN));
	ck_assert_int_eq(engine_merge(engine(A), 0), FLOW_MERGE_PREVAIL);
	ck_assert_int_eq(engine_merge(engine(B), 0), FLOW_MERGE_YIELD);
}
END_TEST

/* Neither knew of the other one when it became master. */
START_TEST(of_two_that_did_not_hear_each_other_one_prevails)
{
	const struct sim_conf conf = conf_of();

	world(&conf);
	sim_lan(sim, LAN, true);
	sim_lan(sim, WAN, true);
	sim_link(sim, true);
	sim_start(sim, A);
	sim_start(sim, B);
	run(10 * S);
	ck_assert_uint_eq(engine(A)->owner, engine(B)->owner);
	sim_link(sim, false);
	run(5 * S);
	ck_assert(engine(A)->masters && engine(B)->masters);
	ck_assert_int_eq(engine_merge(engine(A), 0), FLOW_MERGE_PREVAIL);
	ck_assert_int_eq(engine_merge(engine(B), 0), FLOW_MERGE_YIELD);
}
END_TEST

START_TEST(a_standby_does_not_look)
{
	pair();
	ck_assert_int_eq(engine_merge(engine(B), 0), FLOW_MERGE_NOT);
}
END_TEST

/* SYN by one node, its answer by the other one, and so on to the end. */
START_TEST(a_connection_by_two_nodes)
{
	static const uint8_t states[] = {
		TCP_CONNTRACK_SYN_RECV,	 TCP_CONNTRACK_ESTABLISHED,
		TCP_CONNTRACK_FIN_WAIT,	 TCP_CONNTRACK_LAST_ACK,
		TCP_CONNTRACK_TIME_WAIT,
	};
	struct flow f = flow(IPPROTO_TCP, 1000);

	crossed();
	opens(A, &f);
	run(10 * MS);
	for (unsigned i = 0; i < sizeof(states); i++) {
		becomes(i % 2 ? A : B, &f, states[i]);
		run(10 * MS);
		for (unsigned n = A; n <= B; n++)
			ck_assert_int_eq(at(n, &f)->flow.tcp_state, states[i]);
	}
	/* the one that saw the last packet ends it */
	run(15 * S);
	ck_assert_ptr_null(at(A, &f));
	ck_assert_ptr_null(at(B, &f));
}
END_TEST

START_TEST(in_a_pair_a_syn_is_not_told)
{
	struct flow f = flow(IPPROTO_TCP, 1000);

	pair();
	sim->traffic = false;
	opens(A, &f);
	run(10 * MS);
	ck_assert_ptr_null(at(B, &f));
	becomes(A, &f, TCP_CONNTRACK_SYN_RECV);
	run(10 * MS);
	ck_assert_ptr_nonnull(at(B, &f));
}
END_TEST

/* Copies do not pile up for an hour, and what goes on elsewhere stays. */
START_TEST(what_runs_out_is_over_where_nothing_passes)
{
	struct flow f[2] = { flow(IPPROTO_UDP, 1000), flow(IPPROTO_UDP, 1001) };

	crossed();
	for (int i = 0; i < 2; i++)
		opens(A, &f[i]);
	run(1 * S);
	ck_assert_int_gt(mono_diff(at(B, &f[0])->expires, sim->now), 3600 * S);
	for (int i = 0; i < 6; i++) {
		kernel_refresh(&sim->node[B].kernel, at(B, &f[1]), sim->now);
		run(1 * S);
	}
	for (int i = 0; i < 2; i++)
		ck_assert_ptr_null(at(A, &f[i]));
	ck_assert_ptr_null(at(B, &f[0]));
	ck_assert_ptr_nonnull(at(B, &f[1]));
	ck_assert_uint_eq(engine(B)->results[FLOW_KEPT], 1);
}
END_TEST

/* Both translate to one port at one moment: one of the two flows is left, the
 * same one on both nodes. */
START_TEST(a_clash_is_settled_alike)
{
	struct flow a = flow(IPPROTO_UDP, 1000), b = flow(IPPROTO_UDP, 1001);

	a.reply.dport = b.reply.dport = 7777;
	crossed();
	opens(A, &a);
	opens(B, &b);
	run(100 * MS);
	for (unsigned n = A; n <= B; n++) {
		ck_assert_ptr_null(at(n, &a));
		ck_assert_ptr_nonnull(at(n, &b));
	}
	ck_assert_uint_eq(engine(A)->results[FLOW_OUSTED], 1);
	ck_assert_uint_eq(engine(B)->results[FLOW_CLASH], 1);
	ck_assert_str_eq(rx(B)->gap, ""); /* it is final */
}
END_TEST

/* Late words of an old master, who does not know yet. */
START_TEST(what_an_old_master_tells_late)
{
	struct flow f = flow(IPPROTO_TCP, 1000);

	pair();
	sim->traffic = false;
	opens(A, &f);
	becomes(A, &f, TCP_CONNTRACK_ESTABLISHED);
	run(10 * MS);
	sim_lan(sim, LAN, true);
	sim_lan(sim, WAN, true);
	run(10 * S);
	ck_assert(sim_holds(sim, A, LAN) && sim_holds(sim, B, LAN));
	becomes(B, &f, TCP_CONNTRACK_FIN_WAIT);
	becomes(A, &f, TCP_CONNTRACK_ESTABLISHED);
	run(10 * MS);
	for (unsigned n = A; n <= B; n++)
		ck_assert_int_eq(at(n, &f)->flow.tcp_state,
				 TCP_CONNTRACK_FIN_WAIT);
}
END_TEST

/* What A told last waits to fill a frame when it asks, and the request goes
 * ahead of it: B would bring back what has ended. */
START_TEST(a_bulk_brings_nothing_back)
{
	const struct sim_conf conf = conf_of();
	struct flow f = flow(IPPROTO_TCP, 1000);

	world(&conf);
	sim_lan(sim, LAN, true);
	sim_lan(sim, WAN, true);
	sim_link(sim, true);
	sim_start(sim, A);
	sim_start(sim, B);
	run(10 * S);
	sim_link(sim, false);
	run(5 * S);
	ck_assert(engine(A)->masters && engine(B)->masters);
	opens(A, &f);
	for (uint8_t s = TCP_CONNTRACK_SYN_RECV; s <= TCP_CONNTRACK_TIME_WAIT;
	     s++) {
		becomes(A, &f, s);
		run(10 * MS);
	}
	ck_assert_ptr_nonnull(at(B, &f));
	for (uint16_t port = 2000; port < 2010; port++) {
		struct flow another = flow(IPPROTO_UDP, port);

		opens(A, &another);
		run(30 * MONO_US);
	}
	kernel_remove(&sim->node[A].kernel, at(A, &f), true, 0, sim->now);
	run(30 * MONO_US);
	ck_assert_uint_gt(session_filling(engine(A)->peers[0].session), 0);
	sim_ask_bulk(sim, A);
	run(500 * MS);
	ck_assert_int_eq(rx(A)->result, BULK_DONE);
	ck_assert_ptr_null(at(B, &f));
	ck_assert_ptr_null(at(A, &f));
}
END_TEST

int main(void)
{
	const TTest *const list[] = {
		the_later_master_prevails,
		of_two_that_did_not_hear_each_other_one_prevails,
		a_standby_does_not_look,
		a_connection_by_two_nodes,
		in_a_pair_a_syn_is_not_told,
		what_runs_out_is_over_where_nothing_passes,
		a_clash_is_settled_alike,
		what_an_old_master_tells_late,
		a_bulk_brings_nothing_back,
	};
	Suite *s = suite_create("engine, merge");
	SRunner *sr;
	int failed;

	SCENES(s, "merge", list);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
