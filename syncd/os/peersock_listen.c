// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Where peers call: the listening sockets, one for each of our ends, and who
 * may come in. Dialling is peersock_tcp's; what is said on a connection begins
 * in peersock_conn.
 *
 * Implements rules 13: at most 8 connections that have not shown a key.
 *
 * Invariant: no two listeners have the same end, and each that has an
 * interface is open on the one that has its name now, a moment later.
 */
#include "log.h"
#include "peersock_calls.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define ACCEPT_PAUSE_MS 100
/* Whether the interface of a link-local address came, or is another one. */
#define LOOK_AGAIN_MS 1000

/*
 * Room for one more stranger? A configured peer's address goes before all
 * others, so that a flood from elsewhere does not keep the peer out.
 */
static bool make_room(struct peersock *ps, const struct sockaddr_storage *from)
{
	struct conn *oldest = NULL;
	unsigned int n = 0;

	for (struct conn *c = ps->conns; c; c = c->next) {
		if (!c->server || c->state >= CONN_STANDBY)
			continue;
		n++;
		if (!peersock_path_at(ps, &c->from))
			oldest = c;
	}
	if (n < PEERSOCK_STRANGERS_MAX)
		return true;
	if (!oldest || !peersock_path_at(ps, from))
		return false;
	peersock_note(oldest, PEERSOCK_LIMIT,
		      "more than %d connections at once",
		      PEERSOCK_STRANGERS_MAX);
	peersock_conn_free(oldest);
	return true;
}

static void on_accept(evutil_socket_t listen_fd, short what, void *arg)
{
	struct listener *l = arg;
	struct peersock *ps = l->ps;
	struct sockaddr_storage from = { 0 };
	socklen_t len = sizeof(from);
	struct conn *c;
	int fd = accept4(listen_fd, (struct sockaddr *)&from, &len,
			 SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)what;
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
		    errno == ENOBUFS) {
			log_accept("the link's port", errno, &ps->said);
			event_del(l->incoming);
			peersock_arm(l->again, ACCEPT_PAUSE_MS);
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
	if (!c)
		return;
	len = sizeof(c->at);
	if (getsockname(fd, (struct sockaddr *)&c->at, &len) < 0 ||
	    peersock_conn_start(c) < 0)
		peersock_conn_free(c);
}

/* 0, or -errno; -ENODEV: later. */
static int open_listener(struct listener *l)
{
	if (l->fd < 0)
		l->fd = peersock_socket(l->ps, &l->at, true);
	if (l->fd < 0)
		return l->fd;
	l->ifindex = *l->at.interface ? if_nametoindex(l->at.interface) : 0;
	l->incoming = peersock_event(l->ps, l->fd, EV_READ | EV_PERSIST,
				     on_accept, l);
	return l->incoming && !event_add(l->incoming, NULL) ? 0 : -ENOMEM;
}

static void close_listener(struct listener *l)
{
	if (l->incoming)
		event_free(l->incoming);
	if (l->fd >= 0)
		close(l->fd);
	l->incoming = NULL;
	l->fd = -1;
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;

	(void)fd, (void)what;
	if (*l->at.interface) {
		if (l->ifindex != if_nametoindex(l->at.interface))
			close_listener(l);
		peersock_arm(l->again, LOOK_AGAIN_MS);
	}
	if (l->incoming)
		event_add(l->incoming, NULL);
	else if (open_listener(l))
		close_listener(l);
}

static bool same_end(const struct peersock_end *a, const struct peersock_end *b)
{
	char x[PEERSOCK_LABEL_SIZE], y[PEERSOCK_LABEL_SIZE];

	peersock_end_label(a, true, x);
	peersock_end_label(b, true, y);
	return !strcmp(x, y);
}

static struct listener *find(struct peersock *ps, const struct peersock_end *at)
{
	for (unsigned int i = 0; i < ps->num_listeners; i++)
		if (same_end(&ps->listeners[i].at, at))
			return &ps->listeners[i];
	return NULL;
}

static int add_listener(struct peersock *ps, const struct peersock_end *at)
{
	struct listener *l;

	if (find(ps, at))
		return 0;
	if (ps->num_listeners == PEERSOCK_PATHS_MAX)
		return -E2BIG;
	l = &ps->listeners[ps->num_listeners++];
	*l = (struct listener){ .ps = ps, .at = *at, .fd = -1 };
	l->again = peersock_event(ps, -1, 0, on_again, l);
	return l->again ? 0 : -ENOMEM;
}

/* To the listener at whose end it is bound, or closed. */
static void adopt(struct peersock *ps, int fd)
{
	struct peersock_end at = { .interface = "" };
	socklen_t len = sizeof(at.address);
	struct listener *l = NULL;
	struct sockaddr_in6 in6;

	if (!getsockname(fd, (struct sockaddr *)&at.address, &len)) {
		memcpy(&in6, &at.address, sizeof(in6));
		if (at.address.ss_family == AF_INET6 && in6.sin6_scope_id &&
		    !if_indextoname(in6.sin6_scope_id, at.interface))
			*at.interface = '\0';
		l = find(ps, &at);
	}
	if (l && l->fd < 0)
		l->fd = fd;
	else
		close(fd);
}

int peersock_listen(struct peersock *ps, const struct peersock_conf *conf)
{
	int rc = 0;

	for (unsigned int i = 0; i < ps->num_peers; i++)
		for (unsigned int k = 0; !rc && k < ps->peers[i].num_paths; k++)
			if (!ps->peers[i].we_connect)
				rc = add_listener(
					ps, &ps->peers[i].paths[k].conf.ours);
	for (unsigned int i = 0; i < conf->num_listen_fds; i++)
		adopt(ps, conf->listen_fds[i]);
	for (unsigned int i = 0; !rc && i < ps->num_listeners; i++) {
		struct listener *l = &ps->listeners[i];

		rc = open_listener(l);
		if (rc == -ENODEV) {
			log_msg(LOG_WARNING,
				"link: no interface %s here; its address is "
				"listened at when it comes. ip link",
				l->at.interface);
			rc = 0;
		}
		if (*l->at.interface)
			peersock_arm(l->again, LOOK_AGAIN_MS);
	}
	return rc;
}

void peersock_listen_end(struct peersock *ps)
{
	for (unsigned int i = 0; i < ps->num_listeners; i++) {
		close_listener(&ps->listeners[i]);
		if (ps->listeners[i].again)
			event_free(ps->listeners[i].again);
	}
}

unsigned int peersock_listen_fds(const struct peersock *ps,
				 int fds[PEERSOCK_PATHS_MAX])
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < ps->num_listeners; i++)
		if (ps->listeners[i].fd >= 0)
			fds[n++] = ps->listeners[i].fd;
	return n;
}
