/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The file of track_file.h: looked at, and its directory watched. What follows
 * is not decided here.
 *
 * Text: inotify(7); keepalived.conf(5), track_file.
 *
 * Invariant: the file is opened, read and closed in one call; it is never
 * waited for, whatever it is, and for the helper not but the first time.
 */
#include "track_file.h"

#include "exec_conf.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

/* Not IN_MODIFY: a shell that writes has emptied the file just before. */
#define EVENTS                                                  \
	(IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_TO | \
	 IN_MOVED_FROM | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF)

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void watch(struct track_file *f)
{
	size_t len = (size_t)(base_name(f->path) - f->path);
	char dir[PATH_MAX] = ".";

	if (f->fd < 0 || f->wd >= 0 || len >= sizeof(dir))
		return;
	if (len) {
		memcpy(dir, f->path, len);
		dir[len] = '\0';
	}
	f->wd = inotify_add_watch(f->fd, dir, EVENTS | IN_ONLYDIR);
}

void track_file_open(struct track_file *f, const char *path)
{
	*f = (struct track_file){ .path = path, .wd = -1 };
	f->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	watch(f);
}

void track_file_close(struct track_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = f->wd = -1;
}

int track_file_fd(const struct track_file *f)
{
	return f->fd;
}

/* A new, empty file: its writer has not closed it yet, which tells more. */
static bool is_news(const struct track_file *f, const struct inotify_event *ev)
{
	struct stat st;

	if (strcmp(ev->name, base_name(f->path)) != 0)
		return false;
	if (!(ev->mask & (IN_CREATE | IN_ATTRIB)))
		return true;
	return stat(f->path, &st) < 0 || st.st_size > 0;
}

bool track_file_read(struct track_file *f)
{
	_Alignas(struct inotify_event) char buf[4096];
	bool news = false;
	ssize_t n;

	while ((n = read(f->fd, buf, sizeof(buf))) > 0) {
		const char *p = buf;

		while (p < buf + n) {
			const struct inotify_event *ev = (const void *)p;

			p += sizeof(*ev) + ev->len;
			if (ev->mask & (IN_DELETE_SELF | IN_MOVE_SELF))
				(void)inotify_rm_watch(f->fd, f->wd);
			if (ev->mask & IN_IGNORED)
				f->wd = -1;
			news |= !ev->len || (ev->mask & IN_Q_OVERFLOW) ||
				is_news(f, ev);
		}
	}
	return news;
}

/* Spaces, a sign, zeros, and no more of a number. */
static bool is_zero(const char *text)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (end == text || value != 0)
		return false;
	return strspn(end, " \t\r\n") == strlen(end);
}

static int open_it(struct track_file *f)
{
	int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd >= 0)
		return fd;
	if (errno != EACCES || !f->exec)
		return -errno;
	return f->looked ? exec_look_file(f->exec, f->path)
			 : exec_open_file(f->exec, f->path);
}

static const char *judge(struct track_file *f, int fd, bool polled)
{
	char text[64];
	bool sure = !polled || f->was_empty;
	ssize_t n;

	f->was_empty = false;
	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR
			       ? NULL
			       : "it is there and cannot be read";
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n == 0) {
		f->was_empty = true;
		return sure ? "the file exists" : NULL;
	}
	if (n < 0)
		return "it is there and cannot be read";
	text[n] = '\0';
	return is_zero(text) ? NULL : "the file exists and is not 0";
}

const char *track_file_look(struct track_file *f, bool polled)
{
	int fd;

	watch(f);
	fd = open_it(f);
	if (fd != -ETIMEDOUT || !f->looked)
		f->last = judge(f, fd, polled);
	f->looked = true;
	return f->last;
}
