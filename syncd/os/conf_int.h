/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the files of the configuration share: the parser with its drafts and
 * mistakes, and the table of keys. For conf*.c only.
 */
#ifndef STATESYNC_CONF_INT_H
#define STATESYNC_CONF_INT_H

#include "conf.h"
#include "conf_text.h"

#include <sys/types.h>

#define CONF_PREFER_MAX 3  /* advskew 0, 100, 200 */
#define CONF_TABLE_MAX	64 /* keys, with room */

enum section { IN_ROOT, IN_LINK, IN_PEER, IN_CARP, IN_STATS, SECTIONS };

struct mistake {
	struct place at;
	bool lasting; /* of an earlier pass */
	char text[CONF_ERROR_SIZE];
};

struct draft_peer {
	struct conf_peer peer;
	struct place at;
};

struct draft_carp {
	struct conf_carp carp;
	struct place at, vhid_at, skew_at, pass_at, file_at, prefer_at;
	char *pass_file;
	char prefer[CONF_PREFER_MAX][CONF_NAME_SIZE];
	unsigned int num_prefer;
};

struct parser {
	const char *path;
	const char *override; /* of the node's name */
	char *text;	      /* what libConfuse reads */
	mode_t mode;
	char *scratch; /* libConfuse's; by it the callbacks find us */
	struct mistake mistakes[CONF_ERRORS_MAX];
	unsigned int num_mistakes;
	bool again;  /* a statement was blanked out */
	bool broken; /* the pass ended before the text did */
	/* The value at hand. */
	struct place at;
	const char *key;
	/* What the pass has found. */
	struct conf *conf;
	struct place seen[CONF_TABLE_MAX]; /* in the block that is open */
	struct place link_at, link_address_at, key_at[CONF_KEYS_MAX];
	struct draft_peer peer, *peers;
	size_t num_peers;
	struct draft_carp carp, *carps;
	size_t num_carps;
};

enum conf_key_kind {
	KEY_ONE,   /* once in its block */
	KEY_MANY,  /* as often as one likes */
	KEY_LIST,  /* { a, b } */
	KEY_LATER, /* promised, not built yet: refused by name */
};

typedef void conf_set_fn(struct parser *p, const char *value);

struct conf_key {
	enum section section;
	enum conf_key_kind kind;
	const char *name;
	conf_set_fn *set; /* given the value, p->at and p->key */
};

/* conf_keys.c: the table, ended by a key without a name. */
extern const struct conf_key conf_keys[CONF_TABLE_MAX];
/* NULL when there is none of this name in this section. */
const struct conf_key *conf_key_find(enum section section, const char *name);

/* conf.c: a sentence with its place in front; the eleventh is dropped. */
void conf_mistake(struct parser *p, struct place at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* A sentence that has another file's name in front already. */
void conf_mistake_elsewhere(struct parser *p, struct place at,
			    const char *sentence);

/*
 * conf_value.c. The set functions note a mistake at p->at when the value
 * does not fit; a number is then `high`, and what `out` held stays.
 */
long conf_set_number(struct parser *p, const char *value, long low, long high);
void conf_set_name(struct parser *p, const char *value, const char *what,
		   char out[CONF_NAME_SIZE]);
void conf_set_path(struct parser *p, const char *value, size_t size,
		   char **out);
/* Digits, then a unit that is handed back; false when it is no number. */
bool conf_parse_number(const char *s, long *number, const char **unit);
bool conf_parse_address(const char *value, struct conf_address *a);
bool conf_same_address(const struct conf_address *a,
		       const struct conf_address *b);

/* conf_parse.c: all passes over p->text; 0 or -ENOMEM. */
int conf_parse(struct parser *p);
/* Drops what a pass has found, the passwords overwritten. */
void conf_parse_drop(struct parser *p);

/* conf_check.c: what holds between values, into p->conf; 0 or -ENOMEM. */
int conf_check(struct parser *p);

#endif
