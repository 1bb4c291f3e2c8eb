/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What peers tell of their nftables sets: compared with what is remembered of
 * ours, so that the kernel is written to only where something changes. Not how
 * (syncd/os/nftsets.c).
 *
 * Invariant: nothing is done to a set that is not named here, and a frame is
 * acknowledged when each of its elements has its result.
 */
#include "engine_sets_int.h"

#include <stdio.h>
#include <string.h>

const char *set_result_name(enum set_result r)
{
	static const char *const names[SET_RESULTS] = {
		[SET_APPLIED] = "applied", [SET_ABSENT] = "absent",
		[SET_FULL] = "full",	   [SET_OVERLAP] = "overlap",
		[SET_CHAIN] = "chain",	   [SET_MISSING] = "missing",
		[SET_INVALID] = "invalid", [SET_FAILED] = "failed",
		[SET_UNFIT] = "unfit",	   [SET_UNTOLD] = "untold",
		[SET_CROWD] = "too_many",
	};

	return names[r];
}

static int find(const struct engine_sets *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->set[i].name, name) == 0)
			return (int)i;
	return -1;
}

/* --- words ----------------------------------------------------------------------- */

/* Said once, and again when it is another fault. */
static void compare(struct engine *e, unsigned peer, unsigned set)
{
	struct engine_set_peer *sp = &e->sets->peers[peer].of[set];
	const struct engine_set *t = &e->sets->set[set];
	const char *fault = NULL;

	if (!sp->named)
		fault = "it does not name the set in sets";
	else if (!sp->kind.present)
		fault = "it has no such set";
	else if (t->known && t->kind.present)
		fault = set_kind_differs(&t->kind, &sp->kind);
	if (fault && !sp->told)
		engine_log(e, LEVEL_WARNING,
			   "sets: \"%s\": peer \"%s\": %s; its elements are "
			   "not the same on both nodes until it is",
			   t->name, e->peers[peer].name, fault);
	sp->told = fault;
}

void engine_sets_words(struct engine *e, unsigned peer,
		       const struct session_event *ev)
{
	struct engine_sets *s = e->sets;

	if (!s)
		return;
	s->peers[peer].say |= ev->sets.answer;
	for (unsigned i = 0; i < s->n; i++)
		s->peers[peer].of[i].named = false;
	for (size_t k = 0; k < ev->sets.n; k++) {
		const struct set_word *w = &ev->sets.list[k];
		int i = find(s, w->name);
		struct engine_set_peer *sp;

		if (i < 0)
			continue;
		sp = &s->peers[peer].of[i];
		sp->named = true;
		sp->kind = w->kind;
		sp->want = w->want;
		sp->elements = w->elements;
	}
	for (unsigned i = 0; i < s->n; i++)
		compare(e, peer, i);
}

/* --- elements ---------------------------------------------------------------------- */

static struct set_op *op_new(struct engine_sets *s, enum set_do what,
			     const struct set_elem *el)
{
	struct set_op *op = &s->ops[s->nops++];

	op->what = what;
	op->elem = *el;
	return op;
}

static void take_deleted(struct engine *e, struct engine_set *t,
			 const struct set_elem *el)
{
	/* of what was not read yet it is not known whether it is there */
	if (set_memo_drop(&t->memo, el) || !t->read)
		op_new(e->sets, SET_DELETE, el);
}

/* What is here longer stays so where we are master, too: both have a right. */
static bool ours_lasts(const struct engine *e, const struct set_memo_entry *en,
		       const struct set_elem *el, mono_t now)
{
	return e->masters &&
	       en->until.ns >= set_memo_until(el, now).ns - SET_MEMO_SAME_NS;
}

static void take(struct engine *e, struct engine_set *t,
		 const struct set_elem *el, mono_t now)
{
	struct set_memo_entry *en;

	if (!set_elem_valid(el, &t->kind)) {
		t->results[SET_INVALID]++;
		return;
	}
	if (el->flags & SET_ELEM_DELETED) {
		take_deleted(e, t, el);
		return;
	}
	if (el->timeout_ms && !el->expires_ms)
		return; /* it ran out on the way */
	en = set_memo_find(&t->memo, el);
	if (en && ours_lasts(e, en, el, now)) {
		en->mention = t->memo.mention;
		return;
	}
	switch (set_memo_see(&t->memo, el, SET_BY_PEER, now)) {
	case SET_NEW:
		op_new(e->sets, SET_ADD, el);
		break;
	case SET_CHANGED:
	case SET_LONGER:
		op_new(e->sets, SET_REPLACE, el);
		break;
	case SET_TOO_MANY:
		t->results[SET_CROWD]++;
		return;
	case SET_SAME:
	case SET_FOUND:
	case SET_STALE:
		break;
	}
	en = set_memo_find(&t->memo, el);
	if (en)
		en->mention = t->memo.mention;
}

/* One node tells all there is: what it does not mention is not there. */
static bool one_tells(const struct engine *e)
{
	unsigned n = 0;

	for (unsigned i = 0; i < e->npeers; i++)
		if (e->peers[i].live && e->peers[i].heard &&
		    e->peers[i].word.tx_epoch)
			n++;
	return n <= 1;
}

static void part_of(struct engine *e, unsigned peer, unsigned set,
		    const struct set_elements *m)
{
	struct engine_set *t = &e->sets->set[set];
	struct engine_set_peer *sp = &e->sets->peers[peer].of[set];
	bool whole;

	switch (m->part) {
	case SET_PART_STREAM:
		return;
	case SET_PART_BEGIN:
		sp->hears = m->want;
		t->sweep = false;
		set_memo_mention(&t->memo);
		return;
	case SET_PART_END:
		whole = m->want && sp->hears == m->want && t->read &&
			!e->masters && !t->results[SET_CROWD];
		t->sweep = whole && one_tells(e);
		t->unswept = whole && !t->sweep;
		sp->hears = 0;
		return;
	}
}

