// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The keys of a carp block: what each value is turned into. What holds
 * between two of them is conf_carp_check's.
 *
 * Implements the CARP section of the manual.
 *
 * Invariant: a set function only reads its value and writes the draft.
 */
#include "conf_int.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void conf_carp_interface(struct parser *p, const char *value)
{
	conf_set_interface(p, value, p->carp.carp.interface);
	p->carp.carp.interface_line = p->at.line;
}

void conf_carp_vhid(struct parser *p, const char *value)
{
	unsigned int before = p->num_mistakes;

	p->carp.carp.vhid = (uint8_t)conf_set_number(p, value, 1, 255);
	p->carp.vhid_at = p->at;
	if (p->num_mistakes != before)
		p->carp.carp.vhid = 0;
}

static void add_address(struct parser *p, const struct conf_address *a)
{
	struct conf_carp *c = &p->carp.carp;
	struct conf_address *more =
		conf_grow(p, c->addresses, c->num_addresses, sizeof(*more));

	if (!more)
		return;
	c->addresses = more;
	c->addresses[c->num_addresses++] = *a;
}

/* What is sent to it is for all of its network, or was. */
static bool is_of_all(const struct conf_address *a)
{
	uint32_t hosts, host;

	if (a->family != AF_INET || a->prefixlen > 30)
		return false;
	hosts = UINT32_MAX >> a->prefixlen;
	host = ntohl(a->v4.s_addr) & hosts;
	return !host || host == hosts;
}

void conf_carp_addresses(struct parser *p, const char *value)
{
	struct conf_address a;
	enum conf_prefix result = conf_parse_prefix(value, &a);
	const bool v4 = a.family == AF_INET;

	if (result == CONF_PREFIX_OK && !a.prefixlen)
		result = CONF_PREFIX_BAD_LENGTH;
	switch (result) {
	case CONF_PREFIX_NO_ADDRESS:
		conf_mistake(p, p->at,
			     "\"%s\" is not an IP address with its prefix "
			     "length; 10.1.0.1/24 or 2001:db8:1::1/64",
			     value);
		break;
	case CONF_PREFIX_NO_LENGTH:
		conf_mistake(p, p->at, "address %s has no prefix length; %s/%d",
			     value, value, v4 ? 24 : 64);
		break;
	case CONF_PREFIX_BAD_LENGTH:
		conf_mistake(p, p->at,
			     "prefix length of %s is out of range; 1 to %d",
			     value, v4 ? 32 : 128);
		break;
	case CONF_PREFIX_OK:
		if (!conf_is_host(&a))
			conf_mistake(p, p->at,
				     "%s cannot be shared; an address of the "
				     "network on this interface",
				     value);
		else if (is_of_all(&a))
			conf_mistake(p, p->at,
				     "%s is the network itself or its "
				     "broadcast address; choose the address of "
				     "a host in it",
				     value);
		break;
	}
	/* Kept also when refused, so that it is not said to be missing. */
	add_address(p, &a);
}

void conf_carp_pass(struct parser *p, const char *value)
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

void conf_carp_pass_file(struct parser *p, const char *value)
{
	p->carp.file_at = p->at;
	conf_set_path(p, value, 1024, &p->carp.pass_file);
}

void conf_carp_advbase(struct parser *p, const char *value)
{
	p->carp.carp.advbase = (uint8_t)conf_set_number(p, value, 0, 255);
}

void conf_carp_advskew(struct parser *p, const char *value)
{
	p->carp.carp.advskew = (uint8_t)conf_set_number(p, value, 0, 254);
	p->carp.skew_at = p->at;
}

void conf_carp_mac(struct parser *p, const char *value)
{
	static const char *const words[] = { "virtual", "interface", NULL };

	p->carp.carp.mac = (enum conf_mac)conf_set_word(p, value, words);
}

void conf_carp_source_mac(struct parser *p, const char *value)
{
	static const char *const words[] = { "interface", "virtual", NULL };

	p->carp.carp.source_mac =
		(enum conf_source_mac)conf_set_word(p, value, words);
	p->carp.source_at = p->at;
}

void conf_carp_shared(struct parser *p, const char *value)
{
	static const char *const words[] = { "route", "lo", NULL };

	p->carp.carp.shared = (enum conf_shared)conf_set_word(p, value, words);
}

void conf_carp_refresh(struct parser *p, const char *value)
{
	int64_t *ms = &p->carp.carp.announce_refresh_ms;

	conf_set_duration(p, value, 0, 86400000, "0, or 1s to 24h", ms);
	if (*ms && *ms < 1000)
		conf_mistake(p, p->at,
			     "announce-refresh %s is out of range; 0, or 1s "
			     "to 24h",
			     value);
}

