/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The process that an upgrade puts in the place of a running one: it opens
 * what can be open twice, says so, and goes on with what the old one knew. The
 * old one's part is in node_upgrade.c.
 *
 * Implements rules 14, "Upgrade".
 *
 * Invariant: until the old one has committed, nothing is changed in the kernel
 * that the old one would not have changed, too.
 */
#include "node_upgrade.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "log.h"
#include "node_ifstated.h"
#include "notify.h"

bool node_upgrade_given(struct node *n)
{
	int fd = launcher_given();

	n->upgrade = calloc(1, sizeof(*n->upgrade));
	if (!n->upgrade)
		return false; /* node_upgrade_fork */
	n->upgrade->fd = fd;
	n->upgrade->foreign = fd >= 0;
	for (int i = 0; i < UPGRADE_FDS; i++)
		n->upgrade->given[i] = -1;
	return fd >= 0;
}

static int read_offer(struct node *n, uint64_t *signature)
{
	struct node_upgrade *u = n->upgrade;
	int err = handoff_recv(u->fd, &u->msg, UPGRADE_READY_MS);
	unsigned used = 0;
	struct reader r;
	uint8_t flags;

	if (!err && u->msg.type != HANDOFF_OFFER)
		err = -EPROTO;
	if (err)
		return err;
	reader_init(&r, u->msg.payload, u->msg.len);
	n->mark = reader_u32(&r);
	*signature = reader_u64(&r);
	flags = reader_u8(&r);
	if (flags & UPGRADE_STATS_GIVEN && used < u->msg.nfds)
		u->given[UPGRADE_STATS] = u->msg.fds[used++];
	for (int i = UPGRADE_LINK; i < UPGRADE_FDS; i++)
		if (flags & UPGRADE_LINK_GIVEN && used < u->msg.nfds)
			u->given[i] = u->msg.fds[used++];
	upgrade_get_version(&r, u->before);
	return reader_ok(&r) && u->given[UPGRADE_STATS] >= 0 ? 0 : -EPROTO;
}

int upgrade_read_offer(struct node *n)
{
	static const char differs[] =
		"the configuration is not the one that runs: other shared "
		"addresses, passwords, routes, or another link. statesync "
		"reload first, or hand over and restart";
	struct handoff_msg *m = &n->upgrade->msg;
	uint64_t signature;
	int err = read_offer(n, &signature);

	if (err) {
		log_msg(LOG_ERR, "upgrade: no offer that is understood: %s",
			log_errno(-err));
		return err;
	}
	if (signature == upgrade_signature(n))
		return 0;
	*m = (struct handoff_msg){ .type = HANDOFF_REFUSED,
				   .len = strlen(differs) };
	memcpy(m->payload, differs, m->len);
	(void)!handoff_send(n->upgrade->fd, m);
	return -EINVAL; /* the old one says it */
}

static int say_ready(struct node_upgrade *u)
{
	struct handoff_msg *m = &u->msg;
	struct writer w;

	*m = (struct handoff_msg){ .type = HANDOFF_READY };
	writer_init(&w, m->payload, sizeof(m->payload));
	writer_u32(&w, (uint32_t)getpid());
	upgrade_put_version(&w);
	m->len = w.used;
	return handoff_send(u->fd, m);
}

/* As node_upgrade.c writes it. */
static void get_vhost(struct node *n, struct reader *r)
{
	char name[UINT8_MAX + 1];
	size_t len = reader_u8(r);
	int64_t since_ns;
	unsigned i = 0;

	reader_bytes(r, name, len);
	name[len] = '\0';
	since_ns = (int64_t)reader_u64(r);
	while (i < n->nvhosts && strcmp(n->vhosts[i].name, name))
		i++;
	if (i < n->nvhosts)
		n->vhosts[i].since_ns = since_ns;
	for (size_t k = 0, count = reader_u16(r); k < count; k++) {
		bool there = reader_u8(r);

		if (there && i < n->nvhosts &&
		    k < n->vhosts[i].conf->num_routes +
				    n->vhosts[i].conf->num_rules)
			node_routes_adopt(n, i, k);
	}
}

