// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A hash table of the elements of one nftables set: entries in one array, an
 * open-addressed index beside it. Not the set itself, and nothing is told
 * here.
 *
 * Invariant: each entry is in the index once, and no entry is beyond n; so
 * SET_MEMO_MAX bounds the memory.
 */
#include "set_memo.h"

#include <stdlib.h>
#include <string.h>

#define INDEX_MIN 64

/* --- entries and keys ------------------------------------------------------ */

void set_memo_init(struct set_memo *m, const uint8_t seed[DIGEST_KEY_LEN],
		   uint32_t key_len, bool ranges)
{
	size_t keys = ranges ? 2 * (size_t)key_len : key_len;

	*m = (struct set_memo){ .key_len = key_len, .look = 1, .mention = 1 };
	memcpy(m->seed, seed, sizeof(m->seed));
	m->stride = sizeof(struct set_memo_entry) + (keys + 7) / 8 * 8;
}

void set_memo_clear(struct set_memo *m)
{
	free(m->entries);
	free(m->index);
	m->entries = NULL;
	m->index = NULL;
	m->n = m->room = m->gone = m->index_size = m->sweep = 0;
	m->looking = false;
}

size_t set_memo_count(const struct set_memo *m)
{
	return m->n - m->gone;
}

static struct set_memo_entry *entry_at(const struct set_memo *m, size_t i)
{
	return (struct set_memo_entry *)(void *)(m->entries + i * m->stride);
}

static uint8_t *keys_of(struct set_memo_entry *en)
{
	return (uint8_t *)(en + 1);
}

static uint32_t hash_of(const struct set_memo *m, const struct set_elem *e)
{
	uint8_t id[1 + 2 * SET_KEY_MAX];
	uint64_t hi, lo;
	size_t n = 0;

	id[n++] = e->flags & (uint8_t)~SET_ELEM_DELETED;
	memcpy(id + n, e->key, e->key_len);
	n += e->key_len;
	memcpy(id + n, e->end, e->end_len);
	n += e->end_len;
	siphash128(m->seed, id, n, &hi, &lo);
	return (uint32_t)lo;
}

static bool same_key(const struct set_memo *m, struct set_memo_entry *en,
		     const struct set_elem *e)
{
	if ((en->flags ^ e->flags) & (uint8_t)~SET_ELEM_DELETED)
		return false;
	if (en->has_end != (e->end_len > 0) ||
	    memcmp(keys_of(en), e->key, e->key_len) != 0)
		return false;
	return e->end_len == 0 ||
	       memcmp(keys_of(en) + m->key_len, e->end, e->end_len) == 0;
}

/* The element of an entry, as far as it is remembered: its key. */
static void elem_of(const struct set_memo *m, const struct set_memo_entry *en,
		    struct set_elem *out)
{
	const uint8_t *keys = (const uint8_t *)(en + 1);

	out->flags = en->flags;
	out->timeout_ms = out->expires_ms = 0;
	out->data_len = out->expr_len = 0;
	out->userdata_len = 0;
	out->key_len = out->end_len = 0;
	if (!(en->flags & SET_ELEM_CATCHALL)) {
		out->key_len = (uint8_t)m->key_len;
		memcpy(out->key, keys, m->key_len);
	}
	if (en->has_end) {
		out->end_len = (uint8_t)m->key_len;
		memcpy(out->end, keys + m->key_len, m->key_len);
	}
}

/* --- the index --------------------------------------------------------------- */

/* Where the entry is, or the free place where it belongs. */
static uint32_t *slot_of(const struct set_memo *m, const struct set_elem *e,
			 uint32_t hash)
{
	size_t mask = m->index_size - 1;

	for (size_t i = hash & mask;; i = (i + 1) & mask) {
		struct set_memo_entry *en;

		if (!m->index[i])
			return &m->index[i];
		en = entry_at(m, m->index[i] - 1);
		if (en->hash == hash && same_key(m, en, e))
			return &m->index[i];
	}
}

