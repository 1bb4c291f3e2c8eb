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
#include "packet.h"

#include <netinet/in.h>
#include <string.h>

/* A word of a master counts for so many of its intervals. */
#define VOUCHED_INTERVALS 2
/* Words come at least twice in that time. */
#define WORD_ALIVE_NS (1 * MONO_S)
/* A word older than this says nothing about the present. */
#define WORD_FRESH_NS (2 * MONO_S)
/* Two masters of about the same age are told apart by name. */
#define AGE_DIFFERS_NS (3 * MONO_S)
/* No advert in so many intervals: it is not heard. */
#define SILENT_INTERVALS 3
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

bool engine_witness_owns(const struct engine *e, unsigned peer,
			 const struct carp_address *a)
{
	const struct engine_peer *p = &e->peers[peer];

	for (size_t i = 0; i < p->naddresses; i++)
		if (same_address(&p->addresses[i], a))
			return true;
	return false;
}

/* Each node draws the first of its counters at random: they tell it apart from
 * others, and from what it was before it was started anew. */
static bool counter_of(const struct engine_counters *c, uint64_t counter)
{
	return c->first && counter - c->first < CARP_COUNTER_RANGE;
}

/* Somebody sends an advert of that peer again. FreeBSD and ucarp go on counting
 * from the last advert that they heard: those are their own. */
