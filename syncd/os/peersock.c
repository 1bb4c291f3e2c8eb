// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The link as its owner sees it: made, fed, asked, closed. It is not the
 * session: it neither frames nor understands a byte.
 *
 * Implements rules 13, with peersock_tcp (sockets), peersock_conn (a
 * connection's life), peersock_why (its failures) and peertls.
 *
 * Invariant: what waits for a peer is never more than max_queue bytes here
 * and what peersock_tcp allows the kernel.
 */
#include "peersock_int.h"

#include <errno.h>
#include <event2/buffer.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define QUEUE_DEFAULT (8 * 1024 * 1024)

void peersock_arm(struct event *ev, unsigned int ms)
{
	const struct timeval tv = { .tv_sec = ms / 1000,
				    .tv_usec = ms % 1000 * 1000 };

	event_add(ev, &tv);
}

struct event *peersock_event(struct peersock *ps, int fd, short what,
			     event_callback_fn fn, void *arg)
{
	struct event *ev = event_new(ps->base, fd, what, fn, arg);

	if (ev)
		event_priority_set(ev, ps->priority);
	return ev;
}

static int peer_init(struct peersock *ps, unsigned int i,
		     const struct peersock_peer *conf)
{
	struct peer *peer = &ps->peers[i];
	char label[PEERSOCK_LABEL_SIZE];

	peer->ps = ps;
	peer->name = ps->tls.peers[i];
	peer->address = conf->address;
	peersock_label(&conf->address, true, label);
	memcpy(peer->label, label, sizeof(peer->label));
	peer->we_connect = peertls_we_connect(&ps->tls, i);
	peer->retry_ms = PEERSOCK_RETRY_MS;
	peer->logged = PEERSOCK_REASONS;
	snprintf(peer->error, sizeof(peer->error), "%s: not seen yet", label);
	peer->retry = peersock_event(ps, -1, 0, peersock_dial, peer);
	if (!peer->retry)
		return -ENOMEM;
	if (peer->we_connect)
		peersock_arm(peer->retry, 0);
	return 0;
}

int peersock_new(struct event_base *base, const struct peersock_conf *conf,
		 const struct peersock_ops *ops, void *arg,
		 struct peersock **out)
{
	struct peersock *ps;
	int rc;

	*out = NULL;
	ps = calloc(1, sizeof(*ps) + conf->num_peers * sizeof(ps->peers[0]));
	if (!ps)
		return -ENOMEM;
	ps->base = base;
	ps->ops = *ops;
	ps->arg = arg;
	ps->local = conf->local;
	ps->priority = conf->priority;
	ps->max_queue = conf->max_queue ? conf->max_queue : QUEUE_DEFAULT;
	ps->rekey_records =
		conf->rekey_records ? conf->rekey_records : 1ULL << 20;
	ps->listen_fd = conf->listen_fd ? conf->listen_fd : -1;
	ps->num_peers = conf->num_peers;
	rc = peertls_init(&ps->tls, conf);
	for (unsigned int i = 0; !rc && i < ps->num_peers; i++)
		rc = peer_init(ps, i, &conf->peers[i]);
	if (!rc)
		rc = peersock_listen(ps);
	if (rc) {
		peersock_free(ps);
		return rc;
	}
	*out = ps;
	return 0;
}

void peersock_free(struct peersock *ps)
{
	if (!ps)
		return;
	while (ps->conns) {
		if (ps->conns->state == CONN_UP)
			SSL_shutdown(ps->conns->tls.ssl);
		ERR_clear_error();
		peersock_conn_free(ps->conns);
	}
	for (unsigned int i = 0; i < ps->num_peers; i++)
		if (ps->peers[i].retry)
			event_free(ps->peers[i].retry);
	if (ps->listener)
		event_free(ps->listener);
	if (ps->accept_pause)
		event_free(ps->accept_pause);
	if (ps->listen_fd >= 0)
		close(ps->listen_fd);
	peertls_clear(&ps->tls);
	free(ps);
}

int peersock_send(struct peersock *ps, unsigned int index, const void *data,
		  size_t len)
{
	struct peer *peer = &ps->peers[index];
	size_t queued = peersock_pending(ps, index);

	if (!peer->conn)
		return -ENOTCONN;
	if (len > ps->max_queue || queued > ps->max_queue - len)
		return -ENOBUFS;
	if (bufferevent_write(peer->conn->bev, data, len) < 0)
		return -ENOBUFS;
	if (queued + len > PEERSOCK_LOW_MARK)
		peer->filled = true;
	return 0;
}

size_t peersock_pending(const struct peersock *ps, unsigned int peer)
{
	const struct conn *c = ps->peers[peer].conn;

	return c ? evbuffer_get_length(bufferevent_get_output(c->bev)) : 0;
}

bool peersock_is_up(const struct peersock *ps, unsigned int peer)
{
	return ps->peers[peer].conn != NULL;
}

void peersock_pause_reading(struct peersock *ps, unsigned int peer, bool pause)
{
	struct conn *c = ps->peers[peer].conn;

	if (!c)
		return;
	if (pause) {
		bufferevent_disable(c->bev, EV_READ);
		return;
	}
	bufferevent_enable(c->bev, EV_READ);
	/* What was read before the pause would wait for more to come. */
	if (evbuffer_get_length(bufferevent_get_input(c->bev)))
		bufferevent_trigger(c->bev, EV_READ,
				    BEV_OPT_DEFER_CALLBACKS |
					    BEV_TRIG_IGNORE_WATERMARKS);
}

void peersock_close(struct peersock *ps, unsigned int peer, const char *why)
{
	if (ps->peers[peer].conn)
		peersock_conn_down(ps->peers[peer].conn, PEERSOCK_CLOSED, why);
}

uint64_t peersock_count(const struct peersock *ps, enum peersock_reason r)
{
	return ps->counts[r];
}

const char *peersock_error(const struct peersock *ps, unsigned int peer)
{
	return ps->peers[peer].error;
}

int peersock_listen_fd(const struct peersock *ps)
{
	return ps->listen_fd;
}

uint64_t peersock_key_updates(const struct peersock *ps)
{
	return ps->key_updates;
}
