/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The engine's flows and peers on real sockets: events and dumps of our
 * kernel's table go in, changes for it come out, bytes go both ways. It
 * decides nothing. Invariant: bytes wait in the session, where a gap can drop
 * them, and only a little of them in the socket's own queue.
 */
#include "node.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "ct_timeouts.h"
#include "log.h"

/* What may wait in the socket's queue. */
#define SOCKET_QUEUE_BYTES (64 * 1024)
/* Turns of up to SESSION_BATCH_MAX events in one go: some 20 ms. */
#define DRAIN_TURNS 64
/* More events behind a dump's first chunk are those of expired entries. */
#define EVENTS_OF_EXPIRED 512
/*
 * Under load the kernel is asked for events once in so long, and what came
 * meanwhile goes in one frame, one TLS record, one acknowledgement: most of
 * what a flow costs is these. The first event after quiet is told at once.
 */
#define EVENTS_REST_NS (250 * MONO_US)

/* --- our kernel -------------------------------------------------------- */

static void got_event(const struct ct_event *ev, void *arg)
{
	struct node *n = arg;

	n->events_seen++;
	engine_event(n->engine, ev->op, &ev->flow, ev->portid, n->last);
}

/* One turn; false when there are no more, or none can be read. */
static bool events_turn(struct node *n)
{
	size_t room = engine_events_room(n->engine);
	int r;

	if (n->events_paused)
		return false;
	if (!room)
		return true;
	r = ct_events_read(&n->events, got_event, n, (unsigned)room);
	if (r == CT_EVENTS_OVERRUN)
		engine_overrun(n->engine, n->last);
	if (r < 0) /* what waits is still there */
		log_msg(LOG_ERR, "events of the kernel: %s", log_errno(-r));
	if (r == CT_EVENTS_DRAINED)
		engine_drained(n->engine, node_now(n));
	return r > 0;
}

/* When to look again: at once, after a rest, or when there is something. */
static void events_again(struct node *n, bool more, bool busy)
{
	const struct timeval rest = { .tv_usec = EVENTS_REST_NS / MONO_US };

	if (more || !busy) {
		event_add(n->events_event, NULL);
		return;
	}
	event_del(n->events_event);
	event_add(n->events_rest, &rest);
}

/* The socket is readable, or the rest is over. */
static void on_events(evutil_socket_t fd, short what, void *arg)
{
	struct node *n = arg;
	mono_t before = n->last_events;
	uint64_t seen = n->events_seen;
	bool more;

	(void)fd;
	(void)what;
	n->last_events = node_now(n);
	more = events_turn(n);
	node_settle(n);
	events_again(n, more,
		     seen != n->events_seen &&
			     mono_diff(n->last_events, before) <
				     2 * EVENTS_REST_NS);
}

/* What is left after so many turns is read by on_events(), or before the dump
 * that runs goes on. */
bool node_sync_drain(struct node *n)
{
	n->events_behind = false;
	for (int i = 0; !n->deaf && i < DRAIN_TURNS; i++)
		if (!events_turn(n))
			return !n->events_paused;
	/* a bulk reads more only after its next chunk */
	n->events_behind = !n->deaf && engine_events_room(n->engine) > 0;
	return false;
}

void node_sync_pause(struct node *n, bool on)
{
	n->events_paused = on;
	if (!on) {
		event_add(n->events_event, NULL);
		return;
	}
	event_del(n->events_event);
	event_del(n->events_rest);
}

static int events_watch(struct node *n)
{
	n->events_event = event_new(n->base, ct_events_fd(&n->events),
				    EV_READ | EV_PERSIST, on_events, n);
	if (!n->events_event)
		return -ENOMEM;
	event_priority_set(n->events_event, PRIORITY_BULK);
	event_add(n->events_event, NULL);
	return 0;
}

int node_sync_adopt(struct node *n, int fd)
{
	int err;

	event_free(n->events_event);
	n->events_event = NULL;
	err = ct_events_adopt(&n->events, fd);
	if (!err)
		err = ct_events_ignore_portid(&n->events,
					      ct_inject_portid(&n->inject));
	return err ? err : events_watch(n);
}

void node_sync_unsubscribe(struct node *n)
{
	bool whole = node_sync_drain(n);

	n->deaf = false;
	ct_events_unsubscribe(&n->events);
	engine_unsubscribed(n->engine, whole, n->last);
}

void node_sync_subscribe(struct node *n)
{
	int err = ct_events_subscribe(&n->events);

	if (err && !n->deaf)
		log_msg(LOG_ERR,
			"the kernel does not tell of its connections (%s); "
			"the peers get nothing until it does",
			log_errno(-err));
	if (err)
		engine_overrun(n->engine, n->last);
	n->deaf = err;
}

