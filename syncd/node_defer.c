// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * First packets of new flows, held in the kernel until the engine lets them go.
 * Which ones, and how long, is core/defer's.
 *
 * Implements rules 9, last sentence, and the manual's words on defer.
 *
 * Invariant: the queue is bound only while the engine wants to defer; at all
 * other times, and when this process is dead, the rule lets everything pass.
 */
#include "node.h"

#include <errno.h>
#include <stdlib.h>

#include "ct_queue.h"
#include "ct_queue_rule.h"
#include "log.h"

#define PACKETS_A_TURN 32
#define RETRY_NS       (60 * MONO_S)
#define RETRY_TAKEN_NS (1 * MONO_S) /* by the process before this one */

struct node_defer {
	struct ct_queue queue;
	struct ct_queue_rule rule;
	struct event *event;
	uint64_t malformed; /* of queues before this one */
	int error;	    /* 0, or -errno of the last try */
	mono_t retry_at;
};

/* Queue or table belong to somebody else. */
static bool is_taken(int err)
{
	return err == -EBUSY || err == -EPERM || err == -EEXIST;
}

/* What a person can do about it. */
static const char *explain(int err)
{
	if (is_taken(err))
		return "another program has queue 3790 or a table inet "
		       "statesync_defer. nft list ruleset; cat "
		       "/proc/net/netfilter/nfnetlink_queue";
	switch (-err) {
	case ENOENT:
		return "this kernel has no queue for nftables. modprobe "
		       "nft_queue";
	case EOPNOTSUPP:
	case EAGAIN:
		return "this kernel's queue does not tell of connections. "
		       "modprobe nfnetlink_queue nf_conntrack_netlink, or a "
		       "kernel with NETFILTER_NETLINK_GLUE_CT";
	default:
		return log_errno(-err);
	}
}

static void got_packet(uint32_t id, const struct flow *f, void *arg)
{
	struct node *n = arg;

	engine_packet(n->engine, id, f, n->last);
}

static void on_queue(evutil_socket_t fd, short what, void *arg)
{
	struct node *n = arg;
	int r;

	(void)fd;
	(void)what;
	(void)node_now(n);
	r = ct_queue_read(&n->defer->queue, got_packet, n, PACKETS_A_TURN);
	if (r < 0)
		log_msg(LOG_ERR, "packets that wait: %s", log_errno(-r));
	node_settle(n);
}

static void let_go(struct node *n)
{
	struct node_defer *d = n->defer;

	if (d->event)
		event_free(d->event);
	d->event = NULL;
	d->malformed += d->queue.malformed;
	d->queue.malformed = 0;
	ct_queue_close(&d->queue);
	ct_queue_rule_close(&d->rule);
}

/* The queue before the rule: no packet meets one without the other. */
static int hold(struct node *n)
{
	struct node_defer *d = n->defer;
	int err = ct_queue_open(&d->queue);

	d->rule.sock.fd = -1;
	if (!err)
		err = ct_queue_bind(&d->queue, true);
	if (!err)
		err = ct_queue_rule_open(&d->rule);
	if (!err)
		d->event = event_new(n->base, ct_queue_fd(&d->queue),
				     EV_READ | EV_PERSIST, on_queue, n);
	if (!err && !d->event)
		err = -ENOMEM;
	if (err) {
		let_go(n);
		return err;
	}
	event_priority_set(d->event, PRIORITY_NORMAL);
	event_add(d->event, NULL);
	return 0;
}

static void begin(struct node *n)
{
	int err;

	if (!n->defer)
		n->defer = calloc(1, sizeof(*n->defer));
	if (!n->defer || !mono_due(n->defer->retry_at, n->last))
		return;
	err = hold(n);
	n->defer->retry_at =
		mono_add(n->last, is_taken(err) ? RETRY_TAKEN_NS : RETRY_NS);
	if (err && err != n->defer->error)
		log_msg(LOG_WARNING, "defer: no packet waits for the peer: %s",
			explain(err));
	n->defer->error = err;
}

static void let_pass(uint32_t id, const struct flow *f, void *arg)
{
	struct node *n = arg;

	(void)f;
	n->engine->defer.ends[DEFER_ALONE]++;
	node_defer_pass(n, id);
}

/* What the kernel holds for us goes on: it would be dropped with the queue. The
 * engine has let go what it knew of. */
static void end(struct node *n)
{
	struct node_defer *d = n->defer;

	ct_queue_rule_close(&d->rule);
	while (ct_queue_read(&d->queue, let_pass, n, PACKETS_A_TURN) ==
	       CT_QUEUE_MORE)
		;
	let_go(n);
	d->retry_at = n->last;
}

void node_defer_settle(struct node *n)
{
	bool on = n->defer && n->defer->event, wanted;

	wanted = engine_defers(n->engine);
	if (wanted && !on)
		begin(n);
	if (!wanted && on)
		end(n);
}

void node_defer_pass(struct node *n, uint32_t id)
{
	int err = ct_queue_pass(&n->defer->queue, id);

	if (err && err != -ENOENT)
		log_msg(LOG_ERR, "a packet that waited is lost: %s",
			log_errno(-err));
}

void node_defer_close(struct node *n)
{
	if (n->defer)
		let_go(n);
	free(n->defer);
	n->defer = NULL;
}

const char *node_defer_error(const struct node *n)
{
	return n->defer && n->defer->error ? explain(n->defer->error) : NULL;
}

uint64_t node_defer_malformed(const struct node *n)
{
	return n->defer ? n->defer->malformed + n->defer->queue.malformed : 0;
}
