/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A round of the audit, as the owner of the flows: sums of both tables, then
 * the entries of buckets that differ, then repair (rules 8). What the peer
 * does for it is in engine_answer.c, what people see in engine_verify.c.
 *
 * Why nothing that is on its way is ever reported. Everything is said in order
 * with the flows. BEGIN and each LIST are marks in that order: when the peer
 * looks, its kernel has all that was told before the mark. From BEGIN on each
 * event of our kernel, told or not, and each change that a peer tells us, is
 * remembered by its tuple (audit_touch). We look after the peer has listed,
 * and judge once all events were read that our kernel had when our look ended.
 * So a flow that was not touched has had one state here from before the mark
 * until our look, the peer was told that state before the mark, and its kernel
 * shows it or is wrong; what a peer that works, too, changed itself it has
 * told us before its list. A touched flow is not judged; its bucket is looked
 * at again. New flows need no rule of their own: their first event touches
 * them. Where the remembered bits meet by chance a difference is found by a
 * later round, which has another key. So is one in a bucket in which something
 * else changed, unless a person waits: there are enough buckets for that to be
 * rare, and each look costs both nodes another dump.
 *
 * Invariant: a repair is told in the moment of the judgement, between the
 * events before it and those after it.
 */
#include "engine_int.h"

#include <stdlib.h>
#include <string.h>

#include "merge.h"

#define LOOKS_MAX_VERIFY 64 /* of single entries, in one round */
#define SUMS_MAX_VERIFY	 16
#define STALLED_NS	 (120 * MONO_S)
#define RETRY_NS	 (5 * MONO_S)

bool engine_audit_can(const struct engine *e, unsigned peer)
{
	const struct engine_peer *p = &e->peers[peer];

	return p->live && p->hello.capabilities & SESSION_CAN_AUDIT;
}

bool engine_audit_can_fine(const struct engine *e, unsigned peer)
{
	return e->peers[peer].hello.capabilities & SESSION_CAN_AUDIT_FINE;
}

bool engine_audit_may(const struct engine *e, unsigned peer)
{
	return engine_audit_can(e, peer) && e->masters && !e->stopping &&
	       e->handover.state == HANDOVER_IDLE &&
	       engine_tx_in_sync(e, peer) && e->peers[peer].rx.state == RX_IDLE;
}

/* --- a round begins and ends ------------------------------------------------ */

void engine_audit_enter(struct audit_round *r, enum audit_phase phase,
			mono_t now)
{
	r->phase = phase;
	r->phase_at = now;
}

void engine_audit_free(struct engine *e)
{
	if (!e->round)
		return;
	if (e->dump_running && e->dump == DUMP_AUDIT)
		e->dump_abort = true;
	audit_list_free(&e->round->entries);
	free(e->round->findings);
	free(e->round);
	e->round = NULL;
}

void engine_audit_give_up(struct engine *e, const char *why, mono_t now)
{
	struct audit_round *r = e->round;
	struct engine_audit *a;

	if (!r)
		return;
	a = &e->peers[r->peer].audit;
	a->given_up++;
	a->next_at = mono_add(now, RETRY_NS);
	if (r->verify)
		engine_verify_ended(e, r->peer, why, now);
	engine_audit_free(e);
}

/* Not for good: a person who waits does so a while longer. */
static void put_off(struct engine *e, const char *why, mono_t now)
{
	if (e->round && engine_verify_waits(e, e->round->peer, now))
		e->round->verify = false;
	engine_audit_give_up(e, why, now);
}

bool engine_audit_say(struct engine *e, struct session_audit *m, mono_t now)
{
	m->round = e->round->id;
	m->urgent = e->round->verify;
	if (session_send_audit(e->peers[e->round->peer].session, m, now) == 0)
		return true;
	engine_audit_give_up(e, "memory is short", now);
	return false;
}

/* What the peer may count on: rounds do not end within the period where it is
 * short, or where there is much to look at. */
