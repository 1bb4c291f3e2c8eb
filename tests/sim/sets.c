/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * nftables sets of made-up kernels. Invariant: an element that has run out is
 * seen by nobody, and nobody is told of it.
 */
#include "sets.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "sim.h"

enum { SILENT, RANGES };

const char *const sim_set_names[SIM_SETS] = { "inet t silent",
					      "inet t ranges" };

#define EQUAL_MAX_NS (20 * MONO_S)
#define SLACK_NS     (2 * MONO_S)

void sim_sets_reset(struct sim_sets *k)
{
	*k = (struct sim_sets){ 0 };
	k->set[SILENT].handle = 1;
	k->set[RANGES].handle = 2;
}

static struct set_kind kind_of(const struct sim_sets *k, unsigned set)
{
	return (struct set_kind){
		.present = true,
		.key_type = 7,
		.key_len = 4,
		.flags = NFT_SET_TIMEOUT |
			 (set == RANGES ? NFT_SET_INTERVAL : NFT_SET_EVAL),
		.handle = k->set[set].handle,
	};
}

/* --- elements ------------------------------------------------------------------ */

static void expire(struct sim_set *t, mono_t now)
{
	for (size_t i = 0; i < t->n;)
		if (mono_due(t->list[i].until, now))
			t->list[i] = t->list[--t->n];
		else
			i++;
}

static struct sim_element *find(struct sim_set *t, uint8_t key)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->list[i].key == key)
			return &t->list[i];
	return NULL;
}

static struct set_elem elem_of(unsigned set, const struct sim_element *from,
			       mono_t now)
{
	struct set_elem e = {
		.key_len = 4,
		.key = { 10, 0, 0, from->key },
		.userdata_len = 1,
		.userdata = { from->comment },
		.timeout_ms = from->timeout_ms,
	};

	if (set == RANGES) {
		e.end_len = 4;
		memcpy(e.end, e.key, 4);
		e.end[3]++;
	}
	if (e.timeout_ms)
		e.expires_ms =
			(uint64_t)(mono_diff(from->until, now) / MONO_MS);
	return e;
}

static void put(struct sim_set *t, const struct sim_element *el)
{
	struct sim_element *old = find(t, el->key);

	if (old)
		*old = *el;
	else if (t->n < SIM_ELEMENTS)
		t->list[t->n++] = *el;
}

static void drop(struct sim_set *t, struct sim_element *el)
{
	*el = t->list[--t->n];
}

/* --- what users and packets do ----------------------------------------------------- */

static void tell(struct sim_sets *k, unsigned what, unsigned set,
		 const struct set_elem *e)
{
	if (k->nnews == SIM_NEWS) {
		k->lost = true;
		return;
	}
	k->news[k->nnews].what = what;
	k->news[k->nnews].set = set;
	if (e)
		k->news[k->nnews].elem = *e;
	k->nnews++;
}

static void changed(struct sim *s, unsigned i, unsigned set,
		    const struct sim_element *el, bool gone)
{
	struct set_elem e = elem_of(set, el, sim_clock(s, i));

	if (gone)
		e.flags |= SET_ELEM_DELETED;
	if (s->node[i].engine)
		tell(&s->node[i].sets,
		     set == RANGES ? NEWS_STIRRED : NEWS_CHANGED, set, &e);
}

static void add(struct sim *s, unsigned i, unsigned set, bool silent)
{
	struct sim_element el = {
		.key = (uint8_t)sim_random(s, 100),
		.comment = (uint8_t)sim_random(s, 3),
		.until = MONO_NEVER,
	};

	if (silent)
		el.comment = 0;
	if (silent || sim_chance(s, 80)) {
		el.timeout_ms = 2000 + sim_random(s, 100000);
		if (silent)
			el.timeout_ms = 30000;
		el.until = mono_add(sim_clock(s, i),
				    (int64_t)el.timeout_ms * MONO_MS);
	}
	put(&s->node[i].sets.set[set], &el);
	if (!silent)
		changed(s, i, set, &el, false);
}

