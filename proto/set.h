/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An nftables set and one of its elements, as two nodes tell of them: of a
 * fixed size, with the bytes of the kernel's registers. Pure.
 *
 * Source of the limits: nf_tables.h (NFT_DATA_VALUE_MAXLEN, NFT_USERDATA_MAXLEN,
 * NFT_SET_EXPR_MAX).
 */
#ifndef STATESYNC_SET_H
#define STATESYNC_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "digest.h"

#define SET_NAME_MAX	 128 /* bytes of "FAMILY TABLE SET", with NUL */
#define SETS_MAX	 16  /* named in a configuration */
#define SET_KEY_MAX	 64
#define SET_DATA_MAX	 128
#define SET_USERDATA_MAX 256
#define SET_EXPR_MAX	 96 /* all expressions of an element */
/* Elements in one frame: all of the longest fit into it. */
#define SET_FRAME_MAX 96

/* What an element has besides its key. */
enum set_elem_flag {
	SET_ELEM_CATCHALL = 1, /* "*": no key */
	SET_ELEM_OPEN = 2,     /* an interval without an upper end */
	SET_ELEM_DELETED =
		4, /* it is not there any more: only its key counts */
};

struct set_elem {
	uint8_t flags;
	uint8_t key_len, end_len, data_len, expr_len;
	uint16_t userdata_len;
	uint64_t timeout_ms, expires_ms; /* timeout 0: it stays */
	uint8_t key[SET_KEY_MAX], end[SET_KEY_MAX];
	uint8_t data[SET_DATA_MAX];
	uint8_t userdata[SET_USERDATA_MAX];
	/*
	 * One after the other: enum set_expr, the number of attributes, and of
	 * each its number (as in nf_tables.h), length and value as the kernel
	 * has it, in network order.
	 */
	uint8_t expr[SET_EXPR_MAX];
};

/* The expressions that may be carried; others keep an element at home. */
enum set_expr {
	SET_EXPR_COUNTER = 1,
	SET_EXPR_LIMIT,
	SET_EXPR_QUOTA,
	SET_EXPR_CONNLIMIT,
	SET_EXPR_LAST,
	SET_EXPR_COUNT
};
/* "counter", ... as the kernel calls it. */
const char *set_expr_name(enum set_expr e);
/* 0: none of those. */
enum set_expr set_expr_find(const char *name);
/* What the kernel counts in it, as attribute type says, and what thus differs
 * from look to look. */
bool set_expr_volatile(enum set_expr e, uint8_t type);

/* A set as it is in a kernel. */
struct set_kind {
	bool present;
	bool big_endian; /* the host: some keys are in its order of bytes */
	uint32_t key_type, key_len, data_type, data_len;
	uint32_t flags;	     /* NFT_SET_* */
	uint64_t timeout_ms; /* of elements that say nothing; 0: none */
	uint64_t handle;     /* another one: another set of that name */
};

/* What a node says of a set that its configuration names. */
struct set_word {
	char name[SET_NAME_MAX];
	struct set_kind kind; /* timeout_ms and handle are not told */
	uint64_t want, elements;
};

/* Whether elements of the one fit into the other: NULL, or what differs. */
const char *set_kind_differs(const struct set_kind *a,
			     const struct set_kind *b);
/* NULL, or why no elements of such a set are told. */
const char *set_kind_refused(const struct set_kind *k);
/* The packet path may add elements to it, of which the kernel tells nobody. */
bool set_kind_silent(const struct set_kind *k);
/* Its elements are intervals of one field: two entries each in the kernel. */
bool set_kind_ranges(const struct set_kind *k);

/* Lengths as the set wants them, expressions well formed. */
bool set_elem_valid(const struct set_elem *e, const struct set_kind *k);
/* A keyed hash of what stays the same while it is there: all but the key and
 * what runs down or is counted. */
uint64_t set_elem_digest(const struct set_elem *e,
			 const uint8_t key[DIGEST_KEY_LEN]);

/* A frame of them. */
enum set_part {
	SET_PART_STREAM, /* changes, in their order */
	SET_PART_BEGIN,	 /* all elements follow, as they come */
	SET_PART_END, /* that was all: what was not told since is not there */
};

struct set_elements {
	char name[SET_NAME_MAX];
	enum set_part part;
	uint64_t want;
	size_t n;
	struct set_elem list[SET_FRAME_MAX];
};

#endif
