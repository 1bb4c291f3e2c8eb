/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The table of keys, and the functions in it that stand in other files than
 * it does. For conf*.c only.
 */
#ifndef STATESYNC_CONF_KEYS_H
#define STATESYNC_CONF_KEYS_H

#define CONF_TABLE_MAX 128 /* keys, with room */

struct parser;

/* The blocks, by what may stand in them. */
enum section {
	IN_ROOT,
	IN_LINK,
	IN_PEER,
	IN_CARP,
	IN_ALLOW,
	IN_TRACK,
	IN_SCRIPT,
	IN_WATCH, /* all that is tracked but scripts */
	IN_ROUTES,
	IN_ROUTE,
	IN_RULES,
	IN_RULE,
	IN_SYNC,
	IN_FILTER,
	IN_NAMES,
	IN_STATS,
	IN_DRIFT,
	SECTIONS
};

enum conf_key_kind {
	KEY_ONE,  /* once in its block */
	KEY_MANY, /* as often as one likes */
	KEY_LIST, /* { a, b } */
};

typedef void conf_set_fn(struct parser *p, const char *value);

struct conf_key {
	enum section section;
	enum conf_key_kind kind;
	const char *name;
	conf_set_fn *set; /* given the value, p->at and p->key */
};

/* The table, ended by a key without a name. */
extern const struct conf_key conf_keys[CONF_TABLE_MAX];
/* NULL when there is none of this name in this section. */
const struct conf_key *conf_key_find(enum section section, const char *name);

/* conf_link.c: into p->conf->link; into p->peer. */
conf_set_fn conf_link_address, conf_link_port, conf_link_mptcp,
	conf_link_key_file;
conf_set_fn conf_peer_address, conf_peer_key_file;
/* conf_carp_keys.c: into p->carp. */
conf_set_fn conf_carp_interface, conf_carp_vhid, conf_carp_addresses,
	conf_carp_pass, conf_carp_pass_file, conf_carp_advbase,
	conf_carp_advskew, conf_carp_mac, conf_carp_prefer, conf_carp_peer,
	conf_carp_ttl, conf_carp_source_mac, conf_carp_shared,
	conf_carp_refresh, conf_carp_alias, conf_carp_elector,
	conf_carp_balancing, conf_carp_nodes;
/* conf_drift.c: into p->conf->drift. */
conf_set_fn conf_drift_files, conf_drift_period, conf_drift_ignore,
	conf_drift_effect;
/* conf_sets.c */
conf_set_fn conf_sync_sets, conf_sync_sets_period;
/* Into p->allowed. */
conf_set_fn conf_allow_advbase, conf_allow_advskew;
/* conf_track.c: into p->track. */
conf_set_fn conf_track_weight, conf_track_command, conf_track_interval,
	conf_track_timeout, conf_track_rise, conf_track_fall;
/* conf_routes.c: into p->route and p->rule. */
conf_set_fn conf_route_via, conf_route_source, conf_route_interface,
	conf_route_table, conf_route_metric;
conf_set_fn conf_rule_from, conf_rule_to, conf_rule_mark, conf_rule_iif,
	conf_rule_table, conf_rule_priority;
/* conf_filter.c: into p->sync.filter and p->sync.names. */
conf_set_fn conf_sync_assured_only, conf_sync_defer;
conf_set_fn conf_filter_action, conf_filter_protocol, conf_filter_port,
	conf_filter_address, conf_filter_source, conf_filter_destination,
	conf_filter_reply_source, conf_filter_reply_destination,
	conf_filter_interface, conf_filter_zone, conf_filter_mark,
	conf_filter_label, conf_filter_state, conf_filter_assured;
conf_set_fn conf_names_zones, conf_names_interfaces;

#endif
