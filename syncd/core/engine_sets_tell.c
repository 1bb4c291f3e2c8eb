/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What peers are told of our nftables sets: changes to those that have all of
 * a set, all of it to those that have not. Not when we look (engine_sets.c).
 *
 * Invariant: a peer is told changes only of a set of which it was told all on
 * this connection, or is being told; whatever breaks that makes it owed again.
 */
#include "engine_sets_int.h"

#include <string.h>

/* A peer's queue beyond this: all of it later, instead of each change. */
#define BEHIND_BYTES (1024 * 1024)
/* So long do bulks wait for elements. */
#define GATE_NS (5 * MONO_S)

bool engine_set_fits(const struct engine *e, unsigned set, unsigned peer)
{
	const struct engine_set *t = &e->sets->set[set];
	const struct engine_set_peer *sp = &e->sets->peers[peer].of[set];

	return e->peers[peer].live &&
	       e->peers[peer].hello.capabilities & SESSION_CAN_SETS &&
	       engine_set_is_usable(t) && sp->named && sp->kind.present &&
	       !set_kind_differs(&t->kind, &sp->kind);
}

static bool is_told_all(const struct engine *e, unsigned set, unsigned peer)
{
	const struct engine_sets *s = e->sets;

	return (s->looking || s->again) && s->at == set &&
	       s->whole & 1U << peer;
}

uint32_t engine_set_owed(const struct engine *e, unsigned set)
{
	uint32_t owed = 0;

	for (unsigned i = 0; engine_telling(e) && i < e->npeers; i++) {
		const struct engine_set_peer *sp = &e->sets->peers[i].of[set];

		if (engine_set_fits(e, set, i) && sp->want &&
		    sp->served != sp->want && !is_told_all(e, set, i))
			owed |= 1U << i;
	}
	return owed;
}

/* It has all of the set, or is being told it. */
static bool follows(const struct engine *e, unsigned set, unsigned peer)
{
	const struct engine_set_peer *sp = &e->sets->peers[peer].of[set];

	return engine_set_fits(e, set, peer) && sp->want &&
	       (sp->served == sp->want || is_told_all(e, set, peer));
}

void engine_set_tell_anew(struct engine *e, unsigned set)
{
	for (unsigned i = 0; i < ENGINE_SETS_PEERS; i++)
		e->sets->peers[i].of[set].served = 0;
}

/* sets->out, to one peer; empty ones only as marks. */
static void send(struct engine *e, unsigned set, unsigned peer, mono_t now)
{
	struct engine_sets *s = e->sets;
	struct session *to = e->peers[peer].session;
	struct set_elements *m = &s->out;

	memcpy(m->name, s->set[set].name, sizeof(m->name));
	if (m->part == SET_PART_STREAM && m->n == 0)
		return;
	if (session_backlog(to) > BEHIND_BYTES ||
	    session_tell_elements(to, m, now)) {
		s->peers[peer].of[set].served = 0;
		s->whole &= ~(1U << peer);
		return;
	}
	s->set[set].sent += m->n;
}

/* --- changes ------------------------------------------------------------------- */

static void flush(struct engine *e, mono_t now)
{
	struct engine_sets *s = e->sets;

	if (!s || !s->out.n)
		return;
	s->out.part = SET_PART_STREAM;
	s->out.want = 0;
	for (unsigned i = 0; i < e->npeers; i++)
		if (follows(e, s->out_set, i))
			send(e, s->out_set, i, now);
	s->out.n = 0;
}

void engine_set_tell(struct engine *e, unsigned set, const struct set_elem *el,
		     mono_t now)
{
	struct engine_sets *s = e->sets;

	if (s->out.n && (s->out_set != set || s->out.n == SET_FRAME_MAX))
		flush(e, now);
	s->out_set = set;
	s->out.list[s->out.n++] = *el;
}

/* --- all of it ------------------------------------------------------------------- */

static void mark(struct engine *e, enum set_part part, mono_t now)
{
	struct engine_sets *s = e->sets;

	flush(e, now);
	s->out.part = part;
	for (unsigned i = 0; i < e->npeers; i++) {
		struct engine_set_peer *sp = &s->peers[i].of[s->at];

		if (!(s->whole & 1U << i))
			continue;
		if (part == SET_PART_BEGIN)
			sp->serving = sp->want;
		s->out.want = sp->serving;
		send(e, s->at, i, now);
		if (part == SET_PART_END && s->whole & 1U << i)
			sp->served = sp->serving;
	}
}

void engine_set_tell_begin(struct engine *e, mono_t now)
{
	mark(e, SET_PART_BEGIN, now);
}

void engine_set_tell_end(struct engine *e, mono_t now)
{
	mark(e, SET_PART_END, now);
}

static bool is_for(enum set_news news, bool all)
{
	switch (news) {
	case SET_NEW:
	case SET_CHANGED:
	case SET_LONGER:
	case SET_FOUND:
		return true;
	case SET_SAME:
		return all;
	case SET_STALE:
	case SET_TOO_MANY:
		return false;
	}
	return false;
}

