// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What must never happen, whatever befalls the nodes, and what must be true
 * when everything is whole again. Text: rules 1, 5, 8, 11, 12. It only
 * looks. Invariant: a bound that is checked here is explained here.
 */
#include <string.h>

#include "sim.h"

#define SLACK_NS (200 * MONO_MS)
#define WORD_NS	 (500 * MONO_MS) /* between two that say the same */

uint8_t sim_advskew(const struct sim *s, unsigned i, unsigned vhost)
{
	return s->conf.advskew[s->conf.crossed && vhost ? s->nodes - 1 - i : i];
}

static int64_t node_interval_ns(const struct sim *s, unsigned i, unsigned k)
{
	int64_t ns = s->conf.advbase * MONO_S +
		     sim_advskew(s, i, k) * (MONO_S / 256);

	return ns ? ns : MONO_S / 256;
}

int64_t sim_interval_ns(const struct sim *s)
{
	int64_t most = 0;

	for (unsigned i = 0; i < s->nodes; i++)
		if (node_interval_ns(s, i, 0) > most)
			most = node_interval_ns(s, i, 0);
	return most;
}

bool sim_holds(const struct sim *s, unsigned i, unsigned vhost)
{
	const struct sim_node *n = &s->node[i];

	return n->engine && n->carrier[vhost] && !n->suspended &&
	       n->lease_until[vhost].ns > s->now.ns;
}

static unsigned holders(const struct sim *s, unsigned vhost)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->nodes; i++)
		n += sim_holds(s, i, vhost);
	return n;
}

int sim_master(const struct sim *s)
{
	for (unsigned i = 0; i < s->nodes; i++) {
		bool all = true;

		for (unsigned k = 0; k < s->conf.vhosts; k++)
			all &= sim_holds(s, i, k) &&
			       (s->speaker[k] == (int)i || holders(s, k) == 1);
		if (all)
			return (int)i;
	}
	return -1;
}

static int sole_holder(const struct sim *s, unsigned vhost)
{
	for (unsigned i = 0; i < s->nodes; i++)
		if (sim_holds(s, i, vhost))
			return holders(s, vhost) == 1 ? (int)i : -1;
	return -1;
}

int sim_holder(const struct sim *s, unsigned vhost)
{
	return holders(s, vhost) > 1 ? s->speaker[vhost]
				     : sole_holder(s, vhost);
}

static bool served(const struct sim *s)
{
	if (!s->conf.active)
		return sim_master(s) >= 0;
	for (unsigned k = 0; k < s->conf.vhosts; k++)
		if (holders(s, k) != 1)
			return false;
	return true;
}

/* --- mastership ------------------------------------------------------------ */

static bool awake(const struct sim *s, unsigned i)
{
	return s->node[i].engine && mono_due(s->node[i].frozen_until, s->now);
}

static bool able(const struct sim *s, unsigned i, unsigned vhost)
{
	const struct sim_node *n = &s->node[i];

	return awake(s, i) && n->carrier[vhost] && !n->engine->stopping &&
	       n->engine->vhosts[vhost].carp.state != CARP_INIT;
}

static void track(mono_t *since, bool now_true, mono_t now)
{
	if (!now_true)
		*since = MONO_NEVER;
	else if (mono_is_never(*since))
		*since = now;
}

static int64_t lasts_ns(mono_t a, mono_t b, mono_t now)
{
	if (mono_is_never(a) || mono_is_never(b))
		return 0;
	return mono_diff(now, a.ns > b.ns ? a : b);
}

/* Each hears all adverts of the other one. */
static bool hear(const struct sim *s, const unsigned two[2], unsigned k)
{
	bool all = !s->lan_cut[k];

	for (unsigned i = 0; i < 2; i++) {
		const struct sim_node *n = &s->node[two[i]];

		all &= awake(s, two[i]) && n->carrier[k] && !n->mute[k] &&
		       !n->unheard[k];
	}
	for (enum carp_family f = CARP_V4; f < CARP_FAMILIES; f++)
		all &= !sim_uses(s, f) || !s->family_cut[k][f];
	return all;
}

