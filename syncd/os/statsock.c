// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The stats socket: lines in, answers out. It is not the commands, nor does
 * it know a screen; and it never waits for anybody.
 *
 * Implements section 4 of the operator's manual (protocol of the socket):
 * one line then close; the interactive modes are not there yet.
 *
 * Invariant: a client costs at most its request line, STATSOCK_OUTPUT_MAX of
 * answer and a timer, and ends: by its own doing, or by a time limit in each
 * state but RUNNING, where the command is under way and the client is looked
 * at four times a second.
 */
#include "statsock.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <grp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX	 32
#define CLIENTS_MAX_ROOT 34
#define LINE_LIMIT_MS	 10000
#define DRAIN_LIMIT_MS	 10000
#define TICK_MS		 250
#define GROUPS_MAX	 256
#define NO_GID		 ((gid_t)-1)

enum client_state {
	CLIENT_READING, /* its line */
	CLIENT_NEXT,	/* a command may be left in the line */
	CLIENT_RUNNING, /* a command, until statsock_end() */
	CLIENT_ENDING,	/* the answer is being read */
};

struct stats_client {
	struct statsock *ss;
	struct stats_client *next;
	struct bufferevent *bev;
	struct event *timer;
	enum client_state state;
	int64_t since_ms;  /* accepted */
	int64_t unread_ms; /* something to read is there since; 0: nothing */
	bool overflow;	   /* the answer was too long */
	bool in_line;	   /* the body's last byte was not a newline */
	uid_t uid;
	bool may_change;
	statsock_close_fn *on_close;
	void *on_close_ctx;
	size_t line_len, line_used;
	char line[STATSOCK_LINE_MAX + 2]; /* room for CR or NUL */
};

struct statsock {
	struct event_base *base;
	statsock_handler_fn *handler;
	void *arg;
	int fd;
	struct event *listener, *accept_pause;
	struct stats_client *clients;
	unsigned int num_clients;
	gid_t admin_gid;
	dev_t dev;
	ino_t ino;
	uint64_t counts[STATSOCK_COUNTERS];
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Looking at things is never as urgent as doing them. */
static struct event *event_make(struct statsock *ss, int fd, short what,
				event_callback_fn fn, void *arg)
{
	struct event *ev = event_new(ss->base, fd, what, fn, arg);

	if (ev)
		event_priority_set(ev,
				   event_base_get_npriorities(ss->base) - 1);
	return ev;
}

int statsock_split(char *line, size_t len, char **argv, size_t *used)
{
	bool word = false, quoted = false;
	size_t in, out = 0;
	int argc = 0;

	for (in = 0; in < len && (quoted || line[in] != ';'); in++) {
		const char c = line[in];
		const bool blank = c == ' ' || c == '\t';

		*used = len;
		if (((unsigned char)c < ' ' && c != '\t') || c == 0x7f)
			return -EINVAL;
		if (blank && !quoted) {
			if (word)
				line[out++] = '\0';
			word = false;
			continue;
		}
		if (!word) {
			if (argc == STATSOCK_ARGS_MAX)
				return -E2BIG;
			argv[argc++] = line + out;
			word = true;
		}
		if (c == '"')
			quoted = !quoted;
		else
			line[out++] = c;
	}
	*used = in < len ? in + 1 : len;
	if (quoted)
		return -EINVAL;
	if (word)
		line[out] = '\0';
	return argc;
}

/* --- answers ------------------------------------------------------------ */

static size_t unread(const struct stats_client *c)
{
	return evbuffer_get_length(bufferevent_get_output(c->bev));
}

int statsock_write(struct stats_client *c, const char *data, size_t len)
{
	while (len) {
		const char *end = memchr(data, '\n', len);
		size_t n = end ? (size_t)(end - data) + 1 : len;

		if (c->overflow || unread(c) + n + 1 > STATSOCK_OUTPUT_MAX) {
			c->overflow = true;
			return -ENOBUFS;
		}
		if (*data == '\n' && !c->in_line)
			bufferevent_write(c->bev, " ", 1);
		bufferevent_write(c->bev, data, n);
		c->in_line = !end;
		data += n;
		len -= n;
	}
	return 0;
}

int statsock_printf(struct stats_client *c, const char *fmt, ...)
{
	va_list ap;
	char *text;
	int n, rc;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		c->overflow = true;
		return -ENOBUFS;
	}
	rc = statsock_write(c, text, (size_t)n);
	free(text);
	return rc;
}

