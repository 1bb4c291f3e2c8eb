// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Files of state-dir. What stands in them is not known here.
 *
 * Implements what rename(2) promises about a file that is replaced.
 *
 * Invariant: a reader finds the old text or the new one, never a part.
 */
#include "statefile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int path_of(char path[PATH_MAX], const char *dir, const char *name,
		   const char *more)
{
	int n = snprintf(path, PATH_MAX, "%s/%s%s", dir, name, more);

	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int statefile_read(const char *dir, const char *name, char *text, size_t size)
{
	char path[PATH_MAX];
	int fd, rc = path_of(path, dir, name, "");
	ssize_t n;

	if (rc)
		return rc;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	n = read(fd, text, size - 1);
	rc = n < 0 ? -errno : (int)n;
	text[n < 0 ? 0 : n] = '\0';
	close(fd);
	return rc;
}

static int write_all(int fd, const char *text)
{
	size_t len = strlen(text);
	ssize_t n = write(fd, text, len);

	if (n < 0)
		return -errno;
	if ((size_t)n != len)
		return -ENOSPC;
	return fsync(fd) ? -errno : 0;
}

/* The name itself is on the disk only when the directory is. */
static int sync_directory(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;

	if (fd < 0)
		return -errno;
	if (fsync(fd))
		rc = -errno;
	close(fd);
	return rc;
}

int statefile_write(const char *dir, const char *name, const char *text)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	int fd, rc = path_of(path, dir, name, "");

	if (!rc)
		rc = path_of(fresh, dir, name, ".new");
	if (rc)
		return rc;
	if (mkdir(dir, 0750) && errno != EEXIST)
		return -errno;
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		  0640);
	if (fd < 0)
		return -errno;
	rc = write_all(fd, text);
	close(fd);
	if (!rc && rename(fresh, path))
		rc = -errno;
	if (rc) {
		(void)unlink(fresh);
		return rc;
	}
	return sync_directory(dir);
}

int statefile_remove(const char *dir, const char *name)
{
	char path[PATH_MAX];
	int rc = path_of(path, dir, name, "");

	if (rc)
		return rc;
	if (unlink(path))
		return errno == ENOENT ? 0 : -errno;
	return sync_directory(dir);
}
