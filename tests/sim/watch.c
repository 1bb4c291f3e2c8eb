// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What must never happen, whatever befalls the nodes, and what must be true
 * when everything is whole again. Text: rules 1, 5, 8, 11, 12. It only
 * looks. Invariant: a bound that is checked here is explained here.
 */
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <stdio.h>
#include <string.h>

#include "sim.h"

#define SLACK_NS (200 * MONO_MS)
#define WORD_NS	 (500 * MONO_MS) /* between two that say the same */

uint8_t sim_advskew(const struct sim *s, unsigned i, unsigned vhost)
{
	return s->conf.advskew[s->conf.crossed && vhost ? 1 - i : i];
}

static int64_t node_interval_ns(const struct sim *s, unsigned i, unsigned k)
{
	int64_t ns = s->conf.advbase * MONO_S +
		     sim_advskew(s, i, k) * (MONO_S / 256);

	return ns ? ns : MONO_S / 256;
}

int64_t sim_interval_ns(const struct sim *s)
{
	int64_t a = node_interval_ns(s, 0, 0), b = node_interval_ns(s, 1, 0);

	return a > b ? a : b;
}

bool sim_holds(const struct sim *s, unsigned i, unsigned vhost)
{
	const struct sim_node *n = &s->node[i];

	return n->engine && n->carrier[vhost] &&
	       n->lease_until[vhost].ns > s->now.ns;
}

int sim_master(const struct sim *s)
{
	for (unsigned i = 0; i < SIM_NODES; i++) {
		bool all = true;

		for (unsigned k = 0; k < s->conf.vhosts; k++)
			all &= sim_holds(s, i, k) && (s->speaker[k] == (int)i ||
						      !sim_holds(s, 1 - i, k));
		if (all)
			return (int)i;
	}
	return -1;
}

int sim_holder(const struct sim *s, unsigned vhost)
{
	bool a = sim_holds(s, 0, vhost), b = sim_holds(s, 1, vhost);

	if (a && b)
		return s->speaker[vhost];
	return a ? 0 : b ? 1 : -1;
}

