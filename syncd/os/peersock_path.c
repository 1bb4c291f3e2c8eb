// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Which of the paths to a peer bears the bytes. All of them have a connection
 * that is proven and alive, by TCP's own keepalives; nothing is said on those
 * that stand by. Who dials chooses; the other side follows the first byte that
 * comes. What is left is closed at both ends, so that nothing old can come by
 * it any more, and is dialled again, to stand by.
 *
 * Implements rules 13 for more than one connection: each shows the key.
 *
 * Invariant: at most one path of a peer is in use, and one that was left is
 * not used again without a new handshake.
 */
#include "peersock_path.h"
#include "log.h"
#include "peersock_calls.h"

#include <errno.h>
#include <stdio.h>

/*
 * A path by which nothing came for so long is left, if another one answers. A
 * keepalive comes each second, a word of the session twice as often. What
 * counts is what the kernel saw: a daemon that is busy still acknowledges.
 */
#define SILENT_MS 1200
#define LOOK_MS	  200
/* One to be preferred has a moment to come up before another one is used. */
#define PATIENCE_MS 250

static bool answers(const struct path *path)
{
	return path->conn && peersock_silent_ms(path->conn) < SILENT_MS;
}

/* The first that answers, or the first that stands at all. */
static struct path *best(struct peer *peer)
{
	struct path *first = NULL;

	for (unsigned int i = 0; i < peer->num_paths; i++) {
		struct path *path = &peer->paths[i];

		if (answers(path))
			return path;
		if (!first && path->conn)
			first = path;
	}
	return first;
}

/* Is one still being tried that would be preferred to this one? */
static bool better_comes(const struct peer *peer, const struct path *path)
{
	for (const struct path *p = peer->paths; p < path; p++)
		if (p->trying)
			return true;
	return false;
}

static void use(struct path *path)
{
	struct peer *peer = path->peer;

	if (peer->num_paths > 1)
		log_msg(LOG_NOTICE, "peer \"%s\": the link goes by %s",
			peer->name, path->label);
	peersock_conn_use(path->conn);
}

static void on_choose(evutil_socket_t fd, short what, void *arg)
{
	struct peer *peer = arg;
	struct path *path = best(peer);

	(void)fd, (void)what;
	if (path && !peer->used)
		use(path);
}

void peersock_path_choose(struct peer *peer)
{
	struct path *path = peer->we_connect && !peer->used ? best(peer) : NULL;

	if (!path)
		return;
	if (!better_comes(peer, path))
		peersock_arm(peer->choose, 0);
	else if (!event_pending(peer->choose, EV_TIMEOUT, NULL))
		peersock_arm(peer->choose, PATIENCE_MS);
}

void peersock_path_up(struct conn *c)
{
	struct peer *peer = c->path->peer;

	if (peer->num_paths == 1) {
		peersock_conn_use(c); /* no choice to wait for */
		return;
	}
	log_msg(LOG_INFO, "peer \"%s\" (%s): the path is up", peer->name,
		c->path->label);
	peersock_path_choose(peer);
	if (peer->we_connect)
		peersock_arm(peer->watch, LOOK_MS);
}

bool peersock_path_called(struct conn *c)
{
	struct peer *peer = c->path->peer;

	if (peer->we_connect) {
		peersock_conn_down(c, PEERSOCK_PROTOCOL,
				   "it chose a path, which is ours to do");
		return false;
	}
	if (peer->used)
		peersock_conn_down(peer->used, PEERSOCK_LEFT,
				   "it goes on by another path");
	use(c->path);
	return peer->used == c; /* up() may have closed it */
}

/* --- leaving it ----------------------------------------------------------- */

/* Another one, if this one is silent and that is not. */
static const struct path *escape(const struct peer *peer,
				 const struct path *from)
{
	if (answers(from))
		return NULL;
	for (unsigned int i = 0; i < peer->num_paths; i++)
		if (&peer->paths[i] != from && answers(&peer->paths[i]))
			return &peer->paths[i];
	return NULL;
}

/* One that is preferred, and has been there for a while. */
static const struct path *home(const struct peer *peer, const struct path *from)
{
	for (const struct path *p = peer->paths; p < from; p++)
		if (answers(p) &&
		    peersock_seconds() - p->up_since >= peer->ps->back_s)
			return p;
	return NULL;
}

static void on_watch(evutil_socket_t fd, short what, void *arg)
{
	struct peer *peer = arg;
	const struct path *from, *to;
	char why[2 * PEERSOCK_LABEL_SIZE + 64];

	(void)fd, (void)what;
	peersock_arm(peer->watch, LOOK_MS);
	if (!peer->used)
		return;
	from = peer->used->path;
	to = escape(peer, from);
	if (to)
		snprintf(why, sizeof(why), "nothing comes by %s; %s answers",
			 from->label, to->label);
	else if ((to = home(peer, from)))
		snprintf(why, sizeof(why), "%s is back", to->label);
	if (to)
		peersock_conn_down(peer->used, PEERSOCK_LEFT, why);
}

/* --- what one sees ---------------------------------------------------------- */

int peersock_path_init(struct peer *peer)
{
	peer->choose = peersock_event(peer->ps, -1, 0, on_choose, peer);
	peer->watch = peersock_event(peer->ps, -1, 0, on_watch, peer);
	return peer->choose && peer->watch ? 0 : -ENOMEM;
}

unsigned int peersock_paths(const struct peersock *ps, unsigned int peer)
{
	return ps->peers[peer].num_paths;
}

void peersock_path_info(const struct peersock *ps, unsigned int peer,
			unsigned int index, struct peersock_path_info *out)
{
	const struct path *path = &ps->peers[peer].paths[index];

	*out = (struct peersock_path_info){
		.state = !path->conn ? PEERSOCK_PATH_DOWN
			 : path->conn->state == CONN_USED
				 ? PEERSOCK_PATH_USED
				 : PEERSOCK_PATH_STANDBY,
		.ours = path->ours,
		.theirs = path->theirs,
		.error = path->error,
		.key = path->conn ? path->conn->tls.key_id : "",
		.silent_ms = path->conn ? peersock_silent_ms(path->conn) : 0,
		.lost = path->lost,
	};
}

const char *peersock_path_state(const struct peersock_path_info *info)
{
	switch (info->state) {
	case PEERSOCK_PATH_DOWN:
		return "down";
	case PEERSOCK_PATH_STANDBY:
		return "standby";
	case PEERSOCK_PATH_USED:
		return "used";
	}
	return "down";
}
