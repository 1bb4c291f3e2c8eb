/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A round of the audit, as the node that is told: sums, entries and names of
 * what is in our table, and the timeouts of copies (rules 7). What differs is
 * the owner's to judge (engine_audit.c).
 *
 * A copy lives for max(nominal, 3 periods of the audit), as long as each peer
 * that tells us anything looks regularly: the dump for the sums gives what the
 * round before has confirmed its time again, and takes from others what is too
 * much. Where nobody looks (an older peer, none, a bulk) it is an hour, and what
 * is here is raised to that; soon after the link is lost, since what was not
 * confirmed may have any time left. Where several nodes work a copy has more than
 * any packet gives it (timeouts_copy), on a master, too, while its packets pass
 * there. `owners` is a flow in the owner's zones.
 *
 * Invariant: a copy ends early only if its owner did not have it in two looks.
 */
#include "engine_int.h"
#include "merge.h"

#include <stdlib.h>
#include <string.h>

#define QUEUE_BYTES (64 * 1024) /* sums are told while less waits */

/* --- what we answer ------------------------------------------------------ */

static bool say(struct engine *e, unsigned peer, struct session_audit *m,
		mono_t now)
{
	struct audit_answer *a = e->peers[peer].audit.answer;

	m->round = a->round;
	/* nor between a bulk's chunk and the events behind it (rules 4) */
	if (e->peers[peer].tx.state != TX_BULK &&
	    session_send_audit(e->peers[peer].session, m, now) == 0)
		return true;
	a->phase = ANSWER_NOTHING; /* the owner gives it up */
	return false;
}

/* Whatever it asked for before it does not want any more. */
static void enter(struct engine *e, unsigned peer, enum answer_phase phase)
{
	struct audit_answer *a = e->peers[peer].audit.answer;

	engine_dump_cancel(e, DUMP_ANSWER, peer);
	a->phase = phase;
	a->ntuples = 0;
	if (phase != ANSWER_DRAIN && phase != ANSWER_TELL) {
		free(a->sum);
		a->sum = NULL;
	}
}

void engine_answer_forget(struct engine *e, unsigned peer, mono_t now)
{
	struct audit_answer *a = e->peers[peer].audit.answer;

	if (!a)
		return;
	enter(e, peer, ANSWER_NOTHING);
	/* who takes over meanwhile raises nothing */
	if (a->period_ns)
		a->lapses_at =
			mono_min(a->lapses_at, mono_add(now, a->period_ns / 8));
}

void engine_answer_free(struct engine_audit *a)
{
	if (a->answer)
		free(a->answer->sum);
	free(a->answer);
	a->answer = NULL;
}

static void begin(struct engine *e, unsigned peer,
		  const struct session_audit *m, mono_t now)
{
	struct engine_audit *audit = &e->peers[peer].audit;
	struct audit_answer *a;

	if (!audit->answer)
		audit->answer = calloc(1, sizeof(*audit->answer));
	a = audit->answer;
	if (!a)
		return;
	enter(e, peer, ANSWER_SUM);
	a->round = m->round;
	a->bits = m->bits;
	a->urgent = m->urgent;
	a->period_ns = m->period_ms * MONO_MS;
	memcpy(a->key, m->key, sizeof(a->key));
	if (!a->period_ns || !a->lapses_at.ns || mono_is_never(a->lapses_at))
		a->lapses_at = a->period_ns ? mono_add(now, 2 * a->period_ns)
					    : MONO_NEVER;
}

static void verdict(struct audit_answer *a, const struct session_audit *m)
{
	if (m->first == 0 && m->set == AUDIT_DIFFERS)
		memset(a->coming, 0, sizeof(a->coming));
	for (size_t i = 0; i < m->nbuckets; i++)
		audit_set_add(&a->coming[AUDIT_DIFFERS], m->buckets[i]);
	for (uint32_t i = 0; i < m->nsums && m->set < AUDIT_SETS; i++)
		if (m->first + i < AUDIT_BUCKETS_MAX / 32)
			audit_set_add_word(&a->coming[m->set], m->first + i,
					   m->sums[i]);
	if (!m->last)
		return;
	memcpy(a->said, a->coming, sizeof(a->said));
	memcpy(a->confirmed_key, a->key, sizeof(a->key));
	a->confirmed_bits = a->bits;
	a->confirmed = true;
}

