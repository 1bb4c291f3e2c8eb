/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Files that the helper opens for the daemon, and descriptors in messages. The
 * daemon waits: long where there is nothing to be done without the file, and
 * shorter than an advert may be late where it only looks, once, until the
 * helper has answered that.
 *
 * Implements rules 14: key-file, pass-file and watched files by number.
 *
 * Invariant: a late answer is never taken for that to a later question.
 */
#include "exec_conf.h"
#include "exec_int.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "clock.h"

#define WAIT_MS 2000
#define LOOK_MS 50

union control {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

ssize_t exec_send_fd(int fd, const void *data, size_t len, int given)
{
	union {
		const void *in;
		void *out; /* sendmsg reads it */
	} d = { data };
	struct iovec iov = { d.out, len };
	union control control = { { 0 } };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (given >= 0) {
		struct cmsghdr *c;

		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &given, sizeof(given));
	}
	do
		n = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n;
}

ssize_t exec_recv_fd(int fd, void *data, size_t len, int *given)
{
	struct iovec iov = { data, len };
	union control control;
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	const struct cmsghdr *c;
	ssize_t n;

	*given = -1;
	do
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	c = n < 0 ? NULL : CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(given, CMSG_DATA(c), sizeof(*given));
	return n;
}

/* Of this question; a descriptor or -errno. */
static int wait_answer(int files, uint32_t id, int ms,
		       struct exec_file_answer *a)
{
	const int64_t end = clock_ns(CLOCK_MONOTONIC) / MONO_MS + ms;
	struct pollfd p = { .fd = files, .events = POLLIN };
	int fd, r;

	for (;;) {
		const int64_t left = end - clock_ns(CLOCK_MONOTONIC) / MONO_MS;

		r = poll(&p, 1, left > 0 ? (int)left : 0);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r ? -errno : -ETIMEDOUT;
		if (exec_recv_fd(files, a, sizeof(*a), &fd) != sizeof(*a))
			return -EPIPE;
		if (a->id == id)
			return a->err ? -a->err : fd >= 0 ? fd : -EPROTO;
		if (fd >= 0)
			close(fd);
	}
}

static int ask(struct exec *x, struct exec_file_request *r, int ms)
{
	struct exec_file_answer a = { .id = 0 };
	int fd;

	r->id = ++x->last_file;
	if (x->files < 0)
		return -EPIPE;
	if (exec_send_fd(x->files, r, sizeof(*r), -1) < 0)
		return -errno;
	fd = wait_answer(x->files, r->id, ms, &a);
	x->owed = a.id == r->id ? 0 : r->id;
	return fd;
}

/* It has not answered the last one yet. */
static bool owes(struct exec *x)
{
	struct exec_file_answer a = { .id = 0 };
	int fd;

	if (!x->owed || x->files < 0)
		return false;
	fd = wait_answer(x->files, x->owed, 0, &a);
	if (fd == -ETIMEDOUT && a.id != x->owed)
		return true;
	if (fd >= 0)
		close(fd); /* of some time ago */
	x->owed = 0;
	return false;
}

/* The first file of a configuration is itself. */
static int open_conf(struct exec *x)
{
	struct exec_file_request r = { .number = 0 };
	int fd, err;

	if (x->used)
		memcpy(r.of, x->used->conf_id, sizeof(r.of));
	fd = ask(x, &r, WAIT_MS);
	err = fd < 0 ? fd : exec_names_identify(x->loading, fd);
	if (fd >= 0 && err)
		close(fd);
	return err ? err : fd;
}

static int open_file(struct exec *x, const char *path, int ms)
{
	struct exec_names *n = x->loading ? x->loading : x->used;
	struct exec_file_request r = { .id = 0 };
	bool first = x->loading && !n->files.count;
	int number;

	if (!n)
		return -ENOENT;
	number = x->loading ? exec_list_add(&n->files, path)
			    : exec_list_find(&n->files, path);
	if (number < 0)
		return number;
	if (first)
		return open_conf(x);
	r.number = (uint32_t)number;
	memcpy(r.of, n->conf_id, sizeof(r.of));
	return ask(x, &r, ms);
}

int exec_open_file(void *arg, const char *path)
{
	return open_file(arg, path, WAIT_MS);
}

int exec_look_file(struct exec *x, const char *path)
{
	return owes(x) ? -ETIMEDOUT : open_file(x, path, LOOK_MS);
}

/* --- files that are compared ------------------------------------------------- */

int exec_channel(struct exec *x)
{
	struct exec_file_request r = { .number = EXEC_CHANNEL };

	return ask(x, &r, WAIT_MS);
}

void exec_watched(const struct exec *x, const char *pattern,
		  struct exec_watched *out)
{
	char text[FACT_NAME_MAX + sizeof(EXEC_WATCHED)];
	int number;

	snprintf(text, sizeof(text), EXEC_WATCHED "%s", pattern);
	number = x->used ? exec_list_find(&x->used->files, text) : -ENOENT;
	out->first = (uint32_t)number;
	if (number >= 0)
		memcpy(out->of, x->used->conf_id, sizeof(out->of));
}

int exec_open_watched(struct exec_watched *w, size_t pattern, uint32_t match,
		      char name[FACT_NAME_MAX])
{
	struct exec_file_request r = { .id = ++w->last,
				       .number = w->first + (uint32_t)pattern,
				       .match = match };
	struct exec_file_answer a = { .name = "" };
	int fd;

	memcpy(r.of, w->of, sizeof(r.of));
	*name = '\0';
	if (exec_send_fd(w->channel, &r, sizeof(r), -1) < 0)
		return -errno;
	fd = wait_answer(w->channel, r.id, WAIT_MS, &a);
	snprintf(name, FACT_NAME_MAX, "%s", a.name);
	return fd;
}
