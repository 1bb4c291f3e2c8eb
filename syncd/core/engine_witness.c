/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the link says about adverts: who sent one, whether it is a replay, and
 * that a master lives although none is heard. The election is carp/vhost's.
 *
 * Implements rules 10, and of the counters what OpenBSD's carp_proto_input_c
 * leaves out: between nodes that tell each other their counters an advert
 * counts once.
 *
 * Invariant: what a peer said counts only while the link on which it came
 * stands; its counters are remembered longer.
 */
#include "engine_int.h"

#include <netinet/in.h>
#include <string.h>

enum { LEVEL_WARNING = 4 };

/* A word of a master counts for so many of its intervals. */
#define VOUCHED_INTERVALS 2
/* Words come at least twice in that time. */
#define WORD_ALIVE_NS (1 * MONO_S)
/* The link may tell of an advert before it is heard. */
#define AHEAD_MAX (2 * CARP_COUNTER_STEP)

/* --- who sent it ------------------------------------------------------- */

static bool same_address(const struct session_address *a,
			 const struct carp_address *b)
{
	uint32_t v4 = htonl(b->v4);

	if (b->family == CARP_V6)
		return a->family == AF_INET6 &&
		       memcmp(a->addr.b, b->v6.b, sizeof(b->v6)) == 0;
	return a->family == AF_INET && memcmp(a->addr.b, &v4, sizeof(v4)) == 0;
}

static bool peer_owns(const struct engine_peer *p,
		      const struct carp_address *source)
{
	for (size_t i = 0; i < p->naddresses; i++)
		if (same_address(&p->addresses[i], source))
			return true;
	return false;
}

/* Each node draws the first of its counters at random: they tell it apart from
 * others, and from what it was before it was started anew. */
static bool counter_of(const struct engine_counters *c, uint64_t counter)
{
	return c->first && counter - c->first < CARP_COUNTER_RANGE;
}

static bool replayed(const struct engine *e, const struct engine_vhost *v,
		     unsigned peer, const struct carp_advert *a,
		     enum carp_family family, mono_t now)
{
	const struct engine_counters *c = &v->counters[peer];
	uint64_t n = a->counter - c->first;

	/* It tells others than this one; unless it died, and the link does not
	 * know that yet. */
	if (!counter_of(c, a->counter))
		return c->first && e->peers[peer].live &&
		       e->peers[peer].heard &&
		       mono_diff(now, e->peers[peer].word_at) < WORD_ALIVE_NS;
	return n <= c->heard[family] || n + AHEAD_MAX < c->told;
}

/* strict-peers: a peer, or one that is named; while a peer was never heard
 * nobody knows its addresses, and a second master were worse. */
static bool allowed(const struct engine *e, const struct engine_vhost *v,
		    const struct carp_advert *a,
		    const struct carp_address *source)
{
	for (size_t i = 0; i < v->nallowed; i++) {
		const struct engine_allowed *w = &v->allowed[i];

		if (w->address.family != source->family ||
		    (source->family == CARP_V4
			     ? w->address.v4 != source->v4
			     : memcmp(w->address.v6.b, source->v6.b,
				      sizeof(source->v6))))
			continue;
		return carp_fsm_is_bow_out(a) ||
		       ((w->advbase < 0 || w->advbase == a->advbase) &&
			(w->advskew < 0 || w->advskew == a->advskew));
	}
	for (size_t i = 0; i < e->npeers; i++)
		if (!e->peers[i].was_live)
			return true;
	return false;
}

int engine_witness_sender(const struct engine *e, unsigned vhost,
			  const struct carp_advert *a, struct carp_sender *from,
			  mono_t now)
{
	const struct engine_vhost *v = &e->vhosts[vhost];
	int peer = -1;

	for (unsigned i = 0; i < e->npeers && peer < 0; i++)
		if (peer_owns(&e->peers[i], &from->addr))
			peer = (int)i;
	/* or somebody who sends its adverts again; FreeBSD and ucarp go on
	 * counting from the last advert that they heard */
	for (unsigned i = 0; i < e->npeers && peer < 0; i++)
		if (counter_of(&v->counters[i], a->counter) &&
		    (a->counter - v->counters[i].first) % CARP_COUNTER_STEP ==
			    0)
			peer = (int)i;
	if (peer >= 0 &&
	    replayed(e, v, (unsigned)peer, a, from->addr.family, now))
		from->refused = CARP_REFUSED_REPLAY;
	else if (peer < 0 && v->strict && !allowed(e, v, a, &from->addr))
		from->refused = CARP_REFUSED_SOURCE;
	return peer;
}