static int64_t period_ns(const struct engine *e, const struct engine_audit *a)
{
	int64_t took_ns = (int64_t)a->last.count[AUDIT_TOOK_MS] * MONO_MS;
	int64_t ns = e->audit_period_ns;

	if (!ns)
		return 0;
	if (ns < AUDIT_PERIOD_LEAST_NS)
		ns = AUDIT_PERIOD_LEAST_NS;
	return ns < took_ns * 3 / 2 ? took_ns * 3 / 2 : ns;
}

static void ask_sums(struct engine *e, mono_t now)
{
	struct audit_round *r = e->round;
	int64_t period_ns = e->peers[r->peer].audit.period_ns;
	struct session_audit m = {
		.kind = SESSION_AUDIT_BEGIN,
		.bits = r->bits,
		.period_ms = (uint32_t)(period_ns / MONO_MS),
	};

	r->dumped = r->summed = false;
	r->report.count[AUDIT_COMPARED] = 0;
	memset(r->sum, 0, sizeof(r->sum));
	audit_touched_turn(&r->touched);
	memcpy(m.key, r->key, sizeof(m.key));
	engine_audit_enter(r, AUDIT_SUMMING, now);
	(void)engine_audit_say(e, &m, now);
}

static void begin(struct engine *e, unsigned peer, mono_t now)
{
	struct engine_audit *a = &e->peers[peer].audit;
	uint64_t random[2] = { engine_random(e), engine_random(e) };
	struct audit_round *r = calloc(1, sizeof(*r));

	a->next_at = mono_add(now, e->audit_period_ns ? e->audit_period_ns
						      : RETRY_NS);
	if (!r)
		return;
	e->round = r;
	r->peer = peer;
	r->id = ++e->ids;
	r->verify = a->wanted || a->asked;
	r->started = now;
	r->bits = audit_bits(e->table, engine_audit_can_fine(e, peer)
					       ? SESSION_AUDIT_BITS_MAX
					       : SESSION_AUDIT_BITS_OLD);
	if (r->verify && r->bits < SESSION_AUDIT_BITS_OLD)
		r->bits = SESSION_AUDIT_BITS_OLD;
	r->looks_ns = e->audit_period_ns > AUDIT_PERIOD_LEAST_NS
			      ? e->audit_period_ns
			      : AUDIT_PERIOD_LEAST_NS;
	a->period_ns = period_ns(e, a);
	memcpy(r->key, random, sizeof(r->key));
	ask_sums(e, now);
}

void engine_audit_finish(struct engine *e, mono_t now)
{
	struct audit_round *r = e->round;

	r->report.at = now;
	r->report.count[AUDIT_UNSETTLED] += r->dirty.count;
	r->report.count[AUDIT_TOOK_MS] =
		(uint64_t)(mono_diff(now, r->started) / MONO_MS);
	engine_verify_report(e, r, now);
	engine_audit_free(e);
}

/* --- what changes meanwhile --------------------------------------------------- */

void engine_audit_touch(struct engine *e, const struct flow *f)
{
	struct audit_round *r = e->round;

	if (r)
		audit_touch(&r->touched, digest_tuple(r->key, f), r->bits);
}

/* --- sums ---------------------------------------------------------------------- */

static void both_summed(struct engine *e, mono_t now)
{
	if (!e->round->dumped || !e->round->summed)
		return;
	e->round->summed_at = now;
	engine_audit_enter(e->round, AUDIT_SUMMED, now);
	engine_push(e, ENGINE_DRAIN, 0);
}

static void heard_sums(struct engine *e, const struct session_audit *m,
		       mono_t now)
{
	struct audit_round *r = e->round;
	uint32_t end = 1U << r->bits;

	if (r->phase != AUDIT_SUMMING || r->summed)
		return;
	for (size_t i = 0; i < m->nsums && m->first + i < end; i++)
		r->sum[m->first + i] -= m->sums[i];
	if (!m->last)
		return;
	r->theirs = m->count[AUDIT_COMPARED];
	r->summed = true;
	both_summed(e, now);
}

