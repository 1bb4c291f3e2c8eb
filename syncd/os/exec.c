/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The daemon's side of the helper: who asked for what. The processes are
 * exec_helper.c's, the meaning of a result is the caller's.
 *
 * Implements rules 14: forked before the owner socket exists.
 *
 * Invariant: for each exec_run() that returned 0 there is exactly one end,
 * unless it was forgotten.
 */
#include "exec_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"

#define NS_PER_MS 1000000

ssize_t exec_send(int fd, const void *header, size_t header_len,
		  const char *text, size_t len)
{
	union {
		const void *in;
		void *out; /* sendmsg reads it */
	} h = { header }, t = { text };
	struct iovec iov[2] = { { h.out, header_len }, { t.out, len } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	do
		n = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n;
}

ssize_t exec_recv(int fd, void *header, size_t header_len, char *text,
		  size_t size)
{
	struct iovec iov[2] = { { header, header_len }, { text, size - 1 } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	do
		n = recvmsg(fd, &msg, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return n;
	if (n < (ssize_t)header_len) {
		errno = n ? EBADMSG : EPIPE;
		return -1;
	}
	text[n - (ssize_t)header_len] = '\0';
	return n - (ssize_t)header_len;
}

/* --- life ------------------------------------------------------------------ */

static struct exec *new_exec(int fd, int files, pid_t pid)
{
	struct exec *x = calloc(1, sizeof(*x));

	if (!x) {
		close(fd);
		close(files);
		errno = ENOMEM;
		return NULL;
	}
	x->fd = fd;
	x->files = files;
	x->pid = pid;
	return x;
}

struct exec *exec_open(exec_loader *load, const char *path, const void *arg)
{
	int fds[2], files[2], err;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return NULL;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, files) < 0) {
		err = errno;
		close(fds[0]);
		close(fds[1]);
		errno = err;
		return NULL;
	}
	pid = fork();
	if (pid == 0)
		exec_helper(fds[1], files[1], load, path, arg);
	err = errno;
	close(fds[1]);
	close(files[1]);
	if (pid > 0)
		return new_exec(fds[0], files[0], pid);
	close(fds[0]);
	close(files[0]);
	errno = err;
	return NULL;
}

static int connect_to(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof(un.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(un.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
	    connect(fd, (const struct sockaddr *)&un, sizeof(un)) == 0)
		return fd;
	err = errno;
	close(fd);
	errno = err;
	return -1;
}

struct exec *exec_connect(const char *path)
{
	int fd = connect_to(path), files[2], err;
	ssize_t n;

	if (fd < 0)
		return NULL;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, files) < 0) {
		err = errno;
		close(fd);
		errno = err;
		return NULL;
	}
	n = exec_send_fd(fd, EXEC_HELLO, sizeof(EXEC_HELLO), files[1]);
	err = errno;
	close(files[1]);
	if (n > 0)
		return new_exec(fd, files[0], 0);
	close(fd);
	close(files[0]);
	errno = err;
	return NULL;
}

void exec_serve(int fd, exec_loader *load, const char *path, const void *arg)
{
	char hello[sizeof(EXEC_HELLO)] = "";
	int files;

	if (exec_recv_fd(fd, hello, sizeof(hello), &files) == sizeof(hello) &&
	    !memcmp(hello, EXEC_HELLO, sizeof(hello)) && files >= 0)
		exec_helper(fd, files, load, path, arg);
	_exit(EXIT_FAILURE); /* who asks speaks another language, or went */
}

void exec_close(struct exec *x)
{
	const struct exec_request finish = { .id = EXEC_FINISH };

	if (!x)
		return;
	if (x->fd >= 0) {
		(void)exec_send(x->fd, &finish, sizeof(finish), "", 0);
		close(x->fd);
		close(x->files);
		/* nobody waits for it: what it still does may take a while */
		if (x->pid)
			(void)waitpid(x->pid, NULL, WNOHANG);
	}
	exec_names_free(x->used);
	exec_names_free(x->draft);
	free(x);
}

int exec_fd(const struct exec *x)
{
	return x->fd;
}

static struct exec_asked *find(struct exec *x, uint64_t id)
{
	for (size_t i = 0; i < EXEC_JOBS_MAX; i++)
		if (x->asked[i].id == id)
			return &x->asked[i];
	return NULL;
}

