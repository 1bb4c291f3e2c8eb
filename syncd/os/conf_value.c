// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The kinds of values that several keys have: numbers, words, durations,
 * names, paths and addresses. It does not know which key is allowed where.
 *
 * Implements the limits of the manual, each named in the sentence that a
 * value outside of it gets.
 *
 * Invariant: what is refused leaves a mistake and nothing in the tree that
 * looks like a value of the file.
 */
#include "conf_int.h"

#include <arpa/inet.h>
#include <confuse.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool conf_parse_number(const char *s, long *number, const char **unit)
{
	char *end;

	errno = 0;
	*number = strtol(s, &end, 10);
	*unit = end;
	return end != s && isdigit((unsigned char)*s) && !errno;
}

long conf_set_number(struct parser *p, const char *value, long low, long high)
{
	const char *unit;
	long number;

	if (!conf_parse_number(value, &number, &unit) || *unit)
		conf_mistake(p, p->at, "%s \"%s\" is not a number; %ld to %ld",
			     p->key, value, low, high);
	else if (number < low || number > high)
		conf_mistake(p, p->at, "%s %s is out of range; %ld to %ld",
			     p->key, value, low, high);
	else
		return number;
	return high;
}

void conf_set_bool(struct parser *p, const char *value, bool *out)
{
	int on = cfg_parse_boolean(value);

	if (on < 0)
		conf_mistake(p, p->at, "%s \"%s\" is not known; true or false",
			     p->key, value);
	else
		*out = on;
}

unsigned int conf_set_word(struct parser *p, const char *value,
			   const char *const *words)
{
	char all[64] = "";
	size_t n = 0;

	for (unsigned int i = 0; words[i]; i++) {
		if (!strcmp(value, words[i]))
			return i;
		if (n < sizeof(all))
			n += (size_t)snprintf(all + n, sizeof(all) - n, "%s%s",
					      !i	     ? ""
					      : words[i + 1] ? ", "
							     : " or ",
					      words[i]);
	}
	conf_mistake(p, p->at, "%s \"%s\" is not known; %s", p->key, value,
		     all);
	return 0;
}

bool conf_parse_duration(const char *s, int64_t *ms)
{
	static const struct {
		const char *unit;
		int64_t ms;
	} units[] = {
		{ "ms", 1 }, { "s", 1000 }, { "min", 60000 }, { "h", 3600000 }
	};
	const int64_t year = 366LL * 24 * 3600000;
	const char *unit;
	long number;

	if (!conf_parse_number(s, &number, &unit))
		return false;
	*ms = 0;
	if (!number && !*unit)
		return true;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(unit, units[i].unit))
			continue;
		*ms = number > year / units[i].ms ? year : number * units[i].ms;
		return true;
	}
	return false;
}

void conf_set_duration(struct parser *p, const char *value, int64_t low,
		       int64_t high, const char *range, int64_t *out)
{
	int64_t ms;

	if (!conf_parse_duration(value, &ms))
		conf_mistake(p, p->at,
			     "%s \"%s\" is not a duration with its unit; "
			     "500ms, 60s, 2min, 1h",
			     p->key, value);
	else if (ms < low || ms > high)
		conf_mistake(p, p->at, "%s %s is out of range; %s", p->key,
			     value, range);
	else
		*out = ms;
}

static bool is_name(const char *s)
{
	size_t len = strlen(s);

	if (!len || len >= CONF_NAME_SIZE)
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("._-", *s))
			return false;
	return true;
}

void conf_set_name(struct parser *p, const char *value, const char *what,
		   char out[CONF_NAME_SIZE])
{
	if (is_name(value))
		snprintf(out, CONF_NAME_SIZE, "%s", value);
	else
		conf_mistake(p, p->at,
			     "%s \"%s\" cannot be a name; 1 to 63 letters, "
			     "digits and . _ -",
			     what, value);
}

void conf_set_interface(struct parser *p, const char *value,
			char out[IF_NAMESIZE])
{
	bool fits = *value && strlen(value) < IF_NAMESIZE &&
		    !strpbrk(value, "/ \t\n:") && *value != '.';

	if (!fits)
		conf_mistake(p, p->at,
			     "interface \"%s\" cannot be the name of an "
			     "interface; see: ip link",
			     value);
	snprintf(out, IF_NAMESIZE, "%s", fits ? value : "?");
}

/* 0x1, or 0x1/0xff with its mask; false when it is no such number. */
static bool parse_mark(const char *s, uint32_t *mark, uint32_t *mask)
{
	unsigned long long number;
	char *end;

	*mask = UINT32_MAX;
	for (uint32_t *out = mark;; out = mask) {
		if (*s < '0' || *s > '9')
			return false;
		number = strtoull(s, &end, 0);
		if (number > UINT32_MAX)
			return false;
		*out = (uint32_t)number;
		if (*end != '/' || out == mask)
			break;
		s = end + 1;
	}
	return !*end && *mask && !(*mark & ~*mask);
}

