/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which of a list of operations on flows must wait for which: those that
 * share a tuple, original or reply, keep the order of the list.
 */
#ifndef STATESYNC_CT_ORDER_H
#define STATESYNC_CT_ORDER_H

#include <stdbool.h>
#include <stdint.h>

struct flow;

/* Longest list. */
#define CT_ORDER_MAX 256

/* Twice as many places as a list can have tuples. */
#define CT_ORDER_PLACES (4 * CT_ORDER_MAX)

#define CT_ORDER_NONE UINT16_MAX

struct ct_order_place {
	uint64_t hash;
	uint16_t op; /* the last one to name this tuple */
	bool used;
};

struct ct_order {
	struct ct_order_place places[CT_ORDER_PLACES];
};

void ct_order_clear(struct ct_order *o);

/*
 * Adds operation number op (ascending, below CT_ORDER_MAX) on flow f. waits
 * becomes the operations that must be over before this one may start, each a
 * number or CT_ORDER_NONE. To wait for the last one that named a tuple is to
 * wait for all of them, for it waits itself.
 */
void ct_order_add(struct ct_order *o, const struct flow *f, uint16_t op,
		  uint16_t waits[2]);

#endif
