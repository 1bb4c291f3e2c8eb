/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * core/engine_sync, engine_dump: what flows lose at a failover is counted, and
 * a takeover leaves alone whose timeout is not ours to set.
 */
#include "core_flow.h"
#include "engine_int.h"
#include "engine_scene.h"

#include <linux/netfilter/nf_conntrack_tcp.h>

static struct flow udp_flow(uint16_t port)
{
	struct flow f = tcp_flow(port);

	f.l4proto = IPPROTO_UDP;
	f.has = 0;
	f.tcp_state = 0;
	return f;
}

static struct flow masqueraded(uint16_t port, uint8_t node)
{
	struct flow f = udp_flow(port);

	f.reply.dst = v4(192, 0, 2, (uint8_t)(1 + node));
	return f;
}

/* To an address of this node, and only when it is told. */
START_TEST(what_is_tied_to_this_node_is_counted)
{
	struct flow shared = udp_flow(1), own = masqueraded(2, A);
	struct flow theirs = masqueraded(3, B), marked = udp_flow(4);
	const struct engine_lacks *l;

	pair();
	l = &engine(A)->lacks;
	ck_assert_uint_eq(l->tied, 0);
	shared.reply.dst = v4(203, 0, 113, 1);
	engine_event(engine(A), FLOW_NEW, &theirs, 0, sim->now);
	engine_event(engine(A), FLOW_NEW, &own, 0, sim->now);
	engine_event(engine(A), FLOW_UPDATE, &own, 0, sim->now);
	engine_event(engine(A), FLOW_NEW, &shared, 0, sim->now);
	ck_assert_uint_eq(l->tied, 1);
	ck_assert(l->tied_at.ns == sim->now.ns);
	ck_assert(flow_addr_equal(&l->address, &own.reply.dst));
	ck_assert_uint_eq(l->secmark, 0);
	marked.secmark = true;
	engine_event(engine(A), FLOW_NEW, &marked, 0, sim->now);
	ck_assert_uint_eq(l->secmark, 1);
}
END_TEST

/* By packets, that is; a helper's time, and a flowtable's, are known. */
START_TEST(what_a_timeout_policy_keeps_is_counted)
{
	struct flow f[6] = { udp_flow(1), udp_flow(2), udp_flow(3),
			     udp_flow(4), udp_flow(5), tcp_flow(6) };
	const struct engine_lacks *l;

	pair();
	engine(A)->timeouts.udp_stream = 120;
	l = &engine(A)->lacks;
	for (int i = 0; i < 6; i++) {
		f[i].has |= FLOW_HAS_TIMEOUT;
		f[i].timeout_s = 3600;
	}
	f[1].timeout_s = 120;
	f[2].has |= FLOW_HAS_HELPER;
	f[3].status |= IPS_OFFLOAD;
	f[4].l4proto = IPPROTO_GRE;
	for (int i = 1; i < 6; i++)
		engine_event(engine(A), FLOW_UPDATE, &f[i], 0, sim->now);
	engine_event(engine(A), FLOW_UPDATE, &f[0], 77, sim->now);
	ck_assert_uint_eq(l->longer, 0);
	engine_event(engine(A), FLOW_UPDATE, &f[0], 0, sim->now);
	ck_assert_uint_eq(l->longer, 1);
	ck_assert_uint_eq(l->longer_s, 3600);
	ck_assert_uint_eq(l->nominal_s, 120);
	ck_assert(l->longer_at.ns == sim->now.ns);
}
END_TEST

/* Labels that a kernel did not keep are known to both, and no gap. */
START_TEST(lost_labels_are_no_gap)
{
	struct flow f = udp_flow(1);
	uint8_t result = FLOW_LABELS;
	struct engine *b;

	pair();
	b = engine(B);
	f.has |= FLOW_HAS_TIMEOUT;
	engine_op(b, FLOW_NEW, &f, 100);
	b->ops_peer = 0;
	b->ops_seq = b->peers[0].ack_seq;
	engine_injected(b, &result, 0, sim->now);
	ck_assert_uint_eq(b->results[FLOW_LABELS], 1);
	ck_assert(b->peers[0].rx.labels_at.ns == sim->now.ns);
	ck_assert(engine_rx_in_sync(b, 0));
	run(1 * S);
	ck_assert_uint_eq(engine(A)->peers[0].tx.refused[FLOW_LABELS], 1);
	ck_assert(engine(A)->peers[0].tx.labels_at.ns > 0);
	ck_assert(engine_tx_in_sync(engine(A), 0));
}
END_TEST

/* After a takeover: in a flowtable, fixed, and one like any other. */
START_TEST(whose_timeout_is_set)
{
	struct flow list[5] = { udp_flow(1), udp_flow(2), udp_flow(3),
				udp_flow(4), udp_flow(5) };
	struct engine *e;

	pair();
	e = engine(A);
	for (size_t i = 0; i < 5; i++) {
		list[i].has |= FLOW_HAS_TIMEOUT;
		list[i].timeout_s = 3600;
	}
	list[0].status |= IPS_OFFLOAD;
	list[1].status |= IPS_HW_OFFLOAD;
	list[2].l4proto = list[3].l4proto = IPPROTO_GRE;
	list[2].status |= IPS_FIXED_TIMEOUT;
	list[3].status |= IPS_FIXED_TIMEOUT;
	list[3].timeout_s = 80000;
	e->dump = DUMP_LOWER;
	e->dump_running = true;
	engine_dumped(e, list, 5, false, NULL, 0, sim->now);
	ck_assert_uint_eq(e->nops, 2);
	ck_assert(flow_tuple_equal(&e->ops[0].flow.orig, &list[2].orig));
	ck_assert_uint_eq(e->ops[0].flow.timeout_s, TIMEOUT_FIXED_S);
	ck_assert(flow_tuple_equal(&e->ops[1].flow.orig, &list[4].orig));
	ck_assert_uint_eq(e->ops[1].flow.timeout_s, e->timeouts.udp_stream);
	e->nops = 0;
}
END_TEST