/* The status line and the empty line: always there is room for them. */
static void put_status(struct stats_client *c, enum stats_verdict verdict,
		       const char *sentence)
{
	static const char *const words[] = { "ok", "no", "error" };
	struct evbuffer *out = bufferevent_get_output(c->bev);

	if (c->in_line)
		evbuffer_add(out, "\n", 1);
	if (verdict == STATS_OK || !sentence)
		evbuffer_add_printf(out, "%s\n\n", words[verdict]);
	else
		evbuffer_add_printf(out, "%s: %s\n\n", words[verdict],
				    sentence);
	c->in_line = false;
}

void statsock_end(struct stats_client *c, enum stats_verdict verdict,
		  const char *sentence)
{
	if (c->overflow)
		put_status(c, STATS_ERROR,
			   "the answer is longer than 262144 bytes; read it "
			   "faster, or ask for less");
	else
		put_status(c, verdict, sentence);
	c->overflow = false;
	c->on_close = NULL;
	c->state = CLIENT_NEXT;
	event_active(c->timer, EV_TIMEOUT, 0);
}

void statsock_on_close(struct stats_client *c, statsock_close_fn *fn, void *ctx)
{
	c->on_close = fn;
	c->on_close_ctx = ctx;
}

uid_t statsock_client_uid(const struct stats_client *c)
{
	return c->uid;
}

bool statsock_client_may_change(const struct stats_client *c)
{
	return c->may_change;
}

uint64_t statsock_count(const struct statsock *ss, enum statsock_counter n)
{
	return ss->counts[n];
}

/* --- a client's life ---------------------------------------------------- */

/* What is left unread here would turn the end into a reset over there. */
static void discard_input(int fd)
{
	char waste[4096];

	for (int i = 0; i < 16; i++)
		if (recv(fd, waste, sizeof(waste), MSG_DONTWAIT) <= 0)
			return;
}

static void client_free(struct stats_client *c)
{
	struct stats_client **p = &c->ss->clients;

	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	c->ss->num_clients--;
	if (c->state == CLIENT_RUNNING && c->on_close)
		c->on_close(c->on_close_ctx, c);
	discard_input(bufferevent_getfd(c->bev));
	bufferevent_free(c->bev);
	event_free(c->timer);
	free(c);
}

/* Over before its answer was complete. */
static void client_drop(struct stats_client *c, enum statsock_counter why)
{
	c->ss->counts[why]++;
	client_free(c);
}

/* Refuses the whole request; the client then reads that and goes. */
static void refuse(struct stats_client *c, enum statsock_counter why,
		   const char *sentence)
{
	c->ss->counts[why]++;
	put_status(c, STATS_ERROR, sentence);
	c->line_used = c->line_len = 0;
	c->state = CLIENT_ENDING;
	bufferevent_disable(c->bev, EV_READ);
}

static void run_next(struct stats_client *c)
{
	char *argv[STATSOCK_ARGS_MAX];
	size_t used = 0;
	int argc = 0;

	while (!argc && c->line_used < c->line_len) {
		argc = statsock_split(c->line + c->line_used,
				      c->line_len - c->line_used, argv, &used);
		c->line_used += used;
	}
	if (argc > 0) {
		c->state = CLIENT_RUNNING;
		c->ss->handler(c->ss->arg, c, argc, argv);
	} else if (argc < 0) {
		refuse(c, STATSOCK_GARBAGE,
		       argc == -E2BIG
			       ? "the request has more than 32 words"
			       : "the request holds a control byte or an open "
				 "quote; one line of words: help");
	} else {
		c->state = CLIENT_ENDING;
	}
}

static void take_line(struct stats_client *c, size_t len)
{
	bufferevent_disable(c->bev, EV_READ);
	if (len && c->line[len - 1] == '\r')
		len--;
	if (len > STATSOCK_LINE_MAX) {
		refuse(c, STATSOCK_GARBAGE,
		       "the request is longer than 1024 bytes");
		return;
	}
	c->line[len] = '\0';
	c->line_len = len;
	if (strspn(c->line, " \t;") == len) {
		refuse(c, STATSOCK_GARBAGE,
		       "the request is empty; one line of words: help");
		return;
	}
	c->state = CLIENT_NEXT;
	run_next(c);
}

