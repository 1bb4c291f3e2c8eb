/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A process found by its name in /proc. It is never touched.
 *
 * Text: proc(5), pidfd_open(2).
 *
 * Invariant: a pid that is known has a pidfd, so that another process that
 * gets the same number is not taken for it.
 */
#include "track_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PIECE 64 /* entries of /proc */

void track_process_open(struct track_process *p, const char *name)
{
	*p = (struct track_process){ .pidfd = -1 };
	snprintf(p->comm, sizeof(p->comm), "%s", name);
}

static void lose(struct track_process *p)
{
	if (p->pidfd >= 0)
		close(p->pidfd);
	p->pidfd = -1;
	p->pid = 0;
}

static void end_scan(struct track_process *p)
{
	if (p->scan)
		closedir(p->scan);
	p->scan = NULL;
}

void track_process_close(struct track_process *p)
{
	end_scan(p);
	lose(p);
}

static bool has_name(const struct track_process *p, pid_t pid)
{
	char path[32], comm[TRACK_COMM_SIZE + 1];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, comm, sizeof(comm) - 1);
	close(fd);
	if (n <= 0)
		return false;
	if (comm[n - 1] == '\n')
		n--;
	comm[n] = '\0';
	return strcmp(comm, p->comm) == 0;
}

static bool has_ended(int pidfd)
{
	struct pollfd pfd = { .fd = pidfd, .events = POLLIN };

	return poll(&pfd, 1, 0) != 0;
}

/* Takes hold of it first and looks again then: the number may be another's. */
static bool take(struct track_process *p, pid_t pid)
{
	if (!has_name(p, pid))
		return false;
	p->pidfd = (int)syscall(SYS_pidfd_open, pid, 0); /* CLOEXEC */
	p->pid = pid;
	if (p->pidfd >= 0 && !has_ended(p->pidfd) && has_name(p, pid))
		return true;
	lose(p);
	return false;
}

int track_process_look(struct track_process *p)
{
	const struct dirent *e;

	if (p->pid && !has_ended(p->pidfd) &&
	    (p->pid < 0 || has_name(p, p->pid)))
		return 0;
	lose(p);
	if (!p->scan)
		p->scan = opendir("/proc");
	if (!p->scan)
		return -errno;
	for (int i = 0; i < PIECE; i++) {
		e = readdir(p->scan);
		if (!e) {
			end_scan(p);
			return TRACK_PROCESS_NONE;
		}
		if (*e->d_name < '1' || *e->d_name > '9')
			continue;
		if (take(p, (pid_t)atoi(e->d_name))) {
			end_scan(p);
			return 0;
		}
	}
	return TRACK_PROCESS_LOOKING;
}

bool track_process_hidden(void)
{
	return access("/proc/1/comm", R_OK) < 0;
}

int track_process_find(const char *name)
{
	struct track_process p;
	int r;

	track_process_open(&p, name);
	do
		r = track_process_look(&p);
	while (r == TRACK_PROCESS_LOOKING);
	if (r == 0)
		return p.pidfd;
	track_process_close(&p);
	return r < 0 ? r : -ENOENT;
}

int track_process_found(struct track_process *p, int pidfd)
{
	if (pidfd == -ENOENT)
		return TRACK_PROCESS_NONE;
	if (pidfd < 0)
		return pidfd;
	lose(p);
	p->pid = -1;
	p->pidfd = pidfd;
	return 0;
}
