// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A participant of the election and what befalls it; for ours, what node.c
 * and the kernel do with the engine's actions. Not here: the state machines
 * of others (carp_foreign.c). Invariant: an advert from the virtual MAC
 * leaves under a lease only, and renews it.
 */
#include "carp_sim.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const vhost_names[CS_VHOSTS] = { "lan", "wan" };

/* --- our kernel, and our actions -------------------------------------------- */

static mono_t later(mono_t a, mono_t b)
{
	return a.ns > b.ns ? a : b;
}

/* Address, MAC and lease take their time; what follows has to wait. */
static void take(struct cs_sim *s, struct cs_node *n, unsigned k)
{
	static const int64_t us[3] = { 100, 50, 20 };
	struct cs_vhost *v = &n->vhost[k];
	int64_t ns = (int64_t)cs_random(s, (uint64_t)n->conf->take_ns + 1);

	s->takes++;
	if (n->failing_takes) {
		n->failing_takes--;
		cs_watch_waits(s, n, v);
		engine_take_failed(n->engine, k, "made up", cs_local(s, n));
		return;
	}
	n->busy_until = mono_add(later(n->busy_until, s->now), ns);
	v->lease_from = n->busy_until;
	v->lease_until = mono_add(n->busy_until, v->lease_ns);
	engine_taken(n->engine, k, us, cs_local(s, n));
}

static void advert(struct cs_sim *s, unsigned i, const struct engine_action *a)
{
	struct cs_node *n = &s->node[i];
	struct cs_vhost *v = &n->vhost[a->index];
	mono_t at = later(n->busy_until, s->now);

	if (!a->advert.own_mac) {
		if (at.ns < v->lease_from.ns || at.ns >= v->lease_until.ns) {
			cs_say(s, 1, "%s: advert refused", n->name);
			s->stimulus = CS_OTHER;
			cs_watch_waits(s, n, v);
			engine_lease_lost(n->engine, a->index, cs_local(s, n));
			return;
		}
		v->lease_until = mono_add(at, v->lease_ns);
	}
	cs_send(s, i, a->index, a->advert.bytes, at);
}

static void act(struct cs_sim *s, unsigned i, const struct engine_action *a)
{
	struct cs_node *n = &s->node[i];

	switch (a->what) {
	case ENGINE_TAKE:
		take(s, n, a->index);
		return;
	case ENGINE_RELEASE:
	case ENGINE_FENCE:
		n->vhost[a->index].lease_until = (mono_t){ 0 };
		return;
	case ENGINE_ADVERT:
		advert(s, i, a);
		return;
	case ENGINE_LEASE_TIME:
		n->vhost[a->index].lease_ns = a->lease_ns;
		return;
	case ENGINE_LOG:
		cs_say(s, a->log.level <= 5 ? 1 : 2, "%s: %s", n->name,
		       a->log.text);
		return;
	case ENGINE_TRANSITION:
		s->transitions++;
		return;
	case ENGINE_STOPPED:
		n->stopping = true;
		return;
	case ENGINE_ANNOUNCE:
	case ENGINE_SUBSCRIBE:
	case ENGINE_UNSUBSCRIBE:
	case ENGINE_DRAIN:
	case ENGINE_CLOSE:
	case ENGINE_BULK_ENDED:
	case ENGINE_HANDOVER_ENDED:
	case ENGINE_PASS:
	case ENGINE_VERIFIED:
		return;
	}
}

/* Carries out what a call to the engine has led to. */
static void follow(struct cs_sim *s, unsigned i)
{
	struct cs_node *n = &s->node[i];
	struct engine_action a;
	unsigned count = 0;

	while (engine_poll(n->engine, &a, cs_local(s, n))) {
		act(s, i, &a);
		if (++count > 1000) {
			cs_fail(s, "%s: actions without end", n->name);
			return;
		}
	}
	if (n->demote != n->engine->env.demotion) {
		n->demote = (uint8_t)n->engine->env.demotion;
		n->key_since = s->now;
	}
	for (unsigned k = 0; k < s->conf.vhosts; k++) {
		enum carp_state is = n->engine->vhosts[k].carp.state;

		if (is != n->vhost[k].state)
			cs_watch_transition(s, i, k, is);
	}
	if (n->stopping)
		cs_kill(s, i);
}

