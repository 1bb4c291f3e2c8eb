/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Demotion counters. A table of numbers, nothing more: who raises them and
 * what follows is the engine's business. Invariant: every counter is between
 * 0 and DEMOTION_WIRE_MAX.
 */
#include "demotion.h"

static const char *const names[DEMOTION_NAMES] = {
	[DEMOTION_INTERFACE] = "interface",
	[DEMOTION_OPERATOR] = "operator",
	[DEMOTION_POLICY] = "policy",
	[DEMOTION_TRACK] = "track",
};

const char *demotion_name(enum demotion_name name)
{
	return names[name];
}

void demotion_set(struct demotion *d, enum demotion_name name, int32_t value)
{
	if (value < 0)
		value = 0;
	if (value > DEMOTION_WIRE_MAX)
		value = DEMOTION_WIRE_MAX;
	d->by[name] = value;
}

int32_t demotion_add(struct demotion *d, enum demotion_name name, int32_t value)
{
	if (value > DEMOTION_WIRE_MAX)
		value = DEMOTION_WIRE_MAX;
	if (value < -DEMOTION_WIRE_MAX)
		value = -DEMOTION_WIRE_MAX;
	demotion_set(d, name, d->by[name] + value);
	return d->by[name];
}

uint8_t demotion_total(const struct demotion *d)
{
	int32_t sum = 0;

	for (int i = 0; i < DEMOTION_NAMES; i++)
		sum += d->by[i];
	return (uint8_t)(sum > DEMOTION_WIRE_MAX ? DEMOTION_WIRE_MAX : sum);
}
