/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files of the configuration share: the parser with its drafts and
 * mistakes. For conf*.c only.
 */
#ifndef STATESYNC_CONF_INT_H
#define STATESYNC_CONF_INT_H

#include "conf.h"
#include "conf_keys.h"
#include "conf_sync_int.h"
#include "conf_text.h"
#include "conf_value.h"

#include <sys/types.h>
#define CONF_PREFER_MAX 3 /* advskew 0, 100, 200 */
struct parser;

struct slot {	       /* by it a callback of libConfuse finds us */
	char *scratch; /* libConfuse's */
	enum section section;
	struct parser *parser;
};

struct mistake {
	struct place at;
	bool lasting; /* of an earlier pass */
	char text[CONF_ERROR_SIZE];
};

struct draft_peer {
	struct conf_peer peer;
	struct place at, key_at[CONF_KEYS_MAX];
};

struct draft_carp {
	struct conf_carp carp;
	struct place at, vhid_at, skew_at, pass_at, file_at, prefer_at;
	struct place peer_at, ttl_at, source_at, alias_at, nodes_at;
	struct place balancing_at, allow_at;
	char *pass_file;
	char prefer[CONF_PREFER_MAX][CONF_NAME_SIZE];
	unsigned int num_prefer;
};

struct parser {
	const char *path;
	const char *override; /* of the node's name */
	char *text;	      /* what libConfuse reads */
	mode_t mode;
	struct slot slots[SECTIONS];
	struct mistake mistakes[CONF_ERRORS_MAX];
	unsigned int num_mistakes;
	bool again; /* a statement was blanked out */
	bool no_memory;
	bool broken; /* the pass ended before the text did */
	/* The value at hand. */
	struct place at;
	const char *key;
	/* What the pass has found. */
	struct conf *conf;
	struct place seen[CONF_TABLE_MAX]; /* in the block that is open */
	struct place block_at[SECTIONS];   /* of those without a title */
	struct place link_address_at, strict_at, key_at[CONF_KEYS_MAX];
	struct draft_peer peer, *peers;
	size_t num_peers;
	struct draft_carp carp, *carps;
	struct conf_allowed allowed;
	struct conf_track track;
	struct conf_route route;
	struct conf_rule rule;
	size_t num_carps;
	struct draft_sync sync;
};

/* conf.c: a sentence with its place in front; the eleventh is dropped. */
void conf_mistake(struct parser *p, struct place at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* A sentence that has another file's name in front already. */
void conf_mistake_elsewhere(struct parser *p, struct place at,
			    const char *sentence);

/* Room for one more in an array of `count`; NULL, and the load fails, where
 * there is none. */
void *conf_grow(struct parser *p, void *array, size_t count, size_t size);

/* conf_parse.c: all passes over p->text; 0 or -ENOMEM. */
int conf_parse(struct parser *p);
/* A block with this title has ended at p->at: into p->carp, the next one
 * starts anew. p->key is its kind. */
void conf_allow_closed(struct parser *p, const char *title);
void conf_track_closed(struct parser *p, const char *title);
void conf_route_closed(struct parser *p, const char *title);
void conf_rule_closed(struct parser *p, const char *title);
void conf_allow_init(struct parser *p);
void conf_track_init(struct parser *p);
/* What a vhost has allocated, the password overwritten; it is empty then. */
void conf_carp_drop(struct conf_carp *carp);
/* Drops what a pass has found, the passwords overwritten. */
void conf_parse_drop(struct parser *p);

/* conf_link.c: what holds between the values of link; 0 or -ENOMEM. */
int conf_check_link(struct parser *p);
void conf_peer_drop(struct conf_peer *peer); /* what it has allocated */

/* conf_carp_check.c: what holds between the values of carp blocks;
 * conf_carp_modes.c: the modes of one. nodes stand for vhid and advskew. */
void conf_check_carps(struct parser *p);
void conf_settle_nodes(struct parser *p, struct draft_carp *d);
void conf_check_unicast(struct parser *p, const struct draft_carp *d);
void conf_check_modes(struct parser *p, const struct draft_carp *d);
/* The right to be master outlives an advert by a step of the kernel's clock,
 * jiffy_ns (lease.h). */
void conf_check_interval(struct parser *p, const struct draft_carp *d,
			 int64_t jiffy_ns);

/* conf_check.c: what holds between values, into p->conf; 0 or -ENOMEM. */
int conf_check(struct parser *p);

#endif
