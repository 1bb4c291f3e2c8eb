/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Numbers of zones from one node to another. Not the zones in a filter, which
 * are this node's own. Invariant: what goes there and comes back is the same
 * number, where the lists of both nodes are each other's mirror.
 */
#include "filter_zones.h"

uint16_t filter_zone_ours(const struct filter_zones *z, uint16_t theirs,
			  bool *listed)
{
	bool found = false;
	uint16_t ours = theirs;

	for (size_t i = 0; i < z->n && !found; i++) {
		found = z->list[i].theirs == theirs;
		if (found)
			ours = z->list[i].ours;
	}
	if (listed)
		*listed = found;
	return ours;
}

uint16_t filter_zone_theirs(const struct filter_zones *z, uint16_t ours)
{
	for (size_t i = 0; i < z->n; i++)
		if (z->list[i].ours == ours)
			return z->list[i].theirs;
	return ours;
}

uint64_t filter_zones_digest(const struct filter_zones *z, bool first)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < z->n; i++) {
		uint32_t a = z->list[i].ours, b = z->list[i].theirs;
		uint64_t pair = first ? a << 16 | b : b << 16 | a;

		/* a sum, so that the order of the list does not matter, of
		 * numbers that are no longer linear in the pair */
		pair = (pair + 1) * 0x9e3779b97f4a7c15ULL;
		sum += (pair ^ pair >> 29) * 0xbf58476d1ce4e5b9ULL;
	}
	return z->n && !sum ? 1 : sum;
}
