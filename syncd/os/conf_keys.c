// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The keys: which there are, where they may stand, and what each value is
 * turned into. What holds between two values is conf_check's.
 *
 * Implements the table of keys of the manual.
 *
 * Invariant: a set function only reads its value and writes the draft.
 */
#include "conf_int.h"
#include "httpsock.h"

#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static void set_node(struct parser *p, const char *value)
{
	conf_set_name(p, value, "node", p->conf->node);
}

static void set_preempt(struct parser *p, const char *value)
{
	conf_set_bool(p, value, &p->conf->preempt);
}

static void set_preempt_delay(struct parser *p, const char *value)
{
	conf_set_duration(p, value, 0, 86400000, "0 to 24h",
			  &p->conf->preempt_delay_ms);
}

static void set_independent(struct parser *p, const char *value)
{
	conf_set_bool(p, value, &p->conf->independent);
}

static void set_witness(struct parser *p, const char *value)
{
	conf_set_bool(p, value, &p->conf->witness);
}

static void set_witness_limit(struct parser *p, const char *value)
{
	p->conf->witness_limit =
		(unsigned int)conf_set_number(p, value, 1, 100);
}

static void set_router_advertisement(struct parser *p, const char *value)
{
	conf_set_bool(p, value, &p->conf->router_advertisement);
}

static void set_strict_peers(struct parser *p, const char *value)
{
	conf_set_bool(p, value, &p->conf->strict_peers);
	p->strict_at = p->at;
}

static void set_require_sync(struct parser *p, const char *value)
{
	p->conf->require_sync = CONF_SYNC_LIMIT;
	if (!strcmp(value, "strict"))
		p->conf->require_sync = CONF_SYNC_STRICT;
	else if (!strcmp(value, "off"))
		p->conf->require_sync = CONF_SYNC_OFF;
	else if (!conf_parse_duration(value, &p->conf->require_sync_ms))
		conf_mistake(p, p->at,
			     "require-sync \"%s\" is not known; strict, off, "
			     "or a duration with its unit: 500ms, 60s, 2min, "
			     "1h",
			     value);
	else if (p->conf->require_sync_ms < 1 ||
		 p->conf->require_sync_ms > 86400000)
		conf_mistake(p, p->at,
			     "require-sync %s is out of range; 1ms to 24h",
			     value);
}

/* Bytes, 64K to 1G; 0 only if it may be. */
static void set_size(struct parser *p, const char *value, bool zero,
		     uint32_t *out)
{
	const char *range = zero ? "0, or 64K to 1G" : "64K to 1G";
	const long low = 64 * 1024, high = 1024L * 1024 * 1024;
	const char *unit, *units = "KMG", *u;
	long bytes;

	if (!conf_parse_number(value, &bytes, &unit) ||
	    (*unit && (unit[1] || !strchr(units, *unit)))) {
		conf_mistake(p, p->at, "%s \"%s\" is not a size; %s", p->key,
			     value, range);
		return;
	}
	for (u = units; *unit && bytes <= high; u++) {
		bytes *= 1024;
		if (*u == *unit)
			break;
	}
	if ((bytes < low && !(zero && bytes == 0)) || bytes > high)
		conf_mistake(p, p->at, "%s %s is out of range; %s", p->key,
			     value, range);
	else
		*out = (uint32_t)bytes;
}

static void set_event_buffer(struct parser *p, const char *value)
{
	set_size(p, value, false, &p->conf->event_buffer_bytes);
}

static void set_resume_buffer(struct parser *p, const char *value)
{
	set_size(p, value, true, &p->conf->resume_buffer_bytes);
}

static void set_audit_period(struct parser *p, const char *value)
{
	int64_t *ms = &p->conf->audit_period_ms;

	conf_set_duration(p, value, 0, 3600000, "0, or 1s to 1h", ms);
	if (*ms > 0 && *ms < 1000)
		conf_mistake(p, p->at,
			     "audit-period %s is out of range; 0, or 1s to 1h",
			     value);
}

static void set_state_dir(struct parser *p, const char *value)
{
	conf_set_path(p, value, 1024, &p->conf->state_dir);
}

static void set_policy_file(struct parser *p, const char *value)
{
	conf_set_path(p, value, 1024, &p->conf->follow.policy_file);
	p->conf->follow.policy_line = p->at.line;
}

static void set_strict_interfaces(struct parser *p, const char *value)
{
	conf_set_bool(p, value, &p->conf->follow.strict_interfaces);
}

static void set_on_master(struct parser *p, const char *value)
{
	conf_set_command(p, value, &p->conf->follow.on_role[CONF_ON_MASTER]);
}

