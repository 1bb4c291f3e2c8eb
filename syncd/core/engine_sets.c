/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Looks at our kernel's nftables sets, and when: at first, each period where
 * the packet path may add elements, when news were lost or a set is another
 * one, and when a peer wants all of it. Telling is in engine_sets_tell.c, being
 * told in engine_sets_rx.c.
 *
 * Source: nft_dynset.c tells nobody of what it adds, an expiry neither
 * (nft_set_hash.c: nft_rhash_gc); a transaction does (nf_tables_api.c:
 * nf_tables_setelem_notify).
 *
 * Invariant: one look at a time, and of no set that is not named.
 */
#include "engine_sets_int.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_NS    (1 * MONO_S)
#define STIRRED_NS  (50 * MONO_MS)
#define AGAIN_NS    (250 * MONO_MS) /* for who was missed once */
#define QUEUE_BYTES (512 * 1024)    /* more waits for a peer: no chunk */
#define TRIES_MAX   4		    /* looks for who is told all */
#define GONE_MAX    1024	    /* told one by one */

/* --- life --------------------------------------------------------------------- */

void engine_sets_free(struct engine *e)
{
	for (size_t i = 0; e->sets && i < e->sets->n; i++)
		set_memo_clear(&e->sets->set[i].memo);
	free(e->sets);
	e->sets = NULL;
}

static void set_forget(struct engine_set *s)
{
	set_memo_clear(&s->memo);
	s->read = s->last = s->sweep = s->missed = s->crossed = false;
	s->wish = MONO_NEVER;
}

int engine_sets_name(struct engine *e, const char *const *names, size_t n,
		     int64_t period_ns, mono_t now)
{
	struct engine_sets *s;

	if (e->sets)
		engine_sets_answer(e);
	engine_sets_free(e);
	if (!n)
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->n = n;
	s->period_ns = period_ns;
	s->ops_peer = -1;
	s->gate = MONO_NEVER;
	for (size_t i = 0; i < n; i++) {
		struct engine_set *t = &s->set[i];

		snprintf(t->name, sizeof(t->name), "%s", names[i]);
		t->renew = true;
		t->due = t->wish = MONO_NEVER;
	}
	e->sets = s;
	for (unsigned i = 0; i < e->npeers; i++)
		if (e->peers[i].live)
			engine_sets_peer_live(e, i, now);
	return 0;
}

_Static_assert(ENGINE_SETS_PEERS == ENGINE_PEERS_MAX, "each peer has a place");

static void say_all(struct engine_sets *s)
{
	for (unsigned i = 0; i < ENGINE_SETS_PEERS; i++)
		s->peers[i].say = true;
}

/* All elements are wanted of whoever tells them. */
static void engine_sets_wish(struct engine *e, unsigned set)
{
	e->sets->set[set].want = ++e->wishes;
	e->sets->set[set].wish = MONO_NEVER;
	say_all(e->sets);
}

bool engine_set_is_usable(const struct engine_set *t)
{
	return t->known && t->kind.present && !t->why;
}

/* --- what our kernel's sets are --------------------------------------------------- */

static bool same_kind(const struct set_kind *a, const struct set_kind *b)
{
	return a->present == b->present && !set_kind_differs(a, b) &&
	       a->flags == b->flags && a->timeout_ms == b->timeout_ms &&
	       a->handle == b->handle;
}

static void complain(struct engine *e, struct engine_set *t)
{
	bool fault = !t->kind.present || t->why;

	if (fault && !t->complained)
		engine_log(e, LEVEL_WARNING,
			   "sets: \"%s\": %s; nothing of it is told or taken "
			   "until that is changed on this node",
			   t->name,
			   t->why ? t->why : "no such set here (nft add set)");
	if (!fault && t->complained)
		engine_log(e, LEVEL_NOTICE, "sets: \"%s\" is there", t->name);
	t->complained = fault;
}

void engine_set_is(struct engine *e, unsigned set, const struct set_kind *kind,
		   int err, mono_t now)
{
	struct engine_set *t = &e->sets->set[set];
	uint64_t seed[2] = { engine_random(e), engine_random(e) };
	uint8_t bytes[DIGEST_KEY_LEN];

	t->renew = false;
	t->error = err;
	if (err) { /* perhaps later */
		t->due = mono_add(now, RETRY_NS);
		return;
	}
	if (!t->known || !same_kind(&t->kind, kind) || !t->read) {
		set_forget(t);
		t->want = 0; /* a new wish once it was read */
		engine_set_tell_anew(e, set);
		memcpy(bytes, seed, sizeof(bytes));
		set_memo_init(&t->memo, bytes, kind->key_len,
			      kind->flags & NFT_SET_INTERVAL);
	}
	t->known = true;
	t->kind = *kind;
	t->why = kind->present ? set_kind_refused(kind) : NULL;
	complain(e, t);
	t->due = kind->present && !t->why ? now : MONO_NEVER;
	if (mono_is_never(t->due))
		t->want = 0;
	say_all(e->sets);
}

