// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Flows to and from the columns of the message Flows. Not the framing, and
 * not the judgement whether a flow may go to a kernel (flow_valid).
 *
 * Text: statesync.proto, message Flows.
 *
 * Invariant: a message is taken apart only after its shapes were seen to
 * account for every value of every column, no more and no less.
 */
#include "flow_pb.h"

#include <assert.h>
#include <string.h>
#include <sys/socket.h>

#include "frame.h"
#include "statesync.pb-c.h"

#define TCP_BITS 20 /* state, flags and window scale of both: 4 each */

void flow_pb_clear(struct flow_pb_batch *b)
{
	b->n = b->naddr4 = b->naddr6 = b->nport = 0;
	b->ntimeout = b->ntcp = b->nmark = b->nzone = b->nextra = 0;
}

static uint32_t load32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

static void store32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

static uint64_t load64(const uint8_t *p)
{
	return (uint64_t)load32(p) << 32 | load32(p + 4);
}

static void store64(uint8_t *p, uint64_t v)
{
	store32(p, (uint32_t)(v >> 32));
	store32(p + 4, (uint32_t)v);
}

/* --- to columns --------------------------------------------------------- */

static uint32_t shape_of(enum flow_op op, const struct flow *f)
{
	uint32_t shape = (uint32_t)(op - FLOW_NEW) |
			 (uint32_t)f->l4proto << FLOW_PB_L4PROTO_SHIFT;
	struct flow_tuple back;

	flow_tuple_invert(f, &f->orig, &back);
	if (f->family == AF_INET6)
		shape |= FLOW_PB_IPV6;
	if (f->reply.dport != back.dport ||
	    !flow_addr_equal(&f->reply.dst, &back.dst))
		shape |= FLOW_PB_SNAT;
	if (f->reply.sport != back.sport ||
	    !flow_addr_equal(&f->reply.src, &back.src))
		shape |= FLOW_PB_DNAT;
	if (f->has & FLOW_HAS_TIMEOUT)
		shape |= FLOW_PB_TIMEOUT;
	if (f->has & FLOW_HAS_TCP)
		shape |= FLOW_PB_TCP;
	if (f->mark != 0)
		shape |= FLOW_PB_MARK;
	if (f->zone != 0)
		shape |= FLOW_PB_ZONE;
	if (flow_extra_needed(f))
		shape |= FLOW_PB_EXTRA;
	return shape;
}

/* One end of a tuple: an address and a port. */
static void put_end(struct flow_pb_batch *b, uint32_t shape,
		    const struct flow_addr *a, uint16_t port)
{
	if (shape & FLOW_PB_IPV6) {
		b->addr6[b->naddr6++] = load64(a->b);
		b->addr6[b->naddr6++] = load64(a->b + 8);
	} else {
		b->addr4[b->naddr4++] = load32(a->b);
	}
	b->port[b->nport++] = port;
}

static uint32_t tcp_pack(const struct flow *f)
{
	return (uint32_t)(f->tcp_state & 0x0f) |
	       (uint32_t)(f->tcp_flags[0] & FLOW_PB_TCP_FLAGS) << 4 |
	       (uint32_t)(f->tcp_flags[1] & FLOW_PB_TCP_FLAGS) << 8 |
	       (uint32_t)(f->tcp_wscale[0] & 0x0f) << 12 |
	       (uint32_t)(f->tcp_wscale[1] & 0x0f) << 16;
}

void flow_pb_add(struct flow_pb_batch *b, enum flow_op op, const struct flow *f)
{
	uint32_t shape = shape_of(op, f);

	assert(b->n < FLOW_PB_BATCH);
	assert(op >= FLOW_NEW && op <= FLOW_DESTROY);
	put_end(b, shape, &f->orig.src, f->orig.sport);
	put_end(b, shape, &f->orig.dst, f->orig.dport);
	if (shape & FLOW_PB_SNAT)
		put_end(b, shape, &f->reply.dst, f->reply.dport);
	if (shape & FLOW_PB_DNAT)
		put_end(b, shape, &f->reply.src, f->reply.sport);
	if (shape & FLOW_PB_TIMEOUT)
		b->timeout_s[b->ntimeout++] = f->timeout_s;
	if (shape & FLOW_PB_TCP)
		b->tcp[b->ntcp++] = tcp_pack(f);
	if (shape & FLOW_PB_MARK)
		b->mark[b->nmark++] = f->mark;
	if (shape & FLOW_PB_ZONE)
		b->zone[b->nzone++] = f->zone;
	if (shape & FLOW_PB_EXTRA)
		flow_extra_pack(&b->extra[b->nextra++], f);
	b->status[b->n] = f->status & FLOW_PB_STATUS;
	b->shape[b->n++] = shape;
}

void flow_pb_message(struct flow_pb_batch *b, struct Statesync__Flows *m)
{
	statesync__flows__init(m);
	m->n_shape = m->n_status = b->n;
	m->shape = b->shape;
	m->status = b->status;
	m->n_addr4 = b->naddr4;
	m->addr4 = b->addr4;
	m->n_addr6 = b->naddr6;
	m->addr6 = b->addr6;
	m->n_port = b->nport;
	m->port = b->port;
	m->n_timeout_s = b->ntimeout;
	m->timeout_s = b->timeout_s;
	m->n_tcp = b->ntcp;
	m->tcp = b->tcp;
	m->n_mark = b->nmark;
	m->mark = b->mark;
	m->n_zone = b->nzone;
	m->zone = b->zone;
	for (size_t i = 0; i < b->nextra; i++)
		b->extras[i] = &b->extra[i].m;
	m->n_extra = b->nextra;
	m->extra = b->extras;
}

