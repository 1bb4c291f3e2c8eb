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
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"

#define NS_PER_MS 1000000

struct asked {
	uint64_t id; /* 0: free */
	exec_cb *cb; /* NULL: forgotten */
	void *arg;
};

struct exec {
	int fd; /* -1: the helper is gone */
	pid_t pid;
	uint64_t last_id;
	struct asked asked[EXEC_JOBS_MAX];
};

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

struct exec *exec_open(void)
{
	struct exec *x = calloc(1, sizeof(*x));
	int fds[2], err;

	if (!x)
		return NULL;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
		err = errno;
		free(x);
		errno = err;
		return NULL;
	}
	x->pid = fork();
	if (x->pid == 0)
		exec_helper(fds[1]);
	err = errno;
	close(fds[1]);
	x->fd = fds[0];
	if (x->pid > 0)
		return x;
	close(x->fd);
	free(x);
	errno = err;
	return NULL;
}

void exec_close(struct exec *x)
{
	const struct exec_request finish = { .id = EXEC_FINISH };

	if (!x)
		return;
	if (x->fd >= 0) {
		(void)exec_send(x->fd, &finish, sizeof(finish), "", 0);
		close(x->fd);
		/* nobody waits for it: what it still does may take a while */
		(void)waitpid(x->pid, NULL, WNOHANG);
	}
	free(x);
}

int exec_fd(const struct exec *x)
{
	return x->fd;
}

static struct asked *find(struct exec *x, uint64_t id)
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
	char text[EXEC_COMMAND_MAX + 1];
	struct exec_request r = { .id = x->last_id + 1,
				  .limit_ns = limit_ms * NS_PER_MS,
				  .queue = queue };
	struct asked *a = find(x, 0);
	int len = exec_env_pack(text, sizeof(text), command, env);

	if (x->fd < 0)
		return EXEC_GONE;
	if (len < 0)
		return len;
	if (!a)
		return -EAGAIN;
	if (exec_send(x->fd, &r, sizeof(r), text, (size_t)len) < 0)
		return -errno;
	*a = (struct asked){ .id = ++x->last_id, .cb = cb, .arg = arg };
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
	struct asked *a = find(x, id), was;

	if (!id || !a)
		return;
	was = *a;
	if (ev->how != EXEC_LINE)
		*a = (struct asked){ 0 };
	if (was.cb)
		was.cb(ev, was.arg);
}

/* An administrator should be able to find out why. */
static void say_gone(pid_t pid)
{
	int status = 0;
	const char *how = "it ended";

	if (waitpid(pid, &status, WNOHANG) == pid && WIFSIGNALED(status))
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
	x->fd = -1;
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
			 log_errno(ev->status));
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
