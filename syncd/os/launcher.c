/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The launcher and its child, the same program once more. What the two
 * programs say to each other is handoff's.
 *
 * Implements rules 14, "Upgrade".
 *
 * Invariant: the launcher has no descriptor but its own socket, what is to be
 * handed on, and the daemon's input and output, where the new one logs.
 */
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOCKET_FD 3 /* of the launcher, and of what it starts */
#define VARIABLE  "STATESYNC_TAKEOVER"
#define PATH_SIZE 4096
#define POLL_MS	  100

extern char **environ;

struct launcher {
	int fd;
	pid_t pid;
};

/* How it ended: the one message of the launcher. */
struct end {
	int how; /* enum launcher_condition */
	int status;
};

/* --- the launcher ------------------------------------------------------- */

/* The file may be another one by now: that is what it is for. */
static void find_program(const char *name, char path[PATH_SIZE])
{
	ssize_t n;

	if (name[0] == '/') {
		snprintf(path, PATH_SIZE, "%s", name);
		return;
	}
	n = readlink("/proc/self/exe", path, PATH_SIZE - 1);
	path[n > 0 ? n : 0] = '\0';
}

static int spawn(const char *path, char *const argv[], int fd, pid_t *pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int err;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	/* it takes the place of the launcher's own */
	err = posix_spawn_file_actions_adddup2(&files, fd, SOCKET_FD);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK |
						POSIX_SPAWN_SETSIGDEF);
	if (!err)
		err = posix_spawn(pid, path, &files, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return err;
}

static void say(int how, int status)
{
	const struct end e = { how, status };

	(void)!send(SOCKET_FD, &e, sizeof(e), MSG_NOSIGNAL);
}

/* One order: with a descriptor, to start; without, to kill. False when the
 * daemon is gone. */
static bool read_order(int *fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *c;

	*fd = -1;
	if (recvmsg(SOCKET_FD, &msg, MSG_CMSG_CLOEXEC) <= 0)
		return false;
	c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	return true;
}

struct child {
	pid_t pid; /* 0: none */
	int pidfd; /* -1: none, or not to be had, and it is polled */
};

static void start(struct child *ch, const char *path, char *const argv[],
		  int fd)
{
	int err = ch->pid ? EBUSY : spawn(path, argv, fd, &ch->pid);

	close(fd);
	if (err) {
		say(LAUNCHER_FAILED, err);
		return;
	}
	ch->pidfd = (int)syscall(SYS_pidfd_open, ch->pid, 0);
	if (ch->pidfd >= 0)
		(void)fcntl(ch->pidfd, F_SETFD, FD_CLOEXEC);
}

static void reap(struct child *ch)
{
	int status = 0;

	if (waitpid(ch->pid, &status, WNOHANG) != ch->pid)
		return;
	if (ch->pidfd >= 0)
		close(ch->pidfd);
	*ch = (struct child){ .pidfd = -1 };
	say(LAUNCHER_ENDED, status);
}

static void serve(const char *path, char *const argv[])
{
	struct child ch = { .pidfd = -1 };

	for (;;) {
		struct pollfd fds[2] = {
			{ .fd = SOCKET_FD, .events = POLLIN },
			{ .fd = ch.pidfd, .events = POLLIN },
		};
		bool blind = ch.pid && ch.pidfd < 0;
		int fd;

		if (poll(fds, 2, blind ? POLL_MS : -1) < 0)
			continue;
		if (ch.pid)
			reap(&ch);
		if (!fds[0].revents)
			continue;
		if (!read_order(&fd))
			return;
		if (fd >= 0)
			start(&ch, path, argv, fd);
		else if (ch.pid)
			(void)kill(ch.pid, SIGKILL);
	}
}

static void launcher(int fd, char *const argv[]) __attribute__((noreturn));
static void launcher(int fd, char *const argv[])
{
	static const int ignored[] = { SIGTERM, SIGINT,	 SIGHUP, SIGQUIT,
				       SIGPIPE, SIGUSR1, SIGUSR2 };
	char path[PATH_SIZE];

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	find_program(argv[0], path);
	(void)prctl(PR_SET_NAME, "statesync-start");
	if (dup2(fd, SOCKET_FD) < 0 || close_range(SOCKET_FD + 1, ~0U, 0) < 0 ||
	    fcntl(SOCKET_FD, F_SETFD, FD_CLOEXEC) < 0 ||
	    setenv(VARIABLE, "1", 1) < 0)
		_exit(EXIT_FAILURE);
	serve(path, argv);
	_exit(EXIT_SUCCESS);
}

/* --- the daemon --------------------------------------------------------- */

struct launcher *launcher_open(char *const argv[])
{
	struct launcher *l = calloc(1, sizeof(*l));
	int fds[2], err;

	if (!l)
		return NULL;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
		err = errno;
		free(l);
		errno = err;
		return NULL;
	}
	l->pid = fork();
	if (l->pid == 0)
		launcher(fds[1], argv);
	err = errno;
	close(fds[1]);
	l->fd = fds[0];
	if (l->pid > 0)
		return l;
	close(l->fd);
	free(l);
	errno = err;
	return NULL;
}

void launcher_close(struct launcher *l)
{
	if (!l)
		return;
	if (l->fd >= 0) {
		close(l->fd);
		(void)waitpid(l->pid, NULL, 0); /* it ends at once */
	}
	free(l);
}

int launcher_fd(const struct launcher *l)
{
	return l->fd;
}

int launcher_start(struct launcher *l, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	char byte = 's';
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(l->fd, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

void launcher_kill(struct launcher *l)
{
	(void)!send(l->fd, "k", 1, MSG_NOSIGNAL);
}

int launcher_read(struct launcher *l, int *status, int ms)
{
	struct pollfd p = { .fd = l->fd, .events = POLLIN };
	struct end e;

	if (l->fd < 0 || poll(&p, 1, ms) <= 0)
		return 0;
	if (recv(l->fd, &e, sizeof(e), MSG_DONTWAIT) == sizeof(e)) {
		*status = e.status;
		return e.how;
	}
	close(l->fd);
	l->fd = -1;
	(void)waitpid(l->pid, NULL, 0);
	return LAUNCHER_GONE;
}

int launcher_given(void)
{
	struct stat st;

	if (!getenv(VARIABLE))
		return -1;
	unsetenv(VARIABLE);
	if (fstat(SOCKET_FD, &st) < 0 || !S_ISSOCK(st.st_mode) ||
	    fcntl(SOCKET_FD, F_SETFD, FD_CLOEXEC) < 0)
		return -1;
	return SOCKET_FD;
}
