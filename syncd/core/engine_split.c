/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which vhosts move together. No two masters, one of this vhost and one of
 * that: a firewall that is half here and half there serves nobody. Not with
 * `independent` nor of a balanced address, where that is wanted. The switch
 * itself is engine_handover's.
 *
 * Implements rules 11. Invariant: of two nodes that know the same, one hands
 * over.
 */
#include "engine_int.h"

#include <string.h>

/* A takeover may be under way; and between two tries. */
#define SPLIT_NS (1 * MONO_S)
/* A copy that was whole so much later is a better one: two that lose the same
 * master do not notice it at the same moment. */
#define STALE_MS 5000

bool engine_alone(const struct engine *e, size_t vhost)
{
	return e->independent || e->vhosts[vhost].balanced;
}

bool engine_all_work(const struct engine *e)
{
	bool any = e->independent;

	for (size_t i = 0; i < e->nvhosts; i++)
		any |= e->vhosts[i].balanced && !e->vhosts[i].gone;
	return any;
}

uint32_t engine_stale_ms(const struct engine *e, mono_t now)
{
	int64_t ms = mono_diff(now, e->whole_at) / MONO_MS;

	if (!(e->gate.holds & ~(uint32_t)HOLD_DRIFT))
		return 0;
	return e->whole && ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

static const struct session_vhost *backup(const struct engine *e,
					  const struct engine_peer *p,
					  size_t vhost)
{
	const struct session_vhost *w =
		engine_peer_vhost(p, e->vhosts[vhost].name);

	return p->live && w && w->state == CARP_BACKUP ? w : NULL;
}

/* Both may have lost the master by now: then it matters how long ago. */
bool engine_is_behind(const struct engine *e, size_t vhost, mono_t now)
{
	uint32_t ours = engine_stale_ms(e, now);

	for (unsigned i = 0; i < e->npeers; i++) {
		const struct engine_peer *p = &e->peers[i];

		if (!backup(e, p, vhost) || (!p->word.holds && !p->word.ready))
			continue;
		if (ours > STALE_MS && p->word.stale_ms < ours - STALE_MS)
			return true;
	}
	return false;
}

/* Rules 11, between two that are master of nothing. */
static bool goes_first(const struct engine *e, const struct engine_peer *p,
		       size_t vhost)
{
	const struct carp_vhost *v = &e->vhosts[vhost].carp;
	const struct session_vhost *w = backup(e, p, vhost);
	int64_t own = carp_vhost_interval_ns(v) / MONO_US;

	if (!w || !p->word.ready)
		return false;
	if (e->gate.holds)
		return true;
	if (w->demotion != v->env.demotion)
		return w->demotion < v->env.demotion;
	if (w->interval_us != own)
		return w->interval_us < own;
	return strcmp(p->name, e->node) < 0;
}

/* Two that take over at once would both announce it, and one of them would
 * have to ask for a new bulk. Who was master last is the one that leaves. */
bool engine_is_second(const struct engine *e, size_t vhost, int leaver,
		      mono_t now)
{
	const struct carp_heard *last = &e->vhosts[vhost].carp.master;

	if (e->elsewhere >> vhost & 1 && !mono_due(e->elsewhere_until, now))
		return true;
	for (unsigned i = 0; i < e->npeers; i++) {
		bool leaves = (int)i == leaver ||
			      (last->any &&
			       engine_witness_owns(e, i, &last->from.addr));

		if (!leaves && goes_first(e, &e->peers[i], vhost))
			return true;
	}
	return engine_is_behind(e, vhost, now);
}

/* Would it preempt the peer, who is master of it? Both interfaces of a flow are
 * to move at once. */
static bool is_better(const struct engine_vhost *v,
		      const struct session_vhost *w)
{
	int64_t own = carp_vhost_interval_ns(&v->carp) / MONO_US;

	return own < w->interval_us && !v->no_preempt && v->carp.master.any &&
	       v->carp.env.demotion <= v->carp.master.advert.demote;
}

uint32_t engine_wanted(const struct engine *e, const struct engine_peer *p,
		       unsigned vhost)
{
	uint32_t set = 1U << vhost;

	if (!engine_all_work(e))
		return 0;
	for (size_t i = 0; i < e->nvhosts; i++) {
		const struct engine_vhost *v = &e->vhosts[i];
		const struct session_vhost *w = engine_peer_vhost(p, v->name);

		if (engine_alone(e, i) != engine_alone(e, vhost) || !w ||
		    w->state != CARP_MASTER || v->carp.state != CARP_BACKUP)
			continue;
		if (!engine_alone(e, i) || is_better(v, w))
			set |= 1U << i;
	}
	return set;
}

void engine_set_no_preempt(struct engine *e, size_t vhost, bool on)
{
	for (size_t i = 0; i < e->nvhosts; i++)
		if (i == vhost ||
		    (!engine_alone(e, i) && !engine_alone(e, vhost)))
			e->vhosts[i].no_preempt = on;
}

/* Does the peer have some of the vhosts, and we others? */
static bool split_with(const struct engine *e, const struct engine_peer *p)
{
	bool ours = false, theirs = false;

	for (size_t i = 0; i < e->nvhosts; i++) {
		const struct engine_vhost *v = &e->vhosts[i];
		const struct session_vhost *w = engine_peer_vhost(p, v->name);
		bool said = w && w->state == CARP_MASTER;

		if (engine_alone(e, i))
			continue;
		/* what it does not have it cannot be given */
		ours |= v->carp.state == CARP_MASTER && w && !said;
		theirs |= v->carp.state == CARP_BACKUP && said;
	}
	return p->live && ours && theirs;
}

/* Where vhosts are crossed one decides, and their order is each node's own. */
static const struct engine_vhost *first_by_name(const struct engine *e,
						const struct engine_peer *p)
{
	const struct engine_vhost *first = NULL;

	for (size_t i = 0; i < e->nvhosts; i++)
		if (!e->vhosts[i].gone &&
		    engine_peer_vhost(p, e->vhosts[i].name) &&
		    (!first || strcmp(e->vhosts[i].name, first->name) < 0))
			first = &e->vhosts[i];
	return first;
}

/* One of ours was taken over from us, and is not given back: so who took it
 * gets the others, too (rules 10). */
static int unheard(const struct engine *e, const struct engine_peer *p)
{
	int theirs = 0, ours = 0;

	for (size_t i = 0; i < e->nvhosts; i++) {
		const struct engine_vhost *v = &e->vhosts[i];
		const struct session_vhost *w = engine_peer_vhost(p, v->name);

		ours |= v->carp.state == CARP_MASTER && v->unheard;
		theirs |= w && w->state == CARP_MASTER && w->unheard;
	}
	return theirs - ours;
}

/* Rules 11, of what both know alike; they are split, so they share some. */
static bool goes_before_us(const struct engine *e, const struct engine_peer *p)
{
	const struct engine_vhost *v = first_by_name(e, p);
	const struct session_vhost *w =
		v ? engine_peer_vhost(p, v->name) : NULL;
	int64_t own = v ? carp_vhost_interval_ns(&v->carp) / MONO_US : 0;

	if (unheard(e, p))
		return unheard(e, p) > 0;
	if (p->word.demotion != demotion_total(&e->demotion))
		return p->word.demotion < demotion_total(&e->demotion);
	if (w && w->interval_us != own)
		return w->interval_us < own;
	return strcmp(p->name, e->node) < 0;
}

/* A bit for each vhost that does not move alone; some are ours. */
static uint32_t together(const struct engine *e)
{
	uint32_t set = 0;

	for (size_t i = 0; i < e->nvhosts; i++)
		if (!engine_alone(e, i))
			set |= 1U << i;
	return set;
}

/* A firewall that is half here and half there serves nobody: what we have
 * goes to the better node, by a handover. */
void engine_split_settle(struct engine *e, mono_t now)
{
	for (unsigned i = 0; i < e->npeers; i++) {
		if (!split_with(e, &e->peers[i]) ||
		    !goes_before_us(e, &e->peers[i]))
			continue;
		if (mono_is_never(e->split_at))
			e->split_at = mono_add(now, SPLIT_NS);
		if (!mono_due(e->split_at, now))
			return;
		e->split_at = mono_add(now, SPLIT_NS);
		if (!engine_handover_refusal(e, i, 0, false))
			engine_handover_start(e, i, together(e), false,
					      "one master for all", now);
		return;
	}
	e->split_at = MONO_NEVER;
}
