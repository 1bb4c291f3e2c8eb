/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Waiting for a state of the node.
 */
#ifndef STATESYNC_WAIT_H
#define STATESYNC_WAIT_H

#include <stdbool.h>

/* Seconds, with or without their unit; negative when it is no duration. */
double wait_parse_seconds(const char *s);

/* "in-sync", "master" or "backup"? */
bool wait_knows(const char *what);

/*
 * Asks the daemon again and again until it is so: EXIT_YES. After `limit`
 * seconds (negative: never) EXIT_NO; EXIT_NO_DAEMON when it did not answer,
 * with a limit only at its end, since it may be starting. Says why not on
 * standard error.
 */
int wait_for(const char *what, double limit);

#endif
