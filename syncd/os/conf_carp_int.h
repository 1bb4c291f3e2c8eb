/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the parser has of a carp block while it reads. For conf*.c only.
 */
#ifndef STATESYNC_CONF_CARP_INT_H
#define STATESYNC_CONF_CARP_INT_H

#include "conf_carp.h"
#include "conf_text.h"

#define CONF_PREFER_MAX 3 /* advskew 0, 100, 200 */

struct parser;

struct draft_carp {
	struct conf_carp carp;
	struct place at, vhid_at, skew_at, pass_at, file_at, prefer_at;
	struct place peer_at, ttl_at, source_at, alias_at, nodes_at;
	struct place balancing_at, allow_at, elector_at;
	char *pass_file;
	char prefer[CONF_PREFER_MAX][CONF_NAME_SIZE];
	unsigned int num_prefer;
};

/* conf_carp_keys.c, conf_track.c, conf_routes.c: a block with this title has
 * ended at p->at: into p->carp, the next one starts anew. p->key is its kind. */
void conf_allow_closed(struct parser *p, const char *title);
void conf_track_closed(struct parser *p, const char *title);
void conf_route_closed(struct parser *p, const char *title);
void conf_rule_closed(struct parser *p, const char *title);
void conf_allow_init(struct parser *p);
void conf_track_init(struct parser *p);

/* conf.c: what a vhost has allocated, the password overwritten; it is empty
 * then. */
void conf_carp_drop(struct conf_carp *carp);

/* conf_carp_check.c: what holds between the values of carp blocks. */
void conf_check_carps(struct parser *p);

/* conf_carp_modes.c: the modes of one. nodes stand for vhid and advskew. */
void conf_settle_nodes(struct parser *p, struct draft_carp *d);
void conf_check_unicast(struct parser *p, const struct draft_carp *d);
void conf_check_modes(struct parser *p, const struct draft_carp *d);
/* conf_elector.c: nothing that only who elects has a use for; and all blocks
 * have one elector. */
void conf_check_external(struct parser *p, const struct draft_carp *d);
void conf_check_electors(struct parser *p);
/* The right to be master outlives an advert by a step of the kernel's clock,
 * jiffy_ns (lease.h). */
void conf_check_interval(struct parser *p, const struct draft_carp *d,
			 int64_t jiffy_ns);

#endif
