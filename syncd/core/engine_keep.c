/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What another process of the same node needs to go on as if nothing had
 * been: mastership, counters, what the operator said, the history, and how far
 * the streams to and from the peers are. Not flows: the link is made anew, and
 * the streams go on. Not what is found out again within a moment.
 *
 * Implements rules 14, "Upgrade". Both processes may be of different versions:
 * each record begins with its length, and what a reader does not know at its
 * end is left out.
 *
 * Invariant: no counter of an advert is used twice.
 */
#include "engine_int.h"

#include <errno.h>
#include <string.h>

#include "buf.h"

/* --- records ------------------------------------------------------------ */

static size_t record_begin(struct writer *w)
{
	writer_u16(w, 0);
	return w->used;
}

static void record_end(struct writer *w, size_t start)
{
	if (writer_ok(w))
		writer_patch_u16(w, start - 2, (uint16_t)(w->used - start));
}

static void record_read(struct reader *r, struct reader *record)
{
	uint16_t len = reader_u16(r);
	const uint8_t *p = reader_skip(r, len);

	reader_init(record, p, p ? len : 0);
}

static void put_text(struct writer *w, const char *text)
{
	size_t len = strlen(text);

	writer_u8(w, (uint8_t)len);
	writer_bytes(w, text, len);
}

/* text gets a NUL; what does not fit fails. */
static void get_text(struct reader *r, char *text, size_t size)
{
	size_t len = reader_u8(r);

	text[0] = '\0';
	if (len >= size) {
		r->failed = true;
		return;
	}
	reader_bytes(r, text, len);
	text[len] = '\0';
}

static mono_t get_time(struct reader *r)
{
	return (mono_t){ (int64_t)reader_u64(r) };
}

/* --- what is kept ------------------------------------------------------- */

static void put_node(struct writer *w, const struct engine *e)
{
	size_t start = record_begin(w);

	writer_u32(w, (uint32_t)e->demotion.by[DEMOTION_OPERATOR]);
	writer_u8(w, e->windows_old);
	writer_u64(w, e->owner);
	writer_u8(w, e->legacy);
	writer_u8(w, e->marked);
	writer_u8(w, e->torn);
	record_end(w, start);
}

static uint32_t peer_interval_us(const struct engine_peer *p, const char *vhost)
{
	const struct session_vhost *v = engine_word_vhost(&p->word, vhost);

	return v ? v->interval_us : 0;
}

static void put_counters(struct writer *w, const struct engine *e,
			 const struct engine_vhost *v)
{
	writer_u8(w, (uint8_t)e->npeers);
	for (size_t i = 0; i < e->npeers; i++) {
		const struct engine_counters *c = &v->counters[i];
		size_t start = record_begin(w);

		put_text(w, e->peers[i].name);
		writer_u32(w, peer_interval_us(&e->peers[i], v->name));
		writer_u64(w, c->first);
		writer_u64(w, c->told);
		for (int f = 0; f < CARP_FAMILIES; f++)
			writer_u64(w, c->heard[f]);
		record_end(w, start);
	}
}

static bool put_vhost(struct writer *w, const struct engine *e,
		      const struct engine_vhost *v)
{
	size_t start = record_begin(w);
	struct carp_kept k;

	if (v->taking || !carp_vhost_keep(&v->carp, &k))
		return false;
	put_text(w, v->name);
	writer_u8(w, v->carp.auth.vhid);
	writer_u8(w, (uint8_t)k.state);
	writer_u8(w, k.foreign);
	writer_u8(w, v->unusable);
	writer_u8(w, v->no_preempt);
	writer_u64(w, (uint64_t)k.since.ns);
	writer_u64(w, (uint64_t)v->lease_ns);
	writer_u64(w, k.base);
	writer_u64(w, k.counter);
	writer_u64(w, k.transitions);
	writer_u8(w, CARP_REFUSAL_COUNT);
	for (int i = 0; i < CARP_REFUSAL_COUNT; i++)
		writer_u64(w, k.counters[i]);
	put_counters(w, e, v);
	writer_u8(w, v->unheard);
	writer_u32(w, (uint32_t)v->tracked);
	record_end(w, start);
	return true;
}

