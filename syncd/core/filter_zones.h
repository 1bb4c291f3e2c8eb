/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Zones of connection tracking that are called otherwise on a peer. Each node
 * says its own numbers, and who hears them makes them its own.
 */
#ifndef STATESYNC_FILTER_ZONES_H
#define STATESYNC_FILTER_ZONES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILTER_ZONES_MAX 64

/* Numbers here and at a peer, one to one. */
struct filter_zones {
	size_t n;
	struct filter_zone {
		uint16_t ours, theirs;
	} list[FILTER_ZONES_MAX];
};

/* One that is not listed is the same on both; listed may be NULL. */
uint16_t filter_zone_ours(const struct filter_zones *z, uint16_t theirs,
			  bool *listed);
uint16_t filter_zone_theirs(const struct filter_zones *z, uint16_t ours);

/*
 * The same on both nodes where each lists what the other does, turned round;
 * first: ours is the smaller of the two names. 0: nothing is listed.
 */
uint64_t filter_zones_digest(const struct filter_zones *z, bool first);

#endif