void conf_set_mark(struct parser *p, const char *value, uint32_t *mark,
		   uint32_t *mask)
{
	if (parse_mark(value, mark, mask))
		return;
	*mask = UINT32_MAX;
	conf_mistake(p, p->at,
		     "mark \"%s\" is not a mark with or without its mask; 0x1 "
		     "or 0x1/0xff",
		     value);
}

void conf_set_path(struct parser *p, const char *value, size_t size, char **out)
{
	if (*value != '/') {
		conf_mistake(p, p->at,
			     "%s \"%s\" is not an absolute path; \"/...\"",
			     p->key, value);
	} else if (strlen(value) >= size) {
		conf_mistake(
			p, p->at,
			"%s is longer than %zu bytes; choose a shorter path",
			p->key, size - 1);
	} else {
		free(*out);
		*out = strdup(value);
	}
}

void conf_set_command(struct parser *p, const char *value, char **out)
{
	if (!*value || strlen(value) > 1023) {
		conf_mistake(p, p->at,
			     "%s is %zu bytes long; 1 to 1023, or a "
			     "script in a file",
			     p->key, strlen(value));
		value = "false";
	}
	free(*out);
	*out = strdup(value);
}

bool conf_parse_address(const char *value, struct conf_address *a)
{
	a->family = AF_INET;
	if (inet_pton(AF_INET, value, &a->v4) == 1)
		return true;
	a->family = AF_INET6;
	if (inet_pton(AF_INET6, value, &a->v6) == 1)
		return true;
	a->family = AF_UNSPEC;
	return false;
}

void conf_set_address(struct parser *p, const char *value,
		      struct conf_address *out)
{
	if (conf_parse_address(value, out))
		return;
	out->family = AF_MAX;
	conf_mistake(p, p->at,
		     "%s \"%s\" is not an IP address without prefix; 10.9.0.1",
		     p->key, value);
}

enum conf_prefix conf_parse_prefix(const char *value, struct conf_address *a)
{
	char host[INET6_ADDRSTRLEN];
	size_t len = strcspn(value, "/");
	const char *unit;
	long length;

	memset(a, 0, sizeof(*a));
	snprintf(host, sizeof(host), "%.*s", (int)len, value);
	if (len >= sizeof(host) || !conf_parse_address(host, a))
		return CONF_PREFIX_NO_ADDRESS;
	if (!value[len])
		return CONF_PREFIX_NO_LENGTH;
	if (!conf_parse_number(value + len + 1, &length, &unit) || *unit ||
	    length > (a->family == AF_INET ? 32 : 128))
		return CONF_PREFIX_BAD_LENGTH;
	a->prefixlen = (uint8_t)length;
	return CONF_PREFIX_OK;
}

/* No bit behind the prefix is set. */
static bool is_network(const struct conf_address *a)
{
	const uint8_t *bytes = (const uint8_t *)&a->v4;
	const unsigned int bits = a->family == AF_INET ? 32 : 128;

	for (unsigned int i = a->prefixlen; i < bits; i++)
		if (bytes[i / 8] & 0x80 >> i % 8)
			return false;
	return true;
}

void conf_set_network(struct parser *p, const char *value,
		      struct conf_address *out)
{
	const char *prefix = !strcmp(value, "default")	  ? "0.0.0.0/0"
			     : !strcmp(value, "default6") ? "::/0"
							  : value;

	if (conf_parse_prefix(prefix, out) == CONF_PREFIX_OK && is_network(out))
		return;
	out->family = AF_MAX;
	conf_mistake(p, p->at,
		     "%s \"%s\" is not a network; 10.3.0.0/16, 2001:db8::/32, "
		     "default or default6",
		     p->key, value);
}

bool conf_same_address(const struct conf_address *a,
		       const struct conf_address *b)
{
	if (a->family != b->family)
		return false;
	if (a->family == AF_UNSPEC)
		return true;
	return a->family == AF_INET ? a->v4.s_addr == b->v4.s_addr
				    : !memcmp(&a->v6, &b->v6, sizeof(a->v6));
}

bool conf_is_given(const struct conf_address *a)
{
	return a->family == AF_INET || a->family == AF_INET6;
}

bool conf_is_host(const struct conf_address *a)
{
	uint32_t ip = ntohl(a->v4.s_addr);

	if (a->family == AF_INET)
		return ip >> 24 != 0 && ip >> 24 != 127 && ip < 0xe0000000;
	return !IN6_IS_ADDR_UNSPECIFIED(&a->v6) &&
	       !IN6_IS_ADDR_LOOPBACK(&a->v6) &&
	       !IN6_IS_ADDR_MULTICAST(&a->v6) && !IN6_IS_ADDR_V4MAPPED(&a->v6);
}

bool conf_is_link_local(const struct conf_address *a)
{
	return a->family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&a->v6);
}
