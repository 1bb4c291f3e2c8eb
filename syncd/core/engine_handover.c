/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The planned handover, the old master's part, driven by core/handover (rules
 * 12). What the new one is given it takes in engine_given.c.
 * Invariant: while a handover runs the vhosts that are handed over are fenced
 * or forwarding, never half.
 */
#include "engine_int.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Between two tries to bring all vhosts to one node. */
#define SPLIT_AGAIN_NS (30 * MONO_S) /* each costs a moment */

void engine_handover_say(struct engine_peer *p, enum session_handover kind,
			 const char *reason, uint32_t set)
{
	(void)session_send_handover(p->session,
				    &(struct session_switch){ .kind = kind,
							      .reason = reason,
							      .vhosts = set });
}

/* Is it one of those that are handed over now? */
static bool has(const struct engine *e, size_t vhost)
{
	return e->handover_set >> vhost & 1;
}

bool engine_handover_partial(const struct engine *e)
{
	return engine_masters(e) & ~e->handover_set;
}

uint32_t engine_masters(const struct engine *e)
{
	uint32_t set = 0;

	for (size_t i = 0; i < e->nvhosts; i++)
		if (e->vhosts[i].carp.state == CARP_MASTER)
			set |= 1U << i;
	return set;
}

static int64_t longest_interval(const struct engine *e)
{
	int64_t longest = 0;

	for (size_t i = 0; i < e->nvhosts; i++) {
		int64_t n = carp_vhost_interval_ns(&e->vhosts[i].carp);

		if (n > longest)
			longest = n;
	}
	return longest;
}

/* Why the peer lacks what it would need to go on. */
const char *engine_handover_lacks(const struct engine *e, unsigned peer)
{
	if (!e->peers[peer].live || !e->peers[peer].heard)
		return "the link to it is down";
	return engine_tx_in_sync(e, peer) ? NULL : "it is not in sync";
}

/* Vhosts that move each by itself are demoted each by itself. */
static bool more_demoted(const struct engine *e, const struct engine_peer *p,
			 uint32_t set)
{
	if (!e->independent)
		return p->word.demotion > demotion_total(&e->demotion);
	for (size_t i = 0; i < e->nvhosts; i++) {
		const struct carp_vhost *v = &e->vhosts[i].carp;
		const struct session_vhost *w =
			engine_peer_vhost(p, e->vhosts[i].name);

		if (v->state == CARP_MASTER && (!set || set >> i & 1) && w &&
		    w->demotion > v->env.demotion)
			return true;
	}
	return false;
}

/* Rules 12, step 1. NULL when the peer can take over now. */
const char *engine_handover_refusal(const struct engine *e, unsigned peer,
				    uint32_t set, bool force)
{
	const struct engine_peer *p = &e->peers[peer];

	if (engine_is_external(e))
		return "another program elects; it has to move";
	if (force) /* by the bow-out alone, where the link is down */
		return NULL;
	if (engine_handover_lacks(e, peer))
		return engine_handover_lacks(e, peer);
	if (more_demoted(e, p, set))
		return "it is more demoted than this node";
	if (!p->word.ready)
		return "it is not ready";
	return NULL;
}

void engine_handover_start(struct engine *e, unsigned peer, uint32_t set,
			   bool force, const char *why, mono_t now)
{
	e->handover_peer = peer;
	e->handover_set = set ? set & engine_masters(e) : engine_masters(e);
	e->handover_read = e->handover_drained = e->handover_missed = false;
	e->handover_refused = false;
	for (int i = 0; i < SESSION_STEPS; i++)
		e->done_us[i] = -1;
	e->go_from = -1;
	snprintf(e->handover_why, sizeof(e->handover_why), "%s", why);
	handover_start(&e->handover, force, longest_interval(e), now);
	/* as early as can be: all of them hear the bow-out */
	for (unsigned i = 0; i < e->npeers; i++)
		if (i != peer && e->peers[i].live)
			engine_handover_say(
				&e->peers[i], SESSION_HANDOVER_ELSEWHERE,
				e->peers[peer].name, e->handover_set);
	engine_push(e, ENGINE_DRAIN, 0);
}

/* As rules 11: who is better placed to go on. */
static bool goes_before(const struct engine *e, unsigned a, unsigned b,
			uint32_t set)
{
	const struct engine_peer *p = &e->peers[a], *q = &e->peers[b];
	bool can = !engine_handover_refusal(e, a, set, false);
	uint32_t ours = set ? set : engine_masters(e);

	if (can != !engine_handover_refusal(e, b, set, false))
		return can;
	if (p->live != q->live)
		return p->live;
	if (p->word.demotion != q->word.demotion)
		return p->word.demotion < q->word.demotion;
	for (size_t i = 0; i < e->nvhosts; i++) {
		const char *name = e->vhosts[i].name;
		const struct session_vhost *v = engine_peer_vhost(p, name);
		const struct session_vhost *w = engine_peer_vhost(q, name);

		if (ours >> i & 1 && v && w && v->interval_us != w->interval_us)
			return v->interval_us < w->interval_us;
	}
	return strcmp(p->name, q->name) < 0;
}