int exec_run(struct exec *x, uint32_t queue, const char *command,
	     int64_t limit_ms, exec_cb *cb, void *arg)
{
	return exec_run_env(x, queue, command, NULL, limit_ms, cb, arg);
}

int exec_run_env(struct exec *x, uint32_t queue, const char *command,
		 const char *const *env, int64_t limit_ms, exec_cb *cb,
		 void *arg)
{
	int number =
		x->used ? exec_list_find(&x->used->commands, command) : -ENOENT;
	struct exec_request r = { .id = x->last_id + 1,
				  .limit_ns = limit_ms * NS_PER_MS,
				  .queue = queue,
				  .number = (uint32_t)number };
	struct exec_asked *a = find(x, 0);
	char text[EXEC_ENV_MAX + 1];
	int len = exec_env_pack(text, sizeof(text), "", env);

	if (x->fd < 0)
		return EXEC_GONE;
	if (number < 0 || len < 0)
		return number < 0 ? number : len;
	if (!a)
		return -EAGAIN;
	memcpy(r.of, x->used->commands_id, sizeof(r.of));
	if (exec_send(x->fd, &r, sizeof(r), text, (size_t)len) < 0)
		return -errno;
	*a = (struct exec_asked){ .id = ++x->last_id, .cb = cb, .arg = arg };
	return 0;
}

void exec_forget(struct exec *x, const void *arg)
{
	for (size_t i = 0; i < EXEC_JOBS_MAX; i++)
		if (x->asked[i].arg == arg)
			x->asked[i].cb = NULL;
}

static void tell(struct exec *x, uint64_t id, const struct exec_event *ev)
{
	struct exec_asked *a = find(x, id), was;

	if (!id || !a)
		return;
	was = *a;
	if (ev->how != EXEC_LINE)
		*a = (struct exec_asked){ 0 };
	if (was.cb)
		was.cb(ev, was.arg);
}

/* An administrator should be able to find out why. */
static void say_gone(pid_t pid)
{
	int status = 0;
	const char *how = "it ended";

	if (pid && waitpid(pid, &status, WNOHANG) == pid && WIFSIGNALED(status))
		how = sigdescr_np(WTERMSIG(status));
	log_msg(LOG_ERR,
		"the helper that runs commands (process %d) is gone: %s. no "
		"command is run any more, and scripts that are tracked count "
		"as down. restart statesyncd",
		(int)pid, how ? how : "killed");
}

static int lose(struct exec *x)
{
	const struct exec_event lost = { .how = EXEC_LOST };

	close(x->fd);
	close(x->files);
	x->fd = x->files = -1;
	say_gone(x->pid);
	for (size_t i = 0; i < EXEC_JOBS_MAX; i++)
		if (x->asked[i].id)
			tell(x, x->asked[i].id, &lost);
	return EXEC_GONE;
}

int exec_read(struct exec *x)
{
	char text[EXEC_LINE_MAX + 1];
	struct exec_answer a;

	while (x->fd >= 0) {
		ssize_t n = exec_recv(x->fd, &a, sizeof(a), text, sizeof(text));
		struct exec_event ev;

		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			return lose(x);
		ev = (struct exec_event){ a.how, a.status, text };
		tell(x, a.id, &ev);
	}
	return 0;
}

const char *exec_words(const struct exec_event *ev, char *text, int size)
{
	switch (ev->how) {
	case EXEC_EXITED:
		snprintf(text, (size_t)size, "exit status %d", ev->status);
		break;
	case EXEC_SIGNALLED:
		snprintf(text, (size_t)size, "killed by signal %d", ev->status);
		break;
	case EXEC_TIMEOUT:
		snprintf(text, (size_t)size, "timed out");
		break;
	case EXEC_NOT_RUN:
		snprintf(text, (size_t)size, "not run: %s",
			 ev->status == ESTALE ? "changed, and not reloaded"
					      : log_errno(ev->status));
		break;
	case EXEC_LOST:
		snprintf(text, (size_t)size, "the helper is gone");
		break;
	case EXEC_LINE:
		snprintf(text, (size_t)size, "runs");
		break;
	}
	return text;
}
