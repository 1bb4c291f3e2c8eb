/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The loop: every input goes to the engine, and what the engine then wants is
 * carried out at once, in its order; heavy work only when nothing urgent
 * waits. What an action means is in node_carp.c and node_sync.c. Invariant:
 * the engine is never left with actions in its queue.
 */
#include "node.h"
#include "clock.h"
#include "node_http.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "exec_conf.h"
#include "log.h"
#include "node_drift.h"
#include "node_ifstated.h"
#include "notify.h"
#include "priv.h"

/* A turn that comes later than this after the last one was a sleep. */
#define SLEPT_NS (1 * MONO_S)
/* A deadline that has passed waits for work, which the timer must let run. */
#define PASSED_NS (1 * MONO_MS)

/*
 * A machine that is paused or suspended does not notice, and its lease, which
 * the kernel counts in its own time, neither. Another clock that jumped ahead
 * of ours says so (LINUX-VIP.md, Devices).
 */
static bool machine_slept(struct node *n, mono_t now)
{
	static const clockid_t clocks[2] = { CLOCK_BOOTTIME, CLOCK_REALTIME };
	bool slept = false;

	for (int i = 0; i < 2; i++) {
		int64_t ahead = clock_ns(clocks[i]) - now.ns;

		slept |= n->last.ns && ahead - n->ahead_ns[i] > SLEPT_NS;
		n->ahead_ns[i] = ahead;
	}
	return slept;
}

mono_t node_now(struct node *n)
{
	mono_t now = clock_mono();
	bool slept = machine_slept(n, now);

	if (n->last.ns && mono_diff(now, n->last) > SLEPT_NS)
		node_woke(n);
	if (n->standin)
		standin_alive(n->standin, now);
	n->last = now;
	if (slept) {
		log_msg(LOG_WARNING,
			"the clock jumped ahead: this machine slept, or was "
			"set; mastership is given up until the peers agree");
		node_carp_slept(n);
	}
	return now;
}

/* --- actions ---------------------------------------------------------- */

static void act(struct node *n, const struct engine_action *a)
{
	switch (a->what) {
	case ENGINE_TAKE:
		node_take(n, a->index);
		return;
	case ENGINE_RELEASE:
		node_release(n, a->index);
		return;
	case ENGINE_FENCE:
		node_fence(n, a->index);
		return;
	case ENGINE_ADVERT:
		node_advert(n, a->index, a->advert.bytes, a->advert.own_mac);
		return;
	case ENGINE_ANNOUNCE:
		node_announce(n, a->index);
		return;
	case ENGINE_SUBSCRIBE:
		node_sync_subscribe(n);
		return;
	case ENGINE_UNSUBSCRIBE:
		node_sync_unsubscribe(n);
		return;
	case ENGINE_DRAIN:
		node_sync_drain(n);
		return;
	case ENGINE_LEASE_TIME:
		node_lease_time(n, a->index, a->lease_ns);
		return;
	case ENGINE_CLOSE:
		peersock_close(n->peersock, a->index, a->log.text);
		return;
	case ENGINE_LOG:
		log_msg(a->log.level, "%s", a->log.text);
		return;
	case ENGINE_TRANSITION:
		if (n->ifstated)
			node_ifstated_role(n, a);
		return;
	case ENGINE_BULK_ENDED:
		commands_bulk_ended(n, a->index, a->ok, a->log.text);
		return;
	case ENGINE_HANDOVER_ENDED:
		if (n->engine->stopping)
			n->handover_failed = !a->ok;
		commands_handover_ended(n, a->ok, a->log.text);
		commands_maintenance_ended(n, a->ok, a->log.text);
		commands_drill_ended(n, a->ok, a->log.text);
		return;
	case ENGINE_PASS:
		node_defer_pass(n, a->packet);
		return;
	case ENGINE_VERIFIED:
		commands_verified(n, a->index, a->ok ? NULL : a->log.text);
		return;
	case ENGINE_STOPPED:
		n->stopped = true;
		return;
	}
}

static void arm_timer(struct node *n)
{
	mono_t deadline = engine_deadline(n->engine);
	int64_t wait = mono_diff(deadline, clock_mono());
	struct timeval tv;

	if (mono_is_never(deadline)) {
		event_del(n->timer);
		return;
	}
	if (wait <= 0)
		wait = PASSED_NS;
	/* round up, so that the deadline has come when we wake */
	wait += MONO_US - 1;
	tv.tv_sec = wait / MONO_S;
	tv.tv_usec = wait % MONO_S / MONO_US;
	event_add(n->timer, &tv);
}

/* What the engine wants, and what follows of it; true when it was anything. */
static bool run_actions(struct node *n)
{
	struct engine_action a;
	bool any = false;

	n->running_actions = true;
	do {
		while (engine_poll(n->engine, &a, clock_mono())) {
			act(n, &a);
			any = true;
		}
	} while (commands_settle(n));
	n->running_actions = false;
	node_sync_output(n);
	node_defer_settle(n);
	arm_timer(n);
	if (n->stopped)
		event_base_loopbreak(n->base);
	return any;
}

void node_settle(struct node *n)
{
	if (n->running_actions) /* an action's own input: the outer loop goes on */
		return;
	(void)run_actions(n);
	event_active(n->work, EV_TIMEOUT, 1);
}

/* --- the loop's own events ------------------------------------------------ */

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct node *n = arg;
	mono_t now = node_now(n);

	(void)fd;
	(void)what;
	/* Who was late must not miss a master that is waiting to be heard: what
	 * is due is told by the time before, because we may be late again. */
	for (size_t i = 0; i < n->nifaces; i++)
		node_advert_read_all(&n->ifaces[i]);
	engine_tick(n->engine, now);
	node_settle(n);
}

