/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The order of operations on flows. Not what they do; not a table of flows:
 * it holds hashes, for the time of one list.
 *
 * Invariant: two operations with an equal tuple are ordered. Two that only
 * look alike may be too, which costs time and nothing else.
 */
#include "ct_order.h"

#include <string.h>

#include "flow.h"

/* The kernel finds an entry by either of its tuples, so both are alike here. */
static uint64_t tuple_hash(const struct flow *f, const struct flow_tuple *t,
			   enum flow_zone_dir dir)
{
	uint64_t word[4], h;

	memcpy(&word[0], t->src.b, 16);
	memcpy(&word[2], t->dst.b, 16);
	h = (uint64_t)t->sport << 48 | (uint64_t)t->dport << 32 |
	    (uint64_t)flow_zone_id(f, dir) << 16 | (uint64_t)f->l4proto << 8 |
	    f->family;
	for (size_t i = 0; i < 4; i++) {
		h = (h ^ word[i]) * 0x9e3779b97f4a7c15;
		h ^= h >> 29;
	}
	return h;
}

/* Makes op the last one to name that tuple; returns who it was before. */
static uint16_t place_take(struct ct_order *o, uint64_t hash, uint16_t op)
{
	struct ct_order_place *p = &o->places[hash % CT_ORDER_PLACES];
	uint16_t before = CT_ORDER_NONE;

	while (p->used && p->hash != hash) {
		if (++p == o->places + CT_ORDER_PLACES)
			p = o->places;
	}
	if (p->used && p->op != op)
		before = p->op;
	*p = (struct ct_order_place){ .hash = hash, .op = op, .used = true };
	return before;
}

void ct_order_clear(struct ct_order *o)
{
	memset(o, 0, sizeof(*o));
}

void ct_order_add(struct ct_order *o, const struct flow *f, uint16_t op,
		  uint16_t waits[2])
{
	waits[0] = place_take(o, tuple_hash(f, &f->orig, FLOW_ZONE_ORIG), op);
	waits[1] = place_take(o, tuple_hash(f, &f->reply, FLOW_ZONE_REPLY), op);
}