/* The best peer; why is NULL if it can take over. -1: there is none. */
static int choose(const struct engine *e, uint32_t set, bool force,
		  const char **why)
{
	unsigned best = 0;

	*why = "there is no peer";
	if (!e->npeers)
		return -1;
	for (unsigned i = 1; i < e->npeers; i++)
		if (goes_before(e, i, best, set))
			best = i;
	*why = engine_handover_refusal(e, best, set, force);
	return (int)best;
}

int engine_handover(struct engine *e, int peer, bool force, uint32_t set,
		    const char *because, char *why, mono_t now)
{
	const char *reason;

	if (e->handover.state != HANDOVER_IDLE) {
		snprintf(why, SESSION_REASON_MAX, "one is already going on");
		return -EALREADY;
	}
	if (!e->masters || (set && !(set & engine_masters(e)))) {
		snprintf(why, SESSION_REASON_MAX, "this node is master of %s",
			 e->masters ? "none of them" : "nothing");
		return -EAGAIN;
	}
	if (peer < 0)
		peer = choose(e, set, force, &reason);
	else
		reason = engine_handover_refusal(e, (unsigned)peer, set, force);
	if (reason) {
		snprintf(why, SESSION_REASON_MAX, "%.60s: %.60s",
			 peer < 0 ? e->node : e->peers[peer].name, reason);
		return -EAGAIN;
	}
	engine_handover_start(e, (unsigned)peer, set, force, because, now);
	return 0;
}

int engine_handover_heir(const struct engine *e, const char **why)
{
	return choose(e, 0, false, why);
}

const char *engine_handover_hinders(const struct engine *e, unsigned peer)
{
	return engine_handover_refusal(e, peer, 0, false);
}

void engine_stop(struct engine *e, mono_t now)
{
	const char *reason;
	int peer;

	if (e->stopping)
		return;
	e->stopping = true;
	if (!e->masters || e->handover.state != HANDOVER_IDLE ||
	    engine_is_external(e))
		return;
	peer = choose(e, 0, false, &reason);
	if (reason) {
		engine_log(e, LEVEL_WARNING,
			   "stopping without a handover: %s; connections may "
			   "break",
			   reason);
		return;
	}
	engine_handover_start(e, (unsigned)peer, 0, false, "stop", now);
}

/* --- the old master's part ------------------------------------------------ */

static void ended(struct engine *e, bool ok, const char *why)
{
	struct engine_action *a =
		engine_push(e, ENGINE_HANDOVER_ENDED, e->handover_peer);

	e->handover_drained = false;
	a->ok = ok;
	snprintf(a->log.text, sizeof(a->log.text), "%s", why);
	if (!ok)
		engine_log(e, LEVEL_WARNING, "handover to %s failed: %s",
			   e->peers[e->handover_peer].name, why);
}

static void fence(struct engine *e)
{
	for (unsigned i = 0; i < e->nvhosts; i++) {
		if (!has(e, i) || e->vhosts[i].carp.state != CARP_MASTER)
			continue;
		carp_vhost_fence(&e->vhosts[i].carp);
		engine_push(e, ENGINE_FENCE, i);
	}
	engine_sync_interrupt(e);
	engine_push(e, ENGINE_DRAIN, 0);
}

static void go(struct engine *e, bool complete)
{
	struct engine_peer *p = &e->peers[e->handover_peer];

	/* it has all that we have, and tells from the moment it is master;
	 * who stays master of others needs a bulk like anybody */
	p->rx.adopt =
		complete && !p->word.tx_epoch && !engine_handover_partial(e);
	for (size_t i = 0; i < e->nvhosts; i++) {
		if (!has(e, i))
			continue;
		e->vhosts[i].unheard = false; /* nothing to obey any more */
		carp_vhost_bow_out(&e->vhosts[i].carp);
	}
	if (p->live)
		engine_handover_say(p, SESSION_HANDOVER_GO, e->handover_why,
				    e->handover_set);
}

void engine_handover_taken(struct engine *e, size_t vhost, unsigned peer)
{
	struct engine_rx *rx = &e->peers[e->handover_peer].rx;

	if (peer != e->handover_peer && has(e, vhost) && !rx->adopting)
		rx->adopt = false;
}

static void back(struct engine *e, mono_t now)
{
	struct engine_peer *p = &e->peers[e->handover_peer];

	p->rx.adopt = false;
	if (!mono_is_never(e->split_at))
		e->split_at = mono_add(now, SPLIT_AGAIN_NS);
	if (e->stopping) { /* it goes down anyway (rules 12) */
		ended(e, false, e->handover.why);
		return;
	}
	if (p->live)
		engine_handover_say(p, SESSION_HANDOVER_BACK, e->handover.why,
				    e->handover_set);
	for (size_t i = 0; i < e->nvhosts; i++)
		carp_vhost_resume(&e->vhosts[i].carp, now);
	ended(e, false, e->handover.why);
	engine_sync_resume(e, e->handover_missed, now);
}

