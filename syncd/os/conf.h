/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The configuration file as a plain tree of values, already checked: what
 * stands here can be used without a further look. Keys, defaults and units
 * are those of the manual.
 */
#ifndef STATESYNC_CONF_H
#define STATESYNC_CONF_H

#include "conf_carp.h"
#include "conf_drift.h"
#include "conf_errors.h"
#include "conf_follow.h"
#include "conf_sync.h"

#include <stdbool.h>

#define CONF_DEFAULT_PATH "/etc/statesync/statesync.conf"
#define CONF_DEFAULT_PORT 3790
#define CONF_KEYS_MAX	  2 /* two while a key is being replaced */
#define CONF_PATHS_MAX	  4 /* addresses on the link, of one node */
#define CONF_PEERS_MAX	  8

enum conf_result {
	CONF_REFUSED = 1, /* mistakes in the file: see struct conf_errors */
};

enum conf_require_sync {
	CONF_SYNC_STRICT, /* hold while a living master exists */
	CONF_SYNC_LIMIT,  /* the same, at most require_sync_ms */
	CONF_SYNC_OFF,	  /* never hold */
};

/* On the link; the interface is that of a link-local address, or "". */
struct conf_end {
	struct conf_address address;
	char interface[IF_NAMESIZE];
};

/* The files of a link's key, in the order of the configuration. */
struct conf_link_keys {
	unsigned int count;
	char *file[CONF_KEYS_MAX];
};

struct conf_peer {
	char name[CONF_NAME_SIZE];
	unsigned int num_ends; /* at least 1, and not more than ours */
	struct conf_end ends[CONF_PATHS_MAX];
	struct conf_link_keys keys; /* none: those of the link */
};

struct conf_link {
	bool present; /* without a link block this node never holds */
	bool mptcp;
	unsigned int num_ends; /* ours, each to the peer's at the same place */
	struct conf_end ends[CONF_PATHS_MAX];
	uint16_t port;
	struct conf_link_keys keys;
	size_t num_peers; /* other nodes only, at least 1 */
	struct conf_peer *peers;
};

struct conf {
	char node[CONF_NAME_SIZE];
	bool preempt, independent, witness, router_advertisement, strict_peers;
	int64_t preempt_delay_ms;
	unsigned int witness_limit; /* master-down times */
	enum conf_require_sync require_sync;
	int64_t require_sync_ms;
	uint32_t event_buffer_bytes;
	int64_t audit_period_ms;      /* 0: no audit */
	uint32_t resume_buffer_bytes; /* for each peer */
	char *state_dir;
	char *stats_socket;
	char *stats_metrics; /* "ADDRESS:PORT" to listen on, or NULL */
	struct conf_follow follow;
	struct conf_link link;
	struct conf_sync sync;
	struct conf_sets sets;
	struct conf_drift drift;
	size_t num_carps; /* at least 1 */
	struct conf_carp *carps;
};

/*
 * Reads and checks the file at `path`, and the key and pass files it names
 * (mode, form). `node` overrides the node's name (NULL: the key `node`, or
 * else the host name). Returns 0 and a tree in *out that the caller gives
 * back with conf_free(); CONF_REFUSED with at least one sentence in
 * *errors (also when the file cannot be read), -ENOMEM otherwise. *out is
 * NULL unless 0 is returned.
 */
int conf_load(const char *path, const char *node, struct conf **out,
	      struct conf_errors *errors) __attribute__((warn_unused_result));

/* Of this peer: its own, or those of the link. */
const struct conf_link_keys *conf_peer_keys(const struct conf_link *link,
					    const struct conf_peer *peer);

/* Also the interface. */
bool conf_same_end(const struct conf_end *a, const struct conf_end *b);
/* Prefixes are not looked at; none is the same as none. */
bool conf_same_address(const struct conf_address *a,
		       const struct conf_address *b);

/* Gives back a tree, the passwords overwritten; NULL is fine. */
void conf_free(struct conf *conf);

#endif