/* One took it because it heard nothing, and the link can tell that; the other
 * one yields when it has heard no advert of it for two intervals. */
static bool told(const struct sim *s, const unsigned two[2], unsigned k)
{
	bool unheard = false;

	if (s->link_cut || s->cable_cut[two[0]][two[1]] || s->conf.link_bytes_s)
		return false;
	for (unsigned i = 0; i < 2; i++) {
		const struct sim_node *n = &s->node[two[i]];
		unsigned other = two[1 - i];

		/* who hears it all the same follows its adverts */
		if (!awake(s, two[i]) || !n->attached[other] || n->mute[k] ||
		    n->unheard[k] ||
		    !n->engine->peers[sim_peer(two[i], other)].live)
			return false;
		unheard |= n->engine->vhosts[k].unheard;
	}
	return unheard;
}

/*
 * Two may hold it while they do not hear each other, and then until one of
 * them has yielded to the other's next advert: three intervals forgive lost
 * ones and a first tie that both believe to win.
 */
static void watch_both(struct sim *s, const unsigned two[2], unsigned k)
{
	struct sim_two *t = &s->two[two[0]][two[1]];
	int64_t ns;

	track(&t->hear_since[k], hear(s, two, k), s->now);
	track(&t->both_since[k],
	      sim_holds(s, two[0], k) && sim_holds(s, two[1], k), s->now);
	ns = lasts_ns(t->both_since[k], t->hear_since[k], s->now);
	if (ns > s->longest_both_ns)
		s->longest_both_ns = ns;
	track(&t->told_since[k], told(s, two, k), s->now);
	if (lasts_ns(t->both_since[k], t->told_since[k], s->now) >
	    2 * sim_interval_ns(s) + WORD_NS + SLACK_NS)
		sim_fail(s, "vhost %u has two holders, and the link says so",
			 k);
	if (ns > 3 * sim_interval_ns(s) + SLACK_NS)
		sim_fail(s, "vhost %u has had two holders for %lld ms", k,
			 (long long)(ns / MONO_MS));
}

static bool lets_pass(const struct sim *s, unsigned i, unsigned k)
{
	const bool *let = able(s, i, k)
				  ? s->node[i].engine->vhosts[k].carp.let_pass
				  : NULL;

	return let && (let[CARP_V4] || let[CARP_V6]);
}

/*
 * Nobody holds it: a node that could waits one master-down time, with the
 * extra 1/8 interval of rules 11, counted from the last advert; or it is an
 * old master that waits 50 ms and three intervals for one that never answers.
 * Who knows of a backup with a better copy waits a second such time for it.
 */
static void watch_none(struct sim *s, unsigned k)
{
	int64_t intervals = 4;
	mono_t since = MONO_NEVER;
	int64_t ns;

	track(&s->none_since[k], !holders(s, k), s->now);
	for (unsigned i = 0; i < s->nodes; i++) {
		track(&s->node[i].able_since[k], able(s, i, k), s->now);
		since = mono_min(since, s->node[i].able_since[k]);
		if (lets_pass(s, i, k))
			intervals = 8;
	}
	ns = lasts_ns(s->none_since[k], since, s->now);
	if (ns > s->longest_none_ns)
		s->longest_none_ns = ns;
	if (ns > intervals * sim_interval_ns(s) + SLACK_NS)
		sim_fail(s, "nobody has held vhost %u for %lld ms", k,
			 (long long)(ns / MONO_MS));
}