static void put_history(struct writer *w, const struct history *h)
{
	size_t n = h->count < HISTORY_MAX ? (size_t)h->count : HISTORY_MAX;

	writer_u8(w, (uint8_t)n);
	while (n-- > 0) { /* the oldest first */
		const struct history_entry *entry = history_get(h, n);
		size_t start = record_begin(w);

		writer_u64(w, (uint64_t)entry->at.ns);
		put_text(w, entry->vhost);
		writer_u8(w, (uint8_t)entry->from);
		writer_u8(w, (uint8_t)entry->to);
		put_text(w, entry->cause);
		writer_u8(w, STEP_COUNT);
		for (int i = 0; i < STEP_COUNT; i++)
			writer_u64(w, (uint64_t)entry->step_us[i]);
		writer_u64(w, h->count - n); /* its number */
		record_end(w, start);
	}
}

static void put_streams(struct writer *w, const struct engine *e)
{
	writer_u8(w, (uint8_t)e->npeers);
	for (unsigned i = 0; i < e->npeers; i++) {
		struct session_place told = engine_resume_told(e, i);
		struct session_place heard = engine_resume_heard(e, i);
		size_t start = record_begin(w);

		put_text(w, e->peers[i].name);
		writer_u64(w, told.epoch);
		writer_u64(w, told.seq);
		writer_u64(w, heard.epoch);
		writer_u64(w, heard.seq);
		record_end(w, start);
	}
}

int engine_keep(const struct engine *e, void *data, size_t size,
		const char **why)
{
	struct writer w;
	uint8_t n = 0;

	writer_init(&w, data, size);
	*why = "a handover is going on";
	if (e->handover.state != HANDOVER_IDLE || e->stopping)
		return -EBUSY;
	*why = "it takes over, or a changed password or address is not yet "
	       "that of the peers";
	put_node(&w, e);
	for (size_t i = 0; i < e->nvhosts; i++)
		n += !e->vhosts[i].gone;
	writer_u8(&w, n);
	for (size_t i = 0; i < e->nvhosts; i++)
		if (!e->vhosts[i].gone && !put_vhost(&w, e, &e->vhosts[i]))
			return -EBUSY;
	put_history(&w, &e->history);
	put_streams(&w, e);
	*why = "there is too much to tell";
	return writer_ok(&w) ? (int)w.used : -ENOBUFS;
}

void engine_kept_not(struct engine *e, mono_t now)
{
	for (size_t i = 0; i < e->nvhosts; i++)
		if (!e->vhosts[i].gone)
			carp_vhost_kept_not(&e->vhosts[i].carp, now);
}

/* --- and taken up ------------------------------------------------------- */

static void get_node(struct reader *r, struct engine *e)
{
	struct reader node;
	uint32_t by_operator;

	record_read(r, &node);
	by_operator = reader_u32(&node);
	demotion_set(&e->demotion, DEMOTION_OPERATOR,
		     by_operator <= DEMOTION_WIRE_MAX ? (int32_t)by_operator
						      : 0);
	e->windows_old = reader_u8(&node);
	e->owner = node.left ? reader_u64(&node) : 0;
	e->legacy = node.left && reader_u8(&node);
	e->marked = node.left && reader_u8(&node);
	e->torn |= node.left && reader_u8(&node);
	r->failed |= node.failed;
}

static struct engine_peer *peer_named(struct engine *e, const char *name)
{
	for (size_t i = 0; i < e->npeers; i++)
		if (strcmp(e->peers[i].name, name) == 0)
			return &e->peers[i];
	return NULL;
}

/* What it last said of its interval holds until it is heard. */
static void set_interval(struct engine_peer *p, const char *vhost, uint32_t us)
{
	struct session_vhost *s = &p->word.vhosts[p->word.nvhosts];

	if (!us || p->word.nvhosts == SESSION_VHOSTS_MAX)
		return;
	*s = (struct session_vhost){ .interval_us = us };
	memcpy(s->name, vhost, sizeof(s->name));
	p->word.nvhosts++;
}

