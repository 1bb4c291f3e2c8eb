// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What must never happen in an election, and what must be true when all is
 * whole. Text: rules 1, 6, 11 and OpenBSD's ip_carp.c. It only looks, and
 * it knows which adverts arrived. Invariant: a bound that is checked here is
 * explained here.
 */
#include "carp_sim.h"

#include <stdio.h>
#include <string.h>

/* --- who is what -------------------------------------------------------------- */

bool cs_awake(const struct cs_node *n)
{
	return n->running && !n->frozen && !n->asleep;
}

static bool is_ours(const struct cs_sim *s, unsigned i)
{
	return s->conf.node[i].kind == CS_OURS;
}

bool cs_holds(const struct cs_sim *s, unsigned i, unsigned k)
{
	const struct cs_node *n = &s->node[i];
	const struct cs_vhost *v = &n->vhost[k];

	if (!n->running || n->asleep || !n->carrier[cs_lan(s, k)])
		return false;
	if (!is_ours(s, i))
		return v->state == CARP_MASTER;
	return v->lease_from.ns <= s->now.ns && s->now.ns < v->lease_until.ns;
}

static int64_t interval_most_ns(const struct cs_sim *s, unsigned i, unsigned k)
{
	const struct cs_node_conf *c = &s->conf.node[i];

	/* however much it was demoted when it set its timer */
	if (c->kind == CS_FREEBSD)
		return c->advbase * MONO_S + 240 * (MONO_S / 256);
	return cs_interval_ns(s, i, k) + (c->kind == CS_UCARP) * c->late_ns;
}

int64_t cs_longest_ns(const struct cs_sim *s)
{
	int64_t most = 0;

	for (unsigned i = 0; i < s->conf.nodes; i++)
		for (unsigned k = 0; k < s->conf.vhosts; k++)
			if (interval_most_ns(s, i, k) > most)
				most = interval_most_ns(s, i, k);
	return most;
}

