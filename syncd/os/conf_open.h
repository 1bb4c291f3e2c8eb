/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A configuration whose files somebody else opens: for a process that may not
 * (exec_conf.h).
 */
#ifndef STATESYNC_CONF_OPEN_H
#define STATESYNC_CONF_OPEN_H

#include "conf.h"

/*
 * Opens the configuration, and the files that it names, for reading: a
 * descriptor with CLOEXEC, or -errno. NULL: we do.
 */
struct conf_opener {
	int (*open)(void *arg, const char *path);
	void *arg;
};

/* The same as conf_load(); the first file that `by` is asked for is the
 * configuration. */
int conf_load_by(const struct conf_opener *by, const char *path,
		 const char *node, struct conf **out,
		 struct conf_errors *errors)
	__attribute__((warn_unused_result));

/* A descriptor to read the file with, or -errno. by NULL: this process opens
 * it. */
int conf_open(const struct conf_opener *by, const char *path);

#endif
