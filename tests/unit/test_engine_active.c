/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * core/engine where both nodes work, each master of one vhost: who has which,
 * handovers of one of them, and what becomes of flows that are told both ways,
 * in scenes.
 */
#include "engine_int.h"
#include "engine_scene.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>

static bool each_has_its_own(void)
{
	return sim_holds(sim, A, LAN) && !sim_holds(sim, A, WAN) &&
	       sim_holds(sim, B, WAN) && !sim_holds(sim, B, LAN);
}

static bool both_in_sync(void)
{
	bool all = true;

	for (unsigned i = 0; i < sim->nodes; i++)
		all &= engine_tx_in_sync(engine(i), 0) &&
		       engine_rx_in_sync(engine(i), 0);
	return all;
}

/* A has all, with 200 connections; then B is given what it is better for. */
static void crossed(void)
{
	struct sim_conf conf = conf_of();

	conf.crossed = conf.independent = conf.preempt = true;
	world(&conf);
	sim_fill(sim, A, 200);
	sim_start(sim, A);
	run(5 * S);
	ck_assert(sim_holds(sim, A, LAN) && sim_holds(sim, A, WAN));
	sim_start(sim, B);
	run(20 * S);
	ck_assert(each_has_its_own());
	ck_assert(both_in_sync());
}

static struct kernel_entry *same(unsigned node, const struct flow *f)
{
	struct kernel_entry *e = kernel_find(&sim->node[node].kernel, f);

	ck_assert_ptr_nonnull(e);
	return e;
}

static void fetch(unsigned node)
{
	unsigned had = sim->node[node].bulks_ok;

	sim_ask_bulk(sim, node);
	run(5 * S);
	ck_assert_uint_eq(sim->node[node].bulks_ok, had + 1);
}

START_TEST(each_is_master_of_one_and_stays_it)
{
	crossed();
	ck_assert_str_eq(cause(B, WAN), "handover from fw1: preempt");
	ck_assert_uint_eq(sim->node[A].handovers_ok, 1);
	run(120 * S);
	ck_assert(each_has_its_own());
	ck_assert_uint_eq(sim->node[A].takes[LAN], 1);
	ck_assert_uint_eq(sim->node[B].takes[WAN], 1);
	ck_assert_uint_eq(sim->node[A].handovers_failed, 0);
}
END_TEST

START_TEST(one_takes_over_both_and_gives_one_back)
{
	crossed();
	sim_kill(sim, A);
	run(10 * S);
	ck_assert(sim_holds(sim, B, LAN) && sim_holds(sim, B, WAN));
	sim_start(sim, A);
	run(20 * S);
	ck_assert(each_has_its_own());
	ck_assert(both_in_sync());
	ck_assert_str_eq(cause(A, LAN), "handover from fw2: preempt");
	ck_assert_uint_eq(sim->node[B].takes[WAN], 1);
}
END_TEST

/* What is down is no matter of the other one. */
START_TEST(with_one_interface_down_it_gets_the_other_one_back)
{
	crossed();
	sim_kill(sim, A);
	run(10 * S);
	sim_carrier(sim, A, WAN, false);
	sim_start(sim, A);
	run(20 * S);
	ck_assert(each_has_its_own());
	ck_assert_str_eq(cause(A, LAN), "handover from fw2: preempt");
}
END_TEST

/* A share moves by itself, but its node is one that serves well or not. */
START_TEST(a_node_with_a_fault_gives_up_its_share)
{
	struct sim_conf conf = conf_of();

	conf.crossed = conf.shares = conf.preempt = true;
	world(&conf);
	sim_fill(sim, A, 200);
	sim_start(sim, A);
	run(5 * S);
	sim_start(sim, B);
	run(60 * S);
	ck_assert(each_has_its_own());
	ck_assert(both_in_sync());
	ck_assert_uint_eq(sim->node[A].handovers_ok, 1);
	sim_carrier(sim, B, LAN, false);
	run(10 * S);
	ck_assert(sim_holds(sim, A, LAN) && sim_holds(sim, A, WAN));
	sim_carrier(sim, B, LAN, true);
	run(20 * S);
	ck_assert(each_has_its_own());
	ck_assert_uint_eq(sim->node[A].takes[LAN], 1);
}
END_TEST

