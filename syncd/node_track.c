/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the vhosts track: brings results from the kernel, from /proc, from
 * files and from the helper to each struct track, and the sum of the weights
 * of what is down to the engine. What a demotion does is the engine's.
 *
 * Implements rules 1: tracked things, their weight.
 *
 * Invariant: whenever a state changed, the engine knows the vhost's sum before
 * the next turn of the loop.
 */
#include "node.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "exec_conf.h"
#include "log.h"
#include "node_track_int.h"

#define POLL_NS	 (1 * MONO_S)  /* files and processes */
#define PIECE_NS (5 * MONO_MS) /* between pieces of /proc */

/* --- results ------------------------------------------------------------- */

static void say(const struct track_item *it, enum track_state was,
		int64_t for_ns)
{
	const struct conf_carp *c = it->node->vhosts[it->vhost].conf;
	const char *kind = track_kind_name(it->track.conf->kind);
	const char *name = it->track.conf->name;
	unsigned weight = it->track.conf->weight;

	switch (it->track.state) {
	case TRACK_DOWN:
		log_msg(LOG_WARNING,
			"carp \"%s\": %s \"%s\" is down: %s; demotion +%u",
			c->name, kind, name, it->track.why, weight);
		return;
	case TRACK_UP:
		if (was == TRACK_UNKNOWN)
			log_msg(LOG_INFO, "carp \"%s\": %s \"%s\" is up",
				c->name, kind, name);
		else
			log_msg(LOG_NOTICE,
				"carp \"%s\": %s \"%s\" is up again, it was "
				"down for %lld.%lld s; demotion -%u",
				c->name, kind, name,
				(long long)(for_ns / MONO_S),
				(long long)(for_ns % MONO_S / (MONO_S / 10)),
				weight);
		return;
	case TRACK_UNKNOWN:
		return;
	}
}

/* Each share of a block hears it where each is judged by itself, else one. */
static void tell_block(struct node *n, unsigned leader)
{
	bool known = true;
	int32_t sum = 0;

	for (size_t i = 0; i < n->track->count; i++) {
		const struct track_item *it = &n->track->items[i];

		if (it->vhost != leader)
			continue;
		sum += track_weight(&it->track);
		known &= it->track.state != TRACK_UNKNOWN;
	}
	engine_track(n->engine, leader, sum, known, n->last);
	for (unsigned i = 0; i < n->nvhosts; i++)
		if (n->vhosts[i].share && node_leader(n, i) == leader)
			engine_track(n->engine, i,
				     n->conf->independent ? sum : 0, known,
				     n->last);
}

static void tell_all(struct node *n)
{
	for (unsigned i = 0; i < n->nvhosts; i++)
		if (!n->vhosts[i].share)
			tell_block(n, i);
}

static void weigh(struct node *n, unsigned vhost)
{
	tell_block(n, vhost);
	if (n->track->running)
		node_settle(n);
}

void track_item_result(struct track_item *it, const char *why)
{
	enum track_state was = it->track.state;
	int64_t for_ns = mono_diff(it->node->last, it->track.since);

	if (!track_result(&it->track, why, it->node->last))
		return;
	say(it, was, for_ns);
	weigh(it->node, it->vhost);
}

void track_item_arm(struct track_item *it, int64_t ns)
{
	struct timeval tv;

	if (ns < 0)
		ns = 0;
	tv.tv_sec = ns / MONO_S;
	tv.tv_usec = ns % MONO_S / MONO_US;
	event_add(it->timer, &tv);
}

static int watch(struct track_item *it, int fd, event_callback_fn cb)
{
	if (it->watch)
		event_free(it->watch);
	it->watch = NULL;
	if (fd < 0)
		return 0;
	it->watch = event_new(it->node->base, fd, EV_READ | EV_PERSIST, cb, it);
	if (!it->watch)
		return -ENOMEM;
	event_priority_set(it->watch, PRIORITY_NORMAL);
	return event_add(it->watch, NULL) ? -ENOMEM : 0;
}

/* --- processes ------------------------------------------------------------- */

static void process_look(struct track_item *it);

static void on_process_end(evutil_socket_t fd, short what, void *arg)
{
	struct track_item *it = arg;

	(void)fd;
	(void)what;
	(void)node_now(it->node);
	process_look(it); /* another one may run */
}

static void process_look(struct track_item *it)
{
	int r;

	/* it must not wait on a descriptor that is closed under it */
	(void)watch(it, -1, NULL);
	r = track_process_look(&it->process);
	if (r == TRACK_PROCESS_NONE && track_process_hidden())
		r = track_process_found(
			&it->process,
			exec_find_process(it->node->exec, it->process.comm));
	if (r == TRACK_PROCESS_LOOKING) {
		track_item_arm(it, PIECE_NS);
		return;
	}
	if (r == 0)
		(void)watch(it, it->process.pidfd, on_process_end);
	if (r != -ETIMEDOUT) /* the helper is late: nothing is known */
		track_item_result(it, r == 0 ? NULL
				      : r == TRACK_PROCESS_NONE
					      ? "no process of this name runs"
					      : log_errno(-r));
	track_item_arm(it, POLL_NS);
}