/* --- life --------------------------------------------------------------------- */

static struct engine *engine_pool[CS_NODES];

static void engine_begin(struct cs_sim *s, unsigned i)
{
	struct cs_node *n = &s->node[i];
	struct engine_vhost_conf vhosts[CS_VHOSTS];
	struct engine_conf conf = {
		.node = n->name,
		.version = "simulated",
		.boot_id = cs_random(s, 0),
		.nvhosts = s->conf.vhosts,
		.vhosts = vhosts,
	};
	const char *why;
	int err;

	for (unsigned k = 0; k < s->conf.vhosts; k++)
		vhosts[k] = (struct engine_vhost_conf){
			.name = vhost_names[k],
			.interface = cs_lan(s, k),
			.carp = {
				.vhid = s->auth[k].vhid,
				.advbase = n->conf->advbase,
				.advskew = n->conf->advskew[k],
				.preempt = n->conf->preempt,
				.pass = "secret",
				.v4 = s->auth[k].v4,
				.v4_count = s->auth[k].v4_count,
				.v6 = s->auth[k].v6,
				.v6_count = s->auth[k].v6_count,
				.seed = cs_random(s, 0),
			},
		};
	if (!engine_pool[i])
		engine_pool[i] = calloc(1, sizeof(*engine_pool[i]));
	assert(engine_pool[i]);
	n->engine = engine_pool[i];
	err = engine_init(n->engine, &conf, &why, cs_local(s, n));
	assert(!err);
	n->demote = 0;
	for (unsigned k = 0; k < s->conf.vhosts; k++)
		if (n->carrier[cs_lan(s, k)])
			engine_link(n->engine, k, true, cs_local(s, n));
}

/*
 * As engine_free, but for the two big arrays, whose contents nobody reads
 * before it is written: most of a series' time would go into clearing them.
 */
static void engine_end(struct engine *e)
{
	char *bytes = (char *)e;
	size_t ops = offsetof(struct engine, ops);
	size_t nops = offsetof(struct engine, nops);
	size_t queue = offsetof(struct engine, queue);

	filter_free(&e->filter);
	free(e->own);
	e->head = e->queued = 0;
	memset(bytes, 0, ops);
	memset(bytes + nops, 0, queue - nops);
}

void cs_start(struct cs_sim *s, unsigned i)
{
	struct cs_node *n = &s->node[i];

	n->starts_at = MONO_NEVER;
	if (n->running)
		return;
	cs_say(s, 1, "%s: starts", n->name);
	n->running = true;
	n->frozen = n->asleep = n->stopping = false;
	n->busy_until = s->now;
	n->key_since = s->now;
	n->demotion = n->demote = 0;
	n->nbacklog = 0;
	n->deadline = MONO_NEVER;
	n->late_deadline = MONO_NEVER;
	for (unsigned k = 0; k < s->conf.vhosts; k++) {
		struct cs_vhost fresh = {
			.able_since = MONO_NEVER,
			.waits_since = MONO_NEVER,
			.number = n->vhost[k].number,
			.master_down = { MONO_NEVER, MONO_NEVER },
			.next_advert = MONO_NEVER,
		};

		n->vhost[k] = fresh;
	}
	s->stimulus = CS_OTHER;
	if (n->conf->kind == CS_OURS) {
		engine_begin(s, i);
		follow(s, i);
	} else {
		for (unsigned k = 0; k < s->conf.vhosts; k++)
			cs_foreign_up(s, i, k, n->carrier[cs_lan(s, k)]);
	}
	cs_watch_paths(s);
}

void cs_kill(struct cs_sim *s, unsigned i)
{
	struct cs_node *n = &s->node[i];

	if (!n->running)
		return;
	cs_say(s, 1, "%s: is gone", n->name);
	n->running = n->frozen = n->asleep = n->stopping = false;
	n->wakes_at = MONO_NEVER;
	if (n->conf->kind == CS_OURS)
		engine_end(n->engine);
	n->engine = NULL;
	for (unsigned k = 0; k < s->conf.vhosts; k++) {
		n->vhost[k].state = CARP_INIT;
		n->vhost[k].lease_until = (mono_t){ 0 };
	}
	cs_watch_paths(s);
}

