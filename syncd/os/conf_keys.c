// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The keys: which there are, where they may stand, and what each value is
 * turned into. What holds between two values is conf_check's.
 *
 * Implements the table of keys of the manual. A key of it that this version
 * does not build stands here too, without a function.
 *
 * Invariant: a set function only reads its value and writes the draft.
 */
#include "conf_int.h"

#include <arpa/inet.h>
#include <confuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

/* One node's address on the link: no prefix. AF_MAX when refused. */
static void set_node_address(struct parser *p, const char *value,
			     struct conf_address *out)
{
	if (conf_parse_address(value, out))
		return;
	out->family = AF_MAX;
	conf_mistake(
		p, p->at,
		"address \"%s\" is not an IP address without prefix; 10.9.0.1",
		value);
}

static void set_node(struct parser *p, const char *value)
{
	conf_set_name(p, value, "node", p->conf->node);
}

static void set_preempt(struct parser *p, const char *value)
{
	int on = cfg_parse_boolean(value);

	if (on < 0)
		conf_mistake(p, p->at,
			     "preempt \"%s\" is not known; true or false",
			     value);
	else
		p->conf->preempt = on;
}

static void set_require_sync(struct parser *p, const char *value)
{
	static const struct {
		const char *unit;
		long ms;
	} units[] = {
		{ "ms", 1 }, { "s", 1000 }, { "min", 60000 }, { "h", 3600000 }
	};
	const char *unit;
	long number;

	p->conf->require_sync = CONF_SYNC_STRICT;
	if (!strcmp(value, "strict"))
		return;
	if (!strcmp(value, "off")) {
		p->conf->require_sync = CONF_SYNC_OFF;
		return;
	}
	p->conf->require_sync = CONF_SYNC_LIMIT;
	if (conf_parse_number(value, &number, &unit)) {
		for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
			if (strcmp(unit, units[i].unit))
				continue;
			p->conf->require_sync_ms = number * units[i].ms;
			if (number < 1 || number > 86400000 / units[i].ms)
				conf_mistake(p, p->at,
					     "require-sync %s is out of range; "
					     "1ms to 24h",
					     value);
			return;
		}
	}
	conf_mistake(p, p->at,
		     "require-sync \"%s\" is not known; strict, off, or a "
		     "duration with its unit: 500ms, 60s, 2min, 1h",
		     value);
}

static void set_event_buffer(struct parser *p, const char *value)
{
	const long low = 64 * 1024, high = 1024L * 1024 * 1024;
	const char *unit, *units = "KMG", *u;
	long bytes;

	if (!conf_parse_number(value, &bytes, &unit) ||
	    (*unit && (unit[1] || !strchr(units, *unit)))) {
		conf_mistake(p, p->at,
			     "event-buffer \"%s\" is not a size; 64K to 1G",
			     value);
		return;
	}
	for (u = units; *unit && bytes <= high; u++) {
		bytes *= 1024;
		if (*u == *unit)
			break;
	}
	if (bytes < low || bytes > high)
		conf_mistake(p, p->at,
			     "event-buffer %s is out of range; 64K to 1G",
			     value);
	else
		p->conf->event_buffer_bytes = (uint32_t)bytes;
}

static void set_state_dir(struct parser *p, const char *value)
{
	conf_set_path(p, value, 1024, &p->conf->state_dir);
}

static void set_socket(struct parser *p, const char *value)
{
	conf_set_path(p, value, sizeof(((struct sockaddr_un *)0)->sun_path),
		      &p->conf->stats_socket);
}

static void set_link_address(struct parser *p, const char *value)
{
	set_node_address(p, value, &p->conf->link.address);
	p->link_address_at = p->at;
}

static void set_port(struct parser *p, const char *value)
{
	p->conf->link.port = (uint16_t)conf_set_number(p, value, 1, 65535);
}

static void set_key_file(struct parser *p, const char *value)
{
	struct conf_link *link = &p->conf->link;

	if (link->num_keys == CONF_KEYS_MAX) {
		conf_mistake(
			p, p->at,
			"a third key-file; at most 2, the new and the old one");
		return;
	}
	p->key_at[link->num_keys] = p->at;
	conf_set_path(p, value, 1024, &link->key_file[link->num_keys]);
	if (link->key_file[link->num_keys])
		link->num_keys++;
}

