/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The helper: one loop over the daemon's socket, the ends of children and
 * their output. It knows commands, queues and limits, not what they are for.
 *
 * Text: exec.h; posix_spawn(3), signalfd(2).
 *
 * Invariant: no descriptor of the daemon but its own end of the pair is open
 * here, and none at all in a command but its input and output.
 */
#include "clock.h"
#include "exec_int.h"

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
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "exec_table.h"

#define SOCKET_FD  3
#define FILES_FD   4
#define FIRST_JOB  4 /* of what is waited for */
#define READ_SIZE  4096
#define PIPE_READS 16 /* what a pipe holds */
#define NS_PER_S   1000000000LL
#define NS_PER_MS  1000000LL
#define GRACE_NS   (2 * NS_PER_S)    /* between SIGTERM and SIGKILL */
#define LOOK_NS	   (100 * NS_PER_MS) /* is what was left behind gone? */

struct job {
	uint64_t id; /* 0: free; ascending, so the order, too */
	uint32_t queue;
	char *command; /* of its own: the configuration may change; then env's */
	char **env;
	int64_t limit_ns, deadline_ns;
	pid_t pid; /* 0: it waits */
	int out;   /* its output; -1 */
	bool ended, timed_out;
	bool killed; /* all of it, by SIGKILL */
	bool reaped; /* it ended in its grace, what it began did not */
	struct exec_answer end; /* once it ended: to be sent */
	unsigned lines, dropped;
	size_t len;
	char line[EXEC_LINE_MAX];
};

struct helper {
	bool finishing; /* the daemon leaves in order */
	bool orphan;	/* it is gone */
	int signals, files;
	struct exec_table table;
	struct job jobs[EXEC_JOBS_MAX];
	char text[EXEC_ENV_MAX + 1]; /* behind a request */
};

/* --- output ------------------------------------------------------------- */

static void say_line(struct job *j, const char *text, size_t len)
{
	const struct exec_answer a = { .id = j->id, .how = EXEC_LINE };

	if (exec_send(SOCKET_FD, &a, sizeof(a), text, len) < 0)
		j->dropped++;
}

static void end_line(struct job *j)
{
	if (j->len && j->lines++ < EXEC_LINES_MAX)
		say_line(j, j->line, j->len);
	else if (j->len)
		j->dropped++;
	j->len = 0;
}

/* False at its end, or where nothing waits. One read: who writes without end
 * is not waited for. */
static bool read_output(struct job *j)
{
	char buf[READ_SIZE];
	ssize_t n = read(j->out, buf, sizeof(buf));

	for (ssize_t i = 0; i < n; i++) {
		if (buf[i] != '\n')
			j->line[j->len++] = buf[i];
		if (buf[i] == '\n' || j->len == sizeof(j->line))
			end_line(j);
	}
	return n > 0;
}

static void close_output(struct job *j)
{
	char text[64];
	int n;

	if (j->out < 0)
		return;
	end_line(j);
	if (j->dropped) {
		n = snprintf(text, sizeof(text), "(%u more lines left out)",
			     j->dropped);
		say_line(j, text, (size_t)n);
	}
	close(j->out);
	j->out = -1;
}

/* --- life of a command -------------------------------------------------- */

static void end_job(struct job *j, enum exec_how how, int status)
{
	for (int i = 0; i < PIPE_READS; i++)
		if (j->out < 0 || !read_output(j))
			break;
	close_output(j);
	j->ended = true;
	j->end = (struct exec_answer){ j->id, how, status };
}

/* What a command inherits: default signals, a group of its own, no input. */
static int spawn(struct job *j, int out)
{
	const char *const argv[] = { "sh", "-c", j->command, NULL };
	union {
		const char *const *in;
		char *const *out; /* not written to, as POSIX says of execv */
	} args = { argv };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int err;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	err = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY,
					       0);
	if (!err)
		err = posix_spawn_file_actions_adddup2(&files, out, 1);
	if (!err)
		err = posix_spawn_file_actions_adddup2(&files, out, 2);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP |
						POSIX_SPAWN_SETSIGMASK |
						POSIX_SPAWN_SETSIGDEF);
	if (!err)
		err = posix_spawn(&j->pid, "/bin/sh", &files, &attr, args.out,
				  j->env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return err;
}

static void start(struct job *j)
{
	int out[2], err;

	if (pipe2(out, O_CLOEXEC | O_NONBLOCK) < 0) {
		end_job(j, EXEC_NOT_RUN, errno);
		return;
	}
	/* the command's end blocks, as programs expect */
	(void)fcntl(out[1], F_SETFL, 0);
	err = spawn(j, out[1]);
	close(out[1]);
	if (err) {
		close(out[0]);
		j->pid = 0;
		end_job(j, EXEC_NOT_RUN, err);
		return;
	}
	j->out = out[0];
	j->deadline_ns = clock_ns(CLOCK_MONOTONIC) + j->limit_ns;
}

