// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The link as its owner sees it: made, fed, asked, closed. It is not the
 * session: it neither frames nor understands a byte.
 *
 * Implements rules 13, with peersock_tcp and peersock_listen (sockets),
 * peersock_conn (a connection's life), peersock_path (which one is in use),
 * peersock_why (its failures) and peertls.
 *
 * Invariant: what waits for a peer is never more than max_queue bytes here
 * and what peersock_tcp allows the kernel.
 */
#include "peersock_calls.h"

#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define QUEUE_DEFAULT  (8 * 1024 * 1024)
#define BACK_DEFAULT_S 60

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

static int path_init(struct peer *peer, unsigned int i,
		     const struct peersock_path *conf)
{
	struct path *path = &peer->paths[i];
	char label[PEERSOCK_LABEL_SIZE];

	path->peer = peer;
	path->conf = *conf;
	peersock_end_label(&conf->ours, false, path->ours);
	peersock_end_label(&conf->theirs, false, path->theirs);
	peersock_end_label(&conf->theirs, true, label);
	memcpy(path->label, label, sizeof(path->label));
	path->retry_ms = PEERSOCK_RETRY_MS;
	path->logged = PEERSOCK_REASONS;
	snprintf(path->error, sizeof(path->error), "%s: not seen yet", label);
	path->retry = peersock_event(peer->ps, -1, 0, peersock_dial, path);
	if (!path->retry)
		return -ENOMEM;
	peer->num_paths = i + 1;
	if (peer->we_connect)
		peersock_arm(path->retry, 0);
	return 0;
}

static int peer_init(struct peersock *ps, unsigned int i,
		     const struct peersock_peer *conf)
{
	struct peer *peer = &ps->peers[i];
	int rc;

	assert(conf->num_paths && conf->num_paths <= PEERSOCK_PATHS_MAX);
	peer->ps = ps;
	peer->name = ps->tls.peers[i].name;
	peer->we_connect = peertls_we_connect(&ps->tls, i);
	rc = peersock_path_init(peer);
	for (unsigned int k = 0; !rc && k < conf->num_paths; k++)
		rc = path_init(peer, k, &conf->paths[k]);
	return rc;
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
	ps->mptcp = conf->mptcp;
	ps->priority = conf->priority;
	ps->max_queue = conf->max_queue ? conf->max_queue : QUEUE_DEFAULT;
	ps->rekey_records =
		conf->rekey_records ? conf->rekey_records : 1ULL << 20;
	ps->back_s = conf->back_s ? conf->back_s : BACK_DEFAULT_S;
	ps->num_peers = conf->num_peers;
	rc = peertls_init(&ps->tls, conf);
	for (unsigned int i = 0; !rc && i < ps->num_peers; i++)
		rc = peer_init(ps, i, &conf->peers[i]);
	if (!rc)
		rc = peersock_listen(ps, conf);
	if (rc) {
		peersock_free(ps);
		return rc;
	}
	*out = ps;
	return 0;
}

static void free_event(struct event *ev)
{
	if (ev)
		event_free(ev);
}

void peersock_free(struct peersock *ps)
{
	if (!ps)
		return;
	while (ps->conns) {
		if (ps->conns->state >= CONN_STANDBY)
			SSL_shutdown(ps->conns->tls.ssl);
		ERR_clear_error();
		peersock_conn_free(ps->conns);
	}
	for (unsigned int i = 0; i < ps->num_peers; i++) {
		struct peer *peer = &ps->peers[i];

		for (unsigned int k = 0; k < peer->num_paths; k++)
			free_event(peer->paths[k].retry);
		free_event(peer->choose);
		free_event(peer->watch);
	}
	peersock_listen_end(ps);
	peertls_clear(&ps->tls);
	free(ps);
}

int peersock_send(struct peersock *ps, unsigned int index, const void *data,
		  size_t len)
{
	struct peer *peer = &ps->peers[index];
	size_t queued = peersock_pending(ps, index);
	const uint8_t *next = data;
	size_t done;

	if (!peer->used)
		return -ENOTCONN;
	if (len > ps->max_queue || queued > ps->max_queue - len)
		return -ENOBUFS;
	/* the queue is for what the kernel does not take at once */
	while (len > 0 &&
	       (done = peersock_conn_write(peer->used, next, len)) > 0) {
		next += done;
		len -= done;
	}
	/* TLS has begun with it: without memory for the rest this is the end */
	if (len > 0 && bufferevent_write(peer->used->bev, next, len) < 0)
		shutdown(bufferevent_getfd(peer->used->bev), SHUT_RDWR);
	if (queued + len > PEERSOCK_LOW_MARK)
		peer->filled = true;
	return 0;
}

size_t peersock_pending(const struct peersock *ps, unsigned int peer)
{
	const struct conn *c = ps->peers[peer].used;

	return c ? evbuffer_get_length(bufferevent_get_output(c->bev)) : 0;
}

bool peersock_is_up(const struct peersock *ps, unsigned int peer)
{
	return ps->peers[peer].used != NULL;
}

void peersock_pause_reading(struct peersock *ps, unsigned int peer, bool pause)
{
	struct conn *c = ps->peers[peer].used;

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
	if (ps->peers[peer].used)
		peersock_conn_down(ps->peers[peer].used, PEERSOCK_CLOSED, why);
}

uint64_t peersock_count(const struct peersock *ps, enum peersock_reason r)
{
	return ps->counts[r];
}

/* With several paths, what is wrong with the one to be preferred. */
const char *peersock_error(const struct peersock *ps, unsigned int peer)
{
	return ps->peers[peer].used ? "" : ps->peers[peer].paths[0].error;
}

void peersock_set_keys(struct peersock *ps, unsigned int index,
		       const struct link_key *keys, unsigned int num_keys)
{
	struct peer *peer = &ps->peers[index];

	peertls_set_keys(&ps->tls, index, keys, num_keys);
	for (unsigned int k = 0; k < peer->num_paths; k++) {
		struct path *path = &peer->paths[k];

		path->key = 0;
		if (peer->we_connect && !path->conn && !path->trying)
			peersock_arm(path->retry, 0);
	}
}

uint64_t peersock_key_updates(const struct peersock *ps)
{
	return ps->key_updates;
}