/* Of several one is left, and has all: what it does not mention now goes. */
void engine_sets_ceased(struct engine *e, mono_t now)
{
	for (unsigned i = 0; e->sets && one_tells(e) && i < e->sets->n; i++) {
		struct engine_set *t = &e->sets->set[i];

		if (t->unswept)
			t->wish = mono_min(t->wish, now);
		t->unswept = false;
	}
}

static void take_all(struct engine *e, unsigned peer,
		     const struct set_elements *m, mono_t now)
{
	struct engine_sets *s = e->sets;
	int i = s ? find(s, m->name) : -1;
	struct engine_set *t;

	if (i < 0)
		return;
	t = &s->set[i];
	t->received += m->n;
	if (!engine_set_is_usable(t)) {
		t->results[SET_MISSING] += m->n;
		return;
	}
	/* what is left of a lost connection was told while it fitted */
	if (e->peers[peer].live && !engine_set_fits(e, (unsigned)i, peer)) {
		t->results[SET_UNFIT] += m->n;
		return;
	}
	if (m->part == SET_PART_BEGIN)
		part_of(e, peer, (unsigned)i, m);
	s->ops_set = (unsigned)i;
	for (size_t k = 0; k < m->n; k++)
		take(e, t, &m->list[k], now);
	if (m->part == SET_PART_END)
		part_of(e, peer, (unsigned)i, m);
}

void engine_sets_heard(struct engine *e, unsigned peer,
		       const struct session_event *ev, mono_t now)
{
	struct engine_peer *p = &e->peers[peer];

	take_all(e, peer, ev->elements.m, now);
	if (e->sets && e->sets->nops) {
		e->sets->ops_peer = (int)peer;
		e->sets->ops_seq = ev->elements.seq;
		return;
	}
	p->ack_seq = ev->elements.seq;
	p->say_ack = true;
}

bool engine_sets_busy(const struct engine *e)
{
	return e->sets && e->sets->nops;
}

/* --- results ------------------------------------------------------------------------ */

static const char *remedy(enum set_result r)
{
	switch (r) {
	case SET_FULL:
		return "it is full: give it the same size on both nodes";
	case SET_OVERLAP:
		return "an interval overlaps with one that only this node "
		       "has; once that is gone they are asked for again";
	case SET_CHAIN:
		return "a chain that its elements name is missing";
	case SET_MISSING:
		return "it is not here any more";
	case SET_INVALID:
		return "the kernel does not take its elements; is it declared "
		       "in the same way on both nodes?";
	case SET_FAILED:
		return "the kernel is short of memory, or does not say why";
	case SET_APPLIED:
	case SET_ABSENT:
	case SET_UNFIT:
	case SET_UNTOLD:
	case SET_CROWD:
	case SET_RESULTS:
		break;
	}
	return NULL;
}

static void count_result(struct engine *e, struct engine_set *t,
			 const struct set_op *op, enum set_result r, mono_t now)
{
	if (r == SET_APPLIED && op->what == SET_DELETE) {
		t->removed++;
		/* there may be room now for what was refused for it */
		if (t->crossed)
			t->wish =
				mono_min(t->wish, mono_add(now, SETS_WISH_NS));
		t->crossed = false;
	} else if (r == SET_APPLIED) {
		t->applied++;
	}
	if (r == SET_APPLIED || r == SET_ABSENT)
		return;
	if (t->results[r]++ == 0 && remedy(r))
		engine_log(e, LEVEL_WARNING,
			   "sets: \"%s\": elements are refused: %s", t->name,
			   remedy(r));
	t->refused_at = now;
	t->crossed |= r == SET_OVERLAP;
	if (r == SET_MISSING)
		t->renew = true;
	if (op->what != SET_DELETE)
		(void)set_memo_drop(&t->memo, &op->elem);
}

void engine_sets_answer(struct engine *e)
{
	struct engine_sets *s = e->sets;

	if (s->nops && s->ops_peer >= 0) {
		e->peers[s->ops_peer].ack_seq = s->ops_seq;
		e->peers[s->ops_peer].say_ack = true;
	}
	s->nops = 0;
	s->ops_peer = -1;
}

void engine_set_applied(struct engine *e, const uint8_t *results, mono_t now)
{
	struct engine_sets *s = e->sets;
	struct engine_set *t = &s->set[s->ops_set];

	for (size_t i = 0; i < s->nops; i++)
		count_result(e, t, &s->ops[i], (enum set_result)results[i],
			     now);
	engine_sets_answer(e);
}

/* --- what was not mentioned -------------------------------------------------------- */

static void remove_it(void *arg, const struct set_elem *el)
{
	op_new(arg, SET_DELETE, el);
}

bool engine_sets_sweep(struct engine *e)
{
	struct engine_sets *s = e->sets;

	for (unsigned i = 0; i < s->n && !s->nops; i++) {
		struct engine_set *t = &s->set[i];

		if (!t->sweep || t->last || engine_telling(e))
			continue;
		s->ops_set = i;
		s->ops_peer = -1;
		if (!set_memo_unmentioned(&t->memo, SET_FRAME_MAX, remove_it,
					  s))
			t->sweep = false;
	}
	return s->nops > 0;
}
