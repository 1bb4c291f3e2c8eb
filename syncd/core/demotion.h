/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How badly this node serves, counted by name (rules 1). The sum stands in
 * every advert. Not to be mixed up with a hold (gate.h), which says that a
 * copy of the state is not good enough and is never on the wire.
 */
#ifndef STATESYNC_DEMOTION_H
#define STATESYNC_DEMOTION_H

#include <stdint.h>

enum demotion_name {
	DEMOTION_INTERFACE,   /* 1 for each interface that is down */
	DEMOTION_OPERATOR,    /* statesync demote */
	DEMOTION_POLICY,      /* carpdemote of its commands */
	DEMOTION_TRACK,	      /* the weights of what is tracked and is down */
	DEMOTION_MAINTENANCE, /* statesync maintenance */
	DEMOTION_DRIFT,	      /* 1: this node differs from the master */
	DEMOTION_NAMES
};

/* A peer that lacks our state leaves it alone (rules 1). */
#define DEMOTION_MAINTAINED 64
#define DEMOTION_WIRE_MAX   255

struct demotion {
	int32_t by[DEMOTION_NAMES];
};

/* "interface", "operator": as in the JSON and the metrics. */
const char *demotion_name(enum demotion_name name);

void demotion_set(struct demotion *d, enum demotion_name name, int32_t value);

/*
 * Adds a positive or negative value. A name never falls below 0 (OpenBSD
 * carp_group_demote_adj) nor rises above DEMOTION_WIRE_MAX. Returns its new
 * value.
 */
int32_t demotion_add(struct demotion *d, enum demotion_name name,
		     int32_t value);

/* What the wire says: the sum, at most DEMOTION_WIRE_MAX. */
uint8_t demotion_total(const struct demotion *d);

#endif