static void get_counters(struct reader *r, struct engine *e,
			 struct engine_vhost *v)
{
	for (unsigned n = reader_u8(r); n > 0 && reader_ok(r); n--) {
		struct engine_counters c = { 0 };
		char name[SESSION_NAME_MAX];
		struct engine_peer *p;
		struct reader one;
		uint32_t us;

		record_read(r, &one);
		get_text(&one, name, sizeof(name));
		us = reader_u32(&one);
		c.first = reader_u64(&one);
		c.told = reader_u64(&one);
		for (int f = 0; f < CARP_FAMILIES; f++)
			c.heard[f] = reader_u64(&one);
		r->failed |= one.failed;
		p = peer_named(e, name);
		if (!p || r->failed)
			continue;
		v->counters[p - e->peers] = c;
		set_interval(p, v->name, us);
	}
}

static struct engine_vhost *vhost_of(struct engine *e, const char *name,
				     uint8_t vhid)
{
	for (size_t i = 0; i < e->nvhosts; i++)
		if (!e->vhosts[i].gone && !strcmp(e->vhosts[i].name, name) &&
		    e->vhosts[i].carp.auth.vhid == vhid)
			return &e->vhosts[i];
	return NULL;
}

static void set_vhost(struct engine_vhost *v, const struct carp_kept *k,
		      int64_t lease_ns, mono_t now)
{
	carp_vhost_restore(&v->carp, k, now);
	v->held = k->state == CARP_MASTER;
	v->lease_ns = lease_ns;
	if (v->held && !v->link_up) /* it went down meanwhile */
		carp_vhost_link(&v->carp, false, now);
}

/* What it tracks counts as it did until it is known. */
static void set_tracked(struct engine *e, struct engine_vhost *v, uint32_t was,
			mono_t now)
{
	v->tracked_before = was <= DEMOTION_WIRE_MAX ? (int32_t)was : 0;
	engine_track(e, (unsigned)(v - e->vhosts), v->tracked, !v->unsure, now);
}

static int get_vhost(struct reader *r, struct engine *e, mono_t now)
{
	char name[SESSION_NAME_MAX];
	struct carp_kept k = { 0 };
	struct engine_vhost *v;
	int64_t lease_ns;
	bool unusable, no_preempt;
	uint8_t vhid, state;

	get_text(r, name, sizeof(name));
	vhid = reader_u8(r);
	state = reader_u8(r);
	k.foreign = reader_u8(r);
	unusable = reader_u8(r);
	no_preempt = reader_u8(r);
	k.since = get_time(r);
	lease_ns = (int64_t)reader_u64(r);
	k.base = reader_u64(r);
	k.counter = reader_u64(r);
	k.transitions = reader_u64(r);
	for (unsigned i = 0, n = reader_u8(r); i < n; i++) {
		uint64_t count = reader_u64(r);

		if (i < CARP_REFUSAL_COUNT)
			k.counters[i] = count;
	}
	if (!reader_ok(r) || state > CARP_MASTER || lease_ns <= 0)
		return -EBADMSG;
	k.state = (enum carp_state)state;
	v = vhost_of(e, name, vhid);
	if (!v)
		return k.state == CARP_MASTER ? -ENOENT : 0;
	if (v->held)
		return -EBADMSG; /* twice the same */
	get_counters(r, e, v);
	v->unheard = r->left && reader_u8(r);
	set_tracked(e, v, r->left ? reader_u32(r) : 0, now);
	if (!reader_ok(r))
		return -EBADMSG;
	v->unusable = unusable && v->link_up;
	v->no_preempt = no_preempt;
	set_vhost(v, &k, lease_ns, now);
	return 0;
}

