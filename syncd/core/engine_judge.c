/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The second half of a round of the audit: what the sums say, the entries of
 * buckets that differ, what of them is judged, and its repair. Why that is
 * right is said in engine_audit.c, which leads the round.
 *
 * Invariant: each flow is judged once in a round.
 */
#include "engine_int.h"

#include <stdlib.h>
#include <string.h>

/* A gap: one in so many, of AUDIT_GAP_LEAST or more. */
#define GAP_PART 8

static const uint8_t memory_key[DIGEST_KEY_LEN] = "audit's memory.";

/* --- what the sums say ------------------------------------------------------------------ */

static bool say_words(struct engine *e, enum session_audit_set set,
		      const struct audit_set *s, mono_t now)
{
	const uint32_t end = (1U << e->round->bits) / 32;
	uint32_t list[SESSION_AUDIT_SUMS_MAX];
	struct session_audit m = { .kind = SESSION_AUDIT_VERDICT,
				   .set = set,
				   .sums = list };

	for (; m.first < end; m.first += SESSION_AUDIT_SUMS_MAX) {
		uint32_t any = 0;

		for (m.nsums = 0; m.nsums < SESSION_AUDIT_SUMS_MAX &&
				  m.first + m.nsums < end;
		     m.nsums++)
			any |= list[m.nsums] =
				audit_set_word(s, m.first + (uint32_t)m.nsums);
		if (any && !engine_audit_say(e, &m, now))
			return false;
	}
	return true;
}

/* As bits: in a large table they are many. */
static bool say_fine(struct engine *e, mono_t now)
{
	struct session_audit begin = { .kind = SESSION_AUDIT_VERDICT };
	struct session_audit end = begin;

	end.first = 1;
	end.last = true;
	return engine_audit_say(e, &begin, now) &&
	       say_words(e, AUDIT_DIFFERS, &e->round->dirty, now) &&
	       say_words(e, AUDIT_DOUBT, &e->round->doubt, now) &&
	       say_words(e, AUDIT_PASSED, &e->round->passed, now) &&
	       engine_audit_say(e, &end, now);
}

/* Nothing touched them, and they differ: what is in them is not confirmed. */
bool engine_judge_verdict(struct engine *e, mono_t now)
{
	uint32_t list[SESSION_AUDIT_BUCKETS_MAX], at = 0;
	struct audit_round *r = e->round;
	const uint32_t end = 1U << r->bits;
	struct session_audit m = { .kind = SESSION_AUDIT_VERDICT,
				   .buckets = list };

	if (engine_audit_can_fine(e, r->peer))
		return say_fine(e, now);
	do {
		m.nbuckets = 0;
		at = audit_set_next(&r->dirty, at, r->bits);
		for (; at < end && m.nbuckets < SESSION_AUDIT_BUCKETS_MAX;
		     at = audit_set_next(&r->dirty, at + 1, r->bits))
			list[m.nbuckets++] = at;
		m.last = at == end;
		if (!engine_audit_say(e, &m, now))
			return false;
		m.first = 1;
	} while (!m.last);
	return true;
}

/* --- what is listed --------------------------------------------------------------------- */

/* As many as there is room for twice their entries. */
size_t engine_judge_at_once(const struct engine *e)
{
	const struct audit_round *r = e->round;
	uint64_t most = e->table > r->theirs ? e->table : r->theirs;
	uint64_t n = AUDIT_ENTRIES_MAX / 2 / ((most >> r->bits) + 1);

	/* each may have a finding */
	if (n > AUDIT_FINDINGS_MAX)
		return AUDIT_FINDINGS_MAX;
	return n ? n : 1;
}

/* Of those that were listed before, or of the others, those that were touched
 * in this round, or the others. */
static void pick(struct audit_round *r, bool seen, bool touched, uint32_t *list,
		 size_t *n, size_t most)
{
	for (uint32_t at = audit_set_next(&r->dirty, 0, r->bits);
	     at < 1U << r->bits && *n < most;
	     at = audit_set_next(&r->dirty, at + 1, r->bits)) {
		if (audit_set_has(&r->seen, at) != seen ||
		    audit_set_has(&r->touched.buckets, at) != touched)
			continue;
		list[(*n)++] = at;
		audit_set_add(&r->listed, at);
		audit_set_remove(&r->dirty, at);
	}
}

