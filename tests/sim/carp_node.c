// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A participant of the election: its life, what befalls it, and its turns.
 * Not here: what is in ours (carp_ours.c), and the state machines of others
 * (carp_foreign.c). Invariant: who does not run, hangs or sleeps does nothing.
 */
#include "carp_sim.h"

/* --- life --------------------------------------------------------------------- */

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
		cs_ours_begin(s, i);
		cs_ours_follow(s, i);
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
		cs_ours_end(n->engine);
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
		cs_ours_follow(s, i);
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
			cs_ours_follow(s, i);
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
		engine_demote(n->engine, DEMOTION_OPERATOR, "the operator", by);
		cs_ours_follow(s, i);
		return;
	}
	n->key_since = s->now;
	if (n->conf->kind == CS_OPENBSD)
		n->demote = (uint8_t)(n->demotion > 255 ? 255 : n->demotion);
	for (unsigned k = 0; k < s->conf.vhosts && by > 0; k++)
		if (n->vhost[k].state == CARP_MASTER)
			cs_foreign_advert(s, i, k, false);
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
		cs_ours_follow(s, i);
		if (n->running)
			cs_ours_work(s, i);
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
		cs_ours_follow(s, i);
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
		cs_ours_follow(s, p->to);
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