/* Each bucket that differs was listed before. */
static bool all_seen(const struct audit_round *r)
{
	uint32_t at = audit_set_next(&r->dirty, 0, r->bits);

	while (at < 1U << r->bits && audit_set_has(&r->seen, at))
		at = audit_set_next(&r->dirty, at + 1, r->bits);
	return at == 1U << r->bits;
}

/* Until all is mended, but rounds have to go on: they keep copies alive. */
static bool looked_enough(const struct audit_round *r, mono_t now)
{
	if (r->verify)
		return r->looks == LOOKS_MAX_VERIFY;
	return r->looks && mono_diff(now, r->summed_at) >= r->looks_ns;
}

void engine_audit_next(struct engine *e, mono_t now)
{
	struct audit_round *r = e->round;

	if (!r->dirty.count || looked_enough(r, now)) {
		engine_audit_finish(e, now);
		return;
	}
	r->pause_until = mono_add(all_seen(r) ? r->phase_at : r->summed_at,
				  AUDIT_APART_NS);
	engine_audit_enter(r, AUDIT_PAUSE, now);
}

/* False: memory is short. */
static bool first_sums(struct engine *e, mono_t now)
{
	struct audit_round *r = e->round;

	for (uint32_t i = 0; i < 1U << r->bits; i++)
		if (r->sum[i])
			audit_set_add(audit_set_has(&r->touched.buckets, i)
					      ? &r->doubt
					      : &r->dirty,
				      i);
	for (uint32_t i = audit_set_next(&r->copies, 0, r->bits);
	     i < 1U << r->bits; i = audit_set_next(&r->copies, i + 1, r->bits))
		audit_set_remove(&r->passed, i);
	if (!engine_judge_verdict(e, now))
		return false;
	if (r->verify)
		audit_set_join(&r->dirty, &r->doubt, r->bits);
	return true;
}

/* What differs differs in each of them. */
static void next_sums(struct audit_round *r)
{
	for (uint32_t i = audit_set_next(&r->dirty, 0, r->bits);
	     i < 1U << r->bits; i = audit_set_next(&r->dirty, i + 1, r->bits)) {
		if (r->sum[i])
			continue;
		audit_set_remove(&r->dirty, i);
		r->report.count[AUDIT_CHANGED]++;
	}
}

/* More changed meanwhile than one look can list: it costs what a look costs,
 * and each leaves less, unless so much does differ. */
static void summed(struct engine *e, mono_t now)
{
	struct audit_round *r = e->round;
	size_t before = r->sums ? r->dirty.count : SIZE_MAX;

	if (r->sums++)
		next_sums(r);
	else if (!first_sums(e, now))
		return;
	r->differ = r->dirty.count;
	if (r->verify && r->differ > engine_judge_at_once(e) &&
	    r->differ < before - before / 4 && r->sums < SUMS_MAX_VERIFY)
		ask_sums(e, now);
	else
		engine_audit_next(e, now);
}

/* --- our dumps and events --------------------------------------------------------------- */

bool engine_audit_wants_dump(const struct engine *e)
{
	const struct audit_round *r = e->round;

	return r && ((r->phase == AUDIT_SUMMING && !r->dumped) ||
		     r->phase == AUDIT_COMPARING);
}

/* False: memory is short. */
static bool room_for_findings(struct audit_round *r)
{
	if (!r->findings)
		r->findings = calloc(AUDIT_FINDINGS_MAX, sizeof(*r->findings));
	r->nfindings = 0;
	return r->findings;
}

void engine_audit_dumping(struct engine *e, bool running, mono_t now)
{
	struct audit_round *r = e->round;

	/* it may have been that of the round before */
	if (!r || (!running && !r->dumping))
		return;
	r->dumping = running;
	if (!running)
		put_off(e, "something more urgent came between", now);
	else if (r->phase == AUDIT_COMPARING && !room_for_findings(r))
		engine_audit_give_up(e, "memory is short", now);
}

