/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Expectations: do they fit together, and their way into a frame and back.
 * Not a kernel's messages (ct_expect), and not whom they are told to.
 *
 * Text: statesync.proto, message Expects; nf_conntrack_expect.c of the kernel.
 *
 * Invariant: what comes out of a frame is expect_valid().
 */
#include "expect.h"

#include <string.h>
#include <sys/socket.h>

#include "outbox.h"
#include "statesync.pb-c.h"

const char *expect_result_name(enum expect_result r)
{
	static const char *const names[EXPECT_RESULTS] = {
		[EXPECT_APPLIED] = "applied",	  [EXPECT_GONE] = "gone",
		[EXPECT_NO_MASTER] = "no_master", [EXPECT_HELPER] = "helper",
		[EXPECT_LIMIT] = "limit",	  [EXPECT_INVALID] = "invalid",
		[EXPECT_OTHER] = "other",
	};

	return r < EXPECT_RESULTS ? names[r] : "?";
}

bool expect_valid(const struct expect *e)
{
	size_t len = flow_addr_len(e->family);

	return len != 0 && flow_addr_valid(&e->tuple.src, len) &&
	       flow_addr_valid(&e->tuple.dst, len) &&
	       flow_addr_valid(&e->mask, len) &&
	       flow_addr_valid(&e->master.src, len) &&
	       flow_addr_valid(&e->master.dst, len) &&
	       flow_addr_valid(&e->nat_addr, len) && e->nat_dir <= 1 &&
	       !(e->flags & ~(uint32_t)EXPECT_FLAGS) && *e->helper &&
	       flow_name_valid(e->helper, sizeof(e->helper)) &&
	       flow_name_valid(e->fn, sizeof(e->fn));
}

void expect_master(const struct expect *e, struct flow *f)
{
	*f = (struct flow){
		.family = e->family,
		.l4proto = e->master_l4proto,
		.orig = e->master,
	};
	flow_tuple_invert(f, &f->orig, &f->reply);
}

/* --- to a frame ------------------------------------------------------------ */

static uint32_t ports(const struct flow_tuple *t)
{
	return (uint32_t)t->sport << 16 | t->dport;
}

static ProtobufCBinaryData data(struct flow_addr *a, size_t len)
{
	return (ProtobufCBinaryData){ .len = len, .data = a->b };
}

/* m points into c: protobuf-c wants pointers to non-const. */
static void pack_one(Statesync__Expect *m, struct expect_change *c)
{
	struct expect *e = &c->expect;
	size_t len = flow_addr_len(e->family);

	statesync__expect__init(m);
	m->op = (uint32_t)c->op;
	m->src = data(&e->tuple.src, len);
	m->dst = data(&e->tuple.dst, len);
	m->ports = ports(&e->tuple);
	m->l4proto = e->l4proto;
	m->mask = data(&e->mask, len);
	m->mask_sport = e->mask_sport;
	m->master_src = data(&e->master.src, len);
	m->master_dst = data(&e->master.dst, len);
	m->master_ports = ports(&e->master);
	m->master_l4proto = e->master_l4proto;
	m->nat_addr = data(&e->nat_addr, len);
	m->nat_port = e->nat_port;
	m->nat_dir = e->nat_dir;
	m->flags = e->flags;
	m->class_ = e->class;
	m->timeout_s = e->timeout_s;
	m->helper = e->helper;
	m->fn = e->fn;
}

int expect_put(struct outbox *o, const struct expect_batch *b)
{
	Statesync__Expect one[EXPECT_BATCH], *list[EXPECT_BATCH];
	struct expect_batch copy = *b;
	Statesync__Expects m;

	statesync__expects__init(&m);
	for (size_t i = 0; i < b->n; i++) {
		pack_one(&one[i], &copy.list[i]);
		list[i] = &one[i];
	}
	m.n_expect = b->n;
	m.expect = list;
	return outbox_add(o, FRAME_EXPECTS, &m.base);
}

/* --- from a frame ----------------------------------------------------------- */

static bool get_addr(const ProtobufCBinaryData *m, size_t len,
		     struct flow_addr *a)
{
	if (m->len != len)
		return false;
	memcpy(a->b, m->data, len);
	return true;
}

static bool get_tuple(const ProtobufCBinaryData *src,
		      const ProtobufCBinaryData *dst, uint32_t both, size_t len,
		      struct flow_tuple *t)
{
	t->sport = (uint16_t)(both >> 16);
	t->dport = (uint16_t)both;
	return get_addr(src, len, &t->src) && get_addr(dst, len, &t->dst);
}

static bool get_name(const char *m, char *name, size_t size)
{
	size_t len = strlen(m);

	if (len >= size)
		return false;
	memcpy(name, m, len + 1);
	return true;
}

static bool get_one(const Statesync__Expect *m, struct expect_change *c)
{
	struct expect *e = &c->expect;
	size_t len = m->src.len;

	if (m->op >= EXPECT_OPS || m->l4proto > UINT8_MAX ||
	    m->master_l4proto > UINT8_MAX || m->mask_sport > UINT16_MAX ||
	    m->nat_port > UINT16_MAX || m->nat_dir > UINT8_MAX ||
	    (len != 4 && len != 16))
		return false;
	*c = (struct expect_change){ .op = (enum expect_op)m->op };
	e->family = len == 4 ? AF_INET : AF_INET6;
	e->l4proto = (uint8_t)m->l4proto;
	e->mask_sport = (uint16_t)m->mask_sport;
	e->master_l4proto = (uint8_t)m->master_l4proto;
	e->nat_port = (uint16_t)m->nat_port;
	e->nat_dir = (uint8_t)m->nat_dir;
	e->flags = m->flags;
	e->class = m->class_;
	e->timeout_s = m->timeout_s;
	return get_tuple(&m->src, &m->dst, m->ports, len, &e->tuple) &&
	       get_tuple(&m->master_src, &m->master_dst, m->master_ports, len,
			 &e->master) &&
	       get_addr(&m->mask, len, &e->mask) &&
	       get_addr(&m->nat_addr, len, &e->nat_addr) &&
	       get_name(m->helper, e->helper, sizeof(e->helper)) &&
	       get_name(m->fn, e->fn, sizeof(e->fn)) && expect_valid(e);
}

bool expect_get(struct arena *a, const uint8_t *bytes, size_t len,
		struct expect_batch *b, size_t *skipped)
{
	const Statesync__Expects *m = (const Statesync__Expects *)arena_unpack(
		a, &statesync__expects__descriptor, bytes, len);

	b->n = *skipped = 0;
	if (!m || m->n_expect > EXPECT_BATCH)
		return false;
	for (size_t i = 0; i < m->n_expect; i++) {
		if (get_one(m->expect[i], &b->list[b->n]))
			b->n++;
		else
			++*skipped;
	}
	return true;
}