static void index_fill(struct set_memo *m)
{
	size_t mask = m->index_size - 1;

	memset(m->index, 0, m->index_size * sizeof(*m->index));
	for (size_t k = 0; k < m->n; k++) {
		size_t i = entry_at(m, k)->hash & mask;

		while (m->index[i])
			i = (i + 1) & mask;
		m->index[i] = (uint32_t)k + 1;
	}
}

/* Forgets the entries for which dead says so; the others move together. */
static void compact(struct set_memo *m,
		    bool dead(const struct set_memo_entry *, mono_t),
		    mono_t now)
{
	size_t kept = 0;

	for (size_t k = 0; k < m->n; k++) {
		if (dead(entry_at(m, k), now))
			continue;
		if (kept != k)
			memcpy(entry_at(m, kept), entry_at(m, k), m->stride);
		kept++;
	}
	if (kept == m->n)
		return;
	m->n = kept;
	m->sweep = 0;
	m->gone = 0;
	for (size_t k = 0; k < m->n; k++)
		m->gone += entry_at(m, k)->flags & SET_ELEM_DELETED ? 1 : 0;
	index_fill(m);
}

static bool ran_out(const struct set_memo_entry *en, mono_t now)
{
	return mono_due(en->until, now);
}

static bool went(const struct set_memo_entry *en, mono_t now)
{
	return en->flags & SET_ELEM_DELETED || ran_out(en, now);
}

/* Room for one more: false where there is none. */
static bool grow(struct set_memo *m, mono_t now)
{
	size_t room = m->room ? 2 * m->room : INDEX_MIN / 2;
	uint32_t *index;
	uint8_t *entries;

	if (m->n < m->room)
		return true;
	compact(m, m->looking ? ran_out : went, now);
	if (m->n < m->room - m->room / 8)
		return true;
	if (room > SET_MEMO_MAX)
		return false;
	entries = realloc(m->entries, room * m->stride);
	if (!entries)
		return m->n < m->room;
	m->entries = entries;
	index = realloc(m->index, 2 * room * sizeof(*index));
	if (!index)
		return m->n < m->room;
	m->index = index;
	m->room = room;
	m->index_size = 2 * room;
	index_fill(m);
	return true;
}

struct set_memo_entry *set_memo_find(const struct set_memo *m,
				     const struct set_elem *e)
{
	struct set_memo_entry *en;
	uint32_t *slot;

	if (!m->n)
		return NULL;
	slot = slot_of(m, e, hash_of(m, e));
	en = *slot ? entry_at(m, *slot - 1) : NULL;
	return en && !(en->flags & SET_ELEM_DELETED) ? en : NULL;
}

static struct set_memo_entry *put(struct set_memo *m, const struct set_elem *e,
				  bool *is_new, mono_t now)
{
	uint32_t hash = hash_of(m, e), *slot;
	struct set_memo_entry *en;

	*is_new = false;
	slot = m->n ? slot_of(m, e, hash) : NULL;
	if (slot && *slot)
		return entry_at(m, *slot - 1);
	*is_new = true;
	if (!grow(m, now))
		return NULL;
	slot = slot_of(m, e, hash);
	*slot = (uint32_t)++m->n;
	en = entry_at(m, m->n - 1);
	memset(en, 0, m->stride);
	en->hash = hash;
	en->flags = e->flags & (uint8_t)~SET_ELEM_DELETED;
	en->has_end = e->end_len > 0;
	memcpy(keys_of(en), e->key, e->key_len);
	if (e->end_len)
		memcpy(keys_of(en) + m->key_len, e->end, e->end_len);
	return en;
}

/* --- news ---------------------------------------------------------------------- */

mono_t set_memo_until(const struct set_elem *e, mono_t now)
{
	if (!e->timeout_ms)
		return MONO_NEVER;
	return e->expires_ms < INT64_MAX / (uint64_t)MONO_MS
		       ? mono_add(now, (int64_t)e->expires_ms * MONO_MS)
		       : MONO_NEVER;
}

