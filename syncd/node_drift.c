/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What this node says of itself to its peers: the facts of the machine
 * (drift_watch.h), and those that the daemon knows: its version, its carp
 * blocks, their interfaces and networks. It compares nothing.
 *
 * Invariant: the engine is told only when a fact changed.
 */
#include "node_drift.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "drift_watch.h"
#include "log.h"
#include "vhost.h"

struct node_drift {
	struct drift_watch *watch;
	struct event *event, *timer;
	mono_t looked;	   /* the last time */
	struct fact *last; /* as the engine was told */
	size_t nlast;
};

struct facts {
	struct fact *list;
	size_t n;
};

static void add(struct facts *f, enum drift_kind kind, const char *value,
		const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static void add(struct facts *f, enum drift_kind kind, const char *value,
		const char *fmt, ...)
{
	struct fact *at = &f->list[f->n];
	va_list args;

	if (f->n == FACTS_MAX)
		return;
	*at = (struct fact){ .kind = kind };
	va_start(args, fmt);
	vsnprintf(at->name, sizeof(at->name), fmt, args);
	va_end(args);
	snprintf(at->value, sizeof(at->value), "%s", value);
	f->n++;
}

static void add_head(struct facts *f, enum drift_kind kind)
{
	add(f, kind, "all", "%s", "");
}

static void add_number(struct facts *f, enum drift_kind kind, uint64_t value,
		       const char *what, const char *of)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	add(f, kind, text, "%s of carp %s", what, of);
}

/* --- interfaces ----------------------------------------------------------------- */

/* 0: not known. */
static unsigned mtu_of(const char *name)
{
	struct ifreq r = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok;

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	ok = fd >= 0 && ioctl(fd, SIOCGIFMTU, &r) == 0;
	if (fd >= 0)
		close(fd);
	return ok ? (unsigned)r.ifr_mtu : 0;
}

/* The first vhost of each block. */
static bool leads(const struct node *n, unsigned i)
{
	return n->vhosts[i].iface != NODE_NO_IFACE && !n->vhosts[i].share;
}

static void add_interfaces(const struct node *n, struct facts *f)
{
	add_head(f, DRIFT_INTERFACES);
	for (unsigned i = 0; i < n->nvhosts; i++) {
		const char *name = n->vhosts[i].conf->name, *interface;

		if (!leads(n, i))
			continue;
		interface = n->vhosts[i].conf->interface;
		add(f, DRIFT_INTERFACES, interface, "interface of carp %s",
		    name);
		if (n->ifaces[n->vhosts[i].iface].ifindex)
			add_number(f, DRIFT_INTERFACES, mtu_of(interface),
				   "MTU", name);
		else
			add(f, DRIFT_INTERFACES, "none", "MTU of carp %s",
			    name);
	}
}

static bool is_link_local(const struct ifmon_addr *a)
{
	return a->family == AF_INET6 && a->addr[0] == 0xfe &&
	       (a->addr[1] & 0xc0) == 0x80;
}

