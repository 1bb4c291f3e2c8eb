/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a link is made of, for peersock_new(): peers, the paths to them, keys.
 */
#ifndef STATESYNC_PEERSOCK_CONF_H
#define STATESYNC_PEERSOCK_CONF_H

#include "keyfile.h"

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define PEERSOCK_PATHS_MAX 4 /* to one peer; also: addresses of ours */

/* One end of a path. The interface is looked up whenever it is needed: one
 * that is not there yet is waited for. */
struct peersock_end {
	struct sockaddr_storage address; /* with the port */
	char interface[IF_NAMESIZE];	 /* of a link-local address, or "" */
};

struct peersock_path {
	struct peersock_end ours, theirs;
};

struct peersock_peer {
	const char *name;
	const struct peersock_path *paths; /* the one to be preferred first */
	unsigned int num_paths;		   /* 1 to PEERSOCK_PATHS_MAX */
	const struct link_key *keys;	   /* newest first */
	unsigned int num_keys;		   /* 1 or 2 */
};

struct peersock_conf {
	const char *node;
	const struct peersock_peer *peers;
	unsigned int num_peers;
	/* Listening sockets that were handed on: taken over where one of our
	 * ends is meant, closed otherwise. */
	const int *listen_fds;
	unsigned int num_listen_fds;
	bool mptcp;		/* where the kernel has it */
	int priority;		/* of its events in the base, see event(3) */
	size_t max_queue;	/* bytes per peer not yet sent; 0: 8 MiB */
	uint64_t rekey_records; /* between key updates; 0: 2^20 */
	/* how long the path to be preferred has to stand, after it was away,
	 * before it is used again; 0: 60 s */
	unsigned int back_s;
};

#endif
