// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The link's TCP: dialling, listening, who may come in. What is said on a
 * connection begins in peersock_conn.
 *
 * Implements rules 13: at most 8 connections that have not shown a key.
 *
 * Invariant: every socket of the link, dialled or accepted, has the options
 * of tune_socket() before its first packet.
 */
#include "log.h"
#include "peersock_int.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

#define CONNECT_LIMIT_MS 2000
#define ACCEPT_PAUSE_MS	 100

/* How long the kernel waits for an acknowledgement before the link is lost. */
#define DEAD_PEER_MS 3000
/*
 * What the kernel may hold: a word (heartbeat, handover) waits behind it.
 * The receive buffer bounds what is under way, so the send buffer need not.
 */
#define UNSENT_BYTES  (128 * 1024)
#define RECEIVE_BYTES (256 * 1024)

static socklen_t address_length(const struct sockaddr_storage *ss)
{
	return ss->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
					 : sizeof(struct sockaddr_in);
}

/*
 * Options that only make it better: errors do not matter. Before connect and
 * listen, since the window's scale is agreed on with the first packet; what
 * is accepted inherits them. Who is silent is the session's to notice.
 */
static void tune_socket(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, DEAD_PEER_MS },
		{ IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES },
		{ SOL_SOCKET, SO_RCVBUF, RECEIVE_BYTES },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		(void)setsockopt(fd, options[i].level, options[i].name,
				 &options[i].value, sizeof(int));
}

/* A socket of the local address, which need not exist yet; or -errno. */
static int local_socket(const struct sockaddr_storage *local, bool listening)
{
	const int on = 1;
	struct sockaddr_storage ss = *local;
	int fd = socket(ss.ss_family,
			SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return -errno;
	tune_socket(fd);
	(void)setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
	if (listening)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	else if (ss.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&ss)->sin6_port = 0;
	else
		((struct sockaddr_in *)&ss)->sin_port = 0;
	if (bind(fd, (struct sockaddr *)&ss, address_length(&ss)) < 0 ||
	    (listening && listen(fd, PEERSOCK_STRANGERS_MAX) < 0)) {
		err = errno;
		close(fd);
		return -err;
	}
	return fd;
}

static void connect_failed(struct conn *c, int err)
{
	peersock_note(c, PEERSOCK_REFUSED, "%s", log_errno(err));
	peersock_conn_give_up(c, PEERSOCK_REFUSED);
}

static void on_connected(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	socklen_t len = sizeof(int);
	int err = 0;

	(void)what;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		err = errno;
	if (!err)
		err = -peersock_conn_start(c);
	if (err)
		connect_failed(c, err);
}

void peersock_dial(evutil_socket_t unused, short what, void *arg)
{
	struct peer *peer = arg;
	struct peersock *ps = peer->ps;
	const struct sockaddr_storage *to = &peer->address;
	struct conn *c;
	int fd = local_socket(&ps->local, false);

	(void)unused, (void)what;
	c = fd < 0 ? NULL : peersock_conn_new(ps, peer, fd, to);
	if (!c) {
		peersock_retry(peer);
		return;
	}
	c->connected = peersock_event(ps, fd, EV_WRITE, on_connected, c);
	if (!c->connected ||
	    (connect(fd, (const struct sockaddr *)to, address_length(to)) < 0 &&
	     errno != EINPROGRESS)) {
		connect_failed(c, c->connected ? errno : ENOMEM);
		return;
	}
	event_add(c->connected, NULL);
	peersock_arm(c->timer, CONNECT_LIMIT_MS);
}

/*
 * Room for one more stranger? A configured peer's address goes before all
 * others, so that a flood from elsewhere does not keep the peer out.
 */
static bool make_room(struct peersock *ps, const struct sockaddr_storage *from)
{
	struct conn *oldest = NULL;
	unsigned int n = 0;

	for (struct conn *c = ps->conns; c; c = c->next) {
		if (!c->server || c->state == CONN_UP)
			continue;
		n++;
		if (!peersock_peer_at(ps, &c->from))
			oldest = c;
	}
	if (n < PEERSOCK_STRANGERS_MAX)
		return true;
	if (!oldest || !peersock_peer_at(ps, from))
		return false;
	peersock_note(oldest, PEERSOCK_LIMIT,
		      "more than %d connections at once",
		      PEERSOCK_STRANGERS_MAX);
	peersock_conn_free(oldest);
	return true;
}

static void on_accept(evutil_socket_t listen_fd, short what, void *arg)
{
	struct peersock *ps = arg;
	struct sockaddr_storage from = { 0 };
	socklen_t len = sizeof(from);
	struct conn *c;
	int fd = accept4(listen_fd, (struct sockaddr *)&from, &len,
			 SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)what;
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
		    errno == ENOBUFS) {
			event_del(ps->listener);
			peersock_arm(ps->accept_pause, ACCEPT_PAUSE_MS);
		}
		return;
	}
	if (!make_room(ps, &from)) {
		struct conn stranger = { .ps = ps, .from = from };

		peersock_label(&from, false, stranger.label);
		peersock_note(&stranger, PEERSOCK_LIMIT,
			      "more than %d connections at once",
			      PEERSOCK_STRANGERS_MAX);
		close(fd);
		return;
	}
	c = peersock_conn_new(ps, NULL, fd, &from);
	if (c && peersock_conn_start(c) < 0)
		peersock_conn_free(c);
}

static void on_accept_pause(evutil_socket_t fd, short what, void *arg)
{
	struct peersock *ps = arg;

	(void)fd, (void)what;
	event_add(ps->listener, NULL);
}

int peersock_listen(struct peersock *ps)
{
	bool wanted = false;

	for (unsigned int i = 0; i < ps->num_peers; i++)
		wanted |= !ps->peers[i].we_connect;
	if (!wanted)
		return 0;
	if (ps->listen_fd < 0)
		ps->listen_fd = local_socket(&ps->local, true);
	if (ps->listen_fd < 0)
		return ps->listen_fd;
	ps->listener = peersock_event(ps, ps->listen_fd, EV_READ | EV_PERSIST,
				      on_accept, ps);
	ps->accept_pause = peersock_event(ps, -1, 0, on_accept_pause, ps);
	if (!ps->listener || !ps->accept_pause)
		return -ENOMEM;
	return event_add(ps->listener, NULL) < 0 ? -ENOMEM : 0;
}
