// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A participant that is ours: its engine, and what node.c and the kernel do
 * with the engine's actions. Invariant: an advert from the virtual MAC leaves
 * under a lease only, and renews it.
 */
#include "carp_sim.h"

#include <assert.h>
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
	case ENGINE_UNSUBSCRIBE:
		engine_unsubscribed(n->engine, true, cs_local(s, n));
		return;
	case ENGINE_ANNOUNCE:
	case ENGINE_SUBSCRIBE:
	case ENGINE_DRAIN:
	case ENGINE_CLOSE:
	case ENGINE_BULK_ENDED:
	case ENGINE_HANDOVER_ENDED:
	case ENGINE_PASS:
	case ENGINE_VERIFIED:
		return;
	}
}

void cs_ours_follow(struct cs_sim *s, unsigned i)
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

/* --- its engine ---------------------------------------------------------- */

static struct engine *engine_pool[CS_NODES];

void cs_ours_begin(struct cs_sim *s, unsigned i)
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
void cs_ours_end(struct engine *e)
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

/* Its table is empty. */
void cs_ours_work(struct cs_sim *s, unsigned i)
{
	struct cs_node *n = &s->node[i];
	mono_t now = cs_local(s, n);

	switch (engine_work(n->engine, now)) {
	case WORK_NONE:
	case WORK_HEAR:
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
		engine_dumped(n->engine, NULL, 0, false, NULL, 0, now);
	}
}
