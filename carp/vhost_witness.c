/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A virtual host that hears no adverts, and what the link says meanwhile. Who
 * says it, and how old it is, is the caller's business.
 *
 * Implements rules 10 on top of carp_master_down of OpenBSD ip_carp.c, which
 * has a timer for each family.
 *
 * Invariant: without a word that counts nothing here delays a takeover.
 */
#include "vhost_int.h"

static bool vouched_for(const struct carp_vhost *v, mono_t now)
{
	return v->witness_limit && !mono_due(v->vouched, now);
}

/*
 * While the link tells of a master that is well, lost adverts alone do not
 * make a second one; for a while, and once for each silence. A copy that is
 * not complete does not ask; but who has just obeyed lacks a bulk, and waits.
 */
static bool says_wait(struct carp_vhost *v, enum carp_family f, mono_t now)
{
	mono_t end;

	if (!vouched_for(v, now) || !v->well ||
	    (v->env.holding && !v->obeys[f]))
		return false;
	/* a note for the first family is enough */
	if (mono_is_never(v->waiting[CARP_V4]) &&
	    mono_is_never(v->waiting[CARP_V6]))
		carp_vhost_push(v, CARP_DO_WAIT);
	v->waiting[f] = mono_min(v->waiting[f], now);
	end = mono_add(v->waiting[f], v->witness_limit * carp_vhost_down_ns(v));
	if (v->obeys[f])
		end = MONO_NEVER;
	v->master_down[f] = mono_min(end, v->vouched);
	return !mono_due(end, now);
}

/* Another backup has what this one lacks: that one goes first, if it does so
 * within the time of another silence. */
static bool lets_pass(struct carp_vhost *v, enum carp_family f, mono_t now)
{
	if (!v->env.behind || v->let_pass[f])
		return false;
	v->let_pass[f] = true;
	v->master_down[f] = mono_add(now, carp_vhost_down_ns(v));
	return true;
}

/* Whom the link still tells of must hear why: it does not see our adverts. */
void carp_vhost_silent(struct carp_vhost *v, enum carp_family f, mono_t now)
{
	if (says_wait(v, f, now) || lets_pass(v, f, now))
		return;
	carp_vhost_take(v,
			vouched_for(v, now) ? CARP_CAUSE_UNHEARD
					    : CARP_CAUSE_MASTER_DOWN,
			now);
}

void carp_vhost_vouch(struct carp_vhost *v, mono_t until, bool well, mono_t now)
{
	v->vouched = until;
	v->well = well;
	if (vouched_for(v, now) && well)
		return;
	for (int f = 0; f < CARP_FAMILIES; f++)
		if (!mono_is_never(v->waiting[f]))
			v->master_down[f] = now;
}

void carp_vhost_obey(struct carp_vhost *v, mono_t now)
{
	if (v->state == CARP_INIT)
		return;
	carp_vhost_yield(v, CARP_CAUSE_WORD, now);
	for (int f = 0; f < CARP_FAMILIES; f++)
		v->obeys[f] = v->uses[f] && !v->hears[f];
}