static void set_peer_address(struct parser *p, const char *value)
{
	set_node_address(p, value, &p->peer.peer.address);
}

static void set_interface(struct parser *p, const char *value)
{
	struct conf_carp *c = &p->carp.carp;

	if (!*value || strlen(value) >= sizeof(c->interface) ||
	    strpbrk(value, "/ \t\n:") || *value == '.')
		conf_mistake(p, p->at,
			     "interface \"%s\" cannot be the name of an "
			     "interface; see: ip link",
			     value);
	snprintf(c->interface, sizeof(c->interface), "%s",
		 *value ? value : "?");
}

static void set_vhid(struct parser *p, const char *value)
{
	unsigned int before = p->num_mistakes;

	p->carp.carp.vhid = (uint8_t)conf_set_number(p, value, 1, 255);
	p->carp.vhid_at = p->at;
	if (p->num_mistakes != before)
		p->carp.carp.vhid = 0;
}

/* The kinds of IPv4 addresses that a host can have on a network. */
static bool is_shareable(const struct conf_address *a)
{
	uint32_t ip = ntohl(a->v4.s_addr);

	return ip >> 24 != 0 && ip >> 24 != 127 && ip < 0xe0000000;
}

static void add_address(struct parser *p, const struct conf_address *a)
{
	struct conf_carp *c = &p->carp.carp;
	struct conf_address *more =
		reallocarray(c->addresses, c->num_addresses + 1, sizeof(*more));

	if (!more)
		return;
	c->addresses = more;
	c->addresses[c->num_addresses++] = *a;
}

static void set_addresses(struct parser *p, const char *value)
{
	struct conf_address a = { 0 };
	char host[INET6_ADDRSTRLEN];
	size_t len = strcspn(value, "/");
	const char *unit;
	long prefixlen;

	snprintf(host, sizeof(host), "%.*s", (int)len, value);
	if (len >= sizeof(host) || !conf_parse_address(host, &a))
		conf_mistake(p, p->at,
			     "\"%s\" is not an IPv4 address with its prefix "
			     "length; 10.1.0.1/24",
			     value);
	else if (a.family == AF_INET6)
		conf_mistake(p, p->at,
			     "IPv6 shared addresses: not in this version; "
			     "remove \"%s\"",
			     value);
	else if (!value[len])
		conf_mistake(p, p->at, "address %s has no prefix length; %s/24",
			     value, value);
	else if (!conf_parse_number(value + len + 1, &prefixlen, &unit) ||
		 *unit || prefixlen < 1 || prefixlen > 32)
		conf_mistake(p, p->at,
			     "prefix length of %s is out of range; 1 to 32",
			     value);
	else if (!is_shareable(&a))
		conf_mistake(p, p->at,
			     "%s cannot be shared; an address of the network "
			     "on this interface",
			     value);
	else
		a.prefixlen = (uint8_t)prefixlen;
	/* Kept also when refused, so that it is not said to be missing. */
	add_address(p, &a);
}

static void set_pass(struct parser *p, const char *value)
{
	size_t len = strlen(value);

	p->carp.pass_at = p->at;
	if (!len || len > CONF_PASS_MAX) {
		p->at.col = 0;
		conf_mistake(p, p->at, "pass is %zu bytes long; 1 to %d", len,
			     CONF_PASS_MAX);
		return;
	}
	memcpy(p->carp.carp.pass, value, len);
}

static void set_pass_file(struct parser *p, const char *value)
{
	p->carp.file_at = p->at;
	conf_set_path(p, value, 1024, &p->carp.pass_file);
}

static void set_advbase(struct parser *p, const char *value)
{
	p->carp.carp.advbase = (uint8_t)conf_set_number(p, value, 0, 255);
}

static void set_advskew(struct parser *p, const char *value)
{
	p->carp.carp.advskew = (uint8_t)conf_set_number(p, value, 0, 254);
	p->carp.skew_at = p->at;
}

static void set_mac(struct parser *p, const char *value)
{
	if (!strcmp(value, "interface"))
		p->carp.carp.mac = CONF_MAC_INTERFACE;
	else if (!strcmp(value, "virtual"))
		p->carp.carp.mac = CONF_MAC_VIRTUAL;
	else
		conf_mistake(p, p->at,
			     "mac \"%s\" is not known; virtual or interface",
			     value);
}

