/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The configuration file as a plain tree of values, already checked: what
 * stands here can be used without a further look. Keys, defaults and units
 * are those of the manual; a key that this version does not build is
 * refused by name, never skipped.
 */
#ifndef STATESYNC_CONF_H
#define STATESYNC_CONF_H

#include "conf_carp.h"
#include "set.h"

#include <stdbool.h>

#define CONF_DEFAULT_PATH "/etc/statesync/statesync.conf"
#define CONF_DEFAULT_PORT 3790
#define CONF_KEYS_MAX	  2 /* two while a key is being replaced */
#define CONF_ERRORS_MAX	  10
#define CONF_ERROR_SIZE	  512

enum conf_result {
	CONF_REFUSED = 1, /* mistakes in the file: see struct conf_errors */
};

enum conf_require_sync {
	CONF_SYNC_STRICT, /* hold while a living master exists */
	CONF_SYNC_LIMIT,  /* the same, at most require_sync_ms */
	CONF_SYNC_OFF,	  /* never hold */
};

struct conf_peer {
	char name[CONF_NAME_SIZE];
	struct conf_address address;
};

struct conf_link {
	bool present; /* without a link block this node never holds */
	struct conf_address address;
	uint16_t port;
	unsigned int num_keys;
	char *key_file[CONF_KEYS_MAX]; /* in the order of the file */
	size_t num_peers;	       /* other nodes only, at least 1 */
	struct conf_peer *peers;
};

struct conf_sets {
	size_t n;
	char names[SETS_MAX][SET_NAME_MAX]; /* "inet filter blocklist" */
	int64_t period_ms;
};

struct conf {
	char node[CONF_NAME_SIZE];
	bool preempt, independent, witness, router_advertisement, strict_peers;
	int64_t preempt_delay_ms;
	unsigned int witness_limit; /* master-down times */
	enum conf_require_sync require_sync;
	int64_t require_sync_ms;
	uint32_t event_buffer_bytes;
	char *state_dir;
	char *stats_socket;
	struct conf_link link;
	struct conf_sets sets;
	size_t num_carps; /* at least 1 */
	struct conf_carp *carps;
};

/*
 * The mistakes found, in the order of the file, each a full sentence with
 * its place in front ("FILE:LINE:COL: ..."), without a newline.
 */
struct conf_errors {
	unsigned int count;
	char text[CONF_ERRORS_MAX][CONF_ERROR_SIZE];
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

/* Prefixes are not looked at; none is the same as none. */
bool conf_same_address(const struct conf_address *a,
		       const struct conf_address *b);

/* Gives back a tree, the passwords overwritten; NULL is fine. */
void conf_free(struct conf *conf);

#endif
