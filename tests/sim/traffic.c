// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What connections do to the table of the node that forwards them: they
 * begin, answer, change and end; tuples are used again with another
 * translation; entries are torn away. Invariant: only the node that is given
 * is touched, and what is torn away without a word is written down.
 */
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>
#include <string.h>

#include "sim.h"

#define PORTS 300 /* for translation */

static unsigned tuples(const struct sim *s)
{
	return s->conf.tuples ? s->conf.tuples : 400;
}

static void address(struct flow_addr *a, uint8_t b0, uint8_t b1, uint8_t b2,
		    uint8_t b3)
{
	*a = (struct flow_addr){ .b = { b0, b1, b2, b3 } };
}

/* A connection of a client, translated to the outer shared address. */
static struct flow client(struct sim *s, unsigned number)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_TCP,
					  IPPROTO_ICMP };
	struct flow f = {
		.family = AF_INET,
		.l4proto = protos[number % 4],
		.status = IPS_CONFIRMED,
	};
	bool dnat = number % 16 == 5;

	address(&f.orig.src, 10, 1, 0, (uint8_t)(10 + number % 200));
	address(&f.orig.dst, 198, 51, 100, (uint8_t)(number / 200));
	f.orig.sport = (uint16_t)(1024 + number);
	f.orig.dport = 443;
	if (f.l4proto == IPPROTO_ICMP)
		f.orig.dport = 8 << 8;
	flow_tuple_invert(&f, &f.orig, &f.reply);
	if (dnat) {
		address(&f.reply.src, 10, 1, 0, 5);
		f.reply.sport = 8443;
		return f;
	}
	address(&f.reply.dst, 203, 0, 113, 1);
	if (f.l4proto == IPPROTO_ICMP)
		f.reply.sport = (uint16_t)(20000 + sim_random(s, PORTS));
	else
		f.reply.dport = (uint16_t)(20000 + sim_random(s, PORTS));
	return f;
}

static unsigned number_of(const struct flow *f)
{
	return f->orig.sport - 1024u;
}

/* With conf.active a client uses one of the vhosts, or, one in eight, both. */
static bool by_either(const struct flow *f)
{
	return number_of(f) % 8 == 3;
}

static void begin(struct flow *f)
{
	if (f->l4proto != IPPROTO_TCP)
		return;
	f->has |= FLOW_HAS_TCP;
	f->tcp_state = TCP_CONNTRACK_SYN_SENT;
}

/* The next packet of a connection that changes something. */
static bool advance(struct sim *s, struct flow *f)
{
	/* of two nodes that mark one flow at a time each may take the other's */
	if (sim_chance(s, 5) && !(s->conf.active && by_either(f))) {
		f->mark = (uint32_t)sim_random(s, 4);
		/* and none forgets one that it has seen passing */
		if (s->conf.active && !f->mark)
			f->mark = 4;
		return true;
	}
	if (f->l4proto == IPPROTO_UDP && f->status & IPS_SEEN_REPLY &&
	    !(f->status & IPS_ASSURED)) {
		f->status |= IPS_ASSURED;
		return true;
	}
	if (f->l4proto != IPPROTO_TCP) {
		bool first = !(f->status & IPS_SEEN_REPLY);

		f->status |= IPS_SEEN_REPLY;
		return first;
	}
	switch (f->tcp_state) {
	case TCP_CONNTRACK_SYN_SENT:
		f->status |= IPS_SEEN_REPLY;
		f->tcp_state = TCP_CONNTRACK_SYN_RECV;
		return true;
	case TCP_CONNTRACK_SYN_RECV:
		f->status |= IPS_ASSURED;
		f->tcp_state = TCP_CONNTRACK_ESTABLISHED;
		return true;
	case TCP_CONNTRACK_ESTABLISHED:
		if (!sim_chance(s, 20))
			return false;
		f->tcp_state = sim_chance(s, 30) ? TCP_CONNTRACK_CLOSE
						 : TCP_CONNTRACK_FIN_WAIT;
		return true;
	case TCP_CONNTRACK_FIN_WAIT:
		f->tcp_state = TCP_CONNTRACK_LAST_ACK;
		return true;
	case TCP_CONNTRACK_LAST_ACK:
		f->tcp_state = TCP_CONNTRACK_TIME_WAIT;
		return true;
	default:
		return false;
	}
}

static bool closed(const struct flow *f)
{
	return f->l4proto == IPPROTO_TCP &&
	       (f->tcp_state == TCP_CONNTRACK_TIME_WAIT ||
		f->tcp_state == TCP_CONNTRACK_CLOSE);
}

/* Those that are left somewhere. */
static void forget_untold(struct sim *s)
{
	size_t kept = 0;

	for (size_t k = 0; k < s->nuntold; k++) {
		bool left = false;

		for (unsigned i = 0; i < s->nodes; i++)
			left |= kernel_look(&s->node[i].kernel,
					    &s->untold[k]) != NULL;
		if (left)
			s->untold[kept++] = s->untold[k];
	}
	s->nuntold = kept;
}

void sim_untold(struct sim *s, const struct flow *f)
{
	if (s->nuntold == SIM_UNTOLD_MAX)
		forget_untold(s);
	if (s->nuntold < SIM_UNTOLD_MAX)
		s->untold[s->nuntold++] = *f;
	else
		sim_fail(s, "too many flows torn away for this test");
}