/* The sockets that came along, -1 for those that did not. */
static void given_sockets(const struct handoff_msg *m, uint8_t given,
			  int *lease, int *events)
{
	unsigned used = 0;

	*lease = *events = -1;
	if (given & UPGRADE_LEASE_GIVEN && used < m->nfds)
		*lease = m->fds[used++];
	if (given & UPGRADE_EVENTS_GIVEN && used < m->nfds)
		*events = m->fds[used++];
}

/* What the old one knew, and its right. */
static int adopt(struct node *n, const struct handoff_msg *m)
{
	const uint8_t *kept;
	int err = 0, lease, events;
	struct reader r;
	const uint8_t *policy;
	uint16_t len16;
	uint32_t len;
	uint8_t given;

	reader_init(&r, m->payload, m->len);
	len = reader_u32(&r);
	kept = reader_skip(&r, len);
	for (unsigned i = reader_u8(&r); i > 0 && reader_ok(&r); i--)
		get_vhost(n, &r);
	/* an older version says nothing, and gives the first alone */
	given = r.left ? reader_u8(&r) : UPGRADE_LEASE_GIVEN;
	len16 = r.left ? reader_u16(&r) : 0;
	policy = reader_skip(&r, len16);
	given_sockets(m, given, &lease, &events);
	if (!kept || !reader_ok(&r))
		return -EBADMSG;
	if (events >= 0)
		err = node_sync_adopt(n, events);
	n->events.labels = given & UPGRADE_LABELS;
	if (!err)
		err = engine_restore(n->engine, kept, len, events >= 0,
				     node_now(n));
	commands_events_anew(n);
	if (!err && len16)
		node_ifstated_adopt(n, policy, len16);
	return err ? err : node_carp_adopt(n, lease);
}

static void on_old_gone(evutil_socket_t fd, short what, void *arg)
{
	struct node *n = arg;

	(void)fd;
	(void)what;
	upgrade_close_talk(n->upgrade);
	log_msg(LOG_NOTICE,
		"upgrade: this process (version %s) goes on in the place of "
		"the one before",
		STATESYNC_VERSION);
	notify("READY=1");
}

/* Both had sockets: what waits in ours the old one has heard, and would be
 * taken for a replay. */
static void forget_adverts(struct node *n)
{
	struct carp_packet p;
	enum carp_refusal why;
	uint8_t byte;

	for (size_t i = 0; i < n->nifaces; i++) {
		struct carpsock *s = &n->ifaces[i].carp;

		for (int k = 0; k < NODE_ADVERTS_WAITING && carpsock_fd(s) >= 0;
		     k++)
			if (carpsock_read(s, &byte, 1, &p, &why))
				break;
	}
}

static int take(struct node *n)
{
	static const struct handoff_msg done = { .type = HANDOFF_TAKEN };
	struct node_upgrade *u = n->upgrade;
	int err = say_ready(u);

	if (!err)
		err = handoff_recv(u->fd, &u->msg, UPGRADE_READY_MS);
	if (!err && u->msg.type != HANDOFF_COMMIT)
		err = -EPROTO;
	if (err)
		return err;
	forget_adverts(n);
	err = adopt(n, &u->msg);
	if (!err && handoff_recv(u->fd, &u->msg, 0) != -ETIMEDOUT)
		err = -EPIPE; /* that took too long: the old one acts again */
	if (err)
		return err;
	node_settle(n); /* with the demotion that is told */
	engine_tick(n->engine, node_now(n));
	node_settle(n);
	err = handoff_send(u->fd, &done);
	if (err)
		return err; /* the old one is gone, or acts again */
	u->foreign = false;
	node_carp_adopted(n);
	engine_note(n->engine, n->engine->node, n->last,
		    "upgraded %s -> %s, role kept",
		    *u->before ? u->before : "an older version",
		    STATESYNC_VERSION);
	return 0;
}

int node_upgrade_take(struct node *n)
{
	struct node_upgrade *u = n->upgrade;
	int err;

	if (!u->foreign)
		return 0;
	err = take(n);
	if (err) {
		log_msg(LOG_ERR, "upgrade: it cannot take over: %s",
			log_errno(-err));
		return err;
	}
	u->event = event_new(n->base, u->fd, EV_READ, on_old_gone, n);
	if (!u->event)
		return 0; /* it is ours all the same */
	event_priority_set(u->event, PRIORITY_NORMAL);
	event_add(u->event, NULL);
	return 0;
}