/* Who holds it alone for an interval is the master. */
static void count_changes(struct sim *s, unsigned k)
{
	int sole = sole_holder(s, k);

	if (sole != s->sole[k]) {
		s->sole[k] = sole;
		s->sole_since[k] = s->now;
	}
	if (sole < 0 || sole == s->master[k] ||
	    mono_diff(s->now, s->sole_since[k]) < sim_interval_ns(s))
		return;
	s->changes[k] += s->master[k] >= 0;
	s->master[k] = sole;
}

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* It is one that a node lost without a word: then it is a difference. */
static bool excused(const struct sim *s, const char *text)
{
	for (size_t i = 0; i < s->nuntold; i++) {
		char lost[160];

		flow_format(&s->untold[i], lost, sizeof(lost));
		/* up to the state */
		lost[strcspn(lost, " ") + 24] = '\0';
		if (begins(text, lost))
			return true;
	}
	return false;
}

/* Rules 8: what is on its way is no difference. */
static void watch_audit(struct sim *s, unsigned i, unsigned peer)
{
	const struct engine *other = s->node[sim_node_of(i, peer)].engine;
	struct sim_node *n = &s->node[i];
	const struct audit_report *r;

	if (!n->engine)
		return;
	r = &n->engine->peers[peer].audit.last;
	if (!r->at.ns || n->audited[peer].ns == r->at.ns)
		return;
	n->audited[peer] = r->at;
	s->changed += r->count[AUDIT_CHANGED];
	/* two masters merge what each has (rules 9), one after the other; and
	 * a third has some of both */
	if (other && n->engine->masters && other->masters)
		s->lossy = true;
	if (s->tampered_once || s->lossy)
		return;
	for (size_t k = 0; k < r->ntexts; k++)
		if (!excused(s, r->texts[k]))
			sim_fail(s, "%s finds %s: %s, and nothing was lost",
				 n->name,
				 audit_kind_name((enum session_audit_count)
							 r->examples[k]),
				 r->texts[k]);
}

static unsigned masters(const struct sim *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->nodes; i++)
		n += s->node[i].engine && s->node[i].engine->masters;
	return n;
}

void sim_watch(struct sim *s)
{
	for (unsigned k = 0; k < s->conf.vhosts; k++) {
		for (unsigned b = 1; b < s->nodes; b++)
			for (unsigned a = 0; a < b; a++)
				watch_both(s, (const unsigned[2]){ a, b }, k);
		watch_none(s, k);
		count_changes(s, k);
	}
	s->lossy |= s->nodes > 2 && masters(s) > 1;
	sim_watch_sessions(s);
	for (unsigned i = 0; i < s->nodes; i++) {
		for (unsigned peer = 0; peer < s->nodes - 1; peer++)
			watch_audit(s, i, peer);
		if (s->node[i].engine)
			s->node[i].gate = s->node[i].engine->gate;
	}
}

/* In the family in which it is longer. */
static int64_t silent_ns(const struct sim *s, const struct sim_node *n,
			 unsigned k)
{
	mono_t at = MONO_NEVER;

	for (enum carp_family f = CARP_V4; f < CARP_FAMILIES; f++)
		if (sim_uses(s, f))
			at = mono_min(at, n->heard[k][f]);
	return mono_diff(s->now, at);
}

/* Rules 1, by the tables, whatever the engine says of itself: who takes a vhost
 * from a living master that is on the link has had its bulk. */
static void watch_taken(struct sim *s, unsigned i, unsigned k,
			const char *cause)
{
	const struct carp_vhost *v = &s->node[i].engine->vhosts[k].carp;

	if (s->conf.require != REQUIRE_SYNC_STRICT || s->lossy ||
	    begins(cause, "no adverts") || begins(cause, "no master alive") ||
	    v->master.advert.demote >= CARP_FORCED_DEMOTION)
		return;
	for (unsigned j = 0; j < s->nodes; j++) {
		if (j == i || !sim_holds(s, j, k) || !awake(s, j) ||
		    s->node[j].handover_forced || !s->node[i].attached[j] ||
		    !s->node[j].attached[i])
			continue;
		s->taken++;
		sim_watch_taken(s, j, i);
	}
}

