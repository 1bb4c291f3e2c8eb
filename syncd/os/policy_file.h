/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The policy that a configuration names: read, and looked through for what
 * would not work on this machine.
 */
#ifndef STATESYNC_POLICY_FILE_H
#define STATESYNC_POLICY_FILE_H

#include "conf_open.h"
#include "policy_parse.h"

/* What was found: sentences with FILE:LINE:COL: in front. */
struct policy_report {
	struct conf_errors errors;
	struct conf_errors warnings; /* it runs all the same */
	struct conf_errors notes;    /* which name means what */
	bool missing;		     /* interfaces, among the warnings */
	bool look; /* to be set before: warn of what would not work here */
};

/*
 * Reads conf->follow.policy_file, which stands in the configuration at path,
 * opened by (NULL: us), into conf->follow.policy, its names resolved: the vhost of
 * a link is an index into conf->carps. 0, also where no file is named;
 * CONF_REFUSED with errors, -ENOMEM. The report is added to; with look, also
 * commands whose program is not in PATH, states that are never entered.
 */
int policy_file_load(const struct conf_opener *by, const char *path,
		     struct conf *conf, const struct policy_macros *macros,
		     struct policy_report *report)
	__attribute__((warn_unused_result));

#endif