static void identify(struct engine *e, unsigned peer,
		     const struct session_audit *m)
{
	struct audit_answer *a = e->peers[peer].audit.answer;

	enter(e, peer, ANSWER_IDENTIFY);
	memcpy(a->tuple, m->tuples, m->ntuples * sizeof(*a->tuple));
	a->ntuples = m->ntuples;
	a->repair = m->repair;
	qsort(a->tuple, a->ntuples, sizeof(*a->tuple), audit_compare);
}

static void list(struct engine *e, unsigned peer, const struct session_audit *m)
{
	struct audit_answer *a = e->peers[peer].audit.answer;

	enter(e, peer, ANSWER_LIST);
	audit_set_clear(&a->wanted);
	for (size_t i = 0; i < m->nbuckets; i++)
		audit_set_add(&a->wanted, m->buckets[i]);
}

void engine_answer_asked(struct engine *e, unsigned peer,
			 const struct session_audit *m, mono_t now)
{
	struct audit_answer *a = e->peers[peer].audit.answer;

	if (m->kind == SESSION_AUDIT_BEGIN)
		begin(e, peer, m, now);
	else if (!a || a->round != m->round)
		return;
	else if (m->kind == SESSION_AUDIT_VERDICT)
		verdict(a, m);
	else if (m->kind == SESSION_AUDIT_LIST)
		list(e, peer, m);
	else if (m->kind == SESSION_AUDIT_EXTRA && m->ntuples)
		identify(e, peer, m);
}

/* --- timeouts ---------------------------------------------------------------- */

/* A bulk tells copies by their times from what is gone. */
static bool bulk_runs(const struct engine *e)
{
	for (unsigned i = 0; i < e->npeers; i++)
		if (e->peers[i].rx.state != RX_IDLE)
			return true;
	return false;
}

static bool looks(const struct engine_audit *a, mono_t now)
{
	return a->answer && a->answer->period_ns &&
	       a->answer->lapses_at.ns > now.ns;
}

static uint32_t floor_s(const struct engine *e, mono_t now)
{
	int64_t period_ns = 0;

	/* where several work they would keep each other's copies for ever */
	if (e->masters || bulk_runs(e))
		return TIMEOUT_STANDBY_S;
	for (unsigned i = 0; i < e->npeers; i++) {
		const struct engine_peer *p = &e->peers[i];

		if (engine_peer_tells(p) && !looks(&p->audit, now))
			return TIMEOUT_STANDBY_S;
		if (looks(&p->audit, now) &&
		    period_ns < p->audit.answer->period_ns)
			period_ns = p->audit.answer->period_ns;
	}
	if (!period_ns)
		return TIMEOUT_STANDBY_S;
	return TIMEOUT_PERIODS * (uint32_t)((period_ns + MONO_S - 1) / MONO_S);
}

void engine_answer_settle(struct engine *e, mono_t now)
{
	uint32_t was = e->standby_s;

	/* a mark is told from a copy's time (TIMEOUT_SUSPECT_S) */
	e->standby_s = floor_s(e, now);
	for (unsigned i = 0; i < e->npeers; i++) {
		struct audit_answer *a = e->peers[i].audit.answer;

		if (!a || !mono_due(a->lapses_at, now))
			continue;
		a->lapses_at = MONO_NEVER;
		a->period_ns = 0;
		a->confirmed = false;
		if (!e->masters && was < TIMEOUT_STANDBY_S && !bulk_runs(e) &&
		    !engine_all_work(e))
			e->raise = true;
	}
}

/*
 * What it may be given again: all if the owner's entry was as ours in the last
 * round, nothing if it was not. Where that could not be seen, for what changed
 * beside it, some: no copy of what lives ends, none of what is gone lives long.
 */
static uint32_t confirmed_s(const struct engine *e,
			    const struct audit_answer *a, const struct flow *f,
			    const struct flow *owners, uint32_t full)
{
	uint32_t some = (uint32_t)(2 * a->period_ns / MONO_S), bucket;

	if (!a->confirmed || !audit_compares(owners))
		return 0;
	bucket = audit_bucket(digest_tuple(a->confirmed_key, owners),
			      a->confirmed_bits);
	if (audit_set_has(&a->said[AUDIT_DIFFERS], bucket))
		return 0;
	/* two that keep each other's copies would keep them for ever */
	if (e->masters && (merge_mine(f, &e->timeouts) ||
			   !audit_set_has(&a->said[AUDIT_PASSED], bucket)))
		return 0;
	if (audit_set_has(&a->said[AUDIT_DOUBT], bucket) && some < full)
		return some;
	return full;
}

/*
 * Where time is refreshed by less than an eighth it waits, which spares most of
 * it for TCP; but half a period is never awaited longer, so that what is taken
 * over has about its nominal time.
 */
