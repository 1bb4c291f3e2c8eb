/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where the facts of this machine are gathered (fact.h, drift.h): each function
 * adds the facts of its kinds. For drift_*.c only; all of it runs in the thread
 * of drift_watch.c.
 */
#ifndef STATESYNC_DRIFT_GATHER_H
#define STATESYNC_DRIFT_GATHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "drift.h"
#include "exec_conf.h"
#include "nl.h"

/* Room is left for the facts that the daemon itself adds. */
#define DRIFT_GATHER_MAX (FACTS_MAX - 256)

struct gather {
	struct fact *list; /* room for FACTS_MAX */
	size_t n;
};

/* Says that the facts of a kind follow, or, with why, that they are not to be
 * had. */
void gather_head(struct gather *g, enum drift_kind kind, const char *why);
/* One of them; where there is no room the head says so. Texts are cut; note may
 * be NULL. */
void gather_add(struct gather *g, enum drift_kind kind, const char *name,
		const char *value, const char *note);

/* drift_proc.c: sysctls, the size of the table, helpers. */
void gather_proc(struct gather *g);

/* drift_rules.c: the ruleset, labels. What was read is kept while nftables has
 * the same generation. */
struct drift_rules {
	struct nl_sock nl;
	bool known;
	uint32_t generation;
	struct fact *list; /* of that generation */
	size_t n;
};
/* skip: names of the elements of which do not count, "inet fw blocklist". */
void gather_rules(struct gather *g, struct drift_rules *r,
		  const char *const *skip, size_t nskip);
void drift_rules_close(struct drift_rules *r);

/* drift_files.c: files, opened by the helper. What was read of a file is kept
 * while it does not change (device, number, size, times). */
struct drift_files {
	struct exec_watched by;
	struct drift_file *list;
	size_t n;
};
/* stop: asked while a file is read. */
void gather_files(struct gather *g, struct drift_files *f, size_t npatterns,
		  bool (*stop)(void *arg), void *arg);
void drift_files_close(struct drift_files *f);

#endif
