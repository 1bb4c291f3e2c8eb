/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An upgrade: the daemon has its own program started anew and hands it the
 * virtual hosts, without a change of state that anybody outside could notice.
 * This is the side of the one that runs; the other one's is node_takeover.c.
 * What is handed on is the engine's (engine_keep), how, os/handoff's.
 *
 * Implements rules 14, "Upgrade".
 *
 * Invariant: at most one of the two acts: the old one until it commits, and
 * again once it has seen the new one's end; the new one from the commit on.
 */
#include "node_upgrade.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "exec.h"
#include "log.h"
#include "node_ifstated.h"
#include "notify.h"

/* A killed process is gone by then; where nobody kills it, it ends itself. */
#define KILLED_MS     200
#define COMMIT_MS_MIN 100
#define COMMIT_MS_MAX 2000

bool node_upgrade_foreign(const struct node *n)
{
	return n->upgrade && n->upgrade->foreign;
}

int node_upgrade_fd(const struct node *n, int which)
{
	return n->upgrade ? n->upgrade->given[which] : -1;
}

void upgrade_put_version(struct writer *w)
{
	writer_bytes(w, STATESYNC_VERSION, strlen(STATESYNC_VERSION));
}

void upgrade_get_version(struct reader *r, char version[UPGRADE_VERSION_SIZE])
{
	size_t len = r->left;

	if (len >= UPGRADE_VERSION_SIZE)
		len = UPGRADE_VERSION_SIZE - 1;
	reader_bytes(r, version, len);
	version[len] = '\0';
}

/* --- the one that runs -------------------------------------------------- */

void upgrade_close_talk(struct node_upgrade *u)
{
	if (u->event)
		event_free(u->event);
	u->event = NULL;
	if (u->fd >= 0)
		close(u->fd);
	u->fd = -1;
	if (u->timer)
		event_del(u->timer);
	if (u->settle)
		event_del(u->settle);
}

static void failed(struct node *n, const char *why)
{
	upgrade_close_talk(n->upgrade);
	launcher_kill(n->upgrade->launcher);
	node_sync_pause(n, false);
	log_msg(LOG_ERR,
		"upgrade: %s. this process (version %s) goes on as if nothing "
		"had been",
		why, STATESYNC_VERSION);
	notify("READY=1");
}

static int offer(struct node *n, int fd)
{
	struct handoff_msg *m = &n->upgrade->msg;
	unsigned links = 0;
	struct writer w;

	*m = (struct handoff_msg){ .type = HANDOFF_OFFER };
	m->fds[m->nfds++] = statsock_fd(n->statsock);
	if (n->peersock)
		links = peersock_listen_fds(n->peersock, &m->fds[m->nfds]);
	m->nfds += links;
	writer_init(&w, m->payload, sizeof(m->payload));
	writer_u32(&w, n->mark);
	writer_u64(&w, upgrade_signature(n));
	writer_u8(&w, links ? UPGRADE_STATS_GIVEN | UPGRADE_LINK_GIVEN
			    : UPGRADE_STATS_GIVEN);
	upgrade_put_version(&w);
	m->len = w.used;
	return handoff_send(fd, m);
}

/* What the new one needs besides the engine's: since when its addresses are
 * answered for, and which of its routes and rules are ours. */
static void put_vhost(const struct node *n, unsigned i, struct writer *w)
{
	const struct node_vhost *v = &n->vhosts[i];
	size_t name = strlen(v->name);
	size_t count = v->conf->num_routes + v->conf->num_rules;

	writer_u8(w, (uint8_t)name);
	writer_bytes(w, v->name, name);
	writer_u64(w, (uint64_t)v->since_ns);
	writer_u16(w, (uint16_t)count);
	for (size_t k = 0; k < count; k++)
		writer_u8(w, node_routes_there(n, i, k));
}

/* The right, and what the kernel has said since events are paused. */
static uint8_t give_sockets(const struct node *n, struct handoff_msg *m)
{
	uint8_t given = 0;

	if (n->lease_open) {
		m->fds[m->nfds++] = n->lease.nl.fd;
		given |= UPGRADE_LEASE_GIVEN;
	}
	if (n->events.subscribed) {
		m->fds[m->nfds++] = ct_events_fd(&n->events);
		given |= UPGRADE_EVENTS_GIVEN;
		if (n->events.labels)
			given |= UPGRADE_LABELS;
	}
	return given;
}