/* Does a packet of that flow pass this node? */
static bool comes_by(const struct sim *s, unsigned node, const struct flow *f)
{
	if (!s->conf.active)
		return true;
	return sim_holder(s, number_of(f) % 2) == (int)node ||
	       (by_either(f) && sim_holder(s, 0) == (int)node);
}

static void open_one(struct sim *s, unsigned node, unsigned number)
{
	struct kernel *k = &s->node[node].kernel;
	struct flow f = client(s, number);
	struct kernel_entry *e = kernel_find(k, &f);

	if (!comes_by(s, node, &f))
		return;
	if (e && closed(&e->flow) && sim_chance(s, 50)) {
		/* the port is used again: the kernel lets go of the old one */
		kernel_remove(k, e, true, 0, sim_clock(s, node));
		e = NULL;
	}
	if (e) {
		kernel_refresh(k, e, sim_clock(s, node));
		return;
	}
	begin(&f);
	s->created += kernel_create(k, &f, sim_clock(s, node));
}

static bool own(const struct flow *f)
{
	return f->orig.src.b[0] == 192;
}

static void tear_away(struct sim *s, struct kernel *k, struct kernel_entry *e,
		      mono_t now)
{
	unsigned how = (unsigned)sim_random(s, 4);

	if (how == 0 && !closed(&e->flow) && !(e->flow.status & IPS_ASSURED)) {
		sim_untold(s, &e->flow);
		kernel_remove(k, e, true, 0, now); /* early drop */
		return;
	}
	/* conntrack -D, a process each */
	kernel_remove(k, e, true, 4242 + (uint32_t)sim_random(s, 1000), now);
}

void sim_traffic(struct sim *s, unsigned node)
{
	struct kernel *k = &s->node[node].kernel;
	unsigned what = (unsigned)sim_random(s, 100);
	struct kernel_entry *e;

	if (what < 30 || !k->n) {
		open_one(s, node, (unsigned)sim_random(s, tuples(s)));
		return;
	}
	e = &k->entries[sim_random(s, k->n)];
	if (own(&e->flow) || !comes_by(s, node, &e->flow))
		return;
	if (what < 97) {
		if (advance(s, &e->flow))
			kernel_changed(k, e, sim_clock(s, node));
		else
			kernel_refresh(k, e, sim_clock(s, node));
		return;
	}
	tear_away(s, k, e, sim_clock(s, node));
}

void sim_traffic_both(struct sim *s)
{
	int node = sim_holder(s, (unsigned)sim_random(s, s->conf.vhosts));

	if (node >= 0)
		sim_traffic(s, (unsigned)node);
}

void sim_fill(struct sim *s, unsigned node, size_t n)
{
	struct kernel *k = &s->node[node].kernel;

	for (size_t i = 0; i < n; i++) {
		struct flow f = client(s, (unsigned)i % tuples(s));

		begin(&f);
		if (f.l4proto == IPPROTO_TCP)
			f.tcp_state = TCP_CONNTRACK_ESTABLISHED;
		f.status |= IPS_SEEN_REPLY | IPS_ASSURED;
		(void)kernel_create(k, &f, sim_clock(s, node));
	}
}

void sim_own_flows(struct sim *s, unsigned node)
{
	for (unsigned i = 0; i < 3; i++) {
		struct flow f = {
			.family = AF_INET,
			.l4proto = IPPROTO_TCP,
			.has = FLOW_HAS_TCP,
			.tcp_state = TCP_CONNTRACK_ESTABLISHED,
			.status = IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED,
		};

		address(&f.orig.src, 192, 0, 2, (uint8_t)(1 + node));
		address(&f.orig.dst, 198, 51, 100, 7);
		f.orig.sport = (uint16_t)(5000 + i);
		f.orig.dport = 22;
		flow_tuple_invert(&f, &f.orig, &f.reply);
		(void)kernel_create(&s->node[node].kernel, &f,
				    sim_clock(s, node));
	}
}

void sim_tamper(struct sim *s, unsigned node)
{
	struct kernel *k = &s->node[node].kernel;
	struct kernel_entry *e = k->n ? &k->entries[sim_random(s, k->n)] : NULL;
	struct flow f = client(s, (unsigned)sim_random(s, 1000));

	s->tampered = s->tampered_once = true;
	if (sim_chance(s, 30)) {
		begin(&f);
		if (f.l4proto == IPPROTO_TCP)
			f.tcp_state = TCP_CONNTRACK_ESTABLISHED;
		f.status |= IPS_SEEN_REPLY | IPS_ASSURED;
		(void)kernel_create(k, &f, sim_clock(s, node));
		return;
	}
	if (!e || own(&e->flow))
		return;
	if (sim_chance(s, 30))
		kernel_remove(k, e, true, 0, sim_clock(s, node));
	else if (sim_chance(s, 50))
		e->flow.mark ^= 0x100;
	else
		e->flow.status ^= IPS_ASSURED;
}

void sim_flush(struct sim *s, unsigned node, uint32_t portid)
{
	struct kernel *k = &s->node[node].kernel;

	for (size_t i = k->n; i-- > 0;) {
		if (own(&k->entries[i].flow))
			continue;
		sim_untold(s, &k->entries[i].flow);
		kernel_remove(k, &k->entries[i], true, portid,
			      sim_clock(s, node));
	}
}