static int64_t distance(mono_t a, mono_t b)
{
	if (mono_is_never(a) || mono_is_never(b))
		return mono_is_never(a) == mono_is_never(b) ? 0 : INT64_MAX;
	return a.ns > b.ns ? a.ns - b.ns : b.ns - a.ns;
}

/* By so much that it is to be told. */
static bool moved(struct set_memo_entry *en, const struct set_elem *e,
		  enum set_source by, mono_t until)
{
	bool rests = distance(en->seen, until) <= SET_MEMO_SAME_NS;
	int64_t far = distance(en->until, until);

	en->seen = until;
	if (far <= SET_MEMO_SAME_NS)
		return false;
	return by != SET_BY_LOOK || rests || until.ns < en->until.ns ||
	       far / MONO_MS > (int64_t)(e->timeout_ms / 8);
}

enum set_news set_memo_see(struct set_memo *m, const struct set_elem *e,
			   enum set_source by, mono_t now)
{
	mono_t until = set_memo_until(e, now);
	uint64_t digest = set_elem_digest(e, m->seed);
	enum set_news news = SET_SAME;
	struct set_memo_entry *en;
	bool is_new;

	en = put(m, e, &is_new, now);
	if (!en)
		return SET_TOO_MANY;
	if (en->misses)
		news = SET_FOUND;
	en->look = m->look;
	en->misses = 0;
	if (by == SET_BY_LOOK && en->fresh)
		return SET_STALE;
	en->fresh = m->looking && by != SET_BY_LOOK;
	if (en->flags & SET_ELEM_DELETED) {
		en->flags &= (uint8_t)~SET_ELEM_DELETED;
		m->gone--;
		is_new = true;
	}
	if (is_new)
		news = SET_NEW;
	else if (en->digest != digest)
		news = SET_CHANGED;
	else if (moved(en, e, by, until))
		news = SET_LONGER;
	if (news == SET_SAME || news == SET_FOUND)
		return news;
	en->digest = digest;
	en->until = en->seen = until;
	return news;
}

bool set_memo_drop(struct set_memo *m, const struct set_elem *e)
{
	struct set_memo_entry *en = set_memo_find(m, e);

	if (!en)
		return false;
	en->flags |= SET_ELEM_DELETED;
	en->fresh = m->looking;
	m->gone++;
	return true;
}

/* --- looks ------------------------------------------------------------------------ */

void set_memo_look(struct set_memo *m)
{
	m->look++;
	m->looking = true;
	for (size_t k = 0; k < m->n; k++)
		entry_at(m, k)->fresh = false;
}

size_t set_memo_looked(struct set_memo *m, unsigned misses, mono_t now,
		       set_memo_gone *gone, void *arg)
{
	/* one that is about to run out needs no word */
	mono_t soon = mono_add(now, SET_MEMO_SAME_NS);
	struct set_elem e;
	size_t left = 0;

	m->looking = false;
	for (size_t k = 0; k < m->n; k++) {
		struct set_memo_entry *en = entry_at(m, k);

		if (en->look == m->look || went(en, soon))
			continue;
		if (++en->misses < misses) {
			left++;
			continue;
		}
		elem_of(m, en, &e);
		e.flags |= SET_ELEM_DELETED;
		gone(arg, &e);
		en->flags |= SET_ELEM_DELETED;
		m->gone++;
	}
	compact(m, went, now);
	return left;
}

void set_memo_mention(struct set_memo *m)
{
	m->mention++;
	m->sweep = 0;
}

size_t set_memo_unmentioned(struct set_memo *m, size_t max, set_memo_gone *cb,
			    void *arg)
{
	struct set_elem e;
	size_t n = 0;

	for (; m->sweep < m->n && n < max; m->sweep++) {
		struct set_memo_entry *en = entry_at(m, m->sweep);

		if (en->flags & SET_ELEM_DELETED ||
		    (int32_t)(en->mention - m->mention) >= 0)
			continue;
		elem_of(m, en, &e);
		e.flags |= SET_ELEM_DELETED;
		cb(arg, &e);
		en->flags |= SET_ELEM_DELETED;
		m->gone++;
		n++;
	}
	return n;
}
