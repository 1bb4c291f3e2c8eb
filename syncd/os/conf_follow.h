/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The part of the configuration that follows the roles of the vhosts: commands
 * and a policy. See conf.h.
 */
#ifndef STATESYNC_CONF_FOLLOW_H
#define STATESYNC_CONF_FOLLOW_H

#include <stdbool.h>

enum conf_role { CONF_ON_MASTER, CONF_ON_BACKUP, CONF_ON_FAULT, CONF_ROLES };

struct policy;

struct conf_follow {
	char *on_role[CONF_ROLES]; /* commands; NULL: none */
	char *policy_file;	   /* NULL: none */
	int policy_line;	   /* of the file, where that stands */
	struct policy *policy;	/* of that file, once policy_file.h read it */
	bool strict_interfaces; /* those of the policy have to be there */
};

#endif