void conf_carp_peer(struct parser *p, const char *value)
{
	struct conf_carp *c = &p->carp.carp;
	struct conf_address a = { 0 };

	if (!c->num_unicast)
		p->carp.peer_at = p->at;
	conf_set_address(p, value, &a);
	if (conf_is_given(&a) && !conf_is_host(&a))
		conf_mistake(p, p->at,
			     "peer %s is not the address of one host; leave "
			     "peer out for multicast",
			     value);
	for (unsigned int i = 0; i < c->num_unicast; i++)
		if (conf_same_address(&c->unicast[i], &a))
			conf_mistake(p, p->at, "peer names %s twice; once",
				     value);
	if (c->num_unicast == CONF_UNICAST_MAX)
		conf_mistake(p, p->at, "peer names more than %d addresses; %d",
			     CONF_UNICAST_MAX, CONF_UNICAST_MAX);
	else
		c->unicast[c->num_unicast++] = a;
}

void conf_carp_ttl(struct parser *p, const char *value)
{
	p->carp.carp.ttl = (uint8_t)conf_set_number(p, value, 1, 255);
	p->carp.ttl_at = p->at;
}

void conf_carp_prefer(struct parser *p, const char *value)
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

void conf_carp_alias(struct parser *p, const char *value)
{
	conf_set_name(p, value, "alias", p->carp.carp.alias);
	p->carp.alias_at = p->at;
}

void conf_carp_balancing(struct parser *p, const char *value)
{
	static const char *const words[] = { "none", "ip", "ip-stealth", NULL };

	p->carp.carp.balancing =
		(enum conf_balancing)conf_set_word(p, value, words);
	p->carp.balancing_at = p->at;
}

/* "vhid:advskew", kept in the order of the vhids. */
void conf_carp_nodes(struct parser *p, const char *value)
{
	struct conf_carp *c = &p->carp.carp;
	const char *rest, *unit;
	long vhid, advskew;
	unsigned int i;

	if (!c->num_nodes)
		p->carp.nodes_at = p->at;
	if (!conf_parse_number(value, &vhid, &rest) || *rest != ':' ||
	    !conf_parse_number(rest + 1, &advskew, &unit) || *unit ||
	    vhid < 1 || vhid > 255 || advskew > 254) {
		conf_mistake(p, p->at,
			     "nodes has \"%s\", which is not vhid:advskew; 1:0 "
			     "to 255:254",
			     value);
		return;
	}
	if (c->num_nodes == CONF_NODES_MAX) {
		conf_mistake(p, p->at, "nodes names more than %d vhids; %d",
			     CONF_NODES_MAX, CONF_NODES_MAX);
		return;
	}
	for (i = c->num_nodes++; i && c->nodes[i - 1].vhid >= vhid; i--) {
		if (c->nodes[i - 1].vhid == vhid)
			conf_mistake(p, p->at,
				     "nodes names vhid %ld twice; once", vhid);
		c->nodes[i] = c->nodes[i - 1];
	}
	c->nodes[i] = (struct conf_node){ (uint8_t)vhid, (uint8_t)advskew };
}

void conf_allow_init(struct parser *p)
{
	p->allowed = (struct conf_allowed){ .advbase = -1, .advskew = -1 };
}

void conf_allow_advbase(struct parser *p, const char *value)
{
	p->allowed.advbase = (int)conf_set_number(p, value, 0, 255);
}

void conf_allow_advskew(struct parser *p, const char *value)
{
	p->allowed.advskew = (int)conf_set_number(p, value, 0, 254);
}

void conf_allow_closed(struct parser *p, const char *title)
{
	struct conf_carp *c = &p->carp.carp;
	struct conf_address *a = &p->allowed.address;

	if (!c->num_allowed)
		p->carp.allow_at = p->at;
	conf_set_address(p, title, a);
	if (conf_is_given(a) && !conf_is_host(a))
		conf_mistake(p, p->at,
			     "allow %s is not the address of one host; that of "
			     "its adverts",
			     title);
	for (unsigned int i = 0; i < c->num_allowed; i++)
		if (conf_same_address(&c->allowed[i].address, a))
			conf_mistake(p, p->at,
				     "two blocks of allow \"%s\"; keep one",
				     title);
	if (c->num_allowed == CONF_UNICAST_MAX)
		conf_mistake(p, p->at, "more than %d blocks of allow; %d",
			     CONF_UNICAST_MAX, CONF_UNICAST_MAX);
	else
		c->allowed[c->num_allowed++] = p->allowed;
	conf_allow_init(p);
}