static void add_up(struct engine *e, const struct flow *f)
{
	struct audit_round *r = e->round;
	uint32_t bucket = audit_bucket(digest_tuple(r->key, f), r->bits);

	r->sum[bucket] += digest_identity(r->key, f);
	r->report.count[AUDIT_COMPARED]++;
	if (engine_all_work(e))
		audit_set_add(merge_mine(f, &e->timeouts) ? &r->passed
							  : &r->copies,
			      bucket);
}

void engine_audit_chunk(struct engine *e, const struct flow *list, size_t n)
{
	struct audit_round *r = e->round;

	for (size_t i = 0; r && i < n; i++) {
		const struct flow *f = &list[i];

		if (filter_flow(&e->filter, f) != FILTER_PASS)
			continue;
		if (r->phase == AUDIT_COMPARING) {
			engine_judge_compare(r, f);
		} else if (audit_compares(f)) {
			add_up(e, f);
		}
	}
}

void engine_audit_dumped(struct engine *e, mono_t now)
{
	struct audit_round *r = e->round;

	if (!r)
		return;
	r->dumping = false;
	if (r->phase == AUDIT_SUMMING) {
		r->dumped = true;
		both_summed(e, now);
		return;
	}
	engine_audit_enter(r, AUDIT_JUDGING, now);
	engine_push(e, ENGINE_DRAIN, 0);
}

/* All events were read. */
void engine_audit_drained(struct engine *e, mono_t now)
{
	struct audit_round *r = e->round;

	if (!r || (r->phase != AUDIT_SUMMED && r->phase != AUDIT_JUDGING))
		return;
	if (!engine_audit_may(e, r->peer))
		put_off(e, "the peer is not in sync", now);
	else if (r->phase == AUDIT_SUMMED)
		summed(e, now);
	else
		engine_judge(e, now);
}

/* --- time and the peer's answers -------------------------------------------------------- */

void engine_audit_answered(struct engine *e, unsigned peer,
			   const struct session_audit *m, mono_t now)
{
	struct audit_round *r = e->round;

	if (!r || r->peer != peer || r->id != m->round)
		return;
	if (m->kind == SESSION_AUDIT_SUMS)
		heard_sums(e, m, now);
	else if (m->kind == SESSION_AUDIT_ENTRIES)
		engine_judge_entries(e, m, now);
	else if (m->kind == SESSION_AUDIT_FOUND)
		engine_judge_found(e, m, now);
}

static bool due(const struct engine *e, unsigned peer, mono_t now)
{
	const struct engine_audit *a = &e->peers[peer].audit;

	return (e->audit_period_ns || a->wanted || a->asked) &&
	       engine_audit_may(e, peer) && mono_due(a->next_at, now);
}

void engine_audit_settle(struct engine *e, mono_t now)
{
	struct audit_round *r = e->round;

	if (r && !engine_audit_may(e, r->peer))
		put_off(e, "the peer is not in sync any more", now);
	else if (r && mono_diff(now, r->phase_at) > STALLED_NS)
		engine_audit_give_up(e, "the peer does not answer", now);
	else if (r && r->phase == AUDIT_PAUSE && mono_due(r->pause_until, now))
		engine_judge_look(e, now);
	for (unsigned i = 0; i < e->npeers && !e->round; i++)
		if (due(e, i, now))
			begin(e, i, now);
}

mono_t engine_audit_deadline(const struct engine *e)
{
	const struct audit_round *r = e->round;
	mono_t d = MONO_NEVER;

	if (r && r->phase == AUDIT_PAUSE)
		return r->pause_until;
	if (r)
		return mono_add(r->phase_at, STALLED_NS + 1);
	for (unsigned i = 0; i < e->npeers; i++) {
		const struct engine_audit *a = &e->peers[i].audit;

		if ((e->audit_period_ns || a->wanted || a->asked) &&
		    engine_audit_may(e, i))
			d = mono_min(d, a->next_at);
	}
	return d;
}
