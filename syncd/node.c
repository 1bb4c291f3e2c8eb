/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The loop: every input goes to the engine, and what the engine then wants is
 * carried out at once, in its order; heavy work only when nothing urgent
 * waits. What an action means is in node_carp.c and node_sync.c. Invariant:
 * the engine is never left with actions in its queue.
 */
#include "node.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"

/* A turn that comes later than this after the last one was a sleep. */
#define SLEPT_NS (1 * MONO_S)
/* A deadline that has passed waits for work, which the timer must let run. */
#define PASSED_NS (1 * MONO_MS)

static int64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * MONO_S + ts.tv_nsec;
}

static mono_t clock_mono(void)
{
	return (mono_t){ clock_ns(CLOCK_MONOTONIC) };
}

/*
 * A machine that is paused or suspended does not notice, and its lease, which
 * the kernel counts in its own time, neither. Another clock that jumped ahead
 * of ours says so (spec/linux-vip.md, Devices).
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
		node_sync_subscribe(n, true);
		return;
	case ENGINE_UNSUBSCRIBE:
		node_sync_subscribe(n, false);
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
		return;
	case ENGINE_BULK_ENDED:
		commands_bulk_ended(n, a->index, a->ok, a->log.text);
		return;
	case ENGINE_HANDOVER_ENDED:
		if (n->engine->stopping)
			n->handover_failed = !a->ok;
		commands_handover_ended(n, a->ok, a->log.text);
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

void node_settle(struct node *n)
{
	struct engine_action a;

	if (n->running_actions) /* an action's own input: the outer loop goes on */
		return;
	n->running_actions = true;
	while (engine_poll(n->engine, &a, clock_mono()))
		act(n, &a);
	n->running_actions = false;
	node_sync_output(n);
	arm_timer(n);
	event_active(n->work, EV_TIMEOUT, 1);
	if (n->stopped)
		event_base_loopbreak(n->base);
}

/* --- the loop's own events ------------------------------------------------ */

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct node *n = arg;

	(void)fd;
	(void)what;
	/* who was late must not miss a master that is waiting to be heard */
	for (size_t i = 0; i < n->nifaces; i++)
		node_advert_read(-1, 0, &n->ifaces[i]);
	engine_tick(n->engine, node_now(n));
	node_settle(n);
}

static void on_work(evutil_socket_t fd, short what, void *arg)
{
	struct node *n = arg;

	(void)fd;
	(void)what;
	if (node_sync_work(n))
		node_settle(n);
}

static void on_housekeeping(evutil_socket_t fd, short what, void *arg)
{
	struct node *n = arg;

	(void)fd;
	(void)what;
	(void)node_now(n);
	node_sync_tick(n);
	node_settle(n);
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
	struct node *n = arg;

	(void)what;
	log_msg(LOG_NOTICE, "stopping: %s", sigdescr_np((int)fd));
	engine_stop(n->engine, node_now(n));
	node_settle(n);
}