void cs_stop(struct cs_sim *s, unsigned i)
{
	struct cs_node *n = &s->node[i];

	if (!cs_awake(n))
		return;
	cs_say(s, 1, "%s: is told to stop", n->name);
	s->stimulus = CS_OTHER;
	if (n->conf->kind == CS_OURS) {
		engine_stop(n->engine, cs_local(s, n));
		follow(s, i);
		return;
	}
	for (unsigned k = 0; k < s->conf.vhosts; k++)
		if (n->conf->kind == CS_OPENBSD &&
		    n->vhost[k].state == CARP_MASTER)
			cs_foreign_advert(s, i, k, true);
	cs_kill(s, i);
}

/* --- what befalls it -------------------------------------------------------------- */

void cs_freeze(struct cs_sim *s, unsigned i, int64_t ns)
{
	struct cs_node *n = &s->node[i];

	if (!cs_awake(n) || n->conf->kind != CS_OURS)
		return;
	cs_say(s, 1, "%s: hangs for %lld ms", n->name,
	       (long long)(ns / MONO_MS));
	n->frozen = true;
	n->wakes_at = mono_add(s->now, ns);
	cs_watch_paths(s);
}

void cs_sleep(struct cs_sim *s, unsigned i, int64_t ns)
{
	struct cs_node *n = &s->node[i];

	if (!cs_awake(n) || n->conf->kind != CS_OURS)
		return;
	cs_say(s, 1, "%s: sleeps for %lld ms", n->name,
	       (long long)(ns / MONO_MS));
	n->asleep = true;
	n->offset_ns += ns;
	n->wakes_at = mono_add(s->now, ns);
	cs_watch_paths(s);
}

void cs_carrier(struct cs_sim *s, unsigned i, unsigned lan, bool up)
{
	struct cs_node *n = &s->node[i];

	if (n->running && !cs_awake(n))
		return;
	if (n->carrier[lan] != up)
		cs_say(s, 1, "%s: interface %u is %s", n->name, lan,
		       up ? "up" : "down");
	n->carrier[lan] = up;
	s->stimulus = CS_OTHER;
	for (unsigned k = 0; k < s->conf.vhosts && n->running; k++) {
		if (cs_lan(s, k) != lan)
			continue;
		if (n->conf->kind == CS_OURS) {
			/* devices go before the daemon hears of it */
			if (!up)
				n->vhost[k].lease_until = (mono_t){ 0 };
			engine_link(n->engine, k, up, cs_local(s, n));
			follow(s, i);
		} else {
			cs_foreign_up(s, i, k, up);
		}
	}
	cs_watch_paths(s);
}

void cs_demote(struct cs_sim *s, unsigned i, int32_t by)
{
	struct cs_node *n = &s->node[i];

	if (!cs_awake(n) || n->conf->kind == CS_UCARP)
		return;
	if (by < -n->demotion)
		by = -n->demotion;
	if (!by)
		return;
	cs_say(s, 1, "%s: demoted by %d", n->name, by);
	n->demotion += by;
	s->stimulus = CS_OTHER;
	if (n->conf->kind == CS_OURS) {
		engine_demote(n->engine, by, cs_local(s, n));
		follow(s, i);
		return;
	}
	n->key_since = s->now;
	if (n->conf->kind == CS_OPENBSD)
		n->demote = (uint8_t)(n->demotion > 255 ? 255 : n->demotion);
	for (unsigned k = 0; k < s->conf.vhosts && by > 0; k++)
		if (n->vhost[k].state == CARP_MASTER)
			cs_foreign_advert(s, i, k, false);
}

/* Its table is empty. */
static void work(struct cs_sim *s, struct cs_node *n)
{
	mono_t now = cs_local(s, n);

	switch (engine_work(n->engine, now)) {
	case WORK_NONE:
	case WORK_INJECT:
	case WORK_SETS:
	case WORK_EXPECTS:
		return;
	case WORK_EXPECTS_DUMP:
		engine_expects_dumped(n->engine, true, now);
		return;
	case WORK_DUMP_START:
	case WORK_DUMP_ABORT:
		engine_dumping(n->engine, !n->engine->dump_running, now);
		return;
	case WORK_DUMP_READ:
		engine_dumped(n->engine, NULL, 0, false, false, now);
	}
}