void engine_judge_look(struct engine *e, mono_t now)
{
	uint32_t list[AUDIT_FINDINGS_MAX];
	size_t most = engine_judge_at_once(e);
	struct audit_round *r = e->round;
	struct session_audit m = { .kind = SESSION_AUDIT_LIST,
				   .buckets = list };

	audit_set_clear(&r->listed);
	/* Those first in which nothing changed: there is no other reason to
	 * differ. A second time only when all had their first: that is the
	 * order in which their pauses end. */
	for (int seen = 0; seen < 2 && !m.nbuckets; seen++) {
		pick(r, seen, false, list, &m.nbuckets, most);
		pick(r, seen, true, list, &m.nbuckets, most);
	}
	r->looks++;
	r->nfindings = r->nmore = r->nextra = 0;
	audit_list_free(&r->entries);
	audit_touched_turn(&r->touched);
	engine_audit_enter(r, AUDIT_LISTING, now);
	(void)engine_audit_say(e, &m, now);
}

void engine_judge_entries(struct engine *e, const struct session_audit *m,
			  mono_t now)
{
	struct audit_round *r = e->round;
	int err = 0;

	if (r->phase != AUDIT_LISTING)
		return;
	if (m->first == 0) /* its dump may have begun anew */
		audit_list_free(&r->entries);
	for (size_t i = 0; i < m->ntuples && !err; i++)
		err = audit_list_add(&r->entries,
				     &(struct audit_entry){
					     .tuple = m->tuples[i],
					     .identity = m->identities[i],
					     .mark = m->marks[i],
					     .state = (uint8_t)m->states[i],
				     });
	if (err) {
		engine_audit_give_up(e, "too many entries differ", now);
		return;
	}
	if (!m->last)
		return;
	audit_list_sort(&r->entries);
	engine_audit_enter(r, AUDIT_COMPARING, now);
}

void engine_judge_compare(struct audit_round *r, const struct flow *f)
{
	uint64_t tuple = digest_tuple(r->key, f);
	struct audit_entry *entry;
	struct audit_finding *found;

	if (!audit_set_has(&r->listed, audit_bucket(tuple, r->bits)))
		return;
	entry = audit_list_find(&r->entries, tuple);
	if (entry)
		entry->found = true;
	if (!audit_compares(f) ||
	    (entry && entry->identity == digest_identity(r->key, f)))
		return;
	if (r->nfindings == AUDIT_FINDINGS_MAX) {
		r->report.count[AUDIT_UNSETTLED]++;
		r->nmore++;
		return;
	}
	found = &r->findings[r->nfindings++];
	*found = (struct audit_finding){
		.flow = *f,
		.tuple = tuple,
		.missing = !entry,
	};
	if (entry)
		found->theirs = *entry;
}

/* --- judgement ---------------------------------------------------------------------- */

/*
 * It differs; but it changed since the last look, so it is looked at again. And
 * one that did not differ when its bucket was listed before changed since.
 */
static bool excused(struct audit_round *r, const struct audit_tuples *before,
		    uint64_t tuple)
{
	uint32_t bucket = audit_bucket(tuple, r->bits);

	if (audit_set_has(&r->seen, bucket) && !audit_tuples_has(before, tuple))
		return true;
	if (!audit_is_touched(&r->touched, tuple))
		return false;
	if (!audit_set_has(&r->seen, bucket))
		r->report.count[AUDIT_CHANGED]++;
	if (audit_tuples_add(&r->again, tuple))
		audit_set_add(&r->dirty, bucket);
	else
		r->report.count[AUDIT_UNSETTLED]++;
	return true;
}

static bool remembers(const uint64_t *list, size_t n, uint64_t hash)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == hash)
			return true;
	return false;
}

static void repair(struct engine *e, const struct audit_finding *found,
		   mono_t now)
{
	struct audit_round *r = e->round;
	struct engine_peer *p = &e->peers[r->peer];
	const struct flow_change c = { .op = FLOW_COPY, .flow = found->flow };
	uint64_t hash = digest_tuple(memory_key, &found->flow);

	r->uncured += remembers(p->audit.memory, p->audit.nmemory, hash);
	if (session_tell(p->session, &c, now))
		return;
	r->report.count[AUDIT_REPAIRED]++;
	p->audit.repaired[!found->missing]++;
	if (r->nrepaired < AUDIT_MEMORY)
		r->repaired[r->nrepaired++] = hash;
}

