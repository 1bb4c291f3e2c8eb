/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The paths to each peer as they are now, for whoever shows them.
 */
#ifndef STATESYNC_PEERSOCK_PATH_H
#define STATESYNC_PEERSOCK_PATH_H

#include "peersock.h"

/* The texts are the socket's, until the next call. */
struct peersock_path_info {
	enum {
		PEERSOCK_PATH_DOWN,
		PEERSOCK_PATH_STANDBY,
		PEERSOCK_PATH_USED
	} state;
	const char *ours, *theirs; /* addresses */
	const char *error;	   /* why it is down, or "" */
	const char *key; /* the id of the key that it was opened with, or "" */
	unsigned int silent_ms; /* since anything came by it, ACKs too */
	uint64_t lost;		/* how often it was */
};
unsigned int peersock_paths(const struct peersock *ps, unsigned int peer);
void peersock_path_info(const struct peersock *ps, unsigned int peer,
			unsigned int path, struct peersock_path_info *out);
const char *peersock_path_state(const struct peersock_path_info *info);

#endif