/* --- files ----------------------------------------------------------------- */

static void on_file(evutil_socket_t fd, short what, void *arg)
{
	struct track_item *it = arg;

	(void)fd;
	(void)what;
	(void)node_now(it->node);
	if (track_file_read(&it->file))
		track_item_result(it, track_file_look(&it->file, false));
}

static void file_look(struct track_item *it)
{
	track_item_result(it, track_file_look(&it->file, true));
	track_item_arm(it, POLL_NS);
}

/* --- routes ---------------------------------------------------------------- */

static void routes_results(struct node *n)
{
	for (size_t i = 0; i < n->track->count; i++) {
		struct track_item *it = &n->track->items[i];

		if (it->route && it->route->known)
			track_item_result(
				it, it->route->up
					    ? NULL
					    : "not in the main table, or it "
					      "leads nowhere");
	}
}

static void on_route_events(evutil_socket_t fd, short what, void *arg)
{
	struct node *n = arg;
	int r;

	(void)fd;
	(void)what;
	(void)node_now(n);
	r = track_routes_events(&n->track->routes);
	if (r == TRACK_ROUTES_REMOVED)
		node_routes_removed(n);
	else if (r < 0)
		log_msg(LOG_ERR, "routes cannot be watched: %s", log_errno(-r));
}

static void on_route_dump(evutil_socket_t fd, short what, void *arg)
{
	struct node *n = arg;
	int r;

	(void)fd;
	(void)what;
	(void)node_now(n);
	r = track_routes_dump(&n->track->routes);
	if (r == TRACK_ROUTES_DUMPED)
		routes_results(n);
	else if (r < 0)
		log_msg(LOG_ERR, "routes cannot be read: %s", log_errno(-r));
}

/* --- interfaces ------------------------------------------------------------ */

void node_track_link(struct node *n, const struct ifmon_event *ev)
{
	for (size_t i = 0; n->track && i < n->track->count; i++) {
		struct track_item *it = &n->track->items[i];

		if (it->track.conf->kind != CONF_TRACK_INTERFACE)
			continue;
		if (strcmp(it->track.conf->name, ev->link.name) == 0) {
			it->ifindex = ev->link.gone ? 0 : ev->ifindex;
			track_item_result(
				it, ev->link.gone  ? "there is none"
				    : !ev->link.up ? "it is not up, or has no "
						     "carrier"
						   : NULL);
		} else if (it->ifindex == ev->ifindex) {
			it->ifindex = 0;
			track_item_result(it, "it has another name now");
		}
	}
}

/* One that went while events were lost, or never was. */
void node_track_links_dumped(struct node *n)
{
	for (size_t i = 0; n->track && i < n->track->count; i++) {
		struct track_item *it = &n->track->items[i];

		if (it->track.conf->kind == CONF_TRACK_INTERFACE &&
		    !if_nametoindex(it->track.conf->name))
			track_item_result(it, "there is none");
	}
}

/* IPv4 routes go with their device, and nobody is told. */
void node_track_links_changed(struct node *n)
{
	if (n->track && n->track->nroutes)
		track_routes_dirty(&n->track->routes);
}

/* --- life ------------------------------------------------------------------ */

/* The shares of a balanced block have one set of them. */
static size_t count_of(const struct node_vhost *v)
{
	return v->share ? 0 : v->conf->num_tracks;
}

const struct track *node_track_get(const struct node *n, unsigned vhost,
				   size_t i)
{
	for (unsigned k = 0; k < node_leader(n, vhost); k++)
		i += count_of(&n->vhosts[k]);
	return &n->track->items[i].track;
}

static void on_item(evutil_socket_t fd, short what, void *arg)
{
	struct track_item *it = arg;

	(void)fd;
	(void)what;
	(void)node_now(it->node);
	switch (it->track.conf->kind) {
	case CONF_TRACK_SCRIPT:
		track_script_run(it);
		return;
	case CONF_TRACK_PROCESS:
		process_look(it);
		return;
	case CONF_TRACK_FILE:
		file_look(it);
		return;
	case CONF_TRACK_INTERFACE:
	case CONF_TRACK_ROUTE:
		return;
	}
}

static void open_route(struct track_item *it)
{
	it->route = &it->node->track->route_list[it->node->track->nroutes++];
	it->route->to = it->track.conf->to;
}