static void network_of(const struct ifmon_addr *a, char *text, size_t size)
{
	char address[INET6_ADDRSTRLEN] = "?";
	uint8_t net[16];

	memcpy(net, a->addr, sizeof(net));
	for (unsigned bit = a->prefixlen; bit < 128; bit++)
		net[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	inet_ntop(a->family, net, address, sizeof(address));
	snprintf(text, size, "%s/%u", address, a->prefixlen);
}

static bool has_fact(const struct facts *f, const char *name)
{
	for (size_t i = f->n; i > 0 && f->list[i - 1].kind == DRIFT_ADDRESSES;
	     i--)
		if (!strcmp(f->list[i - 1].name, name))
			return true;
	return false;
}

/* Each network once, whatever the node's own address in it is. */
static void add_networks(const struct node *n, struct facts *f)
{
	add_head(f, DRIFT_ADDRESSES);
	for (unsigned i = 0; i < n->nvhosts; i++) {
		const struct node_iface *iface;

		if (!leads(n, i))
			continue;
		iface = &n->ifaces[n->vhosts[i].iface];
		for (size_t k = 0; k < n->naddrs; k++) {
			const struct ifmon_addr *a = &n->addrs[k].addr;
			char net[INET6_ADDRSTRLEN + 4], name[FACT_NAME_MAX];

			if (n->addrs[k].ifindex != iface->ifindex ||
			    is_link_local(a))
				continue;
			network_of(a, net, sizeof(net));
			snprintf(name, sizeof(name), "%s on carp %s", net,
				 n->vhosts[i].conf->name);
			if (!has_fact(f, name))
				add(f, DRIFT_ADDRESSES, "an address", "%s",
				    name);
		}
	}
}

/* --- carp -------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* In an order that is not the configuration's. */
static void add_shared(const struct conf_carp *c, struct facts *f)
{
	char(*list)[INET6_ADDRSTRLEN + 4] =
		calloc(c->num_addresses + 1, sizeof(*list));
	char text[512] = "";
	size_t len = 0;

	for (size_t i = 0; list && i < c->num_addresses; i++) {
		char address[INET6_ADDRSTRLEN] = "?";

		inet_ntop(c->addresses[i].family, &c->addresses[i].v4, address,
			  sizeof(address));
		snprintf(list[i], sizeof(*list), "%s/%u", address,
			 c->addresses[i].prefixlen);
	}
	if (list)
		qsort(list, c->num_addresses, sizeof(*list), by_text);
	for (size_t i = 0; list && i < c->num_addresses && len < sizeof(text);
	     i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s",
					i ? " " : "", list[i]);
	free(list);
	if (len >= FACT_VALUE_MAX)
		snprintf(text + FACT_VALUE_MAX - 24, 24, "... (%zu)",
			 c->num_addresses);
	add(f, DRIFT_CARP, text, "addresses of carp %s", c->name);
}

static void add_vhost(const struct node *n, unsigned i, struct facts *f)
{
	static const char *const balancing[] = {
		[CONF_BALANCING_NONE] = "none",
		[CONF_BALANCING_IP] = "ip",
		[CONF_BALANCING_STEALTH] = "ip-stealth",
	};
	const struct conf_carp *c = n->vhosts[i].conf;
	char text[24];

	add_number(f, DRIFT_CARP, c->balancing ? c->nodes[0].vhid : c->vhid,
		   "vhid", c->name);
	add_number(f, DRIFT_CARP, c->advbase, "advbase", c->name);
	add(f, DRIFT_CARP, c->mac == CONF_MAC_VIRTUAL ? "virtual" : "interface",
	    "mac of carp %s", c->name);
	add(f, DRIFT_CARP, balancing[c->balancing], "balancing of carp %s",
	    c->name);
	add_shared(c, f);
	snprintf(text, sizeof(text), "%016" PRIx64,
		 carp_vhost_identity(&n->engine->vhosts[i].carp));
	add(f, DRIFT_CARP, text, "password or addresses of carp %s", c->name);
}

static void add_carp(const struct node *n, struct facts *f)
{
	const struct conf *c = n->conf;
	const struct {
		const char *name;
		bool on;
	} flags[] = {
		{ "preempt", c->preempt },
		{ "independent", c->independent },
		{ "witness", c->witness },
		{ "router-advertisement", c->router_advertisement },
		{ "defer", c->sync.defer },
	};

	add_head(f, DRIFT_CARP);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		add(f, DRIFT_CARP, flags[i].on ? "true" : "false", "%s",
		    flags[i].name);
	for (unsigned i = 0; i < n->nvhosts; i++)
		if (leads(n, i))
			add_vhost(n, i, f);
}

/* --- all of it ---------------------------------------------------------------------- */

/* Which files are watched; its note says how often all is looked at. */
static const char files_fact[] = "drift { files }";

static void add_own(const struct node *n, struct facts *f)
{
	size_t before;
	char text[FACT_VALUE_MAX] = "";
	size_t len = 0;

	add_head(f, DRIFT_VERSION);
	add(f, DRIFT_VERSION, n->engine->version, "statesyncd");
	add_interfaces(n, f);
	add_networks(n, f);
	add_carp(n, f);
	for (size_t i = 0; i < n->conf->drift.num_files; i++)
		if (len < sizeof(text))
			len += (size_t)snprintf(text + len, sizeof(text) - len,
						"%s%s", i ? " " : "",
						n->conf->drift.files[i]);
	before = f->n;
	add(f, DRIFT_FILES, *text ? text : "none", "%s", files_fact);
	if (f->n > before)
		snprintf(f->list[before].note, sizeof(f->list[before].note),
			 "period %" PRId64, (int64_t)n->conf->drift.period_ms);
}

static bool same_facts(const struct node_drift *d, const struct facts *f)
{
	return d->last && d->nlast == f->n &&
	       !memcmp(d->last, f->list, f->n * sizeof(*f->list));
}

static void on_facts(evutil_socket_t fd, short what, void *arg)
{
	struct node *n = arg;
	struct node_drift *d = n->drift;
	struct facts f;

	(void)fd;
	(void)what;
	(void)node_now(n);
	f.n = drift_watch_take(d->watch, &f.list);
	if (!f.list)
		return;
	d->looked = n->last;
	add_own(n, &f);
	drift_sort(f.list, f.n);
	if (same_facts(d, &f)) {
		free(f.list);
		return;
	}
	free(d->last);
	d->nlast = f.n;
	d->last = calloc(f.n, sizeof(*d->last));
	if (d->last)
		memcpy(d->last, f.list, f.n * sizeof(*f.list));
	engine_drift_facts(n->engine, f.list, f.n, n->last);
	node_settle(n);
}

void node_drift_look(struct node *n)
{
	if (n->drift)
		drift_watch_look(n->drift->watch);
}

int64_t node_drift_age_ns(const struct node *n)
{
	return n->drift && n->drift->looked.ns
		       ? mono_diff(n->last, n->drift->looked)
		       : -1;
}

/* It tells what it is when that changes, and looks as often as it says. */
int64_t node_drift_peer_age_ns(const struct node *n, unsigned peer)
{
	const struct engine_drift_peer *p = &n->engine->drift.peers[peer];
	int64_t ms;

	for (size_t i = 0; engine_drift_known(n->engine, peer) && i < p->n; i++)
		if (!strcmp(p->list[i].name, files_fact) &&
		    sscanf(p->list[i].note, "period %" SCNd64, &ms) == 1)
			return ms > 0 && ms <= 3600000 ? ms * MONO_MS : -1;
	return -1;
}

static void on_period(evutil_socket_t fd, short what, void *arg)
{
	struct node *n = arg;

	(void)fd;
	(void)what;
	drift_watch_look(n->drift->watch);
}

/* --- life ---------------------------------------------------------------------------- */

static void tell_names(struct node *n, unsigned peer)
{
	const struct conf_sync *s = &n->conf->sync;
	struct drift_alias list[ENGINE_DRIFT_ALIASES];
	struct drift_names names = { .interfaces = list };

	for (size_t i = 0; i < s->num_names; i++) {
		const struct conf_names *c = &s->names[i];

		if (strcmp(c->peer, n->engine->peers[peer].name))
			continue;
		names.zones |= c->zones.n > 0;
		for (size_t k = 0;
		     k < c->num_interfaces && names.n < ENGINE_DRIFT_ALIASES;
		     k++)
			list[names.n++] =
				(struct drift_alias){ c->interfaces[k].ours,
						      c->interfaces[k].theirs };
	}
	engine_drift_names(n->engine, peer, &names, n->last);
}

static struct drift_watch_conf watch_conf(const struct node *n,
					  const char *sets[SETS_MAX])
{
	struct drift_watch_conf conf = {
		.nfiles = n->conf->drift.num_files,
		.sets = sets,
		.nsets = (size_t)node_sets_names(n, sets),
	};

	if (conf.nfiles)
		exec_watched(n->exec, n->conf->drift.files[0], &conf.files);
	return conf;
}

static void tell_engine(struct node *n)
{
	const struct conf_drift *c = &n->conf->drift;

	engine_drift_effects(n->engine, c->effects,
			     (const char *const *)c->ignore, c->num_ignore,
			     n->last);
	for (unsigned i = 0; i < n->engine->npeers; i++)
		tell_names(n, i);
}

static void arm(struct node *n)
{
	const struct timeval tv = {
		.tv_sec = n->conf->drift.period_ms / 1000,
		.tv_usec = n->conf->drift.period_ms % 1000 * 1000,
	};

	event_add(n->drift->timer, &tv);
}

int node_drift_open(struct node *n)
{
	const char *sets[SETS_MAX];
	struct drift_watch_conf conf = watch_conf(n, sets);
	struct node_drift *d;
	int channel;

	if (!n->engine->npeers)
		return 0;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	n->drift = d;
	channel = exec_channel(n->exec);
	if (channel < 0) {
		log_msg(LOG_ERR,
			"the helper gives no way to compare files: %s; not "
			"started. restart statesyncd",
			log_errno(-channel));
		return channel;
	}
	d->watch = drift_watch_open(&conf, channel);
	if (!d->watch) {
		int err = -errno;

		log_msg(LOG_ERR,
			"no thread to compare this node with its peers: %s; "
			"not started. raise MemoryMax= or TasksMax= of the "
			"unit",
			log_errno(-err));
		return err;
	}
	d->event = event_new(n->base, drift_watch_fd(d->watch),
			     EV_READ | EV_PERSIST, on_facts, n);
	d->timer = event_new(n->base, -1, EV_PERSIST, on_period, n);
	if (!d->event || !d->timer)
		return -ENOMEM;
	event_priority_set(d->event, PRIORITY_BULK);
	event_priority_set(d->timer, PRIORITY_BULK);
	event_add(d->event, NULL);
	arm(n);
	tell_engine(n);
	return 0;
}

int node_drift_change(struct node *n)
{
	const char *sets[SETS_MAX];
	struct drift_watch_conf conf = watch_conf(n, sets);
	int err;

	if (!n->drift)
		return 0;
	err = drift_watch_set(n->drift->watch, &conf);
	if (err)
		return err;
	tell_engine(n);
	arm(n);
	drift_watch_look(n->drift->watch);
	return 0;
}

void node_drift_close(struct node *n)
{
	struct node_drift *d = n->drift;

	if (!d)
		return;
	if (d->event)
		event_free(d->event);
	if (d->timer)
		event_free(d->timer);
	drift_watch_close(d->watch);
	free(d->last);
	free(d);
	n->drift = NULL;
}
