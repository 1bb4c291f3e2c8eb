// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The made-up conntrack table. Not a model of packets: sim/traffic.c says
 * what they do. Text: CTNETLINK.md, syncd/os/ct_inject.h. Invariant: no
 * two entries share an original or a reply tuple.
 */
#include "kernel.h"

#include <assert.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "merge.h"

void kernel_init(struct kernel *k, const struct flow_timeouts *timeouts)
{
	*k = (struct kernel){
		.entries = calloc(KERNEL_ENTRIES_MAX, sizeof(*k->entries)),
		.events = calloc(KERNEL_EVENTS_MAX, sizeof(*k->events)),
		.max = KERNEL_ENTRIES_MAX,
		.room = KERNEL_EVENTS_MAX,
		.chunk = KERNEL_CHUNK_MAX,
		.timeouts = timeouts,
	};
	assert(k->entries && k->events);
}

void kernel_free(struct kernel *k)
{
	free(k->entries);
	free(k->events);
}

void kernel_reset(struct kernel *k)
{
	k->n = 0;
	kernel_subscribe(k, false);
	kernel_dump_abort(k);
}

/* --- looking ------------------------------------------------------------ */

static uint32_t hash(const struct flow *f, const struct flow_tuple *t)
{
	uint32_t h = 2166136261u ^ f->l4proto;

	for (size_t i = 0; i < 4; i++)
		h = (h ^ t->src.b[i]) * 16777619u;
	for (size_t i = 0; i < 4; i++)
		h = (h ^ t->dst.b[i]) * 16777619u;
	h = (h ^ t->sport) * 16777619u;
	h = (h ^ t->dport) * 16777619u;
	return h ^ h >> 15;
}

static bool same_kind(const struct flow *a, const struct flow *b)
{
	return a->l4proto == b->l4proto && a->family == b->family &&
	       a->zone == b->zone;
}

const struct kernel_entry *kernel_look(const struct kernel *k,
				       const struct flow *f)
{
	uint32_t h = hash(f, &f->orig);

	for (size_t i = 0; i < k->n; i++)
		if (k->entries[i].orig_hash == h &&
		    same_kind(&k->entries[i].flow, f) &&
		    flow_tuple_equal(&k->entries[i].flow.orig, &f->orig))
			return &k->entries[i];
	return NULL;
}

struct kernel_entry *kernel_find(struct kernel *k, const struct flow *f)
{
	const struct kernel_entry *e = kernel_look(k, f);

	return e ? &k->entries[e - k->entries] : NULL;
}

struct kernel_entry *kernel_find_reply(struct kernel *k, const struct flow *f)
{
	uint32_t h = hash(f, &f->reply);

	for (size_t i = 0; i < k->n; i++)
		if (k->entries[i].reply_hash == h &&
		    same_kind(&k->entries[i].flow, f) &&
		    flow_tuple_equal(&k->entries[i].flow.reply, &f->reply))
			return &k->entries[i];
	return NULL;
}

static struct flow seen(const struct kernel_entry *e, mono_t now)
{
	struct flow f = e->flow;
	int64_t left = mono_diff(e->expires, now);

	f.timeout_s = left > 0 ? (uint32_t)(left / MONO_S) : 0;
	f.has |= FLOW_HAS_TIMEOUT;
	return f;
}

/* --- events -------------------------------------------------------------- */

void kernel_subscribe(struct kernel *k, bool on)
{
	k->subscribed = on;
	k->overrun = k->congested = false;
	k->head = k->queued = 0;
}

static void event(struct kernel *k, enum flow_op op, const struct flow *f,
		  uint32_t portid)
{
	if (!k->subscribed)
		return;
	if (k->swallow) {
		k->swallow--;
		return;
	}
	/* as netlink_overrun: told once, and deaf until the queue is empty */
	if (k->queued >= k->room && !k->congested)
		k->overrun = k->congested = true;
	if (k->congested)
		return;
	k->events[(k->head + k->queued++) % KERNEL_EVENTS_MAX] =
		(struct kernel_event){ op, *f, portid };
}

int kernel_event_get(struct kernel *k, struct kernel_event *ev)
{
	if (k->overrun) {
		k->overrun = false;
		return -1;
	}
	if (!k->queued) {
		k->congested = false;
		return 0;
	}
	*ev = k->events[k->head];
	k->head = (k->head + 1) % KERNEL_EVENTS_MAX;
	k->queued--;
	return 1;
}

