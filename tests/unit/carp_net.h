/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Up to three virtual hosts of one vhid on one wire, under a made-up clock,
 * for one test program. Checks at every step that whoever speaks with the
 * virtual MAC has the right to.
 */
#ifndef STATESYNC_TEST_CARP_NET_H
#define STATESYNC_TEST_CARP_NET_H

#include "vhost.h"

#include <check.h>
#include <string.h>

#define S	  MONO_S
#define VIP	  0x0a00000cU
#define NODES_MAX 3
#define WIRE_MAX  64
#define DELAY	  MONO_MS

struct node {
	struct carp_vhost v;
	bool deaf;	  /* hears nothing */
	bool holds_right; /* TAKE without a RELEASE after it */
	unsigned adverts, bow_outs, announces, asks, waits, takes, changes;
	enum carp_cause cause; /* of the last transition */
	int64_t silent_ns;
	struct carp_advert sent;
};

struct packet {
	mono_t at;
	size_t from;
	struct carp_advert advert;
};

static struct {
	mono_t now;
	size_t nodes;
	bool known; /* the nodes know each other; the lower index wins ties */
	struct node node[NODES_MAX];
	struct packet wire[WIRE_MAX];
	size_t on_wire;
} net;

static struct carp_vhost_conf conf_of(uint8_t advbase, uint8_t advskew)
{
	static const uint32_t vip[] = { VIP };
	static uint64_t seed = 1;

	return (struct carp_vhost_conf){
		.vhid = 1,
		.advbase = advbase,
		.advskew = advskew,
		.pass = "secret",
		.v4 = vip,
		.v4_count = 1,
		.seed = seed++,
	};
}

static void node_action(size_t i, const struct carp_action *a)
{
	struct node *n = &net.node[i];

	switch (a->what) {
	case CARP_DO_TRANSITION:
		n->changes++;
		n->cause = a->transition.cause;
		n->silent_ns = a->transition.silent_ns;
		break;
	case CARP_DO_TAKE:
		n->takes++;
		n->holds_right = true;
		break;
	case CARP_DO_RELEASE:
		ck_assert(n->holds_right);
		n->holds_right = false;
		break;
	case CARP_DO_ADVERT:
		ck_assert(n->holds_right || a->advert.own_mac);
		ck_assert_int_eq(carp_wire_parse(a->advert.bytes,
						 CARP_ADVERT_LEN, &n->sent),
				 CARP_OK);
		*(carp_fsm_is_bow_out(&n->sent) ? &n->bow_outs : &n->adverts) +=
			1;
		ck_assert_uint_lt(net.on_wire, WIRE_MAX);
		net.wire[net.on_wire++] = (struct packet){
			.at = mono_add(net.now, DELAY),
			.from = i,
			.advert = n->sent,
		};
		break;
	case CARP_DO_ANNOUNCE:
		ck_assert(n->holds_right);
		n->announces++;
		break;
	case CARP_DO_ASK:
		n->asks++;
		break;
	case CARP_DO_WAIT:
		n->waits++;
		break;
	}
}

static void drain(size_t i)
{
	struct carp_action a;

	while (carp_vhost_poll(&net.node[i].v, &a))
		node_action(i, &a);
	ck_assert_int_eq(net.node[i].holds_right,
			 net.node[i].v.state == CARP_MASTER);
}

static enum carp_refusal hear(size_t i, const struct carp_advert *rx,
			      const struct carp_sender *from)
{
	enum carp_refusal why;

	why = carp_vhost_receive(&net.node[i].v, rx, from, net.now);
	drain(i);
	return why;
}

static void deliver(void)
{
	struct packet p = net.wire[0];

	net.on_wire--;
	memmove(net.wire, net.wire + 1, net.on_wire * sizeof(p));
	for (size_t i = 0; i < net.nodes; i++) {
		struct carp_sender from = {
			.known = net.known,
			.tie = i < p.from ? CARP_TIE_WIN : CARP_TIE_LOSE,
		};

		if (i != p.from && !net.node[i].deaf)
			hear(i, &p.advert, &from);
	}
}

/* Lets everything happen that is due until then, in order. */
static void run_until(int64_t ns)
{
	for (;;) {
		mono_t next = net.on_wire ? net.wire[0].at : MONO_NEVER;

		for (size_t i = 0; i < net.nodes; i++)
			next = mono_min(next,
					carp_vhost_deadline(&net.node[i].v));
		if (next.ns > ns)
			break;
		ck_assert(next.ns >= net.now.ns);
		net.now = next;
		if (net.on_wire && mono_due(net.wire[0].at, next))
			deliver();
		for (size_t i = 0; i < net.nodes; i++) {
			carp_vhost_tick(&net.node[i].v, net.now);
			drain(i);
		}
	}
	net.now.ns = ns;
}

static struct node *node_add(uint8_t advbase, uint8_t advskew)
{
	struct carp_vhost_conf conf = conf_of(advbase, advskew);
	struct node *n = &net.node[net.nodes++];

	ck_assert(!carp_vhost_init(&n->v, &conf, net.now));
	return n;
}

static void up(size_t i)
{
	carp_vhost_link(&net.node[i].v, true, net.now);
	drain(i);
}

static inline void down(size_t i)
{
	carp_vhost_link(&net.node[i].v, false, net.now);
	drain(i);
}

static inline void env(size_t i, unsigned demotion, bool holding)
{
	struct carp_env e = { .demotion = demotion, .holding = holding };

	carp_vhost_env(&net.node[i].v, &e, net.now);
	drain(i);
}

static inline void expect(size_t i, enum carp_state state,
			  enum carp_cause cause)
{
	ck_assert_str_eq(carp_state_name(net.node[i].v.state),
			 carp_state_name(state));
	ck_assert_str_eq(carp_cause_name(net.node[i].cause),
			 carp_cause_name(cause));
}

static size_t masters(void)
{
	size_t count = 0;

	for (size_t i = 0; i < net.nodes; i++)
		count += net.node[i].v.state == CARP_MASTER;
	return count;
}

/* The first node is MASTER of one or more that have the same interval. */
static inline void settled(size_t nodes, bool known)
{
	net.known = known;
	for (size_t i = 0; i < nodes; i++)
		node_add(1, (uint8_t)(10 * i));
	for (size_t i = 0; i < nodes; i++)
		up(i);
	run_until(10 * S);
	ck_assert_int_eq(net.node[0].v.state, CARP_MASTER);
	ck_assert_uint_eq(masters(), 1);
}

static void setup(void)
{
	memset(&net, 0, sizeof(net));
}

/* An advert of a stranger that node 0 accepts, with these fields. */
static inline struct carp_advert stranger(uint8_t base, uint8_t skew,
					  uint8_t demote)
{
	struct carp_advert a = { .vhid = 1,
				 .advbase = base,
				 .advskew = skew,
				 .demote = demote,
				 .counter = 42 };

	carp_auth_sign(&net.node[0].v.auth, CARP_AUTH_NOV6LL, a.counter,
		       a.digest);
	return a;
}

static const struct carp_sender unknown = { .addr.v4 = 0x0a000063 };

#endif
