/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The part of the configuration that says what is synced: the sync block. See
 * conf.h.
 */
#ifndef STATESYNC_CONF_SYNC_H
#define STATESYNC_CONF_SYNC_H

#include "conf_carp.h"
#include "filter_rules.h"
#include "set.h"

#include <stdbool.h>

/* What a peer calls otherwise. */
struct conf_names {
	char peer[CONF_NAME_SIZE];
	struct filter_zones zones;
	size_t num_interfaces;
	struct {
		char ours[IF_NAMESIZE], theirs[IF_NAMESIZE];
	} interfaces[FILTER_LIST_MAX];
};

struct conf_sync {
	bool defer;
	/* as in the file, behind that of assured-only; the networks of
	 * interfaces are added by who knows them */
	struct filter_rules rules;
	size_t num_names; /* of peers only */
	struct conf_names *names;
};

struct conf_sets {
	size_t n;
	char names[SETS_MAX][SET_NAME_MAX]; /* "inet filter blocklist" */
	int64_t period_ms;
};

#endif