/* --- entries --------------------------------------------------------------- */

static void add(struct kernel *k, const struct flow *f, mono_t expires)
{
	struct kernel_entry *e = &k->entries[k->n++];
	uint32_t h = hash(f, &f->orig);

	*e = (struct kernel_entry){
		.flow = *f,
		.key = (uint64_t)(h >> 8) << 40 | ++k->ids,
		.orig_hash = h,
		.reply_hash = hash(f, &f->reply),
		.expires = expires,
	};
	e->flow.has &= (uint8_t)~FLOW_HAS_TIMEOUT;
	e->flow.timeout_s = 0;
}

static void drop(struct kernel *k, struct kernel_entry *e)
{
	*e = k->entries[--k->n];
}

static mono_t nominal_end(const struct kernel *k, const struct flow *f,
			  mono_t now)
{
	return mono_add(now, timeouts_nominal(k->timeouts, f) * MONO_S);
}

bool kernel_create(struct kernel *k, const struct flow *f, mono_t now)
{
	if (k->n >= k->max || kernel_find(k, f) || kernel_find_reply(k, f))
		return false;
	add(k, f, nominal_end(k, f, now));
	k->entries[k->n - 1].passed = true;
	if (k->subscribed)
		k->entries[k->n - 1].only_since = now;
	event(k, FLOW_NEW, f, 0);
	return true;
}

void kernel_refresh(struct kernel *k, struct kernel_entry *e, mono_t now)
{
	if (!(e->flow.status & IPS_FIXED_TIMEOUT))
		e->expires = nominal_end(k, &e->flow, now);
	e->passed = true;
}

void kernel_changed(struct kernel *k, struct kernel_entry *e, mono_t now)
{
	kernel_refresh(k, e, now);
	event(k, FLOW_UPDATE, &e->flow, 0);
}

void kernel_remove(struct kernel *k, struct kernel_entry *e, bool forced,
		   uint32_t portid, mono_t now)
{
	struct flow f = forced ? seen(e, now) : e->flow;

	drop(k, e);
	event(k, FLOW_DESTROY, &f, portid);
}

void kernel_expire(struct kernel *k, mono_t now)
{
	for (size_t i = k->n; i-- > 0;)
		if (mono_due(k->entries[i].expires, now))
			kernel_remove(k, &k->entries[i], false, 0, now);
}

/* --- injection --------------------------------------------------------------- */

static enum flow_result create(struct kernel *k, const struct flow *f,
			       mono_t now)
{
	if (k->n >= k->max)
		return FLOW_TABLE_FULL;
	add(k, f, mono_add(now, f->timeout_s * MONO_S));
	if (f->l4proto == IPPROTO_GRE)
		k->entries[k->n - 1].flow.status |= IPS_FIXED_TIMEOUT;
	return FLOW_APPLIED;
}

static enum flow_result replace(struct kernel *k, const struct flow *f,
				mono_t now)
{
	struct kernel_entry *e = kernel_find(k, f);

	if (e)
		drop(k, e);
	e = kernel_find_reply(k, f);
	if (e)
		drop(k, e);
	return create(k, f, now);
}

/* Bits are only added, tuples and translation stay as they are. */
static enum flow_result update(struct kernel_entry *e, const struct flow *f,
			       mono_t now)
{
	e->flow.status |= f->status;
	e->flow.mark = f->mark;
	e->flow.tcp_state = f->tcp_state;
	if (f->has & FLOW_HAS_SEQADJ)
		memcpy(e->flow.seqadj, f->seqadj, sizeof(f->seqadj));
	e->expires = mono_add(now, f->timeout_s * MONO_S);
	e->passed = false;
	return FLOW_APPLIED;
}

static bool may_become(const struct kernel_entry *e, const struct flow *f)
{
	uint32_t bits = IPS_SEEN_REPLY | IPS_ASSURED;

	return !(e->flow.status & ~f->status & bits);
}

static enum flow_result copy(struct kernel *k, const struct flow *f, mono_t now)
{
	struct kernel_entry *e = kernel_find(k, f);

	if (e && flow_tuple_equal(&e->flow.reply, &f->reply) &&
	    may_become(e, f))
		return update(e, f, now);
	return replace(k, f, now);
}

