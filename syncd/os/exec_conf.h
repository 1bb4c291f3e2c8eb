/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What of a configuration the helper is asked for, and the configuration read
 * through the helper.
 */
#ifndef STATESYNC_EXEC_CONF_H
#define STATESYNC_EXEC_CONF_H

#include "conf.h"
#include "exec.h"
#include "exec_names.h"

/*
 * As conf_load(), with every file opened by the helper; the names that are new
 * with it count from exec_conf_use() on.
 */
int exec_conf_load(struct exec *x, const char *path, struct conf **out,
		   struct conf_errors *errors)
	__attribute__((warn_unused_result));

/* That configuration is in use now. Without one: nothing happens. */
void exec_conf_use(struct exec *x);

/*
 * Has the helper open a file of the configuration in use, or, while one is
 * read, of that one; waits for it. A descriptor with CLOEXEC, or -errno:
 * -ENOENT also where the file is not in the list, -ESTALE: the helper has
 * another configuration, -ETIMEDOUT, -EPIPE: it is gone. x: struct exec; as
 * conf_opener wants it.
 */
int exec_open_file(void *x, const char *path)
	__attribute__((warn_unused_result));

/* The same for a process of this name that is tracked: a pidfd; -ENOENT: none
 * runs. */
int exec_find_process(struct exec *x, const char *name)
	__attribute__((warn_unused_result));

/* In the helper: reads the file by itself; its text is in *fd, of the caller
 * to close. An exec_loader. */
int exec_conf_names(const char *path, struct exec_names *n, int *fd)
	__attribute__((warn_unused_result));

#endif