void node_sync_tick(struct node *n)
{
	if (n->deaf) {
		node_sync_subscribe(n);
		node_sync_drain(n);
	}
	ct_timeouts_read(&n->engine->timeouts); /* a sysctl may have changed */
	node_sync_table(n);
}

void node_sync_table(struct node *n)
{
	uint32_t entries;

	if (ct_count(&entries, &n->table_max) == 0)
		engine_table(n->engine, entries);
}

/* --- work ---------------------------------------------------------------- */

static void got_expect(const struct ct_expect_event *ev, void *arg)
{
	struct node *n = arg;

	engine_expect(n->engine, &ev->change,
		      ev->has_master ? &ev->master : NULL, n->last);
}

static void expects_dump(struct node *n)
{
	int err = ct_expect_dump(&n->inject.sock, &n->events.query, got_expect,
				 n);

	if (err)
		log_msg(LOG_WARNING, "expectations cannot be read: %s",
			log_errno(-err));
	engine_expects_dumped(n->engine, !err, node_now(n));
}

static void expects_inject(struct node *n)
{
	uint8_t results[EXPECT_BATCH];

	ct_expect_apply(&n->inject, &n->engine->expects.batch, results);
	engine_expects_injected(n->engine, results);
}

/* The table has no order, and the peer takes no child before its master. */
static void got_master(struct node *n, const struct flow *child)
{
	struct flow master = {
		.family = child->family,
		.l4proto = child->master_l4proto,
		.zone = child->zone,
		.zone_dir = child->zone_dir,
		.orig = child->master,
	};

	if (n->nchunk < ENGINE_OPS_MAX &&
	    ct_flow_ask(&n->events.query, &master, &n->chunk[n->nchunk]) == 0)
		n->nchunk++;
}

static void got_flow(const struct flow *f, void *arg)
{
	struct node *n = arg;

	if (f->has & FLOW_HAS_MASTER && n->engine->dump == DUMP_BULK)
		got_master(n, f);
	if (n->nchunk < ENGINE_OPS_MAX)
		n->chunk[n->nchunk++] = *f;
}

/*
 * The kernel ends what has expired when a dump comes by, tens of thousands of
 * entries for one chunk where many are, and tells of each: they are read before
 * the next, or its buffer overflows.
 */
static void dump_start(struct node *n)
{
	uint64_t seen = n->events_seen;
	int err;

	node_sync_table(n);
	err = ct_dump_start(&n->dump, AF_UNSPEC);
	if (err)
		log_msg(LOG_ERR, "the connection table cannot be read: %s",
			log_errno(-err));
	engine_dumping(n->engine, !err, n->last);
	node_sync_drain(n);
	/* where few live among them one chunk would still be too many */
	if (n->events_seen - seen > EVENTS_OF_EXPIRED)
		ct_dump_small(&n->dump);
}

/* That this thread has used. */
static int64_t processor_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* The kernel has filled the chunk by now: what happened since goes before what is
 * made of it, but behind a bulk's (rules 4). */
static void dump_read(struct node *n)
{
	enum engine_dump what = n->engine->dump;
	int64_t begun;
	int r;

	if (what == DUMP_LOWER || what == DUMP_RAISE)
		node_sync_drain(n);
	begun = processor_ns();
	n->nchunk = 0;
	r = ct_dump_read(&n->dump, got_flow, n);
	engine_dumped(n->engine, n->chunk, n->nchunk, r == CT_DUMP_MORE,
		      ct_dump_why(r), processor_ns() - begun, node_now(n));
	node_sync_drain(n);
}

static void say_helper(struct node *n)
{
	if (!strcmp(n->helper_said, n->inject.helper))
		return;
	memcpy(n->helper_said, n->inject.helper, sizeof(n->helper_said));
	log_msg(LOG_WARNING,
		"this kernel does not know the helper \"%s\": connections of "
		"the peer are here without it. statesync check names the "
		"module",
		n->helper_said);
}

static void say_refused(struct node *n)
{
	int why = n->inject.last_errno;

	if (n->refused_said == why || !mono_due(n->refused_next, n->last))
		return;
	n->refused_said = why;
	n->refused_next = mono_add(n->last, 60 * MONO_S);
	log_msg(LOG_WARNING,
		"this kernel refuses changes of connections (%s): these are "
		"not as the peer has them. statesync counters says how many",
		log_errno(why));
}

static void inject(struct node *n)
{
	static uint8_t results[ENGINE_OPS_MAX];
	int64_t begun = processor_ns();
	struct engine *e = n->engine;
	size_t done = 0;

	while (done < e->nops) {
		size_t part = e->nops - done;
		int err;

		if (part > INJECT_OPS_MAX)
			part = INJECT_OPS_MAX;
		err = ct_inject_apply(&n->inject, &e->ops[done], part,
				      &results[done]);
		if (err)
			log_msg(LOG_ERR, "flows into the kernel: %s",
				log_errno(-err));
		done += part;
	}
	say_helper(n);
	say_refused(n);
	engine_injected(e, results, processor_ns() - begun, node_now(n));
}