static void set_on_backup(struct parser *p, const char *value)
{
	conf_set_command(p, value, &p->conf->follow.on_role[CONF_ON_BACKUP]);
}

static void set_on_fault(struct parser *p, const char *value)
{
	conf_set_command(p, value, &p->conf->follow.on_role[CONF_ON_FAULT]);
}

static void set_socket(struct parser *p, const char *value)
{
	conf_set_path(p, value, sizeof(((struct sockaddr_un *)0)->sun_path),
		      &p->conf->stats_socket);
}

static void set_metrics(struct parser *p, const char *value)
{
	struct sockaddr_storage address;
	socklen_t len;

	if (!httpsock_address(value, &address, &len)) {
		conf_mistake(p, p->at,
			     "metrics \"%s\" is no address with a port; as "
			     "\"127.0.0.1:9788\" or \"[::1]:9788\"",
			     value);
		return;
	}
	free(p->conf->stats_metrics);
	p->conf->stats_metrics = strdup(value);
	p->no_memory |= !p->conf->stats_metrics;
}

const struct conf_key conf_keys[CONF_TABLE_MAX] = {
	{ IN_ROOT, KEY_ONE, "node", set_node },
	{ IN_ROOT, KEY_ONE, "preempt", set_preempt },
	{ IN_ROOT, KEY_ONE, "independent", set_independent },
	{ IN_ROOT, KEY_ONE, "preempt-delay", set_preempt_delay },
	{ IN_ROOT, KEY_ONE, "witness", set_witness },
	{ IN_ROOT, KEY_ONE, "witness-limit", set_witness_limit },
	{ IN_ROOT, KEY_ONE, "router-advertisement", set_router_advertisement },
	{ IN_ROOT, KEY_ONE, "strict-peers", set_strict_peers },
	{ IN_ROOT, KEY_ONE, "require-sync", set_require_sync },
	{ IN_ROOT, KEY_ONE, "event-buffer", set_event_buffer },
	{ IN_ROOT, KEY_ONE, "state-dir", set_state_dir },
	{ IN_LINK, KEY_LIST, "address", conf_link_address },
	{ IN_LINK, KEY_ONE, "port", conf_link_port },
	{ IN_LINK, KEY_ONE, "mptcp", conf_link_mptcp },
	{ IN_LINK, KEY_MANY, "key-file", conf_link_key_file },
	{ IN_PEER, KEY_LIST, "address", conf_peer_address },
	{ IN_PEER, KEY_MANY, "key-file", conf_peer_key_file },
	{ IN_CARP, KEY_ONE, "interface", conf_carp_interface },
	{ IN_CARP, KEY_ONE, "vhid", conf_carp_vhid },
	{ IN_CARP, KEY_LIST, "addresses", conf_carp_addresses },
	{ IN_CARP, KEY_ONE, "pass", conf_carp_pass },
	{ IN_CARP, KEY_ONE, "pass-file", conf_carp_pass_file },
	{ IN_CARP, KEY_ONE, "advbase", conf_carp_advbase },
	{ IN_CARP, KEY_ONE, "advskew", conf_carp_advskew },
	{ IN_CARP, KEY_ONE, "mac", conf_carp_mac },
	{ IN_CARP, KEY_LIST, "prefer", conf_carp_prefer },
	{ IN_CARP, KEY_LIST, "peer", conf_carp_peer },
	{ IN_CARP, KEY_ONE, "ttl", conf_carp_ttl },
	{ IN_CARP, KEY_ONE, "source-mac", conf_carp_source_mac },
	{ IN_CARP, KEY_ONE, "shared-address", conf_carp_shared },
	{ IN_CARP, KEY_ONE, "announce-refresh", conf_carp_refresh },
	{ IN_CARP, KEY_ONE, "alias", conf_carp_alias },
	{ IN_CARP, KEY_ONE, "elector", conf_carp_elector },
	{ IN_CARP, KEY_ONE, "balancing", conf_carp_balancing },
	{ IN_CARP, KEY_LIST, "nodes", conf_carp_nodes },
	{ IN_ALLOW, KEY_ONE, "advbase", conf_allow_advbase },
	{ IN_ALLOW, KEY_ONE, "advskew", conf_allow_advskew },
	{ IN_WATCH, KEY_ONE, "weight", conf_track_weight },
	{ IN_SCRIPT, KEY_ONE, "weight", conf_track_weight },
	{ IN_SCRIPT, KEY_ONE, "command", conf_track_command },
	{ IN_SCRIPT, KEY_ONE, "interval", conf_track_interval },
	{ IN_SCRIPT, KEY_ONE, "timeout", conf_track_timeout },
	{ IN_SCRIPT, KEY_ONE, "rise", conf_track_rise },
	{ IN_SCRIPT, KEY_ONE, "fall", conf_track_fall },
	{ IN_ROUTE, KEY_ONE, "via", conf_route_via },
	{ IN_ROUTE, KEY_ONE, "interface", conf_route_interface },
	{ IN_ROUTE, KEY_ONE, "table", conf_route_table },
	{ IN_ROUTE, KEY_ONE, "metric", conf_route_metric },
	{ IN_ROUTE, KEY_ONE, "source", conf_route_source },
	{ IN_RULE, KEY_ONE, "from", conf_rule_from },
	{ IN_RULE, KEY_ONE, "to", conf_rule_to },
	{ IN_RULE, KEY_ONE, "mark", conf_rule_mark },
	{ IN_RULE, KEY_ONE, "iif", conf_rule_iif },
	{ IN_RULE, KEY_ONE, "table", conf_rule_table },
	{ IN_RULE, KEY_ONE, "priority", conf_rule_priority },
	{ IN_SYNC, KEY_ONE, "audit-period", set_audit_period },
	{ IN_SYNC, KEY_ONE, "assured-only", conf_sync_assured_only },
	{ IN_SYNC, KEY_ONE, "defer", conf_sync_defer },
	{ IN_FILTER, KEY_ONE, "action", conf_filter_action },
	{ IN_FILTER, KEY_LIST, "protocol", conf_filter_protocol },
	{ IN_FILTER, KEY_LIST, "port", conf_filter_port },
	{ IN_FILTER, KEY_LIST, "address", conf_filter_address },
	{ IN_FILTER, KEY_LIST, "source", conf_filter_source },
	{ IN_FILTER, KEY_LIST, "destination", conf_filter_destination },
	{ IN_FILTER, KEY_LIST, "reply-source", conf_filter_reply_source },
	{ IN_FILTER, KEY_LIST, "reply-destination",
	  conf_filter_reply_destination },
	{ IN_FILTER, KEY_LIST, "interface", conf_filter_interface },
	{ IN_FILTER, KEY_LIST, "zone", conf_filter_zone },
	{ IN_FILTER, KEY_ONE, "mark", conf_filter_mark },
	{ IN_FILTER, KEY_LIST, "label", conf_filter_label },
	{ IN_FILTER, KEY_LIST, "state", conf_filter_state },
	{ IN_FILTER, KEY_ONE, "assured", conf_filter_assured },
	{ IN_NAMES, KEY_LIST, "zones", conf_names_zones },
	{ IN_NAMES, KEY_LIST, "interfaces", conf_names_interfaces },
	{ IN_SYNC, KEY_ONE, "resume-buffer", set_resume_buffer },
	{ IN_SYNC, KEY_LIST, "sets", conf_sync_sets },
	{ IN_SYNC, KEY_ONE, "sets-period", conf_sync_sets_period },
	{ IN_STATS, KEY_ONE, "socket", set_socket },
	{ IN_STATS, KEY_ONE, "metrics", set_metrics },

	{ IN_ROOT, KEY_ONE, "strict-interfaces", set_strict_interfaces },
	{ IN_ROOT, KEY_ONE, "policy-file", set_policy_file },
	{ IN_ROOT, KEY_ONE, "on-master", set_on_master },
	{ IN_ROOT, KEY_ONE, "on-backup", set_on_backup },
	{ IN_ROOT, KEY_ONE, "on-fault", set_on_fault },
	{ IN_DRIFT, KEY_LIST, "files", conf_drift_files },
	{ IN_DRIFT, KEY_LIST, "ignore", conf_drift_ignore },
	{ IN_DRIFT, KEY_ONE, "period", conf_drift_period },
	{ IN_DRIFT, KEY_ONE, "version", conf_drift_effect },
	{ IN_DRIFT, KEY_ONE, "ruleset", conf_drift_effect },
	{ IN_DRIFT, KEY_ONE, "sysctls", conf_drift_effect },
	{ IN_DRIFT, KEY_ONE, "table-size", conf_drift_effect },
	{ IN_DRIFT, KEY_ONE, "helpers", conf_drift_effect },
	{ IN_DRIFT, KEY_ONE, "labels", conf_drift_effect },
	{ IN_DRIFT, KEY_ONE, "interfaces", conf_drift_effect },
	{ IN_DRIFT, KEY_ONE, "addresses", conf_drift_effect },
	{ IN_DRIFT, KEY_ONE, "carp", conf_drift_effect },
	{ IN_DRIFT, KEY_ONE, "files-effect", conf_drift_effect },
};

const struct conf_key *conf_key_find(enum section section, const char *name)
{
	for (const struct conf_key *key = conf_keys; key->name; key++)
		if (key->section == section && !strcmp(key->name, name))
			return key;
	return NULL;
}
