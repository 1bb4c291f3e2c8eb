/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A peer is asked for a handover; and what it says about one: it asks for it,
 * gives what it had, tells how long it took, takes it back. The other side,
 * which drains and fences, is engine_handover.c.
 *
 * Implements rules 12. Invariant: what is given is taken whole or refused.
 */
#include "engine_int.h"

#include <stdio.h>
#include <string.h>

#define ASK_EVERY_NS	 (1 * MONO_S)
#define ASK_AGAIN_NS	 (5 * MONO_S)
#define ASK_AGAIN_MAX_NS (60 * MONO_S)
/* From the fence to the new master's adverts; then anybody may take it. */
#define ELSEWHERE_NS (1 * MONO_S)

/* Preemption of a known peer goes through its handover (rules 12). */
void engine_handover_ask(struct engine *e, unsigned vhost, mono_t now)
{
	for (unsigned i = 0; i < e->npeers; i++) {
		struct engine_peer *p = &e->peers[i];
		const struct session_vhost *v =
			engine_peer_vhost(p, e->vhosts[vhost].name);

		if (!p->live || !v || v->state != CARP_MASTER)
			continue;
		if (!mono_due(p->ask_at, now))
			continue;
		p->ask_at = mono_add(now, ASK_EVERY_NS);
		engine_handover_say(p, SESSION_HANDOVER_REQUEST, "preempt",
				    engine_wanted(e, p, vhost));
	}
}

void engine_handover_want(struct engine *e, unsigned peer, uint32_t set,
			  const char *reason)
{
	if (e->peers[peer].live)
		engine_handover_say(&e->peers[peer], SESSION_HANDOVER_REQUEST,
				    reason, engine_all_work(e) ? set : 0);
}

/* Our vhosts of those that a peer names by their places in its word; all
 * where it names none. */
static uint32_t named(const struct engine *e, const struct engine_peer *p,
		      uint32_t set)
{
	uint32_t ours = 0;

	if (!set)
		return UINT32_MAX;
	if (!p->heard)
		return 0;
	for (size_t i = 0; i < e->nvhosts; i++)
		for (size_t k = 0; k < p->word.nvhosts; k++)
			if (set >> k & 1 && !e->vhosts[i].gone &&
			    !strcmp(e->vhosts[i].name, p->word.vhosts[k].name))
				ours |= 1U << i;
	return ours;
}

/* With `independent` a peer asks for what it can serve by what it tracks of it,
 * also where it is down on other interfaces. */
static const char *request_refusal(const struct engine *e, unsigned peer,
				   uint32_t set)
{
	if (!(engine_masters(e) & set))
		return "this node is not master";
	return e->independent ? engine_handover_lacks(e, peer)
			      : engine_handover_refusal(e, peer, set, false);
}

static void requested(struct engine *e, unsigned peer, uint32_t set,
		      const char *why, mono_t now)
{
	const char *reason = request_refusal(e, peer, set);

	if (e->handover.state != HANDOVER_IDLE)
		return;
	if (reason) {
		engine_handover_say(&e->peers[peer], SESSION_HANDOVER_REFUSED,
				    reason, 0);
		return;
	}
	engine_handover_start(e, peer, set, false, why, now);
}

static void given(struct engine *e, unsigned peer, uint32_t set,
		  const char *why, mono_t now)
{
	unsigned usable = 0;

	for (size_t i = 0; i < e->nvhosts; i++)
		usable += set >> i & 1 && e->vhosts[i].carp.state != CARP_INIT;
	if (!usable || e->stopping) {
		engine_handover_say(&e->peers[peer], SESSION_HANDOVER_REFUSED,
				    "no interface of mine is usable", 0);
		return;
	}
	e->go_from = (int)peer;
	e->go_set = set;
	snprintf(e->go_why, sizeof(e->go_why), "%s", why);
	for (size_t i = 0; i < e->nvhosts; i++) {
		struct engine_vhost *v = &e->vhosts[i];
		struct history_entry *h = history_last(&e->history, v->name);

		if (!(set >> i & 1))
			continue;
		/* its bow-out was here before its word */
		if (v->carp.state == CARP_MASTER && h &&
		    mono_diff(now, h->at) < MONO_S)
			snprintf(h->cause, sizeof(h->cause),
				 "handover from %s%s%.80s", e->peers[peer].name,
				 *why ? ": " : "", why);
		carp_vhost_take(&v->carp, CARP_CAUSE_HANDOVER, now);
	}
}

/* How long the new master's part took, for our own history. It may come
 * before or after the handover has ended here. */
static void done(struct engine *e, const struct session_event *ev)
{
	for (int k = 0; k < SESSION_STEPS; k++)
		e->done_us[k] = ev->handover.step_us[k];
	engine_handover_done(e);
}

/* Each try costs a moment of silence: the next wish waits longer. */
static void taken_back(struct engine *e, unsigned peer, const char *why,
		       mono_t now)
{
	struct engine_peer *p = &e->peers[peer];

	p->ask_wait_ns = p->ask_wait_ns ? 2 * p->ask_wait_ns : ASK_AGAIN_NS;
	if (p->ask_wait_ns > ASK_AGAIN_MAX_NS)
		p->ask_wait_ns = ASK_AGAIN_MAX_NS;
	p->ask_at = mono_add(now, p->ask_wait_ns);
	engine_log(e, LEVEL_NOTICE, "%s takes its handover back: %s", p->name,
		   why);
}

void engine_handover_received(struct engine *e, unsigned peer,
			      const struct session_event *ev, mono_t now)
{
	uint32_t set = named(e, &e->peers[peer], ev->handover.vhosts);
	bool asks = ev->handover.kind == SESSION_HANDOVER_REQUEST ||
		    ev->handover.kind == SESSION_HANDOVER_GO;

	if (asks && ev->handover.vhosts && !set) { /* and 0 were all */
		engine_handover_say(&e->peers[peer], SESSION_HANDOVER_REFUSED,
				    "this node has none of them", 0);
		return;
	}
	switch (ev->handover.kind) {
	case SESSION_HANDOVER_REQUEST:
		requested(e, peer, set, ev->handover.reason, now);
		return;
	case SESSION_HANDOVER_REFUSED:
		engine_log(e, LEVEL_INFO, "%s does not hand over: %s",
			   e->peers[peer].name, ev->handover.reason);
		if (e->handover.state != HANDOVER_IDLE &&
		    e->handover_peer == peer)
			e->handover_refused = true;
		return;
	case SESSION_HANDOVER_GO:
		given(e, peer, set, ev->handover.reason, now);
		return;
	case SESSION_HANDOVER_DONE:
		done(e, ev);
		return;
	case SESSION_HANDOVER_ELSEWHERE:
		e->elsewhere = set;
		e->elsewhere_until = mono_add(now, ELSEWHERE_NS);
		return;
	case SESSION_HANDOVER_BACK:
		taken_back(e, peer, ev->handover.reason, now);
		return;
	}
}
