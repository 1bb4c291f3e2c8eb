/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files of the configuration share: the parser with its drafts and
 * mistakes. For conf*.c only.
 */
#ifndef STATESYNC_CONF_INT_H
#define STATESYNC_CONF_INT_H

#include "conf_carp_int.h"
#include "conf_keys.h"
#include "conf_open.h"
#include "conf_sync_int.h"
#include "conf_text.h"
#include "conf_value.h"

#include <sys/types.h>

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
	char shown[CONF_SHOWN_SIZE];
};

struct draft_peer {
	struct conf_peer peer;
	struct place at, key_at[CONF_KEYS_MAX];
};

struct parser {
	const struct conf_opener *by;
	const char *path;
	const char *override; /* of the node's name */
	bool by_host;	      /* it is the host name */
	bool nameless;	      /* no peer block has it, and one should */
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

/* Room for one more in an array of `count`; NULL, and the load fails, where
 * there is none. */
void *conf_grow(struct parser *p, void *array, size_t count, size_t size);

/* conf_parse.c: all passes over p->text; 0 or -ENOMEM. */
int conf_parse(struct parser *p);
/* Drops what a pass has found, the passwords overwritten. */
void conf_parse_drop(struct parser *p);

/* conf_link.c: what holds between the values of link; 0 or -ENOMEM. */
int conf_check_link(struct parser *p);
void conf_peer_drop(struct conf_peer *peer); /* what it has allocated */

/* conf_check.c: what holds between values, into p->conf; 0 or -ENOMEM. */
int conf_check(struct parser *p);

#endif