static int64_t max_ns(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Nothing but rounding. */
static int64_t slack_ns(int64_t interval_ns)
{
	return interval_ns / 50;
}

/* --- paths ---------------------------------------------------------------------- */

static bool is_clear(const struct cs_sim *s, unsigned lan, unsigned a,
		     unsigned b)
{
	const struct cs_path *p = &s->path[lan][a][b];

	return cs_awake(&s->node[a]) && s->node[a].carrier[lan] && !p->loss &&
	       !p->cut[CARP_V4] && !p->cut[CARP_V6];
}

static void track(mono_t *since, bool now_true, mono_t now)
{
	if (!now_true)
		*since = MONO_NEVER;
	else if (mono_is_never(*since))
		*since = now;
}

void cs_watch_paths(struct cs_sim *s)
{
	unsigned lans = s->conf.one_lan ? 1 : s->conf.vhosts;

	for (unsigned l = 0; l < lans; l++)
		for (unsigned a = 0; a < s->conf.nodes; a++)
			for (unsigned b = a + 1; b < s->conf.nodes; b++)
				track(&s->hear_since[l][a][b],
				      is_clear(s, l, a, b) &&
					      is_clear(s, l, b, a),
				      s->now);
	for (unsigned i = 0; i < s->conf.nodes; i++)
		for (unsigned k = 0; k < s->conf.vhosts; k++) {
			struct cs_vhost *v = &s->node[i].vhost[k];

			track(&v->able_since,
			      is_ours(s, i) && cs_awake(&s->node[i]) &&
				      v->state != CARP_INIT,
			      s->now);
		}
}

/* --- two -------------------------------------------------------------------------- */

/* Since when both hold it with the values that they have now. */
static mono_t both_since(const struct cs_sim *s, unsigned k, unsigned a,
			 unsigned b)
{
	mono_t t = s->pair[k][a][b].both_since;

	t.ns = max_ns(t.ns, s->node[a].key_since.ns);
	t.ns = max_ns(t.ns, s->node[b].key_since.ns);
	return t;
}

/*
 * Two may hold it while they do not hear each other, and then until the next
 * advert of either has arrived: it is late as timers and LANs are, and who
 * hears it may be busy with a TAKE.
 */
static void watch_pair(struct cs_sim *s, unsigned k, unsigned a, unsigned b)
{
	mono_t since = both_since(s, k, a, b);
	mono_t hear = s->hear_since[cs_lan(s, k)][a][b];
	int64_t interval =
		max_ns(interval_most_ns(s, a, k), interval_most_ns(s, b, k));
	int64_t bound = interval + s->max_late_ns + slack_ns(interval);
	int64_t ns;

	if (!is_ours(s, a) && !is_ours(s, b))
		return;
	if (mono_is_never(hear) || mono_is_never(since))
		return;
	for (unsigned i = 0; i < s->conf.nodes; i++)
		if (i == a || i == b)
			bound += s->conf.node[i].late_ns +
				 2 * s->conf.node[i].take_ns;
	ns = s->now.ns - max_ns(since.ns, hear.ns);
	s->longest_both_ns = max_ns(s->longest_both_ns, ns);
	if (ns > bound)
		cs_fail(s,
			"%s and %s have both held vhost %u for %lld us and "
			"could hear each other (bound %lld us)",
			s->node[a].name, s->node[b].name, k,
			(long long)(ns / MONO_US),
			(long long)(bound / MONO_US));
}

static bool is_bow_out(const struct carp_advert *a)
{
	return a->advbase == 255 && a->advskew == 255;
}

/* Who hears a weaker node may take over if it preempts; a more demoted one,
 * one that leaves, or one that is too slow is replaced by anybody. */
static bool may_take(const struct cs_sim *s, unsigned i, unsigned k)
{
	const struct cs_node *n = &s->node[i];
	const struct carp_advert *a = s->advert;
	unsigned own = n->conf->advbase * 256U + n->conf->advskew[k];
	unsigned other = a->advbase * 256U + a->advskew;

	return is_bow_out(a) || a->demote > n->demote ||
	       (n->conf->preempt && own < other && a->demote >= n->demote) ||
	       (n->conf->advbase && own + 512U * n->conf->advbase < other);
}

/*
 * Two that hold it, and each has heard the other: one had to yield. Where
 * demotion is part of the advskew, adverts from before a node noticed that
 * there are others may still differ.
 */
void cs_watch_heard(struct cs_sim *s, const struct cs_packet *p)
{
	struct cs_node *to = &s->node[p->to];
	struct cs_vhost *v = &to->vhost[p->vhost];
	unsigned a = p->from < p->to ? p->from : p->to;
	unsigned b = p->from < p->to ? p->to : p->from;
	struct cs_pair *pair = &s->pair[p->vhost][a][b];
	mono_t since = both_since(s, p->vhost, a, b);
	unsigned enough = s->node[a].demote || s->node[b].demote ? 2 : 1;

	if (!to->running)
		return;
	v->heard[p->family] = cs_local(s, to);
	v->provoked = is_ours(s, p->to) && may_take(s, p->to, p->vhost);
	if (v->heard_number[p->from][p->family] < p->number)
		v->heard_number[p->from][p->family] = p->number;
	if ((!is_ours(s, a) && !is_ours(s, b)) ||
	    mono_is_never(pair->both_since) || p->sent.ns <= since.ns ||
	    !cs_holds(s, a, p->vhost) || !cs_holds(s, b, p->vhost))
		return;
	if (pair->counted_since.ns != since.ns)
		pair->heard[0] = pair->heard[1] = 0;
	pair->counted_since = since;
	pair->heard[p->to == b]++;
	if (pair->heard[0] >= enough && pair->heard[1] >= enough)
		cs_fail(s,
			"%s and %s have heard each other and both hold "
			"vhost %u",
			s->node[a].name, s->node[b].name, p->vhost);
}

static void holders_changed(struct cs_sim *s, unsigned k, unsigned holders)
{
	for (unsigned a = 0; a < s->conf.nodes; a++)
		for (unsigned b = a + 1; b < s->conf.nodes; b++) {
			struct cs_pair *p = &s->pair[k][a][b];
			track(&p->both_since, holders >> a & holders >> b & 1,
			      s->now);
		}
	s->holders[k] = holders;
	if (!holders)
		s->none_since[k] = s->now;
}

/* --- none --------------------------------------------------------------------------- */

/* Master-down and the extra eighth of rules 11, seen as late as timers are. */
static int64_t patience_ns(const struct cs_sim *s, unsigned i, unsigned k)
{
	int64_t interval = cs_interval_ns(s, i, k);

	return 3 * interval + interval / 8 + slack_ns(interval) +
	       s->conf.node[i].late_ns + 2 * s->conf.node[i].take_ns;
}

/*
 * Nobody holds it: any node of ours that could waits a master-down time from
 * the last advert that can still have been on its way, or from when it became
 * BACKUP: of two equals that take it at once none may come to hold it.
 */
static void watch_none(struct cs_sim *s, unsigned k)
{
	int64_t ns = s->now.ns - s->none_since[k].ns;

	for (unsigned i = 0; i < s->conf.nodes; i++) {
		const struct cs_vhost *v = &s->node[i].vhost[k];
		int64_t from = s->none_since[k].ns + s->max_late_ns;

		if (mono_is_never(v->able_since) ||
		    s->now.ns - max_ns(from, v->able_since.ns) <=
			    patience_ns(s, i, k) + s->conf.node[i].take_ns)
			continue;
		cs_fail(s, "nobody has held vhost %u for %lld us, and %s could",
			k, (long long)(ns / MONO_US), s->node[i].name);
	}
	s->longest_none_ns = max_ns(s->longest_none_ns, ns);
}

/* Who is BACKUP and has heard nobody for a master-down time is so no more. */
static void watch_patience(struct cs_sim *s, unsigned i, unsigned k)
{
	const struct cs_node *n = &s->node[i];
	const struct cs_vhost *v = &n->vhost[k];
	int64_t from = INT64_MAX;

	/* each family apart, and the first that is silent counts */
	for (unsigned f = 0; f < CARP_FAMILIES; f++)
		if (s->conf.families[k] >> f & 1 && v->heard[f].ns < from)
			from = v->heard[f].ns;
	from = max_ns(from, v->waits_since.ns);
	if (cs_local(s, n).ns - from > patience_ns(s, i, k))
		cs_fail(s,
			"%s: vhost %u: still BACKUP %lld us after the last "
			"advert",
			n->name, k,
			(long long)((cs_local(s, n).ns - from) / MONO_US));
}

void cs_watch(struct cs_sim *s)
{
	for (unsigned k = 0; k < s->conf.vhosts; k++) {
		unsigned holders = 0;

		for (unsigned i = 0; i < s->conf.nodes; i++)
			holders |= (unsigned)cs_holds(s, i, k) << i;
		if (holders != s->holders[k])
			holders_changed(s, k, holders);
		if (!holders)
			watch_none(s, k);
		for (unsigned a = 0;
		     holders & (holders - 1) && a < s->conf.nodes; a++)
			for (unsigned b = a + 1; b < s->conf.nodes; b++)
				if (holders >> a & holders >> b & 1)
					watch_pair(s, k, a, b);
		for (unsigned i = 0; i < s->conf.nodes; i++)
			if (is_ours(s, i) && cs_awake(&s->node[i]) &&
			    s->node[i].vhost[k].state == CARP_BACKUP)
				watch_patience(s, i, k);
	}
}

/* --- changes of state -------------------------------------------------------------------- */

/* Its own advskew as it is, or as it tells it with its demotion. */
static bool may_yield(const struct cs_sim *s, unsigned i, unsigned k)
{
	const struct cs_node *n = &s->node[i];
	const struct carp_advert *a = s->advert;
	unsigned own = n->conf->advbase * 256U + n->conf->advskew[k];
	unsigned other = a->advbase * 256U + a->advskew;

	return !is_bow_out(a) &&
	       (a->demote < n->demote ||
		(a->demote == n->demote && other <= own + n->demote));
}

static bool was_patient(const struct cs_sim *s, unsigned i, unsigned k)
{
	const struct cs_node *n = &s->node[i];
	const struct cs_vhost *v = &n->vhost[k];

	for (unsigned f = 0; f < CARP_FAMILIES; f++)
		if (s->conf.families[k] >> f & 1 &&
		    cs_local(s, n).ns -
				    max_ns(v->heard[f].ns, v->waits_since.ns) >=
			    3 * cs_interval_ns(s, i, k))
			return true;
	return false;
}

/*
 * A lease of 2.5 intervals from an advert that arrived ends before a
 * master-down time of 3 intervals from then, unless that node is so much
 * faster that it should have been master; whatever has become of the master.
 */
static void watch_leases(struct cs_sim *s, unsigned i, unsigned k)
{
	const struct cs_vhost *v = &s->node[i].vhost[k];

	for (unsigned m = 0; m < s->conf.nodes; m++) {
		bool arrived = true;

		if (m == i || !is_ours(s, m) || !cs_holds(s, m, k) ||
		    6 * cs_interval_ns(s, i, k) < 5 * cs_interval_ns(s, m, k))
			continue;
		for (unsigned f = 0; f < CARP_FAMILIES; f++)
			if (s->conf.families[k] >> f & 1 &&
			    v->heard_number[m][f] < s->node[m].vhost[k].number)
				arrived = false;
		if (arrived)
			cs_fail(s,
				"%s: vhost %u: the lease outlives the "
				"patience of %s",
				s->node[m].name, k, s->node[i].name);
	}
}

void cs_watch_waits(struct cs_sim *s, struct cs_node *n, struct cs_vhost *v)
{
	if (!mono_is_never(v->able_since))
		v->able_since = s->now;
	v->waits_since = cs_local(s, n);
	memset(v->heard, 0, sizeof(v->heard));
}

void cs_watch_transition(struct cs_sim *s, unsigned i, unsigned k,
			 enum carp_state to)
{
	struct cs_node *n = &s->node[i];
	struct cs_vhost *v = &n->vhost[k];
	enum carp_state from = v->state;

	v->state = to;
	if (to == CARP_MASTER && s->stimulus == CS_ADVERT && !may_take(s, i, k))
		cs_fail(s, "%s: vhost %u: takes over from a living master",
			n->name, k);
	if (to == CARP_MASTER && s->stimulus == CS_TIMER) {
		if (!v->provoked && !was_patient(s, i, k))
			cs_fail(s,
				"%s: vhost %u: did not wait for a "
				"master-down time",
				n->name, k);
		if (!v->provoked)
			watch_leases(s, i, k);
	}
	if (from == CARP_MASTER && s->stimulus == CS_ADVERT &&
	    !may_yield(s, i, k))
		cs_fail(s, "%s: vhost %u: yields to a weaker node", n->name, k);
	if (to == CARP_BACKUP)
		cs_watch_waits(s, n, v);
}

/* --- the end ------------------------------------------------------------------------------ */

static bool all_know_demotion(const struct cs_sim *s)
{
	for (unsigned i = 0; i < s->conf.nodes; i++)
		if (s->conf.node[i].kind == CS_FREEBSD ||
		    s->conf.node[i].kind == CS_UCARP)
			return false;
	return true;
}

/* The interval that its adverts tell: where demotion is part of it, equally
 * demoted nodes compare by that. */
static int64_t told_ns(const struct cs_sim *s, unsigned i, unsigned k)
{
	const struct carp_vhost *v;

	if (!is_ours(s, i) || !s->node[i].engine)
		return cs_interval_ns(s, i, k);
	v = &s->node[i].engine->vhosts[k].carp;
	return v->advbase * MONO_S + carp_vhost_said_skew(v) * (MONO_S / 256);
}

/* Should challenge whom it hears. */
static bool is_better(const struct cs_sim *s, unsigned k, unsigned i,
		      unsigned than)
{
	unsigned a = all_know_demotion(s) ? s->node[i].demote : 0;
	unsigned b = all_know_demotion(s) ? s->node[than].demote : 0;

	if (a != b)
		return a < b;
	return s->conf.node[i].preempt &&
	       told_ns(s, i, k) < told_ns(s, than, k);
}

bool cs_settled(const struct cs_sim *s, unsigned k)
{
	unsigned holder = CS_NODES;

	for (unsigned i = 0; i < s->conf.nodes; i++) {
		if (s->node[i].vhost[k].state != CARP_MASTER)
			continue;
		if (holder != CS_NODES || !cs_holds(s, i, k))
			return false;
		holder = i;
	}
	for (unsigned i = 0; holder != CS_NODES && i < s->conf.nodes; i++)
		if (i != holder && is_better(s, k, i, holder))
			return false;
	return holder != CS_NODES;
}
