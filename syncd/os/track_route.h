/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Are routes there? A route is up when the main table has one to exactly this
 * prefix, of whatever metric and protocol, that leads somewhere: unicast, and
 * not by a device that is down or has no carrier.
 *
 * The kernel does not tell of every change (IPv4 routes that go with their
 * device, RTNH_F_DEAD), so news and link changes only say when to look; what
 * is true is read by a dump. With a full table of the internet a dump takes a
 * second: it is read chunk by chunk, as its descriptor becomes readable.
 *
 * The same socket tells of routes and rules of our protocol number that
 * somebody removed (vroute.h).
 */
#ifndef STATESYNC_TRACK_ROUTE_H
#define STATESYNC_TRACK_ROUTE_H

#include <stddef.h>

#include "conf.h"
#include "nl.h"

struct track_route {
	struct conf_address to;
	bool up;    /* as the last whole dump said */
	bool known; /* one was made */
	bool seen;  /* by the dump that goes on */
};

struct track_routes {
	struct nl_sock events, dump;
	struct track_route *routes; /* the caller's */
	size_t count;
	bool dirty;	    /* what was read is old: dump again */
	bool dumping, torn; /* NLM_F_DUMP_INTR */
	unsigned int tries; /* torn ones in a row */
	sa_family_t family; /* that is being dumped */
};

/* Positive results; bits of track_routes_events(), one by one otherwise. */
enum track_routes_condition {
	TRACK_ROUTES_DUMPED = 1,  /* every route's up and known are fresh */
	TRACK_ROUTES_REMOVED = 2, /* one of our protocol number was removed,
				     or news were lost */
};

/*
 * Opens both sockets (CLOEXEC), and reads the tables once to their end. routes
 * (with their `to` set) stays the caller's, and is kept. 0 or -errno.
 */
int track_routes_open(struct track_routes *t, struct track_route *routes,
		      size_t count) __attribute__((warn_unused_result));
void track_routes_close(struct track_routes *t);

/* Reads news, at most a few hundred, without waiting. 0, TRACK_ROUTES_REMOVED
 * or -errno. Begins a dump when they concern a route. */
int track_routes_events(struct track_routes *t)
	__attribute__((warn_unused_result));

/* Something else changed, a device: look again. */
void track_routes_dirty(struct track_routes *t);

/* Reads one chunk of the dump. 0, TRACK_ROUTES_DUMPED or -errno. */
int track_routes_dump(struct track_routes *t)
	__attribute__((warn_unused_result));

#endif