/* With `eof` a line without its newline counts as one. */
static void look_for_line(struct stats_client *c, bool eof)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	ev_ssize_t len = evbuffer_copyout(in, c->line, sizeof(c->line));
	const char *end = len > 0 ? memchr(c->line, '\n', len) : NULL;

	if (end)
		take_line(c, (size_t)(end - c->line));
	else if (len > STATSOCK_LINE_MAX || (eof && len > 0))
		take_line(c, (size_t)len);
	else if (eof)
		client_drop(c, STATSOCK_VANISHED);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct stats_client *c = arg;

	(void)bev;
	if (c->state == CLIENT_READING)
		look_for_line(c, false);
}

static void on_written(struct bufferevent *bev, void *arg)
{
	struct stats_client *c = arg;

	(void)bev;
	if (c->state == CLIENT_ENDING && !unread(c))
		client_free(c);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct stats_client *c = arg;

	(void)bev;
	if (c->state == CLIENT_READING && (what & BEV_EVENT_EOF))
		look_for_line(c, true);
	else
		client_drop(c, STATSOCK_VANISHED);
}

/* Both directions shut: not just the end of its requests. */
static bool hung_up(const struct stats_client *c)
{
	struct pollfd p = { .fd = bufferevent_getfd(c->bev) };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR));
}

static void arm_tick(struct stats_client *c)
{
	const struct timeval tv = { .tv_usec = TICK_MS * 1000 };

	event_add(c->timer, &tv);
}

/* True when the client is gone. */
static bool check_limits(struct stats_client *c)
{
	const int64_t now = now_ms();

	if (c->state == CLIENT_READING && now - c->since_ms >= LINE_LIMIT_MS) {
		refuse(c, STATSOCK_TIMEOUT, "no request within 10 s");
		return false;
	}
	if (hung_up(c)) {
		client_drop(c, STATSOCK_VANISHED);
		return true;
	}
	if (!unread(c)) {
		c->unread_ms = 0;
	} else if (!c->unread_ms) {
		c->unread_ms = now;
	} else if (now - c->unread_ms >= DRAIN_LIMIT_MS) {
		client_drop(c, STATSOCK_STUCK);
		return true;
	}
	return false;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct stats_client *c = arg;

	(void)fd, (void)what;
	arm_tick(c);
	if (check_limits(c))
		return;
	if (c->state == CLIENT_NEXT)
		run_next(c);
	if (c->state == CLIENT_ENDING && !unread(c))
		client_free(c);
}

/* --- the door ----------------------------------------------------------- */

static bool in_group(int fd, gid_t wanted)
{
	gid_t groups[GROUPS_MAX];
	socklen_t len = sizeof(groups);

	if (wanted == NO_GID ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return false;
	for (size_t i = 0; i < len / sizeof(groups[0]); i++)
		if (groups[i] == wanted)
			return true;
	return false;
}

static struct stats_client *client_new(struct statsock *ss, int fd)
{
	struct stats_client *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->ss = ss;
	c->timer = event_make(ss, -1, 0, on_tick, c);
	c->bev = bufferevent_socket_new(ss->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!c->timer || !c->bev) {
		if (c->timer)
			event_free(c->timer);
		if (c->bev)
			bufferevent_free(c->bev);
		else
			close(fd);
		free(c);
		return NULL;
	}
	c->since_ms = now_ms();
	c->next = ss->clients;
	ss->clients = c;
	ss->num_clients++;
	bufferevent_priority_set(c->bev,
				 event_base_get_npriorities(ss->base) - 1);
	bufferevent_setwatermark(c->bev, EV_READ, 0, sizeof(c->line));
	bufferevent_setcb(c->bev, on_read, on_written, on_event, c);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	arm_tick(c);
	return c;
}

/* The 33rd is told why; whether he reads it is up to him. */
static bool turn_away(struct statsock *ss, int fd, uid_t uid)
{
	static const char sentence[] =
		"error: 32 clients are connected, at most 32; try again\n\n";

	if (ss->num_clients < (uid ? CLIENTS_MAX : CLIENTS_MAX_ROOT))
		return false;
	ss->counts[STATSOCK_LIMIT]++;
	(void)!send(fd, sentence, sizeof(sentence) - 1,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
	discard_input(fd);
	close(fd);
	return true;
}

static void on_accept(evutil_socket_t listen_fd, short what, void *arg)
{
	struct statsock *ss = arg;
	struct ucred cred = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(cred);
	struct stats_client *c;
	int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)what;
	if (fd < 0) {
		const struct timeval tv = { .tv_usec = 100000 };

		if (errno != EAGAIN && errno != EINTR &&
		    errno != ECONNABORTED) {
			event_del(ss->listener);
			event_add(ss->accept_pause, &tv);
		}
		return;
	}
	(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);
	if (turn_away(ss, fd, cred.uid))
		return;
	c = client_new(ss, fd);
	if (!c)
		return;
	ss->counts[STATSOCK_CLIENTS]++;
	c->uid = cred.uid;
	c->may_change = cred.uid == 0 || cred.gid == ss->admin_gid ||
			in_group(fd, ss->admin_gid);
}

static void on_accept_pause(evutil_socket_t fd, short what, void *arg)
{
	struct statsock *ss = arg;

	(void)fd, (void)what;
	event_add(ss->listener, NULL);
}

static gid_t find_group(const char *name)
{
	const struct group *group = getgrnam(name);

	return group ? group->gr_gid : NO_GID;
}

/* Removes a socket file that a dead daemon has left behind. */
static int remove_stale(const struct sockaddr_un *un)
{
	struct stat st;
	int fd, rc = -EADDRINUSE;

	if (lstat(un->sun_path, &st) < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode))
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)un, sizeof(*un)) < 0 &&
	    errno == ECONNREFUSED)
		rc = unlink(un->sun_path) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

