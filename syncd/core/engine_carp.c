/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The engine's virtual hosts: what they hear, what they are told about the
 * node (demotion, hold), what of their wishes becomes an action. The election
 * itself is in carp/fsm. Invariant: kernel events are subscribed to before the
 * first right is taken, and until the last one is gone.
 */
#include "engine_int.h"

#include <stdio.h>
#include <string.h>

/* The lease in advert intervals (LINUX-VIP.md), as a fraction. */
#define LEASE_NUM 5
#define LEASE_DEN 2
/* The shortest lease that outlives one interval of ours with a late jiffy. */
#define LEASE_SLACK_NS (20 * MONO_MS)

/* --- what the vhosts hear ---------------------------------------------- */

/* Of those that are down, or where a vhost cannot be master. */
void engine_carp_count_down(struct engine *e)
{
	int32_t down = 0;

	for (size_t i = 0; i < e->nvhosts; i++) {
		bool first = !e->vhosts[i].gone, serves = true;

		for (size_t k = 0; k < e->nvhosts; k++) {
			const struct engine_vhost *v = &e->vhosts[k];

			if (v->gone || v->interface != e->vhosts[i].interface)
				continue;
			first &= k >= i;
			serves &= v->link_up && !v->unusable;
		}
		down += first && !serves;
	}
	demotion_set(&e->demotion, DEMOTION_INTERFACE, down);
}

void engine_link(struct engine *e, unsigned vhost, bool up, mono_t now)
{
	struct engine_vhost *v = &e->vhosts[vhost];

	if (e->stopped)
		return;
	v->link_up = up;
	v->unusable = false;
	if (!up) { /* what it tears away is not told (rules 3) */
		destroys_clear(&e->destroys);
		engine_rx_torn(e, now);
	}
	engine_carp_count_down(e);
	carp_vhost_link(&v->carp, up && mono_is_never(v->waits_until), now);
}

void engine_refused(struct engine *e, unsigned vhost, enum carp_refusal why)
{
	carp_vhost_count(&e->vhosts[vhost].carp, why);
}

enum carp_refusal engine_advert(struct engine *e, unsigned vhost,
				const struct carp_advert *a,
				const struct carp_address *source, mono_t now)
{
	struct carp_sender from = { .addr = *source };
	int peer = engine_witness_sender(e, vhost, a, &from, now);
	enum carp_refusal result;

	if (peer >= 0) {
		from.known = true;
		from.asks = e->peers[peer].live;
		from.tie = engine_witness_tie(e, vhost, (unsigned)peer, now);
	}
	result = carp_vhost_receive(&e->vhosts[vhost].carp, a, &from, now);
	if (result == CARP_OK) {
		e->vhosts[vhost].heard_at = now;
		engine_witness_heard(e, vhost, peer, a, source->family);
	}
	return result;
}

/* Another one is master, so that is why: as a peer says, or as is heard. */
static bool has_other_master(const struct engine *e, unsigned i, unsigned peer,
			     mono_t now)
{
	const struct carp_vhost *v = &e->vhosts[i].carp;

	for (unsigned k = 0; k < e->npeers; k++) {
		const struct session_vhost *w =
			engine_peer_vhost(&e->peers[k], e->vhosts[i].name);

		if (k != peer && w && w->state == CARP_MASTER)
			return true;
	}
	return v->master.any &&
	       mono_diff(now, v->master.at) < carp_vhost_interval_ns(v) &&
	       !carp_fsm_is_bow_out(&v->master.advert) &&
	       !engine_witness_owns(e, peer, &v->master.from.addr);
}

void engine_carp_peer_gave_up(struct engine *e, unsigned peer,
			      const char *vhost, mono_t now)
{
	/* on hold it is left to the peer to come back (rules 1) */
	if (gate_holding(&e->gate, now))
		return;
	for (unsigned i = 0; i < e->nvhosts; i++)
		if (strcmp(e->vhosts[i].name, vhost) == 0 &&
		    !engine_is_second(e, i, (int)peer, now) &&
		    !has_other_master(e, i, peer, now))
			carp_vhost_give_up(&e->vhosts[i].carp, now);
}

/* --- what the kernel answers ---------------------------------------------- */