static bool is_first(const struct helper *h, const struct job *j)
{
	for (size_t i = 0; j->queue && i < EXEC_JOBS_MAX; i++) {
		const struct job *o = &h->jobs[i];

		if (o->id && o->id < j->id && o->queue == j->queue && !o->ended)
			return false;
	}
	return true;
}

/* Anything of its group; the number is not another's as long as there is. */
static bool lives(const struct job *j)
{
	return kill(-j->pid, 0) == 0;
}

/*
 * Whose time is up is asked to end, then made to. A check is made to at once:
 * who waits for its answer should not wait longer than for any.
 */
static void limit(struct job *j, int64_t now)
{
	if (j->reaped && !lives(j))
		end_job(j, EXEC_TIMEOUT, 0);
	if (j->ended || j->killed || now < j->deadline_ns)
		return;
	j->killed = j->timed_out || j->queue == EXEC_CHECK;
	j->timed_out = true;
	j->deadline_ns = now + GRACE_NS;
	(void)kill(-j->pid, j->killed ? SIGKILL : SIGTERM);
	if (j->reaped)
		end_job(j, EXEC_TIMEOUT, 0);
}

static void reap(struct helper *h)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < EXEC_JOBS_MAX; i++) {
			struct job *j = &h->jobs[i];

			if (!j->id || j->pid != pid || j->ended || j->reaped)
				continue;
			if (j->timed_out && !j->killed && lives(j))
				j->reaped = true;
			else if (j->timed_out)
				end_job(j, EXEC_TIMEOUT, 0);
			else if (WIFSIGNALED(status))
				end_job(j, EXEC_SIGNALLED, WTERMSIG(status));
			else
				end_job(j, EXEC_EXITED, WEXITSTATUS(status));
		}
}

static void free_job(struct job *j)
{
	free(j->command);
	free(j->env);
	*j = (struct job){ .out = -1 };
}

/* --- the daemon ---------------------------------------------------------- */

/* text begins with a NUL, which ends the command, or is empty; it has one
 * behind it. */
static char *with_env(const char *command, const char *text, size_t len)
{
	size_t size = strlen(command);
	char *all = malloc(size + len + 1);

	if (all) {
		/* NOLINTNEXTLINE(bugprone-not-null-terminated-result) */
		memcpy(all, command, size);
		memcpy(all + size, text, len + 1);
	}
	return all;
}

/* The daemon never has more than EXEC_JOBS_MAX of them under way. */
static void add_job(struct helper *h, const struct exec_request *r, size_t len)
{
	const char *command = exec_table_command(&h->table, r->of, r->number);

	for (size_t i = 0; i < EXEC_JOBS_MAX; i++) {
		struct job *j = &h->jobs[i];

		if (j->id)
			continue;
		*j = (struct job){ .id = r->id,
				   .queue = r->queue,
				   .limit_ns = r->limit_ns,
				   .out = -1 };
		/* nobody adds a word to the command itself */
		if (!command || (len && h->text[0])) {
			end_job(j, EXEC_NOT_RUN, command ? EPERM : ESTALE);
			return;
		}
		j->command = with_env(command, h->text, len);
		if (j->command)
			j->env = exec_env_make(j->command,
					       strlen(command) + len);
		if (!j->env)
			end_job(j, EXEC_NOT_RUN, ENOMEM);
		return;
	}
}

static void orphaned(struct helper *h)
{
	h->orphan = true;
	for (size_t i = 0; i < EXEC_JOBS_MAX; i++) {
		struct job *j = &h->jobs[i];

		if (j->pid && !j->ended && j->queue == EXEC_CHECK)
			(void)kill(-j->pid, SIGKILL);
		if (j->id && !j->pid &&
		    (!h->finishing || j->queue == EXEC_CHECK))
			free_job(j);
	}
}

static void read_requests(struct helper *h)
{
	struct exec_request r;

	for (;;) {
		ssize_t n = exec_recv(SOCKET_FD, &r, sizeof(r), h->text,
				      sizeof(h->text));

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			orphaned(h);
			return;
		}
		if (r.id == EXEC_FINISH)
			h->finishing = true;
		else
			add_job(h, &r, (size_t)n);
	}
}

/* --- the loop ----------------------------------------------------------- */

struct waiting {
	struct pollfd fds[FIRST_JOB + EXEC_JOBS_MAX];
	struct job *jobs[EXEC_JOBS_MAX];
	nfds_t n;
	int64_t deadline_ns; /* 0: none */
	bool busy;	     /* something runs or waits */
};

