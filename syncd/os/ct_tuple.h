/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tuples of ctnetlink, read and written: those of flows (ct_msg, ct_put), of
 * their masters (ct_helper) and of expectations (ct_expect).
 */
#ifndef STATESYNC_CT_TUPLE_H
#define STATESYNC_CT_TUPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "flow.h"
#include "nl_attr.h"

/* A whole tuple, its zone passed over; false: malformed. */
bool ct_tuple_parse(const struct nl_attrs *parent, uint8_t *l4proto,
		    struct flow_tuple *t);

/* The parts of a tuple within a nest that is open; a message with an unknown
 * family is no longer ok. */
void ct_tuple_put_ends(struct nl_msg *m, uint8_t family, uint8_t l4proto,
		       const struct flow_tuple *t);
/* A whole one. */
void ct_tuple_put(struct nl_msg *m, uint16_t type, uint8_t family,
		  uint8_t l4proto, const struct flow_tuple *t);

#endif