static void delete_one(struct sim *s, unsigned i, unsigned set, bool silent)
{
	struct sim_set *t = &s->node[i].sets.set[set];
	struct sim_element *el, was;

	if (!t->n)
		return;
	el = &t->list[sim_random(s, t->n)];
	was = *el;
	drop(t, el);
	if (!silent)
		changed(s, i, set, &was, true);
}

static void renew(struct sim *s, unsigned i, unsigned set)
{
	struct sim_sets *k = &s->node[i].sets;

	sim_say(s, "%s: set %u is made anew", s->node[i].name, set);
	k->set[set].handle += 10;
	k->set[set].n = 0;
	if (s->node[i].engine)
		tell(k, NEWS_RENEWED, set, NULL);
}

/* Of who is no master. */
static void renew_other(struct sim *s, unsigned i, unsigned set)
{
	unsigned other = sim_other(s, i);

	if (s->node[other].engine)
		renew(s, other, set);
}

void sim_sets_traffic(struct sim *s, unsigned i)
{
	unsigned set = (unsigned)sim_random(s, SIM_SETS);
	struct sim_sets *k = &s->node[i].sets;
	uint64_t dice = sim_random(s, 1000);

	expire(&k->set[set], sim_clock(s, i));
	if (dice < 40)
		add(s, i, set, false);
	else if (dice < 60)
		delete_one(s, i, set, false);
	else if (dice < 140)
		add(s, i, SILENT, true);
	else if (dice < 144)
		delete_one(s, i, SILENT, true);
	else if (dice < 145)
		while (k->set[set].n)
			delete_one(s, i, set, false);
	else if (dice < 146)
		renew(s, i, set);
	else if (dice < 147)
		renew_other(s, i, set);
}

/* --- the engine's side ----------------------------------------------------------------- */

bool sim_sets_news(struct sim *s, unsigned i)
{
	struct sim_sets *k = &s->node[i].sets;
	struct engine *e = s->node[i].engine;
	bool any = k->nnews > 0 || k->lost;

	for (size_t n = 0; n < k->nnews; n++)
		switch (k->news[n].what) {
		case NEWS_CHANGED:
			engine_set_event(e, k->news[n].set, &k->news[n].elem,
					 sim_clock(s, i));
			break;
		case NEWS_STIRRED:
			engine_set_stirred(e, k->news[n].set, sim_clock(s, i));
			break;
		case NEWS_RENEWED:
			engine_set_renewed(e, k->news[n].set);
			break;
		}
	if (k->lost)
		engine_sets_overrun(e, sim_clock(s, i));
	k->nnews = 0;
	k->lost = false;
	return any;
}

/* The kernel fills the next chunk while this one is being read. */
static void fill(struct sim_sets *k, mono_t now)
{
	struct sim_set *t = &k->set[k->dumped];

	expire(t, now);
	k->nahead = 0;
	while (k->at < t->n && k->nahead < SIM_SET_CHUNK)
		k->ahead[k->nahead++] =
			elem_of(k->dumped, &t->list[k->at++], now);
	k->more = k->at < t->n;
}

static void read_on(struct sim *s, unsigned i)
{
	struct set_elem list[SIM_SET_CHUNK];
	struct sim_sets *k = &s->node[i].sets;
	size_t n = k->nahead;
	bool more = k->more;

	memcpy(list, k->ahead, n * sizeof(*list));
	if (more)
		fill(k, sim_clock(s, i));
	engine_set_looked(s->node[i].engine, list, n, 0, more, 0,
			  sim_clock(s, i));
}

static enum set_result apply(struct sim *s, unsigned i, unsigned set,
			     const struct set_op *op)
{
	struct sim_set *t = &s->node[i].sets.set[set];
	struct sim_element *old = find(t, op->elem.key[3]), el;

	if (op->what == SET_DELETE) {
		if (old)
			drop(t, old);
		return old ? SET_APPLIED : SET_ABSENT;
	}
	el = (struct sim_element){
		.key = op->elem.key[3],
		.comment = op->elem.userdata[0],
		.timeout_ms = op->elem.timeout_ms,
		.until = set_memo_until(&op->elem, sim_clock(s, i)),
	};
	put(t, &el);
	return find(t, el.key) ? SET_APPLIED : SET_FULL;
}

