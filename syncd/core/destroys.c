/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Natural ends from violent ones. The kernel says which is which: a natural
 * expiry carries no timeout, a forced removal does, and a removal asked for
 * by a process carries its netlink port (ctnetlink_conntrack_event). Not
 * here: who is master, and the telling. Invariant: the ring is in order of
 * due times, because every entry waits equally long.
 */
#include "destroys.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>
#include <string.h>

static const char *const names[DESTROYS_VERDICTS] = {
	[DESTROYS_TELL] = "told",
	[DESTROYS_WAIT] = "deleted",
	[DESTROYS_FORCED] = "forced",
	[DESTROYS_FLUSH] = "flush",
};

const char *destroys_verdict_name(enum destroys_verdict v)
{
	return names[v];
}

void destroys_init(struct destroys *d)
{
	memset(d, 0, sizeof(*d));
}

static struct destroys_entry *at(struct destroys *d, size_t i)
{
	return &d->list[(d->head + i) % DESTROYS_LIST_MAX];
}

bool destroys_ended(const struct flow *f)
{
	return f->l4proto == IPPROTO_TCP &&
	       (f->tcp_state == TCP_CONNTRACK_CLOSE ||
		f->tcp_state == TCP_CONNTRACK_TIME_WAIT);
}

bool destroys_early(const struct flow *f)
{
	return f->has & FLOW_HAS_TIMEOUT && !destroys_ended(f);
}

bool destroys_droppable(const struct flow *f)
{
	return !(f->status & IPS_ASSURED) ||
	       (f->l4proto == IPPROTO_TCP &&
		f->tcp_state >= TCP_CONNTRACK_FIN_WAIT &&
		f->tcp_state <= TCP_CONNTRACK_CLOSE);
}

/* Takes out what waits of one process; the others keep their order. */
static size_t drop_portid(struct destroys *d, uint32_t portid)
{
	size_t kept = 0, dropped = 0;

	for (size_t i = 0; i < d->count; i++) {
		if (at(d, i)->portid == portid) {
			dropped++;
			continue;
		}
		*at(d, kept++) = *at(d, i);
	}
	d->count = kept;
	return dropped;
}

/*
 * Of one process, within the wait: those that are due were before. The table
 * is as it was at the first of them; it may have been counted since, without
 * what is being deleted.
 */
static bool is_flush(struct destroys *d, uint32_t portid, uint64_t table,
		     mono_t now)
{
	size_t n = 1;

	if (d->count == DESTROYS_LIST_MAX)
		return true;
	for (size_t i = 0; i < d->count; i++) {
		const struct destroys_entry *e = at(d, i);

		if (e->portid != portid || mono_due(e->due, now))
			continue;
		n++;
		if (e->table > table)
			table = e->table;
	}
	return n > DESTROYS_FLUSH_COUNT ||
	       (n >= DESTROYS_FLUSH_QUARTER && n * 4 > table);
}

static enum destroys_verdict verdict(struct destroys *d, const struct flow *f,
				     uint32_t portid, uint64_t table,
				     mono_t now)
{
	struct destroys_entry *e;

	if (!destroys_early(f))
		return DESTROYS_TELL;
	if (portid == 0)
		return DESTROYS_FORCED;

	if (d->flushing == portid && !mono_due(d->flush_ends, now)) {
		d->flush_ends = mono_add(now, DESTROYS_WAIT_NS);
		d->flushed++;
		return DESTROYS_FLUSH;
	}
	if (is_flush(d, portid, table, now)) {
		d->flushing = portid;
		d->flush_ends = mono_add(now, DESTROYS_WAIT_NS);
		d->flushed = drop_portid(d, portid) + 1;
		d->flushes++;
		return DESTROYS_FLUSH;
	}
	e = at(d, d->count++);
	*e = (struct destroys_entry){
		.flow = *f,
		.portid = portid,
		.number = d->offered,
		.table = table,
		.due = mono_add(now, DESTROYS_WAIT_NS),
	};
	return DESTROYS_WAIT;
}

enum destroys_verdict destroys_offer(struct destroys *d, const struct flow *f,
				     uint32_t portid, uint64_t table,
				     mono_t now)
{
	enum destroys_verdict v = verdict(d, f, portid, table, now);

	d->counters[v]++;
	d->offered++;
	return v;
}

void destroys_revive(struct destroys *d, const struct flow *f, uint64_t before)
{
	for (size_t i = 0; i < d->count; i++) {
		if (at(d, i)->number >= before ||
		    !flow_same_key(&at(d, i)->flow, f))
			continue;
		for (size_t k = i + 1; k < d->count; k++)
			*at(d, k - 1) = *at(d, k);
		d->count--;
		return;
	}
}

bool destroys_next(struct destroys *d, mono_t now, struct flow *f)
{
	if (!d->count || !mono_due(at(d, 0)->due, now))
		return false;
	*f = at(d, 0)->flow;
	d->head = (d->head + 1) % DESTROYS_LIST_MAX;
	d->count--;
	return true;
}

void destroys_clear(struct destroys *d)
{
	d->count = 0;
}

mono_t destroys_deadline(const struct destroys *d)
{
	return d->count ? d->list[d->head].due : MONO_NEVER;
}