static int64_t left(struct kernel *k, const struct flow *f)
{
	return mono_diff(kernel_find(k, f)->expires, sim->now);
}

START_TEST(a_dump_that_broke_off_says_why)
{
	struct engine *e;

	pair();
	e = engine(A);
	e->dump = DUMP_LOWER;
	e->dump_running = true;
	engine_dumped(e, NULL, 0, true, "for want of luck", 0, sim->now);
	run(1 * S);
	ck_assert(said(A, "broke off (for want of luck)"));
}
END_TEST

/* Packets of both pass there. */
static void go_on(struct kernel *k, const struct flow *f, unsigned seconds)
{
	for (unsigned i = 0; i < seconds; i++) {
		kernel_refresh(k, kernel_find(k, &f[0]), sim->now);
		kernel_refresh(k, kernel_find(k, &f[1]), sim->now);
		run(1 * S);
	}
}

/* On an old master a flowtable cuts a copy once nothing passes, whether it was
 * raised or a bulk has brought it. Nobody looks in between. */
START_TEST(what_a_flowtable_cuts_is_raised_again)
{
	struct flow f[2] = { udp_flow(1), udp_flow(2) };
	struct kernel *a, *b;

	pair();
	sim->traffic = false;
	a = &sim->node[A].kernel;
	b = &sim->node[B].kernel;
	for (int i = 0; i < 2; i++)
		ck_assert(kernel_create(a, &f[i], sim->now));
	run(1 * S);
	if (!_i)
		kernel_find(a, &f[0])->flow.status |= IPS_OFFLOAD;
	ck_assert_int_eq(sim_handover(sim, A, false), 0);
	run(3 * S);
	ck_assert_int_eq(sim_master(sim), B);
	for (int i = 0; i < 2; i++)
		kernel_find(a, &f[i])->flow.status |= IPS_OFFLOAD;
	if (_i)
		sim_ask_bulk(sim, A);
	go_on(b, f, 27);
	ck_assert_int_gt(left(a, &f[0]), 3000 * S);
	kernel_find(a, &f[0])->flow.status &= ~(uint32_t)IPS_OFFLOAD;
	kernel_find(a, &f[0])->expires = mono_add(sim->now, 90 * S);
	go_on(b, f, 15);
	ck_assert_int_gt(left(a, &f[0]), 3000 * S);
	/* the other one is still in it, and is no reason for ever */
	ck_assert(mono_is_never(engine(A)->raise_at));
}
END_TEST

/* A packet passed since the kernel filled the chunk, and gave it the time of its
 * new state; but windows of before are still old. */
START_TEST(whose_timeout_is_set_by_its_packet)
{
	struct flow list[2] = { tcp_flow(1), tcp_flow(2) };
	struct engine *e;
	uint32_t soon;

	pair();
	e = engine(A);
	soon = e->timeouts.tcp[TCP_CONNTRACK_SYN_RECV];
	for (size_t i = 0; i < 2; i++) {
		list[i].has |= FLOW_HAS_TIMEOUT;
		list[i].timeout_s = 3600;
		list[i].tcp_state = TCP_CONNTRACK_SYN_RECV;
	}
	for (int old = 0; old < 2; old++) {
		struct flow passed = list[0];

		e->dump = DUMP_LOWER;
		e->dump_running = true;
		e->windows_old = old;
		passed.tcp_state = TCP_CONNTRACK_ESTABLISHED;
		engine_event(e, FLOW_UPDATE, &passed, 0, sim->now);
		engine_dumped(e, list, 2, false, NULL, 0, sim->now);
		ck_assert_uint_eq(e->nops, 1 + old);
		ck_assert(flow_tuple_equal(&e->ops[old].flow.orig,
					   &list[1].orig));
		ck_assert_uint_eq(e->ops[old].flow.timeout_s, soon);
		ck_assert_uint_ge(e->ops[0].flow.timeout_s, old ? 600 : soon);
		e->nops = 0;
	}
}
END_TEST

int main(void)
{
	const TTest *list[] = {
		what_is_tied_to_this_node_is_counted,
		what_a_timeout_policy_keeps_is_counted,
		lost_labels_are_no_gap,
		whose_timeout_is_set,
		a_dump_that_broke_off_says_why,
		whose_timeout_is_set_by_its_packet,
	};
	Suite *s = suite_create("engine lacks");
	TCase *t;
	SRunner *sr;
	int failed;

	t = SCENES(s, "lacks", list);
	tcase_add_loop_test(t, what_a_flowtable_cuts_is_raised_again, 0, 2);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