static void on_hangup(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	log_msg(LOG_WARNING, "this version does not read its configuration "
			     "again; the running one stays. to change it: "
			     "statesync handover, then restart");
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

static enum require_sync require_sync(const struct conf *conf)
{
	switch (conf->require_sync) {
	case CONF_SYNC_STRICT:
		return REQUIRE_SYNC_STRICT;
	case CONF_SYNC_LIMIT:
		return REQUIRE_SYNC_LIMIT;
	case CONF_SYNC_OFF:
		return REQUIRE_SYNC_OFF;
	}
	return REQUIRE_SYNC_STRICT;
}

struct shared {
	uint32_t v4[CARP_ADDR_MAX]; /* host byte order */
	struct carp_addr6 v6[CARP_ADDR_MAX];
};

/* The vhosts as the engine wants them. */
static void vhost_conf(const struct node *n, size_t i, struct shared *s,
		       struct engine_vhost_conf *out)
{
	const struct conf_carp *c = &n->conf->carps[i];
	size_t v4 = 0, v6 = 0;
	uint64_t seed;

	evutil_secure_rng_get_bytes(&seed, sizeof(seed));
	for (size_t k = 0; k < c->num_addresses; k++)
		if (c->addresses[k].family == AF_INET6)
			memcpy(s->v6[v6++].b, &c->addresses[k].v6, 16);
		else
			s->v4[v4++] = ntohl(c->addresses[k].v4.s_addr);
	*out = (struct engine_vhost_conf){
		.name = c->name,
		.interface = n->vhosts[i].iface,
		.own_mac = c->mac == CONF_MAC_INTERFACE,
		.carp = {
			.vhid = c->vhid,
			.advbase = c->advbase,
			.advskew = c->advskew,
			.preempt = n->conf->preempt,
			.pass = (const char *)c->pass,
			.v4 = s->v4,
			.v4_count = v4,
			.v6 = s->v6,
			.v6_count = v6,
			.seed = seed,
		},
	};
}

static int open_engine(struct node *n)
{
	static struct shared shared[ENGINE_VHOSTS_MAX];
	static struct engine_vhost_conf vhosts[ENGINE_VHOSTS_MAX];
	const char *peers[ENGINE_PEERS_MAX], *why;
	struct engine_conf conf = {
		.node = n->conf->node,
		.version = STATESYNC_VERSION,
		.require = require_sync(n->conf),
		.require_ns = n->conf->require_sync_ms * MONO_MS,
		.nvhosts = n->conf->num_carps,
		.npeers = n->conf->link.num_peers,
		.vhosts = vhosts,
		.peers = peers,
	};
	int err;

	if (conf.nvhosts > ENGINE_VHOSTS_MAX ||
	    conf.npeers > ENGINE_PEERS_MAX) {
		log_msg(LOG_ERR, "at most %d carp blocks and %d peers",
			ENGINE_VHOSTS_MAX, ENGINE_PEERS_MAX);
		return -E2BIG;
	}
	evutil_secure_rng_get_bytes(&conf.boot_id, sizeof(conf.boot_id));
	for (size_t i = 0; i < conf.nvhosts; i++) {
		if (n->conf->carps[i].num_addresses > CARP_ADDR_MAX) {
			log_msg(LOG_ERR, "carp \"%s\": at most %d addresses",
				n->conf->carps[i].name, CARP_ADDR_MAX);
			return -E2BIG;
		}
		vhost_conf(n, i, &shared[i], &vhosts[i]);
	}
	for (size_t i = 0; i < conf.npeers; i++)
		peers[i] = n->conf->link.peers[i].name;
	n->engine = calloc(1, sizeof(*n->engine));
	if (!n->engine)
		return -ENOMEM;
	err = engine_init(n->engine, &conf, &why, clock_mono());
	if (err) {
		log_msg(LOG_ERR, "the configuration cannot be used: %s", why);
		free(n->engine);
		n->engine = NULL;
	}
	return err;
}

/* Vhosts and the interfaces that they name, each once. */
static int open_vhosts(struct node *n)
{
	n->nvhosts = n->conf->num_carps;
	n->vhosts = calloc(n->nvhosts, sizeof(*n->vhosts));
	n->ifaces = calloc(n->nvhosts, sizeof(*n->ifaces));
	if (!n->vhosts || !n->ifaces)
		return -ENOMEM;
	for (size_t i = 0; i < n->nvhosts; i++) {
		const struct conf_carp *c = &n->conf->carps[i];
		unsigned k = 0;

		while (k < n->nifaces &&
		       strcmp(n->ifaces[k].name, c->interface))
			k++;
		if (k == n->nifaces) {
			n->ifaces[n->nifaces].node = n;
			strcpy(n->ifaces[n->nifaces++].name, c->interface);
		}
		n->vhosts[i].node = n;
		n->vhosts[i].conf = c;
		n->vhosts[i].iface = k;
	}
	return 0;
}

int node_open(struct node *n, struct conf *conf)
{
	int err;

	memset(n, 0, sizeof(*n));
	n->conf = conf;
	err = node_exec_fork(n); /* it inherits what is open */
	if (!err)
		err = open_vhosts(n);
	if (!err)
		err = open_loop(n);
	if (!err)
		err = open_engine(n);
	if (!err)
		err = node_sync_open(n);
	if (!err)
		err = commands_open(n);
	if (!err)
		err = node_exec_open(n);
	if (!err)
		err = node_policy_open(n);
	if (!err)
		err = node_track_open(n);
	if (!err)
		err = node_carp_open(n);
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
	node_settle(n);
	event_base_dispatch(n->base);
	say_goodbye(n);
	return n->handover_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

void node_close(struct node *n)
{
	commands_close(n);
	node_track_close(n);
	node_policy_close(n);
	node_exec_close(n);
	node_carp_close(n);
	node_sync_close(n);
	if (n->engine)
		engine_free(n->engine);
	free(n->engine);
	for (size_t i = 0; i < 4; i++)
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