static bool is_short(const struct audit_answer *a, const struct flow *f,
		     uint32_t of)
{
	uint32_t slack = (uint32_t)(a->period_ns / (2 * MONO_S));

	return f->timeout_s + (slack < of / 8 ? of / 8 : slack) < of;
}

/* No packet does it here. */
static void refresh(struct engine *e, struct audit_answer *a,
		    const struct flow *f, const struct flow *owners)
{
	bool all_work = engine_all_work(e);
	uint32_t full =
		all_work ? timeouts_copy(&e->timeouts, f)
			 : timeouts_standby(&e->timeouts, f, e->standby_s);
	uint32_t most = all_work ? timeouts_raised(&e->timeouts, f) : full;

	if (!a->period_ns || timeouts_fixed(f))
		return;
	if (e->masters || f->timeout_s <= most) {
		if (!is_short(a, f, full))
			return;
		full = confirmed_s(e, a, f, owners, full);
		if (!is_short(a, f, full))
			return;
	}
	/* or it has the time of what was told since */
	if (!e->changed_many && !engine_lower_outdated(e, f))
		engine_op(e, FLOW_TIMEOUT, f, full);
}

/* Who else tells us has what the owner lacks. */
static bool may_cut(const struct engine *e, unsigned peer)
{
	return !engine_others_tell(e, peer) && !e->masters;
}

static void cut(struct engine *e, unsigned peer, const struct flow *f)
{
	struct engine_audit *audit = &e->peers[peer].audit;

	if (!audit->answer->repair || !may_cut(e, peer) || timeouts_fixed(f) ||
	    f->timeout_s <= e->standby_s || e->changed_many ||
	    engine_lower_outdated(e, f))
		return;
	audit->cut++;
	engine_op(e, FLOW_TIMEOUT, f, e->standby_s);
}

/* --- our dumps ----------------------------------------------------------------- */

static bool wants_dump(const struct engine *e, unsigned peer)
{
	const struct audit_answer *a = e->peers[peer].audit.answer;

	return a && e->peers[peer].live && !bulk_runs(e) &&
	       (a->phase == ANSWER_SUM || a->phase == ANSWER_LIST ||
		a->phase == ANSWER_IDENTIFY);
}

bool engine_answer_wants_dump(const struct engine *e, unsigned *peer)
{
	if (e->dump_running && e->dump == DUMP_ANSWER) {
		*peer = e->dump_peer;
		return wants_dump(e, *peer);
	}
	for (*peer = 0; *peer < e->npeers; (*peer)++)
		if (wants_dump(e, *peer))
			return true;
	*peer = 0;
	return false;
}

void engine_answer_dumping(struct engine *e, unsigned peer)
{
	struct audit_answer *a = e->peers[peer].audit.answer;

	a->seen = 0;
	a->entries = 0;
	a->found = (struct session_audit){ .kind = SESSION_AUDIT_FOUND };
	if (a->phase != ANSWER_SUM)
		return;
	free(a->sum);
	a->sum = calloc(1UL << a->bits, sizeof(*a->sum));
	if (!a->sum)
		enter(e, peer, ANSWER_NOTHING);
}

static void sum(struct engine *e, struct audit_answer *a, const struct flow *f,
		const struct flow *owners)
{
	a->seen++;
	refresh(e, a, f, owners);
	if (audit_compares(owners))
		a->sum[audit_bucket(digest_tuple(a->key, owners), a->bits)] +=
			digest_identity(a->key, owners);
}

static bool tell_entries(struct engine *e, unsigned peer, bool last, mono_t now)
{
	struct audit_answer *a = e->peers[peer].audit.answer;
	struct session_audit m = {
		.kind = SESSION_AUDIT_ENTRIES,
		.last = last,
		.first = a->entries,
		.tuples = a->tuple,
		.identities = a->identity,
		.states = a->state,
		.marks = a->mark,
		.ntuples = a->ntuples,
	};

	a->entries += (uint32_t)a->ntuples;
	a->ntuples = 0;
	return say(e, peer, &m, now);
}

static bool enlist(struct engine *e, unsigned peer, const struct flow *owners,
		   mono_t now)
{
	struct audit_answer *a = e->peers[peer].audit.answer;
	uint64_t tuple = digest_tuple(a->key, owners);

	if (!audit_set_has(&a->wanted, audit_bucket(tuple, a->bits)))
		return true;
	a->tuple[a->ntuples] = tuple;
	a->identity[a->ntuples] = digest_identity(a->key, owners);
	a->state[a->ntuples] = audit_state(owners);
	a->mark[a->ntuples++] = owners->mark;
	return a->ntuples < SESSION_AUDIT_ENTRIES_MAX ||
	       tell_entries(e, peer, false, now);
}

