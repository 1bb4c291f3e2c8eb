/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of node_track know of each other. Not for others. */
#ifndef STATESYNC_NODE_TRACK_INT_H
#define STATESYNC_NODE_TRACK_INT_H

#include "node.h"
#include "track.h"
#include "track_file.h"
#include "track_process.h"
#include "track_route.h"

struct track_item {
	struct node *node;
	unsigned vhost;
	struct track track;
	struct event *timer; /* the next run, the next look */
	struct event *watch; /* inotify, or the pidfd */
	mono_t started;	     /* a script's last run */
	unsigned ifindex;
	char line[TRACK_WHY_MAX / 2]; /* the last that a script wrote */
	struct track_route *route;
	struct track_process process;
	struct track_file file;
};

struct node_track {
	bool running; /* all is open: the loop may be told */
	size_t count;
	struct track_item *items; /* of all vhosts, in their order */
	size_t nroutes;
	struct track_route *route_list;
	struct track_routes routes;
	struct event *route_events, *route_dump;
};

/* --- node_track.c */
/* why: NULL when it is as it should be. After node_now(). */
void track_item_result(struct track_item *it, const char *why);
/* Its timer comes after so long; at once below 0. */
void track_item_arm(struct track_item *it, int64_t ns);

/* --- node_track_script.c */
void track_script_run(struct track_item *it);

#endif
