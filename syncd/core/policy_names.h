/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What an interface's name in a policy means here: OpenBSD has an interface
 * for each virtual host (carp0), this has none. Looked for in this order: an
 * interface of this machine, a vhost of that name, a vhost with that alias,
 * carp:NAME, carpN as the vhost with vhid N.
 */
#ifndef STATESYNC_POLICY_NAMES_H
#define STATESYNC_POLICY_NAMES_H

#include "policy.h"

#include <stdint.h>

/* A vhost as the configuration has it; index is the caller's. */
struct policy_vhost_name {
	const char *name, *alias; /* alias "": none */
	uint8_t vhid;
	unsigned index;
};

enum policy_found {
	POLICY_FOUND_INTERFACE,
	POLICY_FOUND_VHOST,    /* by its name, alias or carp:NAME */
	POLICY_FOUND_VHID,     /* carpN: and by nothing else */
	POLICY_FOUND_NOTHING,  /* an interface may come */
	POLICY_FOUND_NO_VHOST, /* carpN or carp:NAME, and there is none */
	POLICY_FOUND_SEVERAL,  /* vhosts */
};

/*
 * is_here: is there an interface of this name on this machine? *vhost: the
 * caller's index, of POLICY_FOUND_VHOST and _VHID.
 */
typedef bool policy_is_here_fn(const char *name);
enum policy_found policy_name_find(const char *name, policy_is_here_fn *is_here,
				   const struct policy_vhost_name *vhosts,
				   size_t nvhosts, unsigned *vhost);

#endif
