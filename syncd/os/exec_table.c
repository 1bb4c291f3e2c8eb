/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The helper's knowledge of what it may be asked for: the configuration that
 * is in use, and the one that was read last. It opens files; commands are
 * exec_helper.c's.
 *
 * Implements rules 14: the daemon says numbers, never a path or a command.
 *
 * Invariant: nothing is opened or run that does not stand in a configuration
 * that the helper has read by itself.
 */
#include "exec_table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exec_int.h"
#include "keyfile.h"
#include "track_process.h"

/* What is read in place of it is dropped. The text is in *fd, or -1. */
static int read_again(struct exec_table *t, int *fd)
{
	int err;

	*fd = -1;
	exec_names_free(t->read);
	t->read = calloc(1, sizeof(*t->read));
	if (!t->read)
		return -ENOMEM;
	err = t->load(t->path, t->arg, t->read, fd);
	if (err) {
		exec_names_free(t->read);
		t->read = NULL;
	}
	return err;
}

static const char *look(const struct exec_names *n,
			const uint8_t of[EXEC_DIGEST], uint32_t number)
{
	if (!n || memcmp(n->commands_id, of, EXEC_DIGEST) ||
	    number >= n->commands.count)
		return NULL;
	return n->commands.text[number];
}

const char *exec_table_command(struct exec_table *t,
			       const uint8_t of[EXEC_DIGEST], uint32_t number)
{
	const char *command = look(t->used, of, number);
	int fd;

	if (!command)
		command = look(t->read, of, number);
	/* a helper that is younger than the daemon has read nothing */
	if (!command && !read_again(t, &fd)) {
		if (fd >= 0)
			close(fd);
		command = look(t->read, of, number);
	}
	return command;
}

static bool is_conf(const struct exec_names *n, const uint8_t of[EXEC_DIGEST])
{
	return n && !memcmp(n->conf_id, of, EXEC_DIGEST);
}

/* The configuration as it is now; the one in use stays known. */
static int open_conf(struct exec_table *t, const uint8_t in_use[EXEC_DIGEST])
{
	int fd, err;

	if (!is_conf(t->used, in_use) && is_conf(t->read, in_use)) {
		exec_names_free(t->used);
		t->used = t->read;
		t->read = NULL;
	}
	err = read_again(t, &fd);
	if (!err && fd < 0)
		err = keyfile_open_own(t->path); /* it says why */
	return err < 0 ? err : fd >= 0 ? fd : -EIO;
}

/* One after the other is asked for: the first looks which ones there are. */
static int open_watched(struct exec_table *t, const char *pattern,
			uint32_t match, char name[FACT_NAME_MAX])
{
	const char *path = pattern;
	struct stat st;

	if (!match) {
		globfree(&t->found);
		t->found = (glob_t){ 0 };
		if (glob(pattern, GLOB_NOSORT, NULL, &t->found))
			t->found.gl_pathc = 0;
	}
	if (match < t->found.gl_pathc)
		path = t->found.gl_pathv[match];
	else if (match || strpbrk(pattern, "*?["))
		return -ENODATA;
	/* else what is named is to be there */
	if (strlen(path) >= FACT_NAME_MAX)
		return -ENAMETOOLONG;
	strcpy(name, path);
	if (stat(path, &st))
		return -errno;
	return S_ISREG(st.st_mode) ? keyfile_open(path) : -EISDIR;
}

static int open_number(struct exec_table *t, const struct exec_file_request *r,
		       char name[FACT_NAME_MAX])
{
	const struct exec_names *n = is_conf(t->read, r->of)   ? t->read
				     : is_conf(t->used, r->of) ? t->used
							       : NULL;
	const char *text;

	if (!n)
		return -ESTALE;
	if (r->number >= n->files.count)
		return -EINVAL;
	text = n->files.text[r->number];
	if (!strncmp(text, EXEC_PROCESS, strlen(EXEC_PROCESS)))
		return track_process_find(text + strlen(EXEC_PROCESS));
	if (!strncmp(text, EXEC_WATCHED, strlen(EXEC_WATCHED)))
		return open_watched(t, text + strlen(EXEC_WATCHED), r->match,
				    name);
	return r->number < n->own ? keyfile_open_own(text) : keyfile_open(text);
}

/* The other end of it. */
static int open_channel(struct exec_table *t)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	if (t->channel >= 0)
		close(t->channel);
	t->channel = ends[0];
	return ends[1];
}

bool exec_table_serve(struct exec_table *t, int fd)
{
	struct exec_file_request r;
	struct exec_file_answer a;
	char none[1];

	for (;;) {
		ssize_t n = exec_recv(fd, &r, sizeof(r), none, sizeof(none));
		int file;

		if (n < 0)
			return errno == EAGAIN;
		a = (struct exec_file_answer){ .id = r.id };
		if (!r.number)
			file = open_conf(t, r.of);
		else if (r.number == EXEC_CHANNEL)
			file = open_channel(t);
		else
			file = open_number(t, &r, a.name);
		a.err = file < 0 ? -file : 0;
		(void)exec_send_fd(fd, &a, sizeof(a), file < 0 ? -1 : file);
		if (file >= 0)
			close(file);
	}
}