static int open_item(struct track_item *it)
{
	const char *name = it->track.conf->name;
	int err = 0;

	it->timer = event_new(it->node->base, -1, 0, on_item, it);
	if (!it->timer)
		return -ENOMEM;
	event_priority_set(it->timer, PRIORITY_NORMAL);
	switch (it->track.conf->kind) {
	case CONF_TRACK_SCRIPT:
		track_item_arm(it, 0);
		break;
	case CONF_TRACK_PROCESS:
		track_process_open(&it->process, name);
		track_item_arm(it, 0);
		break;
	case CONF_TRACK_FILE:
		track_file_open(&it->file, name);
		it->file.exec = it->node->exec;
		err = watch(it, track_file_fd(&it->file), on_file);
		/* what lies there already counts from the start */
		track_item_result(it, track_file_look(&it->file, false));
		track_item_arm(it, POLL_NS);
		break;
	case CONF_TRACK_ROUTE:
		open_route(it);
		break;
	case CONF_TRACK_INTERFACE:
		break;
	}
	return err;
}

static int open_routes(struct node *n)
{
	struct node_track *t = n->track;
	bool any = t->nroutes > 0;
	int err;

	for (size_t i = 0; i < n->nvhosts; i++)
		any |= !node_is_external(&n->vhosts[i]);
	if (!any)
		return 0;
	err = track_routes_open(&t->routes, t->route_list, t->nroutes);
	if (err) {
		log_msg(LOG_ERR, "routes cannot be watched: %s",
			log_errno(-err));
		return err;
	}
	t->route_events = event_new(n->base, t->routes.events.fd,
				    EV_READ | EV_PERSIST, on_route_events, n);
	t->route_dump = event_new(n->base, t->routes.dump.fd,
				  EV_READ | EV_PERSIST, on_route_dump, n);
	if (!t->route_events || !t->route_dump)
		return -ENOMEM;
	event_priority_set(t->route_events, PRIORITY_NORMAL);
	event_priority_set(t->route_dump, PRIORITY_NORMAL);
	event_add(t->route_events, NULL);
	event_add(t->route_dump, NULL);
	routes_results(n);
	return 0;
}

static bool same_thing(const struct conf_track *a, const struct conf_track *b)
{
	if (a->kind != b->kind || strcmp(a->name, b->name))
		return false;
	return a->kind != CONF_TRACK_SCRIPT || !strcmp(a->command, b->command);
}

/* What was known of it before the configuration changed. */
static void take_over(struct track_item *it, const struct node_track *was)
{
	const struct conf_track *conf = it->track.conf;

	for (size_t i = 0; was && i < was->count; i++) {
		const struct track_item *old = &was->items[i];

		if (old->vhost != it->vhost ||
		    !same_thing(old->track.conf, conf))
			continue;
		it->track = old->track;
		it->track.conf = conf;
		it->ifindex = old->ifindex;
	}
}

/* n->track, anew. */
static int open_items(struct node *n, const struct node_track *was)
{
	struct node_track *t = calloc(1, sizeof(*t));
	size_t total = 0, k = 0;
	int err = 0;

	n->track = t;
	for (size_t i = 0; i < n->nvhosts; i++)
		total += count_of(&n->vhosts[i]);
	if (!t)
		return -ENOMEM;
	/* one more: calloc(0) may be NULL */
	t->items = calloc(total + 1, sizeof(*t->items));
	t->route_list = calloc(total + 1, sizeof(*t->route_list));
	if (!t->items || !t->route_list)
		return -ENOMEM;
	(void)node_now(n);
	for (unsigned i = 0; i < n->nvhosts; i++)
		for (size_t j = 0; j < count_of(&n->vhosts[i]); j++) {
			struct track_item *it = &t->items[k++];

			it->node = n;
			it->vhost = i;
			it->process.pidfd = it->file.fd = -1;
			track_init(&it->track, &n->vhosts[i].conf->tracks[j],
				   n->last);
			take_over(it, was);
		}
	t->count = total;
	for (size_t i = 0; i < total && !err; i++)
		err = open_item(&t->items[i]);
	if (!err)
		err = open_routes(n);
	/* weights may be others, and what was down may be tracked no more */
	if (!err)
		tell_all(n);
	t->running = !err;
	return err;
}

int node_track_open(struct node *n)
{
	return open_items(n, NULL);
}

static void close_item(struct track_item *it)
{
	(void)watch(it, -1, NULL);
	if (it->timer)
		event_free(it->timer);
	exec_forget(it->node->exec, it);
	track_process_close(&it->process);
	track_file_close(&it->file);
}

static void close_items(struct node_track *t)
{
	for (size_t i = 0; t && i < t->count; i++)
		close_item(&t->items[i]);
	if (t) {
		if (t->route_events)
			event_free(t->route_events);
		if (t->route_dump)
			event_free(t->route_dump);
		track_routes_close(&t->routes);
		free(t->items);
		free(t->route_list);
	}
	free(t);
}

int node_track_reopen(struct node *n)
{
	struct node_track *was = n->track;
	int err;

	was->running = false;
	err = open_items(n, was);
	close_items(was);
	return err;
}

void node_track_close(struct node *n)
{
	close_items(n->track);
	n->track = NULL;
}