void engine_witness_heard(struct engine *e, unsigned vhost, int peer,
			  const struct carp_advert *a, enum carp_family family)
{
	struct engine_vhost *v = &e->vhosts[vhost];

	if (v->unheard)
		v->unheard = false;
	if (peer >= 0 && counter_of(&v->counters[peer], a->counter))
		v->counters[peer].heard[family] =
			a->counter - v->counters[peer].first;
}

/* --- what the link tells --------------------------------------------------- */

static int vhost_named(const struct engine *e, const char *name)
{
	for (size_t i = 0; i < e->nvhosts; i++)
		if (!e->vhosts[i].gone && !strcmp(e->vhosts[i].name, name))
			return (int)i;
	return -1;
}

static void told(struct engine_counters *c, uint64_t first, uint64_t last)
{
	if (c->first != first)
		*c = (struct engine_counters){ .first = first };
	if (last - first < CARP_COUNTER_RANGE && last - first > c->told)
		c->told = last - first;
}

/* Rules 10: not for another vhost, a peer that is more demoted, or one that
 * knows that it is not heard. */
static void vouch(const struct engine_peer *p, struct engine_vhost *v,
		  const struct session_vhost *w, mono_t now)
{
	int64_t ns = VOUCHED_INTERVALS * w->interval_us * MONO_US;

	if (w->state == CARP_MASTER && !w->mute &&
	    p->word.demotion <= v->carp.env.demotion)
		carp_vhost_vouch(&v->carp, mono_add(now, ns));
	else
		carp_vhost_vouch(&v->carp, (mono_t){ 0 });
}

void engine_witness_advert(struct engine *e, unsigned peer,
			   const struct session_advert *ad, mono_t now)
{
	const struct engine_peer *p = &e->peers[peer];
	const struct session_vhost *w;
	int i;

	if (!p->heard || ad->vhost >= p->word.nvhosts)
		return;
	w = &p->word.vhosts[ad->vhost];
	i = vhost_named(e, w->name);
	if (i < 0)
		return;
	told(&e->vhosts[i].counters[peer], w->first, ad->counter);
	vouch(p, &e->vhosts[i], w, now);
}

/* It took over because it hears nothing of us. Where both did so, the smaller
 * name stays (rules 11). */
static bool obeyed(const struct engine *e, const struct engine_peer *p,
		   const struct engine_vhost *v, const struct session_vhost *w)
{
	return v->carp.state == CARP_MASTER && w->state == CARP_MASTER &&
	       w->unheard && (!v->unheard || strcmp(p->name, e->node) < 0);
}

void engine_witness_word(struct engine *e, unsigned peer, mono_t now)
{
	const struct engine_peer *p = &e->peers[peer];

	for (size_t k = 0; k < p->word.nvhosts; k++) {
		const struct session_vhost *w = &p->word.vhosts[k];
		int i = vhost_named(e, w->name);

		if (i < 0)
			continue;
		told(&e->vhosts[i].counters[peer], w->first, w->last);
		if (w->state != CARP_MASTER || w->mute)
			carp_vhost_vouch(&e->vhosts[i].carp, (mono_t){ 0 });
		if (!obeyed(e, p, &e->vhosts[i], w))
			continue;
		carp_vhost_obey(&e->vhosts[i].carp, now);
		vouch(p, &e->vhosts[i], w, now);
	}
}

void engine_witness_gone(struct engine *e)
{
	for (size_t i = 0; i < e->nvhosts; i++)
		carp_vhost_vouch(&e->vhosts[i].carp, (mono_t){ 0 });
}

/* --- what we tell ---------------------------------------------------------- */

void engine_witness_said(struct engine *e, unsigned vhost, uint64_t counter,
			 mono_t now)
{
	const struct session_advert ad = { vhost, counter };

	for (unsigned i = 0; i < e->npeers; i++) {
		struct engine_peer *p = &e->peers[i];

		if (!p->live)
			continue;
		if (!p->words) /* its places are not known yet */
			engine_peer_word(e, i, now);
		(void)session_send_advert(p->session, &ad);
	}
}

void engine_advert_sent(struct engine *e, unsigned vhost, bool ok)
{
	struct engine_vhost *v = &e->vhosts[vhost];

	if (v->mute == !ok)
		return;
	v->mute = !ok;
	engine_peer_say_word(e);
}

void engine_witness_waits(struct engine *e, unsigned vhost, mono_t now)
{
	const struct engine_vhost *v = &e->vhosts[vhost];

	history_add(&e->history, now, v->name, CARP_BACKUP, CARP_BACKUP,
		    carp_cause_name(CARP_CAUSE_WITNESS));
	engine_log(e, LEVEL_WARNING,
		   "carp \"%s\": no adverts of the master, but the link says "
		   "that it lives: waiting. tcpdump -ni INTERFACE proto 112 on "
		   "both nodes; does the switch carry 224.0.0.18 and ff02::12?",
		   v->name);
}