static void set_prefer(struct parser *p, const char *value)
{
	struct draft_carp *d = &p->carp;

	if (!d->num_prefer)
		d->prefer_at = p->at;
	if (d->num_prefer == CONF_PREFER_MAX) {
		conf_mistake(
			p, p->at,
			"prefer names more than %d nodes; advskew ends at 254",
			CONF_PREFER_MAX);
		return;
	}
	for (unsigned int i = 0; i < d->num_prefer; i++)
		if (!strcmp(d->prefer[i], value))
			conf_mistake(p, p->at,
				     "prefer names \"%s\" twice; once", value);
	conf_set_name(p, value, "prefer", d->prefer[d->num_prefer++]);
}

const struct conf_key conf_keys[CONF_TABLE_MAX] = {
	{ IN_ROOT, KEY_ONE, "node", set_node },
	{ IN_ROOT, KEY_ONE, "preempt", set_preempt },
	{ IN_ROOT, KEY_ONE, "require-sync", set_require_sync },
	{ IN_ROOT, KEY_ONE, "event-buffer", set_event_buffer },
	{ IN_ROOT, KEY_ONE, "state-dir", set_state_dir },
	{ IN_LINK, KEY_ONE, "address", set_link_address },
	{ IN_LINK, KEY_ONE, "port", set_port },
	{ IN_LINK, KEY_MANY, "key-file", set_key_file },
	{ IN_PEER, KEY_ONE, "address", set_peer_address },
	{ IN_CARP, KEY_ONE, "interface", set_interface },
	{ IN_CARP, KEY_ONE, "vhid", set_vhid },
	{ IN_CARP, KEY_LIST, "addresses", set_addresses },
	{ IN_CARP, KEY_ONE, "pass", set_pass },
	{ IN_CARP, KEY_ONE, "pass-file", set_pass_file },
	{ IN_CARP, KEY_ONE, "advbase", set_advbase },
	{ IN_CARP, KEY_ONE, "advskew", set_advskew },
	{ IN_CARP, KEY_ONE, "mac", set_mac },
	{ IN_CARP, KEY_LIST, "prefer", set_prefer },
	{ IN_STATS, KEY_ONE, "socket", set_socket },

	{ IN_ROOT, KEY_LATER, "independent", NULL },
	{ IN_ROOT, KEY_LATER, "preempt-delay", NULL },
	{ IN_ROOT, KEY_LATER, "witness", NULL },
	{ IN_ROOT, KEY_LATER, "witness-limit", NULL },
	{ IN_ROOT, KEY_LATER, "router-advertisement", NULL },
	{ IN_ROOT, KEY_LATER, "strict-peers", NULL },
	{ IN_ROOT, KEY_LATER, "strict-interfaces", NULL },
	{ IN_ROOT, KEY_LATER, "policy-file", NULL },
	{ IN_ROOT, KEY_LATER, "on-master", NULL },
	{ IN_ROOT, KEY_LATER, "on-backup", NULL },
	{ IN_ROOT, KEY_LATER, "on-fault", NULL },
	{ IN_ROOT, KEY_LATER, "sync", NULL },
	{ IN_ROOT, KEY_LATER, "drift", NULL },
	{ IN_PEER, KEY_LATER, "key-file", NULL },
	{ IN_CARP, KEY_LATER, "peer", NULL },
	{ IN_CARP, KEY_LATER, "alias", NULL },
	{ IN_CARP, KEY_LATER, "source-mac", NULL },
	{ IN_CARP, KEY_LATER, "shared-address", NULL },
	{ IN_CARP, KEY_LATER, "announce-refresh", NULL },
	{ IN_CARP, KEY_LATER, "ttl", NULL },
	{ IN_CARP, KEY_LATER, "balancing", NULL },
	{ IN_CARP, KEY_LATER, "nodes", NULL },
	{ IN_CARP, KEY_LATER, "track", NULL },
	{ IN_CARP, KEY_LATER, "routes", NULL },
	{ IN_CARP, KEY_LATER, "rules", NULL },
	{ IN_STATS, KEY_LATER, "metrics", NULL },
	{ IN_STATS, KEY_LATER, "mode", NULL },
};

const struct conf_key *conf_key_find(enum section section, const char *name)
{
	for (const struct conf_key *key = conf_keys; key->name; key++)
		if (key->section == section && !strcmp(key->name, name))
			return key;
	return NULL;
}