/* As the daemon does it with a real one (syncd/os/ct_op.c). */
static enum flow_result merge(struct kernel *k, const struct flow_change *c,
			      mono_t now)
{
	struct kernel_entry *e = kernel_find(k, &c->flow);
	bool holder = !e && c->op != FLOW_DESTROY && !c->late;
	enum merge_do what;
	struct flow found, out;

	if (holder)
		e = kernel_find_reply(k, &c->flow);
	if (!e)
		return c->op == FLOW_DESTROY || c->late
			       ? FLOW_GONE
			       : create(k, &c->flow, now);
	found = seen(e, now);
	what = holder ? merge_taken(c, &found, k->timeouts)
		      : merge_found(c, &found, k->timeouts, &out);
	switch (what) {
	case MERGE_SAME:
		return FLOW_APPLIED;
	case MERGE_STALE:
		return FLOW_KEPT;
	case MERGE_CLASH:
		return FLOW_CLASH;
	case MERGE_DELETE:
		drop(k, e);
		return FLOW_APPLIED;
	case MERGE_OUST:
		(void)replace(k, &c->flow, now);
		return FLOW_OUSTED;
	case MERGE_REPLACE:
		return replace(k, &c->flow, now);
	case MERGE_WRITE:
		break;
	}
	e->flow.status = out.status;
	e->flow.mark = out.mark;
	if (out.tcp_state != TCP_CONNTRACK_NONE)
		e->flow.tcp_state = out.tcp_state;
	if (out.has & FLOW_HAS_TIMEOUT)
		e->expires = mono_add(now, out.timeout_s * MONO_S);
	e->passed &= !(out.has & FLOW_HAS_TIMEOUT);
	return FLOW_APPLIED;
}

enum flow_result kernel_inject(struct kernel *k, const struct flow_change *c,
			       mono_t now)
{
	struct kernel_entry *e = kernel_find(k, &c->flow);

	assert(c->op == FLOW_DESTROY || c->flow.has & FLOW_HAS_TIMEOUT);
	if (c->merge)
		return merge(k, c, now);
	switch (c->op) {
	case FLOW_NEW:
		return replace(k, &c->flow, now);
	case FLOW_UPDATE:
		if (e && may_become(e, &c->flow))
			return update(e, &c->flow, now);
		return copy(k, &c->flow, now);
	case FLOW_COPY:
		return copy(k, &c->flow, now);
	case FLOW_DESTROY:
		if (!e)
			return FLOW_GONE;
		drop(k, e);
		return FLOW_APPLIED;
	case FLOW_TIMEOUT:
		if (!e)
			return FLOW_GONE;
		e->expires = mono_add(now, c->flow.timeout_s * MONO_S);
		e->passed &= merge_fresh(&c->flow, k->timeouts);
		return FLOW_APPLIED;
	}
	return FLOW_OTHER;
}

/* --- dumps --------------------------------------------------------------------- */

static const struct kernel_entry *next_entry(const struct kernel *k,
					     uint64_t after)
{
	const struct kernel_entry *best = NULL;

	for (size_t i = 0; i < k->n; i++)
		if (k->entries[i].key > after &&
		    (!best || k->entries[i].key < best->key))
			best = &k->entries[i];
	return best;
}

static void fill(struct kernel *k, mono_t now)
{
	struct kernel_dump *d = &k->dump;
	const struct kernel_entry *e;

	d->n = 0;
	d->last = false;
	while (d->n < k->chunk) {
		e = next_entry(k, d->after);
		if (!e) {
			d->last = true;
			return;
		}
		d->after = e->key;
		d->chunk[d->n++] = seen(e, now);
	}
}

void kernel_dump_start(struct kernel *k, mono_t now)
{
	k->dump.running = true;
	k->dump.after = 0;
	fill(k, now);
}

bool kernel_dump_read(struct kernel *k, struct flow *list, size_t *n,
		      mono_t now)
{
	struct kernel_dump *d = &k->dump;

	assert(d->running);
	memcpy(list, d->chunk, d->n * sizeof(*list));
	*n = d->n;
	if (d->last) {
		d->running = false;
		return false;
	}
	fill(k, now);
	return true;
}

void kernel_dump_abort(struct kernel *k)
{
	k->dump.running = false;
}
