/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the helper may be asked for, by number: it knows the configuration in
 * use, and the one that was read last. For exec_helper.c only.
 */
#ifndef STATESYNC_EXEC_TABLE_H
#define STATESYNC_EXEC_TABLE_H

#include <glob.h>
#include <stdbool.h>
#include <stdint.h>

#include "exec.h"
#include "exec_names.h"

struct exec_table {
	exec_loader *load;
	const char *path;
	const void *arg;
	struct exec_names *used, *read; /* in use; read last. NULL */
	int channel;			/* another socket for files; -1 */
	glob_t found;			/* by the pattern that was asked last */
};

/* Of the commands with this digest; NULL: it has no such. */
const char *exec_table_command(struct exec_table *t,
			       const uint8_t of[EXEC_DIGEST], uint32_t number);
/* Answers all requests that wait on fd; false when the daemon is gone. */
bool exec_table_serve(struct exec_table *t, int fd);

#endif
