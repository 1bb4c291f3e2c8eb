/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The meaning of a name. It does not say so to anybody, and remembers nothing.
 *
 * Implements the order of the manual, statesync-policy(5).
 *
 * Invariant: what is found first counts; several at one step are a mistake.
 */
#include "policy_names.h"

#include <string.h>

typedef bool match_fn(const struct policy_vhost_name *v, const char *name);

static bool by_name(const struct policy_vhost_name *v, const char *name)
{
	return strcmp(v->name, name) == 0;
}

static bool by_alias(const struct policy_vhost_name *v, const char *name)
{
	return *v->alias && strcmp(v->alias, name) == 0;
}

static bool by_carp_name(const struct policy_vhost_name *v, const char *name)
{
	return strncmp(name, "carp:", 5) == 0 && by_name(v, name + 5);
}

/* N of carpN; 0: it is none, or no vhid. */
static unsigned carp_number(const char *name)
{
	unsigned n = 0;

	if (strncmp(name, "carp", 4) != 0)
		return 0;
	for (name += 4; *name >= '0' && *name <= '9' && n < 1000; name++)
		n = 10 * n + (unsigned)(*name - '0');
	return *name ? 0 : n;
}

static bool by_vhid(const struct policy_vhost_name *v, const char *name)
{
	return v->vhid == carp_number(name);
}

/* carp0, carp410, carp:lan: nothing but a vhost can be meant. */
static bool means_vhost(const char *name)
{
	if (strncmp(name, "carp", 4) != 0 || !name[4])
		return false;
	if (name[4] == ':')
		return true;
	for (name += 4; *name >= '0' && *name <= '9';)
		name++;
	return !*name;
}

enum policy_found policy_name_find(const char *name, policy_is_here_fn *is_here,
				   const struct policy_vhost_name *vhosts,
				   size_t nvhosts, unsigned *vhost)
{
	static match_fn *const steps[] = { by_name, by_alias, by_carp_name,
					   by_vhid };

	if (is_here(name))
		return POLICY_FOUND_INTERFACE;
	for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
		unsigned found = 0;

		for (size_t i = 0; i < nvhosts; i++)
			if (steps[s](&vhosts[i], name)) {
				*vhost = vhosts[i].index;
				found++;
			}
		if (found > 1)
			return POLICY_FOUND_SEVERAL;
		if (found)
			return steps[s] == by_vhid ? POLICY_FOUND_VHID
						   : POLICY_FOUND_VHOST;
	}
	return means_vhost(name) ? POLICY_FOUND_NO_VHOST : POLICY_FOUND_NOTHING;
}
