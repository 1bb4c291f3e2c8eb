// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The kinds of values that several keys have: numbers, names, paths and
 * addresses. It does not know which key is allowed where.
 *
 * Implements the limits of the manual, each named in the sentence that a
 * value outside of it gets.
 *
 * Invariant: what is refused leaves a mistake and nothing in the tree that
 * looks like a value of the file.
 */
#include "conf_int.h"

#include <arpa/inet.h>
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

bool conf_same_address(const struct conf_address *a,
		       const struct conf_address *b)
{
	if (a->family != b->family)
		return false;
	return a->family == AF_INET ? a->v4.s_addr == b->v4.s_addr
				    : !memcmp(&a->v6, &b->v6, sizeof(a->v6));
}
