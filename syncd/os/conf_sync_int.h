/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the parser has of sync {} while it reads. For conf*.c only.
 */
#ifndef STATESYNC_CONF_SYNC_INT_H
#define STATESYNC_CONF_SYNC_INT_H

#include "conf_sync.h"

struct parser;

struct draft_sync {
	bool assured_only;
	struct filter_rule filter; /* the block that is open */
	bool acts;		   /* its action is given */
	struct conf_names names;
};

/* conf_filter.c: a block with this title has ended at p->at. */
void conf_filter_closed(struct parser *p, const char *title);
void conf_names_closed(struct parser *p, const char *title);
/* Nothing is read yet. */
void conf_sync_init(struct parser *p);
/* The whole, the peers known; 0 or -ENOMEM. */
int conf_check_sync(struct parser *p);
void conf_sync_drop(struct conf_sync *sync);

#endif
