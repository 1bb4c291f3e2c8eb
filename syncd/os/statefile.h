/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Small files in state-dir: what has to outlast the daemon. Each is replaced
 * whole or not at all.
 */
#ifndef STATESYNC_STATEFILE_H
#define STATESYNC_STATEFILE_H

#include <stddef.h>

/*
 * The text of dir/name, NUL at its end, cut at size. Its length, or -errno;
 * -ENOENT: there is none.
 */
int statefile_read(const char *dir, const char *name, char *text, size_t size)
	__attribute__((warn_unused_result));

/* Mode 0640; makes the directory where it is missing, on the disk when it
 * returns. 0 or -errno. */
int statefile_write(const char *dir, const char *name, const char *text)
	__attribute__((warn_unused_result));

/* 0 also where there was none; or -errno. */
int statefile_remove(const char *dir, const char *name)
	__attribute__((warn_unused_result));

#endif
