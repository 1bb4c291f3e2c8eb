/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One thing of track {}: is it up or down, since when and why. A value that is
 * given results; where they come from is track_route.h, track_process.h,
 * track_file.h, exec.h (scripts) and ifmon.h (interfaces).
 *
 * A thing is unknown until its first result, and counts as up until then, so
 * that a start does not begin with a demotion; nor with a preemption. The first
 * result decides at once; after it a script needs `fall` failures in a row to go
 * down and `rise` successes to come up, everything else one.
 *
 * Source of the words: keepalived.conf(5), track_script, track_file,
 * track_process, track_interface.
 */
#ifndef STATESYNC_TRACK_H
#define STATESYNC_TRACK_H

#include <stddef.h>

#include "conf.h"
#include "mono.h"

#define TRACK_WHY_MAX 200

enum track_state { TRACK_UNKNOWN, TRACK_UP, TRACK_DOWN };

struct track {
	const struct conf_track *conf;
	enum track_state state;
	mono_t since;		 /* of the state */
	unsigned int against;	 /* results in a row that contradict it */
	int status;		 /* a script's last exit status; -1: none */
	char why[TRACK_WHY_MAX]; /* of the last result; "" when it was good */
};

void track_init(struct track *t, const struct conf_track *conf, mono_t now);

/*
 * One result; why says what is wrong (NULL or "" when nothing is). True when
 * the state is another one now, also from unknown.
 */
bool track_result(struct track *t, const char *why, mono_t now);

/* What it adds to the demotion: its weight while it is down. */
int32_t track_weight(const struct track *t);

/* "interface", "route", "script", "process", "file": as in the file. */
const char *track_kind_name(enum conf_track_kind kind);
/* "unknown", "up", "down". */
const char *track_state_name(enum track_state state);

#endif