static bool served(const struct sim *s)
{
	if (!s->conf.active)
		return sim_master(s) >= 0;
	for (unsigned k = 0; k < s->conf.vhosts; k++)
		if (sim_holds(s, 0, k) == sim_holds(s, 1, k))
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
static bool hear(const struct sim *s, unsigned k)
{
	bool all = !s->lan_cut[k];

	for (unsigned i = 0; i < SIM_NODES; i++)
		all &= awake(s, i) && s->node[i].carrier[k] &&
		       !s->node[i].mute[k] && !s->node[i].unheard[k];
	for (enum carp_family f = CARP_V4; f < CARP_FAMILIES; f++)
		all &= !sim_uses(s, f) || !s->family_cut[k][f];
	return all;
}

/* One took it because it heard nothing, and the link can tell that; the other
 * one yields when it has heard no advert of it for two intervals. */
static bool told(const struct sim *s, unsigned k)
{
	bool unheard = false;

	if (s->link_cut || s->conf.link_bytes_s)
		return false;
	for (unsigned i = 0; i < SIM_NODES; i++) {
		const struct sim_node *n = &s->node[i];

		/* who hears it all the same follows its adverts */
		if (!awake(s, i) || !n->attached || n->mute[k] ||
		    n->unheard[k] || !n->engine->peers[0].live)
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
static void watch_both(struct sim *s, unsigned k)
{
	int64_t ns;

	track(&s->hear_since[k], hear(s, k), s->now);
	track(&s->both_since[k], sim_holds(s, 0, k) && sim_holds(s, 1, k),
	      s->now);
	ns = lasts_ns(s->both_since[k], s->hear_since[k], s->now);
	if (ns > s->longest_both_ns)
		s->longest_both_ns = ns;
	track(&s->told_since[k], told(s, k), s->now);
	if (lasts_ns(s->both_since[k], s->told_since[k], s->now) >
	    2 * sim_interval_ns(s) + WORD_NS + SLACK_NS)
		sim_fail(s, "vhost %u has two holders, and the link says so",
			 k);
	if (ns > 3 * sim_interval_ns(s) + SLACK_NS)
		sim_fail(s, "vhost %u has had two holders for %lld ms", k,
			 (long long)(ns / MONO_MS));
}

/*
 * Nobody holds it: a node that could waits one master-down time, with the
 * extra 1/8 interval of rules 11, counted from the last advert; or it is an
 * old master that waits 50 ms and three intervals for one that never answers.
 */
static void watch_none(struct sim *s, unsigned k)
{
	mono_t since = MONO_NEVER;
	int64_t ns;

	track(&s->none_since[k], !sim_holds(s, 0, k) && !sim_holds(s, 1, k),
	      s->now);
	for (unsigned i = 0; i < SIM_NODES; i++) {
		track(&s->node[i].able_since[k], able(s, i, k), s->now);
		since = mono_min(since, s->node[i].able_since[k]);
	}
	ns = lasts_ns(s->none_since[k], since, s->now);
	if (ns > s->longest_none_ns)
		s->longest_none_ns = ns;
	if (ns > 4 * sim_interval_ns(s) + SLACK_NS)
		sim_fail(s, "nobody has held vhost %u for %lld ms", k,
			 (long long)(ns / MONO_MS));
}

/* Who holds it alone for an interval is the master. */
static void count_changes(struct sim *s, unsigned k)
{
	bool a = sim_holds(s, 0, k), b = sim_holds(s, 1, k);
	int sole = a == b ? -1 : b;

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
static void watch_audit(struct sim *s, unsigned i)
{
	struct sim_node *n = &s->node[i];
	const struct audit_report *r;

	if (!n->engine)
		return;
	r = &n->engine->peers[0].audit.last;
	if (!r->at.ns || n->audited.ns == r->at.ns)
		return;
	n->audited = r->at;
	s->changed += r->count[AUDIT_CHANGED];
	/* two masters merge what each has (rules 9), one after the other */
	if (s->node[1 - i].engine && n->engine->masters &&
	    s->node[1 - i].engine->masters)
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

void sim_watch(struct sim *s)
{
	for (unsigned k = 0; k < s->conf.vhosts; k++) {
		watch_both(s, k);
		watch_none(s, k);
		count_changes(s, k);
	}
	for (unsigned i = 0; i < SIM_NODES; i++) {
		watch_audit(s, i);
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

void sim_watch_transition(struct sim *s, unsigned i, unsigned k)
{
	struct sim_node *n = &s->node[i];
	const struct history_entry *h =
		history_last(&n->engine->history, n->engine->vhosts[k].name);
	bool held_back;

	if (!h || h->to != CARP_MASTER)
		return;
	/* the limit of require-sync may have passed since */
	held_back = gate_holding(&n->gate, s->now);
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
}

/* --- tables ------------------------------------------------------------------ */

static bool same_identity(const struct flow *a, const struct flow *b)
{
	uint8_t x[FLOW_IDENTITY_MAX], y[FLOW_IDENTITY_MAX];
	size_t n = flow_identity(a, x);

	return n == flow_identity(b, y) && memcmp(x, y, n) == 0;
}

/* Of the same client: what is left of the old one may get the new one's
 * updates. */
static bool untold(const struct sim *s, const struct flow *f)
{
	for (size_t i = 0; i < s->nuntold; i++)
		if (s->untold[i].l4proto == f->l4proto &&
		    flow_tuple_equal(&s->untold[i].orig, &f->orig))
			return true;
	return false;
}

static void complain(struct sim *s, const char *what, const struct flow *f,
		     unsigned where)
{
	char text[160];

	flow_format(f, text, sizeof(text));
	sim_fail(s, "%s at %s: %s", what, s->node[where].name, text);
}

/* A packet may prolong it at the owner, and the audit does not look at it. */
static bool over(const struct sim *s, const struct flow *f)
{
	return s->conf.audit_ns &&
	       (destroys_ended(f) ||
		(s->tampered_once && flow_class(f) == FLOW_CLOSING));
}

/* Everything of the owner's is there, as it is; but an owner may have been
 * the standby of one that lost a flow and did not tell. */
static void watch_missing(struct sim *s, unsigned owner)
{
	const struct sim_node *n = &s->node[owner];

	for (size_t i = 0; i < n->kernel.n; i++) {
		const struct flow *f = &n->kernel.entries[i].flow;
		const struct kernel_entry *e;

		if (filter_flow(&n->engine->filter, f) != FILTER_PASS ||
		    untold(s, f))
			continue;
		e = kernel_look(&s->node[1 - owner].kernel, f);
		if (over(s, f))
			continue;
		if (!e)
			complain(s, "missing", f, 1 - owner);
		else if (!same_identity(&e->flow, f))
			complain(s, "another than the owner's", &e->flow,
				 1 - owner);
	}
}

static void watch_stale(struct sim *s, unsigned owner)
{
	const struct sim_node *n = &s->node[1 - owner];

	for (size_t i = 0; i < n->kernel.n; i++) {
		const struct flow *f = &n->kernel.entries[i].flow;

		if (filter_flow(&n->engine->filter, f) != FILTER_PASS ||
		    untold(s, f) || over(s, f))
			continue;
		if (!kernel_look(&s->node[owner].kernel, f))
			complain(s, "stale copy", f, 1 - owner);
	}
}

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

void sim_watch_handover(struct sim *s, unsigned from, unsigned to)
{
	(void)to;
	if (!s->tampered)
		watch_missing(s, from);
}

void sim_watch_tables(struct sim *s, unsigned master)
{
	watch_missing(s, master);
	watch_stale(s, master);
}

void sim_watch_both(struct sim *s)
{
	watch_missing(s, 0);
	watch_missing(s, 1);
}

/* Rules 9: what a packet has brought forward here no word takes back, but for
 * a SYN, or a delete, that was seen there. */
void sim_watch_merge(struct sim *s, unsigned i, const struct flow_change *c,
		     const struct kernel_entry *before)
{
	const struct flow *f = &before->flow;
	const struct kernel_entry *e = kernel_look(&s->node[i].kernel, f);
	bool over = f->tcp_state > TCP_CONNTRACK_ESTABLISHED;

	if (!before->passed || c->merge != FLOW_MERGE_PREVAIL)
		return;
	if (c->op == FLOW_DESTROY && c->flow.has & FLOW_HAS_TIMEOUT)
		return;
	/* whose tuples or translation another one has now */
	if (over &&
	    (c->op == FLOW_NEW || !flow_tuple_equal(&c->flow.reply, &f->reply)))
		return;
	if (!e)
		complain(s, "a peer's word ended", f, i);
	else if (f->status & ~e->flow.status)
		complain(s, "a peer's word took a bit from", f, i);
	else if (e->flow.tcp_state < f->tcp_state)
		complain(s, "a peer's word took back", f, i);
}

void sim_watch_quiet(struct sim *s)
{
	int master = sim_master(s);

	if (master < 0) {
		sim_fail(s, "no single master");
		return;
	}
	for (unsigned i = 0; i < SIM_NODES; i++) {
		const struct engine *e = s->node[i].engine;

		if (!engine_tx_in_sync(e, 0) || !engine_rx_in_sync(e, 0))
			sim_fail(s, "%s is not in sync: tx %d rx %d",
				 s->node[i].name, engine_tx_in_sync(e, 0),
				 engine_rx_in_sync(e, 0));
		if (e->env.holding)
			sim_fail(s, "%s still holds", s->node[i].name);
		watch_own(s, i);
	}
	sim_watch_tables(s, (unsigned)master);
	if (s->conf.sets)
		sim_watch_sets(s);
}

bool sim_idle(const struct sim *s)
{
	for (unsigned i = 0; i < SIM_NODES; i++) {
		const struct sim_node *n = &s->node[i];

		if (!n->engine || !n->attached || n->inbox.len ||
		    n->kernel.queued || n->kernel.overrun ||
		    !engine_tx_in_sync(n->engine, 0) ||
		    !engine_rx_in_sync(n->engine, 0) ||
		    session_filling(n->engine->peers[0].session) ||
		    destroys_deadline(&n->engine->destroys).ns != INT64_MAX ||
		    n->engine->nops || n->any ||
		    n->engine->handover.state != HANDOVER_IDLE ||
		    session_backlog(n->engine->peers[0].session) ||
		    session_seq_acked(n->engine->peers[0].session) !=
			    session_seq_sent(n->engine->peers[0].session))
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