void sim_watch_transition(struct sim *s, unsigned i, unsigned k)
{
	struct sim_node *n = &s->node[i];
	const struct history_entry *h =
		history_last(&n->engine->history, n->engine->vhosts[k].name);
	bool held_back;

	if (!h || h->to != CARP_MASTER)
		return;
	/* the limit of require-sync may have passed since */
	held_back = gate_holding(&n->gate, sim_clock(s, i));
	if (held_back && begins(h->cause, "preempt"))
		sim_fail(s, "%s preempts while it holds", n->name);
	/* as the advert said, which may have waited for a sleeper */
	if (held_back && begins(h->cause, "master more demoted") &&
	    n->engine->vhosts[k].carp.master.advert.demote <
		    CARP_FORCED_DEMOTION)
		sim_fail(s, "%s takes over from a demoted master on hold",
			 n->name);
	if (begins(h->cause, "no adverts") &&
	    silent_ns(s, n, k) < 3 * node_interval_ns(s, i, k))
		sim_fail(s, "%s did not wait for a master-down time", n->name);
	watch_taken(s, i, k, h->cause);
}

/* --- at the end -------------------------------------------------------------- */

static void watch_own(struct sim *s, unsigned i)
{
	const struct kernel *k = &s->node[i].kernel;
	unsigned n = 0;

	for (size_t j = 0; j < k->n; j++)
		n += k->entries[j].flow.orig.src.b[0] == 192;
	if (n != 3)
		sim_fail(s, "%s has %u of its 3 own connections",
			 s->node[i].name, n);
}

void sim_watch_quiet(struct sim *s)
{
	int master = sim_master(s);

	if (master < 0) {
		sim_fail(s, "no single master");
		return;
	}
	for (unsigned i = 0; i < s->nodes; i++) {
		const struct engine *e = s->node[i].engine;

		for (unsigned k = 0; k < e->npeers; k++)
			if (!engine_tx_in_sync(e, k) ||
			    !engine_rx_in_sync(e, k))
				sim_fail(s,
					 "%s is not in sync with %s: tx %d "
					 "rx %d",
					 s->node[i].name, e->peers[k].name,
					 engine_tx_in_sync(e, k),
					 engine_rx_in_sync(e, k));
		if (e->env.holding)
			sim_fail(s, "%s still holds", s->node[i].name);
		watch_own(s, i);
	}
	sim_watch_tables(s, (unsigned)master);
	if (s->conf.sets)
		sim_watch_sets(s);
}

/* Nothing is on its way between them. */
static bool is_settled(const struct sim_node *n, unsigned peer, unsigned other)
{
	const struct session *session = n->engine->peers[peer].session;

	return n->attached[other] && !n->inbox[other].len &&
	       engine_tx_in_sync(n->engine, peer) &&
	       engine_rx_in_sync(n->engine, peer) &&
	       !session_filling(session) && !session_backlog(session) &&
	       session_seq_acked(session) == session_seq_sent(session);
}

bool sim_idle(const struct sim *s)
{
	for (unsigned i = 0; i < s->nodes; i++) {
		const struct sim_node *n = &s->node[i];

		if (!n->engine || n->kernel.queued || n->kernel.overrun ||
		    destroys_deadline(&n->engine->destroys).ns != INT64_MAX ||
		    n->engine->nops || n->any ||
		    n->engine->handover.state != HANDOVER_IDLE)
			return false;
		for (unsigned k = 0; k < n->engine->npeers; k++)
			if (!is_settled(n, k, sim_node_of(i, k)))
				return false;
	}
	return served(s);
}

void sim_until_idle(struct sim *s, int64_t ns)
{
	mono_t end = mono_add(s->now, ns);

	while (!sim_idle(s) && !s->error[0] && s->now.ns < end.ns)
		sim_run(s, MONO_MS);
}
