/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A file by which somebody says that this node serves badly. One rule:
 *
 *   The file says what is wrong. It is down while the file exists, unless
 *   what stands in it is the number 0.
 *
 * So `touch /run/maintenance` demotes and `rm` ends it; for who knows
 * keepalived's track_file, `echo 1 > FILE` (any number but 0, any text)
 * demotes and `echo 0 > FILE` ends it. The number does not count otherwise:
 * the weight is that of the configuration. A file that is there and cannot be
 * read is down, too.
 *
 * Writers are noticed at once (inotify on its directory), everything else,
 * such as a symbolic link's target, at the next poll.
 */
#ifndef STATESYNC_TRACK_FILE_H
#define STATESYNC_TRACK_FILE_H

#include <stdbool.h>

struct track_file {
	const char *path;
	int fd, wd;	   /* inotify; -1: none, only polls */
	bool was_empty;	   /* at the last poll */
	struct exec *exec; /* opens what we may not, or NULL */
	bool looked;	   /* once; then it never waits long for exec */
	const char *last;  /* what was wrong then */
};

/* path (absolute) stays the caller's. Without inotify polls have to do. */
void track_file_open(struct track_file *f, const char *path);
void track_file_close(struct track_file *f);

/* To wait on for reading, or -1. */
int track_file_fd(const struct track_file *f);

/* Takes what waits there. True when the file may have changed. */
bool track_file_read(struct track_file *f);

/*
 * What is wrong by the file, NULL: nothing. polled: not because of
 * track_file_read(), so that a writer may just be at work; an empty file is
 * believed at the second poll then. Watches the directory again if it was
 * away. While the helper is late it is as it was.
 */
const char *track_file_look(struct track_file *f, bool polled);

#endif