/* --- from columns ------------------------------------------------------- */

/* Where the next value of each column is. */
struct cursor {
	const uint64_t *addr6;
	const uint32_t *addr4, *port, *timeout_s, *tcp, *mark, *zone;
	Statesync__FlowExtra *const *extra;
};

/* Do the shapes account for every value of every column? */
static bool columns_fit(const Statesync__Flows *m)
{
	size_t v4 = 0, v6 = 0, timeout = 0, tcp = 0, mark = 0, zone = 0;
	size_t extra = 0;

	if (m->n_shape > FLOW_PB_BATCH)
		return false;
	for (size_t i = 0; i < m->n_shape; i++) {
		uint32_t shape = m->shape[i];
		size_t ends = 2;

		if (shape & ~(uint32_t)FLOW_PB_KNOWN)
			return false;
		ends += !!(shape & FLOW_PB_SNAT) + !!(shape & FLOW_PB_DNAT);
		if (shape & FLOW_PB_IPV6)
			v6 += ends;
		else
			v4 += ends;
		timeout += !!(shape & FLOW_PB_TIMEOUT);
		tcp += !!(shape & FLOW_PB_TCP);
		mark += !!(shape & FLOW_PB_MARK);
		zone += !!(shape & FLOW_PB_ZONE);
		extra += !!(shape & FLOW_PB_EXTRA);
	}
	return m->n_addr4 == v4 && m->n_addr6 == 2 * v6 &&
	       m->n_port == v4 + v6 && m->n_status == m->n_shape &&
	       m->n_timeout_s == timeout && m->n_tcp == tcp &&
	       m->n_mark == mark && m->n_zone == zone && m->n_extra == extra;
}

static bool all_below(const uint32_t *column, size_t n, uint32_t limit)
{
	uint32_t seen = 0;

	for (size_t i = 0; i < n; i++)
		seen |= column[i];
	return seen < limit; /* a power of two */
}

static void get_end(struct cursor *c, uint32_t shape, struct flow_addr *a,
		    uint16_t *port)
{
	if (shape & FLOW_PB_IPV6) {
		store64(a->b, *c->addr6++);
		store64(a->b + 8, *c->addr6++);
	} else {
		store32(a->b, *c->addr4++);
	}
	*port = (uint16_t)*c->port++;
}

static void tcp_unpack(uint32_t v, struct flow *f)
{
	f->tcp_state = v & 0x0f;
	f->tcp_flags[0] = v >> 4 & FLOW_PB_TCP_FLAGS;
	f->tcp_flags[1] = v >> 8 & FLOW_PB_TCP_FLAGS;
	f->tcp_wscale[0] = v >> 12 & 0x0f;
	f->tcp_wscale[1] = v >> 16 & 0x0f;
}

static bool get_flow(struct cursor *c, uint32_t shape, struct flow *f)
{
	f->family = shape & FLOW_PB_IPV6 ? AF_INET6 : AF_INET;
	f->l4proto = (uint8_t)(shape >> FLOW_PB_L4PROTO_SHIFT);
	get_end(c, shape, &f->orig.src, &f->orig.sport);
	get_end(c, shape, &f->orig.dst, &f->orig.dport);
	flow_tuple_invert(f, &f->orig, &f->reply);
	if (shape & FLOW_PB_SNAT)
		get_end(c, shape, &f->reply.dst, &f->reply.dport);
	if (shape & FLOW_PB_DNAT)
		get_end(c, shape, &f->reply.src, &f->reply.sport);
	if (shape & FLOW_PB_TIMEOUT) {
		f->has |= FLOW_HAS_TIMEOUT;
		f->timeout_s = *c->timeout_s++;
	}
	if (shape & FLOW_PB_TCP) {
		f->has |= FLOW_HAS_TCP;
		tcp_unpack(*c->tcp++, f);
	}
	if (shape & FLOW_PB_MARK)
		f->mark = *c->mark++;
	if (shape & FLOW_PB_ZONE)
		f->zone = (uint16_t)*c->zone++;
	return !(shape & FLOW_PB_EXTRA) || flow_extra_unpack(*c->extra++, f);
}

static bool get_flows(const Statesync__Flows *m, struct flow_change *list)
{
	struct cursor c = {
		.addr6 = m->addr6,
		.addr4 = m->addr4,
		.port = m->port,
		.timeout_s = m->timeout_s,
		.tcp = m->tcp,
		.mark = m->mark,
		.zone = m->zone,
		.extra = m->extra,
	};

	memset(list, 0, m->n_shape * sizeof(*list));
	for (size_t i = 0; i < m->n_shape; i++) {
		uint32_t shape = m->shape[i];

		list[i].op = (enum flow_op)(FLOW_NEW + (shape & FLOW_PB_OP));
		list[i].flow.status = m->status[i] & FLOW_PB_STATUS;
		if (!get_flow(&c, shape, &list[i].flow))
			return false;
	}
	return true;
}

bool flow_pb_unpack(struct arena *a, const uint8_t *data, size_t len,
		    struct flow_change *list, size_t *n)
{
	const Statesync__Flows *m;

	*n = 0;
	if (len > FRAME_PAYLOAD_MAX)
		return false;
	m = (const Statesync__Flows *)arena_unpack(
		a, &statesync__flows__descriptor, data, len);
	if (!m || !columns_fit(m) || !all_below(m->port, m->n_port, 1u << 16) ||
	    !all_below(m->zone, m->n_zone, 1u << 16) ||
	    !all_below(m->tcp, m->n_tcp, 1u << TCP_BITS) || !get_flows(m, list))
		return false;
	*n = m->n_shape;
	return true;
}