/* What is told by who is no master any more was not in what the new one tells,
 * and is not to be swept away for that. */
static void keep(struct engine *e, const struct set_elem *el)
{
	struct set_memo *m = &e->sets->set[e->sets->at].memo;
	struct set_memo_entry *en = set_memo_find(m, el);

	if (en && !e->masters)
		en->mention = m->mention + 1;
}

static size_t tell_one_peer(struct engine *e, unsigned peer,
			    const struct set_elem *list, size_t n, mono_t now)
{
	struct engine_sets *s = e->sets;
	bool all = !s->again && s->whole & 1U << peer;
	size_t sent = 0;

	s->out.part = SET_PART_STREAM;
	for (size_t i = 0; i < n; i++) {
		if (!is_for((enum set_news)s->news[i], all))
			continue;
		keep(e, &list[i]);
		s->out.list[s->out.n++] = list[i];
		sent++;
		if (s->out.n < SET_FRAME_MAX)
			continue;
		send(e, s->at, peer, now);
		s->out.n = 0;
	}
	send(e, s->at, peer, now);
	s->out.n = 0;
	return sent;
}

size_t engine_set_tell_chunk(struct engine *e, const struct set_elem *list,
			     size_t n, mono_t now)
{
	struct engine_sets *s = e->sets;
	size_t sent = 0;

	if (!engine_telling(e) && !s->set[s->at].last)
		return 0;
	flush(e, now);
	for (unsigned i = 0; i < e->npeers; i++)
		if (follows(e, s->at, i))
			sent += tell_one_peer(e, i, list, n, now);
	return sent;
}

/* --- roles and peers ---------------------------------------------------------------- */

void engine_sets_role(struct engine *e, bool telling, mono_t now)
{
	struct engine_sets *s = e->sets;

	for (unsigned i = 0; s && i < s->n; i++) {
		struct engine_set *t = &s->set[i];

		/* what came since the look before, or waits as news */
		t->last = !telling && t->read;
		if (telling)
			engine_set_tell_anew(e, i);
		if ((telling || t->last) && engine_set_is_usable(t))
			t->due = now;
	}
	if (!s)
		return;
	s->gate = mono_add(now, GATE_NS);
	s->whole = 0;
}

void engine_sets_peer_live(struct engine *e, unsigned peer, mono_t now)
{
	if (!e->sets)
		return;
	engine_sets_peer_down(e, peer);
	e->sets->peers[peer].say = e->sets->peers[peer].ask = true;
	e->sets->gate = mono_add(now, GATE_NS);
}

void engine_sets_peer_down(struct engine *e, unsigned peer)
{
	struct engine_sets *s = e->sets;

	if (!s)
		return;
	memset(&s->peers[peer], 0, sizeof(s->peers[peer]));
	s->whole &= ~(1U << peer);
}

void engine_sets_lost(struct engine *e, unsigned peer)
{
	struct engine_sets *s = e->sets;

	for (unsigned i = 0; s && i < s->n; i++)
		s->peers[peer].of[i].served = 0;
	if (s)
		s->whole &= ~(1U << peer);
}

bool engine_sets_ready(const struct engine *e)
{
	for (size_t i = 0; e->sets && i < e->sets->n; i++) {
		const struct engine_set *t = &e->sets->set[i];

		if (t->error || (t->known && (t->why || !t->kind.present)))
			continue;
		if (!t->read)
			return false;
	}
	return true;
}

bool engine_sets_owed(const struct engine *e, unsigned peer)
{
	const struct engine_sets *s = e->sets;

	if (!s || mono_is_never(s->gate))
		return false;
	for (unsigned i = 0; i < s->n; i++)
		if (engine_set_owed(e, i) & 1U << peer)
			return true;
	return false;
}

/* --- words -------------------------------------------------------------------------- */

static void say(struct engine *e, unsigned peer)
{
	struct engine_sets *s = e->sets;
	struct set_word words[SETS_MAX];

	for (size_t i = 0; i < s->n; i++) {
		const struct engine_set *t = &s->set[i];

		words[i] = (struct set_word){
			.kind = t->kind,
			.want = t->want,
			.elements = set_memo_count(&t->memo),
		};
		words[i].kind.present = engine_set_is_usable(t);
		memcpy(words[i].name, t->name, sizeof(words[i].name));
	}
	if (session_send_sets(e->peers[peer].session, words, s->n,
			      s->peers[peer].ask) == 0)
		s->peers[peer].say = s->peers[peer].ask = false;
}

/* Before all were looked up, a set that is there would be said to be missing. */
static bool all_known(const struct engine *e)
{
	for (size_t i = 0; e->sets && i < e->sets->n; i++)
		if (!e->sets->set[i].known && !e->sets->set[i].error)
			return false;
	return e->sets;
}

void engine_sets_settle(struct engine *e, mono_t now)
{
	flush(e, now);
	if (!all_known(e))
		return;
	for (unsigned i = 0; i < e->npeers; i++)
		if (e->sets->peers[i].say && e->peers[i].live &&
		    e->peers[i].hello.capabilities & SESSION_CAN_SETS)
			say(e, i);
}
