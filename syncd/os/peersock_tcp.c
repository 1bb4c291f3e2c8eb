// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The link's TCP: its sockets and dialling. Who may come in is
 * peersock_listen's; what is said on a connection begins in peersock_conn.
 *
 * Implements rules 13: the node with the smaller name connects.
 *
 * Invariant: every socket of the link, dialled or accepted, has the options
 * of tune_socket() before its first packet.
 */
#include "log.h"
#include "peersock_calls.h"

#include <errno.h>
#include <linux/mptcp.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#define CONNECT_LIMIT_MS 2000

/* How long the kernel waits for an acknowledgement before the link is lost. */
#define DEAD_PEER_MS 3000
/* An idle connection asks each second whether the other end is there. */
#define KEEPALIVE_S 1
/*
 * What the kernel may hold: a word (heartbeat, handover) waits behind it.
 * The receive buffer bounds what is under way, so the send buffer need not.
 */
#define UNSENT_BYTES  (128 * 1024)
#define RECEIVE_BYTES (256 * 1024)
/*
 * What was lost is sent again after this, not after the kernel's 200 ms: a
 * handover waits 50 ms for an acknowledgement. It is the limit of a delayed
 * acknowledgement, too, so it suits two nodes that both set it. Linux 6.15;
 * linux/tcp.h of Debian 12 has no name for it.
 */
#define RTO_MIN_US 20000
#ifndef TCP_RTO_MIN_US
#define TCP_RTO_MIN_US 45
#endif

#ifndef SOL_MPTCP
#define SOL_MPTCP 284
#endif

static socklen_t address_length(const struct sockaddr_storage *ss)
{
	return ss->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
					 : sizeof(struct sockaddr_in);
}

/*
 * Options that only make it better: errors do not matter. Before connect and
 * listen, since the window's scale is agreed on with the first packet; what
 * is accepted inherits them. With the user timeout a keepalive ends who does
 * not answer for so long; a daemon that hangs is the session's to notice.
 */
static void tune_socket(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, DEAD_PEER_MS },
		{ IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES },
		{ IPPROTO_TCP, TCP_RTO_MIN_US, RTO_MIN_US },
		{ IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_S },
		{ IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_S },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ SOL_SOCKET, SO_RCVBUF, RECEIVE_BYTES },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		(void)setsockopt(fd, options[i].level, options[i].name,
				 &options[i].value, sizeof(int));
}

/* With its interface's number, or -ENODEV. */
static int resolve(const struct peersock_end *end, struct sockaddr_storage *out)
{
	struct sockaddr_in6 in6;

	*out = end->address;
	if (!*end->interface)
		return 0;
	memcpy(&in6, out, sizeof(in6));
	in6.sin6_scope_id = if_nametoindex(end->interface);
	memcpy(out, &in6, sizeof(in6));
	return in6.sin6_scope_id ? 0 : -ENODEV;
}

static int stream_socket(const struct peersock *ps, int family)
{
	const int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
	int fd = -1;

	if (ps->mptcp)
		fd = socket(family, type, IPPROTO_MPTCP);
	return fd < 0 ? socket(family, type, 0) : fd;
}

static void any_port(struct sockaddr_storage *ss)
{
	if (ss->ss_family == AF_INET6)
		((struct sockaddr_in6 *)ss)->sin6_port = 0;
	else
		((struct sockaddr_in *)ss)->sin_port = 0;
}

int peersock_socket(const struct peersock *ps, const struct peersock_end *end,
		    bool listening)
{
	const int on = 1;
	struct sockaddr_storage ss;
	int fd, err = resolve(end, &ss);

	if (err)
		return err;
	fd = stream_socket(ps, ss.ss_family);
	if (fd < 0)
		return -errno;
	tune_socket(fd);
	(void)setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
	if (listening)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	else
		any_port(&ss);
	if (bind(fd, (struct sockaddr *)&ss, address_length(&ss)) < 0 ||
	    (listening && listen(fd, PEERSOCK_STRANGERS_MAX) < 0)) {
		err = errno;
		close(fd);
		return -err;
	}
	return fd;
}

unsigned int peersock_silent_ms(const struct conn *c)
{
	int fd = bufferevent_getfd(c->bev);
	struct mptcp_info mptcp;
	struct tcp_info tcp;
	socklen_t len = sizeof(mptcp);

	/* which of its paths are alive is the kernel's affair */
	if (c->ps->mptcp &&
	    !getsockopt(fd, SOL_MPTCP, MPTCP_INFO, &mptcp, &len))
		return 0;
	len = sizeof(tcp);
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &tcp, &len) < 0)
		return 0;
	return tcp.tcpi_last_ack_recv < tcp.tcpi_last_data_recv
		       ? tcp.tcpi_last_ack_recv
		       : tcp.tcpi_last_data_recv;
}

/* Is it an address of this machine? */
static bool is_own(const struct peersock_end *end)
{
	struct sockaddr_storage ss;
	int fd, r;

	if (resolve(end, &ss))
		return false;
	any_port(&ss);
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	r = bind(fd, (struct sockaddr *)&ss, address_length(&ss));
	close(fd);
	return r == 0;
}

static void connect_failed(struct conn *c, int err)
{
	const struct peersock_path *conf = &c->path->conf;

	/* both nodes with the file of one */
	if (is_own(&conf->theirs) && !is_own(&conf->ours))
		peersock_note(c, PEERSOCK_REFLECTION,
			      "that is this machine itself");
	else
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
	struct path *path = arg;
	struct peersock *ps = path->peer->ps;
	struct sockaddr_storage to = path->conf.theirs.address;
	struct conn *c;
	int fd, err;

	(void)unused, (void)what;
	if (path->conn || path->trying)
		return;
	fd = peersock_socket(ps, &path->conf.ours, false);
	err = fd < 0 ? -fd : -resolve(&path->conf.theirs, &to);
	c = peersock_conn_new(ps, path, fd, &to);
	if (!c) {
		peersock_retry(path);
		return;
	}
	if (!err)
		c->connected =
			peersock_event(ps, fd, EV_WRITE, on_connected, c);
	if (!err && !c->connected)
		err = ENOMEM;
	if (!err &&
	    connect(fd, (struct sockaddr *)&to, address_length(&to)) < 0 &&
	    errno != EINPROGRESS)
		err = errno;
	if (err) {
		connect_failed(c, err);
		return;
	}
	path->trying = true;
	event_add(c->connected, NULL);
	peersock_arm(c->timer, CONNECT_LIMIT_MS);
}