static void name_extra(struct engine *e, unsigned peer, const struct flow *f,
		       const struct flow *owners)
{
	struct audit_answer *a = e->peers[peer].audit.answer;
	uint64_t tuple = digest_tuple(a->key, owners);

	if (!bsearch(&tuple, a->tuple, a->ntuples, sizeof(tuple),
		     audit_compare))
		return;
	if (a->found.ntexts < SESSION_AUDIT_TEXTS_MAX)
		audit_format(owners, NULL, a->found.texts[a->found.ntexts++]);
	cut(e, peer, f);
}

void engine_answer_chunk(struct engine *e, unsigned peer,
			 const struct flow *flows, size_t n, mono_t now)
{
	struct audit_answer *a = e->peers[peer].audit.answer;

	for (size_t i = 0; i < n; i++) {
		const struct flow *f = &flows[i], *owners;
		struct flow there;

		if (filter_flow(&e->filter, f) != FILTER_PASS)
			continue;
		owners = engine_zone_there(&e->peers[peer], f, &there);
		if (a->phase == ANSWER_SUM)
			sum(e, a, f, owners);
		else if (a->phase == ANSWER_IDENTIFY)
			name_extra(e, peer, f, owners);
		else if (a->phase != ANSWER_LIST ||
			 !enlist(e, peer, owners, now))
			return;
	}
}

/* --- what was found -------------------------------------------------------------- */

/* What we changed ourselves, as far as it shows in our dump, goes before. */
static void drain(struct engine *e, unsigned peer)
{
	e->peers[peer].audit.answer->phase = ANSWER_DRAIN;
	engine_push(e, ENGINE_DRAIN, 0);
}

static void answer(struct engine *e, unsigned peer, mono_t now)
{
	struct audit_answer *a = e->peers[peer].audit.answer;

	if (a->sum) {
		a->told = 0;
		a->phase = ANSWER_TELL;
		return;
	}
	a->phase = ANSWER_NOTHING;
	(void)tell_entries(e, peer, true, now);
}

void engine_answer_dumped(struct engine *e, unsigned peer, mono_t now)
{
	struct audit_answer *a = e->peers[peer].audit.answer;

	/* not when it began: a round without an end keeps no copy alive */
	if (a->phase == ANSWER_SUM && a->period_ns)
		a->lapses_at = mono_add(now, 2 * a->period_ns);
	if (a->phase == ANSWER_IDENTIFY) {
		a->phase = ANSWER_NOTHING;
		(void)say(e, peer, &a->found, now);
	} else if (e->masters) {
		drain(e, peer);
	} else if (a->phase != ANSWER_NOTHING) {
		answer(e, peer, now);
	}
}

void engine_answer_drained(struct engine *e, mono_t now)
{
	for (unsigned i = 0; i < e->npeers; i++)
		if (e->peers[i].audit.answer &&
		    e->peers[i].audit.answer->phase == ANSWER_DRAIN)
			answer(e, i, now);
}

/* Some sums, if the link has room for them. */
void engine_answer_tell(struct engine *e, unsigned peer, mono_t now)
{
	struct engine_peer *p = &e->peers[peer];
	struct audit_answer *a = p->audit.answer;

	while (a && a->phase == ANSWER_TELL &&
	       session_backlog(p->session) < QUEUE_BYTES) {
		uint32_t left = (1U << a->bits) - a->told;
		struct session_audit m = {
			.kind = SESSION_AUDIT_SUMS,
			.first = a->told,
			.sums = a->sum + a->told,
			.nsums = left < SESSION_AUDIT_SUMS_MAX
					 ? left
					 : SESSION_AUDIT_SUMS_MAX,
		};

		m.last = m.nsums == left;
		m.count[AUDIT_COMPARED] = a->seen;
		a->told += (uint32_t)m.nsums;
		if (!say(e, peer, &m, now) || m.last)
			enter(e, peer, ANSWER_NOTHING);
	}
}

mono_t engine_answer_deadline(const struct engine *e)
{
	mono_t d = MONO_NEVER;

	for (unsigned i = 0; i < e->npeers; i++)
		if (e->peers[i].audit.answer)
			d = mono_min(d, e->peers[i].audit.answer->lapses_at);
	return d;
}
