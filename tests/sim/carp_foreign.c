// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The elections of OpenBSD, FreeBSD and ucarp, as far as others can see them;
 * written from descriptions of their behaviour. Not here: addresses, ARP.
 * Invariant: what a participant says and decides is what its system would.
 *
 * OpenBSD: demotion in a byte of its own, compared first; a constant counter;
 * equality yields. FreeBSD and ucarp: demotion is part of the advskew, the
 * byte is 0 and ignored, a counter that grows; ucarp tells equals apart by
 * address, the last octet being the most significant one.
 */
#include "carp_sim.h"

#include <assert.h>
#include <string.h>

static int64_t down_ns(const struct cs_sim *s, unsigned i, unsigned k)
{
	const struct cs_node_conf *c = s->node[i].conf;

	if (c->kind == CS_OPENBSD)
		return 3 * cs_interval_ns(s, i, k);
	/* the configured skew, once, also while demoted */
	return 3 * c->advbase * MONO_S + c->advskew[k] * (MONO_S / 256);
}

static void arm(struct cs_sim *s, unsigned i, unsigned k, unsigned family)
{
	s->node[i].vhost[k].master_down[family] =
		mono_add(s->now, down_ns(s, i, k));
}

static void set_state(struct cs_sim *s, unsigned i, unsigned k,
		      enum carp_state to)
{
	struct cs_vhost *v = &s->node[i].vhost[k];

	s->transitions++;
	cs_say(s, 1, "%s: vhost %u: %s -> %s", s->node[i].name, k,
	       carp_state_name(v->state), carp_state_name(to));
	v->state = to;
	v->next_advert = MONO_NEVER;
	for (unsigned f = 0; f < CARP_FAMILIES; f++) {
		v->master_down[f] = MONO_NEVER;
		if (to == CARP_BACKUP && s->conf.families[k] >> f & 1)
			arm(s, i, k, f);
	}
}

void cs_foreign_advert(struct cs_sim *s, unsigned i, unsigned k, bool bow_out)
{
	struct cs_node *n = &s->node[i];
	struct cs_vhost *v = &n->vhost[k];
	unsigned skew = n->conf->advskew[k];
	struct carp_advert a = {
		.vhid = s->auth[k].vhid,
		.authlen = 7,
		.advbase = bow_out ? 255 : n->conf->advbase,
	};
	uint8_t bytes[CARP_ADVERT_LEN];

	if (n->conf->kind == CS_FREEBSD) {
		skew += (unsigned)n->demotion;
		if (skew > 240)
			skew = 240;
	} else if (n->conf->kind == CS_OPENBSD) {
		a.demote = n->demote;
	}
	a.advskew = bow_out ? 255 : (uint8_t)skew;
	/* OpenBSD: one for ever; the others: anew, until one was heard */
	if (n->conf->kind != CS_OPENBSD && v->heard_any)
		v->counter++;
	else if (n->conf->kind != CS_OPENBSD || !v->counter)
		v->counter = cs_random(s, 0);
	a.counter = v->counter;
	carp_auth_sign(&s->auth[k], CARP_AUTH_NOV6LL, a.counter, a.digest);
	carp_wire_build(&a, bytes);
	cs_send(s, i, k, bytes, s->now);
	v->next_advert = mono_add(s->now, cs_interval_ns(s, i, k));
}

static void become_master(struct cs_sim *s, unsigned i, unsigned k)
{
	s->takes++;
	set_state(s, i, k, CARP_MASTER);
	cs_foreign_advert(s, i, k, false);
}

void cs_foreign_up(struct cs_sim *s, unsigned i, unsigned k, bool up)
{
	if (up != (s->node[i].vhost[k].state == CARP_INIT))
		return;
	s->node[i].vhost[k].heard_any = false;
	set_state(s, i, k, up ? CARP_BACKUP : CARP_INIT);
}

void cs_foreign_tick(struct cs_sim *s, unsigned i, unsigned k)
{
	struct cs_vhost *v = &s->node[i].vhost[k];

	switch (v->state) {
	case CARP_INIT:
		return;
	case CARP_BACKUP:
		for (unsigned f = 0; f < CARP_FAMILIES; f++) {
			if (!mono_due(v->master_down[f], s->now))
				continue;
			become_master(s, i, k);
			return;
		}
		return;
	case CARP_MASTER:
		if (mono_due(v->next_advert, s->now))
			cs_foreign_advert(s, i, k, false);
		return;
	}
}

mono_t cs_foreign_deadline(const struct cs_node *n, unsigned k)
{
	const struct cs_vhost *v = &n->vhost[k];
	mono_t t = v->next_advert;

	for (unsigned f = 0; f < CARP_FAMILIES; f++)
		t = mono_min(t, v->master_down[f]);
	return t;
}

/* As a little-endian machine compares what is in network order. */
static uint32_t as_ucarp(uint32_t v4)
{
	return __builtin_bswap32(v4);
}

static bool yields(const struct cs_sim *s, const struct cs_packet *p,
		   const struct carp_advert *a, int64_t own_ns,
		   int64_t other_ns)
{
	const struct cs_node *n = &s->node[p->to];

	switch (n->conf->kind) {
	case CS_OPENBSD:
		return (own_ns >= other_ns && a->demote <= n->demote) ||
		       a->demote < n->demote;
	case CS_FREEBSD:
		return own_ns >= other_ns;
	case CS_UCARP:
		return own_ns > other_ns ||
		       (own_ns == other_ns &&
			as_ucarp(s->conf.node[p->from].v4) <
				as_ucarp(n->conf->v4));
	case CS_OURS:
		break;
	}
	return false;
}

static bool takes(const struct cs_node *n, const struct carp_advert *a,
		  int64_t own_ns, int64_t other_ns, int64_t patience_ns)
{
	if (n->conf->preempt && own_ns < other_ns &&
	    (n->conf->kind != CS_OPENBSD || a->demote >= n->demote))
		return true;
	if (n->conf->kind == CS_OPENBSD && a->demote > n->demote)
		return true;
	return n->conf->advbase && patience_ns < other_ns;
}

void cs_foreign_hear(struct cs_sim *s, const struct cs_packet *p,
		     const struct carp_advert *a)
{
	struct cs_node *n = &s->node[p->to];
	struct cs_vhost *v = &n->vhost[p->vhost];
	int64_t own_ns = cs_interval_ns(s, p->to, p->vhost);
	int64_t other_ns = a->advbase * MONO_S + a->advskew * (MONO_S / 256);
	int64_t patience_ns = own_ns + 2 * (int64_t)n->conf->advbase * MONO_S;

	if (n->conf->kind != CS_OPENBSD) {
		v->counter = a->counter;
		v->heard_any = true;
	}
	switch (v->state) {
	case CARP_INIT:
		return;
	case CARP_MASTER:
		if (!yields(s, p, a, own_ns, other_ns))
			return;
		if (n->conf->kind == CS_UCARP)
			cs_foreign_advert(s, p->to, p->vhost, false);
		set_state(s, p->to, p->vhost, CARP_BACKUP);
		return;
	case CARP_BACKUP:
		if (takes(n, a, own_ns, other_ns, patience_ns))
			become_master(s, p->to, p->vhost);
		else
			arm(s, p->to, p->vhost, p->family);
		return;
	}
}