void engine_taken(struct engine *e, unsigned vhost,
		  const int64_t us[SESSION_STEPS], mono_t now)
{
	struct engine_vhost *v = &e->vhosts[vhost];
	struct history_entry *h = history_last(&e->history, v->name);

	(void)now;
	v->taking = false;
	v->held = v->carp.state == CARP_MASTER;
	v->unusable = false;
	engine_carp_count_down(e);
	for (int i = 0; i < SESSION_STEPS; i++) {
		if (h && h->to == CARP_MASTER)
			h->step_us[STEP_ADDRESS + i] = us[i];
		e->go_step_us[i] += us[i];
	}
	engine_peer_say_word(e);
}

void engine_take_failed(struct engine *e, unsigned vhost, const char *why,
			mono_t now)
{
	struct engine_vhost *v = &e->vhosts[vhost];

	v->taking = false;
	v->unusable = true;
	engine_carp_count_down(e);
	engine_log(e, LEVEL_ERR, "carp \"%s\": cannot be master: %s", v->name,
		   why);
	carp_vhost_yield(&v->carp, CARP_CAUSE_LEASE, now);
}

void engine_lease_lost(struct engine *e, unsigned vhost, mono_t now)
{
	struct engine_vhost *v = &e->vhosts[vhost];

	if (v->carp.state != CARP_MASTER || v->carp.fence != CARP_UNFENCED)
		return;
	engine_log(e, LEVEL_ERR,
		   "carp \"%s\": the lease ran out, this node answered nobody; "
		   "it slept too long or its adverts did not leave in time",
		   v->name);
	carp_vhost_lease_lost(&v->carp, now);
	v->lost_at = now;
	v->leases_lost++;
	for (size_t i = 0; i < e->npeers; i++) {
		e->peers[i].ask = e->peers[i].say_word = true;
		e->peers[i].asked = 0;
	}
	engine_carp_answered(e, now); /* alone there is nobody to ask */
}

/* Rules 6: it comes back at once where nobody else can be master, as every
 * peer has said since; otherwise by election. */
void engine_carp_answered(struct engine *e, mono_t now)
{
	for (size_t i = 0; i < e->npeers; i++)
		if (!e->peers[i].live || e->peers[i].ask || e->peers[i].asked)
			return;
	for (size_t i = 0; i < e->nvhosts; i++) {
		struct engine_vhost *v = &e->vhosts[i];
		bool other = v->carp.master.any &&
			     (e->npeers == 0 ||
			      mono_diff(v->carp.master.at, v->lost_at) >= 0);

		for (size_t k = 0; k < e->npeers; k++) {
			const struct session_vhost *w =
				engine_peer_vhost(&e->peers[k], v->name);

			other |= w && w->state == CARP_MASTER;
		}
		if (v->lost_at.ns && !other)
			carp_vhost_take(&v->carp, CARP_CAUSE_LEASE_BACK, now);
		v->lost_at.ns = 0;
	}
}

/* --- what the vhosts want ------------------------------------------------ */

static unsigned count_masters(const struct engine *e)
{
	unsigned n = 0;

	for (size_t i = 0; i < e->nvhosts; i++)
		n += e->vhosts[i].carp.state == CARP_MASTER;
	return n;
}

static void describe(const struct carp_action *a, const char *handover_why,
		     char *text, size_t size)
{
	int64_t ms = a->transition.silent_ns / MONO_MS;

	if (a->transition.cause == CARP_CAUSE_HANDOVER)
		snprintf(text, size, "handover %.100s", handover_why);
	else if (a->transition.cause != CARP_CAUSE_MASTER_DOWN)
		snprintf(text, size, "%s",
			 carp_cause_name(a->transition.cause));
	else if (a->transition.silent_ns < 0)
		snprintf(text, size, "no master alive");
	else
		snprintf(text, size, "no adverts for %lld.%lld s",
			 (long long)(ms / 1000), (long long)(ms % 1000 / 100));
}

/* Which peer this is a handover with, and in which direction. */
static void handover_words(const struct engine *e, char *text, size_t size)
{
	text[0] = '\0';
	if (e->go_from >= 0)
		snprintf(text, size, "from %s%s%.80s",
			 e->peers[e->go_from].name, *e->go_why ? ": " : "",
			 e->go_why);
	else if (e->npeers)
		snprintf(text, size, "to %s%s%.80s",
			 e->peers[e->handover_peer].name,
			 *e->handover_why ? ": " : "", e->handover_why);
}