/* The directory of a path under /run is gone after a boot. */
static int make_parent(const char *path)
{
	const gid_t gid = find_group("statesync");
	char dir[sizeof(((struct statsock *)0)->path)];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return -ENOENT;
	*slash = '\0';
	if (mkdir(dir, 0750) < 0)
		return -errno;
	if (gid != NO_GID && chown(dir, (uid_t)-1, gid) < 0)
		return -errno;
	return 0;
}

static int bind_path(struct statsock *ss, const struct sockaddr_un *un)
{
	const struct sockaddr *sa = (const struct sockaddr *)un;
	/* No moment in which others could open it. */
	const mode_t mask = umask(0117);
	int rc = bind(ss->fd, sa, sizeof(*un)) < 0 ? -errno : 0;

	if (rc == -EADDRINUSE)
		rc = remove_stale(un);
	else if (rc == -ENOENT)
		rc = make_parent(un->sun_path);
	else
		goto out;
	if (!rc && bind(ss->fd, sa, sizeof(*un)) < 0)
		rc = -errno;
out:
	umask(mask);
	return rc;
}

static int open_socket(struct statsock *ss)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	const gid_t gid = find_group("statesync");
	struct stat st;
	int rc;

	memcpy(un.sun_path, ss->path, sizeof(un.sun_path));
	ss->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (ss->fd < 0)
		return -errno;
	rc = bind_path(ss, &un);
	if (rc)
		return rc;
	if (stat(ss->path, &st) < 0)
		return -errno;
	ss->dev = st.st_dev;
	ss->ino = st.st_ino;
	if (gid != NO_GID && chown(ss->path, (uid_t)-1, gid) < 0)
		return -errno;
	return listen(ss->fd, CLIENTS_MAX_ROOT) < 0 ? -errno : 0;
}

int statsock_new(struct event_base *base, const char *path,
		 statsock_handler_fn *handler, void *arg, struct statsock **out)
{
	struct statsock *ss;
	int rc;

	*out = NULL;
	if (strlen(path) >= sizeof(ss->path))
		return -ENAMETOOLONG;
	ss = calloc(1, sizeof(*ss));
	if (!ss)
		return -ENOMEM;
	ss->base = base;
	ss->handler = handler;
	ss->arg = arg;
	ss->admin_gid = find_group("statesync-admin");
	memcpy(ss->path, path, strlen(path));
	rc = open_socket(ss);
	if (!rc) {
		ss->listener = event_make(ss, ss->fd, EV_READ | EV_PERSIST,
					  on_accept, ss);
		ss->accept_pause = event_make(ss, -1, 0, on_accept_pause, ss);
		if (!ss->listener || !ss->accept_pause ||
		    event_add(ss->listener, NULL) < 0)
			rc = -ENOMEM;
	}
	if (rc) {
		statsock_free(ss);
		return rc;
	}
	*out = ss;
	return 0;
}

void statsock_free(struct statsock *ss)
{
	struct stat st;

	if (!ss)
		return;
	while (ss->clients)
		client_free(ss->clients);
	if (ss->listener)
		event_free(ss->listener);
	if (ss->accept_pause)
		event_free(ss->accept_pause);
	if (ss->fd >= 0)
		close(ss->fd);
	/* Only ours: another daemon may have taken the name since. */
	if (ss->ino && !lstat(ss->path, &st) && st.st_dev == ss->dev &&
	    st.st_ino == ss->ino)
		unlink(ss->path);
	free(ss);
}