void engine_handover_done(struct engine *e)
{
	for (size_t i = 0; i < e->nvhosts; i++) {
		struct history_entry *entry =
			history_last(&e->history, e->vhosts[i].name);

		if (!has(e, i) || !entry || entry->from != CARP_MASTER)
			continue;
		for (int k = 0; k < SESSION_STEPS; k++)
			entry->step_us[STEP_ADDRESS + k] = e->done_us[k];
	}
}

static void finish(struct engine *e, mono_t now)
{
	const struct handover *h = &e->handover;

	/* others were told less while it went on */
	engine_sync_resume(e, false, now);
	for (size_t i = 0; i < e->nvhosts; i++)
		if (has(e, i))
			carp_vhost_yield(&e->vhosts[i].carp,
					 CARP_CAUSE_HANDOVER, now);
	/* it goes before the next actions, so that history has the entries */
	engine_carp_settle(e, now);
	for (size_t i = 0; i < e->nvhosts; i++) {
		struct history_entry *entry =
			history_last(&e->history, e->vhosts[i].name);

		if (!has(e, i) || !entry || entry->from != CARP_MASTER)
			continue;
		entry->step_us[STEP_DRAIN] = h->drain_ns / MONO_US;
		entry->step_us[STEP_FENCE] = h->fence_ns / MONO_US;
		entry->step_us[STEP_ACK] = h->ack_ns / MONO_US;
	}
	engine_handover_done(e);
	for (size_t i = 0; i < e->nvhosts; i++)
		if (has(e, i))
			engine_set_no_preempt(e, i, true);
	ended(e, true, "");
}

static bool peer_is_master(const struct engine *e)
{
	const struct engine_peer *p = &e->peers[e->handover_peer];

	/* where we are it no more, an advert of the new master has ended it */
	for (size_t i = 0; i < e->nvhosts; i++) {
		const struct session_vhost *v =
			engine_peer_vhost(p, e->vhosts[i].name);

		if (has(e, i) && e->vhosts[i].carp.state == CARP_MASTER &&
		    (!v || v->state != CARP_MASTER))
			return false;
	}
	return true;
}

/* Everything that was given is taken: say so, after our word. */
static void answer(struct engine *e, mono_t now)
{
	struct engine_peer *p = &e->peers[e->go_from];
	struct session_switch said = { .kind = SESSION_HANDOVER_REFUSED,
				       .reason = "it could not be taken" };

	for (size_t i = 0; i < e->nvhosts; i++)
		if (e->vhosts[i].taking)
			return;
	for (int i = 0; i < SESSION_STEPS; i++)
		said.step_us[i] = (uint32_t)e->go_step_us[i];
	if (engine_masters(e) & e->go_set) {
		said.kind = SESSION_HANDOVER_DONE;
		said.reason = "";
		p->ask_wait_ns = 0;
	}
	if (p->live) {
		engine_peer_word(e, (unsigned)e->go_from, now);
		(void)session_send_handover(p->session, &said);
	}
	e->go_from = -1;
}

void engine_handover_settle(struct engine *e, mono_t now)
{
	const struct engine_peer *p = &e->peers[e->handover_peer];
	struct handover_facts f;

	if (e->go_from >= 0)
		answer(e, now);
	if (e->handover.state == HANDOVER_IDLE && !e->stopping)
		engine_split_settle(e, now);
	if (e->handover.state == HANDOVER_IDLE)
		return;
	f = (struct handover_facts){
		.peer_live = p->live,
		.peer_in_sync = engine_tx_in_sync(e, e->handover_peer),
		.events_read = e->handover_read,
		/* what is parked waits for no handover */
		.backlog = p->live ? session_backlog(p->session) : 0,
		.lag_ns = p->live ? session_lag_ns(p->session, now) : 0,
		.events_drained = e->handover_drained,
		.acked = e->handover_drained &&
			 session_seq_acked(p->session) >= e->handover_seq,
		.peer_master =
			e->handover.state == HANDOVER_SAID && peer_is_master(e),
		.peer_refused = e->handover_refused,
	};
	switch (handover_next(&e->handover, &f, now)) {
	case HANDOVER_WAIT:
		return;
	case HANDOVER_DO_FENCE:
		fence(e);
		return;
	case HANDOVER_DO_GO:
		go(e, e->handover.complete);
		break;
	case HANDOVER_DO_END:
		finish(e, now);
		break;
	case HANDOVER_DO_BACK:
		back(e, now);
		break;
	case HANDOVER_DO_FAIL:
		ended(e, false, e->handover.why);
		break;
	}
	while (engine_carp_settle(e, now))
		;
}

void engine_drained(struct engine *e, mono_t now)
{
	e->handover_read = true;
	e->congested = false;
	engine_audit_drained(e, now);
	engine_answer_drained(e, now);
	if (e->handover.state != HANDOVER_FENCED || e->handover_drained)
		return;
	engine_sync_drained(e, now);
	e->handover_drained = true;
	e->handover_seq = session_seq_sent(e->peers[e->handover_peer].session);
}