static void apply_all(struct sim *s, unsigned i)
{
	struct engine_sets *e = s->node[i].engine->sets;
	uint8_t results[SET_FRAME_MAX];

	expire(&s->node[i].sets.set[e->ops_set], sim_clock(s, i));
	for (size_t n = 0; n < e->nops; n++)
		results[n] = (uint8_t)apply(s, i, e->ops_set, &e->ops[n]);
	engine_set_applied(s->node[i].engine, results, sim_clock(s, i));
}

void sim_sets_work(struct sim *s, unsigned i)
{
	struct sim_sets *k = &s->node[i].sets;
	struct engine *e = s->node[i].engine;
	unsigned set = engine_sets_at(e);
	struct set_kind kind;

	switch (engine_sets_piece(e)) {
	case SETS_KIND:
		kind = kind_of(k, set);
		engine_set_is(e, set, &kind, sim_chance(s, 2) ? -EINTR : 0,
			      sim_clock(s, i));
		return;
	case SETS_START:
		k->dumped = set;
		k->at = 0;
		fill(k, sim_clock(s, i));
		engine_set_looking(e, sim_chance(s, 2) ? -ENOMEM : 0,
				   sim_clock(s, i));
		return;
	case SETS_READ:
		read_on(s, i);
		return;
	case SETS_ABORT:
		engine_set_looked(e, NULL, 0, 0, false, -ECANCELED,
				  sim_clock(s, i));
		return;
	case SETS_APPLY:
		apply_all(s, i);
		return;
	case SETS_NOTHING:
		return;
	}
}

/* --- the watch ------------------------------------------------------------------------------ */

/* By two clocks. */
static bool close_to(mono_t a, mono_t b, int64_t apart_ns)
{
	int64_t d;

	if (mono_is_never(a) || mono_is_never(b))
		return mono_is_never(a) == mono_is_never(b);
	d = mono_diff(a, b) - apart_ns;
	return d < SLACK_NS && d > -SLACK_NS;
}

/* NULL, or what is wrong; what is about to run out is not looked at. */
static const char *lacks(struct sim *s, unsigned from, unsigned to,
			 unsigned set, uint8_t *key)
{
	struct sim_set *a = &s->node[from].sets.set[set];
	struct sim_set *b = &s->node[to].sets.set[set];

	for (size_t n = 0; n < a->n; n++) {
		const struct sim_element *el = &a->list[n], *other;

		*key = el->key;
		if (mono_due(el->until, mono_add(sim_clock(s, from), SLACK_NS)))
			continue;
		other = find(b, el->key);
		if (!other)
			return "is not there";
		if (!close_to(el->until, other->until,
			      s->node[to].behind_ns - s->node[from].behind_ns))
			return "runs out at another time";
		if (el->comment != other->comment)
			return "has another comment";
	}
	return NULL;
}

static bool differ(struct sim *s, bool complain)
{
	const char *what = NULL;
	uint8_t key = 0;

	for (unsigned set = 0; set < SIM_SETS; set++)
		for (unsigned two = 0; two < s->nodes * s->nodes && !what;
		     two++) {
			unsigned from = two / s->nodes, to = two % s->nodes;

			what = lacks(s, from, to, set, &key);
			if (what && complain)
				sim_fail(s, "set %u: element %u of %s %s on %s",
					 set, key, s->node[from].name, what,
					 s->node[to].name);
		}
	return what;
}

void sim_watch_sets(struct sim *s)
{
	mono_t end = mono_add(s->now, EQUAL_MAX_NS);

	while (differ(s, false) && !sim_error(s) && s->now.ns < end.ns)
		sim_run(s, 10 * MONO_MS);
	(void)differ(s, true);
}
