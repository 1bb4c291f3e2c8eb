// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Opens a watched file. It stands alone because who may not read the file has
 * to ask somebody else to open it (rules 14).
 *
 * Invariant: opening never waits, also not for the writer of a FIFO.
 */
#include "drift_gather.h"

#include <errno.h>
#include <fcntl.h>

int drift_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	return fd < 0 ? -errno : fd;
}