/* What the hold of a new master has to say, if anything. */
static void add_hold(const struct engine *e, enum engine_took took, char *cause,
		     size_t size)
{
	size_t len = strlen(cause);

	if (e->gate.holds == HOLD_DRIFT)
		snprintf(cause + len, size - len, " (hold: drift)");
	else if (took == TOOK_ALONE)
		snprintf(cause + len, size - len, ", peer never seen");
	else if (took == TOOK_LESS)
		snprintf(cause + len, size - len, ", not in sync (hold: %s)",
			 gate_reason(e->gate.holds));
}

static void transition(struct engine *e, unsigned i,
		       const struct carp_action *a, mono_t now)
{
	struct engine_vhost *v = &e->vhosts[i];
	char cause[SESSION_REASON_MAX], words[SESSION_REASON_MAX];
	bool held = a->transition.to == CARP_MASTER &&
		    e->gate.holds & ~(uint32_t)HOLD_DRIFT;
	enum engine_took took = engine_took(e, i);
	struct engine_action *out;

	handover_words(e, words, sizeof(words));
	describe(a, words, cause, sizeof(cause));
	if (a->transition.to == CARP_MASTER)
		add_hold(e, took, cause, sizeof(cause));
	history_add(&e->history, now, v->name, a->transition.from,
		    a->transition.to, cause);
	engine_log(e, LEVEL_NOTICE, "carp \"%s\": %s -> %s: %s", v->name,
		   carp_state_name(a->transition.from),
		   carp_state_name(a->transition.to), cause);
	if (held)
		engine_took_log(e, i, took, now);
	if (a->transition.to == CARP_MASTER)
		engine_set_no_preempt(e, i, false);
	/* its flows go on elsewhere: what is here is a copy (rules 7) */
	e->raise |= a->transition.from == CARP_MASTER && engine_alone(e, i);
	v->unheard = a->transition.cause == CARP_CAUSE_UNHEARD;
	if (a->transition.to != CARP_MASTER)
		v->mute = false;
	if (a->transition.to != CARP_BACKUP)
		v->lost_at.ns = 0;
	out = engine_push(e, ENGINE_TRANSITION, i);
	out->transition.from = a->transition.from;
	out->transition.to = a->transition.to;
	memcpy(out->transition.cause, cause, sizeof(cause));
	engine_peer_say_word(e);
}

static void carry_over(struct engine *e, unsigned i,
		       const struct carp_action *a, mono_t now)
{
	struct engine_action *out;

	switch (a->what) {
	case CARP_DO_TRANSITION:
		transition(e, i, a, now);
		return;
	case CARP_DO_TAKE:
		if (!e->masters)
			memset(e->go_step_us, 0, sizeof(e->go_step_us));
		if (!e->subscribed) {
			e->subscribed = true;
			engine_push(e, ENGINE_SUBSCRIBE, 0);
		}
		e->vhosts[i].taking = true;
		engine_push(e, ENGINE_TAKE, i);
		return;
	case CARP_DO_RELEASE:
		e->vhosts[i].taking = e->vhosts[i].held = false;
		engine_push(e, ENGINE_RELEASE, i);
		return;
	case CARP_DO_ADVERT:
		out = engine_push(e, ENGINE_ADVERT, i);
		memcpy(out->advert.bytes, a->advert.bytes,
		       sizeof(out->advert.bytes));
		out->advert.own_mac = a->advert.own_mac;
		if (!a->advert.own_mac)
			engine_witness_said(e, i, a->advert.counter, now);
		return;
	case CARP_DO_ANNOUNCE:
		engine_push(e, ENGINE_ANNOUNCE, i);
		return;
	case CARP_DO_ASK:
		engine_handover_ask(e, i, now);
		return;
	case CARP_DO_WAIT:
		engine_witness_waits(e, i, now);
		return;
	}
}

/* T is 2.5 times the shortest interval of any node of the vhost, so that the
 * right ends before anybody's master-down. */