/* What it still has passes on while it hands over the other one. */
START_TEST(a_handover_of_one_keeps_nothing_back)
{
	struct sim_conf conf = conf_of();
	struct kernel_entry *e;
	struct flow f;
	uint32_t n;

	conf.crossed = conf.independent = conf.preempt = true;
	world(&conf);
	sim_fill(sim, A, 200);
	sim_start(sim, A);
	run(5 * S);
	sim_start(sim, B);
	f = some_tcp(A)->flow;
	for (n = 1; !sim_holds(sim, B, WAN); n++) {
		e = same(A, &f);
		e->flow.mark = n;
		kernel_changed(&sim->node[A].kernel, e, sim->now);
		run(50 * MONO_US);
		ck_assert_uint_lt(n, 400000);
	}
	run(1 * S);
	ck_assert_uint_eq(sim->node[A].handovers_ok, 1);
	ck_assert_uint_eq(sim->node[A].handovers_failed, 0);
	ck_assert_uint_eq(same(B, &f)->flow.mark, n - 1);
	ck_assert_uint_eq(same(A, &f)->flow.mark, n - 1);
	run(5 * S);
	ck_assert(both_in_sync());
	ck_assert_str_eq(rx(B)->gap, "");
}
END_TEST

/* Who handed one over does not take it back by itself; the other one it
 * would. */
START_TEST(after_a_handover_it_does_not_preempt_that_one)
{
	char why[SESSION_REASON_MAX];

	crossed();
	ck_assert_int_eq(engine_handover(engine(B), -1, false, 1 << WAN, "",
					 why, sim->now),
			 0);
	sim->node[B].any = true;
	run(30 * S);
	ck_assert(sim_holds(sim, A, LAN) && sim_holds(sim, A, WAN));
	ck_assert(engine(B)->vhosts[WAN].no_preempt);
	ck_assert(!engine(B)->vhosts[LAN].no_preempt);
	/* who has none of them hands none over */
	ck_assert_int_eq(engine_handover(engine(B), -1, false, 1 << WAN, "",
					 why, sim->now),
			 -EAGAIN);
	ck_assert_int_eq(engine_handover(engine(A), -1, false, 1 << WAN, "",
					 why, sim->now),
			 0);
	sim->node[A].any = true;
	run(5 * S);
	ck_assert(each_has_its_own());
	ck_assert(!engine(B)->vhosts[WAN].no_preempt);
}
END_TEST

/* With the one that is preempted go those that could be by themselves. */
START_TEST(a_preempting_node_asks_for_what_it_is_better_for)
{
	char why[SESSION_REASON_MAX];
	struct engine *b;

	crossed();
	b = engine(B);
	ck_assert_int_eq(
		engine_handover(b, -1, false, 1 << WAN, "", why, sim->now), 0);
	b->vhosts[WAN].carp.preempt = false;
	sim->node[B].any = true;
	run(5 * S);
	ck_assert(sim_holds(sim, A, LAN) && sim_holds(sim, A, WAN));
	/* it was handed over */
	ck_assert_uint_eq(engine_wanted(b, &b->peers[0], LAN), 1 << LAN);
	b->vhosts[WAN].no_preempt = false;
	ck_assert_uint_eq(engine_wanted(b, &b->peers[0], LAN),
			  1 << LAN | 1 << WAN);
	ck_assert_uint_eq(engine_wanted(b, &b->peers[0], WAN), 1 << WAN);
	/* what it tracks there is down */
	engine_track(b, WAN, 5, true, sim->now);
	sim->node[B].any = true;
	run(1 * S);
	ck_assert_uint_eq(engine_wanted(b, &b->peers[0], LAN), 1 << LAN);
}
END_TEST

/* An old copy does not go over what passes here, and is itself mended. */
START_TEST(a_bulk_ends_no_flow_that_goes_on_here)
{
	struct kernel_entry *here, *there;
	struct flow f;

	crossed();
	f = some_tcp(A)->flow;
	here = same(A, &f);
	there = same(B, &f);
	there->flow.tcp_state = TCP_CONNTRACK_SYN_RECV;
	there->flow.status &= ~(uint32_t)IPS_ASSURED;
	fetch(A);
	here = same(A, &f);
	ck_assert_int_eq(here->flow.tcp_state, TCP_CONNTRACK_ESTABLISHED);
	ck_assert_int_gt(mono_diff(here->expires, sim->now), 3600 * S);
	fetch(B);
	ck_assert_int_eq(same(B, &f)->flow.tcp_state,
			 TCP_CONNTRACK_ESTABLISHED);
	ck_assert_int_gt(mono_diff(same(B, &f)->expires, sim->now), 3600 * S);
}
END_TEST

static struct flow udp(uint16_t port)
{
	struct flow f = {
		.family = AF_INET,
		.l4proto = IPPROTO_UDP,
		.status = IPS_CONFIRMED | IPS_SEEN_REPLY,
		.orig = { .src = { .b = { 10, 1, 0, 7 } },
			  .dst = { .b = { 198, 51, 100, 7 } },
			  .sport = port,
			  .dport = 53 },
	};

	flow_tuple_invert(&f, &f.orig, &f.reply);
	return f;
}

static int64_t left(unsigned node, const struct flow *f)
{
	return mono_diff(same(node, f)->expires, sim->now);
}

/* Nothing refreshes here what passes there: a copy from before, what was ours
 * a moment ago, and what is told from then on. */