static int commit_message(struct node *n, const char **why)
{
	struct handoff_msg *m = &n->upgrade->msg;
	struct writer w;
	uint8_t count = 0, given, kept[NODE_IFSTATED_KEPT_MAX];
	size_t policy;
	int len;

	*m = (struct handoff_msg){ .type = HANDOFF_COMMIT };
	given = give_sockets(n, m);
	len = engine_keep(n->engine, m->payload + 4, ENGINE_KEPT_MAX, why);
	if (len < 0)
		return len;
	writer_init(&w, m->payload, 4);
	writer_u32(&w, (uint32_t)len);
	m->len = 4 + (size_t)len;
	writer_init(&w, m->payload + m->len, sizeof(m->payload) - m->len);
	for (size_t i = 0; i < n->nvhosts; i++)
		count += !n->engine->vhosts[i].gone;
	writer_u8(&w, count);
	for (unsigned i = 0; i < n->nvhosts; i++)
		if (!n->engine->vhosts[i].gone)
			put_vhost(n, i, &w);
	writer_u8(&w, given);
	policy = node_ifstated_keep(n, kept, sizeof(kept));
	writer_u16(&w, (uint16_t)policy);
	writer_bytes(&w, kept, policy);
	m->len += w.used;
	return writer_ok(&w) ? 0 : -ENOBUFS;
}

/* The new one may be silent for so long: an interval, of 2.5 of a lease. */
static int commit_ms(const struct node *n)
{
	int64_t ms = COMMIT_MS_MAX;

	for (size_t i = 0; i < n->nvhosts; i++) {
		const struct carp_vhost *v = &n->engine->vhosts[i].carp;
		int64_t mine = carp_vhost_interval_ns(v) / MONO_MS;

		if (!n->engine->vhosts[i].gone && mine < ms)
			ms = mine;
	}
	return ms < COMMIT_MS_MIN ? COMMIT_MS_MIN : (int)ms;
}

static bool taken(struct node *n, int64_t *us, const char **why)
{
	struct node_upgrade *u = n->upgrade;
	mono_t t;
	int status, err;

	t = clock_mono();

	for (unsigned i = 0; i < n->nvhosts; i++)
		standin_clear(n->standin, i);
	err = handoff_send(u->fd, &u->msg);
	if (!err)
		err = handoff_recv(u->fd, &u->msg, commit_ms(n));
	*us = node_us_since(&t);
	/* not two that act: it has said it, or can no more */
	if ((!err || !handoff_last(u->fd, &u->msg)) &&
	    u->msg.type == HANDOFF_TAKEN)
		return true;
	handoff_close_fds(&u->msg);
	*why = err == -ETIMEDOUT ? "the new process did not take over in time"
				 : "the new process ended as it took over";
	launcher_kill(u->launcher);
	(void)!launcher_read(u->launcher, &status, KILLED_MS);
	engine_kept_not(n->engine, node_now(n));
	return false;
}

static void commit(struct node *n)
{
	struct node_upgrade *u = n->upgrade;
	char version[UPGRADE_VERSION_SIZE] = "";
	const char *why;
	struct reader r;
	uint32_t pid;
	int64_t us;

	reader_init(&r, u->msg.payload, u->msg.len);
	pid = reader_u32(&r);
	upgrade_get_version(&r, version);
	for (size_t i = 0; i < n->nifaces; i++)
		node_advert_read_all(&n->ifaces[i]); /* nobody else will */
	if (commit_message(n, &why) || !taken(n, &us, &why)) {
		failed(n, why);
		node_settle(n);
		return;
	}
	log_msg(LOG_NOTICE,
		"upgrade: process %u (version %s) goes on in this one's place, "
		"after %lld us",
		pid, version, (long long)us);
	notify("MAINPID=%u", pid);
	u->foreign = true;
	event_base_loopbreak(n->base);
}

/*
 * The streams go on in the new one if the peers have all that was told when
 * it begins. What happens meanwhile waits in the socket that it is given.
 */
static void settle(struct node *n)
{
	const struct timeval soon = { .tv_usec = 1000 };

	if (engine_keep_settled(n->engine) ||
	    mono_due(n->upgrade->settle_until, n->last))
		commit(n);
	else
		event_add(n->upgrade->settle, &soon);
}

static void on_settle(evutil_socket_t fd, short what, void *arg)
{
	struct node *n = arg;

	(void)fd;
	(void)what;
	(void)node_now(n);
	settle(n);
}

static void ready(struct node *n)
{
	n->upgrade->settle_until =
		mono_add(n->last, UPGRADE_SETTLE_MS * MONO_MS);
	node_sync_pause(n, true);
	settle(n);
}

static void refused(struct node *n)
{
	struct handoff_msg *m = &n->upgrade->msg;
	char why[256];

	snprintf(why, sizeof(why), "the new process says: %.*s",
		 (int)(m->len < 200 ? m->len : 200), (const char *)m->payload);
	failed(n, why);
}

static void on_talk(evutil_socket_t fd, short what, void *arg)
{
	struct node *n = arg;
	struct node_upgrade *u = n->upgrade;
	int err = handoff_recv(fd, &u->msg, 0);

	(void)what;
	(void)node_now(n);
	handoff_close_fds(&u->msg);
	if (err == -EPIPE)
		event_del(u->event); /* the launcher knows how it ended */
	else if (err)
		failed(n, "the new process speaks another language");
	else if (u->msg.type == HANDOFF_READY)
		ready(n);
	else
		refused(n);
}

static void on_late(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	failed(arg, "the new process was not ready within 5 s");
}