/* Starts, kills and reports what is due. */
static void settle(struct helper *h, struct waiting *w)
{
	int64_t now = clock_ns(CLOCK_MONOTONIC), due;
	bool unsent = false;

	*w = (struct waiting){ .n = FIRST_JOB };
	for (size_t i = 0; i < EXEC_JOBS_MAX; i++) {
		struct job *j = &h->jobs[i];

		if (!j->id)
			continue;
		if (!j->pid && !j->ended && is_first(h, j))
			start(j);
		if (j->pid && !j->ended)
			limit(j, now);
		if (j->ended &&
		    (h->orphan || exec_send(SOCKET_FD, &j->end, sizeof(j->end),
					    "", 0) >= 0)) {
			free_job(j);
			/* whose turn it is now may stand before it */
			w->deadline_ns = now;
			continue;
		}
		w->busy = true;
		unsent |= j->ended;
		if (!j->pid || j->ended)
			continue;
		due = j->deadline_ns;
		if (j->reaped && due > now + LOOK_NS)
			due = now + LOOK_NS;
		if (!j->killed && (!w->deadline_ns || due < w->deadline_ns))
			w->deadline_ns = due;
		if (j->out < 0)
			continue;
		w->jobs[w->n - FIRST_JOB] = j;
		w->fds[w->n++] =
			(struct pollfd){ .fd = j->out, .events = POLLIN };
	}
	w->fds[0] =
		(struct pollfd){ .fd = h->orphan ? -1 : SOCKET_FD,
				 .events = unsent ? POLLIN | POLLOUT : POLLIN };
	w->fds[1] = (struct pollfd){ .fd = h->signals, .events = POLLIN };
	w->fds[2] = (struct pollfd){ .fd = h->files, .events = POLLIN };
	w->fds[3] = (struct pollfd){ .fd = h->table.channel, .events = POLLIN };
}

static void turn(struct helper *h, struct waiting *w)
{
	struct signalfd_siginfo info;
	int64_t left = w->deadline_ns - clock_ns(CLOCK_MONOTONIC);
	int ms = -1;

	if (w->deadline_ns)
		ms = left > 0 ? (int)(left / NS_PER_MS) + 1 : 0;
	if (poll(w->fds, w->n, ms) <= 0)
		return;
	for (nfds_t i = FIRST_JOB; i < w->n; i++)
		if (w->fds[i].revents && !read_output(w->jobs[i - FIRST_JOB]))
			close_output(w->jobs[i - FIRST_JOB]);
	if (w->fds[1].revents) {
		while (read(h->signals, &info, sizeof(info)) > 0)
			;
		reap(h);
	}
	/* before what may put another one in its place */
	if (w->fds[3].revents &&
	    !exec_table_serve(&h->table, h->table.channel)) {
		close(h->table.channel);
		h->table.channel = -1;
	}
	if (w->fds[2].revents && !exec_table_serve(&h->table, h->files))
		h->files = -1;
	if (w->fds[0].revents & ~POLLOUT)
		read_requests(h);
}

/* Of a service manager's stop, and of Ctrl-C, the daemon makes what it
 * wants; the helper ends with it. */
static int take_signals(void)
{
	static const int ignored[] = { SIGTERM, SIGINT,	 SIGHUP, SIGQUIT,
				       SIGPIPE, SIGUSR1, SIGUSR2 };
	sigset_t set;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_SETMASK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Only the sockets, at known places, and nothing of the daemon's input and
 * output. */
static bool drop_files(int fd, int files)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* neither is where the other is to be */
	fd = fcntl(fd, F_DUPFD, FILES_FD + 1);
	files = fcntl(files, F_DUPFD, FILES_FD + 1);
	for (int i = 0; i < 3; i++)
		if (null < 0 || dup2(null, i) < 0)
			return false;
	if (fd < 0 || files < 0 || dup2(fd, SOCKET_FD) < 0 ||
	    dup2(files, FILES_FD) < 0 || close_range(FILES_FD + 1, ~0U, 0) < 0)
		return false;
	return fcntl(SOCKET_FD, F_SETFD, FD_CLOEXEC) == 0 &&
	       fcntl(FILES_FD, F_SETFD, FD_CLOEXEC) == 0;
}

void exec_helper(int fd, int files, exec_loader *load, const char *path,
		 const void *arg)
{
	struct helper *h = calloc(1, sizeof(*h));
	struct waiting w;

	(void)prctl(PR_SET_NAME, "statesync-exec");
	(void)setsid(); /* no terminal of the daemon's */
	if (!h || !drop_files(fd, files))
		_exit(EXIT_FAILURE);
	h->files = FILES_FD;
	h->table = (struct exec_table){
		.load = load, .path = path, .arg = arg, .channel = -1
	};
	exec_env_path();
	h->signals = take_signals();
	for (size_t i = 0; i < EXEC_JOBS_MAX; i++)
		h->jobs[i].out = -1;
	do {
		settle(h, &w);
		if (h->orphan && !w.busy && !w.deadline_ns)
			break;
		turn(h, &w);
	} while (h->signals >= 0);
	_exit(EXIT_SUCCESS);
}