bool node_sync_work(struct node *n)
{
	/* the last event read need not have been the last one */
	if (n->engine->congested && !n->deaf && !n->events_paused &&
	    (events_turn(n) || !n->engine->congested))
		return true;
	if (n->events_behind) {
		node_sync_drain(n);
		return true;
	}
	switch (engine_work(n->engine, node_now(n))) {
	case WORK_NONE:
		break;
	case WORK_INJECT:
		inject(n);
		return true;
	case WORK_EXPECTS:
		expects_inject(n);
		return true;
	case WORK_EXPECTS_DUMP:
		expects_dump(n);
		return true;
	case WORK_DUMP_START:
		dump_start(n);
		return true;
	case WORK_DUMP_READ:
		dump_read(n);
		return true;
	case WORK_DUMP_ABORT:
		ct_dump_abort(&n->dump);
		engine_dumping(n->engine, false, n->last);
		return true;
	case WORK_SETS:
		node_sets_work(n);
		return true;
	case WORK_HEAR:
		return true;
	}
	/* hearing a peer may have left actions */
	return n->engine->queued > 0;
}

/* --- peers ------------------------------------------------------------------ */

void node_sync_output(struct node *n)
{
	const uint8_t *bytes;
	size_t len;

	for (unsigned i = 0; n->peersock && i < n->engine->npeers; i++) {
		struct session *s = engine_session(n->engine, i);

		while (peersock_is_up(n->peersock, i) &&
		       peersock_pending(n->peersock, i) < SOCKET_QUEUE_BYTES &&
		       (len = session_output(s, &bytes)) > 0) {
			if (peersock_send(n->peersock, i, bytes, len))
				break;
			session_sent(s, len);
		}
		peersock_pause_reading(n->peersock, i,
				       engine_peer_full(n->engine, i));
	}
}

static void on_up(void *arg, unsigned peer)
{
	struct node *n = arg;

	engine_peer_up(n->engine, peer, node_now(n));
	node_settle(n);
}

static void on_data(void *arg, unsigned peer, const uint8_t *data, size_t len)
{
	struct node *n = arg;

	engine_peer_data(n->engine, peer, data, len, node_now(n));
	node_settle(n);
}

static void on_down(void *arg, unsigned peer, enum peersock_reason reason,
		    const char *why)
{
	struct node *n = arg;

	(void)reason;
	engine_peer_down(n->engine, peer, why, node_now(n));
	node_settle(n);
}

static void on_drained(void *arg, unsigned peer)
{
	(void)peer;
	node_settle(arg);
}

const struct peersock_ops node_sync_ops = {
	.up = on_up,
	.data = on_data,
	.down = on_down,
	.drained = on_drained,
};

/* --- life ----------------------------------------------------------------------- */

static int open_conntrack(struct node *n)
{
	int err = ct_inject_open(&n->inject);

	n->inject.timeouts = &n->engine->timeouts;
	if (!err)
		err = ct_dump_open(&n->dump);
	if (!err)
		err = ct_events_open(&n->events, n->conf->event_buffer_bytes);
	if (!err)
		err = ct_events_ignore_portid(&n->events,
					      ct_inject_portid(&n->inject));
	if (err) {
		log_msg(LOG_ERR,
			"this kernel's connection table cannot be reached "
			"(%s); nothing can be synced. run as root; modprobe "
			"nf_conntrack_netlink",
			log_errno(-err));
		return err;
	}
	n->events.expect_cb = got_expect;
	n->events_rest = evtimer_new(n->base, on_events, n);
	n->chunk = calloc(ENGINE_OPS_MAX, sizeof(*n->chunk));
	if (!n->events_rest || !n->chunk || events_watch(n))
		return -ENOMEM;
	event_priority_set(n->events_rest, PRIORITY_BULK);
	ct_timeouts_read(&n->engine->timeouts);
	node_sync_table(n);
	return 0;
}

int node_sync_open(struct node *n)
{
	int err = open_conntrack(n);

	if (!err)
		err = node_sets_open(n);
	return err ? err : node_link_open(n);
}

void node_sync_close(struct node *n)
{
	if (n->peersock)
		peersock_free(n->peersock);
	n->peersock = NULL;
	node_sets_close(n);
	if (n->events_event)
		event_free(n->events_event);
	if (n->events_rest)
		event_free(n->events_rest);
	n->events_event = n->events_rest = NULL;
	ct_events_close(&n->events);
	ct_dump_close(&n->dump);
	ct_inject_close(&n->inject);
	free(n->chunk);
	n->chunk = NULL;
}
