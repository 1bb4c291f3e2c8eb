/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The part of the configuration that says what nodes compare: the drift block.
 * See conf.h.
 */
#ifndef STATESYNC_CONF_DRIFT_H
#define STATESYNC_CONF_DRIFT_H

#include "drift.h"

#include <stdbool.h>
#include <stdint.h>

#define CONF_DRIFT_MAX 128 /* patterns of files, and names to ignore */

struct conf_drift {
	int64_t period_ms;
	size_t num_files, num_ignore;
	char *files[CONF_DRIFT_MAX];  /* patterns, absolute */
	char *ignore[CONF_DRIFT_MAX]; /* "ruleset table ip docker*" */
	enum drift_effect effects[DRIFT_KINDS];
};

/* Gives back what it has allocated. */
void conf_drift_drop(struct conf_drift *d);

#endif
