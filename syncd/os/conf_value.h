/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The kinds of values that several keys have. For conf*.c only.
 *
 * The set functions note a mistake at p->at, in the name of p->key, when the
 * value does not fit; what `out` held stays then.
 */
#ifndef STATESYNC_CONF_VALUE_H
#define STATESYNC_CONF_VALUE_H

#include "conf_carp.h"

#include <stdbool.h>

struct parser;

/* A number; `high` when the value is none or out of range. */
long conf_set_number(struct parser *p, const char *value, long low, long high);
void conf_set_bool(struct parser *p, const char *value, bool *out);
/* The index of one of these words, the list ended by NULL; 0 when refused. */
unsigned int conf_set_word(struct parser *p, const char *value,
			   const char *const *words);
/* Milliseconds, both ends allowed; `range` is what the sentence names. */
void conf_set_duration(struct parser *p, const char *value, int64_t low,
		       int64_t high, const char *range, int64_t *out);
void conf_set_name(struct parser *p, const char *value, const char *what,
		   char out[CONF_NAME_SIZE]);
/* The name of an interface; "?" when it cannot be one. */
void conf_set_interface(struct parser *p, const char *value,
			char out[IF_NAMESIZE]);
/* 0x1, or 0x1/0xff with its mask, of which no bit is missing in it. */
void conf_set_mark(struct parser *p, const char *value, uint32_t *mark,
		   uint32_t *mask);
void conf_set_path(struct parser *p, const char *value, size_t size,
		   char **out);
/* For sh -c, 1 to 1023 bytes; "false" when it is not. */
void conf_set_command(struct parser *p, const char *value, char **out);
/* An address without a prefix; its family is AF_MAX when it is none. */
void conf_set_address(struct parser *p, const char *value,
		      struct conf_address *out);
/* A network, "default" or "default6"; its family is AF_MAX when it is none. */
void conf_set_network(struct parser *p, const char *value,
		      struct conf_address *out);

/* Digits, then a unit that is handed back; false when it is no number. */
bool conf_parse_number(const char *s, long *number, const char **unit);
/* "500ms", "5s", "2min", "1h", "0"; false when it is none of these. What is
 * longer than a year is a year. */
bool conf_parse_duration(const char *s, int64_t *ms);
bool conf_parse_address(const char *value, struct conf_address *a);

enum conf_prefix {
	CONF_PREFIX_OK,
	CONF_PREFIX_NO_ADDRESS,
	CONF_PREFIX_NO_LENGTH, /* the family is known, also for the next */
	CONF_PREFIX_BAD_LENGTH,
};

/* An address and how many of its bits, from 0 on. */
enum conf_prefix conf_parse_prefix(const char *value, struct conf_address *a);

/* IPv4 or IPv6: neither missing nor refused. */
bool conf_is_given(const struct conf_address *a);
/* Of one host, not of a group, of all, of none or of this machine alone. */
bool conf_is_host(const struct conf_address *a);
bool conf_is_link_local(const struct conf_address *a); /* fe80::/10 */

#endif