static void judge_ours(struct engine *e, const struct audit_tuples *before,
		       mono_t now)
{
	struct audit_round *r = e->round;

	for (size_t i = 0; i < r->nfindings; i++) {
		const struct audit_finding *found = &r->findings[i];
		const struct audit_entry *theirs =
			found->missing ? NULL : &found->theirs;
		enum session_audit_count kind = AUDIT_MISSING;
		char text[SESSION_AUDIT_TEXT_SIZE];

		if (excused(r, before, found->tuple))
			continue;
		if (theirs)
			kind = audit_difference(&found->flow, theirs);
		audit_format(&found->flow, theirs, text);
		engine_verify_example(&r->report, kind, text);
		r->report.count[kind]++;
		if (!r->verify)
			repair(e, found, now);
	}
}

static void judge_theirs(struct audit_round *r,
			 const struct audit_tuples *before)
{
	for (size_t i = 0; i < r->entries.n; i++) {
		const struct audit_entry *entry = &r->entries.list[i];

		if (entry->found || !audit_entry_compares(entry) ||
		    excused(r, before, entry->tuple))
			continue;
		r->report.count[AUDIT_EXTRA]++;
		if (r->nextra < SESSION_AUDIT_TUPLES_MAX)
			r->extra[r->nextra++] = entry->tuple;
	}
}

/*
 * An eighth of a table or more, as far as one look can tell: of so many
 * differences in it so many were no change on its way, and it saw so many of
 * the buckets that differ. What is less is repaired round by round, and the
 * peer is not on hold for it: a few entries run out on the old master of a
 * large table before they are given a copy's time.
 */
static bool is_gap(const struct audit_round *r, uint64_t repaired,
		   uint64_t extra)
{
	uint64_t in_look = extra, in_all, all = r->report.count[AUDIT_COMPARED];

	if (r->nfindings)
		in_look += repaired * (r->nfindings + r->nmore) / r->nfindings;
	if (in_look < AUDIT_GAP_LEAST)
		return false;
	in_all = in_look * r->differ / r->listed.count;
	return GAP_PART * in_all >= (all > r->theirs ? all : r->theirs);
}

/*
 * What the owner has not is removed by the sweep behind a bulk, if the peer
 * only copies. Not while something of ours is down, as after a loss of flows
 * for which the peer may be the better one (rules 3). And not again and again:
 * what is there in spite of a bulk passes there.
 */
static bool may_sweep(const struct engine *e, unsigned peer)
{
	return !engine_all_work(e) && !engine_peer_is_master(&e->peers[peer]) &&
	       !demotion_total(&e->demotion) && !e->peers[peer].audit.swept;
}

void engine_judge(struct engine *e, mono_t now)
{
	struct audit_round *r = e->round;
	struct session_audit m = {
		.kind = SESSION_AUDIT_EXTRA,
		.last = true,
		.repair = !r->verify,
		.tuples = r->extra,
	};
	struct audit_tuples before = r->again;
	uint64_t repaired = r->report.count[AUDIT_REPAIRED];
	uint64_t extra = r->report.count[AUDIT_EXTRA];
	unsigned peer = r->peer;

	audit_tuples_sort(&before);
	audit_tuples_drop(&r->again, &r->listed, r->bits);
	judge_ours(e, &before, now);
	judge_theirs(r, &before);
	audit_set_join(&r->seen, &r->listed, r->bits);
	repaired = r->report.count[AUDIT_REPAIRED] - repaired;
	extra = r->report.count[AUDIT_EXTRA] - extra;
	if (r->verify || !may_sweep(e, peer))
		extra = 0;
	/* what it refuses for good (rules 5) it refuses of each bulk */
	if (e->peers[peer].audit.again)
		repaired = 0;
	if (is_gap(r, repaired, extra)) {
		engine_audit_finish(e, now);
		e->peers[peer].audit.swept |= extra > 0;
		e->peers[peer].audit.again |= repaired > 0;
		engine_sync_gap(
			e, peer,
			"the audit found that much of the table differs", now);
		return;
	}
	if (!r->nextra) {
		engine_audit_next(e, now);
		return;
	}
	m.ntuples = r->nextra;
	engine_audit_enter(r, AUDIT_FINDING, now);
	(void)engine_audit_say(e, &m, now);
}

void engine_judge_found(struct engine *e, const struct session_audit *m,
			mono_t now)
{
	struct audit_round *r = e->round;

	if (r->phase != AUDIT_FINDING)
		return;
	for (size_t i = 0; i < m->ntexts; i++)
		engine_verify_example(&r->report, AUDIT_EXTRA, m->texts[i]);
	engine_audit_next(e, now);
}
