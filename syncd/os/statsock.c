// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The stats socket's door: the file, who may come in, how many. What a
 * client says is statsock_client's.
 *
 * Implements THE SOCKET of statesync(8): rights, limits, who may change things.
 *
 * Invariant: only the file that this process has made is removed, or one on
 * which nobody listens.
 */
#include "statsock_int.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

#define CLIENTS_MAX	 32
#define CLIENTS_MAX_ROOT 34
#define GROUPS_MAX	 256
#define NO_GID		 ((gid_t)-1)

/* Looking at things is never as urgent as doing them. */
struct event *statsock_event(struct statsock *ss, int fd, short what,
			     event_callback_fn fn, void *arg)
{
	struct event *ev = event_new(ss->base, fd, what, fn, arg);

	if (ev)
		event_priority_set(ev,
				   event_base_get_npriorities(ss->base) - 1);
	return ev;
}

const char *statsock_counter_name(enum statsock_counter n)
{
	static const char *const names[STATSOCK_COUNTERS] = {
		[STATSOCK_CLIENTS] = "clients",
		[STATSOCK_LIMIT] = "limit",
		[STATSOCK_GARBAGE] = "garbage",
		[STATSOCK_TIMEOUT] = "timeout",
		[STATSOCK_STUCK] = "stuck",
		[STATSOCK_VANISHED] = "vanished",
	};

	return names[n];
}

uint64_t statsock_count(const struct statsock *ss, enum statsock_counter n)
{
	return ss->counts[n];
}

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
	stats_client_discard(fd);
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
			log_accept("the stats socket", errno, &ss->said);
			event_del(ss->listener);
			event_add(ss->accept_pause, &tv);
		}
		return;
	}
	(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);
	if (turn_away(ss, fd, cred.uid))
		return;
	c = stats_client_new(ss, fd);
	if (!c)
		return;
	ss->counts[STATSOCK_CLIENTS]++;
	c->uid = cred.uid;
	c->pid = cred.pid;
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

/* Who is not of that group cannot, and keeps it for himself and root. */
static int give_to(const char *path, gid_t gid)
{
	if (gid == NO_GID || chown(path, (uid_t)-1, gid) == 0)
		return 0;
	if (errno != EPERM)
		return -errno;
	log_msg(LOG_WARNING,
		"%s: cannot be given to group statesync, of which this process "
		"is not; only it and root can use it. add its user to the "
		"group",
		path);
	return 0;
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
	return give_to(dir, gid);
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

/* What the path is now, so that nothing else is removed. */
static int note_file(struct statsock *ss)
{
	struct stat st;

	if (stat(ss->path, &st) < 0)
		return -errno;
	ss->dev = st.st_dev;
	ss->ino = st.st_ino;
	return 0;
}

static int open_socket(struct statsock *ss)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	const gid_t gid = find_group("statesync");
	int rc;

	memcpy(un.sun_path, ss->path, sizeof(un.sun_path));
	ss->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (ss->fd < 0)
		return -errno;
	rc = bind_path(ss, &un);
	if (!rc)
		rc = note_file(ss);
	if (rc)
		return rc;
	rc = give_to(ss->path, gid);
	if (rc)
		return rc;
	return listen(ss->fd, CLIENTS_MAX_ROOT) < 0 ? -errno : 0;
}

int statsock_fd(const struct statsock *ss)
{
	return ss->fd;
}

int statsock_new(struct event_base *base, const char *path,
		 statsock_handler_fn *handler, void *arg, struct statsock **out)
{
	return statsock_adopt(base, path, -1, handler, arg, out);
}

/* fd: -1 to make one. */
int statsock_adopt(struct event_base *base, const char *path, int fd,
		   statsock_handler_fn *handler, void *arg,
		   struct statsock **out)
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
	ss->fd = fd;
	ss->admin_gid = find_group("statesync-admin");
	memcpy(ss->path, path, strlen(path));
	rc = fd < 0 ? open_socket(ss) : note_file(ss);
	if (!rc) {
		ss->listener = statsock_event(ss, ss->fd, EV_READ | EV_PERSIST,
					      on_accept, ss);
		ss->accept_pause =
			statsock_event(ss, -1, 0, on_accept_pause, ss);
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
		stats_client_free(ss->clients);
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