/* --- its turns ------------------------------------------------------------------------ */

mono_t cs_deadline(const struct cs_sim *s, unsigned i)
{
	const struct cs_node *n = &s->node[i];
	mono_t t = MONO_NEVER;

	if (n->conf->kind == CS_OURS)
		return mono_add(engine_deadline(n->engine), n->offset_ns);
	for (unsigned k = 0; k < s->conf.vhosts; k++)
		t = mono_min(t, cs_foreign_deadline(n, k));
	return t;
}

static void tick(struct cs_sim *s, unsigned i)
{
	struct cs_node *n = &s->node[i];

	s->stimulus = CS_TIMER;
	n->deadline = (mono_t){ -1 };
	if (n->conf->kind == CS_OURS) {
		engine_tick(n->engine, cs_local(s, n));
		follow(s, i);
		if (n->running)
			work(s, n);
		return;
	}
	for (unsigned k = 0; k < s->conf.vhosts; k++)
		cs_foreign_tick(s, i, k);
}

/* What came meanwhile waits in its socket, and so does its timer. */
static void thaw(struct cs_sim *s, unsigned i)
{
	struct cs_node *n = &s->node[i];
	bool timers_first = cs_chance(s, 20);

	cs_say(s, 1, "%s: goes on", n->name);
	n->frozen = false;
	cs_watch_paths(s);
	if (timers_first)
		tick(s, i);
	for (unsigned m = 0; m < n->nbacklog && n->running; m++)
		cs_hear(s, &n->backlog[m]);
	n->nbacklog = 0;
	if (n->running)
		tick(s, i);
}

/* It sees that boot time jumped, and gives up its leases. */
static void wake(struct cs_sim *s, unsigned i)
{
	struct cs_node *n = &s->node[i];

	cs_say(s, 1, "%s: wakes up", n->name);
	n->asleep = false;
	cs_watch_paths(s);
	s->stimulus = CS_OTHER;
	for (unsigned k = 0; k < s->conf.vhosts && n->running; k++) {
		n->vhost[k].lease_until = (mono_t){ 0 };
		engine_lease_lost(n->engine, k, cs_local(s, n));
		follow(s, i);
	}
}

void cs_turn(struct cs_sim *s, unsigned i)
{
	struct cs_node *n = &s->node[i];

	if (!n->running)
		cs_start(s, i);
	else if (n->frozen)
		thaw(s, i);
	else if (n->asleep)
		wake(s, i);
	else
		tick(s, i);
}

void cs_hear(struct cs_sim *s, const struct cs_packet *p)
{
	struct cs_node *n = &s->node[p->to];
	struct carp_address from = { .family = p->family };
	struct carp_advert a;

	if (!n->carrier[cs_lan(s, p->vhost)])
		return;
	if (carp_wire_parse(p->bytes, CARP_ADVERT_LEN, &a)) {
		cs_fail(s, "a broken advert");
		return;
	}
	s->stimulus = CS_ADVERT;
	s->advert = &a;
	if (n->conf->kind == CS_OURS) {
		if (p->family == CARP_V4)
			from.v4 = s->conf.node[p->from].v4;
		else
			from.v6 = (struct carp_addr6){
				{ 0xfe, 0x80, [15] = (uint8_t)(p->from + 1) }
			};
		engine_advert(n->engine, p->vhost, &a, &from, cs_local(s, n));
		follow(s, p->to);
	} else {
		cs_foreign_hear(s, p, &a);
	}
	cs_watch_heard(s, p);
	s->stimulus = CS_OTHER;
	s->advert = NULL;
}

int64_t cs_interval_ns(const struct cs_sim *s, unsigned i, unsigned k)
{
	const struct cs_node_conf *c = s->node[i].conf;
	unsigned skew = c->advskew[k];
	int64_t ns;

	if (c->kind == CS_FREEBSD) {
		skew += (unsigned)s->node[i].demotion;
		if (skew > 240)
			skew = 240;
	}
	ns = c->advbase * MONO_S + skew * (MONO_S / 256);
	return ns ? ns : MONO_S / 256;
}
