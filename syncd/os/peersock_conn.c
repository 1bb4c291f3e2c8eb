// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A connection's life from its TCP socket on: handshake, use, bytes, end. It
 * neither frames nor understands a byte, and keeps nothing of a connection
 * that is gone.
 *
 * Implements rules 13: time limits, fall back to the older key, key update.
 *
 * Invariant: a connection gets its peer, and its bytes reach data(), only
 * after peertls_is_proven().
 */
#include "log.h"
#include "peersock_calls.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HANDSHAKE_LIMIT_MS 5000
#define RETRY_LAST_MS	   2000
#define REKEY_MS	   3600000

time_t peersock_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static unsigned int index_of(const struct peer *peer)
{
	return (unsigned int)(peer - peer->ps->peers);
}

/* At once, or, by on_taken, as soon as no record is half written. */
static void update_key(struct conn *c)
{
	if (peertls_update_key(&c->tls))
		c->ps->key_updates++;
	else
		c->tls.records = c->ps->rekey_records;
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

size_t peersock_conn_write(struct conn *c, const void *data, size_t len)
{
	size_t done;

	if (evbuffer_get_length(bufferevent_get_output(c->bev)))
		return 0;
	if (len > SSL3_RT_MAX_PLAIN_LENGTH)
		len = SSL3_RT_MAX_PLAIN_LENGTH;
	/* what fails is tried again from the queue, with its consequences */
	if (!SSL_write_ex(c->tls.ssl, data, len, &done)) {
		ERR_clear_error();
		return 0;
	}
	if (c->tls.records >= c->ps->rekey_records)
		update_key(c);
	return done;
}

void peersock_conn_free(struct conn *c)
{
	struct conn **p = &c->ps->conns;

	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	if (c->path && c->path->conn == c)
		c->path->conn = NULL;
	else if (c->path && !c->server)
		c->path->trying = false;
	if (c->path && c->path->peer->used == c)
		c->path->peer->used = NULL;
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

void peersock_retry(struct path *path)
{
	peersock_arm(path->retry, path->retry_ms);
	path->retry_ms *= 2;
	if (path->retry_ms > RETRY_LAST_MS)
		path->retry_ms = RETRY_LAST_MS;
}

void peersock_conn_give_up(struct conn *c, enum peersock_reason reason)
{
	struct path *path = c->path;
	bool key = reason == PEERSOCK_KEY || reason == PEERSOCK_NO_PSK;
	unsigned int last;

	peersock_conn_free(c);
	if (!path)
		return;
	last = path->peer->ps->tls.peers[index_of(path->peer)].num_keys - 1;
	if (key && path->key < last) {
		path->key++; /* once, at once, with the older key */
		peersock_arm(path->retry, 0);
		return;
	}
	path->key = 0;
	peersock_retry(path);
	/* another one may wait for this one */
	peersock_path_choose(path->peer);
}

void peersock_conn_down(struct conn *c, enum peersock_reason reason,
			const char *why)
{
	struct peersock *ps = c->ps;
	struct path *path = c->path;
	struct peer *peer = path->peer;
	bool used = peer->used == c;

	ps->counts[reason]++;
	if (reason != PEERSOCK_LOST) {
		SSL_shutdown(c->tls.ssl);
		ERR_clear_error();
	}
	peersock_conn_free(c);
	path->lost++;
	snprintf(path->error, sizeof(path->error), "%s: %s", path->label, why);
	if (peersock_seconds() - path->up_since > RETRY_LAST_MS / 1000)
		path->retry_ms = PEERSOCK_RETRY_MS;
	if (peer->we_connect)
		peersock_retry(path);
	if (!used) {
		log_msg(LOG_WARNING,
			"peer \"%s\" (%s): the path is lost: %s; what is in "
			"use goes on, with one path less. ping -I %s %s",
			peer->name, path->label, why, path->ours, path->theirs);
		return;
	}
	peersock_path_choose(peer);
	if (ps->ops.down)
		ps->ops.down(ps->arg, index_of(peer), reason, why);
}

void peersock_conn_use(struct conn *c)
{
	struct peersock *ps = c->ps;
	struct peer *peer = c->path->peer;

	peer->used = c;
	peer->filled = false;
	c->state = CONN_USED;
	if (ps->ops.up)
		ps->ops.up(ps->arg, index_of(peer));
}

/* Where it belongs: known by our end of it to who is called. */
static struct path *find_path(struct conn *c)
{
	struct peer *peer = &c->ps->peers[c->tls.peer];
	char at[PEERSOCK_LABEL_SIZE];

	peersock_label(&c->at, false, at);
	for (unsigned int i = 0; i < peer->num_paths; i++)
		if (!strcmp(peer->paths[i].ours, at))
			return &peer->paths[i];
	return &peer->paths[0];
}

static void conn_proven(struct conn *c)
{
	struct peersock *ps = c->ps;
	struct path *path = c->server ? find_path(c) : c->path;

	if (path->conn)
		peersock_conn_down(path->conn, PEERSOCK_REPLACED,
				   "a newer connection of it has come");
	c->path = path;
	path->conn = c;
	path->trying = false;
	path->key = 0;
	path->logged = PEERSOCK_REASONS;
	*path->error = '\0';
	path->up_since = peersock_seconds();
	c->state = CONN_STANDBY;
	peersock_arm(c->timer, REKEY_MS);
	evbuffer_add_cb(bufferevent_get_output(c->bev), on_taken, c);
	/* The end of the handshake has put its events back to the default. */
	bufferevent_priority_set(c->bev, ps->priority);
	bufferevent_setwatermark(c->bev, EV_WRITE, PEERSOCK_LOW_MARK, 0);
	peersock_path_up(c);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;
	struct peersock *ps = c->ps;
	struct evbuffer *in = bufferevent_get_input(bev);
	struct evbuffer_iovec piece;
	struct peer *peer;

	if (c->state == CONN_STANDBY && !peersock_path_called(c))
		return;
	if (c->state != CONN_USED)
		return;
	peer = c->path->peer;
	/* The owner may close or pause from within. */
	while (peer->used == c && (bufferevent_get_enabled(bev) & EV_READ) &&
	       evbuffer_peek(in, PEERSOCK_LOW_MARK, NULL, &piece, 1) > 0) {
		size_t n = piece.iov_len < PEERSOCK_LOW_MARK
				   ? piece.iov_len
				   : PEERSOCK_LOW_MARK;

		if (ps->ops.data)
			ps->ops.data(ps->arg, index_of(peer), piece.iov_base,
				     n);
		if (peer->used == c)
			evbuffer_drain(in, n);
	}
}

static void on_written(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;

	(void)bev;
	if (c->state != CONN_USED || !c->path->peer->filled)
		return;
	c->path->peer->filled = false;
	if (c->ps->ops.drained)
		c->ps->ops.drained(c->ps->arg, index_of(c->path->peer));
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct conn *c = arg;
	int sys = EVUTIL_SOCKET_ERROR();

	(void)bev;
	if (what & BEV_EVENT_CONNECTED) {
		if (peertls_is_proven(&c->tls)) {
			conn_proven(c);
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
	if (c->state >= CONN_STANDBY) {
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

struct conn *peersock_conn_new(struct peersock *ps, struct path *path, int fd,
			       const struct sockaddr_storage *from)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return NULL;
	}
	c->ps = ps;
	c->path = path;
	c->server = !path;
	c->fd = fd;
	c->from = *from;
	c->next = ps->conns;
	ps->conns = c;
	peersock_label(from, path != NULL, c->label);
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
			  c->path ? (int)index_of(c->path->peer)
				  : PEERTLS_NOBODY,
			  c->path ? c->path->key : 0))
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
