/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Changes of an nftables set, and what became of them: what the engine wants
 * and what the kernel's side answers. Pure. */
#ifndef STATESYNC_SET_OP_H
#define STATESYNC_SET_OP_H

#include "set.h"

#define SET_CHUNK_MAX 2048 /* elements that are read at once */

enum set_do { SET_ADD, SET_REPLACE, SET_DELETE };

struct set_op {
	enum set_do what;
	struct set_elem elem;
};

/* What became of an element that was to be changed. */
enum set_result {
	SET_APPLIED,
	SET_ABSENT,  /* it is not there, as it was to be */
	SET_FULL,    /* the set's size is reached */
	SET_OVERLAP, /* an interval overlaps with another one */
	SET_CHAIN,   /* the chain of its verdict is missing */
	SET_MISSING, /* the set is */
	SET_INVALID, /* the kernel does not take it */
	SET_FAILED,  /* memory, or another reason of the kernel's */
	/* those that were not even tried: */
	SET_UNFIT,  /* it is of another kind here */
	SET_UNTOLD, /* of ours: expressions or lengths that cannot be told */
	SET_CROWD,  /* more than SET_MEMO_MAX elements */
	SET_RESULTS
};
/* A word for JSON and counters: "full", "overlap", ... */
const char *set_result_name(enum set_result r);

#endif