static void say_end(int how, int status, char *why, size_t size)
{
	if (how == LAUNCHER_FAILED)
		snprintf(why, size, "the program cannot be started: %s",
			 log_errno(status));
	else if (how == LAUNCHER_GONE)
		snprintf(why, size,
			 "the process that starts a new one is gone; restart "
			 "statesyncd, after a handover");
	else if (WIFSIGNALED(status))
		snprintf(why, size, "the new process was killed by signal %d",
			 WTERMSIG(status));
	else
		snprintf(why, size,
			 "the new process ended with exit status %d; see what "
			 "it logged before this",
			 WEXITSTATUS(status));
}

static void on_launcher(evutil_socket_t fd, short what, void *arg)
{
	struct node *n = arg;
	struct node_upgrade *u = n->upgrade;
	char why[160];
	int status = 0, how = launcher_read(u->launcher, &status, 0);

	(void)fd;
	(void)what;
	(void)node_now(n);
	if (how == LAUNCHER_GONE)
		event_del(u->launcher_event);
	if (!how || u->fd < 0)
		return;
	if (handoff_recv(u->fd, &u->msg, 0) == 0 &&
	    u->msg.type == HANDOFF_REFUSED) {
		refused(n);
		return;
	}
	say_end(how, status, why, sizeof(why));
	failed(n, why);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	const struct timeval limit = { .tv_sec = UPGRADE_READY_MS / 1000 };
	struct node *n = arg;
	struct node_upgrade *u = n->upgrade;
	char text[NODE_RELOAD_TEXT];
	int pair[2], err;

	(void)number;
	(void)what;
	if (u->fd >= 0) {
		log_msg(LOG_NOTICE, "upgrade: one is under way");
		return;
	}
	if (n->drill.drill.state != DRILL_IDLE) {
		log_msg(LOG_WARNING,
			"upgrade: a drill is going on, and %s would keep what "
			"it was given; this process stays. again when it is "
			"over",
			n->engine->peers[n->drill.peer].name);
		return;
	}
	log_msg(LOG_NOTICE, "upgrade: a new process is started");
	notify_reloading();
	/* Both have to have the same; what this version does not understand
	 * the new one may. */
	(void)!node_reload(n, text);
	err = handoff_pair(pair);
	if (err) {
		failed(n, log_errno(-err));
		return;
	}
	u->fd = pair[0];
	u->event = event_new(n->base, u->fd, EV_READ | EV_PERSIST, on_talk, n);
	err = u->event ? offer(n, u->fd) : -ENOMEM;
	if (!err)
		err = launcher_start(u->launcher, pair[1]);
	close(pair[1]);
	if (err) {
		failed(n, log_errno(-err));
		return;
	}
	event_priority_set(u->event, PRIORITY_NORMAL);
	event_add(u->event, NULL);
	event_add(u->timer, &limit);
}

void node_upgrade_leave(struct node *n)
{
	/* the peer hears that this connection is over, not that it broke */
	if (n->peersock)
		peersock_free(n->peersock);
	n->peersock = NULL;
	node_ifstated_close(n);
	node_exec_close(n);
	launcher_close(n->upgrade->launcher);
	n->upgrade->launcher = NULL;
}

/* --- life --------------------------------------------------------------- */

int node_upgrade_fork(struct node *n, char **argv)
{
	struct node_upgrade *u = n->upgrade;
	int err;

	if (!u)
		return -ENOMEM;
	u->launcher = launcher_open(argv);
	if (!u->launcher) {
		err = errno;
		log_msg(LOG_ERR, "no launcher for upgrades: %s",
			log_errno(err));
		return -err;
	}
	return 0;
}

int node_upgrade_open(struct node *n)
{
	struct node_upgrade *u = n->upgrade;
	int err = u->foreign ? upgrade_read_offer(n) : 0;

	if (err)
		return err;
	u->signal = evsignal_new(n->base, SIGUSR2, on_signal, n);
	u->timer = event_new(n->base, -1, 0, on_late, n);
	u->settle = event_new(n->base, -1, 0, on_settle, n);
	u->launcher_event = event_new(n->base, launcher_fd(u->launcher),
				      EV_READ | EV_PERSIST, on_launcher, n);
	if (!u->signal || !u->timer || !u->settle || !u->launcher_event)
		return -ENOMEM;
	event_priority_set(u->signal, PRIORITY_NORMAL);
	event_priority_set(u->timer, PRIORITY_NORMAL);
	event_priority_set(u->settle, PRIORITY_NORMAL);
	event_priority_set(u->launcher_event, PRIORITY_NORMAL);
	event_add(u->signal, NULL);
	event_add(u->launcher_event, NULL);
	return 0;
}

void node_upgrade_close(struct node *n)
{
	struct node_upgrade *u = n->upgrade;

	if (!u)
		return;
	upgrade_close_talk(u);
	if (u->signal)
		event_free(u->signal);
	if (u->timer)
		event_free(u->timer);
	if (u->settle)
		event_free(u->settle);
	if (u->launcher_event)
		event_free(u->launcher_event);
	launcher_close(u->launcher);
	free(u);
	n->upgrade = NULL;
}
