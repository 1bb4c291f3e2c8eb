// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A connection's life from its TCP socket on: handshake, up, bytes, end. It
 * neither frames nor understands a byte, and keeps nothing of a connection
 * that is gone.
 *
 * Implements rules 13: time limits, fall back to the older key, key update.
 *
 * Invariant: a connection gets its peer, and its bytes reach data(), only
 * after peertls_is_proven().
 */
#include "log.h"
#include "peersock_int.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define HANDSHAKE_LIMIT_MS 5000
#define RETRY_LAST_MS	   2000
#define REKEY_MS	   3600000

static time_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static unsigned int peer_index(const struct peer *peer)
{
	return (unsigned int)(peer - peer->ps->peers);
}

/* At once, or as soon as no record is half written. */
static void update_key(struct conn *c)
{
	c->ps->key_updates += peertls_update_key(&c->tls);
}

/*
 * Bytes have left the queue: the moment between two records, which on a busy
 * link exists only inside libevent's loop of writes.
 */
static void on_taken(struct evbuffer *out, const struct evbuffer_cb_info *info,
		     void *arg)
{
	struct conn *c = arg;

	(void)out;
	if (info->n_deleted && c->tls.records >= c->ps->rekey_records)
		update_key(c);
}

void peersock_conn_free(struct conn *c)
{
	struct conn **p = &c->ps->conns;

	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	if (c->peer && c->peer->conn == c)
		c->peer->conn = NULL;
	if (c->connected)
		event_free(c->connected);
	if (c->timer)
		event_free(c->timer);
	if (c->bev) {
		evbuffer_remove_cb(bufferevent_get_output(c->bev), on_taken, c);
		bufferevent_free(c->bev); /* frees ssl, closes the socket */
	} else {
		SSL_free(c->tls.ssl);
	}
	if (c->fd >= 0)
		close(c->fd);
	free(c);
}

void peersock_retry(struct peer *peer)
{
	peersock_arm(peer->retry, peer->retry_ms);
	peer->retry_ms *= 2;
	if (peer->retry_ms > RETRY_LAST_MS)
		peer->retry_ms = RETRY_LAST_MS;
}

void peersock_conn_give_up(struct conn *c, enum peersock_reason reason)
{
	struct peer *peer = c->peer;
	unsigned int last = c->ps->tls.num_keys - 1;
	bool key = reason == PEERSOCK_KEY || reason == PEERSOCK_NO_PSK;

	peersock_conn_free(c);
	if (!peer)
		return;
	if (key && peer->key < last) {
		peer->key++; /* once, at once, with the older key */
		peersock_arm(peer->retry, 0);
		return;
	}
	peer->key = 0;
	peersock_retry(peer);
}

void peersock_conn_down(struct conn *c, enum peersock_reason reason,
			const char *why)
{
	struct peersock *ps = c->ps;
	struct peer *peer = c->peer;

	ps->counts[reason]++;
	if (reason != PEERSOCK_LOST) {
		SSL_shutdown(c->tls.ssl);
		ERR_clear_error();
	}
	peersock_conn_free(c);
	snprintf(peer->error, sizeof(peer->error), "%s: %s", peer->label, why);
	if (seconds() - peer->up_since > RETRY_LAST_MS / 1000)
		peer->retry_ms = PEERSOCK_RETRY_MS;
	if (peer->we_connect)
		peersock_retry(peer);
	if (ps->ops.down)
		ps->ops.down(ps->arg, peer_index(peer), reason, why);
}

