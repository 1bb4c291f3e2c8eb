/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reads the text of a policy, in the grammar of OpenBSD's ifstated.conf(5)
 * (parse.y 1.56), into a tree. From memory: no file, no interface, no clock.
 *
 * More is accepted than there: an empty block, and a last action before a
 * brace without a newline. Interfaces need not exist (policy_file.h).
 */
#ifndef STATESYNC_POLICY_PARSE_H
#define STATESYNC_POLICY_PARSE_H

#include "conf.h"
#include "policy.h"

/* "name=value", as after -D; they stand over those of the file. */
struct policy_macros {
	size_t count;
	const char *const *list;
};

struct policy_text {
	const char *path, *text; /* text NULL: it cannot be shown */
	size_t len;
};

/*
 * 0 and a tree in *out that the caller gives back with policy_free();
 * CONF_REFUSED with at least one sentence in *errors, each with
 * PATH:LINE:COL: in front; -ENOMEM. Macros that are never used are named in
 * *warnings, unless that is NULL. Both are added to.
 */
int policy_parse(const char *path, const char *text, size_t len,
		 const struct policy_macros *macros, struct policy **out,
		 struct conf_errors *errors, struct conf_errors *warnings)
	__attribute__((warn_unused_result));

/* Is it NAME=VALUE, with a name that a macro can have? */
bool policy_macro_ok(const char *text);

/* One more sentence, "PATH:LINE:COL: ...", with its line of the text; the
 * eleventh is dropped. */
void policy_say(struct conf_errors *list, const struct policy_text *of,
		struct policy_place at, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#endif