void engine_set_renewed(struct engine *e, unsigned set)
{
	e->sets->set[set].renew = true;
}

void engine_set_event(struct engine *e, unsigned set, const struct set_elem *el,
		      mono_t now)
{
	struct engine_set *t = &e->sets->set[set];
	bool gone = el->flags & SET_ELEM_DELETED;

	/* a look tells all of it, or has told it already */
	if (!t->known || !t->memo.look || !set_elem_valid(el, &t->kind))
		return;
	if (!engine_telling(e)) {
		if (gone && set_memo_drop(&t->memo, el))
			t->wish =
				mono_min(t->wish, mono_add(now, SETS_WISH_NS));
		return;
	}
	if (gone) {
		if (set_memo_drop(&t->memo, el))
			engine_set_tell(e, set, el, now);
		return;
	}
	switch (set_memo_see(&t->memo, el, SET_BY_NEWS, now)) {
	case SET_NEW:
	case SET_CHANGED:
	case SET_LONGER:
		engine_set_tell(e, set, el, now);
		return;
	case SET_SAME:
	case SET_FOUND:
	case SET_STALE:
	case SET_TOO_MANY: /* each look counts those */
		return;
	}
}

void engine_set_stirred(struct engine *e, unsigned set, mono_t now)
{
	struct engine_set *t = &e->sets->set[set];

	if (engine_set_is_usable(t))
		t->due = mono_min(t->due, mono_add(now, STIRRED_NS));
}

void engine_sets_overrun(struct engine *e, mono_t now)
{
	(void)now;
	for (unsigned i = 0; e->sets && i < e->sets->n; i++)
		e->sets->set[i].renew = true;
}

/* --- looks ------------------------------------------------------------------------------ */

unsigned engine_sets_at(const struct engine *e)
{
	return e->sets->at;
}

static bool may_read(const struct engine *e, mono_t now)
{
	if (!mono_due(e->sets->next, now))
		return false;
	for (unsigned i = 0; i < e->npeers; i++)
		if (e->peers[i].live && engine_telling(e) &&
		    session_backlog(e->peers[i].session) > QUEUE_BYTES)
			return false;
	return true;
}

static bool wants_look(const struct engine *e, unsigned set, mono_t now)
{
	const struct engine_set *t = &e->sets->set[set];

	if (!engine_set_is_usable(t))
		return false;
	return mono_due(t->due, now) || (t->read && engine_set_owed(e, set));
}

static enum sets_work next_piece(struct engine *e, mono_t now)
{
	struct engine_sets *s = e->sets;

	if (s->nops)
		return SETS_APPLY;
	if (s->looking && (s->abort || s->set[s->at].renew))
		return SETS_ABORT;
	if (s->looking && !may_read(e, now))
		return SETS_NOTHING;
	s->asked = now;
	if (s->looking)
		return SETS_READ;
	for (unsigned i = 0; i < s->n; i++) {
		if (!s->set[i].renew &&
		    !(s->set[i].error && mono_due(s->set[i].due, now)))
			continue;
		s->at = i;
		s->again = false;
		return SETS_KIND;
	}
	if (s->again)
		return SETS_START;
	if (engine_sets_sweep(e))
		return SETS_APPLY;
	for (unsigned k = 1; k <= s->n; k++) {
		unsigned i = (s->at + k) % (unsigned)s->n;

		if (!wants_look(e, i, now))
			continue;
		s->at = i;
		return SETS_START;
	}
	return SETS_NOTHING;
}

bool engine_sets_work(struct engine *e, mono_t now)
{
	if (!e->sets)
		return false;
	e->sets->work = next_piece(e, now);
	return e->sets->work != SETS_NOTHING;
}

enum sets_work engine_sets_piece(const struct engine *e)
{
	return e->sets->work;
}

void engine_set_looking(struct engine *e, int err, mono_t now)
{
	struct engine_sets *s = e->sets;
	struct engine_set *t = &s->set[s->at];

	t->error = err;
	if (err) {
		t->due = mono_add(now, RETRY_NS);
		s->again = false;
		return;
	}
	s->looking = true;
	s->abort = false;
	s->chunks = s->gone = 0;
	s->crowd = s->untold = 0;
	s->began = s->next = now;
	t->due = MONO_NEVER;
	set_memo_look(&t->memo);
	if (s->again)
		return;
	s->tries = 0;
	s->whole = engine_set_owed(e, s->at);
	engine_set_tell_begin(e, now);
}