static bool was_told(const struct engine_counters *c, uint64_t counter)
{
	uint64_t n = counter - c->first;

	return c->first && n <= c->told && n % CARP_COUNTER_AGAIN == 0;
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

/* strict-peers: a peer, or one that is named; while a peer has not told its
 * addresses nobody knows them, and a second master were worse. */
static bool allowed(const struct engine *e, const struct engine_vhost *v,
		    const struct carp_advert *a,
		    const struct carp_address *source)
{
	for (size_t i = 0; i < v->nallowed; i++) {
		const struct engine_allowed *w = &v->allowed[i];

		if (!carp_address_equal(&w->address, source))
			continue;
		return carp_fsm_is_bow_out(a) ||
		       ((w->advbase < 0 || w->advbase == a->advbase) &&
			(w->advskew < 0 || w->advskew == a->advskew));
	}
	for (size_t i = 0; i < e->npeers; i++)
		if (!e->peers[i].addresses)
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
		if (engine_witness_owns(e, i, &from->addr))
			peer = (int)i;
	for (unsigned i = 0; i < e->npeers && peer < 0; i++)
		if (was_told(&v->counters[i], a->counter))
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
	bool silent = false;

	/* in each family in which it heard nothing */
	for (int f = 0; f < CARP_FAMILIES; f++)
		silent |= v->carp.uses[f] && !v->carp.hears[f];
	v->unheard &= silent;
	if (peer >= 0 && counter_of(&v->counters[peer], a->counter))
		v->counters[peer].heard[family] =
			a->counter - v->counters[peer].first;
}

/* For how long the peer has been master of it, as it said; 0 if it is not. */
static int64_t peer_age_ns(const struct engine_peer *p, const char *name,
			   mono_t now)
{
	const struct session_vhost *v = engine_peer_vhost(p, name);

	if (!v || v->state != CARP_MASTER)
		return 0;
	return (int64_t)v->master_ms * MONO_MS + mono_diff(now, p->word_at);
}

/* Rules 11, after demotion and frequency: both sides must come to opposite
 * answers, so only what both know is looked at. */
enum carp_tie engine_witness_tie(const struct engine *e, unsigned vhost,
				 unsigned peer, mono_t now)
{
	const struct engine_vhost *v = &e->vhosts[vhost];
	const struct engine_peer *p = &e->peers[peer];
	bool fresh = p->heard && mono_diff(now, p->word_at) < WORD_FRESH_NS;

	if (p->live && fresh) {
		/* who advertises has an epoch; a word without is older */
		bool ours = p->word.tx_epoch && engine_rx_in_sync(e, peer);
		bool theirs = engine_tx_in_sync(e, peer);
		int64_t older = mono_diff(now, v->carp.since) -
				peer_age_ns(p, v->name, now);

		if (ours != theirs)
			return ours ? CARP_TIE_WIN : CARP_TIE_LOSE;
		if (older > AGE_DIFFERS_NS)
			return CARP_TIE_WIN;
		if (older < -AGE_DIFFERS_NS)
			return CARP_TIE_LOSE;
	}
	return strcmp(e->node, p->name) < 0 ? CARP_TIE_WIN : CARP_TIE_LOSE;
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

static void unvouch(struct engine_vhost *v, unsigned peer, mono_t now)
{
	if (v->voucher != peer + 1)
		return;
	v->voucher = 0;
	carp_vhost_vouch(&v->carp, (mono_t){ 0 }, false, now);
}

bool engine_witness_obeys(const struct carp_vhost *v)
{
	return v->obeys[CARP_V4] || v->obeys[CARP_V6];
}

/* Rules 10: nobody waits for a peer that is more demoted, unless it took over
 * from us, or for one that knows that it is not heard. */
static void vouch(struct engine_vhost *v, unsigned peer,
		  const struct session_vhost *w, mono_t until, mono_t now)
{
	bool well = engine_witness_obeys(&v->carp) ||
		    w->demotion <= v->carp.env.demotion;

	v->voucher = peer + 1;
	carp_vhost_vouch(&v->carp, until, !w->mute && well, now);
}

/* Two of its intervals; but it ends before our own patience does, so that a
 * machine that is lost is not waited for. */
static mono_t counts_until(const struct engine_vhost *v,
			   const struct session_vhost *w, mono_t now)
{
	int64_t ns = VOUCHED_INTERVALS * (w->interval_us * MONO_US);
	int64_t most = carp_vhost_interval_ns(&v->carp) * 5 / 2;

	return mono_add(now, ns < most ? ns : most);
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
	if (w->state == CARP_MASTER)
		vouch(&e->vhosts[i], peer, w,
		      counts_until(&e->vhosts[i], w, now), now);
	else
		unvouch(&e->vhosts[i], peer, now);
}

/* We took over after it did, and hear it: its adverts decide. */
static bool replaced(const struct carp_vhost *v, const struct session_vhost *w,
		     mono_t now)
{
	return mono_diff(now, v->since) < (int64_t)w->master_ms * MONO_MS &&
	       v->master.any &&
	       mono_diff(now, v->master.at) < 2 * carp_vhost_interval_ns(v);
}

/* Both have been master for a while, and this one hears nothing of the other;
 * nor did whoever took over, but the link was down then. */
static bool beside(const struct carp_vhost *v, const struct session_vhost *w,
		   mono_t now)
{
	int64_t ns = SILENT_INTERVALS * carp_vhost_interval_ns(v);

	return v->witness_limit && !v->external &&
	       (int64_t)w->master_ms * MONO_MS >= ns &&
	       mono_diff(now, v->since) >= ns &&
	       (!v->master.any || mono_diff(now, v->master.at) >= ns);
}

/* It took over because it hears nothing of us. Where both did so, or neither,
 * rules 11 decide; but first who is heard. */
static bool obeyed(const struct engine *e, unsigned peer, unsigned vhost,
		   const struct session_vhost *w, mono_t now)
{
	const struct engine_vhost *v = &e->vhosts[vhost];
	int64_t own_us = carp_vhost_interval_ns(&v->carp) / MONO_US;

	if (w->state != CARP_MASTER)
		return false;
	if (v->carp.state == CARP_BACKUP)
		return w->unheard && !w->mute;
	if (v->carp.state != CARP_MASTER || replaced(&v->carp, w, now))
		return false;
	if (!w->unheard && (v->unheard || !beside(&v->carp, w, now)))
		return false;
	if (w->mute != v->mute)
		return v->mute;
	if (w->unheard != v->unheard)
		return true;
	if (w->demotion != v->carp.env.demotion)
		return w->demotion < v->carp.env.demotion;
	if (w->interval_us != own_us)
		return w->interval_us < own_us;
	return engine_witness_tie(e, vhost, peer, now) == CARP_TIE_LOSE;
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
		if (w->state != CARP_MASTER)
			unvouch(&e->vhosts[i], peer, now);
		else if (e->vhosts[i].voucher == peer + 1)
			vouch(&e->vhosts[i], peer, w, e->vhosts[i].carp.vouched,
			      now);
		if (!obeyed(e, peer, (unsigned)i, w, now))
			continue;
		carp_vhost_obey(&e->vhosts[i].carp, now);
		vouch(&e->vhosts[i], peer, w,
		      counts_until(&e->vhosts[i], w, now), now);
	}
}

/* An upgrade is no death: whom we obey is believed for as long as its last word
 * counts (rules 14). */
void engine_witness_gone(struct engine *e, unsigned peer, mono_t now)
{
	for (size_t i = 0; i < e->nvhosts; i++)
		if (!engine_witness_obeys(&e->vhosts[i].carp))
			unvouch(&e->vhosts[i], peer, now);
}

void engine_witness_addresses(struct engine *e, unsigned peer)
{
	for (size_t i = 0; i < e->nvhosts; i++)
		if (e->vhosts[i].carp.foreign &&
		    engine_witness_owns(e, peer, &e->vhosts[i].carp.foreigner))
			carp_vhost_no_foreign(&e->vhosts[i].carp);
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