static void on_work(evutil_socket_t fd, short what, void *arg)
{
	struct node *n = arg;
	bool more = node_sync_work(n);

	(void)fd;
	(void)what;
	/* a peer's word may have been heard on the way, without any work */
	more |= run_actions(n);
	if (more)
		event_active(n->work, EV_TIMEOUT, 1);
}

static void sample_rates(struct node *n)
{
	uint64_t sent, received;

	engine_told(n->engine, &sent, &received);
	rate_sample(&n->sent, sent, n->last);
	rate_sample(&n->received, received, n->last);
}

static void on_housekeeping(evutil_socket_t fd, short what, void *arg)
{
	struct node *n = arg;

	(void)fd;
	(void)what;
	(void)node_now(n);
	node_sync_tick(n);
	sample_rates(n);
	node_notify(n);
	node_settle(n);
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
	struct node *n = arg;

	(void)what;
	log_msg(LOG_NOTICE, "stopping: %s", sigdescr_np((int)fd));
	notify("STOPPING=1");
	engine_stop(n->engine, node_now(n));
	node_settle(n);
}

static void on_hangup(evutil_socket_t fd, short what, void *arg)
{
	char text[NODE_RELOAD_TEXT];

	(void)fd;
	(void)what;
	(void)node_reload(arg, text);
}

/* --- life ------------------------------------------------------------------- */

static int open_loop(struct node *n)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };
	struct event_config *cfg = event_config_new();
	const struct timeval second = { .tv_sec = 1 };

	if (!cfg)
		return -ENOMEM;
	event_config_set_flag(cfg, EVENT_BASE_FLAG_PRECISE_TIMER);
	event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
	/* work makes itself active again: look for what is urgent each time */
	event_config_set_max_dispatch_interval(cfg, NULL, 4, PRIORITY_BULK);
	n->base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	if (!n->base || event_base_priority_init(n->base, PRIORITIES))
		return -ENOMEM;
	n->timer = event_new(n->base, -1, 0, on_timer, n);
	n->work = event_new(n->base, -1, 0, on_work, n);
	n->housekeeping =
		event_new(n->base, -1, EV_PERSIST, on_housekeeping, n);
	if (!n->timer || !n->work || !n->housekeeping)
		return -ENOMEM;
	event_priority_set(n->timer, PRIORITY_URGENT);
	event_priority_set(n->work, PRIORITY_BULK);
	event_priority_set(n->housekeeping, PRIORITY_NORMAL);
	event_add(n->housekeeping, &second);
	for (size_t i = 0; i < 3; i++) {
		n->signals[i] = evsignal_new(
			n->base, numbers[i],
			numbers[i] == SIGHUP ? on_hangup : on_stop, n);
		if (!n->signals[i])
			return -ENOMEM;
		event_priority_set(n->signals[i], PRIORITY_NORMAL);
		event_add(n->signals[i], NULL);
	}
	return 0;
}

int node_open(struct node *n, struct conf *conf)
{
	int err;

	n->conf = conf;
	exec_conf_use(n->exec);
	err = node_conf_vhosts(n);
	if (!err)
		err = open_loop(n);
	if (!err)
		err = node_conf_engine(n);
	if (!err)
		err = node_upgrade_open(n);
	if (!err)
		commands_maintenance_open(n);
	if (!err)
		err = node_sync_open(n);
	if (!err)
		err = commands_open(n);
	if (!err)
		err = node_http_open(n);
	if (!err)
		err = node_exec_open(n);
	if (!err)
		err = node_ifstated_open(n);
	if (!err)
		err = node_routes_open(n);
	if (!err)
		err = node_track_open(n);
	if (!err)
		err = node_carp_open(n);
	if (!err)
		err = node_drift_open(n);
	if (!err)
		err = priv_filter(); /* all threads are there */
	if (!err)
		err = node_upgrade_take(n);
	if (!err)
		node_ifstated_begin(n);
	if (err) {
		if (err == -ENOMEM)
			log_msg(LOG_ERR, "not enough memory");
		node_close(n);
	}
	return err;
}

/* What the peers should still hear, for a moment. */
static void say_goodbye(struct node *n)
{
	const struct timeval moment = { .tv_usec = 100000 };

	node_sync_output(n);
	if (!n->peersock)
		return;
	event_base_loopexit(n->base, &moment);
	for (unsigned i = 0; i < n->conf->link.num_peers; i++)
		if (peersock_pending(n->peersock, i)) {
			event_base_dispatch(n->base);
			return;
		}
}

int node_run(struct node *n)
{
	(void)node_now(n);
	sample_rates(n);
	node_settle(n);
	event_base_dispatch(n->base);
	if (node_upgrade_foreign(n)) {
		node_upgrade_leave(n);
		return EXIT_SUCCESS;
	}
	say_goodbye(n);
	return n->handover_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

void node_close(struct node *n)
{
	if (node_upgrade_foreign(n))
		return;
	node_upgrade_close(n);
	node_drift_close(n);
	commands_close(n);
	node_http_close(n);
	node_track_close(n);
	node_routes_close(n);
	node_ifstated_close(n);
	node_exec_close(n);
	node_carp_close(n);
	node_defer_close(n);
	node_sync_close(n);
	if (n->engine)
		engine_free(n->engine);
	free(n->engine);
	for (size_t i = 0; i < sizeof(n->signals) / sizeof(n->signals[0]); i++)
		if (n->signals[i])
			event_free(n->signals[i]);
	if (n->timer)
		event_free(n->timer);
	if (n->work)
		event_free(n->work);
	if (n->housekeeping)
		event_free(n->housekeeping);
	if (n->base)
		event_base_free(n->base);
	free(n->vhosts);
	free(n->ifaces);
	conf_free(n->conf);
}
