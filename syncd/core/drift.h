/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What two nodes say of themselves, compared. Facts (fact.h) go in, differences
 * come out; where the facts come from and what follows of a difference is not
 * known here. Spec: rules 1, operating 2.9.
 */
#ifndef STATESYNC_DRIFT_H
#define STATESYNC_DRIFT_H

#include <stdbool.h>
#include <stddef.h>

#include "fact.h"

/* Numbers on the wire: never reused. */
enum drift_kind {
	DRIFT_VERSION = 1,
	DRIFT_RULESET,	  /* a table of nftables and its digest */
	DRIFT_SYSCTLS,	  /* of connection tracking and forwarding */
	DRIFT_TABLE,	  /* the size of the connection tracking table */
	DRIFT_HELPERS,	  /* modules of connection tracking helpers */
	DRIFT_LABELS,	  /* do rules set connection labels? */
	DRIFT_INTERFACES, /* of virtual hosts, and their MTU */
	DRIFT_ADDRESSES,  /* networks that those interfaces are in */
	DRIFT_CARP,	  /* what has to be alike in the configuration */
	DRIFT_FILES,
	DRIFT_KINDS
};

/* What follows of a difference of a kind, for a node that is no master and
 * differs from the one that is. */
enum drift_effect {
	DRIFT_WARN,
	DRIFT_DEMOTE, /* 1 more in its demotion */
	DRIFT_BLOCK,  /* a hold: it does not take over from a living master */
	DRIFT_IGNORE, /* not even told */
	DRIFT_EFFECTS
};

/* An interface that the peer calls otherwise. */
struct drift_alias {
	const char *ours, *theirs;
};

/* What a peer calls otherwise by right: that is no difference. */
struct drift_names {
	const struct drift_alias *interfaces;
	size_t n;
	bool zones; /* of connection tracking */
};

struct drift_difference {
	enum drift_kind kind;
	const struct fact *ours, *theirs; /* NULL: it is not there */
	bool unknown; /* not a difference: one of them could not be found out */
	bool bites; /* it is this node that lacks something, or nobody knows */
};

typedef void drift_each(void *arg, const struct drift_difference *d);

/* "ruleset": the key of the configuration, and the label of the metric. */
const char *drift_kind_name(enum drift_kind kind);
/* "warn" */
const char *drift_effect_name(enum drift_effect effect);

/* In the order that drift_compare() takes: by kind, then name. */
void drift_sort(struct fact *list, size_t n);

/*
 * Calls each for every difference between two sorted lists. A kind is looked
 * at where both lists have its head, a fact without a name: the head says that
 * the list is whole, and with an empty value that it is not, and why.
 */
void drift_compare(const struct fact *ours, size_t nours,
		   const struct fact *theirs, size_t ntheirs,
		   const struct drift_names *names, drift_each *each,
		   void *arg);

#endif