static void settle_lease(struct engine *e, unsigned i)
{
	struct engine_vhost *v = &e->vhosts[i];
	int64_t own = carp_vhost_interval_ns(&v->carp), interval = own, t;

	if (v->gone)
		return;
	/* what a peer once said holds while it is not heard, too */
	for (size_t k = 0; k < e->npeers; k++) {
		const struct session_word *w = &e->peers[k].word;

		for (size_t m = 0; m < w->nvhosts; m++) {
			int64_t us = w->vhosts[m].interval_us;

			/* the wire has whole microseconds, 1/256 s has not */
			if (strcmp(w->vhosts[m].name, v->name) == 0 &&
			    us < interval / MONO_US)
				interval = us * MONO_US;
		}
	}
	t = interval * LEASE_NUM / LEASE_DEN;
	if (interval < own && t < own + LEASE_SLACK_NS)
		t = own + LEASE_SLACK_NS;
	if (t == v->lease_ns)
		return;
	if (t > interval * LEASE_NUM / LEASE_DEN)
		engine_log(
			e, LEVEL_WARNING,
			"carp \"%s\": the peer advertises every %lld ms, "
			"this node every %lld ms; the lease is longer than "
			"the peer's patience. give both nodes an advbase and "
			"advskew within a factor of 2",
			v->name, (long long)(interval / MONO_MS),
			(long long)(own / MONO_MS));
	v->lease_ns = t;
	engine_push(e, ENGINE_LEASE_TIME, i)->lease_ns = t;
}

/* With `independent` what one vhost tracks is no matter of the others, nor is
 * an interface that it is not on. */
static unsigned vhost_demotion(const struct engine *e, size_t i)
{
	struct demotion d = e->demotion;

	if (!e->independent)
		return demotion_total(&d);
	demotion_set(&d, DEMOTION_INTERFACE, 0);
	demotion_set(&d, DEMOTION_TRACK, e->vhosts[i].tracked);
	return demotion_total(&d);
}

/* One peer took it over because it was not heard: to preempt what is heard,
 * and moves with it, would only begin that anew. */
static bool obeys(const struct engine *e, size_t vhost)
{
	for (size_t i = 0; i < e->nvhosts; i++)
		if ((i == vhost ||
		     (!engine_alone(e, i) && !engine_alone(e, vhost))) &&
		    engine_witness_obeys(&e->vhosts[i].carp))
			return true;
	return false;
}

/* What is not known yet may be bad, and would move it back at once. */
static bool unsure(const struct engine *e, size_t vhost)
{
	for (size_t i = 0; i < e->nvhosts; i++)
		if ((i == vhost || !e->independent) && e->vhosts[i].unsure)
			return true;
	return engine_drift_unsure(e);
}

static bool same_env(const struct carp_env *a, const struct carp_env *b)
{
	return a->demotion == b->demotion && a->holding == b->holding &&
	       a->may_preempt == b->may_preempt &&
	       a->ask_first == b->ask_first && a->second == b->second &&
	       a->others == b->others && a->behind == b->behind;
}

/* True when a vhost was told something: it may want to act at once. */
static bool settle_env(struct engine *e, mono_t now)
{
	uint32_t holds = e->masters ? 0 : engine_peer_holds(e);
	struct carp_env env;
	bool told = false;

	engine_drift_settle(e);
	if (!(holds & ~(uint32_t)HOLD_DRIFT)) {
		e->whole = true;
		e->whole_at = now;
	}
	if (holds != e->gate.holds) {
		gate_set(&e->gate, holds, now);
		engine_peer_say_word(e);
	}
	env = (struct carp_env){
		.demotion = demotion_total(&e->demotion),
		.holding = gate_holding(&e->gate, now),
		.may_preempt = true,
		.ask_first = e->npeers > 0,
		.others = engine_live_peers(e) > 1,
	};
	if (!same_env(&env, &e->env))
		engine_peer_say_word(e);
	e->env = env;
	for (size_t i = 0; i < e->nvhosts; i++) {
		struct carp_vhost *v = &e->vhosts[i].carp;

		env.demotion = vhost_demotion(e, i);
		env.may_preempt = !e->vhosts[i].no_preempt && !obeys(e, i) &&
				  !unsure(e, i);
		env.second = engine_is_second(e, i, -1, now);
		env.behind = engine_is_behind(e, i, now);
		if (same_env(&env, &v->env))
			continue;
		carp_vhost_env(v, &env, now);
		told = true;
	}
	return told;
}

bool engine_carp_settle(struct engine *e, mono_t now)
{
	struct carp_action a;
	bool any = false;

	for (unsigned i = 0; i < e->nvhosts; i++) {
		/* first: it has to last until the advert after the next */
		settle_lease(e, i);
		while (carp_vhost_poll(&e->vhosts[i].carp, &a)) {
			carry_over(e, i, &a, now);
			any = true;
		}
	}
	engine_resume_masters(e);
	engine_epoch_masters(e, count_masters(e), now);
	return settle_env(e, now) || any;
}