static void conn_up(struct conn *c)
{
	struct peersock *ps = c->ps;
	struct peer *peer = &ps->peers[c->tls.peer];

	if (peer->conn)
		peersock_conn_down(peer->conn, PEERSOCK_REPLACED,
				   "a newer connection of it has come");
	c->peer = peer;
	peer->conn = c;
	c->state = CONN_UP;
	peer->key = 0;
	peer->filled = false;
	peer->logged = PEERSOCK_REASONS;
	*peer->error = '\0';
	peer->up_since = seconds();
	peersock_arm(c->timer, REKEY_MS);
	evbuffer_add_cb(bufferevent_get_output(c->bev), on_taken, c);
	/* The end of the handshake has put its events back to the default. */
	bufferevent_priority_set(c->bev, ps->priority);
	bufferevent_setwatermark(c->bev, EV_WRITE, PEERSOCK_LOW_MARK, 0);
	if (ps->ops.up)
		ps->ops.up(ps->arg, peer_index(peer));
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;
	struct peersock *ps = c->ps;
	struct peer *peer = c->peer;
	struct evbuffer *in = bufferevent_get_input(bev);
	struct evbuffer_iovec piece;

	if (c->state != CONN_UP)
		return;
	/* The owner may close or pause from within. */
	while (peer->conn == c && (bufferevent_get_enabled(bev) & EV_READ) &&
	       evbuffer_peek(in, PEERSOCK_LOW_MARK, NULL, &piece, 1) > 0) {
		size_t n = piece.iov_len < PEERSOCK_LOW_MARK
				   ? piece.iov_len
				   : PEERSOCK_LOW_MARK;

		if (ps->ops.data)
			ps->ops.data(ps->arg, peer_index(peer), piece.iov_base,
				     n);
		if (peer->conn == c)
			evbuffer_drain(in, n);
	}
}

static void on_written(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;

	(void)bev;
	if (c->state != CONN_UP || !c->peer->filled)
		return;
	c->peer->filled = false;
	if (c->ps->ops.drained)
		c->ps->ops.drained(c->ps->arg, peer_index(c->peer));
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct conn *c = arg;
	int sys = EVUTIL_SOCKET_ERROR();

	(void)bev;
	if (what & BEV_EVENT_CONNECTED) {
		if (peertls_is_proven(&c->tls)) {
			conn_up(c);
			return;
		}
		peersock_note(c, PEERSOCK_NO_PSK,
			      "it has not the key of this link");
		peersock_conn_give_up(c, PEERSOCK_NO_PSK);
	} else if (c->state == CONN_HANDSHAKE) {
		peersock_conn_give_up(c, peersock_note_handshake(c, what));
	} else if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) {
		unsigned long err = bufferevent_get_openssl_error(c->bev);
		bool tls = ERR_GET_LIB(err) == ERR_LIB_SSL;

		ERR_clear_error();
		peersock_conn_down(c, PEERSOCK_LOST,
				   what & BEV_EVENT_EOF ? "closed by it"
				   : tls		? "broken TLS"
							: log_errno(sys));
	}
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd, (void)what;
	if (c->state == CONN_UP) {
		update_key(c);
		peersock_arm(c->timer, REKEY_MS);
		return;
	}
	peersock_note(c, PEERSOCK_TIMEOUT,
		      c->state == CONN_CONNECTING
			      ? "no answer"
			      : "no end of the handshake within 5 s");
	peersock_conn_give_up(c, PEERSOCK_TIMEOUT);
}

struct conn *peersock_conn_new(struct peersock *ps, struct peer *peer, int fd,
			       const struct sockaddr_storage *from)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return NULL;
	}
	c->ps = ps;
	c->peer = peer;
	c->server = !peer;
	c->fd = fd;
	c->from = *from;
	c->next = ps->conns;
	ps->conns = c;
	peersock_label(from, peer != NULL, c->label);
	c->timer = peersock_event(ps, -1, 0, on_timer, c);
	if (c->timer)
		return c;
	peersock_conn_free(c);
	return NULL;
}

int peersock_conn_start(struct conn *c)
{
	struct peersock *ps = c->ps;

	if (peertls_start(&c->tls, &ps->tls,
			  c->peer ? (int)peer_index(c->peer) : PEERTLS_NOBODY,
			  c->peer ? c->peer->key : 0))
		return -ENOMEM;
	c->bev = bufferevent_openssl_socket_new(
		ps->base, c->fd, c->tls.ssl,
		c->server ? BUFFEREVENT_SSL_ACCEPTING
			  : BUFFEREVENT_SSL_CONNECTING,
		BEV_OPT_CLOSE_ON_FREE);
	if (!c->bev)
		return -ENOMEM;
	c->fd = -1;
	c->state = CONN_HANDSHAKE;
	bufferevent_priority_set(c->bev, ps->priority);
	bufferevent_setcb(c->bev, on_read, on_written, on_event, c);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	peersock_arm(c->timer, HANDSHAKE_LIMIT_MS);
	return 0;
}