static void look_failed(struct engine *e, struct engine_set *t, int err,
			mono_t now)
{
	if (err == -ENOENT) /* it went meanwhile */
		t->renew = true;
	else if (err != -ECANCELED && t->error != err)
		engine_log(e, LEVEL_WARNING,
			   "sets: \"%s\" cannot be read: error %d; it is tried "
			   "again",
			   t->name, -err);
	t->error = err == -ECANCELED || err == -ENOENT ? 0 : err;
	t->memo.looking = false;
	t->due = mono_add(now, RETRY_NS);
}

/* One that a look did not find. */
static void is_gone(void *arg, const struct set_elem *el)
{
	struct engine *e = arg;
	struct engine_sets *s = e->sets;

	s->set[s->at].missed = true;
	if (e->masters && s->gone++ < GONE_MAX)
		engine_set_tell(e, s->at, el, s->asked);
}

static void look_ended(struct engine *e, struct engine_set *t, mono_t now)
{
	struct engine_sets *s = e->sets;
	bool silent = set_kind_silent(&t->kind);
	unsigned misses = 2; /* the kernel may move elements while we read */
	size_t left;

	if (!engine_telling(e) || (!silent && s->chunks <= 1))
		misses = 1;
	left = set_memo_looked(&t->memo, misses, now, is_gone, e);
	/* who is told all would remove what was only missed */
	s->again = left && s->whole && ++s->tries < TRIES_MAX;
	if (s->again)
		return;
	engine_set_tell_end(e, now);
	if (s->gone > GONE_MAX)
		engine_set_tell_anew(e, s->at);
	if (!t->want || (t->missed && !engine_telling(e)))
		engine_sets_wish(e, s->at);
	t->read = true;
	t->last = t->missed = false;
	t->looks++;
	t->took_ns = mono_diff(now, s->began);
	t->results[SET_CROWD] = s->crowd;
	t->results[SET_UNTOLD] = s->untold;
	if (silent && engine_telling(e))
		t->due = mono_min(t->due, mono_add(now, s->period_ns));
	else if (left)
		t->due = mono_min(t->due, mono_add(now, AGAIN_NS));
}

void engine_set_looked(struct engine *e, const struct set_elem *list, size_t n,
		       size_t untold, bool more, int err, mono_t now)
{
	struct engine_sets *s = e->sets;
	struct engine_set *t = &s->set[s->at];
	size_t sent;

	if (err || s->abort) { /* sets->abort: for who has no other word */
		s->looking = s->abort = s->again = false;
		s->whole = 0;
		look_failed(e, t, err ? err : -ECANCELED, now);
		return;
	}
	s->chunks++;
	s->untold += untold;
	for (size_t i = 0; i < n; i++) {
		s->news[i] = (uint8_t)set_memo_see(&t->memo, &list[i],
						   SET_BY_LOOK, now);
		s->crowd += s->news[i] == SET_TOO_MANY;
	}
	sent = engine_set_tell_chunk(e, list, n, now);
	/* nobody waits: a tenth of a core */
	s->next = now;
	if (!s->whole && t->read && !t->last)
		s->next = mono_add(now, 9 * mono_diff(now, s->asked));
	s->next = mono_add(s->next, (int64_t)sent * (MONO_S / ENGINE_SET_RATE));
	if (more)
		return;
	look_ended(e, t, now); /* its last news are also theirs of s->whole */
	s->looking = false;
	if (!s->again)
		s->whole = 0;
}

/* --- time -------------------------------------------------------------------------------- */

void engine_sets_tick(struct engine *e, mono_t now)
{
	for (unsigned i = 0; e->sets && i < e->sets->n; i++)
		if (mono_due(e->sets->set[i].wish, now))
			engine_sets_wish(e, i);
	if (e->sets && mono_due(e->sets->gate, now))
		e->sets->gate = MONO_NEVER;
}

mono_t engine_sets_deadline(const struct engine *e)
{
	const struct engine_sets *s = e->sets;
	mono_t d = MONO_NEVER;

	for (size_t i = 0; s && i < s->n; i++) {
		d = mono_min(d, s->set[i].wish);
		if (!s->looking)
			d = mono_min(d, s->set[i].due);
	}
	if (s)
		d = mono_min(d, s->gate);
	/* one that waits for a peer's queue is woken by that */
	if (s && s->looking && s->next.ns > s->asked.ns)
		d = mono_min(d, s->next);
	return d;
}