START_TEST(copies_outlive_what_they_are_copies_of)
{
	const int64_t least = (TIMEOUT_STANDBY_S - 60) * S;
	struct sim_conf conf = conf_of();
	struct flow f[2] = { udp(1000), udp(1001) };

	conf.crossed = conf.independent = conf.preempt = true;
	world(&conf);
	sim_start(sim, A);
	run(5 * S);
	sim_start(sim, B);
	run(1 * S);
	ck_assert(kernel_create(&sim->node[A].kernel, &f[0], sim->now));
	run(10 * S);
	ck_assert(each_has_its_own());
	ck_assert_int_gt(left(B, &f[0]), least);
	ck_assert_int_gt(left(A, &f[0]), least);
	ck_assert(kernel_create(&sim->node[A].kernel, &f[1], sim->now));
	run(1 * S);
	ck_assert_int_gt(left(B, &f[1]), least);
	ck_assert_int_lt(left(A, &f[1]), least);
}
END_TEST

/* Nobody can tell whether a packet of it has passed: so it stays where it is,
 * and comes back where it is not, but no longer than it has. */
START_TEST(gre_that_is_over_ends)
{
	struct sim_conf conf = conf_of();
	struct flow f = udp(1000);
	struct kernel *a, *b;

	f.l4proto = IPPROTO_GRE;
	conf.crossed = conf.independent = conf.preempt = true;
	conf.audit_ns = AUDIT_PERIOD_LEAST_NS;
	world(&conf);
	a = &sim->node[A].kernel;
	b = &sim->node[B].kernel;
	sim_start(sim, A);
	run(5 * S);
	sim_start(sim, B);
	run(20 * S);
	ck_assert(each_has_its_own());
	ck_assert(kernel_create(a, &f, sim->now));
	run(10 * S);
	ck_assert_int_gt(left(B, &f), 80000 * S);
	same(B, &f)->expires = mono_add(sim->now, 300 * S);
	run(200 * S);
	ck_assert_int_le(left(A, &f), 100 * S);
	ck_assert_int_le(left(B, &f), 100 * S);
	run(120 * S);
	ck_assert_ptr_null(kernel_find(a, &f));
	ck_assert_ptr_null(kernel_find(b, &f));
}
END_TEST

/* No event says that it goes on elsewhere; the audit does. But nobody keeps a
 * copy of a copy. */
START_TEST(a_copy_lives_while_it_passes_there)
{
	struct sim_conf conf = conf_of();
	struct flow f[2] = { udp(1000), udp(1001) };
	struct kernel *a, *b;

	conf.crossed = conf.independent = conf.preempt = true;
	conf.audit_ns = AUDIT_PERIOD_LEAST_NS;
	world(&conf);
	sim_start(sim, A);
	run(5 * S);
	sim_start(sim, B);
	run(20 * S);
	ck_assert(each_has_its_own());
	a = &sim->node[A].kernel;
	b = &sim->node[B].kernel;
	for (int i = 0; i < 2; i++)
		ck_assert(kernel_create(a, &f[i], sim->now));
	run(1 * S);
	kernel_find(a, &f[1])->expires = kernel_find(b, &f[1])->expires;
	for (int i = 0; i < 50; i++) {
		kernel_refresh(a, kernel_find(a, &f[0]), sim->now);
		run(1 * S);
		for (int k = 0; k < 2 && i == 20; k++)
			kernel_find(b, &f[k])->expires =
				mono_add(sim->now, 1000 * S);
	}
	ck_assert_int_gt(left(B, &f[0]), 3000 * S);
	ck_assert_int_lt(left(A, &f[0]), 1000 * S);
	ck_assert_int_lt(left(B, &f[1]), 1000 * S);
	/* nor does it become one where it passes */
	for (int i = 0; i < 20; i++) {
		for (unsigned k = A; k <= B; k++)
			kernel_refresh(&sim->node[k].kernel, same(k, &f[0]),
				       sim->now);
		run(1 * S);
		ck_assert_int_lt(left(B, &f[0]), 1000 * S);
	}
}
END_TEST

int main(void)
{
	const TTest *const list[] = {
		each_is_master_of_one_and_stays_it,
		one_takes_over_both_and_gives_one_back,
		with_one_interface_down_it_gets_the_other_one_back,
		a_node_with_a_fault_gives_up_its_share,
		a_handover_of_one_keeps_nothing_back,
		after_a_handover_it_does_not_preempt_that_one,
		a_preempting_node_asks_for_what_it_is_better_for,
		a_bulk_ends_no_flow_that_goes_on_here,
		copies_outlive_what_they_are_copies_of,
		gre_that_is_over_ends,
		a_copy_lives_while_it_passes_there,
	};
	Suite *s = suite_create("engine, both active");
	SRunner *sr;
	int failed;

	SCENES(s, "active", list);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