static bool get_entry(struct reader *r, struct history *h)
{
	char vhost[SESSION_NAME_MAX], cause[SESSION_REASON_MAX];
	int64_t step_us[UINT8_MAX];
	struct history_entry *entry;
	mono_t at = get_time(r);
	uint8_t from, to, steps;

	get_text(r, vhost, sizeof(vhost));
	from = reader_u8(r);
	to = reader_u8(r);
	get_text(r, cause, sizeof(cause));
	steps = reader_u8(r);
	for (unsigned i = 0; i < steps; i++)
		step_us[i] = (int64_t)reader_u64(r);
	if (r->left && !h->count) /* an older version does not number them */
		h->count = reader_u64(r) - 1;
	if (!reader_ok(r) || from > CARP_MASTER || to > CARP_MASTER)
		return false;
	entry = history_add(h, at, vhost, (enum carp_state)from,
			    (enum carp_state)to, cause);
	for (unsigned i = 0; i < steps && i < STEP_COUNT; i++)
		entry->step_us[i] = step_us[i];
	return true;
}

/* Is the node as it was: master of as many, and no interface went down? */
static bool as_before(const struct engine *e, unsigned masters)
{
	for (size_t i = 0; i < e->nvhosts; i++)
		if (!e->vhosts[i].gone && !e->vhosts[i].link_up)
			return false;
	return e->masters == masters;
}

static void get_streams(struct reader *r, struct engine *e, bool events,
			mono_t now)
{
	/* an older version says nothing of them */
	unsigned n = r->left ? reader_u8(r) : 0;

	for (; n > 0 && reader_ok(r); n--) {
		struct session_place told, heard;
		char name[SESSION_NAME_MAX];
		struct engine_peer *p;
		struct reader one;

		record_read(r, &one);
		get_text(&one, name, sizeof(name));
		told.epoch = reader_u64(&one);
		told.seq = reader_u64(&one);
		heard.epoch = reader_u64(&one);
		heard.seq = reader_u64(&one);
		r->failed |= one.failed;
		p = peer_named(e, name);
		if (!p || r->failed)
			continue;
		if (!events)
			told.epoch = 0;
		engine_resume_restore(e, (unsigned)(p - e->peers), &told,
				      &heard, now);
	}
}

/* What follows from a mastership does so now, and not as if it began. */
static unsigned take_up_masters(struct engine *e, mono_t now)
{
	unsigned was = 0;

	for (size_t i = 0; i < e->nvhosts; i++) {
		was += e->vhosts[i].held;
		e->masters += e->vhosts[i].carp.state == CARP_MASTER;
	}
	e->master_set = engine_masters(e);
	if (e->masters)
		engine_epoch_telling(e, true, now);
	return was;
}

static int get_vhosts(struct reader *r, struct engine *e, mono_t now)
{
	struct reader one;
	int err = 0;

	for (unsigned n = reader_u8(r); !err && n > 0 && reader_ok(r); n--) {
		record_read(r, &one);
		err = get_vhost(&one, e, now);
	}
	return err;
}

static bool get_history(struct reader *r, struct history *h)
{
	struct reader one;

	memset(h, 0, sizeof(*h));
	for (unsigned n = reader_u8(r); n > 0 && reader_ok(r); n--) {
		record_read(r, &one);
		if (!get_entry(&one, h))
			return false;
	}
	return reader_ok(r);
}

int engine_restore(struct engine *e, const void *data, size_t len, bool events,
		   mono_t now)
{
	struct reader r;
	unsigned masters;
	int err;

	reader_init(&r, data, len);
	get_node(&r, e);
	err = get_vhosts(&r, e, now);
	if (err)
		return err;
	if (!get_history(&r, &e->history))
		return -EBADMSG;
	masters = take_up_masters(e, now);
	if (as_before(e, masters))
		get_streams(&r, e, events, now);
	if (!reader_ok(&r))
		return -EBADMSG;
	e->touched = true;
	for (size_t i = 0; i < e->nvhosts; i++)
		if (e->vhosts[i].held && !e->subscribed) {
			e->subscribed = true;
			engine_push(e, ENGINE_SUBSCRIBE, 0);
		}
	return 0;
}
